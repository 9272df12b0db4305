"""Functions of the parameters that can be known when they are no products of powers: sums, differences, and a few more.

The directions without influence fall into blocks of parameters that have to do with each other. In each block they
are compared with those of a scaling, of a translation, and, for two parameters, of a growth whose rate is a third.
Whatever is found is checked by finite changes of the parameters.
"""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import numpy as np

from gait.identifiability import combinations
from gait.identifiability.derivatives import Model
from gait.identifiability.linearisation import Linearisation
from gait.identifiability.symmetries import FACTORS, scaled, worst_pair

_GUESS, _ALIGNED = 0.02, 0.99  # as in the analysis of scalings
_CONNECTED = 1e-4  # smallest entry of the projection on what has no influence, that counts
_MOVE = 0.5  # finite change, in standard deviations of the prior
_EQUAL = 1e-4  # relative; two rates are the same


@dataclasses.dataclass(frozen=True)
class KnownFunction:
    """A function of several parameters that can be known though they cannot.

    Attributes:
        text: the function, such as "a + b".
        parameters: indices of the parameters in it that cannot be known by themselves.
    """

    text: str
    parameters: tuple[int, ...]


def known_functions(model: Model, linear: Linearisation, names: tuple[str, ...]) -> list[KnownFunction]:
    """Names the functions of parameters that can be known, as far as it can.

    Args:
        model: see `gait.identifiability.derivatives.Model`.
        linear: the model near some points, with a rank.
        names: names of the parameters.
    """
    if linear.rank is None or linear.rank == len(names):
        return []
    spaces = [linear.null_space(u) for u in linear.agreeing]
    projectors = np.array([space @ space.T for space in spaces])
    found: list[KnownFunction] = []
    for block in _blocks(np.abs(projectors).max(axis=0)):
        dimension = round(float(np.mean([np.trace(p[np.ix_(block, block)]) for p in projectors])))
        kinds = (_products, _sums) if dimension < len(block) else ()
        for name_of in (*kinds, _rates):
            part = name_of(model, linear, projectors, block, dimension, names)
            if part is not None:
                found += part
                break
    return found


def _blocks(connected: np.ndarray) -> list[list[int]]:
    """Parameters that have to do with each other, block by block; those that can be known are in none."""
    left, blocks = [i for i in range(len(connected)) if connected[i, i] > _CONNECTED], []
    while left:
        block, new = [], [left[0]]
        while new:
            block += new
            new = [i for i in left if i not in block and any(connected[i, j] > _CONNECTED for j in new)]
        blocks.append(sorted(block))
        left = [i for i in left if i not in block]
    return blocks


def _weights(linear: Linearisation, projectors: np.ndarray, block, dimension: int, logarithmic: bool):
    """Integers that span the block's directions at all points, in the parameters or their logarithms; or None."""
    points = linear.jacobians.points[linear.agreeing][:, block]
    if logarithmic and (points == 0.0).any():
        return None
    common = np.zeros((len(block), len(block)))
    for projector, point in zip(projectors, points, strict=True):
        vectors = np.linalg.eigh(projector[np.ix_(block, block)])[1][:, len(block) - dimension :]
        scale = linear.sd[block] / point if logarithmic else linear.sd[block]
        basis = np.linalg.qr(vectors * scale[:, None])[0]
        common += basis @ basis.T / len(points)
    shares, vectors = np.linalg.eigh(common)
    if shares[len(block) - dimension] < _ALIGNED:
        return None
    return combinations.as_integers(vectors[:, len(block) - dimension :].T, _GUESS)


def _spread(values: np.ndarray, block, parameters: int) -> np.ndarray:
    full = np.zeros(parameters, int)
    full[block] = values
    return full


def _named(weights: np.ndarray, block, names, write) -> list[KnownFunction]:
    inside = [names[i] for i in block]
    found = []
    for exponents in combinations.invariants(weights):
        used = tuple(block[i] for i, value in enumerate(exponents) if value)
        found.append(KnownFunction(write(exponents, inside), used))
    return found


def _product_text(exponents, names) -> str:
    return combinations.written(combinations.oriented(exponents, names), names)


def _products(model, linear, projectors, block, dimension, names) -> list[KnownFunction] | None:
    weights = _weights(linear, projectors, block, dimension, True)
    points = linear.jacobians.points
    for row in () if weights is None else weights:
        full = _spread(row, block, len(names))
        if worst_pair(model, linear, [scaled(points, full, factor) for factor in FACTORS]) is None:
            return None
    return None if weights is None else _named(weights, block, names, _product_text)


def _sums(model, linear, projectors, block, dimension, names) -> list[KnownFunction] | None:
    weights = _weights(linear, projectors, block, dimension, False)
    points = linear.jacobians.points
    for row in () if weights is None else weights:
        full = _spread(row, block, len(names))
        used = full != 0
        move = _MOVE * np.min(linear.sd[used] / np.abs(full[used])) * full
        if worst_pair(model, linear, [points + move, points - move]) is None:
            return None
    return None if weights is None else _named(weights, block, names, combinations.written_sum)


def _rates(model, linear, projectors, block, dimension, names) -> list[KnownFunction] | None:
    """A sum of two parameters, or of their logarithms, with a factor that is a third parameter or a fixed ratio."""
    if len(block) != 2 or dimension != 1:
        return None
    points, agreeing = linear.jacobians.points, linear.agreeing
    vectors = [np.linalg.eigh(projector[np.ix_(block, block)])[1][:, -1] for projector in projectors]
    slopes = np.array(vectors) * linear.sd[block]
    free = [k for k in range(len(names)) if k not in block]
    for first, (log_one, log_two) in itertools.product((0, 1), itertools.product((False, True), repeat=2)):
        i, j = block[first], block[1 - first]
        at = points[agreeing]
        with np.errstate(divide="ignore", invalid="ignore"):
            change = slopes[:, first] / (at[:, i] if log_one else 1.0)
            rate = -change / (slopes[:, 1 - first] / (at[:, j] if log_two else 1.0))
            rates = [(1.0, "", np.ones(len(points)))]
            rates += [(p, names[k], points[:, k] ** p) for k in free for p in (1.0, -1.0)]
            for power, name, factor in rates:
                numbers = rate / factor[agreeing]
                number = (
                    Fraction(float(np.median(numbers))).limit_denominator(4)
                    if np.isfinite(numbers).all()
                    else Fraction(0)
                )
                if not number or np.abs(numbers / float(number) - 1.0).max() > _EQUAL:
                    continue
                others = _moved(points, linear.sd, i, j, float(number) * factor, log_one, log_two)
                if worst_pair(model, linear, others) is not None:
                    text = _rate_text(names[i], names[j], number, name, power, log_one, log_two)
                    return [KnownFunction(text, (i, j))]
    return None


def _moved(points, sd, i, j, rate, log_one: bool, log_two: bool) -> list[np.ndarray]:
    """Points moved so that f(i) + rate * g(j) stays, where f and g are a parameter or its logarithm."""
    found = []
    for sign in (1.0, -1.0):
        other = points.copy()
        other[:, j] = points[:, j] * 2.0**sign if log_two else points[:, j] + sign * _MOVE * sd[j]
        change = -rate * (sign * np.log(2.0) if log_two else sign * _MOVE * sd[j])
        other[:, i] = points[:, i] * np.exp(change) if log_one else points[:, i] + change
        found.append(other)
    return found


def _rate_text(one: str, two: str, number: Fraction, name: str, power: float, log_one: bool, log_two: bool) -> str:
    """Text of f(one) + number * name^power * g(two); a sum of logarithms is written as a product."""
    size = abs(number)
    factor = "" if size == 1 else f"{size.numerator}*" if size.denominator == 1 else f"{float(size):g}*"
    rate = f"{factor}{name}*" if name and power > 0 else factor
    term = f"{rate}{f'log({two})' if log_two and not log_one else two}" + (f"/{name}" if power < 0 else "")
    minus = number < 0
    if log_one and log_two:
        exponent = term.removesuffix(two).removesuffix("*") if power > 0 else term.replace(two, "1", 1)
        return f"{one}*{two}^{'(-' + exponent + ')' if minus else exponent if exponent.isalnum() else f'({exponent})'}"
    if log_one:
        return f"{one}*exp({'-' if minus else ''}{term})"
    return f"{one} {'-' if minus else '+'} {term}"

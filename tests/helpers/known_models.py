"""Small models whose identifiability is known, as plain functions of [batch, parameters].

Ten have published verdicts: 1-4 and 6-9 are in the tests of SciML StructuralIdentifiability.jl, 5 is an example
of PINTS, 10 of omaclaren/reparam. The verdict of 11 is derived. Initial states are parameters unless they are
given, and are written as "x2(0)". A combination is a product of powers of parameters. Where what can be known is
no such product (a01 + a12 + a21, k1² + k2², a rotated pair), `combinations` is None.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

RECOVERABLE = "recoverable"
COMBINED = "only in combination"
DEAD = "dead"
AMBIGUOUS = "ambiguous"
LOST = "lost in noise"


@dataclasses.dataclass(frozen=True)
class KnownModel:
    """A model, the ranges of its parameters, and what is known about it.

    Attributes:
        model: maps parameters [batch, p], real or complex, to noise-free outputs [batch, n].
        ranges: low and high end of each named parameter's prior.
        verdicts: verdict on each parameter.
        rank: number of directions in parameter space that the outputs tell.
        combinations: a basis of the monomials that can be known, or None if they are not the whole story.
        either_sign: parameters that are as often negative.
        noise: standard deviation of the noise on each output, or None.
        scaling: exponents of a scaling group that leaves the outputs alone, by name, or None.
        broken: exponents of a scaling group that changes them, by name, or None.
    """

    model: Callable[[np.ndarray], np.ndarray]
    ranges: dict[str, tuple[float, float]]
    verdicts: dict[str, str]
    rank: int
    combinations: tuple[str, ...] | None
    either_sign: tuple[str, ...] = ()
    noise: float | None = None
    scaling: dict[str, float] | None = None
    broken: dict[str, float] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of the columns."""
        return tuple(self.ranges)

    @property
    def prior_sd(self) -> np.ndarray:
        """Standard deviation of each parameter's prior, shape [p]."""
        low, high = np.array(list(self.ranges.values())).T
        return (high - low) / np.sqrt(12.0)

    def points(self, count: int = 8, seed: int = 0) -> np.ndarray:
        """Well-spread draws from the prior, shape [count, p]: one in each of `count` strata of every parameter."""
        generator = np.random.default_rng(seed)
        low, high = np.array(list(self.ranges.values())).T
        strata = generator.permuted(np.repeat(np.arange(count)[:, None], len(low), axis=1), axis=0)
        points = low + (high - low) * (strata + generator.random(strata.shape)) / count
        for name in self.either_sign:
            points[:, self.names.index(name)] *= generator.permutation(np.resize([1.0, -1.0], count))
        return points

    def weights(self, exponents: dict[str, float]) -> np.ndarray:
        """Exponents by name as an array, shape [p]."""
        return np.array([exponents.get(name, 0.0) for name in self.names])


def exponents(combination: str, names: tuple[str, ...]) -> np.ndarray:
    """The monomial that a text such as "N*a/b" or "k^2/m" means, as exponents, shape [p].

    1/x and x are equivalent: the first exponent that is not zero is made positive.
    """
    powers = np.zeros(len(names), int)
    for sign, factor in re.findall(r"(^|[*/])([^*/]+)", combination):
        name, _, power = factor.partition("^")
        if name != "1":
            powers[names.index(name)] += (-1 if sign == "/" else 1) * int(power or 1)
    leading = powers[np.flatnonzero(powers)[:1]]
    return powers * np.sign(leading) if len(leading) else powers


def same_knowledge(one, other, names: tuple[str, ...]) -> bool:
    """Checks that two lists of combinations generate the same monomials, each with as few as possible.

    Both are bases of a lattice of exponents. They generate the same one if each can be written in whole
    numbers of the other.
    """
    a, b = (np.array([exponents(text, names) for text in texts]).reshape(-1, len(names)) for texts in (one, other))
    if len(a) != len(b) or np.linalg.matrix_rank(a) < len(a) or np.linalg.matrix_rank(b) < len(b):
        return False
    for rows, basis in ((a, b), (b, a)):
        factors = np.linalg.lstsq(basis.T.astype(float), rows.T.astype(float), rcond=None)[0]
        if not np.allclose(np.round(factors).T @ basis, rows):
            return False
    return True


def _solve(field, start, times, theta) -> np.ndarray:
    """States [batch, states, times] of a whole batch that is integrated as one system.

    Args:
        field: maps t, states [states, batch] and theta [batch, p] to derivatives [states, batch].
        start: initial states, one a state, each scalar or [batch].
    """
    start = np.array(np.broadcast_arrays(*start, theta[:, 0])[:-1], theta.dtype)
    shape = start.shape

    def flat(t, states):
        return np.ravel(field(t, states.reshape(shape), theta))

    solution = solve_ivp(flat, (0.0, times[-1]), start.ravel(), "DOP853", times, rtol=1e-12, atol=1e-13)
    assert solution.success, solution.message
    return solution.y.reshape(*shape, len(times)).swapaxes(0, 1)


def _compartments(theta):
    """1. Two compartments that exchange, one of which leaks and is observed."""

    def field(_, x, theta):
        a01, a12, a21, *_ = theta.T
        return np.array([-(a01 + a21) * x[0] + a12 * x[1], a21 * x[0] - a12 * x[1]])

    return _solve(field, (theta[:, 3], theta[:, 4]), np.linspace(0, 8, 25), theta)[:, 0]


def _predators(theta):
    """2. Lotka-Volterra, the prey is counted."""

    def field(_, x, theta):
        a, b, c, d, *_ = theta.T
        return np.array([a * x[0] - b * x[0] * x[1], -c * x[1] + d * x[0] * x[1]])

    return _solve(field, (theta[:, 4], theta[:, 5]), np.linspace(0, 12, 40), theta)[:, 0]


def _known_predators(theta):
    """2, with x2(0) = 1 known."""
    return _predators(np.column_stack([theta, np.ones(len(theta))]))


def _first_order(theta):
    """3. A first-order lag with a known input, from rest."""

    def field(t, x, theta):
        a, b, _ = theta.T
        return a * x + b * (1.0 + np.sin(2.0 * t))

    return theta[:, 2, None] * _solve(field, (0.0,), np.linspace(0.2, 4, 20), theta)[:, 0]


def _epidemic(theta):
    """4. SEUIR, with the start in terms of all infectious, W = U + I, of whom I are counted."""

    def field(_, x, theta):
        a, b, d, g, n, *_ = theta.T
        s, e, w, i = x
        infected = b * w * s / n
        return np.array([-infected, infected - g * e, g * e - d * w, a * g * e - d * i])

    return _solve(field, theta[:, 5:].T, np.linspace(0, 15, 40), theta)[:, 3]


def _epidemic_unreported(theta):
    """4, with U(0) as the parameter in the place of W(0) = U(0) + I(0): what is known of it is no monomial."""
    theta = theta.copy()
    theta[:, 7] += theta[:, 8]
    return _epidemic(theta)


def _hidden_sum(theta):
    """5. Logistic growth to a capacity that two parameters make up."""
    capacity = 41.0 + np.sqrt(theta[:, 0] ** 2 + theta[:, 1] ** 2)[:, None]
    return capacity / (1.0 + (capacity / 2.0 - 1.0) * np.exp(-0.1 * np.linspace(0, 100, 21)))


def _late_influence(theta):
    """6. A parameter without influence on S(0), S'(0) and S''(0)."""
    return _solve(lambda _, s, theta: 1.0 + theta[:, 0] * s * s, (0.0,), np.linspace(0.1, 1, 10), theta)[:, 0]


def _spiral(theta):
    """7. A spiral of which only the radius is seen."""

    def field(_, x, theta):
        al = theta[:, 0]
        return np.array([al * (x[0] - x[1]), al * (x[0] + x[1])])

    states = _solve(field, (theta[:, 1], theta[:, 2]), np.linspace(0, 2, 12), theta)
    return (states[:, 0] ** 2 + states[:, 1] ** 2) / 2.0


def _spiral_polar(theta):
    """7, with the start in polar coordinates."""
    al, radius, angle = theta.T
    return _spiral(np.column_stack([al, radius * np.cos(angle), radius * np.sin(angle)]))


def _cancelled(theta):
    """8. A parameter that cancels in the sum of two states."""

    def field(_, x, theta):
        return np.array([x[1] - theta[:, 0], x[0] + theta[:, 0]])

    states = _solve(field, (theta[:, 1], theta[:, 2]), np.linspace(0, 2, 12), theta)
    return states[:, 0] + states[:, 1]


def _squared(theta):
    """9. A state and its rate change sign together, and its square is seen."""
    return _solve(lambda _, x, theta: theta[:, 0] * x * x, (theta[:, 1],), np.linspace(0, 0.6, 12), theta)[:, 0] ** 2


def _saturation(theta):
    """10. Michaelis-Menten decay far below saturation, from S(0) = 1."""

    def field(_, s, theta):
        nu, half = theta.T
        return -nu * s / (half + s)

    return _solve(field, (1.0,), np.linspace(0.2, 4, 20), theta)[:, 0]


def _oscillator_states(theta, force):
    def field(t, state, theta):
        m, k, c, *_ = theta.T
        x, v = state
        return np.array([v, (force(t) - k * x - c * v) / m])

    return _solve(field, (theta[:, 3], theta[:, 4]), np.linspace(0, 6, 25), theta)


def _oscillator(theta):
    """11. A damped oscillator, its position seen."""
    return _oscillator_states(theta, lambda _: 0.0)[:, 0]


def _pushed_oscillator(theta):
    """11, with a known force in newtons."""
    return _oscillator_states(theta, lambda t: 2.0 * np.sin(3.0 * t))[:, 0]


def _weighed_oscillator(theta):
    """11, with a sensor of the spring's force."""
    position = _oscillator_states(theta, lambda _: 0.0)[:, 0]
    return np.concatenate([position, theta[:, 1, None] * position], axis=1)


def _verdicts(**named: str) -> dict[str, str]:
    """{verdict: "names"} turned round; blanks separate names."""
    kinds = {"recoverable": RECOVERABLE, "combined": COMBINED, "dead": DEAD, "ambiguous": AMBIGUOUS, "lost": LOST}
    return {name: kinds[kind] for kind, names in named.items() for name in names.split()}


_PREY = {"a": (0.6, 1.2), "b": (0.5, 1.0), "c": (0.5, 1.0), "d": (0.4, 0.8), "x1(0)": (0.8, 1.5)}
_SEUIR = {"a": (0.3, 0.7), "b": (0.8, 1.6), "d": (0.15, 0.3), "g": (0.3, 0.8), "N": (80.0, 120.0)}
_SEUIR |= {"S(0)": (70.0, 110.0), "E(0)": (3.0, 8.0)}
_OSCILLATOR = {"m": (1.0, 2.0), "k": (4.0, 9.0), "c": (0.3, 0.9), "x(0)": (0.5, 1.0), "v(0)": (0.5, 1.5)}

MODELS: dict[str, KnownModel] = {
    "1 compartments": KnownModel(
        _compartments,
        {"a01": (0.2, 0.5), "a12": (0.4, 0.9), "a21": (0.3, 0.8), "x0(0)": (1.0, 2.0), "x1(0)": (0.3, 1.5)},
        _verdicts(recoverable="x0(0)", combined="a01 a12 a21 x1(0)"),
        rank=4,
        combinations=None,
        broken={"a12": 1.0, "x1(0)": -1.0},
    ),
    "2 predators": KnownModel(
        _predators,
        {**_PREY, "x2(0)": (0.4, 1.0)},
        _verdicts(recoverable="a c d x1(0)", combined="b x2(0)"),
        rank=5,
        combinations=("a", "c", "d", "x1(0)", "b*x2(0)"),
        scaling={"b": 1.0, "x2(0)": -1.0},
        broken={"b": 1.0, "x2(0)": 1.0},
    ),
    "2 predators, x2(0) known": KnownModel(
        _known_predators,
        _PREY,
        _verdicts(recoverable="a b c d x1(0)"),
        rank=5,
        combinations=("a", "b", "c", "d", "x1(0)"),
        broken={"b": 1.0},
    ),
    "3 first order": KnownModel(
        _first_order,
        {"a": (-1.5, -0.5), "b": (0.5, 1.5), "c": (0.8, 2.0)},
        _verdicts(recoverable="a", combined="b c"),
        rank=2,
        combinations=("a", "b*c"),
        scaling={"b": 1.0, "c": -1.0},
        broken={"b": 1.0, "c": -2.0},
    ),
    "4 epidemic": KnownModel(
        _epidemic,
        {**_SEUIR, "W(0)": (6.0, 12.0), "I(0)": (1.0, 2.0)},
        _verdicts(recoverable="d g I(0)", combined="a b N S(0) E(0) W(0)"),
        rank=7,
        combinations=("d", "g", "I(0)", "N*a/b", "E(0)*a", "S(0)*a", "W(0)*a"),
        scaling={"N": 2.0, "b": 1.0, "a": -1.0, "S(0)": 1.0, "E(0)": 1.0, "W(0)": 1.0},
        broken={"N": 1.0, "a": 1.0, "b": 1.0},
    ),
    "4 epidemic, U(0)": KnownModel(
        _epidemic_unreported,
        {**_SEUIR, "U(0)": (4.0, 10.0), "I(0)": (1.0, 2.0)},
        _verdicts(recoverable="d g I(0)", combined="a b N S(0) E(0) U(0)"),
        rank=7,
        combinations=None,
        scaling={"N": 1.0, "b": 1.0},
        broken={"N": 2.0, "b": 1.0, "a": -1.0, "S(0)": 1.0, "E(0)": 1.0, "U(0)": 1.0},
    ),
    "5 hidden sum": KnownModel(
        _hidden_sum,
        {"k1": (3.0, 12.0), "k2": (3.0, 12.0)},
        _verdicts(combined="k1 k2"),
        rank=1,
        combinations=None,
        broken={"k1": 1.0, "k2": -1.0},
    ),
    "6 late influence": KnownModel(
        _late_influence, {"a": (0.3, 1.2)}, _verdicts(recoverable="a"), rank=1, combinations=("a",), broken={"a": 1.0}
    ),
    "7 spiral": KnownModel(
        _spiral,
        {"al": (0.2, 0.6), "x1(0)": (0.5, 1.5), "x2(0)": (0.5, 1.5)},
        _verdicts(recoverable="al", combined="x1(0) x2(0)"),
        rank=2,
        combinations=None,
        broken={"x1(0)": 1.0, "x2(0)": -1.0},
    ),
    "7 spiral, polar": KnownModel(
        _spiral_polar,
        {"al": (0.2, 0.6), "radius(0)": (0.5, 1.5), "angle(0)": (0.3, 1.2)},
        _verdicts(recoverable="al radius(0)", dead="angle(0)"),
        rank=2,
        combinations=("al", "radius(0)"),
        scaling={"angle(0)": 1.0},
        broken={"angle(0)": 1.0, "radius(0)": 1.0},
    ),
    "8 cancelled": KnownModel(
        _cancelled,
        {"a": (0.5, 1.5), "x1(0)": (0.5, 2.0), "x2(0)": (0.5, 2.0)},
        _verdicts(combined="x1(0) x2(0)", dead="a"),
        rank=1,
        combinations=None,
        scaling={"a": 1.0},
        broken={"x1(0)": 1.0, "x2(0)": -1.0},
    ),
    "9 squared": KnownModel(
        _squared,
        {"al": (0.2, 0.8), "x(0)": (0.5, 1.5)},
        _verdicts(ambiguous="al x(0)"),
        rank=2,
        combinations=("al", "x(0)"),
        either_sign=("al", "x(0)"),
        broken={"al": 1.0, "x(0)": -1.0},
    ),
    "9 squared, sign known": KnownModel(
        _squared,
        {"al": (0.2, 0.8), "x(0)": (0.5, 1.5)},
        _verdicts(recoverable="al x(0)"),
        rank=2,
        combinations=("al", "x(0)"),
        broken={"al": 1.0, "x(0)": -1.0},
    ),
    "10 saturation": KnownModel(
        _saturation,
        {"nu": (40.0, 80.0), "K": (60.0, 140.0)},
        _verdicts(recoverable="nu K"),
        rank=2,
        combinations=("nu", "K"),
    ),
    "10 saturation, noisy": KnownModel(
        _saturation,
        {"nu": (40.0, 80.0), "K": (60.0, 140.0)},
        _verdicts(lost="nu K"),
        rank=1,
        combinations=("nu/K",),
        noise=0.02,
    ),
    "11 oscillator": KnownModel(
        _oscillator,
        _OSCILLATOR,
        _verdicts(recoverable="x(0) v(0)", combined="m k c"),
        rank=4,
        combinations=("k/m", "c/m", "x(0)", "v(0)"),
        scaling={"m": 1.0, "k": 1.0, "c": 1.0},
        broken={"m": 1.0, "k": 1.0},
    ),
    "11 oscillator, known force": KnownModel(
        _pushed_oscillator,
        _OSCILLATOR,
        _verdicts(recoverable="m k c x(0) v(0)"),
        rank=5,
        combinations=("m", "k", "c", "x(0)", "v(0)"),
        broken={"m": 1.0, "k": 1.0, "c": 1.0},
    ),
    "11 oscillator, spring-force sensor": KnownModel(
        _weighed_oscillator,
        _OSCILLATOR,
        _verdicts(recoverable="m k c x(0) v(0)"),
        rank=5,
        combinations=("m", "k", "c", "x(0)", "v(0)"),
        broken={"m": 1.0, "k": 1.0, "c": 1.0},
    ),
}

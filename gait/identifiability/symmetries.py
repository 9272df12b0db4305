"""Changes of the parameters that change no output, checked on the model itself.

Derivatives tell of small changes only. Here parameters are multiplied by factors of two, exchanged or given
another sign, and the model is run again.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from gait.identifiability.derivatives import Model, evaluate, jacobians
from gait.identifiability.linearisation import SAFETY, SOLVER, Linearisation, whitened

FACTORS = (0.5, 2.0)
EQUAL, EQUAL_TO_SOLVER = 1e-4, 1e-2
"""Outputs count as unchanged if they change by less than this part of the effect of the single changes. The second
number holds where the derivatives have shown nothing but a solver's error."""
_MOST_SIGNS = 10  # parameters whose signs are changed in all combinations
_PATH_STEPS, _PATH_STEP = 12, 0.1  # in units of the prior
_CORRECTIONS, _CORRECTED = 4, 1e-10


@dataclasses.dataclass(frozen=True)
class Counterexample:
    """Two sets of parameters with the same outputs.

    Attributes:
        theta, other: the two sets, shape [p].
        difference: largest difference between their outputs, in the outputs' unit.
    """

    theta: np.ndarray
    other: np.ndarray
    difference: float


def scaled(points: np.ndarray, weights: np.ndarray, factor: float) -> np.ndarray:
    """Multiplies every parameter of points [..., p] by factor^w."""
    return points * factor ** np.asarray(weights, float)


def scaling_counterexample(model: Model, linear: Linearisation, weights: np.ndarray) -> Counterexample | None:
    """Finds the pair of points a scaling apart whose outputs differ most; None if outputs change by the scaling.

    Args:
        model: see `gait.identifiability.derivatives.Model`.
        linear: the model near some points. All of them are tried, with factors of 0.5 and 2.
        weights: exponent of the scaling for each parameter, shape [p].
    """
    points, outputs = linear.jacobians.points, linear.jacobians.outputs
    if linear.settled is None and not linear.vanishes(points * np.asarray(weights, float) / linear.sd):
        return None
    worst = None
    for factor in FACTORS:
        others = scaled(points, weights, factor)
        there = evaluate(model, others)
        for u in range(len(points)):
            if not _unchanged(linear, u, others[u], there[u]):
                return None
            difference = float(np.abs(there[u] - outputs[u]).max())
            if worst is None or difference > worst.difference:
                worst = Counterexample(points[u], others[u], difference)
    return worst


def _unchanged(linear: Linearisation, u: int, other: np.ndarray, there: np.ndarray) -> bool:
    """Compares the outputs at `other` with those at point u, on the scale of the effects of the single changes."""
    if not np.isfinite(there).all():
        return False
    near = linear.jacobians
    moved, slopes = np.abs(other - near.points[u]), np.abs(near.values[u])
    effects = [slopes @ moved, slopes @ np.abs(near.points[u]), near.errors[u] @ moved, np.abs(there)]
    alone, all_of_it, doubt, size = whitened(np.abs(linear.white), np.stack(effects, axis=1)).max(axis=0)
    change = np.abs(whitened(linear.white, (there - near.outputs[u])[:, None])).max()
    rounding = 1e3 * np.finfo(float).eps * size
    equal = EQUAL if linear.settled is None else EQUAL_TO_SOLVER
    return bool(change <= equal * alone + SOLVER * all_of_it + SAFETY * doubt + rounding)


def path_counterexample(model: Model, linear: Linearisation, u: int, generator) -> Counterexample | None:
    """Finds two points on a curve along which the outputs do not change, followed step by step from point u.

    Every step goes along the directions without influence and is then corrected until the outputs are those at
    the start. The curve may end where the model has no outputs.

    Args:
        model: see `gait.identifiability.derivatives.Model`.
        linear: the model near some points, with a rank.
        u: index of the point to start from.
        generator: source of the choice among several directions.

    Returns:
        The two ends of the curve. None if it ends at once, or if the outputs change along it.
    """
    if linear.rank is None:
        return None
    theta, wanted, rank = linear.jacobians.points[u], linear.jacobians.outputs[u], linear.rank
    here, best = theta, None
    direction = linear.null_space(u) @ generator.normal(size=len(theta) - rank)
    for _ in range(_PATH_STEPS):
        here = here + _PATH_STEP * linear.sd * direction / np.linalg.norm(direction)
        for _ in range(_CORRECTIONS):
            found = jacobians(model, here[None])
            if not len(found.kept):
                return best
            scaled_here = whitened(linear.white, found.values[0]) * linear.sd
            miss = whitened(linear.white, (wanted - found.outputs[0])[:, None])[:, 0]
            outputs, triangle = np.linalg.qr(scaled_here)  # first: there may be many thousands of outputs
            left, values, right = np.linalg.svd(triangle)
            correction = right[:rank].T @ ((left[:, :rank].T @ (outputs.T @ miss)) / values[:rank])
            here = here + linear.sd * correction
            if np.linalg.norm(correction) < _CORRECTED:
                break
        direction = right[rank:].T @ (right[rank:] @ direction)
        there = evaluate(model, here[None])[0]
        if not _unchanged(linear, u, here, there):
            return None
        best = Counterexample(theta, here, float(np.abs(there - wanted).max()))
    return best


def ambiguous(model: Model, linear: Linearisation, candidates: np.ndarray) -> dict[int, str]:
    """Finds parameters that have another value with the same outputs, but none nearby.

    It tries other signs of parameters that have both signs among the points, and exchanges of two parameters
    whose ranges overlap. Other ambiguities are possible.

    Args:
        model: see `gait.identifiability.derivatives.Model`.
        linear: the model near some points.
        candidates: indices of the parameters that can be known but for an ambiguity.

    Returns:
        What is ambiguous about a parameter, in words, by its index.
    """
    points = linear.jacobians.points
    found: dict[int, str] = {}
    both = [i for i in candidates if (points[:, i] < 0).any() and (points[:, i] > 0).any()][:_MOST_SIGNS]
    for size in range(1, len(both) + 1):
        for chosen in itertools.combinations(both, size):
            if not set(chosen) <= set(found):
                turned = points.copy()
                turned[:, list(chosen)] *= -1.0
                if _all_unchanged(model, linear, turned):
                    found |= {i: "its sign" if size == 1 else "its sign, together with another's" for i in chosen}
    low, high = points.min(axis=0), points.max(axis=0)
    for i, j in itertools.combinations(candidates, 2):
        if low[i] < high[j] and low[j] < high[i]:
            turned = points.copy()
            turned[:, [i, j]] = turned[:, [j, i]]
            if _all_unchanged(model, linear, turned):
                found |= {i: "an exchange with another parameter", j: "an exchange with another parameter"}
    return found


def _all_unchanged(model: Model, linear: Linearisation, others: np.ndarray) -> bool:
    there = evaluate(model, others)
    return all(_unchanged(linear, u, others[u], there[u]) for u in range(len(others)))

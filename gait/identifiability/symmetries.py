"""Changes of the parameters that change no output, checked on the model itself.

Derivatives tell of small changes only. Here parameters are multiplied by factors of two, or moved along a curve
of equal outputs, and the model is run again. Outputs count as equal within the model's accuracy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from gait.identifiability.derivatives import Model, local_derivatives, units
from gait.identifiability.linearisation import SAFETY, Linearisation, whitened

FACTORS = (0.5, 2.0)
_PATH_STEPS, _PATH_STEP = 16, 0.1  # in units of the prior
_CORRECTIONS, _CORRECTED = 8, 0.1  # the latter as a part of the model's inaccuracy


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

    def to_dict(self, names: Sequence[str]) -> dict:
        """The pair as numbers by name for JSON."""
        sides = {"theta": self.theta, "other": self.other}
        return {side: dict(zip(names, theta.tolist(), strict=True)) for side, theta in sides.items()} | {
            "difference": self.difference
        }


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
    points = linear.jacobians.points
    if linear.settled is None and not linear.vanishes(points * np.asarray(weights, float) / linear.sd):
        return None
    return worst_pair(model, linear, [scaled(points, weights, factor) for factor in FACTORS])


def worst_pair(model: Model, linear: Linearisation, others: list[np.ndarray]) -> Counterexample | None:
    """Finds the pair of a point and its counterpart whose outputs differ most; None if any two are not equal.

    Args:
        model: see `gait.identifiability.derivatives.Model`.
        linear: the model near u points.
        others: counterparts of all points, shape [u, p] each.
    """
    points, outputs = linear.jacobians.points, linear.jacobians.outputs
    there = model(np.concatenate(others)).reshape(len(others), *outputs.shape)
    moved = np.abs(np.array(others) - points) / linear.sd
    # The derivatives tell that the change is none only as well as they are known.
    doubt = SAFETY * np.linalg.norm(np.einsum("unp,kup->kun", linear.errors, moved), axis=2)
    if not linear.equal(there - outputs, doubt).all():
        return None
    differences = np.abs(there - outputs).max(axis=2)
    k, u = divmod(int(np.argmax(differences)), len(points))
    return Counterexample(points[u], others[k][u], float(differences[k, u]))


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
    near, rank = linear.jacobians, linear.rank
    theta, wanted, unit = near.points[u], near.outputs[u], units(near.points)[u]
    here, best = theta, None
    direction = linear.null_space(u) @ generator.normal(size=len(theta) - rank)
    for _ in range(_PATH_STEPS):
        here = here + _PATH_STEP * linear.sd * direction / np.linalg.norm(direction)
        values = whitened(linear.white, local_derivatives(model, here[None], unit, near.method)[0]) * linear.sd
        there = model(here[None])[0]
        if not (np.isfinite(values).all() and np.isfinite(there).all()):
            return best
        outputs, triangle = np.linalg.qr(values)  # first: there may be many thousands of outputs
        left, sizes, right = np.linalg.svd(triangle)
        for _ in range(_CORRECTIONS):
            miss = whitened(linear.white, (wanted - there)[:, None])[:, 0]
            if np.linalg.norm(miss) <= _CORRECTED * linear.slack:
                break
            correction = right[:rank].T @ ((left[:, :rank].T @ (outputs.T @ miss)) / sizes[:rank])
            moved = here + linear.sd * correction
            output = model(moved[None])[0]
            if not np.isfinite(output).all():
                return best
            if np.linalg.norm(whitened(linear.white, (wanted - output)[:, None])) >= np.linalg.norm(miss):
                break
            here, there = moved, output
        direction = right[rank:].T @ (right[rank:] @ direction)
        if not linear.equal(there - wanted):
            return None
        best = Counterexample(theta, here, float(np.abs(there - wanted).max()))
    return best

"""Derivatives of a forward model, each with its measured error."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable

import numpy as np

Model = Callable[[np.ndarray], np.ndarray]
"""Noise-free outputs [batch, n] of parameters [batch, p], with a row of NaN where there are none."""

STEPS = 1e-2 * 0.25 ** np.arange(9)
"""Steps tried, as fractions of a parameter's unit: from those that show curvature to those that show rounding."""
CHECKING_STEPS = STEPS[1:3]
"""Steps that are enough to see whether a complex step can be trusted."""
MEASURABLE = 1e-3
"""A record whose derivatives are known less accurately than this fraction of the largest one is set aside."""
_DIGITS = np.array([0.0, 4.0, -9.0])
"""Changes of the parameters that re-roll the rounding errors, in units of the last digit."""
_COMPLEX_STEP, _LOCAL_STEP = 1e-25, 1e-4
_RISEN = 30.0  # a disagreement of this many times the lowest is due to rounding
_FEWEST_TO_EXTRAPOLATE = 4  # steps
_EXTRAPOLATED = 1.2  # growth of the rounding error at each extrapolation, above its limit of 1.13
_NO_TRACE = 1e-9
"""A derivative that is smaller than this part of the outputs, in a parameter's unit, need not be known any better."""


@dataclasses.dataclass(frozen=True)
class Jacobians:
    """Derivatives of the outputs at u of the points. The other points have been set aside.

    Attributes:
        kept: indices of the u points.
        points: shape [u, p].
        outputs: shape [u, n].
        values: derivatives by the parameters, shape [u, n, p].
        errors: possible error of each derivative, shape [u, n, p].
        method: "central differences" or "complex step".
        set_aside: number of points at which the model has no outputs, or the steps do not agree.
    """

    kept: np.ndarray
    points: np.ndarray
    outputs: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    method: str
    set_aside: int

    def rows(self, chosen: np.ndarray) -> Jacobians:
        """Derivatives of some of the outputs only, by their indices."""
        return dataclasses.replace(
            self, outputs=self.outputs[:, chosen], values=self.values[:, chosen], errors=self.errors[:, chosen]
        )


def units(points: np.ndarray) -> np.ndarray:
    """Natural size of a step of each parameter at each point, shape [points, p].

    It is the parameter's own value where it has one sign at all points, so that no step changes the sign, and
    otherwise its spread.
    """
    spread = points.std(axis=0)
    one_sign = (points > 0).all(axis=0) | (points < 0).all(axis=0)
    unit = np.where(one_sign, np.abs(points), np.maximum(spread, np.abs(points).mean(axis=0)))
    return np.where(unit > 0.0, unit, 1.0)


def jacobians(model: Model, points: np.ndarray) -> Jacobians:
    """Derivatives of a model at some points.

    Central differences are taken at a ladder of steps. Of the two successive ones that agree best, the finer
    is the derivative, and their disagreement is its error: the truncation error of the coarser is many times
    that of the finer, and the rounding error of the finer is the larger one. If the model also takes complex
    numbers, and its complex step agrees with differences at two steps, the complex step takes their place. Its
    error is then the effect of a change of the last digits.

    Args:
        model: see `Model`.
        points: shape [points, p].
    """
    outputs, unit = model(points), units(points)
    method, found = "complex step", _complex_step(model, points, unit)
    if found is not None:
        values, errors = _differences(model, points, outputs, unit, CHECKING_STEPS)
        sound = np.isfinite(values).all(axis=(1, 2)) & np.isfinite(found[0]).all(axis=(1, 2))
        apart, allowed = (np.linalg.norm(of, axis=1) for of in (found[0] - values, errors + found[1]))
        if not sound.any() or (apart > 10.0 * allowed)[sound].any():
            found = None
    if found is None:
        method, found = "central differences", _differences(model, points, outputs, unit, STEPS)
    values, errors = found
    with np.errstate(invalid="ignore"):
        response = np.linalg.norm(values * unit[:, None, :], axis=1).max(axis=1)
        doubt = np.linalg.norm(errors * unit[:, None, :], axis=1).max(axis=1)
        enough = np.maximum(MEASURABLE * response, _NO_TRACE * np.linalg.norm(outputs, axis=1))
        sound = np.isfinite(outputs).all(axis=1) & np.isfinite(doubt) & (doubt <= enough)
    kept = np.flatnonzero(sound)
    return Jacobians(kept, points[kept], outputs[kept], values[kept], errors[kept], method, len(points) - len(kept))


def local_derivatives(model: Model, points: np.ndarray, unit: np.ndarray, method: str) -> np.ndarray:
    """Derivatives at the lowest cost, without their errors, shape [points, n, p].

    Args:
        model: see `Model`.
        points: shape [points, p].
        unit: size of a step of each parameter, shape [p] or [points, p].
        method: see `Jacobians`. A complex step takes p runs a point, central differences 2 p.
    """
    count, parameters = points.shape
    step = np.broadcast_to(unit, points.shape) * (_COMPLEX_STEP if method == "complex step" else _LOCAL_STEP)
    moved = np.repeat(points[:, None, :], parameters, axis=1)
    moves = step[:, :, None] * np.eye(parameters)
    if method == "complex step":
        there = model((moved + 1j * moves).reshape(-1, parameters)).imag
    else:
        both = model(np.concatenate([moved + moves, moved - moves]).reshape(-1, parameters))
        there = (both[: count * parameters] - both[count * parameters :]) / 2.0
    return (there.reshape(count, parameters, -1) / step[..., None]).swapaxes(1, 2)


def _differences(model: Model, points: np.ndarray, outputs, unit, steps) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives and their errors, each [points, n, p], from successive central differences that agree best."""
    parameters = points.shape[1]
    moves = (steps[:, None, None, None] * np.array([1.0, -1.0])[:, None, None]) * unit
    moved = np.broadcast_to(points[:, None, :], (*moves.shape, parameters)).copy()
    diagonal = np.arange(parameters)
    moved[..., diagonal, diagonal] += moves
    # Floating point makes another step of the one that was asked for.
    width = moved[:, 0][..., diagonal, diagonal] - moved[:, 1][..., diagonal, diagonal]
    there = model(moved.reshape(-1, parameters)).reshape(*moves.shape, -1)
    found = [_of_ladder(there[:, :, u], width[:, u], outputs[u], steps) for u in range(len(points))]
    return np.stack([values for values, _ in found]), np.stack([errors for _, errors in found])


def _of_ladder(there: np.ndarray, width: np.ndarray, outputs: np.ndarray, steps) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives and their errors at one point, each [n, p], from outputs [steps, 2, p, n].

    Where the outputs are smooth, Richardson's extrapolation of the differences is far more accurate than they are.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        slopes = (there[:, 0] - there[:, 1]) / width[..., None]  # [steps, p, n]
        rounding = np.finfo(float).eps * np.abs(outputs) / (width / 2)[..., None]
        values, errors, size = _best(slopes, rounding, steps)
        for power in (2, 4) if len(steps) > _FEWEST_TO_EXTRAPOLATE else ():
            gain = (steps[0] / steps[1]) ** power
            slopes, steps = (gain * slopes[1:] - slopes[:-1]) / (gain - 1.0), steps[1:]
            rounding = _EXTRAPOLATED * rounding[1:]
            others = _best(slopes, rounding, steps)
            better = others[2] < size
            values, errors = (
                np.where(better[:, None], new, old) for new, old in zip(others[:2], (values, errors), strict=True)
            )
            size = np.where(better, others[2], size)
    return values.T, errors.T


def _best(slopes: np.ndarray, rounding: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The slopes [p, n] of a ladder [steps, p, n] that agree best with those before, their errors, and their size."""
    apart = np.abs(slopes[1:] - slopes[:-1])
    # A finer step has a rounding error so much larger. Taking it into account makes agreement by chance rarer.
    finer = np.append(apart[1:], apart[-1:], axis=0) * (steps[1:] / steps[:-1]).reshape(-1, 1, 1)
    errors = np.fmax(np.maximum(apart, rounding[1:]), finer)
    size = np.linalg.norm(errors, axis=-1)
    size[~np.isfinite(size)] = np.inf
    # Once rounding has set in, finer steps may change no output at all and agree on a slope of zero.
    size[size > _RISEN * np.minimum.accumulate(size, axis=0)] = np.nan
    size[np.isnan(np.add.accumulate(size, axis=0))] = np.inf
    best = np.argmin(size, axis=0)[None]
    values, errors = (np.take_along_axis(found, best[..., None], axis=0)[0] for found in (slopes[1:], errors))
    return values, errors, np.take_along_axis(size, best, axis=0)[0]


def _complex_step(model: Model, points: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Derivatives and their errors, each [points, n, p]; None if the model does not take complex numbers."""
    count, parameters = points.shape
    step = _COMPLEX_STEP * unit
    digits = _DIGITS[:, None, None] * np.finfo(float).eps * points
    moved = np.repeat((points + digits)[:, :, None, :], parameters, axis=2).astype(complex)
    diagonal = np.arange(parameters)
    moved[..., diagonal, diagonal] += 1j * step
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            outputs = np.asarray(model(moved.reshape(-1, parameters)))
        except Exception:  # foreign code may refuse complex numbers in any way
            return None
    if not np.iscomplexobj(outputs) or outputs.shape[:1] != (moved.size // parameters,):
        return None
    slopes = (outputs.imag.reshape(len(_DIGITS), count, parameters, -1) / step[..., None]).swapaxes(2, 3)
    largest = np.abs(slopes[0] * unit[:, None, :]).max(axis=2, keepdims=True)
    rounding = np.finfo(float).eps * largest / unit[:, None, :]
    return slopes[0], np.ptp(slopes, axis=0) + rounding

"""Least-squares fits side by side: the method of Levenberg and Marquardt within a box.

All fits share each run of the model, so that a model that takes a whole batch at a time is called a few dozen times.

Source: J. J. Moré, Lecture Notes in Mathematics 630 (1978) 105-116.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_ROUNDS, _LAST_ROUNDS, _LAST = 60, 12, 0.1  # at most; after so many, a smaller part than this of the fits is given up
_STALLED, _PATIENCE = 1e-3, 4  # a fit has stalled when its squared misfit fell by less than this part so many times
_FALLING = 0.9  # a part by which the squared misfit falls near a solution
_DAMPING, _EASED, _RAISED, _LARGEST, _SMALLEST = 1e-2, 0.2, 6.0, 1e6, 1e-15
_STEP, _COMPLEX_STEP = 1e-6, 1e-25  # of a parameter's range, for derivatives

Outputs = Callable[[np.ndarray], np.ndarray]
"""Outputs [batch, n] in units in which misfits are measured, of parameters [batch, p]; NaN where there are none."""


class Box:
    """The prior's box, and the parameters that vary in it."""

    def __init__(self, low: np.ndarray, high: np.ndarray):
        """Takes the two ends, shape [p] each."""
        self.low, self.width = low, high - low
        self.free = np.flatnonzero(self.width > 0.0)

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Draws parameters, shape [count, p]."""
        return self.low + self.width * generator.random((count, len(self.low)))

    def inside(self, theta: np.ndarray) -> np.ndarray:
        """Marks the parameters [batch, p] that lie within, up to rounding."""
        edge = 1e-9 * self.width
        return ((theta >= self.low - edge) & (theta <= self.low + self.width + edge)).all(axis=-1)

    def clip(self, theta: np.ndarray) -> np.ndarray:
        """Moves parameters [batch, p] into the box."""
        return np.clip(theta, self.low, self.low + self.width)


def fit(
    outputs: Outputs,
    wanted: np.ndarray,
    starts: np.ndarray,
    box: Box,
    *,
    goal: float,
    arrived: Callable[[np.ndarray], np.ndarray],
    smooth: bool,
    runs: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits outputs from given starts, all side by side.

    Args:
        outputs: see `Outputs`.
        wanted: outputs that each fit is to reach, shape [fits, n].
        starts: parameters at which they start, shape [fits, p].
        box: where they stay.
        goal: misfit at which a fit has reached the outputs.
        arrived: marks the parameters [fits, p] so near a known solution that a falling misfit means they reach it.
        smooth: whether the model takes complex numbers, for derivatives.
        runs: number of runs of the model, about.

    Returns:
        The ends, shape [fits, p], and their misfits, shape [fits].
    """
    theta = starts.copy()
    miss, cost = _misfit(outputs, theta, wanted)
    slopes = np.zeros((*miss.shape, len(box.free)))
    damping, stalls = np.full(len(theta), _DAMPING), np.zeros(len(theta), int)
    fitting, stale = np.isfinite(cost), np.ones(len(theta), bool)
    for round_ in range(_ROUNDS):
        anew = np.flatnonzero(fitting & stale)
        slopes[anew] = _slopes(outputs, theta[anew], miss[anew] + wanted[anew], box, smooth)
        fitting[anew[~np.isfinite(slopes[anew]).all(axis=(1, 2))]] = False
        active = np.flatnonzero(fitting)
        runs -= len(anew) * len(box.free) + len(active)
        if not len(active) or runs < 0 or (round_ > _LAST_ROUNDS and len(active) < _LAST * len(theta)):
            break
        tried = _moved(theta[active], miss[active], slopes[active], damping[active], box)
        there, new = _misfit(outputs, tried, wanted[active])
        better = new < cost[active]
        taken = active[better]
        gain = 1.0 - new[better] / cost[taken]
        stalls[taken] = np.where(gain < _STALLED, stalls[taken] + 1, 0)
        theta[taken], miss[taken], cost[taken] = tried[better], there[better], new[better]
        damping[taken] = np.maximum(damping[taken] * _EASED, _SMALLEST)
        damping[active[~better]] *= _RAISED
        stale[:] = False
        stale[taken] = True
        home = arrived(theta)
        home[taken] &= gain > _FALLING
        home[active[~better]] = False
        fitting &= ~((cost <= goal**2) | (stalls >= _PATIENCE) | (damping > _LARGEST) | home)
    return theta, np.sqrt(cost)


def _misfit(outputs: Outputs, theta: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences from the wanted outputs, and their squared norms: infinite where there are no outputs."""
    miss = outputs(theta) - wanted
    return miss, np.where(np.isfinite(miss).all(axis=1), np.sum(miss**2, axis=1), np.inf)


def _slopes(outputs: Outputs, theta: np.ndarray, there: np.ndarray, box: Box, smooth: bool) -> np.ndarray:
    """Derivatives of the outputs by the free parameters in units of the box, shape [fits, n, free]."""
    count, free = len(theta), box.free
    if not count:
        return np.zeros((0, there.shape[1], len(free)))
    # Steps lead into the box, and not out of it.
    size = np.where(theta > box.low + 0.5 * box.width, -_STEP, _STEP)[:, free]
    steps = np.full(size.shape, 1j * _COMPLEX_STEP) if smooth else size
    moved = np.repeat(theta[:, None, :].astype(steps.dtype), len(free), axis=1)
    moved[:, np.arange(len(free)), free] += steps * box.width[free]
    beside = outputs(moved.reshape(-1, theta.shape[1])).reshape(count, len(free), -1)
    change = beside.imag / _COMPLEX_STEP if smooth else (beside - there[:, None]) / size[..., None]
    return change.swapaxes(1, 2)


def _moved(theta: np.ndarray, miss: np.ndarray, slopes: np.ndarray, damping: np.ndarray, box: Box) -> np.ndarray:
    """A step of each fit, within the box. A parameter at an end of the box that is pushed outwards stays."""
    free = box.free
    gradient = np.einsum("fnp,fn->fp", slopes, miss)
    place = (theta - box.low)[:, free] / box.width[free]
    held = ((place <= 0.0) & (gradient > 0.0)) | ((place >= 1.0) & (gradient < 0.0))
    columns = np.concatenate([np.where(held[:, None, :], 0.0, slopes), miss[..., None]], axis=2)
    missing = max(0, columns.shape[2] - columns.shape[1])
    # The last column of the triangle holds the misfit in the directions of the others.
    triangle: np.ndarray = np.asarray(np.linalg.qr(np.pad(columns, ((0, 0), (0, missing), (0, 0))), mode="r"))
    size = np.linalg.norm(triangle[:, :-1, :-1], axis=1)
    size = np.maximum(size, 1e-6 * size.max(axis=1, keepdims=True)) + np.finfo(float).tiny
    left, values, right = np.linalg.svd(triangle[:, :-1, :-1] / size[:, None, :])
    along = np.einsum("fpq,fp->fq", left, triangle[:, :-1, -1])
    parts = along * values / (values**2 + damping[:, None])
    moved = theta.copy()
    moved[:, free] -= box.width[free] * np.einsum("fqp,fq->fp", right, parts) / size
    return box.clip(moved)

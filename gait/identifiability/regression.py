"""Regression without settings to choose, to see how much of a target any inputs explain.

A ridge regression on the inputs and on random cosines of them, with exact leave-one-out errors, in four steps:

1. Inputs are pulled in beyond a few spreads, so that a heavy tail does not hide what happens in the middle.
2. They are stretched along the directions in which the regression changes most, and it is fitted anew.
3. The cosines of a single input become faster, as long as that lowers the leave-one-out error beyond chance.
4. The mean residual of the nearest neighbours is added, if that lowers it beyond chance, too. It finds what is too fine
   for the cosines.

Sources: random cosines, A. Rahimi, B. Recht, NeurIPS 2007; directions by the mean outer product of gradients,
A. Radhakrishnan et al., Science 383 (2024) 1461.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

Predictor = Callable[[np.ndarray], np.ndarray]

_PULLED = 3.0
"""Inputs are pulled in from here on, in spreads."""
_COSINES, _PER_COSINE = 256, 10
"""Cosines, and samples that allow one more: a fixed number would end the learning before the samples do. A single
input needs no more, since neighbours see what is too fine."""
_FREQUENCY = 0.35
"""Spread of the cosines' frequencies, for inputs with a total variance of 1."""
_RIDGES = 10.0 ** np.arange(-7, 2)
"""Ridges to choose from, in units of the features' total square; the smallest one suits single precision."""
_ROUNDS = 3
_WORTHWHILE = 0.97
"""A round that does not lower the error by this factor is the last."""
_FINER = (4.0, 4.0)
"""Factors by which the cosines of a single input become faster, as long as that lowers the error beyond chance: edges
are sharp. For more inputs the neighbours do better."""
_KEPT = 0.05
"""Share of the squared distance that is measured along the inputs as they came, so that none is overlooked for ever."""
_NEIGHBOURS = np.array([4, 8, 16, 32])
_TRIED = 1500
"""Points at which it is tried whether neighbours help."""


def components(inputs: np.ndarray) -> np.ndarray:
    """Principal components of the inputs, each input in units of its spread and pulled in far from the median.

    Args:
        inputs: shape [n, d].

    Returns:
        Shape [n, q]. Inputs that never vary are left out; if none varies, one component of chance stands in.
    """
    varying = inputs[:, np.ptp(inputs, axis=0) > 0.0]
    if not varying.size:
        return np.random.default_rng(0).standard_normal((len(inputs), 1))
    low, median, high = np.quantile(varying, (0.25, 0.5, 0.75), axis=0)
    spread = np.where(high > low, (high - low) / 1.349, varying.std(axis=0))
    pulled = np.arcsinh((varying - median) / spread / _PULLED)
    scaled = (pulled - pulled.mean(axis=0)) / pulled.std(axis=0)
    variance, axes = np.linalg.eigh(scaled.T @ scaled)
    return scaled @ axes[:, variance > 1e-10 * variance[-1]]


def fit(points: np.ndarray, target: np.ndarray, generator: np.random.Generator) -> Predictor:
    """Fits a regression of a target.

    Args:
        points: shape [n, q], see `components`.
        target: shape [n].
        generator: draws the cosines.

    Returns:
        Function from new points [m, q] to predictions [m]. They stay in the range of the target.
    """
    stretch, ridge = _stretched(points, target, generator)
    leading = _leading(stretch, points.var(axis=0))
    neighbours = _neighbours(points @ leading, ridge.residual, generator)

    def predict(new: np.ndarray) -> np.ndarray:
        found = ridge.predict(new @ stretch)
        if neighbours is not None:
            found = found + neighbours(new @ leading)
        return np.clip(found, target.min(), target.max())

    return predict


@dataclasses.dataclass(frozen=True)
class _Ridge:
    """A ridge regression on points and random cosines of them.

    Attributes:
        predict: function from new points to predictions.
        gradient: sum of outer products of the prediction's gradients, shape [q, q].
        residual: leave-one-out residuals, shape [n].
        error: their mean square.
    """

    predict: Predictor
    gradient: np.ndarray
    residual: np.ndarray
    error: float


def _stretched(points, target, generator) -> tuple[np.ndarray, _Ridge]:
    """The best of a few regressions and its map of the points; each map stretches what the last one found to matter."""
    spread = points.var(axis=0)  # the points are principal components
    came = np.eye(points.shape[1]) / max(spread.sum(), 1e-300)
    stretch = np.sqrt(came)
    best = stretch, _ridge(points @ stretch, target, generator)
    for _ in range(_ROUNDS - 1 if points.shape[1] > 1 else 0):
        learned = stretch @ best[1].gradient @ stretch.T
        weight = float(spread @ np.diag(learned))
        if not weight > 0.0:
            break
        value, axes = np.linalg.eigh((1.0 - _KEPT) * learned / weight + _KEPT * came)
        stretch = axes * np.sqrt(np.maximum(value, 0.0))
        ridge, before = _ridge(points @ stretch, target, generator), best[1].error
        if ridge.error < before:
            best = stretch, ridge
        if ridge.error > _WORTHWHILE * before:
            break
    for finer in _FINER if points.shape[1] == 1 else ():
        ridge = _ridge(points @ (finer * best[0]), target, generator)
        gain = best[1].residual ** 2 - ridge.residual**2
        if not gain.mean() > 2.0 * gain.std() / np.sqrt(len(gain)):
            break
        best = finer * best[0], ridge
    return best


def _ridge(points, target, generator) -> _Ridge:
    """Fits the regression with the ridge of the lowest leave-one-out error; in single precision, for speed."""
    points = points.astype(np.float32)
    count, width = points.shape
    features = _COSINES if width == 1 else max(_COSINES, count // _PER_COSINE)
    features = max(min(features, count // 4), 1)
    tails = np.sqrt(3.0 / generator.chisquare(3, features))  # as for a Matérn kernel: coarse and fine together
    frequency = (_FREQUENCY * tails * generator.standard_normal((width, features))).astype(np.float32)
    phase = generator.uniform(0.0, 2.0 * np.pi, features).astype(np.float32)

    def expand(new):
        return np.concatenate([new, np.cos(new @ frequency + phase)], axis=1)

    expanded = expand(points)
    centre, level = expanded.mean(axis=0), target.mean()
    expanded -= centre
    value, axes = np.linalg.eigh((expanded.T @ expanded).astype(float))
    turned = expanded @ axes.astype(np.float32)
    shrunk = 1.0 / (np.maximum(value, 0.0)[:, None] + max(value.sum(), 1e-300) * _RIDGES)
    moment = (turned.T @ (target - level))[:, None] * shrunk
    leverage = np.square(turned) @ shrunk.astype(np.float32) + 1.0 / count
    residuals = (target[:, None] - level - turned @ moment.astype(np.float32)) / np.maximum(1.0 - leverage, 1e-6)
    errors = np.square(residuals).mean(axis=0)
    best = int(np.argmin(errors))
    coefficients = (axes @ moment[:, best]).astype(np.float32)
    slope = -np.sin(points[:500] @ frequency + phase)
    gradients = coefficients[:width] + (slope * coefficients[width:]) @ frequency.T
    return _Ridge(
        lambda new: level + (expand(new.astype(np.float32)) - centre) @ coefficients,
        (gradients.T @ gradients).astype(float),
        residuals[:, best],
        float(errors[best]),
    )


def _leading(stretch: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The stretch without directions that hardly contribute to distance: the search tree wants few columns."""
    value, axes = np.linalg.eigh(stretch.T @ (spread[:, None] * stretch))
    return stretch @ axes[:, np.cumsum(value) > 1e-3 * value.sum()]


def _neighbours(points, residual, generator) -> Predictor | None:
    """Mean residual of as many nearest neighbours as lowers the error most surely, None if that may be chance."""
    from scipy.spatial import cKDTree  # only now: it takes a while to load, and an analysis of a model needs none

    points = points + 1e-9 * points.std(axis=0) * generator.standard_normal(points.shape)  # breaks ties
    tree = cKDTree(points)
    tried, counts = residual[:_TRIED, None], _NEIGHBOURS[max(len(residual), 8) >= 2 * _NEIGHBOURS]
    others = np.asarray(tree.query(points[:_TRIED], counts[-1] + 1)[1])[:, 1:]
    means = np.cumsum(residual[others], axis=1)[:, counts - 1] / counts
    gain = tried**2 - (tried - means) ** 2
    sure = gain.mean(axis=0) - 2.0 * gain.std(axis=0) / np.sqrt(len(tried))
    count = int(counts[np.argmax(sure)])
    if not sure.max() > 0.0:
        return None
    return lambda new: residual[np.asarray(tree.query(new, count)[1])].mean(axis=1)

"""Accuracy of a model's outputs, measured from the outputs themselves.

A solver's steps change in jumps when the parameters change smoothly, and rounding is jagged at any scale. So the
outputs along a short line of parameters are fitted by polynomials, panel by panel, then along the half of the panel
where that fits worst, and so on. Before long a smooth function is fitted to its last digits. A jump is never,
however short the line.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gait.identifiability.derivatives import units

JUMPS = 100.0
"""A solver's error may be this many times as large as its jumps: most of the error changes smoothly."""
_LINES, _PANELS, _NODES, _DEGREE = 5, 8, 16, 9
_REACH, _HALVINGS = 5e-2, 4  # half length of a line, as a fraction of a parameter's unit, and of its worst panel
_LARGEST, _FALLS = 1e-5, 0.1
"""A larger jump on a single line is an event of the model, and a residual that still falls this fast is no jump."""
_MOST_NUMBERS = 100_000  # with more outputs than this on all lines, fewer lines do
_DENSE = 30.0  # a residual above so many times the median of the outputs is a kink of the model
_ROUNDING, _ROUNDED = 1e-13, 10.0  # jumps below this are rounding, and the error is so many times as large
_EVEN, _EVERYWHERE = 0.3, 4.0
"""Where both halves of a line are as jagged as each other, jumps are everywhere and nearly all of the error."""
_FEW_DIGITS = 8.0 * np.finfo(float).eps


def output_errors(model: Callable, points: np.ndarray, outputs: np.ndarray, repeated=0.0, seed: int = 0) -> np.ndarray:
    """Possible error of each output, in its unit.

    Args:
        model: see `gait.identifiability.derivatives.Model`; rows of NaN where there are no outputs.
        points: shape [points, p]; lines go through the first 5 of them.
        outputs: outputs there, shape [points, n].
        repeated: what is known of the jumps from runs with the same parameters, shape [n].
        seed: key of the lines' directions.

    Returns:
        Shape [n]: jumps of the outputs times `JUMPS`, or ten times their rounding errors.
    """
    size = np.abs(outputs).max(axis=0)
    scale = np.maximum(size, np.finfo(float).tiny)
    jumps = np.broadcast_to(repeated, size.shape)
    whole = JUMPS if np.median(jumps / scale) > _ROUNDING else _ROUNDED
    found = np.maximum(whole * jumps, _FEW_DIGITS * np.maximum(size, 1e-3 * np.median(size)))
    generator = np.random.default_rng(seed)
    count = max(1, min(_LINES, len(points), _MOST_NUMBERS // size.size))
    middles = points[:count].copy()
    ways = generator.choice([-1.0, 1.0], middles.shape) * generator.uniform(0.3, 1.0, middles.shape)
    middles, halves = _worst_panels(model, middles, _REACH * ways * units(points)[:count], scale)
    small: list[np.ndarray] = []
    large: list[np.ndarray] = []
    pending, dense, before = np.arange(count), np.zeros(count, bool), np.full(count, np.inf)
    for halving in range(_HALVINGS + 1):
        residuals = _residuals(model, middles[pending], halves[pending])
        typical = np.median(residuals / scale, axis=1)
        ended = (typical <= _ROUNDING) | ((halving == _HALVINGS) & np.isfinite(typical))
        for u, residual, level in zip(pending[ended], residuals[ended], typical[ended], strict=True):
            if not dense[u] and _ROUNDING < level < _FALLS * before[u]:
                continue
            factor = _ROUNDED if level <= _ROUNDING else _EVERYWHERE if dense[u] else JUMPS
            (large if level > _LARGEST else small).append(factor * np.minimum(residual, _DENSE * level * scale))
        pending = pending[~ended]
        if not len(pending) or halving == _HALVINGS:
            break
        before[pending] = typical[~ended]
        halves[pending] /= 2.0
        sides = [middles[pending] + sign * halves[pending] for sign in (-1.0, 1.0)]
        left, right = (np.median(_residuals(model, side, halves[pending]) / scale, axis=1) for side in sides)
        # No outputs count as good: there is nothing to be found.
        left, right = (np.where(np.isfinite(of), of, -1.0) for of in (left, right))
        dense[pending] = np.minimum(left, right) > _EVEN * np.maximum(left, right)
        middles[pending] = np.where((left > right)[:, None], *sides)
    return np.max([found, *small, *(large if len(large) > 1 else [])], axis=0)


def _worst_panels(model: Callable, middles, halves, scale) -> tuple[np.ndarray, np.ndarray]:
    """Middles and half lengths of the parts of some lines that polynomials fit worst, shape [lines, p] each."""
    places = (2.0 * np.arange(_PANELS) + 1.0) / _PANELS - 1.0
    panels = middles[:, None, :] + places[:, None] * halves[:, None, :]
    shorter = np.repeat(halves[:, None, :] / _PANELS, _PANELS, axis=1)
    size = middles.shape[1]
    left = np.median(_residuals(model, panels.reshape(-1, size), shorter.reshape(-1, size)) / scale, axis=1)
    left = left.reshape(len(middles), _PANELS)
    worst = np.argmax(np.where(np.isfinite(left), left, -1.0), axis=1)
    return panels[np.arange(len(middles)), worst], halves / _PANELS


def _residuals(model: Callable, middles: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """What a polynomial along each line leaves of each output, root mean square, shape [lines, n]."""
    nodes = np.cos((np.arange(_NODES) + 0.5) * np.pi / _NODES)
    powers = np.polynomial.chebyshev.chebvander(nodes, _DEGREE)
    beyond = np.linalg.qr(powers, mode="complete")[0][:, _DEGREE + 1 :].T
    lines = middles[:, None, :] + nodes[:, None] * halves[:, None, :]
    there = model(lines.reshape(-1, middles.shape[1])).reshape(len(lines), _NODES, -1)
    return np.sqrt(np.sum(np.einsum("kj,ljn->lkn", beyond, there) ** 2, axis=1) / len(beyond))

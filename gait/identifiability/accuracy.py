"""Accuracy of a model's outputs, measured from the outputs themselves.

A solver's steps change in jumps when the parameters change smoothly, and rounding is jagged at any scale. So the
outputs along a short line of parameters are fitted by a polynomial. What it leaves is not the model's but the
program's. A polynomial that still improves with its degree shows no error yet: then the line is shortened.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gait.identifiability.derivatives import units

JUMPS = 100.0
"""A solver's error may be this many times as large as its jumps: most of the error changes smoothly."""
_LINES, _NODES, _DEGREES = 8, 24, (9, 15)
_REACHES = (5e-2, 5e-3, 5e-4)  # half lengths of lines, as fractions of a parameter's unit
_IMPROVES = 0.02  # a residual below this part of that of the lower degree comes from the polynomial
_DENSE = 30.0  # a residual above so many times the median of the outputs is a kink of the model
_ROUNDING, _ROUNDED = 1e-13, 10.0  # jumps below this are rounding, and the error is so many times as large
_FEW_DIGITS = 8.0 * np.finfo(float).eps


def output_errors(model: Callable, points: np.ndarray, outputs: np.ndarray, seed: int = 0) -> np.ndarray:
    """Possible error of each output, in its unit.

    Args:
        model: see `gait.identifiability.derivatives.Model`; rows of NaN where there are no outputs.
        points: shape [points, p]; lines go through the first 8 of them.
        outputs: outputs there, shape [points, n].
        seed: key of the lines' directions.

    Returns:
        Shape [n]: jumps of the outputs times `JUMPS`, or ten times their rounding errors.
    """
    size = np.abs(outputs).max(axis=0)
    largest = _FEW_DIGITS * np.maximum(size, 1e-3 * np.median(size))
    scale = np.maximum(np.maximum(outputs.std(axis=0), size), np.finfo(float).tiny)
    points = points[:_LINES]
    generator = np.random.default_rng(seed)
    ways = generator.choice([-1.0, 1.0], points.shape) * generator.uniform(0.3, 1.0, points.shape) * units(points)
    nodes = np.cos((np.arange(_NODES) + 0.5) * np.pi / _NODES)
    left = [_beyond(nodes, degree) for degree in _DEGREES]
    pending = np.arange(len(points))
    for reach in _REACHES:
        lines = points[pending, None, :] + reach * nodes[:, None] * ways[pending, None, :]
        there = model(lines.reshape(-1, points.shape[1])).reshape(len(pending), _NODES, -1)
        unclear = []
        for u, along in zip(pending, there, strict=True):
            rough, fine = (np.sqrt(np.mean((basis @ along) ** 2, axis=0) * _NODES / len(basis)) for basis in left)
            middle = np.median(fine / scale)
            if middle < _FEW_DIGITS or middle > _IMPROVES * np.median(rough / scale):
                whole = JUMPS if middle > _ROUNDING else _ROUNDED
                largest = np.maximum(largest, whole * np.minimum(fine, _DENSE * middle * scale))
            else:  # or there are no outputs somewhere on the line
                unclear.append(u)
        pending = np.array(unclear, int)
        if not len(pending):
            break
    return largest


def _beyond(nodes: np.ndarray, degree: int) -> np.ndarray:
    """Projection on what polynomials of a degree cannot show, as orthonormal rows [nodes - degree - 1, nodes]."""
    powers = np.polynomial.chebyshev.chebvander(nodes, degree)
    complete = np.linalg.qr(powers, mode="complete")[0]
    return complete[:, degree + 1 :].T

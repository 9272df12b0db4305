"""Distance of recordings from those that a network was trained on."""

from __future__ import annotations

import numpy as np

from gait.training.preprocessing import FLOOR
from gait.training.run import FinishedRun

_LEAST = 1e-6  # variance, as a part of the largest one, below which a direction holds rounding errors


def input_distance(run: FinishedRun, recordings: np.ndarray) -> np.ndarray:
    """Mahalanobis distance of recordings from the training split, in the network's standardised inputs.

    It is the root of the mean square over the principal axes, each in standard deviations of the training split: 1 on
    average there. The whitening of a run tells axes and variances; without one, inputs count singly.

    Args:
        run: the network's run.
        recordings: shape [n, inputs], SI units, see `FinishedRun.predict`.

    Returns:
        Shape [n].
    """
    layers = {layer.name: layer for layer in run.network.layers}
    standard = layers["standardise"]
    mean, variance = (np.asarray(weights, float).ravel() for weights in (standard.mean, standard.variance))
    rows = (np.asarray(recordings, float) - mean) / np.sqrt(variance)
    if "whiten" not in layers:
        return np.sqrt(np.mean(rows**2, axis=1))
    # The whitening divides along each axis by √(λ + floor · λ_max / inputs), so that its eigenvalues tell λ.
    inverse, axes = np.linalg.eigh(np.asarray(layers["whiten"].get_weights()[0], float))
    raised = inverse**-2.0
    floor = FLOOR * raised.max() / (len(raised) + FLOOR)
    variances, least = np.maximum(raised - floor, 0.0), _LEAST * raised.max()
    squares = (rows @ axes) ** 2 / (variances + least)
    return np.sqrt(squares.sum(axis=1) / np.sum(variances / (variances + least)))

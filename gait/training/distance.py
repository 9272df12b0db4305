"""Distance of recordings from those that a network was trained on."""

from __future__ import annotations

import numpy as np

from gait.training.preprocessing import FLOOR
from gait.training.run import FinishedRun


def input_distance(run: FinishedRun, recordings: np.ndarray) -> np.ndarray:
    """Mahalanobis distance of recordings from the training split, as the network's first layers see them.

    It is the root of the mean square of the preprocessed inputs, in units of its value over the training split. So it
    is near 1 for recordings like those, and a network is not to be trusted where it is much larger.

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
    matrix = np.asarray(layers["whiten"].get_weights()[0], float)
    # The matrix divides along each principal axis by √(λ + floor · λ_max / columns), so its eigenvalues tell λ.
    shrunk = np.linalg.eigvalsh(matrix) ** -2.0
    spread = np.maximum(1.0 - FLOOR * shrunk.max() / (len(matrix) + FLOOR) / shrunk, 0.0)
    return np.sqrt(np.sum((rows @ matrix) ** 2, axis=1) / spread.sum())

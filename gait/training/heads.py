"""Head of a posterior network: its loss while it is fitted, and how it is saved.

The network's outputs are a mixture of K Gaussians over D standardised logits, see `gait.inference.mixture`: K weights
before their softmax, K means [D], and K factors [D (D + 1) / 2] of the precisions.

Source: C. Bishop, "Mixture density networks", Aston University (1994); P. Williams, Neural Computation 8 (1996)
843-854, for the factors of the precisions.
"""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf

from gait.training.network import standardised_inputs

OUTPUTS = ("log_weights", "means", "factors")
"""Names of the outputs of a saved posterior network."""


def sizes(components: int, dimension: int) -> tuple[int, int, int]:
    """Numbers of outputs that are weights, means and factors."""
    return components, components * dimension, components * dimension * (dimension + 1) // 2


class MixtureLoss(keras.losses.Loss):
    """Mean of -log p of standardised logits [n, D] under the mixtures of outputs [n, sum(sizes(K, D))].

    Args:
        components, dimension: K and D.
    """

    def __init__(self, components: int, dimension: int):
        super().__init__(name="negative_log_probability")
        self._components, self._dimension = components, dimension

    def call(self, y_true, y_pred):
        """Negative log probability of each row, shape [n]."""
        components, dimension = self._components, self._dimension
        weights, means, factors = tf.split(y_pred, sizes(components, dimension), axis=1)
        means = tf.reshape(means, [-1, components, dimension])
        factors = tf.reshape(factors, [-1, components, dimension * (dimension + 1) // 2])
        away = y_true[:, None, :] - means
        terms, entry = tf.nn.log_softmax(weights), 0
        for row in range(dimension):
            diagonal = factors[:, :, entry + row]
            z = tf.exp(diagonal) * away[:, :, row]
            for column in range(row):
                z += factors[:, :, entry + column] * away[:, :, column]
            terms += diagonal - 0.5 * z * z
            entry += row + 1
        return 0.5 * dimension * math.log(2.0 * math.pi) - tf.reduce_logsumexp(terms, axis=1)


class LogProbability(keras.callbacks.Callback):
    """Adds to the logs of an epoch log p in SI units: the loss, with its sign turned, and a constant of each split.

    Args:
        train, validation: log p in SI units less that of standardised logits, mean over the split.
    """

    def __init__(self, train: float, validation: float):
        super().__init__()
        self._constants = {"loss": train, "val_loss": validation}

    def on_epoch_end(self, epoch, logs=None):
        """Adds `log_p` and `val_log_p`."""
        for name, constant in self._constants.items():
            logs[name.replace("loss", "log_p")] = constant - logs[name]


def mixture_in_logits(
    core: keras.Model,
    components: int,
    inputs: tuple[np.ndarray, np.ndarray],
    logits: tuple[np.ndarray, np.ndarray],
    whitening: np.ndarray | None = None,
) -> keras.Model:
    """Wraps a trained core so that it takes raw inputs in SI units and returns named mixtures over logits.

    Only layers of Keras itself are used, so the saved model loads without this package. The last layer of the core is
    divided into three, whose weights take up mean and standard deviation of the logits.

    Args:
        core: trained network, see `gait.training.network.dense_network`.
        components: number K of Gaussians.
        inputs: mean and standard deviation of the training split's inputs, shape [inputs].
        logits: mean and standard deviation of its logits, shape [D].
        whitening: see `gait.training.network.in_physical_units`.

    Returns:
        Model with the outputs `log_weights` [n, K], `means` [n, K, D] and `factors` [n, K, D (D + 1) / 2].
    """
    mean, sd = logits
    dimension = len(mean)
    recording, preprocessed = standardised_inputs(*inputs, whitening)
    last = core.layers[-1]
    hidden = keras.Sequential([keras.Input((core.input_shape[1],), name="preprocessed_inputs"), *core.layers[:-1]],
                              name="dense_network")  # fmt: skip
    features = hidden(preprocessed)
    kernel, bias = (np.split(part, np.cumsum(sizes(components, dimension))[:-1], axis=-1)
                    for part in (a.astype(np.float64) for a in last.get_weights()))  # fmt: skip
    rows, columns = np.tril_indices(dimension)
    # z = L (v - mean): in logits, columns of L are divided by the deviations, and logarithms of the diagonal fall.
    scale = np.tile(np.where(rows == columns, 1.0, 1.0 / sd[columns]), components)
    shift = np.tile(np.where(rows == columns, -np.log(sd[columns]), 0.0), components)
    spread = np.tile(sd, components)
    kernel = [kernel[0], kernel[1] * spread, kernel[2] * scale]
    bias = [bias[0], bias[1] * spread + np.tile(mean, components), bias[2] * scale + shift]
    outputs = {}
    for name, w, b, width in zip(OUTPUTS, kernel, bias, (None, dimension, len(rows)), strict=True):
        activation = "log_softmax" if width is None else "linear"
        dense = keras.layers.Dense(w.shape[1], activation, name=name if width is None else f"{name}_in_a_row")
        found = dense(features)
        dense.set_weights([w.astype(np.float32), b.astype(np.float32)])
        outputs[name] = found if width is None else keras.layers.Reshape((components, width), name=name)(found)
    return keras.Model(recording, outputs, name="gait_posterior")

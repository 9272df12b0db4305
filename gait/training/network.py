"""The paper's network: while it is fitted, and wrapped in physical units."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


@tf.custom_gradient
def swish(inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Keras's swish, with a gradient of fewer operations: it keeps the sigmoid in place of computing it again."""
    sigmoid = tf.sigmoid(inputs)
    outputs = inputs * sigmoid
    return outputs, lambda upstream: upstream * (sigmoid + outputs * (1.0 - sigmoid))


def dense_network(
    inputs: int, outputs: int, activation: str | Callable[[tf.Tensor], tf.Tensor], layers: int, units: int
) -> keras.Model:
    """Makes the fully connected network with fresh weights; the paper's has 7 layers of 50 units.

    Args:
        inputs: number of preprocessed inputs, shape [n, inputs].
        outputs: number of standardised targets, shape [n, outputs].
        activation: of the hidden layers, by its name in Keras or as a function.
        layers: number of hidden layers; `units`: units in each.

    Source:
        Sameni, section IV.
    """
    hidden = [keras.layers.Dense(units, activation, name=f"hidden_{i + 1}") for i in range(layers)]
    return keras.Sequential(
        [keras.Input((inputs,), name="preprocessed_inputs"), *hidden, keras.layers.Dense(outputs, name="outputs")],
        name="dense_network",
    )


class Adam(keras.optimizers.Adam):
    """Keras's Adam on one device, with one operation for each variable in place of a dozen.

    For networks as small as the paper's, starting operations takes longer than doing them.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Takes one step of one variable; see `keras.optimizers.Optimizer.update_step`."""
        index, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class TrainingModel(keras.Model):
    """A network while it is fitted: each batch goes through it in several parts, side by side.

    A batch of the paper's network is one chain of small operations, which keeps a single core busy. Parts are chains
    that do not wait for each other. Their gradients add up to that of the whole batch, but for rounding.

    Args:
        network: plain network, which shares its weights with this one and is saved in its place.
        parts: number of parts; 1 leaves the steps as Keras has them.
        batch_of: makes inputs and targets, [n, inputs] and [n, outputs], from the columns [n] of an element of the
            training data, so that each part is made by the core that needs it; by default the element is both.
    """

    def __init__(self, network: keras.Model, parts: int = 1, batch_of: Callable[..., Any] | None = None):
        super().__init__(inputs=network.inputs, outputs=network.outputs)
        self._parts = parts
        self._batch_of = batch_of or (lambda inputs, targets: (inputs, targets))

    def train_step(self, data):
        """Takes one step of the optimiser; see `keras.Model.train_step`."""
        if self._parts == 1:
            return super().train_step(self._batch_of(*data))
        count, losses, truths, estimates, gradients = tf.shape(data[0])[0], [], [], [], []
        for rows in self._rows(count):
            inputs, targets = self._batch_of(*(column[rows] for column in data))
            with tf.GradientTape() as tape:
                estimate = self(inputs, training=True)
                loss = self.compute_loss(inputs, targets, estimate)
                loss *= tf.cast((rows.stop - rows.start) / count, loss.dtype)
            losses.append(loss)
            truths.append(targets)
            estimates.append(estimate)
            gradients.append(tape.gradient(loss, self.trainable_weights))
        self.optimizer.apply([tf.add_n(parts) for parts in zip(*gradients, strict=True)], self.trainable_weights)
        return self._scores(tf.add_n(losses), tf.concat(truths, 0), tf.concat(estimates, 0))

    def test_step(self, data):
        """Evaluates one batch; see `keras.Model.test_step`."""
        if self._parts == 1:
            return super().test_step(data)
        inputs, targets = data
        estimates = tf.concat([self(inputs[rows], training=False) for rows in self._rows(tf.shape(inputs)[0])], 0)
        return self._scores(self.compute_loss(inputs, targets, estimates), targets, estimates)

    def _rows(self, count: tf.Tensor) -> list[slice]:
        """Rows of each part."""
        bounds = [count * i // self._parts for i in range(self._parts + 1)]
        return [slice(first, last) for first, last in itertools.pairwise(bounds)]

    def _scores(self, loss: tf.Tensor, targets: tf.Tensor, estimates: tf.Tensor) -> dict[str, Any]:
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(targets)[0])
            else:
                metric.update_state(targets, estimates)
        return self.get_metrics_result()


def standardised_inputs(mean: np.ndarray, sd: np.ndarray, whitening: np.ndarray | None = None) -> tuple[Any, Any]:
    """Makes the input of a saved model, raw and in SI units, and the layers that make of it what its core takes.

    Args:
        mean, sd: mean and standard deviation of the training split's inputs, shape [inputs].
        whitening: see `in_physical_units`.

    Returns:
        The input, and the preprocessed inputs.
    """
    recording = keras.Input((len(mean),), name="recording")
    inputs = keras.layers.Normalization(mean=mean, variance=sd**2, name="standardise")(recording)
    if whitening is not None:
        whiten = keras.layers.Dense(whitening.shape[1], use_bias=False, trainable=False, name="whiten")
        inputs = whiten(inputs)
        whiten.set_weights([whitening])
    return recording, inputs


def in_physical_units(
    core: keras.Model,
    input_mean: np.ndarray,
    input_sd: np.ndarray,
    target_mean: np.ndarray,
    target_sd: np.ndarray,
    whitening: np.ndarray | None = None,
) -> keras.Model:
    """Wraps a trained core so that it takes raw inputs and returns raw targets, both in SI units.

    Only layers of Keras itself are used, so the saved model loads without this package.

    Args:
        core: trained network, see `dense_network`.
        input_mean, input_sd: mean and standard deviation of the training split's inputs, shape [inputs].
        target_mean, target_sd: mean and standard deviation of its targets, shape [outputs].
        whitening: matrix [inputs, inputs] that the core's inputs were multiplied by once they were standardised; None
            if they were not.
    """
    recording, inputs = standardised_inputs(input_mean, input_sd, whitening)
    to_units = keras.layers.Normalization(mean=target_mean, variance=target_sd**2, invert=True, name="to_units")
    return keras.Model(recording, to_units(core(inputs)), name="gait")

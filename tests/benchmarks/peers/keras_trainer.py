"""This package's training, from its data feed and from one constant batch, and the matrix products in it alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from tests.benchmarks.training import SETTINGS


def _model(width: int, steps: int, parts: int | None, batch_of=None):
    import tensorflow as tf

    from gait.training.fitting import batch_parts, compiled_network

    strategy = tf.distribute.get_strategy()
    parts = batch_parts(strategy, SETTINGS.batch_size) if parts is None else parts
    return compiled_network(SETTINGS, width, steps, strategy, parts, batch_of)


def feed(data: str, validate: bool = False, parts: int | None = None):
    """Epochs from the data feed of a dataset folder.

    Args:
        data: the folder.
        validate: whether each epoch ends with the validation split, as in `train.py`.
        parts: see `gait.training.network.TrainingModel`; by default as in `train.py`.
    """
    import keras

    from gait.data.dataset import open_dataset
    from gait.training.feed import Feed
    from gait.training.fitting import configure_threads

    configure_threads()
    source = Feed(open_dataset(Path(data)), SETTINGS, device="CPU:0")
    network = _model(source.width, source.steps, parts, source.batch)
    network.evaluate(source.validation.take(1), verbose=0)  # as in `gait.training.fitting`
    advance = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: source.epoch.assign_add(1))
    validation = source.validation if validate else None

    def turn(first: bool = False) -> None:
        network.fit(source.train, validation_data=validation, verbose=0, shuffle=False, callbacks=[advance])

    return turn


def constant_batch(records: int, inputs: int, outputs: int, batch: int, parts: int | None = None):
    """Epochs of one batch again and again: what `fit` costs when the data cost nothing."""
    import tensorflow as tf

    from gait.training.fitting import configure_threads

    configure_threads()
    steps = records // batch
    network = _model(inputs, steps, parts)
    generator = np.random.default_rng(0)
    values = tuple(tf.constant(generator.standard_normal((batch, n), np.float32)) for n in (inputs, outputs))
    constant = tf.data.Dataset.range(1).map(lambda _: values).cache().repeat(steps)
    constant = constant.apply(tf.data.experimental.assert_cardinality(steps))
    options = tf.data.Options()
    options.autotune.enabled = False  # as in `gait.training.feed`
    constant = constant.with_options(options)

    def turn(first: bool = False) -> None:
        network.fit(constant, verbose=0, shuffle=False)

    return turn


def matrix_products(records: int, inputs: int, outputs: int, batch: int):
    """The matrix products of an epoch alone, by the BLAS library of NumPy: forward, and back to weights and inputs.

    A floor for everything that trains this network on this machine, for all else comes on top.
    """
    generator = np.random.default_rng(0)
    widths = [inputs, *[SETTINGS.units] * SETTINGS.layers, outputs]
    values = [generator.standard_normal((batch, n), np.float32) for n in widths]
    weights = [generator.standard_normal((a, b), np.float32) for a, b in itertools.pairwise(widths)]

    def turn(first: bool = False) -> None:
        for _ in range(records // batch):
            for i, matrix in enumerate(weights):
                values[i] @ matrix
            for i in reversed(range(len(weights))):
                values[i].T @ values[i + 1]
                if i:  # nothing is learned of the inputs
                    values[i + 1] @ weights[i].T

    return turn

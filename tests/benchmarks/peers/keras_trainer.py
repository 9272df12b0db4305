"""This package's training, from its data feed and from one constant batch."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gait.data.dataset import open_dataset
from gait.training.feed import Feed
from gait.training.fitting import compiled_network, configure_threads
from tests.benchmarks.training import SETTINGS


def feed(data: str):
    """Epochs from the data feed of a dataset folder."""
    configure_threads()
    source = Feed(open_dataset(Path(data)), SETTINGS)
    network = compiled_network(SETTINGS, source.width, source.steps, tf.distribute.get_strategy())
    advance = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: source.epoch.assign_add(1))

    def turn(first: bool = False) -> None:
        network.fit(source.train, verbose=0, shuffle=False, callbacks=[advance])

    return turn


def constant_batch(records: int, inputs: int, outputs: int, batch: int):
    """Epochs of one batch again and again: what `fit` costs when the data cost nothing."""
    configure_threads()
    steps = records // batch
    network = compiled_network(SETTINGS, inputs, steps, tf.distribute.get_strategy())
    generator = np.random.default_rng(0)
    values = tuple(tf.constant(generator.standard_normal((batch, n), np.float32)) for n in (inputs, outputs))
    constant = tf.data.Dataset.range(1).map(lambda _: values).cache().repeat(steps)
    constant = constant.apply(tf.data.experimental.assert_cardinality(steps))

    def turn(first: bool = False) -> None:
        network.fit(constant, verbose=0, shuffle=False)

    return turn

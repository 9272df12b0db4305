"""The same network and `fit` of Keras, on its JAX backend."""

from __future__ import annotations

import keras
import numpy as np

from gait.training.network import dense_network
from tests.benchmarks.training import SETTINGS

STEPS_PER_EXECUTION = 1
"""Batches in one call; 8 and 40 were tried and are no faster."""


def arrays(records: int, inputs: int, outputs: int, batch: int):
    """Epochs from arrays in memory, shuffled by Keras.

    Args:
        records: records of an epoch.
        inputs, outputs: values in a record.
        batch: records in a batch.
    """
    if keras.backend.backend() != "jax":
        raise RuntimeError("Keras must run on JAX here: set KERAS_BACKEND=jax.")
    generator = np.random.default_rng(0)
    x, y = (generator.standard_normal((records, n), np.float32) for n in (inputs, outputs))
    network = dense_network(inputs, outputs, SETTINGS.activation, SETTINGS.layers, SETTINGS.units)
    network.compile(keras.optimizers.Adam(1e-3), loss="mse", steps_per_execution=STEPS_PER_EXECUTION)

    def turn(first: bool = False) -> None:
        network.fit(x, y, batch_size=batch, shuffle=True, verbose=0)

    return turn

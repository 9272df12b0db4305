"""The paper's network and its wrapping in physical units."""

from __future__ import annotations

import keras
import numpy as np

LAYERS, UNITS = 7, 50
"""Hidden layers and units in each (Sameni, section IV)."""


def dense_network(inputs: int, outputs: int, activation: str) -> keras.Model:
    """The fully connected network from standardised inputs [n, inputs] to standardised outputs [n, outputs]."""
    layers = [keras.layers.Dense(UNITS, activation, name=f"hidden_{i + 1}") for i in range(LAYERS)]
    return keras.Sequential(
        [keras.Input((inputs,), name="standardised_inputs"), *layers, keras.layers.Dense(outputs, name="outputs")],
        name="dense_network",
    )


def in_physical_units(
    core: keras.Model,
    input_mean: np.ndarray,
    input_sd: np.ndarray,
    target_mean: np.ndarray,
    target_sd: np.ndarray,
) -> keras.Model:
    """Wraps a trained core so that it takes raw channels and returns raw targets, both in SI units.

    Only layers of Keras itself are used, so the saved model loads without this package.

    Args:
        core: see `dense_network`.
        input_mean, input_sd: statistics of the training split, shape [inputs].
        target_mean, target_sd: the same of the targets, shape [outputs].
    """
    recording = keras.Input((len(input_mean),), name="recording")
    standardise = keras.layers.Normalization(mean=input_mean, variance=input_sd**2, name="standardise")
    to_units = keras.layers.Normalization(mean=target_mean, variance=target_sd**2, invert=True, name="to_units")
    return keras.Model(recording, to_units(core(standardise(recording))), name="gait")

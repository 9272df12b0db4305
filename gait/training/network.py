"""The paper's network and its wrapping in physical units."""

from __future__ import annotations

import keras
import numpy as np


def dense_network(inputs: int, outputs: int, activation: str, layers: int, units: int) -> keras.Model:
    """Makes the fully connected network with fresh weights; the paper's has 7 layers of 50 units.

    Args:
        inputs: number of standardised inputs, shape [n, inputs].
        outputs: number of standardised targets, shape [n, outputs].
        activation: of the hidden layers.
        layers: number of hidden layers; `units`: units in each.

    Source:
        Sameni, section IV.
    """
    hidden = [keras.layers.Dense(units, activation, name=f"hidden_{i + 1}") for i in range(layers)]
    return keras.Sequential(
        [keras.Input((inputs,), name="standardised_inputs"), *hidden, keras.layers.Dense(outputs, name="outputs")],
        name="dense_network",
    )


def in_physical_units(
    core: keras.Model,
    input_mean: np.ndarray,
    input_sd: np.ndarray,
    target_mean: np.ndarray,
    target_sd: np.ndarray,
) -> keras.Model:
    """Wraps a trained core so that it takes raw inputs and returns raw targets, both in SI units.

    Only layers of Keras itself are used, so the saved model loads without this package.

    Args:
        core: trained network, see `dense_network`.
        input_mean, input_sd: mean and standard deviation of the training split's inputs, shape [inputs].
        target_mean, target_sd: mean and standard deviation of its targets, shape [outputs].
    """
    recording = keras.Input((len(input_mean),), name="recording")
    standardise = keras.layers.Normalization(mean=input_mean, variance=input_sd**2, name="standardise")
    to_units = keras.layers.Normalization(mean=target_mean, variance=target_sd**2, invert=True, name="to_units")
    return keras.Model(recording, to_units(core(standardise(recording))), name="gait")

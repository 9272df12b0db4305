"""Inputs of a network: the channels of a recording, the parameters measured once, and their noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gait.data.manifest import SPLITS
from gait.errors import InputError
from gait.parameters import OTHER_LEG, determined
from gait.scenarios import Scenario
from gait.scripting import command

if TYPE_CHECKING:
    import pandas as pd

    from gait.data.dataset import Dataset

_BLOCK = 1000  # rows that share a stream of noise


def check_parameters(scenario: Scenario, dataset: Dataset) -> None:
    """Checks that the walkers of a dataset have what a scenario measures once and estimates.

    Raises:
        InputError: if they have not, with the command that writes a dataset of walkers who have.
    """
    given = dataset.parameters
    missing = [name for name in (*scenario.measured, *scenario.targets) if name not in determined(given)]
    if not missing:
        return
    sides = [leg for leg in OTHER_LEG if leg not in given and {*missing} & {*determined((*given, leg))}]
    ranges = {leg: dataset.priors[leg.removesuffix("_right")] for leg in sides}
    if sides:
        other = dataset.folder.with_name(f"{dataset.folder.name}_unequal_legs")
        words = (f"--{leg}={prior.low},{prior.high}" for leg, prior in ranges.items())
        advice = f"Its walkers have two equal legs. Make one with unequal legs: {dataset.plan.command(other, *words)}"
    else:
        advice = f"Leave it out, or see {command('python', 'simulate.py', '--help')} for other walkers."
    raise InputError(
        f"The scenario {scenario.name} needs {', '.join(missing)}, which the dataset at {dataset.folder} does not "
        f"tell: its records have {', '.join(given)}. {advice}"
    )


def scenario_inputs(scenario: Scenario, inputs: Any, parameters: Mapping[str, Any] | pd.DataFrame) -> Any:
    """Joins channels and measured parameters to what a network is given, without noise.

    Args:
        scenario: scenario of the network.
        inputs: its channels, shape [n, c * samples], float32, SI units, array or tensor; returned as they are if
            nothing is measured once.
        parameters: parameters of the same records by name, shape [n] each, SI units.

    Returns:
        Shape [n, c * samples + measured], float32, one channel after the other, then the measured parameters.
    """
    if not scenario.measured:
        return inputs
    columns = [parameters[name] for name in scenario.measured]
    if isinstance(inputs, np.ndarray):
        return np.concatenate([inputs, np.stack(columns, axis=1).astype(inputs.dtype)], axis=1)
    import tensorflow as tf  # loaded already, since there is a tensor

    return tf.concat([inputs, tf.cast(tf.stack(columns, axis=1), inputs.dtype)], axis=1)


def noise_sd(scenario: Scenario, width: int) -> np.ndarray | None:
    """Standard deviation of the noise of each input, shape [width], SI units; None for a scenario without noise.

    Args:
        scenario: scenario of the network.
        width: number of its inputs, c * samples + measured.
    """
    if scenario.noise is None:
        return None
    samples = (width - len(scenario.measured)) // len(scenario.inputs)
    columns = [samples] * len(scenario.inputs) + [1] * len(scenario.measured)
    return np.repeat([float(scenario.noise[name]) for name in scenario.sources], columns)


def add_fixed_noise(scenario: Scenario, inputs: np.ndarray, seed: int, split: str) -> None:
    """Adds the noise that a split always gets, in place; changes nothing for a scenario without noise.

    Args:
        scenario: scenario of the network.
        inputs: first rows of the split, all or some, from `scenario_inputs`, shape [n, width], float32.
        seed: of the run.
        split: name of the split. A row has the same noise however many rows there are.
    """
    sd = noise_sd(scenario, inputs.shape[1])
    if sd is None:
        return
    for first in range(0, len(inputs), _BLOCK):
        key = np.random.SeedSequence(seed, spawn_key=(list(SPLITS).index(split), first // _BLOCK))
        rows = inputs[first : first + _BLOCK]
        rows += np.random.default_rng(key).standard_normal(rows.shape, np.float32) * sd.astype(np.float32)

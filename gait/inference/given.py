"""Arguments of `gait.posterior`, checked: what fits becomes a problem, what does not becomes a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gait.errors import InputError
from gait.inference.walker import Walker
from gait.parameters import QUANTITIES
from gait.simulation.channels import check_smooth
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel
from gait.simulation.population import Population


def walker_of(
    channels: tuple[str, ...], noise: Mapping[str, float], population: Population, known: dict[str, float],
    settings: RecordingSettings,
) -> Walker:  # fmt: skip
    """The unknowns of recorded walkers, from what a user of `gait.posterior` gives.

    Raises:
        InputError: if a name is not known, a level of noise is missing or impossible, or a known value is.
    """
    unknowns = population.names
    strange = [
        f"{name} {value!r}" for table in (known, noise) for name, value in table.items() if not _is_number(value)
    ]
    if strange:
        raise InputError(f"What is known, and levels of noise, have to be numbers. Received: {', '.join(strange)}.")
    strange = [name for name in known if name not in unknowns]
    if strange:
        raise InputError(
            f"Known parameters are any of {', '.join(unknowns)}. Received: {', '.join(strange)}. "
            "Other legs or gravity need a range in the population."
        )
    measured = tuple(name for name in known if name in noise)
    impossible = [f"{name}={known[name]}" for name in measured if not np.isfinite(known[name])]
    if impossible:
        raise InputError(f"What is measured has to be a number. Received: {', '.join(impossible)}.")
    model = ForwardModel(channels, measured, population.priors, settings, unknowns)
    check_smooth(channels)
    exact = {name: float(value) for name, value in known.items() if name not in noise}
    for name, value in exact.items():
        prior = model.prior(name)
        if not prior.low <= value <= prior.high:
            raise InputError(
                f"What is known has to be possible: {name} lies between {prior.low:g} and {prior.high:g} "
                f"{QUANTITIES[name].unit} in this population. Received: {value:g}. Widen its range."
            )
    model.noise_sd(noise)
    walker = Walker(model, exact)
    if not walker.ranges:
        raise InputError("Everything is known: nothing is left to ask of a recording. Leave out a part of known.")
    return walker


def _is_number(value: object) -> bool:
    return isinstance(value, float | int | np.floating | np.integer)


def outputs_of(recordings: ArrayLike, walker: Walker, known: Mapping[str, float]) -> tuple[np.ndarray, bool]:
    """Recordings as outputs of the forward model, shape [n, outputs]; and whether it was a single one.

    Raises:
        InputError: if the shape does not fit, or a sample is no number.
    """
    model = walker.model
    try:
        given = np.asarray(recordings, float)
    except (TypeError, ValueError):
        raise InputError(f"A recording is an array of numbers. Received: {type(recordings).__name__}.") from None
    shape = (len(model.channels), model.settings.times.size)
    if given.ndim not in (2, 3) or given.shape[-2:] != shape:
        raise InputError(
            f"A recording has the shape {list(shape)}: {shape[0]} channels ({', '.join(model.channels)}) and "
            f"{shape[1]} samples, one every {model.settings.interval:g} s for {model.settings.duration:g} s. "
            f"Received: shape {list(given.shape)}. State another length with "
            "settings=RecordingSettings(duration=…, interval=…)."
        )
    if not given.size:
        raise InputError(f"A posterior needs a recording. Received: none, shape {list(given.shape)}.")
    bad = int(np.count_nonzero(~np.isfinite(given)))
    if bad:
        raise InputError(f"A recording has to be complete. Received: {bad} samples that are no numbers. Fill the gaps.")
    rows = given.reshape(-1, shape[0] * shape[1])
    once = [np.full((len(rows), 1), float(known[name])) for name in model.measured]
    return np.concatenate([rows, *once], axis=1), given.ndim == 2

"""Channels of a recording: the time series that a dataset can hold and a network can read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from gait.errors import InputError
from gait.simulation.conditions import SAMPLE_FIELDS, Conditions
from gait.simulation.model import TouchdownRule

_FOOTHOLDS_IN_REACH = 5  # at most, of any walker; the rear leg stands on the first of them


@dataclasses.dataclass(frozen=True)
class Channel:
    """One measured time series.

    Attributes:
        name: name in datasets, flags and code.
        unit: SI unit; "1" for a ratio.
        meaning: the quantity in words.
        measure: function of the samples by name, shape [n, samples] each, and of the walkers; returns the channel,
            shape [n, samples].
    """

    name: str
    unit: str
    meaning: str
    measure: Callable[[dict[str, np.ndarray], Conditions], np.ndarray]


def _sampled(name: str) -> Callable[[dict[str, np.ndarray], Conditions], np.ndarray]:
    return lambda samples, walkers: samples[name]


def _column(values: np.ndarray) -> np.ndarray:
    return values[:, None]


def _weight(walkers: Conditions) -> np.ndarray:
    return _column(walkers.mass * walkers.gravity)


def _leg_length(samples: dict[str, np.ndarray], walkers: Conditions) -> np.ndarray:
    """Length of the stance leg, or in double support of the leg that landed first.

    Footholds lie a step length apart, and a leg stands where its foothold is within reach.
    """
    if walkers.rule != TouchdownRule.STEP_LENGTH:
        raise InputError("The channel leg_length needs walkers of a fixed step length. Received: an angle of attack.")
    x, y, step = samples["x"], samples["y"], _column(walkers.target)
    longest = _column(walkers.rest_length.max(axis=1))
    with np.errstate(invalid="ignore"):
        first = np.maximum(0, np.nan_to_num(np.ceil((x - longest) / step))).astype(int)
    length = np.full_like(x, np.nan)
    for foothold in (first + i for i in reversed(range(_FOOTHOLDS_IN_REACH))):
        distance = np.hypot(x - foothold * step, y)
        rest = np.take_along_axis(walkers.rest_length, foothold % 2, axis=1)
        length = np.where(distance <= rest * (1.0 + 1e-12), distance, length)
    return length


def _of_mean_height(name: str) -> Callable[[dict[str, np.ndarray], Conditions], np.ndarray]:
    return lambda samples, walkers: samples[name] / samples["y"].mean(axis=1, keepdims=True)


_ALL = (
    Channel("x", "m", "forward position", _sampled("x")),
    Channel("y", "m", "height", _sampled("y")),
    Channel("vx", "m/s", "forward velocity", _sampled("vx")),
    Channel("vy", "m/s", "upward velocity", _sampled("vy")),
    Channel("fx", "N", "forward ground reaction force", _sampled("fx")),
    Channel("fy", "N", "vertical ground reaction force", _sampled("fy")),
    Channel("ax", "m/s²", "forward acceleration", lambda samples, walkers: samples["fx"] / _column(walkers.mass)),
    Channel(
        "ay", "m/s²", "upward acceleration",
        lambda samples, walkers: samples["fy"] / _column(walkers.mass) - _column(walkers.gravity),
    ),
    Channel("fx_bw", "1", "forward force in body weights", lambda samples, walkers: samples["fx"] / _weight(walkers)),
    Channel("fy_bw", "1", "vertical force in body weights", lambda samples, walkers: samples["fy"] / _weight(walkers)),
    Channel("leg_length", "m", "length of the stance leg, of the rear one in double support", _leg_length),
    Channel("x_rel", "1", "forward position in mean heights, for a camera of unknown scale", _of_mean_height("x")),
    Channel("y_rel", "1", "height in mean heights, for a camera of unknown scale", _of_mean_height("y")),
)  # fmt: skip
CHANNELS: dict[str, Channel] = {channel.name: channel for channel in _ALL}


def check_channels(names: Iterable[str]) -> None:
    """Raises `InputError` unless the names are known channels, each given once."""
    names = list(names)
    unknown = [name for name in names if name not in CHANNELS]
    if unknown or not names or len(set(names)) < len(names):
        raise InputError(
            f"Channels are one or more of {', '.join(CHANNELS)}, each once. Received: {', '.join(names) or 'none'}."
        )


def observe(names: Iterable[str], samples: np.ndarray, walkers: Conditions) -> np.ndarray:
    """Computes channels of walks.

    Args:
        names: names of c channels.
        samples: shape [6, n, samples], see `gait.simulation.conditions.Walks`.
        walkers: the n walkers.

    Returns:
        Array of shape [c, n, samples].
    """
    table = dict(zip(SAMPLE_FIELDS, samples, strict=True))
    return np.stack([CHANNELS[name].measure(table, walkers) for name in names])

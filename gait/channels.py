"""What a recording consists of: the channels a dataset can hold and a network can read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from gait.errors import InputError
from gait.integrators.conditions import SAMPLE_FIELDS


@dataclasses.dataclass(frozen=True)
class Channel:
    """One measured time series.

    Attributes:
        name: name in datasets, flags and code.
        unit: SI unit.
        weighs: whether it contains the body's mass beyond k/m. Positions and velocities do not:
            (m, k) and (2m, 2k) move alike. Forces in newtons do.
    """

    name: str
    unit: str
    weighs: bool


_ALL = (
    Channel("x", "m", weighs=False),
    Channel("y", "m", weighs=False),
    Channel("vx", "m/s", weighs=False),
    Channel("vy", "m/s", weighs=False),
    Channel("fx", "N", weighs=True),
    Channel("fy", "N", weighs=True),
)
CHANNELS: dict[str, Channel] = {channel.name: channel for channel in _ALL}


def check_channels(names: Iterable[str]) -> None:
    """Raises `InputError` unless the names are known channels, each given once."""
    names = list(names)
    unknown = [name for name in names if name not in CHANNELS]
    if unknown or not names or len(set(names)) < len(names):
        raise InputError(
            f"Channels are one or more of {', '.join(CHANNELS)}, each once. Received: {', '.join(names) or 'none'}."
        )


def observe(names: Iterable[str], samples: np.ndarray) -> np.ndarray:
    """Picks channels from an engine's samples.

    Args:
        names: c channel names.
        samples: shape [6, n, samples], see `gait.integrators.conditions.Recording`.

    Returns:
        Array of shape [c, n, samples].
    """
    return samples[[SAMPLE_FIELDS.index(name) for name in names]]

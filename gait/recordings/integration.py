"""Motion of the centre of mass from the force on the ground, where nobody has recorded it."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.integrate import cumulative_trapezoid

from gait.recordings.checks import whole_strides
from gait.recordings.events import Events
from gait.recordings.recording import Recording


def integrated(recording: Recording, events: Events, mass: float) -> tuple[Recording, str]:
    """Height and velocity of the centre of mass from the force, by integrating twice over whole strides.

    Over a stride, mean velocity and mean height of a steady walk do not change. So the mean force of each stride is
    taken for its weight, which removes drift, and the height is its deviation from the mean of the stride.

    Args:
        recording: a recording with the vertical force.
        events: its steps.
        mass: body mass, kg.

    Returns:
        The recording with `y`, and with `x` where the forward force and a speed are known; and a sentence on what this
        is worth.

    Source: G. A. Cavagna, "Force platforms as ergometers", J. Appl. Physiol. 39 (1975) 174-179.
    """
    channels = dict(recording.channels)
    axes = {"y": "fy"} | ({"x": "fx"} if recording.has("fx") and recording.belt_speed else {})
    for axis, force in axes.items():
        channels[axis] = np.full(len(recording.t), np.nan)
        for first, last in _strides(recording, events):
            span, t = slice(first, last + 1), recording.t[first : last + 1]
            values = recording.channels[force][span]
            if not np.isfinite(values).all():
                continue
            acceleration = (values - np.trapezoid(values, t) / (t[-1] - t[0])) / mass
            velocity = cumulative_trapezoid(acceleration, t, initial=0)
            velocity -= np.trapezoid(velocity, t) / (t[-1] - t[0])
            place = cumulative_trapezoid(velocity, t, initial=0)
            place -= np.trapezoid(place, t) / (t[-1] - t[0])
            if axis == "x":
                place += (recording.belt_speed or 0.0) * t
            channels[axis][span] = place
    words = (
        "The height of the centre of mass is integrated twice from the force, stride by stride: a deviation from its "
        "mean, in which a steady walk is assumed."
    )
    return dataclasses.replace(recording, channels=channels, body="integrated from force"), words


def _strides(recording: Recording, events: Events) -> list[tuple[int, int]]:
    """First and last sample of strides that follow each other, on plates all the time."""
    found: list[tuple[int, int]] = []
    for begin, end in whole_strides(recording, events):
        first, last = (
            int(np.clip(np.searchsorted(recording.t, time), 0, len(recording.t) - 1)) for time in (begin, end)
        )
        if (not found or first >= found[-1][1] - 1) and last > first + 3:
            found.append((first, last))
    return found

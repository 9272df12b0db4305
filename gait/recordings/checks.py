"""Checks that a recording is a walk, and enough of one."""

from __future__ import annotations

import numpy as np

from gait.errors import InputError
from gait.recordings.events import Events
from gait.recordings.pressure import bridged
from gait.recordings.recording import LOADED, Recording, between

_FLIGHT = 0.06  # s without force between steps; a walker's leg can be next to unloaded for less
_STILL = 0.01  # m that a standing person sways up and down
_STEADY = 0.05  # of the weight, by which the force of a standing person varies
_CLIMB = 0.03  # m of height in a stride
_SLOWEST = 1.5  # s, the longest step of a walk


def check_walk(recording: Recording, events: Events) -> None:
    """Checks that somebody walks on level ground, for at least a whole stride.

    Raises:
        InputError: with what it is instead: standing, running, a jump, stairs or a slope, or less than a stride.
    """
    _check_flight(recording, events)
    times = events.touchdown
    found = f"{recording.duration:.1f} s with {len(times)} touchdown{'s' * (len(times) != 1)}"
    if _stands(recording):
        raise InputError(
            "Nobody walks in this recording: the person stands. A walk of at least one whole stride is needed. "
            f"Received: {found} in the rhythm of its noise. Choose the walking part with --window."
        )
    if len(times) < 3:
        raise InputError(
            "This recording holds less than one whole stride, from a touchdown to the next one of the same leg, with "
            f"every foot on a plate. Received: {found}. Use a longer one, or another --window."
        )
    pause = np.median(np.diff(times))
    if pause > _SLOWEST:
        raise InputError(
            f"This is no steady walk: touchdowns are {pause:.2f} s apart, and a step takes at most {_SLOWEST:g} s. "
            "Choose the walking part with --window."
        )
    _check_level(recording, events)
    if recording.has("fy") and not len(whole_strides(recording, events)):
        raise InputError(
            "There is no whole stride in which every foot on the ground is on a force plate, so that the force is that "
            "on "
            f"the whole body. Received: {len(times)} touchdowns in {recording.duration:.2f} s. Use a recording with "
            "more "
            "steps on plates, or without forces."
        )


def _stands(recording: Recording) -> bool:
    """Whether force or height stay as they are."""
    if recording.has("fy"):
        force = recording.channels["fy"]
        return bool(np.nanstd(force) < _STEADY * np.nanmean(force))
    return recording.has("y") and bool(np.nanmax(recording.channels["y"]) - np.nanmin(recording.channels["y"]) < _STILL)


def whole_strides(recording: Recording, events: Events) -> np.ndarray:
    """Begin and end [s] of each stride, from a touchdown to the next but one, in which all feet are on plates.

    Returns:
        Shape [strides, 2].
    """
    spans = np.column_stack([events.touchdown[:-2], events.touchdown[2:]])
    if not len(spans):
        return spans
    spans = spans[np.diff(spans, axis=1)[:, 0] < 1.5 * np.median(np.diff(spans, axis=1))]
    if recording.on_plates is None:
        return spans
    whole = [recording.on_plates[between(recording.t, begin, end)].all() for begin, end in spans]
    return spans[np.array(whole, bool)]


def _check_flight(recording: Recording, events: Events) -> None:
    """Refuses running and jumps: nobody is on the ground for a while between contacts."""
    if not recording.has("fy"):
        return
    fy = recording.channels["fy"]
    loaded = np.flatnonzero(fy > LOADED)
    if not len(loaded):
        raise InputError(
            f"There is no force above {LOADED:g} N in this recording: nobody is on a plate. Received: at most "
            f"{np.nanmax(fy) if np.isfinite(fy).any() else np.nan:.3g} N. Check its columns and units."
        )
    inside = np.arange(len(fy))[loaded[0] : loaded[-1]]
    free = fy[inside] <= LOADED
    edges = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]]).astype(int))).reshape(-1, 2)
    flights = np.diff(edges, axis=1)[:, 0] / recording.rate
    flights = flights[flights > _FLIGHT]
    if len(flights):
        kind = "a jump" if len(flights) == 1 else "running"
        raise InputError(
            f"This looks like {kind}: {len(flights)} time{'s' * (len(flights) != 1)} no foot is on the ground, for "
            f"{flights.max():.2f} s at most. The walking model always has one foot on it. Choose a walking part with "
            "--window."
        )


def _check_level(recording: Recording, events: Events) -> None:
    """Refuses stairs and slopes: the body gains or loses height from stride to stride."""
    if not recording.has("y"):
        return
    y = bridged(recording, recording.channels["y"])
    means = []
    for begin, end in zip(events.touchdown[:-2:2], events.touchdown[2::2], strict=False):
        values = y[between(recording.t, begin, end)]
        if len(values) and np.isfinite(values).all():
            means.append(values.mean())
    if len(means) > 1 and abs(climb := float(np.median(np.diff(means)))) > _CLIMB:
        raise InputError(
            f"This is no level walk: the body {'rises' if climb > 0 else 'sinks'} by {100.0 * abs(climb):.0f} cm a "
            "stride. "
            "Stairs and slopes are not what the model describes."
        )

"""Checks that a recording is a walk, and enough of one."""

from __future__ import annotations

import numpy as np

from gait.errors import InputError
from gait.recordings.cycles import whole_spans
from gait.recordings.events import NOTHING, Events, vertical_acceleration
from gait.recordings.pressure import bridged
from gait.recordings.recording import LOADED, Recording, between, stretches
from gait.recordings.walking import still

_FLIGHT = 0.06  # s without force between steps; a walker's leg can be next to unloaded for less
_CLIMB = 0.03  # m of height in a stride
_SLOWEST = 1.5  # s, the longest step of a walk
_FEWEST_SAMPLES = 5  # of a step
_FREE, _OFTEN = 0.8, 0.05  # part of gravity with which a body falls that no foot holds, and of the time that it may
_STANDING = 0.9  # of the time, from which a recording is one of standing
_ON_THE_SPOT = 0.1  # m/s, below which steps lead nowhere
_FASTEST = 4.5  # m/s; race walkers reach 4.3
_ALIKE = 0.35  # correlation of a walk with itself a step or a stride later; irregular walkers have 0.47, noise 0.3
_DEEPEST = 0.3  # m that the body rises and falls in a stride at most; people 2 to 8 cm
_IRREGULAR = 0.3  # of the middle step time: half of all steps may differ from it by so much at most


def check_walk(recording: Recording, events: Events) -> None:
    """Checks that somebody walks on level ground, for at least a whole stride.

    Raises:
        InputError: with what it is instead: standing, running, a jump, stairs or a slope, or less than a stride.
    """
    _check_flight(recording, events)
    times = events.touchdown
    found = f"{recording.duration:.1f} s with {len(times)} touchdown{'s' * (len(times) != 1)}"
    if still(recording).mean() > _STANDING:
        raise InputError(
            "Nobody walks in this recording: the person stands. A walk of at least one whole stride is needed. "
            f"Received: {found} in the rhythm of its noise. Choose the walking part with --window."
        )
    if events.source == NOTHING:
        raise InputError(
            "Steps cannot be told from this recording. Needed is the force on both feet, the height of the body, or "
            f"the heels of both feet. Received: {', '.join(sorted(recording.channels))}. Export more columns."
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
    if pause * recording.rate < _FEWEST_SAMPLES:
        raise InputError(
            f"At {recording.rate:.4g} samples a second a step of {pause:.2f} s has {pause * recording.rate:.1f} "
            f"samples, and it takes {_FEWEST_SAMPLES} to tell its events. Record it faster."
        )
    _check_rhythm(recording, events)
    _check_level(recording, events)
    _check_way(recording, events)
    if recording.has("fy") and not len(whole_strides(recording, events)):
        raise InputError(
            "There is no whole stride in which every foot on the ground is on a force plate, so that the force is that "
            f"on the whole body. Received: {len(times)} touchdowns in {recording.duration:.2f} s. Use a recording with "
            "more steps on plates, or without forces."
        )


def whole_strides(recording: Recording, events: Events) -> np.ndarray:
    """Begin and end [s] of each stride, from a touchdown to the next but one, in which all feet are on plates.

    Returns:
        Shape [strides, 2].
    """
    spans = whole_spans(events.touchdown, 2)
    if recording.on_plates is None:
        return spans
    whole = [recording.on_plates[between(recording.t, begin, end)].all() for begin, end in spans]
    return spans[np.array(whole, bool)]


def missing_force(recording: Recording, events: Events) -> str:
    """Why forces do not tell the steps of a walk, in words; empty if they do, or if nothing else is there.

    A walk that has more than its plates is told by heels or height: plates at the side of which feet have been, plates
    that nobody has stepped on, or one step on each.

    Args:
        recording: a recorded walk.
        events: its steps, from its forces if there are any.
    """
    if not recording.has("fy") or not (recording.has("y") or recording.has("heel_x_left", "heel_x_right")):
        return ""
    flights = _flights(recording)
    if not (recording.channels["fy"] > LOADED).any():
        return "nobody is on a plate"
    if len(flights) and 2 * len(flights) < max(len(events), 3):
        return "feet have been beside the plates"
    if len(events) < 3 or not len(whole_strides(recording, events)):
        return "they hold no whole stride with every foot on a plate"
    return ""


def _flights(recording: Recording) -> np.ndarray:
    """Times without force between contacts that are too long for a walk, s."""
    loaded = np.flatnonzero(recording.channels["fy"] > LOADED)
    if not len(loaded):
        return np.empty(0)
    free = recording.channels["fy"][loaded[0] : loaded[-1]] <= LOADED
    flights = np.diff(stretches(free), axis=1)[:, 0] / recording.rate
    return flights[flights > _FLIGHT]


def _check_flight(recording: Recording, events: Events) -> None:
    """Refuses running and jumps: nobody is on the ground for a while between contacts."""
    if not recording.has("fy"):
        _check_fall(recording)
        return
    fy = recording.channels["fy"]
    if not (fy > LOADED).any():
        raise InputError(
            f"There is no force above {LOADED:g} N in this recording: nobody is on a plate. Received: at most "
            f"{np.nanmax(fy) if np.isfinite(fy).any() else np.nan:.3g} N. Check its columns and units."
        )
    flights = _flights(recording)
    if len(flights):
        kind = "a jump, or a step beside the plates" if len(flights) == 1 else "running"
        raise InputError(
            f"This looks like {kind}: {len(flights)} time{'s' * (len(flights) != 1)} no foot is on the ground, for "
            f"{flights.max():.2f} s at most. The walking model always has one foot on it. Choose a walking part with "
            "--window."
        )


def _check_fall(recording: Recording) -> None:
    """Refuses running and hopping that only the height tells: the body falls freely between contacts."""
    falling = vertical_acceleration(recording) < -_FREE * recording.gravity
    if falling.mean() > _OFTEN:
        raise InputError(
            f"This looks like running or hopping: for {100.0 * falling.mean():.0f} % of the time the body falls "
            "freely. The walking model always has one foot on the ground. Choose a walking part with --window, or "
            "check the units of lengths and times."
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
            "stride. Stairs and slopes are not what the model describes."
        )


def _check_rhythm(recording: Recording, events: Events) -> None:
    """Refuses steps that follow each other as those of noise do, in no rhythm."""
    apart = np.diff(events.touchdown)
    middle = np.median(apart)
    half = float(np.median(np.abs(apart - middle))) / middle
    words = ""
    if half > _IRREGULAR:
        words = f"half of them differ from {middle:.2f} s by {100.0 * half:.0f} % or more"
    elif len(events.rhythm) and (alike := _repetition(recording, events, middle)) < _ALIKE:
        words = f"the {events.source} does not repeat itself from step to step (correlation {alike:.2f})"
    if words:
        raise InputError(
            f"These are no steps of a walk: {words}. Received: {len(events)} touchdowns, found from {events.source}. "
            "Check the columns, or choose the walking part with --window."
        )


def _repetition(recording: Recording, events: Events, step: float) -> float:
    """Correlation of the channel that steps were found from with itself, one or two steps later."""
    values = events.rhythm[between(recording.t, events.touchdown[0] - step, events.touchdown[-1] + step)]
    found = []
    for lag in (round(step * recording.rate), round(2 * step * recording.rate)):
        pairs = np.stack([values[:-lag], values[lag:]])[:, np.isfinite(values[:-lag] + values[lag:])]
        found.append(float(np.corrcoef(pairs)[0, 1]) if pairs.shape[1] > lag // 2 else -1.0)
    return max(found)


def check_travel(travel: np.ndarray) -> None:
    """Checks that the body rises and falls as in walking, and not as in squats.

    Args:
        travel: largest less smallest height of each stride, NaN where it is not known, shape [strides], m.

    Raises:
        InputError: if it is too much.
    """
    known = travel[np.isfinite(travel)]
    if len(known) and (depth := float(np.median(known))) > _DEEPEST:
        raise InputError(
            f"This is no walk: the body rises and falls by {depth:.2f} m, and in walking by {_DEEPEST:g} m at most. "
            "Squats and jumps are not what the model describes. Choose the walking part with --window."
        )


def _check_way(recording: Recording, events: Events) -> None:
    """Refuses steps on the spot, and what is faster than a walk."""
    if not recording.has("x") or recording.belt_speed is None:
        return
    places = np.interp(events.touchdown, recording.t, bridged(recording, recording.channels["x"]))
    speed = float(np.nanmedian(np.diff(places) / np.diff(events.touchdown)))
    if speed < _ON_THE_SPOT:
        raise InputError(
            f"This is no walk over ground: steps are taken, and the body goes forward at {abs(speed):.2f} m/s. If it "
            "is on a treadmill, state the speed of the belt with --belt_speed."
        )
    if speed > _FASTEST:
        raise InputError(
            f"This is no walk: the body goes forward at {speed:.1f} m/s, and walkers at {_FASTEST:g} m/s at most. "
            "Check the units of lengths and times, and --belt_speed."
        )

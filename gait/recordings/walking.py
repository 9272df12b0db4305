"""The part of a recording in which somebody walks, where the person also stands still in it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from gait.recordings.events import Events, smoothed
from gait.recordings.recording import Recording, stretches

_STEADY = 0.02  # of the weight, the standard deviation of the force on a standing person; slow walks have twice as much
_STILL = 0.002  # m, the standard deviation of the height of a standing person; a walk that rises by 1 cm has 3.5 mm
_MOMENT = 1.0  # s, the shortest time to stand still; a slow stride is longer
_UNSTEADY = 2  # steps next to standing that are not those of a steady walk
_FEWEST = 5  # touchdowns that must remain, with two strides between


def still(recording: Recording) -> np.ndarray:
    """Whether the person stands still, shape [samples]: for at least a second force, else height, stay as they are."""
    none = np.zeros(len(recording.t), bool)
    if recording.has("fy"):
        values = recording.channels["fy"]
        limit = _STEADY * float(np.nanmean(values))
    elif recording.has("y"):
        values, limit = smoothed(recording, recording.channels["y"]), _STILL
    else:
        return none
    count = round(_MOMENT * recording.rate)
    if not 2 < count < len(values):
        return none
    spread = pd.Series(values).rolling(count).std().to_numpy()
    calm = spread < limit  # of the moment that ends here
    if recording.has("fy"):
        calm &= pd.Series(values).rolling(count).mean().to_numpy() > 0.5 * np.nanmean(values)  # not an empty plate
    ends = np.flatnonzero(calm)
    if not len(ends):
        return none
    change = np.bincount(ends - count + 1, minlength=len(values) + 1) - np.bincount(ends + 1, minlength=len(values) + 1)
    return np.cumsum(change)[:-1] > 0


def walking_part(recording: Recording, events: Events) -> tuple[Events, list[str]]:
    """Steps of the longest walk between moments of standing, without those next to standing, which are not steady.

    Args:
        recording: a recorded walk.
        events: all its steps.

    Returns:
        Steps of that walk, and a sentence on what was left out; all steps and no sentence where nobody stands still.
    """
    rests = stretches(still(recording))
    if not len(rests) or not len(events):
        return events, []
    times = recording.t[np.minimum(rests, len(recording.t) - 1)]
    borders = np.concatenate([[-np.inf], times.ravel(), [np.inf]]).reshape(-1, 2)
    counts = [int(((events.touchdown > begin) & (events.touchdown < end)).sum()) for begin, end in borders]
    begin, end = borders[int(np.argmax(counts))]
    inside = np.flatnonzero((events.touchdown > begin) & (events.touchdown < end))
    if not len(inside):
        return events, []
    first, last = (_UNSTEADY if np.isfinite(border) else 0 for border in (begin, end))
    words = ""
    if len(inside) - first - last >= _FEWEST:
        inside = inside[first : len(inside) - last]
        words = ", without the two steps next to standing, which are not steady"
    where = " and ".join(f"from {start:.1f} to {stop:.1f} s" for start, stop in times)
    return _kept(events, inside), [
        f"The person stands still {where}. "
        f"{'The longest walk' if sum(count > 0 for count in counts) > 1 else 'The walk'} was measured, with touchdowns "
        f"from {events.touchdown[inside[0]]:.2f} to {events.touchdown[inside[-1]]:.2f} s{words}."
    ]


def _kept(events: Events, inside: np.ndarray) -> Events:
    return dataclasses.replace(
        events, touchdown=events.touchdown[inside], takeoff=events.takeoff[inside], leg=events.leg[inside],
        foothold=events.foothold[inside],
    )  # fmt: skip

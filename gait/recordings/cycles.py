"""Channels of a recording stride by stride, over the gait cycle."""

from __future__ import annotations

import numpy as np

from gait.recordings.events import Events

PERCENT = np.linspace(0.0, 100.0, 101)
"""Parts of the gait cycle, %: 0 is a touchdown, 100 the next one of the same leg."""


def strides_of(events: Events, leg: str) -> np.ndarray:
    """Begin and end of each stride of a leg, from a touchdown to its next one; shape [strides, 2], s."""
    own = np.sort(events.touchdown[events.leg == leg])
    spans = np.column_stack([own[:-1], own[1:]])
    # A stride that lasts as long as two has lost a touchdown.
    return spans[np.diff(spans, axis=1)[:, 0] < 1.5 * np.median(np.diff(spans, axis=1))] if len(spans) else spans


def cycles(t: np.ndarray, values: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Interpolates a channel over the gait cycle.

    Args:
        t: times of the recording, shape [samples], s.
        values: channel, shape [samples].
        spans: begin and end of each stride, shape [strides, 2], s.

    Returns:
        Shape [strides, 101], at `PERCENT`, in the channel's unit; NaN where nothing was recorded.
    """
    times = spans[:, :1] + (spans[:, 1:] - spans[:, :1]) * (PERCENT / 100.0)
    found = np.interp(times.ravel(), t, values).reshape(times.shape)  # NaN on either side of a time makes NaN
    found[(times < t[0]) | (times > t[-1])] = np.nan
    return found

"""Channels of a recording stride by stride, over the gait cycle."""

from __future__ import annotations

import numpy as np

from gait.recordings.events import MISSED, Events

PERCENT = np.linspace(0.0, 100.0, 101)
"""Parts of the gait cycle, %: 0 is a touchdown, 100 the next one of the same leg."""


def strides_of(events: Events, leg: str) -> np.ndarray:
    """Begin and end of each stride of a leg, from a touchdown to its next one; shape [strides, 2], s."""
    return whole_spans(np.sort(events.touchdown[events.leg == leg]), 1)


def whole_spans(times: np.ndarray, following: int) -> np.ndarray:
    """Begin and end of each span from a touchdown to a following one, but those that have lost a touchdown.

    Args:
        times: touchdowns in their order, shape [n], s.
        following: which touchdown after the first ends a span; 1 is the next.

    Returns:
        Shape [spans, 2], s.
    """
    spans = np.column_stack([times[:-following], times[following:]])
    lengths = spans[:, 1] - spans[:, 0]
    return spans[lengths < MISSED * np.median(lengths)] if len(spans) else spans


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

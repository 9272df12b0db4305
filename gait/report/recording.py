"""Figure of a recorded walk beside the spring-mass walker fitted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.errors import InputError
from gait.inference.fit import StrideFit
from gait.recordings.cycles import PERCENT, cycles, strides_of
from gait.recordings.events import Events
from gait.recordings.recording import SIDES, Recording
from gait.report.style import BEST, NETWORK, STYLE

COLOURS = {"path": NETWORK, "force": BEST, "both": "#e08e2b"}
"""Colour of the model, by what it was fitted to."""
WORDS = {"path": "model, fitted to the path", "force": "model, fitted to the force", "both": "model, fitted to both"}
_STYLES = {"path": "-", "force": "--", "both": ":"}
_INSTANTS = 9  # at which the stick walker is drawn in a stride


def plot_recording(
    recording: Recording, events: Events, fits: Mapping[str, Sequence[StrideFit]], mass: float | None = None
) -> Figure:
    """Draws force and height over the gait cycle, and the walker over its footholds: measured black, model coloured.

    Args:
        recording: a recorded walk.
        events: its touchdowns and takeoffs.
        fits: walkers fitted to its strides, by what they were fitted to: "path", "force" or "both".
        mass: body mass, kg, for forces in body weights; by default that of the fits.

    Returns:
        A figure with a panel for each of force, height and path that the recording has.

    Raises:
        InputError: if there is nothing to draw: no whole stride, or neither forces nor positions.
    """
    leg = next((leg for leg in (*SIDES, "first") if len(strides_of(events, leg))), None)
    panels = {}
    if leg is not None:
        panels |= {"force": _force_panel} if recording.has("fy") else {}
        panels |= {"height": _height_panel} if recording.has("y") else {}
        panels |= {"path": _path_panel} if recording.has("x", "y") and fits else {}
    if leg is None or not panels:
        raise InputError("A figure of a recording needs a whole stride, and forces or positions.")
    weight = recording.gravity * mass if mass else None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 0.6 + 2.9 * len(panels)), layout="constrained")
        axes = np.atleast_1d(figure.subplots(len(panels), 1))
        for axis, draw in zip(axes, panels.values(), strict=True):
            draw(axis, recording, events, fits, leg, weight)
        figure.suptitle(_title(recording, events, leg), fontsize=10)
    return figure

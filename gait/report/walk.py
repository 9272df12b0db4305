"""Figure and tables of one simulated walk."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.report.style import STYLE
from gait.simulation.conditions import Walks
from gait.simulation.model import Outcome

LEFT, RIGHT = "#1f5fa8", "#d1495b"
"""Colours of the first stance leg and of the other one."""
STEPS_SHOWN = 6
_STANCES_DRAWN = 9  # instants at which a step's legs are drawn


def plot_walk(walks: Walks, i: int = 0, steps: int = STEPS_SHOWN) -> Figure:
    """Draws the path of the mass with its legs and footholds, and the ground reaction force over time.

    Args:
        walks: see `gait.simulate`; with an interval of 0.01 s the curves are smooth.
        i: number of the walk.
        steps: number of steps to draw, from the first one on.

    Returns:
        A figure with two panels: height over forward position [m], and force [N] over time [s].
    """
    touchdown, takeoff, foothold = (
        row[i][np.isfinite(row[i])] for row in (walks.touchdown, walks.takeoff, walks.foothold)
    )
    last = touchdown[steps] if len(touchdown) > steps else np.inf
    shown = np.isfinite(walks.x[i]) & (walks.t <= last)
    stances = _stances(touchdown, takeoff, foothold, walks.t[shown][-1] if shown.any() else 0.0)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 5.6), layout="constrained")
        path, force = figure.subplots(2, 1, height_ratios=[1.15, 1.0])
        _path_panel(path, walks, i, shown, stances)
        _force_panel(force, walks, i, shown, touchdown, takeoff)
        outcome = Outcome(walks.outcome[i])
        whole = f"A walk of {len(touchdown)} steps in {walks.t[-1]:.3g} s"
        whole += f", the first {steps} of them" if last < np.inf else ""
        path.set_title(whole if outcome == Outcome.WALKED else outcome.sentence)
    return figure


def _stances(touchdown, takeoff, foothold, end: float) -> list[tuple[float, float, float]]:
    """Foothold [m], begin and end [s] of the stance of each leg, from the first one on."""
    begins, places = np.append(0.0, touchdown), np.append(0.0, foothold)
    ends = np.append(takeoff, np.full(len(begins), end))[: len(begins)]
    return [stance for stance in zip(places, begins, ends, strict=True) if stance[1] <= end]


def _path_panel(axis: Axes, walks: Walks, i: int, shown: np.ndarray, stances) -> None:
    t, x, y = walks.t[shown], walks.x[i][shown], walks.y[i][shown]
    for number, (place, begin, end) in enumerate(stances):
        colour = (LEFT, RIGHT)[number % 2]
        during = np.flatnonzero((t >= begin) & (t <= end))
        for at in during[:: max(1, len(during) // _STANCES_DRAWN)]:
            axis.plot([place, x[at]], [0.0, y[at]], color=colour, lw=0.8, alpha=0.55, ls=("-", "--")[number % 2])
        axis.plot(
            place, 0.0, "^", color=colour, ms=9, clip_on=False, zorder=3, mfc=colour if number % 2 == 0 else "white"
        )
    axis.plot(x, y, color="black", lw=2.0)
    axis.plot([], [], color="black", lw=2.0, label="centre of mass")
    axis.plot([], [], "-^", color=LEFT, label="first leg and its footholds")
    axis.plot([], [], "--^", color=RIGHT, mfc="white", label="other leg and its footholds")
    axis.set(xlabel="Forward position $x$ [m]", ylabel="Height $y$ [m]", ylim=(0.0, 1.45 * np.max(y, initial=0.5)))
    axis.legend(fontsize=8, loc="upper center", ncols=3)


def _force_panel(axis: Axes, walks: Walks, i: int, shown: np.ndarray, touchdown, takeoff) -> None:
    t = walks.t[shown]
    for begin, end in zip(touchdown, np.append(takeoff, walks.t[-1]), strict=False):
        if len(t) and begin <= t[-1]:
            axis.axvspan(begin, min(end, t[-1]), color="0.9", lw=0)
    axis.plot(t, walks.fy[i][shown], color="black", lw=1.6, label="vertical")
    axis.plot(t, walks.fx[i][shown], color="0.35", lw=1.2, ls="--", label="forward")
    axis.axvspan(np.nan, np.nan, color="0.9", label="double support")
    axis.axhline(0.0, color="0.6", lw=0.6)
    axis.set(xlabel="Time [s]", ylabel="Ground reaction\nforce [N]")
    axis.margins(x=0.01)
    axis.legend(fontsize=8, loc="upper right", ncols=3)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.22 * (high - low))

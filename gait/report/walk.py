"""Figure of one simulated walk: the mass on its springs, and the force that they put on the ground."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scipy.interpolate import CubicHermiteSpline

from gait.errors import InputError
from gait.report.style import STYLE
from gait.simulation.conditions import Walks
from gait.simulation.model import Outcome

LEGS = {"left leg": ("#2b4c7e", "#2b4c7e"), "right leg": ("#e08e2b", "white")}
"""Colour of each leg and filling of its footholds, which tell the legs apart in grey, too."""
DOUBLE_SUPPORT, END = "0.86", "firebrick"
"""Colours of the times and places at which both legs stand, and of a walk's early end."""
STEPS_SHOWN = 6
_WIDEST = 3.5  # times as wide as high: the least that a path panel shows, so that a short walk is not stretched
_COIL_WIDTH = 0.012  # m


def plot_walk(walks: Walks, i: int = 0, steps: int = STEPS_SHOWN) -> Figure:
    """Draws the path of the mass with its legs and footholds, and the ground reaction force over time.

    A walk of more steps than `steps` is drawn twice: the whole of it, and enlarged its first steps. If it ended early,
    its last steps are enlarged instead. The leg that stands first is called the left one.

    Args:
        walks: see `gait.simulate`. The path is smooth at any sampling interval, the force at one of 0.01 s.
        i: number of the walk.
        steps: number of steps to enlarge.

    Returns:
        A figure whose last two panels show height over forward position [m] and, of the same steps, force [N] over
        time [s].

    Raises:
        InputError: if no step is to be enlarged.
    """
    if steps < 1:
        raise InputError(f"A figure of a walk shows at least 1 step. Received: steps={steps}.")
    walk = _Walk.of(walks, i)
    begin, end = walk.window(steps)
    several = len(walk.touchdown) > steps
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 7.0 if several else 5.6), layout=ConstrainedLayoutEngine(h_pad=0.09))
        figure.suptitle(walk.title())
        heights = {"overview": 0.34} if several else {}
        heights |= {"path": 1.0, "force": 0.9}
        panels = figure.subplot_mosaic([[name] for name in heights], height_ratios=list(heights.values()))
        part = f"The {'first' if walk.walked else 'last'} {steps} steps" if several else "Path"
        panels["path"].set_title(part, loc="left", fontsize=10)
        panels["path"].set(xlabel="Forward position $x$ [m]", ylabel="Height $y$ [m]")
        panels["force"].set_title("Ground reaction force", loc="left", fontsize=10)
        panels["force"].set(xlabel="Time [s]", ylabel="Force [N]")
        if several:
            _overview_panel(panels["overview"], walk, begin, end)
        if len(walk.t):
            _path_panel(panels["path"], walk, begin, end)
            _force_panel(panels["force"], walk, begin, end)
        else:
            for axis in panels.values():
                axis.text(0.5, 0.5, "no samples", ha="center", va="center", transform=axis.transAxes)
    return figure


@dataclasses.dataclass(frozen=True)
class _Walk:
    """One walk without what comes after its end: samples, shape [samples], and events, shape [events]."""

    outcome: Outcome
    duration: float
    t: np.ndarray
    state: np.ndarray
    """x, y [m], vx, vy [m/s], shape [4, samples]."""
    force: np.ndarray
    """Forward and vertical ground reaction force [N], shape [2, samples]."""
    touchdown: np.ndarray
    takeoff: np.ndarray
    foothold: np.ndarray

    @classmethod
    def of(cls, walks: Walks, i: int) -> _Walk:
        recorded = np.isfinite(walks.x[i])
        events = (row[i][np.isfinite(row[i])] for row in (walks.touchdown, walks.takeoff, walks.foothold))
        duration = walks.t[-1] + (walks.t[1] - walks.t[0] if len(walks.t) > 1 else 0.0)
        samples = walks.samples[:, i, recorded]
        return cls(Outcome(walks.outcome[i]), duration, walks.t[recorded], samples[:4], samples[4:], *events)

    @property
    def walked(self) -> bool:
        return self.outcome == Outcome.WALKED

    @property
    def end(self) -> float:
        """Time of the last sample [s]."""
        return float(self.t[-1]) if len(self.t) else 0.0

    def title(self) -> str:
        count = f"{len(self.touchdown)} step{'' if len(self.touchdown) == 1 else 's'}"
        if self.walked:
            return f"A walk of {count} in {self.duration:.4g} s"
        return f"It ended after {count}. {self.outcome.sentence}"

    def window(self, steps: int) -> tuple[float, float]:
        """Begin and end [s] of the steps to enlarge."""
        if len(self.touchdown) <= steps:
            return 0.0, self.end
        if self.walked:
            return 0.0, min(float(self.touchdown[steps]), self.end)
        return min(float(self.takeoff[len(self.touchdown) - steps - 1]), self.end), self.end

    def position(self, times: np.ndarray) -> np.ndarray:
        """x and y [m] between the samples, by cubic interpolation of position and velocity, shape [2, times]."""
        if len(self.t) < 2:
            return np.repeat(self.state[:2, :1], len(times), axis=1)
        return CubicHermiteSpline(self.t, self.state[:2], self.state[2:], axis=1)(times)

    def path(self, begin: float, end: float) -> np.ndarray:
        """x and y [m] of a smooth curve between two times [s], shape [2, points]."""
        return self.position(np.linspace(begin, end, 2 + int(100 * (end - begin))))

    def stances(self) -> Iterator[tuple[str, float, float, float]]:
        """Leg, foothold [m], touchdown and takeoff [s] of each stance; the first one begins with the walk."""
        begins, places = np.append(0.0, self.touchdown), np.append(0.0, self.foothold)
        for number, (place, begin) in enumerate(zip(places, begins, strict=True)):
            end = self.takeoff[number] if number < len(self.takeoff) else np.inf
            yield tuple(LEGS)[number % 2], place, begin, end

    def double_supports(self, begin: float, end: float) -> Iterator[tuple[float, float]]:
        """Begin and end [s] of each double support, as far as it lies between two times."""
        for number, touchdown in enumerate(self.touchdown):
            takeoff = self.takeoff[number] if number < len(self.takeoff) else np.inf
            if touchdown < end and takeoff > begin:
                yield max(touchdown, begin), min(takeoff, end)

    def instants(self, begin: float, end: float) -> list[float]:
        """Times [s] at which the walker is drawn: the start, each touchdown, the middle of each single support."""
        middles = [(up + down) / 2 for up, down in zip(self.takeoff, self.touchdown[1:], strict=False)]
        last = [] if self.walked else [self.end]
        ends = {begin, end} & {0.0, *last}  # the touchdowns at which the enlarged part is cut belong to other steps
        return sorted({time for time in (*self.touchdown, *middles) if begin < time < end} | ends)


def _overview_panel(axis: Axes, walk: _Walk, begin: float, end: float) -> None:
    axis.set_title("The whole walk (grey: enlarged below)", loc="left", fontsize=10)
    left, right = walk.position(np.array([begin, end]))[0]
    axis.axvspan(left, right, color="0.93", lw=0)
    _legs(axis, walk, [time for time in walk.touchdown if time <= walk.end], coils=False)
    axis.plot(*walk.path(0.0, walk.end), color="black", lw=1.2)
    _mark_end(axis, walk)
    axis.set(ylabel="$y$ [m]", ylim=(0.0, 1.15 * walk.state[1].max()))
    axis.set_xlabel("$x$ [m]", loc="right", labelpad=0.0)
    axis.margins(x=0.01)


def _path_panel(axis: Axes, walk: _Walk, begin: float, end: float) -> None:
    for both in walk.double_supports(begin, end):
        axis.plot(*walk.path(*both), color=DOUBLE_SUPPORT, lw=9, solid_capstyle="butt", zorder=1)
    _legs(axis, walk, walk.instants(begin, end), coils=True)
    path = walk.path(begin, end)
    axis.plot(*path, color="black", lw=1.6)
    _mark_end(axis, walk)
    for name, (colour, filling) in LEGS.items():
        axis.plot([], [], "-^", color=colour, mfc=filling, lw=1.2, label=f"{name}, foothold")
    axis.plot([], [], "-o", color="black", ms=5, label="centre of mass")
    axis.plot([], [], color=DOUBLE_SUPPORT, lw=7, label="double support")
    axis.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=5, borderaxespad=0.1)
    top = 1.15 * path[1].max()
    places = [place for _, place, *stance in walk.stances() if stance[0] <= end and stance[1] >= begin]
    left = min(path[0, 0], *places) - 0.1
    axis.set(xlim=(left, max(path[0, -1] + 0.1, max(places) + 0.1, left + _WIDEST * top)), ylim=(0.0, top))


def _legs(axis: Axes, walk: _Walk, times: list[float], coils: bool) -> None:
    """Draws the legs that stand at some times [s], the mass upon them, and their footholds."""
    for time, (x, y) in zip(times, walk.position(np.array(times)).T, strict=True):
        for name, place, begin, end in walk.stances():
            if begin <= time <= end:
                colour, filling = LEGS[name]
                leg = _spring(place, x, y) if coils else ([place, x], [0.0, y])
                axis.plot(*leg, color=colour, lw=1.2 if coils else 0.7, gid=name)
                axis.plot(place, 0.0, "^", color=colour, mfc=filling, ms=8 if coils else 4, clip_on=False, zorder=3)
        if coils:
            axis.plot(x, y, "o", color="black", ms=6, zorder=4)


def _spring(foothold: float, x: float, y: float) -> np.ndarray:
    """Line of a coiled spring from a foothold to the mass, shape [2, points]."""
    along = np.array([x - foothold, y])
    across = np.array([-along[1], along[0]]) / np.hypot(*along)
    at = np.concatenate([[0.0], np.linspace(0.3, 0.75, 16), [1.0]])
    out = np.concatenate([[0.0, 0.0], np.resize([1.0, -1.0], 14), [0.0, 0.0]])
    return np.array([[foothold], [0.0]]) + along[:, None] * at + across[:, None] * _COIL_WIDTH * out


def _mark_end(axis: Axes, walk: _Walk) -> None:
    """A cross where a walk ended early."""
    if not walk.walked:
        axis.plot(*walk.position(np.array([walk.end])), "X", color=END, mec="white", ms=11, zorder=5)


def _force_panel(axis: Axes, walk: _Walk, begin: float, end: float) -> None:
    shown = (walk.t >= begin) & (walk.t <= end)
    for both in walk.double_supports(begin, end):
        axis.axvspan(*both, color=DOUBLE_SUPPORT, lw=0)
    axis.plot(walk.t[shown], walk.force[1, shown], color="black", lw=1.6, label="vertical")
    axis.plot(walk.t[shown], walk.force[0, shown], color="black", lw=1.2, ls="--", label="forward")
    axis.axhline(0.0, color="0.6", lw=0.6, zorder=1)
    axis.plot([], [], color=DOUBLE_SUPPORT, lw=7, label="double support")
    axis.margins(x=0.01)
    axis.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.1)

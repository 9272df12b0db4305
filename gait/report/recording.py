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
from gait.recordings.recording import SIDES, TURNS, Recording
from gait.recordings.steps import Steps
from gait.report.style import BEST, NETWORK, STYLE

COLOURS = {"path": NETWORK, "force": BEST, "both": "#e08e2b"}
"""Colour of the model, by what it was fitted to."""
_STYLES = {"path": "-", "force": "--", "both": ":"}
_INSTANTS = 9


def plot_recording(found: Steps, fits: Mapping[str, Sequence[StrideFit]]) -> Figure:
    """Draws force and height over the gait cycle, and the walker over its footholds: measured black, model coloured.

    Args:
        found: steps of a recording, see `gait.steps`.
        fits: walkers fitted to its strides, by what they were fitted to: "path", "force" or "both".

    Returns:
        A figure with a panel for each of force, height and path that the recording has.

    Raises:
        InputError: if there is nothing to draw: no whole stride, or neither forces nor heights.
    """
    recording, events = found.recording, found.events
    if recording is None or events is None:
        raise InputError("A figure of a recording needs the steps of one. Received: those of simulated walks.")
    leg = next((leg for leg in (*SIDES, *TURNS) if len(strides_of(events, leg))), None)
    panels = {}
    if recording.has("fy") and len(found.masses):
        panels["force"] = _force_panel
    if recording.has("y"):
        panels["height"] = _height_panel
    if any(rows and "x" in rows[0].channels for rows in fits.values()):
        panels["path"] = _path_panel
    if leg is None or not panels:
        raise InputError("A figure of a recording needs a whole stride, and forces or heights.")
    spans = strides_of(events, leg)
    kept = {using: [each for each in rows if each.accepted] for using, rows in fits.items()}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 0.7 + 2.7 * len(panels)), layout="constrained")
        axes = np.atleast_1d(figure.subplots(len(panels), 1))
        for axis, draw in zip(axes, panels.values(), strict=True):
            draw(axis, found, recording, {using: rows for using, rows in kept.items() if rows}, leg, spans)
        figure.suptitle(_title(found, recording, spans), fontsize=10)
    return figure


def _title(found: Steps, recording: Recording, spans: np.ndarray) -> str:
    words = [f"{len(spans)} stride{'s' * (len(spans) != 1)} of {recording.duration:.3g} s at {recording.rate:.4g} Hz"]
    if len(found.masses):
        words.append(f"{found.masses.mean():.1f} kg")
    speed = found.summary()["speed"]
    words += [f"{speed:.2f} m/s"] if np.isfinite(speed) else []
    return ", ".join(words) + ". Measured: black, unfiltered. Model: coloured."


def _curves(axis: Axes, rows: np.ndarray, style: str = "-", label: str | None = None) -> None:
    """Thin single strides and their mean."""
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows):
        axis.plot(PERCENT, rows.T, color="0.7", lw=0.5, zorder=1)
        axis.plot(PERCENT, rows.mean(axis=0), ls=style, color="black", lw=1.8, label=label, zorder=3)


def _force_panel(axis: Axes, found: Steps, recording: Recording, fits: Mapping, leg: str, spans: np.ndarray) -> None:
    weight = found.masses.mean() * recording.gravity
    events = found.events
    assert events is not None
    axis.axhline(1.0, color="0.85", lw=0.8, zorder=0)
    if events.feet:
        other = next(name for name in events.feet if name != leg)
        for name, style in ((leg, "-"), (other, "--")):
            own = cycles(recording.t, events.feet[name], spans) / weight
            _curves(axis, own, style, f"{name} foot")
        # The other leg takes off before this one's single support; this one before its swing.
        for name, height in ((other, 0.97), (leg, 0.97)):
            ups = [
                100.0 * (up - begin) / (end - begin)
                for begin, end in spans
                for up in _takeoffs(found, name)
                if begin < up < end
            ]
            if ups:
                place = float(np.mean(ups))
                axis.axvline(place, color="0.6", lw=0.8, ls=":")
                axis.text(
                    place,
                    height,
                    f" {name} takes off",
                    fontsize=7,
                    color="0.4",
                    va="top",
                    transform=axis.get_xaxis_transform(),
                )
    else:
        _curves(axis, cycles(recording.t, recording.channels["fy"], spans) / weight, "-", "both feet")
    for using, rows in fits.items():
        fitted = _middle(rows)
        forces = fitted.walk.feet / recording.gravity
        for k, row in enumerate(forces if events.feet else forces.sum(axis=0, keepdims=True)):
            label = f"model, fitted to the {_what(using)}" if k == 0 else None
            curve = _over_cycle(fitted, spans, row)
            axis.plot(*curve, _STYLES[using], color=COLOURS[using], lw=1.4, label=label, zorder=4)
    axis.set(xlim=(0.0, 100.0), xlabel="Gait cycle [%]", ylabel="Vertical force\n[body weights]")
    axis.set_title("Force on each foot" if events.feet else "Force on both feet", loc="left", fontsize=10)
    axis.legend(fontsize=7, loc="upper right", bbox_to_anchor=(1.0, 1.2), ncols=2)


def _takeoffs(found: Steps, leg: str) -> np.ndarray:
    """Takeoffs of a leg, s: each event has that of the other leg."""
    events = found.events
    assert events is not None
    return events.takeoff[(events.leg != leg) & np.isfinite(events.takeoff)]


def _what(using: str) -> str:
    return "path and force" if using == "both" else using


def _middle(rows: Sequence[StrideFit]) -> StrideFit:
    """The fit whose k/m is nearest to the median."""
    median = np.median([each.stiffness_to_mass for each in rows])
    return min(rows, key=lambda each: abs(each.stiffness_to_mass - median))


def _over_cycle(own: StrideFit, spans: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of a fitted walk over the gait cycle: what comes after the cycle is drawn where it came before it, too."""
    begin, end = min(spans, key=lambda span: abs(span[0] - own.begin))
    percent = 100.0 * (own.begin + own.walk.t - begin) / (end - begin)
    later = percent > 100.0
    again = percent[later] - 100.0 * (own.end - own.begin) / (end - begin)
    return np.concatenate([percent[~later], [np.nan], again]), np.concatenate([values[~later], [np.nan], values[later]])


def _height_panel(axis: Axes, found: Steps, recording: Recording, fits: Mapping, leg: str, spans: np.ndarray) -> None:
    rows = cycles(recording.t, recording.channels["y"], spans)
    rows = 1000.0 * (rows - np.nanmean(rows, axis=1, keepdims=True))
    _curves(axis, rows, label=recording.body)
    for using, each in fits.items():
        own = _middle(each)
        curve = _over_cycle(own, spans, 1000.0 * (own.walk.y - own.walk.y.mean()))
        axis.plot(*curve, _STYLES[using], color=COLOURS[using], lw=1.4, zorder=4)
    axis.set(xlim=(0.0, 100.0), xlabel="Gait cycle [%]", ylabel="Height less\nits mean [mm]")
    axis.set_title(f"Height: {recording.body}", loc="left", fontsize=10)


def _path_panel(axis: Axes, found: Steps, recording: Recording, fits: Mapping, leg: str, spans: np.ndarray) -> None:
    using = next(using for using in ("path", "both", *fits) if using in fits and "x" in fits[using][0].channels)
    own = _middle(fits[using])
    walk = own.walk
    inside = (recording.t >= own.begin - 1e-9) & (recording.t <= own.end + 1e-9)
    shift = walk.height
    axis.plot(recording.channels["x"][inside], recording.channels["y"][inside] - shift, color="black", lw=2.2, zorder=4)
    axis.plot(walk.x, walk.y, color=COLOURS[using], lw=1.4, zorder=5)
    for k in np.linspace(0, len(walk.t) - 1, _INSTANTS).astype(int):
        for foot, force in zip(walk.stands[:, k], walk.feet[:, k], strict=True):
            if np.isfinite(foot) and force > 0.0:
                axis.plot([foot, walk.x[k]], [0.0, walk.y[k]], color=COLOURS[using], lw=0.9, alpha=0.6)
    axis.plot(own.footholds, np.zeros(len(own.footholds)), "^", color=COLOURS[using], ms=7, clip_on=False)
    axis.set(
        xlabel="Forward position $x$ [m]", ylabel="Height $y$ [m]", ylim=(0.0, 1.15 * np.nanmax(walk.y)), aspect="equal"
    )
    axis.set_title(
        f"The walker, fitted to the {_what(using)}: k/m {own.stiffness_to_mass:.3g} 1/s², rest length "
        f"{own.rest_length:.3g} m",
        loc="left", fontsize=10,
    )  # fmt: skip

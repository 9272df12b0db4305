"""Figure of the design of a recording: noise, duration and sampling interval."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.identifiability.wording import listed
from gait.limits.design import LEVELS, RecordingDesign
from gait.limits.levels import Points
from gait.limits.noisy_ceilings import noise_in_words
from gait.report.style import NETWORK, SECOND, STYLE, TRUTH, symbol
from gait.simulation.forward_model import unit

_TITLES = {"noise": "More noise", "duration": "Longer recording", "interval": "Coarser sampling"}


def plot_design(design: RecordingDesign) -> Figure:
    """Draws the effect of noise, duration and sampling interval on the highest possible R².

    Thin lines are local bounds. Points are the truth, from posteriors of fresh walkers, ± two standard errors.

    Args:
        design: see `gait.limits.design.design_recording`.
    """
    colours = dict(zip(design.quantities, (NETWORK, SECOND), strict=False))
    level, noise = next(iter(design.noise.values())), _noise_label(design.noise)
    labels = {"noise": f"Noise {noise}", "duration": "Duration [s]", "interval": "Sampling interval [s]"}
    given = {"noise": level, "duration": design.duration, "interval": design.interval}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 4.4), layout="constrained")
        figure.suptitle(
            f"Recording of {design.duration:g} s, a sample every {design.interval:g} s, noise of "
            f"{noise_in_words(design.noise)}",
            fontsize=13,
            fontweight="bold",
        )
        axes = figure.subplots(1, len(_TITLES), sharey=True)
        for along, axis in zip(_TITLES, axes, strict=True):
            for name, quantity in design.quantities.items():
                scale = level if along == "noise" else 1.0
                curve = quantity.curves[along]
                axis.plot(curve.values * scale, curve.r2, color=colours[name], lw=0.9)
                if along in quantity.points:
                    _points(axis, quantity.points[along], scale, colours[name])
            axis.axvline(given[along], color=TRUTH, lw=1.2, ls=":")
            axis.set_xscale("linear" if along == "duration" else "log")
            axis.set_xlabel(labels[along])
            axis.set_title(_TITLES[along])
            for r2, style in zip(LEVELS, ("-", "--"), strict=True):
                axis.axhline(r2, color="black", lw=0.6, ls=style)
        axes[0].set_ylim(0.0, 1.05)
        axes[0].set_ylabel("Highest possible R² [1]")
        if design.recorded:
            values = np.concatenate([quantity.points["noise"].values for quantity in design.quantities.values()])
            axes[0].set_xlim(0.5 * level * values.min(), 2.0 * level * values.max())
        _legend(figure, axes[0], colours, bool(design.recorded))
    return figure


def _points(axis: Axes, points: Points, scale: float, colour: str) -> None:
    """True values with bars of two standard errors, or of the bounds where some walkers could not be done."""
    low = np.minimum(points.r2 - 2.0 * points.error, points.low)
    high = np.maximum(points.r2 + 2.0 * points.error, points.high)
    bars = np.stack([points.r2 - np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0) - points.r2])
    axis.errorbar(
        points.values * scale, points.r2, yerr=np.nan_to_num(np.maximum(bars, 0.0)), color=colour, marker="o", ms=5,
        lw=2.0, capsize=3,
    )  # fmt: skip


def _noise_label(noise: Mapping[str, float]) -> str:
    """Label of the noise: of all channels, or of the first if their levels differ."""
    first, *others = noise
    if len(set(noise.values())) == 1:
        return f"in {listed([first, *others])} [{unit(first)}]"
    return f"in {first} [{unit(first)}], others in proportion"


def _legend(figure: Figure, axis: Axes, colours: dict[str, str], recorded: bool) -> None:
    """One legend for all panels, below them."""
    handles = [axis.plot([], [], color=colour, lw=2.0, label=symbol(name))[0] for name, colour in colours.items()]
    if recorded:
        handles.append(axis.plot([], [], color="black", marker="o", lw=2.0, label="truth, ± 2 standard errors")[0])
    handles.append(axis.plot([], [], color="black", lw=0.9, label="local bound: no estimator is better")[0])
    handles += [
        axis.plot([], [], color="black", lw=0.6, ls=style, label=f"R² of {level:g}")[0]
        for level, style in zip(LEVELS, ("-", "--"), strict=True)
    ]
    handles.append(axis.plot([], [], color=TRUTH, lw=1.2, ls=":", label="this recording")[0])
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)

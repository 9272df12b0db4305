"""Figure of the design of a recording: noise, duration and sampling interval."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.identifiability.wording import listed
from gait.limits.analysis import noise_in_words
from gait.limits.design import LEVELS, RecordingDesign
from gait.report.style import NETWORK, SECOND, STYLE, TRUTH, symbol
from gait.simulation.forward_model import unit

_TITLES = {"noise": "More noise", "duration": "Longer recording", "interval": "Coarser sampling"}


def plot_design(design: RecordingDesign) -> Figure:
    """Draws the effect of noise, duration and sampling interval on R² and on the smallest possible error.

    Args:
        design: see `gait.limits.design.design_recording`.
    """
    colours = dict(zip(design.quantities, (NETWORK, SECOND), strict=False))
    level, noise = next(iter(design.noise.values())), _noise_label(design.noise)
    labels = {"noise": f"Noise {noise}", "duration": "Duration [s]", "interval": "Sampling interval [s]"}
    given = {"noise": level, "duration": design.duration, "interval": design.interval}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 6.8), layout="constrained")
        figure.suptitle(
            f"Recording of {design.duration:g} s, a sample every {design.interval:g} s, noise of "
            f"{noise_in_words(design.noise)}",
            fontsize=13,
            fontweight="bold",
        )
        grid = figure.subplots(2, len(_TITLES))
        for along, (top, bottom) in zip(_TITLES, grid.T, strict=True):
            for name, quantity in design.quantities.items():
                curve, colour = quantity.curves[along], colours[name]
                values = curve.values * (level if along == "noise" else 1.0)
                if along == "noise":
                    top.plot(values, curve.r2, color=colour)
                else:
                    for r2, style in zip(LEVELS, ("-", "--"), strict=True):
                        top.plot(values, level * curve.tolerated[r2], color=colour, ls=style)
                bottom.plot(values, curve.sd / quantity.spread, color=colour)
            for axis in (top, bottom):
                axis.axvline(given[along], color=TRUTH, lw=1.2, ls=":")
                axis.set_xscale("linear" if along == "duration" else "log")
                axis.set_xlabel(labels[along])
            bottom.set_yscale("log")
            bottom.set_ylabel("Smallest possible error /\nspread among walkers [1]")
            top.set_title(_TITLES[along])
            if along != "noise":
                top.axhline(level, color=TRUTH, lw=1.2, ls=":")
                top.set_yscale("log")
                top.set_ylabel(f"Tolerated noise\n{noise}")
        _r2_levels(grid[0, 0])
        _legend(figure, grid[0, 1], colours)
    return figure


def _noise_label(noise: Mapping[str, float]) -> str:
    """Label of the noise: of all channels, or of the first if their levels differ."""
    first, *others = noise
    if len(set(noise.values())) == 1:
        return f"in {listed([first, *others])} [{unit(first)}]"
    return f"in {first} [{unit(first)}], others in proportion"


def _r2_levels(axis: Axes) -> None:
    axis.set_ylabel("Highest possible R²,\nlocal bound [1]")
    axis.set_ylim(0.0, 1.05)
    for level, style in zip(LEVELS, ("-", "--"), strict=True):
        axis.axhline(level, color="black", lw=0.8, ls=style)


def _legend(figure: Figure, axis: Axes, colours: dict[str, str]) -> None:
    """One legend for all panels, below them."""
    handles = [axis.plot([], [], color=colour, label=symbol(name))[0] for name, colour in colours.items()]
    handles += [
        axis.plot([], [], color="black", ls=style, label=f"R² falls to {level:g}")[0]
        for level, style in zip(LEVELS, ("-", "--"), strict=True)
    ]
    handles.append(axis.plot([], [], color=TRUTH, lw=1.2, ls=":", label="this recording")[0])
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=10)

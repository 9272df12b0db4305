"""Figure of the bodies that fit a network's ratios."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.completion import Completed
from gait.parameters import Uniform
from gait.report.style import BEST, NETWORK, STYLE, TRUTH, axis_label, save
from gait.storage.files import AnyPath

COMPLETION = "completion.png"
_COLOURS = ("#2a9d5c", "#b8860b", "#7b4ba0")


def completion_figure(path: AnyPath, completed: Completed, priors: Mapping[str, Uniform]) -> None:
    """Draws the ridges of three test walkers, and the coverage of the intervals beside its controls.

    Args:
        path: where to.
        completed: see `gait.completion.Completed`.
        priors: range of each parameter.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.0, 4.4), layout="constrained")
        ridges, covered = figure.subplots(1, 2)
        _ridges(ridges, completed, priors)
        _coverage(covered, completed)
        save(figure, path)


def _ridges(axis: Axes, completed: Completed, priors: Mapping[str, Uniform]) -> None:
    for example, colour in zip(completed.examples, _COLOURS, strict=True):
        axis.plot(*example.draws, ".", ms=3, color=colour, alpha=0.5)
        axis.plot(*example.truth, "*", ms=13, color=colour, mec="black")
        if example.estimate is not None:
            axis.plot(*example.estimate, "X", ms=9, color=NETWORK, mec="white")
    axis.plot([], [], ".", color=TRUTH, label="bodies that fit the network's k/m")
    axis.plot([], [], "*", ms=11, color="white", mec="black", label="the walker")
    if completed.examples[0].estimate is not None:
        axis.plot([], [], "X", ms=8, color=NETWORK, mec="white", label="the network's m and k")
    # Below, there is room for the legend.
    for name, limits, below in (("mass", axis.set_xlim, 0.03), ("stiffness", axis.set_ylim, 0.3)):
        width = priors[name].high - priors[name].low
        limits(priors[name].low - below * width, priors[name].high + 0.03 * width)
    axis.set_xlabel(axis_label("mass"))
    axis.set_ylabel(axis_label("stiffness"))
    axis.set_title("Three test walkers: anywhere on the ridge")
    axis.legend(fontsize=8, loc="lower right")


def _coverage(axis: Axes, completed: Completed) -> None:
    found = completed.calibrations["mass"]
    kinds = (
        ("posterior", "as it is", NETWORK, "o-"),
        ("halved", "half as wide (must fail)", BEST, "v:"),
        ("doubled", "twice as wide (must fail)", BEST, "^:"),
        ("prior", "the prior instead", TRUTH, "s--"),
    )
    axis.plot([0, 1], [0, 1], color="black", lw=0.8)
    for kind, label, colour, marks in kinds:
        rows = getattr(found, kind)
        sharp = sum(row.sharpness for row in rows) / len(rows)
        axis.plot(
            [row.level for row in rows], [row.covered for row in rows], marks, color=colour, ms=6, lw=1.2,
            label=f"{label}; width {sharp:.2f} of the prior's", mfc="none" if kind == "prior" else None, zorder=3,
        )  # fmt: skip
    axis.set_xlim(0.4, 1.0)
    axis.set_ylim(0.0, 1.03)
    axis.set_xlabel("Probability of the interval [1]")
    axis.set_ylabel(f"Part of {found.n:,} walkers whose mass it holds [1]")
    axis.set_title(
        "Intervals hold the truth as often as they say" if found.holds else "Intervals do not hold the truth"
    )
    axis.legend(fontsize=8, loc="lower right")

"""Figure and text of the calibration of the posterior of mass and stiffness given a network's k/m."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.diagnostics.calibration import ControlledCoverage, Coverage, RatioCalibration
from gait.parameters import Uniform
from gait.report.style import BEST, NETWORK, STYLE, TRUTH, axis_label

CALIBRATION = "completion.png"
"""File of `plot_ratio_calibration`, in the folder of a run."""
_EXAMPLES = ("#2a9d5c", "#b8860b", "#7b4ba0")
_KINDS = {
    "posterior": ("posterior", NETWORK, "o"),
    "prior": ("prior instead", TRUTH, "s"),
    "halved": ("intervals × 0.5 (must fail)", BEST, "v"),
    "doubled": ("intervals × 2 (must fail)", BEST, "^"),
}
"""Label, colour and mark of each kind of interval."""
_OFFSETS = (-0.24, -0.08, 0.08, 0.24)  # of the kinds, within a row of intervals
_BELOW: dict[str, Any] = {"fontsize": 8, "loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "columnspacing": 1.0}


def plot_ratio_calibration(calibration: RatioCalibration, priors: Mapping[str, Uniform]) -> Figure:
    """Draws the posterior of three walkers, and the coverage of its intervals beside controls that must fail.

    Args:
        calibration: coverage of the posterior of mass and stiffness, and three walkers.
        priors: range of mass and stiffness, SI units.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 5.0), layout="constrained")
        walkers, covered = figure.subplots(1, 2)
        _walkers_panel(walkers, calibration, priors)
        _coverage_panel(covered, calibration)
    return figure


def _walkers_panel(axis: Axes, calibration: RatioCalibration, priors: Mapping[str, Uniform]) -> None:
    for example, colour in zip(calibration.examples, _EXAMPLES, strict=True):
        axis.plot(*example.draws[:2], ".", ms=3, color=colour, alpha=0.5)
        axis.plot(*example.truth[:2], "*", ms=14, color=colour, mec="black")
        if example.estimate is not None:
            axis.plot(*example.estimate[:2], "X", ms=9, color=NETWORK, mec="white")
    axis.plot([], [], ".", ms=6, color=TRUTH, label="posterior given the network's $k/m$")
    axis.plot([], [], "*", ms=12, color="white", mec="black", label="the walker")
    if calibration.examples[0].estimate is not None:
        axis.plot([], [], "X", ms=8, color=NETWORK, mec="white", label="the network's $m$ and $k$")
    for name, limits in (("mass", axis.set_xlim), ("stiffness", axis.set_ylim)):
        margin = 0.03 * (priors[name].high - priors[name].low)
        limits(priors[name].low - margin, priors[name].high + margin)
    axis.set_xlabel(axis_label("mass"))
    axis.set_ylabel(axis_label("stiffness"))
    axis.set_title("Three walkers:\nwhich $m$ and $k$ fit their $k/m$")
    axis.legend(**_BELOW, ncols=3)


def _coverage_panel(axis: Axes, calibration: RatioCalibration) -> None:
    """Coverage of the intervals of the mass; those of the stiffness are as wide and as often right."""
    mass = calibration.calibrations["mass"]
    rows = np.arange(len(mass.posterior))
    claimed = [100 * row.level for row in mass.posterior]
    axis.vlines(claimed, rows - 0.42, rows + 0.42, color="black", lw=2.0, label="claimed")
    for offset, (kind, (label, colour, mark)) in zip(_OFFSETS, _KINDS.items(), strict=True):
        counted = mass.kinds[kind]
        width = sum(row.sharpness for row in counted) / len(counted)
        text = f"{label}, {width:.2f} × the prior's width" if kind == "posterior" else label
        hollow = "none" if kind == "prior" else None
        shares = [100 * row.covered for row in counted]
        axis.plot(shares, rows + offset, mark, color=colour, ms=8, mfc=hollow, ls="none", zorder=3, label=text)
    axis.set_yticks(rows, [f"{level:g} % intervals" for level in claimed])
    axis.invert_yaxis()
    axis.set_xlim(0, 102)
    axis.set_xlabel(f"Share of {mass.n:,} walkers whose mass lies in their interval [%]")
    title = "The posterior is not calibrated"
    if calibration.holds:
        title = "The posterior is calibrated:\nintervals hold as many walkers as claimed"
    axis.set_title(title)
    axis.legend(**_BELOW, ncols=2)


def coverage_rows(
    counted: Mapping[str, ControlledCoverage], labels: Mapping[str, str], holds: Callable[[Coverage], bool], width: str
) -> list[str]:
    """Rows of a Markdown table of coverages: quantity, intervals, probability, share inside, width, and the verdict.

    Args:
        counted: quantity → its coverages.
        labels: kind of intervals → words for it.
        holds: whether a coverage is right.
        width: format of the width of intervals.
    """
    return [
        f"| {name} | {labels[kind]} | {100 * row.level:.0f} % | {100 * row.covered:.2f} % "
        f"({100 * row.interval[0]:.2f} % to {100 * row.interval[1]:.2f} %) | {row.sharpness:{width}} "
        f"| {'holds' if holds(row) else 'fails'} |"
        for name, found in counted.items()
        for kind, coverages in found.kinds.items()
        for row in coverages
    ]


def calibration_report(calibration: RatioCalibration) -> str:
    """The calibration as a section of a Markdown report."""
    laws = [
        f"Its error follows Student's law with {error.degrees_of_freedom:.1f} degrees of freedom and a scale of "
        f"{error.scale:.2g} 1/s², fitted to the validation split."
        for error in calibration.error.values()
    ]
    labels = {kind: label for kind, (label, *_) in _KINDS.items()}
    rows = coverage_rows(calibration.calibrations, labels, lambda row: row.holds, ".2f")
    return f"""
## Mass and stiffness given k/m

The network estimates k/m. {" ".join(laws)} Mass and stiffness given k/m follow from the prior: the density of the mass
is proportional to m between the lightest and the heaviest walker with that k/m. {calibration.sentence()}

![Posterior of mass and stiffness given k/m]({CALIBRATION})

| quantity | intervals | probability | walkers inside (99 % interval) | width, as a part of the prior's | |
|---|---|---|---|---|---|
{chr(10).join(rows)}

Intervals × 0.5 and × 2 are controls: each must fail at one level at least. At 95 %, intervals × 2 may hold nearly all
walkers. The prior instead of the posterior holds, too, but says nothing about a walker.
"""

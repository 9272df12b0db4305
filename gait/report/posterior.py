"""Figures and text of the posteriors of a network."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from gait.diagnostics.calibration import CONFIDENCE
from gait.diagnostics.posterior_scores import BINS, TOLERANCE, Example, PosteriorScores, is_near
from gait.parameters import QUANTITIES
from gait.report.calibration import coverage_rows
from gait.report.style import BEST, NETWORK, STYLE, TRUTH, symbol

EXAMPLES, RANKS = "posterior.png", "ranks.png"
"""Files of `plot_posterior_examples` and `plot_ranks`, in the folder of a run."""
_MOST = 4  # quantities of a corner plot
_DOTS = 600  # of a cloud
_BINS = 30
_KINDS = {
    "posterior": ("network", NETWORK, "o"),
    "prior": ("prior instead", TRUTH, "s"),
    "halved": ("intervals × 0.5 (must fail)", BEST, "v"),
    "doubled": ("intervals × 2 (must fail)", BEST, "^"),
}


# Three walkers -------------------------------------------------------------------------------


def plot_posterior_examples(scores: PosteriorScores) -> Figure:
    """Draws the posterior of three walkers as corner plots: the network's, the exact one, the truth and the prior.

    Args:
        scores: of a network's posteriors.
    """
    names = list(scores.prior)[:_MOST]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.0 + 4.6 * len(scores.examples), 5.2), layout="constrained")
        parts = figure.subfigures(1, len(scores.examples), squeeze=False)[0]
        for part, example in zip(parts, scores.examples, strict=True):
            axes = part.subplots(len(names), len(names), squeeze=False)
            _corner(axes, names, example, scores.prior)
            told = [f"{symbol(name)} = {example.truth[name]:.4g} {QUANTITIES[name].unit}" for name in names[:3]]
            part.suptitle(", ".join(told), fontsize=9)
        handles = [
            matplotlib.lines.Line2D([], [], color=NETWORK, marker=".", label="network"),
            matplotlib.lines.Line2D([], [], color="black", ls="none", marker="*", ms=9, label="truth"),
            matplotlib.lines.Line2D([], [], color=TRUTH, ls="--", label="prior"),
        ]
        if any(example.refined is not None for example in scores.examples):
            handles.insert(1, matplotlib.lines.Line2D([], [], color=BEST, marker=".", label="refined: exact"))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _corner(axes: np.ndarray, names: list[str], example: Example, prior: Mapping[str, np.ndarray]) -> None:
    spans = {name: _span(example, name, prior[name]) for name in names}
    for row, upper in enumerate(names):
        for column, lower in enumerate(names):
            axis: Axes = axes[row, column]
            axis.tick_params(labelsize=6, labelleft=column == 0 and row > 0, labelbottom=row == len(names) - 1)
            if column > row:
                axis.set_axis_off()
                continue
            axis.set_xlim(spans[lower])
            if row == column:
                _marginal(axis, lower, example, prior[lower], spans[lower])
            else:
                _cloud(axis, lower, upper, example)
                axis.set_ylim(spans[upper])
            if row == len(names) - 1:
                axis.set_xlabel(f"{symbol(lower)} [{QUANTITIES[lower].unit}]", fontsize=8)
                axis.locator_params(axis="x", nbins=3)
            if column == 0 and row:
                axis.set_ylabel(f"{symbol(upper)} [{QUANTITIES[upper].unit}]", fontsize=8)
                axis.locator_params(axis="y", nbins=3)


def _span(example: Example, name: str, prior: np.ndarray) -> tuple[float, float]:
    """The network's draws with a margin, but not more than the prior."""
    ends = [np.quantile(example.network[name], (0.002, 0.998))]
    if example.refined is not None:
        ends.append(_drawn(example.refined, name)[[0, -1]])
    low, high = float(np.min(ends)), float(np.max(ends))
    truth, margin = example.truth[name], 0.3 * (high - low)
    low, high = min(low, truth) - margin, max(high, truth) + margin
    edge = 0.03 * (prior.max() - prior.min())
    return float(max(low, prior.min() - edge)), float(min(high, prior.max() + edge))


def _rows(refined: Mapping[str, np.ndarray]) -> np.ndarray:
    """Numbers of draws in proportion to their weights, shape [dots]."""
    weights = np.cumsum(refined["weights"])
    rows = np.searchsorted(weights, (np.arange(_DOTS) + 0.5) / _DOTS * weights[-1])
    return np.minimum(rows, len(weights) - 1)


def _drawn(refined: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Draws of one weight, in ascending order, shape [dots]."""
    return np.sort(refined[name][_rows(refined)])


def _marginal(axis: Axes, name: str, example: Example, prior: np.ndarray, span: tuple[float, float]) -> None:
    bins = np.linspace(*span, _BINS + 1).tolist()
    axis.hist(example.network[name], bins, density=True, histtype="step", color=NETWORK)
    if example.refined is not None:
        weights = example.refined["weights"]
        axis.hist(example.refined[name], bins, density=True, weights=weights, histtype="step", color=BEST)
    density, edges = np.histogram(prior, _BINS, density=True)
    axis.plot(0.5 * (edges[1:] + edges[:-1]), density, color=TRUTH, ls="--", lw=1.0)
    axis.axvline(example.truth[name], color="black", lw=0.8)
    axis.set_yticks([])


def _cloud(axis: Axes, lower: str, upper: str, example: Example) -> None:
    axis.plot(example.network[lower][:_DOTS], example.network[upper][:_DOTS], ".", ms=1.5, color=NETWORK, alpha=0.4)
    if example.refined is not None:
        rows = _rows(example.refined)
        axis.plot(example.refined[lower][rows], example.refined[upper][rows], ".", ms=1.5, color=BEST, alpha=0.4)
    axis.plot(example.truth[lower], example.truth[upper], "*", ms=8, color="black")


# Ranks and coverage --------------------------------------------------------------------------


def plot_ranks(scores: PosteriorScores) -> Figure:
    """Draws for each quantity the ranks of the truths among their draws, and the coverage beside controls.

    Args:
        scores: of a network's posteriors.
    """
    names = list(scores.coverages)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(2.7 * len(names), 5.4), 5.6), layout="constrained")
        axes = figure.subplots(2, len(names), squeeze=False)
        for column, name in enumerate(names):
            found = scores.coverages[name]
            upper, lower = axes[:, column]
            low, high = (float(stats.binom.ppf(0.5 + 0.5 * end * CONFIDENCE, found.n, 1.0 / BINS)) for end in (-1, 1))
            upper.axhspan(low, high, color=TRUTH, alpha=0.35, lw=0)
            upper.bar((np.arange(BINS) + 0.5) / BINS, found.counts, 1.0 / BINS, color=NETWORK, alpha=0.8)
            upper.set(xlim=(0, 1), ylim=(0, 1.6 * found.n / BINS), xlabel="Rank of the truth [1]")
            upper.set_title(f"{symbol(name)}\n{'holds' if found.holds else 'does not hold'}")
            for kind, (label, colour, mark) in _KINDS.items():
                rows = found.kinds[kind]
                levels, covered = [100 * row.level for row in rows], [100 * (row.covered - row.level) for row in rows]
                lower.plot(levels, covered, mark, color=colour, mfc="none" if kind == "prior" else None, label=label)
            lower.axhspan(-100 * TOLERANCE, 100 * TOLERANCE, color=TRUTH, alpha=0.35, lw=0)
            lower.set(xlim=(42, 103), xlabel="Probability [%]")
        axes[0, 0].set_ylabel(f"Walkers of {next(iter(scores.coverages.values())).n:,}")
        axes[1, 0].set_ylabel("Covered less claimed [points]")
        handles, labels = axes[1, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


# Text ----------------------------------------------------------------------------------------


def posterior_report(scores: PosteriorScores) -> str:
    """The scores of a network's posteriors as a section of a Markdown report.

    Args:
        scores: of a network's posteriors.
    """
    labels = {kind: label for kind, (label, *_) in _KINDS.items()}
    rows = coverage_rows(scores.coverages, labels, is_near, ".3g")
    narrow = [
        f"| {name} | {found.reached:.5f} ± {found.error:.5f} | {found.possible:.5f} | {found.score:.3f} |"
        for name, found in scores.contractions.items()
    ]
    lines = "\n".join(f"- {sentence}" for sentence in scores.sentences())
    return f"""
## The posterior

{lines}

![Three walkers: network, refined, truth, prior]({EXAMPLES})

![Ranks and coverage]({RANKS})

| quantity | contraction 1 − E[Var]/Var | possible | reached, as a part of that |
|---|---|---|---|
{chr(10).join(narrow)}

| quantity | intervals | probability | walkers inside (99 % interval) | width, as a part of the prior's | |
|---|---|---|---|---|---|
{chr(10).join(rows)}

A coverage holds within {100 * TOLERANCE:g} points of its level, or within its 99 % interval if that is wider.
Intervals × 0.5 and × 2 are controls: each must fail at one level at least. The prior holds, too, but has a contraction
of 0. Estimates in the tables above are means of the posterior.
"""

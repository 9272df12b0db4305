"""Figure, tables and text of what a trained network has recovered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.diagnostics.calibration import RatioCalibration
from gait.diagnostics.scores import Score
from gait.diagnostics.verdicts import TOLERANCE
from gait.limits.analysis import LOCAL
from gait.limits.noise import NoiseStudy
from gait.limits.noisy_ceilings import noise_in_words
from gait.parameters import QUANTITIES
from gait.report.calibration import calibration_report
from gait.report.learning_curves import LEARNING_CURVES
from gait.report.style import BEST, NETWORK, STYLE, TRUTH, axis_label, symbol
from gait.scenarios import Scenario
from gait.scripting import listing

SCATTER = "scatter.png"
"""File of `plot_recovery`, in the folder of a run."""
_TEXT = "text"
_ENTRY = 2.5  # inches that an entry of the legend takes, at most
_DOTS = 1500  # of the network's estimates over k/m; more would hide the walkers behind them
_PAPER: dict[str, Any] = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5}

Best = Mapping[str, np.ndarray | None]


# Figure --------------------------------------------------------------------------------------


def plot_recovery(predictions: pd.DataFrame, scores: Mapping[str, Score], best: Best) -> Figure:
    """Draws the estimates of a network over the truth, one panel a target.

    A target that only k/m tells of gets a second panel, over k/m: the truth fills the range of walkers with that
    ratio, and the network follows its mean.

    Args:
        predictions: one row a record, columns `NAME` (truth) and `NAME_estimate` of each target, in SI units, and
            `stiffness_to_mass` if there are second panels.
        scores: score of each target, by its name.
        best: best possible estimates of the same records, shape [n], by target; None or left out if not known.

    Source:
        Sameni, Figs. 4c and 5c (mass, stiffness and rest length) and 6 (the ratio and the rest length).
    """
    hidden = {
        name: estimates
        for name, estimates in best.items()
        if name in scores and not scores[name].recoverable and estimates is not None
    }
    with matplotlib.rc_context(STYLE):
        figure, axes = _panels(list(scores), list(hidden) if "stiffness_to_mass" in predictions else [])
        for name, entry in scores.items():
            _truth_panel(axes[name], predictions, entry, hidden.get(name))
        for name in hidden:
            if _over_ratio(name) in axes:
                _ratio_panel(axes[_over_ratio(name)], predictions, name, hidden[name])
        if _TEXT in axes:
            _explanation(axes[_TEXT])
        drawn = [axis.get_legend_handles_labels() for axis in axes.values()]
        labels = {label: handle for handles, names in drawn for handle, label in zip(handles, names, strict=True)}
        columns = min(len(labels), int(figure.get_figwidth() / _ENTRY))
        figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=max(columns, 1))
    return figure


def _panels(names: list[str], hidden: list[str]) -> tuple[Figure, dict[str, Axes]]:
    """One row of panels, or two: below each hidden target its second panel, and what did not fit into the first."""
    if not hidden:
        figure = Figure(figsize=(3.6 * len(names), 4.4), layout="constrained")
        return figure, dict(zip(names, figure.subplots(1, len(names), squeeze=False)[0], strict=True))
    columns = max(-(-(len(names) + len(hidden) + 1) // 2), len(hidden) + 1)
    first = [*hidden, *(name for name in names if name not in hidden)]
    rows: tuple[list[Any], ...] = (first[:columns], [*map(_over_ratio, hidden), *first[columns:], _TEXT])
    figure = Figure(figsize=(3.6 * columns, 8.4), layout="constrained")
    return figure, figure.subplot_mosaic([row + ["."] * (columns - len(row)) for row in rows])


def _over_ratio(name: str) -> str:
    return f"{name} over k/m"


def _density(axis: Axes, x: np.ndarray, y: np.ndarray, ranges, colours: str, paleness: float = 1.0) -> None:
    bins = int(np.clip(np.sqrt(len(x)) / 2, 20, 120))
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=bins, range=ranges)
    counts[counts == 0] = np.nan
    norm = matplotlib.colors.LogNorm(1, max(2.0, np.nanmax(counts, initial=2.0)) ** paleness)
    axis.pcolormesh(x_edges, y_edges, counts.T, cmap=colours, norm=norm, rasterized=True)


def _span(values: np.ndarray) -> tuple[float, float]:
    low, high = float(np.min(values)), float(np.max(values))
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin


def _truth_panel(axis: Axes, predictions: pd.DataFrame, entry: Score, best: np.ndarray | None) -> None:
    name = entry.target
    truth, estimate = predictions[name].to_numpy(), predictions[f"{name}_estimate"].to_numpy()
    span = _span(truth)
    _density(axis, truth, estimate, (span, span), "Blues")
    axis.plot([], [], "o", ms=5, color=NETWORK, label="the network's estimates")
    axis.plot(span, span, color="black", lw=0.8, label="estimate = truth")
    if best is not None:
        groups = np.array_split(np.argsort(truth), int(np.clip(len(truth) / 100, 1, 25)))
        middle = [truth[group].mean() for group in groups]
        axis.plot(middle, [best[g].mean() for g in groups], color=BEST, lw=1.8, label="best possible estimates (mean)")
        for share in (0.05, 0.95):
            band, label = [np.quantile(best[g], share) for g in groups], "90 % of the best possible estimates"
            axis.plot(middle, band, color=BEST, lw=1.4, ls=(0, (3, 1.5)), label=label)
    _outliers(axis, truth, estimate, span)
    reached = "–" if np.isnan(entry.r2) else f"{entry.r2:.4f}"
    between = "\n" if entry.ceiling.local_r2 is not None else " "  # a limit with its error takes a line of its own
    axis.set_title(f"{symbol(name)}: {entry.headline}\nR² {reached},{between}{_possible(entry)}")
    axis.set(xlim=span, ylim=span, xlabel=axis_label(name, "true"), ylabel=axis_label(name, "estimated"))
    axis.set_aspect("equal")


def _possible(entry: Score) -> str:
    if entry.ceiling.local_r2 is None:
        return f"highest possible {entry.ceiling.r2:.4g}"
    return entry.possible if entry.possible.startswith("at most") else f"highest possible {entry.possible}"


def _outliers(axis: Axes, truth: np.ndarray, estimate: np.ndarray, span: tuple[float, float]) -> None:
    """Marks the estimates beyond the frame at its border, and counts them."""
    below, above = estimate < span[0], estimate > span[1]
    count = int(np.sum(below | above))
    if not count:
        return
    for beyond, border, mark in ((below, span[0], "v"), (above, span[1], "^")):
        if beyond.any():
            places = np.full(int(beyond.sum()), border)
            axis.plot(truth[beyond], places, mark, ms=5, color="black", clip_on=False)
    note = f"{count:,} of {len(estimate):,} estimates\nlie beyond the frame (▲▼)"
    axis.text(0.97, 0.04, note, ha="right", va="bottom", fontsize=8, transform=axis.transAxes, bbox=_PAPER)


def _ratio_panel(axis: Axes, predictions: pd.DataFrame, name: str, best: np.ndarray) -> None:
    ratio, truth = predictions["stiffness_to_mass"].to_numpy(), predictions[name].to_numpy()
    spans = (_span(ratio), _span(truth))
    _density(axis, ratio, truth, spans, "Greys", paleness=2.5)
    axis.plot([], [], "s", ms=8, color=TRUTH, label="all walkers")
    shown = predictions.sample(min(len(predictions), _DOTS), random_state=0)
    axis.plot(shown["stiffness_to_mass"], shown[f"{name}_estimate"], ".", ms=2.5, color=NETWORK)
    order = np.argsort(ratio)
    axis.plot(ratio[order], best[order], color=BEST, lw=1.6)
    axis.set_title(f"What the network has learned of {symbol(name)}")
    axis.set(xlim=spans[0], ylim=spans[1], xlabel=axis_label("stiffness_to_mass", "true"), ylabel=axis_label(name))


def _explanation(axis: Axes) -> None:
    axis.set_axis_off()
    axis.text(
        0.0,
        0.9,
        "Two walkers with the same $k/m$ and $\\ell_0$\nmove alike. A recording tells $k/m$, and\n"
        "of $m$ and $k$ no more than the range of\nall walkers with that $k/m$ (grey).\n\n"
        "The best answer to “which $m$?” is the\nmean of that range (red). It follows from\n"
        "the edges of the prior. A network (blue)\ncan learn no more than that.",
        va="top",
        fontsize=11,
        transform=axis.transAxes,
    )


# Tables --------------------------------------------------------------------------------------


def recovery_table(scores: Mapping[str, Score], notes: Sequence[str] = ()) -> str:
    """The scores as a table for a terminal of 100 columns, with the advice below it.

    Args:
        scores: score of each target, by its name.
        notes: more sentences for below the advice.
    """
    rows = [("quantity", "R²", "possible", "verdict")]
    for name, entry in scores.items():
        reached = "–" if np.isnan(entry.r2) else f"{entry.r2:.4f}"
        rows.append((name, reached, entry.possible, entry.headline))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}" for a, b, c, d in rows]
    advised: dict[str, list[str]] = {}
    for name, entry in scores.items():
        for advice in entry.advice:
            advised.setdefault(advice, []).append(name)
    below = [*(f"{', '.join(names)}: {advice}" for advice, names in advised.items()), *notes]
    return "\n".join([*lines, listing(below)])


def _full_table(scores: Mapping[str, Score]) -> str:
    rows = [
        "| quantity | R² (95 % interval) | highest possible R² | best possible R² on these records "
        "| gap (99 % interval) | RMSE | lowest possible RMSE | bias | limited by | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in scores.items():
        best = "–" if entry.best_possible_r2 is None else _digits(entry.best_possible_r2)
        rows.append(
            f"| {name} | {_digits(entry.r2, entry.r2_interval)} | {entry.possible} | {best} "
            f"| {_digits(entry.gap, entry.gap_interval)} | {entry.rmse:.4g} {entry.unit} "
            f"| {entry.ceiling.rmse:.4g} {entry.unit} | {entry.bias:+.2g} {entry.unit} | {entry.limited_by} "
            f"| {entry.judgement} |"
        )
    return "\n".join(rows)


def _digits(value: float, interval: tuple[float, float] | None = None) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.5f}" + (f" ({interval[0]:.5f} to {interval[1]:.5f})" if interval else "")


# Report --------------------------------------------------------------------------------------


def recovery_report(
    scenario: Scenario,
    samples: int,
    scores: Mapping[str, Score],
    calibration: RatioCalibration | None,
    basis: Sequence[str],
    study: NoiseStudy | None = None,
    section: str = "",
) -> str:
    """The report of a run as Markdown: verdicts, full table, figures and what they rest on.

    Args:
        scenario: what the network reads and estimates.
        samples: samples of each channel.
        scores: score of each target, by its name.
        calibration: coverage of the posterior of mass and stiffness, None if there is none.
        basis: sentences on the data and the training.
        study: posteriors of fresh walkers on which the ceilings rest; None without noise, or for local bounds.
        section: more about a network that estimates posteriors.
    """
    n = next(iter(scores.values())).n
    reasons = dict.fromkeys(entry.ceiling.reason for entry in scores.values() if not entry.recoverable)
    measured = "".join(f" and the {QUANTITIES[name].label}" for name in scenario.measured)
    return f"""# {scenario.name}: what was recovered

{scenario.question}
A network read {" and ".join(scenario.inputs)} ({samples} samples each){measured} of {n:,} walkers it had never seen.

{_list(entry.sentence(scenario.sources) for entry in scores.values())}

{_full_table(scores)}

The highest possible R² is that of any estimator, on any number of recordings. {" ".join(reasons)}
{_gap_in_words(scenario, n, study)} The
interval of the gap decides: a network with a gap of up to {TOLERANCE:g} is at its ceiling. Intervals are those of the
delta method.

![Estimate against truth]({SCATTER})

![Learning curves]({LEARNING_CURVES})
{section if calibration is None else calibration_report(calibration)}
## What this rests on

{_list(basis)}
"""


def _gap_in_words(scenario: Scenario, records: int, study: NoiseStudy | None) -> str:
    """The meaning of the gap, in one sentence or more."""
    if scenario.noise is None:
        return (
            "The gap is R² of the best possible estimates less R² of the network, on the same "
            f"{records:,} records of the test split."
        )
    given = f"All recordings have noise of {noise_in_words(scenario.noise)}."
    gap = "The gap is the highest possible R² less R² of the network."
    if study is None:
        return f"{given} {gap} {LOCAL}"
    return (
        f"{given} {gap} {' '.join(study.sentences())} These walkers are not the {records:,} records of the test "
        "split, so the gap is not paired: its interval has the errors of both numbers."
    )


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)

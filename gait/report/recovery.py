"""Figures and the written report of a trained run."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.ceilings import Ceiling, best_estimate
from gait.completion import Completed
from gait.data.manifest import Manifest
from gait.diagnostics.scores import Verdict
from gait.parameters import QUANTITIES, Uniform
from gait.report.style import BEST, NETWORK, STYLE, TRUTH, axis_label, save, symbol
from gait.scenarios import SCENARIOS
from gait.storage import files
from gait.storage.files import AnyPath
from gait.training import run as runs

LEARNING_CURVES = "learning_curves.png"
"""Drawn when training ends, of what does not change any more."""
_TEXT = "text"
_VERDICT_IN_SHORT = {
    Verdict.RECOVERED: "recovered",
    Verdict.AT_CEILING: "not recoverable",
    Verdict.BELOW_CEILING: "below its ceiling",
    Verdict.ABOVE_CEILING: "above its ceiling!",
    Verdict.UNDETERMINED: "too few records",
}


# Learning curves -----------------------------------------------------------------------------


def learning_curves(run_folder: AnyPath, ceilings: Mapping[str, Ceiling]) -> None:
    """Draws learning_curves.png: the loss, and R² of each target, each beside its ceiling (Sameni, Fig. 4a, b).

    Args:
        run_folder: run with config.json and history.csv.
        ceilings: of each target, see `gait.limits.analysis.foresee`.
    """
    run, config = runs.read_config(run_folder)
    history = runs.read_history(run)
    targets = config["targets"]
    limits = {target: ceilings[target] for target in targets}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * (1 + len(targets)), 3.3), layout="constrained")
        axes = figure.subplots(1, 1 + len(targets))
        _loss_panel(axes[0], history, 1.0 - np.mean([limit.r2 for limit in limits.values()]))
        for axis, target in zip(axes[1:], targets, strict=True):
            _r2_panel(axis, history, target, limits[target])
        for axis in axes:
            axis.set_xlabel("Epoch")
            axis.set_xlim(1, max(2, history["epoch"].max()))
        save(figure, run_folder / LEARNING_CURVES)


def _loss_panel(axis: Axes, history: pd.DataFrame, floor: float) -> None:
    axis.plot(history["epoch"], history["loss"], color=NETWORK, lw=1.2, label="training")
    axis.plot(history["epoch"], history["val_loss"], color="black", lw=0.8, label="validation")
    if floor > 0.0:
        axis.axhline(floor, color=BEST, ls="--", lw=1.2, label=f"lowest possible, {floor:.3f}")
        axis.set_ylim(top=min(history["loss"].max(), 2.0 * floor))
    else:
        axis.set_yscale("log")
    memorises = history["loss"].min() < floor
    axis.set_title("Loss: below the line it memorises" if memorises else "The loss converges")
    axis.set_ylabel("Mean squared error of\nstandardised targets [1]")
    axis.legend(fontsize=8)


def _r2_panel(axis: Axes, history: pd.DataFrame, target: str, limit: Ceiling) -> None:
    training, validation = history[f"r2_{target}"], history[f"val_r2_{target}"]
    axis.plot(history["epoch"], training, color=NETWORK, lw=1.2, label="training")
    axis.plot(history["epoch"], validation, color="black", lw=0.8, label="validation")
    axis.axhline(limit.r2, color=BEST, ls="--", lw=1.2, label=f"highest possible, {limit.r2:.4g}")
    axis.set_ylim(0.0, 1.05)
    quantity = QUANTITIES[target]
    short = "can be known" if limit.recoverable else "cannot be known"
    axis.set_title(f"{quantity.label[0].upper()}{quantity.label[1:]} {symbol(target)}: {short}")
    axis.set_ylabel(f"R² of {symbol(target)} [1]")
    axis.legend(fontsize=8, loc="lower right")


# Scatter -------------------------------------------------------------------------------------


def scatter(run_folder: AnyPath, predictions: pd.DataFrame, scored: Mapping, priors: Mapping[str, Uniform]) -> None:
    """Draws scatter.png: estimate against truth (Sameni, Figs. 4c, 5c and 6).

    A target that cannot be known gets a second panel, over the ratio k/m that can be: the truth
    fills the range of people with that ratio, and the network follows its mean.

    Args:
        run_folder: where to.
        predictions: content of predictions.csv.
        scored: content of metrics.json.
        priors: range of each parameter.
    """
    hidden = [name for name in scored if scored[name]["best_possible_r2"] is not None]
    with matplotlib.rc_context(STYLE):
        if not hidden:
            figure = Figure(figsize=(3.6 * len(scored), 3.8), layout="constrained")
            axes = dict(zip(scored, figure.subplots(1, len(scored), squeeze=False)[0], strict=True))
        else:
            # Second row: below each hidden target its second panel, and what did not fit into the first.
            first = [*hidden, *[name for name in scored if name not in hidden]]
            columns = max(-(-(len(scored) + len(hidden) + 1) // 2), len(hidden) + 1)
            top, rest = first[:columns], first[columns:]
            bottom = [*(f"{name} over k/m" for name in hidden), *rest, _TEXT]
            bottom += ["."] * (columns - len(bottom))
            top += ["."] * (columns - len(top))
            figure = Figure(figsize=(3.6 * columns, 7.6), layout="constrained")
            axes = figure.subplot_mosaic([top, bottom])
            _explanation(axes[_TEXT])
        for name in scored:
            _truth_panel(axes[name], predictions, name, scored[name], priors)
        for name in hidden:
            _ratio_panel(axes[f"{name} over k/m"], predictions, name, priors)
        save(figure, run_folder / "scatter.png")


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


def _truth_panel(axis: Axes, predictions: pd.DataFrame, name: str, entry: Mapping, priors) -> None:
    truth, estimate = predictions[name].to_numpy(), predictions[f"{name}_estimate"].to_numpy()
    span = _span(truth)
    _density(axis, truth, np.clip(estimate, *span), (span, span), "Blues")
    axis.plot(span, span, color="black", lw=0.8, label="estimate = truth")
    if entry["best_possible_r2"] is not None:
        ratio = predictions["stiffness_to_mass"].to_numpy()
        best, _ = best_estimate(name, ratio, priors["mass"], priors["stiffness"])
        groups = pd.Series(best).groupby(pd.cut(truth, 25), observed=True)
        middle = [interval.mid for interval in groups.groups]
        low, mean, high = groups.quantile(0.05), groups.mean(), groups.quantile(0.95)
        axis.plot(middle, mean, color=BEST, lw=1.6, label="best possible estimate:\nmean, 90 % range")
        axis.fill_between(middle, low, high, color=BEST, alpha=0.15, lw=0)
    reached = "–" if entry["r2"] is None else f"{entry['r2']:.4f}"
    verdict = _VERDICT_IN_SHORT[Verdict(entry["verdict"])] if entry["recoverable"] else "not recoverable"
    axis.set_title(f"{symbol(name)}: {verdict}\nR² {reached}, highest possible {entry['ceiling_r2']:.4g}")
    axis.set(xlim=span, ylim=span, xlabel=axis_label(name, "true"), ylabel=axis_label(name, "estimated"))
    axis.set_aspect("equal")
    axis.legend(fontsize=8, loc="upper left")


def _ratio_panel(axis: Axes, predictions: pd.DataFrame, name: str, priors: Mapping[str, Uniform]) -> None:
    ratio = predictions["stiffness_to_mass"].to_numpy()
    spans = (_span(ratio), _span(predictions[name].to_numpy()))
    _density(axis, ratio, predictions[name].to_numpy(), spans, "Greys", paleness=2.5)
    grid = np.linspace(ratio.min(), ratio.max(), 200)
    mean, _ = best_estimate(name, grid, priors["mass"], priors["stiffness"])
    chosen = predictions.sample(min(len(predictions), 1500), random_state=0)
    axis.plot(
        chosen["stiffness_to_mass"], chosen[f"{name}_estimate"], ".", ms=2.5, color=NETWORK, label="network's estimate"
    )
    axis.plot(grid, mean, color=BEST, lw=1.6, label="best possible")
    axis.plot([], [], "s", color=TRUTH, label="the people")
    axis.set_title(f"What the network has learned of {symbol(name)}")
    axis.set(
        xlim=spans[0],
        ylim=spans[1],
        xlabel=axis_label("stiffness_to_mass", "true"),
        ylabel=axis_label(name),
    )
    axis.legend(fontsize=8, loc="upper right" if name == "mass" else "lower right")


def _explanation(axis: Axes) -> None:
    axis.set_axis_off()
    axis.text(
        0.0,
        0.9,
        "Two people with the same $k/m$ and $\\ell_0$\nwalk alike. So a recording tells $k/m$,\n"
        "and of $m$ and $k$ no more than the range\nthat people with that $k/m$ have (grey).\n\n"
        "The best answer to “which $m$?” is the\nmean of that range (red): the edges of\n"
        "the prior, nothing about the person.\nThe network (blue) learns just that.",
        va="top",
        fontsize=11,
        transform=axis.transAxes,
    )


# Report --------------------------------------------------------------------------------------


def table(scored: Mapping[str, Mapping]) -> str:
    """The metrics as a Markdown table: what was reached, what could have been, what limits, what to do."""
    rows = [
        "| quantity | R² (95 % interval) | highest possible R² | gap | RMSE | lowest possible RMSE | bias | limited by "
        "| advice | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in scored.items():
        low, high = entry["r2_interval"]
        reached = "–" if entry["r2"] is None else f"{entry['r2']:.5f} ({low:.5f} to {high:.5f})"
        gap = "–" if entry["r2"] is None else f"{entry['network_limited']:.5f}"
        unit = entry["unit"]
        rows.append(
            f"| {name} | {reached} | {entry['ceiling_r2']:.4f} | {gap} | {entry['rmse']:.4g} {unit} "
            f"| {entry['ceiling_rmse']:.4g} {unit} | {entry['bias']:+.2g} {unit} | {entry['limited_by']} "
            f"| {entry['advice']} | {entry['verdict']} |"
        )
    return "\n".join(rows)


def _completion_text(completed: Completed) -> str:
    rows = [
        f"| {name} | {kind} | {row.level:.0%} | {row.covered:.2%} ({row.interval[0]:.2%} to {row.interval[1]:.2%}) "
        f"| {row.sharpness:.2f} | {'holds' if row.holds else 'fails'} |"
        for name, found in completed.calibrations.items()
        for kind in ("posterior", "halved", "doubled", "prior")
        for row in getattr(found, kind)
    ]
    return f"""
## The bodies that fit

The network tells k/m. Its error is Student's with {completed.error[0]:.1f} degrees of freedom and a scale of
{completed.error[2]:.2g} 1/s² (fitted to the validation split): small for most, large for some. Which body has a k/m is
up to the prior: given k/m, the mass has density proportional to m between the lightest and the heaviest person with
that k/m. {completed.sentence()}

![Bodies that fit](completion.png)

| quantity | interval | should hold | holds (99 % interval) | width, as a part of the prior's | |
|---|---|---|---|---|---|
{chr(10).join(rows)}

Halved and doubled intervals are negative controls: a test that they pass would be none. At 95 %, an interval twice as
wide reaches beyond everybody. The prior taken for a posterior covers, too, but says nothing.
"""


def write_report(
    run_folder: AnyPath,
    config: Mapping,
    result: Mapping,
    described: Manifest,
    scored: Mapping,
    sentences: list[str],
    completed: Completed | None,
) -> None:
    """Writes report.md: the verdicts, the table, the figures and what they rest on.

    Args:
        run_folder: where to.
        config, result, scored: contents of config.json, result.json and metrics.json.
        described: dataset that the run was trained on.
        sentences: one for each target.
        completed: what the network's ratios say of mass and stiffness, if that is all there is.
    """
    settings = config["settings"]
    reasons = dict.fromkeys(entry["ceiling_reason"] for entry in scored.values() if not entry["recoverable"])
    n = next(iter(scored.values()))["n"]
    text = f"""# {settings["scenario"]}: what was recovered

{SCENARIOS[settings["scenario"]].question}
A network read {" and ".join(config["inputs"])} ({config["samples"]} samples each) of {n:,} walkers it had never seen.

{chr(10).join(f"- {sentence}" for sentence in sentences)}

{table(scored)}

The highest possible R² is that of any estimator, on any amount of data without noise. {" ".join(reasons)}
Intervals are the delta method's for n = {n:,} independent records of the test split.

![Estimate against truth](scatter.png)

![Learning curves](learning_curves.png)
{"" if completed is None else _completion_text(completed)}
## What this rests on

- Data: {described.folder} (dataset {described.identity}). {described.summary()}
- Training: {result["epochs"]} epochs in batches of {settings["batch_size"]}, {settings["optimizer"]} with learning \
rate {settings["learning_rate"]:g} ({settings["schedule"]}), {settings["activation"]}, seed {settings["seed"]}; \
{result["seconds"]:.0f} s. The weights are those with the lowest validation loss, {result["best_val_loss"]:.6f} \
after epoch {result["best_epoch"]}. The test split was used for this report only.
"""
    files.write_text(run_folder / "report.md", text)

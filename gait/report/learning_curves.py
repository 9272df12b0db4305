"""Figure of the learning curves of a training run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.limits.ceilings import Ceiling
from gait.parameters import QUANTITIES
from gait.report.style import BEST, NETWORK, STYLE, symbol

LEARNING_CURVES = "learning_curves.png"
"""File of `plot_learning_curves`, in the folder of a run."""
_TITLE = 32  # letters above a panel
_NEAR_ONE = 0.05
"""Nearer to 1 than this, R² is shown by its distance from 1: on an axis from 0 to 1 all curves would lie at the top."""


def plot_learning_curves(history: pd.DataFrame, ceilings: Mapping[str, Ceiling], *, local: bool = False) -> Figure:
    """Draws the loss and the R² of each target over the epochs, each beside the best possible value.

    Where R² on the validation split comes near 1, the panel shows 1 - R², on a logarithmic axis.

    Args:
        history: one row an epoch, columns `epoch`, `loss`, `val_loss`, and `r2_NAME`, `val_r2_NAME` of each target.
        ceilings: what any estimator could reach, by the targets' names; names without a column are left out.
        local: whether the ceilings are local bounds, which in noise can be out of reach.

    Returns:
        The figure. A dotted line and dots mark the epoch with the lowest validation loss, whose weights are kept.

    Source:
        Sameni, Fig. 4a and b, where the targets are mass, stiffness and rest length.
    """
    shown = {name: ceiling for name, ceiling in ceilings.items() if f"r2_{name}" in history}
    kept = int(history["epoch"].to_numpy()[history["val_loss"].argmin()])
    best = "local bound" if local else "best possible"
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * (1 + len(shown)), 3.7), layout="constrained")
        axes = figure.subplots(1, 1 + len(shown), squeeze=False)[0]
        _loss_panel(axes[0], history, 1.0 - float(np.mean([ceiling.r2 for ceiling in shown.values()])), best)
        for axis, (name, ceiling) in zip(axes[1:], shown.items(), strict=True):
            _target_panel(axis, history, name, ceiling, best, "R² at most" if local else "highest possible R²")
        for axis in axes:
            label = f"kept weights, epoch {kept}"
            validation = axis.lines[1]
            height = validation.get_ydata()[list(validation.get_xdata()).index(kept)]
            axis.axvline(kept, color="black", ls=":", lw=1.2, label=label)
            axis.plot(kept, height, "o", ms=5, color="black")
            axis.set_xlabel("Epoch")
            last = history["epoch"].max()
            axis.set_xlim(1, last + max(1, 0.03 * last))
        drawn = [axis.get_legend_handles_labels() for axis in axes]
        labels = {label: handle for handles, names in drawn for handle, label in zip(handles, names, strict=True)}
        order = sorted(labels, key=lambda label: label.startswith("kept"))
        figure.legend([labels[label] for label in order], order, loc="outside lower center", ncols=len(order))
    return figure


def _curves(axis: Axes, history: pd.DataFrame, column: str) -> None:
    axis.plot(history["epoch"], history[column], color=NETWORK, lw=1.2, label="training")
    axis.plot(history["epoch"], history[f"val_{column}"], color="black", lw=0.8, label="validation")


def _loss_panel(axis: Axes, history: pd.DataFrame, floor: float, best: str) -> None:
    _curves(axis, history, "loss")
    if floor > 0.0:
        axis.axhline(floor, color=BEST, ls="--", lw=1.2, label=best)
        axis.set_ylim(top=min(history["loss"].max(), 2.0 * floor))
    else:
        axis.set_yscale("log")
    memorises = ": below the line it memorises" if history["loss"].min() < floor else ""
    axis.set_title(f"Loss{memorises}\nlowest possible {floor:.3g}")
    axis.set_ylabel("Mean squared error of\nstandardised targets [1]")


def _target_panel(axis: Axes, history: pd.DataFrame, name: str, ceiling: Ceiling, best: str, most: str) -> None:
    """R², or what is lacking to 1 where it comes near 1."""
    column, limit = f"r2_{name}", ceiling.r2
    is_near = 1.0 - history[f"val_{column}"].max() < _NEAR_ONE
    if is_near:
        lacking = {key: 1.0 - history[key] for key in (column, f"val_{column}")}
        history, limit = history.assign(**lacking), 1.0 - limit
        axis.set_yscale("log")
    else:
        axis.set_ylim(0.0, 1.05)
    _curves(axis, history, column)
    if limit > 0.0:
        axis.axhline(limit, color=BEST, ls="--", lw=1.2, label=best)
    verdict = "recoverable" if ceiling.recoverable else "not recoverable"
    heading = textwrap.fill(QUANTITIES[name].heading, _TITLE)
    axis.set_title(f"{heading} {symbol(name)}\n{verdict}\n{most} {ceiling.r2:.4g}")
    text = f"R² of {symbol(name)} [1]"
    axis.set_ylabel(f"1 − {text}\n(0.01 means R² = 0.99)" if is_near else text)

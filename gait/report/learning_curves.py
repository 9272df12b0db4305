"""Figure of the learning curves of a training run."""

from __future__ import annotations

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


def plot_learning_curves(history: pd.DataFrame, ceilings: Mapping[str, Ceiling]) -> Figure:
    """Draws the loss and the R² of each target over the epochs, each beside the best possible value.

    Args:
        history: one row an epoch, columns `epoch`, `loss`, `val_loss`, and `r2_NAME`, `val_r2_NAME` of each target.
        ceilings: what any estimator could reach, by the targets' names; names without a column are left out.

    Returns:
        The figure. A dotted line marks the epoch with the lowest validation loss, whose weights are kept.

    Source:
        Sameni, Fig. 4a and b, where the targets are mass, stiffness and rest length.
    """
    shown = {name: ceiling for name, ceiling in ceilings.items() if f"r2_{name}" in history}
    kept = int(history["epoch"].to_numpy()[history["val_loss"].argmin()])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * (1 + len(shown)), 3.7), layout="constrained")
        axes = figure.subplots(1, 1 + len(shown), squeeze=False)[0]
        _loss_panel(axes[0], history, 1.0 - float(np.mean([ceiling.r2 for ceiling in shown.values()])))
        for axis, (name, ceiling) in zip(axes[1:], shown.items(), strict=True):
            _r2_panel(axis, history, name, ceiling)
        for axis in axes:
            axis.axvline(kept, color="black", ls=":", lw=1.2, label=f"kept weights, epoch {kept}")
            axis.set_xlabel("Epoch")
            last = history["epoch"].max()
            axis.set_xlim(1, last + max(1, 0.03 * last))
        figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _curves(axis: Axes, history: pd.DataFrame, column: str) -> None:
    axis.plot(history["epoch"], history[column], color=NETWORK, lw=1.2, label="training")
    axis.plot(history["epoch"], history[f"val_{column}"], color="black", lw=0.8, label="validation")


def _loss_panel(axis: Axes, history: pd.DataFrame, floor: float) -> None:
    _curves(axis, history, "loss")
    if floor > 0.0:
        axis.axhline(floor, color=BEST, ls="--", lw=1.2)
        axis.set_ylim(top=min(history["loss"].max(), 2.0 * floor))
    else:
        axis.set_yscale("log")
    memorises = ": below the line it memorises" if history["loss"].min() < floor else ""
    axis.set_title(f"Loss{memorises}\nlowest possible {floor:.3g}")
    axis.set_ylabel("Mean squared error of\nstandardised targets [1]")


def _r2_panel(axis: Axes, history: pd.DataFrame, name: str, ceiling: Ceiling) -> None:
    _curves(axis, history, f"r2_{name}")
    axis.axhline(ceiling.r2, color=BEST, ls="--", lw=1.2, label="best possible")
    axis.set_ylim(0.0, 1.05)
    verdict = "recoverable" if ceiling.recoverable else "not recoverable"
    axis.set_title(f"{QUANTITIES[name].heading} {symbol(name)}: {verdict}\nhighest possible R² {ceiling.r2:.4g}")
    axis.set_ylabel(f"R² of {symbol(name)} [1]")

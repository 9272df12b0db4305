"""Figure of the learning curves of a posterior network."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from gait.report.style import BEST, NETWORK, STYLE, TRUTH


def plot_log_probability(
    history: pd.DataFrame, prior: float | None = None, exact: tuple[float, float] | None = None
) -> Figure:
    """Draws the log probability of the truth over the epochs, beside that of the prior and of the exact posterior.

    Args:
        history: one row an epoch, columns `epoch`, `log_p` and `val_log_p`.
        prior: log density of the prior; None if it is not uniform.
        exact: mean log density of the exact posterior, and its standard error; None if it is not known.

    Returns:
        The figure. A dotted line marks the epoch whose weights are kept.
    """
    kept = int(history["epoch"].to_numpy()[history["val_log_p"].argmax()])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axis = figure.subplots()
        axis.plot(history["epoch"], history["log_p"], color=NETWORK, lw=1.2, label="training")
        axis.plot(history["epoch"], history["val_log_p"], color="black", lw=0.8, label="validation")
        if exact is not None:
            value, error = exact
            axis.axhspan(value - error, value + error, color=BEST, alpha=0.25)
            axis.axhline(value, color=BEST, ls="--", lw=1.2, label=f"exact posterior, {value:.2f}")
        if prior is not None:
            axis.axhline(prior, color=TRUTH, ls="-.", lw=1.2, label=f"prior, {prior:.2f}")
        axis.axvline(kept, color="black", ls=":", lw=1.2, label=f"kept weights, epoch {kept}")
        last = history["epoch"].max()
        axis.set(
            xlim=(1, last + max(1, 0.03 * last)),
            xlabel="Epoch",
            ylabel="Log probability of the truth\n(SI units) [nats]",
        )
        least = min(history["val_log_p"].median() - 3.0, history["val_log_p"].max() - 4.0)
        axis.set_ylim(bottom=least if prior is None else max(least, prior - 0.5))
        axis.set_title(f"Best on the validation split: {history['val_log_p'].max():.3f}")
        axis.legend(fontsize=9)
    return figure

"""Advice to a network in noise that stays below its ceiling: more records, more epochs or a later decay."""

from __future__ import annotations

import pandas as pd

from gait.training.settings import TrainingSettings

_MEMORISED = 0.8
"""Unexplained part on training records, in that on validation records, below which the network has memorised."""

_MEMORISED_NATS = 0.3
"""Log probability on training records above that on validation records, from which a posterior network memorises."""


def remedy(history: pd.DataFrame, target: str, settings: TrainingSettings) -> str:
    """Says what would bring a network nearer to its ceiling, from its learning curves.

    Args:
        history: one row an epoch, columns `loss`, `val_loss`, and `r2_NAME`, `val_r2_NAME` of each target.
        target: name of a quantity; the loss tells of one without a column, which follows from others.
        settings: of the training.

    Returns:
        A clause to follow a colon, without a full stop.
    """
    kept = history.iloc[int(history["val_loss"].argmin())]
    if "log_p" in history:
        return _remedy_of_a_posterior(history, kept)
    if f"r2_{target}" in history:
        seen, unseen = 1.0 - kept[f"r2_{target}"], 1.0 - kept[f"val_r2_{target}"]
        numbers = f"R² {1.0 - seen:.4g} there, {1.0 - unseen:.4g} on others"
    else:
        seen, unseen = kept["loss"], kept["val_loss"]
        numbers = f"loss {seen:.4g} there, {unseen:.4g} on others"
    if seen < _MEMORISED * unseen:
        return f"more training records would help, since it does better on those that it has seen ({numbers})"
    if settings.schedule == "exponential":
        return "more epochs with a later decay of the learning rate (--schedule=cosine) would help"
    if kept["epoch"] == history["epoch"].max():
        return "more epochs would help, since its validation loss was still falling"
    return "more epochs or a larger network (--units) would help"


def _remedy_of_a_posterior(history: pd.DataFrame, kept: pd.Series) -> str:
    seen, unseen = kept["log_p"], kept["val_log_p"]
    if seen > unseen + _MEMORISED_NATS:
        numbers = f"log p {seen:.3f} there, {unseen:.3f} on others"
        return f"more training records would help, since it does better on those that it has seen ({numbers})"
    if kept["epoch"] == history["epoch"].max():
        return "more epochs would help, since its validation loss was still falling; refine=True makes posteriors exact"
    return "more epochs or a larger network (--units) would help; refine=True makes posteriors exact"

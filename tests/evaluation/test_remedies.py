"""Advice to a network in noise, from its learning curves."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from gait.evaluation.remedies import remedy
from gait.scenarios import SCENARIOS
from gait.training.settings import TrainingSettings

COSINE = TrainingSettings(SCENARIOS["two_parameter"])
EXPONENTIAL = dataclasses.replace(COSINE, schedule="exponential")


def history(seen, unseen, kept=10, epochs=10):
    """A training that leaves so much unexplained on training and on validation records, best in one epoch."""
    epoch = np.arange(1, epochs + 1)
    worse = 1.0 + 0.01 * np.abs(epoch - kept)
    columns = {"epoch": epoch, "loss": seen * worse, "val_loss": unseen * worse}
    return pd.DataFrame(columns | {"r2_rest_length": 1.0 - seen * worse, "val_r2_rest_length": 1.0 - unseen * worse})


@pytest.mark.parametrize(
    ("table", "settings", "words"),
    [
        (history(0.1, 0.2, kept=4), COSINE, "more training records would help, since"),
        (history(0.1, 0.2), EXPONENTIAL, "more training records would help, since"),
        (history(0.19, 0.2), COSINE, "more epochs would help, since its validation loss was still falling"),
        (history(0.19, 0.2, kept=4), COSINE, "more epochs or a larger network (--units) would help"),
        (history(0.19, 0.2, kept=4), EXPONENTIAL, "(--schedule=cosine) would help"),
    ],
)
@pytest.mark.parametrize("target", ["rest_length", "mass_to_stiffness"])
def test_the_curves_tell_what_would_help(table, settings, words, target):
    """A quantity without a curve of its own follows the loss."""
    text = remedy(table, target, settings)
    assert words in text
    if "records" in words:
        assert ("R² 0.9 there, 0.8 on others" in text) == (target == "rest_length")
        assert ("loss 0.1 there, 0.2 on others" in text) == (target != "rest_length")

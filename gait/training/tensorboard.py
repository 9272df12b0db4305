"""Curves for TensorBoard: loss, R² and learning rate of each epoch as event files in the folder of a run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import keras
import pandas as pd
import tensorflow as tf

from gait.errors import InputError
from gait.storage.files import AnyPath

_WRITERS = {"train": "", "validation": "val_"}
"""Folder of each event file, as Keras has it, and what the columns of its numbers begin with."""
_EVENTS = "events.out.tfevents."


def check_installed() -> None:
    """Raises `InputError` unless event files can be written: later versions of TensorFlow leave out TensorBoard."""
    if importlib.util.find_spec("tensorboard") is None:
        raise InputError(
            "--tensorboard needs the package tensorboard, which is not installed here. "
            "Install it (pip install tensorboard), or leave out the flag: history.csv has the same numbers."
        )


def write_history(folder: AnyPath, history: pd.DataFrame, rate: Callable[[int], float]) -> None:
    """Writes the epochs of a history as event files, in place of those that are there.

    Event files only grow, and the epochs after a checkpoint are run again. So they begin anew with every start.

    Args:
        folder: where to write; made if needed.
        history: one row an epoch, see `gait.training.run.Run.read_history`; it may be empty.
        rate: learning rate at the end of an epoch, from 1.
    """
    for name, prefix in _WRITERS.items():
        place = folder / name
        there: list[AnyPath] = [*place.iterdir()] if place.is_dir() else []
        for path in there:
            if path.name.startswith(_EVENTS):
                path.unlink()
        if not len(history):
            continue
        logs = [
            column
            for column in map(str, history)
            if column.startswith((f"{prefix}loss", f"{prefix}r2_", f"{prefix}log_p"))
        ]
        writer = tf.summary.create_file_writer(str(place))
        with writer.as_default():
            for row in history.to_dict("records"):
                step = int(row["epoch"]) - 1  # Keras counts from 0
                for column in logs:
                    tf.summary.scalar(f"epoch_{column.removeprefix(prefix)}", row[column], step=step)
                if not prefix:
                    tf.summary.scalar("epoch_learning_rate", rate(step + 1), step=step)
        writer.close()


class EpochCurves(keras.callbacks.TensorBoard):
    """Writes the numbers of each epoch for TensorBoard while a network is fitted; `write_history` comes before.

    Args:
        folder: where to write.
    """

    def __init__(self, folder: AnyPath):
        super().__init__(str(folder), write_graph=False, profile_batch=0)

    def on_test_end(self, logs=None):
        """Writes nothing: every validation ends an epoch, and a second curve of it would say no more."""

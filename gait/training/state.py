"""What a training run has reached, epoch by epoch: the R² of its targets, its history and its checkpoints."""

from __future__ import annotations

import hashlib
import io
import math
import time

import keras
import numpy as np
import tensorflow as tf

from gait.errors import InputError
from gait.storage import files
from gait.training.feed import Feed
from gait.training.run import Run

_DIGEST = hashlib.sha256().digest_size


class R2(keras.metrics.Metric):
    """Coefficient of determination of each target, as separate columns `r2_<target>` of the history."""

    def __init__(self, targets: tuple[str, ...]):
        super().__init__(name="r2")
        self._targets = targets
        shape = (len(targets),)
        self._count = self.add_weight(shape=(), initializer="zeros", name="count")
        self._sum = self.add_weight(shape=shape, initializer="zeros", name="sum")
        self._squares = self.add_weight(shape=shape, initializer="zeros", name="squares")
        self._residual = self.add_weight(shape=shape, initializer="zeros", name="residual")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._count.assign_add(tf.cast(tf.shape(y_true)[0], tf.float32))
        self._sum.assign_add(tf.reduce_sum(y_true, axis=0))
        self._squares.assign_add(tf.reduce_sum(tf.square(y_true), axis=0))
        self._residual.assign_add(tf.reduce_sum(tf.math.squared_difference(y_true, y_pred), axis=0))

    def result(self):
        total = self._squares - tf.square(self._sum) / self._count
        values = tf.where(total > 0.0, 1.0 - tf.math.divide_no_nan(self._residual, total), 0.0)
        return {f"r2_{target}": values[i] for i, target in enumerate(self._targets)}


class Journal(keras.callbacks.Callback):
    """Keeps what a run has reached: `history.csv`, the best weights and checkpoints to go on from.

    A checkpoint is one file, the history so far and a checksum at its end included, that replaces the
    one before it; so at any moment there is a whole one. Epochs younger than the checkpoint are run again, with the
    same numbers.

    Args:
        run: where to.
        feed: the data feed, told the number of each epoch.
        every: epochs between checkpoints.
        columns: names of the logs to keep, in the order of their columns.
    """

    def __init__(self, run: Run, feed: Feed, every: int, columns: list[str]):
        super().__init__()
        self._run, self._feed, self._every = run, feed, every
        self._columns = ["epoch", "seconds", *columns]
        self.best_loss, self.best_epoch, self.best_weights = math.inf, 0, []

    def _state(self) -> list:
        return [*self.model.weights, *self.model.optimizer.variables]

    def resume(self) -> int:
        """Restores the last checkpoint, if there is one; returns the number of finished epochs."""
        finished, text = 0, ",".join(self._columns) + "\n"
        if self._run.checkpoint.exists():
            content = self._run.checkpoint.read_bytes()
            content, digest = content[:-_DIGEST], content[-_DIGEST:]
            if hashlib.sha256(content).digest() != digest:
                raise InputError(
                    f"{self._run.checkpoint} is damaged: its content does not fit its checksum. "
                    "Delete it; the same command then begins anew."
                )
            with np.load(io.BytesIO(content)) as saved:
                finished, self.best_epoch = int(saved["epoch"]), int(saved["best_epoch"])
                self.best_loss, text = float(saved["best_loss"]), str(saved["history"])
                state = [saved[f"state_{i}"] for i in range(len(self._state()))]
                self.best_weights = [saved[f"best_{i}"] for i in range(len(self.model.weights))]
            for variable, value in zip(self._state(), state, strict=True):
                variable.assign(value)
        files.write_text(self._run.history, text)
        return finished

    def on_epoch_begin(self, epoch, logs=None):
        self._feed.epoch.assign(epoch)
        self._began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        losses = logs["loss"], logs["val_loss"]
        if not all(math.isfinite(loss) for loss in losses):
            raise InputError(
                f"The loss became {losses[0]} (validation: {losses[1]}) in epoch {epoch + 1}: training has diverged. "
                f"Earlier epochs are in {self._run.history}. Train anew with a lower --learning_rate in another --out."
            )
        values = {"epoch": epoch + 1, "seconds": round(time.monotonic() - self._began, 3), **logs}
        files.append(self._run.history, ",".join(str(values[column]) for column in self._columns) + "\n")
        if logs["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch = logs["val_loss"], epoch + 1
            self.best_weights = self.model.get_weights()
        if (epoch + 1) % self._every == 0 or epoch + 1 == self.params["epochs"]:
            self._save(epoch + 1)

    def _save(self, finished: int) -> None:
        content = {"epoch": finished, "best_epoch": self.best_epoch, "best_loss": self.best_loss}
        content["history"] = self._run.history.read_text()
        content |= {f"state_{i}": variable.numpy() for i, variable in enumerate(self._state())}
        content |= {f"best_{i}": weight for i, weight in enumerate(self.best_weights)}
        packed = io.BytesIO()
        np.savez(packed, **content)
        with files.replacing(self._run.checkpoint) as temporary:
            temporary.write_bytes(packed.getvalue() + hashlib.sha256(packed.getvalue()).digest())

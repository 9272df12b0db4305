"""State of a training run, epoch by epoch: the R² of its targets, its history and its checkpoints."""

from __future__ import annotations

import hashlib
import io
import json
import math
import time
import zipfile
from typing import Any

import keras
import numpy as np

from gait import provenance
from gait.errors import InputError
from gait.storage import files
from gait.training.feed import Feed
from gait.training.run import Run

_DIGEST = hashlib.sha256().digest_size


class R2(keras.metrics.R2Score):
    """Coefficient of determination of each target, as separate columns `r2_<target>` of the history.

    It is 0 for a target without spread, where the quotient says nothing.
    """

    def __init__(self, targets: tuple[str, ...]):
        super().__init__(class_aggregation=None, name="r2")
        self._targets = targets

    def result(self):
        """R² of each target, by the name of its column."""
        values = super().result()
        values = keras.ops.where(values <= 1.0, values, 0.0)  # neither NaN nor above 1 by a spread of rounding errors
        return {f"r2_{target}": values[i] for i, target in enumerate(self._targets)}


class TrainingState(keras.callbacks.Callback):
    """Keeps the state of a training run: `history.csv`, the best weights, and checkpoints to resume from.

    A checkpoint is one file that replaces the one before it, so there is always a whole one. It holds the history
    so far, and code and versions that it comes from, and ends with a checksum. Epochs after the last checkpoint are
    run again, with the same numbers.

    Args:
        run: its folder.
        feed: the data feed, told the number of each epoch.
        every: epochs between checkpoints.
        columns: names of the logs to keep, in the order of their columns.
        patience: epochs without a lower validation loss after which training ends; None to go on.
    """

    def __init__(self, run: Run, feed: Feed, every: int, columns: list[str], patience: int | None = None):
        super().__init__()
        self._run, self._feed, self._every, self._patience = run, feed, every, patience
        self._columns = ["epoch", "seconds", *columns]
        self.best_loss, self.best_epoch = math.inf, 0
        self.best_weights: list[np.ndarray] = []
        self._history = ",".join(self._columns) + "\n"
        self._environment = provenance.numerical_environment("training")

    def _variables(self) -> list:
        return [*self.model.weights, *self.model.optimizer.variables]

    def resume(self) -> int:
        """Takes over the last checkpoint, if there is one; changes no file.

        Returns:
            Number of finished epochs.

        Raises:
            InputError: if the checkpoint is damaged, not one of this run, or of other code or versions.
        """
        finished = 0
        if self._run.checkpoint.exists():
            saved = self._read_checkpoint()
            finished, self.best_epoch = int(saved["epoch"]), int(saved["best_epoch"])
            self.best_loss, self._history = float(saved["best_loss"]), str(saved["history"])
            self.best_weights = [saved[f"best_{i}"] for i in range(len(self.model.weights))]
            for i, variable in enumerate(self._variables()):
                variable.assign(saved[f"state_{i}"])
        return finished

    def is_exhausted(self, finished: int) -> bool:
        """Tells whether the validation loss has not become lower for so many epochs that training is to end."""
        return self._patience is not None and finished - self.best_epoch >= self._patience

    def restore_history(self) -> None:
        """Writes the history up to the last checkpoint, or its header."""
        files.write_text(self._run.history, self._history)

    def _read_checkpoint(self) -> dict[str, np.ndarray]:
        """The content of the checkpoint, once it is known to be whole, of this run, and of this code and versions."""
        path, anew = self._run.checkpoint, "the same command then begins anew"
        content = path.read_bytes()
        content, digest = content[:-_DIGEST], content[-_DIGEST:]
        if hashlib.sha256(content).digest() != digest:
            raise InputError(f"{path} is damaged: its content does not fit its checksum. Delete it; {anew}.")
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                saved = {name: archive[name] for name in archive.files}
            earlier = json.loads(str(saved["environment"])) if "environment" in saved else None
        except (ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} is no checkpoint of this code ({error}). Delete it; {anew}.") from error
        if otherwise := provenance.begun_with(earlier, self._environment):
            raise InputError(
                f"The training in {self._run.folder} {otherwise}. All epochs of a run must come from the same code and "
                f"versions. Continue it with those, or delete {path}; {anew}."
            )
        expected = {f"state_{i}": tuple(variable.shape) for i, variable in enumerate(self._variables())}
        expected |= {f"best_{i}": tuple(weight.shape) for i, weight in enumerate(self.model.weights)}
        expected |= dict.fromkeys(("epoch", "best_epoch", "best_loss", "history"), ())
        if wrong := [name for name, shape in expected.items() if name not in saved or saved[name].shape != shape]:
            raise InputError(f"{path} belongs to another network: {', '.join(wrong)}. Delete it; {anew}.")
        return saved

    def on_epoch_begin(self, epoch, logs=None):
        """Tells the feed the number of the epoch."""
        self._feed.begin(epoch)
        self._began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Adds a row to the history, keeps the best weights and saves a checkpoint when one is due.

        Raises:
            InputError: if the loss is not finite, or the epoch was streamed from other shards than those verified.
        """
        self._feed.check_unchanged()
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
        if self.is_exhausted(epoch + 1):
            self.model.stop_training = True
        if (epoch + 1) % self._every == 0 or epoch + 1 == self.params["epochs"] or self.model.stop_training:
            self._save(epoch + 1)

    def _save(self, finished: int) -> None:
        content: dict[str, Any] = {"epoch": finished, "best_epoch": self.best_epoch, "best_loss": self.best_loss}
        history = self._run.history.read_text(encoding="utf-8")
        content |= {"history": history, "environment": json.dumps(self._environment)}
        content |= {f"state_{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        content |= {f"best_{i}": weight for i, weight in enumerate(self.best_weights)}
        packed = io.BytesIO()
        with files.dated_archives():
            np.savez(packed, **content)
        with files.replacing(self._run.checkpoint) as temporary:
            temporary.write_bytes(packed.getvalue() + hashlib.sha256(packed.getvalue()).digest())

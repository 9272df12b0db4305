"""Folders of training runs: what a run is asked to do, and which files it has."""

from __future__ import annotations

import dataclasses
import io
import math
from typing import NamedTuple

import pandas as pd

from gait import provenance
from gait.data.manifest import Manifest
from gait.errors import InputError
from gait.scenarios import SCENARIOS, Scenario
from gait.storage import files
from gait.storage.files import AnyPath

ACTIVATIONS = ("swish", "relu", "tanh", "gelu", "elu", "selu")
OPTIMIZERS = ("adam", "nadam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("cosine", "inverse", "constant")
STRATEGIES = ("auto", "mirrored", "default")
CACHES = ("memory", "none")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that decides the result of a training run; what the paper leaves open has our choice.

    Attributes:
        scenario: name of a row of `gait.scenarios.SCENARIOS`.
        epochs, batch_size, seed: as usual; the batch is shared by all replicas.
        activation, optimizer, learning_rate: see README, "Choice of activation and optimiser".
        schedule: course of the learning rate; by default the scenario's. "cosine" falls to zero at the last
            epoch, "inverse" as 1 / (1 + epoch / 10), "constant" not at all.
        cache: "memory" reads the training split once, "none" streams it in every epoch.
        strategy: "auto" is `MirroredStrategy` over all visible GPUs, or TensorFlow's default without one.
        checkpoint_every: epochs between checkpoints.
    """

    scenario: str
    epochs: int = 500
    batch_size: int = 1000
    seed: int = 0
    activation: str = "swish"
    optimizer: str = "adam"
    learning_rate: float = 4e-3
    schedule: str | None = None
    cache: str = "memory"
    strategy: str = "auto"
    checkpoint_every: int = 5

    def __post_init__(self):
        if self.schedule is None:
            object.__setattr__(self, "schedule", self.row.schedule)
        for name in ("epochs", "batch_size", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1. Received: --{name}={getattr(self, name)}.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"The learning rate must be positive. Received: --learning_rate={self.learning_rate}.")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"The seed must lie between 0 and 2**32 - 1. Received: --seed={self.seed}.")

    @property
    def row(self) -> Scenario:
        return SCENARIOS[self.scenario]


@dataclasses.dataclass(frozen=True)
class Run:
    """The folder of one training run and the files in it."""

    folder: AnyPath

    @property
    def config(self) -> AnyPath:
        """What was asked for, on what data, with which versions; written when training begins."""
        return self.folder / "config.json"

    @property
    def history(self) -> AnyPath:
        """Loss and R² of every epoch."""
        return self.folder / "history.csv"

    @property
    def checkpoint(self) -> AnyPath:
        """Where an interrupted run goes on from; gone when training has ended."""
        return self.folder / "checkpoint.npz"

    @property
    def model(self) -> AnyPath:
        """The network with the lowest validation loss."""
        return self.folder / "model.keras"

    @property
    def result(self) -> AnyPath:
        """How training ended; written last."""
        return self.folder / "result.json"


class Finished(NamedTuple):
    """A finished run whose files were found to be whole.

    Attributes:
        run: its folder and files.
        config: content of config.json.
        result: content of result.json.
    """

    run: Run
    config: dict
    result: dict


_CONFIG = ("settings", "inputs", "targets", "samples", "data", "dataset")
_RESULT = ("epochs", "best_epoch", "best_val_loss", "seconds", "peak_memory_bytes", "model_sha256", "history_sha256")


def configuration(settings: Settings, described: Manifest) -> dict:
    """Content of config.json: all that decides the result, and where it comes from."""
    return {
        "settings": dataclasses.asdict(settings),
        "inputs": list(settings.row.inputs),
        "targets": list(settings.row.targets),
        "samples": described.samples,
        "data": str(described.folder.resolve()),
        "dataset": described.identity,
        "versions": provenance.versions(),
        "code_revision": provenance.code_revision(),
    }


def check_same_run(folder: AnyPath, config: dict) -> None:
    """Raises `InputError` if the folder holds a run whose result would be another one."""
    run = Run(folder)
    if not run.config.exists():
        left = [path.name for path in (run.checkpoint, run.model, run.result) if path.exists()]
        if left:
            raise InputError(
                f"{folder} holds {', '.join(left)} of a run whose {run.config.name} is gone. "
                "Restore that file or choose another --out."
            )
        return
    before, now = (_decisive(c) for c in (read_config(folder)[1], config))
    differing = [f"{key} {before.get(key)!r} instead of {now[key]!r}" for key in now if before.get(key) != now[key]]
    if differing:
        raise InputError(
            f"{folder} holds another run: {', '.join(differing)}. "
            "Choose another --out, or repeat the flags of that run to continue it."
        )


def _decisive(config: dict) -> dict:
    """The entries of a configuration that the trained network depends on."""
    entries = {key: config[key] for key in ("inputs", "targets", "samples", "dataset")} | config["settings"]
    return {key: value for key, value in entries.items() if key != "checkpoint_every"}


def read_config(folder: AnyPath) -> tuple[Run, dict]:
    """A run, finished or not, and its configuration.

    Raises:
        InputError: if there is no run in the folder or its configuration is not readable.
    """
    run = Run(folder)
    if not run.config.exists():
        raise InputError(f"There is no run at {folder}. Train one: python train.py --out={folder}")
    return run, files.read_sealed(run.config, "run configuration", _CONFIG)


def read_finished(folder: AnyPath) -> Finished:
    """Reads a finished run and verifies its files.

    Raises:
        InputError: if there is no run in the folder, it is not finished, or its files are damaged.
    """
    run, config = read_config(folder)
    if not is_finished(run):
        raise InputError(
            f"The run at {folder} has no finished model. Finish it with the command that began it: python train.py "
            f"--data={config['data']} --scenario={config['settings']['scenario']} --out={folder} (and its other flags)"
        )
    result = read_result(run)
    for path, checksum in ((run.model, result["model_sha256"]), (run.history, result["history_sha256"])):
        if not path.exists() or files.sha256(path) != checksum:
            fault = f"damaged: its checksum is not the one in {run.result.name}" if path.exists() else "gone"
            raise InputError(
                f"{path} is {fault}. "
                f"Restore it from a copy, or delete {run.result} and repeat the command that trained this run."
            )
    return Finished(run, config, result)


def is_finished(run: Run) -> bool:
    """Whether training has come to its end, which says nothing about the state of the files."""
    return run.model.exists() and run.result.exists()


def read_result(run: Run) -> dict:
    """How a finished run's training ended."""
    return files.read_sealed(run.result, "training result", _RESULT)


def read_history(run: Run) -> pd.DataFrame:
    """The history of a run, one row an epoch.

    Raises:
        InputError: if the file is missing or not a whole history.
    """
    try:
        history = pd.read_csv(io.StringIO(run.history.read_text()))
        whole = len(history) and not history.isna().any(axis=None) and {"epoch", "loss", "val_loss"} <= {*history}
    except (OSError, ValueError) as error:
        raise InputError(f"{run.history} is not a readable history ({error}). Train again in another --out.") from error
    if not whole:
        raise InputError(f"{run.history} is not a whole history: values are missing. Train again in another --out.")
    return history

"""Folders of training runs: what a run is asked to do, and which files it has."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from gait import files, provenance
from gait.errors import InputError
from gait.manifest import Manifest
from gait.scenarios import SCENARIOS, Scenario

ACTIVATIONS = ("swish", "relu", "tanh", "gelu", "elu", "selu")
OPTIMIZERS = ("adam", "nadam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("cosine", "constant")
STRATEGIES = ("auto", "mirrored", "default")
CACHES = ("memory", "none")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that decides the result of a training run; what the paper leaves open has our choice.

    Attributes:
        scenario: name of a row of `gait.scenarios.SCENARIOS`.
        epochs, batch_size, seed: as usual; the batch is shared by all replicas.
        activation, optimizer, learning_rate, schedule: see README, "Choice of optimiser".
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
    schedule: str = "cosine"
    cache: str = "memory"
    strategy: str = "auto"
    checkpoint_every: int = 5

    def __post_init__(self):
        for name in ("epochs", "batch_size", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1. Received: --{name}={getattr(self, name)}.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"The learning rate must be positive. Received: --learning_rate={self.learning_rate}.")
        if self.seed < 0:
            raise InputError(f"The seed must not be negative. Received: --seed={self.seed}.")

    @property
    def row(self) -> Scenario:
        return SCENARIOS[self.scenario]


@dataclasses.dataclass(frozen=True)
class Run:
    """The folder of one training run."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.json"

    @property
    def history(self) -> Path:
        return self.folder / "history.csv"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.npz"

    @property
    def model(self) -> Path:
        return self.folder / "model.keras"

    @property
    def result(self) -> Path:
        return self.folder / "result.json"


def open_run(folder: Path, settings: Settings, described: Manifest) -> Run:
    """Begins a run in a folder, or continues the same run.

    Raises:
        InputError: if the folder holds a run with other settings or other data.
    """
    run = Run(folder)
    config = {
        "settings": dataclasses.asdict(settings),
        "inputs": list(settings.row.inputs),
        "targets": list(settings.row.targets),
        "samples": described.samples,
        "data": str(described.folder),
        "dataset": described.identity,
    }
    if run.config.exists():
        earlier = files.read_json(run.config, "run configuration")
        before, now = _flat(earlier, config), _flat(config, config)
        differing = [
            f"{key} {before.get(key)!r} instead of {now[key]!r}"
            for key in now
            if key != "data" and before.get(key) != now[key]
        ]
        if differing:
            raise InputError(
                f"{folder} holds another run: {', '.join(differing)}. "
                "Choose another --out, or repeat the flags of that run to continue it."
            )
    else:
        files.make_folder(folder)
        files.write_json(
            run.config, config | {"versions": provenance.versions(), "code_revision": provenance.code_revision()}
        )
    return run


def read_run(folder: Path) -> tuple[Run, dict]:
    """A finished run and its configuration.

    Raises:
        InputError: if there is no run in the folder or it has no finished model.
    """
    run = Run(folder)
    if not run.config.exists():
        raise InputError(f"There is no run at {folder}. Train one: python train.py --out={folder}")
    config = files.read_json(run.config, "run configuration")
    if not (run.model.exists() and run.result.exists()):
        raise InputError(
            f"The run at {folder} has no finished model. Finish it with the command that began it: "
            f"python train.py --data={config['data']} --scenario={config['settings']['scenario']} --out={folder} ..."
        )
    return run, config


def _flat(config: dict, template: dict) -> dict:
    return {key: config.get(key) for key in template if key != "settings"} | config.get("settings", {})

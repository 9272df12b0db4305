"""Training runs: the files of a run's folder, and a finished run."""

from __future__ import annotations

import dataclasses
import functools
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gait.errors import InputError, check_seed
from gait.scenarios import Scenario
from gait.scripting import command
from gait.storage import files
from gait.storage.files import AnyPath
from gait.storage.folders import RUN, check_kind
from gait.training.inputs import add_fixed_noise, scenario_inputs
from gait.training.saved_model import load_network, outputs_of
from gait.training.settings import RunConfig as RunConfig
from gait.training.settings import TrainingSettings as TrainingSettings

if TYPE_CHECKING:
    import pandas as pd

    from gait.data.dataset import Split
    from gait.inference.network_posterior import NetworkAnswers, NetworkPosterior
    from gait.inference.posterior import Posterior

TENSORBOARD = "tensorboard"
"""Folder of curves for TensorBoard in that of a run."""


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """Result of a training, and checksums of its files.

    Attributes:
        epochs: number of epochs.
        best_epoch: epoch with the lowest validation loss, from 1; `best_val_loss`: that loss.
        seconds: time of all epochs, s.
        peak_memory_bytes: largest memory of the process; None where the system does not tell.
        model_sha256, history_sha256: checksums of the files.
    """

    epochs: int
    best_epoch: int
    best_val_loss: float
    seconds: float
    peak_memory_bytes: int | None
    model_sha256: str
    history_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Content of result.json."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TrainingResult:
        """The result that `to_dict` has written."""
        return cls(**{field.name: content[field.name] for field in dataclasses.fields(cls)})


@dataclasses.dataclass(frozen=True)
class Run:
    """The folder of one training run and the files in it."""

    folder: AnyPath

    @property
    def config(self) -> AnyPath:
        """Settings, dataset and versions; written when training begins."""
        return self.folder / "config.json"

    @property
    def history(self) -> AnyPath:
        """Loss and R² of every epoch."""
        return self.folder / "history.csv"

    @property
    def checkpoint(self) -> AnyPath:
        """State from which an interrupted run continues; gone when training has ended."""
        return self.folder / "checkpoint.npz"

    @property
    def model(self) -> AnyPath:
        """The network with the lowest validation loss."""
        return self.folder / "model.keras"

    @property
    def result(self) -> AnyPath:
        """Result of the training; written after the model."""
        return self.folder / "result.json"

    @property
    def learning_curves(self) -> AnyPath:
        """Figure of the history; drawn last."""
        return self.folder / "learning_curves.png"

    @property
    def metrics(self) -> AnyPath:
        """Scores on the test split; written by the evaluation."""
        return self.folder / "metrics.json"

    def is_finished(self) -> bool:
        """Tells whether training has come to its end, which says nothing about the state of the files."""
        return self.model.exists() and self.result.exists()

    def read_config(self) -> RunConfig:
        """Reads the configuration of the run, finished or not.

        Raises:
            InputError: if there is no run in the folder or its configuration is not readable.
        """
        if not self.config.exists():
            check_kind(self.folder, RUN, flag="run")
            train = command("python", "train.py", f"--out={self.folder}")
            raise InputError(f"There is no run at {self.folder}. Train one: {train}")
        needed = ("settings", "inputs", "targets", "samples", "data", "dataset")
        return RunConfig.from_dict(files.read_sealed(self.config, "run configuration", needed))

    def read_result(self) -> TrainingResult:
        """Reads the result of the training.

        Raises:
            InputError: if the file is not readable.
        """
        needed = [field.name for field in dataclasses.fields(TrainingResult)]
        return TrainingResult.from_dict(files.read_sealed(self.result, "training result", needed))

    def read_history(self) -> pd.DataFrame:
        """Reads the history, one row an epoch.

        Raises:
            InputError: if the file is missing or not a whole history.
        """
        anew = "Train again in another --out."
        try:
            history = files.read_csv(io.StringIO(self.history.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(f"{self.history} is not a readable history ({error}). {anew}") from error
        if not len(history) or history.isna().any(axis=None) or not {"epoch", "loss", "val_loss"} <= {*history}:
            raise InputError(f"{self.history} is not a whole history: values are missing. {anew}")
        return history

    def check_same(self, config: RunConfig) -> None:
        """Raises `InputError` if the folder holds a dataset, or a run whose result would be another one."""
        check_kind(self.folder, RUN, flag="out")
        if self.config.exists():
            if differing := self.read_config().differences(config):
                raise InputError(
                    f"{self.folder} holds another run: {', '.join(differing)}. "
                    "Choose another --out, or repeat the flags of that run to continue it."
                )
        elif left := [path.name for path in (self.checkpoint, self.model, self.result) if path.exists()]:
            raise InputError(
                f"{self.folder} holds {', '.join(left)} of a run whose {self.config.name} is gone. "
                "Restore that file or choose another --out."
            )


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A finished run whose files were found to be whole; read by `load_run`.

    Attributes:
        run: its folder and files.
        config: settings, dataset and versions.
        result: result of the training.
        history: one row an epoch: epoch, seconds, loss, val_loss, and r2_ and val_r2_ of each target.
    """

    run: Run
    config: RunConfig
    result: TrainingResult
    history: pd.DataFrame

    @property
    def folder(self) -> AnyPath:
        """Folder of the run."""
        return self.run.folder

    @property
    def scenario(self) -> Scenario:
        """Scenario that the network was trained for."""
        return self.config.settings.scenario

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the estimated quantities, in the order of the columns of `predict`."""
        return self.scenario.targets

    @property
    def metrics(self) -> dict[str, dict[str, Any]] | None:
        """Content of metrics.json: scores of each quantity on the test split by name; None before the evaluation.

        Raises:
            InputError: if the file is not readable.
        """
        return files.read_json(self.run.metrics, "table of metrics", []) if self.run.metrics.exists() else None

    def inputs(self, split: Split, name: str) -> np.ndarray:
        """Makes the network's inputs from records of a split, with the noise of the scenario.

        Args:
            split: records of the dataset, first to last, with the channels `scenario.inputs`.
            name: of the split, such as "test"; the same run and split always have the same noise.

        Returns:
            Shape [n, inputs], float32, SI units, for `predict`.
        """
        inputs = scenario_inputs(self.scenario, split.inputs, split.parameters)
        if self.scenario.noise is not None:
            inputs = inputs.copy()
            add_fixed_noise(self.scenario, inputs, self.config.settings.seed, name)
        return inputs

    def predict(self, recordings: np.ndarray) -> np.ndarray:
        """Estimates the targets of recordings.

        Args:
            recordings: shape [n, c * samples + measured], SI units: one channel after the other in the order of
                `scenario.inputs`, then the parameters measured once. Keras is loaded at the first call.

        Returns:
            Shape [n, targets], float32, SI units.

        Raises:
            InputError: if the recordings have another shape, or the file of the network holds anything else than one.
        """
        recordings = self._checked(recordings)
        if not len(recordings):
            return np.empty((0, len(self.targets)), np.float32)
        if self.config.head is not None:
            return self.answers(recordings).moments(self.targets)[0].astype(np.float32)
        return outputs_of(self.network, recordings)

    def posterior(
        self, recordings: np.ndarray, draws: int = 2000, refine: bool = False, seed: int = 0
    ) -> NetworkPosterior | Posterior | list[NetworkPosterior] | list[Posterior]:
        """Draws the posterior of the targets of recordings; for a run that was trained with --estimate=posterior.

        Args:
            recordings: shape [n, inputs] as `predict` takes them, or [inputs] for a single one; with the noise of the
                scenario.
            draws: number of draws.
            refine: whether the engine makes the posteriors exact, beginning where the network says.
            seed: key of all random numbers.

        Returns:
            One result for a single recording, else a list: `NetworkPosterior`, or with `refine` `Posterior`. Both have
            `draws`, `weights`, `log_prob(values)`, `mean(name)`, `sd(name)` and `quantile(name, q)`.

        Raises:
            InputError: if the run estimates numbers, the recordings have another shape, or a posterior without noise is
                to be refined.
        """
        check_seed(seed)
        if self.config.head is None:
            raise InputError(
                f"The network at {self.folder} estimates numbers, not a posterior. "
                f"Train one that does: {command('python', 'train.py', '--estimate=posterior', '--out=OTHER')}"
            )
        if not (draws >= 1 and draws == int(draws)):
            raise InputError(f"The number of draws is a whole number of at least 1. Received: draws={draws!r}.")
        if refine and self.scenario.noise is None:
            raise InputError(
                "The exact posterior of recordings needs a level of noise, and this network was trained without. "
                f"Received: refine=True for {self.folder}. Train with a noise, however small: --noise=x:1e-4,y:1e-4."
            )
        single = np.ndim(recordings) == 1
        rows = self._checked(np.asarray(recordings)[None] if single else recordings)
        if bad := int(np.count_nonzero(~np.isfinite(rows))):
            raise InputError(f"A recording has to be complete. Received: {bad} samples that are no numbers.")
        if not len(rows):
            return []
        answers = self.answers(rows)
        found = list(self.refined(rows, answers, int(draws), seed)) if refine else answers.posteriors(int(draws), seed)
        return found[0] if single else found

    def answers(self, recordings: np.ndarray) -> NetworkAnswers:
        """Mixtures that a posterior network tells of recordings [n, inputs], for many at once."""
        from gait.inference.mixture import GaussianMixtures  # only now: scipy takes a while to load
        from gait.inference.network_posterior import NetworkAnswers

        coordinates = self.config.posterior_coordinates
        assert coordinates is not None
        found = outputs_of(self.network, recordings)
        mixtures = GaussianMixtures(*(found[name].astype(float) for name in ("log_weights", "means", "factors")))
        first = self.config.width - len(self.scenario.measured)
        given = {name: recordings[:, first + column].astype(float)
                 for column, name in enumerate(self.scenario.measured) if name in coordinates.given}  # fmt: skip
        return NetworkAnswers(coordinates, mixtures, given)

    def refined(self, recordings: np.ndarray, answers: NetworkAnswers, draws: int, seed: int) -> Iterator[Posterior]:
        """Yields the exact posterior of each recording, see `posterior`."""
        from gait.inference.refined import refined  # only now: it loads the engine
        from gait.simulation.conditions import RecordingSettings

        settings = RecordingSettings(**(self.config.head or {})["recording"])
        return refined(answers, recordings, self.scenario, answers.coordinates.priors, settings, draws, seed)

    def _checked(self, recordings: np.ndarray) -> np.ndarray:
        recordings = np.asarray(recordings, np.float32)
        if recordings.ndim != 2 or recordings.shape[1] != self.config.width:
            scenario = self.scenario
            once = f", then {', '.join(scenario.measured)}" if scenario.measured else ""
            raise InputError(
                f"The network at {self.folder} takes an array of shape [n, {self.config.width}]: in each row "
                f"{self.config.samples} samples of {', '.join(scenario.inputs)}, one channel after the other{once}. "
                f"Received: shape {list(recordings.shape)}. Reshape the recordings, one row for each."
            )
        return recordings

    @functools.cached_property
    def network(self) -> Any:
        """The `keras.Model` of the run, loaded at the first use; `InputError` if its file holds anything else."""
        with files.local_copy(self.run.model) as path:
            coordinates = self.config.posterior_coordinates
            if coordinates is None:
                return load_network(path, self.config.width, len(self.targets))
            return load_network(path, self.config.width, coordinates.dimension, self.config.settings.components)


def load_run(path: str | AnyPath) -> FinishedRun:
    """Reads a finished run and verifies its files.

    Args:
        path: folder of the run, local or remote (gs://bucket/run).

    Raises:
        InputError: if there is no run in the folder, it is not finished, or its files are damaged.
    """
    run = Run(files.as_path(path))
    config = run.read_config()
    if not run.is_finished():
        raise InputError(f"The run at {run.folder} has no finished model. {config.continuation(run.folder)}")
    result = run.read_result()
    for file, checksum in ((run.model, result.model_sha256), (run.history, result.history_sha256)):
        if not file.exists() or files.sha256(file) != checksum:
            fault = f"damaged: its checksum is not the one in {run.result.name}" if file.exists() else "gone"
            raise InputError(
                f"{file} is {fault}. "
                f"Restore it from a copy, or delete {run.result} and repeat the command that trained this run."
            )
    return FinishedRun(run, config, result, run.read_history())

"""Settings of a training run, and the configuration that its folder keeps."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gait import provenance
from gait.errors import InputError
from gait.inference.coordinates import Coordinates
from gait.parameters import Uniform
from gait.scenarios import SCENARIOS, Scenario, check_scenario, scenario_flags
from gait.scripting import command
from gait.storage.files import AnyPath

if TYPE_CHECKING:
    from gait.data.dataset import Dataset

ACTIVATIONS = ("swish", "relu", "tanh", "gelu", "elu", "selu")
OPTIMIZERS = ("adam", "nadam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("cosine", "exponential", "inverse", "constant")
STRATEGIES = ("auto", "mirrored", "default")
CACHES = ("memory", "none")
PREPROCESSINGS = ("whitened", "standardised")
ESTIMATES = ("point", "posterior")
COORDINATES = ("identifiable", "direct")
_CHOICES = {
    "activation": ACTIVATIONS, "optimizer": OPTIMIZERS, "schedule": SCHEDULES, "cache": CACHES, "strategy": STRATEGIES,
    "preprocessing": PREPROCESSINGS, "estimate": ESTIMATES, "coordinates": COORDINATES,
}  # fmt: skip
MOST = {
    "epochs": 1_000_000, "batch_size": 10**9, "checkpoint_every": 10**9, "layers": 1000, "units": 100_000,
    "early_stopping": 1_000_000, "components": 1000,
}  # fmt: skip
"""Largest values: a million epochs of the paper's data take a month, and wider or deeper networks fill the memory."""
OF_A_POSTERIOR = {"layers": 5, "units": 100, "epochs": 100, "schedule": "cosine", "early_stopping": 15}
"""Defaults of a network that estimates a posterior, where they are others; chosen on the validation split."""


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides the result of a training; where the paper leaves a choice open, the default is ours.

    Attributes:
        scenario: what to estimate, and from what.
        epochs, batch_size, seed: as usual; the batch is shared by all replicas.
        activation, optimizer, learning_rate: see docs/experiment.md, "Choice of activation and optimiser".
        schedule: course of the learning rate; by default that of `Scenario.schedule`. "cosine" falls to zero at the
            last epoch, "exponential" by a fifth in every epoch, "inverse" as 1 / (1 + epoch / 10), "constant" not at
            all.
        cache: "memory" reads the training split once, "none" streams it in every epoch.
        strategy: "auto" is `MirroredStrategy` over all visible GPUs, or TensorFlow's default without one.
        checkpoint_every: epochs between checkpoints.
        layers, units: hidden layers of the network, and units in each (Sameni, section IV).
        preprocessing: of the inputs, see `gait.training.preprocessing`. "standardised" inputs have mean 0 and variance
            1; "whitened" ones are uncorrelated as well.
        early_stopping: number of epochs without a lower validation loss after which training ends; None to go on.
        estimate: "point" for numbers, or "posterior" for a mixture of Gaussians over logits of the targets, see
            `gait.inference.coordinates`.
        components: Gaussians of a posterior.
        coordinates: of a posterior. "identifiable" ones are completed along what a recording cannot tell; "direct" ones
            are mass and stiffness themselves, a control whose k/m has to come out too wide.

    Raises:
        InputError: if a number is out of its range, or the scenario names something unknown.
    """

    scenario: Scenario
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
    layers: int = 7
    units: int = 50
    preprocessing: str = "whitened"
    early_stopping: int | None = None
    estimate: str = "point"
    components: int = 6
    coordinates: str = "identifiable"

    @classmethod
    def of(cls, scenario: Scenario, estimate: str = "point", **given: Any) -> TrainingSettings:
        """Makes settings with the defaults of an estimate, see `OF_A_POSTERIOR`.

        Args:
            scenario: what to estimate, and from what.
            estimate: "point" or "posterior".
            given: other attributes; None stands for the default.
        """
        chosen = {name: value for name, value in given.items() if value is not None}
        defaults: Mapping[str, Any] = OF_A_POSTERIOR if estimate == "posterior" else {}
        return cls(scenario, **{**defaults, "estimate": estimate, **chosen})

    def __post_init__(self):
        check_scenario(self.scenario)
        if self.schedule is None:
            object.__setattr__(self, "schedule", self.scenario.schedule)
        for name, most in MOST.items():
            value = getattr(self, name)
            if value is None:
                continue
            if value < 1:
                raise InputError(f"{name} must be at least 1. Received: --{name}={value}.")
            if value > most:
                raise InputError(f"{name} must be at most {most:,}. Received: --{name}={value}.")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} must be one of {', '.join(choices)}. Received: --{name}={getattr(self, name)}."
                )
        if not 1e-30 <= self.learning_rate <= 1e30:
            raise InputError(
                f"The learning rate must be positive, 1e-30 to 1e30. Received: --learning_rate={self.learning_rate}."
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"The seed must lie between 0 and 2**32 - 1. Received: --seed={self.seed}.")

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON, with the scenario's name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)} | {
            "scenario": self.scenario.name
        }


def coordinates_of(settings: TrainingSettings, priors: Mapping[str, Uniform]) -> Coordinates:
    """Coordinates of a posterior network.

    Args:
        settings: what it estimates, from what.
        priors: range of each parameter of the dataset.

    Raises:
        InputError: if a target is no function of the parameters.
    """
    return Coordinates.of(settings.scenario, priors, direct=settings.coordinates == "direct")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Configuration of a run: settings, dataset and versions.

    Attributes:
        settings: settings of the training.
        samples: number of samples of a channel.
        data: folder of the dataset when training began.
        dataset: identity of the dataset, see `gait.data.dataset.Dataset.identity`.
        versions: of the packages, see `gait.provenance.versions`.
        code_revision: of this code, see `gait.provenance.code_revision`.
        parts: parts of a batch that go through the network side by side, which decides the last digits.
        head: coordinates of a posterior with the ranges of their logits, see `Coordinates.to_dict`, and the gravity of
            the recordings; None for a point estimate.
    """

    settings: TrainingSettings
    samples: int
    data: str
    dataset: str
    versions: dict[str, str]
    code_revision: str | None
    parts: int = 1
    head: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, settings: TrainingSettings, dataset: Dataset, parts: int) -> RunConfig:
        """Makes the configuration of a run that begins now.

        Raises:
            InputError: if a posterior is asked for of what is no function of the parameters.
        """
        head = None
        if settings.estimate == "posterior":
            coordinates = coordinates_of(settings, dataset.priors)
            head = coordinates.to_dict() | {"recording": dataclasses.asdict(dataset.settings)}
        return cls(
            settings=settings,
            samples=dataset.samples,
            data=str(dataset.folder.resolve()),
            dataset=dataset.identity,
            versions=provenance.versions(),
            code_revision=provenance.code_revision(),
            parts=parts,
            head=head,
        )

    @functools.cached_property
    def posterior_coordinates(self) -> Coordinates | None:
        """Coordinates of a posterior; None for a point estimate."""
        return None if self.head is None else Coordinates.from_dict(self.head)

    @property
    def width(self) -> int:
        """Number of the network's inputs."""
        scenario = self.settings.scenario
        return len(scenario.inputs) * self.samples + len(scenario.measured)

    def to_dict(self) -> dict[str, Any]:
        """Content of config.json."""
        scenario = self.settings.scenario
        return {
            "settings": self.settings.to_dict(),
            "inputs": list(scenario.inputs),
            "measured": list(scenario.measured),
            "noise": None if scenario.noise is None else dict(scenario.noise),
            "targets": list(scenario.targets),
            "duration": scenario.duration,
            "interval": scenario.interval,
            "question": scenario.question,
            "samples": self.samples,
            "data": self.data,
            "dataset": self.dataset,
            "versions": self.versions,
            "code_revision": self.code_revision,
            "parts": self.parts,
        } | ({} if self.head is None else {"posterior": dict(self.head)})

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RunConfig:
        """Reads what `to_dict` has written; what earlier code did not write had one value only, which is filled in.

        Raises:
            InputError: if a newer version of this code has written it.
        """
        settings = {"preprocessing": "standardised"} | content["settings"]
        name, known = settings.pop("scenario"), {field.name for field in dataclasses.fields(TrainingSettings)}
        if newer := set(settings) - known:
            raise InputError(
                f"The run has settings that this code does not know: {', '.join(sorted(newer))}. Update this code."
            )
        listed = SCENARIOS.get(name)
        scenario = Scenario(
            name,
            inputs=tuple(content["inputs"]),
            targets=tuple(content["targets"]),
            question=content.get("question", listed.question if listed else name),
            measured=tuple(content.get("measured", ())),
            noise=content.get("noise"),
            duration=content.get("duration"),
            interval=content.get("interval"),
        )
        return cls(
            settings=TrainingSettings(scenario, **settings),
            samples=content["samples"],
            data=content["data"],
            dataset=content["dataset"],
            versions=content.get("versions", {}),
            code_revision=content.get("code_revision"),
            parts=content.get("parts", 1),
            head=content.get("posterior"),
        )

    def differences(self, other: RunConfig) -> list[str]:
        """Lists the entries in which the other run would train another network, a phrase for each."""
        own, others = self._decisive(), other._decisive()
        return [f"{key} {own[key]!r} instead of {others[key]!r}" for key in own if own[key] != others[key]]

    def _decisive(self) -> dict[str, Any]:
        """Entries that the trained network depends on."""
        content = self.to_dict()
        scenario = ("inputs", "measured", "noise", "targets", "duration", "interval")
        entries = {key: content[key] for key in (*scenario, "samples", "dataset")}
        return entries | {key: value for key, value in content["settings"].items() if key != "checkpoint_every"}

    def continuation(self, folder: AnyPath) -> str:
        """Says how to finish the run in a folder."""
        scenario = self.settings.scenario
        described = scenario_flags(scenario)
        if described is None:
            return f"Finish it: call gait.training.train again with the scenario {scenario.name} and the same settings."
        own, estimate = self.settings.to_dict(), self.settings.estimate
        default = TrainingSettings.of(scenario, estimate).to_dict()
        changed = [f"--{name}={value}" for name, value in own.items() if value != default[name]]
        if estimate != "point":
            changed.append(f"--estimate={estimate}")
        words = [f"--data={self.data}", *described, f"--out={folder}", *changed]
        return f"Finish it: {command('python', 'train.py', *words)}"

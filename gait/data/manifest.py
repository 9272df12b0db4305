"""The description that makes a folder of shards a dataset. Readers obey it, not constants in code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gait.errors import InputError
from gait.parameters import QUANTITIES, Uniform
from gait.scripting import command
from gait.simulation.channels import CHANNELS, check_channels
from gait.simulation.conditions import RecordingSettings
from gait.simulation.population import Population
from gait.simulation.walks import TOLERANCES
from gait.storage.files import AnyPath, read_json, read_sealed, write_sealed

FILE = "manifest.json"
FORMAT_VERSION = 2
SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}
"""Share of each split (Sameni, section IV)."""
RECORDS_PER_SHARD = 20_000
AUDITED_RECORDS = 16
"""Records of a dataset that the reference engine integrates again."""
_NEEDED = (
    "identity", "seed", "records", "channels", "parameters", "priors", "gravity", "duration", "interval", "samples",
    "engine", "shard_count", "outcomes", "audit", "versions", "shards",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of consecutive records: `start` to `stop` of the whole dataset."""

    name: str
    split: str
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """Contents of a dataset and how they are cut into files: all that decides the bytes of its shards.

    Attributes:
        population: walkers to draw.
        settings: how their walks are recorded.
        records: number of records of each split.
        channels: names of the recorded channels.
        engine: name of the engine; `tolerance`: its accuracy setting.
        shard_count: files asked for; a split gets its share of them, and one at least.
    """

    population: Population
    settings: RecordingSettings
    records: Mapping[str, int]
    channels: tuple[str, ...]
    engine: str
    tolerance: float
    shard_count: int

    @classmethod
    def of(
        cls,
        population: Population,
        settings: RecordingSettings,
        *,
        records: int = 1_000_000,
        channels: Sequence[str] = ("x", "y", "fx", "fy"),
        engine: str = "taylor",
        shards: int | None = None,
        splits: Mapping[str, float] = SPLITS,
    ) -> Plan:
        """Plans a dataset.

        Args:
            population: walkers to draw.
            settings: how their walks are recorded.
            records: number of records in all splits together.
            channels: names of the channels to record.
            engine: name of the engine.
            shards: number of files; by default one for 20,000 records.
            splits: share of each split; their sum need not be 1.

        Raises:
            InputError: if a number or a name is out of its range.
        """
        check_channels(channels)
        if engine not in TOLERANCES:
            raise InputError(f"The engine is one of {', '.join(TOLERANCES)}. Received: --engine={engine}.")
        if shards is not None and shards < 1:
            raise InputError(f"The number of shards must be at least 1. Received: --shards={shards}.")
        fewest = math.ceil(sum(splits.values()) / min(splits.values()))
        while min(_split(fewest, splits).values()) < 1:  # rounding gives all of them to the other splits
            fewest += 1
        if records < fewest:
            shares = "/".join(f"{100 * share / sum(splits.values()):.3g}" for share in splits.values())
            raise InputError(
                f"A dataset needs at least {fewest:,} records to be split {shares}. Received: --records={records}."
            )
        count = shards or -(-records // RECORDS_PER_SHARD)
        return cls(population, settings, _split(records, splits), tuple(channels), engine, TOLERANCES[engine], count)

    @property
    def total(self) -> int:
        """Number of records in all splits together."""
        return sum(self.records.values())

    @property
    def _is_split_as_usual(self) -> bool:
        return self.records == _split(self.total, SPLITS)

    def layout(self) -> list[Shard]:
        """All shards: the training split's first, every split's shards of nearly equal size."""
        found, start = [], 0
        for split, records in self.records.items():
            share = SPLITS[split] if self._is_split_as_usual else records / self.total
            count = min(records, max(1, round(self.shard_count * share)))
            edges = [start + records * i // count for i in range(count + 1)]
            found += [
                Shard(f"{split}-{i:05d}-of-{count:05d}.tfrecord", split, edges[i], edges[i + 1]) for i in range(count)
            ]
            start += records
        return found

    def to_dict(self) -> dict[str, Any]:
        """The plan as it stands in the manifest; equal plans, equal datasets."""
        names, priors = self.population.names, self.population.priors
        return {
            "format_version": FORMAT_VERSION,
            "seed": self.population.seed,
            "records": dict(self.records),
            "channels": {name: CHANNELS[name].unit for name in self.channels},
            "parameters": {name: QUANTITIES[name].unit for name in names},
            "priors": {name: {"distribution": "uniform"} | dataclasses.asdict(priors[name]) for name in names},
            "gravity": self.settings.gravity,
            "duration": self.settings.duration,
            "interval": self.settings.interval,
            "samples": int(self.settings.times.size),
            "engine": {"name": self.engine, "tolerance": self.tolerance},
            "shard_count": self.shard_count,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Plan:
        """The plan that `to_dict` has written."""
        priors = {name: Uniform(prior["low"], prior["high"]) for name, prior in content["priors"].items()}
        return cls(
            population=Population(priors, content["seed"]),
            settings=RecordingSettings(content["duration"], content["interval"], content["gravity"]),
            records=dict(content["records"]),
            channels=tuple(content["channels"]),
            engine=content["engine"]["name"],
            tolerance=content["engine"]["tolerance"],
            shard_count=content["shard_count"],
        )

    def identity(self, witnesses: Sequence[bytes]) -> str:
        """A short name for the walks of the dataset, however they are cut into shards.

        Args:
            witnesses: some records as they are on disk, which tell other results of other code apart.
        """
        content = {key: value for key, value in self.to_dict().items() if key != "shard_count"}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
        for record in witnesses:
            digest.update(record)
        return digest.hexdigest()[:16]

    def command(self, folder: AnyPath, *more: str) -> str:
        """The command that makes the dataset in a folder, or the part of it that is missing."""
        flags: dict[str, object] = {
            "out": folder,
            "records": self.total,
            "seed": self.population.seed,
            "engine": self.engine,
            "channels": ",".join(self.channels),
            "duration": self.settings.duration,
            "interval": self.settings.interval,
            "gravity": self.settings.gravity,
            "shards": self.shard_count,
            **{name: f"{prior.low},{prior.high}" for name, prior in self.population.priors.items()},
        }
        if "angle_of_attack" in self.population.priors:
            flags["touchdown"] = "angle_of_attack"
        if not self._is_split_as_usual:
            flags["splits"] = ",".join(str(count) for count in self.records.values())
        return command("python", "simulate.py", *(f"--{name}={value}" for name, value in flags.items()), *more)


def _split(records: int, splits: Mapping[str, float]) -> dict[str, int]:
    """Records of each split: training takes what the others leave."""
    whole = sum(splits.values())
    whole = 1.0 if math.isclose(whole, 1.0) else whole  # shares of 1 are taken as they are, to the last digit
    held_out = {name: round(records * (share / whole)) for name, share in splits.items() if name != "train"}
    return {"train": records - sum(held_out.values()), **held_out}


def parse_splits(words: Sequence[str]) -> dict[str, float]:
    """Shares of the splits that a user has written as TRAIN,VALIDATION,TEST.

    Raises:
        InputError: unless these are three positive numbers of a sensible size.
    """
    try:
        shares = [float(word) for word in words]
    except ValueError:
        shares = []
    if len(shares) != len(SPLITS) or not all(1e-9 <= share <= 1e12 for share in shares):
        raise InputError(
            f"The splits are three positive numbers (1e-9 to 1e12), the shares of {', '.join(SPLITS)}. "
            f"Received: {','.join(words)!r}. Give them as --splits=80,10,10."
        )
    return dict(zip(SPLITS, shares, strict=True))


@dataclasses.dataclass(frozen=True)
class ShardEntry:
    """A finished shard, as the manifest has it.

    Attributes:
        split: name of its split.
        records: number of its records.
        bytes: its size.
        sha256: its checksum, as 64 hexadecimal digits.
        outcomes: numbers of draws that ended in each `gait.Outcome`.
    """

    split: str
    records: int
    bytes: int
    sha256: str
    outcomes: list[int]

    def fault(self, path: AnyPath, checksum: str | None = None) -> str | None:
        """Fault of a file that should be this shard, in words; None if its size, and its checksum if given, fit."""
        if not path.is_file():
            return "is missing"
        size = path.stat().st_size
        if size != self.bytes:
            return f"has {size:,} bytes instead of {self.bytes:,}"
        if checksum is not None and checksum != self.sha256:
            return "is damaged: its checksum is not the one in the manifest"
        return None


@dataclasses.dataclass(frozen=True)
class Audit:
    """Agreement of some records with the reference engine.

    Attributes:
        records: number of audited records.
        limit_m: largest accepted distance from the reference, m.
        worst_m: largest distance found, m; `worst_record`: number of its record.
        sensitive: records to which a wider limit was applied: difference and limit, m.
    """

    records: int
    limit_m: float
    worst_m: float
    worst_record: int | None
    sensitive: dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Contents of the manifest of a finished dataset.

    Attributes:
        plan: what was asked for.
        identity: short name for its walks, see `Plan.identity`.
        outcomes: number of draws that ended in each outcome, by the outcome's name.
        audit: agreement with the reference engine.
        versions: of the packages that made it, see `gait.provenance.versions`; `code_revision`: of this code.
        shards: finished files by name, in the order of their records.
    """

    plan: Plan
    identity: str
    outcomes: dict[str, int]
    audit: Audit
    versions: dict[str, str]
    code_revision: str | None
    shards: dict[str, ShardEntry]

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON."""
        return self.plan.to_dict() | {
            "identity": self.identity,
            "outcomes": self.outcomes,
            "audit": dataclasses.asdict(self.audit),
            "versions": self.versions,
            "code_revision": self.code_revision,
            "shards": {name: dataclasses.asdict(entry) for name, entry in self.shards.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Manifest:
        """The manifest that `to_dict` has written."""
        return cls(
            plan=Plan.from_dict(content),
            identity=content["identity"],
            outcomes=content["outcomes"],
            audit=Audit(**content["audit"]),
            versions=content["versions"],
            code_revision=content.get("code_revision"),
            shards={name: ShardEntry(**entry) for name, entry in content["shards"].items()},
        )

    @classmethod
    def read(cls, folder: AnyPath) -> Manifest:
        """Reads the manifest of a dataset.

        Raises:
            InputError: if the folder or its manifest is missing, unreadable or of another format, or if it describes
                records that this code does not know.
        """
        path, make = folder / FILE, command("python", "simulate.py", f"--out={folder}")
        if not folder.is_dir():
            raise InputError(f"There is no dataset at {folder}. Make one: {make}")
        if not path.is_file():
            raise InputError(
                f"{folder} has no {FILE}, so it is not a finished dataset. "
                f"Make or finish it: {make} (with the flags it was begun with)"
            )
        version = read_json(path, "manifest", ["format_version"])["format_version"]
        if version != FORMAT_VERSION:
            newer = isinstance(version, int) and version > FORMAT_VERSION
            advice = "Update this code." if newer else f"Make it anew: {make} --overwrite"
            raise InputError(
                f"{path} has format version {version!r}; this code reads version {FORMAT_VERSION}. {advice}"
            )
        content = read_sealed(path, "manifest", _NEEDED)
        unknown = [name for name in content["channels"] if name not in CHANNELS]
        if not unknown:
            plan = Plan.from_dict(content).to_dict()
            unknown = [key for key in plan if plan[key] != content[key]]
        if unknown:
            raise InputError(
                f"{path} describes records that this code does not know. They differ in: {', '.join(unknown)}. "
                f"Read it with the code that wrote it, or make it anew: {make} --overwrite"
            )
        return cls.from_dict(content)

    def write(self, folder: AnyPath) -> None:
        """Writes the manifest, which makes the folder a finished dataset."""
        write_sealed(folder / FILE, self.to_dict())

"""The description that makes a folder of shards a dataset. Readers obey it, not constants in code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex

from gait.simulation.channels import CHANNELS, check_channels
from gait.errors import InputError
from gait.storage.files import AnyPath, read_json, read_sealed, sha256, write_sealed
from gait.parameters import NAMES, QUANTITIES, Uniform
from gait.simulation.population import Population

FILE = "manifest.json"
FORMAT_VERSION = 2
SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}
RECORDS_PER_SHARD = 20_000
_RESULTS = ("identity", "outcomes", "audit", "versions", "code_revision", "shards")
_NEEDED = (
    "identity", "seed", "records", "channels", "parameters", "priors", "gravity", "duration", "interval", "samples",
    "engine", "shard_count", "outcomes", "audit", "versions", "shards",
)  # fmt: skip
AUDITED_RECORDS = 16
"""Records of a dataset that the reference engine integrates again."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of consecutive records: `start` to `stop` of the whole dataset."""

    name: str
    split: str
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a dataset will hold and how it is cut into files."""

    population: Population
    records: int
    channels: tuple[str, ...]
    shards: int | None = None

    def __post_init__(self):
        check_channels(self.channels)
        if self.records < 10:
            raise InputError(
                f"A dataset needs at least 10 records to be split 80/10/10. Received: --records={self.records}."
            )
        if self.shards is not None and self.shards < 1:
            raise InputError(f"The number of shards must be at least 1. Received: --shards={self.shards}.")

    @property
    def records_per_split(self) -> dict[str, int]:
        validation = round(self.records * SPLITS["validation"])
        test = round(self.records * SPLITS["test"])
        return {"train": self.records - validation - test, "validation": validation, "test": test}

    @property
    def shard_count(self) -> int:
        """Files asked for; a split gets its share of them, and one at least."""
        return self.shards or -(-self.records // RECORDS_PER_SHARD)

    def layout(self) -> list[Shard]:
        """All shards: the training split's first, every split's shards of nearly equal size."""
        found, start = [], 0
        for split, records in self.records_per_split.items():
            count = min(records, max(1, round(self.shard_count * SPLITS[split])))
            edges = [start + records * i // count for i in range(count + 1)]
            found += [
                Shard(f"{split}-{i:05d}-of-{count:05d}.tfrecord", split, edges[i], edges[i + 1]) for i in range(count)
            ]
            start += records
        return found

    def settings(self) -> dict:
        """Everything that decides the bytes of the shards, as JSON; equal settings, equal dataset."""
        population = self.population
        return {
            "format_version": FORMAT_VERSION,
            "seed": population.seed,
            "records": self.records_per_split,
            "channels": {name: CHANNELS[name].unit for name in self.channels},
            "parameters": {name: QUANTITIES[name].unit for name in NAMES},
            "priors": {
                name: {"distribution": "uniform", "low": prior.low, "high": prior.high}
                for name, prior in ((name, population.priors[name]) for name in NAMES)
            },
            "gravity": population.gravity,
            "duration": population.duration,
            "interval": population.interval,
            "samples": int(population.times.size),
            "engine": {"name": population.engine, "tolerance": population.tolerance},
            "shard_count": self.shard_count,
        }


def identity(settings: dict, witnesses: list[bytes]) -> str:
    """A short name for the walks in a dataset, however they are cut into shards.

    Args:
        settings: see `Plan.settings`.
        witnesses: some records as they are on disk, which tell other results of other code apart.
    """
    content = {key: value for key, value in settings.items() if key != "shard_count"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for record in witnesses:
        digest.update(record)
    return digest.hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A finished dataset, as read from its folder."""

    folder: AnyPath
    content: dict

    @property
    def identity(self) -> str:
        return self.content["identity"]

    @property
    def settings(self) -> dict:
        """What `Plan.settings` was when the dataset was made."""
        return {key: value for key, value in self.content.items() if key not in _RESULTS}

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self.content["channels"])

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self.content["parameters"])

    @property
    def samples(self) -> int:
        return self.content["samples"]

    @property
    def priors(self) -> dict[str, Uniform]:
        return {name: Uniform(prior["low"], prior["high"]) for name, prior in self.content["priors"].items()}

    @property
    def population(self) -> Population:
        """Who walks in it."""
        entries = {name: self.content[name] for name in ("seed", "gravity", "duration", "interval")}
        return Population(priors=self.priors, engine=self.content["engine"]["name"], **entries)

    def summary(self) -> str:
        """What the dataset holds and how it was checked, in a sentence or two."""
        content = self.content
        total = sum(content["records"].values())
        draws = sum(content["outcomes"].values())
        failed = {name: n for name, n in content["outcomes"].items() if n and name != "walked"}
        checked = content["audit"]
        audit = (
            f"Audit: {checked['records']} records against the scipy reference, "
            f"worst difference {checked['worst_m']:.1e} m."
            if checked["records"]
            else "Not audited."
        )
        return (
            f"{total:,} walks ({', '.join(f'{n:,} {split}' for split, n in content['records'].items())}) "
            f"with channels {', '.join(self.channels)}. {total / draws:.1%} of {draws:,} draws walked"
            + (f" (the others ended in: {', '.join(f'{name} {n:,}' for name, n in failed.items())})" if failed else "")
            + f". {audit}"
        )

    def records(self, split: str) -> int:
        return self.content["records"][split]

    def shards(self, split: str) -> list[str]:
        """Names of the split's files, in the order of their records."""
        return [name for name, shard in self.content["shards"].items() if shard["split"] == split]

    def command(self) -> str:
        """The command that makes this dataset, or the part of it that is missing."""
        content = self.content
        flags = {
            "out": self.folder,
            "records": sum(content["records"].values()),
            "seed": content["seed"],
            "engine": content["engine"]["name"],
            "channels": ",".join(self.channels),
            "duration": content["duration"],
            "interval": content["interval"],
            "gravity": content["gravity"],
            "shards": content["shard_count"],
            "audit": content["audit"]["records"],
            **{name: f"{prior.low},{prior.high}" for name, prior in self.priors.items()},
        }
        return "python simulate.py " + " ".join(shlex.quote(f"--{name}={value}") for name, value in flags.items())

    def check_shard(self, name: str, checksum: str | None) -> None:
        """Raises `InputError` unless a shard is there, of its right size and of the checksum, if one is given."""
        entry = self.content["shards"][name]
        if fault := _missing(self.folder / name, entry):
            raise self._faulty(name, fault)
        if checksum is not None and checksum != entry["sha256"]:
            raise self._faulty(name, _DAMAGED)

    def _faulty(self, name: str, fault: str) -> InputError:
        return InputError(
            f"The shard {self.folder / name} {fault}. This command makes just that shard again: {self.command()}"
        )


_DAMAGED = "is damaged: its checksum is not the one in the manifest"


def _missing(path: AnyPath, entry: dict) -> str | None:
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != entry["bytes"]:
        return f"has {size:,} bytes instead of {entry['bytes']:,}"
    return None


def shard_fault(path: AnyPath, entry: dict) -> str | None:
    """What is wrong with a shard, compared with its manifest entry, in words; None if nothing is."""
    return _missing(path, entry) or (_DAMAGED if sha256(path) != entry["sha256"] else None)


def read(folder: AnyPath) -> Manifest:
    """Reads the manifest of a dataset.

    Raises:
        InputError: if the folder or its manifest is missing, unreadable or from a newer version.
    """
    path = folder / FILE
    if not folder.is_dir():
        raise InputError(f"There is no dataset at {folder}. Make one: python simulate.py --out={folder}")
    if not path.is_file():
        raise InputError(
            f"{folder} has no {FILE}, so it is not a finished dataset. "
            f"Make or finish it: python simulate.py --out={folder} (with the flags it was begun with)"
        )
    content = read_json(path, "manifest", ["format_version"])
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        way_out = "Update this code." if newer else f"Make it anew: python simulate.py --out={folder} --overwrite"
        raise InputError(f"{path} has format version {version!r}; this code reads version {FORMAT_VERSION}. {way_out}")
    return Manifest(folder, read_sealed(path, "manifest", _NEEDED))


def write(folder: AnyPath, content: dict) -> Manifest:
    """Writes the manifest, which makes the folder a finished dataset."""
    write_sealed(folder / FILE, content)
    return Manifest(folder, content)

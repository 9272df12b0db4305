"""A dataset on disk, as its readers see it."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from gait.data.manifest import FILE, Manifest, Plan, ShardEntry
from gait.data.views import Selection, command_with, sources, viewed_settings
from gait.errors import InputError
from gait.parameters import Uniform
from gait.provenance import cores
from gait.simulation.channels import CHANNELS
from gait.simulation.conditions import RecordingSettings
from gait.simulation.model import Outcome
from gait.simulation.population import Population
from gait.storage.files import AnyPath, as_path, sha256
from gait.storage.folders import DATASET, check_kind

if TYPE_CHECKING:
    import pandas as pd

    from gait.data.reading import Reader

_Result = TypeVar("_Result")


class Part(NamedTuple):
    """Consecutive records of a split.

    Attributes:
        rows: their numbers within the split.
        inputs: shape [n, c * samples], float32, one channel after the other, SI units.
        parameters: shape [n, p], float64, in the order of `Dataset.parameters`, SI units.
    """

    rows: slice
    inputs: np.ndarray
    parameters: np.ndarray


@dataclasses.dataclass(frozen=True)
class Split:
    """Records of one split in memory.

    Attributes:
        inputs: shape [n, c * samples], float32, one channel after the other, SI units.
        parameters: one row a record, one column a parameter by its long name, float64, SI units.
    """

    inputs: np.ndarray
    parameters: pd.DataFrame


def open_dataset(path: str | AnyPath) -> Dataset:
    """Opens a dataset that `simulate.py` has made; its records are read when they are asked for.

    Args:
        path: its folder, local or remote (gs://bucket/walks).

    Raises:
        InputError: if there is no finished dataset, or its manifest is damaged or of another format.
    """
    folder = as_path(path)
    check_kind(folder, DATASET, flag="data")
    return Dataset(folder, Manifest.read(folder))


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A finished dataset; opened by `open_dataset`.

    Attributes:
        folder: where it is.
        manifest: description of its contents.
        view: how its walks are seen, if not as they were recorded; see `viewed`.
    """

    folder: AnyPath
    manifest: Manifest
    view: RecordingSettings | None = None

    @property
    def plan(self) -> Plan:
        """Plan that the dataset was made from."""
        return self.manifest.plan

    @property
    def identity(self) -> str:
        """A short name for its walks, however they are cut into shards."""
        return self.manifest.identity

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the recorded channels."""
        return self.plan.channels

    @property
    def readable(self) -> tuple[str, ...]:
        """Names of the channels that can be read: recorded, or computed from recorded ones and the parameters."""
        return tuple(name for name in CHANNELS if sources(self.plan, self.settings, name))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters of a record, in their order."""
        return self.plan.population.names

    @property
    def samples(self) -> int:
        """Number of samples of a channel, in the view."""
        return self.settings.times.size

    @property
    def population(self) -> Population:
        """Walkers it was drawn from."""
        return self.plan.population

    @property
    def priors(self) -> Mapping[str, Uniform]:
        """Range of each parameter, SI units."""
        return self.plan.population.priors

    @property
    def settings(self) -> RecordingSettings:
        """How its walks were recorded, or are seen in the view."""
        return self.view or self.plan.settings

    def count(self, split: str) -> int:
        """Number of records of a split.

        Raises:
            InputError: if there is no split of this name.
        """
        if split not in self.plan.records:
            raise InputError(f"The splits of a dataset are {', '.join(self.plan.records)}. Received: {split!r}.")
        return self.plan.records[split]

    def shards(self, split: str) -> dict[str, ShardEntry]:
        """The split's files by name, in the order of their records."""
        return {name: entry for name, entry in self.manifest.shards.items() if entry.split == split}

    def command(self, *more: str) -> str:
        """The command that makes this dataset, or the part of it that is missing."""
        return self.plan.command(self.folder, f"--audit={self.manifest.audit.records}", *more)

    def summary(self) -> str:
        """Contents of the dataset and how they were checked, in a few sentences."""
        manifest, total = self.manifest, self.plan.total
        draws = sum(manifest.outcomes.values())
        walked = Outcome.WALKED.name.lower()
        seen = f", seen for {self.view.duration:g} s every {self.view.interval:g} s" if self.view else ""
        failed = [f"{name} {n:,}" for name, n in manifest.outcomes.items() if n and name != walked]
        audit = (
            f"Audit: {manifest.audit.records} records against the scipy reference, "
            f"worst difference {manifest.audit.worst_m:.1e} m."
            if manifest.audit.records
            else "Not audited."
        )
        return (
            f"{total:,} walks ({', '.join(f'{n:,} {split}' for split, n in self.plan.records.items())}) "
            f"with channels {', '.join(self.channels)}{seen}. {total / draws:.1%} of {draws:,} draws walked"
            + (f" (the others ended in: {', '.join(failed)})" if failed else "")
            + f". {audit}"
        )

    def viewed(self, duration: float | None = None, interval: float | None = None) -> Dataset:
        """Sees the first seconds of each record and every n-th sample, as if it had been recorded so.

        All that is read follows, also channels that divide by a mean over the record. The identity stays.

        Args:
            duration: length of the view, s; by default as now.
            interval: time between its samples, a multiple of the stored one, s; by default as now.

        Raises:
            InputError: if the records are shorter, or their interval does not divide that of the view.
        """
        given = {"duration": duration, "interval": interval}
        changes = {name: value for name, value in given.items() if value is not None}
        settings = viewed_settings(self.plan, dataclasses.replace(self.settings, **changes), self.folder)
        return dataclasses.replace(self, view=None if settings == self.plan.settings else settings)

    # Reading ---------------------------------------------------------------------------------

    def selection(self, channels: Sequence[str]) -> Selection:
        """Chooses what to read of a record so that the channels can be made of it, as the view shows them.

        Raises:
            InputError: if a channel is neither recorded nor can be computed.
        """
        self.require(channels)
        return Selection(self.plan, self.settings, tuple(channels))

    def load(self, split: str, channels: Sequence[str], enough: int | None = None) -> Split:
        """Reads a split into memory.

        Args:
            split: "train", "validation" or "test".
            channels: names of the channels to read, some of `readable`.
            enough: number of records that are enough; the split's first shards that have them are read.

        Raises:
            InputError: as `scan`.
        """
        import pandas as pd

        count, shards = self.count(split), None
        if enough is not None and enough < count:
            sizes = list(itertools.accumulate(entry.records for entry in self.shards(split).values()))
            shards = 1 + next(i for i, size in enumerate(sizes) if size >= enough)
            count = sizes[shards - 1]
        inputs = np.empty((count, len(channels) * self.samples), np.float32)
        parameters = np.empty((count, len(self.parameters)))

        def keep(part: Part) -> None:
            inputs[part.rows], parameters[part.rows] = part.inputs, part.parameters

        self.scan(split, channels, keep, shards)
        return Split(inputs, pd.DataFrame(parameters, columns=list(self.parameters)))

    def scan(
        self, split: str, channels: Sequence[str], take: Callable[[Part], _Result], shards: int | None = None
    ) -> list[_Result]:
        """Hands a split to a function, a part at a time, and returns its results in the order of the records.

        Args:
            split: "train", "validation" or "test".
            channels: names of the channels to read, some of `readable`.
            take: called from several threads at once, on parts in no particular order.
            shards: number of the split's first shards to read; by default all.

        Raises:
            InputError: if the split or a channel is missing, a shard is not as it was written, or a record holds NaN.
                The function may by then have been given some of its records.
        """
        from gait.data.reading import Reader  # only now: TensorFlow takes seconds to load

        selection = self.selection(channels)
        count, entries = self.count(split), self.shards(split)
        reader = Reader(self.channels, selection.stored_samples, selection.stored, len(self.parameters))
        *starts, total = itertools.accumulate((entry.records for entry in entries.values()), initial=0)
        if total != count:
            raise InputError(
                f"{self.folder / FILE} counts {count:,} records of the {split} split, but its shards have "
                f"{total:,}. Restore it from a copy, or make the dataset anew: {self.command('--overwrite')}"
            )

        def seen(part: Part) -> _Result:
            return take(part._replace(inputs=selection.of(part.inputs, part.parameters)))

        results: list[_Result] = []
        stop = threading.Event()
        with ThreadPoolExecutor(cores()) as pool:
            jobs = [
                pool.submit(self._scan_shard, name, first, reader, seen, stop)
                for name, first in list(zip(entries, starts, strict=True))[:shards]
            ]
            try:
                for job in jobs:
                    results += job.result()
            finally:
                stop.set()  # after an error, the others need not go on
                for job in jobs:
                    job.cancel()
        return results

    def record(self, number: int) -> bytes:
        """One record of the whole dataset as it is on disk, once its shard is found to be whole."""
        from gait.data.reading import place_of, read_record

        name, _ = place_of(self.manifest.shards, number)
        self.check(name, sha256(self.folder / name))
        return read_record(self.folder, self.plan, self.manifest.shards, number)

    # Checking --------------------------------------------------------------------------------

    def require(self, channels: Sequence[str]) -> None:
        """Raises `InputError` unless all channels are recorded or can be computed from what is."""
        missing = [name for name in dict.fromkeys(channels) if name not in self.readable]
        if missing:
            audit = f"--audit={self.manifest.audit.records}"
            make = command_with(self.plan, self.settings, self.folder, missing, audit)
            raise InputError(
                f"The scenario reads {', '.join(channels)}, but {self.folder} lacks {', '.join(missing)}: it was made "
                f"with --channels={','.join(self.channels)}, from which {', '.join(self.readable) or 'nothing'} can be "
                f"read. This command makes a dataset of the same walkers that has all of them: {make}"
            )

    def check(self, name: str, checksum: str | None) -> None:
        """Raises `InputError` unless a shard is there, of its right size and of the checksum, if one is given."""
        if fault := self.manifest.shards[name].fault(self.folder / name, checksum):
            raise InputError(
                f"The shard {self.folder / name} {fault}. This command makes just that shard again: {self.command()}"
            )

    def _scan_shard(
        self, name: str, first: int, reader: Reader, take: Callable[[Part], _Result], stop: threading.Event
    ) -> list[_Result]:
        """Hands the records of one shard, the first of which is record `first` of its split, to a function."""
        path, expected = self.folder / name, self.manifest.shards[name].records
        self.check(name, checksum=None)
        before = signature(path)
        results: list[_Result] = []
        rows, digest = slice(first, first), hashlib.sha256()
        for inputs, parameters in reader.pieces(path, digest, lambda: self.check(name, digest.hexdigest())):
            if stop.is_set():
                return results
            rows = slice(rows.stop, rows.stop + len(inputs))
            if rows.stop > first + expected:
                break
            finite = np.isfinite(inputs).all(axis=1) & np.isfinite(parameters).all(axis=1)
            if not finite.all():
                self.check(name, sha256(path))
                raise InputError(
                    f"Record {rows.start - first + int(np.argmin(finite))} of {path} holds a value that is not a "
                    "finite number. Every value of a record must be finite. Make the dataset anew: "
                    f"{self.command('--overwrite')}"
                )
            results.append(take(Part(rows, inputs, parameters)))
        if rows.stop != first + expected:
            self.check(name, sha256(path))
            raise InputError(
                f"{path} does not have the {expected:,} records that the manifest says it has. "
                f"Make the dataset anew: {self.command('--overwrite')}"
            )
        self.check(name, digest.hexdigest())
        if signature(path) != before:  # a shard of another layout is read once more after its checksum
            self.check(name, sha256(path))
        return results


def signature(path: AnyPath) -> tuple[int | None, ...] | None:
    """Size, times and numbers of a file, which change with every other one under its name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    names = ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev")
    return tuple(getattr(found, name, None) for name in names)  # a remote storage has less to tell

"""Reading a dataset: shard by shard, several at a time, each checked while it is read."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from gait.storage import files
from gait.data import manifest
from gait.data.records import RecordTemplate, parse
from gait.errors import InputError
from gait.provenance import cores
from gait.data.manifest import Manifest

_PIECE = 4_000_000  # bytes; so few are still in the processor's cache when their checksum has been taken
_Result = TypeVar("_Result")


class Part(NamedTuple):
    """Consecutive records of a split.

    Attributes:
        rows: their numbers within the split.
        inputs: shape [n, c * samples], float32, one channel after the other, SI units.
        parameters: shape [n, 7], float64, in the manifest's order, SI units.
    """

    rows: slice
    inputs: np.ndarray
    parameters: np.ndarray


@dataclasses.dataclass(frozen=True)
class Split:
    """The records of one split in memory.

    Attributes:
        inputs: shape [n, c * samples], float32, one channel after the other, SI units.
        parameters: name → shape [n], float64, SI units.
    """

    inputs: np.ndarray
    parameters: dict[str, np.ndarray]


def scan(
    described: Manifest,
    split: str,
    channels: tuple[str, ...],
    take: Callable[[Part], _Result],
    shards: int | None = None,
) -> list[_Result]:
    """Hands a split to a function, a part at a time, and returns what it has returned, in the order of the records.

    Args:
        described: the dataset.
        split: name of the split.
        channels: what to read.
        take: called from several threads at once, on parts in no particular order.
        shards: how many of the split's first shards; by default all.

    Raises:
        InputError: if a channel is missing, a shard is not as it was written, or a record holds NaN.
            The function may by then have been given some of its records.
    """
    require_channels(described, channels)
    template = RecordTemplate(described.channels, described.samples)
    names = described.shards(split)
    counts = (described.content["shards"][name]["records"] for name in names)
    *starts, total = itertools.accumulate(counts, initial=0)
    if total != described.records(split):
        raise InputError(
            f"{described.folder / manifest.FILE} counts {described.records(split):,} records of the {split} split, but "
            f"its shards have {total:,}. Restore it from a copy, or make the dataset anew: "
            f"{described.command()} --overwrite"
        )
    results, stop = [], threading.Event()
    with ThreadPoolExecutor(cores()) as pool:
        jobs = [
            pool.submit(_scan_shard, described, name, first, channels, template, take, stop)
            for name, first in list(zip(names, starts, strict=True))[:shards]
        ]
        try:
            for job in jobs:
                results += job.result()
        finally:
            stop.set()  # after an error, the others need not go on
            for job in jobs:
                job.cancel()
    return results


def load(described: Manifest, split: str, channels: tuple[str, ...], enough: int | None = None) -> Split:
    """Reads a split into memory, or as many of its first shards as have enough records; raises like `scan`."""
    count = described.records(split)
    shards = None
    if enough is not None and enough < count:
        sizes = list(
            itertools.accumulate(described.content["shards"][name]["records"] for name in described.shards(split))
        )
        shards = 1 + next(i for i, size in enumerate(sizes) if size >= enough)
        count = sizes[shards - 1]
    inputs = np.empty((count, len(channels) * described.samples), np.float32)
    parameters = np.empty((count, len(described.parameters)))

    def keep(part: Part) -> None:
        inputs[part.rows], parameters[part.rows] = part.inputs, part.parameters

    scan(described, split, channels, keep, shards)
    return Split(inputs, dict(zip(described.parameters, parameters.T.copy(), strict=True)))


def require_channels(described: Manifest, channels: tuple[str, ...]) -> None:
    """Raises `InputError` unless the dataset has recorded all channels."""
    missing = [name for name in channels if name not in described.channels]
    if missing:
        raise InputError(
            f"The scenario reads {', '.join(channels)}, but {described.folder} lacks {', '.join(missing)}: it was made "
            f"with --channels={','.join(described.channels)}. Make a dataset that has all of them."
        )


def _scan_shard(described: Manifest, name: str, first: int, channels, template: RecordTemplate, take, stop) -> list:
    """Hands the records of one shard, the first of which is record `first` of its split, to a function."""
    expected = described.content["shards"][name]["records"]
    described.check_shard(name, checksum=None)
    results, rows, digest = [], slice(first, first), hashlib.sha256()
    for inputs, parameters in _pieces(described, name, channels, template, digest):
        if stop.is_set():
            return results
        rows = slice(rows.stop, rows.stop + len(inputs))
        if rows.stop > first + expected:
            break
        finite = np.isfinite(inputs).all(axis=1) & np.isfinite(parameters).all(axis=1)
        if not finite.all():
            described.check_shard(name, files.sha256(described.folder / name))
            raise InputError(
                f"Record {rows.start - first + int(np.argmin(finite))} of {described.folder / name} holds a value that "
                f"is not a finite number. Every value of a record must be finite. Make the dataset anew: "
                f"{described.command()} --overwrite"
            )
        results.append(take(Part(rows, inputs, parameters)))
    if rows.stop != first + expected:
        described.check_shard(name, files.sha256(described.folder / name))
        raise InputError(
            f"{described.folder / name} does not have the {expected:,} records that the manifest says it has. "
            f"Make the dataset anew: {described.command()} --overwrite"
        )
    described.check_shard(name, digest.hexdigest())
    return results


def _pieces(described: Manifest, name: str, channels, template: RecordTemplate, digest) -> Iterator[tuple]:
    """Inputs and parameters of a shard's records, piece by piece; the checksum takes in what has been read."""
    path, foreign, done = described.folder / name, False, 0
    records = max(1, _PIECE // template.framed_size)
    for piece in files.pieces(path, template.framed_size * records):
        digest.update(piece)
        rows = None if foreign else template.rows(piece)
        if rows is None:
            foreign = True
        else:
            done += len(rows)
            yield template.values(rows, channels)
    if foreign:  # damaged, or laid out in another of the ways that are open to a `tf.train.Example`
        described.check_shard(name, digest.hexdigest())
        for batch in tf.data.TFRecordDataset(str(path)).skip(done).batch(records):
            inputs, parameters = parse(batch, channels, described.samples)
            yield inputs.numpy(), parameters.numpy()

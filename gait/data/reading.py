"""Records read from shards: piece by piece as they were written, or parsed if another program wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from gait.data.manifest import Plan, ShardEntry
from gait.data.records import RecordTemplate, parse
from gait.storage import files
from gait.storage.files import AnyPath

_PIECE = 4_000_000  # bytes; so few are still in the processor's cache when their checksum has been taken


class Reader:
    """Reads some channels and the parameters of all records of a shard.

    Args:
        recorded: channels that the shard has.
        samples: number of samples of a channel.
        wanted: channels to read.
        parameters: number p of a record's parameters.
    """

    def __init__(self, recorded: tuple[str, ...], samples: int, wanted: tuple[str, ...], parameters: int):
        self._template, self._samples, self._wanted = RecordTemplate(recorded, samples, parameters), samples, wanted

    def pieces(self, path: AnyPath, digest, check: Callable[[], None]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Reads a shard from its start to its end.

        Args:
            path: of the shard.
            digest: a `hashlib` object that takes in all bytes of the file.
            check: called when the digest has the whole file and its records are laid out in another way than ours;
                raises if the file is damaged.

        Returns:
            Pairs of inputs [n, c * samples], float32, and parameters [n, p], float64.
        """
        foreign, done = False, 0
        records = max(1, _PIECE // self._template.framed_size)
        for piece in files.pieces(path, self._template.framed_size * records):
            digest.update(piece)
            rows = None if foreign else self._template.rows(piece)
            if rows is None:
                foreign = True
            else:
                done += len(rows)
                yield self._template.values(rows, self._wanted)
        if foreign:  # damaged, or laid out in another of the ways that are open to a `tf.train.Example`
            check()
            for batch in tf.data.TFRecordDataset(str(path)).skip(done).batch(records):
                inputs, parameters = parse(batch, self._wanted, self._samples)
                yield inputs.numpy(), parameters.numpy()


def place_of(shards: Mapping[str, ShardEntry], number: int) -> tuple[str, int]:
    """The shard that holds a record of a dataset, and the record's number within it."""
    for name, entry in shards.items():
        if number < entry.records:
            return name, number
        number -= entry.records
    raise IndexError(number)


def read_record(folder: AnyPath, plan: Plan, shards: Mapping[str, ShardEntry], number: int) -> bytes:
    """One record of a dataset as it is on disk; its shard's checksum is not verified.

    Args:
        folder: of the dataset.
        plan: of the dataset.
        shards: its files, in the order of their records.
        number: of the record in the whole dataset.
    """
    template = RecordTemplate(plan.channels, plan.settings.times.size, len(plan.population.names))
    name, number = place_of(shards, number)
    path, entry, size = folder / name, shards[name], template.framed_size
    if entry.bytes == entry.records * size:
        rows = template.rows(files.part(path, number * size, size))
        if rows is not None and len(rows):
            return rows[0].tobytes()
    # Laid out in another of the ways that are open to a `tf.train.Example`; only the start of the file is known.
    return next(iter(tf.data.TFRecordDataset(str(path)).skip(number))).numpy()

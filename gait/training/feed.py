"""The data feed: a dataset's training and validation splits, standardised, in batches of a scenario."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from gait import data as dataset
from gait.data.manifest import Manifest
from gait.errors import InputError
from gait.parameters import derive
from gait.provenance import cores
from gait.training.run import Settings

VALIDATION_BATCH = 10_000
"""Records in a batch when nothing is learned from them."""
_STREAM_BUFFER = 50_000  # records kept for shuffling when the data do not fit in memory


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of the columns of some rows; those of more rows are a sum.

    Attributes:
        count: number of rows.
        mean: shape [columns].
        squares: shape [columns], sums of squared distances from the mean.
    """

    count: int
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Moments:
        """Moments of an array [n, columns], in float64 whatever it is in."""
        rows = rows.astype(np.float64)
        mean = rows.mean(axis=0)
        rows -= mean
        return cls(len(rows), mean, np.einsum("ij,ij->j", rows, rows))

    def __add__(self, other: Moments) -> Moments:
        count, shift = self.count + other.count, other.mean - self.mean
        return Moments(
            count,
            self.mean + shift * (other.count / count),
            self.squares + other.squares + shift**2 * (self.count * other.count / count),
        )

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations; 1 for a column that never changes, which standardises to 0."""
        sd = np.sqrt(self.squares / self.count)
        return np.where(sd > 1e-12 * np.maximum(np.abs(self.mean), 1.0), sd, 1.0)

    def standardised(self, rows):
        """Distances of float32 rows [n, columns] from the mean, in standard deviations; NumPy or TensorFlow alike.

        Both round alike, so the network sees the same numbers whichever way they come. An array is changed in place.
        """
        rows -= np.float32(self.mean)
        rows *= np.float32(1.0 / self.sd)
        return rows


def _standardise(array: np.ndarray, moments: Moments) -> None:
    """Standardises an array in place, on all cores, a part that fits in the cache at a time."""
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(lambda first: moments.standardised(array[first : first + 1000]), range(0, len(array), 1000)):
            pass


def _aligned_empty(shape: tuple[int, int]) -> np.ndarray:
    """An empty float32 array aligned as TensorFlow's vector instructions need it."""
    size, alignment = 4 * math.prod(shape), 64
    memory = np.empty(size + alignment, np.uint8)
    first = -memory.ctypes.data % alignment
    return memory[first : first + size].view(np.float32).reshape(shape)


class Feed:
    """Standardised batches of a scenario: a fresh permutation in every epoch, known by seed and epoch alone.

    Attributes:
        train, validation: `tf.data.Dataset` of (inputs, targets); `train` is the epoch `epoch`.
        epoch: variable that selects the permutation.
        steps: batches in an epoch; what is left over from the last whole batch waits for another epoch.
        input_moments, target_moments: statistics of the training split.
    """

    def __init__(self, described: Manifest, settings: Settings):
        self._described, self._scenario = described, settings.row
        self._seed, self._batch = settings.seed, settings.batch_size
        records = described.records("train")
        if settings.batch_size > records:
            raise InputError(
                f"A batch must not be larger than the training split, which has {records:,} records. "
                f"Received: --batch_size={settings.batch_size}."
            )
        self.steps = records // settings.batch_size
        # tf.data runs on the CPU, whatever the network runs on.
        with tf.device("CPU:0"):
            self._build(settings)

    def _build(self, settings: Settings) -> None:
        self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        inputs, targets = self._read("train", keep=settings.cache == "memory")
        of_an_epoch = self._permuted(inputs, targets) if settings.cache == "memory" else self._streamed()
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        # To rewrite a graph, tf.data copies the tensors in it: here the whole split once more, for no gain in speed.
        options.experimental_optimization.apply_default_optimizations = False
        # The variable is read when an iterator is made, which Keras does at the beginning of an epoch.
        self.train = (
            tf.data.Dataset.range(1)
            .flat_map(lambda _: of_an_epoch(self.epoch))
            .apply(tf.data.experimental.assert_cardinality(self.steps))
            .prefetch(tf.data.AUTOTUNE)
            .with_options(options)
        )
        self.validation = self._in_order(*self._read("validation")).with_options(options)

    def _read(self, split: str, keep: bool = True):
        """Standardised inputs and targets of a split as tensors, or None if they are not to be kept.

        The moments to standardise with are those of the training split, which is read first.
        """
        records, kept = self._described.records(split), None
        if keep:
            widths = len(self._scenario.inputs) * self._described.samples, len(self._scenario.targets)
            kept = [_aligned_empty((records, width)) for width in widths]

        def take(part: dataset.Part) -> tuple[Moments, Moments] | None:
            targets = self._targets(part.parameters)
            if keep:
                kept[0][part.rows], kept[1][part.rows] = part.inputs, targets
            return (Moments.of(part.inputs), Moments.of(targets)) if split == "train" else None

        taken = dataset.scan(self._described, split, self._scenario.inputs, take)
        if split == "train":
            self.input_moments, self.target_moments = (
                functools.reduce(operator.add, of) for of in zip(*taken, strict=True)
            )
        if kept is None:
            return None, None
        for array, moments in zip(kept, (self.input_moments, self.target_moments), strict=True):
            _standardise(array, moments)
        # Through DLPack a tensor uses the array's memory; any other way, there would be a second gigabyte.
        return tuple(tf.experimental.dlpack.from_dlpack(array.__dlpack__()) for array in kept)

    def _targets(self, parameters):
        """Targets [n, t] from parameters [n, 7]; numpy or TensorFlow alike."""
        table = {name: parameters[:, i] for i, name in enumerate(self._described.parameters)}
        columns = [derive(name, table) for name in self._scenario.targets]
        return np.stack(columns, axis=1) if isinstance(parameters, np.ndarray) else tf.stack(columns, axis=1)

    def _permuted(self, inputs: tf.Tensor, targets: tf.Tensor):
        """An epoch from memory: rows are gathered by a permutation."""

        def of_an_epoch(epoch):
            order = tf.random.experimental.stateless_shuffle(tf.range(len(inputs)), seed=[self._seed, epoch])
            order = tf.reshape(order[: self.steps * self._batch], [self.steps, self._batch])
            return tf.data.Dataset.from_tensor_slices(order).map(gathered, num_parallel_calls=tf.data.AUTOTUNE)

        def gathered(rows):
            return tf.gather(inputs, rows), tf.gather(targets, rows)

        return of_an_epoch

    def _streamed(self):
        """An epoch from disk: files in random order, several at a time, their records shuffled by the bufferful."""
        paths = [str(self._described.folder / name) for name in self._described.shards("train")]

        def standardised(records):
            inputs, parameters = dataset.parse(records, self._scenario.inputs, self._described.samples)
            targets = tf.cast(self._targets(parameters), tf.float32)
            return self.input_moments.standardised(inputs), self.target_moments.standardised(targets)

        def shuffled(epoch, i, buffer):
            order = tf.random.experimental.stateless_shuffle(buffer, seed=[self._seed, epoch * 2**32 + i])
            return tf.data.Dataset.from_tensor_slices(order)

        def of_an_epoch(epoch):
            order = tf.random.experimental.stateless_shuffle(tf.constant(paths), seed=[self._seed, epoch])
            records = tf.data.Dataset.from_tensor_slices(order).interleave(
                tf.data.TFRecordDataset, cycle_length=8, block_length=100, num_parallel_calls=tf.data.AUTOTUNE
            )
            # Not `Dataset.shuffle`: under a global seed it does not take a seed that depends on the epoch.
            records = records.batch(_STREAM_BUFFER).enumerate().flat_map(lambda i, buffer: shuffled(epoch, i, buffer))
            records = records.batch(self._batch, drop_remainder=True)
            return records.map(standardised, num_parallel_calls=tf.data.AUTOTUNE)

        return of_an_epoch

    def _in_order(self, inputs: tf.Tensor, targets: tf.Tensor) -> tf.data.Dataset:
        count = len(inputs)
        batches = -(-count // VALIDATION_BATCH)

        def rows(i):
            first = i * VALIDATION_BATCH
            last = tf.minimum(first + VALIDATION_BATCH, count)
            return inputs[first:last], targets[first:last]

        return tf.data.Dataset.range(batches).map(rows).prefetch(1)

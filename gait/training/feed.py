"""The data feed: a dataset's training and validation splits, standardised, in batches of a scenario."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from gait.data.dataset import Dataset, Part, ShardWatch
from gait.data.records import parse
from gait.errors import InputError
from gait.parameters import derive, named
from gait.provenance import cores
from gait.training.inputs import add_fixed_noise, noise_sd, scenario_inputs
from gait.training.run import INFERENCE_BATCH
from gait.training.settings import TrainingSettings

_STREAM_BUFFER = 50_000  # records kept for shuffling when the data do not fit in memory


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of the columns of some rows; the sum of two is that of all their rows.

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

    def with_noise(self, sd: np.ndarray) -> Moments:
        """Moments to expect once noise of a standard deviation [columns] is added to the rows."""
        return dataclasses.replace(self, squares=self.squares + self.count * sd**2)

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations; 1 for a column that never changes, which standardises to 0."""
        sd = np.sqrt(self.squares / self.count)
        return np.where(sd > 1e-12 * np.maximum(np.abs(self.mean), 1.0), sd, 1.0)

    def standardised(self, rows: Any) -> Any:
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

    If the scenario has noise, every batch of an epoch gets its own, known by seed, epoch and step; the validation
    split always gets the same.

    Attributes:
        train, validation: `tf.data.Dataset` of (inputs, targets); `train` is the epoch `epoch`.
        epoch: variable that selects the permutation and the noise.
        steps: batches in an epoch; what is left over from the last whole batch waits for another epoch.
        width: number of inputs.
        input_moments, target_moments: statistics of the training split, that of the noise included.
    """

    def __init__(self, dataset: Dataset, settings: TrainingSettings):
        self._dataset, self._scenario = dataset, settings.scenario
        self._seed, self._batch = settings.seed, settings.batch_size
        records = dataset.count("train")
        if settings.batch_size > records:
            raise InputError(
                f"A batch must not be larger than the training split, which has {records:,} records. "
                f"Received: --batch_size={settings.batch_size}."
            )
        self.steps = records // settings.batch_size
        self.width = len(self._scenario.inputs) * dataset.samples + len(self._scenario.measured)
        self._noise_sd = noise_sd(self._scenario, self.width)
        self._watch = ShardWatch(dataset, "train") if settings.cache == "none" else None
        # tf.data runs on the CPU, whatever the network runs on.
        with tf.device("CPU:0"):
            self._build(in_memory=settings.cache == "memory")

    def check_unchanged(self, *, thoroughly: bool = False) -> None:
        """Raises `InputError` if an epoch was streamed from other shards than were verified; see `ShardWatch`."""
        if self._watch is not None:
            self._watch.check(thoroughly=thoroughly)

    def _build(self, in_memory: bool) -> None:
        self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        inputs, targets = self._read("train", keep=in_memory)
        batches_of = self._permuted(inputs, targets) if in_memory else self._streamed()
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        # To rewrite a graph, tf.data copies the tensors in it: here the whole split once more, for no gain in speed.
        options.experimental_optimization.apply_default_optimizations = False
        # The variable is read when an iterator is made, which Keras does at the beginning of an epoch.
        self.train = (
            tf.data.Dataset.range(1)
            .flat_map(lambda _: batches_of(self.epoch))
            .apply(tf.data.experimental.assert_cardinality(self.steps))
            .prefetch(tf.data.AUTOTUNE)
            .with_options(options)
        )
        self.validation = self._in_order(*self._read("validation")).with_options(options)

    def _read(self, split: str, keep: bool = True):
        """Standardised inputs and targets of a split as tensors, or None if they are not to be kept.

        The moments to standardise with are those of the training split, which is read first.
        """
        scenario, names = self._scenario, self._dataset.parameters
        widths = (self.width, len(scenario.targets)) if keep else ()
        kept = [_aligned_empty((self._dataset.count(split), width)) for width in widths]

        def take(part: Part) -> tuple[Moments, Moments] | None:
            parameters = named(names, part.parameters)
            inputs, targets = scenario_inputs(scenario, part.inputs, parameters), self._targets(parameters)
            for array, columns in zip(kept, (inputs, targets), strict=False):
                array[part.rows] = columns
            return (Moments.of(inputs), Moments.of(targets)) if split == "train" else None

        taken = self._dataset.scan(split, scenario.inputs, take)
        if split == "train":
            self.input_moments, self.target_moments = (
                functools.reduce(operator.add, moments) for moments in zip(*taken, strict=True)
            )
            if self._noise_sd is not None:
                self.input_moments = self.input_moments.with_noise(self._noise_sd)
        else:
            add_fixed_noise(scenario, kept[0], self._seed, split)
        if not keep:
            return None, None
        for array, moments in zip(kept, (self.input_moments, self.target_moments), strict=True):
            _standardise(array, moments)
        # Through DLPack a tensor uses the array's memory; any other way, there would be a second gigabyte.
        return tuple(tf.experimental.dlpack.from_dlpack(array.__dlpack__()) for array in kept)

    def _targets(self, parameters: dict[str, Any]) -> Any:
        """Targets [n, t] from parameters by name, [n] each; NumPy or TensorFlow alike."""
        columns: list[Any] = [derive(name, parameters) for name in self._scenario.targets]
        return np.stack(columns, axis=1) if isinstance(columns[0], np.ndarray) else tf.stack(columns, axis=1)

    def _noisy(self, batches: tf.data.Dataset, epoch: tf.Tensor) -> tf.data.Dataset:
        """Batches of an epoch with fresh noise; the very same dataset for a scenario without noise."""
        if self._noise_sd is None:
            return batches
        sd = np.float32(self._noise_sd / self.input_moments.sd)

        def with_noise(step, batch):
            inputs, targets = batch
            # No key of a permutation: seeds are smaller.
            key = [self._seed + 2**32, epoch * 2**32 + step]
            return inputs + sd * tf.random.stateless_normal(tf.shape(inputs), key), targets

        return batches.enumerate().map(with_noise, num_parallel_calls=tf.data.AUTOTUNE)

    def _permuted(self, inputs: tf.Tensor, targets: tf.Tensor):
        """An epoch from memory: rows are gathered by a permutation."""

        def batches_of(epoch):
            order = tf.random.experimental.stateless_shuffle(tf.range(len(inputs)), seed=[self._seed, epoch])
            order = tf.reshape(order[: self.steps * self._batch], [self.steps, self._batch])
            batches = tf.data.Dataset.from_tensor_slices(order).map(gathered, num_parallel_calls=tf.data.AUTOTUNE)
            return self._noisy(batches, epoch)

        def gathered(rows):
            return tf.gather(inputs, rows), tf.gather(targets, rows)

        return batches_of

    def _streamed(self):
        """An epoch from disk: files in random order, several at a time, their records shuffled by the bufferful."""
        dataset, channels = self._dataset, self._scenario.inputs
        paths = [str(dataset.folder / name) for name in dataset.shards("train")]

        def standardised(records):
            inputs, parameters = parse(records, channels, dataset.samples)
            table = {name: parameters[:, i] for i, name in enumerate(dataset.parameters)}
            inputs = scenario_inputs(self._scenario, inputs, table)
            targets = tf.cast(self._targets(table), tf.float32)
            return self.input_moments.standardised(inputs), self.target_moments.standardised(targets)

        def shuffled(epoch, i, buffer):
            order = tf.random.experimental.stateless_shuffle(buffer, seed=[self._seed, epoch * 2**32 + i])
            return tf.data.Dataset.from_tensor_slices(order)

        def batches_of(epoch):
            order = tf.random.experimental.stateless_shuffle(tf.constant(paths), seed=[self._seed, epoch])
            records = tf.data.Dataset.from_tensor_slices(order).interleave(
                tf.data.TFRecordDataset, cycle_length=8, block_length=100, num_parallel_calls=tf.data.AUTOTUNE
            )
            # Not `Dataset.shuffle`: under a global seed it does not take a seed that depends on the epoch.
            records = records.batch(_STREAM_BUFFER).enumerate().flat_map(lambda i, buffer: shuffled(epoch, i, buffer))
            records = records.batch(self._batch, drop_remainder=True)
            return self._noisy(records.map(standardised, num_parallel_calls=tf.data.AUTOTUNE), epoch)

        return batches_of

    def _in_order(self, inputs: tf.Tensor, targets: tf.Tensor) -> tf.data.Dataset:
        count = len(inputs)
        batches = -(-count // INFERENCE_BATCH)

        def rows(i):
            first = i * INFERENCE_BATCH
            last = tf.minimum(first + INFERENCE_BATCH, count)
            return inputs[first:last], targets[first:last]

        return tf.data.Dataset.range(batches).map(rows).prefetch(1)

"""The data feed: a dataset's training and validation splits, preprocessed, in batches of a scenario."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from gait.data.dataset import Dataset, Part
from gait.data.records import parse
from gait.data.watch import ShardWatch
from gait.errors import InputError
from gait.inference.coordinates import Coordinates
from gait.parameters import derive, named
from gait.provenance import cores
from gait.training.inputs import add_fixed_noise, noise_sd, scenario_inputs
from gait.training.preprocessing import JOINT, Moments, aligned_empty, preprocess
from gait.training.saved_model import INFERENCE_BATCH
from gait.training.settings import TrainingSettings, coordinates_of

_NOISE_ROWS = 8192  # of the noise of an epoch; pairs of them with random signs make 2.7e8 different rows
_BATCHES_AHEAD = 8  # made while the network is busy
_STREAM_BUFFER = 50_000  # records kept for shuffling when the data do not fit in memory


def _total(moments: Iterable[Moments]) -> Moments:
    return functools.reduce(operator.add, moments)


class Feed:
    """Preprocessed batches of a scenario: a fresh permutation in every epoch, known by seed and epoch alone.

    If the scenario has noise, every record of an epoch gets its own, known by seed, epoch and step; the validation
    split always gets the same. Inputs are standardised, noise included, and then whitened if the settings say so.

    Noise of a record is the scaled sum of two random rows with random signs of a table that every epoch has anew. It is
    as normal, as strong and as new as numbers drawn one by one, and costs a fraction of their time: as whitening is
    linear, the table is whitened once.

    Args:
        dataset: where the records are.
        settings: what is trained, and how.
        device: name of a device that keeps the training split in its memory; the network then makes the batches, see
            `batch`. None leaves that to tf.data. Only for one replica and `settings.cache` "memory".

    Attributes:
        train, validation: `tf.data.Dataset` of (inputs, targets); `train` is the epoch `epoch`. With a `device`, the
            elements of `train` are arguments of `batch`: a few numbers for each record of a batch.
        epoch: variable that selects the permutation and the noise; set by `begin`.
        steps: batches in an epoch; what is left over from the last whole batch waits for another epoch.
        width: number of inputs.
        input_moments, target_moments: statistics of the training split, that of the noise included. The targets of a
            posterior are the logits of its coordinates.
        log_slope: of a posterior, log p in SI units less that over logits, mean over each split by name.
        whitening: matrix that standardised inputs are multiplied by, or None.
        batch: makes inputs and targets of a batch, or of a part of it, on the `device` from the rows of its records in
            the split and, if there is noise, in the table of noise; None without.
    """

    def __init__(self, dataset: Dataset, settings: TrainingSettings, device: str | None = None):
        self._dataset, self._scenario = dataset, settings.scenario
        posterior = settings.estimate == "posterior"
        self._coordinates = coordinates_of(settings, dataset.priors) if posterior else None
        self.log_slope: dict[str, float] = {}
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
        self._whitened = settings.preprocessing == "whitened"
        self.whitening: np.ndarray | None = None
        self.batch: Callable[..., tuple[tf.Tensor, tf.Tensor]] | None = None
        self._watch = ShardWatch(dataset, "train") if settings.cache == "none" else None
        # tf.data runs on the CPU, whatever the network runs on.
        with tf.device("CPU:0"):
            self._build(in_memory=settings.cache == "memory", device=device)

    @property
    def outputs(self) -> int:
        """Number of columns of the targets."""
        return len(self._scenario.targets) if self._coordinates is None else self._coordinates.dimension

    def check_unchanged(self, *, thoroughly: bool = False) -> None:
        """Raises `InputError` if an epoch was streamed from other shards than were verified; see `ShardWatch`."""
        if self._watch is not None:
            self._watch.check(thoroughly=thoroughly)

    def begin(self, epoch: int) -> None:
        """Turns to an epoch, from 0: its permutation and its noise."""
        self.epoch.assign(epoch)
        if self._noise is None:
            return
        # No key of a permutation: seeds are smaller.
        drawn = tf.random.stateless_normal(self._noise.shape, [self._seed + 2**32, epoch])
        drawn *= np.float32(self._noise_sd / self.input_moments.sd)
        self._noise.assign(drawn if self.whitening is None else drawn @ self.whitening)

    def _build(self, in_memory: bool, device: str | None) -> None:
        self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        inputs, targets = self._read("train", keep=in_memory)
        self._noise: tf.Variable | None = None
        if self._noise_sd is not None:
            with tf.device(device or "CPU:0"):
                self._noise = tf.Variable(tf.zeros([_NOISE_ROWS, self.width]), trainable=False)
        self.begin(0)
        batches_of = self._permuted(inputs, targets, device) if in_memory else self._streamed()
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        # To rewrite a graph, tf.data copies the tensors in it: here the whole split once more, for no gain in speed.
        options.experimental_optimization.apply_default_optimizations = False
        # Nor is it to tune itself: its tuner looks again after 10, 20, 40 ms and so on, and often keeps an iterator
        # from ending until it has looked. Epochs then end after 2.55, 5.11 or 10.23 s, however soon they are done.
        options.autotune.enabled = False
        # The variable is read when an iterator is made, which Keras does at the beginning of an epoch.
        self.train = (
            tf.data.Dataset.range(1)
            .flat_map(lambda _: batches_of(self.epoch))
            .apply(tf.data.experimental.assert_cardinality(self.steps))
            .prefetch(_BATCHES_AHEAD)
            .with_options(options)
        )
        self.validation = self._in_order(*self._read("validation")).with_options(options)

    def _read(self, split: str, keep: bool = True):
        """Preprocessed inputs and targets of a split as tensors, or None if they are not to be kept.

        The statistics to preprocess with are those of the training split, which is read first.
        """
        scenario, names = self._scenario, self._dataset.parameters
        widths = (self.width, self.outputs) if keep else ()
        slopes: list[tuple[int, float]] = []
        kept = [aligned_empty((self._dataset.count(split), width)) for width in widths]

        def take(part: Part) -> tuple[Moments, Moments] | None:
            parameters = named(names, part.parameters)
            inputs, targets = scenario_inputs(scenario, part.inputs, parameters), self._targets(parameters)
            for array, columns in zip(kept, (inputs, targets), strict=False):
                array[part.rows] = columns
            if self._coordinates is not None:
                slopes.append((len(targets), float(np.sum(self._coordinates.log_slope(parameters)))))
            if split != "train":
                return None
            return Moments.of(inputs, joint=self._whitened and part.rows.start < JOINT), Moments.of(targets)

        taken = self._dataset.scan(split, scenario.inputs, take)
        if slopes:
            self.log_slope[split] = math.fsum(total for _, total in slopes) / sum(count for count, _ in slopes)
        if split == "train":
            inputs, targets = zip(*taken, strict=True)
            self.input_moments, self.target_moments = _total(inputs), _total(targets)
            joint = [moments for moments in inputs if moments.products is not None]
            self.input_moments = self.input_moments.with_noise(self._noise_sd)
            if joint:
                self.whitening = _total(joint).with_noise(self._noise_sd).whitening()
        else:
            add_fixed_noise(scenario, kept[0], self._seed, split)
        if not keep:
            return None, None
        preprocess(kept[0], self.input_moments, self.whitening)
        preprocess(kept[1], self.target_moments)
        # Through DLPack a tensor uses the array's memory; any other way, there would be a second gigabyte.
        return tuple(tf.experimental.dlpack.from_dlpack(array.__dlpack__()) for array in kept)

    def _targets(self, parameters: dict[str, Any]) -> Any:
        """Targets [n, t] from parameters by name, [n] each; NumPy or TensorFlow alike."""
        if self._coordinates is not None:
            return self._logits(self._coordinates, parameters)
        columns: list[Any] = [derive(name, parameters) for name in self._scenario.targets]
        return np.stack(columns, axis=1) if isinstance(columns[0], np.ndarray) else tf.stack(columns, axis=1)

    def _logits(self, coordinates: Coordinates, parameters: dict[str, Any]) -> Any:
        """Logits [n, D] of a posterior's coordinates from parameters by name, [n] each."""
        names, columns = list(parameters), list(parameters.values())
        if isinstance(columns[0], np.ndarray):
            return coordinates.logits(parameters)

        def logits(*columns: np.ndarray) -> np.ndarray:
            return coordinates.logits(dict(zip(names, columns, strict=True)))

        found = tf.numpy_function(logits, columns, tf.float64, stateful=False)
        return tf.ensure_shape(found, [None, coordinates.dimension])

    def _noise_rows(self, count: tf.Tensor, step: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Rows of the noise table for the records of a step, and their signs, [count] each; () if there is no noise."""
        if self._noise is None:
            return ()
        key = [self._seed + 2**33, epoch * 2**32 + step]
        first, apart, signs = tf.unstack(tf.random.stateless_uniform([3, count], key, 0, 2**30, tf.int32))
        other = first + 1 + apart % (_NOISE_ROWS - 1)  # never the row itself
        return first % _NOISE_ROWS, other % _NOISE_ROWS, signs

    def _with_noise(self, inputs: tf.Tensor, *noise: tf.Tensor) -> tf.Tensor:
        """Preprocessed inputs of records with the noise of `_noise_rows`."""
        if noise:
            *both, signs = noise
            for rows, bit in zip(both, (1, 2), strict=True):
                sign = tf.where(tf.bitwise.bitwise_and(signs, bit) > 0, np.float32(0.5**0.5), np.float32(-(0.5**0.5)))
                inputs += sign[:, None] * tf.gather(self._noise, rows)
        return inputs

    def _permuted(self, inputs: tf.Tensor, targets: tf.Tensor, device: str | None):
        """An epoch from memory: rows are gathered by a permutation."""
        with tf.device(device or "CPU:0"):
            inputs, targets = tf.identity(inputs), tf.identity(targets)

        def batch(rows, *noise):
            return self._with_noise(tf.gather(inputs, rows), *noise), tf.gather(targets, rows)

        def batches_of(epoch):
            order = tf.random.experimental.stateless_shuffle(tf.range(len(inputs)), seed=[self._seed, epoch])
            order = tf.reshape(order[: self.steps * self._batch], [self.steps, self._batch])
            batches = tf.data.Dataset.from_tensor_slices(order).enumerate()
            batches = batches.map(lambda step, rows: (rows, *self._noise_rows(self._batch, step, epoch)))
            return batches if device else batches.map(batch, num_parallel_calls=cores())

        if device:
            self.batch = batch
        return batches_of

    def _streamed(self):
        """An epoch from disk: files in random order, several at a time, their records shuffled by the bufferful."""
        dataset, selection = self._dataset, self._dataset.selection(self._scenario.inputs)
        paths = [str(dataset.folder / name) for name in dataset.shards("train")]

        def completed(step, records, epoch):
            inputs, parameters = parse(records, selection.stored, selection.stored_samples)
            if not selection.is_plain:
                inputs = tf.numpy_function(selection.of, [inputs, parameters], tf.float32, stateful=False)
                inputs = tf.ensure_shape(inputs, [None, selection.width])
            table = {name: parameters[:, i] for i, name in enumerate(dataset.parameters)}
            inputs = self.input_moments.standardised(scenario_inputs(self._scenario, inputs, table))
            if self.whitening is not None:
                inputs @= self.whitening
            targets = self.target_moments.standardised(tf.cast(self._targets(table), tf.float32))
            return self._with_noise(inputs, *self._noise_rows(tf.shape(inputs)[0], step, epoch)), targets

        def shuffled(epoch, i, buffer):
            order = tf.random.experimental.stateless_shuffle(buffer, seed=[self._seed, epoch * 2**32 + i])
            return tf.data.Dataset.from_tensor_slices(order)

        def batches_of(epoch):
            order = tf.random.experimental.stateless_shuffle(tf.constant(paths), seed=[self._seed, epoch])
            records = tf.data.Dataset.from_tensor_slices(order).interleave(
                tf.data.TFRecordDataset, cycle_length=8, block_length=100, num_parallel_calls=cores()
            )
            # Not `Dataset.shuffle`: under a global seed it does not take a seed that depends on the epoch.
            records = records.batch(_STREAM_BUFFER).enumerate().flat_map(lambda i, buffer: shuffled(epoch, i, buffer))
            records = records.batch(self._batch, drop_remainder=True).enumerate()
            return records.map(lambda step, batch: completed(step, batch, epoch), num_parallel_calls=cores())

        return batches_of

    def _in_order(self, inputs: tf.Tensor, targets: tf.Tensor) -> tf.data.Dataset:
        count = len(inputs)
        batches = -(-count // INFERENCE_BATCH)

        def rows(i):
            first = i * INFERENCE_BATCH
            last = tf.minimum(first + INFERENCE_BATCH, count)
            return inputs[first:last], targets[first:last]

        return tf.data.Dataset.range(batches).map(rows).prefetch(1)

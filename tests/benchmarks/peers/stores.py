"""The training split on disk in two forms: this package's TFRecord shards, and `.npy` memory maps.

Both are written durably (flushed to disk under a temporary name, then renamed) with SHA-256
checksums, which is what an interrupted run needs in order to be resumed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from gait.data.dataset import open_dataset
from gait.storage import files

ROWS = 20_000
"""Records of a shard, and of a piece in which a memory map is read or written."""
BATCH = 1000


def _training_split(data: str):
    dataset = open_dataset(Path(data))
    split = dataset.load("train", dataset.channels)
    return dataset, split.inputs, split.parameters.to_numpy()


def write_shards(data: str, work: str):
    """Writes the records of a dataset folder once more as TFRecord shards."""
    import tensorflow as tf

    from gait.data.records import RecordTemplate

    dataset, inputs, parameters = _training_split(data)
    template = RecordTemplate(dataset.channels, dataset.samples, len(dataset.parameters))

    def turn(first: bool = False) -> None:
        with tempfile.TemporaryDirectory(dir=work) as folder:
            for start in range(0, len(inputs), ROWS):
                path = Path(folder) / f"{start}.tfrecord"
                temporary = files.temporary_name(path)
                with tf.io.TFRecordWriter(str(temporary)) as writer:
                    for low in range(start, min(start + ROWS, len(inputs)), BATCH):
                        part = inputs[low : low + BATCH].reshape(-1, len(dataset.channels), dataset.samples)
                        for record in template.serialise(parameters[low : low + BATCH], part.transpose(1, 0, 2)):
                            writer.write(record)
                files.replace_durably(temporary, path)
                files.sha256(path)

    return turn


def save_arrays(folder: Path, inputs: np.ndarray, parameters: np.ndarray) -> dict[str, str]:
    """Writes two `.npy` files piece by piece; returns their checksums."""
    checksums = {}
    for name, array in (("inputs.npy", inputs), ("parameters.npy", parameters)):
        path = folder / name
        temporary = files.temporary_name(path)
        mapped = np.lib.format.open_memmap(temporary, "w+", array.dtype, array.shape)
        for start in range(0, len(array), ROWS):
            mapped[start : start + ROWS] = array[start : start + ROWS]
        mapped.flush()
        files.replace_durably(temporary, path)
        checksums[name] = files.sha256(path)
    return checksums


def write_arrays(data: str, work: str):
    """Writes the records of a dataset folder as `.npy` files."""
    _, inputs, parameters = _training_split(data)

    def turn(first: bool = False) -> None:
        with tempfile.TemporaryDirectory(dir=work) as folder:
            save_arrays(Path(folder), inputs, parameters)

    return turn


def load_shards(data: str):
    """Reads the training split of a dataset folder into memory; checksums and finiteness are checked."""
    dataset = open_dataset(Path(data))

    def turn(first: bool = False) -> None:
        dataset.load("train", dataset.channels)

    return turn


def load_arrays(folder: str, checked: bool):
    """Reads `.npy` files into memory, with or without the checks that the shards go through."""
    root = Path(folder)

    def turn(first: bool = False) -> None:
        loaded = []
        for name in ("inputs.npy", "parameters.npy"):
            if checked:
                files.sha256(root / name)
            loaded.append(np.load(root / name))
            if checked and not np.isfinite(loaded[-1]).all():
                raise ValueError(f"{root / name} holds a value that is not finite.")

    return turn


def feed(data: str, cache: str):
    """Goes through the shuffled batches of this package's data feed, and does nothing with them."""
    import dataclasses

    from gait.training.feed import Feed
    from gait.training.fitting import configure_threads
    from tests.benchmarks.training import SETTINGS

    configure_threads()
    source = Feed(open_dataset(Path(data)), dataclasses.replace(SETTINGS, cache=cache))

    def turn(first: bool = False) -> None:
        source.epoch.assign_add(1)
        for _ in source.train:
            pass

    return turn


def mapped_batches(folder: str):
    """Goes through shuffled batches gathered from a memory map, the rows of a batch in the order of the file."""
    generator = np.random.default_rng(0)
    mapped = np.load(Path(folder) / "inputs.npy", mmap_mode="r")
    parameters = np.load(Path(folder) / "parameters.npy", mmap_mode="r")

    def turn(first: bool = False) -> None:
        order = generator.permutation(len(mapped))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = np.sort(order[start : start + BATCH])
            inputs, targets = mapped[rows], parameters[rows, :3].astype(np.float32)
            inputs -= 1.0  # stands for standardising, which the feed does as well
            targets -= 1.0

    return turn

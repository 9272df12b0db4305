"""Storage side by side: this package's TFRecord shards and `.npy` memory maps of the same records."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from tests.benchmarks.measure import Job, taking_turns
from tests.benchmarks.peers.stores import save_arrays
from tests.benchmarks.table import megabytes, number, table
from tests.benchmarks.training import dataset_of

PACKAGES = ["tensorflow", "numpy"]
_STORES = "tests.benchmarks.peers.stores"


def jobs(data: str, arrays: str, work: str) -> list[tuple[str, list[Job]]]:
    """What is compared: a title, and the rows; the first row of each is the one the others are compared with."""

    def job(name: str, function: str, **options) -> Job:
        return Job(name, f"{_STORES}:{function}", options)

    return [
        ("write, flushed to disk, with checksums", [
            job("TFRecord shards (this format)", "write_shards", data=data, work=work),
            job("`.npy`", "write_arrays", data=data, work=work),
        ]),
        ("load into memory", [
            job("TFRecord shards (this package's reader), checksums verified", "load_shards", data=data),
            job("`.npy`, checksums computed", "load_arrays", folder=arrays, checked=True),
            job("`.npy`, unchecked", "load_arrays", folder=arrays, checked=False),
        ]),
        ("one epoch of shuffled batches", [
            job("data feed from memory (this package)", "feed", data=data, cache="memory"),
            job("data feed streaming from shards (this package)", "feed", data=data, cache="none"),
            job("`.npy` memory map", "mapped_batches", folder=arrays),
        ]),
    ]  # fmt: skip


def run(epoch_records: int, repeats: int, work: Path | None) -> str:
    """Measures writing, loading and reading in random order, and returns the table.

    Args:
        epoch_records: records of the training split.
        repeats: turns of each row.
        work: folder for the files, which are deleted; by default the system's.
    """
    from gait.data.dataset import open_dataset

    rows = []
    with dataset_of(epoch_records, work) as data, tempfile.TemporaryDirectory(dir=work) as arrays:
        dataset = open_dataset(data)
        split = dataset.load("train", dataset.channels)
        save_arrays(Path(arrays), split.inputs, split.parameters.to_numpy())
        shards = sum((data / name).stat().st_size for name in dataset.shards("train"))
        maps = sum(path.stat().st_size for path in Path(arrays).iterdir())
        for title, some_jobs in jobs(str(data), arrays, str(work or tempfile.gettempdir())):
            workers = taking_turns(some_jobs, repeats)
            for worker in workers:
                name, base = f"{title}: {worker.job.name}", workers[0]
                if worker.trouble:
                    rows.append([name, worker.trouble])
                    continue
                ratio = np.median(np.array(worker.seconds) / base.seconds) if base.seconds else np.nan
                rate = number(epoch_records / worker.median)
                rows.append([name, number(worker.median), rate, number(ratio), megabytes(worker.peak_memory)])
    rows.append(["bytes on disk: TFRecord shards (this package)", "", "", "1.00", megabytes(shards)])
    rows.append(["bytes on disk: `.npy`", "", "", number(maps / shards), megabytes(maps)])
    header = ["", "median [s]", "records/s", "ratio", "peak memory, or size [MB]"]
    return (
        f"{table(header, rows)}\n\n{epoch_records:,} records of {split.inputs.shape[1]} float32 and "
        f"{len(dataset.parameters)} float64; medians of at least {repeats} turns; files are in the page cache when "
        "they are read. Our shards are read with the checksum of every shard verified and every value checked to be "
        "finite, "
        "once when the data are loaded or the feed is made (which an epoch does not include)."
    )

"""An epoch of the paper's training, side by side: our data feed, other libraries, and the matrix products alone.

The job is the same for all: batches of 1000 records of 300 float32, in a fresh random order every
epoch, through 7 x 50 dense layers with swish to 3 outputs, mean squared error, Adam. Values do not
change the time, so the peers get random ones.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import numpy as np

from gait.data.dataset import open_dataset
from gait.data.manifest import Plan
from gait.scenarios import SCENARIOS
from gait.simulation.conditions import RecordingSettings
from gait.simulation.population import Population
from gait.training.run import TrainingSettings
from tests.benchmarks.measure import Job, Worker, taking_turns
from tests.benchmarks.table import megabytes, number, table

PACKAGES = ["tensorflow", "keras", "torch", "jax"]
SETTINGS = TrainingSettings(SCENARIOS["three_parameter"])
_OWN, _PEERS = "tests.benchmarks.peers.keras_trainer", "tests.benchmarks.peers"


def jobs(data: Path, records: int) -> list[Job]:
    """The rows of the table; the matrix products alone, which all others are compared with, first."""
    shape = {"records": records, "inputs": 300, "outputs": 3, "batch": SETTINGS.batch_size}
    jax = {"KERAS_BACKEND": "jax"}
    return [
        Job("matrix products alone (NumPy)", f"{_OWN}:matrix_products", shape),
        Job("this package, with validation", f"{_OWN}:feed", {"data": str(data), "validate": True}, "tensorflow"),
        Job("this package", f"{_OWN}:feed", {"data": str(data)}, "tensorflow"),
        Job("this package, batches in one part", f"{_OWN}:feed", {"data": str(data), "parts": 1}, "tensorflow"),
        Job("this package, a constant batch", f"{_OWN}:constant_batch", shape, "tensorflow"),
        Job("Keras on JAX", f"{_PEERS}.keras_jax_trainer:arrays", shape, "jax", environment=jax),
        Job("JAX, the epoch as one scan", f"{_PEERS}.jax_trainer:scan", shape, "jax"),
        Job("PyTorch", f"{_PEERS}.torch_trainer:epoch", shape, "torch"),
        Job("PyTorch, compiled", f"{_PEERS}.torch_trainer:epoch", {**shape, "compiled": True}, "torch"),
    ]


@contextlib.contextmanager
def dataset_of(records: int, work: Path | None = None):
    """A folder with a dataset of x and y whose training split has the given number of records."""
    from gait.data.writing import write_dataset

    with tempfile.TemporaryDirectory(dir=work) as folder:
        print(f"simulating {records * 10 // 8:,} walks", file=sys.stderr)
        plan = Plan.of(Population(), RecordingSettings(), records=records * 10 // 8, channels=("x", "y"))
        write_dataset(Path(folder), plan, audit=0)
        yield Path(folder)


def run(data: Path | None, epoch_records: int, repeats: int) -> str:
    """Measures an epoch in all ways and returns the table.

    Args:
        data: dataset whose training split is the epoch; None to simulate one.
        epoch_records: records of an epoch, if there is no `data`.
        repeats: epochs of each row.
    """
    with contextlib.nullcontext(data) if data else dataset_of(epoch_records) as folder:
        records = open_dataset(folder).count("train")
        workers = taking_turns(jobs(folder, records), repeats)
    header = ["epoch", "median [s]", "best [s]", "of the products", "first epoch [s]", "peak memory [MB]"]
    rows = [_row(worker, workers[0]) for worker in workers]
    return (
        f"{table(header, rows)}\n\n{records:,} records an epoch, medians of at least {repeats} epochs after one to "
        "warm up; the ratio is the median of the ratios of the rounds. First epoch: a new process with empty caches, "
        "imports, "
        "reading or making the data and compiling included. Only the second row validates, on an eighth as many "
        "records. The rows of this package compute R² of each target as well."
    )


def _row(worker: Worker, products: Worker) -> list:
    if worker.trouble:
        return [worker.job.name, worker.trouble]
    ratio = np.median(np.array(worker.seconds) / products.seconds) if products.seconds else np.nan
    return [
        worker.job.name, number(worker.median), number(min(worker.seconds)), number(ratio), number(worker.first_call),
        megabytes(worker.peak_memory),
    ]  # fmt: skip

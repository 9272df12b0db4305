"""Posterior networks side by side: this package, sbi and BayesFlow, on the same recordings with the same noise.

    pip install -r tests/benchmarks/requirements-posterior.txt
    python -m tests.benchmarks posterior --records=50000

All learn p(m, k, l0 | x and y with 5 mm of noise) and are scored on the test split. This package's rows go from the
conditions of its peers to its own defaults one step at a time, so that they tell what each step is worth. Every row is
one training, in a process of its own, one after the other on one core; a row is printed when it is done, for the whole
takes a while.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks.measure import Job, Worker
from tests.benchmarks.peers.posterior_scores import (
    BATCH,
    DRAWN,
    LAYERS,
    LEARNING_RATE,
    LEVELS,
    PATIENCE,
    UNITS,
    log_prior,
)
from tests.benchmarks.table import number, table
from tests.benchmarks.training import dataset_of

PACKAGES = ["tensorflow", "keras", "sbi", "torch", "bayesflow", "jax"]
SEED = 0
EQUAL = {
    "fresh": False, "preprocessing": "standardised", "batch_size": BATCH, "learning_rate": LEARNING_RATE,
    "schedule": "constant", "epochs": 200, "early_stopping": PATIENCE, "layers": LAYERS, "units": UNITS,
}  # fmt: skip
"""Settings of this package's first row: the conditions of its peers."""
STEPS = {
    "whitened": {"preprocessing": "whitened"},
    "fresh noise": {"fresh": True},
    "batch and schedule": dict.fromkeys(("batch_size", "learning_rate", "schedule", "epochs", "early_stopping")),
    "5 layers of 100: the defaults": dict.fromkeys(("layers", "units")),
}
"""What changes from row to row; None stands for the default."""
_PEERS = "tests.benchmarks.peers"
_HEADER = ["", "epochs", "CPU [s]", "log p", "kept in the prior", "outside [%]", "k/m in 50/80/95 %"]


def jobs(data: str) -> list[Job]:
    """The rows of the table."""
    shared = {"data": data, "seed": SEED}
    own = f"{_PEERS}.own_posterior:train"

    def row(name: str, **settings) -> Job:
        return Job(f"this package, {name}", own, shared | settings, "tensorflow", one_core=True)

    jax = {"KERAS_BACKEND": "jax"}
    found = [
        Job("sbi, NPE with a MAF", f"{_PEERS}.sbi_posterior:train", shared, "sbi", one_core=True),
        Job("BayesFlow, coupling flow", f"{_PEERS}.bayesflow_posterior:train", shared, "bayesflow", True, jax),
        row("equal conditions", **EQUAL),
    ]
    settings = EQUAL
    for name, step in STEPS.items():
        settings = settings | step
        found.append(row(f"+ {name}", **settings))
    controls = {"equal conditions": EQUAL, "defaults": settings}
    return found + [row(f"{name}, on m, k, ℓ0 (control)", **some, coordinates="direct")
                    for name, some in controls.items()]  # fmt: skip


def trained(rows: Iterable[Job]) -> list[Worker]:
    """Trains one after the other, and prints what each has come to."""
    workers = []
    with tempfile.TemporaryDirectory() as caches:
        for job in rows:
            print(f"training: {job.name}", file=sys.stderr, flush=True)
            worker = Worker(job, Path(caches) / f"{len(workers)}")
            worker.end()
            print(json.dumps({"name": job.name, "trouble": worker.trouble, "note": worker.note}), file=sys.stderr)
            workers.append(worker)
    return workers


def passing(curve: Iterable[tuple[float, float]], log_p: float) -> float | None:
    """First processor time at which a curve of (seconds, log p) has reached a value; None if it never does."""
    return next((seconds for seconds, reached in curve if reached >= log_p), None)


def comparisons(workers: list[Worker]) -> list[str]:
    """When the rows of this package reach the final values of the others, a sentence for each pair."""
    done = [worker for worker in workers if worker.note]
    own, peers = ([w for w in done if ("curve" in w.note) == kind] for kind in (True, False))
    found = []
    for peer in peers:
        for worker in own:
            seconds, total = passing(worker.note["curve"], peer.note["log_p"]), peer.note["seconds"]
            when = "never" if seconds is None else f"after {seconds:.1f} s, {number(total / seconds)} times sooner"
            found.append(f"{worker.job.name}: the final log p of {peer.job.name} is reached {when}.")
    return found


def row_of(worker: Worker) -> list[str]:
    """A row of the table."""
    if worker.trouble:
        return [worker.job.name, worker.trouble]
    note = worker.note
    return [
        worker.job.name, str(note["epochs"]), f"{note['seconds']:.0f}", f"{note['log_p']:.3f} ± {note['error']:.3f}",
        f"{note['inside']:.3f}", f"{100 * note['outside']:.1f}", "/".join(f"{100 * c:.1f}" for c in note["covered"]),
    ]  # fmt: skip


def run(records: int, work: Path | None) -> str:
    """Trains all networks and returns the table.

    Args:
        records: recordings to train on; an eighth as many decide when to stop, and as many again are the test.
        work: folder for the dataset, which is deleted; by default the system's.
    """
    with dataset_of(records, work) as folder:
        workers = trained(jobs(str(folder)))
    levels = "/".join(f"{100 * level:.0f}" for level in LEVELS)
    return (
        f"{table(_HEADER, [row_of(worker) for worker in workers])}\n\n{records:,} recordings to train on, seed {SEED}. "
        f"Log p is that of (m, k, ℓ0) in SI units on the test split, in nats; the prior has {log_prior():.2f}. Kept in "
        "the prior: the same once each density outside the prior is given to the inside. Outside: share of draws "
        f"outside the prior. Of the others, central {levels} % intervals of k/m hold so many true values of the first "
        f"{DRAWN:,} test recordings. Processor time is that of the training, over all threads.\n\n"
        + "\n".join(f"- {sentence}" for sentence in comparisons(workers))
    )

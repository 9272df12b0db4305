"""Engines side by side: accepted records a second, error, time of the first call, peak memory.

All integrate the same raw draws of the paper's priors, those that do not walk included, through
all events, and sample position, velocity and force. Each has the largest tolerance with which its
worst error was found to stay within 1e-8 m; diffrax has none, see `peers.diffrax_walker`.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from gait.parameters import NAMES
from gait.simulation import reference
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.model import Outcome
from gait.simulation.walks import integrate
from tests.benchmarks.measure import Job, Worker, taking_turns
from tests.benchmarks.table import megabytes, number, table
from tests.benchmarks.walker import raw_draws, some

PACKAGES = ["numpy", "numba", "scipy", "heyoka", "diffrax", "jax"]
SENSITIVE = 1e5
"""A walk that grows a change of its initial height by more than this is left out of the errors: rounding decides it."""
_PEERS = "tests.benchmarks.peers"


def engine_job(walker: str, records: int, folder: str, name: str, loops: int = 1, **options):
    """A job that integrates `records` raw draws, `loops` times a turn; the first turn's walks are kept for the check.

    A turn of a tenth of a second would measure how the machine wakes up from the turns of the others.
    """
    import importlib

    settings = RecordingSettings()
    module, function = walker.split(":")
    engine = getattr(importlib.import_module(module), function)(settings.times, settings.duration, **options)
    conditions = raw_draws(records)
    one = some(conditions, slice(0, 1))
    kept = Path(folder) / f"{name}.npz"

    def turn(first: bool = False) -> dict:
        for _ in range(1 if first else loops):
            walked = engine(one if first else conditions)
        if not first and not kept.exists():
            np.savez(kept, outcome=walked.outcome, samples=walked.samples[:2])
        return {"accepted": loops * int(np.sum(walked.outcome == Outcome.WALKED))}

    return turn


def jobs(records: int, folder: str) -> list[Job]:
    """The rows of the table: our engine, the reference, then the peers."""
    few = max(5, min(30, records // 100))
    some_hundreds = min(records, 512)
    cores, long = os.cpu_count() or 1, {"loops": 8}
    rows = [
        (
            "Taylor series (this package), one core",
            "own_walkers:taylor",
            records,
            {"threads": 1} | long,
            "numba",
            True,
        ),
        (
            f"Taylor series, {cores} cores",
            "own_walkers:taylor",
            records,
            {"threads": cores} | long,
            "numba",
            False,
        ),
        ("scipy, steps bounded by the walker (our reference)", "own_walkers:scipy", few, {}, "scipy", True),
        ("scipy, steps as long as it likes", "own_walkers:scipy", few, {"max_step": np.inf}, "scipy", True),
        ("numba DOP853", "dop853_walker:compiled", records, {}, "numba", True),
        ("heyoka, scalar", "heyoka_walker:scalar", records, {}, "heyoka", True),
        ("heyoka, batch", "heyoka_walker:batch", records, {}, "heyoka", True),
        ("diffrax, Dopri8", "diffrax_walker:vectorised", some_hundreds, {"lanes": some_hundreds}, "diffrax", True),
    ]
    return [
        Job(
            name, "tests.benchmarks.engines:engine_job",
            {"walker": f"{_PEERS}.{walker}", "records": count, "folder": folder, "name": str(i), **options},
            package, one_core,
        )
        for i, (name, walker, count, options, package, one_core) in enumerate(rows)
    ]  # fmt: skip


class Check:
    """Truth about the records: walks by the reference for a few and by our engine for all, and which are sensitive."""

    def __init__(self, records: int, checked: int):
        settings = RecordingSettings()
        conditions = raw_draws(records)
        nearby = conditions.start.copy()
        nearby[:, 1] -= 1e-12
        self.ours = outcomes_and_positions(conditions, settings)
        moved = outcomes_and_positions(dataclasses.replace(conditions, start=nearby), settings)
        with np.errstate(invalid="ignore"):
            growth = np.abs(moved[1] - self.ours[1]).max(axis=(0, 2)) / 1e-12
        self.calm = (self.ours[0] == Outcome.WALKED) & (growth < SENSITIVE)
        self.rows = np.flatnonzero(self.calm)[:checked]
        print(f"checking: {len(self.rows)} records by the reference at rtol 3e-14", file=sys.stderr)
        exact = reference.integrate(
            some(conditions, self.rows), settings.times, settings.duration, rtol=3e-14, atol=1e-16
        )
        self.exact = exact.samples[:2]

    def errors(self, path: Path) -> tuple[float, float, int, int]:
        """Worst error on checked records [m], worst difference from our engine [m], other outcomes, records."""
        with np.load(path) as saved:
            outcome, samples = saved["outcome"], saved["samples"]
        count = len(outcome)
        rows = self.rows[self.rows < count]
        error = np.abs(samples[:, rows] - self.exact[:, : len(rows)]).max() if len(rows) else np.nan
        both = self.calm[:count] & (outcome == Outcome.WALKED)
        difference = np.abs(samples[:, both] - self.ours[1][:, :count][:, both]).max() if both.any() else np.nan
        return error, difference, int(np.sum(outcome != self.ours[0][:count])), count


def outcomes_and_positions(conditions: Conditions, settings: RecordingSettings) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes [n] and positions [2, n, samples] by our engine."""
    walks = integrate(conditions, settings)
    return walks.outcome, walks.samples[:2]


def run(records: int, repeats: int, checked: int) -> str:
    """Measures all engines and returns the table.

    Args:
        records: raw draws that each engine integrates in a turn; the slow ones get fewer.
        repeats: turns of each engine.
        checked: records that the reference integrates at its highest accuracy.
    """
    with tempfile.TemporaryDirectory() as folder:
        workers = taking_turns(jobs(records, folder), repeats)
        check = Check(records, checked)
        rates = [worker.note["accepted"] / worker.median if worker.seconds else np.nan for worker in workers]
        rows = []
        for i, (worker, rate) in enumerate(zip(workers, rates, strict=True)):
            rows.append(_row(worker, rate, rates[0], check, Path(folder) / f"{i}.npz"))
    header = [
        "engine", "accepted records/s", "of ours", f"worst error on {len(check.rows)} [m]",
        "worst difference from ours [m]", "other outcomes", "first call [s]", "peak memory [MB]",
    ]  # fmt: skip
    ignored = int(np.sum((check.ours[0] == Outcome.WALKED) & ~check.calm))
    return (
        f"{table(header, rows)}\n\n{records:,} raw draws of {len(NAMES)} parameters, medians of at least {repeats} "
        "turns. "
        f"Errors are of positions; walks that grow an initial change more than {SENSITIVE:.0e} times ({ignored}) are "
        "left out. First call: a new process with empty caches, imports and compiling included, to the end of one "
        "record (diffrax: of one batch)."
    )


def _row(worker: Worker, rate: float, ours: float, check: Check, path: Path) -> list:
    if worker.trouble:
        return [worker.job.name, worker.trouble]
    error, difference, others, count = check.errors(path)
    return [
        worker.job.name, number(rate), number(rate / ours), number(error, 2), number(difference, 2),
        f"{others} of {count}", number(worker.first_call), megabytes(worker.peak_memory),
    ]  # fmt: skip

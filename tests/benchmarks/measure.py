"""Measuring: jobs in processes of their own that take turns, their first call and their peak memory.

A job is a function that prepares something (options as JSON) and returns another function, which
does the work once: a turn. Every job has a process of its own, so that neither libraries nor
memory of one disturb another; all processes live at the same time, and a turn is one line on
the standard input. So the rows of a table are measured minute by minute side by side.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.table import MISSING, installed

ROOT = Path(__file__).parents[2]
SPREAD = 0.1
"""Spread of a row's turns above which all rows take more turns, see `Worker.spread`."""
_MOST = 3  # times as many turns


@dataclasses.dataclass(frozen=True)
class Job:
    """One row to be measured.

    Attributes:
        name: of the row.
        function: where it is, as "package.module:function".
        options: its arguments.
        package: what must be installed.
        one_core: whether the process is to use a single core, whatever its library would like.
        environment: variables of its process.
    """

    name: str
    function: str
    options: dict = dataclasses.field(default_factory=dict)
    package: str | None = None
    one_core: bool = False
    environment: dict = dataclasses.field(default_factory=dict)


class Worker:
    """The process of a job.

    Attributes:
        trouble: why there is nothing to measure, or None.
        first_call: seconds from the start of the process to the end of the first turn.
        seconds: of every turn after the first.
        peak_memory: largest resident memory [bytes] so far.
        note: what the last turn returned.
    """

    def __init__(self, job: Job, caches: Path):
        self.job, self.trouble, self.seconds = job, None, []
        self.first_call, self.peak_memory, self.note = float("nan"), float("nan"), None
        if job.package and installed(job.package) is None:
            self.trouble = MISSING
            return
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115, it lives as long as the process
        environment = os.environ | {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "NUMBA_CACHE_DIR": str(caches / "numba"),
            "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TORCHINDUCTOR_CACHE_DIR": str(caches / "torch"),
        }
        start = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.worker", json.dumps(dataclasses.asdict(job))],
            cwd=ROOT, env=environment | job.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip
        if self._answer():
            self.first_call = time.perf_counter() - start

    def _answer(self) -> dict | None:
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            last = [text.strip() for text in self._errors.read().splitlines() if text.strip()][-1:]
            self.trouble = f"failed: {(last or ['no message'])[0][:100]}"
            return None
        answer = json.loads(line)
        self.peak_memory, self.note = answer["peak_memory"], answer["note"]
        return answer

    def turn(self, measured: bool = True) -> None:
        """Does the work once."""
        if self.trouble:
            return
        self._process.stdin.write("turn\n")
        self._process.stdin.flush()
        answer = self._answer()
        if answer and measured:
            self.seconds.append(answer["seconds"])

    def end(self) -> None:
        """Ends the process; it has nothing to lose."""
        if self.trouble is None:
            self._process.stdin.close()
            self._process.wait(60)
            self._process.stdout.close()
            self._errors.close()

    @property
    def median(self) -> float:
        """Median time of a turn, s; NaN without one."""
        return float(np.median(self.seconds)) if self.seconds else float("nan")

    @property
    def spread(self) -> float:
        """Width of the middle half of the turns, as a part of their median; NaN without one."""
        if not self.seconds:
            return float("nan")
        low, high = np.quantile(self.seconds, [0.25, 0.75])
        return float((high - low) / self.median)


def restless(workers: list[Worker]) -> list[Worker]:
    """Those whose turns spread too much."""
    return [worker for worker in workers if worker.spread > SPREAD]


def taking_turns(jobs: list[Job], repeats: int, warm_up: bool = True) -> list[Worker]:
    """Measures jobs side by side: in every round each takes one turn.

    Compilers begin with empty caches, which first calls include. While a row spreads by more than `SPREAD`, the rounds
    are repeated, up to three times in all, and for all rows: their ratios are those of turns of the same minute. Rows
    that still spread say so in their names.
    """
    with tempfile.TemporaryDirectory() as folder:
        workers = []
        try:
            for job in jobs:
                print(f"preparing: {job.name}", file=sys.stderr)
                workers.append(Worker(job, Path(folder) / f"{len(workers)}"))
            for i in range(-int(warm_up), _MOST * repeats):
                if i > 0 and i % repeats == 0 and not restless(workers):
                    break
                print(f"round {i + 1}, at least {repeats}" if i >= 0 else "warming up", file=sys.stderr)
                for worker in workers:
                    worker.turn(measured=i >= 0)
        finally:
            for worker in workers:
                worker.end()
        for worker in restless(workers):
            name = f"{worker.job.name} (spread {100 * worker.spread:.0f} %)"
            worker.job = dataclasses.replace(worker.job, name=name)
    return workers

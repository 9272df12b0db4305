"""The process of one job: prepares it, then does its work once for every line on the standard input."""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path


def peak_memory() -> int:
    """Largest resident memory [bytes] of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux passes the parent's peak on to getrusage of a child process; this one is the child's own.
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(described: dict) -> None:
    """Prepares a job, reports its first turn, then one more for every line."""
    # Libraries print what they like; answers have the standard output to themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if described["one_core"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    module, function = described["function"].split(":")
    turn = getattr(importlib.import_module(module), function)(**described["options"])
    note, seconds = turn(first=True), 0.0
    while True:
        print(json.dumps({"seconds": seconds, "peak_memory": peak_memory(), "note": note}), file=answers, flush=True)
        if not sys.stdin.readline():
            return
        start = time.perf_counter()
        note = turn()
        seconds = time.perf_counter() - start


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

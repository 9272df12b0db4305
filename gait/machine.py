"""What of this machine a process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """Number of cores that this process may use; batch systems and containers leave it some of the machine's."""
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

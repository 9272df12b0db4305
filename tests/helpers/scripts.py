"""The scripts, run as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_script(*arguments: str, **options) -> subprocess.CompletedProcess:
    """Runs one of the three scripts as a user would."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=170, **options
    )

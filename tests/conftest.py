"""Shared helpers: draws of the paper's walkers and small datasets."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from faults import Scripts

from gait.manifest import Plan
from gait.parameters import NAMES, PAPER_PRIORS, draw
from gait.population import Population

pytest_plugins = ["durability"]  # its fixtures; and its asserts are explained like those of a test
ROOT = Path(__file__).parent.parent


def paper_draws(count: int, seed: int) -> dict[str, np.ndarray]:
    """Arguments of `gait.simulate` for raw draws of the paper's priors, walking or not."""
    values = draw(NAMES, PAPER_PRIORS, count, np.random.default_rng(seed))
    return dict(zip(NAMES, values.T, strict=True))


def run_script(*arguments: str, **options) -> subprocess.CompletedProcess:
    """Runs one of the three scripts as a user would."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=170, **options
    )


def small_plan(records: int = 200, seed: int = 3, channels=("x", "y"), shards=None, **population) -> Plan:
    """A dataset of short walks that takes a moment to write."""
    return Plan(Population(seed=seed, **({"duration": 3.0} | population)), records, tuple(channels), shards)


def files_of(folder) -> dict[str, str]:
    """Checksums of the shards in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("[!.]*.tfrecord")}


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory) -> Path:
    """2,000 short walks with positions and forces; tests must not change it."""
    from gait import dataset

    folder = tmp_path_factory.mktemp("data") / "walks"
    dataset.write(folder, small_plan(2000, channels=("x", "y", "fx", "fy"), shards=10), audit=1)
    return folder


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """Runs the scripts as children of one process that has loaded everything."""
    started = Scripts(tmp_path_factory.mktemp("scripts"))
    yield started
    started.close()

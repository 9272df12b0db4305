"""Fixtures that tests of several packages share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Tests run side by side on all cores: threads within a product of small matrices would only wait, and busily.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# As in an activated environment: printed commands are "python …".
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

import pytest

from tests.helpers.faults import Scripts
from tests.helpers.walks import small_plan

pytest_plugins = ["tests.helpers.durability"]  # its fixtures; and its asserts are explained like those of a test


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory) -> Path:
    """2,000 short walks with positions and forces; tests must not change it."""
    from gait.data.writing import write_dataset

    folder = tmp_path_factory.mktemp("data") / "walks"
    write_dataset(folder, small_plan(2000, channels=("x", "y", "fx", "fy"), shards=10), audit=1)
    return folder


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """Runs the scripts as children of one process that has loaded everything."""
    started = Scripts(tmp_path_factory.mktemp("scripts"))
    yield started
    started.close()

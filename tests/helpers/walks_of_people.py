"""Recordings made with the simulator, and those that lie beside the repository, if there are any."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from gait.recordings.recording import Recording, recording_of
from gait.simulation.walks import simulate
from tests.helpers.scripts import ROOT

GEYER = {"mass": 80.0, "stiffness": 14_000.0, "rest_length": 1.0, "y0": 1.0 - 0.97083467, "vx0": 1.09698036}
"""Periodic walk of Geyer, Seyfarth and Blickhan (2006) at 69 degrees: step 0.44453270 s and 0.51423611 m, double
support 0.16656299 s, force humps of 1.0466 body weights with 0.5203 between them."""
STEP_TIME, DOUBLE_SUPPORT, STEP_LENGTH, PEAK, MINIMUM, TRAVEL = (
    0.44453270,
    0.16656299,
    0.51423611,
    1.0466,
    0.5203,
    0.06075,
)


def geyer(duration: float = 4.0, interval: float = 0.01, **changes):
    """The periodic walk, g 9.81 m/s²."""
    given = GEYER | {"angle_of_attack": np.deg2rad(69.0), "gravity": 9.81, "duration": duration, "interval": interval}
    return simulate(**(given | changes))


def recorded(duration: float = 4.0, interval: float = 0.01, channels: tuple[str, ...] = (), **changes) -> Recording:
    """The periodic walk as a recording of some channels, by default of all."""
    return only(recording_of(geyer(duration, interval, **changes)), channels)


def only(recording: Recording, channels: tuple[str, ...], **changes) -> Recording:
    """A recording with some of its channels, and other changes."""
    kept = {name: values for name, values in recording.channels.items() if not channels or name in channels}
    return dataclasses.replace(recording, channels=kept, **changes)


def shared() -> Path:
    """Folder of recordings beside the repository; the test is skipped without it."""
    for folder in (os.environ.get("GAIT_SHARED", ""), ROOT.parent / "shared", ROOT.parent.parent / "shared"):
        if folder and (Path(folder) / "recordings" / "truth.json").exists():
            return Path(folder)
    pytest.skip("no recordings beside the repository")

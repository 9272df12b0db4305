"""Draws of the paper's walkers, and small datasets."""

from __future__ import annotations

import hashlib

import numpy as np

from gait.data.manifest import Plan
from gait.parameters import NAMES, PAPER_PRIORS, Uniform, draw
from gait.simulation.conditions import RecordingSettings
from gait.simulation.population import Population

SMALL_NETWORK = {"layers": 2, "units": 8}
"""Settings of a training that is about something else: the paper's network takes three times as long to build."""


def paper_draws(count: int, seed: int) -> dict[str, np.ndarray]:
    """Arguments of `gait.simulate` for raw draws of the paper's priors, walking or not."""
    values = draw(NAMES, PAPER_PRIORS, count, np.random.default_rng(seed))
    return dict(zip(NAMES, values.T, strict=True))


def small_plan(
    records: int = 200,
    seed: int = 3,
    channels: tuple[str, ...] = ("x", "y"),
    shards: int | None = None,
    duration: float = 3.0,
    priors: dict[str, Uniform] = PAPER_PRIORS,
    **others,
) -> Plan:
    """A dataset of short walks that takes a moment to write."""
    settings = RecordingSettings(duration=duration)
    return Plan.of(Population(priors, seed), settings, records=records, channels=channels, shards=shards, **others)


def files_of(folder) -> dict[str, str]:
    """Checksums of the shards in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("[!.]*.tfrecord")}

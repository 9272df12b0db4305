"""Draws of the paper's walkers, and small datasets."""

from __future__ import annotations

import hashlib

import numpy as np

from gait.data.manifest import Plan
from gait.parameters import NAMES, PAPER_PRIORS, draw
from gait.simulation.population import Population


def paper_draws(count: int, seed: int) -> dict[str, np.ndarray]:
    """Arguments of `gait.simulate` for raw draws of the paper's priors, walking or not."""
    values = draw(NAMES, PAPER_PRIORS, count, np.random.default_rng(seed))
    return dict(zip(NAMES, values.T, strict=True))


def small_plan(records: int = 200, seed: int = 3, channels=("x", "y"), shards=None, **population) -> Plan:
    """A dataset of short walks that takes a moment to write."""
    return Plan(Population(seed=seed, **({"duration": 3.0} | population)), records, tuple(channels), shards)


def files_of(folder) -> dict[str, str]:
    """Checksums of the shards in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("[!.]*.tfrecord")}

"""Who walks: draws of persons and trials, redrawn until the person walks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from gait import model
from gait.errors import InputError
from gait.integrators import ENGINES, check_samples, reference, sample_times, taylor
from gait.integrators.conditions import Conditions
from gait.model import Outcome, TouchdownRule
from gait.parameters import CIRCUMSTANCE, NAMES, PAPER_PRIORS, SUBJECT, Uniform, check_priors, draw, stream

BLOCK = 1000
"""Records that share one random stream; a change of it is a change of every dataset."""
ATTEMPTS = 1000
"""Trials a person gets before the ranges are declared unwalkable."""


@dataclasses.dataclass(frozen=True)
class Population:
    """Everything that decides which walks are made; the defaults are the paper's.

    Attributes:
        seed: key of all random streams.
        priors: range of each parameter in `gait.parameters.NAMES`, SI units.
        gravity: m/s².
        duration, interval: length of a walk and time between its samples, s.
        engine: "taylor" or "scipy".
    """

    seed: int = 0
    priors: Mapping[str, Uniform] = dataclasses.field(default_factory=lambda: dict(PAPER_PRIORS))
    gravity: float = 10.0
    duration: float = 15.0
    interval: float = 0.1
    engine: str = "taylor"

    def __post_init__(self):
        check_priors(self.priors)
        if self.seed < 0:
            raise InputError(f"The seed must not be negative. Received: {self.seed}.")
        if not (np.isfinite(self.gravity) and self.gravity > 0):
            raise InputError(f"gravity must be positive. Received: --gravity={self.gravity}.")
        check_samples(self.duration, self.interval)

    @property
    def times(self) -> np.ndarray:
        return sample_times(self.duration, self.interval)

    @property
    def tolerance(self) -> float:
        """Accuracy setting of the engine, for the record."""
        return taylor.TOLERANCE if self.engine == "taylor" else reference.RTOL

    def integrate(self, parameters: np.ndarray, engine: str | None = None):
        """Walks of given parameters, shape [n, 7] in the order of `NAMES`, on one core."""
        return ENGINES[engine or self.engine](self.conditions(parameters), self.times, self.duration, threads=1)

    def conditions(self, parameters: np.ndarray) -> Conditions:
        """Starting conditions of walkers with given parameters, shape [n, 7] in the order of `NAMES`."""
        mass, stiffness, rest_length, x0, y0, vx0, step_length = np.ascontiguousarray(parameters.T)
        return Conditions(
            mass=mass,
            stiffness=np.stack([stiffness, stiffness], axis=1),
            rest_length=np.stack([rest_length, rest_length], axis=1),
            start=np.stack([x0, rest_length - y0, vx0, np.zeros_like(vx0)], axis=1),
            rule=TouchdownRule.STEP_LENGTH,
            target=step_length,
            gravity=np.full_like(mass, self.gravity),
        )


def walk_block(population: Population, block: int, rows: range) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Makes the given rows of one block of records walk.

    The person of a record (m, k, l0) is drawn once. Position, speed and step length are redrawn
    until the person walks for the whole duration. Every attempt draws for the whole block, so a
    record does not depend on which rows are asked for.

    Args:
        population: what to draw from.
        block: number of the block; its first record is `block * BLOCK`.
        rows: consecutive rows within the block.

    Returns:
        parameters [n, 7] in the order of `NAMES`; samples [6, n, samples], see
        `gait.integrators.conditions.Recording`; numbers of draws that ended in each outcome [6].

    Raises:
        InputError: if a person does not walk in `ATTEMPTS` attempts.
    """
    generator = stream(population.seed, block)
    subjects = draw(SUBJECT, population.priors, BLOCK, generator)
    parameters = np.empty((BLOCK, len(NAMES)))
    samples = None
    counts = np.zeros(len(Outcome), np.int64)
    pending = np.arange(rows.start, rows.stop)
    for _ in range(ATTEMPTS):
        trial = np.concatenate([subjects, draw(CIRCUMSTANCE, population.priors, BLOCK, generator)], axis=1)
        recording = population.integrate(trial[pending])
        counts += np.bincount(recording.outcome, minlength=len(Outcome))
        walked = recording.outcome == Outcome.WALKED
        if samples is None:
            samples = recording.samples
        else:
            samples[:, pending[walked] - rows.start] = recording.samples[:, walked]
        parameters[pending[walked]] = trial[pending[walked]]
        pending = pending[~walked]
        if not pending.size:
            return parameters[rows.start : rows.stop], samples, counts
    person = ", ".join(f"{name} {value:.6g}" for name, value in zip(SUBJECT, subjects[pending[0]], strict=True))
    reasons = ", ".join(
        f"{model.Outcome(i).name.lower()} {n}" for i, n in enumerate(counts) if n and i != Outcome.WALKED
    )
    raise InputError(
        f"Record {block * BLOCK + pending[0]} ({person}) did not walk in {ATTEMPTS} attempts; attempts in its block "
        f"ended in: {reasons}. Choose ranges of x0, y0, vx0 and step_length with which such a person can walk."
    )

"""Who walks: draws of persons and trials, redrawn until the person walks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from gait.errors import InputError
from gait.parameters import CIRCUMSTANCE, NAMES, PAPER_PRIORS, SUBJECT, Uniform, check_priors, draw, stream
from gait.simulation import model, reference, taylor
from gait.simulation.conditions import Conditions, Recording
from gait.simulation.model import Outcome, TouchdownRule
from gait.simulation.walks import ENGINES, check_samples, sample_times

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

    def integrate(self, parameters: np.ndarray, engine: str | None = None) -> Recording:
        """Walks of given parameters, shape [n, 7] in the order of `NAMES`, on one core."""
        return self.walks(self.conditions(parameters), engine)

    def walks(self, walkers: Conditions, engine: str | None = None) -> Recording:
        """Walks of any walkers for the population's duration, on one core."""
        return ENGINES[engine or self.engine](walkers, self.times, self.duration, threads=1)

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


def walk_records(population: Population, records: range) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Makes consecutive records of the population walk.

    The person of a record (m, k, l0) is drawn once. Position, speed and step length are redrawn
    until the person walks for the whole duration. Every attempt draws for the whole block of a
    record, from the block's own stream, so a record does not depend on which others are asked for.

    Args:
        population: what to draw from.
        records: their numbers. The more at a time, the fewer lanes of the engine stay empty while
            the last ones are redrawn.

    Returns:
        parameters [n, 7] in the order of `NAMES`; samples [6, n, samples], see
        `gait.simulation.conditions.Recording`; numbers of draws that ended in each outcome [6].

    Raises:
        InputError: if a person does not walk in `ATTEMPTS` attempts.
    """
    parts = [_Part(population, block, records) for block in range(records.start // BLOCK, -(-records.stop // BLOCK))]
    parameters = np.empty((len(records), len(NAMES)))
    samples = None
    counts = np.zeros(len(Outcome), np.int64)
    pending = np.arange(len(records))
    for _ in range(ATTEMPTS):
        parameters[pending] = np.concatenate([part.trials() for part in parts])
        recording = population.integrate(parameters[pending])
        counts += np.bincount(recording.outcome, minlength=len(Outcome))
        walked = recording.outcome == Outcome.WALKED
        if samples is None:
            samples = recording.samples
        else:
            samples[:, pending[walked]] = recording.samples[:, walked]
        pending = pending[~walked]
        edges = np.cumsum([len(part.pending) for part in parts])[:-1]
        for part, done in zip(parts, np.split(walked, edges), strict=True):
            part.pending = part.pending[~done]
        parts = [part for part in parts if len(part.pending)]
        if not parts:
            return parameters, samples, counts
    subject = dict(zip(NAMES, parameters[pending[0]], strict=True))
    person = ", ".join(f"{name} {subject[name]:.6g}" for name in SUBJECT)
    reasons = ", ".join(
        f"{model.Outcome(i).name.lower()} {n}" for i, n in enumerate(counts) if n and i != Outcome.WALKED
    )
    raise InputError(
        f"Record {records[pending[0]]} ({person}) did not walk in {ATTEMPTS} attempts; attempts at its neighbours and "
        f"itself ended in: {reasons}. Choose ranges of x0, y0, vx0 and step_length with which such a person can walk."
    )


class _Part:
    """The asked-for records of one block: who they are, and which of them have yet to walk."""

    def __init__(self, population: Population, block: int, records: range):
        first = block * BLOCK
        self._priors = population.priors
        self._generator = stream(population.seed, block)
        self._subjects = draw(SUBJECT, self._priors, BLOCK, self._generator)
        self.pending = np.arange(max(records.start, first), min(records.stop, first + BLOCK)) - first
        """Rows of the block, shape [pending]."""

    def trials(self) -> np.ndarray:
        """One more attempt each, shape [pending, 7] in the order of `NAMES`."""
        circumstances = draw(CIRCUMSTANCE, self._priors, BLOCK, self._generator)
        return np.concatenate([self._subjects[self.pending], circumstances[self.pending]], axis=1)

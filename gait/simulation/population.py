"""Populations: draws of walkers, whose circumstances are redrawn until they walk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from gait.errors import InputError
from gait.parameters import PAPER_PRIORS, Uniform, check_priors, draw, named, order_of, stream, subject_of
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.model import Outcome
from gait.simulation.walks import integrate

BLOCK = 1000
"""Records that share one random stream; a change of it is a change of every dataset."""
ATTEMPTS = 4000
"""Draws of its circumstances that a walker gets before the ranges are declared unwalkable."""


@dataclasses.dataclass(frozen=True)
class Population:
    """Walkers to be drawn; the defaults are the paper's.

    Attributes:
        priors: range of each parameter, SI units: those of `gait.parameters.NAMES`, with `angle_of_attack` instead of
            `step_length` for walkers that land at a fixed angle; `stiffness_right` and `rest_length_right` if the
            other leg has its own.
        seed: key of all random streams.

    Raises:
        InputError: if a range is missing or not one, or the seed is negative.
    """

    priors: Mapping[str, Uniform] = dataclasses.field(default_factory=lambda: dict(PAPER_PRIORS))
    seed: int = 0

    def __post_init__(self):
        check_priors(self.priors)
        if missing := [name for name in self.names if name not in self.priors]:
            raise InputError(f"Each parameter of a walker has a range. Received: none of {', '.join(missing)}.")
        if {"step_length", "angle_of_attack"} <= {*self.priors}:
            raise InputError(
                "Walkers land at a fixed step length or at a fixed angle of attack. Received: ranges of both. "
                "Leave out one of them."
            )
        if self.seed < 0:
            raise InputError(f"The seed must not be negative. Received: --seed={self.seed}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of a walker's parameters, in the order of their columns."""
        return order_of(self.priors)


def until_walking(attempt: Callable[[np.ndarray], np.ndarray], count: int) -> np.ndarray:
    """Repeats attempts with the walkers that have not walked yet.

    Args:
        attempt: draws circumstances for the walkers of some numbers [pending] and lets them walk; returns which of
            them have walked for the whole recording, shape [pending].
        count: number of walkers.

    Returns:
        Numbers of those that have not walked in `ATTEMPTS` attempts; none if all is well.
    """
    pending = np.arange(count)
    for _ in range(ATTEMPTS):
        pending = pending[~attempt(pending)]
        if not len(pending):
            break
    return pending


def walk_records(
    population: Population, settings: RecordingSettings, records: range, engine: str = "taylor"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Makes consecutive records of the population walk.

    The subject parameters of a record (m, k, l0, and those of the other leg) are drawn once. Its circumstances
    (position, speed, step length or angle of attack) are redrawn until it walks for the whole duration. Every attempt
    draws for the whole block of a record, from the block's own stream, so a record does not depend on which others are
    asked for.

    Args:
        population: what to draw from.
        settings: how to record.
        records: their numbers. The more at a time, the fewer lanes of the engine stay empty while
            the last ones are redrawn.
        engine: name of one of `gait.simulation.walks.ENGINES`.

    Returns:
        parameters [n, p] in the order of `population.names`; samples [6, n, samples], see
        `gait.simulation.conditions.Walks`; numbers of draws that ended in each outcome [6].

    Raises:
        InputError: if a walker does not walk in `ATTEMPTS` attempts.
    """
    numbers = np.arange(records.start, records.stop)
    columns = population.names
    subject = subject_of(columns)
    circumstances = tuple(name for name in columns if name not in subject)
    parameters = np.empty((len(numbers), len(columns)))
    drawn, redrawn = (np.array([columns.index(name) for name in names]) for names in (subject, circumstances))
    streams = {block: stream(population.seed, block) for block in np.unique(numbers // BLOCK).tolist()}
    for block, generator in streams.items():
        rows = np.flatnonzero(numbers // BLOCK == block)
        subjects = draw(subject, population.priors, BLOCK, generator)
        parameters[rows[:, None], drawn] = subjects[numbers[rows] % BLOCK]
    samples = np.empty(0)
    counts = np.zeros(len(Outcome), np.int64)

    def attempt(pending: np.ndarray) -> np.ndarray:
        nonlocal samples, counts
        blocks = numbers[pending] // BLOCK
        for block in np.unique(blocks).tolist():
            rows = pending[blocks == block]
            anew = draw(circumstances, population.priors, BLOCK, streams[block])
            parameters[rows[:, None], redrawn] = anew[numbers[rows] % BLOCK]
        conditions = Conditions.of(named(columns, parameters[pending]), settings.gravity)
        walks = integrate(conditions, settings, engine)
        counts = counts + np.bincount(walks.outcome, minlength=len(Outcome))
        walked = walks.outcome == Outcome.WALKED
        if len(pending) == len(numbers):
            samples = walks.samples
        else:
            samples[:, pending[walked]] = walks.samples[:, walked]
        return walked

    left = until_walking(attempt, len(numbers))
    if not len(left):
        return parameters, samples, counts
    walker = ", ".join(f"{name} {parameters[left[0], columns.index(name)]:.6g}" for name in subject)
    reasons = ", ".join(f"{Outcome(i).name.lower()} {n}" for i, n in enumerate(counts) if n and i != Outcome.WALKED)
    raise InputError(
        f"Record {numbers[left[0]]} ({walker}) did not walk in {ATTEMPTS} attempts; attempts at it and at its "
        f"neighbours ended in: {reasons}. Choose ranges of {', '.join(circumstances)} with which such a walker can "
        f"walk{', or legs of more equal lengths' if 'rest_length_right' in columns else ''}."
    )

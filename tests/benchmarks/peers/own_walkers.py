"""This package's own two engines, in the form of the comparison."""

from __future__ import annotations

import numpy as np

from gait.simulation import reference
from gait.simulation.conditions import Conditions
from gait.simulation.walks import ENGINES
from tests.benchmarks.walker import Walked


def taylor(times: np.ndarray, duration: float, threads: int):
    """The compiled engine.

    Args:
        times: sample times, shape [samples], s.
        duration: length of the walk, s.
        threads: cores to use.
    """

    def integrate(conditions: Conditions) -> Walked:
        walks = ENGINES["taylor"](conditions, times, duration, threads=threads)
        return Walked(walks.outcome, walks.samples)

    return integrate


def scipy(times: np.ndarray, duration: float, max_step: float | None = None):
    """The reference, `solve_ivp` with DOP853 from event to event; `max_step` in s, by default its own."""

    def integrate(conditions: Conditions) -> Walked:
        walks = reference.integrate(conditions, times, duration, max_step=max_step)
        return Walked(walks.outcome, walks.samples)

    return integrate

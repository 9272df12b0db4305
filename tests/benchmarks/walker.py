"""Walks as every engine in the comparison has to deliver them: to their end, with outcome and samples."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.parameters import NAMES, PAPER_PRIORS, draw, named
from gait.simulation import model
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.model import Outcome


@dataclasses.dataclass(frozen=True)
class Walked:
    """Outcomes and samples of n walks.

    Attributes:
        outcome: shape [n], `gait.Outcome` values.
        samples: x, y, vx, vy, fx, fy, shape [6, n, samples], SI units, NaN after a walk's end.
    """

    outcome: np.ndarray
    samples: np.ndarray


def raw_draws(records: int) -> Conditions:
    """The first draws of the paper's priors, the ones that do not walk included."""
    theta = draw(NAMES, PAPER_PRIORS, records, np.random.default_rng(0))
    return Conditions.of(named(NAMES, theta), RecordingSettings().gravity)


def some(conditions: Conditions, rows) -> Conditions:
    """The walkers of the given rows."""
    arrays = {
        field.name: getattr(conditions, field.name)[rows]
        for field in dataclasses.fields(conditions)
        if field.name != "rule"
    }
    return dataclasses.replace(conditions, **arrays)


def starting_outcomes(conditions: Conditions) -> np.ndarray:
    """Outcomes of the walks that cannot begin, shape [n]; `WALKED` for all others."""
    x, y, vx, _ = conditions.start.T
    length = conditions.rest_length[:, 0]
    airborne = model.rear_gap(x * x + y * y, length) > model.ROUNDING
    fallen = y <= model.FALL_FRACTION * length
    reasons = [Outcome.AIRBORNE.value, Outcome.FALL.value, Outcome.BACKWARD.value]
    return np.select([airborne, fallen, vx < 0.0], reasons, Outcome.WALKED.value)


def with_forces(
    conditions: Conditions,
    times: np.ndarray,
    outcome: np.ndarray,
    states: np.ndarray,
    touchdown: np.ndarray,
    takeoff: np.ndarray,
    end: np.ndarray,
) -> Walked:
    """Adds the ground reaction forces to states and cuts off what lies after a walk's end.

    Args:
        conditions: n walkers with equal legs and a fixed step length.
        times: sample times, shape [samples], s.
        outcome: shape [n].
        states: x, y, vx, vy with x counted from the first foothold, shape [4, n, samples].
        touchdown, takeoff: event times, shape [n, events], s, padded with infinity.
        end: when each walk ended, shape [n], s.
    """
    footholds, steps = np.zeros(states.shape[1:], np.int64), np.zeros(states.shape[1:], np.int64)
    for column in takeoff.T:
        footholds += column[:, None] < times
    for column in touchdown.T:
        steps += column[:, None] < times
    span, k, length = (
        a[:, None] for a in (conditions.target, conditions.stiffness[:, 0], conditions.rest_length[:, 0])
    )
    x, y = states[0] - footholds * span, states[1]
    rear = model.spring_force(x, y, k, length)
    front = model.spring_force(x - span, y, k, length)
    double = steps > footholds
    samples = np.stack([*states, *(r + np.where(double, f, 0.0) for r, f in zip(rear, front, strict=True))])
    samples[:, times[None, :] > np.where(outcome == Outcome.WALKED, np.inf, end)[:, None]] = np.nan
    return Walked(outcome, samples)

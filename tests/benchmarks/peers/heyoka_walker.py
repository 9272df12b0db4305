"""Walks by heyoka: Taylor series compiled by LLVM, one walker at a time or one in each SIMD lane.

F. Biscani, D. Izzo, "Revisiting high-order Taylor methods for astrodynamics and celestial mechanics",
Monthly Notices of the Royal Astronomical Society 504 (2021) 2614-2628.

One integrator serves both phases. Foothold and phase are parameters that the callbacks of the
terminal events change, so that Python runs at events only and the grid of samples is one call.
"""

from __future__ import annotations

import heyoka as hy
import numpy as np

from gait.simulation.conditions import Conditions
from gait.simulation.model import FALL_FRACTION, Outcome
from tests.benchmarks.walker import Walked, starting_outcomes, with_forces

TOLERANCE = 1e-10
"""With it the worst of 1,000 walks is off by 8e-9 m; at 1e-13 by 2e-11 m."""
STATE = hy.make_vars("x", "y", "vx", "vy")
RHO, LENGTH, GRAVITY, SPAN, FOOTHOLD, DOUBLE = (hy.par[i] for i in range(6))
FOOTHOLD_ROW, DOUBLE_ROW = 4, 5


def _equations() -> list:
    x, y, vx, vy = STATE

    def spring(x, y):
        per_length = RHO * (LENGTH * (x * x + y * y) ** -0.5 - 1.0)
        return per_length * x, per_length * y

    rear_x, rear_y = spring(x - FOOTHOLD, y)
    front_x, front_y = spring(x - FOOTHOLD - SPAN, y)
    return [(x, vx), (y, vy), (vx, rear_x + DOUBLE * front_x), (vy, rear_y + DOUBLE * front_y - GRAVITY)]


def _events(make, rear, front, stop) -> list:
    """The events of both phases; `stop` makes a callback from an outcome."""
    x, y, vx, _ = STATE
    rising, falling = hy.event_direction.positive, hy.event_direction.negative
    rear_gap = (x - FOOTHOLD) ** 2 + y * y - LENGTH * LENGTH
    front_gap = (x - FOOTHOLD - SPAN) ** 2 + y * y - LENGTH * LENGTH
    return [
        make(rear_gap, callback=rear, direction=rising),
        # In single support the fall of the gap is a touchdown, in double support its rise is a stumble.
        make((1.0 - 2.0 * DOUBLE) * front_gap, callback=front, direction=falling),
        make(vx, callback=stop(Outcome.BACKWARD), direction=falling),
        make(y - FALL_FRACTION * LENGTH, callback=stop(Outcome.FALL), direction=falling),
    ]


def _parameters(conditions: Conditions) -> np.ndarray:
    """Values of the integrator's parameters, shape [6, n]."""
    zero = np.zeros_like(conditions.mass)
    rho = conditions.stiffness[:, 0] / conditions.mass
    return np.stack([rho, conditions.rest_length[:, 0], conditions.gravity, conditions.target, zero, zero])


def _padded(times: list[list[float]]) -> np.ndarray:
    """Event times of unequal number as an array [n, events], padded with infinity."""
    padded = np.full((len(times), max(map(len, times)) + 1), np.inf)
    for row, values in zip(padded, times, strict=True):
        row[: len(values)] = values
    return padded


def scalar(times: np.ndarray, duration: float, tolerance: float = TOLERANCE):
    """An engine that takes one walker after the other.

    Args:
        times: sample times, shape [samples], s.
        duration: length of the walk, s.
        tolerance: of the Taylor series.
    """
    touchdown, takeoff, ending = [], [], []

    def rear(integrator, sign) -> bool:
        if not parameters[DOUBLE_ROW]:
            ending.append(Outcome.FLIGHT)
            return False
        parameters[DOUBLE_ROW] = 0.0
        parameters[FOOTHOLD_ROW] += span
        takeoff.append(integrator.time)
        return True

    def front(integrator, sign) -> bool:
        if parameters[DOUBLE_ROW]:
            ending.append(Outcome.STUMBLE)
            return False
        parameters[DOUBLE_ROW] = 1.0
        touchdown.append(integrator.time)
        return True

    def stop(outcome):
        def ended(integrator, sign) -> bool:
            ending.append(outcome)
            return False

        return ended

    integrator = hy.taylor_adaptive(
        _equations(), np.ones(4), pars=np.ones(6), tol=tolerance, fast_math=True,
        t_events=_events(hy.t_event, rear, front, stop),
    )  # fmt: skip
    parameters, state = integrator.pars, integrator.state  # views of the integrator's memory
    grid = np.append(times, duration)

    def integrate(conditions: Conditions) -> Walked:
        nonlocal span
        outcome = starting_outcomes(conditions)
        states = np.full((4, len(outcome), times.size), np.nan)
        end = np.zeros(len(outcome))
        touchdowns, takeoffs = [[] for _ in outcome], [[] for _ in outcome]
        given = _parameters(conditions)
        for i in np.flatnonzero(outcome == Outcome.WALKED):
            for found in (touchdown, takeoff, ending):
                found.clear()
            integrator.time, state[:], parameters[:] = 0.0, conditions.start[i], given[:, i]
            span = given[3, i]
            integrator.reset_cooldowns()
            sampled = integrator.propagate_grid(grid)[-1][: times.size]
            states[:, i, : len(sampled)] = sampled.T
            touchdowns[i], takeoffs[i], end[i] = touchdown.copy(), takeoff.copy(), integrator.time
            if ending:
                outcome[i] = ending[0]
        return with_forces(conditions, times, outcome, states, _padded(touchdowns), _padded(takeoffs), end)

    span = 0.0
    return integrate


def batch(times: np.ndarray, duration: float, tolerance: float = TOLERANCE):
    """An engine with a walker in each SIMD lane; arguments as for `scalar`."""
    lanes = hy.recommended_simd_size()
    outcome, end = np.zeros(lanes, np.int64), np.zeros(lanes)
    touchdown, takeoff = [[] for _ in range(lanes)], [[] for _ in range(lanes)]

    # A stopping event would stop all lanes. A walker who has ended is put to rest instead: without
    # forces and velocity its lane runs to the end in one step.
    def rest(integrator, lane, why) -> bool:
        if outcome[lane] == Outcome.WALKED:
            outcome[lane], end[lane] = why, integrator.time[lane]
        parameters[0, lane] = parameters[2, lane] = 0.0
        state[2:, lane] = 0.0
        return True

    def rear(integrator, sign, lane) -> bool:
        if not parameters[DOUBLE_ROW, lane]:
            return rest(integrator, lane, Outcome.FLIGHT)
        parameters[DOUBLE_ROW, lane] = 0.0
        parameters[FOOTHOLD_ROW, lane] += parameters[3, lane]
        takeoff[lane].append(clock[lane])
        return True

    def front(integrator, sign, lane) -> bool:
        if parameters[DOUBLE_ROW, lane]:
            return rest(integrator, lane, Outcome.STUMBLE)
        parameters[DOUBLE_ROW, lane] = 1.0
        touchdown[lane].append(clock[lane])
        return True

    def stop(why):
        return lambda integrator, sign, lane: rest(integrator, lane, why)

    integrator = hy.taylor_adaptive_batch(
        _equations(), np.ones((4, lanes)), pars=np.ones((6, lanes)), tol=tolerance, fast_math=True,
        t_events=_events(hy.t_event_batch, rear, front, stop),
    )  # fmt: skip
    parameters, state, clock = integrator.pars, integrator.state, integrator.time
    grid = np.repeat(np.append(times, duration)[:, None], lanes, axis=1)

    def integrate(conditions: Conditions) -> Walked:
        outcomes = starting_outcomes(conditions)
        states = np.full((4, len(outcomes), times.size), np.nan)
        ends = np.zeros(len(outcomes))
        touchdowns, takeoffs = [[] for _ in outcomes], [[] for _ in outcomes]
        given = _parameters(conditions)
        started = np.flatnonzero(outcomes == Outcome.WALKED)
        for first in range(0, len(started), lanes):
            rows = started[first : first + lanes]
            filled = np.resize(rows, lanes)  # the last lanes repeat some walkers
            outcome[:], end[:] = Outcome.WALKED, 0.0
            for lane in range(lanes):
                touchdown[lane].clear()
                takeoff[lane].clear()
            integrator.set_time(0.0)
            state[:], parameters[:] = conditions.start[filled].T, given[:, filled]
            integrator.reset_cooldowns()
            sampled = integrator.propagate_grid(grid)[-1]
            states[:, rows] = sampled[: times.size, :, : len(rows)].transpose(1, 2, 0)
            outcomes[rows], ends[rows] = outcome[: len(rows)], end[: len(rows)]
            for lane, row in enumerate(rows):
                touchdowns[row], takeoffs[row] = touchdown[lane].copy(), takeoff[lane].copy()
        return with_forces(conditions, times, outcomes, states, _padded(touchdowns), _padded(takeoffs), ends)

    return integrate

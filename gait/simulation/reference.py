"""The reference engine: scipy's DOP853 from event to event, as section II of the paper reads.

`solve_ivp` compares an event's sign at the two ends of a step only. Where a leg leaves and comes back within one
step, it would see nothing and accept a walk that was none. In such a step the gap of the event has a turning point
beyond zero. So turning points are watched, too, and steps are short enough to hold one at most.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from gait.simulation import model
from gait.simulation.conditions import Conditions, Walks
from gait.simulation.model import Event, Outcome, Phase, TouchdownRule

MAX_STEP = 0.1
"""Longest step, as a share of `time_scale`: about 6 ms for a walker of the paper."""
RTOL, ATOL = 1e-12, 1e-13


def integrate(
    conditions: Conditions,
    times: np.ndarray,
    duration: float,
    threads: int | None = None,
    *,
    max_step: float | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
) -> Walks:
    """Integrates walkers one after the other; about half a second each for 15 s of walking.

    Args:
        conditions: n walkers.
        times: sample times, shape [samples], s, ascending from 0.
        duration: length of the walk, s.
        threads: without effect; here so that all engines are called alike.
        max_step: longest step, s; by default `MAX_STEP` of each walker's own `time_scale`.
        rtol, atol: see `scipy.integrate.solve_ivp`.
    """
    from scipy.integrate import solve_ivp  # only now: most uses do not need it

    solve = functools.partial(solve_ivp, method="DOP853", rtol=rtol, atol=atol)
    longest = np.full(len(conditions.mass), max_step) if max_step else MAX_STEP * time_scale(conditions)
    walks = [
        _walk(conditions, i, times, duration, functools.partial(solve, max_step=longest[i]))
        for i in range(len(conditions.mass))
    ]
    most = max((len(walk.touchdown) for walk in walks), default=0)
    result = Walks.empty(len(walks), times, most)
    for i, walk in enumerate(walks):
        result.outcome[i] = walk.outcome
        result.events[i] = len(walk.touchdown), len(walk.takeoff)
        result.samples[:, i] = walk.samples
        result.touchdown[i, : len(walk.touchdown)] = walk.touchdown
        result.takeoff[i, : len(walk.takeoff)] = walk.takeoff
        result.foothold[i, : len(walk.foothold)] = walk.foothold
    return result


def time_scale(conditions: Conditions) -> np.ndarray:
    """Shortest time in which the motion of a walker can change, shape [n], s.

    It is the least of three: that of the mass on both springs, sqrt(m / (k1 + k2)); that of a pendulum as long as a
    leg, sqrt(l0 / g); and the time in which the walker covers the length of a leg at its initial speed.
    """
    spring = np.sqrt(conditions.mass / conditions.stiffness.sum(axis=1))
    shorter = conditions.rest_length.min(axis=1)
    speed = np.hypot(conditions.start[:, 2], conditions.start[:, 3])
    passing = np.divide(shorter, speed, out=np.full_like(speed, np.inf), where=speed > 0)
    return np.minimum(np.minimum(spring, np.sqrt(shorter / conditions.gravity)), passing)


@dataclasses.dataclass
class _Walk:
    """One walk as far as it has been followed: samples [6, samples] of NaN beyond, and its events so far."""

    samples: np.ndarray
    outcome: Outcome
    touchdown: list[float] = dataclasses.field(default_factory=list)
    takeoff: list[float] = dataclasses.field(default_factory=list)
    foothold: list[float] = dataclasses.field(default_factory=list)


def _walk(conditions: Conditions, i: int, times: np.ndarray, duration: float, solve) -> _Walk:
    """Follows walker i to the end."""
    mass, gravity, target = float(conditions.mass[i]), float(conditions.gravity[i]), float(conditions.target[i])
    rear, front = [
        (float(stiffness), float(rest_length))
        for stiffness, rest_length in zip(conditions.stiffness[i], conditions.rest_length[i], strict=True)
    ]
    samples = np.full((6, times.size), np.nan)
    state = conditions.start[i]
    walk = _Walk(samples, model.starting_outcome(state[0], state[1], state[2], rear[1]))
    if walk.outcome != Outcome.WALKED:
        return walk
    phase, time, origin, span = Phase.SINGLE_SUPPORT, 0.0, 0.0, 0.0
    while True:
        watched = model.EVENTS_OF_PHASE[phase]
        gaps = _gaps(phase, conditions.rule, target, span, rear[1], front[1])
        motion = _motion(phase, span, mass, rear, front, gravity)
        if time == 0.0:
            samples[:, 0] = *state, *model.ground_force(phase, state[0], state[1], span, *rear, *front)
        # Rounding may have put an event of the new phase just before its beginning. A touchdown is
        # never overdue: it is a fall into reach, not being in reach.
        event = _passing([e for e in watched if e != Event.TOUCHDOWN], gaps, motion, state, 0.0, np.inf)
        if event is None:
            solution = _to_next_event(solve, motion, time, duration, state, times, [(gaps[e], e) for e in watched])
            if len(solution.t):
                x, y, vx, vy = solution.y
                force = model.ground_force(phase, x, y, span, *rear, *front)
                samples[:, np.isin(times, solution.t)] = origin + x, y, vx, vy, *force
            if solution.status == 0:
                return walk
            found = next(i for i, event_times in enumerate(solution.t_events) if event_times.size)
            time, state = solution.t_events[found][0], solution.y_events[found][0]
            # Of two events at the same time, rounding may have put either first.
            tied = _passing(watched, gaps, motion, state, -1e-12, 1e-12)
            event = watched[found] if tied is None else min(watched[found], tied)
        if event == Event.TOUCHDOWN:
            span = model.touchdown_span(conditions.rule, state[0], target, front[1] * np.cos(target))
            phase = Phase.DOUBLE_SUPPORT
            walk.touchdown.append(time)
            walk.foothold.append(origin + span)
        elif event == Event.TAKEOFF:
            walk.takeoff.append(time)
            phase = Phase.SINGLE_SUPPORT
            origin, x = model.takeoff_reset(origin, state[0], span)
            state = np.array([x, *state[1:]])
            rear, front, span = front, rear, 0.0
        else:
            walk.outcome = model.OUTCOME_OF_EVENT[event]
            return walk


def _to_next_event(solve, motion, time, duration, state, times, watched):
    """The solution of `solve_ivp` up to the first of the watched events, or to the end of the walk.

    Events that it has passed over, because both ends of a step lie on the same side, show at a turning point of their
    gap. Solving only so far puts the end of a step there, and the event is seen.
    """

    def up_to(end):
        # Samples come from the dense output of the steps that hold one.
        return solve(
            motion, (time, end), state, t_eval=times[(times >= time) & (times <= end)],
            events=[_Terminal(*one) for one in watched] + [_Turning(gap, event, motion) for gap, event in watched],
        )  # fmt: skip

    solution = up_to(duration)
    turns = sorted(
        turned
        for (gap, event), at, states in zip(
            watched, solution.t_events[len(watched) :], solution.y_events[len(watched) :], strict=True
        )
        for turned, there in zip(at, states, strict=True)
        if model.DIRECTION[event] * gap(*there) > 0.0
    )
    for turned in turns:
        shorter = up_to(turned)
        if shorter.status == 1:
            return shorter
    return solution


def _motion(phase, span, mass, rear, front, gravity):
    """Right-hand side of the equations of motion of one phase, for the state (x, y, vx, vy)."""
    rho_rear, rho_front = rear[0] / mass, front[0] / mass

    def motion(time, state):
        x, y, vx, vy = state.tolist()  # plain floats are several times faster than numpy scalars
        return vx, vy, *model.acceleration(phase, x, y, span, rho_rear, rear[1], rho_front, front[1], gravity)

    return motion


def _gaps(phase, rule, target, span, l_rear, l_front):
    """The gap of each event as a function of the state (x, y, vx, vy)."""
    if rule == TouchdownRule.STEP_LENGTH:

        def touchdown(x, y, vx, vy):
            return model.front_gap(x * x + y * y, x, target, l_front)
    else:

        def touchdown(x, y, vx, vy):
            return model.height_gap(y, l_front * np.sin(target))

    def rear_leg(x, y, vx, vy):
        return model.rear_gap(x * x + y * y, l_rear)

    return {
        Event.TOUCHDOWN: touchdown,
        Event.TAKEOFF: rear_leg,
        Event.FLIGHT: rear_leg,
        Event.STUMBLE: lambda x, y, vx, vy: model.front_gap(x * x + y * y, x, span, l_front),
        Event.BACKWARD: lambda x, y, vx, vy: vx,
        Event.FALL: lambda x, y, vx, vy: model.height_gap(y, model.FALL_FRACTION * l_rear),
    }  # fmt: skip


class _Terminal:
    """An event as `solve_ivp` wants it: terminal, with a direction, and a gap as a function of time and state."""

    terminal = True

    def __init__(self, gap, event: Event):
        self._gap, self.direction = gap, model.DIRECTION[event]

    def __call__(self, time: float, state: np.ndarray) -> float:
        value = self._gap(*state.tolist())
        # solve_ivp takes a gap that starts at zero and goes nowhere for a crossing.
        return value if value != 0.0 else -self.direction * 1e-300


class _Turning:
    """The moment at which the gap of an event is nearest to it or furthest beyond, and turns back."""

    direction = -1

    def __init__(self, gap, event: Event, motion):
        self._gap, self._sign, self._motion = gap, model.DIRECTION[event], motion

    def __call__(self, time: float, state: np.ndarray) -> float:
        # A gap is a polynomial, so a step along the imaginary axis gives its rate exactly.
        step = [complex(s, 1e-30 * rate) for s, rate in zip(state.tolist(), self._motion(time, state), strict=True)]
        return self._sign * self._gap(*step).imag * 1e30


def _passing(watched, gaps, motion, state, lowest, highest):
    """The first of the watched events whose gap lies between two bounds and is moving on; or None."""
    state = np.asarray(state)
    later = state + 1e-9 * np.asarray(motion(0.0, state))
    for event in watched:
        now, then = (model.DIRECTION[event] * gaps[event](*s) for s in (state, later))
        if lowest <= now <= highest and then > now:
            return event
    return None

"""The compiled engine in its plainest form: the oracle for its lanes, shortcuts and queue.

It integrates one walker at a time, with the recurrences as loops and another formula for 1/r. The step
follows from the last two terms, each with its own root, and every gap of every step is searched exactly.
It shares only the model and the search in one polynomial with the engine; the search has tests of its own.
"""

from __future__ import annotations

import numba
import numpy as np

from gait.simulation import model
from gait.simulation.conditions import Conditions, Walks
from gait.simulation.model import Event, Outcome, Phase, TouchdownRule
from gait.simulation.taylor.events import TIE, first_rise
from gait.simulation.taylor.layout import ORDER

TOLERANCE = 1e-17
_OUTCOME_OF_EVENT = tuple(int(model.OUTCOME_OF_EVENT.get(event, Outcome.WALKED)) for event in Event)
_plain = numba.njit(error_model="numpy", nogil=True)


@_plain
def _product(a, b, n):
    total = 0.0
    for j in range(n + 1):
        total += a[j] * b[n - j]
    return total


@_plain
def _inverse_root(w, s, n):
    """Coefficient n of w = s^(-1/2), from s w' = -1/2 s' w."""
    if n == 0:
        return 1.0 / np.sqrt(s[0])
    total = 0.0
    for j in range(n):
        total -= (0.5 * (n - j) + j) / n * s[n - j] * w[j]
    return total / s[0]


@_plain
def expand(phase, span, rho_rear, l_rear, rho_front, l_front, gravity, x, y, r2):
    """Fills in the series of x, y and r² of the rear leg, given x[:2] and y[:2]."""
    f, w, v, p, q = np.zeros((5, ORDER + 1))
    for n in range(ORDER + 1):
        r2[n] = _product(x, x, n) + _product(y, y, n)
        if n > ORDER - 2:
            continue
        w[n] = _inverse_root(w, r2, n)
        p[n] = rho_rear * (l_rear * w[n] - (n == 0))
        if phase == Phase.DOUBLE_SUPPORT:
            f[n] = r2[n] - 2.0 * span * x[n] + (span * span if n == 0 else 0.0)
            v[n] = _inverse_root(v, f, n)
            q[n] = rho_front * (l_front * v[n] - (n == 0))
        pulls = (n + 1) * (n + 2)
        x[n + 2] = (_product(p, x, n) + _product(q, x, n) - span * q[n]) / pulls
        y[n + 2] = (_product(p, y, n) + _product(q, y, n) - (gravity if n == 0 else 0.0)) / pulls


@_plain
def _value_and_slope(series, time):
    value, slope = series[ORDER], 0.0
    for n in range(ORDER - 1, -1, -1):
        slope = slope * time + value
        value = value * time + series[n]
    return value, slope


@_plain
def _earlier(event, end, found, gap, armed):
    time = first_rise(gap, end, armed)
    if time < end - TIE or (event < 0 and time <= end):
        return found, time
    return event, end


@_plain
def _first_event(phase, armed, rule, span, reach_height, l_rear, l_front, x, y, r2):
    rear, front, height, speed = r2.copy(), r2 - 2.0 * span * x, -y, np.zeros_like(x)
    rear[0] = model.rear_gap(r2[0], l_rear)
    front[0] = model.front_gap(r2[0], x[0], span, l_front)
    for n in range(ORDER):
        speed[n] = -(n + 1) * x[n + 1]
    event, end = -1, 1.0
    if phase == Phase.SINGLE_SUPPORT:
        reach = -front if rule == TouchdownRule.STEP_LENGTH else height.copy()
        if rule == TouchdownRule.ANGLE_OF_ATTACK:
            reach[0] = -model.height_gap(y[0], reach_height)
        event, end = _earlier(event, end, Event.TOUCHDOWN.value, reach, armed)
        event, end = _earlier(event, end, Event.FLIGHT.value, rear, True)
    else:
        event, end = _earlier(event, end, Event.TAKEOFF.value, rear, True)
        event, end = _earlier(event, end, Event.STUMBLE.value, front, True)
    event, end = _earlier(event, end, Event.BACKWARD.value, speed, True)
    height[0] = -model.height_gap(y[0], model.FALL_FRACTION * l_rear)
    return _earlier(event, end, Event.FALL.value, height, True)


@_plain
def _walk(mass, stiffness, rest_length, start, rule, target, gravity, duration, times, samples, takeoff):
    """Follows one walker; returns the outcome and the number of takeoffs, fills in samples and takeoff times."""
    x, y, r2 = np.zeros((3, ORDER + 1))
    px, py, vx, vy = start
    if model.starting_outcome(px, py, vx, rest_length[0]) != Outcome.WALKED:
        return model.starting_outcome(px, py, vx, rest_length[0]), 0
    phase, time, origin, rear, sample, takeoffs, armed = Phase.SINGLE_SUPPORT.value, 0.0, 0.0, 0, 0, 0, False
    step_length = target if rule == TouchdownRule.STEP_LENGTH else 0.0
    span = step_length
    while True:
        k_rear, l_rear, k_front, l_front = (
            stiffness[rear],
            rest_length[rear],
            stiffness[1 - rear],
            rest_length[1 - rear],
        )
        reach_height = l_front * np.sin(target)
        x[:2], y[:2] = np.array((px, vx)), np.array((py, vy))
        expand(phase, span, k_rear / mass, l_rear, k_front / mass, l_front, gravity, x, y, r2)
        if rule == TouchdownRule.STEP_LENGTH:
            armed = armed or model.front_gap(r2[0], px, span, l_front) >= 0.0
        else:
            armed = armed or model.height_gap(py, reach_height) >= 0.0
        step = duration - time
        for n in (ORDER - 1, ORDER):
            step = min(step, (TOLERANCE / max(abs(x[n]), abs(y[n]), 1e-200)) ** (1.0 / n))
        last = time + step >= duration
        powers = step ** np.arange(ORDER + 1)
        x *= powers
        y *= powers
        r2 *= powers
        event, end = _first_event(phase, armed, rule, span, reach_height, l_rear, l_front, x, y, r2)
        reached = duration if last and event < 0 else time + end * step
        while sample < times.size and times[sample] <= reached:
            px, vx = _value_and_slope(x, (times[sample] - time) / step)
            py, vy = _value_and_slope(y, (times[sample] - time) / step)
            fx, fy = model.ground_force(phase, px, py, span, k_rear, l_rear, k_front, l_front)
            samples[:, sample] = np.array((origin + px, py, vx / step, vy / step, fx, fy))
            sample += 1
        px, vx = _value_and_slope(x, end)
        py, vy = _value_and_slope(y, end)
        vx, vy, time = vx / step, vy / step, reached
        if event == Event.TOUCHDOWN:
            phase, span = Phase.DOUBLE_SUPPORT.value, model.touchdown_span(rule, px, target, l_front * np.cos(target))
        elif event == Event.TAKEOFF:
            takeoff[takeoffs] = time
            takeoffs += 1
            phase, rear, armed = Phase.SINGLE_SUPPORT.value, 1 - rear, False
            origin, px = model.takeoff_reset(origin, px, span)
            span = step_length
        elif event >= 0:
            return _OUTCOME_OF_EVENT[event], takeoffs
        elif last:
            return Outcome.WALKED.value, takeoffs


@_plain
def _walk_all(mass, stiffness, rest_length, start, rule, target, gravity, duration, times, outcome, samples, takeoff):
    most = 0
    for i in range(mass.size):
        outcome[i], takeoffs = _walk(
            mass[i], stiffness[i], rest_length[i], start[i], rule, target[i], gravity[i], duration, times,
            samples[:, i], takeoff[i],
        )  # fmt: skip
        most = max(most, takeoffs)
    return most


def integrate(given: Conditions, times: np.ndarray, duration: float) -> Walks:
    """Outcomes, samples and takeoff times of walkers, at most four steps a second."""
    walks = Walks.empty(len(given.mass), times, events=16 + int(4 * duration))
    walks.samples[:] = np.nan
    most = _walk_all(
        given.mass, given.stiffness, given.rest_length, given.start, int(given.rule), given.target, given.gravity,
        duration, times, walks.outcome, walks.samples, walks.takeoff,
    )  # fmt: skip
    return walks.trimmed(most)

"""The fast engine: Taylor series of high order, with events found as roots of polynomials.

Along one step every coordinate is a polynomial in the time since the step began. So are the
event gaps of `gait.model`, which are polynomials in the coordinates; an event is therefore
the first root of a known polynomial inside the step, and the recording is read off the same
series. After Jorba and Zou, "A software package for the numerical integration of ODEs by
means of high-order Taylor methods", Experimental Mathematics 14 (2005) 99-117.

Three separate things, in this order: the series, the event search, and the walk through the
phases. All times inside a step are fractions of the step, from 0 to 1.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from gait import model
from gait.integrators.conditions import Conditions, Recording
from gait.model import Event, Outcome, Phase, TouchdownRule

ORDER = 18
"""Degree of the series; of 14 to 24 the fastest on this model at full accuracy."""
TOLERANCE = 1e-16
"""Size [m] of the last terms of a series at the end of its step: half a unit in the last place."""
TIE = 1e-12
"""Events closer together than this fraction of a step happen at the same time."""

_OUTCOME_OF_EVENT = tuple(int(model.OUTCOME_OF_EVENT.get(event, Outcome.WALKED)) for event in Event)

# Without the numpy error model, tests for division by zero keep numba from vectorising. Sums may
# be contracted (fused multiply-add) but not reordered: reordering depends on the vector width, and
# the same seed should give the same bytes on any machine of one kind.
_compiled = numba.njit(error_model="numpy", fastmath={"contract"}, nogil=True)
# Bounds only steer the search, so their sums may be taken in any order.
_bound = numba.njit(error_model="numpy", fastmath=True, nogil=True)


# The series ----------------------------------------------------------------------------------
#
# With w = 1/r the rear leg pulls by p = rho (l0 w - 1) per unit of length and the front leg, from
# its own w, by q; then x'' = (p + q) x - q d and y'' = (p + q) y - g. Coefficient n of a product
# is a sum over the coefficients up to n of its factors, and s w' = -1/2 s' w gives w = s^(-1/2).
# These sums are written out as straight-line code: as loops they take twice as long.


def _latest_last(count: int) -> list[int]:
    """Indices 0 to count - 1 from the middle outwards.

    In a product the coefficients of highest order, which are known last, meet at both ends.
    Coming last, they do not keep the processor from starting on the rest of the sum.
    """
    return sorted(range(count), key=lambda j: min(j, count - 1 - j), reverse=True)


def _product(a: str, b: str, n: int) -> str:
    return " + ".join(f"{a}{j} * {b}{n - j}" for j in _latest_last(n + 1))


def _square(a: str, n: int) -> str:
    pairs = " + ".join(f"{a}{j} * {a}{n - j}" for j in reversed(range((n + 1) // 2)))
    middle = f"{a}{n // 2} * {a}{n // 2}" if n % 2 == 0 else "0.0"
    return f"{middle} + 2.0 * ({pairs})" if pairs else middle


def _inverse_root(w: str, s: str, n: int) -> str:
    terms = " + ".join(f"{-0.5 * (n + j) / n!r} * {s}{n - j} * {w}{j}" for j in _latest_last(n))
    return f"({terms}) * ({w}0 * {w}0)"


def _source(double: bool) -> str:
    """Python source of a function that fills in the series of x, y and r² in one phase.

    The function reads x[0], x[1], y[0], y[1]; s is r² from the rear foothold, f from the front one.
    """
    lines = ["x0, x1, y0, y1 = x[0], x[1], y[0], y[1]"]
    for n in range(ORDER + 1):
        lines.append(f"s{n} = {_square('x', n)} + {_square('y', n)}")
        if n > ORDER - 2:
            continue
        lines.append(f"w{n} = {_inverse_root('w', 's', n)}" if n else "w0 = 1.0 / np.sqrt(s0)")
        lines.append(f"p{n} = rho_rear * (l_rear * w{n}{'' if n else ' - 1.0'})")
        if double:
            lines.append(f"f{n} = s{n} - 2.0 * span * x{n}{'' if n else ' + span * span'}")
            lines.append(f"v{n} = {_inverse_root('v', 'f', n)}" if n else "v0 = 1.0 / np.sqrt(f0)")
            lines.append(f"q{n} = rho_front * (l_front * v{n}{'' if n else ' - 1.0'})")
            lines.append(f"p{n} += q{n}")
        front = f" - span * q{n}" if double else ""
        weight = "" if n else " - gravity"
        lines.append(f"x{n + 2} = ({_product('p', 'x', n)}{front}) * {1 / ((n + 1) * (n + 2))!r}")
        lines.append(f"y{n + 2} = ({_product('p', 'y', n)}{weight}) * {1 / ((n + 1) * (n + 2))!r}")
    lines += [f"x[{n}], y[{n}] = x{n}, y{n}" for n in range(2, ORDER + 1)]
    lines += [f"r2[{n}] = s{n}" for n in range(ORDER + 1)]
    head = "def expand(span, rho_rear, l_rear, rho_front, l_front, gravity, x, y, r2):"
    return "\n    ".join([head, *lines])


def _expansion(double: bool):
    scope = {"np": np}
    exec(compile(_source(double), f"<series, {'double' if double else 'single'} support>", "exec"), scope)
    return _compiled(scope["expand"])


_expand_single = _expansion(double=False)
_expand_double = _expansion(double=True)


@_compiled
def _scale_to_step(x, y, r2, remaining):
    """Chooses the step and turns the series into polynomials on [0, 1]; returns the step [s].

    The step is the time at which the last two terms of both series have shrunk to the
    tolerance, or the remaining time if that is shorter.
    """
    last = max(abs(x[ORDER]), abs(y[ORDER]), 1e-300)
    before = max(abs(x[ORDER - 1]), abs(y[ORDER - 1]), 1e-300)
    step = min((TOLERANCE / last) ** (1.0 / ORDER), (TOLERANCE / before) ** (1.0 / (ORDER - 1)), remaining)
    power = 1.0
    for n in range(1, ORDER + 1):
        power *= step
        x[n] *= power
        y[n] *= power
        r2[n] *= power
    return step


@_compiled
def _value(series, time):
    total = series[ORDER]
    for n in range(ORDER - 1, -1, -1):
        total = total * time + series[n]
    return total


@_compiled
def _value_and_slope(series, time):
    total, slope = series[ORDER], 0.0
    for n in range(ORDER - 1, -1, -1):
        slope = slope * time + total
        total = total * time + series[n]
    return total, slope


# The event search ----------------------------------------------------------------------------


@_bound
def _upper_bound(gap):
    """At least the largest value on [0, 1]."""
    total = gap[0]
    for n in range(1, ORDER + 1):
        total += max(gap[n], 0.0)
    return total


@_bound
def _lowest_slope(series):
    """At most the smallest derivative on [0, 1]."""
    total = series[1]
    for n in range(2, ORDER + 1):
        total += n * min(series[n], 0.0)
    return total


@_bound
def _curvature_bound(gap):
    """At least the largest size of the second derivative on [0, 1]."""
    total = 0.0
    for n in range(2, ORDER + 1):
        total += n * (n - 1) * abs(gap[n])
    return total


@_compiled
def _first_rise(gap, end, from_start):
    """First time in [0, end] at which the polynomial `gap` rises through zero, else infinity.

    Intervals are taken from left to right and halved until a bound on the curvature proves
    that the gap stays below zero or does not rise there (no event), or that it only rises
    (one change of sign at most). So a gap that rises and falls again within a step is seen.
    A gap that is not below zero at time 0 is an event only if it is rising and `from_start`.
    """
    if _upper_bound(gap) < 0.0:
        return np.inf
    curvature = _curvature_bound(gap)
    left, width, at_left = 0.0, end, gap[0]
    while True:
        half = 0.5 * width
        value, slope = _value_and_slope(gap, left + half)
        bend = curvature * half
        never_reached = value + (abs(slope) + 0.5 * bend) * half < 0.0
        only_falls = slope + bend <= 0.0
        only_rises = slope - bend > 0.0 or width < 1e-9
        if not (never_reached or only_falls or only_rises):
            width = half
            continue
        at_right = _value(gap, left + width)
        if only_rises and at_right >= 0.0:
            if at_left < 0.0:
                return _rise_between(gap, left, left + width)
            if left == 0.0 and from_start:
                return 0.0
        left, at_left = left + width, at_right
        if left >= end:
            return np.inf
        width = min(2.0 * width, end - left)


@_compiled
def _rise_between(gap, low, high):
    """Root of `gap`, which rises from low to high: Newton's method kept inside the bracket."""
    time = 0.5 * (low + high)
    for _ in range(60):
        value, slope = _value_and_slope(gap, time)
        if value < 0.0:
            low = time
        else:
            high = time
        newton = time - value / slope if slope > 0.0 else -1.0
        # At the root itself, rounding puts Newton's step a hair outside the bracket.
        if not low - 1e-15 <= newton <= high + 1e-15:
            newton = 0.5 * (low + high)
        if abs(newton - time) <= 1e-15:
            break
        time = newton
    return min(max(newton, low), high)


@_compiled
def _rear_gap(gap, l_rear, r2):
    for n in range(1, ORDER + 1):
        gap[n] = r2[n]
    gap[0] = model.rear_gap(r2[0], l_rear)


@_compiled
def _front_gap(gap, sign, span, l_front, x, r2):
    for n in range(1, ORDER + 1):
        gap[n] = sign * (r2[n] - 2.0 * span * x[n])
    gap[0] = sign * model.front_gap(r2[0], x[0], span, l_front)


@_compiled
def _height_gap(gap, height, y):
    for n in range(1, ORDER + 1):
        gap[n] = -y[n]
    gap[0] = -model.height_gap(y[0], height)


@_compiled
def _speed_gap(gap, x):
    for n in range(ORDER):
        gap[n] = -(n + 1) * x[n + 1]
    gap[ORDER] = 0.0


@_compiled
def _next_event(phase, armed, rule, span, reach_height, l_rear, l_front, x, y, r2, gap):
    """The first event of a step and its time; without one, (-1, 1.0).

    Every gap gets the sign with which its event is a rise. Where two events fall together, the
    one named first in `gait.model.Event` counts.
    """
    event, end = -1, 1.0
    single = phase == Phase.SINGLE_SUPPORT
    if single:
        if rule == TouchdownRule.STEP_LENGTH:
            _front_gap(gap, -1.0, span, l_front, x, r2)
        else:
            _height_gap(gap, reach_height, y)
        time = _first_rise(gap, end, armed)
        if time <= end:
            event, end = Event.TOUCHDOWN.value, time
    _rear_gap(gap, l_rear, r2)
    time = _first_rise(gap, end, True)
    if time < end - TIE or (event < 0 and time <= end):
        event, end = Event.FLIGHT.value if single else Event.TAKEOFF.value, time
    if not single:
        _front_gap(gap, 1.0, span, l_front, x, r2)
        time = _first_rise(gap, end, True)
        if time < end - TIE or (event < 0 and time <= end):
            event, end = Event.STUMBLE.value, time
    # Hardly any step ends like this: a bound on the series itself spares setting up the gap.
    if _lowest_slope(x) <= 0.0:
        _speed_gap(gap, x)
        time = _first_rise(gap, end, True)
        if time < end - TIE or (event < 0 and time <= end):
            event, end = Event.BACKWARD.value, time
    _height_gap(gap, model.FALL_FRACTION * l_rear, y)
    time = _first_rise(gap, end, True)
    if time < end - TIE or (event < 0 and time <= end):
        event, end = Event.FALL.value, time
    return event, end


# The walk ------------------------------------------------------------------------------------


@_compiled
def _walk(
    mass, stiffness, rest_length, start, rule, target, gravity, duration, times, work,
    out, touchdown, takeoff, foothold,
):  # fmt: skip
    """Follows one walker to the end; returns the outcome and the numbers of both events.

    `out` [6, samples] (x, y, vx, vy, fx, fy) and the event arrays are filled as far as they go.
    """
    x, y, r2, gap = work[0], work[1], work[2], work[3]
    px, py, vx, vy = start[0], start[1], start[2], start[3]
    outcome = model.starting_outcome(px, py, vx, rest_length[0])
    touchdowns, takeoffs, sample = 0, 0, 0
    if outcome != Outcome.WALKED:
        return outcome, touchdowns, takeoffs
    phase, time, origin, rear = Phase.SINGLE_SUPPORT, 0.0, 0.0, 0
    step_length = target if rule == TouchdownRule.STEP_LENGTH else 0.0
    span, armed = step_length, False
    while True:
        front = 1 - rear
        k_rear, l_rear, k_front, l_front = stiffness[rear], rest_length[rear], stiffness[front], rest_length[front]
        reach_height = l_front * np.sin(target) if rule == TouchdownRule.ANGLE_OF_ATTACK else 0.0
        x[0], x[1], y[0], y[1] = px, vx, py, vy
        if phase == Phase.SINGLE_SUPPORT:
            _expand_single(span, k_rear / mass, l_rear, k_front / mass, l_front, gravity, x, y, r2)
            # A touchdown is a fall into reach: the mass must have been out of reach before.
            if rule == TouchdownRule.STEP_LENGTH:
                armed = armed or model.front_gap(r2[0], px, span, l_front) >= 0.0
            else:
                armed = armed or model.height_gap(py, reach_height) >= 0.0
        else:
            _expand_double(span, k_rear / mass, l_rear, k_front / mass, l_front, gravity, x, y, r2)
        step = _scale_to_step(x, y, r2, duration - time)
        last = time + step >= duration
        event, end = _next_event(phase, armed, rule, span, reach_height, l_rear, l_front, x, y, r2, gap)
        reached = duration if last and event < 0 else time + end * step
        while sample < times.size and times[sample] <= reached:
            fraction = (times[sample] - time) / step
            px, vx = _value_and_slope(x, fraction)
            py, vy = _value_and_slope(y, fraction)
            out[0, sample], out[1, sample], out[2, sample], out[3, sample] = origin + px, py, vx / step, vy / step
            out[4, sample], out[5, sample] = model.ground_force(phase, px, py, span, k_rear, l_rear, k_front, l_front)
            sample += 1
        px, vx = _value_and_slope(x, end)
        py, vy = _value_and_slope(y, end)
        vx, vy, time = vx / step, vy / step, reached
        if event == Event.TOUCHDOWN:
            phase, span = Phase.DOUBLE_SUPPORT, model.touchdown_span(rule, px, target, l_front * np.cos(target))
            if touchdowns < touchdown.size:
                touchdown[touchdowns], foothold[touchdowns] = time, origin + span
            touchdowns += 1
        elif event == Event.TAKEOFF:
            if takeoffs < takeoff.size:
                takeoff[takeoffs] = time
            takeoffs += 1
            phase, rear, armed = Phase.SINGLE_SUPPORT, front, False
            origin, px = model.takeoff_reset(origin, px, span)
            span = step_length
        elif event >= 0:
            return _OUTCOME_OF_EVENT[event], touchdowns, takeoffs
        elif last:
            return Outcome.WALKED, touchdowns, takeoffs


def _compile_all(fingerprint: int):
    """The compiled loop over walkers, kept on disk between runs.

    numba's cache notices neither a changed constant nor a changed function of another module.
    It does notice the values that a function closes over: hence the fingerprint of the sources.
    """

    @numba.njit(error_model="numpy", nogil=True, cache=True)
    def walk_all(
        mass, stiffness, rest_length, start, rule, target, gravity, duration, times,
        outcome, events, samples, touchdown, takeoff, foothold,
    ):  # fmt: skip
        work = np.empty((4, ORDER + 1))
        for i in range(mass.size):
            outcome[i], events[i, 0], events[i, 1] = _walk(
                mass[i], stiffness[i], rest_length[i], start[i], rule, target[i], gravity[i], duration, times, work,
                samples[:, i], touchdown[i], takeoff[i], foothold[i],
            )  # fmt: skip
        return fingerprint

    return walk_all


def _fingerprint() -> int:
    sources = inspect.getsource(model) + inspect.getsource(sys.modules[__name__])
    return int.from_bytes(hashlib.sha256(sources.encode()).digest()[:4], "big")


_walk_all = _compile_all(_fingerprint())


def integrate(conditions: Conditions, times: np.ndarray, duration: float, threads: int | None = None) -> Recording:
    """Integrates any number of walkers, on all cores unless `threads` says otherwise.

    Args:
        conditions: n walkers.
        times: sample times, shape [samples], s, ascending from 0.
        duration: length of the walk, s.
        threads: how many cores to use; the result does not depend on it.
    """
    count = len(conditions.mass)
    threads = min(threads or os.cpu_count() or 1, max(1, count // 8))
    recording = Recording.empty(count, times.size, events=16 + int(4.0 * duration))
    while True:
        edges = np.linspace(0, count, threads + 1).astype(int)
        parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
        work = functools.partial(_integrate_part, conditions=conditions, times=times, duration=duration, into=recording)
        if threads == 1:
            work(parts[0])
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, parts))
        most = int(recording.events.max(initial=0))
        if most <= recording.touchdown.shape[1]:
            return recording.trimmed(most)
        # More steps than there was room for: once more with enough of it.
        recording = Recording.empty(count, times.size, events=most)


def _integrate_part(part: slice, conditions: Conditions, times: np.ndarray, duration: float, into: Recording) -> None:
    _walk_all(
        conditions.mass[part], conditions.stiffness[part], conditions.rest_length[part], conditions.start[part],
        int(conditions.rule), conditions.target[part], conditions.gravity[part], duration, times,
        into.outcome[part], into.events[part], into.samples[:, part],
        into.touchdown[part], into.takeoff[part], into.foothold[part],
    )  # fmt: skip

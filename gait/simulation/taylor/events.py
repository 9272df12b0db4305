"""The event search: the first root of a known polynomial within a step.

Event gaps (see `gait.simulation.model`) are polynomials in the coordinates, hence in the time. Each is taken
with the sign that makes its event a rise through zero. Nearly every step is one of two simple
cases, which are recognised and dealt with in all lanes at once: no event at all, or the phase's
first leg event (touchdown, takeoff) and no other. The rest, one step in a thousand, is searched
lane by lane, by a method that misses nothing.
"""

from __future__ import annotations

import functools
from math import comb

import numpy as np

from gait.simulation import model
from gait.simulation.model import Event, Phase, TouchdownRule
from gait.simulation.taylor.layout import LANES, ORDER, ROW
from gait.simulation.taylor.series import evaluate, total, value_and_slope
from gait.simulation.taylor.symbols import choose, compiled, larger, smaller

TIE = 1e-12
"""Events closer together than this fraction of a step happen at the same time."""
NO_EVENT, ONE_RISE, UNCLEAR = 0.0, 1.0, 2.0
"""Kinds of steps: nothing happens; gap a rises through zero once and nothing else happens; a search is needed."""
ROUNDS = 2
"""Rounds of Newton's method for all lanes with `ONE_RISE`. Hardly any lane needs more."""
CONVERGED = 1e-8
"""Largest last correction of Newton's method. The next one would be about its square."""
_LEAD = 4  # order up to which a gap is bounded term by term


# In all lanes at once ------------------------------------------------------------------------


@compiled
def swing_span(rule, target):
    """Position of the swing leg's foothold [m], as far as it is known before the touchdown."""
    return target if rule == TouchdownRule.STEP_LENGTH else 0.0


@compiled
def set_gaps(work, rule):
    """Sets the gaps of each lane's phase as sums of r², x, y and a constant."""
    for lane in range(LANES):
        double = work[ROW.phase + lane] == Phase.DOUBLE_SUPPORT.value
        span, l_rear, l_front = work[ROW.span + lane], work[ROW.l_rear + lane], work[ROW.l_front + lane]
        rear_c, front_c = model.rear_gap(0.0, l_rear), model.front_gap(0.0, 0.0, span, l_front)
        if rule == TouchdownRule.STEP_LENGTH:
            r2, x, y, c = -1.0, 2.0 * span, 0.0, -front_c
        else:
            r2, x, y, c = 0.0, 0.0, -1.0, -model.height_gap(0.0, l_front * work[ROW.sine + lane])
        work[ROW.a_r2 + lane] = 1.0 if double else r2
        work[ROW.a_x + lane] = 0.0 if double else x
        work[ROW.a_y + lane] = 0.0 if double else y
        work[ROW.a_c + lane] = rear_c if double else c
        work[ROW.b_r2 + lane] = 1.0
        work[ROW.b_x + lane] = -2.0 * span if double else 0.0
        work[ROW.b_c + lane] = front_c if double else rear_c
        work[ROW.fall_height + lane] = model.FALL_FRACTION * l_rear


def _bounds(leading, rest):
    """Lower and upper bound on [0, 1] of a polynomial with these leading coefficients.

    The others come to at most `rest`. The Bernstein coefficients of a polynomial enclose its values.
    """
    degree = len(leading) - 1
    corners = [total(comb(j, i) / comb(degree, i) * leading[i] for i in range(j + 1)) for j in range(degree + 1)]
    return functools.reduce(smaller, corners) - rest, functools.reduce(larger, corners) + rest


def _slopes(series):
    """Coefficients of the derivative of a polynomial."""
    return [float(n) * series[n] for n in range(1, len(series))]


def verdict(x, y, s, gaps) -> dict:
    """Sorts a step into the three cases, and guesses where gap a rises through zero if it does.

    Args:
        x, y, s: polynomials in the fraction of the step: the motion, and r²/2 of the rear leg.
        gaps: has the rows `GAPS` and `armed` as attributes.

    Returns:
        New values of the rows armed, verdict, at, low, high and correction.
    """
    a_r2, b_r2 = 2.0 * gaps.a_r2, 2.0 * gaps.b_r2
    a = [a_r2 * s[n] + gaps.a_x * x[n] + gaps.a_y * y[n] for n in range(_LEAD + 1)]
    b = [b_r2 * s[n] + gaps.b_x * x[n] for n in range(_LEAD + 1)]
    a[0], b[0] = a[0] + gaps.a_c, b[0] + gaps.b_c
    x_end, y_end = total(x), total(y)
    a_end = gaps.a_r2 * (x_end * x_end + y_end * y_end) + gaps.a_x * x_end + gaps.a_y * y_end + gaps.a_c

    # First guess: the inverse of gap a as the cubic with its values and slopes at both ends, then one
    # round of Newton's method with the leading terms. That takes long, so it comes first.
    rise = a_end - a[0]
    u = -a[0] / rise
    slope_end = total(_slopes(a))
    root = u * u * (3.0 - 2.0 * u) + rise * u * (1.0 - u) * ((1.0 - u) * slope_end - u * a[1]) / (a[1] * slope_end)
    value, slope = value_and_slope(a, root)
    root = smaller(larger(root - value / slope, 0.0), 1.0)

    # The terms beyond the leading ones add at most this to a slope, and a fifth of it to a value.
    s_rest, x_rest, y_rest = (total(abs(c) for c in _slopes(series)[_LEAD:]) for series in (s, x, y))
    a_rest = abs(a_r2) * s_rest + abs(gaps.a_x) * x_rest + abs(gaps.a_y) * y_rest
    b_rest = abs(b_r2) * s_rest + abs(gaps.b_x) * x_rest
    _, a_high = _bounds(a, a_rest * (1 / (_LEAD + 1)))
    _, b_high = _bounds(b, b_rest * (1 / (_LEAD + 1)))
    a_slope_low, a_slope_high = _bounds(_slopes(a), a_rest)
    _, b_slope_high = _bounds(_slopes(b), b_rest)
    least_speed = x[1] - total(abs(c) for c in _slopes(x)[1:_LEAD]) - x_rest
    least_height = y[0] - total(abs(c) for c in y[1 : _LEAD + 1]) - y_rest

    nothing_else = ((b_high < 0.0) | (b_slope_high <= 0.0)) & (least_speed > 0.0) & (least_height > gaps.fall_height)
    rises = (a_slope_low > 0.0) & (a[0] < 0.0)
    never = (a_high < 0.0) | (a_slope_high <= 0.0) | (rises & (a_end < 0.0))
    case = choose(nothing_else, choose(never, NO_EVENT, choose(rises, ONE_RISE, UNCLEAR)), UNCLEAR)
    return {
        # Gap a is an event at the very start only if it was below zero before: a touchdown is a fall into reach.
        "armed": choose(a[0] <= 0.0, 1.0, gaps.armed),
        "verdict": case,
        "at": choose(nothing_else, choose(never, 1.0, choose(rises, root, 1.0)), 1.0),
        "low": 0.0,
        "high": 1.0,
        "correction": 0.0,
    }


@compiled
def close_in(work, used):
    """Newton's method, kept inside a bracket, for the lanes with one rise. The others stay at the step's end.

    Sets event and end. Returns the number of lanes that are unclear, including those that have not converged.
    """
    for _ in range(ROUNDS):
        evaluate(work, used)
        for lane in range(LANES):
            at, low, high = work[ROW.at + lane], work[ROW.low + lane], work[ROW.high + lane]
            px, py, vx, vy = work[ROW.px + lane], work[ROW.py + lane], work[ROW.vx + lane], work[ROW.vy + lane]
            r2, x, y = work[ROW.a_r2 + lane], work[ROW.a_x + lane], work[ROW.a_y + lane]
            gap = r2 * (px * px + py * py) + x * px + y * py + work[ROW.a_c + lane]
            slope = 2.0 * r2 * (px * vx + py * vy) + x * vx + y * vy
            low = at if gap < 0.0 else low
            high = high if gap < 0.0 else at
            newton = at - gap / slope
            # At the root itself, rounding puts Newton's step a hair outside the bracket.
            inside = low - 1e-15 <= newton and newton <= high + 1e-15
            newton = min(max(newton, low), high) if inside else 0.5 * (low + high)
            rises = work[ROW.verdict + lane] == ONE_RISE
            work[ROW.correction + lane] = abs(newton - at) if rises else 0.0
            work[ROW.at + lane] = newton if rises else 1.0
            work[ROW.low + lane], work[ROW.high + lane] = low, high
    unclear = 0
    for lane in range(LANES):
        verdict = work[ROW.verdict + lane]
        verdict = UNCLEAR if work[ROW.correction + lane] > CONVERGED else verdict
        leg_event = Event.TAKEOFF.value if work[ROW.phase + lane] > 0.0 else Event.TOUCHDOWN.value
        work[ROW.event + lane] = leg_event if verdict == ONE_RISE else -1.0
        work[ROW.end + lane], work[ROW.verdict + lane] = work[ROW.at + lane], verdict
        unclear += verdict == UNCLEAR
    return unclear


# Lane by lane --------------------------------------------------------------------------------


@compiled
def search(work, lane, r2, gap):
    """Finds the first event of a lane's step and its time; (-1, 1.0) if there is none.

    Where two events fall together, the one named first in `gait.simulation.model.Event` counts. `r2` and `gap` are
    room for a polynomial each.
    """
    event, end = -1, 1.0
    single = work[ROW.phase + lane] == Phase.SINGLE_SUPPORT.value
    _squared_length(work, lane, r2)
    _gap_a(work, lane, r2, gap)
    time = first_rise(gap, end, work[ROW.armed + lane] > 0.0)
    if time <= end:
        event, end = Event.TOUCHDOWN.value if single else Event.TAKEOFF.value, time
    _gap_b(work, lane, r2, gap)
    time = first_rise(gap, end, True)
    if time < end - TIE or (event < 0 and time <= end):
        event, end = Event.FLIGHT.value if single else Event.STUMBLE.value, time
    _speed_gap(work, lane, gap)
    time = first_rise(gap, end, True)
    if time < end - TIE or (event < 0 and time <= end):
        event, end = Event.BACKWARD.value, time
    _height_gap(work, lane, gap)
    time = first_rise(gap, end, True)
    if time < end - TIE or (event < 0 and time <= end):
        event, end = Event.FALL.value, time
    return event, end


@compiled
def _squared_length(work, lane, r2):
    """Coefficients of x² + y². Each product of two different coefficients counts twice."""
    for n in range(ORDER + 1):
        total = 0.0
        for j in range((n + 1) // 2):
            k = n - j
            total += work[ROW.x0 + j * LANES + lane] * work[ROW.x0 + k * LANES + lane]
            total += work[ROW.y0 + j * LANES + lane] * work[ROW.y0 + k * LANES + lane]
        total *= 2.0
        if n % 2 == 0:
            total += work[ROW.x0 + n // 2 * LANES + lane] ** 2 + work[ROW.y0 + n // 2 * LANES + lane] ** 2
        r2[n] = total


@compiled
def _gap_a(work, lane, r2, gap):
    for n in range(ORDER + 1):
        x, y = work[ROW.x0 + n * LANES + lane], work[ROW.y0 + n * LANES + lane]
        gap[n] = work[ROW.a_r2 + lane] * r2[n] + work[ROW.a_x + lane] * x + work[ROW.a_y + lane] * y
    gap[0] += work[ROW.a_c + lane]


@compiled
def _gap_b(work, lane, r2, gap):
    for n in range(ORDER + 1):
        gap[n] = work[ROW.b_r2 + lane] * r2[n] + work[ROW.b_x + lane] * work[ROW.x0 + n * LANES + lane]
    gap[0] += work[ROW.b_c + lane]


@compiled
def _speed_gap(work, lane, gap):
    for n in range(ORDER):
        gap[n] = -(n + 1) * work[ROW.x0 + (n + 1) * LANES + lane]
    gap[ORDER] = 0.0


@compiled
def _height_gap(work, lane, gap):
    for n in range(ORDER + 1):
        gap[n] = -work[ROW.y0 + n * LANES + lane]
    gap[0] = -model.height_gap(work[ROW.y0 + lane], work[ROW.fall_height + lane])


@compiled
def _value_and_slope(gap, time):
    value, slope = gap[ORDER], 0.0
    for n in range(ORDER - 1, -1, -1):
        slope = slope * time + value
        value = value * time + gap[n]
    return value, slope


@compiled
def first_rise(gap, end, from_start):
    """First time in [0, end] at which the polynomial `gap` rises through zero, else infinity.

    Intervals are taken from left to right and halved until a bound on the curvature proves
    that the gap stays below zero or does not rise there (no event), or that it only rises
    (one change of sign at most). So a gap that rises and falls again within a step is seen.
    A gap that is not below zero at time 0 is an event only if it is rising and `from_start`.
    """
    highest, curvature = gap[0], 0.0
    for n in range(1, ORDER + 1):
        highest += max(gap[n], 0.0)
        curvature += n * (n - 1) * abs(gap[n])
    if not highest >= 0.0:
        return np.inf
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
        at_right, _ = _value_and_slope(gap, left + width)
        if only_rises and at_right >= 0.0:
            if at_left < 0.0:
                return _rise_between(gap, left, left + width)
            if left == 0.0 and from_start:
                return 0.0
        left, at_left = left + width, at_right
        if left >= end:
            return np.inf
        width = min(2.0 * width, end - left)


@compiled
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

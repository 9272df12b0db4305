"""Walks by the Runge-Kutta method DOP853 of scipy's reference, but compiled by numba.

E. Hairer, S. P. Nørsett, G. Wanner, "Solving Ordinary Differential Equations I", section II.10;
the coefficients are read from `scipy.integrate.DOP853`. Twelve stages a step, an error estimate
of orders 5 and 3, and dense output of order 7, on which events are located.
"""

from __future__ import annotations

import numba
import numpy as np
from scipy.integrate import DOP853

from gait.simulation import model
from gait.simulation.conditions import Conditions
from gait.simulation.model import Event, Outcome, Phase
from gait.simulation.taylor import symbols  # noqa: F401 - lets numba compile calls of the model
from tests.benchmarks.walker import Walked, starting_outcomes

TOLERANCE = 3e-13
"""Relative and absolute [m, m/s]; the worst of 1,000 walks is off by 1e-8 m, at 1e-12 by 1.5e-8 m."""
STAGES = DOP853.n_stages
DENSE = len(DOP853.D) + 3
"""Terms of the dense output."""
_EXTRA_STAGES = range(STAGES + 1, len(DOP853.A_EXTRA) + STAGES + 1)
_compiled = numba.njit(error_model="numpy", fastmath={"contract"}, cache=False)


def _sum(weights: np.ndarray, stage: str) -> str:
    """Source of a weighted sum over stages, without the terms of weight zero."""
    return " + ".join(f"{weight!r} * {stage}{j}" for j, weight in enumerate(weights.tolist()) if weight) or "0.0"


def _stage(i: int, weights: np.ndarray) -> list[str]:
    """Source of stage i: the velocity (u, v) and acceleration (a, b) there."""
    return [
        f"u{i}, v{i} = vx + step * ({_sum(weights, 'a')}), vy + step * ({_sum(weights, 'b')})",
        f"a{i}, b{i} = acceleration(phase, x + step * ({_sum(weights, 'u')}), y + step * ({_sum(weights, 'v')}), "
        "span, rho, length, rho, length, gravity)",
    ]


def _stages() -> list[str]:
    lines = ["u0, v0 = vx, vy", "a0, b0 = acceleration(phase, x, y, span, rho, length, rho, length, gravity)"]
    for i in range(1, STAGES):
        lines += _stage(i, DOP853.A[i, :i])
    return lines + _stage(STAGES, DOP853.B)


def _function(head: str, lines: list[str]):
    scope = {"acceleration": model.acceleration, "abs": abs, "max": max}
    exec(compile("\n    ".join([head, *lines]), "<DOP853>", "exec"), scope)
    return _compiled(scope[head[4 : head.index("(")]])


_STATE = (("x", "u"), ("y", "v"), ("vx", "a"), ("vy", "b"))
"""Components of the state, and the names of their derivatives in the stages."""


def _advance_source() -> list[str]:
    lines = _stages()
    for name, stage in _STATE:
        lines.append(f"{name}_new = {name} + step * ({_sum(DOP853.B, stage)})")
        lines.append(f"scale = 1.0 / (tolerance * (1.0 + max(abs({name}), abs({name}_new))))")
        lines.append(f"fifth_{name} = ({_sum(DOP853.E5, stage)}) * scale")
        lines.append(f"third_{name} = ({_sum(DOP853.E3, stage)}) * scale")
    for order in ("fifth", "third"):
        lines.append(f"{order} = " + " + ".join(f"{order}_{name} * {order}_{name}" for name, _ in _STATE))
    lines.append("error = abs(step) * fifth / (4.0 * (fifth + 0.01 * third) + 1e-300) ** 0.5")
    for column, (_, stage) in enumerate(_STATE):
        lines += [f"stages[{i}, {column}] = {stage}{i}" for i in range(STAGES + 1)]
    return [*lines, "return x_new, y_new, vx_new, vy_new, error"]


def _interpolate_source() -> list[str]:
    """The stages that only dense output needs, and its terms [terms, 4]."""
    names = [f"{stage}{i}" for i in range(STAGES + 1) for _, stage in _STATE]
    indices = [f"stages[{i}, {column}]" for i in range(STAGES + 1) for column in range(len(_STATE))]
    lines = [f"{name} = {index}" for name, index in zip(names, indices, strict=True)]
    for i, weights in zip(_EXTRA_STAGES, DOP853.A_EXTRA, strict=True):
        lines += _stage(i, weights[:i])
    for column, (_, stage) in enumerate(_STATE):
        lines.append(f"change, first, last = {_sum(DOP853.B, stage)}, {stage}0, {stage}{STAGES}")
        lines.append(f"terms[0, {column}] = step * change")
        lines.append(f"terms[1, {column}] = step * (first - change)")
        lines.append(f"terms[2, {column}] = step * (2.0 * change - (first + last))")
        lines += [f"terms[{i + 3}, {column}] = step * ({_sum(row, stage)})" for i, row in enumerate(DOP853.D)]
    return lines


_GIVEN = "phase, x, y, vx, vy, step, span, rho, length, gravity"
_advance = _function(f"def advance({_GIVEN}, tolerance, stages):", _advance_source())
_interpolate = _function(f"def interpolate({_GIVEN}, stages, terms):", _interpolate_source())


@_compiled
def _at(terms, x, y, vx, vy, part):
    """The state at a fraction of the step."""
    dx = dy = dvx = dvy = 0.0
    rest = 1.0 - part
    for i in range(DENSE - 1, -1, -1):
        factor = part if i % 2 == 0 else rest
        dx, dy = (dx + terms[i, 0]) * factor, (dy + terms[i, 1]) * factor
        dvx, dvy = (dvx + terms[i, 2]) * factor, (dvy + terms[i, 3]) * factor
    return x + dx, y + dy, vx + dvx, vy + dvy


@_compiled
def _gap(event, phase, x, y, vx, vy, span, rho, length, gravity):
    """An event's gap and its slope, with the sign with which the event is a rise through zero."""
    if event == Event.TOUCHDOWN or event == Event.STUMBLE:
        sign = -1.0 if event == Event.TOUCHDOWN else 1.0
        gap = model.front_gap(x * x + y * y, x, span, length)
        return sign * gap, sign * 2.0 * ((x - span) * vx + y * vy)
    if event == Event.TAKEOFF or event == Event.FLIGHT:
        return model.rear_gap(x * x + y * y, length), 2.0 * (x * vx + y * vy)
    if event == Event.BACKWARD:
        return -vx, -model.acceleration(phase, x, y, span, rho, length, rho, length, gravity)[0]
    return -model.height_gap(y, model.FALL_FRACTION * length), -vy


@_compiled
def _root(event, slope_wanted, low, high, phase, terms, x, y, vx, vy, step, span, rho, length, gravity):
    """Where a gap rises through zero between two fractions of the step, or where its slope changes sign."""
    part = 0.5 * (low + high)
    rising_at_low = False
    if slope_wanted:
        rising_at_low = _gap(event, phase, *_at(terms, x, y, vx, vy, low), span, rho, length, gravity)[1] > 0.0
    for _ in range(60):
        gap, slope = _gap(event, phase, *_at(terms, x, y, vx, vy, part), span, rho, length, gravity)
        before = (slope > 0.0) == rising_at_low if slope_wanted else gap < 0.0
        if before:
            low = part
        else:
            high = part
        newton = -1.0
        if not slope_wanted and slope > 0.0:
            newton = part - gap / (slope * step)
        # Rounding throws Newton's step out of a bracket whose end is the root itself.
        if not low - 1e-15 <= newton <= high + 1e-15:
            newton = 0.5 * (low + high)
        if abs(newton - part) < (1e-4 if slope_wanted else 1e-15):
            break
        part = newton
    return part


@_compiled
def _rise(event, phase, stages, terms, dense, x, y, vx, vy, xn, yn, vxn, vyn, step, span, rho, length, gravity):
    """Fraction of the step at which the event happens, else infinity; and whether `terms` are now filled in.

    A gap that changes its direction within the step is looked at there too: a leg may leave the
    ground and come back within one step.
    """
    before, slope_before = _gap(event, phase, x, y, vx, vy, span, rho, length, gravity)
    after, slope_after = _gap(event, phase, xn, yn, vxn, vyn, span, rho, length, gravity)
    low, high = 0.0, 1.0
    if before >= 0.0 or after < 0.0:
        turns = slope_before > 0.0 > slope_after if after < 0.0 else slope_before < 0.0 < slope_after
        bound = min(before + slope_before * step, after - slope_after * step)
        if not turns or (before < 0.0 and bound < 0.0):
            return np.inf, dense
    if not dense:
        _interpolate(phase, x, y, vx, vy, step, span, rho, length, gravity, stages, terms)
    if before >= 0.0 or after < 0.0:
        turn = _root(event, True, 0.0, 1.0, phase, terms, x, y, vx, vy, step, span, rho, length, gravity)
        reached = _gap(event, phase, *_at(terms, x, y, vx, vy, turn), span, rho, length, gravity)[0]
        if before < 0.0 <= reached:
            high = turn
        elif reached < 0.0 <= after:
            low = turn
        else:
            return np.inf, True
    return _root(event, False, low, high, phase, terms, x, y, vx, vy, step, span, rho, length, gravity), True


_SINGLE = tuple(int(event) for event in model.EVENTS_OF_PHASE[Phase.SINGLE_SUPPORT])
_DOUBLE = tuple(int(event) for event in model.EVENTS_OF_PHASE[Phase.DOUBLE_SUPPORT])
_OUTCOMES = tuple(int(model.OUTCOME_OF_EVENT.get(event, Outcome.WALKED)) for event in Event)


@_compiled
def _walk(mass, k, length, start, span, gravity, duration, times, tolerance, stages, terms, out):
    """Follows one walker to the end; returns the outcome and fills in the samples [6, samples]."""
    x, y, vx, vy = start[0], start[1], start[2], start[3]
    rho, phase, time, step, origin, sample = k / mass, Phase.SINGLE_SUPPORT, 0.0, 0.02, 0.0, 0
    while True:
        last = time + step >= duration
        taken = duration - time if last else step
        xn, yn, vxn, vyn, error = _advance(phase, x, y, vx, vy, taken, span, rho, length, gravity, tolerance, stages)
        factor = min(5.0, max(0.2, 0.9 * max(error, 1e-10) ** -0.125))
        if error > 1.0:
            step = taken * factor
            continue
        event, part, dense = -1, 1.0, False
        for candidate in _SINGLE if phase == Phase.SINGLE_SUPPORT else _DOUBLE:
            found, dense = _rise(
                candidate,
                phase,
                stages,
                terms,
                dense,
                x,
                y,
                vx,
                vy,
                xn,
                yn,
                vxn,
                vyn,
                taken,
                span,
                rho,
                length,
                gravity,
            )
            if found < part or (event < 0 and found <= 1.0):
                event, part = candidate, found
        reached = duration if last and event < 0 else time + part * taken
        if sample < times.size and times[sample] <= reached and not dense:
            _interpolate(phase, x, y, vx, vy, taken, span, rho, length, gravity, stages, terms)
        while sample < times.size and times[sample] <= reached:
            px, py, ux, uy = _at(terms, x, y, vx, vy, (times[sample] - time) / taken)
            fx, fy = model.ground_force(phase, px, py, span, k, length, k, length)
            out[0, sample], out[1, sample], out[2, sample], out[3, sample] = origin + px, py, ux, uy
            out[4, sample], out[5, sample] = fx, fy
            sample += 1
        if event >= 0:
            xn, yn, vxn, vyn = _at(terms, x, y, vx, vy, part)
        x, y, vx, vy, time, step = xn, yn, vxn, vyn, reached, max(step, taken) * factor
        if event == Event.TOUCHDOWN:
            phase = Phase.DOUBLE_SUPPORT
        elif event == Event.TAKEOFF:
            phase = Phase.SINGLE_SUPPORT
            origin, x = model.takeoff_reset(origin, x, span)
        elif event >= 0:
            return _OUTCOMES[event]
        elif last:
            return Outcome.WALKED.value


@numba.njit(error_model="numpy", cache=True)
def _walk_all(mass, k, length, start, span, gravity, duration, times, tolerance, outcome, samples):
    stages, terms = np.empty((STAGES + 1, 4)), np.empty((DENSE, 4))
    for i in range(mass.size):
        if outcome[i] == Outcome.WALKED:
            outcome[i] = _walk(
                mass[i], k[i, 0], length[i, 0], start[i], span[i], gravity[i], duration, times, tolerance, stages,
                terms, samples[:, i],
            )  # fmt: skip


def compiled(times: np.ndarray, duration: float, tolerance: float = TOLERANCE):
    """An engine that takes one walker after the other.

    Args:
        times: sample times, shape [samples], s.
        duration: length of the walk, s.
        tolerance: see `TOLERANCE`.
    """

    def integrate(conditions: Conditions) -> Walked:
        outcome = starting_outcomes(conditions)
        samples = np.full((6, len(outcome), times.size), np.nan)
        _walk_all(
            conditions.mass, conditions.stiffness, conditions.rest_length, conditions.start, conditions.target,
            conditions.gravity, duration, times, tolerance, outcome, samples,
        )  # fmt: skip
        return Walked(outcome, samples)

    return integrate

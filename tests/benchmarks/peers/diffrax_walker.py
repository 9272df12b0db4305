"""Walks by diffrax: many walkers side by side, phase after phase, compiled by XLA.

P. Kidger, "On Neural Differential Equations", University of Oxford (2021), chapter 5.

Every turn of the outer loop is one `diffeqsolve` that ends at an event. Samples are saved in
windows of a few at a time, because a solve saves to arrays of fixed length.
"""

from __future__ import annotations

import functools

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx

from gait.simulation import model
from gait.simulation.conditions import Conditions
from gait.simulation.model import Event, Outcome, Phase
from tests.benchmarks.walker import Walked, some, starting_outcomes, with_forces

jax.config.update("jax_enable_x64", True)

TOLERANCE = 1e-14
"""Relative and absolute [m, m/s]. At this one 7 of 843 walks are off by more than 1e-8 m, the worst by 7e-8 m."""
LANES = 512
"""Walkers side by side."""
WINDOW = 8
"""Samples of one solve; a phase that lasts longer takes another."""
EVENTS = 128
"""Most events of a walk."""

_SINGLE = (Event.TOUCHDOWN, Event.FLIGHT, Event.BACKWARD, Event.FALL)
_DOUBLE = (Event.STUMBLE, Event.TAKEOFF, Event.BACKWARD, Event.FALL)
"""The events of both phases, in the order of `_gaps`."""


def _motion(time, state, args):
    x, y, vx, vy = state
    double, span, rho, length, gravity = args
    rear = model.acceleration(Phase.SINGLE_SUPPORT, x, y, span, rho, length, rho, length, gravity)
    front = model.spring_force(x - span, y, rho, length)
    return jnp.stack([vx, vy, rear[0] + double * front[0], rear[1] + double * front[1]])


def _gaps(state, args):
    """Gaps of four events, each with the sign with which the event is a rise."""
    x, y, vx, _ = state
    double, span, _, length, _ = args
    r2 = x * x + y * y
    front = model.front_gap(r2, x, span, length)
    return (
        jnp.where(double > 0.0, front, -front),
        model.rear_gap(r2, length),
        -vx,
        -model.height_gap(y, model.FALL_FRACTION * length),
    )


_EVENT = dfx.Event(
    [lambda t, y, args, i=i, **_: _gaps(y, args)[i] for i in range(len(_SINGLE))],
    optx.Newton(rtol=1e-12, atol=1e-13),
    direction=True,
)


def _next_phase(carry, fixed, times, controller):
    """Advances one walker to its next event, or to the end of a window of samples."""
    time, state, origin, double, sample, events, outcome, samples, found = carry
    start, span, rho, length, gravity = fixed
    done = (outcome != Outcome.WALKED) | (time >= times[-1])
    args = (double, span, rho, length, gravity)
    window = jax.lax.dynamic_slice(times, (sample,), (WINDOW,))
    # A finished walker keeps its lane: it gets one short step from where it began.
    begin, end = jnp.where(done, 0.0, time), jnp.where(done, 1e-3, window[-1])
    solution = dfx.diffeqsolve(
        dfx.ODETerm(_motion), dfx.Dopri8(), begin, end, jnp.minimum(0.01, end - begin), jnp.where(done, start, state),
        args,
        saveat=dfx.SaveAt(subs=[dfx.SubSaveAt(ts=jnp.clip(window, begin, end)), dfx.SubSaveAt(t1=True)]),
        stepsize_controller=controller, event=_EVENT, adjoint=dfx.ForwardMode(), throw=False, max_steps=None,
    )  # fmt: skip
    (_, (reached,)), (sampled, (last,)) = solution.ts, solution.ys
    mask = jnp.stack(jax.tree.leaves(solution.event_mask))
    any_event = mask.any() & ~done
    in_double = double > 0.0
    event = jnp.where(any_event, jnp.where(in_double, jnp.array(_DOUBLE), jnp.array(_SINGLE))[jnp.argmax(mask)], -1)
    saved = (window <= reached) & ~done
    old = jax.lax.dynamic_slice(samples, (sample, 0), (WINDOW, 4))
    new = jnp.where(saved[:, None], sampled + jnp.array([1.0, 0.0, 0.0, 0.0]) * origin, old)
    samples = jax.lax.dynamic_update_slice(samples, new, (sample, 0))
    found = found.at[jnp.where(any_event, events, EVENTS)].set(reached, mode="drop")
    takeoff = event == Event.TAKEOFF
    shift = jnp.where(takeoff, span, 0.0)
    outcome = jnp.where(any_event, jnp.array(_OUTCOMES)[event], outcome)
    state = jnp.where(done, state, last - jnp.array([1.0, 0.0, 0.0, 0.0]) * shift)
    double = jnp.where(event == Event.TOUCHDOWN, 1.0, jnp.where(takeoff, 0.0, double))
    time = jnp.where(done, time, reached)
    return time, state, origin + shift, double, sample + saved.sum(), events + any_event, outcome, samples, found


_OUTCOMES = tuple(int(model.OUTCOME_OF_EVENT.get(event, Outcome.WALKED)) for event in Event)


@functools.partial(jax.jit, static_argnames="samples")
def _walk_all(fixed, outcome, times, tolerance, samples):
    """Samples [n, samples, 4], event times [n, events], outcomes and end times of walkers side by side."""
    lanes = len(outcome)
    controller = dfx.PIDController(rtol=tolerance, atol=tolerance)
    step = jax.vmap(lambda carry, fixed: _next_phase(carry, fixed, times, controller))
    zero, none = jnp.zeros(lanes), jnp.zeros(lanes, jnp.int64)
    carry = (
        zero, fixed[0], zero, zero, none, none, outcome,
        jnp.full((lanes, samples + WINDOW, 4), jnp.nan), jnp.full((lanes, EVENTS), jnp.inf),
    )  # fmt: skip

    def going(carry):
        return jnp.any((carry[0] < times[-1]) & (carry[6] == Outcome.WALKED))

    time, *_, outcome, recorded, found = jax.lax.while_loop(going, lambda carry: step(carry, fixed), carry)
    return recorded[:, :samples], found, outcome, time


def vectorised(times: np.ndarray, duration: float, tolerance: float = TOLERANCE, lanes: int = LANES):
    """An engine that takes `lanes` walkers side by side.

    Args:
        times: sample times, shape [samples], s.
        duration: length of the walk, s.
        tolerance: see `TOLERANCE`.
        lanes: number of walkers.
    """
    padded = jnp.asarray(np.append(times, np.full(WINDOW, duration)))

    def integrate(conditions: Conditions) -> Walked:
        starting = starting_outcomes(conditions)
        count = len(starting)
        parts = []
        for first in range(0, count, lanes):
            rows = np.minimum(np.arange(first, first + lanes), count - 1)  # the last lanes repeat a walker
            chosen = some(conditions, rows)
            fixed = (
                chosen.start, chosen.target, chosen.stiffness[:, 0] / chosen.mass, chosen.rest_length[:, 0],
                chosen.gravity,
            )  # fmt: skip
            parts.append(_walk_all(fixed, jnp.asarray(starting[rows]), padded, tolerance, times.size))
        recorded, found, outcome, end = (
            np.concatenate([np.asarray(part[i]) for part in parts])[:count] for i in range(4)
        )
        states = recorded.transpose(2, 0, 1)
        return with_forces(conditions, times, outcome, states, found[:, ::2], found[:, 1::2], end)

    return integrate

"""The lanes: walkers side by side through their phases. When one has ended, the next of the queue takes its lane."""

from __future__ import annotations

import numpy as np
from numba import types

from gait.simulation import model
from gait.simulation.model import Event, Outcome, Phase
from gait.simulation.taylor import events, series
from gait.simulation.taylor.layout import (
    ARGUMENTS,
    GAPS,
    LANES,
    LEGS,
    NOBODY,
    ORDER,
    ROW,
    SHORTEST_STEP,
    SIZE,
    SPACE,
    Tracks,
    Walkers,
    X,
    Y,
)
from gait.simulation.taylor.symbols import array_at, choose, compiled, lane_loop, object_file

_OUTCOME_OF_EVENT = tuple(int(model.OUTCOME_OF_EVENT.get(event, Outcome.WALKED)) for event in Event)


def _begin(lane) -> dict:
    # In the walker's own unit of time, the series stay within the range of single precision.
    unit2 = lane.unit * lane.unit
    x, y, s = series.motion(
        (lane.x0, lane.x1 * lane.unit), (lane.y0, lane.y1 * lane.unit), lane.span, lane.rho_rear * unit2, lane.l_rear,
        lane.phase * lane.rho_front * unit2, lane.l_front, lane.gravity * unit2,
    )  # fmt: skip
    remaining = lane.remaining * lane.units
    step = series.step_of(x, y, remaining)
    x, y, s = series.scaled(step, x, y, s)
    step = choose(step < remaining, step * lane.unit, lane.remaining)
    return {"step": step, **dict(zip((*X, *Y), (*x, *y), strict=True)), **events.verdict(x, y, s, lane)}


_begin_step = lane_loop((*X[:2], *Y[:2], *LEGS, *GAPS, "unit", "units", "remaining", "armed"), _begin)
"""From a state: the motion of the next step, its length [s], and what is to be expected of it."""


# The queue -----------------------------------------------------------------------------------


@compiled
def _refill(work, lane, rule, duration, first_sample, queue, last, walkers, tracks):
    """Gives a lane to the next walker of the queue that can begin; returns its number and the rest of the queue.

    The queue holds the walkers from number `queue` to before number `last`.
    """
    while queue < last:
        i = queue
        queue += 1
        x, y, vx, vy = walkers.start[i]
        tracks.outcome[i] = model.starting_outcome(x, y, vx, walkers.rest_length[i, 0])
        if tracks.outcome[i] == Outcome.WALKED:
            work[ROW.x0 + lane], work[ROW.x1 + lane], work[ROW.y0 + lane], work[ROW.y1 + lane] = x, vx, y, vy
            work[ROW.origin + lane], work[ROW.time + lane], work[ROW.remaining + lane] = 0.0, 0.0, duration
            work[ROW.next_sample + lane] = first_sample
            work[ROW.phase + lane], work[ROW.armed + lane] = Phase.SINGLE_SUPPORT.value, 0.0
            mass, target = walkers.mass[i], walkers.target[i]
            work[ROW.mass + lane], work[ROW.gravity + lane] = mass, walkers.gravity[i]
            rho_rear, rho_front = walkers.stiffness[i, 0] / mass, walkers.stiffness[i, 1] / mass
            l_rear, l_front = walkers.rest_length[i, 0], walkers.rest_length[i, 1]
            work[ROW.rho_rear + lane], work[ROW.rho_front + lane] = rho_rear, rho_front
            work[ROW.l_rear + lane], work[ROW.l_front + lane] = l_rear, l_front
            work[ROW.target + lane], work[ROW.span + lane] = target, events.swing_span(rule, target)
            # How fast such a motion can change: springs, swinging over a foot, falling.
            length = min(l_rear, l_front)
            springs, falling = max(rho_rear, rho_front) ** 0.5, (walkers.gravity[i] / length) ** 0.5
            units = springs + (abs(vx) + abs(vy)) / length + falling
            work[ROW.unit + lane], work[ROW.units + lane] = 1.0 / units, units
            work[ROW.sine + lane], work[ROW.cosine + lane] = np.sin(target), np.cos(target)
            return i, queue
        tracks.samples[:, i] = np.nan
    _rest(work, lane)
    return NOBODY, queue


@compiled
def _rest(work, lane):
    """Makes a lane nobody's: a mass at a height of 1 that nothing pulls, with both legs far from any event.

    Its time stands still, so that neither a sample nor the end of the walk is ever due.
    """
    for row in range(0, SIZE, LANES):
        work[row + lane] = 0.0
    work[ROW.x1 + lane], work[ROW.y0 + lane] = 1e-300, 1.0
    work[ROW.l_rear + lane], work[ROW.l_front + lane], work[ROW.span + lane] = 2.0, 1.0, 10.0
    work[ROW.unit + lane], work[ROW.units + lane], work[ROW.step + lane] = 1.0, 1.0, 1e300
    work[ROW.time + lane], work[ROW.remaining + lane], work[ROW.next_sample + lane] = -np.inf, np.inf, np.inf


@compiled
def _move(work, source, target):
    """Moves a walker to another lane. Its own becomes nobody's."""
    for row in range(0, SIZE, LANES):
        work[row + target] = work[row + source]
    _rest(work, source)


# The steps -----------------------------------------------------------------------------------


@compiled
def _is_stuck(work, lane, duration):
    step = work[ROW.step + lane]
    return not ((step > SHORTEST_STEP * duration) | (step >= work[ROW.remaining + lane]))


@compiled
def _reach(work, duration):
    """Sets the time that each lane's step reaches.

    Returns the number of lanes that are stuck with too short a step, and of those in which a phase or walk ends.
    """
    stuck, ending = 0, 0
    for lane in range(LANES):
        step, remaining, event = work[ROW.step + lane], work[ROW.remaining + lane], work[ROW.event + lane]
        reached = min(work[ROW.time + lane] + work[ROW.end + lane] * step, duration)
        reached = duration if (event < 0.0) & (step >= remaining) else reached
        work[ROW.reached + lane] = reached
        stuck += _is_stuck(work, lane, duration)
        ending += (event >= 0.0) | (reached >= duration)
    return stuck, ending


@compiled
def _take_samples(work, used, due, record, sample, times, tracks):
    """Reads the due samples off the series, at most one of each lane at a time."""
    while True:
        many = 0
        for lane in range(LANES):
            many += work[ROW.next_sample + lane] <= work[ROW.reached + lane]
        if many == 0:
            return
        for lane in range(LANES):
            work[ROW.at + lane] = (work[ROW.next_sample + lane] - work[ROW.time + lane]) / work[ROW.step + lane]
        many = 0
        for lane in range(LANES):
            due[many] = lane
            many += work[ROW.next_sample + lane] <= work[ROW.reached + lane]
        series.evaluate(work, used)
        for lane in range(LANES):
            work[ROW.fx + lane], work[ROW.fy + lane] = model.ground_force(
                Phase.DOUBLE_SUPPORT, work[ROW.px + lane], work[ROW.py + lane], work[ROW.span + lane],
                work[ROW.mass + lane] * work[ROW.rho_rear + lane], work[ROW.l_rear + lane],
                work[ROW.phase + lane] * work[ROW.mass + lane] * work[ROW.rho_front + lane], work[ROW.l_front + lane],
            )  # fmt: skip
        for place in range(many):
            lane = due[place]
            i, k, step = record[lane], sample[lane], work[ROW.step + lane]
            tracks.samples[0, i, k] = work[ROW.origin + lane] + work[ROW.px + lane]
            tracks.samples[1, i, k] = work[ROW.py + lane]
            tracks.samples[2, i, k] = work[ROW.vx + lane] / step
            tracks.samples[3, i, k] = work[ROW.vy + lane] / step
            tracks.samples[4, i, k] = work[ROW.fx + lane]
            tracks.samples[5, i, k] = work[ROW.fy + lane]
            sample[lane] = k + 1
            work[ROW.next_sample + lane] = times[k + 1] if k + 1 < times.size else np.inf


@compiled
def _end_step(work, used, rule, duration):
    """Moves every lane to the end of its step, and on to the next phase if a touchdown or takeoff ended it.

    The values of the next phase are computed for all lanes and kept where they apply: that is faster than
    singling some out.
    """
    for lane in range(LANES):
        work[ROW.at + lane] = work[ROW.end + lane]
    series.evaluate(work, used)
    for lane in range(LANES):
        x, y, step = work[ROW.px + lane], work[ROW.py + lane], work[ROW.step + lane]
        event = work[ROW.event + lane]
        touchdown, takeoff = event == Event.TOUCHDOWN.value, event == Event.TAKEOFF.value
        origin, span, target = work[ROW.origin + lane], work[ROW.span + lane], work[ROW.target + lane]
        rho_rear, rho_front = work[ROW.rho_rear + lane], work[ROW.rho_front + lane]
        l_rear, l_front = work[ROW.l_rear + lane], work[ROW.l_front + lane]
        phase, armed = work[ROW.phase + lane], work[ROW.armed + lane]
        next_origin, next_x = model.takeoff_reset(origin, x, span)
        landed = model.touchdown_span(rule, x, target, l_front * work[ROW.cosine + lane])
        work[ROW.origin + lane], work[ROW.x0 + lane] = (next_origin if takeoff else origin), (next_x if takeoff else x)
        swung = events.swing_span(rule, target)
        work[ROW.span + lane] = landed if touchdown else (swung if takeoff else span)
        work[ROW.rho_rear + lane] = rho_front if takeoff else rho_rear
        work[ROW.rho_front + lane] = rho_rear if takeoff else rho_front
        work[ROW.l_rear + lane] = l_front if takeoff else l_rear
        work[ROW.l_front + lane] = l_rear if takeoff else l_front
        work[ROW.phase + lane] = 1.0 if touchdown else (0.0 if takeoff else phase)
        work[ROW.armed + lane] = 1.0 if touchdown else (0.0 if takeoff else armed)
        work[ROW.y0 + lane] = y
        work[ROW.x1 + lane], work[ROW.y1 + lane] = work[ROW.vx + lane] / step, work[ROW.vy + lane] / step
        work[ROW.time + lane] = work[ROW.reached + lane]
        work[ROW.remaining + lane] = duration - work[ROW.reached + lane]


@compiled
def _note(work, lane, event, i, tracks):
    """Enters a touchdown or takeoff of walker i in the track."""
    if event == Event.TOUCHDOWN:
        n = tracks.events[i, 0]
        if n < tracks.touchdown.shape[1]:
            tracks.touchdown[i, n] = work[ROW.time + lane]
            tracks.foothold[i, n] = work[ROW.origin + lane] + work[ROW.span + lane]
        tracks.events[i, 0] = n + 1
    elif event == Event.TAKEOFF:
        n = tracks.events[i, 1]
        if n < tracks.takeoff.shape[1]:
            tracks.takeoff[i, n] = work[ROW.time + lane]
        tracks.events[i, 1] = n + 1


def walk(
    mass, stiffness, rest_length, start, target, gravity, outcome, event_counts, samples, touchdown, takeoff, foothold,
    count, room, times, samples_each, first, last, rule, duration, space, places,
):  # fmt: skip
    """Integrates some walkers; returns the number of one whose steps became too short, or `NOBODY`.

    The walkers fill the first lanes. As the queue runs out, the last ones move together.
    """
    legs = (count, 2)
    walkers = Walkers(
        array_at(mass, count), array_at(stiffness, legs), array_at(rest_length, legs), array_at(start, (count, 4)),
        array_at(target, count), array_at(gravity, count),
    )  # fmt: skip
    tracks = Tracks(
        array_at(outcome, count), array_at(event_counts, legs), array_at(samples, (6, count, samples_each)),
        array_at(touchdown, (count, room)), array_at(takeoff, (count, room)), array_at(foothold, (count, room)),
    )  # fmt: skip
    times = array_at(times, samples_each)
    numbers = array_at(space, SPACE)
    work, r2, gap = numbers[:SIZE], numbers[SIZE : SIZE + ORDER + 1], numbers[SIZE + ORDER + 1 :]
    # Walker and next sample of each lane, and lanes with something to do. These are listed without a branch:
    # branches that cannot be foreseen are slow.
    record, sample, ending, due = array_at(places, (4, LANES + 1))
    queue, used = first, 0
    for lane in range(LANES):
        record[lane], queue = _refill(work, lane, rule, duration, times[0], queue, last, walkers, tracks)
        sample[lane] = 0
        used += record[lane] != NOBODY
    while used > 0:
        events.set_gaps(work, rule)
        _begin_step(work, used)
        if events.close_in(work, used) > 0:
            for lane in range(used):
                if work[ROW.verdict + lane] == events.UNCLEAR:
                    work[ROW.event + lane], work[ROW.end + lane] = events.search(work, lane, r2, gap)
        stuck, many = _reach(work, duration)
        if stuck > 0:
            for lane in range(used):
                if _is_stuck(work, lane, duration):
                    return record[lane]
        _take_samples(work, used, due, record, sample, times, tracks)
        _end_step(work, used, rule, duration)
        if many == 0:
            continue
        many = 0
        for lane in range(LANES):
            ending[many] = lane
            many += (work[ROW.event + lane] >= 0.0) | (work[ROW.remaining + lane] <= 0.0)
        for place in range(many - 1, -1, -1):  # the last lanes first, because they may move to where others have ended
            lane = ending[place]
            i, event = record[lane], int(work[ROW.event + lane])
            _note(work, lane, event, i, tracks)
            outcome_now = Outcome.WALKED.value if event < 0 else _OUTCOME_OF_EVENT[event]
            if outcome_now == Outcome.WALKED and work[ROW.remaining + lane] > 0.0:
                continue
            tracks.outcome[i] = outcome_now
            tracks.samples[:, i, sample[lane] :] = np.nan
            record[lane], queue = _refill(work, lane, rule, duration, times[0], queue, last, walkers, tracks)
            sample[lane] = 0
            if record[lane] == NOBODY:
                used -= 1
                if lane < used:
                    _move(work, used, lane)
                    record[lane], sample[lane] = record[used], sample[used]
    return NOBODY


def compile_walk() -> tuple[str, bytes]:
    """Compiles `walk`: its name in an object file, and that file."""
    kinds = {
        "float64": types.float64, "float64*": types.CPointer(types.float64),
        "int64": types.int64, "int64*": types.CPointer(types.int64),
    }  # fmt: skip
    return object_file(walk, types.int64(*(kinds[kind] for kind in ARGUMENTS.values())))

"""The fast engine: Taylor series of high order, many walkers at a time, events as roots of polynomials.

Along one step every coordinate is a polynomial in the time since the step began. So are the
event gaps of `gait.simulation.model`, which are polynomials in the coordinates. An event is therefore
the first root of a known polynomial inside the step, and the recording is read off the same
series. After Jorba and Zou, "A software package for the numerical integration of ODEs by
means of high-order Taylor methods", Experimental Mathematics 14 (2005) 99-117.

`series` has the recurrences, `events` the event search, `lanes` the walkers side by side, and
`layout` the places of their numbers in memory. `cache` keeps the compiled code, and `loading` makes it callable.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gait.errors import InputError
from gait.provenance import cores
from gait.simulation.conditions import Conditions, Walks
from gait.simulation.taylor import loading
from gait.simulation.taylor.layout import LANES, LINE, NOBODY, PLACES, SHORTEST_STEP, SPACE, Tracks, Walkers


def integrate(conditions: Conditions, times: np.ndarray, duration: float, threads: int | None = None) -> Walks:
    """Integrates any number of walkers, on all cores unless `threads` says otherwise.

    Args:
        conditions: n walkers.
        times: sample times, shape [samples], s, ascending from 0.
        duration: length of the walk, s.
        threads: number of cores to use; the result does not depend on it.

    Raises:
        InputError: if a walker's motion is too fast to be followed.
    """
    count = len(conditions.mass)
    threads = min(threads or cores(), max(1, count // LANES))
    events = 16 + int(4.0 * duration)
    while True:
        walks = Walks.empty(count, times, events)
        work = functools.partial(_walk, conditions=conditions, times=times, duration=duration, into=walks)
        if threads == 1:
            work(0, count)
        else:
            edges = np.linspace(0, count, threads + 1).astype(int)
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, edges[:-1], edges[1:]))
        most = int(walks.events.max(initial=0))
        if most <= events:
            return walks.trimmed(most)
        events = most  # more steps than there was room for: once more with enough of it


def _walk(first: int, last: int, conditions: Conditions, times: np.ndarray, duration: float, into: Walks) -> None:
    walkers = [np.require(getattr(conditions, name), np.float64, "C") for name in Walkers._fields]
    tracks = [getattr(into, name) for name in Tracks._fields]
    times = np.require(times, np.float64, "C")
    space, places = np.empty(SPACE + LINE), np.empty(PLACES, np.int64)
    space = space[-space.ctypes.data // space.itemsize % (LINE // space.itemsize) :]  # from a whole line on
    stuck = loading.walk()(
        *(array.ctypes.data for array in (*walkers, *tracks)), len(into.outcome), into.touchdown.shape[1],
        times.ctypes.data, times.size, first, last, conditions.rule, duration, space.ctypes.data, places.ctypes.data,
    )  # fmt: skip
    if stuck != NOBODY:
        raise InputError(
            f"The motion of a walker is too fast to be followed for {duration:g} s: it needs steps of less than "
            f"{SHORTEST_STEP * duration:.1e} s. Received: mass {conditions.mass[stuck]:g} kg, stiffness "
            f"{conditions.stiffness[stuck]} N/m, gravity {conditions.gravity[stuck]:g} m/s². "
            "Use values that a walker can have."
        )

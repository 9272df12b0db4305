"""The fast engine: Taylor series of high order, many walkers at a time, events as roots of polynomials.

Along one step every coordinate is a polynomial in the time since the step began. So are the
event gaps of `gait.simulation.model`, which are polynomials in the coordinates. An event is therefore
the first root of a known polynomial inside the step, and the recording is read off the same
series. After Jorba and Zou, "A software package for the numerical integration of ODEs by
means of high-order Taylor methods", Experimental Mathematics 14 (2005) 99-117.

`series` has the recurrences, `events` the event search, `lanes` the walkers side by side, and
`layout` the places of their numbers in memory. `cache` keeps the compiled code.
"""

from __future__ import annotations

import functools
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba.core.event import Event, Listener, register

from gait.errors import InputError
from gait.provenance import cores
from gait.simulation.conditions import Conditions, Walks
from gait.simulation.taylor import lanes
from gait.simulation.taylor.layout import LANES


class _CompileNotice(Listener):
    """Says, once, why the first call takes so long; numba compiles only what it does not find in the cache."""

    said = False

    def on_start(self, event: Event) -> None:
        if event.data["dispatcher"] is lanes.walk and not self.said:
            self.said = True
            logging.getLogger("gait").warning(
                "Compiling the walking model: about ten seconds, %s.",
                "once on this machine"
                if lanes.walk._cache.cache_path
                else "in every run, because no folder can be written to keep it. Set NUMBA_CACHE_DIR to one that can",
            )

    def on_end(self, event: Event) -> None:
        pass


register("numba:compile", _CompileNotice())


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
        edges = np.linspace(0, count, threads + 1).astype(int)
        work = functools.partial(_walk, conditions=conditions, times=times, duration=duration, into=walks)
        if threads == 1:
            work(0, count)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, edges[:-1], edges[1:]))
        most = int(walks.events.max(initial=0))
        if most <= events:
            return walks.trimmed(most)
        events = most  # more steps than there was room for: once more with enough of it


def _walk(first: int, last: int, conditions: Conditions, times: np.ndarray, duration: float, into: Walks) -> None:
    # Arrays of one kind only: for others, numba would compile once more.
    walkers = lanes.Walkers(
        *(np.require(getattr(conditions, name), np.float64, ["C", "W"]) for name in lanes.Walkers._fields)
    )
    tracks = lanes.Tracks(*(getattr(into, name) for name in lanes.Tracks._fields))
    times = np.require(times, np.float64, ["C", "W"])
    stuck = lanes.walk(walkers, int(first), int(last), int(conditions.rule), float(duration), times, tracks)
    if stuck != lanes.NOBODY:
        raise InputError(
            f"The motion of a walker is too fast to be followed for {duration:g} s: it needs steps of less than "
            f"{lanes.SHORTEST_STEP * duration:.1e} s. Received: mass {conditions.mass[stuck]:g} kg, stiffness "
            f"{conditions.stiffness[stuck]} N/m, gravity {conditions.gravity[stuck]:g} m/s². "
            "Use values that a walker can have."
        )

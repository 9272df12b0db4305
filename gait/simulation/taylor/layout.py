"""Layout of the walkers' numbers in memory: one flat array, a row of `LANES` numbers for each variable.

numba turns a loop over the lanes of one flat array into vector instructions. With several arrays
it does not, for lack of proof that they do not overlap. So everything that a walker needs during a
step has a row here.
"""

from __future__ import annotations

import collections
from typing import Any

LANES = 32
"""Most walkers that go side by side. Their rows about fill the fastest cache. Half as many take 6 per cent longer."""
GROUP = 4
"""Lanes that are left out together while nobody is in them, a multiple of the numbers in a vector."""
LINE = 64
"""Bytes that the cache moves at once, which is also the length of the longest vectors."""
ORDER = 16
"""Degree of the series. As it is a power of two, the root that gives the step is a shift."""

NOBODY = -1
"""Number of the walker of an empty lane."""
SHORTEST_STEP = 1e-8
"""Shortest step, as a fraction of the duration. A walker that would need shorter ones is not integrated."""
TOLERANCE = 4e-16
"""Size [m] of the last term of a series at the end of its step: a few units in the last place.

It may be 2.7 times as large, see `gait.simulation.taylor.symbols.quick_root`.
"""

X = tuple(f"x{n}" for n in range(ORDER + 1))
Y = tuple(f"y{n}" for n in range(ORDER + 1))
"""The motion as polynomials in the fraction of the step. At its start x0, x1, y0, y1 are x, vx, y, vy."""
LEGS = ("phase", "span", "rho_rear", "l_rear", "rho_front", "l_front", "gravity", "mass")
"""Both legs as in `gait.simulation.model`, rho = k/m. In single support the front leg is the one in the air."""
LANDING = ("target", "sine", "cosine")
"""Parameters of the touchdown rule: step length or angle of attack, and the functions of that angle."""
GAPS = ("a_r2", "a_x", "a_y", "a_c", "b_r2", "b_x", "b_c", "fall_height")
"""The gaps of the phase's leg events as sums of r², x, y and a constant. Each rises at its event.

In single support a is touchdown and b flight. In double support a is takeoff and b a stumble.
"""
CLOCK = ("origin", "time", "remaining", "step", "reached", "next_sample", "unit", "units")
"""Seconds, but for the foothold `origin` and for `units`, the number of the walker's units of time in a second."""
SEARCH = ("armed", "verdict", "low", "high", "correction", "event", "end")
POINT = ("at", "px", "py", "vx", "vy", "fx", "fy")
"""A point of the step, at the fraction `at` of it, and the motion and force there."""

Walkers = collections.namedtuple("Walkers", "mass stiffness rest_length start target gravity")
"""Arrays of `Conditions`, for the walkers of the queue."""
Tracks = collections.namedtuple("Tracks", "outcome events samples touchdown takeoff foothold")
"""Arrays of `Walks`, to be filled in."""

_NAMES = (*X, *Y, *LEGS, *LANDING, *GAPS, *CLOCK, *SEARCH, *POINT)
SIZE = len(_NAMES) * LANES
ROW: Any = collections.namedtuple("Row", _NAMES)(*range(0, SIZE, LANES))
"""Index of the first lane's value of each variable: `work[ROW.span + lane]`."""

SPACE, PLACES = SIZE + 2 * (ORDER + 1), 4 * (LANES + 1)
"""Numbers that the walk needs room for: float64 (the rows, then two polynomials) and int64."""
ARGUMENTS = {
    **dict.fromkeys(Walkers._fields, "float64*"),
    **dict.fromkeys(Tracks._fields, "float64*"), "outcome": "int64*", "events": "int64*",
    "count": "int64", "room": "int64", "times": "float64*", "samples_each": "int64",
    "first": "int64", "last": "int64", "rule": "int64", "duration": "float64",
    "space": "float64*", "places": "int64*",
}  # fmt: skip
"""Arguments of `gait.simulation.taylor.lanes.walk` and their types. All arrays are contiguous."""

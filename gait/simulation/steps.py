"""Steps of a walk as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gait.simulation.conditions import Walks

if TYPE_CHECKING:
    import pandas as pd

UNITS = {
    "foothold": "m", "touchdown": "s", "takeoff": "s", "double_support_time": "s", "step_time": "s", "step_length": "m",
    "speed": "m/s",
}  # fmt: skip
"""Unit of each column of a table of steps that has one."""


def exact_events(walks: Walks, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Steps of one walk as the engine has found them.

    Args:
        walks: see `gait.simulate`.
        i: number of the walk.

    Returns:
        Touchdown [s], takeoff of the other leg after it [s], NaN if the walk ends before, foothold [m], and the leg
        that touches down, "left" or "right", each of shape [n]. The leg that stands first is called the left one.
    """
    touchdown, foothold = (row[i][np.isfinite(walks.touchdown[i])] for row in (walks.touchdown, walks.foothold))
    takeoff = np.full(len(touchdown), np.nan)
    seen = walks.takeoff[i][: len(touchdown)]
    takeoff[: len(seen)] = seen
    return touchdown, takeoff, foothold, np.where(np.arange(len(touchdown)) % 2 == 0, "right", "left")


def step_table(walks: Walks, i: int = 0) -> pd.DataFrame:
    """Lists the steps of one walk, from touchdown to touchdown.

    The leg that stands first, on a foothold at x = 0, is called the left one.

    Args:
        walks: see `gait.simulate`.
        i: number of the walk.

    Returns:
        One row a step, indexed by its number `step` = 1, 2, ..., SI units, NaN where an event is missing:

        - `leg`: "left" or "right", the leg that touches down;
        - `foothold`: where it does [m];
        - `touchdown`: when it does [s];
        - `takeoff`: when the other leg, behind, takes off after that [s];
        - `double_support_time`: from that touchdown to that takeoff [s];
        - `step_time`: since the touchdown before [s], NaN for step 1;
        - `step_length`: distance from the foothold before [m];
        - `speed`: step length by step time [m/s].
    """
    import pandas as pd  # only now: most uses of the simulation do not need it

    touchdown, takeoff, foothold, leg = exact_events(walks, i)
    step_time = np.diff(touchdown, prepend=np.nan)
    step_length = np.diff(foothold, prepend=0.0)
    numbers = np.arange(1, len(touchdown) + 1)
    return pd.DataFrame(
        {
            "leg": leg,
            "foothold": foothold,
            "touchdown": touchdown,
            "takeoff": takeoff,
            "double_support_time": takeoff - touchdown,
            "step_time": step_time,
            "step_length": step_length,
            "speed": step_length / step_time,
        },
        index=pd.Index(numbers, name="step"),
    )


def foot_forces(walks: Walks, i: int = 0) -> dict[str, np.ndarray]:
    """Vertical force on each foot of one walk: each leg pushes along itself, so that both follow from their sum.

    Args:
        walks: see `gait.simulate`.
        i: number of the walk.

    Returns:
        "left" and "right" → shape [samples], N, of the samples before the walk's end; the left leg stands first.
    """
    x, y, _, _, fx, fy = _samples(walks, i)
    places, down, up = _stances(walks, i)
    rear, front = (x - places[np.minimum(number, len(places) - 1)] for number in (up, down))
    both = down > up
    # Of a pushing at the rear foot and b at the front one, each along its leg: fx = a rear + b front, fy = (a + b) y.
    on_rear = np.where(both, (fx * y - fy * front) / np.where(both, rear - front, 1.0), fy)
    forces = {side: np.zeros(len(x)) for side in ("left", "right")}
    for turn, force in enumerate(forces.values()):
        behind, ahead = up % 2 == turn, both & (down % 2 == turn)
        force[behind] = on_rear[behind]
        force[ahead] = (fy - on_rear)[ahead]
    return forces


def mass_and_gravity(walks: Walks, i: int = 0) -> tuple[float, float]:
    """Mass [kg] and gravitational acceleration [m/s²] of one walk, which walks do not carry; NaN with too few samples.

    In single support the force k (l0 - r) gives the stiffness of each leg. Energy is conserved, which gives the rest:
    m |v|²/2 + m g y + |F|²/(2 k) is the same at all these samples.

    Args:
        walks: see `gait.simulate`.
        i: number of the walk.
    """
    x, y, vx, vy, fx, fy = _samples(walks, i)
    places, down, up = _stances(walks, i)
    elastic = np.full(len(x), np.nan)
    for turn in (0, 1):
        single = (down == up) & (up % 2 == turn)
        length = np.hypot(x[single] - places[up[single]], y[single])
        force = np.hypot(fx[single], fy[single])
        if single.sum() > 2 and np.ptp(length) > 1e-6:
            stiffness = -np.polyfit(length - length.mean(), force, 1)[0]
            if stiffness > 0.0:
                elastic[single] = force**2 / (2.0 * stiffness)
    known = np.isfinite(elastic)
    if known.sum() < 8:
        return np.nan, np.nan
    columns = np.stack([0.5 * (vx**2 + vy**2), y, np.ones(len(y))], axis=1)[known]
    scale = np.abs(columns).max(axis=0)
    solution, _, rank, _ = np.linalg.lstsq(columns / scale, -elastic[known], rcond=None)
    mass, weight, _ = solution / scale
    return (float(mass), float(weight / mass)) if rank == 3 and mass > 0.0 and weight > 0.0 else (np.nan, np.nan)


def _samples(walks: Walks, i: int) -> np.ndarray:
    """x, y, vx, vy, fx, fy of one walk before its end, shape [6, samples]."""
    return walks.samples[:, i, np.isfinite(walks.x[i])]


def _stances(walks: Walks, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Footholds, the first one at 0, and the numbers of touchdowns and takeoffs before each sample."""
    t = walks.t[np.isfinite(walks.x[i])]
    touchdown, takeoff, foothold = (
        row[i][np.isfinite(row[i])] for row in (walks.touchdown, walks.takeoff, walks.foothold)
    )
    places = np.append(0.0, foothold)
    return places, np.searchsorted(touchdown, t, side="right"), np.searchsorted(takeoff, t, side="right")

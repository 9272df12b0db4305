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

"""Steps of a walk as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gait.simulation.conditions import Walks

if TYPE_CHECKING:
    import pandas as pd


def step_table(walks: Walks, i: int = 0) -> pd.DataFrame:
    """Steps of one walk, from touchdown to touchdown.

    Args:
        walks: see `gait.simulate`.
        i: number of the walk.

    Returns:
        One row a touchdown, SI units, NaN where an event is missing: `leg` ("first" or "other"), `foothold` [m],
        `touchdown` [s], `takeoff` of the rear leg after it [s], `double_support_time` between the two [s],
        `step_time` and `step_length` since the touchdown before [s, m], and their ratio `speed` [m/s].
    """
    import pandas as pd  # only now: most uses of the simulation do not need it

    touchdown, foothold = walks.touchdown[i], walks.foothold[i]
    made = np.isfinite(touchdown)
    touchdown, foothold = touchdown[made], foothold[made]
    takeoff = np.full(len(touchdown), np.nan)
    seen = walks.takeoff[i][: len(touchdown)]
    takeoff[: len(seen)] = seen
    step_time = np.diff(touchdown, prepend=np.nan)
    step_length = np.diff(foothold, prepend=np.nan)
    return pd.DataFrame(
        {
            "leg": ["other" if number % 2 == 0 else "first" for number in range(len(touchdown))],
            "foothold": foothold,
            "touchdown": touchdown,
            "takeoff": takeoff,
            "double_support_time": takeoff - touchdown,
            "step_time": step_time,
            "step_length": step_length,
            "speed": step_length / step_time,
        }
    )

"""Touchdowns and takeoffs in a recording."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Events:
    """Steps of a recording; one touchdown each, in order of time.

    Attributes:
        touchdown: shape [n], s.
        takeoff: when the other leg, behind, takes off after each touchdown, shape [n], s; NaN where that is not known.
        leg: leg that touches down, shape [n]: "left", "right", or "first" and "second" in turn where sides are not known.
        foothold: forward position of each foot over the ground, shape [n], m; NaN where that is not known.
        source: what they were found from: "force of each foot", "force", "heel markers" or "vertical motion".
    """

    touchdown: np.ndarray
    takeoff: np.ndarray
    leg: np.ndarray
    foothold: np.ndarray
    source: str

"""What an engine is given and what it returns; the same for every engine."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.simulation.model import TouchdownRule

SAMPLE_FIELDS = ("x", "y", "vx", "vy", "fx", "fy")
"""Order of the first axis of `Recording.samples`."""


@dataclasses.dataclass(frozen=True)
class Conditions:
    """n walkers at time 0, in single support on a foothold at the origin; SI units, float64.

    Attributes:
        mass: shape [n].
        stiffness, rest_length: shape [n, 2], the first stance leg and the other one.
        start: shape [n, 4], x, y, vx, vy.
        rule: what decides the touchdown, one rule for all.
        target: shape [n], the rule's step length [m] or angle of attack [rad].
        gravity: shape [n].
    """

    mass: np.ndarray
    stiffness: np.ndarray
    rest_length: np.ndarray
    start: np.ndarray
    rule: TouchdownRule
    target: np.ndarray
    gravity: np.ndarray


@dataclasses.dataclass(frozen=True)
class Recording:
    """How n walks went; NaN where a walk had ended.

    Attributes:
        outcome: shape [n], `gait.Outcome` values.
        events: shape [n, 2], numbers of touchdowns and takeoffs.
        samples: shape [6, n, samples], in the order of `SAMPLE_FIELDS`.
        touchdown, takeoff: event times, shape [n, events], s.
        foothold: where each touchdown put the foot, shape [n, events], m.
    """

    outcome: np.ndarray
    events: np.ndarray
    samples: np.ndarray
    touchdown: np.ndarray
    takeoff: np.ndarray
    foothold: np.ndarray

    @classmethod
    def empty(cls, count: int, samples: int, events: int) -> Recording:
        """Space for n walks; the samples hold anything yet, the event times NaN."""
        return cls(
            outcome=np.zeros(count, np.int64),
            events=np.zeros((count, 2), np.int64),
            samples=np.empty((len(SAMPLE_FIELDS), count, samples)),
            touchdown=np.full((count, events), np.nan),
            takeoff=np.full((count, events), np.nan),
            foothold=np.full((count, events), np.nan),
        )

    def trimmed(self, events: int) -> Recording:
        """The same with no more than the given number of event columns."""
        return dataclasses.replace(
            self,
            touchdown=self.touchdown[:, :events],
            takeoff=self.takeoff[:, :events],
            foothold=self.foothold[:, :events],
        )

"""Walkers at time 0, how they are recorded, and their walks: the input and output of every engine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from gait.errors import InputError
from gait.simulation.model import TouchdownRule

MOST_SAMPLES = 1_000_000
SAMPLE_FIELDS = ("x", "y", "vx", "vy", "fx", "fy")
"""Order of the first axis of `Walks.samples`."""


@dataclasses.dataclass(frozen=True)
class RecordingSettings:
    """How walks are recorded; the defaults are the paper's (Sameni, section IV).

    Attributes:
        duration: length of a walk, s.
        interval: time between samples, s.
        gravity: gravitational acceleration where it is recorded, m/s².
        walking: how long every walker walks, s, if that is longer than the recording: it is the first part of a walk.

    Raises:
        InputError: if a number is not positive, or the duration does not hold a sensible number of intervals.
    """

    duration: float = 15.0
    interval: float = 0.1
    gravity: float = 10.0
    walking: float | None = None

    def __post_init__(self):
        for name in ("duration", "interval"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"The {name} must be a positive number of seconds. Received: --{name}={value!r}.")
        if not 1.0 <= self.duration / self.interval <= MOST_SAMPLES:
            raise InputError(
                f"A recording has between 1 and {MOST_SAMPLES:,} samples, so the interval must not exceed the duration "
                f"nor be far too short for it. Received: --duration={self.duration} --interval={self.interval}."
            )
        if not (np.isfinite(self.gravity) and self.gravity > 0):
            raise InputError(f"gravity must be positive. Received: --gravity={self.gravity}.")

    @property
    def walked(self) -> float:
        """Time for which a walker has to walk, s."""
        return max(self.duration, self.walking or 0.0)

    @property
    def times(self) -> np.ndarray:
        """Sample times 0, interval, ... below the duration, shape [samples], s (150 for 15 s at 0.1 s)."""
        return np.arange(math.ceil(self.duration / self.interval - 1e-9)) * self.interval


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

    @classmethod
    def of(cls, parameters: Mapping[str, np.ndarray], gravity: float) -> Conditions:
        """Walkers from their parameters.

        Args:
            parameters: name → shape [n], SI units: those of `gait.parameters.order_of`. With `angle_of_attack` they
                land at that angle, else at their step length; without `stiffness_right` and `rest_length_right` both
                legs are equal; `gravity`, if it is among them, is each walker's own.
            gravity: gravitational acceleration otherwise, m/s².
        """
        given = {name: np.asarray(column, float) for name, column in parameters.items()}
        mass, rest_length, vx0 = given["mass"], given["rest_length"], given["vx0"]
        by_angle = "angle_of_attack" in given

        def legs(name: str) -> np.ndarray:
            return np.stack([given[name], given.get(f"{name}_right", given[name])], axis=1)

        return cls(
            mass=np.ascontiguousarray(mass),
            stiffness=legs("stiffness"),
            rest_length=legs("rest_length"),
            start=np.stack([given["x0"], rest_length - given["y0"], vx0, np.zeros_like(vx0)], axis=1),
            rule=TouchdownRule.ANGLE_OF_ATTACK if by_angle else TouchdownRule.STEP_LENGTH,
            target=np.ascontiguousarray(given["angle_of_attack" if by_angle else "step_length"]),
            gravity=np.ascontiguousarray(given.get("gravity", np.full_like(mass, gravity))),
        )


@dataclasses.dataclass(frozen=True)
class Walks:
    """n walks, sampled at the same times; float64, SI units, NaN after a walk's end.

    Attributes:
        t: sample times, shape [samples], s.
        outcome: how each walk ended, shape [n], values of `gait.Outcome`.
        samples: x, y [m], vx, vy [m/s], fx, fy [N], shape [6, n, samples]; each is an attribute of its own, too:
            x, y: position of the centre of mass, forward and up; vx, vy: its velocity; fx, fy: ground reaction force.
        touchdown, takeoff: event times, shape [n, events], s, padded with NaN.
        foothold: where each touchdown put the foot, shape [n, events], m.
        events: numbers of touchdowns and takeoffs, shape [n, 2].
    """

    t: np.ndarray
    outcome: np.ndarray
    samples: np.ndarray
    touchdown: np.ndarray
    takeoff: np.ndarray
    foothold: np.ndarray
    events: np.ndarray

    @classmethod
    def empty(cls, count: int, times: np.ndarray, events: int) -> Walks:
        """Space for `count` walks: samples of any value as yet, and `events` event times of NaN each."""
        return cls(
            t=times,
            outcome=np.zeros(count, np.int64),
            samples=np.empty((len(SAMPLE_FIELDS), count, times.size)),
            touchdown=np.full((count, events), np.nan),
            takeoff=np.full((count, events), np.nan),
            foothold=np.full((count, events), np.nan),
            events=np.zeros((count, 2), np.int64),
        )

    def trimmed(self, events: int) -> Walks:
        """These walks with no more than the given number of event columns."""
        return dataclasses.replace(
            self,
            touchdown=self.touchdown[:, :events],
            takeoff=self.takeoff[:, :events],
            foothold=self.foothold[:, :events],
        )

    def _sampled(self, name: str) -> np.ndarray:
        return self.samples[SAMPLE_FIELDS.index(name)]

    @property
    def x(self) -> np.ndarray:
        """Forward position of the centre of mass, shape [n, samples], m."""
        return self._sampled("x")

    @property
    def y(self) -> np.ndarray:
        """Height of the centre of mass, shape [n, samples], m."""
        return self._sampled("y")

    @property
    def vx(self) -> np.ndarray:
        """Forward velocity, shape [n, samples], m/s."""
        return self._sampled("vx")

    @property
    def vy(self) -> np.ndarray:
        """Upward velocity, shape [n, samples], m/s."""
        return self._sampled("vy")

    @property
    def fx(self) -> np.ndarray:
        """Forward ground reaction force, shape [n, samples], N."""
        return self._sampled("fx")

    @property
    def fy(self) -> np.ndarray:
        """Vertical ground reaction force, shape [n, samples], N."""
        return self._sampled("fy")

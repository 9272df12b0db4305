"""One stride of the spring-mass walker as a function of all that is unknown of it."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.simulation.conditions import Conditions, RecordingSettings, Walks
from gait.simulation.model import TouchdownRule
from gait.simulation.walks import integrate

UNKNOWNS = ("stiffness_to_mass", "rest_length", "target", "x", "y", "vx", "vy")
"""Unknowns of every fit: k/m [1/s²], rest length [m], step length [m] or angle of attack [rad], and the state at the
begin of the window, x counted from the stance foot; all legs equal."""
_FINE = 0.002  # s between samples from which events and forces of a fitted stride are read


@dataclasses.dataclass(frozen=True)
class Stride:
    """The window of a recording that a walker is fitted to.

    Attributes:
        t: times of its samples from the begin of the window, shape [samples], s.
        begin: where the window begins in the recording, s.
        measured: channel → values, shape [samples]: x, y [m], fx, fy [N]; NaN weighs nothing.
        scale: channel → what its residuals are counted in, in its unit.
        gravity: m/s².
        free_height: whether heights are known but for a constant.
    """

    t: np.ndarray
    begin: float
    measured: dict[str, np.ndarray]
    scale: dict[str, float]
    gravity: float
    free_height: bool

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the unknowns, in the order of the columns of `walks`."""
        more = ["foothold"] if "x" in self.measured else []
        more += ["height"] if "y" in self.measured and self.free_height else []
        return (*UNKNOWNS, *more, *(["mass"] if "fy" in self.measured else []))

    def thinned(self, every: int) -> Stride:
        """The stride with every n-th of its samples."""
        measured = {name: values[::every] for name, values in self.measured.items()}
        return dataclasses.replace(self, t=self.t[::every], measured=measured)

    def walks(self, theta: np.ndarray, rule: TouchdownRule, times: np.ndarray | None = None) -> Walks:
        """Walks of walkers of 1 kg with given unknowns [n, unknowns], NaN after those that do not walk on."""
        values = dict(zip(self.unknowns, theta.T, strict=True))
        n = len(theta)
        legs = {name: np.repeat(values[name][:, None], 2, axis=1) for name in ("stiffness_to_mass", "rest_length")}
        conditions = Conditions(
            mass=np.ones(n),
            stiffness=legs["stiffness_to_mass"],
            rest_length=legs["rest_length"],
            start=np.stack([values[name] for name in ("x", "y", "vx", "vy")], axis=1),
            rule=rule,
            target=np.ascontiguousarray(values["target"]),
            gravity=np.full(n, self.gravity),
        )
        t = self.t if times is None else times
        interval = float(t[1] - t[0])
        return integrate(conditions, RecordingSettings(len(t) * interval, interval), threads=1)

    def predicted(self, theta: np.ndarray, rule: TouchdownRule) -> dict[str, np.ndarray]:
        """Channels as a walker's recording has them, shape [n, samples] each."""
        walks = self.walks(theta, rule)
        values = {name: column[:, None] for name, column in zip(self.unknowns, theta.T, strict=True)}
        count = len(self.t)
        channels = {
            "x": walks.x[:, :count] + values.get("foothold", 0.0), "y": walks.y[:, :count] + values.get("height", 0.0),
            "fx": walks.fx[:, :count] * values.get("mass", 1.0), "fy": walks.fy[:, :count] * values.get("mass", 1.0),
        }  # fmt: skip
        return {name: channels[name] for name in self.measured}

    def residuals(self, theta: np.ndarray, rule: TouchdownRule) -> np.ndarray:
        """Differences from the recording in units of the scales, shape [n, values]; NaN where nobody walks on."""
        predicted = self.predicted(theta, rule)
        rows = []
        for name, values in self.measured.items():
            known = np.isfinite(values)
            rows.append((predicted[name][:, known] - values[known]) / self.scale[name])
        return np.concatenate(rows, axis=1)


@dataclasses.dataclass(frozen=True)
class Features:
    """Features of the steps of a stride, measured or predicted; NaN where they are not known.

    Attributes:
        step_time, double_support_time: s.
        first_peak, second_peak, midstance_minimum: vertical force on one foot, body weights.
        vertical_travel: of the centre of mass, m.
    """

    step_time: float = np.nan
    double_support_time: float = np.nan
    first_peak: float = np.nan
    second_peak: float = np.nan
    midstance_minimum: float = np.nan
    vertical_travel: float = np.nan


@dataclasses.dataclass(frozen=True, eq=False)
class FittedWalk:
    """A fitted walk in fine steps.

    Attributes:
        t: times from the begin of the window, shape [samples], s.
        x, y: position of the mass, shape [samples], m; x as in the recording, y above the ground.
        height: what the recording's heights are above these, m; 0 where they count from the ground.
        feet: vertical force on each of two legs in turn over the mass, shape [2, samples], m/s²; 0 in the air.
        stands: forward position of each foot, shape [2, samples], m; NaN in the air.
        touchdown, takeoff: s, from the begin of the window.
    """

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    height: float
    feet: np.ndarray
    stands: np.ndarray
    touchdown: np.ndarray
    takeoff: np.ndarray


def fitted_walk(stride: Stride, theta: np.ndarray, rule: TouchdownRule) -> FittedWalk:
    """Simulates a fitted walker in fine steps.

    Args:
        stride: the window.
        theta: its unknowns, shape [unknowns].
        rule: touchdown rule.
    """
    times = np.arange(0.0, stride.t[-1] + stride.t[1], _FINE)
    walks = stride.walks(theta[None], rule, times)
    values = dict(zip(stride.unknowns, theta, strict=True))
    known = np.isfinite(walks.x[0])
    t, x, y = walks.t[known], walks.x[0][known], walks.y[0][known]
    down, up, foot = (row[0][np.isfinite(row[0])] for row in (walks.touchdown, walks.takeoff, walks.foothold))
    feet, stands = np.zeros((2, len(t))), np.full((2, len(t)), np.nan)
    begins, places = np.append(-np.inf, down), np.append(0.0, foot)
    ends = np.append(up, np.full(len(begins) - len(up), np.inf))
    for number, (begin, end, place) in enumerate(zip(begins, ends, places, strict=True)):
        stance = (t >= begin) & (t <= end)
        length = np.hypot(x[stance] - place, y[stance])
        force = values["stiffness_to_mass"] * (values["rest_length"] - length) * y[stance] / length
        feet[number % 2, stance] = np.maximum(force, 0.0)
        stands[number % 2, stance] = place + values.get("foothold", 0.0)
    return FittedWalk(t, x + values.get("foothold", 0.0), y, values.get("height", 0.0), feet, stands, down, up)


def features_of(walk: FittedWalk, gravity: float) -> Features:
    """Features of the steps of a fitted walk.

    Args:
        walk: in fine steps.
        gravity: m/s².
    """
    travel = float(np.ptp(walk.y)) if len(walk.y) else np.nan
    if len(walk.touchdown) < 2 or len(walk.takeoff) < 2:
        return Features(vertical_travel=travel)
    stance = (walk.t >= walk.touchdown[0]) & (walk.t <= walk.takeoff[1])
    force = walk.feet[1, stance] / gravity
    half = len(force) // 2
    first, second = int(np.argmax(force[:half])), half + int(np.argmax(force[half:]))
    return Features(
        step_time=float(walk.touchdown[1] - walk.touchdown[0]),
        double_support_time=float(np.mean(walk.takeoff[:2] - walk.touchdown[:2])),
        first_peak=float(force[first]),
        second_peak=float(force[second]),
        midstance_minimum=float(force[first : second + 1].min()),
        vertical_travel=travel,
    )

"""Planning a recording: how much noise, how short, how coarse before a parameter is lost.

All from one linearisation of the densest recording: noise only scales its spectrum, a shorter or
coarser recording has fewer of its rows.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from gait import identifiability
from gait.errors import InputError
from gait.identifiability.linearisation import Linearisation
from gait.observation import Observation
from gait.parameters import QUANTITIES
from gait.prospects import POINTS, gradients

LEVELS = (0.95, 0.5)
"""Shares of the prior variance: below the first a parameter suffers, below the second it is lost."""
QUANTITIES_PLANNED = ("stiffness_to_mass", "rest_length")
_FINEST = 0.01  # s
_FACTORS = np.geomspace(1e-2, 1e4, 121)
_SHORTEST = 0.1  # of the duration
_COUNT = 24  # durations and intervals that are looked at


@dataclasses.dataclass(frozen=True)
class Curve:
    """How much of a quantity can be known along one choice of the experimenter.

    Attributes:
        along: "noise", "duration" or "interval".
        values: factors of the given noise, or seconds, shape [v].
        r2: highest possible R² at each, shape [v].
        sd: smallest standard deviation of any unbiased estimate at each, median over people, shape [v].
        crossings: for each of `LEVELS`, the value at which R² falls below it; None if it does not.
    """

    along: str
    values: np.ndarray
    r2: np.ndarray
    sd: np.ndarray
    crossings: dict[float, float | None]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The experiment-design chart, made by `plan`.

    Attributes:
        noise: standard deviation of each channel, in its unit.
        duration, interval: of the recording around which things are varied, s.
        sd: of each quantity, the smallest standard deviation of any unbiased estimate, median over people.
        r2: of each quantity, the highest possible R².
        curves: of each quantity, along noise, duration and interval.
        people: number of walkers behind it; `set_aside` more had no sound derivatives.
        seed: of the walkers.
    """

    noise: dict[str, float]
    duration: float
    interval: float
    sd: dict[str, float]
    r2: dict[str, float]
    curves: dict[str, list[Curve]]
    people: int
    set_aside: int
    seed: int

    def sentences(self) -> list[str]:
        """The chart in plain words."""
        lines = []
        for name, curves in self.curves.items():
            quantity = QUANTITIES[name]
            by = {curve.along: curve for curve in curves}
            lines.append(
                f"{quantity.label.capitalize()} ({quantity.symbol}) cannot be estimated better than to "
                f"{self.sd[name]:.2g} {quantity.unit} (one standard deviation), R² at most {self.r2[name]:.4f}. "
                + " ".join(self._crossing(by["noise"], level) for level in LEVELS)
            )
            lines += filter(None, (self._other(quantity.symbol, by[along]) for along in ("duration", "interval")))
        return lines

    def _crossing(self, curve: Curve, level: float) -> str:
        factor = curve.crossings[level]
        if factor is None:
            return f"R² stays above {level:g} at up to {curve.values[-1]:g} times that noise."
        each = ", ".join(f"{sd * factor:.3g} in {name}" for name, sd in self.noise.items())
        return f"R² falls below {level:g} at {factor:.3g} times that noise ({each})."

    def _other(self, symbol: str, curve: Curve) -> str | None:
        value = curve.crossings[LEVELS[0]]
        if value is None:
            return None
        what = "recordings shorter than" if curve.along == "duration" else "intervals longer than"
        return f"With {what} {value:.3g} s, R² of {symbol} is below {LEVELS[0]:g}."

    def to_dict(self) -> dict:
        """The chart as numbers, for JSON."""
        return {
            "noise": self.noise,
            "duration": self.duration,
            "interval": self.interval,
            "people": self.people,
            "set_aside": self.set_aside,
            "seed": self.seed,
            "cramer_rao": {name: _finite(sd) for name, sd in self.sd.items()},
            "ceiling_r2": self.r2,
            "curves": {
                name: {
                    curve.along: {
                        "values": curve.values.tolist(),
                        "r2": curve.r2.tolist(),
                        "cramer_rao": [_finite(sd) for sd in curve.sd],
                        "falls_below": {f"{level:g}": value for level, value in curve.crossings.items()},
                    }
                    for curve in curves
                }
                for name, curves in self.curves.items()
            },
        }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def plan(observation: Observation, noise: dict[str, float], *, points: int = POINTS, seed: int = 0) -> Plan:
    """How well k/m and the rest length can be known, and what noise, duration and interval do to that.

    Cramér-Rao bounds and, for R², the bound for a linear model and a Gaussian prior: good where R² is
    high, rough where it is not.

    Args:
        observation: what is recorded.
        noise: standard deviation of each channel, in its unit.
        points: number of walkers.
        seed: of the walkers.

    Raises:
        InputError: if the noise does not fit the channels, or too few walkers have sound derivatives.
    """
    observation.noise(noise)
    population = observation.population
    finest = min(population.interval, _FINEST)
    stride = max(1, round(population.interval / finest))
    dense = dataclasses.replace(
        observation, population=dataclasses.replace(population, interval=population.interval / stride)
    )
    theta = dense.draw(points, np.random.default_rng(seed))
    found = identifiability.jacobians(dense.outputs, theta)
    if not len(found.kept):
        raise InputError(
            f"None of {points} walkers has sound derivatives. Choose ranges of x0, y0, vx0 and step_length with which "
            "people walk well."
        )
    sd, size = dense.noise(noise), dense.population.times.size
    change = {name: gradients(name, found.points) for name in QUANTITIES_PLANNED}

    def near(samples: np.ndarray) -> Linearisation:
        rows = [np.arange(rows.start, rows.stop) for rows in dense.groups.values()]
        chosen = np.concatenate([r[samples] if len(r) == size else r for r in rows])
        return Linearisation.of(found.rows(chosen), observation.prior_sd, sd[chosen])

    usual = np.arange(0, size, stride)
    given = near(usual)
    durations = np.linspace(_SHORTEST, 1.0, _COUNT) * population.duration
    shorter = [near(usual[dense.population.times[usual] < d - 1e-9]) for d in durations]
    strides = np.unique(np.geomspace(1, max(2, size // 4), _COUNT).astype(int))
    coarser = [near(np.arange(0, size, s)) for s in strides]
    intervals = strides * dense.population.interval
    curves = {
        name: [
            _curve("noise", _FACTORS, [given] * len(_FACTORS), c, _FACTORS),
            _curve("duration", durations, shorter, c, np.ones(len(durations))),
            _curve("interval", intervals, coarser, c, np.ones(len(intervals))),
        ]
        for name, c in change.items()
    }
    return Plan(
        noise=dict(noise),
        duration=population.duration,
        interval=population.interval,
        sd={name: float(np.median(_sd(given, c))) for name, c in change.items()},
        r2={name: given.linear_ceiling(c) for name, c in change.items()},
        curves=curves,
        people=len(found.kept),
        set_aside=found.set_aside,
        seed=seed,
    )


def _sd(linear: Linearisation, change: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Cramér-Rao bounds; infinite where the quantity cannot be known."""
    if linear.is_known(change) is not True:
        return np.full(len(change), np.inf)
    return linear.standard_deviation(change, scale)


def _curve(along: str, values: np.ndarray, recordings: list[Linearisation], change: np.ndarray, scales) -> Curve:
    r2 = np.array([near.linear_ceiling(change, scale) for near, scale in zip(recordings, scales, strict=True)])
    sd = np.array([np.median(_sd(near, change, scale)) for near, scale in zip(recordings, scales, strict=True)])
    return Curve(along, values, r2, sd, {level: _crossing(values, r2, level) for level in LEVELS})


def _crossing(values: np.ndarray, r2: np.ndarray, level: float) -> float | None:
    """Where R² passes the level, between the two neighbouring values, on a logarithmic scale."""
    below = r2 < level
    changes = np.flatnonzero(below[1:] != below[:-1])
    if not len(changes):
        return None
    i = changes[0] if below[-1] else changes[-1]
    share = (level - r2[i]) / (r2[i + 1] - r2[i])
    return float(values[i] ** (1.0 - share) * values[i + 1] ** share)

"""Planning a recording: how much noise, how short, how coarse before a parameter is lost.

All from one linearisation of the densest recording: noise only scales its spectrum, a shorter or
coarser recording has fewer of its rows.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import optimize

from gait import identifiability
from gait.errors import InputError
from gait.identifiability.linearisation import Linearisation
from gait.limits.analysis import POINTS, gradients
from gait.parameters import QUANTITIES
from gait.simulation.forward_model import Observation, unit

LEVELS = (0.95, 0.5)
"""Shares of the prior variance: below the first a parameter suffers, below the second it is lost."""
QUANTITIES_PLANNED = ("stiffness_to_mass", "rest_length")
_FINEST = 0.01  # s
_FACTORS = np.geomspace(1e-2, 1e3, 101)
_DECADES = 9.0  # up and down from the given noise, in search of what is tolerated
_SHORTEST = 0.1  # of the duration
_COUNT = 24  # durations and intervals that are looked at
_FEWEST_SAMPLES = 8


@dataclasses.dataclass(frozen=True)
class Curve:
    """How much of a quantity can be known along one choice of the experimenter.

    Attributes:
        values: factors of the given noise, or seconds of duration or interval, shape [v].
        r2: highest possible R² at each, shape [v].
        sd: smallest standard deviation of any unbiased estimate at each, median over people, shape [v].
        tolerated: for each of `LEVELS`, by what factor the noise may grow before R² falls below it, shape [v].
    """

    values: np.ndarray
    r2: np.ndarray
    sd: np.ndarray
    tolerated: dict[float, np.ndarray]

    def to_dict(self) -> dict:
        """The curve as numbers, for JSON."""
        return {
            "values": self.values.tolist(),
            "r2": self.r2.tolist(),
            "cramer_rao": [identifiability.finite(sd) for sd in self.sd],
            "tolerated_noise": {
                f"{level:g}": [identifiability.finite(v) for v in values] for level, values in self.tolerated.items()
            },
        }


@dataclasses.dataclass(frozen=True)
class Outlook:
    """What a recording with noise tells of one quantity.

    Attributes:
        sd: smallest standard deviation of any unbiased estimate, median over people.
        r2: highest possible R².
        spread: standard deviation among people.
        tolerated: for each of `LEVELS`, by what factor the noise may grow before R² falls below it.
        curves: along "noise", "duration" and "interval".
    """

    sd: float
    r2: float
    spread: float
    tolerated: dict[float, float]
    curves: dict[str, Curve]

    def to_dict(self) -> dict:
        """All of it as numbers, for JSON."""
        return {
            "cramer_rao": identifiability.finite(self.sd),
            "ceiling_r2": self.r2,
            "spread": self.spread,
            "tolerated_noise": {f"{level:g}": identifiability.finite(value) for level, value in self.tolerated.items()},
            "curves": {along: curve.to_dict() for along, curve in self.curves.items()},
        }


@dataclasses.dataclass(frozen=True)
class Plan:
    """The experiment-design chart, made by `plan`.

    Attributes:
        noise: standard deviation of each channel, in its unit.
        duration, interval: of the recording around which things are varied, s.
        outlooks: of each quantity.
        people: number of walkers behind it; `set_aside` more had no sound derivatives.
        seed: of the walkers.
    """

    noise: dict[str, float]
    duration: float
    interval: float
    outlooks: dict[str, Outlook]
    people: int
    set_aside: int
    seed: int

    def sentences(self) -> list[str]:
        """The chart in plain words."""
        lines = []
        for name, outlook in self.outlooks.items():
            quantity = QUANTITIES[name]
            lines.append(
                f"{quantity.label.capitalize()} ({quantity.symbol}) cannot be estimated better than to "
                f"{outlook.sd:.2g} {quantity.unit} (one standard deviation). "
                + " ".join(self._tolerated(level, factor) for level, factor in outlook.tolerated.items())
            )
        return lines

    def _tolerated(self, level: float, factor: float) -> str:
        if factor == 0.0:
            return f"Its R² stays below {level:g} however small the noise."
        each = ", ".join(f"{sd * factor:.2g} {unit(name)} in {name}" for name, sd in self.noise.items())
        return f"Its R² falls below {level:g} when the noise exceeds {each}."

    def to_dict(self) -> dict:
        """The chart as numbers, for JSON."""
        outlooks = {name: outlook.to_dict() for name, outlook in self.outlooks.items()}
        return dataclasses.asdict(dataclasses.replace(self, outlooks={})) | {"outlooks": outlooks}


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
    strides = np.unique(np.geomspace(1, max(2, size // _FEWEST_SAMPLES), _COUNT).astype(int))
    coarser = [near(np.arange(0, size, s)) for s in strides]
    once = [1.0] * _COUNT
    outlooks = {}
    for name, c in change.items():
        curves = {
            "noise": _curve(_FACTORS, [given] * len(_FACTORS), c, _FACTORS),
            "duration": _curve(durations, shorter, c, once),
            "interval": _curve(strides * dense.population.interval, coarser, c, once),
        }
        outlooks[name] = Outlook(
            sd=_sd(given, c),
            r2=given.linear_ceiling(c),
            spread=float(np.sqrt(np.mean(np.sum((c * given.sd) ** 2, axis=1)))),
            tolerated={level: _tolerated(given, c, level) for level in LEVELS},
            curves=curves,
        )
    return Plan(dict(noise), population.duration, population.interval, outlooks, len(found.kept), found.set_aside, seed)


def _sd(linear: Linearisation, change: np.ndarray, scale: float = 1.0) -> float:
    """Cramér-Rao bound, median over people; infinite where the quantity cannot be known."""
    return float(np.median(linear.standard_deviation(change, scale))) if linear.is_known(change) else math.inf


def _curve(values: np.ndarray, recordings: list[Linearisation], change: np.ndarray, scales) -> Curve:
    pairs = list(zip(recordings, scales, strict=False))
    return Curve(
        values,
        r2=np.array([near.linear_ceiling(change, scale) for near, scale in pairs]),
        sd=np.array([_sd(near, change, scale) for near, scale in pairs]),
        tolerated={level: np.array([_tolerated(near, change, level) / s for near, s in pairs]) for level in LEVELS},
    )


def _tolerated(linear: Linearisation, change: np.ndarray, level: float) -> float:
    """By what factor the noise may grow before R² falls below a level; 0 if it is below it without any noise."""

    def above(exponent: float) -> float:
        return linear.linear_ceiling(change, 10.0**exponent) - level

    low, high = -_DECADES, _DECADES
    return 10.0 ** optimize.brentq(above, low, high, xtol=1e-6) if above(low) > 0.0 else 0.0

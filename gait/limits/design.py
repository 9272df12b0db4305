"""Design of a recording: how much noise, how short and how coarse before a quantity is lost.

Local bounds follow from one linearisation of the densest recording: noise only scales its spectrum, and a shorter or
coarser recording has fewer of its rows. At a handful of levels, posteriors of fresh walkers tell what is left in truth.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, MutableMapping, Sequence

import numpy as np

from gait.errors import InputError, check_seed
from gait.identifiability.derivatives import jacobians
from gait.identifiability.linearisation import Linearisation
from gait.identifiability.wording import finite, rounded
from gait.limits.analysis import POINTS
from gait.limits.ceilings import gradients
from gait.limits.levels import FEWEST_SAMPLES, Points, study_levels
from gait.limits.noise import NoiseStudy
from gait.limits.noisy_ceilings import noise_in_words
from gait.parameters import QUANTITIES
from gait.simulation.forward_model import ForwardModel

LEVELS = (0.95, 0.5)
"""Values of R². Below the first a quantity suffers from the noise, below the second it is lost."""
DESIGN_QUANTITIES = ("stiffness_to_mass", "rest_length")
"""Names of the quantities that a recording is designed for."""
_FINEST = 0.01  # s
_FACTORS = np.geomspace(1e-2, 1e3, 101)
_DECADES = 20.0  # up and down from the given noise, in search of the noise that is tolerated
_SHORTEST = 0.1  # of the duration
_COUNT = 24  # durations and intervals that are tried


@dataclasses.dataclass(frozen=True)
class Curve:
    """Accuracy of one quantity along one choice of the experimenter.

    Attributes:
        values: factors of the given noise, or seconds of duration or interval, shape [v].
        r2: highest possible R² at each, shape [v].
        sd: smallest standard deviation of any unbiased estimate at each, median over walkers, shape [v].
        tolerated: for each of `LEVELS`, the factor by which the noise may grow before R² falls below it, shape [v].
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
            "cramer_rao": [finite(sd) for sd in self.sd],
            "tolerated_noise": {
                f"{level:g}": [finite(value) for value in values] for level, values in self.tolerated.items()
            },
        }


@dataclasses.dataclass(frozen=True)
class QuantityDesign:
    """Accuracy of one quantity from a recording with noise, and how it depends on the recording.

    Attributes:
        sd: smallest standard deviation of any unbiased estimate, median over walkers.
        r2: highest possible R².
        spread: standard deviation among walkers.
        tolerated: for each of `LEVELS`, the factor by which the noise may grow before R² falls below it.
        curves: a `Curve` of local bounds along each of "noise", "duration" and "interval".
        points: `Points` along each of them; empty if there are local bounds only.
    """

    sd: float
    r2: float
    spread: float
    tolerated: dict[float, float]
    curves: dict[str, Curve]
    points: dict[str, Points] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict:
        """All attributes as numbers, for JSON."""
        return {
            "cramer_rao": finite(self.sd),
            "local_ceiling_r2": self.r2,
            "ceilings": {along: points.to_dict() for along, points in self.points.items()},
            "spread": self.spread,
            "tolerated_noise": {f"{level:g}": finite(value) for level, value in self.tolerated.items()},
            "curves": {along: curve.to_dict() for along, curve in self.curves.items()},
        }


@dataclasses.dataclass(frozen=True)
class RecordingDesign:
    """Dependence of what can be known on noise, duration and interval; made by `design_recording`.

    Attributes:
        noise: standard deviation of each channel and measured parameter, in its unit.
        duration, interval: duration and sampling interval of the recording that is varied, s.
        quantities: a `QuantityDesign` for each of `DESIGN_QUANTITIES`.
        walkers: number of walkers with sound derivatives; `set_aside` more had none and were left out.
        seed: key of the walkers.
        recorded: number of walkers at each level whose posteriors were made; 0 if there are local bounds only.
        undone: number of posteriors, of all levels, that failed their own checks.
    """

    noise: dict[str, float]
    duration: float
    interval: float
    quantities: dict[str, QuantityDesign]
    walkers: int
    set_aside: int
    seed: int
    recorded: int = 0
    undone: int = 0

    def sentences(self) -> list[str]:
        """The design in plain words, one paragraph a quantity."""
        lines = []
        for name, design in self.quantities.items():
            quantity = QUANTITIES[name]
            label = f"{quantity.heading} ({quantity.symbol})"
            if "noise" in design.points:
                limits = [self._crossing(level, design.points["noise"]) for level in LEVELS]
                lines.append(f"{label}, by posteriors. {' '.join(limits)}")
                continue
            best = (
                f"to better than {rounded(design.sd)} {quantity.unit} (one standard deviation)"
                if math.isfinite(design.sd)
                else "from such a recording"
            )
            limits = [self._limit(level, factor) for level, factor in design.tolerated.items()]
            lines.append(f"{label} cannot be estimated {best}. {' '.join(limits)}")
        return lines

    def _crossing(self, level: float, points: Points) -> str:
        """Where R² falls below a level, as posteriors at a few levels of noise have it."""
        low, high = points.crossing(level)
        if not low:
            return f"Its R² is below {level:g} with noise of {self._in_words(points.values[0])} already."
        if math.isinf(high):
            return f"Its R² is still above {level:g} with noise of {self._in_words(low)}."
        return f"Its R² falls below {level:g} between noise of {self._in_words(low)} and {self._in_words(high)}."

    def _in_words(self, factor: float) -> str:
        return noise_in_words({name: sd * factor for name, sd in self.noise.items()})

    def _limit(self, level: float, factor: float) -> str:
        if factor == 0.0:
            return f"Its R² stays below {level:g}, however small the noise."
        return f"Its R² is below {level:g} at the latest when the noise exceeds {self._in_words(factor)}."

    def to_dict(self) -> dict:
        """The design as numbers, for JSON."""
        return {
            "noise": self.noise,
            "duration": self.duration,
            "interval": self.interval,
            "outlooks": {name: design.to_dict() for name, design in self.quantities.items()},
            "people": self.walkers,
            "set_aside": self.set_aside,
            "walkers_at_each_level": self.recorded,
            "undone": self.undone,
            "seed": self.seed,
        }


def design_recording(
    model: ForwardModel,
    noise: Mapping[str, float],
    *,
    points: int = POINTS,
    seed: int = 0,
    walkers: int = 0,
    progress: bool = False,
    known: MutableMapping[str, dict] | None = None,
    study: NoiseStudy | None = None,
) -> RecordingDesign:
    """Finds out how well k/m and the rest length can be known, and how noise, duration and interval change that.

    The bounds on errors are Cramér-Rao bounds. R² is the bound for a linear model and a Gaussian prior, which is
    good where R² is high and rough where it is not.

    Args:
        model: forward model of the recording.
        noise: standard deviation of each channel and measured parameter, in its unit.
        points: number of walkers at which derivatives are taken.
        seed: key of the walkers.
        walkers: number of fresh walkers at each level whose posteriors give the true R²; 0 for local bounds only.
        progress: whether bars show how far the posteriors are.
        known: results of earlier calls, see `gait.limits.noise.study_noise`.
        study: posteriors of the recording and noise as they are, if there are any.

    Raises:
        InputError: if the noise does not fit the model, or no walker has sound derivatives.
    """
    check_seed(seed)
    model.noise_sd(noise)
    settings = model.settings
    stride = max(1, round(settings.interval / min(settings.interval, _FINEST)))
    dense = dataclasses.replace(model, settings=dataclasses.replace(settings, interval=settings.interval / stride))
    found = jacobians(dense.outputs, dense.draw(points, np.random.default_rng(seed)))
    if not len(found.kept):
        raise InputError(
            f"None of {points} walkers has sound derivatives. Choose ranges of x0, y0, vx0 and step_length with which "
            "walkers walk well."
        )
    sd, times = dense.noise_sd(noise), dense.settings.times

    def near(samples: np.ndarray) -> Linearisation:
        rows = [np.arange(rows.start, rows.stop) for rows in dense.groups.values()]
        chosen = np.concatenate([r[samples] if len(r) == times.size else r for r in rows])
        return Linearisation.of(found.rows(chosen), model.prior_sd, sd[chosen])

    usual = np.arange(0, times.size, stride)
    given = near(usual)
    durations = np.linspace(_SHORTEST, 1.0, _COUNT) * settings.duration
    shorter = [near(usual[times[usual] < duration - 1e-9]) for duration in durations]
    strides = np.unique(np.geomspace(1, max(2, times.size // FEWEST_SAMPLES), _COUNT).astype(int))
    coarser = [near(np.arange(0, times.size, every)) for every in strides]
    once = [1.0] * _COUNT
    quantities = {}
    for name in DESIGN_QUANTITIES:
        change = gradients(name, found.points, model.unknowns)
        curves = {
            "noise": _curve(_FACTORS, [given] * len(_FACTORS), change, _FACTORS),
            "duration": _curve(durations, shorter, change, once),
            "interval": _curve(strides * dense.settings.interval, coarser, change, once),
        }
        quantities[name] = QuantityDesign(
            sd=_sd(given, change),
            r2=given.linear_ceiling(change),
            spread=float(np.sqrt(np.mean(np.sum((change * given.sd) ** 2, axis=1)))),
            tolerated={level: _tolerated(given, change, level) for level in LEVELS},
            curves=curves,
        )
    undone = 0
    if walkers:
        # Local bounds begin to suffer above the least of these levels, and are lost at the most: the truth is between.
        least = min(design.tolerated[LEVELS[0]] for design in quantities.values()) / 8.0
        most = max(design.tolerated[LEVELS[1]] for design in quantities.values())
        at_levels, undone = study_levels(
            model,
            noise,
            tuple(quantities),
            (least, most),
            walkers,
            seed=seed,
            progress=progress,
            known=known,
            given=study,
        )
        quantities = {name: dataclasses.replace(design, points=at_levels[name]) for name, design in quantities.items()}
    return RecordingDesign(
        noise=dict(noise),
        duration=settings.duration,
        interval=settings.interval,
        quantities=quantities,
        walkers=len(found.kept),
        set_aside=found.set_aside,
        seed=seed,
        recorded=walkers,
        undone=undone,
    )


def _sd(linear: Linearisation, change: np.ndarray, scale: float = 1.0) -> float:
    """Cramér-Rao bound, median over walkers; infinite where the quantity cannot be known."""
    return float(np.median(linear.standard_deviation(change, scale))) if linear.is_known(change) else math.inf


def _curve(
    values: np.ndarray, recordings: Sequence[Linearisation], change: np.ndarray, scales: Sequence[float] | np.ndarray
) -> Curve:
    pairs = list(zip(recordings, scales, strict=False))
    return Curve(
        values,
        r2=np.array([near.linear_ceiling(change, scale) for near, scale in pairs]),
        sd=np.array([_sd(near, change, scale) for near, scale in pairs]),
        tolerated={level: np.array([_tolerated(near, change, level) / s for near, s in pairs]) for level in LEVELS},
    )


def _tolerated(linear: Linearisation, change: np.ndarray, level: float) -> float:
    """Factor by which the noise may grow before R² falls below a level; 0 if R² is below it without any noise."""
    from scipy import optimize  # only now: it takes a while to load

    def above(exponent: float) -> float:
        return linear.linear_ceiling(change, 10.0**exponent) - level

    low, high = -_DECADES, _DECADES
    return 10.0 ** optimize.brentq(above, low, high, xtol=1e-6) if above(low) > 0.0 else 0.0

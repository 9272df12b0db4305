"""Highest possible R² at a handful of levels of noise, duration and sampling interval, from posteriors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, MutableMapping, Sequence

import numpy as np

from gait.identifiability.wording import rounded
from gait.limits.functions import function_of
from gait.limits.noise import NoiseStudy, study_noise
from gait.limits.noisy_ceilings import NoisyCeiling
from gait.simulation.forward_model import NOISE_RANGE, ForwardModel

FEWEST_SAMPLES = 8
"""Samples of the coarsest recording."""
_NOISE_LEVELS = 6
_PARTS = 0.2, 0.5  # of the duration, and of the coarsest interval
_TITLES = {"noise": "noise", "duration": "duration [s]", "interval": "interval [s]"}


@dataclasses.dataclass(frozen=True)
class Points:
    """Highest possible R² of one quantity at a few levels of one choice, from posteriors of fresh walkers.

    Attributes:
        values: factors of the given noise, or seconds of duration or interval, ascending, shape [v].
        r2, error: R² and its standard error, shape [v].
        low, high: bounds of R² where some walkers could not be done, shape [v].
    """

    values: np.ndarray
    r2: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, values: Sequence[float], found: Sequence[NoisyCeiling]) -> Points:
        """Collects ceilings at ascending values."""
        columns = [[getattr(ceiling, name) for ceiling in found] for name in ("r2", "error", "low", "high")]
        return cls(np.array(values), *(np.array(column) for column in columns))

    def crossing(self, level: float) -> tuple[float, float]:
        """Neighbouring values between which R² falls below a level; infinite beyond the last, 0 before the first."""
        below = np.flatnonzero(self.r2 < level)
        if not len(below):
            return float(self.values[-1]), math.inf
        first = int(below[0])
        return (float(self.values[first - 1]) if first else 0.0), float(self.values[first])

    def to_dict(self) -> dict:
        """The points as numbers, for JSON."""
        return {field.name: getattr(self, field.name).tolist() for field in dataclasses.fields(self)}


def study_levels(
    model: ForwardModel,
    noise: Mapping[str, float],
    names: Sequence[str],
    reach: tuple[float, float],
    walkers: int,
    *,
    seed: int,
    progress: bool,
    known: MutableMapping[str, dict] | None,
    given: NoiseStudy | None,
) -> tuple[dict[str, dict[str, Points]], int]:
    """Finds the true R² of quantities at a handful of levels.

    Args:
        model: forward model of the recording.
        noise: standard deviation of each channel and measured parameter, in its unit.
        names: names of the quantities.
        reach: least and largest factor of the noise.
        walkers: number of fresh walkers at each level.
        seed: key of the walkers.
        progress: whether bars show how far the posteriors are.
        known: results of earlier calls, see `gait.limits.noise.study_noise`.
        given: posteriors of the recording and noise as they are, if there are any.

    Returns:
        `Points` of each quantity along "noise", "duration" and "interval"; and the number of posteriors, of all levels,
        that failed their own checks.
    """
    functions = {name: function_of(name) for name in names}
    points: dict[str, dict[str, Points]] = {name: {} for name in names}
    undone, first = 0, next(iter(noise.values()))
    for along, recordings in _recordings(model, noise, reach).items():
        studies = []
        for value, recorded, levels in recordings:
            shown = value * first if along == "noise" else value
            title = f"{_TITLES[along]} {rounded(shown)}" if progress else ""
            studies.append(
                given
                if given is not None and recorded == model and levels == noise
                else study_noise(recorded, levels, functions, walkers=walkers, seed=seed, progress=title, known=known)
            )
        undone += sum(study.undone for study in studies)
        for name in names:
            values = [value for value, _, _ in recordings]
            points[name][along] = Points.of(values, [study.ceilings[name] for study in studies])
    return points, undone


def _recordings(
    model: ForwardModel, noise: Mapping[str, float], reach: tuple[float, float]
) -> dict[str, list[tuple[float, ForwardModel, dict[str, float]]]]:
    """Value, forward model and noise of each level."""
    settings = model.settings
    least, most = reach
    factors = np.geomspace(least, most, _NOISE_LEVELS) if 0.0 < least < most else np.ones(1)
    factors = np.unique([float(f"{factor:.2g}") for factor in (*factors, 1.0)])
    samples = settings.times.size
    counts = sorted({max(FEWEST_SAMPLES, round(samples * part)) for part in _PARTS})
    strides = sorted({max(1, round(samples * part / FEWEST_SAMPLES)) for part in _PARTS} | {1})

    def scaled(factor: float) -> dict[str, float]:
        return {name: float(np.clip(sd * factor, *NOISE_RANGE)) for name, sd in noise.items()}

    def recorded(**changes: float) -> ForwardModel:
        return dataclasses.replace(model, settings=dataclasses.replace(settings, **changes))

    shorter = [(count * settings.interval, recorded(duration=count * settings.interval)) for count in counts]
    coarser = [(stride * settings.interval, recorded(interval=stride * settings.interval)) for stride in strides]
    same = dict(noise)
    return {
        "noise": [(float(factor), model, scaled(factor)) for factor in factors],
        "duration": [
            *((value, short, same) for value, short in shorter if value < settings.duration),
            (settings.duration, model, same),
        ],
        "interval": [(value, coarse, same) for value, coarse in coarser],
    }

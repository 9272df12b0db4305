"""The unknowns of a walker as coordinates with a standard normal prior.

Where nothing in newtons and no mass is measured, only the ratios k/m enter the recording. Mass and stiffnesses are then
no coordinates: they follow from the ratios by `gait.inference.RatioPosterior`, exactly.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np
from scipy import special

from gait.inference.ratio import STIFFNESSES, RatioPosterior, ratio_name
from gait.inference.walking import WalkingProbability
from gait.parameters import CIRCUMSTANCE, Uniform, stream
from gait.simulation.channels import CHANNELS
from gait.simulation.forward_model import ForwardModel

_FORCE = "N"  # unit of channels that tell the size of mass and stiffness
_DRAWS = 200_000  # for the probability of walking
_BLOCK = 20_000
_KEY = 40  # of their random streams
_BEGINNINGS = 0.15, 0.3, 0.6  # of the recording
_NEAR = 1e-12  # from the ends of a range, in parts of it


@dataclasses.dataclass(frozen=True, eq=False)
class Walker:
    """A recorded walker as a `gait.inference.problem.Problem`.

    Attributes:
        model: the forward model of the recording.
        known: exact values of some unknowns, by name.
        walking: probability that a subject walks; needed for the density of the prior, see `learned`.
        threads: number of cores for walks; None for all.
    """

    model: ForwardModel
    known: Mapping[str, float]
    walking: WalkingProbability | None = None
    threads: int | None = None

    @functools.cached_property
    def stiffnesses(self) -> tuple[str, ...]:
        """Names of the stiffnesses among the unknowns."""
        return tuple(name for name in STIFFNESSES if name in self.model.unknowns)

    @functools.cached_property
    def sized(self) -> bool:
        """Whether anything measured or known tells the size of mass and stiffnesses."""
        told = {"mass", *self.stiffnesses} & {*self.model.measured, *self.known}
        return bool(told) or any(CHANNELS[name].unit == _FORCE for name in self.model.channels)

    @functools.cached_property
    def ranges(self) -> dict[str, Uniform]:
        """Range of each coordinate: ratios and what else has to be known of the subject, then circumstances."""
        mass, known = self.model.prior("mass"), self.known
        lightest, heaviest = (known["mass"],) * 2 if "mass" in known else (mass.low, mass.high)
        found = {}
        for name in self.stiffnesses:
            if name not in known:
                prior = self.model.prior(name)
                found[ratio_name(name)] = Uniform(prior.low / heaviest, prior.high / lightest)
        if self.sized and "mass" not in known:
            found["mass"] = mass
        others = [name for name in self.model.unknowns if name not in ("mass", *self.stiffnesses, *known)]
        others.sort(key=CIRCUMSTANCE.__contains__)
        return found | {name: self.model.prior(name) for name in others}

    @functools.cached_property
    def beginnings(self) -> tuple[np.ndarray, ...]:
        """Samples of growing beginnings of the recording, with all that is measured once, shape [outputs] each."""
        times, found = self.model.settings.times, []
        for part in _BEGINNINGS:
            counted = np.ones(self.model.size, bool)
            for name in self.model.channels:
                counted[self.model.groups[name]] = times < part * self.model.settings.duration
            found.append(counted)
        return tuple(found)

    @property
    def dimension(self) -> int:
        """Number D of coordinates."""
        return len(self.ranges)

    @functools.cached_property
    def ratio_posterior(self) -> RatioPosterior:
        """Mass and stiffnesses given their ratios."""
        return RatioPosterior.of({name: self.model.prior(name) for name in ("mass", *self.stiffnesses)})

    def coordinates_of(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Coordinates [n, D] of walkers, from parameters and ratios by name, shape [n] each."""
        places = [(np.asarray(values[name]) - r.low) / (r.high - r.low) for name, r in self.ranges.items()]
        return special.ndtri(np.clip(np.stack(places, axis=1), _NEAR, 1.0 - _NEAR))

    def values(self, coordinates: np.ndarray) -> dict[str, np.ndarray]:
        """Ratios and parameters that are coordinates or known, at coordinates [n, D], by name, shape [n] each."""
        places = special.ndtr(coordinates)
        found = {
            name: prior.low + (prior.high - prior.low) * places[:, column]
            for column, (name, prior) in enumerate(self.ranges.items())
        }
        return found | {name: np.full(len(coordinates), value) for name, value in self.known.items()}

    def parameters(self, coordinates: np.ndarray) -> np.ndarray:
        """Parameters in the order of the model's unknowns, shape [n, p]; of any size where nothing tells it."""
        values = self.values(coordinates)
        if "mass" not in values:
            values["mass"] = np.full(len(coordinates), 0.5 * sum(self._ends("mass")))
        for name in self.stiffnesses:
            if name not in values:
                values[name] = values[ratio_name(name)] * values["mass"]
        return np.stack([values[name] for name in self.model.unknowns], axis=1)

    def outputs(self, coordinates: np.ndarray) -> np.ndarray:
        """Noise-free recordings at coordinates [n, D], shape [n, outputs]; NaN for walkers that do not walk."""
        return self.model.outputs(self.parameters(coordinates), threads=self.threads)

    def log_weight(self, coordinates: np.ndarray) -> np.ndarray:
        """Logarithm of the prior density over the standard normal one at coordinates [n, D]; shape [n].

        The prior is that of a population: uniform in its ranges, circumstances redrawn until the walker walks.
        """
        if self.walking is None:
            raise ValueError("the probability of walking is not known yet: call learned")
        return self._log_ratio_density(self.values(coordinates)) - self.walking.log(self.subject(coordinates))

    def learned(self, drawn: np.ndarray, walked: np.ndarray) -> Walker:
        """This walker with the probability of walking, from draws of the standard normal prior.

        Where circumstances are known, draws of all of them are made anew: the probability is that of a subject.

        Args:
            drawn: coordinates, shape [n, D].
            walked: which of them walk, shape [n].
        """
        if not set(self.known) & set(CIRCUMSTANCE):
            points = self.subject(drawn[:_DRAWS])
            return dataclasses.replace(self, walking=WalkingProbability.fit(points, walked[:_DRAWS]))
        fixed = {name: value for name, value in self.known.items() if name not in CIRCUMSTANCE}
        free = dataclasses.replace(self, known=fixed)
        blocks = [stream(_KEY, block).standard_normal((_BLOCK, free.dimension)) for block in range(_DRAWS // _BLOCK)]
        walking = [np.isfinite(free.outputs(block)).all(axis=1) for block in blocks]
        learned = free.learned(np.concatenate(blocks), np.concatenate(walking))
        return dataclasses.replace(self, walking=learned.walking)

    def subject(self, coordinates: np.ndarray) -> np.ndarray:
        """Coordinates on which walking depends, each between -1 and 1, shape [n, s]."""
        free = {"mass"} if not set(self.stiffnesses) & set(self.known) else set()
        columns = [i for i, name in enumerate(self.ranges) if name not in {*CIRCUMSTANCE, *free}]
        return 2.0 * special.ndtr(coordinates[:, columns]) - 1.0

    def _log_ratio_density(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Density of the ratios, with the mass if that is a coordinate, times the volume of their box."""
        ratios = {name: ratio_name(name) for name in self.stiffnesses if name not in self.known}
        count = len(next(iter(values.values())))
        log = np.zeros(count)
        for name, ratio in ratios.items():
            low, high = self._ends(name)
            log += np.log((self.ranges[ratio].high - self.ranges[ratio].low) / (high - low))
        if not self.sized:
            lightest, heaviest = self._ends("mass")
            stacked = np.stack([values[ratio] for ratio in ratios.values()], axis=1)
            low_mass, high_mass = self.ratio_posterior.mass_bounds(stacked)
            power = len(ratios) + 1
            integral = np.maximum(high_mass**power - low_mass**power, 0.0) / (power * (heaviest - lightest))
            with np.errstate(divide="ignore"):
                return log + np.log(integral)
        for name, ratio in ratios.items():
            low, high = self._ends(name)
            stiffness = values[ratio] * values["mass"]
            log += np.where((stiffness >= low) & (stiffness <= high), np.log(values["mass"]), -np.inf)
        return log

    def _ends(self, name: str) -> tuple[float, float]:
        prior = self.model.prior(name)
        return prior.low, prior.high

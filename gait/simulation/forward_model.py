"""The forward model of a recorded walker: from all that is unknown to all that is measured.

A recording tells neither the subject parameters nor how the walk began. So position, compression and
speed at the start and the step length are unknowns like mass, stiffness and rest length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from gait.errors import InputError
from gait.parameters import CIRCUMSTANCE, NAMES, PAPER_PRIORS, QUANTITIES, Uniform, draw, named, order_of, subject_of
from gait.simulation.channels import CHANNELS, check_channels, observe
from gait.simulation.conditions import Conditions, RecordingSettings, Walks
from gait.simulation.model import Outcome
from gait.simulation.population import ATTEMPTS, until_walking
from gait.simulation.walks import integrate

NOISE_RANGE = (1e-9, 1e9)
"""Least and most noise that is analysed, in the unit of the channel: no sensor is beyond."""
_KEPT = 2e7  # numbers in walks that are kept for another model
_GRAVITY_SPREAD = 0.05  # of an unknown gravity: this part of it, up and down


@dataclasses.dataclass(frozen=True)
class ForwardModel:
    """Noise-free outputs of walkers as a function of all that is unknown.

    Attributes:
        channels: what is recorded, see `gait.simulation.channels.CHANNELS`.
        measured: names of parameters that are measured beside the channels, once, such as the body mass on a scale.
        priors: range of each parameter, SI units. Where they lack an unknown, the other leg has the ranges of the
            first, and gravity that of the settings, 5 % up and down.
        settings: how walks are recorded.
        unknowns: names of the p unknowns, in the order of the model's columns, see `gait.parameters.order_of`.

    Raises:
        InputError: if nothing is measured, or a name is not known.
    """

    channels: tuple[str, ...]
    measured: tuple[str, ...] = ()
    priors: Mapping[str, Uniform] = dataclasses.field(default_factory=lambda: dict(PAPER_PRIORS))
    settings: RecordingSettings = dataclasses.field(default_factory=RecordingSettings)
    unknowns: tuple[str, ...] = NAMES

    def __post_init__(self):
        if self.channels:
            check_channels(self.channels)
        strange = [name for name in self.measured if name not in self.unknowns]
        if strange or not (self.channels or self.measured):
            raise InputError(
                f"Something has to be measured: channels, or one of {', '.join(self.unknowns)}. "
                f"Received: {', '.join(strange) or 'nothing'}."
            )
        if set(self.unknowns) != set(order_of(self.unknowns)):
            raise InputError(
                f"The unknowns of a walker are {', '.join(NAMES)}, or angle_of_attack instead of step_length, and any "
                f"of {', '.join(order_of(QUANTITIES)[len(NAMES) :])}. Received: {', '.join(self.unknowns)}."
            )

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols of the p unknowns, in the order of the model's columns."""
        return tuple(QUANTITIES[name].symbol for name in self.unknowns)

    def prior(self, name: str) -> Uniform:
        """Range of an unknown."""
        if name in self.priors:
            return self.priors[name]
        if name == "gravity":
            g = self.settings.gravity
            return Uniform(g * (1.0 - _GRAVITY_SPREAD), g * (1.0 + _GRAVITY_SPREAD))
        return self.priors[name.removesuffix("_right")]

    @property
    def prior_sd(self) -> np.ndarray:
        """Standard deviations of the unknowns, shape [p]."""
        return np.sqrt([self.prior(name).variance() for name in self.unknowns])

    @property
    def ranges(self) -> np.ndarray:
        """Low and high end of each unknown, shape [p, 2]."""
        return np.array([(self.prior(name).low, self.prior(name).high) for name in self.unknowns])

    @property
    def groups(self) -> dict[str, slice]:
        """Outputs of the model that belong to each channel or measured parameter."""
        samples, first, found = self.settings.times.size, 0, {}
        for name in self.channels:
            found[name] = slice(first, first := first + samples)
        for name in self.measured:
            found[name] = slice(first, first := first + 1)
        return found

    @property
    def size(self) -> int:
        """Number n of outputs."""
        return len(self.channels) * self.settings.times.size + len(self.measured)

    @property
    def key(self) -> str:
        """A text that differs between models with other outputs or another prior."""
        priors = {name: self.prior(name) for name in self.unknowns}
        return repr((self.channels, self.measured, priors, self.settings))

    def outputs(
        self, theta: np.ndarray, known: dict[bytes, Any] | None = None, threads: int | None = None
    ) -> np.ndarray:
        """Outputs of walkers with given unknowns.

        Args:
            theta: shape [batch, p], in the order of `unknowns`, SI units.
            known: empty at first; then walks of earlier calls, so that models that differ only in what is measured
                do not compute them again.
            threads: number of cores; None for all.

        Returns:
            Shape [batch, n]: one channel after the other, then what is measured once. A row of NaN for
            a walker that cannot walk for the whole recording.
        """
        theta = np.asarray(theta, float)
        outputs = np.full((len(theta), self.size), np.nan)
        parameters = named(self.unknowns, theta)
        key = theta.tobytes()
        able, conditions, walks = (known or {}).get(key) or self._walks_of(theta, parameters, threads)
        if known is not None and walks.samples.size <= _KEPT:
            known[key] = able, conditions, walks
        walked = able[walks.outcome == Outcome.WALKED]
        if self.channels:
            channels = observe(self.channels, walks.samples, conditions)
            recorded = channels.swapaxes(0, 1).reshape(len(able), -1)
            outputs[walked, : recorded.shape[1]] = recorded[walks.outcome == Outcome.WALKED]
        for name in self.measured:
            outputs[walked, self.groups[name]] = parameters[name][walked, None]
        return outputs

    def _walks_of(
        self, theta: np.ndarray, parameters: Mapping[str, np.ndarray], threads: int | None
    ) -> tuple[np.ndarray, Conditions, Walks]:
        """Numbers of the walkers whose unknowns are possible, these walkers, and their walks."""
        sound = [np.isfinite(column) & ((column > 0) | (not QUANTITIES[name].positive))
                 for name, column in parameters.items()]  # fmt: skip
        able = np.flatnonzero(np.all(sound, axis=0))
        conditions = self._conditions(theta[able])
        return able, conditions, integrate(conditions, self.settings, threads=threads)

    def walks(self, theta: np.ndarray, interval: float) -> Walks:
        """Walks of given unknowns [batch, p], sampled at another interval [s]."""
        return integrate(self._conditions(theta), dataclasses.replace(self.settings, interval=interval))

    def _conditions(self, theta: np.ndarray) -> Conditions:
        return Conditions.of(named(self.unknowns, theta), self.settings.gravity)

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Unknowns of walkers, shape [count, p]: drawn from the prior, circumstances anew until the walker walks.

        Raises:
            InputError: if a walker does not walk in 4,000 attempts.
        """
        priors = {name: self.prior(name) for name in self.unknowns}
        theta = draw(self.unknowns, priors, count, generator)
        circumstances = [name for name in self.unknowns if name in CIRCUMSTANCE]
        redrawn = np.array([self.unknowns.index(name) for name in circumstances])
        tried = False

        def attempt(pending: np.ndarray) -> np.ndarray:
            nonlocal tried
            if tried:
                theta[pending[:, None], redrawn] = draw(self.unknowns, priors, len(pending), generator)[:, redrawn]
            tried = True
            return np.isfinite(self.outputs(theta[pending])).all(axis=1)

        left = until_walking(attempt, count)
        if not len(left):
            return theta
        walker = named(self.unknowns, theta[left[:1]])
        subject = ", ".join(f"{QUANTITIES[name].symbol} {walker[name][0]:.6g}" for name in subject_of(self.unknowns))
        raise InputError(
            f"A walker ({subject}) did not walk in {ATTEMPTS:,} attempts. "
            f"Choose ranges of {', '.join(circumstances)} with which such a walker can walk."
        )

    def noise_sd(self, levels: Mapping[str, float]) -> np.ndarray:
        """Standard deviation of each output, shape [n], from that of each channel or measured parameter.

        Raises:
            InputError: unless every one has a positive level of a sensible size.
        """
        least, most = NOISE_RANGE
        if set(levels) != set(self.groups) or not all(least <= sd <= most for sd in levels.values()):
            given = ",".join(f"{name}:{level:g}" for name, level in levels.items())
            example = ",".join(f"{name}:0.005" for name in self.groups)
            raise InputError(
                f"Noise is a positive standard deviation for each of {', '.join(self.groups)}, in its unit, from "
                f"{least:g} to {most:g}. "
                f"Received: {given or 'none'}. Give it as --noise={example}."
            )
        sd = np.empty(self.size)
        for name, rows in self.groups.items():
            sd[rows] = levels[name]
        return sd


def unit(name: str) -> str:
    """Unit of a channel or a measured parameter."""
    return CHANNELS[name].unit if name in CHANNELS else QUANTITIES[name].unit

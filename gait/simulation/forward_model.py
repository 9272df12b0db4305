"""A recorded walker as a forward model: from all that is unknown to all that is measured.

Whoever analyses a recording knows neither the person nor how the walk began. So position, compression and
speed at the start and the step length are unknowns like mass, stiffness and rest length.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.errors import InputError
from gait.parameters import CIRCUMSTANCE, NAMES, QUANTITIES, SUBJECT, Uniform, draw
from gait.simulation.channels import CHANNELS, check_channels, observe
from gait.simulation.conditions import Conditions, Recording
from gait.simulation.model import Outcome
from gait.simulation.population import Population

OTHER_LEG = "k2"
GRAVITY = "g"
_ATTEMPTS = 1000  # trials a person gets
_GRAVITY_SPREAD = 0.05  # of an unknown gravity: this part of it, up and down


@dataclasses.dataclass(frozen=True)
class Observation:
    """What is recorded of walkers, and what is not known of them.

    Attributes:
        channels: see `gait.simulation.channels.CHANNELS`; `gait.parameters.SUBJECT` names among `measured` are
            quantities that are measured beside them, once, such as the body mass on a scale.
        measured: names of such quantities.
        population: priors, gravity, duration and interval.
        two_legs: whether the legs' stiffnesses, k and k2, are different unknowns.
        gravity_unknown: whether gravity is an unknown too.
    """

    channels: tuple[str, ...]
    measured: tuple[str, ...] = ()
    population: Population = dataclasses.field(default_factory=Population)
    two_legs: bool = False
    gravity_unknown: bool = False

    def __post_init__(self):
        if self.channels:
            check_channels(self.channels)
        unknown = [name for name in self.measured if name not in NAMES]
        if unknown or not (self.channels or self.measured):
            raise InputError(
                f"Something has to be measured: channels, or one of {', '.join(NAMES)}. "
                f"Received: {', '.join(unknown) or 'nothing'}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Symbols of the p unknowns, in the order of the model's columns."""
        symbols = tuple(QUANTITIES[name].symbol for name in NAMES)
        return symbols + (OTHER_LEG,) * self.two_legs + (GRAVITY,) * self.gravity_unknown

    @property
    def priors(self) -> tuple[Uniform, ...]:
        """Ranges of the unknowns."""
        ranges = [self.population.priors[name] for name in NAMES]
        if self.two_legs:
            ranges.append(self.population.priors["stiffness"])
        if self.gravity_unknown:
            g = self.population.gravity
            ranges.append(Uniform(g * (1.0 - _GRAVITY_SPREAD), g * (1.0 + _GRAVITY_SPREAD)))
        return tuple(ranges)

    @property
    def prior_sd(self) -> np.ndarray:
        """Standard deviations of the unknowns, shape [p]."""
        return np.sqrt([prior.variance() for prior in self.priors])

    @property
    def groups(self) -> dict[str, slice]:
        """Which outputs of the model belong to a channel or a measured quantity."""
        samples, first, found = self.population.times.size, 0, {}
        for name in self.channels:
            found[name] = slice(first, first := first + samples)
        for name in self.measured:
            found[name] = slice(first, first := first + 1)
        return found

    def outputs(self, theta: np.ndarray) -> np.ndarray:
        """The forward model.

        Args:
            theta: shape [batch, p], in the order of `names`, SI units.

        Returns:
            Shape [batch, n]: one channel after the other, then what is measured once. A row of NaN for
            who cannot walk for the whole recording.
        """
        theta = np.asarray(theta, float)
        outputs = np.full((len(theta), max(s.stop for s in self.groups.values())), np.nan)
        table = self._table(theta)
        positive = [name for name in table if name not in ("x0", "y0")]
        able = np.flatnonzero(np.all([np.isfinite(table[name]) & (table[name] > 0) for name in positive], axis=0))
        walkers = self._walkers({name: column[able] for name, column in table.items()})
        recording = self.population.walks(walkers)
        walked = recording.outcome == Outcome.WALKED
        if self.channels:
            channels = observe(self.channels, recording.samples, walkers)
            outputs[able, : channels.shape[0] * channels.shape[2]] = channels.swapaxes(0, 1).reshape(len(able), -1)
        for name in self.measured:
            outputs[:, self.groups[name]] = table[name][:, None]
        outputs[np.setdiff1d(np.arange(len(theta)), able[walked])] = np.nan
        return outputs

    def simulate(self, theta: np.ndarray, interval: float) -> Recording:
        """Walks of given unknowns [batch, p], sampled at another interval [s]."""
        table = self._table(theta)
        return dataclasses.replace(self.population, interval=interval).walks(self._walkers(table))

    def _table(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Unknowns [batch, p] by name: the long ones of `gait.parameters`, the symbols of the others."""
        return dict(zip((*NAMES, *self.names[len(NAMES) :]), theta.T, strict=True))

    def _walkers(self, table: dict[str, np.ndarray]) -> Conditions:
        walkers = self.population.conditions(np.stack([table[name] for name in NAMES], axis=1))
        if self.two_legs:
            walkers.stiffness[:, 1] = table[OTHER_LEG]
        return dataclasses.replace(walkers, gravity=table[GRAVITY]) if self.gravity_unknown else walkers

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Unknowns of walkers, shape [count, p]: persons from the prior, each with a trial that walks.

        Raises:
            InputError: if a person does not walk in 1,000 trials.
        """
        priors = dict(zip(self.names, self.priors, strict=True))
        theta = draw(self.names, priors, count, generator)
        trial = [NAMES.index(name) for name in CIRCUMSTANCE]
        pending = np.arange(count)
        for _ in range(_ATTEMPTS):
            pending = pending[~np.isfinite(self.outputs(theta[pending])).all(axis=1)]
            if not len(pending):
                return theta
            theta[np.ix_(pending, trial)] = draw(self.names, priors, len(pending), generator)[:, trial]
        person = ", ".join(f"{QUANTITIES[name].symbol} {theta[pending[0], NAMES.index(name)]:.6g}" for name in SUBJECT)
        raise InputError(
            f"A person ({person}) did not walk in {_ATTEMPTS:,} trials. "
            "Choose ranges of x0, y0, vx0 and step_length with which such a person can walk."
        )

    def noise(self, levels: dict[str, float]) -> np.ndarray:
        """Standard deviation of each output, shape [n], from that of each channel or measured quantity.

        Raises:
            InputError: unless every one has a positive level.
        """
        if set(levels) != set(self.groups) or not all(np.isfinite(sd) and sd > 0 for sd in levels.values()):
            given = ",".join(f"{name}:{level:g}" for name, level in levels.items())
            example = ",".join(f"{name}:0.005" for name in self.groups)
            raise InputError(
                f"Noise is a positive standard deviation for each of {', '.join(self.groups)}, in its unit. "
                f"Received: {given or 'none'}. Give it as --noise={example}."
            )
        sd = np.empty(max(s.stop for s in self.groups.values()))
        for name, rows in self.groups.items():
            sd[rows] = levels[name]
        return sd


def unit(name: str) -> str:
    """Unit of a channel or a measured quantity."""
    return CHANNELS[name].unit if name in CHANNELS else QUANTITIES[name].unit

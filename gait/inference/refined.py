"""Exact posteriors of recordings, found where a network says that they are.

The network tells of the subject parameters. The circumstances that belong to them follow from walks of the bank that
fit the recording at a higher temperature: there the circumstances are next to linear in the subject parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from gait.inference.bank import Bank
from gait.inference.network_posterior import NetworkAnswers
from gait.inference.posterior import Posterior, posteriors
from gait.inference.walker import Walker
from gait.parameters import Uniform, order_of
from gait.scenarios import Scenario
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel

_POINTS = 64  # draws of the network that are simulated
_NEIGHBOURS = 600  # walks of the bank from which circumstances are learned
_HALF = 0.5  # of what the regression leaves over
_STREAM = 91


def refined(
    answers: NetworkAnswers,
    recordings: np.ndarray,
    scenario: Scenario,
    priors: Mapping[str, Uniform],
    settings: RecordingSettings,
    draws: int,
    seed: int,
) -> Iterator[Posterior]:
    """Yields the exact posterior of each recording, one after the other.

    Args:
        answers: of a network to the recordings.
        recordings: shape [n, outputs]: one channel after the other, then what is measured once.
        scenario: with a level of noise for each of these.
        priors: range of each parameter, SI units.
        settings: how the walks were recorded.
        draws: number of draws.
        seed: key of all random numbers.
    """
    model = ForwardModel(scenario.inputs, scenario.measured, priors, settings, order_of(priors))
    walker = Walker(model, {})
    guide = Guide(answers, seed)
    yield from posteriors(walker, recordings.astype(float), dict(scenario.noise or {}), draws=draws, seed=seed,
                          guide=guide.starts)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Guide:
    """Makes starting points of descents from a network's answers.

    Attributes:
        answers: to all recordings.
        seed: key of the random numbers.
    """

    answers: NetworkAnswers
    seed: int

    def starts(self, number: int, walker: Walker, bank: Bank, log_weights: np.ndarray) -> np.ndarray:
        """Points near the modes of one recording, shape [points, D].

        Args:
            number: of the recording.
            walker: its unknowns.
            bank: recordings of the prior.
            log_weights: of the bank, at a temperature that leaves enough effective draws.
        """
        generator = np.random.default_rng((self.seed, number, _STREAM))
        rows = slice(number, number + 1)
        given = {name: column[rows] for name, column in self.answers.given.items()}
        own = NetworkAnswers(self.answers.coordinates, self.answers.mixtures[rows], given)
        drawn = {name: column[0] for name, column in own.draw(_POINTS, generator).items()}
        told = [column for column, name in enumerate(walker.ranges) if name in drawn]
        others = [column for column in range(walker.dimension) if column not in told]
        filled = {name: drawn.get(name, np.full(_POINTS, prior.low)) for name, prior in walker.ranges.items()}
        points = walker.coordinates_of(filled)
        nearest = np.argpartition(-log_weights, min(_NEIGHBOURS, len(log_weights) - 1))[:_NEIGHBOURS]
        weights = np.exp(log_weights[nearest] - log_weights[nearest].max())
        weights /= weights.sum()
        near = bank.coordinates[nearest]
        mean = weights @ near
        away = near - mean
        covariance = (away * weights[:, None]).T @ away
        within = covariance[np.ix_(told, told)] + 1e-6 * np.eye(len(told))
        slope = np.linalg.solve(within, covariance[np.ix_(told, others)])
        left = away[:, others] - away[:, told] @ slope
        chosen = generator.choice(len(left), _POINTS, p=weights)
        points[:, others] = mean[others] + (points[:, told] - mean[told]) @ slope + _HALF * left[chosen]
        return points

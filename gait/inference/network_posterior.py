"""The posterior that a network tells of a recording: draws, density, moments."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from gait.inference.coordinates import Coordinates
from gait.inference.mixture import GaussianMixtures
from gait.inference.ratio import ratio_name
from gait.inference.weighted import WeightedDraws
from gait.parameters import derive

_MEANS = 512  # points of a Sobol sequence behind the mean of a posterior
_ROWS = 1000  # recordings at a time


@dataclasses.dataclass(frozen=True, eq=False)
class NetworkPosterior(WeightedDraws):
    """Draws of what a network tells of a recording, all of one weight; made by `FinishedRun.posterior`.

    Attributes:
        draws: one row a draw, with the targets, what they follow from, and ratios k/m, by long names; SI units. All
            draws are within the prior.
        weights: equal shares, shape [draws].
    """

    _coordinates: Coordinates = dataclasses.field(repr=False)
    _mixture: GaussianMixtures = dataclasses.field(repr=False)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the quantities that `log_prob` is about."""
        return self._coordinates.parameters

    def log_prob(self, values: Mapping[str, ArrayLike]) -> np.ndarray:
        """Logarithm of the density over `parameters`, in SI units.

        Args:
            values: each of `parameters` by name, one number or an array of shape [p].

        Returns:
            Shape [p]; minus infinity outside the prior.

        Raises:
            InputError: if one of the parameters is missing.
        """
        table = {name: np.atleast_1d(np.asarray(column, float)) for name, column in values.items()}
        points = self._coordinates.logits(table)
        return self._mixture.log_density(points[None])[0] + self._coordinates.log_slope(table)


@dataclasses.dataclass(frozen=True)
class NetworkAnswers:
    """Posteriors that a network tells of n recordings.

    Attributes:
        coordinates: the quantities that its mixtures are about.
        mixtures: n mixtures over their logits.
        given: parameters that are measured without an error, shape [n] each, by name.
    """

    coordinates: Coordinates
    mixtures: GaussianMixtures
    given: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.mixtures)

    def draw(self, count: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draws parameters and ratios, by name, shape [n, count] each."""
        values = self.coordinates.values(self.mixtures.draw(count, generator))
        given = {name: np.broadcast_to(column[:, None], (len(self), count)) for name, column in self.given.items()}
        return self.coordinates.complete(values | given, generator)

    def posteriors(self, draws: int, seed: int) -> list[NetworkPosterior]:
        """Draws of each recording, known by the seed and the number of the recording."""
        found = []
        for number in range(len(self)):
            rows = slice(number, number + 1)
            own = NetworkAnswers(self.coordinates, self.mixtures[rows], {n: c[rows] for n, c in self.given.items()})
            table = pd.DataFrame({n: c[0] for n, c in own.draw(draws, np.random.default_rng((seed, number))).items()})
            found.append(NetworkPosterior(table, np.full(draws, 1.0 / draws), self.coordinates, own.mixtures))
        return found

    def log_prob(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logarithm of the density over `Coordinates.parameters` at one walker of each recording, shape [n]."""
        table = {name: np.asarray(column, float) for name, column in values.items()}
        points = self.coordinates.logits(table)
        return self.mixtures.log_density(points[:, None])[:, 0] + self.coordinates.log_slope(table)

    def moments(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of quantities, shape [n, names] both.

        They are averages over a Sobol sequence, the same for all recordings. Mass and stiffnesses are averaged given
        the ratios, exactly, where these are all that is known.
        """
        means, variances = np.empty((len(self), len(names))), np.empty((len(self), len(names)))
        for first in range(0, len(self), _ROWS):
            rows = slice(first, first + _ROWS)
            values = self.coordinates.values(_spread(self.mixtures[rows]))
            shape = values[self.coordinates.names[0]].shape
            values |= {name: np.broadcast_to(column[rows, None], shape) for name, column in self.given.items()}
            for column, name in enumerate(names):
                inner, within = self._of(name, values)
                means[rows, column] = inner.mean(axis=1)
                variances[rows, column] = inner.var(axis=1) + within.mean(axis=1)
        return means, variances

    def _of(self, name: str, values: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of a quantity given the coordinates, [n, points] both."""
        coordinates = self.coordinates
        if coordinates.completed and name in coordinates.ratio_posterior.targets:
            own = [values[ratio_name(stiffness)] for stiffness in coordinates.ratios]
            ratios = np.stack([column.ravel() for column in own], axis=1)
            mean, sd = coordinates.ratio_posterior.mean(name, ratios), coordinates.ratio_posterior.sd(name, ratios)
            return mean.reshape(own[0].shape), (sd**2).reshape(own[0].shape)
        found = derive(name, values)
        if found is None:
            raise ValueError(f"{name} does not follow from {', '.join(values)}")
        return found, np.zeros(found.shape)


@functools.cache
def _sobol(dimension: int) -> np.ndarray:
    """Points of a Sobol sequence in a unit cube, shape [points, dimension]."""
    return stats.qmc.Sobol(dimension, scramble=True, seed=0).random(_MEANS)


def _spread(mixtures: GaussianMixtures) -> np.ndarray:
    """Points of each mixture, spread as evenly as those of a Sobol sequence; shape [n, points, D]."""
    points = _sobol(1 + mixtures.dimension)
    edges = np.cumsum(np.exp(mixtures.log_weights), axis=1)
    component = np.sum(points[None, :, None, 0] * edges[:, -1:, None] > edges[:, None], axis=2)
    component = np.minimum(component, edges.shape[1] - 1)
    normal = special.ndtri(np.clip(points[:, 1:], 1e-9, 1.0 - 1e-9))
    rows = np.arange(len(mixtures))[:, None]
    inverse = np.linalg.inv(mixtures.matrices())
    return mixtures.means[rows, component] + np.einsum("npij,pj->npi", inverse[rows, component], normal)

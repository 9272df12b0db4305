"""Small models in Gaussian noise whose posterior is known: what a sampler has to find.

Each has a standard normal prior, as `gait.inference.problem.Problem` asks for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import stats

from gait.inference.bank import Bank
from gait.inference.importance import Sample, sample


@dataclasses.dataclass(frozen=True)
class Exact:
    """A posterior without error.

    Attributes:
        mean, fourth: mean and fourth central moment of each coordinate, shape [D].
        covariance: shape [D, D].
        log_evidence: logarithm of the density of the recording.
    """

    mean: np.ndarray
    covariance: np.ndarray
    fourth: np.ndarray
    log_evidence: float


@dataclasses.dataclass(frozen=True)
class Linear:
    """Outputs `matrix` v, matrix [outputs, D]; none where the first coordinate exceeds `border`."""

    matrix: np.ndarray
    border: float = np.inf

    @classmethod
    def random(cls, dimension: int, outputs: int = 6) -> Linear:
        return cls(np.random.default_rng(dimension).standard_normal((outputs, dimension)))

    @property
    def dimension(self) -> int:
        return self.matrix.shape[1]

    def outputs(self, coordinates: np.ndarray) -> np.ndarray:
        return np.where(coordinates[:, :1] > self.border, np.nan, coordinates @ self.matrix.T)

    beginnings = ()

    def log_weight(self, coordinates: np.ndarray) -> np.ndarray:
        return np.zeros(len(coordinates))

    def exact(self, observed: np.ndarray, sd: np.ndarray) -> Exact:
        """In closed form, without a border."""
        scaled = self.matrix / sd[:, None]
        covariance = np.linalg.inv(scaled.T @ scaled + np.eye(self.dimension))
        mean = covariance @ scaled.T @ (observed / sd)
        fit = np.sum(((observed - self.matrix @ mean) / sd) ** 2) + mean @ mean
        evidence = stats.norm.logpdf(0.0, 0.0, sd).sum() - 0.5 * fit + 0.5 * np.linalg.slogdet(covariance)[1]
        return Exact(mean, covariance, 3.0 * np.diag(covariance) ** 2, float(evidence))


@dataclasses.dataclass(frozen=True)
class Curve:
    """Outputs of one coordinate: `function` maps [n] to [n, outputs]."""

    function: Callable[[np.ndarray], np.ndarray]
    dimension: int = 1

    def outputs(self, coordinates: np.ndarray) -> np.ndarray:
        return self.function(coordinates[:, 0])

    beginnings = ()

    def log_weight(self, coordinates: np.ndarray) -> np.ndarray:
        return np.zeros(len(coordinates))

    def exact(self, observed: np.ndarray, sd: np.ndarray) -> Exact:
        """By a sum over a dense grid, far beyond which the prior ends; exact if noise is not below 2e-4."""
        grid, step = np.linspace(-8.0, 8.0, 800_001, retstep=True)
        log = stats.norm.logpdf(grid) + stats.norm.logpdf(observed, self.function(grid), sd).sum(axis=1)
        density = np.exp(log - log.max())
        mean = np.average(grid, weights=density)
        variance = np.average((grid - mean) ** 2, weights=density)
        fourth = np.average((grid - mean) ** 4, weights=density)
        evidence = np.log(density.sum() * step) + log.max()
        return Exact(np.array([mean]), np.array([[variance]]), np.array([fourth]), float(evidence))


WAVES = Curve(lambda v: np.stack([np.sin(6.0 * v), 0.001 * v], axis=1))
"""Ten modes, of which the second output tells more or fewer apart."""
SQUARE = Curve(lambda v: np.stack([v**2], axis=1))
"""Two equal modes, ± the root."""


def draws_of(
    problem: Linear | Curve, bank: Bank, observed: np.ndarray, sd: np.ndarray, seed: int = 0, count: int = 2000
) -> Sample:
    """The posterior that is tested."""
    fit = bank.log_fit(observed[None], sd)[0]
    return sample(problem, bank, observed, sd, fit, count, np.random.default_rng(seed))


def discrepancies(found: Sample, exact: Exact) -> np.ndarray:
    """How far means, covariances and log evidence are from the exact ones, in standard errors."""
    error = found.effective**-0.5
    mean = found.weights @ found.coordinates
    away = found.coordinates - mean
    covariance = (away * found.weights[:, None]).T @ away
    variance = np.diag(exact.covariance)
    # The error of a variance is that of a mean of squares; that of a covariance is taken as for a normal law.
    of_covariance = np.sqrt(np.multiply.outer(variance, variance) + exact.covariance**2)
    np.fill_diagonal(of_covariance, np.sqrt(exact.fourth - variance**2))
    pairs = np.triu_indices(len(mean))
    return np.concatenate([
        (mean - exact.mean) / (np.sqrt(variance) * error),
        ((covariance - exact.covariance) / (of_covariance * error))[pairs],
        [(found.log_evidence - exact.log_evidence) / max(found.error, 1e-3)],
    ])  # fmt: skip

"""Mixtures of Gaussians over logits, one for each recording: the answers of a posterior network."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

_LOG_2PI = float(np.log(2.0 * np.pi))
_ROWS = 2000  # recordings at a time, so that memory stays small


@dataclasses.dataclass(frozen=True)
class GaussianMixtures:
    """n mixtures of K Gaussians in D dimensions, given by factors of their precisions.

    The precision of a component is L' L with a lower triangular L, so that z = L (v - mean) is standard normal.

    Attributes:
        log_weights: logarithms of the weights, which sum to 1; shape [n, K].
        means: shape [n, K, D].
        factors: rows of L one after the other, without its zeros, the logarithm of the diagonal in its place; shape
            [n, K, D (D + 1) / 2].
    """

    log_weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    def __len__(self) -> int:
        return len(self.log_weights)

    def __getitem__(self, rows: slice | np.ndarray) -> GaussianMixtures:
        return GaussianMixtures(self.log_weights[rows], self.means[rows], self.factors[rows])

    @property
    def dimension(self) -> int:
        """Number D of dimensions."""
        return self.means.shape[2]

    def matrices(self) -> np.ndarray:
        """Factors L as matrices, shape [n, K, D, D]."""
        count, components, dimension = self.means.shape
        found = np.zeros((count, components, dimension, dimension))
        rows, columns = np.tril_indices(dimension)
        found[..., rows, columns] = self.factors
        diagonal = np.arange(dimension)
        found[..., diagonal, diagonal] = np.exp(found[..., diagonal, diagonal])
        return found

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Logarithm of the density of each mixture at points of its own [n, p, D]; shape [n, p]."""
        found = np.empty(points.shape[:2])
        for first in range(0, len(self), _ROWS):
            own = self[first : first + _ROWS]
            matrices = own.matrices()
            away = points[first : first + _ROWS, :, None, :] - own.means[:, None]
            z = np.einsum("nkij,npkj->npki", matrices, away)
            height = own.log_weights + np.log(np.einsum("nkii->nki", matrices)).sum(axis=2)
            terms = height[:, None] - 0.5 * np.sum(z**2, axis=3) - 0.5 * own.dimension * _LOG_2PI
            found[first : first + _ROWS] = special.logsumexp(terms, axis=2)
        return found

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Draws `count` points of each mixture, spread evenly over its components, in random order; [n, count, D]."""
        found = np.empty((len(self), count, self.dimension))
        for first in range(0, len(self), _ROWS):
            own = self[first : first + _ROWS]
            edges = np.cumsum(np.exp(own.log_weights), axis=1)
            places = (np.arange(count) + generator.random((len(own), 1))) / count * edges[:, -1:]
            component = np.minimum(np.sum(places[:, :, None] > edges[:, None], axis=2), edges.shape[1] - 1)
            component = generator.permuted(component, axis=1)
            rows = np.arange(len(own))[:, None]
            normal = generator.standard_normal((len(own), count, self.dimension))
            inverse = np.linalg.inv(own.matrices())
            moved = np.einsum("npij,npj->npi", inverse[rows, component], normal)
            found[first : first + _ROWS] = own.means[rows, component] + moved
        return found

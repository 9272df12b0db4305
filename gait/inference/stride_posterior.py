"""Posterior of the unknowns of one stride around its best fit, by importance sampling with the engine."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.inference.kernels import Kernels, Mixture
from gait.inference.stride import Stride
from gait.inference.stride_search import Optimum, Start, limits, scales_of

_DRAWS, _ROUNDS = 3000, 3
_NARROWEST = 1e-12  # of the largest variance
_LEAST = 50.0  # effective draws from which moments are trusted
_WIDER = 1.5  # of the covariance of residuals, at first


@dataclasses.dataclass(frozen=True)
class StridePosterior:
    """Weighted draws of the unknowns of a stride, with flat priors within the bounds of a fit.

    Attributes:
        draws: shape [n, unknowns].
        weights: shape [n], which sum to 1.
        ess: effective number of draws.
    """

    draws: np.ndarray
    weights: np.ndarray
    ess: float

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations of the unknowns, shape [unknowns]; NaN with fewer than 50 effective draws."""
        if self.ess < _LEAST:
            return np.full(self.draws.shape[1], np.nan)
        mean = self.weights @ self.draws
        return np.sqrt(self.weights @ (self.draws - mean) ** 2)


def stride_posterior(stride: Stride, optimum: Optimum, start: Start, noise: float, seed: int = 0) -> StridePosterior:
    """Draws the unknowns of a stride.

    Args:
        stride: the window.
        optimum: its best fit.
        start: what its bounds rest on.
        noise: standard deviation of a residual, in units of the scales of the stride.
        seed: key of the draws.
    """
    scale = scales_of(stride, optimum.theta[None])[0]
    low, high = limits(stride, start)
    generator = np.random.default_rng(seed)
    curvature = (optimum.jacobian * scale / noise).T @ (optimum.jacobian * scale / noise)
    curvature += 1e-9 * np.trace(curvature) * np.eye(len(scale))
    centre, covariance = optimum.theta / scale, _WIDER * np.linalg.inv(curvature)
    theta, weights, ess = centre[None] * scale, np.ones(1), 0.0
    for _ in range(_ROUNDS):
        if not np.isfinite(covariance).all():
            break
        variances, axes = np.linalg.eigh(0.5 * (covariance + covariance.T))
        factor = axes * np.sqrt(np.maximum(variances, _NARROWEST * variances[-1]))  # rounding leaves it positive
        _, upper = np.linalg.qr(factor.T)
        factor = upper.T * np.sign(np.diag(upper))
        proposal = Mixture([Kernels(centre[None], factor[None], np.zeros(1))])
        draws = proposal.draw(_DRAWS, generator)
        theta = draws * scale
        inside = ((theta >= low) & (theta <= high)).all(axis=1)
        cost = np.full(_DRAWS, np.inf)
        found = np.sum(stride.residuals(theta[inside], optimum.rule) ** 2, axis=1)
        cost[inside] = np.where(np.isnan(found), np.inf, found)
        log_weights = -0.5 * (cost - optimum.cost) / noise**2 - proposal.log_density(draws)
        if not np.isfinite(log_weights.max()):  # nobody walks there
            weights, ess = np.full(_DRAWS, 1.0 / _DRAWS), 0.0
            break
        weights = np.exp(log_weights - log_weights.max())
        weights /= weights.sum()
        ess = float(1.0 / np.sum(weights**2))
        if ess > _LEAST:
            centre = weights @ draws
            covariance = _WIDER * np.cov(draws.T, aweights=weights)
    return StridePosterior(theta, weights, ess)

"""A model as a sampler sees it: coordinates with a standard normal prior, outputs, and a weight.

All unknowns are mapped so that a prior of independent uniform ranges becomes the standard normal distribution: the
coordinate of a parameter is the normal quantile of its place in the range. No proposal can leave the ranges then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

_LOG_2PI = float(np.log(2.0 * np.pi))


class Problem(Protocol):
    """A model with outputs in Gaussian noise."""

    @property
    def dimension(self) -> int:
        """Number D of coordinates."""
        ...

    @property
    def beginnings(self) -> Sequence[np.ndarray]:
        """Outputs that belong to growing beginnings of the recording, shape [outputs] each; none if it has none."""
        ...

    def outputs(self, coordinates: np.ndarray) -> np.ndarray:
        """Noise-free outputs [n, outputs] at coordinates [n, D]; a row of NaN where there are none."""
        ...

    def log_weight(self, coordinates: np.ndarray) -> np.ndarray:
        """Logarithm of the prior density over the standard normal one at coordinates [n, D]; shape [n]."""
        ...


def log_prior(problem: Problem, coordinates: np.ndarray) -> np.ndarray:
    """Logarithm of the prior density in the coordinates [n, D]; shape [n]."""
    return log_standard_normal(coordinates) + problem.log_weight(coordinates)


def log_standard_normal(coordinates: np.ndarray) -> np.ndarray:
    """Logarithm of the standard normal density at coordinates [n, D]; shape [n]."""
    return -0.5 * (np.sum(coordinates**2, axis=1) + coordinates.shape[1] * _LOG_2PI)


def misfit(outputs: np.ndarray, observed: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Chi-square of outputs [n, outputs] against a recording [outputs] with noise sd [outputs]; shape [n].

    It is infinite where there are no outputs.
    """
    found = np.sum(((observed - outputs) / sd) ** 2, axis=1)
    return np.where(np.isnan(found), np.inf, found)


def log_constant(sd: np.ndarray) -> float:
    """Logarithm of the likelihood of a perfect fit, for noise sd [outputs]."""
    return float(-np.sum(np.log(sd)) - 0.5 * len(sd) * _LOG_2PI)

"""Probability that a subject's drawn circumstances make it walk.

Populations redraw the circumstances of a walker until it walks, never the subject. So for given subject parameters s
the circumstances c are uniform among those that walk: p(c | s) = 1 / (V P(walk | s)), with the volume V of their box.
Whoever writes down the density of a walker needs P(walk | s).
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.polynomial import legendre
from scipy import special

_HIGHEST_DEGREE, _MOST_TERMS = 8, 220
_NEWTON_STEPS = 25
_CONVERGED = 1e-9  # of the largest change of a coefficient
_ROWS = 20_000  # of the design matrix at a time


@dataclasses.dataclass(frozen=True)
class WalkingProbability:
    """Logistic polynomial of the subject's coordinates, with the covariance of its coefficients.

    Attributes:
        exponents: degree of each term in each coordinate, shape [terms, s].
        coefficients: shape [terms].
        covariance: of the coefficients, shape [terms, terms].
    """

    exponents: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fit(cls, points: np.ndarray, walked: np.ndarray) -> WalkingProbability:
        """Fits by maximum likelihood; the degree is the one that predicts the other half of the draws best.

        Args:
            points: coordinates of the subjects, shape [n, s], each between -1 and 1.
            walked: whether the circumstances that were drawn for each made it walk, shape [n].
        """
        first = np.arange(len(points)) % 2 == 0
        best, chosen = -np.inf, _exponents(0, points.shape[1])
        for degree in range(_HIGHEST_DEGREE + 1):
            exponents = _exponents(degree, points.shape[1])
            if len(exponents) > _MOST_TERMS:
                break
            half, _ = _fit(exponents, points[first], walked[first])
            score = _log_likelihood(exponents, half, points[~first], walked[~first])
            if score > best:
                best, chosen = score, exponents
            elif degree > 2 + int(chosen.sum(axis=1).max()):
                break
        coefficients, information = _fit(chosen, points, walked)
        return cls(chosen, coefficients, np.linalg.inv(information))

    def log(self, points: np.ndarray) -> np.ndarray:
        """Logarithm of the probability at points [n, s]; shape [n]."""
        return special.log_expit(_terms(self.exponents, points) @ self.coefficients)

    def relative_error(self, points: np.ndarray) -> np.ndarray:
        """Standard error of the probability, as a part of it, at points [n, s]; shape [n]."""
        terms = _terms(self.exponents, points)
        error = np.sqrt(np.einsum("ni,ij,nj->n", terms, self.covariance, terms))
        return error * special.expit(-terms @ self.coefficients)


def _exponents(degree: int, dimension: int) -> np.ndarray:
    """Exponents of all products of powers up to a total degree, shape [terms, dimension]."""
    every = itertools.product(range(degree + 1), repeat=dimension)
    found = [powers for powers in every if sum(powers) <= degree]
    return np.array(found, int).reshape(len(found), dimension)


def _terms(exponents: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Products of Legendre polynomials, shape [n, terms]."""
    found = np.ones((len(points), len(exponents)))
    for column, powers in enumerate(exponents.T):
        found *= legendre.legvander(points[:, column], int(exponents.max(initial=0)))[:, powers]
    return found


def _log_likelihood(exponents: np.ndarray, coefficients: np.ndarray, points: np.ndarray, walked: np.ndarray) -> float:
    logit = _terms(exponents, points) @ coefficients
    return float(np.sum(special.log_expit(np.where(walked, logit, -logit))))


def _fit(exponents: np.ndarray, points: np.ndarray, walked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of largest likelihood and their information matrix, by Newton's method."""
    coefficients = np.zeros(len(exponents))
    share = (walked.sum() + 0.5) / (len(walked) + 1.0)
    coefficients[np.flatnonzero(exponents.sum(axis=1) == 0)] = special.logit(share)
    prior = 1e-6 * np.eye(len(exponents))  # keeps the matrix regular where all walk
    information = prior
    for _ in range(_NEWTON_STEPS):
        gradient, information = -prior @ coefficients, prior.copy()
        for start in range(0, len(points), _ROWS):
            rows = slice(start, start + _ROWS)
            terms = _terms(exponents, points[rows])
            probability = special.expit(terms @ coefficients)
            gradient += terms.T @ (walked[rows] - probability)
            information += (terms * (probability * (1.0 - probability))[:, None]).T @ terms
        step = np.linalg.solve(information, gradient)
        coefficients = coefficients + step
        if np.abs(step).max() < _CONVERGED:
            break
    return coefficients, information

"""A bank of recordings of the prior: the global search of every posterior, and its reference where noise is large."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import optimize

from gait.inference.problem import Problem
from gait.parameters import stream

_BLOCK = 20_000  # draws that share one random stream
_PATCH = 65_536  # bank recordings compared at a time
_HOTTEST = 1e30
_NONE = 1e-300  # effective draws, where there are none


@dataclasses.dataclass(frozen=True)
class Bank:
    """Draws of a standard normal prior with the recordings that belong to them.

    Attributes:
        coordinates: of the b draws that have outputs, shape [b, D].
        recordings: their outputs less `centre`, shape [b, outputs], float32.
        centre: mean output, shape [outputs].
        log_weight: logarithm of the prior density over the standard normal one, less that of the number of all draws,
            shape [b]: the sum of exp(log_weight) f over the bank estimates the mean of f over the prior. Zeros until
            the bank is `weighted`.
        size: number n of all draws, those without outputs included.
        drawn, sound: all draws, shape [n, D], and which of them have outputs, shape [n]; None in a part of a bank.
    """

    coordinates: np.ndarray
    recordings: np.ndarray
    centre: np.ndarray
    log_weight: np.ndarray
    size: int
    drawn: np.ndarray | None = None
    sound: np.ndarray | None = None

    @classmethod
    def of(cls, problem: Problem, size: int, seed: int) -> Bank:
        """Draws a bank.

        Args:
            problem: the model; its weights are not asked for as yet.
            size: number of draws, rounded up to a multiple of 20,000.
            seed: key of the draws; a larger bank of the same seed begins with the smaller one.
        """
        drawn, sound, recordings = [], [], []
        centre: np.ndarray | None = None
        for block in range(-(-size // _BLOCK)):
            drawn.append(stream(seed, block).standard_normal((_BLOCK, problem.dimension)))
            outputs = problem.outputs(drawn[-1])
            sound.append(np.isfinite(outputs).all(axis=1))
            recorded = outputs[sound[-1]]
            centre = recorded.mean(axis=0) if centre is None else centre
            recordings.append((recorded - centre).astype(np.float32))
        assert centre is not None
        every, walked = np.concatenate(drawn), np.concatenate(sound)
        coordinates = every[walked]
        return cls(
            coordinates, np.concatenate(recordings), centre, np.zeros(len(coordinates)), len(every), every, walked
        )

    def weighted(self, problem: Problem) -> Bank:
        """Gives the bank the weights of a model's prior.

        Args:
            problem: the model.
        """
        weights = problem.log_weight(self.coordinates) - np.log(self.size)
        return dataclasses.replace(self, log_weight=weights)

    def __len__(self) -> int:
        return len(self.coordinates)

    def halves(self) -> tuple[Bank, Bank]:
        """Every other draw, and the rest: two independent banks of half the size."""
        return self._half(0), self._half(1)

    def _half(self, first: int) -> Bank:
        rows = slice(first, None, 2)
        weights = self.log_weight[rows] + np.log(2.0)
        return Bank(self.coordinates[rows], self.recordings[rows], self.centre, weights, self.size // 2)

    def log_fit(self, observed: np.ndarray, sd: np.ndarray) -> np.ndarray:
        """Minus half the chi-square of recordings against every walk of the bank.

        Float32 keeps about 1e-3 of it where it is of the order of 1e3, and is as good as 1e-6 of the largest anywhere.

        Args:
            observed: recordings, shape [r, outputs].
            sd: standard deviation of the noise, shape [outputs].

        Returns:
            Shape [r, b].
        """
        given = observed - self.centre
        half = np.float32(0.5)
        scale = (1.0 / sd).astype(np.float32)
        scaled = (given / sd).astype(np.float32)
        own = 0.5 * np.sum((given / sd) ** 2, axis=1)
        found = np.empty((len(observed), len(self)))
        for start in range(0, len(self), _PATCH):
            rows = slice(start, start + _PATCH)
            patch = self.recordings[rows] * scale
            squares = half * np.einsum("ij,ij->i", patch, patch)
            found[:, rows] = scaled @ patch.T - squares
        return found - own[:, None]

    def temperature(self, log_fit: np.ndarray, enough: float) -> float:
        """Finds the factor of the noise variance from which the bank has enough effective draws for a recording.

        Args:
            log_fit: see `log_fit`, shape [b].
            enough: effective number of draws.

        Returns:
            At least 1.
        """

        def surplus(log_temperature: float) -> float:
            found = effective(self.log_weight + log_fit / np.exp(log_temperature))
            return float(np.log(max(found, _NONE) / enough))

        if surplus(0.0) >= 0.0:
            return 1.0
        high = np.log(_HOTTEST)
        if surplus(high) <= 0.0:
            return _HOTTEST
        return float(np.exp(optimize.brentq(surplus, 0.0, high, xtol=0.05)))


def effective(log_weights: np.ndarray) -> float:
    """Effective sample size of weights, given as logarithms [n]; 0 if all are zero."""
    largest = log_weights.max(initial=-np.inf)
    if not np.isfinite(largest):
        return 0.0
    weights = np.exp(log_weights - largest)
    return float(weights.sum() ** 2 / np.sum(weights**2))

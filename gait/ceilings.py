"""The best that any estimator can reach, from what the channels contain and the priors allow.

Of m and k only rho = k/m enters the motion, so p(m | recording) = p(m | rho), however long,
clean or plentiful the recordings. With m ~ U[a, b] and k ~ U[c, e] independent,

    p(m | rho) is proportional to m on [A, B] = [max(a, c/rho), min(b, e/rho)],
    p(rho) = (B² - A²) / (2 (b - a)(e - c)).

The ceiling of a target is S = 1 - E[Var(target | data)] / Var(target), the largest R² in the mean.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

from gait.parameters import Uniform

RECOVERED_R2 = 0.99
"""From here on a target counts as recovered: the error is at most a tenth of the spread among people."""

_PEOPLE, _GROUPS = 200_000, 200


@dataclasses.dataclass(frozen=True)
class Ceiling:
    """Bound on what any estimator can reach for one target.

    Attributes:
        r2: largest possible coefficient of determination.
        rmse: smallest possible root mean square error, in the target's unit.
        reason: why, in a sentence.
    """

    r2: float
    rmse: float
    reason: str

    @property
    def recoverable(self) -> bool:
        """Whether some estimator would count as having recovered the target."""
        return self.r2 >= RECOVERED_R2


def possible_masses(ratio, mass: Uniform, stiffness: Uniform) -> tuple[np.ndarray, np.ndarray]:
    """Ends A, B [kg] of the range of masses that have a given ratio k/m [1/s²], shape of `ratio`."""
    ratio = np.asarray(ratio, float)
    return np.maximum(mass.low, stiffness.low / ratio), np.minimum(mass.high, stiffness.high / ratio)


def best_estimate(target: str, ratio, mass: Uniform, stiffness: Uniform) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the mass or the stiffness of walkers with a given ratio k/m.

    The mean is the estimate with the smallest squared error, the deviation that error's root.

    Args:
        target: "mass" or "stiffness".
        ratio: k/m, any shape, 1/s².
        mass, stiffness: priors.

    Returns:
        Two arrays of the shape of `ratio`, in the target's unit.
    """
    low, high = possible_masses(ratio, mass, stiffness)
    mean = 2.0 / 3.0 * (low * low + low * high + high * high) / (low + high)
    sd = (high - low) * np.sqrt(low * low + 4.0 * low * high + high * high) / (math.sqrt(18.0) * (low + high))
    scale = {"mass": 1.0, "stiffness": np.asarray(ratio, float)}[target]  # at a given ratio, k = rho m
    return scale * mean, scale * sd


def ratio_ceiling(target: str, mass: Uniform, stiffness: Uniform) -> float:
    """S of the mass or the stiffness when only k/m is known; 0.5005 for the paper's priors."""
    area = (mass.high - mass.low) * (stiffness.high - stiffness.low)

    def expected_variance(ratio: np.ndarray) -> np.ndarray:
        low, high = possible_masses(ratio, mass, stiffness)
        _, sd = best_estimate(target, ratio, mass, stiffness)
        return sd**2 * (high**2 - low**2) / (2.0 * area)

    # Between the ratios of the corners of the prior the integrand is smooth.
    corners = np.sort([k / m for k in (stiffness.low, stiffness.high) for m in (mass.low, mass.high)])
    nodes, weights = np.polynomial.legendre.leggauss(64)
    unexplained = sum(
        (b - a) / 2 * np.sum(weights * expected_variance((a + b) / 2 + (b - a) / 2 * nodes))
        for a, b in itertools.pairwise(corners)
    )
    return float(1.0 - unexplained / {"mass": mass, "stiffness": stiffness}[target].variance())


def noisy_ratio_ceiling(target: str, mass: Uniform, stiffness: Uniform, ratio_sd: float, seed: int = 0) -> float:
    """S of the mass or the stiffness when k/m is known with a Gaussian error.

    The share of the target's variance that lies between people of a different measured ratio, from
    many people in narrow groups, less what chance alone puts there.

    Args:
        target: "mass" or "stiffness".
        mass, stiffness: priors.
        ratio_sd: standard deviation of the measured ratio, 1/s².
        seed: of the people.
    """
    generator = np.random.default_rng(seed)
    m, k = (generator.uniform(prior.low, prior.high, _PEOPLE) for prior in (mass, stiffness))
    truth = {"mass": m, "stiffness": k}[target]

    def unexplained(measured: np.ndarray) -> float:
        groups = truth[np.argsort(measured)].reshape(_GROUPS, -1)
        return np.mean(groups.var(axis=1, ddof=1)) / truth.var()

    # By the same people without the error, whose share is known exactly, most of the chance cancels.
    lost = unexplained(k / m + generator.normal(0.0, ratio_sd, _PEOPLE)) - unexplained(k / m)
    return float(max(0.0, ratio_ceiling(target, mass, stiffness) - max(0.0, lost)))

"""From a ratio to the bodies that have it: masses and stiffnesses that fit k/m, as often as the prior has them.

A network that knows rho = k/m knows all that the motion tells. Which of the people with that ratio walked is
then up to the prior: given rho, the mass has density proportional to m on [A, B] (see `gait.ceilings`), and
k = rho m. So the posterior of (m, k) is exact along the direction in which nothing can be learned.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import stats

from gait.ceilings import possible_masses
from gait.parameters import Uniform

LEVELS = (0.5, 0.8, 0.95)
"""Probabilities of the central intervals whose coverage is counted."""
DRAWS = 199
"""Draws for each person: with so many, the quantiles of `LEVELS` are draws themselves, and unbiased."""
CONFIDENCE = 0.99
"""Of the interval around a counted coverage."""
_UNEVEN = 0.001
_EXAMPLES = (0.1, 0.5, 0.9)  # shares of people with a lower ratio
_CELLS, _BEYOND = 128, 1e-6  # of the grid on which a ratio's density is tabulated; probability of errors beyond it


def complete(
    ratio: np.ndarray,
    ratio_sd: float | np.ndarray,
    mass: Uniform,
    stiffness: Uniform,
    *,
    freedom: float = np.inf,
    draws: int = DRAWS,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws masses and stiffnesses of people whose ratio k/m has been estimated.

    Args:
        ratio: estimated k/m, shape [n], 1/s².
        ratio_sd: scale of its error, one for all or shape [n], 1/s².
        mass, stiffness: priors.
        freedom: degrees of freedom of the error, which is Student's; by default Gaussian.
        draws: how many for each person.
        generator: source of randomness.

    Returns:
        Masses [kg] and stiffnesses [N/m], shape [n, draws] each.
    """
    ratio = np.asarray(ratio, float)
    sd = np.broadcast_to(np.asarray(ratio_sd, float), ratio.shape)
    rho = _ratios(ratio, sd, freedom, mass, stiffness, draws, generator)
    low, high = possible_masses(rho, mass, stiffness)
    masses = np.sqrt(low**2 + generator.random(rho.shape) * (high**2 - low**2))
    return masses, rho * masses


def _ratios(ratio, sd, freedom: float, mass: Uniform, stiffness: Uniform, draws: int, generator) -> np.ndarray:
    """Draws [n, draws] of the true ratio: from p(rho), times the density of the estimate around it."""
    lowest, highest = stiffness.low / mass.high, stiffness.high / mass.low
    # An estimate beyond what people have belongs to the people at the edge.
    centre = np.clip(ratio, lowest, highest)
    reach = stats.t.isf(_BEYOND, freedom) * sd
    begin = np.clip(centre - reach, lowest, highest)
    width = np.clip(centre + reach, lowest, highest) - begin
    # In the middle of each cell, for at the edges of what people have the density may be steep.
    middles = begin[:, None] + width[:, None] * (np.arange(_CELLS) + 0.5) / _CELLS
    small, large = possible_masses(middles, mass, stiffness)
    exponent = _log_density((middles - ratio[:, None]) / sd[:, None], freedom)
    density = np.maximum(large**2 - small**2, 0.0) * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    cumulated = np.zeros((len(ratio), _CELLS + 1))
    np.cumsum(density, axis=1, out=cumulated[:, 1:])
    cumulated /= np.maximum(cumulated[:, -1:], np.finfo(float).tiny)
    # One search in all rows: each row's cumulated probability is raised by its number.
    rows = np.arange(len(ratio))[:, None]
    wanted = generator.random((len(ratio), draws))
    after = np.searchsorted((cumulated + rows).ravel(), (wanted + rows).ravel()).reshape(wanted.shape) - rows * (
        _CELLS + 1
    )
    after = np.clip(after, 1, _CELLS)
    low, high = (np.take_along_axis(cumulated, index, axis=1) for index in (after - 1, after))
    share = np.clip((wanted - low) / np.maximum(high - low, np.finfo(float).tiny), 0.0, 1.0)
    return begin[:, None] + width[:, None] * (after - 1 + share) / _CELLS


def _log_density(z: np.ndarray, freedom: float) -> np.ndarray:
    """Of Student's t, but for a constant."""
    if np.isinf(freedom):
        return -0.5 * z * z
    return -0.5 * (freedom + 1.0) * np.log1p(z * z / freedom)


# Coverage ------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How often the truth lay in a central interval that should hold it with a given probability.

    Attributes:
        level: that probability.
        covered: share of people whose true value lay in it.
        interval: 99 % interval of that share (Clopper and Pearson).
        sharpness: mean width of the interval, as a part of the prior's interval of the same probability.
    """

    level: float
    covered: float
    interval: tuple[float, float]
    sharpness: float

    @property
    def holds(self) -> bool:
        """Whether the probability is within what was counted."""
        return self.interval[0] <= self.level <= self.interval[1]


def coverage(truth: np.ndarray, draws: np.ndarray, prior: Uniform, level: float, scale: float = 1.0) -> Coverage:
    """Counts how often the truth lies in the central interval of some draws.

    Args:
        truth: shape [n].
        draws: shape [n, draws].
        prior: of the quantity.
        level: probability of the interval.
        scale: what the interval is stretched by about the median; 1 but for a negative control.
    """
    return _coverage(truth, np.sort(draws, axis=1), prior, level, scale)


def _coverage(truth: np.ndarray, ordered: np.ndarray, prior: Uniform, level: float, scale: float) -> Coverage:
    low, middle, high = (_quantile(ordered, tail) for tail in (0.5 - 0.5 * level, 0.5, 0.5 + 0.5 * level))
    low, high = middle + scale * (low - middle), middle + scale * (high - middle)
    inside = int(np.sum((low <= truth) & (truth <= high)))
    interval = stats.binomtest(inside, len(truth)).proportion_ci(CONFIDENCE)
    sharpness = float(np.mean(high - low)) / (level * (prior.high - prior.low))
    return Coverage(level, inside / len(truth), (float(interval.low), float(interval.high)), sharpness)


def _quantile(ordered: np.ndarray, probability: float) -> np.ndarray:
    """Of rows in order; draw i of d is the quantile of i/(d + 1), so that intervals cover without bias."""
    at = np.clip((ordered.shape[1] + 1) * probability - 1.0, 0.0, ordered.shape[1] - 1.0)
    before = int(at)
    after = min(before + 1, ordered.shape[1] - 1)
    return ordered[:, before] + (at - before) * (ordered[:, after] - ordered[:, before])


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Coverage of a posterior and of controls, of one quantity.

    Attributes:
        n: number of people.
        ranks: probability of ranks as uneven as those of the truths among their draws, were they even as they
            should be (Kolmogorov and Smirnov); central intervals do not see a posterior that leans to one side.
        posterior: at each of `LEVELS`.
        halved, doubled: the same intervals, half and twice as wide: negative controls, which must not hold.
        prior: the prior taken for a posterior, which holds too, but is not sharper than itself.
    """

    n: int
    ranks: float
    posterior: tuple[Coverage, ...]
    halved: tuple[Coverage, ...]
    doubled: tuple[Coverage, ...]
    prior: tuple[Coverage, ...]

    @property
    def holds(self) -> bool:
        """Whether the posterior covers as it should at all levels, and the test can tell it from the controls."""
        controls_fail = all(not all(row.holds for row in rows) for rows in (self.halved, self.doubled))
        return controls_fail and self.ranks > _UNEVEN and all(row.holds for row in self.posterior)

    def to_dict(self) -> dict:
        """All of it as numbers, for JSON."""
        kinds = ("posterior", "halved", "doubled", "prior")
        rows = {kind: [dataclasses.asdict(row) | {"holds": row.holds} for row in getattr(self, kind)] for kind in kinds}
        return {"n": self.n, "confidence": CONFIDENCE, "ranks_p": self.ranks, "holds": self.holds, **rows}


def calibration(truth: np.ndarray, draws: np.ndarray, prior: Uniform, generator: np.random.Generator) -> Calibration:
    """Coverage of the central intervals of some draws, with the controls that must fail.

    Args:
        truth: shape [n].
        draws: shape [n, draws].
        prior: of the quantity.
        generator: for draws from the prior.
    """
    indifferent = prior.low + (prior.high - prior.low) * generator.random(draws.shape)
    posterior, indifferent = np.sort(draws, axis=1), np.sort(indifferent, axis=1)
    kinds = ((posterior, 1.0), (posterior, 0.5), (posterior, 2.0), (indifferent, 1.0))
    rows = [tuple(_coverage(truth, d, prior, level, scale) for level in LEVELS) for d, scale in kinds]
    ties = generator.random(len(truth))
    ranks = (np.sum(draws < truth[:, None], axis=1) + ties) / (draws.shape[1] + 1)
    return Calibration(len(truth), float(stats.kstest(ranks, "uniform").pvalue), *rows)


# Walkers of a test split ---------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Completed:
    """What a network's ratios say of some people's mass and stiffness.

    Attributes:
        error: of the ratios, Student's: degrees of freedom, mean [1/s²] and scale [1/s²].
        examples: of three people, a low, a middling and a high ratio: true (m, k), what the network says of
            them if it does, and draws [2, draws] that fit its ratio.
        calibrations: of mass and stiffness.
    """

    error: tuple[float, float, float]
    examples: tuple[Example, ...]
    calibrations: dict[str, Calibration]

    @classmethod
    def of(cls, truth, estimate, ratio, misses: np.ndarray, priors, generator: np.random.Generator) -> Completed:
        """Completes the ratios of some people and counts how often the truth is covered.

        Args:
            truth: true parameters by name, shape [n] each.
            estimate: the network's own estimates of mass and stiffness by name, or empty.
            ratio: its estimates of k/m, shape [n], 1/s².
            misses: its errors for other people, shape [others], 1/s². Most are small, some large: hence
                Student's law.
            priors: range of each parameter.
            generator: source of randomness.
        """
        freedom, bias, scale = (float(number) for number in stats.t.fit(misses))
        masses, stiffnesses = complete(
            ratio - bias, scale, priors["mass"], priors["stiffness"], freedom=freedom, generator=generator
        )
        draws = {"mass": masses, "stiffness": stiffnesses}
        order = np.argsort(truth["stiffness"] / truth["mass"])
        examples = tuple(
            Example(
                truth=tuple(float(truth[name][i]) for name in draws),
                estimate=tuple(float(estimate[name][i]) for name in draws) if estimate else None,
                draws=np.stack([d[i] for d in draws.values()]),
            )
            for i in (order[int(share * (len(order) - 1))] for share in _EXAMPLES)
        )
        calibrations = {name: calibration(truth[name], d, priors[name], generator) for name, d in draws.items()}
        return cls((freedom, bias, scale), examples, calibrations)

    def sentence(self) -> str:
        """The coverage in plain words."""
        mass = self.calibrations["mass"]
        counts = ", ".join(f"{row.covered:.1%} in its {row.level:.0%} interval" for row in mass.posterior)
        if all(calibration.holds for calibration in self.calibrations.values()):
            end = "So the bodies that fit a ratio are as spread as they should be; half and twice the width fail."
        else:
            end = "That is not what it should be, or cannot be told from half or twice the width: do not rely on it."
        return f"Of {mass.n:,} walkers, the mass that fits the network's k/m has the truth for {counts}. {end}"

    def to_dict(self) -> dict:
        """All of it as numbers, for JSON."""
        return {
            "error": dict(zip(("freedom", "mean", "scale"), self.error, strict=True)),
            "examples": [
                {"truth": e.truth, "estimate": e.estimate, "mean": e.draws.mean(axis=1).tolist()} for e in self.examples
            ],
            "calibrations": {name: found.to_dict() for name, found in self.calibrations.items()},
        }


@dataclasses.dataclass(frozen=True)
class Example:
    """One person: true mass [kg] and stiffness [N/m], the network's if it gives any, and draws [2, draws] that fit."""

    truth: tuple[float, float]
    estimate: tuple[float, float] | None
    draws: np.ndarray

"""Test of a posterior by simulation: its intervals must hold the truth as often as they say.

Two counts over many walkers with a known truth: how often a central interval holds it, and how evenly its ranks among
the draws are spread. Two controls, the same intervals too narrow and too wide, must fail; else the test shows nothing.

Source: S. Talts et al., arXiv 1804.06788 (ranks of the truth among draws of the posterior).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import stats

from gait.inference.ratio import RatioError, RatioPosterior
from gait.parameters import Uniform

LEVELS = (0.5, 0.8, 0.95)
"""Probabilities of the central intervals whose coverage is counted."""
DRAWS = 199
"""Draws for each walker: with so many, the quantiles of `LEVELS` are draws themselves, and unbiased."""
CONFIDENCE = 0.99
"""Of the interval around a counted coverage."""
_UNEVEN = 0.001  # ranks so improbable are not those of the posterior
_EXAMPLES = (0.1, 0.5, 0.9)  # shares of walkers with a lower ratio


@dataclasses.dataclass(frozen=True)
class Coverage:
    """Count of how often a central interval holds the truth.

    Attributes:
        level: probability with which it should.
        covered: share of walkers whose true value it holds.
        interval: 99 % interval of that share (Clopper and Pearson).
        sharpness: mean width of the interval, as a part of the prior's interval of the same probability.
    """

    level: float
    covered: float
    interval: tuple[float, float]
    sharpness: float

    @property
    def holds(self) -> bool:
        """Whether the count agrees with the level."""
        return self.interval[0] <= self.level <= self.interval[1]


def coverage(truth: np.ndarray, draws: np.ndarray, prior: Uniform, level: float, scale: float = 1.0) -> Coverage:
    """Counts how often the central interval of a walker's draws holds the truth.

    Args:
        truth: shape [n].
        draws: of the posterior, shape [n, draws].
        prior: of the quantity.
        level: probability of the interval.
        scale: factor by which the interval is stretched about the median; 1 except in a negative control.
    """
    return _coverage(truth, np.sort(draws, axis=1), prior, level, scale)


def _coverage(truth: np.ndarray, ordered: np.ndarray, prior: Uniform, level: float, scale: float) -> Coverage:
    low, median, high = (_quantile(ordered, tail) for tail in (0.5 - 0.5 * level, 0.5, 0.5 + 0.5 * level))
    low, high = median + scale * (low - median), median + scale * (high - median)
    inside = int(np.sum((low <= truth) & (truth <= high)))
    interval = stats.binomtest(inside, len(truth)).proportion_ci(CONFIDENCE)
    sharpness = float(np.mean(high - low)) / (level * (prior.high - prior.low))
    return Coverage(level, inside / len(truth), (float(interval.low), float(interval.high)), sharpness)


def _quantile(ordered: np.ndarray, probability: float) -> np.ndarray:
    """Quantile of each row of ordered draws; draw i of d is that of i/(d + 1), so that intervals cover without bias."""
    at = np.clip((ordered.shape[1] + 1) * probability - 1.0, 0.0, ordered.shape[1] - 1.0)
    before = int(at)
    after = min(before + 1, ordered.shape[1] - 1)
    return ordered[:, before] + (at - before) * (ordered[:, after] - ordered[:, before])


@dataclasses.dataclass(frozen=True)
class ControlledCoverage:
    """Coverage of the posterior of one quantity, beside that of controls.

    Attributes:
        n: number of walkers.
        ranks_p: probability of ranks as uneven as those of the truths among their draws, if the posterior is right
            (Kolmogorov and Smirnov). Central intervals do not notice a posterior that leans to one side; ranks do.
        posterior: coverage at each of `LEVELS`.
        halved: coverage of intervals × 0.5, a control that must fail.
        doubled: coverage of intervals × 2, a control that must fail.
        prior: coverage of the prior's intervals. They hold too, but say nothing about the walker.
    """

    n: int
    ranks_p: float
    posterior: tuple[Coverage, ...]
    halved: tuple[Coverage, ...]
    doubled: tuple[Coverage, ...]
    prior: tuple[Coverage, ...]

    @property
    def kinds(self) -> dict[str, tuple[Coverage, ...]]:
        """Coverages of the posterior and of the three controls, by their names."""
        return {kind: getattr(self, kind) for kind in ("posterior", "halved", "doubled", "prior")}


@dataclasses.dataclass(frozen=True)
class Calibration(ControlledCoverage):
    """Coverage that counts as right where its confidence interval holds its level."""

    @property
    def holds(self) -> bool:
        """Whether the posterior passes at all levels, and both controls fail at one at least."""
        controls_fail = all(not all(row.holds for row in rows) for rows in (self.halved, self.doubled))
        return controls_fail and self.ranks_p > _UNEVEN and all(row.holds for row in self.posterior)

    def to_dict(self) -> dict:
        """All of it as numbers, for JSON."""
        rows = {
            kind: [dataclasses.asdict(row) | {"holds": row.holds} for row in rows] for kind, rows in self.kinds.items()
        }
        return {"n": self.n, "confidence": CONFIDENCE, "ranks_p": self.ranks_p, "holds": self.holds, **rows}


def count_coverage(
    truth: np.ndarray, draws: np.ndarray, uninformed: np.ndarray, prior: Uniform
) -> dict[str, tuple[Coverage, ...]]:
    """Coverages of a posterior, of its intervals × 0.5 and × 2, and of the prior, at each of `LEVELS`.

    Args:
        truth: shape [n].
        draws: of the posterior, shape [n, draws].
        uninformed: draws of the prior, likewise.
        prior: its range.

    Returns:
        "posterior", "halved", "doubled" and "prior" → coverages.
    """
    informed, uninformed = np.sort(draws, axis=1), np.sort(uninformed, axis=1)
    kinds = {
        "posterior": (informed, 1.0), "halved": (informed, 0.5), "doubled": (informed, 2.0), "prior": (uninformed, 1.0)
    }  # fmt: skip
    return {
        kind: tuple(_coverage(truth, own, prior, level, scale) for level in LEVELS)
        for kind, (own, scale) in kinds.items()
    }


def calibrate(truth: np.ndarray, draws: np.ndarray, prior: Uniform, generator: np.random.Generator) -> Calibration:
    """Tests draws of a posterior against the truth, beside the controls.

    Args:
        truth: shape [n].
        draws: of the posterior, shape [n, draws].
        prior: of the quantity.
        generator: for the draws of the prior.
    """
    uninformed = prior.low + (prior.high - prior.low) * generator.random(draws.shape)
    rows = count_coverage(truth, draws, uninformed, prior)
    ties = generator.random(len(truth))
    ranks = (np.sum(draws < truth[:, None], axis=1) + ties) / (draws.shape[1] + 1)
    return Calibration(len(truth), float(stats.kstest(ranks, "uniform").pvalue), **rows)


# Posterior of mass and stiffness given a network's ratios ------------------------------------


@dataclasses.dataclass(frozen=True)
class Example:
    """One test walker, in the order of the posterior's targets: mass [kg], then stiffnesses [N/m].

    Attributes:
        truth: shape [targets].
        estimate: the network's own, shape [targets]; None unless it estimates all of them.
        draws: of the posterior, shape [targets, draws].
    """

    truth: tuple[float, ...]
    estimate: tuple[float, ...] | None
    draws: np.ndarray


@dataclasses.dataclass(frozen=True)
class RatioCalibration:
    """Calibration of the posterior of mass and stiffness given the ratios k/m that a network estimates.

    Attributes:
        error: law of each estimated ratio, by the name of its stiffness.
        examples: three walkers, with a low, a middling and a high ratio.
        calibrations: of the mass and each stiffness, by name.
    """

    error: Mapping[str, RatioError]
    examples: tuple[Example, ...]
    calibrations: Mapping[str, Calibration]

    @property
    def holds(self) -> bool:
        """Whether the posteriors of all targets hold."""
        return all(calibration.holds for calibration in self.calibrations.values())

    def sentence(self) -> str:
        """The coverage of the mass in plain words, and what follows."""
        mass = self.calibrations["mass"]
        first, *middle, last = mass.posterior
        shares = [
            f"the {_percent(first.level, 0)} interval of the mass given the network's k/m holds the true mass "
            f"{_percent(first.covered)} of the time",
            *(f"the {_percent(row.level, 0)} interval {_percent(row.covered)}" for row in middle),
        ]
        counts = f"{', '.join(shares)} and the {_percent(last.level, 0)} interval {_percent(last.covered)}"
        if self.holds:
            end = "So the draws of mass and stiffness are as spread as they should be. Half and twice the width fail."
        else:
            end = (
                "That is not what it should be, or cannot be told from half or twice the width. "
                "Do not rely on these intervals."
            )
        return f"For {mass.n:,} test walkers, {counts}. {end}"

    def to_dict(self) -> dict:
        """All of it as numbers, for JSON."""
        laws = [
            {"freedom": law.degrees_of_freedom, "mean": law.bias, "scale": law.scale} for law in self.error.values()
        ]
        return {
            "error": laws[0] if len(laws) == 1 else dict(zip(self.error, laws, strict=True)),
            "examples": [
                {"truth": e.truth, "estimate": e.estimate, "mean": e.draws.mean(axis=1).tolist()} for e in self.examples
            ],
            "calibrations": {name: found.to_dict() for name, found in self.calibrations.items()},
        }


def calibrate_ratio_posterior(
    posterior: RatioPosterior,
    truth: Mapping[str, np.ndarray],
    estimates: Mapping[str, np.ndarray],
    ratio: np.ndarray,
    errors: np.ndarray,
    generator: np.random.Generator,
) -> RatioCalibration:
    """Tests the posterior of mass and stiffness given a network's ratios on walkers with a known truth.

    Args:
        posterior: made of the walkers' priors.
        truth: true parameters by name, shape [n] each.
        estimates: the network's own estimates of mass and stiffness by name, shape [n] each; may be empty.
        ratio: the network's estimates of k/m, shape [n], or [n, legs] with several stiffnesses, 1/s².
        errors: its errors for other walkers, estimate minus truth, shape [others] or [others, legs], 1/s². The law
            of the error is fitted to them: the walkers of the test are for counting only.
        generator: source of randomness.
    """
    columns = np.reshape(errors, (len(errors), -1))
    error = {name: RatioError.fit(column) for name, column in zip(posterior.stiffnesses, columns.T, strict=True)}
    draws = posterior.draw(ratio, DRAWS, generator, error)
    order = np.argsort(np.sum([truth[name] for name in posterior.stiffnesses], axis=0) / truth["mass"])
    examples = tuple(
        Example(
            truth=tuple(float(truth[name][i]) for name in draws),
            estimate=tuple(float(estimates[name][i]) for name in draws) if set(draws) <= set(estimates) else None,
            draws=np.stack([d[i] for d in draws.values()]),
        )
        for i in (order[int(share * (len(order) - 1))] for share in _EXAMPLES)
    )
    calibrations = {name: calibrate(truth[name], d, posterior.prior(name), generator) for name, d in draws.items()}
    return RatioCalibration(error, examples, calibrations)


def _percent(share: float, decimals: int = 1) -> str:
    return f"{100.0 * share:.{decimals}f} %"

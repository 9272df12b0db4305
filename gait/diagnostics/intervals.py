"""Intervals of a network's R², of the ceiling that it is compared with, and of the gap between both."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from gait.diagnostics.verdicts import Interval
from gait.limits.ceilings import Ceiling
from gait.limits.noise import NoiseStudy

NORMAL_95, NORMAL_99 = 1.96, 2.576
"""Half widths of the normal distribution's 95 % and 99 % interval, in standard deviations."""


@dataclasses.dataclass(frozen=True)
class CeilingRange:
    """Ceiling in noise as the posteriors of a few fresh walkers tell it.

    Attributes:
        low, high: highest possible R² if nothing, or everything, is known of the walkers that could not be done;
            equal if all could.
        margin: half width of the 99 % interval around these.
    """

    low: float
    high: float
    margin: float

    @classmethod
    def of(cls, study: NoiseStudy, name: str) -> CeilingRange:
        """Range of the ceiling of a quantity; all from 0 to 1 if fewer than two walkers could be done."""
        found, done = study.ceilings[name], study.walkers - study.undone
        if done < 2 or not math.isfinite(found.error):
            return cls(0.0, 1.0, 0.0)
        from scipy.special import stdtrit  # only now: scipy takes a while to load, and only noise needs it

        return cls(found.low, found.high, float(stdtrit(done - 1, 0.995)) * found.error)

    @property
    def interval(self) -> Interval:
        """Its 99 % interval."""
        return self.low - self.margin, self.high + self.margin


def is_range(low: float, high: float, error: float) -> bool:
    """Tells whether a ceiling's 99 % interval is so wide for its standard error that it is told as a range."""
    return high - low > 8.0 * error + 0.01


def r2_with_interval(truth: np.ndarray, estimate: np.ndarray) -> tuple[float, float, float]:
    """R² = 1 - sum (truth - estimate)² / sum (truth - mean)², with its 95 % interval.

    Args:
        truth, estimate: shape [n].

    Returns:
        R², lower and upper end; NaN where fewer than two records or no spread leave them undefined.
    """
    unexplained, margin = _ratio_of_means((truth - estimate) ** 2, truth, NORMAL_95)
    return 1.0 - unexplained, 1.0 - unexplained - margin, 1.0 - unexplained + margin


def gap_with_interval(
    truth: np.ndarray,
    estimate: np.ndarray,
    ceiling: Ceiling,
    best: np.ndarray | None = None,
    known: CeilingRange | None = None,
) -> tuple[float, float, float]:
    """R² that the best possible estimator has and this one lacks, with its 99 % interval.

    Args:
        truth, estimate: shape [n].
        ceiling: R² of the best possible estimator in the population; stands in for `best`, and then the interval
            is that of the estimate's own R².
        best: best possible estimates of the same records, shape [n].
        known: range of the ceiling, if it comes from other walkers; its error is independent of that of the R².

    Returns:
        Gap, lower and upper end; NaN where fewer than two records or no spread leave them undefined.
    """
    error = (truth - estimate) ** 2
    if best is None:
        unexplained, margin = _ratio_of_means(error, truth, NORMAL_99)
        gap = ceiling.r2 - (1.0 - unexplained)
        if known is not None:
            margin = math.hypot(margin, known.margin)
            return gap, known.low - (1.0 - unexplained) - margin, known.high - (1.0 - unexplained) + margin
    else:
        gap, margin = _ratio_of_means(error - (truth - best) ** 2, truth, NORMAL_99)
    return gap, gap - margin, gap + margin


def _ratio_of_means(values: np.ndarray, truth: np.ndarray, width: float) -> tuple[float, float]:
    """Mean of some values over the variance of the truth, and that many standard errors of it by the delta method."""
    if len(truth) < 2 or np.ptp(truth) == 0.0:
        return math.nan, math.nan
    spread = (truth - truth.mean()) ** 2
    ratio = float(values.mean() / spread.mean())
    influence = (values - ratio * spread) / spread.mean()
    return ratio, float(width * influence.std(ddof=1) / math.sqrt(len(truth)))

"""Judges any network's estimates from samples alone: does the network set the limit, or do the data?

The verdict rests on two comparisons on the same records. A regression that starts from the estimates and reads the same
inputs shows how much of the truth they have missed. The ceiling from samples says how much no estimator can reach.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from gait.diagnostics import verdicts
from gait.diagnostics.scores import r2_with_interval
from gait.diagnostics.verdicts import TOLERANCE, Interval, Limit, Recovery
from gait.identifiability.samples import SampledCeiling, ceiling
from gait.limits.ceilings import RECOVERED_R2, Ceiling


@dataclasses.dataclass(frozen=True)
class SampledScore:
    """A network's estimates of one target, judged from samples alone by `judge`.

    Attributes:
        target: name of the target.
        n: number of samples.
        r2: coefficient of determination of the estimates; `r2_interval`: its 95 % interval.
        ceiling_interval: 95 % interval of the highest possible R². The lower end is shown, the upper end extrapolated.
        gap_interval: 95 % interval of what the estimates lack in R², from the same samples.
        verdict: verdict on the network.
    """

    target: str
    n: int
    r2: float
    r2_interval: Interval
    ceiling_interval: Interval
    gap_interval: Interval
    verdict: Recovery

    @property
    def limited_by(self) -> Limit:
        """Cause that keeps R² from 1: unknown unless the samples show it."""
        return verdicts.limited_by(self.verdict, self.ceiling_interval[1] >= RECOVERED_R2)

    def sentence(self) -> str:
        """The verdict in plain words, with what to do."""
        reached = f"R² {self.r2:.3f} (95 % interval {_ends(self.r2_interval)})"
        low, high = self.ceiling_interval
        at_least = f"At least R² {low:.3f} is possible: a plain regression on the same inputs corrects the estimates"
        if self.verdict == Recovery.RECOVERED:
            return f"{self.target} is recovered: {reached}."
        if self.limited_by == Limit.NETWORK:
            return (
                f"{self.target} is limited by the network: {reached}. {at_least} that far. "
                "Train longer, or on more records."
            )
        if self.limited_by == Limit.BOTH:
            return (
                f"{self.target} is limited by data and network: {reached}. {at_least} that far. "
                f"No estimator is likely to exceed {high:.3f}. Training can close the first gap, only other "
                "measurements the second."
            )
        if self.limited_by == Limit.DATA:
            return (
                f"{self.target} is limited by the data: {reached}. No estimator is likely to exceed {high:.3f}. "
                f"A better network could add at most {self.gap_interval[1]:.3f}. Measure something else in addition."
            )
        return (
            f"{self.target} is undecided: {reached}. The highest possible R² lies between {low:.3f} and {high:.3f}. "
            f"{self.n:,} samples do not show whether the data or the network set the limit. Give more samples."
        )

    def to_dict(self) -> dict:
        """The attributes as numbers and text, for JSON."""
        numbers = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}
        return numbers | {"verdict": str(self.verdict), "limited_by": str(self.limited_by), "sentence": self.sentence()}


def judge(inputs, targets, estimates, *, names: Sequence[str] | None = None, seed: int = 0) -> dict[str, SampledScore]:
    """Tells from samples alone whether the data or the network limit each target.

    A target is limited by the network if a regression shows on the same samples that its estimates lack more than 0.01
    of R². It is limited by the data if what the estimates may lack is less than what no estimator reaches.

    Args:
        inputs: all that the network reads, shape [n] or [n, ...], in any units.
        targets: true values, shape [n] or [n, t].
        estimates: the network's estimates, shape of the targets. The network must not have been trained on these
            samples, or it seems better than it is.
        names: names of the t targets; by default target_0, target_1, …
        seed: key of the random choices; the same seed gives the same numbers.

    Returns:
        One `SampledScore` for each target, by name.

    Raises:
        InputError: if shapes do not fit, numbers are missing, a target is constant, or samples are too few.

    Source: `gait.identifiability.samples`.
    """
    found = ceiling(targets, inputs, estimates=estimates, names=names, seed=seed)
    truth, guesses = (np.asarray(values, float).reshape(len(values), -1) for values in (targets, estimates))
    return {name: _score(truth[:, t], guesses[:, t], entry) for t, (name, entry) in enumerate(found.items())}


def _score(truth: np.ndarray, estimate: np.ndarray, found: SampledCeiling) -> SampledScore:
    r2, low, high = r2_with_interval(truth, estimate)
    verdict = _verdict(len(truth), (low, high), found.interval, found.gap_interval)
    return SampledScore(found.name, len(truth), r2, (low, high), found.interval, found.gap_interval, verdict)


def _verdict(records: int, r2: Interval, possible: Interval, gap: Interval) -> Recovery:
    """The verdict of `gait.diagnostics.verdicts.judge`, as far as a ceiling between two ends supports it."""
    if max(r2[0], possible[0]) >= RECOVERED_R2:
        return verdicts.judge(records, r2, gap, Ceiling(1.0, 0.0, ""), exact=True)
    if possible[1] >= RECOVERED_R2:  # it may be recoverable, or not
        return Recovery.BELOW_CEILING if gap[0] > TOLERANCE else Recovery.UNDETERMINED
    verdict = verdicts.judge(records, r2, gap, Ceiling(possible[1], math.nan, ""), exact=True)
    # Only what the data withhold for sure outweighs what the network may lack.
    outweighed = verdict == Recovery.AT_CEILING and gap[1] >= 1.0 - possible[1]
    return Recovery.UNDETERMINED if outweighed else verdict


def _ends(interval: Interval) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"

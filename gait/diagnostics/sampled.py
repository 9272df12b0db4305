"""Verdicts on any network's estimates from samples alone: does the network set the limit, or do the data.

The verdict rests on two comparisons on the same records. A regression that starts from the estimates and reads the same
inputs shows how much of the truth they have missed. The ceiling from samples says how much no estimator can reach.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from gait.diagnostics import verdicts
from gait.diagnostics.intervals import r2_with_interval
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
        without_estimates: 95 % interval of the highest possible R², from the inputs alone.
        verdict: verdict on the network.
    """

    target: str
    n: int
    r2: float
    r2_interval: Interval
    ceiling_interval: Interval
    gap_interval: Interval
    without_estimates: Interval
    verdict: Recovery

    @property
    def limited_by(self) -> Limit:
        """Cause that keeps R² from 1: unknown unless the samples show it."""
        return verdicts.limited_by(self.verdict, self.ceiling_interval[1] >= RECOVERED_R2)

    @property
    def may_leak(self) -> bool:
        """Whether the estimates know more than the inputs alone seem to tell."""
        return self.ceiling_interval[0] > self.without_estimates[1] + TOLERANCE

    def sentence(self) -> str:
        """The verdict in plain words, with what to do."""
        low, high = self.ceiling_interval
        limits = {
            Limit.NOTHING: "recovered",
            Limit.NETWORK: "limited by the network",
            Limit.BOTH: "limited by data and network",
            Limit.DATA: "limited by the data",
            Limit.UNKNOWN: "undecided",
        }
        lacking = (
            f"It lacks at least {self.gap_interval[0]:.4f}: by that much, a plain regression on the same inputs "
            "improves the estimates."
        )
        reasons = {
            Limit.NOTHING: "",
            Limit.NETWORK: f"{lacking} Train longer, or on more records.",
            Limit.BOTH: f"{lacking} No estimator is likely to exceed {high:.4f}. Longer training can close the first "
            "gap. Only more or better measurements can close the second.",
            Limit.DATA: f"No estimator is likely to exceed {high:.4f}, and a better network could add at most "
            f"{self.gap_interval[1]:.4f}. Measure more, or with less noise.",
            Limit.UNKNOWN: f"The highest possible R² lies between {low:.4f} and {high:.4f}. {self.n:,} samples do not "
            "show whether the data or the network set the limit. Give more samples.",
        }
        caution = (
            f"The inputs alone seem to allow no more than {self.without_estimates[1]:.4f}. Either the network has seen "
            "these samples in training, or it knows a function too fine for so few samples to show."
        )
        return " ".join(
            filter(
                None,
                (
                    f"{self.target} is {limits[self.limited_by]}: R² {self.r2:.4f} "
                    f"(95 % interval {self.r2_interval[0]:.4f} to {self.r2_interval[1]:.4f}).",
                    reasons[self.limited_by],
                    caution if self.may_leak else "",
                ),
            )
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
    without = ceiling(targets, inputs, names=names, seed=seed)
    truth, guesses = (np.asarray(values, float).reshape(len(values), -1) for values in (targets, estimates))
    return {
        name: _score(truth[:, t], guesses[:, t], entry, without[name].interval)
        for t, (name, entry) in enumerate(found.items())
    }


def _score(truth: np.ndarray, estimate: np.ndarray, found: SampledCeiling, without: Interval) -> SampledScore:
    r2, low, high = r2_with_interval(truth, estimate)
    verdict = _verdict(len(truth), (low, high), found.interval, found.gap_interval)
    return SampledScore(found.name, len(truth), r2, (low, high), found.interval, found.gap_interval, without, verdict)


def _verdict(records: int, r2: Interval, possible: Interval, gap: Interval) -> Recovery:
    """Decides like `gait.diagnostics.verdicts.judge`, for a ceiling of which only two ends are known."""
    if max(r2[0], possible[0]) >= RECOVERED_R2:
        return verdicts.judge(records, r2, gap, Ceiling(1.0, 0.0, "Samples show it."), exact=True)
    if gap[0] > TOLERANCE:
        return Recovery.BELOW_CEILING
    # What the data withhold for sure outweighs what the network may lack.
    return Recovery.AT_CEILING if gap[1] < 1.0 - possible[1] else Recovery.UNDETERMINED

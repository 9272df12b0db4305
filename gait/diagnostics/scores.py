"""How well a network estimates each target, judged beside the best that any estimator can do.

The verdict rests on R² of the network and on its gap: R² of the best possible estimates less R² of the network, on the
very same records. Both are taken over one sample, so the luck of the draw cancels in the gap.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from gait.diagnostics import verdicts
from gait.diagnostics.verdicts import Interval, Limit, Recovery
from gait.identifiability.findings import Identifiability
from gait.limits.ceilings import RECOVERED_R2, Ceiling
from gait.parameters import QUANTITIES

__all__ = ["Limit", "Recovery", "Score", "gap_with_interval", "r2_with_interval", "score"]

_NORMAL_95, _NORMAL_99 = 1.96, 2.576
"""Half widths of the normal distribution's 95 % and 99 % interval, in standard deviations."""
_CANNOT_BE_KNOWN = {
    Identifiability.RECOVERABLE: "cannot be recovered from {} in this noise",
    Identifiability.LOST: "cannot be recovered from {} in this noise",
    Identifiability.DEAD: "has no effect on {}",
    Identifiability.UNDECIDED: "may not be knowable from {}",
}


# Intervals -----------------------------------------------------------------------------------


def r2_with_interval(truth: np.ndarray, estimate: np.ndarray) -> tuple[float, float, float]:
    """R² = 1 - sum (truth - estimate)² / sum (truth - mean)², with its 95 % interval.

    Args:
        truth, estimate: shape [n].

    Returns:
        R², lower and upper end; NaN where fewer than two records or no spread leave them undefined.
    """
    unexplained, margin = _ratio_of_means((truth - estimate) ** 2, truth, _NORMAL_95)
    return 1.0 - unexplained, 1.0 - unexplained - margin, 1.0 - unexplained + margin


def gap_with_interval(
    truth: np.ndarray, estimate: np.ndarray, ceiling: Ceiling, best: np.ndarray | None = None
) -> tuple[float, float, float]:
    """R² that the best possible estimator has and this one lacks, with its 99 % interval.

    Args:
        truth, estimate: shape [n].
        ceiling: R² of the best possible estimator in the population; stands in for `best`, and then the interval
            is that of the estimate's own R².
        best: best possible estimates of the same records, shape [n].

    Returns:
        Gap, lower and upper end; NaN where fewer than two records or no spread leave them undefined.
    """
    error = (truth - estimate) ** 2
    if best is None:
        unexplained, margin = _ratio_of_means(error, truth, _NORMAL_99)
        gap = ceiling.r2 - (1.0 - unexplained)
    else:
        gap, margin = _ratio_of_means(error - (truth - best) ** 2, truth, _NORMAL_99)
    return gap, gap - margin, gap + margin


def _ratio_of_means(values: np.ndarray, truth: np.ndarray, width: float) -> tuple[float, float]:
    """Mean of some values over the variance of the truth, and that many standard errors of it by the delta method."""
    if len(truth) < 2 or np.ptp(truth) == 0.0:
        return math.nan, math.nan
    spread = (truth - truth.mean()) ** 2
    ratio = float(values.mean() / spread.mean())
    influence = (values - ratio * spread) / spread.mean()
    return ratio, float(width * influence.std(ddof=1) / math.sqrt(len(truth)))


# Scores --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Score:
    """A network's estimates of one target beside the best possible ones, made by `score`.

    Attributes:
        target: name of a quantity, see `gait.parameters.QUANTITIES`.
        n: number of records.
        r2: coefficient of determination, NaN if undefined; `r2_interval`: its 95 % interval.
        gap: R² of the best possible estimates of these records less `r2`; `gap_interval`: its 99 % interval.
        rmse, mae, bias: root mean square, mean absolute and mean error, in the target's unit.
        ceiling: what any estimator could reach in the population.
        best_possible_r2: R² of the best possible estimates of these records, None if those are not known.
        identifiability: verdict of the analysis before training on the target.
        verdict: verdict on the network.
        advice: what to do next, one sentence or more.
    """

    target: str
    n: int
    r2: float
    r2_interval: Interval
    gap: float
    gap_interval: Interval
    rmse: float
    mae: float
    bias: float
    ceiling: Ceiling
    best_possible_r2: float | None
    identifiability: Identifiability
    verdict: Recovery
    advice: tuple[str, ...]

    @property
    def unit(self) -> str:
        """SI unit of the target."""
        return QUANTITIES[self.target].unit

    @property
    def recoverable(self) -> bool:
        """Whether some estimator could recover the target."""
        return self.ceiling.recoverable

    @property
    def limited_by(self) -> Limit:
        """Cause that keeps R² from 1."""
        return verdicts.limited_by(self.verdict, self.recoverable)

    @property
    def headline(self) -> str:
        """The verdict in a few words."""
        return verdicts.headline(self.verdict, self.recoverable, self.n)

    def sentence(self, inputs: Sequence[str]) -> str:
        """The verdict and the advice in plain words.

        Args:
            inputs: names of what the network reads.
        """
        quantity = QUANTITIES[self.target]
        name = f"{quantity.heading} ({quantity.symbol})"
        words = self._recoverable_words if self.recoverable else self._unrecoverable_words
        advice = () if self.verdict == Recovery.RECOVERED else self.advice
        return " ".join((f"{name} {words(', '.join(inputs))}", *advice))

    @property
    def _reached(self) -> str:
        if math.isnan(self.r2):
            return "R² undefined"
        return f"R² {self.r2:.4f} (95 % interval {self.r2_interval[0]:.4f} to {self.r2_interval[1]:.4f})"

    def _recoverable_words(self, inputs: str) -> str:
        reached = f"{self._reached}, typical error {self.rmse:.3g} {self.unit}"
        if self.verdict == Recovery.RECOVERED:
            return f"can be known from {inputs} and was recovered: {reached}."
        if self.verdict == Recovery.BELOW_CEILING:
            return f"can be known from {inputs}, but this network falls short: {reached}."
        whether = f"whether the network has recovered it, which takes R² {RECOVERED_R2:g}"
        return f"can be known from {inputs}. {self.n:,} records are too few to tell {whether}: {reached}."

    def _unrecoverable_words(self, inputs: str) -> str:
        unknown = _CANNOT_BE_KNOWN.get(self.identifiability, "cannot be known by itself from {}").format(inputs)
        best = ""
        if self.best_possible_r2 is not None and not math.isnan(self.best_possible_r2):
            best = f" On these {self.n:,} records the best possible estimates reach {self.best_possible_r2:.4f}."
        if self.verdict == Recovery.AT_CEILING:
            end = f"The network is at that ceiling: {self._reached}.{best}"
            if not verdicts.is_noise_limited(self.identifiability):
                end += " It knows the edges of the prior and nothing else about the walker."
        elif self.verdict == Recovery.BELOW_CEILING:
            end = f"The network is below that ceiling: {self._reached}.{best}"
        elif self.verdict == Recovery.ABOVE_CEILING:
            end = f"The network exceeds that ceiling: {self._reached}.{best} It has seen these records in training."
        else:
            end = f"{self.n:,} records are too few to tell whether the network is at that ceiling: {self._reached}."
        return f"{unknown}: no estimator exceeds R² {self.ceiling.r2:.4f} on average. {end}"

    def to_dict(self) -> dict:
        """Entry of metrics.json: plain numbers and words, None where a number is undefined."""
        return {
            "unit": self.unit,
            "n": self.n,
            "r2": _number(self.r2),
            "r2_interval": [_number(end) for end in self.r2_interval],
            "rmse": self.rmse,
            "mae": self.mae,
            "bias": self.bias,
            "ceiling_r2": self.ceiling.r2,
            "ceiling_rmse": self.ceiling.rmse,
            "best_possible_r2": _number(self.best_possible_r2),
            "gap": _number(self.gap),
            "gap_interval": [_number(end) for end in self.gap_interval],
            "recoverable": self.recoverable,
            "identifiability": str(self.identifiability),
            "ceiling_reason": self.ceiling.reason,
            "verdict": str(self.verdict),
            "data_limited": 1.0 - self.ceiling.r2,
            "network_limited": _number(self.ceiling.r2 - self.r2),
            "limited_by": str(self.limited_by),
            "advice": " ".join(self.advice),
        }

    @classmethod
    def from_dict(cls, target: str, entry: Mapping) -> Score:
        """The score that an entry of metrics.json was written from.

        Args:
            target: key of the entry.
            entry: content of the entry; one without a gap gets NaN for it.
        """
        best = entry["best_possible_r2"]
        return cls(
            target=target,
            n=entry["n"],
            r2=_float(entry["r2"]),
            r2_interval=_ends(entry["r2_interval"]),
            gap=_float(entry.get("gap")),
            gap_interval=_ends(entry.get("gap_interval", (None, None))),
            rmse=entry["rmse"],
            mae=entry["mae"],
            bias=entry["bias"],
            ceiling=Ceiling(entry["ceiling_r2"], entry["ceiling_rmse"], entry["ceiling_reason"]),
            best_possible_r2=None if best is None else float(best),
            identifiability=Identifiability(entry["identifiability"]),
            verdict=Recovery(entry["verdict"]),
            advice=(entry["advice"],),
        )


def score(
    target: str,
    truth: np.ndarray,
    estimate: np.ndarray,
    ceiling: Ceiling,
    identifiability: Identifiability,
    advice: str,
    best: np.ndarray | None = None,
) -> Score:
    """Scores a network's estimates of one target and judges them.

    Args:
        target: name of a quantity.
        truth, estimate: shape [n], in the quantity's unit.
        ceiling: what any estimator could reach.
        identifiability: verdict of the analysis before training on the target.
        advice: what to measure for a target that cannot be known, see `gait.limits.analysis.ScenarioAnalysis.advice`.
        best: best possible estimates of these records, shape [n], see `ScenarioAnalysis.best_estimate`; None if they
            are not known.
    """
    error = estimate - truth
    r2, r2_low, r2_high = r2_with_interval(truth, estimate)
    gap, gap_low, gap_high = gap_with_interval(truth, estimate, ceiling, best)
    exact = best is not None
    verdict = verdicts.judge(len(truth), (r2_low, r2_high), (gap_low, gap_high), ceiling, exact=exact)
    return Score(
        target=target,
        n=len(truth),
        r2=r2,
        r2_interval=(r2_low, r2_high),
        gap=gap,
        gap_interval=(gap_low, gap_high),
        rmse=math.sqrt(np.mean(error**2)),
        mae=float(np.mean(np.abs(error))),
        bias=float(np.mean(error)),
        ceiling=ceiling,
        best_possible_r2=None if best is None else r2_with_interval(truth, best)[0],
        identifiability=identifiability,
        verdict=verdict,
        advice=verdicts.advice(verdict, ceiling.recoverable, len(truth), identifiability, advice, gap, exact=exact),
    )


def _number(value: float | None) -> float | None:
    """JSON has no NaN."""
    return None if value is None or math.isnan(value) else float(value)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _ends(values: Sequence[float | None]) -> Interval:
    low, high = values
    return _float(low), _float(high)

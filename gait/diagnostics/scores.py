"""How well a network estimates each target, judged beside the best that any estimator can do.

The verdict rests on R² of the network and on its gap: R² of the best possible estimates less R² of the network, on the
very same records. Both are taken over one sample, so the luck of the draw cancels in the gap. In noise the best
possible R² is that of other walkers, whose posteriors are known: then the interval of the gap has the errors of both.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gait.diagnostics import verdicts
from gait.diagnostics.intervals import (
    NORMAL_95,
    NORMAL_99,
    CeilingRange,
    gap_with_interval,
    is_range,
    r2_with_interval,
)
from gait.diagnostics.verdicts import Interval, Limit, Recovery
from gait.identifiability.findings import Identifiability
from gait.identifiability.wording import with_error
from gait.limits.ceilings import RECOVERED_R2, Ceiling
from gait.limits.noise import NoiseStudy
from gait.parameters import QUANTITIES

__all__ = ["Limit", "Recovery", "Score", "score"]

_CANNOT_BE_KNOWN = {
    Identifiability.RECOVERABLE: "cannot be recovered from {} in this noise",
    Identifiability.LOST: "cannot be recovered from {} in this noise",
    Identifiability.DEAD: "has no effect on {}",
    Identifiability.UNDECIDED: "may not be knowable from {}",
}


# Scores --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Score:
    """A network's estimates of one target beside the best possible ones, made by `score`.

    Attributes:
        target: name of a quantity, see `gait.parameters.QUANTITIES`.
        n: number of records.
        r2: coefficient of determination, NaN if undefined; `r2_interval`: its 95 % interval.
        gap: R² of the best possible estimates of these records less `r2`, or that of the ceiling if those are not
            known; `gap_interval`: its 99 % interval.
        rmse, mae, bias: root mean square, mean absolute and mean error, in the target's unit.
        ceiling: what any estimator could reach in the population.
        ceiling_interval: 99 % interval of its R² if it comes from posteriors of fresh walkers, else None.
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
    ceiling_interval: Interval | None = None

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
        rough = _is_rough(self.r2_interval, self.ceiling_interval)
        return verdicts.headline(self.verdict, self.recoverable, self.n, rough=rough)

    @property
    def judgement(self) -> str:
        """The verdict as it stands in reports; a ceiling that noise has set holds more than edges of the prior."""
        if self.verdict == Recovery.AT_CEILING and verdicts.is_noise_limited(self.identifiability):
            return "at its ceiling: the noise allows no more"
        return str(self.verdict)

    @property
    def possible(self) -> str:
        """Highest possible R², with its standard error, as a range or as the bound that it is."""
        ceiling = self.ceiling
        if ceiling.local_r2 is None:
            return f"{ceiling.r2:.4f}"
        if ceiling.error is None:
            return f"at most {ceiling.r2:.4f}"
        low, high = self.ceiling_interval or (ceiling.r2, ceiling.r2)
        if math.isnan(ceiling.r2) or is_range(low, high, ceiling.error):
            return f"{max(low, 0.0):.2f} to {min(high, 1.0):.2f}"
        return with_error(ceiling.r2, ceiling.error)

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
        return f"can be known from {inputs}. {self._too_few} to tell {whether}: {reached}."

    @property
    def _gap_in_words(self) -> str:
        return f"{self.gap:.2g}, 99 % interval {self.gap_interval[0]:.2g} to {self.gap_interval[1]:.2g}"

    @property
    def _too_few(self) -> str:
        if not _is_rough(self.r2_interval, self.ceiling_interval):
            return f"{self.n:,} records are too few"
        return f"The highest possible R², {self.possible}, is known too roughly"

    def _unrecoverable_words(self, inputs: str) -> str:
        unknown = _CANNOT_BE_KNOWN.get(self.identifiability, "cannot be known by itself from {}").format(inputs)
        best = ""
        if self.best_possible_r2 is not None and not math.isnan(self.best_possible_r2):
            best = f" On these {self.n:,} records the best possible estimates reach {self.best_possible_r2:.4f}."
        if self.verdict == Recovery.AT_CEILING:
            within = "" if self.ceiling_interval is None else f" within the errors of both (gap {self._gap_in_words})"
            end = f"The network is at that ceiling{within}: {self._reached}.{best}"
            if not verdicts.is_noise_limited(self.identifiability):
                end += " It knows the edges of the prior and nothing else about the walker."
        elif self.verdict == Recovery.BELOW_CEILING:
            end = f"The network is below that ceiling: {self._reached}.{best}"
        elif self.verdict == Recovery.ABOVE_CEILING:
            end = f"The network exceeds that ceiling: {self._reached}.{best} It has seen these records in training."
        else:
            end = f"{self._too_few} to tell whether the network is at that ceiling: {self._reached}."
        return f"{unknown}: no estimator exceeds R² {self.possible.removeprefix('at most ')} on average. {end}"

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
            "ceiling_r2": _number(self.ceiling.r2),
            "ceiling_r2_error": _number(self.ceiling.error),
            "ceiling_interval": None if self.ceiling_interval is None else list(self.ceiling_interval),
            "local_ceiling_r2": _number(self.ceiling.local_r2),
            "ceiling_rmse": _number(self.ceiling.rmse),
            "best_possible_r2": _number(self.best_possible_r2),
            "gap": _number(self.gap),
            "gap_interval": [_number(end) for end in self.gap_interval],
            "recoverable": self.recoverable,
            "identifiability": str(self.identifiability),
            "ceiling_reason": self.ceiling.reason,
            "verdict": str(self.verdict),
            "data_limited": _number(1.0 - self.ceiling.r2),
            "network_limited": _number(self.ceiling.r2 - self.r2),
            "limited_by": str(self.limited_by),
            "advice": " ".join(self.advice),
        }

    @classmethod
    def from_dict(cls, target: str, entry: Mapping) -> Score:
        """The score that an entry of metrics.json was written from.

        Args:
            target: key of the entry.
            entry: content of the entry; one without a gap gets NaN for it, one without errors of its ceiling none.
        """
        best, known = entry["best_possible_r2"], entry.get("ceiling_interval")
        ceiling = Ceiling(
            _float(entry["ceiling_r2"]), _float(entry["ceiling_rmse"]), entry["ceiling_reason"],
            entry.get("ceiling_r2_error"), entry.get("local_ceiling_r2"),
        )  # fmt: skip
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
            ceiling=ceiling,
            best_possible_r2=None if best is None else float(best),
            identifiability=Identifiability(entry["identifiability"]),
            verdict=Recovery(entry["verdict"]),
            advice=(entry["advice"],),
            ceiling_interval=None if known is None else _ends(known),
        )


def score(
    target: str,
    truth: np.ndarray,
    estimate: np.ndarray,
    ceiling: Ceiling,
    identifiability: Identifiability,
    advice: str,
    best: np.ndarray | None = None,
    study: NoiseStudy | None = None,
    remedy: str = "more epochs or more training records would help",
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
        study: posteriors of fresh walkers in the noise of these records, on which `ceiling` rests; None without noise,
            or if `ceiling` is a local bound.
        remedy: what would bring a network in noise nearer to its ceiling, a clause to follow a colon.
    """
    known = None if study is None else CeilingRange.of(study, target)
    error = estimate - truth
    r2, r2_low, r2_high = r2_with_interval(truth, estimate)
    gap, gap_low, gap_high = gap_with_interval(truth, estimate, ceiling, best, known)
    exact = best is not None or known is not None
    ceiling_interval = None if known is None else known.interval
    distance = f"R² {gap:.2g} (99 % interval {gap_low:.2g} to {gap_high:.2g})"
    lacking = "" if known is None else f"It lacks {distance}: {remedy}."
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
        advice=verdicts.advice(
            verdict, ceiling.recoverable, len(truth), identifiability, advice, gap,
            exact=exact, rough=_is_rough((r2_low, r2_high), ceiling_interval), lacking=lacking,
        ),
        ceiling_interval=ceiling_interval,
    )  # fmt: skip


def _is_rough(r2_interval: Interval, ceiling_interval: Interval | None) -> bool:
    """Whether the ceiling is known less well than R² of the network."""
    if ceiling_interval is None or math.isnan(r2_interval[0]):
        return False
    return bool(np.ptp(ceiling_interval) / NORMAL_99 > np.ptp(r2_interval) / NORMAL_95)


def _number(value: float | None) -> float | None:
    """JSON has no NaN."""
    return None if value is None or math.isnan(value) else float(value)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _ends(values: Sequence[float | None]) -> Interval:
    low, high = values
    return _float(low), _float(high)


def flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A score as `Score.to_dict` has it, with the two ends of an interval as keys of their own."""
    found: dict[str, Any] = {}
    for key, value in entry.items():
        pair = isinstance(value, list) and len(value) == 2
        found |= {f"{key}_low": value[0], f"{key}_high": value[1]} if pair else {key: value}
    return found

"""How well a target was estimated, and what that means beside its ceiling."""

from __future__ import annotations

import enum
import math

import numpy as np

from gait.ceilings import RECOVERED_R2, Ceiling
from gait.parameters import QUANTITIES

FEWEST_RECORDS = 30
"""Below this number the interval of R² is not to be trusted."""


class Verdict(enum.StrEnum):
    """What became of a target."""

    RECOVERED = "recovered"
    AT_CEILING = "at its ceiling and not recoverable: prior edges only"
    BELOW_CEILING = "below its ceiling: network-limited"
    ABOVE_CEILING = "above its ceiling: overfitted or leaking"
    UNDETERMINED = "undetermined: too few records"


class Limit(enum.StrEnum):
    """What keeps an estimate from the truth."""

    NOTHING = "nothing"
    NETWORK = "network"
    DATA = "data"
    UNKNOWN = "unknown"


_TRAIN_MORE = "Train longer, or on more records."
_NO_ADVICE = {
    Limit.NOTHING: "Nothing to be done.",
    Limit.UNKNOWN: "Evaluate on more records, and on none that were trained on.",
    Limit.NETWORK: "",
    Limit.DATA: "",
}


def r2_with_interval(truth: np.ndarray, estimate: np.ndarray) -> tuple[float, float, float]:
    """R² = 1 - sum (truth - estimate)² / sum (truth - mean)², with its 95 % interval.

    The interval is the delta method's for a ratio of two means over independent records:
    a record contributes to R² = 1 - A/B with A/B (b_i/B - a_i/A).

    Args:
        truth, estimate: shape [n].

    Returns:
        R², lower and upper end; NaN where fewer than two records or no spread leave them undefined.
    """
    if len(truth) < 2 or np.ptp(truth) == 0.0:
        return math.nan, math.nan, math.nan
    error = (truth - estimate) ** 2
    spread = (truth - truth.mean()) ** 2
    unexplained = error.mean() / spread.mean()
    influence = (unexplained * spread - error) / spread.mean()
    margin = 1.96 * influence.std(ddof=1) / math.sqrt(len(truth))
    return 1.0 - unexplained, 1.0 - unexplained - margin, 1.0 - unexplained + margin


def verdict(interval: tuple[float, float], records: int, ceiling: Ceiling) -> Verdict:
    """The verdict from the 95 % interval of R², the number of records behind it, and the ceiling."""
    low, high = interval
    if math.isnan(low) or records < FEWEST_RECORDS or low <= 0.0 <= ceiling.r2 <= high:
        return Verdict.UNDETERMINED
    if low > ceiling.r2:
        return Verdict.ABOVE_CEILING
    if ceiling.recoverable and low >= RECOVERED_R2:
        return Verdict.RECOVERED
    if not ceiling.recoverable and high >= ceiling.r2:
        return Verdict.AT_CEILING
    return Verdict.BELOW_CEILING


def score(
    target: str,
    truth: np.ndarray,
    estimate: np.ndarray,
    ceiling: Ceiling,
    known: str,
    way_out: str,
    best: np.ndarray | None = None,
) -> dict:
    """Everything metrics.json says about one target.

    Args:
        target: name of a quantity.
        truth, estimate: shape [n], in the quantity's unit.
        ceiling: what any estimator could reach.
        known: what the analysis of the model says of the target, see `gait.identifiability.Verdict`.
        way_out: what to do about a target that cannot be known, see `gait.limits.analysis.Prospects.way_out`.
        best: estimates of the best possible estimator for these very records, shape [n], if the
            target is not recoverable; they show how far chance has moved R² off the ceiling.
    """
    r2, low, high = r2_with_interval(truth, estimate)
    error = estimate - truth
    found = verdict((low, high), len(truth), ceiling)
    limit = limited_by(found, r2, 0.5 * (high - low), ceiling)
    return {
        "unit": QUANTITIES[target].unit,
        "n": len(truth),
        "r2": _number(r2),
        "r2_interval": [_number(low), _number(high)],
        "rmse": math.sqrt(np.mean(error**2)),
        "mae": float(np.mean(np.abs(error))),
        "bias": float(np.mean(error)),
        "ceiling_r2": ceiling.r2,
        "ceiling_rmse": ceiling.rmse,
        "best_possible_r2": None if best is None else _number(r2_with_interval(truth, best)[0]),
        "recoverable": ceiling.recoverable,
        "identifiability": str(known),
        "ceiling_reason": ceiling.reason,
        "verdict": str(found),
        "data_limited": 1.0 - ceiling.r2,
        "network_limited": _number(ceiling.r2 - r2),
        "limited_by": str(limit),
        "advice": {Limit.NETWORK: _TRAIN_MORE, Limit.DATA: way_out}.get(limit, _NO_ADVICE[limit]),
    }


def limited_by(found: Verdict, r2: float, margin: float, ceiling: Ceiling) -> Limit:
    """What keeps R² from 1: the data, which leave 1 - S open, or the network, which lacks S - R².

    The network, if what it lacks is more than the margin of R² and more than what the data leave open.

    Args:
        found: verdict on the target.
        r2: R² reached; `margin`: half its 95 % interval.
        ceiling: S.
    """
    if found in (Verdict.UNDETERMINED, Verdict.ABOVE_CEILING):
        return Limit.UNKNOWN
    if found == Verdict.RECOVERED:
        return Limit.NOTHING
    lacking = ceiling.r2 - r2
    return Limit.NETWORK if lacking > max(margin, 1.0 - ceiling.r2) else Limit.DATA


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else float(value)


def sentence(target: str, scored: dict, inputs: tuple[str, ...]) -> str:
    """What `score` found, in plain words."""
    quantity = QUANTITIES[target]
    name = f"{quantity.label[0].upper()}{quantity.label[1:]} ({quantity.symbol})"
    if scored["verdict"] == Verdict.UNDETERMINED:
        return f"{name}: {scored['n']} records are too few to say anything."
    low, high = scored["r2_interval"]
    reached = f"R² {scored['r2']:.4f} (95 % interval {low:.4f} to {high:.4f})"
    error = f"typical error {scored['rmse']:.3g} {quantity.unit}".rstrip()
    if scored["recoverable"]:
        known = f"can be known from {', '.join(inputs)}"
        if scored["verdict"] == Verdict.RECOVERED:
            return f"{name} {known} and was recovered: {reached}, {error}."
        return f"{name} {known}, but this network falls short: {reached}, {error}. {scored['advice']}"
    at_best = f"any estimator reaches at best R² {scored['ceiling_r2']:.4f}"
    if scored["verdict"] == Verdict.AT_CEILING:
        end = f"The network has reached that: {reached}. It knows the edges of the prior, nothing about the person."
    elif scored["verdict"] == Verdict.ABOVE_CEILING:
        end = f"The network reports more, {reached}: it has memorised these records, or they leak into training."
    else:
        end = f"The network is below that, {reached}; the rest of the way would teach it prior edges only."
    if scored["best_possible_r2"] is not None:
        end += f" On these very records the best possible estimator reaches {scored['best_possible_r2']:.4f}."
    return f"{name} cannot be known from {', '.join(inputs)}; {at_best}. {end} {scored['advice']}"

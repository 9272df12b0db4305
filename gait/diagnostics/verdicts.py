"""Verdicts on a network's estimates of one target: one function decides, and all words follow from its verdict."""

from __future__ import annotations

import enum
import math

from gait.identifiability.findings import Identifiability
from gait.limits.ceilings import RECOVERED_R2, Ceiling

FEWEST_RECORDS = 30
"""Below this number the intervals are not to be trusted."""
TOLERANCE = 0.01
"""Gap in R² that still counts as being at the ceiling; a recovered target may lack as much."""

Interval = tuple[float, float]


class Recovery(enum.StrEnum):
    """Verdict on a network's estimates of one target."""

    RECOVERED = "recovered"
    AT_CEILING = "at its ceiling and not recoverable: prior edges only"
    BELOW_CEILING = "below its ceiling: network-limited"
    ABOVE_CEILING = "above its ceiling: overfitted or leaking"
    UNDETERMINED = "undetermined: too few records"


class Limit(enum.StrEnum):
    """Cause that keeps an estimate from the truth."""

    NOTHING = "nothing"
    NETWORK = "network"
    DATA = "data"
    BOTH = "data and network"
    UNKNOWN = "unknown"


def judge(records: int, r2_interval: Interval, gap_interval: Interval, ceiling: Ceiling, *, exact: bool) -> Recovery:
    """Decides on a network's estimates of one target.

    A recoverable target is judged by R²: its interval lies above 0.99, below 0.99 or across. If its ceiling is known
    with an error only, it is below that ceiling only if the interval of the gap says so, too. Any other target is at
    its ceiling unless the interval of the gap lies wholly above the tolerance, or wholly below zero.

    Args:
        records: number of records behind the intervals.
        r2_interval: 95 % interval of R².
        gap_interval: 99 % interval of the gap, see `gait.diagnostics.scores.gap_with_interval`.
        ceiling: what any estimator could reach.
        exact: whether the gap was taken to the best possible estimates of these records, or to a ceiling whose
            error is in the interval. No honest network beats those but by chance. A local bound is approximate, and
            then the tolerance counts upwards, too.
    """
    if records < FEWEST_RECORDS or math.isnan(r2_interval[0]) or math.isnan(ceiling.r2):
        return Recovery.UNDETERMINED
    if ceiling.recoverable:
        if r2_interval[0] >= RECOVERED_R2:
            return Recovery.RECOVERED
        shown = r2_interval[1] < RECOVERED_R2 and (ceiling.error is None or gap_interval[0] > 0.0)
        return Recovery.BELOW_CEILING if shown else Recovery.UNDETERMINED
    low, high = gap_interval
    if low > TOLERANCE:
        return Recovery.BELOW_CEILING
    if high < (0.0 if exact else -TOLERANCE):
        return Recovery.ABOVE_CEILING
    # The interval may reach from the best possible network to one that knows nothing.
    return Recovery.UNDETERMINED if TOLERANCE < ceiling.r2 <= high else Recovery.AT_CEILING


# Words ---------------------------------------------------------------------------------------


def limited_by(verdict: Recovery, recoverable: bool) -> Limit:
    """Names what keeps R² from 1: below a ceiling that the data have set, it is both data and network."""
    if verdict == Recovery.BELOW_CEILING:
        return Limit.NETWORK if recoverable else Limit.BOTH
    return {Recovery.RECOVERED: Limit.NOTHING, Recovery.AT_CEILING: Limit.DATA}.get(verdict, Limit.UNKNOWN)


def headline(verdict: Recovery, recoverable: bool, records: int, *, rough: bool = False) -> str:
    """The verdict in a few words, for a table or the title of a figure.

    Args:
        verdict, recoverable, records: as in `advice`.
        rough: as in `advice`.
    """
    if is_across(verdict, recoverable, records):
        return f"undecided, interval holds {RECOVERED_R2:g}"
    words = {
        Recovery.RECOVERED: "recovered",
        Recovery.AT_CEILING: "at its ceiling",
        Recovery.BELOW_CEILING: "below its ceiling",
        Recovery.ABOVE_CEILING: "above its ceiling, suspect a leak",
        Recovery.UNDETERMINED: "too few walkers behind the ceiling" if rough else "too few records",
    }[verdict]
    return words if recoverable or verdict == Recovery.ABOVE_CEILING else f"not recoverable, {words}"


def advice(
    verdict: Recovery,
    recoverable: bool,
    records: int,
    known: Identifiability,
    measure: str,
    gap: float,
    *,
    exact: bool,
    rough: bool = False,
    lacking: str = "",
) -> tuple[str, ...]:
    """Says what to measure for a target that cannot be known, then what to do about the network.

    Args:
        verdict: verdict on the network.
        recoverable: whether some estimator could recover the target.
        records: number of records behind the verdict.
        known: verdict of the analysis before training on the target.
        measure: what to measure in addition, in a sentence.
        gap: R² that the network still lacks to the best possible.
        exact: whether the ceiling can be reached; else it is a bound that may be out of reach.
        rough: whether the error of the ceiling, not that of the network's R², keeps the verdict open.
        lacking: how far the network is below its ceiling and what would help, in a sentence, if that is known.
    """
    data = "" if recoverable else "Record with less noise, or for longer." if is_noise_limited(known) else measure
    network = {
        Recovery.RECOVERED: "Nothing to be done.",
        Recovery.AT_CEILING: "",
        Recovery.BELOW_CEILING: "Train longer, or on more records.",
        Recovery.ABOVE_CEILING: "Evaluate on records that the network was not trained on.",
        Recovery.UNDETERMINED: "Evaluate with more --walkers." if rough else "Evaluate on more records.",
    }[verdict]
    if verdict == Recovery.BELOW_CEILING and lacking:
        idle = "" if recoverable or is_noise_limited(known) else "It would only learn the edges of the prior."
        return tuple(filter(None, (data, lacking, idle)))
    if is_across(verdict, recoverable, records):
        network = f"Train longer, or evaluate {'with more --walkers' if rough else 'on more records'}."
    elif verdict == Recovery.BELOW_CEILING and not recoverable:
        gain = f"R² {gap:.2g}" if exact else f"at most R² {gap:.2g}"
        network = f"Up to the ceiling, longer training or more records could add {gain}"
        network += "." if is_noise_limited(known) else ", but that would only teach the network the edges of the prior."
    elif verdict == Recovery.BELOW_CEILING and not exact:
        network += " Even the best possible network may stay below R² 0.99 in this noise."
    return tuple(filter(None, (data, network)))


def is_across(verdict: Recovery, recoverable: bool, records: int) -> bool:
    """Whether only the interval of R² across 0.99 leaves open if a target was recovered."""
    return verdict == Recovery.UNDETERMINED and recoverable and records >= FEWEST_RECORDS


def is_noise_limited(known: Identifiability) -> bool:
    """Whether a target that is not recoverable lacks nothing but a recording with less noise."""
    return known in (Identifiability.RECOVERABLE, Identifiability.LOST)

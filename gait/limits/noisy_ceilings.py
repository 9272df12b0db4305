"""Highest possible R² of one quantity in noise: from the posteriors of fresh walkers to a number; noise in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from gait.identifiability.wording import listed, rounded, with_error
from gait.limits.ceilings import Ceiling
from gait.parameters import QUANTITIES
from gait.simulation.forward_model import unit

_FOR_CONTROL = 4  # walkers from which a control variate has a known weight


@dataclasses.dataclass(frozen=True)
class NoisyCeiling:
    """Highest possible R² of one quantity in a given noise.

    Attributes:
        r2: mean over the walkers that could be done.
        error: its standard error.
        low, high: bounds on `r2` if some walkers could not be done; else equal to it.
        spread: standard deviation of the quantity among walkers of the prior, in its unit.
        twins: number of walkers with a part of their posterior far from the truth; None where this is not defined.
        local_sd: standard deviation of the posterior if there were no other solution than that near the truth, median
            over the walkers; None likewise.
    """

    r2: float
    error: float
    low: float
    high: float
    spread: float
    twins: int | None = None
    local_sd: float | None = None


def mean_ceiling(
    variance: np.ndarray, done: np.ndarray, spread: float, far: np.ndarray, local: np.ndarray,
    control: np.ndarray | None = None,
) -> NoisyCeiling:  # fmt: skip
    """Averages over walkers. Those that could not be done know nothing at worst, and everything at best.

    Args:
        variance: of the quantity in the posterior of each walker, shape [n]; NaN where there is none.
        done: walkers whose posteriors passed their checks, shape [n].
        spread: variance of the quantity among walkers of the prior.
        far: walkers with a part of the posterior far from the truth, shape [n].
        local: standard deviation of each local posterior, shape [n]; NaN where it is not defined.
        control: control variate of mean 0, shape [n]; None for none.
    """
    share = variance / spread  # of a single recording it may exceed 1
    sound = done & np.isfinite(share)
    if control is not None and np.sum(sound) > _FOR_CONTROL:
        (_, both), (_, own) = np.cov(share[sound], control[sound])
        share = share - both / own * control
    known, count = share[sound], len(share)
    if not len(known):
        return NoisyCeiling(math.nan, math.nan, 0.0, 1.0, math.sqrt(spread))
    error = float(np.std(known, ddof=1) / math.sqrt(len(known))) if len(known) > 1 else math.nan
    undone = count - len(known)
    low, high = 1.0 - (known.sum() + undone) / count, 1.0 - known.sum() / count
    defined = bool(np.isfinite(local).all())
    return NoisyCeiling(
        r2=1.0 - float(known.mean()),
        error=error,
        low=float(low),
        high=float(high),
        spread=math.sqrt(spread),
        twins=int(np.sum(far & sound)) if defined else None,
        local_sd=float(np.median(local)) if defined else None,
    )


def noisy_ceiling(local: Ceiling, found: NoisyCeiling) -> Ceiling:
    """The ceiling of a quantity from posteriors, beside its local bound."""
    reason = local.reason
    if local.r2 - found.r2 > max(2.0 * found.error, 0.005):
        reason = "In this noise, recordings of different walkers are confused with each other."
    elif local.reason.startswith("The noise"):
        reason = "The noise allows no more."
    rmse = found.spread * math.sqrt(max(1.0 - found.r2, 0.0))
    return Ceiling(found.r2, rmse, reason, found.error, local.r2)


def in_noise(name: str, ceiling: Ceiling, found: NoisyCeiling, walkers: int) -> str:
    """The ceiling of a quantity in noise in words, to follow a colon; from so many walkers."""
    unit = QUANTITIES[name].unit
    value = with_error(ceiling.r2, found.error)
    if found.high - found.low > 0.01:  # walkers could not be done
        value = f"between {found.low:.2f} and {found.high:.2f}"
    text = f"{value}, error at least {rounded(ceiling.rmse, 3)} {unit}"
    if ceiling.local_r2 is None or ceiling.local_r2 - found.r2 <= max(2.0 * found.error, 0.005):
        return f"{text}."
    text += f" (the local bound says {ceiling.local_r2:.4f})."
    if found.twins and found.local_sd is not None:
        have = "has a twin" if found.twins == 1 else "have twins"
        text += (
            f" Locally it is known to {rounded(found.local_sd, 2)} {unit}, but {found.twins} of {walkers} "
            f"walkers {have} elsewhere."
        )
    return text


def noise_in_words(levels: Mapping[str, float]) -> str:
    """Noise levels as in a sentence: "0.005 m in x and y"."""
    channels: dict[str, list[str]] = {}
    for name, level in levels.items():
        channels.setdefault(f"{rounded(level)} {unit(name)}".removesuffix(" 1"), []).append(name)
    return listed([f"{level} in {listed(names)}" for level, names in channels.items()])

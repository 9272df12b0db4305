"""Highest possible R² of a target from samples alone, by any estimator.

The ceiling is S = 1 - E Var(target | inputs) / Var(target). Its interval has two ends of different worth:

- **The lower end is shown.** A regression is fitted to one half of the samples and predicts the other half, and the
  other way round. No estimator explains more of new samples than S, so S is no lower than what this one explains. That
  holds for every distribution, within the sampling error (delta method), however poor the regression is.
- **The upper end is extrapolated.** The regression is also fitted to a half and a quarter of these samples. What it
  learned from the last doubling, and how that compares with the doubling before, says how much it may still learn. This
  supposes that it goes on learning as it did. A function that is too fine for all of the samples looks like noise. No
  method can tell the two apart from samples alone, unless inputs come again and again.

So a high lower end is evidence. A low upper end is the best guess that n samples allow.

Source: Y. Lee, R. F. Barber, NeurIPS 2021 (arXiv 2105.14075), for what samples cannot show.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from gait.errors import InputError, check_seed
from gait.identifiability.regression import components, fit

FEWEST_SAMPLES = 200
MOST_SAMPLES = 20_000
"""Most samples that are used, chosen at random. With more, time grows faster than precision."""
SLOW, SLOWEST = 1.0 / (2.0 ** (1 / 3) - 1.0), 1.0 / (2.0 ** (1 / 10) - 1.0)
"""What is still to be learned, in units of the gain from the last doubling of samples, if errors fall with n^(-1/3) or
n^(-1/10). The upper end always allows for the former, and up to the latter if gains do not shrink as fast."""
WIDE = 0.2
"""Width of an interval of S that calls for a warning."""
UNRESOLVED = 0.01
"""An upper end of S that is as near to 1 is not told apart from 1."""
_SHARES = (4, 2, 1)
"""The regression is fitted to quarters, halves and all of the samples that it may see; errors of parts are averaged."""
_NORMAL = 2.24
"""Standard errors in a margin. It is more than the 1.96 of 95 %, because the delta method does not see that another
half would have given another regression, and underrates heavy tails."""

Ends = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class SampledCeiling:
    """Ceiling of one target as far as samples show it.

    Attributes:
        name: name of the target.
        r2: S, the largest R² that any estimator can reach on new samples, if the regression learns on at the rate 1/n.
        interval: 95 % interval of S. The lower end is shown, the upper end is extrapolated.
        gap_interval: 95 % interval of S less R² of the given estimates; that of S itself if none were given.
        learned: R² on unseen samples after a fit to n/8, n/4 and n/2 samples.
        residual_variance: E Var(target | inputs) that goes with `r2`, in the target's unit squared.
        n: number of samples used.
        seed: key of the random choices; the same seed gives the same numbers.
        warning: limits of the estimate, in a sentence, or None.
    """

    name: str
    r2: float
    interval: Ends
    gap_interval: Ends
    learned: tuple[float, ...]
    residual_variance: float
    n: int
    seed: int
    warning: str | None = None

    def to_dict(self) -> dict:
        """The attributes as numbers and text, for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


def ceiling(
    targets, inputs, *, estimates=None, names: Sequence[str] | None = None, seed: int = 0
) -> dict[str, SampledCeiling]:
    """Estimates the highest R² that any estimator can reach for each target from the inputs.

    Args:
        targets: shape [n] or [n, t], any unit.
        inputs: shape [n] or [n, ...]; all but the first axis are taken together, in any units.
        estimates: shape of the targets; what some estimator that has never seen these samples made of the inputs. The
            regression starts from them, so that S is never put below what they reach.
        names: names of the t targets; by default target_0, target_1, …
        seed: key of the random choices.

    Returns:
        One `SampledCeiling` for each target, by name.

    Raises:
        InputError: if shapes do not fit, numbers are missing, a target is constant, or samples are too few.

    Source: module docstring.
    """
    check_seed(seed)
    y, x, names = _checked(targets, inputs, names)
    guesses = None if estimates is None else _checked_estimates(estimates, y)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(y))[:MOST_SAMPLES]
    y, x = y[order], x[order]
    points, found = components(x), {}
    for t, name in enumerate(names):
        if guesses is None:
            found[name] = _ceiling(name, y[:, t], np.full(len(y), y[:, t].mean()), points, seed)
        else:
            more = components(np.column_stack([x, guesses[order, t]]))
            found[name] = _ceiling(name, y[:, t], guesses[order, t], more, seed)
    return found


def _checked(targets, inputs, names) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Targets [n, t], inputs [n, d] and names, or an `InputError`."""
    y, x = _numbers(targets, "Targets"), _numbers(inputs, "Inputs")
    if y.ndim not in (1, 2) or x.ndim < 1 or len(x) != len(y):
        raise InputError(
            "Targets have shape [n] or [n, t] and inputs [n] or [n, ...], with the same n. "
            f"Received: {list(y.shape)} and {list(x.shape)}. Give one row for each sample in both."
        )
    if len(y) < FEWEST_SAMPLES:
        raise InputError(f"A ceiling needs at least {FEWEST_SAMPLES} samples. Received: {len(y)}. Give more.")
    y, x = y.reshape(len(y), -1), x.reshape(len(x), -1)
    names = tuple(names) if names is not None else tuple(f"target_{i}" for i in range(y.shape[1]))
    if len(names) != y.shape[1] or len(set(names)) < len(names):
        raise InputError(
            f"Every target needs a name of its own. Received: {len(names)} names ({', '.join(names)}) for "
            f"{y.shape[1]} targets. Give as many names as targets has columns."
        )
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        missing = int((~np.isfinite(y)).any(axis=1).sum()), int((~np.isfinite(x)).any(axis=1).sum())
        raise InputError(
            f"Targets and inputs must be finite. Received: {missing[0]} rows of targets and {missing[1]} rows of "
            "inputs with NaN or infinity. Leave these samples out."
        )
    constant = [name for name, column in zip(names, y.T, strict=True) if np.ptp(column) == 0.0]
    if constant:
        raise InputError(
            f"A target must vary, or R² has no meaning. Received: constant {', '.join(constant)}. Leave it out."
        )
    return y, x, names


def _numbers(values, what: str) -> np.ndarray:
    """An array of floats, or an `InputError`."""
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:  # text, or rows of unequal length
        raise InputError(
            f"{what} must be an array of numbers. Received: {type(values).__name__} with {error}. "
            "Turn text into numbers, and give all rows the same length."
        ) from error


def _checked_estimates(estimates, y: np.ndarray) -> np.ndarray:
    """Estimates [n, t] of the targets, or an `InputError`."""
    guesses = _numbers(estimates, "Estimates")
    guesses = guesses.reshape(len(guesses), -1) if guesses.ndim in (1, 2) else guesses
    if guesses.shape != y.shape:
        raise InputError(
            "Estimates have the shape of the targets, one for each sample and target. "
            f"Received: {list(guesses.shape)} for targets {list(y.shape)}. Give one column for each target."
        )
    if not np.isfinite(guesses).all():
        raise InputError(
            f"Estimates must be finite. Received: {int((~np.isfinite(guesses)).any(axis=1).sum())} rows with NaN or "
            "infinity. Leave these samples out."
        )
    return guesses


def _ceiling(name: str, target: np.ndarray, start: np.ndarray, points: np.ndarray, seed: int) -> SampledCeiling:
    """Ceiling of one target from its first estimates and the components of the inputs."""
    variance = float(target.var())
    residual = (target - start) / math.sqrt(variance)
    spread = (target - target.mean()) ** 2 / variance
    errors = _errors(points, residual, np.random.default_rng(seed))
    r2, low, high = _interval(spread - errors, spread, 1.0)
    _, gap_low, gap_high = _interval(residual**2 - errors, spread, float(np.mean(residual**2)))
    learned = tuple(float(1.0 - error.mean()) for error in errors)
    return SampledCeiling(
        name, r2, (low, high), (gap_low, gap_high), learned, (1.0 - r2) * variance, len(target), seed,
        _warning(low, high, len(target)),
    )  # fmt: skip


def _errors(points: np.ndarray, residual: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Squared errors of the regression on samples that it has not seen, shape [shares, n]."""
    errors = np.empty((len(_SHARES), len(residual)))
    halves = np.array_split(np.arange(len(residual)), 2)  # samples are in random order
    for unseen, seen in (halves, halves[::-1]):
        for level, share in enumerate(_SHARES):
            parts = np.array_split(seen, share)
            predictions = [fit(points[part], residual[part], generator)(points[unseen]) for part in parts]
            errors[level, unseen] = np.mean((residual[unseen] - predictions) ** 2, axis=0)
    return errors


def _interval(explained: np.ndarray, spread: np.ndarray, most: float) -> tuple[float, float, float]:
    """Estimate and 95 % interval of what could be explained with any number of samples, within 0 and the most.

    Args:
        explained: what the regression explains of each sample after each share, shape [shares, n].
        spread: squared deviation of each sample's target from the mean, shape [n].
        most: what is left if everything is explained.
    """
    shares = explained.mean(axis=1) / spread.mean()
    covariance = np.cov((explained - shares[:, None] * spread) / spread.mean()) / len(spread)

    def error(*weights: float) -> float:
        return math.sqrt(max(float(weights @ covariance @ np.array(weights)), 0.0))

    def after(doublings: float) -> float:
        """Upper end of the last share and so many times the last gain."""
        return float(last + doublings * gain + _NORMAL * error(0.0, -doublings, 1.0 + doublings))

    last, gain, before = shares[2], shares[2] - shares[1], shares[1] - shares[0]
    low = min(max(float(last - _NORMAL * error(0.0, 0.0, 1.0)), 0.0), most)
    high = max(after(0.0), after(1.0), after(SLOW))
    if gain > 2.0 * error(0.0, -1.0, 1.0):
        # Gains that shrink by a factor q with each doubling add up to q / (1 - q) of the last one.
        high = max(high, after(min(gain / max(before - gain, 1e-9), SLOWEST)))
    high = most if high > most - UNRESOLVED else max(high, 0.0)
    return min(max(float(last + max(gain, 0.0)), low), high), low, high


def _warning(low: float, high: float, n: int) -> str | None:
    if high - low <= WIDE:
        return None
    return f"With {n:,} samples, S lies between {low:.2f} and {high:.2f}: give more samples before you rely on it."

"""Highest possible R² of a target from samples alone, by any estimator.

The ceiling S = 1 - E Var(target | inputs) / Var(target) is estimated from pairs of neighbours: samples with nearly the
same inputs differ in a target by what the inputs do not tell. Half the mean squared difference of nearest neighbours
would be an estimate of E Var(target | inputs), but the neighbours are never near enough. Their distance falls with
n^(-1/d) only, and on 20,000 walks this plain estimate of S is 0.6 for k/m instead of 1. Five steps bring it down. Each
is valid by itself, because a function of the inputs is no new information:

1. The neighbours are left only the residual of a regression on the other half of the samples, since
   Var(target | inputs) = Var(target - f(inputs) | inputs) for any f.
2. Distance is measured along the directions that matter to the regression (its mean gradient outer product). A
   twentieth of it is measured along the inputs as they came, so that nothing is overlooked for ever.
3. The first to the eighth neighbour are extrapolated to distance zero.
4. Steps 1 to 3 are repeated with half the samples, and the trend is extrapolated as if the error fell with 1/n.
5. The interval reaches from the estimate without step 4 to the one that extrapolates the part of the trend beyond
   chance as if the error fell with n^(-1/2).

Errors of all these steps make S too small and not too large: what n samples cannot resolve looks like noise. So a high
S is evidence, and a low one is only the best that n samples can show. The coefficient xi goes through steps 2 to 5
only, with errors of n^(-1/d). In three dimensions or more its interval may stay below 1 where the target is a function.

Sources: neighbours extrapolated to distance zero, A. Stefansson, N. Koncar, A. J. Jones, Neural Comput. &
Applic. 5 (1997) 131; gradient outer product, A. Radhakrishnan et al., Science 383 (2024) 1461;
coefficient xi, M. Azadkia, S. Chatterjee, arXiv 1910.12327.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from gait.errors import InputError

FEWEST_SAMPLES = 200
MOST_SAMPLES = 20_000
"""Most samples that are used, chosen at random. With more, time grows faster than precision."""
NEIGHBOURS = 8
ROUNDS = 3
FEATURES = 600
KEPT = 0.05
"""Share of the squared distance that is measured along the inputs as they came."""
TREND = {"near": 1.0, "square": 2.4, "linear": 3.9}
"""Rest of an error n^-a after n has doubled, in units of its change, 1/(2^a - 1). The estimate takes a = 1; the far end
of the interval takes 1/2 where errors grow with the square of distance, and 1/3 where they grow with distance."""


@dataclasses.dataclass(frozen=True)
class SampledCeiling:
    """Ceiling of one target as far as samples show it.

    Attributes:
        name: name of the target.
        r2: S, the largest R² that any estimator can reach on new samples.
        interval: 95 % interval of S.
        xi: Azadkia-Chatterjee coefficient: 0 iff independent of the inputs, 1 iff a function of them.
        xi_interval: 95 % interval of xi.
        residual_variance: E Var(target | inputs), in the target's unit squared.
        n: number of samples used.
        seed: key of the random choices; the same seed gives the same numbers.
        warning: limits of the estimate, in a sentence, or None.
    """

    name: str
    r2: float
    interval: tuple[float, float]
    xi: float
    xi_interval: tuple[float, float]
    residual_variance: float
    n: int
    seed: int
    warning: str | None = None

    def to_dict(self) -> dict:
        """The attributes as numbers and text, for JSON."""
        return dataclasses.asdict(self) | {"interval": list(self.interval), "xi_interval": list(self.xi_interval)}


def ceiling(targets, inputs, *, names: Sequence[str] | None = None, seed: int = 0) -> dict[str, SampledCeiling]:
    """Estimates the highest R² that any estimator can reach for each target from the inputs.

    Args:
        targets: shape [n] or [n, t], any unit.
        inputs: shape [n] or [n, ...]; all but the first axis are taken together, in any units.
        names: names of the t targets; by default target_0, target_1, …
        seed: key of the random choices.

    Returns:
        One `SampledCeiling` for each target, by name.

    Raises:
        InputError: if shapes do not fit, numbers are missing, a target is constant, or samples are too few.

    Source: module docstring.
    """
    y, x, names = _checked(targets, inputs, names)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(y))[:MOST_SAMPLES]  # also breaks ties by chance
    y, points = y[order], _components(x[order])
    mean, variance = y.mean(axis=0), y.var(axis=0)
    whole = _neighbours(points, (y - mean) / np.sqrt(variance), [np.arange(len(y))], generator)
    halves = np.array_split(np.arange(len(y)), 2)
    levels = (whole, _neighbours(points, (y - mean) / np.sqrt(variance), halves, generator))
    shared = _Shared(levels)
    found = {}
    for t, name in enumerate(names):
        estimate, low, high = shared.extrapolate(*_unexplained(levels, (y[:, t] - mean[t]) ** 2 / variance[t], t))
        values, own = _not_a_function(levels, y[:, t])
        xi, xi_low, _ = shared.extrapolate(values, own)
        _, _, xi_high = shared.extrapolate(values, own, "linear")
        found[name] = SampledCeiling(
            name, estimate, (low, high), xi, (xi_low, xi_high), (1.0 - estimate) * float(variance[t]), len(y), seed,
            _warning(estimate, low, high, len(y)),
        )  # fmt: skip
    return found


def _checked(targets, inputs, names) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Targets [n, t], inputs [n, d] and names, or an `InputError`."""
    y, x = np.asarray(targets, float), np.asarray(inputs, float)
    if y.ndim not in (1, 2) or x.ndim < 1 or len(x) != len(y):
        raise InputError(
            "Targets have shape [n] or [n, t] and inputs [n] or [n, ...], with the same n. "
            f"Received: {list(y.shape)} and {list(x.shape)}. Give one row for each sample in both."
        )
    y, x = y.reshape(len(y), -1), x.reshape(len(x), -1)
    names = tuple(names) if names is not None else tuple(f"target_{i}" for i in range(y.shape[1]))
    if len(names) != y.shape[1] or len(set(names)) < len(names):
        raise InputError(
            f"Every target needs a name of its own. Received: {len(names)} names ({', '.join(names)}) for "
            f"{y.shape[1]} targets. Give as many names as targets has columns."
        )
    if len(y) < FEWEST_SAMPLES:
        raise InputError(f"A ceiling needs at least {FEWEST_SAMPLES} samples. Received: {len(y)}. Simulate more.")
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


def _components(inputs: np.ndarray) -> np.ndarray:
    """Principal components [n, q] of the inputs in units of their spread; noise where nothing varies."""
    spread = inputs.std(axis=0)
    varying = spread > 1e-12 * np.abs(inputs).max(axis=0)
    if not varying.any():
        return np.random.default_rng(0).standard_normal((len(inputs), 1))
    scaled = (inputs - inputs.mean(axis=0))[:, varying] / spread[varying]
    variance, axes = np.linalg.eigh(scaled.T @ scaled)
    return scaled @ axes[:, variance > 1e-12 * variance[-1]]


@dataclasses.dataclass(frozen=True)
class _Neighbours:
    """Pairs of neighbours, and the residuals of the targets after a regression on the other half.

    Attributes:
        first, second: numbers of the samples, shape [pairs].
        square: weights that sum to 1. The weighted mean over pairs extrapolates to distance zero a value that
            changes with the square of distance.
        linear: weights for a value that changes with distance itself.
        residual: shape [n, t], in units of the targets' spread.
    """

    first: np.ndarray
    second: np.ndarray
    square: np.ndarray
    linear: np.ndarray
    residual: np.ndarray


def _neighbours(points, targets, subsets, generator) -> _Neighbours:
    """Finds pairs within each half of each subset, in the metric learned from the other half."""
    residual, pairs = np.empty_like(targets), []
    for subset in subsets:
        halves = np.array_split(subset, 2)
        for half, other in (halves, halves[::-1]):
            predict, metric = _learn(points[other], targets[other], generator)
            residual[half] = targets[half] - predict(points[half])
            place = metric(points[half])
            place += 1e-9 * generator.standard_normal(place.shape)  # ties are broken by chance
            distance, near = map(np.asarray, cKDTree(place).query(place, NEIGHBOURS + 1, workers=-1))
            lines = [_intercept((distance[:, 1:] ** power).mean(axis=0)) for power in (2, 1)]
            ends = np.repeat(half, NEIGHBOURS), half[near[:, 1:]].ravel()
            pairs.append((*ends, *(np.tile(line, len(half)) for line in lines)))
    first, second, square, linear = map(np.concatenate, zip(*pairs, strict=True))
    samples = len(first) / NEIGHBOURS
    return _Neighbours(first, second, square / samples, linear / samples, residual)


def _intercept(distance: np.ndarray) -> np.ndarray:
    """Weights of values at given distances, shape [k], that give the straight line's value at distance zero."""
    if distance[0] > 0.999 * distance[-1]:
        return np.full(len(distance), 1.0 / len(distance))
    return np.linalg.pinv(np.column_stack([np.ones(len(distance)), distance / distance[-1]]))[0]


def _learn(points, targets, generator):
    """Learns a regression of the targets and a map of the points to a space in which distance matters to it.

    The regression is a ridge regression on the points and random cosines of them. In each round the points are
    stretched along the directions in which the last regression changes most.
    """
    spread = points.var(axis=0)  # the points are principal components
    came = np.eye(points.shape[1]) / spread.sum()
    stretch = np.sqrt(came)
    for _ in range(ROUNDS):
        predict, gradient = _regression(points @ stretch, targets, generator)
        learned, before = stretch @ gradient @ stretch.T, stretch
        value, axes = np.linalg.eigh((1.0 - KEPT) * learned / (spread @ np.diag(learned)) + KEPT * came)
        stretch = axes * np.sqrt(np.maximum(value, 0.0))
    value, axes = np.linalg.eigh(stretch.T @ (spread[:, None] * stretch))
    axes = stretch @ axes[:, np.cumsum(value) > 1e-4 * value.sum()]  # the search tree wants few columns
    return lambda new: predict(new @ before), lambda new: new @ axes


def _regression(points, targets, generator):
    """Fits a prediction as a function of points [n, q]; returns it and the mean outer product of its gradients."""
    count, width = points.shape
    features = min(FEATURES, FEATURES * count // (MOST_SAMPLES // 2), count // 4) or 1
    frequency = generator.standard_normal((width, features)) * 0.5 / np.sqrt(2.0)
    phase = generator.uniform(0.0, 2.0 * np.pi, features)

    def expand(new):
        return np.concatenate([new, np.cos(new @ frequency + phase)], axis=1)

    fitted = max(count * 4 // 5, 1)
    expanded = expand(points)
    centre, level = expanded[:fitted].mean(axis=0), targets[:fitted].mean(axis=0)
    expanded -= centre
    gram = expanded[:fitted].T @ expanded[:fitted]
    moment = expanded[:fitted].T @ (targets[:fitted] - level)
    candidates, errors = [], []
    for ridge in np.trace(gram) * 10.0 ** np.arange(-9.0, 2.0, 2.0):
        factor = cho_factor(gram + ridge * np.eye(len(gram)), overwrite_a=True, check_finite=False)
        candidates.append(cho_solve(factor, moment, check_finite=False))
        errors.append(((targets[fitted:] - level - expanded[fitted:] @ candidates[-1]) ** 2).mean(axis=0))
    best = np.argmin(errors, axis=0)
    coefficients = np.stack([candidates[choice][:, t] for t, choice in enumerate(best)], axis=1)
    outer = np.zeros((width, width))
    slope = -np.sin(points[:500] @ frequency + phase)
    for column in coefficients.T:
        gradients = column[:width] + (slope * column[width:]) @ frequency.T
        product = gradients.T @ gradients
        outer += product / max(np.trace(product), 1e-300)
    return lambda new: level + (expand(new) - centre) @ coefficients, outer


def _unexplained(levels, square, t):
    """Parts of 1 - S: values of each pair at each level, and each sample's own part as a function of the ratio."""
    values = [0.5 * (level.residual[level.first, t] - level.residual[level.second, t]) ** 2 for level in levels]
    return values, lambda ratio: ratio * (1.0 - square)


def _not_a_function(levels, target):
    """Parts of 1 - xi, xi = mean(min(F_i, F_j) - G_i²) / mean(G_i (1 - G_i)), with ranks F from below, G from above."""
    n = len(target)
    below, above = rankdata(target, "max") / n, rankdata(-target, "max") / n
    spread = np.mean(above * (1.0 - above))
    values = [
        (spread + np.mean(above**2) - np.minimum(below[level.first], below[level.second])) / spread for level in levels
    ]
    whole = levels[0]
    # A sample also moves the ranks of the others: by 1/n for all pairs that lie above it.
    lower = np.minimum(below[whole.first], below[whole.second])
    order = np.argsort(lower)
    above_it = np.append(np.cumsum(whole.square[order][::-1])[::-1], 0.0)[np.searchsorted(lower[order], below)]
    return values, lambda _: -(above_it - above_it.mean()) / spread


class _Shared:
    """Extrapolation in n, with standard deviations that allow for pairs with a sample in common."""

    def __init__(self, levels: tuple[_Neighbours, _Neighbours]):
        self._levels = levels
        first = np.concatenate([level.first for level in levels])
        second = np.concatenate([level.second for level in levels])
        self._n = len(levels[0].residual)
        key = np.minimum(first, second) * self._n + np.maximum(first, second)
        self._ends = first, second
        _, self._pair = np.unique(key, return_inverse=True)

    def extrapolate(self, values, own, line="square") -> tuple[float, float, float]:
        """1 - ratio at infinite n, with its 95 % interval, all within 0 and 1.

        Args:
            values: one value for each pair, one array for each level. Their weighted mean is the ratio.
            own: influence of each sample on the ratio beyond its pairs, times n, as a function of the ratio.
            line: name of the weights of the pairs, "square" or "linear".

        Returns:
            The estimate and the ends of its interval.
        """
        weights = [getattr(level, line) for level in self._levels]
        ratio, half = (float(weight @ value) for weight, value in zip(weights, values, strict=True))
        parts = [weights[0] * (values[0] - ratio), weights[1] * (values[1] - half)]
        trend = half - ratio

        def sd(ahead):
            return self._sd(np.concatenate([(1.0 + ahead) * parts[0], -ahead * parts[1]]), own(ratio - ahead * trend))

        near, far = TREND["near"], TREND[line]
        plain, extrapolated = 1.0 - ratio, 1.0 - ratio + near * max(trend, 0.0)
        margin, margin_near = 1.96 * sd(0.0), 1.96 * sd(near)
        low, high = plain - margin, max(plain + margin, extrapolated + margin_near)
        change = self._sd(np.concatenate([parts[0], -parts[1]]), np.zeros(self._n))
        high = max(high, plain + far * (trend - 1.96 * change) + margin_near)
        low, estimate, high = np.clip([low, extrapolated, high], 0.0, 1.0)
        return float(estimate), float(low), float(high)

    def _sd(self, influence, own) -> float:
        """Standard deviation of a mean over pairs: only pairs that share a sample are correlated."""
        first, second = self._ends
        sample = own / self._n + np.bincount(first, influence, self._n) + np.bincount(second, influence, self._n)
        pair = np.bincount(self._pair, influence)
        return float(np.sqrt(max(np.sum(sample**2) - np.sum(pair**2), 0.0)))


def _warning(estimate: float, low: float, high: float, n: int) -> str | None:
    if high - low > 0.2:
        return f"With {n} samples, S lies between {low:.2f} and {high:.2f}: simulate more before you rely on it."
    if estimate < 0.99 and high > estimate + 0.05:
        return f"S still grows with the number of samples at n = {n}. It may be as high as {high:.2f}."
    return None

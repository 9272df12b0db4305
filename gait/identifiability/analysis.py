"""The analysis of a forward model: which of its parameters can be recovered from its outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gait.errors import InputError
from gait.identifiability import combinations, symmetries
from gait.identifiability.derivatives import Model, jacobians
from gait.identifiability.findings import Identifiability, Report
from gait.identifiability.linearisation import Linearisation
from gait.identifiability.symmetries import Counterexample

FEWEST_POINTS = 5
"""Points an analysis begins with, at least."""
FEWEST_KEPT = 3
"""Points that must be left when those without sound derivatives have been set aside."""
_ALIGNED = 0.99  # mean squared cosine between null spaces that are to be one and the same
_GUESS = 0.02  # how far an entry may be from the ratio of integers it is taken for, before that is checked
_GUESS_IN_NOISE, _LARGEST_IN_NOISE = 0.15, 2  # the same for what is only hidden, and largest denominator


def analyse(
    model: Model,
    points,
    names: Sequence[str],
    *,
    noise=None,
    prior_sd=None,
    seed: int = 0,
) -> Report:
    """Finds out which parameters a model's outputs determine, which only in combination and which not at all.

    Args:
        model: noise-free outputs [batch, n] of parameters [batch, p]; rows of NaN where there are none. If it
            solves equations numerically, then to a relative accuracy of 1e-6 or better.
        points: at least 5 different draws from the prior, shape [points, p].
        names: names of the p parameters.
        noise: standard deviation of all outputs, of each [n], or their covariance matrix [n, n].
        prior_sd: standard deviation of each parameter [p]; by default that of the points.
        seed: key of the random choices.

    Returns:
        `Report`.

    Raises:
        InputError: if shapes do not fit, or the model has sound derivatives at fewer than 3 points.

    Source: T. J. Rothenberg, Econometrica 39 (1971) 577-591, for the rank condition.
    """
    points, names = _checked(points, names)
    sd = _prior_sd(prior_sd, points)
    found = jacobians(model, points)
    if len(found.kept) < FEWEST_KEPT:
        raise InputError(
            f"The model has sound derivatives at {len(found.kept)} of {len(points)} points only, but at least "
            f"{FEWEST_KEPT} are needed. At the others its outputs, or those of parameters nearby, are not finite "
            "or do not change smoothly. Give more points, or points well inside the region where the model works."
        )
    linear = Linearisation.of(found, sd, noise)
    linear, weights, example = _what_is_lost(model, linear, seed)
    exponents = _exponents(weights, names)
    verdicts, reasons = _verdicts(model, linear, weights, names)
    bounds = _cramer_rao(linear, names, verdicts)
    left = exponents
    if linear.noisy:
        lost = [name for i, name in enumerate(names) if sd[i] <= bounds[name] < math.inf]
        verdicts |= dict.fromkeys(lost, Identifiability.LOST)
        left = _exponents(_group_in_noise(linear), names) if lost else exponents
    for e in () if left is None else left:
        bounds.setdefault(combinations.written(e, names), _bound(linear, e))
    return Report(
        names=names,
        points=len(found.kept),
        set_aside=found.set_aside,
        spectrum=np.median(linear.spectra, axis=0),
        tolerance=np.median(linear.tolerances, axis=0),
        gap=linear.gap,
        rank=linear.rank,
        verdicts=verdicts,
        uniqueness=dict(zip(names, linear.uniqueness().tolist(), strict=True)),
        combinations=_written(left, names),
        exponents=left,
        combinations_without_noise=_written(exponents, names),
        exponents_without_noise=exponents,
        directions=_directions(linear),
        cramer_rao=bounds,
        linear_ceiling={name: linear.linear_ceiling(_axis(linear, i)) for i, name in enumerate(names)},
        counterexample=example,
        reasons=reasons,
        method=found.method,
        seed=seed,
        linear=linear,
    )


def _checked(points, names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    points, names = np.asarray(points, float), tuple(names)
    if points.ndim != 2 or len(points) < FEWEST_POINTS or not np.isfinite(points).all():
        raise InputError(
            f"An analysis needs at least {FEWEST_POINTS} points of finite parameters, shape [points, p]. "
            f"Received: shape {points.shape}. Draw them from the prior."
        )
    if len(names) != points.shape[1] or len(set(names)) < len(names):
        raise InputError(
            f"Every one of the {points.shape[1]} parameters has a name of its own. Received: {', '.join(names)}."
        )
    return points, names


def _prior_sd(prior_sd, points: np.ndarray) -> np.ndarray:
    if prior_sd is None:
        spread = points.std(axis=0)
        size = np.abs(points).mean(axis=0)
        return np.where(spread > 1e-9 * size, spread, np.where(size > 0.0, size, 1.0))
    sd = np.asarray(prior_sd, float)
    if sd.shape != points.shape[1:] or not (np.isfinite(sd) & (sd > 0)).all():
        raise InputError(
            f"prior_sd has one positive number for each of the {points.shape[1]} parameters. Received: {prior_sd!r}."
        )
    return sd


def _axis(linear: Linearisation, i: int) -> np.ndarray:
    """Gradients of parameter i itself, shape [u, p]."""
    return np.tile(np.eye(linear.scaled.shape[2])[i], (len(linear.scaled), 1))


# What cannot be known ------------------------------------------------------------------------


def _scaling_group(model: Model, linear: Linearisation) -> np.ndarray | None:
    """Integer basis [p - rank, p] of a scaling group, if that is all that cannot be known, else None.

    The guess is generous: null spaces that point roughly the same way at all points, in logarithms
    of the parameters, with ratios near those of small integers. The check is strict: the derivatives
    along it vanish as far as they are known, and finite changes by factors of two do nothing.
    """
    if linear.rank is None:
        return None
    parameters = linear.scaled.shape[2]
    if linear.rank == parameters:
        return np.zeros((0, parameters), int)
    weights = _common_integers(linear, linear.rank, _GUESS, combinations.LARGEST)
    if weights is None or any(symmetries.scaling_counterexample(model, linear, row) is None for row in weights):
        return None
    return weights


def _what_is_lost(
    model: Model, linear: Linearisation, seed: int
) -> tuple[Linearisation, np.ndarray | None, Counterexample | None]:
    """The model near the points with its final rank, its scaling group, and a pair of points with equal outputs.

    Derivatives tell of small changes only, and no better than the model's outputs are computed. So a rank
    below the number of parameters has to be confirmed by finite changes, by factors of two or along a
    curve. Otherwise it is undecided. Small singular values count as a solver's errors if finite changes
    in their directions do nothing.
    """
    tried = linear
    if linear.rank is None:
        surely = linear.ranks[0]
        tried = linear.settle(int(np.median(surely)))
        if (surely != tried.rank).any():
            return linear.doubt(), None, None
    weights = _scaling_group(model, tried)
    example = _counterexample(model, tried, weights, seed)
    if example is None and tried.rank < tried.scaled.shape[2]:
        return linear.doubt(), None, None
    return tried, weights, example


def _common_integers(linear: Linearisation, rank: int, tolerance: float, largest: int) -> np.ndarray | None:
    """Integers that span, roughly, the directions beyond a rank at all points, in logarithms of the parameters."""
    parameters = linear.scaled.shape[2]
    projector = np.zeros((parameters, parameters))
    for u in linear.agreeing:
        basis = linear.logarithmic(u, rank)
        projector += basis @ basis.T / len(linear.agreeing)
    shares, common = np.linalg.eigh(projector)
    if shares[rank] < _ALIGNED:
        return None
    return combinations.as_integers(common[:, rank:].T, tolerance, largest)


def _exponents(weights: np.ndarray | None, names: tuple[str, ...]) -> np.ndarray | None:
    if weights is None:
        return None
    chosen = [combinations.oriented(e, names) for e in combinations.invariants(weights)]
    return np.array(chosen, int).reshape(-1, len(names))


def _written(exponents: np.ndarray | None, names: tuple[str, ...]) -> list[str] | None:
    return None if exponents is None else [combinations.written(e, names) for e in exponents]


def _group_in_noise(linear: Linearisation) -> np.ndarray | None:
    """Integer basis of a scaling group that noise hides, or None.

    A direction is hidden if one standard deviation of the prior along it changes the outputs by less
    than one of the noise, all of them together.
    """
    parameters = linear.scaled.shape[2]
    rank = int(np.median(np.sum(linear.spectra > 1.0, axis=1)))
    if rank == parameters:
        return None
    weights = _common_integers(linear, rank, _GUESS_IN_NOISE, _LARGEST_IN_NOISE)
    for row in () if weights is None else weights:
        along = linear.jacobians.points * row / linear.sd
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        if np.median(np.linalg.norm(np.einsum("unp,up->un", linear.scaled, along), axis=1)) > 1.0:
            return None
    return weights


def _directions(linear: Linearisation) -> np.ndarray | None:
    if linear.rank is None:
        return None
    return np.stack([linear.logarithmic(u, linear.rank).T for u in range(len(linear.scaled))])


# What follows --------------------------------------------------------------------------------


def _verdicts(model: Model, linear: Linearisation, weights, names) -> tuple[dict[str, Identifiability], dict[str, str]]:
    verdicts: dict[str, Identifiability] = {}
    reasons: dict[str, str] = {}
    for i, name in enumerate(names):
        known = linear.is_known(_axis(linear, i)) if weights is None else not weights[:, i].any()
        alone = weights is not None and any(row[i] and np.count_nonzero(row) == 1 for row in weights)
        if linear.dead[i] or alone:
            verdicts[name] = Identifiability.DEAD
        elif known is None:
            verdicts[name] = Identifiability.UNDECIDED
        else:
            verdicts[name] = Identifiability.RECOVERABLE if known else Identifiability.COMBINATION
    candidates = np.array([i for i, name in enumerate(names) if verdicts[name] == Identifiability.RECOVERABLE], int)
    for i, reason in symmetries.ambiguous(model, linear, candidates).items():
        verdicts[names[i]], reasons[names[i]] = Identifiability.AMBIGUOUS, reason
    return verdicts, reasons


def _cramer_rao(linear: Linearisation, names, verdicts) -> dict[str, float]:
    """Bound on the standard deviation of each parameter's estimates; infinite if it cannot be known."""
    unknown = (Identifiability.COMBINATION, Identifiability.DEAD, Identifiability.UNDECIDED)
    return {
        name: math.inf if verdicts[name] in unknown else _median_bound(linear, _axis(linear, i))
        for i, name in enumerate(names)
    }


def _bound(linear: Linearisation, exponents: np.ndarray) -> float:
    """Bound on the standard deviation of estimates of a product of powers that can be known."""
    points = linear.jacobians.points
    with np.errstate(divide="ignore", invalid="ignore"):
        product = np.prod(points ** exponents.astype(float), axis=1)
        gradients = np.where(exponents != 0, product[:, None] * exponents / points, 0.0)
    return _median_bound(linear, gradients)


def _median_bound(linear: Linearisation, gradients: np.ndarray) -> float:
    if not linear.noisy:
        linear = Linearisation.of(linear.jacobians, linear.sd, 1.0)
    return float(np.median(linear.standard_deviation(gradients)))


def _counterexample(model: Model, linear: Linearisation, weights, seed: int) -> Counterexample | None:
    """Two sets of parameters with the same outputs, if possible without use of a dead parameter."""
    if linear.rank == linear.scaled.shape[2]:
        return None
    if weights is not None:
        alive = [row for row in weights if not linear.dead[np.flatnonzero(row)].all()]
        return symmetries.scaling_counterexample(model, linear, (alive or list(weights))[0])
    return _on_a_path(model, linear, seed)


def _on_a_path(model: Model, linear: Linearisation, seed: int) -> Counterexample | None:
    generator = np.random.default_rng(seed)
    for u in generator.permutation(linear.agreeing)[:FEWEST_KEPT]:
        example = symmetries.path_counterexample(model, linear, u, generator)
        if example is not None:
            return example
    return None


def scaling_holds(model: Model, points, weights) -> bool:
    """Checks that outputs stay the same when each parameter is multiplied by s^w, for s = 0.5 and 2.

    Args:
        model: see `analyse`.
        points: shape [points, p].
        weights: exponents w, shape [p].
    """
    points = np.asarray(points, float)
    linear = Linearisation.of(jacobians(model, points), _prior_sd(None, points), None)
    if len(linear.jacobians.kept) == 0:
        return False
    return symmetries.scaling_counterexample(model, linear, np.asarray(weights)) is not None

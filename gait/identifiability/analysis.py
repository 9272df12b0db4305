"""The analysis of a forward model: which of its parameters can be recovered from its outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from gait.errors import InputError, check_seed
from gait.identifiability import combinations, symmetries
from gait.identifiability.accuracy import output_errors
from gait.identifiability.derivatives import jacobians
from gait.identifiability.findings import Identifiability, Report
from gait.identifiability.functions import known_functions
from gait.identifiability.inputs import (
    Runs,
    check_repeatable,
    checked_accuracy,
    checked_points,
    checked_ranges,
    checked_sd,
)
from gait.identifiability.linearisation import Linearisation, whitened
from gait.identifiability.regions import regions
from gait.identifiability.search import Search, box_of, search
from gait.identifiability.symmetries import Counterexample

FEWEST_KEPT = 3
"""Points that must be left when those without sound derivatives have been set aside."""
_ALIGNED = 0.99  # mean squared cosine between null spaces that are to be one and the same
_GUESS = 0.02  # how far an entry may be from the ratio of integers it is taken for, before that is checked
_GUESS_IN_NOISE, _LARGEST_IN_NOISE = 0.15, 2  # the same for what is only hidden, and largest denominator


def analyse(
    model: Callable,
    points,
    names: Sequence[str] | None = None,
    *,
    noise=None,
    prior_sd=None,
    ranges=None,
    accuracy: float | None = None,
    fits: int | None = None,
    vectorized: bool = True,
    progress: bool = True,
    seed: int = 0,
) -> Report:
    """Finds out which parameters a model's outputs determine, which only in combination and which not at all.

    With p parameters and 8 points, derivatives take 144 p runs of the model, or 56 p if it takes complex numbers,
    and its accuracy 640 to 1,600. The search for a second solution takes about 9 (p + 1) runs for each of its 160
    fits, and makes fewer fits if these were more than 24,000 runs, or 20 seconds. `Report` has the numbers of calls
    and runs.

    Args:
        model: noise-free outputs [batch, n], or [batch], of parameters [batch, p]; rows of NaN where there are none.
        points: at least 5 different draws from the prior, shape [points, p], or a DataFrame with a column a parameter.
        names: names of the p parameters; by default those of the columns.
        noise: standard deviation of all outputs, of each [n], or their covariance matrix [n, n].
        prior_sd: standard deviation of each parameter [p]; by default that of the points.
        ranges: low and high end of each parameter's prior [p, 2], in which a second solution is looked for; by
            default the range of the points.
        accuracy: relative accuracy of the model's outputs, such as 1e-6; by default it is measured. A solver's error
            that changes smoothly with the parameters cannot be measured and should be stated.
        fits: number of least-squares fits that look for a second solution; 0 for none, by default up to 160.
        vectorized: False if the model takes one set of parameters [p] at a time and returns outputs [n].
        progress: whether a bar appears when the runs take longer than 5 seconds.
        seed: key of the random choices.

    Returns:
        `Report`.

    Raises:
        InputError: if shapes do not fit, the model is random, or has sound derivatives at fewer than 3 points.

    Source: T. J. Rothenberg, Econometrica 39 (1971) 577-591, for the rank condition.
    """
    check_seed(seed)
    points, names = checked_points(points, names)
    sd, stated = checked_sd(prior_sd, points), checked_accuracy(accuracy)
    box = box_of(checked_ranges(ranges, points), points)
    with Runs(model, vectorized, progress=progress) as runs:
        linear = _near(runs, points, sd, noise, stated, seed)
        return _report(runs, linear, names, box, fits, seed)


def _near(model: Runs, points: np.ndarray, sd: np.ndarray, noise, accuracy: float | None, seed: int) -> Linearisation:
    """The model near the points, with the errors of its outputs and derivatives."""
    outputs = model(points)
    repeated = check_repeatable(model, points, outputs)
    found = jacobians(model, points)
    if len(found.kept) < FEWEST_KEPT:
        raise InputError(
            f"The model has sound derivatives at {len(found.kept)} of {len(points)} points only, but at least "
            f"{FEWEST_KEPT} are needed. At the others its outputs, or those of parameters nearby, are not finite "
            "or do not change smoothly. Give more points, or points well inside the region where the model works."
        )
    if accuracy is None:
        errors = output_errors(model, found.points, found.outputs, repeated, seed)
    else:
        errors = accuracy * np.abs(found.outputs).max(axis=0)
    return Linearisation.of(found, sd, noise, errors)


def _report(model: Runs, linear: Linearisation, names: tuple[str, ...], box, fits: int | None, seed: int) -> Report:
    parts = regions(linear, names)
    linear, weights, example = _what_is_lost(model, linear, seed)
    exponents = _exponents(weights, names)
    verdicts = _verdicts(linear, weights, names)
    searched = _search(model, linear, names, verdicts, box, fits, seed)
    verdicts |= {names[i]: Identifiability.AMBIGUOUS for i in searched.differing}
    found, sd = linear.jacobians, linear.sd
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
        functions=[] if weights is not None else known_functions(model, linear, names),
        directions=_directions(linear),
        cramer_rao=bounds,
        linear_ceiling={name: linear.linear_ceiling(_axis(linear, i)) for i, name in enumerate(names)},
        counterexample=example,
        search=searched,
        regions={name: part for name, part in parts.items() if verdicts[name] == Identifiability.UNDECIDED},
        reasons={names[i]: searched.reason(i, names) for i in searched.differing},
        method=found.method,
        accuracy=_relative_accuracy(linear),
        calls=model.calls,
        rows=model.rows,
        seed=seed,
        linear=linear,
    )


def _relative_accuracy(linear: Linearisation) -> float:
    """Possible error of the outputs as a part of their size, the median over the outputs."""
    white = np.abs(linear.white)
    size = whitened(white, np.abs(linear.jacobians.outputs).max(axis=0)[:, None])[:, 0]
    return float(np.median(linear.output_errors[size > 0.0] / size[size > 0.0])) if size.any() else 0.0


def _axis(linear: Linearisation, i: int) -> np.ndarray:
    """Gradients of parameter i itself, shape [u, p]."""
    return np.tile(np.eye(linear.scaled.shape[2])[i], (len(linear.scaled), 1))


# What cannot be known ------------------------------------------------------------------------


def _scaling_group(model: Runs, linear: Linearisation) -> np.ndarray | None:
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
    model: Runs, linear: Linearisation, seed: int
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


def _verdicts(linear: Linearisation, weights, names) -> dict[str, Identifiability]:
    """What the neighbourhood of the points tells of each parameter."""
    verdicts: dict[str, Identifiability] = {}
    for i, name in enumerate(names):
        known = linear.is_known(_axis(linear, i)) if weights is None else not weights[:, i].any()
        alone = weights is not None and any(row[i] and np.count_nonzero(row) == 1 for row in weights)
        if linear.dead[i] or alone:
            verdicts[name] = Identifiability.DEAD
        elif known is None:
            verdicts[name] = Identifiability.UNDECIDED
        else:
            verdicts[name] = Identifiability.RECOVERABLE if known else Identifiability.COMBINATION
    return verdicts


def _search(model: Runs, linear: Linearisation, names, verdicts, box, fits: int | None, seed: int) -> Search:
    """Looks for other values of what can be known, at all points or at some."""
    kinds = (Identifiability.RECOVERABLE, Identifiability.UNDECIDED)
    candidates = [
        linear.known_at(_axis(linear, i)) if verdicts[name] in kinds else [False] * len(linear.scaled)
        for i, name in enumerate(names)
    ]
    return search(model, linear, np.array(candidates, bool).T, box, seed, fits)


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


def _counterexample(model: Runs, linear: Linearisation, weights, seed: int) -> Counterexample | None:
    """Two sets of parameters with the same outputs, if possible without use of a dead parameter."""
    if linear.rank == linear.scaled.shape[2]:
        return None
    if weights is not None:
        alive = [row for row in weights if not linear.dead[np.flatnonzero(row)].all()]
        return symmetries.scaling_counterexample(model, linear, (alive or list(weights))[0])
    return _on_a_path(model, linear, seed)


def _on_a_path(model: Runs, linear: Linearisation, seed: int) -> Counterexample | None:
    generator = np.random.default_rng(seed)
    for u in generator.permutation(linear.agreeing)[:FEWEST_KEPT]:
        example = symmetries.path_counterexample(model, linear, u, generator)
        if example is not None:
            return example
    return None


def scaling_holds(model: Callable, points, weights) -> bool:
    """Checks that outputs stay the same when each parameter is multiplied by s^w, for s = 0.5 and 2.

    Args:
        model: see `analyse`.
        points: shape [points, p].
        weights: exponents w, shape [p].
    """
    runs, points = Runs(model), np.asarray(points, float)
    try:
        linear = _near(runs, points, checked_sd(None, points), None, None, 0)
    except InputError:
        return False
    return symmetries.scaling_counterexample(runs, linear, np.asarray(weights)) is not None

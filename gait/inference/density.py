"""Density of an exact posterior at given subject parameters, over all circumstances of the walk.

By Bayes' rule p(subject | recording) = p(subject) p(recording | subject) / p(recording). The numerator is the evidence
of a model whose only unknowns are the circumstances: it is found as that of the whole posterior is, from descents that
begin at draws of the posterior near the subject.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import special

from gait.errors import InputError
from gait.inference.kernels import descend
from gait.inference.problem import log_constant
from gait.inference.ratio import STIFFNESSES, ratio_name
from gait.inference.rounds import SHARP, make_rounds
from gait.inference.walker import Walker
from gait.inference.walking import WalkingProbability
from gait.parameters import CIRCUMSTANCE, derive, subject_of

_STARTS, _STEPS = 12, 25  # descents in the circumstances, and their steps
_DRAWS = 400
_MOST, _DEPTH = 100, 25.0  # modes of the circumstances
_HOT = 10.0 * SHARP  # makes rounds take the posterior for one that consists of modes


def log_densities(
    walker: Walker, coordinates: np.ndarray, weights: np.ndarray, log_evidence: float, observed: np.ndarray,
    sd: np.ndarray, values: Mapping[str, np.ndarray], generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Logarithm of the density of a posterior over the subject parameters, SI units, and its standard error.

    Args:
        walker: the unknowns, with the probability of walking.
        coordinates, weights: draws of its posterior, shape [n, D] and [n].
        log_evidence: of the recording.
        observed: the recording, shape [outputs].
        sd: standard deviation of its noise, shape [outputs].
        values: subject parameters by name, shape [p] each. Where only k/m is known, the ratios may stand for mass and
            stiffnesses: then the density is over them.
        generator: source of random numbers.

    Returns:
        Two arrays of shape [p]; minus infinity outside the prior.

    Raises:
        InputError: if a subject parameter is missing.
    """
    subject = [name for name in subject_of(walker.model.unknowns) if name not in walker.known]
    table = {name: np.atleast_1d(np.asarray(column, float)) for name, column in values.items()}
    by_ratio = not walker.sized and "mass" not in table
    if by_ratio:
        table = _any_mass(walker, table)
    missing = [name for name in subject if name not in table]
    if missing:
        raise InputError(
            f"The density of this posterior is one over {', '.join(subject)}. Received: {', '.join(values)}. "
            "Give each of them, one array by name."
        )
    found, errors = [], []
    for row in range(len(table[subject[0]])):
        log, error = _at(walker, coordinates, weights, observed, sd,
                         {name: float(table[name][row]) for name in subject}, generator)  # fmt: skip
        found.append(log - log_evidence)
        errors.append(error)
    log_density = np.array(found)
    if by_ratio:
        power = len(walker.stiffnesses) + 1
        ratios = np.stack([table[ratio_name(name)] for name in walker.stiffnesses], axis=1)
        low, high = walker.ratio_posterior.mass_bounds(ratios)
        log_density = log_density + np.log(np.maximum(high**power - low**power, 1e-300)) - np.log(power)
    return log_density, np.array(errors)


def _any_mass(walker: Walker, table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The table with a possible mass for its ratios, and the stiffnesses that belong to it."""
    ratios = {name: derive(ratio_name(name), table) for name in walker.stiffnesses}
    given = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    if len(given) < len(ratios):
        return dict(table)
    low, high = walker.ratio_posterior.mass_bounds(np.stack(list(given.values()), axis=1))
    return {**table, "mass": 0.5 * (low + high)} | {name: ratio * 0.5 * (low + high) for name, ratio in given.items()}


def _at(
    walker: Walker, coordinates: np.ndarray, weights: np.ndarray, observed: np.ndarray, sd: np.ndarray,
    subject: Mapping[str, float], generator: np.random.Generator,
) -> tuple[float, float]:  # fmt: skip
    """Logarithm of prior density times likelihood of a subject, and its standard error."""
    log_prior = 0.0
    for name, value in subject.items():
        prior = walker.model.prior(name)
        if not prior.low <= value <= prior.high:
            return -np.inf, 0.0
        log_prior -= np.log(prior.high - prior.low)
    ratios = {ratio_name(name): subject[name] / subject["mass"] for name in STIFFNESSES if name in subject}
    own = {name: np.full(1, value) for name, value in {**subject, **ratios, **walker.known}.items()}
    names = list(walker.ranges)
    free = [column for column, name in enumerate(names) if name in CIRCUMSTANCE]
    point = np.zeros((1, walker.dimension))
    at = walker.coordinates_of({name: own.get(name, np.full(1, walker.ranges[name].low)) for name in names})
    fixed = [column for column in range(walker.dimension) if column not in free]
    point[:, fixed] = at[:, fixed]
    if walker.walking is None:
        raise ValueError("the probability of walking is not known")
    log_walks = float(walker.walking.log(walker.subject(point))[0])
    logit = log_walks - np.log(-np.expm1(min(log_walks, -1e-12)))
    constant = WalkingProbability(np.zeros((1, 0), int), np.array([logit]), np.zeros((1, 1)))
    known = {**subject, **{name: value for name, value in walker.known.items() if name in CIRCUMSTANCE}}
    alone = dataclasses.replace(walker, known={**walker.known, **known}, walking=constant)
    starts = _near(coordinates, weights, point[0], fixed)[:, free]
    modes, _ = descend(alone, starts, observed, sd, steps=_STEPS)
    rounds = make_rounds(alone, modes.heaviest(_MOST, _DEPTH), observed, sd, _HOT, _DRAWS, generator)
    last = rounds[-1]
    if not last.effective:
        return -np.inf, np.inf
    return log_prior + last.log_evidence + log_constant(sd), last.error


def _near(coordinates: np.ndarray, weights: np.ndarray, point: np.ndarray, fixed: list[int]) -> np.ndarray:
    """Draws of the posterior that are next to a subject, moved to it along the regression of all draws; [starts, D]."""
    mean = weights @ coordinates
    away = coordinates - mean
    covariance = (away * weights[:, None]).T @ away
    own = covariance[np.ix_(fixed, fixed)] + 1e-12 * np.eye(len(fixed))
    slope = np.linalg.solve(own, covariance[fixed])  # [fixed, D]
    distance = (point - coordinates)[:, fixed]
    far = np.einsum("ni,ij,nj->n", distance, np.linalg.inv(own), distance)
    far = np.where(weights > 0.0, far, np.inf)
    rows = np.argsort(far)[:_STARTS]
    return special.ndtri(np.clip(special.ndtr(coordinates[rows] + distance[rows] @ slope), 1e-9, 1.0 - 1e-9))

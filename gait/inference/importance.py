"""Posterior of a recording by importance sampling from mixtures that are frozen before their draws are made.

The search is global before it is local. A bank of recordings of the prior is compared with the recording, at a noise
so large that the bank has enough effective draws. Candidates drawn from it become local Gaussian approximations: of
their neighbourhoods where noise is large, of the modes below them where it is small. Their mixture is the first
proposal. Each further one has kernels on the weighted draws of the one before, and keeps a part of the first. As every
proposal is fixed before its draws are made, each round by itself estimates the evidence without bias. Only the draws of
the last round are returned, with those of the half of the bank on which no kernel stands; the others serve as a check.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import special

from gait.inference.bank import Bank, effective
from gait.inference.kernels import descend, systematic
from gait.inference.problem import Problem, log_constant, log_standard_normal, misfit
from gait.inference.rounds import (
    SHARE,
    SHARP,
    Round,
    first_proposal,
    grown,
    make_rounds,
    matched_rounds,
    relative_error,
)

_PRIOR = 1.5, 300.0
"""Temperature up to which, and effective draws from which, the bank itself is the posterior."""
_LIGHT = 1.0  # log weights of the bank so far below a mean draw's are light
_GUIDED = ((8, False), (32, True))  # descents from the best points of a guide, and whether by way of beginnings
_DEPTH = 25.0  # of log masses of modes below the heaviest
_EFFORTS = ((1, 20), (4, 80))  # factors of candidates or starts, and steps down to a mode, in turn
LEAST_EFFECTIVE = 100.0
"""Effective draws that a posterior needs."""
MOST_OF_ONE = 0.1
"""Share of the posterior that a single draw may carry."""
_UNLIKELY = 1e-6  # probability of a chi-square
_DISAGREEMENT = 5.0, 0.15  # of log evidences: in standard errors, and beyond them


@dataclasses.dataclass(frozen=True)
class Sample:
    """Weighted draws of a posterior; made by `sample`.

    Attributes:
        coordinates: shape [n, D].
        weights: their share of the posterior, shape [n]; they sum to 1.
        effective: effective number of draws.
        log_evidence: logarithm of the density of the recording.
        error: its standard error.
        best: coordinates of the best fit found, shape [D].
        misfit: its chi-square.
        method: how the draws were made, in words.
        temperature: factor of the noise variance at which the bank has enough effective draws.
        reason: why the posterior is not to be trusted, in a sentence; empty if it is.
        fits: False if no draw of the prior was found that fits the recording.
    """

    coordinates: np.ndarray
    weights: np.ndarray
    effective: float
    log_evidence: float
    error: float
    best: np.ndarray
    misfit: float
    method: str
    temperature: float
    reason: str
    fits: bool


def sample(
    problem: Problem,
    bank: Bank,
    observed: np.ndarray,
    sd: np.ndarray,
    log_fit: np.ndarray,
    count: int,
    generator: np.random.Generator,
) -> Sample:
    """Draws from the posterior of one recording.

    Args:
        problem: the model.
        bank: recordings of its prior, weighted.
        observed: the recording, shape [outputs].
        sd: standard deviation of its noise, shape [outputs].
        log_fit: of the recording to the bank, see `Bank.log_fit`, shape [b].
        count: number of draws.
        generator: source of random numbers.
    """
    weights = bank.log_weight + log_fit
    temperature = bank.temperature(log_fit, SHARE * len(bank))
    if temperature <= _PRIOR[0] and effective(weights) >= _PRIOR[1]:
        return _from_bank(problem, bank, observed, sd, weights, temperature, count, generator)
    # Kernels stand on draws of one half of the bank. The other half, which knows nothing of them, checks them: a draw
    # weighed against kernels that stand on it would count for too little.
    searched, reserve = bank.halves()
    reserve_weights = reserve.log_weight + log_fit[1::2]
    found = None
    for effort in _EFFORTS:
        first = first_proposal(problem, searched, observed, sd, log_fit[::2], temperature, effort, generator)
        rounds = make_rounds(problem, first, observed, sd, temperature, count, generator)
        found = _judged(problem, reserve, observed, sd, reserve_weights, temperature, rounds, count, generator)
        if found.fits and not found.reason:
            break
    assert found is not None
    return found


def sample_from(
    problem: Problem, bank: Bank, observed: np.ndarray, sd: np.ndarray, log_fit: np.ndarray, temperature: float,
    guide: Callable[[np.ndarray], np.ndarray], count: int, generator: np.random.Generator,
) -> Sample | None:  # fmt: skip
    """Draws from the posterior of one recording, as `sample` does, but begins where a guide says.

    Args:
        problem, bank, observed, sd, log_fit, count, generator: see `sample`.
        temperature: of the recording, see `Bank.temperature`.
        guide: makes points [s, D] near the modes from the log weights [b] of the bank at this temperature.

    Returns:
        The sample; None if it fails a check, or if noise is so large that the posterior does not consist of modes.
    """
    if temperature < SHARP:
        return None
    points = guide(bank.log_weight + log_fit / temperature)
    points = points[np.argsort(misfit(problem.outputs(points), observed, sd))]
    _, reserve = bank.halves()
    reserve_weights = reserve.log_weight + log_fit[1::2]
    for most, grow in _GUIDED:
        starts = grown(problem, points[:most], observed, sd, 1) if grow else points[:most]
        modes, fits = descend(problem, starts, observed, sd, steps=_EFFORTS[0][1])
        if not _plausible(float(fits.min()), observed, problem):
            continue  # they have ended in wrong modes
        for way in (matched_rounds, make_rounds):
            rounds = way(problem, modes.heaviest(most, _DEPTH), observed, sd, temperature, count, generator)
            if rounds is not None:
                found = _judged(problem, reserve, observed, sd, reserve_weights, temperature, rounds, count, generator)
                if found.fits and not found.reason:
                    return dataclasses.replace(found, method=f"{found.method}, guided by a network")
    return None


def _from_bank(
    problem: Problem, bank: Bank, observed: np.ndarray, sd: np.ndarray, log_weights: np.ndarray, temperature: float,
    count: int, generator: np.random.Generator,
) -> Sample:  # fmt: skip
    """Posterior by exact importance sampling from the prior."""
    best = bank.coordinates[np.argmax(log_weights)]
    fit = float(misfit(problem.outputs(best[None]), observed, sd)[0])
    effective_draws = effective(log_weights)
    chosen = systematic(np.exp(log_weights - log_weights.max()), count, generator)
    return Sample(
        coordinates=bank.coordinates[chosen],
        weights=np.full(count, 1.0 / count),
        effective=min(effective_draws, float(count)),
        log_evidence=float(special.logsumexp(log_weights)) + log_constant(sd),
        error=relative_error(effective_draws, bank.size),
        best=best,
        misfit=fit,
        method=f"{bank.size:,} walks of the prior, weighted",
        temperature=temperature,
        reason="",
        fits=_plausible(fit, observed, problem),
    )


def _with_bank(
    last: Round, bank: Bank, bank_weights: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of the last round and of the bank as one sample from the mixture of both proposals.

    Where the kernels have missed a part of the posterior, the bank stands in for it (balance heuristic; E. Veach,
    L. Guibas, SIGGRAPH 1995, 419-428).

    Args:
        last: the round.
        bank: draws of the prior of which the kernels know nothing.
        bank_weights: their log weights as a sample of the posterior, shape [b].
        generator: source of random numbers.

    Returns:
        Coordinates [n, D] and log weights [n], so that the sum of the weights estimates the evidence.
    """
    count, drawn = len(last.log_weights), bank.size
    # Of light draws a few stand for all: each stays with a probability that its weight makes up for.
    light = max(float(special.logsumexp(bank_weights)), last.log_evidence) - np.log(count) - _LIGHT
    rows = np.flatnonzero(np.log(generator.random(len(bank_weights))) < bank_weights - light)
    bank_weights = np.maximum(bank_weights[rows], light)
    able = np.isfinite(last.log_weights)
    points = np.concatenate([bank.coordinates[rows], last.coordinates[able]])
    plain = np.concatenate([bank_weights + np.log(drawn), last.log_weights[able]])
    ratio = last.mixture.log_density(points) - log_standard_normal(points)  # of the proposal to the prior's draws
    # Both weights become posterior / (drawn prior + count proposal).
    share = -np.logaddexp(np.log(drawn), np.log(count) + ratio)
    share[len(rows) :] += ratio[len(rows) :]
    return points, plain + share


def _judged(
    problem: Problem, bank: Bank, observed: np.ndarray, sd: np.ndarray, bank_weights: np.ndarray, temperature: float,
    rounds: list[Round], count: int, generator: np.random.Generator,
) -> Sample:  # fmt: skip
    """The last round, with the bank, as a posterior, with a verdict on it."""
    last = rounds[-1]
    fits = np.concatenate([found.misfit for found in rounds])
    best = int(np.argmin(fits))
    coordinates, log_weights = last.coordinates, last.log_weights - np.log(len(last.log_weights))
    if temperature < SHARP:
        coordinates, log_weights = _with_bank(last, bank, bank_weights, generator)
    effective_draws = effective(log_weights)
    log_evidence = float(special.logsumexp(log_weights)) if effective_draws else -np.inf
    weights = np.exp(log_weights - log_weights.max()) if effective_draws else np.ones(len(log_weights))
    weights /= weights.sum()
    largest, error = float(weights.max()), relative_error(effective_draws, len(weights))
    if len(weights) != count:
        chosen = systematic(weights, count, generator)
        coordinates, weights = coordinates[chosen], np.full(count, 1.0 / count)
    return Sample(
        coordinates=coordinates,
        weights=weights,
        effective=min(effective_draws, float(count)),
        log_evidence=log_evidence + log_constant(sd),
        error=error,
        best=np.concatenate([found.coordinates for found in rounds])[best],
        misfit=float(fits[best]),
        method=f"a mixture of local approximations, adapted in {len(rounds) - 1} rounds",
        temperature=temperature,
        reason=_doubt(rounds, (log_evidence, error, effective_draws), largest, bank, bank_weights),
        fits=_plausible(float(fits[best]), observed, problem),
    )


def _plausible(fit: float, observed: np.ndarray, problem: Problem) -> bool:
    return bool(special.chdtrc(max(1, len(observed) - problem.dimension), fit) > _UNLIKELY)


def _doubt(
    rounds: list[Round], found: tuple[float, float, float], largest: float, bank: Bank, bank_weights: np.ndarray
) -> str:
    """Why a sample is not to be trusted, in a sentence; empty if it is.

    Args:
        rounds: all rounds.
        found: log evidence, its error and the effective draws of the sample.
        largest: share of its heaviest draw.
        bank: recordings of the prior.
        bank_weights: log weights of the bank as a sample of the posterior.
    """
    evidence, error, effective_draws = found
    if effective_draws < LEAST_EFFECTIVE:
        return f"Only {effective_draws:.0f} of the draws are effective; it takes {LEAST_EFFECTIVE:.0f}."
    if largest > MOST_OF_ONE:
        return f"A single draw carries {100 * largest:.0f} % of the posterior; it may carry {100 * MOST_OF_ONE:.0f} %."
    others = [(each.log_evidence, each.error, each.effective) for each in rounds]
    own = effective(bank_weights)
    others.append((float(special.logsumexp(bank_weights)), relative_error(own, bank.size), own))
    for other, its_error, its_effective in others:
        allowed = _DISAGREEMENT[0] * np.hypot(its_error, error) + _DISAGREEMENT[1]
        if its_effective >= LEAST_EFFECTIVE and abs(other - evidence) > allowed:
            return (
                f"Two estimates of the log evidence differ by {abs(other - evidence):.2f}, with errors of "
                f"{its_error:.2f} and {error:.2f}: a mode may be missing."
            )
    return ""

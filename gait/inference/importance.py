"""Posterior of a recording by importance sampling from mixtures that are frozen before their draws are made.

The search is global before it is local. A bank of recordings of the prior is compared with the recording, at a noise
so large that the bank has enough effective draws. Candidates drawn from it become local Gaussian approximations: of
their neighbourhoods where noise is large, of the modes below them where it is small. Their mixture is the first
proposal. Each further one has kernels on the weighted draws of the one before, and keeps a part of the first. As every
proposal is fixed before its draws are made, each round by itself estimates the evidence without bias. Only the draws of
the last round are returned, with those of the half of the bank on which no kernel stands; the others serve as a check.

Sources: O. Cappé, A. Guillin, J.-M. Marin, C. Robert, J. Comput. Graph. Stat. 13 (2004) 907-929, for the rounds;
T. Hesterberg, Technometrics 37 (1995) 185-194, for the part of the first proposal in all others; E. Ionides, J. Comput.
Graph. Stat. 17 (2008) 295-311, for the truncated weights that choose the kernels.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from gait.inference.bank import Bank, effective
from gait.inference.kernels import Kernels, Mixture, Neighbourhoods, descend, systematic
from gait.inference.problem import Problem, log_constant, log_prior, log_standard_normal, misfit

_PRIOR = 1.5, 300.0
"""Temperature up to which, and effective draws from which, the bank itself is the posterior."""
SHARE = 0.005
"""Effective draws at the temperature at which candidates are chosen, as a part of the bank."""
_SHARP = 20.0  # temperature from which candidates descend to modes
_CANDIDATES, _STARTS = 1500, 48
_RADIUS, _NARROWING = 0.3, 0.8
_CENTRES, _MOST_KERNELS = 800, 1500
_DEPTH = 12.0, 25.0  # of log masses below the heaviest kernel: of neighbourhoods, of modes
_GLOBAL = 0.15  # share of the first proposal in all others
_MEMORY = 3  # rounds whose draws bear kernels
_ROUNDS, _GOOD, _FAIR, _LONGER = 5, 0.4, 0.25, 4
_LIGHT = 1.0  # log weights of the bank so far below a mean draw's are light
_EFFORTS = ((1, 20), (4, 80))  # factors of candidates or starts, and steps down to a mode, in turn
LEAST_EFFECTIVE = 100.0
"""Effective draws that a posterior needs."""
MOST_OF_ONE = 0.1
"""Share of the posterior that a single draw may carry."""
_UNLIKELY = 1e-6  # probability of a chi-square
_DISAGREEMENT = 5.0, 0.15  # of log evidences: in standard errors, and beyond them


@dataclasses.dataclass(frozen=True)
class Round:
    """Draws of one frozen proposal.

    Attributes:
        coordinates: shape [n, D].
        outputs: shape [n, outputs].
        misfit: their chi-square, shape [n]; infinite where there are no outputs.
        mixture: the proposal.
        log_weights: posterior density over that of the proposal, shape [n], less `log_constant`.
    """

    coordinates: np.ndarray
    outputs: np.ndarray
    misfit: np.ndarray
    mixture: Mixture
    log_weights: np.ndarray

    @classmethod
    def of(
        cls, problem: Problem, mixture: Mixture, observed: np.ndarray, sd: np.ndarray, count: int,
        generator: np.random.Generator,
    ) -> Round:  # fmt: skip
        """Makes `count` draws of a mixture and weighs them."""
        drawn = mixture.draw(count, generator)
        outputs = problem.outputs(drawn)
        fit = misfit(outputs, observed, sd)
        able = np.isfinite(fit)
        log_weights = np.full(count, -np.inf)
        log_weights[able] = log_prior(problem, drawn[able]) - 0.5 * fit[able] - mixture.log_density(drawn[able])
        return cls(drawn, outputs, fit, mixture, log_weights)

    @property
    def effective(self) -> float:
        """Effective number of draws."""
        return effective(self.log_weights)

    def truncated(self) -> np.ndarray:
        """Log weights, at most the square root of their number times their mean, shape [n]."""
        if not self.effective:
            return self.log_weights
        return np.minimum(self.log_weights, self.log_evidence + 0.5 * np.log(len(self.log_weights)))

    @property
    def log_evidence(self) -> float:
        """Logarithm of the mean weight."""
        return float(special.logsumexp(self.log_weights) - np.log(len(self.log_weights)))

    @property
    def error(self) -> float:
        """Standard error of `log_evidence`."""
        return relative_error(self.effective, len(self.log_weights))


def relative_error(effective_draws: float, count: int) -> float:
    """Relative standard error of a mean of weights, from their effective number."""
    return float(np.sqrt(max(1.0 / effective_draws - 1.0 / count, 0.0))) if effective_draws else np.inf


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
        first = _first_proposal(problem, searched, observed, sd, log_fit[::2], temperature, effort, generator)
        rounds = _rounds(problem, first, observed, sd, count, generator)
        found = _judged(problem, reserve, observed, sd, reserve_weights, temperature, rounds, count, generator)
        if found.fits and not found.reason:
            break
    assert found is not None
    return found


def _first_proposal(
    problem: Problem, bank: Bank, observed: np.ndarray, sd: np.ndarray, log_fit: np.ndarray, temperature: float,
    effort: tuple[int, int], generator: np.random.Generator,
) -> Kernels:  # fmt: skip
    """Kernels that cover the posterior, from candidates of the bank at a temperature."""
    more, steps = effort
    tempered = bank.log_weight + log_fit / temperature
    shares = np.exp(tempered - tempered.max())
    if temperature >= _SHARP:
        chosen = np.unique(systematic(shares, more * _STARTS, generator))
        modes, _ = descend(problem, bank.coordinates[chosen], observed, sd, steps=steps)
        return modes.heaviest(_MOST_KERNELS, _DEPTH[1])
    chosen = np.unique(systematic(shares, more * _CANDIDATES, generator))
    points, outputs = bank.coordinates[chosen], bank.recordings[chosen] + bank.centre
    near = Neighbourhoods.of(problem, points, outputs, observed, sd, _RADIUS).kernels(problem, observed, sd)
    # The more candidates a neighbourhood can expect, the less each of them stands for.
    corrected = near.log_masses + bank.log_weight[chosen] - tempered[chosen]
    return dataclasses.replace(near, log_masses=corrected).heaviest(_MOST_KERNELS, _DEPTH[0])


def _rounds(
    problem: Problem, first: Kernels, observed: np.ndarray, sd: np.ndarray, count: int, generator: np.random.Generator
) -> list[Round]:
    """Rounds of draws, the last of which counts."""
    rounds = [Round.of(problem, Mixture([first]), observed, sd, count, generator)]
    while rounds[-1].effective < _GOOD * count and len(rounds) < _ROUNDS:
        last = len(rounds) + 1 == _ROUNDS and rounds[-1].effective < _FAIR * count
        proposal = _next_proposal(problem, rounds[-_MEMORY:], first, observed, sd, generator)
        rounds.append(Round.of(problem, proposal, observed, sd, count * (_LONGER if last else 1), generator))
    return rounds


def _next_proposal(
    problem: Problem, past: list[Round], first: Kernels, observed: np.ndarray, sd: np.ndarray,
    generator: np.random.Generator,
) -> Mixture:  # fmt: skip
    """Kernels on draws of the last rounds, and a part of the first proposal."""
    log_weights = np.concatenate([found.truncated() for found in past])
    largest = log_weights.max()
    if not np.isfinite(largest):
        return Mixture([first])
    chosen = np.unique(systematic(np.exp(log_weights - largest), _CENTRES, generator))
    points = np.concatenate([found.coordinates for found in past])[chosen]
    outputs = np.concatenate([found.outputs for found in past])[chosen]
    near = Neighbourhoods.of(problem, points, outputs, observed, sd, _RADIUS)
    kernels = Kernels(points, _NARROWING * near.factors, np.zeros(len(chosen)))
    return Mixture([kernels, first], [1.0 - _GLOBAL, _GLOBAL])


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
    if temperature < _SHARP:
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

"""Rounds of draws, each from a mixture that is frozen before, as proposals for a posterior.

Sources: O. Cappé, A. Guillin, J.-M. Marin, C. Robert, J. Comput. Graph. Stat. 13 (2004) 907-929, for the rounds;
T. Hesterberg, Technometrics 37 (1995) 185-194, for the part of the first proposal in all others; E. Ionides, J. Comput.
Graph. Stat. 17 (2008) 295-311, for the truncated weights that choose the kernels.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from gait.inference.bank import Bank, effective
from gait.inference.kernels import HEAVY, LIGHT, Kernels, Mixture, Neighbourhoods, descend, matched, systematic
from gait.inference.problem import Problem, log_prior, misfit

SHARE = 0.005
"""Effective draws at the temperature at which candidates are chosen, as a part of the bank."""
SHARP = 20.0
"""Temperature from which the posterior consists of modes."""
_CANDIDATES = 1500
_STARTS, _GROWN = 48, 48  # descents in the whole recording, and by way of its beginnings
_STEPS = 8  # in each beginning
_BLIND = 1e5  # factor of the noise of samples that do not count yet
_RADIUS, _NARROWING = 0.3, 0.8
_CENTRES, _MOST_KERNELS = 800, 1500
_DEPTH = 12.0, 25.0  # of log masses below the heaviest kernel: of neighbourhoods, of modes
_GLOBAL = 0.15  # share of the first proposal in all others
_MATCHED = 0.6  # share of Gaussians with the moments of the draws around each mode
_MEMORY = 3  # rounds whose draws bear kernels
_ROUNDS, _FAIR, _LONGER = 5, 0.25, 4
_PILOT, _LEAST_PILOT, _FIRST = 0.2, 200, 0.06  # draws of a first round as a part of all, at least; and its share later
_TAILS = 0.15  # share of heavy tails in a proposal whose other components are next to Gaussian
_PILOTS, _REPEATS = 5, 3  # most rounds of so many draws, and of all
_FOR_MOMENTS, _FLATTEST = 20.0, 0.02  # effective draws for each coordinate, and the least power of weights
_PARTS, _SORTINGS = 4, 3  # of the draws around each mode, and how often they are sorted anew
_ENOUGH = 0.4  # share of effective draws of the last round; with fewer, a curved posterior has lost its ends
_GOOD = 0.4, 0.55  # share of effective draws that is good enough: of neighbourhoods, of modes


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


def first_proposal(
    problem: Problem, bank: Bank, observed: np.ndarray, sd: np.ndarray, log_fit: np.ndarray, temperature: float,
    effort: tuple[int, int], generator: np.random.Generator,
) -> Kernels:  # fmt: skip
    """Kernels that cover the posterior, from candidates of the bank at a temperature.

    Args:
        problem: the model.
        bank: recordings of its prior.
        observed: the recording, shape [outputs].
        sd: standard deviation of its noise, shape [outputs].
        log_fit: of the recording to the bank, shape [b].
        temperature: factor of the noise variance at which the bank has enough effective draws.
        effort: factor of candidates or starts, and steps down to a mode.
        generator: source of random numbers.
    """
    more, steps = effort
    tempered = bank.log_weight + log_fit / temperature
    if temperature >= SHARP:
        starts = bank.coordinates[_chosen(tempered, more * _STARTS, generator)]
        if len(problem.beginnings):
            starts = np.concatenate([starts, _grown(problem, bank, observed, sd, more, generator)])
        modes, _ = descend(problem, starts, observed, sd, steps=steps)
        return modes.heaviest(_MOST_KERNELS, _DEPTH[1])
    chosen = _chosen(tempered, more * _CANDIDATES, generator)
    points, outputs = bank.coordinates[chosen], bank.recordings[chosen] + bank.centre
    near = Neighbourhoods.of(problem, points, outputs, observed, sd, _RADIUS).kernels(problem, observed, sd)
    # The more candidates a neighbourhood can expect, the less each of them stands for.
    corrected = near.log_masses + bank.log_weight[chosen] - tempered[chosen]
    return dataclasses.replace(near, log_masses=corrected).heaviest(_MOST_KERNELS, _DEPTH[0])


def _chosen(log_weights: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Numbers of `count` draws in proportion to weights with these logarithms [n], each once."""
    return np.unique(systematic(np.exp(log_weights - log_weights.max()), count, generator))


def _grown(
    problem: Problem, bank: Bank, observed: np.ndarray, sd: np.ndarray, more: int, generator: np.random.Generator
) -> np.ndarray:
    """Points near modes of the whole recording, from modes of its growing beginnings; shape [n, D].

    The longer a walk, the narrower its modes, and a descent from afar ends in a wrong one. Its beginning has few and
    wide modes. They hold those of a longer piece, which are then near.
    """
    blind = np.where(problem.beginnings[0], sd, _BLIND * sd)
    fit = bank.log_fit(observed[None], blind)[0]
    tempered = bank.log_weight + fit / bank.temperature(fit, SHARE * len(bank))
    return grown(problem, bank.coordinates[_chosen(tempered, more * _GROWN, generator)], observed, sd, more)


def grown(problem: Problem, points: np.ndarray, observed: np.ndarray, sd: np.ndarray, more: int) -> np.ndarray:
    """Follows points [n, D] down to modes of growing beginnings of a recording, one after the other.

    Args:
        problem: the model.
        points: shape [n, D]; returned as they are if the recording has no beginnings.
        observed: the recording, shape [outputs].
        sd: standard deviation of its noise, shape [outputs].
        more: factor of the steps.
    """
    for counted in problem.beginnings:
        blind = np.where(counted, sd, _BLIND * sd)
        points = descend(problem, points, observed, blind, steps=more * _STEPS)[0].centres
    return points


def make_rounds(
    problem: Problem, first: Kernels, observed: np.ndarray, sd: np.ndarray, temperature: float, count: int,
    generator: np.random.Generator,
) -> list[Round]:  # fmt: skip
    """Rounds of draws, until enough of them are effective; the last one counts.

    Args:
        problem: the model.
        first: kernels of the first proposal.
        observed: the recording, shape [outputs].
        sd: standard deviation of its noise, shape [outputs].
        temperature: see `first_proposal`.
        count: draws of a round.
        generator: source of random numbers.
    """
    sharp = temperature >= SHARP
    rounds = [Round.of(problem, Mixture([first]), observed, sd, count, generator)]
    while rounds[-1].effective < _GOOD[sharp] * count and len(rounds) < _ROUNDS:
        last = len(rounds) + 1 == _ROUNDS and rounds[-1].effective < _FAIR * count
        proposal = _next_proposal(problem, rounds[-_MEMORY:], first, observed, sd, sharp, generator)
        rounds.append(Round.of(problem, proposal, observed, sd, count * (_LONGER if last else 1), generator))
    return rounds


def matched_rounds(
    problem: Problem, first: Kernels, observed: np.ndarray, sd: np.ndarray, temperature: float, count: int,
    generator: np.random.Generator,
) -> list[Round] | None:  # fmt: skip
    """Rounds from Gaussians with the moments of the draws around each mode: few walks, where the modes are known.

    Args:
        problem, observed, sd, temperature, count, generator: see `make_rounds`.
        first: Laplace's approximations of the modes.

    Returns:
        The rounds, of which the last one has `count` draws; None if too few of them are effective.
    """
    pilot = max(int(_PILOT * count), _LEAST_PILOT)
    rounds = [Round.of(problem, Mixture([first]), observed, sd, pilot, generator)]
    full = 0
    for _ in range(_PILOTS + _REPEATS):
        past = rounds[-_MEMORY:]
        log_weights = np.concatenate([found.truncated() for found in past])
        if not np.isfinite(log_weights).any():
            return None
        coordinates = np.concatenate([found.coordinates for found in past])
        hot, weights = _tempered(log_weights, _FOR_MOMENTS * problem.dimension)
        modes = matched(first, coordinates, weights)
        if modes is None:
            return None
        bodies = [modes]
        if full:  # not one Gaussian: curved
            bodies.append(_split(modes, coordinates, weights, generator))
        parts = [*bodies, modes, first]
        shares = [(1.0 - _FIRST - _TAILS) / len(bodies)] * len(bodies) + [_TAILS, _FIRST]
        proposal = Mixture(parts, shares, [HEAVY if hot else LIGHT] * len(bodies) + [HEAVY, HEAVY])
        rounds.append(Round.of(problem, proposal, observed, sd, pilot if hot else count, generator))
        full += not hot
        if full == _REPEATS or (full and rounds[-1].effective >= _GOOD[1] * count):
            break
    return rounds if full and rounds[-1].effective >= _ENOUGH * count else None


def _tempered(log_weights: np.ndarray, enough: float) -> tuple[bool, np.ndarray]:
    """Weights flattened until enough draws are effective; and whether that was needed."""
    power = 1.0
    while power > _FLATTEST and effective(power * log_weights) < enough:
        power *= 0.7
    return power < 1.0, np.exp(power * (log_weights - log_weights.max()))


def _split(modes: Kernels, coordinates: np.ndarray, weights: np.ndarray, generator: np.random.Generator) -> Kernels:
    """Gaussians with the moments of parts of the draws: a chain of them follows a curved posterior."""
    centres = coordinates[systematic(weights, _PARTS * len(modes.centres), generator)]
    found = Kernels(centres, modes.factors[modes.nearest(centres)], np.zeros(len(centres)))
    for _ in range(_SORTINGS):
        better = matched(found, coordinates, weights)
        if better is None:
            return modes
        found = better
    return found


def _next_proposal(
    problem: Problem, past: list[Round], first: Kernels, observed: np.ndarray, sd: np.ndarray, sharp: bool,
    generator: np.random.Generator,
) -> Mixture:  # fmt: skip
    """Kernels on draws of the last rounds, and a part of the first proposal.

    Where the posterior consists of modes, the draws around each are nearly Gaussian, and one component with their
    moments fits them better than many kernels do.
    """
    log_weights = np.concatenate([found.truncated() for found in past])
    largest = log_weights.max()
    if not np.isfinite(largest):
        return Mixture([first])
    weights, coordinates = np.exp(log_weights - largest), np.concatenate([found.coordinates for found in past])
    chosen = np.unique(systematic(weights, _CENTRES, generator))
    points, outputs = coordinates[chosen], np.concatenate([found.outputs for found in past])[chosen]
    near = Neighbourhoods.of(problem, points, outputs, observed, sd, _RADIUS)
    kernels = Kernels(points, _NARROWING * near.factors, np.zeros(len(chosen)))
    modes = matched(first, coordinates, weights) if sharp else None
    if modes is None:
        return Mixture([kernels, first], [1.0 - _GLOBAL, _GLOBAL])
    return Mixture([modes, kernels, first], [_MATCHED, 1.0 - _MATCHED - _GLOBAL, _GLOBAL])

"""The exact posterior of a walker's unknowns from a recording with noise."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gait.errors import InputError, check_seed
from gait.inference.bank import Bank
from gait.inference.density import log_densities
from gait.inference.given import outputs_of, walker_of
from gait.inference.importance import Sample, sample, sample_from
from gait.inference.kernels import descend, systematic
from gait.inference.ratio import ratio_name
from gait.inference.rounds import SHARE
from gait.inference.walker import Walker
from gait.inference.weighted import WeightedDraws
from gait.parameters import QUANTITIES, named, subject_of
from gait.simulation.conditions import RecordingSettings
from gait.simulation.population import Population

DRAWS = 2000
BANK_SIZES = (100_000, 600_000)
"""Walks of the prior that a recording is compared with: where noise is small, and where it is not."""
_SMALL_NOISE = 300.0  # temperature from which the smaller bank will do
_BATCH = 16  # recordings compared with the bank at a time
_CLIMBERS, _CLIMB = 64, 20  # draws from which modes are looked for, and their steps


Guide = Callable[[int, Walker, Bank, np.ndarray], np.ndarray]
"""Makes starts of descents [s, D] from the number of a recording, its walker, the bank, and log weights of the bank."""


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior(WeightedDraws):
    """Weighted draws of all that a recording with noise tells of a walker; made by `posterior`.

    Attributes:
        draws: one row a draw, with the columns mass, stiffness, rest_length, x0, y0, vx0, step_length, others that are
            unknown, and stiffness_to_mass; SI units. Empty if no walker of the prior fits.
        weights: share of each draw in the posterior, shape [draws]; they sum to 1.
        ess: effective number of draws.
        log_evidence: logarithm of the probability density of the recording under prior and noise.
        log_evidence_error: its standard error.
        chi2: of the best fit found, a sample of the recording: near 1 if model and noise are right.
        best: parameters of that fit, by name.
        accepted: whether the posterior passed the checks on itself.
        reason: why it did not, in a sentence; empty if it did.
        method: how the draws were made, in words.
    """

    ess: float
    log_evidence: float
    log_evidence_error: float
    chi2: float
    best: dict[str, float]
    accepted: bool
    reason: str
    method: str
    _walker: Walker = dataclasses.field(repr=False)
    _sample: Sample = dataclasses.field(repr=False)
    _observed: np.ndarray = dataclasses.field(repr=False)
    _sd: np.ndarray = dataclasses.field(repr=False)

    @property
    def subject(self) -> tuple[str, ...]:
        """Names of the subject parameters that `log_prob` is about."""
        return tuple(name for name in subject_of(self._walker.model.unknowns) if name not in self._walker.known)

    @property
    def sized(self) -> bool:
        """Whether the recording tells the size of mass and stiffness, and not only k/m."""
        return self._walker.sized

    def log_prob(self, values: Mapping[str, ArrayLike], seed: int = 0) -> np.ndarray:
        """Logarithm of the density over the subject parameters, in SI units, see `gait.inference.density`.

        Args:
            values: subject parameters by name, mass, stiffness and rest_length; or stiffness_to_mass and rest_length,
                where only k/m is known. One number each, or an array.
            seed: key of the random numbers.

        Returns:
            Shape [p] for arrays of p; minus infinity outside the prior.

        Raises:
            InputError: if a subject parameter is missing, or no walker fits.
        """
        return self.log_prob_with_error(values, seed)[0]

    def log_prob_with_error(self, values: Mapping[str, ArrayLike], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the density, see `log_prob`, and its standard error, shape [p] both."""
        if not len(self.draws):
            raise InputError(f"There is no density where no walker fits. Received: {self.reason}")
        found = self._sample
        log, error = log_densities(
            self._walker, found.coordinates, found.weights, self.log_evidence, self._observed, self._sd,
            {name: np.asarray(column, float) for name, column in values.items()}, np.random.default_rng(seed),
        )  # fmt: skip
        return log, np.hypot(error, self.log_evidence_error)

    @functools.cached_property
    def modes(self) -> pd.DataFrame:
        """Modes that 64 draws climb to, the most probable first.

        Columns: probability (share of the posterior nearest to the mode), chi2 (a sample of the recording), and the
        coordinates of the posterior by name. Where only k/m is known, that and not m and k.
        """
        names = list(self._walker.ranges)
        if not len(self.draws):
            return pd.DataFrame(columns=["probability", "chi2", *names])
        found = self._sample
        starts = np.unique(systematic(found.weights, _CLIMBERS, np.random.default_rng(0)))
        modes, fits = descend(self._walker, found.coordinates[starts], self._observed, self._sd, steps=_CLIMB)
        probability = np.bincount(modes.nearest(found.coordinates), weights=found.weights, minlength=len(modes.centres))
        values = self._walker.values(modes.centres)
        table = pd.DataFrame(
            {"probability": probability, "chi2": fits / len(self._observed)} | {name: values[name] for name in names}
        )
        return table[table["probability"] > 0.0].sort_values("probability", ascending=False, ignore_index=True)

    def sentences(self) -> list[str]:
        """The posterior of the subject's parameters in plain words, and whether to trust it."""
        if not len(self.draws):
            return [self.reason]
        lines = []
        for name in self.draws.columns:
            if name in ("x0", "y0", "vx0", "step_length"):
                continue
            quantity, (low, high) = QUANTITIES[name], self.quantile(name, [0.025, 0.975])
            lines.append(
                f"{quantity.heading} ({quantity.symbol}): {self.mean(name):.5g} {quantity.unit}, with probability "
                f"0.95 between {low:.5g} and {high:.5g}."
            )
        doubt = "" if self.accepted else f" Do not trust this posterior. {self.reason}"
        return [*lines, f"Best fit: chi-square of {self.chi2:.3g} a sample.{doubt}"]


def posterior(
    recordings: ArrayLike,
    channels: Sequence[str],
    *,
    noise: Mapping[str, float],
    population: Population | None = None,
    known: Mapping[str, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    settings: RecordingSettings | None = None,
) -> Posterior | list[Posterior]:
    """Draws all that a recording with noise tells of a walker, exactly.

    The prior is that of a population: uniform in its ranges, position, speed and step length redrawn until the walker
    walks. The first call makes walks of that prior, which takes some seconds, or half a minute where noise is large;
    further calls with the same population and channels use them again.

    Args:
        recordings: one recording [channels, samples] or several [n, channels, samples], SI units.
        channels: their names, see `gait.simulation.channels.CHANNELS`.
        noise: standard deviation of the noise of each channel, in its unit, independent in all samples.
        population: ranges of the parameters; by default the paper's. Legs are equal unless stiffness_right or
            rest_length_right is among them.
        known: parameters that are known beside the recording, by name: exactly, or as a measurement with the standard
            deviation that `noise` has for the name. They hold for all the recordings.
        draws: number of draws.
        seed: key of all random numbers.
        settings: duration, interval and gravity of the recordings; by default the paper's.

    Returns:
        `Posterior`, or a list of them for several recordings.

    Raises:
        InputError: if shapes or names do not fit, numbers are missing, or a level of noise is missing or not positive.

    Source: docs/noise.md.
    """
    check_seed(seed)
    if not (draws >= 1 and draws == int(draws)):
        raise InputError(f"The number of draws is a whole number of at least 1. Received: draws={draws!r}.")
    population = population or Population()
    names = (channels,) if isinstance(channels, str) else tuple(channels)
    walker = walker_of(names, noise, population, dict(known or {}), settings or RecordingSettings())
    observed, single = outputs_of(recordings, walker, dict(known or {}))
    found = list(posteriors(walker, observed, noise, draws=int(draws), seed=seed))
    return found[0] if single else found


def posteriors(
    walker: Walker, observed: np.ndarray, noise: Mapping[str, float], *, draws: int = DRAWS, seed: int = 0,
    guide: Guide | None = None,
) -> Iterator[Posterior]:  # fmt: skip
    """Yields the posterior of each recording, as `posterior` does, one after the other.

    Args:
        walker: the unknowns of the recorded walkers, without what is not learned yet.
        observed: recordings in the order of the outputs of its forward model, shape [n, outputs].
        noise: see `ForwardModel.noise_sd`.
        draws: number of draws.
        seed: key of all random numbers.
        guide: knows where to look for the posterior of each recording, as a network does; the result is exact all the
            same, and where it fails its checks, the search begins anew without a guide.
    """
    sd = walker.model.noise_sd(noise)
    learned: dict[int, tuple[Walker, Bank]] = {}

    def prior(size: int) -> tuple[Walker, Bank]:
        if size not in learned:
            known, bank = _bank(_Key(walker), size, seed)
            # Of several recordings each has a core of its own.
            learned[size] = known if len(observed) == 1 else dataclasses.replace(known, threads=1), bank
        return learned[size]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(observed), _BATCH):
            jobs = [
                pool.submit(
                    _one,
                    *prior(size),
                    row,
                    sd,
                    fit,
                    temperature,
                    draws,
                    np.random.default_rng((seed, start + number)),
                    None if guide is None else functools.partial(guide, start + number),
                )
                for number, (row, size, fit, temperature) in enumerate(
                    _compared(prior, observed[start : start + _BATCH], sd)
                )
            ]
            for job in jobs:
                yield job.result()


def _compared(
    prior: Callable[[int], tuple[Walker, Bank]], observed: np.ndarray, sd: np.ndarray
) -> Iterator[tuple[np.ndarray, int, np.ndarray, float]]:
    """Each recording with the size of the bank that its noise needs, its fit to that bank, and its temperature."""
    small, large = BANK_SIZES
    bank = prior(small)[1]
    fits = list(bank.log_fit(observed, sd))
    temperatures = [bank.temperature(fit, SHARE * len(bank)) for fit in fits]
    noisy = [i for i, temperature in enumerate(temperatures) if temperature < _SMALL_NOISE]
    if noisy:
        bank = prior(large)[1]
        for i, fit in zip(noisy, bank.log_fit(observed[noisy], sd), strict=True):
            fits[i], temperatures[i] = fit, bank.temperature(fit, SHARE * len(bank))
    for i, (row, fit, temperature) in enumerate(zip(observed, fits, temperatures, strict=True)):
        yield row, large if i in noisy else small, fit, temperature


def _one(
    walker: Walker, bank: Bank, observed: np.ndarray, sd: np.ndarray, log_fit: np.ndarray, temperature: float,
    draws: int, generator: np.random.Generator, guide: Callable[[Walker, Bank, np.ndarray], np.ndarray] | None,
) -> Posterior:  # fmt: skip
    found = None
    if guide is not None:
        starts = functools.partial(guide, walker, bank)
        found = sample_from(walker, bank, observed, sd, log_fit, temperature, starts, draws, generator)
    if found is None:
        found = sample(walker, bank, observed, sd, log_fit, draws, generator)
    best = {name: float(column[0]) for name, column in walker.values(found.best[None]).items()}
    chi2, reason, weights = found.misfit / len(observed), found.reason, found.weights
    table = _table(walker, found.coordinates, generator)
    if not found.fits:
        fit = ", ".join(f"{QUANTITIES[name].symbol} {value:.5g}" for name, value in best.items())
        table, weights = table.iloc[:0], weights[:0]
        reason = (
            f"No walker of the prior was found that fits: chi-square is {chi2:.3g} a sample at best, with {fit}. "
            "Check channels, units, noise and ranges."
        )
    return Posterior(
        draws=table,
        weights=weights,
        ess=found.effective if found.fits else 0.0,
        log_evidence=found.log_evidence,
        log_evidence_error=found.error,
        chi2=chi2,
        best=best,
        accepted=found.fits and not reason,
        reason=reason,
        method=found.method,
        _walker=walker,
        _sample=found,
        _observed=observed,
        _sd=sd,
    )


def _table(walker: Walker, coordinates: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    """All parameters and ratios of draws; mass and stiffness are drawn where only their ratios are known.

    Draws with impossible ratios have no weight. They get any mass, so that all numbers are finite.
    """
    values = named(walker.model.unknowns, walker.parameters(coordinates)) | walker.values(coordinates)
    ratios = {name: ratio_name(name) for name in walker.stiffnesses}
    if not walker.sized:
        given = np.stack([values[ratio] for ratio in ratios.values()], axis=1)
        possible = np.isfinite(walker.ratio_posterior.mean("mass", given))
        if possible.any():
            for name, drawn in walker.ratio_posterior.draw(given[possible], 1, generator).items():
                values[name][possible] = drawn[:, 0]
    for name, ratio in ratios.items():
        if ratio not in values:
            values[ratio] = values[name] / values["mass"]
    return pd.DataFrame({name: values[name] for name in (*walker.model.unknowns, *ratios.values())})


class _Key:
    """A walker as a key of a cache: equal to others of the same model and knowledge."""

    def __init__(self, walker: Walker):
        self.walker = walker
        self._text = repr((walker.model.key, sorted(walker.known.items())))

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._text == other._text


@functools.lru_cache(maxsize=2)
def _bank(key: _Key, size: int, seed: int) -> tuple[Walker, Bank]:
    bank = Bank.of(key.walker, size, seed)
    assert bank.drawn is not None
    assert bank.sound is not None
    learned = key.walker.learned(bank.drawn, bank.sound)
    return learned, bank.weighted(learned)

"""What can be known of walkers from given channels, before a network is trained: verdicts, ceilings, remedies."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from gait import identifiability
from gait.ceilings import Ceiling, noisy_ratio_ceiling, ratio_ceiling
from gait.identifiability import Verdict, listed
from gait.parameters import NAMES, QUANTITIES, SUBJECT, Uniform, derive
from gait.simulation.forward_model import Observation, unit
from gait.simulation.population import Population

POINTS, POINTS_OF_REMEDIES = 24, 10
"""Walkers at which derivatives are taken: of the observation, and of what could be measured in addition."""
_EXTRA = (
    ((), ("mass",), "the body mass"),
    (("fy",), (), "the vertical ground reaction force in newtons"),
    (("fx",), (), "the forward ground reaction force in newtons"),
    (("ax", "ay"), (), "the acceleration of the centre of mass"),
    (("fx_bw", "fy_bw"), (), "the ground reaction force in body weights"),
    (("leg_length",), (), "the length of the stance leg"),
)
"""What could be measured in addition: channels, quantities measured once, and both in words."""
_COMPLEX_STEP = 1e-20


@dataclasses.dataclass(frozen=True)
class Remedy:
    """What an additional measurement would do.

    Attributes:
        measurement: what would be measured, in words.
        recovers: names of the quantities that it makes recoverable.
    """

    measurement: str
    recovers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Prospects:
    """What any estimator could reach, made by `foresee`.

    Attributes:
        observation: what is recorded of whom.
        noise: standard deviation of each channel, in its unit, or None.
        report: the analysis of all unknowns, with symbols as names.
        verdicts: of each quantity: mass, stiffness, rest length and the targets, see `gait.identifiability.Verdict`.
        ceilings: of the same.
        remedies: measurements that would help, and those that would not; empty if all can be known already.
    """

    observation: Observation
    noise: dict[str, float] | None
    report: identifiability.Report
    verdicts: dict[str, str]
    ceilings: dict[str, Ceiling]
    remedies: tuple[Remedy, ...]

    @property
    def combinations(self) -> str:
        """The combinations in which the person's own unknowns can be known, as text."""
        report = self.report
        if report.combinations is None:
            return "no products of powers"
        own = [report.names.index(QUANTITIES[name].symbol) for name in SUBJECT]
        return listed([text for text, e in zip(report.combinations, report.exponents, strict=True) if np.any(e[own])])

    def sentences(self) -> list[str]:
        """All of it in plain words, one sentence a line."""
        inputs = listed([*self.observation.channels, *self.observation.measured])
        noise = "" if self.noise is None else f" with noise of {listed(_levels(self.noise))}"
        lines = [f"From {inputs}{noise} any estimator can know of the person: {self.combinations}."]
        lines += self.report.sentences()
        for name, ceiling in self.ceilings.items():
            quantity = QUANTITIES[name]
            lines.append(
                f"Highest possible R² of {quantity.label} ({quantity.symbol}): {ceiling.r2:.4f}, error at least "
                f"{ceiling.rmse:.3g} {quantity.unit}. {ceiling.reason}"
            )
        return lines + self.advice()

    @property
    def only_the_ratio(self) -> bool:
        """Whether all that cannot be known is the common size of mass and stiffness."""
        return _only_the_ratio(self.report)

    @property
    def way_out(self) -> str:
        """What to do about what cannot be known, in a sentence or two."""
        helping = [remedy.measurement for remedy in self.remedies if remedy.recovers]
        left = f"no more than {self.combinations} is in the data"
        if not helping:
            return f"Nothing that we know of will help: {left}."
        return f"Measure {listed(helping, 'or')}; else nothing will help: {left}."

    def advice(self) -> list[str]:
        """What to measure in addition, and what would be no use; no line if all can be known."""
        helping = [remedy for remedy in self.remedies if remedy.recovers]
        useless = [remedy.measurement for remedy in self.remedies if not remedy.recovers]
        lines = [
            f"Measure also {remedy.measurement}: then {listed([QUANTITIES[name].symbol for name in remedy.recovers])} "
            "can be known."
            for remedy in helping
        ]
        return lines + ([f"It would not help to measure {listed(useless, 'or')}."] if useless else [])

    def to_dict(self) -> dict:
        """All of it as numbers and text, for JSON."""
        return {
            "channels": list(self.observation.channels),
            "measured": list(self.observation.measured),
            "noise": self.noise,
            "priors": {
                name: {"low": prior.low, "high": prior.high}
                for name, prior in zip(self.observation.names, self.observation.priors, strict=True)
            },
            "gravity": self.observation.population.gravity,
            "duration": self.observation.population.duration,
            "interval": self.observation.population.interval,
            "quantities": {
                name: {
                    "symbol": QUANTITIES[name].symbol,
                    "unit": QUANTITIES[name].unit,
                    "verdict": str(self.verdicts[name]),
                    "ceiling_r2": ceiling.r2,
                    "ceiling_rmse": ceiling.rmse,
                    "reason": ceiling.reason,
                }
                for name, ceiling in self.ceilings.items()
            },
            "remedies": [dataclasses.asdict(remedy) for remedy in self.remedies],
            "analysis": self.report.to_dict(),
        }


def _levels(noise: dict[str, float]) -> list[str]:
    return [f"{level:g} {unit(name)} in {name}" for name, level in noise.items()]


def foresee(
    inputs: tuple[str, ...],
    targets: tuple[str, ...],
    population: Population,
    *,
    measured: tuple[str, ...] = (),
    noise: dict[str, float] | None = None,
    seed: int = 0,
) -> Prospects:
    """Finds out what can be known of a population's walkers from some channels, and what to measure besides.

    Args:
        inputs: names of channels.
        targets: names of quantities beside mass, stiffness and rest length.
        population: priors, gravity, duration and interval.
        measured: quantities that are measured once, without error worth speaking of.
        noise: standard deviation of each channel, in its unit; None for recordings without noise.
        seed: of the walkers at which derivatives are taken.

    Returns:
        `Prospects`.

    Raises:
        InputError: if too few of the walkers have sound derivatives.
    """
    population = dataclasses.replace(population, engine="taylor")  # the reference would take an hour
    observation = Observation(tuple(inputs), tuple(measured), population)
    report = _analysis(observation, noise, seed)
    quantities = tuple(dict.fromkeys((*SUBJECT, "stiffness_to_mass", *targets)))
    verdicts = {name: _verdict(report, name) for name in quantities}
    ceilings = {name: _ceiling(name, observation, report) for name in quantities}
    missing = [name for name in quantities if verdicts[name] in (Verdict.COMBINATION, Verdict.DEAD)]
    return Prospects(observation, noise, report, verdicts, ceilings, _remedies(observation, missing, seed))


def _analysis(
    observation: Observation, noise: dict[str, float] | None, seed: int, count: int = POINTS
) -> identifiability.Report:
    points = observation.draw(count, np.random.default_rng(seed))
    sd = None if noise is None else observation.noise(noise)
    return identifiability.analyse(
        observation.outputs, points, observation.names, noise=sd, prior_sd=observation.prior_sd, seed=seed
    )


def gradients(name: str, theta: np.ndarray) -> np.ndarray:
    """Derivatives of a quantity by the unknowns of an observation, shape of `theta` [u, p]."""
    found = np.zeros_like(theta)
    for i in range(len(NAMES)):
        moved = theta.astype(complex)
        moved[:, i] += 1j * _COMPLEX_STEP
        found[:, i] = derive(name, dict(zip(NAMES, moved.T, strict=False))).imag / _COMPLEX_STEP
    return found


def _verdict(report: identifiability.Report, name: str) -> str:
    """Of a quantity: that of the analysis if it is an unknown itself, else what its gradients say."""
    if QUANTITIES[name].symbol in report.verdicts:
        return report.verdicts[QUANTITIES[name].symbol]
    change = gradients(name, report.linear.jacobians.points)
    known = report.linear.is_known(change)
    if known is None:
        return Verdict.UNDECIDED
    if known and report.linear.noisy:
        spread = np.linalg.norm(change * report.linear.sd, axis=1)
        if np.median(report.linear.standard_deviation(change) / spread) >= 1.0:
            return Verdict.LOST
    return Verdict.RECOVERABLE if known else Verdict.COMBINATION


def _remedies(observation: Observation, missing: list[str], seed: int) -> tuple[Remedy, ...]:
    """What each additional measurement would do for the missing quantities, without noise.

    Left out is what is measured anyway, and more of what helps already.
    """
    found, helpful = [], []
    for channels, measured, words in _EXTRA if missing else ():
        added = tuple(name for name in channels if name not in observation.channels)
        weighed = tuple(name for name in measured if name not in observation.measured)
        if not (added or weighed) or any(set(less) <= set(channels) for less in helpful):
            continue
        more = dataclasses.replace(
            observation, channels=observation.channels + added, measured=observation.measured + weighed
        )
        report = _analysis(more, None, seed, POINTS_OF_REMEDIES)
        recovered = tuple(name for name in missing if _verdict(report, name) == Verdict.RECOVERABLE)
        found.append(Remedy(words, recovered))
        if recovered and channels:
            helpful.append(channels)
    return tuple(found)


# Ceilings ------------------------------------------------------------------------------------


def _ceiling(name: str, observation: Observation, report: identifiability.Report) -> Ceiling:
    linear = report.linear
    change = gradients(name, linear.jacobians.points)
    spread = math.sqrt(np.mean(np.sum((change * linear.sd) ** 2, axis=1)))
    known = linear.is_known(change)
    if known:
        r2 = linear.linear_ceiling(change) if linear.noisy else 1.0
        reason = "The noise leaves that much." if linear.noisy else "It can be known by itself."
        return Ceiling(r2, spread * math.sqrt(1.0 - r2), reason)
    if name in ("mass", "stiffness") and _only_the_ratio(report):
        return _ratio_ceiling(name, observation, linear)
    r2 = linear.linear_ceiling(change)
    reason = "Undecided: the derivatives are not accurate enough."
    if known is False:
        reason = "Other unknowns make up for a part of its effect (for a linear model and a Gaussian prior)."
    return Ceiling(r2, spread * math.sqrt(1.0 - r2), reason)


def _only_the_ratio(report: identifiability.Report) -> bool:
    """Whether all that cannot be known is the common size of mass and stiffness."""
    if report.exponents is None or report.rank != len(report.names) - 1:
        return False
    common = np.array([name in (QUANTITIES["mass"].symbol, QUANTITIES["stiffness"].symbol) for name in report.names])
    return not (report.exponents @ common).any()


def _ratio_ceiling(name: str, observation: Observation, linear) -> Ceiling:
    """The closed form for a ratio of uniforms; with noise, less what the noise of the ratio takes away."""
    priors = observation.population.priors
    mass, stiffness = priors["mass"], priors["stiffness"]
    r2 = ratio_ceiling(name, mass, stiffness)
    if linear.noisy:
        sd = linear.standard_deviation(gradients("stiffness_to_mass", linear.jacobians.points))
        r2 = noisy_ratio_ceiling(name, mass, stiffness, float(np.median(sd)))
    other = {"mass": "stiffness", "stiffness": "mass"}[name]
    wider = {name: priors[name], other: _twice_as_wide(priors[other])}
    reason = (
        f"Only the ratio k/m enters the motion; without the {other}, it tells no more than the prior's edges: "
        f"R² would be {ratio_ceiling(name, wider['mass'], wider['stiffness']):.2f} if the range of the {other} were "
        "twice as wide."
    )
    return Ceiling(r2, math.sqrt((1.0 - r2) * priors[name].variance()), reason)


def _twice_as_wide(prior: Uniform) -> Uniform:
    """The range with its width added, half at each end, as far as it stays positive."""
    half = min(0.5 * (prior.high - prior.low), 0.5 * prior.low)
    return Uniform(prior.low - half, prior.high + half)

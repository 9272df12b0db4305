"""Identifiability analysis of a scenario, before a network is trained: what can be known of a walker, what cannot."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from gait.errors import InputError, check_seed
from gait.identifiability.analysis import analyse
from gait.identifiability.findings import Identifiability, Report
from gait.identifiability.wording import listed, rounded
from gait.inference.ratio import RatioPosterior
from gait.limits.ceilings import Ceiling, ceiling_of, identifiability_of, ratio_name, ratio_posterior_of
from gait.parameters import CIRCUMSTANCE, NAMES, QUANTITIES, SUBJECT, Uniform, derive, determined
from gait.scenarios import Scenario
from gait.simulation.conditions import RecordingSettings, Walks
from gait.simulation.forward_model import OPTIONAL, ForwardModel, unit

POINTS, POINTS_OF_ADDITIONS = 24, 10
"""Walkers at which derivatives are taken: for the scenario itself, and for each additional measurement."""
FITS = 48
"""Fits that look for another walker with the same recording. Additional measurements need none: they only add."""
ACCURACY = 1e-8
"""Relative accuracy of the compiled engine over 15 s, as tests against the reference have it. Its error changes
smoothly with the walker, so that it cannot be measured from recordings alone."""
LOCAL = (
    "With noise these are local bounds. No estimator does better, but the best possible one may do far worse, "
    "above all where the noise exceeds a few centimetres."
)
"""Caution about all numbers under noise."""
_TWINS_INTERVAL = 0.02  # s
_ADDITIONS = (
    ("the body mass", (), ("mass",)),
    ("the vertical ground reaction force in newtons", ("fy",), ()),
    ("the forward ground reaction force in newtons", ("fx",), ()),
    ("the acceleration of the centre of mass", ("ax", "ay"), ()),
    ("the ground reaction force in body weights", ("fx_bw", "fy_bw"), ()),
    ("the length of the stance leg", ("leg_length",), ()),
)
"""What could be measured in addition: in words, as channels, and as parameters that are measured once."""


@dataclasses.dataclass(frozen=True)
class AdditionalMeasurement:
    """Effect of one more measurement.

    Attributes:
        measurement: what would be measured, in words.
        recovers: names of the quantities that could be known with it and cannot be known without.
    """

    measurement: str
    recovers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ScenarioAnalysis:
    """Limits of any estimator in a scenario; made by `analyse_scenario`.

    Attributes:
        scenario: the scenario.
        model: forward model of its recordings.
        report: analysis of all unknowns, with their symbols as names.
        identifiability: `Identifiability` of each quantity: subject parameters, k/m, targets and others asked for.
        ceilings: highest possible R² of each of these quantities.
        ratio_posterior: posterior of mass and stiffnesses given their ratios, if the common size of mass and
            stiffnesses is all that cannot be known, else None.
        seed: key of the walkers at which derivatives are taken.
    """

    scenario: Scenario
    model: ForwardModel
    report: Report
    identifiability: dict[str, Identifiability]
    ceilings: dict[str, Ceiling]
    ratio_posterior: RatioPosterior | None
    seed: int

    @functools.cached_property
    def additional_measurements(self) -> tuple[AdditionalMeasurement, ...]:
        """Measurements that would help and measurements that would not; none if nothing more has to be measured."""
        missing = self._with(Identifiability.COMBINATION, Identifiability.DEAD)
        return _additional_measurements(self.model, missing, self.seed)

    @functools.cached_property
    def twins(self) -> Walks | None:
        """Walks of the two walkers of `report.counterexample`, or None."""
        pair = self.report.counterexample
        return None if pair is None else self.model.walks(np.stack([pair.theta, pair.other]), _TWINS_INTERVAL)

    @property
    def known_combinations(self) -> list[str]:
        """Combinations of the walker's own unknowns that can be known, in the given noise if there is one."""
        return self.report.combinations_with(*self._own_symbols)

    @property
    def combinations(self) -> str:
        """Combinations of the walker's own unknowns that can be known, as text."""
        if self.report.combinations is None:
            return "no product of powers of the unknowns"
        return listed(self.known_combinations)

    @property
    def advice(self) -> str:
        """Advice about the quantities that cannot be known, in a sentence or two; empty if all can."""
        if not self._with(Identifiability.COMBINATION, Identifiability.DEAD):
            lost = _symbols(self._with(Identifiability.LOST))
            return f"Lower the noise or record for longer to know {listed(lost)}." if lost else ""
        helping = [added.measurement for added in self.additional_measurements if added.recovers]
        left = self.report.combinations_without_noise_with(*self._own_symbols)
        known = f"no more than {listed(left)} is in the data" if left else ""
        if not helping:
            return f"Nothing that we know of will help{f': {known}' if known else ''}."
        # Nothing is said against training here: it can help a network up to its ceiling.
        return f"Measure {listed(helping, 'or')}." + (f" Without that, {known}." if known else "")

    def best_estimate(self, name: str, truth: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Estimates that the best possible estimator makes of a quantity from recordings without noise.

        Args:
            name: name of the quantity.
            truth: true parameters of n walkers by name, shape [n] each, SI units.

        Returns:
            Shape [n], the quantity's unit: its true values if it can be known; the mean of the posterior given
            k/m if it is a mass or stiffness of which only k/m can be known. None if no best estimate is known, as
            with noise.
        """
        if self.report.linear.noisy:
            return None
        if self.identifiability.get(name) == Identifiability.RECOVERABLE:
            known = derive(name, truth)
            return None if known is None else np.asarray(known)
        if self.ratio_posterior is None or name not in self.ratio_posterior.targets:
            return None
        ratios = [derive(ratio_name(stiffness), truth) for stiffness in self.ratio_posterior.stiffnesses]
        given = [ratio for ratio in ratios if ratio is not None]
        return self.ratio_posterior.mean(name, np.stack(given, axis=-1)) if len(given) == len(ratios) else None

    # In words --------------------------------------------------------------------------------

    def headline(self) -> str:
        """The combinations that can be known of the walker, in one sentence."""
        noise = self.scenario.noise
        given = "" if noise is None else f" with noise of {noise_in_words(noise)},"
        return f"From {listed(self.scenario.sources)}{given} any estimator can know of the walker: {self.combinations}."

    def measurements(self) -> list[str]:
        """Measurements that would help, and those that would not, a sentence each."""
        lines = [
            f"Measure also {added.measurement}: then {listed(_symbols(added.recovers))} can be known."
            for added in self.additional_measurements
            if added.recovers
        ]
        useless = [added.measurement for added in self.additional_measurements if not added.recovers]
        return lines + ([f"It would not help to measure {listed(useless, 'or')}."] if useless else [])

    def summary(self) -> list[str]:
        """The main findings in plain words: combinations, ceilings and what to measure, a short sentence each."""
        lines, most = [self.headline()], "" if self.scenario.noise is None else "at most "
        for name, ceiling in self.ceilings.items():
            quantity = QUANTITIES[name]
            error = f", error at least {rounded(ceiling.rmse, 3)} {quantity.unit}" if ceiling.rmse else ""
            lines.append(f"Highest possible R² of {quantity.label} ({quantity.symbol}): {most}{ceiling.r2:.4f}{error}.")
        if self.scenario.noise is not None:
            lines.append(LOCAL)
        return lines + self.measurements()

    def details(self) -> list[str]:
        """Findings on each unknown, and the reasons for the ceilings, in plain words."""
        reasons: dict[str, list[str]] = {}
        for name, ceiling in self.ceilings.items():
            if ceiling.r2 < 1.0:
                reasons.setdefault(ceiling.reason, []).append(QUANTITIES[name].symbol)
        limits = [f"R² of {listed(symbols)} has a limit. {reason}" for reason, symbols in reasons.items()]
        return self.report.sentences() + limits

    def sentences(self) -> list[str]:
        """All findings in plain words, the most important ones first."""
        return self.summary() + self.details()

    def to_dict(self) -> dict:
        """All findings as numbers and text, for JSON."""
        report, settings, noise = self.report, self.model.settings, self.scenario.noise
        priors = {name: self.model.prior(name) for name in self.model.unknowns}
        return {
            "channels": list(self.model.channels),
            "measured": list(self.model.measured),
            "noise": None if noise is None else dict(noise),
            "priors": {QUANTITIES[name].symbol: dataclasses.asdict(prior) for name, prior in priors.items()},
            "gravity": settings.gravity,
            "duration": settings.duration,
            "interval": settings.interval,
            "quantities": {
                name: {
                    "symbol": QUANTITIES[name].symbol,
                    "unit": QUANTITIES[name].unit,
                    "verdict": str(self.identifiability[name]),
                    "ceiling_r2": ceiling.r2,
                    "ceiling_rmse": ceiling.rmse,
                    "reason": ceiling.reason,
                }
                for name, ceiling in self.ceilings.items()
            },
            "combinations": report.combinations_without_noise,
            "combinations_under_noise": None if noise is None else report.combinations,
            "remedies": [dataclasses.asdict(added) for added in self.additional_measurements],
            "analysis": report.to_dict(),
        }

    @property
    def _own_symbols(self) -> list[str]:
        return _symbols([name for name in self.model.unknowns if name not in CIRCUMSTANCE])

    def _with(self, *kinds: Identifiability) -> list[str]:
        return [name for name, kind in self.identifiability.items() if kind in kinds]


def noise_in_words(levels: Mapping[str, float]) -> str:
    """Noise levels as in a sentence: "0.005 m in x and y"."""
    channels: dict[str, list[str]] = {}
    for name, level in levels.items():
        channels.setdefault(f"{rounded(level)} {unit(name)}", []).append(name)
    return listed([f"{level} in {listed(names)}" for level, names in channels.items()])


def _symbols(names: Sequence[str]) -> list[str]:
    return [QUANTITIES[name].symbol for name in names]


# The analysis --------------------------------------------------------------------------------


def analyse_scenario(
    scenario: Scenario,
    priors: Mapping[str, Uniform],
    settings: RecordingSettings,
    *,
    quantities: Sequence[str] = (),
    seed: int = 0,
    fits: int = FITS,
) -> ScenarioAnalysis:
    """Finds out what any estimator can know of walkers in a scenario, and what to measure in addition.

    Args:
        scenario: inputs, targets, what is measured once, and noise.
        priors: range of each parameter, SI units. All legs are equal unless `stiffness_right` or `rest_length_right`
            is among them; gravity is known unless it is among them.
        settings: how walks are recorded.
        quantities: names of quantities to analyse beside the subject parameters, k/m and the scenario's targets.
        seed: key of the walkers at which derivatives are taken.
        fits: number of fits that look for another walker with the same recording; 0 for no search, which is quicker
            and leaves the ceilings as they are.

    Raises:
        InputError: if the noise does not fit the scenario, a quantity does not follow from the unknowns, or too
            few of the walkers have sound derivatives.
    """
    unknowns = (*NAMES, *(name for name in OPTIONAL if name in priors))
    check_seed(seed)
    model = ForwardModel(scenario.inputs, scenario.measured, priors, settings, unknowns)
    names = _analysed_quantities(unknowns, (*scenario.targets, *quantities))
    report = _report(model, scenario.noise, seed, fits)
    posterior = ratio_posterior_of({name: model.prior(name) for name in unknowns}, report)
    found = {name: identifiability_of(name, report, unknowns) for name in names}
    return ScenarioAnalysis(
        scenario=scenario,
        model=model,
        report=report,
        identifiability=found,
        ceilings={name: ceiling_of(name, report, unknowns, posterior) for name in names},
        ratio_posterior=posterior,
        seed=seed,
    )


def _analysed_quantities(unknowns: tuple[str, ...], asked: Sequence[str]) -> tuple[str, ...]:
    """Subject parameters and ratios, then the quantities asked for, each once."""
    possible = determined(unknowns)
    strange = [name for name in asked if name not in possible]
    if strange:
        raise InputError(
            f"A quantity to be analysed has to follow from the unknowns: it is one of {', '.join(possible)}. "
            f"Received: {', '.join(strange)}."
        )
    own = [name for name in unknowns if name not in CIRCUMSTANCE]
    ratios = [ratio_name(name) for name in own if name.startswith("stiffness")]
    return tuple(dict.fromkeys((*SUBJECT, *own, *ratios, *asked)))


def _report(model: ForwardModel, noise: Mapping[str, float] | None, seed: int, fits: int) -> Report:
    sd = None if noise is None else model.noise_sd(noise)
    points = model.draw(POINTS, np.random.default_rng(seed))
    return analyse(
        model.outputs, points, model.symbols,
        noise=sd, prior_sd=model.prior_sd, ranges=model.ranges, accuracy=ACCURACY, fits=fits, seed=seed,
    )  # fmt: skip


def _additional_measurements(
    model: ForwardModel, missing: Sequence[str], seed: int
) -> tuple[AdditionalMeasurement, ...]:
    """Finds the effect of each additional measurement on the missing quantities, without noise.

    Measurements that are made anyway are left out, and so is more of what helps already.
    """
    found: list[AdditionalMeasurement] = []
    known: dict = {}  # the same walkers, of whom more and more is measured
    helpful: list[tuple[str, ...]] = []
    for words, channels, measured in _ADDITIONS if missing else ():
        added = tuple(name for name in channels if name not in model.channels)
        once = tuple(name for name in measured if name not in model.measured)
        if not (added or once) or any(set(fewer) <= set(channels) for fewer in helpful):
            continue
        more = dataclasses.replace(model, channels=model.channels + added, measured=model.measured + once)
        points = more.draw(POINTS_OF_ADDITIONS, np.random.default_rng(seed))
        report = analyse(
            functools.partial(more.outputs, known=known), points, more.symbols,
            prior_sd=more.prior_sd, accuracy=ACCURACY, fits=0, seed=seed,
        )  # fmt: skip
        recovered = tuple(
            name for name in missing if identifiability_of(name, report, model.unknowns) == Identifiability.RECOVERABLE
        )
        found.append(AdditionalMeasurement(words, recovered))
        if recovered and channels:
            helpful.append(channels)
    return tuple(found)

"""Identifiability analysis of a scenario, before a network is trained: what can be known of a walker, what cannot."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, MutableMapping, Sequence

import numpy as np

from gait.errors import InputError, check_seed
from gait.identifiability.analysis import analyse
from gait.identifiability.findings import Identifiability, Report
from gait.identifiability.wording import listed, rounded
from gait.inference.ratio import RatioPosterior, ratio_name
from gait.limits.additional import ACCURACY, AdditionalMeasurement, additional_measurements
from gait.limits.ceilings import Ceiling, ceiling_of, identifiability_of, ratio_posterior_of
from gait.limits.functions import function_of, products
from gait.limits.noise import WALKERS, NoiseStudy, study_noise
from gait.limits.noisy_ceilings import in_noise, noise_in_words, noisy_ceiling
from gait.parameters import OTHER_LEG, QUANTITIES, Uniform, derive, determined, order_of, subject_of
from gait.scenarios import Scenario
from gait.simulation.channels import CHANNELS, check_smooth
from gait.simulation.conditions import RecordingSettings, Walks
from gait.simulation.forward_model import ForwardModel

POINTS = 24
"""Walkers at which derivatives are taken."""
FITS = 48
"""Fits that look for another walker with the same recording. Additional measurements need none: they only add."""
LOCAL = (
    "With noise these are local bounds. No estimator does better, but the best possible one may do far worse, "
    "above all where the noise exceeds a few centimetres. Leave out --quick for the exact limits."
)
"""Caution about numbers under noise that do not come from posteriors."""
_JUMPS = "Contacts change in jumps, which derivatives do not see: together with them more may be known than this."
_TWINS_INTERVAL = 0.02  # s
_LOST = 0.5
"""R² of the best possible estimator below which the noise has taken a quantity."""


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
        noise_study: posteriors of noisy recordings, on which the ceilings rest; None without noise, or if they are
            local bounds.
    """

    scenario: Scenario
    model: ForwardModel
    report: Report
    identifiability: dict[str, Identifiability]
    ceilings: dict[str, Ceiling]
    ratio_posterior: RatioPosterior | None
    seed: int
    noise_study: NoiseStudy | None = None

    @functools.cached_property
    def additional_measurements(self) -> tuple[AdditionalMeasurement, ...]:
        """Measurements that would help and measurements that would not; none if nothing more has to be measured."""
        missing = self._with(Identifiability.COMBINATION, Identifiability.DEAD)
        return additional_measurements(self.model, missing, self.seed)

    @functools.cached_property
    def twins(self) -> Walks | None:
        """Walks of the two walkers of `report.counterexample`, or None."""
        pair = self.report.counterexample
        return None if pair is None else self.model.walks(np.stack([pair.theta, pair.other]), _TWINS_INTERVAL)

    @property
    def known_combinations(self) -> list[str]:
        """Combinations of the walker's own unknowns that can be known, in the given noise if there is one."""
        return [text for text in self.structural_combinations if text not in self.lost_combinations]

    @property
    def structural_combinations(self) -> list[str]:
        """Combinations of the walker's own unknowns that could be known without noise."""
        return self.report.combinations_without_noise_with(*self._own_symbols)

    @property
    def lost_combinations(self) -> list[str]:
        """Those of the structural combinations that the noise takes: the best possible R² is below 0.5."""
        if self.noise_study is not None:
            ceilings = self.noise_study.ceilings
            return [text for text in self.structural_combinations if ceilings[text].r2 < _LOST]
        lost = _symbols(self._with(Identifiability.LOST))
        return [text for text in self.structural_combinations if text in lost]

    @property
    def combinations(self) -> str:
        """Combinations of the walker's own unknowns that can be known, as text."""
        if self.report.combinations_without_noise is None:
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
        sources, noise = listed(self.scenario.sources), self.scenario.noise
        if noise is None:
            return f"From {sources} any estimator can know of the walker: {self.combinations}."
        given = f"with noise of {noise_in_words(noise)}"
        if not self.lost_combinations:
            most = " at most" if self.noise_study is None else ""
            return f"From {sources} {given}, any estimator can know of the walker{most}: {self.combinations}."
        left = f"{listed(self.known_combinations)} only" if self.known_combinations else "none of them"
        return (
            f"From {sources} any estimator can know of the walker {listed(self.structural_combinations)} in principle; "
            f"{given}, {left}."
        )

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
        lines, most = [self.headline()], "" if self.scenario.noise is None or self.noise_study else "at most "
        for name, ceiling in self.ceilings.items():
            quantity = QUANTITIES[name]
            heading = f"Highest possible R² of {quantity.label} ({quantity.symbol})"
            if self.noise_study is not None:
                study = self.noise_study
                lines.append(f"{heading}: {in_noise(name, ceiling, study.ceilings[name], study.walkers)}")
                continue
            error = f", error at least {rounded(ceiling.rmse, 3)} {quantity.unit}" if ceiling.rmse else ""
            lines.append(f"{heading}: {most}{ceiling.r2:.4f}{error}.")
        if self.noise_study is not None:
            lines += self.noise_study.sentences()
        elif self.scenario.noise is not None:
            lines.append(LOCAL)
        if not all(CHANNELS[name].smooth for name in self.scenario.inputs):
            lines.append(_JUMPS)
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
                    "ceiling_r2_error": ceiling.error,
                    "local_ceiling_r2": ceiling.local_r2,
                    "ceiling_rmse": ceiling.rmse,
                    "reason": ceiling.reason,
                }
                for name, ceiling in self.ceilings.items()
            },
            "combinations": report.combinations_without_noise,
            "combinations_under_noise": None if noise is None else self._under_noise(),
            "noise_study": None if self.noise_study is None else self.noise_study.to_dict(),
            "remedies": [dataclasses.asdict(added) for added in self.additional_measurements],
            "analysis": report.to_dict(),
        }

    def _under_noise(self) -> list[str] | None:
        found = self.report.combinations_without_noise
        return None if found is None else [text for text in found if text not in self.lost_combinations]

    @property
    def _own_symbols(self) -> list[str]:
        return _symbols(subject_of(self.model.unknowns))

    def _with(self, *kinds: Identifiability) -> list[str]:
        return [name for name, kind in self.identifiability.items() if kind in kinds]


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
    walkers: int = WALKERS,
    progress: str = "",
    known: MutableMapping[str, dict] | None = None,
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
        walkers: with noise, number of fresh walkers whose posteriors give the ceilings; 0 for local bounds, which
            are quick and can promise far too much.
        progress: what to write before a bar of their progress; empty for none.
        known: results of earlier calls, see `gait.limits.noise.study_noise`.

    Raises:
        InputError: if the noise does not fit the scenario, a quantity does not follow from the unknowns, or too
            few of the walkers have sound derivatives.
    """
    check_seed(seed)
    check_smooth(scenario.inputs)
    unknowns = _unknowns(priors, (*scenario.targets, *quantities))
    model = ForwardModel(scenario.inputs, scenario.measured, priors, settings, unknowns)
    names = _analysed_quantities(unknowns, (*scenario.targets, *quantities))
    report = _report(model, scenario.noise, seed, fits)
    posterior = ratio_posterior_of({name: model.prior(name) for name in unknowns}, report)
    found = {name: identifiability_of(name, report, unknowns) for name in names}
    ceilings = {name: ceiling_of(name, report, unknowns, posterior) for name in names}
    study = None
    if scenario.noise is not None and walkers:
        # All that may be asked for: an analysis before training and the evaluation after it share their posteriors.
        every = {name: function_of(name) for name in determined(unknowns)} | products(unknowns, report)
        study = study_noise(
            model, scenario.noise, every,
            walkers=walkers, seed=seed, progress=progress, known=known,
        )  # fmt: skip
        ceilings = {name: noisy_ceiling(ceilings[name], study.ceilings[name]) for name in names}
        for name in names:
            if found[name] in (Identifiability.RECOVERABLE, Identifiability.LOST):
                lost = study.ceilings[name].r2 < _LOST
                found[name] = Identifiability.LOST if lost else Identifiability.RECOVERABLE
    return ScenarioAnalysis(
        scenario=scenario,
        model=model,
        report=report,
        identifiability=found,
        ceilings=ceilings,
        ratio_posterior=posterior,
        seed=seed,
        noise_study=study,
    )


def _unknowns(priors: Mapping[str, Uniform], asked: Sequence[str]) -> tuple[str, ...]:
    """Parameters with a range, and those of the other leg that a quantity asked for needs; its range is the first's."""
    names = set(priors)
    for leg in OTHER_LEG:
        missing = set(asked) - {*determined(order_of(names))}
        if missing & {*determined(order_of({*names, leg}))}:
            names.add(leg)
    return order_of(names)


def _analysed_quantities(unknowns: tuple[str, ...], asked: Sequence[str]) -> tuple[str, ...]:
    """Subject parameters and ratios, then the quantities asked for, each once."""
    possible = determined(unknowns)
    strange = [name for name in asked if name not in possible]
    if strange:
        raise InputError(
            f"A quantity to be analysed has to follow from the unknowns: it is one of {', '.join(possible)}. "
            f"Received: {', '.join(strange)}."
        )
    own = subject_of(unknowns)
    ratios = [ratio_name(name) for name in own if name.startswith("stiffness")]
    return tuple(dict.fromkeys((*own, *ratios, *asked)))


def _report(model: ForwardModel, noise: Mapping[str, float] | None, seed: int, fits: int) -> Report:
    sd = None if noise is None else model.noise_sd(noise)
    points = model.draw(POINTS, np.random.default_rng(seed))
    return analyse(
        model.outputs, points, model.symbols,
        noise=sd, prior_sd=model.prior_sd, ranges=model.ranges, accuracy=ACCURACY, fits=fits, seed=seed,
    )  # fmt: skip

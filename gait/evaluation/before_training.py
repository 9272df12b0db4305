"""Evaluation of a scenario before training: what can be known, as files and in words."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence

from gait import scripting
from gait.data.dataset import open_dataset
from gait.evaluation.levels import LEVELS, KeptLevels
from gait.limits.analysis import ScenarioAnalysis, analyse_scenario
from gait.limits.design import RecordingDesign, design_recording
from gait.limits.noise import WALKERS
from gait.parameters import PAPER_PRIORS
from gait.report.confusion import FIGURE as CONFUSION_FIGURE
from gait.report.confusion import plot_confusion
from gait.report.design import plot_design
from gait.report.identifiability import DESIGN_FIGURE, FIGURE, identifiability_report, plot_identifiability
from gait.report.style import save
from gait.scenarios import Scenario
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel
from gait.storage import files
from gait.storage.files import AnyPath
from gait.storage.folders import RUN, check_kind

REPORT, NUMBERS = "identifiability.md", "identifiability.json"
"""Names of the files beside the figures."""


@dataclasses.dataclass(frozen=True)
class ScenarioEvaluation:
    """Result of `evaluate_scenario`.

    Attributes:
        analysis: what any estimator can know.
        design: effect of noise, duration and sampling interval; None without noise.
        files: names of the files written.
    """

    analysis: ScenarioAnalysis
    design: RecordingDesign | None
    files: list[str]

    def findings(self) -> list[str]:
        """The main findings in plain words."""
        return self.analysis.summary() + ([] if self.design is None else self.design.sentences())

    def summary(self) -> str:
        """All findings for a terminal of 100 columns."""
        headline, *others = self.findings()
        details = scripting.listing(self.analysis.details())
        return "\n".join((textwrap.fill(headline, scripting.COLUMNS), scripting.listing(others), "In detail:", details))

    def sentences(self) -> list[str]:
        """All findings in plain words, the most important ones first."""
        return self.findings() + self.analysis.details()


def evaluate_scenario(
    scenario: Scenario,
    folder: AnyPath,
    *,
    data: AnyPath | None = None,
    seed: int = 0,
    formats: Sequence[str] = (),
    walkers: int = WALKERS,
    progress: bool = False,
) -> ScenarioEvaluation:
    """Finds out what can be known in a scenario and writes identifiability.json, .md and .png.

    With noise, it also finds out how noise, duration and sampling interval matter, and writes design.png. Posteriors
    of a level of noise, duration or interval are kept in levels.json: a run that was stopped goes on from there.

    Args:
        scenario: inputs, targets, what is measured once, and noise.
        folder: where to write; made if needed.
        data: dataset whose priors and settings count; by default the paper's. Duration and interval are the
            scenario's, if it has its own.
        seed: key of the walkers that are analysed.
        formats: formats of `gait.report.style.FORMATS` in which figures are written beside PNG.
        walkers: with noise, number of fresh walkers whose posteriors tell what is possible, a quarter of them at each
            level of the design; 0 for local bounds, which are quick and can promise far too much.
        progress: whether bars show how far posteriors are.

    Raises:
        InputError: if the folder holds a dataset, the noise does not fit the scenario's channels, there is no
            dataset, its recordings have no such duration or interval, or too few walkers can be analysed.
    """
    check_kind(folder, RUN, flag="out")
    priors, settings = PAPER_PRIORS, RecordingSettings()
    given = {"duration": scenario.duration, "interval": scenario.interval}
    if data is None:
        settings = dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})
    else:
        dataset = open_dataset(data).viewed(**given)
        priors, settings = dict(dataset.priors), dataset.settings
    if scenario.noise is not None:
        ForwardModel(scenario.inputs, scenario.measured, priors, settings).noise_sd(scenario.noise)
    files.make_folder(folder)
    with files.locked(folder):
        known = KeptLevels(folder) if scenario.noise is not None and walkers else None
        analysis = analyse_scenario(
            scenario, priors, settings, seed=seed, walkers=walkers, known=known,
            progress="walkers in this noise" if progress else "",
        )  # fmt: skip
        design = None
        if scenario.noise is not None:
            design = design_recording(
                analysis.model,
                scenario.noise,
                seed=seed,
                walkers=(walkers + 3) // 4,
                progress=progress,
                known=known,
                study=analysis.noise_study,
            )
        written = _write(folder, analysis, design, formats)
    return ScenarioEvaluation(analysis, design, written)


def _write(
    folder: AnyPath, analysis: ScenarioAnalysis, design: RecordingDesign | None, formats: Sequence[str]
) -> list[str]:
    numbers = {"title": analysis.scenario.name, "design": None if design is None else design.to_dict()}
    files.write_json(folder / NUMBERS, analysis.to_dict() | numbers)
    figures = save(plot_identifiability(analysis), folder / FIGURE, formats)
    if analysis.noise_study is not None and analysis.noise_study.pair is not None:
        figures += save(plot_confusion(analysis), folder / CONFUSION_FIGURE, formats)
    if design is not None:
        figures += save(plot_design(design), folder / DESIGN_FIGURE, formats)
    files.write_text(folder / REPORT, identifiability_report(analysis, design))
    kept = [] if analysis.noise_study is None else [LEVELS]
    return [REPORT, NUMBERS, *kept, *figures]

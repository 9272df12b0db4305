"""Evaluation of a scenario before training: what can be known, as files and in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from gait.data.dataset import open_dataset
from gait.limits.analysis import ScenarioAnalysis, analyse_scenario
from gait.limits.design import RecordingDesign, design_recording
from gait.parameters import PAPER_PRIORS
from gait.report.design import plot_design
from gait.report.identifiability import DESIGN_FIGURE, FIGURE, identifiability_report, plot_identifiability
from gait.report.style import save
from gait.scenarios import Scenario
from gait.simulation.conditions import RecordingSettings
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

    def summary(self) -> list[str]:
        """The main findings in plain words."""
        return self.analysis.summary() + ([] if self.design is None else self.design.sentences())

    def sentences(self) -> list[str]:
        """All findings in plain words, the most important ones first."""
        return self.summary() + self.analysis.details()


def evaluate_scenario(
    scenario: Scenario,
    folder: AnyPath,
    *,
    data: AnyPath | None = None,
    seed: int = 0,
    formats: Sequence[str] = (),
) -> ScenarioEvaluation:
    """Finds out what can be known in a scenario and writes identifiability.json, .md and .png.

    With noise, it also finds out how noise, duration and sampling interval matter, and writes design.png.

    Args:
        scenario: inputs, targets, what is measured once, and noise.
        folder: where to write; made if needed.
        data: dataset whose priors and settings count; by default the paper's.
        seed: key of the walkers that are analysed.
        formats: formats of `gait.report.style.FORMATS` in which figures are written beside PNG.

    Raises:
        InputError: if the folder holds a dataset, the noise does not fit the scenario's channels, there is no
            dataset, or too few walkers can be analysed.
    """
    check_kind(folder, RUN, flag="out")
    priors, settings = PAPER_PRIORS, RecordingSettings()
    if data is not None:
        dataset = open_dataset(data)
        priors, settings = dict(dataset.priors), dataset.settings
    analysis = analyse_scenario(scenario, priors, settings, seed=seed)
    design = None if scenario.noise is None else design_recording(analysis.model, scenario.noise, seed=seed)
    files.make_folder(folder)
    with files.locked(folder):
        written = _write(folder, analysis, design, formats)
    return ScenarioEvaluation(analysis, design, written)


def _write(
    folder: AnyPath, analysis: ScenarioAnalysis, design: RecordingDesign | None, formats: Sequence[str]
) -> list[str]:
    numbers = {"title": analysis.scenario.name, "design": None if design is None else design.to_dict()}
    files.write_json(folder / NUMBERS, analysis.to_dict() | numbers)
    figures = save(plot_identifiability(analysis), folder / FIGURE, formats)
    if design is not None:
        figures += save(plot_design(design), folder / DESIGN_FIGURE, formats)
    files.write_text(folder / REPORT, identifiability_report(analysis, design))
    return [REPORT, NUMBERS, *figures]

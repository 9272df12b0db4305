"""Folders of runs as training and evaluation leave them, without either."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from gait.scenarios import SCENARIOS, Scenario
from gait.storage import files
from gait.training.run import Run
from gait.training.settings import RunConfig, TrainingSettings

RECOVERED = "recovered"
AT_CEILING = "at its ceiling and not recoverable: prior edges only"
BELOW_CEILING = "below its ceiling: network-limited"
"""Verdicts as they stand in metrics.json."""
XY = SCENARIOS["three_parameter"]
NOISE = {"x": 0.005, "y": 0.005}
NOISY_XY = dataclasses.replace(XY, noise=NOISE)
FORCE = SCENARIOS["force_plate"]


def entry(possible: float, reached: float | None, verdict: str = RECOVERED, **more) -> dict:
    """A small entry of metrics.json."""
    return {"r2": reached, "ceiling_r2": possible, "verdict": verdict} | more


HIDDEN = {
    "mass": entry(0.5005, 0.4969, AT_CEILING),
    "stiffness": entry(0.5005, 0.4948, AT_CEILING),
    "rest_length": entry(1.0, 0.99993),
    "stiffness_to_mass": entry(1.0, 0.9996),
}
"""Scores of a network that reads x and y."""
KNOWN = {"mass": entry(1.0, 0.997), "stiffness": entry(1.0, 0.984, BELOW_CEILING), "rest_length": entry(1.0, 0.9991)}
"""Scores of a network that reads forces."""


def make_run(
    folder: Path, scenario: Scenario, metrics: dict | None = None, *, finished: bool = True, dataset: str = "0123abcd"
) -> Path:
    """Writes the folder of a run: begun, finished, or evaluated too."""
    folder.mkdir(parents=True)
    config = RunConfig(TrainingSettings(scenario), 150, "/data/walks", dataset, versions={}, code_revision=None)
    run = Run(folder)
    files.write_sealed(run.config, config.to_dict())
    if finished:
        run.model.touch()
        run.result.touch()
    if metrics is not None:
        files.write_json(run.metrics, metrics)
    return folder

"""The analysis of a scenario before training: what can be known, as files and in words."""

from __future__ import annotations

import dataclasses

from gait import report
from gait.data import manifest
from gait.errors import InputError
from gait.limits import analysis as prospects
from gait.limits import design as experiment
from gait.scenarios import SCENARIOS
from gait.simulation.population import Population
from gait.storage import files
from gait.storage.files import AnyPath


@dataclasses.dataclass(frozen=True)
class Foresight:
    """Result of `analyse_scenario`.

    Attributes:
        prospects: see `gait.limits.analysis.foresee`.
        plan: see `gait.limits.design.plan`; None without noise.
        files: names of the files written.
    """

    prospects: prospects.Prospects
    plan: experiment.Plan | None
    files: list[str]

    def sentences(self) -> list[str]:
        """All of it in plain words."""
        return self.prospects.sentences() + (self.plan.sentences() if self.plan else [])


def parse_noise(words: list[str]) -> dict[str, float]:
    """Noise levels that a user has written as CHANNEL:LEVEL, in the channels' units.

    Raises:
        InputError: if a word is of another form, or a channel is named twice.
    """
    levels = {}
    for word in words:
        name, _, number = word.partition(":")
        try:
            level = float(number)
        except ValueError:
            level = None
        if level is None or name in levels:
            raise InputError(
                "Noise is given once for each channel, as its standard deviation in the channel's unit: "
                f"--noise=x:0.005,y:0.005. Received: {word!r}."
            )
        levels[name] = level
    return levels


def analyse_scenario(
    name: str, folder: AnyPath, *, data: AnyPath | None = None, noise: dict[str, float] | None = None, seed: int = 0
) -> Foresight:
    """Finds out what can be known in a scenario and writes identifiability.json, .md and .png.

    Args:
        name: of a row of `gait.scenarios.SCENARIOS`.
        folder: where to; made if needed.
        data: dataset whose priors, gravity, duration and interval count; by default the paper's.
        noise: standard deviation of each channel, in its unit; with it comes the plan of a recording, design.png.
        seed: of the walkers that are analysed.

    Raises:
        InputError: if the noise does not fit the scenario's channels, there is no dataset, or too few
            walkers can be analysed.
    """
    scenario = SCENARIOS[name]
    population = manifest.read(data).population if data else Population()
    found = prospects.foresee(scenario.inputs, scenario.targets, population, noise=noise, seed=seed)
    plan = experiment.plan(found.observation, noise, seed=seed) if noise else None
    files.make_folder(folder)
    with files.locked(folder):
        written = report.write_prospects(folder, name, found, plan)
    return Foresight(found, plan, written)

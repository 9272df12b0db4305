"""One walk of a population, to look at."""

from __future__ import annotations

import dataclasses

from gait.parameters import NAMES, QUANTITIES, named
from gait.report.style import save
from gait.report.walk import plot_walk
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.population import Population, walk_records
from gait.simulation.steps import step_table
from gait.simulation.walks import ENGINES
from gait.storage.files import AnyPath

_INTERVAL = 0.01  # s, for smooth curves


def show_walk(population: Population, settings: RecordingSettings, engine: str, path: AnyPath) -> str:
    """Draws the first walk of a population and lists its steps.

    Args:
        population: walkers; the walk is that of record 0 of their dataset.
        settings: how it is recorded; the figure has a sample every 0.01 s.
        engine: name of the engine.
        path: where to write the figure.

    Returns:
        The walker's parameters and its table of steps, as text.
    """
    parameters, _, _ = walk_records(population, settings, range(1), engine)
    fine = dataclasses.replace(settings, interval=min(settings.interval, _INTERVAL))
    conditions = Conditions.of(named(NAMES, parameters), settings.gravity)
    walks = ENGINES[engine](conditions, fine.times, fine.duration)
    save(plot_walk(walks), path)
    values = dict(zip(NAMES, parameters[0].tolist(), strict=True))
    lines = [f"{QUANTITIES[name].label:28} {QUANTITIES[name].symbol:>4} = {value:.5g} {QUANTITIES[name].unit}"
             for name, value in values.items()]  # fmt: skip
    steps = step_table(walks).to_string(index=False, float_format="{:.3f}".format, na_rep="")
    return "\n".join(lines) + "\n\nSteps (m, s, m/s):\n" + steps

"""One walk of a population, to look at before a dataset is written."""

from __future__ import annotations

import dataclasses

import pandas as pd

from gait.parameters import NAMES, QUANTITIES, named
from gait.report.style import save
from gait.report.walk import plot_walk
from gait.simulation.conditions import MOST_SAMPLES, Conditions, RecordingSettings, Walks
from gait.simulation.population import Population, walk_records
from gait.simulation.steps import UNITS, step_table
from gait.simulation.walks import integrate
from gait.storage import files
from gait.storage.files import AnyPath

_INTERVAL = 0.01  # s, for smooth curves


def show_walk(population: Population, settings: RecordingSettings, engine: str, path: AnyPath) -> str:
    """Draws the first walk of a population and lists its steps.

    Args:
        population: walkers; the walk is that of record 0 of their dataset.
        settings: how it is recorded; the figure has a sample every 0.01 s, where the settings have fewer.
        engine: name of the engine.
        path: where to write the figure; its folder is made.

    Returns:
        The walker's parameters and its table of steps, as text.

    Raises:
        InputError: if the walker cannot walk, or the figure cannot be written.
    """
    parameters, _, _ = walk_records(population, settings, range(1), engine)
    fine = min(settings.interval, max(_INTERVAL, settings.duration / MOST_SAMPLES))
    conditions = Conditions.of(named(NAMES, parameters), settings.gravity)
    walks = integrate(conditions, dataclasses.replace(settings, interval=fine), engine)
    files.make_folder(path.parent)
    save(plot_walk(walks), path)
    return f"{_parameter_text(parameters[0].tolist())}\n\n{_step_text(walks)}"


def _parameter_text(values: list[float]) -> str:
    quantities = [QUANTITIES[name] for name in NAMES]
    return "\n".join(
        f"{quantity.label:27} {quantity.symbol:>3} = {value:<8.5g} {quantity.unit}"
        for quantity, value in zip(quantities, values, strict=True)
    )


def _step_text(walks: Walks) -> str:
    table = step_table(walks).reset_index()
    if table.empty:
        return "It ends before the first touchdown."
    table.columns = pd.MultiIndex.from_tuples([(name, UNITS.get(name, "")) for name in table.columns])
    return table.to_string(index=False, float_format="{:.3f}".format, na_rep="")

"""One walk of a population, to look at before a dataset is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pandas as pd

from gait import scripting
from gait.parameters import QUANTITIES, named
from gait.report.style import save
from gait.report.walk import plot_walk
from gait.simulation.acceptance import acceptance
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
        The walker's parameters, its table of steps, and the share of draws that walk, as text.

    Raises:
        InputError: if the walker cannot walk, or the figure cannot be written.
    """
    parameters, _, _ = walk_records(population, settings, range(1), engine)
    fine = min(settings.interval, max(_INTERVAL, settings.duration / MOST_SAMPLES))
    conditions = Conditions.of(named(population.names, parameters), settings.gravity)
    walks = integrate(conditions, dataclasses.replace(settings, interval=fine), engine)
    files.make_folder(path.parent)
    save(plot_walk(walks), path)
    walker, shares = _parameter_text(population.names, parameters[0].tolist()), acceptance(population, settings)
    return f"{walker}\n\n{_step_text(walks)}\n\n{scripting.listing(shares.sentences())}"


def _parameter_text(names: Sequence[str], values: list[float]) -> str:
    quantities = [QUANTITIES[name] for name in names]
    width = max(len(quantity.label) for quantity in quantities)
    return "\n".join(
        f"{quantity.label:{width}} {quantity.symbol:>3} = {value:<8.5g} {quantity.unit}"
        for quantity, value in zip(quantities, values, strict=True)
    )


def _step_text(walks: Walks) -> str:
    table = step_table(walks).reset_index()
    if table.empty:
        return "It ends before the first touchdown."
    table.columns = pd.MultiIndex.from_tuples([(name, UNITS.get(name, "")) for name in table.columns])
    return table.to_string(index=False, float_format="{:.3f}".format, na_rep="")

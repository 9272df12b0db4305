"""Comparison of evaluated runs: one table of what was possible and what was reached."""

from __future__ import annotations

import csv
import dataclasses
import fnmatch
import io
import re
from collections.abc import Sequence

from gait.diagnostics.comparison import Cell, ComparedRun, ComparisonTable
from gait.diagnostics.scores import flat
from gait.errors import InputError, printable
from gait.parameters import QUANTITIES
from gait.report.comparison import plot_comparison
from gait.report.comparison_text import FIGURE, comparison_report, comparison_table
from gait.report.style import save
from gait.scripting import command
from gait.storage import files
from gait.storage.files import AnyPath
from gait.storage.folders import RUN, check_kind
from gait.training.run import Run
from gait.training.settings import RunConfig

REPORT, NUMBERS = "comparison.md", "comparison.csv"
"""Files of a comparison beside its figure."""
MOST = 300
"""Largest number of runs: a figure of more rows is of no use to anyone."""
_WILDCARD = re.compile(r"[*?[]")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Result of `compare_runs`.

    Attributes:
        folder: folder with the files.
        table: the evaluated runs.
        notes: a sentence on each run that is left out.
        files: names of the files written.
    """

    folder: AnyPath
    table: ComparisonTable
    notes: tuple[str, ...]
    files: tuple[str, ...]

    def summary(self) -> str:
        """The table with sentences below it, for a terminal of 100 columns."""
        return comparison_table(self.table, self.notes)


def compare_runs(patterns: Sequence[str], out: AnyPath | str, *, formats: Sequence[str] = ()) -> Comparison:
    """Compares evaluated runs and writes comparison.md, .csv and .png.

    Args:
        patterns: folders of runs, local or remote; *, ? and [ ] in them stand for parts of names.
        out: folder to write to.
        formats: formats of `gait.report.style.FORMATS` in which the figure is written beside PNG.

    Returns:
        The table, and what was left out of it: runs that are not finished or not evaluated.

    Raises:
        InputError: if a folder holds no run, a pattern fits none, no run is evaluated, or files are damaged.
    """
    out = files.as_path(out)
    runs: list[ComparedRun] = []
    notes = []
    for run in _runs(patterns):
        config = run.read_config()
        if run.metrics.exists():
            runs.append(_compared(run, config))
        elif run.is_finished():
            notes.append(f"{_shown(run.folder)} is not evaluated. Evaluate it: {_evaluation(run)}")
        else:
            notes.append(f"{_shown(run.folder)} is not finished. {config.continuation(run.folder)}")
    if not runs:
        raise InputError(
            "There is nothing to compare: a comparison needs runs that are finished and evaluated. "
            f"Received: {_given(patterns)}. {' '.join(notes)}"
        )
    if len(runs) > MOST:
        raise InputError(f"A comparison holds at most {MOST} runs. Received: {len(runs)}. Name fewer of them.")
    table = ComparisonTable(runs)
    check_kind(out, RUN, flag="out")
    files.make_folder(out)
    with files.locked(out):
        files.write_text(out / REPORT, comparison_report(table, notes))
        files.write_text(out / NUMBERS, _csv(table))
        figures = save(plot_comparison(table), out / FIGURE, formats)
    return Comparison(out, table, tuple(notes), (REPORT, NUMBERS, *figures))


def _given(patterns: Sequence[str]) -> str:
    return f"--compare={','.join(patterns)}"


def _evaluation(run: Run) -> str:
    return command("python", "evaluate.py", f"--run={run.folder}")


def _shown(path: AnyPath | str) -> str:
    """A path as a table can hold it: without control characters and bytes that are no text."""
    return printable(str(path).encode("utf-8", "replace").decode("utf-8"))


# Runs ----------------------------------------------------------------------------------------


def _runs(patterns: Sequence[str]) -> list[Run]:
    """All runs that are named, each once, in the order of the patterns."""
    found: dict[str, Run] = {}
    for pattern in patterns:
        path = files.as_path(pattern)
        if path.is_dir() or not _WILDCARD.search(str(path)):
            matching = [Run(path)]
            matching[0].read_config()  # says what is wrong with a folder that holds no run
        else:
            matching = [run for run in map(Run, sorted(_matches(path))) if run.config.exists()]
        if not matching:
            train = command("python", "train.py", "--out=runs/NAME")
            raise InputError(
                f"No run fits {pattern!r}. A pattern must fit the folder of at least one run. "
                f"Received: {_given(patterns)}. Correct it, or train a run: {train}"
            )
        found |= {str(run.folder.resolve()): run for run in matching if str(run.folder.resolve()) not in found}
    if not found:
        raise InputError("There is nothing to compare. Received: no folder. Name runs, such as --compare='runs/*'.")
    return list(found.values())


def _matches(pattern: AnyPath) -> list[AnyPath]:
    """Folders that fit a pattern; as in a shell, hidden ones fit only a pattern that begins with a full stop."""
    if not _WILDCARD.search(str(pattern)):
        return [pattern]
    if pattern.parent == pattern:  # a bucket's name
        return []
    return [
        each
        for folder in _matches(pattern.parent)
        if folder.is_dir()
        for each in _inside(folder, pattern.name)
        if each.is_dir()
    ]


def _inside(folder: AnyPath, name: str) -> list[AnyPath]:
    """What a folder holds of a name that may have wildcards."""
    if not _WILDCARD.search(name):
        return [folder / name]
    hidden = name.startswith(".")
    return [
        path
        for path in folder.iterdir()
        if fnmatch.fnmatchcase(path.name, name) and (hidden or not path.name.startswith("."))
    ]


def _compared(run: Run, config: RunConfig) -> ComparedRun:
    """Reads the scores of an evaluated run."""
    scenario = config.settings.scenario
    entries = files.read_json(run.metrics, "table of metrics", [])
    noisy = any((scenario.noise or {}).values())
    try:
        if unknown := [name for name in entries if name not in QUANTITIES]:
            raise ValueError(f"it has unknown quantities: {', '.join(unknown)}")
        if not entries:
            raise ValueError("it is empty")
        cells = {name: Cell.from_dict(entry, noisy=noisy) for name, entry in entries.items()}
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise InputError(
            f"{run.metrics} is not a readable table of metrics ({reason}). Evaluate the run again: {_evaluation(run)}"
        ) from error
    name = _shown(run.folder.resolve().name)  # resolved, for the current folder has no name
    return ComparedRun(name, _shown(run.folder), scenario, config.samples, config.dataset, cells, entries)


# Numbers -------------------------------------------------------------------------------------


def _csv(table: ComparisonTable) -> str:
    """One row for each run and quantity, with all that metrics.json holds; an interval has two columns."""
    rows = []
    for run in table.runs:
        about = {
            "run": run.folder,
            "scenario": run.scenario.name,
            "inputs": " ".join(run.scenario.inputs),
            "measured": " ".join(run.scenario.measured),
            "noise": " ".join(f"{name}:{level!r}" for name, level in run.levels.items()),
            "duration": run.duration,
            "interval": run.interval,
            "samples": run.samples,
            "dataset": run.dataset,
        }
        rows += [about | {"quantity": name} | flat(run.entries[name]) for name in table.columns if name in run.cells]
    text = io.StringIO()
    writer = csv.DictWriter(text, dict.fromkeys(key for row in rows for key in row), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

"""Evaluation of any network's estimates from a table of samples."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pandas as pd

from gait.diagnostics.sampled import SampledScore, judge
from gait.errors import InputError, storage_reason
from gait.report.predictions import predictions_notes, predictions_report, predictions_table
from gait.scripting import listing
from gait.storage import files
from gait.storage.files import AnyPath

REPORT, NUMBERS = "limits.md", "limits.json"
"""Names of the files that are written on request."""
ESTIMATE = "_estimate"
"""Ending of the name of a column with estimates."""
RULE = f"Each target NAME needs a column NAME{ESTIMATE} with the network's estimates. All other columns are its inputs"


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Samples of a network's estimates, as a table has them.

    Attributes:
        names: names of the t targets.
        inputs: names of the d inputs.
        table: one row a sample, a column of finite numbers for each input, target and estimate.
    """

    names: tuple[str, ...]
    inputs: tuple[str, ...]
    table: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class PredictionsEvaluation:
    """Result of `evaluate_predictions`.

    Attributes:
        scores: score of each target, by name.
        inputs: names of the inputs.
        seed: key of the random choices.
        files: names of the files written.
    """

    scores: dict[str, SampledScore]
    inputs: tuple[str, ...]
    seed: int
    files: tuple[str, ...]

    def summary(self) -> str:
        """A narrow table with sentences below it, for a terminal of 100 columns."""
        return f"{predictions_table(self.scores)}\n{listing(predictions_notes(self.scores, self.inputs, self.seed))}"


def evaluate_predictions(path: AnyPath | str, out: AnyPath | None = None, *, seed: int = 0) -> PredictionsEvaluation:
    """Tells of any network's estimates, target by target, whether the data or the network limit them.

    Args:
        path: table of samples that the network has not been trained on, see `read_predictions`.
        out: folder for limits.md and limits.json; by default nothing is written.
        seed: key of the random choices.

    Raises:
        InputError: if the table is not as it should be, or the folder cannot be written to.
    """
    found = read_predictions(files.as_path(path))
    values = {name: found.table[name].to_numpy() for name in found.table}
    scores = judge(
        np.column_stack([values[name] for name in found.inputs]),
        np.column_stack([values[name] for name in found.names]),
        np.column_stack([values[name + ESTIMATE] for name in found.names]),
        names=found.names,
        seed=seed,
    )
    if out is None:
        return PredictionsEvaluation(scores, found.inputs, seed, ())
    files.make_folder(out)
    with files.locked(out):
        files.write_text(out / REPORT, predictions_report(scores, found.inputs, seed))
        numbers = {name: entry.to_dict() for name, entry in scores.items()}
        files.write_json(out / NUMBERS, {"seed": seed, "inputs": list(found.inputs), "targets": numbers})
    return PredictionsEvaluation(scores, found.inputs, seed, (REPORT, NUMBERS))


# The table -----------------------------------------------------------------------------------


def read_predictions(path: AnyPath) -> Predictions:
    """Reads a table with the columns NAME and NAME_estimate of each target, and all inputs as further columns.

    Args:
        path: comma-separated text in UTF-8, the names in the first line, one sample in each further line.

    Raises:
        InputError: if the file cannot be read, columns are missing or named twice, or a cell is not a finite number.
    """
    header, table = _parsed(path)
    names, inputs = _roles(path, header)
    used = table[[*inputs, *names, *(name + ESTIMATE for name in names)]]
    numbers = used.apply(pd.to_numeric, errors="coerce").astype(float)
    for name in numbers:
        _check_cells(path, name, used[name], numbers[name].to_numpy())
    _refuse_row_numbers(path, inputs, numbers)
    return Predictions(names, inputs, numbers)


def _parsed(path: AnyPath) -> tuple[list[str], pd.DataFrame]:
    """Names of the columns, and the table as it was read."""
    try:
        with files.local_copy(path) as local:
            with local.open(encoding="utf-8-sig", newline="") as file:
                header = [name.strip() for name in next(csv.reader(file), [])]
            table = files.read_csv(local, encoding="utf-8-sig", header=None, skiprows=1, low_memory=False)
    except pd.errors.EmptyDataError:
        table = pd.DataFrame(columns=range(len(header)))
    except OSError as error:
        reason = storage_reason(error)
        if reason is None:
            raise
        raise InputError(f"Cannot read {path}: {reason}. Give the path of a table in CSV format.") from error
    except (ValueError, csv.Error) as error:  # such as pandas' ParserError, or other bytes than UTF-8
        raise InputError(
            f"{path} is not a table of comma-separated values ({str(error).strip()}). Write it with one line of names "
            "and one line for each sample, in UTF-8."
        ) from error
    if len(header) != table.shape[1]:
        raise InputError(
            f"{path} must have as many names in its first line as values in the others. Received: {len(header)} names "
            f"and {table.shape[1]} values. Write one name for each column."
        )
    table.columns = pd.Index(header)
    return header, table


def _roles(path: AnyPath, header: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of targets and of inputs among the columns of a table, or an `InputError`."""
    received = f"Received: {', '.join(header[:12]) or 'no columns'}{', …' if len(header) > 12 else ''}"
    twice = sorted({name for name in header if header.count(name) > 1 or not name})
    if twice:
        raise InputError(
            f"Every column of {path} needs a name of its own. "
            f"Received more than once or empty: {', '.join(map(repr, twice))}. Rename these columns."
        )
    estimates = [name for name in header if name.endswith(ESTIMATE) and name != ESTIMATE]
    names = tuple(name.removesuffix(ESTIMATE) for name in estimates)
    if len(header) == 1:
        raise InputError(f"{path} has a single column. {RULE}. {received}. Separate the columns by commas.")
    if not names:
        raise InputError(f"{path} has no column that ends in {ESTIMATE}. {RULE}. {received}. Add it.")
    alone = [name for name in names if name not in header]
    if alone:
        raise InputError(
            f"{path} lacks the true values of {', '.join(alone)}. {RULE}. {received}. Add a column {alone[0]}, or "
            f"rename {alone[0]}{ESTIMATE} if it is an input."
        )
    both = [name for name in names if name in estimates]
    if both:
        raise InputError(
            f"In {path}, {both[0]} would be an estimate of {both[0].removesuffix(ESTIMATE)} and a target with an "
            f"estimate of its own. {RULE}. Rename one of these columns."
        )
    inputs = tuple(name for name in header if name not in names and name not in estimates)
    if not inputs:
        raise InputError(
            f"{path} has no inputs. {RULE}. {received}. Add what the network reads, one column for each number."
        )
    return names, inputs


def _check_cells(path: AnyPath, name: str, cells: pd.Series, numbers: np.ndarray) -> None:
    """Refuses text, empty cells, NaN and infinity, and names the first one."""
    bad = np.flatnonzero(~np.isfinite(numbers))
    if not bad.size:
        return
    cell = cells.iloc[bad[0]]
    what = "an empty cell or NaN" if pd.isna(cell) else repr(cell)
    raise InputError(
        f"Every cell of {path} must be a finite number. Received: {what} in column {name}, line {bad[0] + 2}, and "
        f"{bad.size} such cells in this column. Leave out these lines, or the column if it is no input."
    )


def _refuse_row_numbers(path: AnyPath, inputs: tuple[str, ...], numbers: pd.DataFrame) -> None:
    """An input that counts the rows tells nothing of a sample, but would be read as if it did."""
    counting = [name for name in inputs if len(numbers) > 1 and np.all(np.diff(numbers[name]) == 1.0)]
    if counting:
        raise InputError(
            f"Column {counting[0]} of {path} only counts the rows. {RULE}. Leave out {counting[0]}, and keep what the "
            "network reads."
        )

"""Tables of numbers as text: the dialects in which laboratories write CSV."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from gait.errors import InputError
from gait.identifiability.wording import listed
from gait.recordings.columns import UNITS, fill, time_of
from gait.recordings.raw import Raw

_HEAD = 65_536  # characters in which the names of columns have to come
_COMMENT = ("#", "%", "//")
_SENTINELS = (-9999.0, 9999.0, -99999.0, 99999.0, 999999.0, -999999.0, -999.0)
_SEPARATORS = (";", "\t", ",", "|")
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")


def text_of(path: Path) -> str:
    """Content of a text file in any of the usual encodings.

    Raises:
        InputError: if it is empty or holds no text.
    """
    content = path.read_bytes()
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(name)
    if b"\x00" in content[:_HEAD]:
        raise InputError(f"{path} holds no text. A recording is a CSV, .mot, .sto or .trc text file, or a .c3d file.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if not text.strip():
        raise InputError(f"{path} is empty. A recording has a line of names and a line of numbers for each sample.")
    return text


def read_table(path: Path, mass: float | None, rate: float | None) -> Raw:
    """Reads a CSV file whose first line names the columns, such as "t_s,x_m,y_m,fx_N,fy_N".

    Args:
        path: of the file.
        mass: body mass that the user has stated, kg.
        rate: samples a second, where there is no column of times.

    Raises:
        InputError: if names, times or numbers are missing.
    """
    text = text_of(path)
    comments, first = _comments(text)
    head = text[first : first + _HEAD].splitlines()
    separator = max(_SEPARATORS, key=lambda mark: head[0].count(mark))
    if not head[0].count(separator):
        separator = r"\s+"
    names = [name.strip().strip('"') for name in (re.split(separator, head[0].strip()) if separator == r"\s+" else head[0].split(separator))]
    if sum(bool(_NUMBER.fullmatch(name)) for name in names) > len(names) // 2:
        raise InputError(
            f"{path} does not say what its columns are. Its first line has to name them with their units, such as "
            f"t_s,x_m,y_m,fx_N,fy_N. Received: {head[0][:80]!r}."
        )
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    if doubled:
        raise InputError(f"{path} has several columns of one name: {listed(doubled)}. Rename or remove them.")
    decimal = "," if separator != "," and re.search(r"\d,\d", "".join(head[1:20])) and "." not in "".join(head[1:20]) else "."
    table = pd.read_csv(
        io.StringIO(text[first:]), sep=separator, decimal=decimal, skipinitialspace=True, index_col=False,
        comment="#", low_memory=False, encoding_errors="replace", header=0, names=names,
    )  # fmt: skip
    raw = Raw(np.empty(0), mass=mass or _stated_mass(comments))
    units = _unit_row(table)
    if units:
        table = table.iloc[1:]
    columns = _numbers(table.dropna(how="all"), raw)
    _times(path, raw, columns, units, rate)
    strange = fill(raw, columns, units)
    if not raw.points and not raw.forces and not raw.velocities:
        raise InputError(
            f"{path} has no column that a walk needs: positions of the centre of mass such as x_m and y_m, or forces such "
            f"as fx_N and fy_N. Received: {listed(names)}."
        )
    if strange:
        raw.notes.append(f"Not understood and left out: {listed([repr(name) for name in strange])}.")
    return raw


def _comments(text: str) -> tuple[list[str], int]:
    """Comment lines before the names of columns, and where the names begin."""
    found, position = [], 0
    for line in io.StringIO(text):
        if line.strip() and not line.lstrip().startswith(_COMMENT):
            break
        found.append(line)
        position += len(line)
    return found, position


def _stated_mass(comments: list[str]) -> float | None:
    for line in comments:
        if found := re.search(r"mass\w*\s*(?:\(?\[?kg\]?\)?)?\s*[:=]\s*([\d.]+)", line, re.IGNORECASE):
            return float(found[1])
    return None


def _unit_row(table: pd.DataFrame) -> dict[str, str]:
    """Units of the columns where the first row below the names tells them."""
    if not len(table):
        return {}
    cells = {name: str(table[name].iloc[0]).strip(" []()").lower() for name in table.columns}
    named = {name: cell for name, cell in cells.items() if cell in UNITS}
    return named if len(named) > len(cells) // 2 else {}


def _numbers(table: pd.DataFrame, raw: Raw) -> dict[str, np.ndarray]:
    """Columns as numbers; NaN where a cell is empty, no number, or a mark for a missing one."""
    columns, words, marks = {}, [], []
    for name in table.columns:
        if str(name).startswith("Unnamed") or not str(name):
            continue
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(float, copy=True)
        lost = int(np.sum(np.isnan(values)) - table[name].isna().sum())
        if lost:
            words.append(f"{lost} of {name}")
        for mark in _SENTINELS:
            here = values == mark
            if here.any() and not here.all() and abs(mark) > 5.0 * np.nanmax(np.abs(values[~here])):
                values[here] = np.nan
                marks.append(f"{mark:g} in {name}")
        columns[str(name)] = values
    if words:
        raw.notes.append(f"Cells that are no numbers are taken for missing: {listed(words)}.")
    if marks:
        raw.notes.append(f"Taken for marks of missing values: {listed(marks)}.")
    return columns


def _times(path: Path, raw: Raw, columns: dict[str, np.ndarray], units: dict[str, str], rate: float | None) -> None:
    name, unit = time_of(list(columns))
    if name is None:
        if rate is None:
            raise InputError(
                f"{path} has no column of times. Name one t_s, or state the samples a second with --rate. "
                f"Received: {listed(list(columns))}."
            )
        raw.t = np.arange(len(next(iter(columns.values())))) / rate
        return
    raw.t = columns[name]
    unit = unit or units.get(name, "")
    raw.t = raw.t * UNITS.get(unit, 1.0)
    steps = np.diff(raw.t[np.isfinite(raw.t)])
    if not unit and len(steps) and np.median(steps) >= 1.0:
        raw.t = raw.t / 1000.0
        raw.notes.append(f"Times are taken for milliseconds: samples would be {np.median(steps):g} s apart.")

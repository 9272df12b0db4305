"""Numbers of text files: encodings, separators, decimal commas, cells that are not numbers."""

from __future__ import annotations

import csv
import io
import re
import warnings
from pathlib import Path

import numpy as np

from gait.errors import InputError, storage_reason

MISSING = ["", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "None", "none", "-", "--", "?", "inf",
           "-inf", "Inf", "-Inf", "missing", "#DIV/0!", "#NUM!", "#VALUE!", "#REF!", "1.#QNAN", "-1.#IND", "-nan",
           "-NaN", "."]  # fmt: skip
"""Cells that stand for no number."""
_HEAD = 200_000
_MOST_TEXT = 0.05
"""Share of a column's cells that may be no numbers before it is refused."""


def contents(path: Path) -> bytes:
    """All bytes of a file; raises `InputError` where that is not possible."""
    if path.is_dir():
        raise InputError(f"A recording is one file. Received a folder: {path}. Name a file in it.")
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = storage_reason(error)
        if reason is None:
            raise
        if not path.exists():
            reason = "there is no such file"
        raise InputError(f"Cannot read the recording {path}: {reason}. Check the path.") from None
    if not data.strip():
        raise InputError(f"The recording {path} is empty. Export it again from the program that recorded it.")
    return data


def decoded(data: bytes) -> tuple[str, str | None]:
    """Text of a file whatever its encoding, with line ends "\\n".

    Returns:
        The text, and a sentence where the encoding was a guess or unusual.
    """
    note = None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text, note = data.decode("utf-16", errors="replace"), "The text is in UTF-16."
    elif data[:400].count(b"\0") > len(data[:400]) / 4:
        text = data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", errors="replace")
        note = "The text is in UTF-16."
    else:
        if b"\0" in data[:4000]:
            raise InputError(
                "The recording is not a text file: it holds zero bytes. Recordings are read from .csv, .mot, .sto, "
                ".trc and .c3d files. Export it as one of these."
            )
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text, note = data.decode("latin-1"), "The text is not in UTF-8; it was read as Latin-1."
    if "\r" in text[:_HEAD]:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, note


def cells(line: str, separator: str) -> list[str]:
    """Cells of a line, quotes removed; a separator " " is any white space."""
    if separator == " ":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]


_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?$")
_THOUSANDS = {
    ".": re.compile(r"[+-]?[1-9]\d{0,2}([,' \u00a0\u202f]\d{3})+(\.\d*)?$"),
    ",": re.compile(r"[+-]?[1-9]\d{0,2}([.' \u00a0\u202f]\d{3})+(,\d*)?$"),
}


def number(cell: str, decimal: str = ".") -> float | None:
    """Number in a cell, NaN for one that stands for none, None for a text."""
    cell = cell.strip().strip('"').strip().replace("\u2212", "-")
    if cell in MISSING:
        return np.nan
    if _THOUSANDS[decimal].match(cell):
        for mark in ("," if decimal == "." else ".", "'", " ", "\u00a0", "\u202f"):
            cell = cell.replace(mark, "")
    plain = cell.replace(",", ".") if decimal == "," and "." not in cell else cell
    if _PLAIN.match(plain):
        return float(plain.replace("d", "e").replace("D", "e"))
    return None


def is_numbers(row: list[str], decimal: str) -> bool:
    """Whether more than half of the cells of a row are numbers or missing, and one at least is a number."""
    values = [number(cell, decimal) for cell in row]
    numbers = [value for value in values if value is not None]
    return len(numbers) > len(values) / 2 and bool(np.isfinite(np.array(numbers)).any())


def columns_of(
    text: str, begin: int, names: list[str], separator: str, decimal: str, notes: list[str]
) -> list[np.ndarray]:  # fmt: skip
    """Columns of numbers under their names.

    Args:
        text: the whole file.
        begin: position in it where the first row of numbers begins.
        names: names of the columns.
        separator: between cells; " " is any white space.
        decimal: "." or ",".
        notes: gets a sentence for each repair.

    Returns:
        One array of float64 for each name; text cells of a column of times stay texts.

    Raises:
        InputError: if rows do not fit the names or too many cells are no numbers.
    """
    import pandas as pd

    body = text[begin:]
    count = len(names)
    lines = body.rstrip("\n \0")
    last = lines[lines.rfind("\n") + 1 :]
    cut = (
        0 < len(cells(last, separator)) < count
        and "\n" in lines
        and len(cells(last, separator)) < len(cells(lines[: lines.find("\n")], separator))
    )
    if cut:
        lines = lines[: lines.rfind("\n")]
        notes.append("The last line is incomplete, as in a file that was cut off; it was left out.")
    if "#" in lines:
        lines = re.sub(r"(?m)^\s*#.*\n?", "", lines)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells would be lost
            frame = pd.read_csv(
                io.StringIO(lines), sep=r"\s+" if separator == " " else separator, header=None,
                names=list(range(count + 1)), index_col=False, decimal=decimal, na_values=MISSING,
                keep_default_na=False, skipinitialspace=True, low_memory=False, skip_blank_lines=True,
            )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        found = re.search(r"Expected \d+ fields in line (\d+), saw (\d+)", str(error))
        where = (
            f"Line {text[:begin].count(chr(10)) + int(found[1])} has {found[2]} cells"
            if found
            else "a row has more cells"
        )
        raise InputError(
            f"Rows of the recording do not fit its {count} column names. Received: {where}. Decimal commas need "
            "another separator than a comma. Export it again with points or with semicolons between the columns."
        ) from None
    if frame.iloc[:, count].notna().any():
        raise InputError(
            f"Rows of the recording have more cells than its {count} column names: {', '.join(names[:6])}, ... Decimal "
            "commas need another separator than a comma. Export it again with points or with semicolons between "
            "columns."
        )
    return [_numeric(names[k], frame.iloc[:, k], decimal, notes) for k in range(count)]


def _numeric(name: str, column, decimal: str, notes: list[str]) -> np.ndarray:
    """A column as float64, its texts read one by one; a column of clock times as it is."""
    if column.dtype.kind in "fiu":
        values = column.to_numpy(np.float64)
        return np.where(np.isfinite(values), values, np.nan)
    if column.dtype.kind == "b":
        return column.to_numpy(np.float64)
    texts = column.astype("string").fillna("").str.strip()
    known = {text: number(str(text), decimal) for text in texts.unique()}
    values = texts.map({text: np.nan if value is None else value for text, value in known.items()}).to_numpy(np.float64)
    wrong = [text for text, value in known.items() if value is None]
    if not wrong:
        if any(_THOUSANDS[decimal].match(str(text)) for text in known):
            notes.append(
                f"Column {name} has thousands separators; 1{',' if decimal == '.' else '.'}234 was read as 1234."
            )
        return values
    bad = int(texts.isin(wrong).sum())
    if bad > max(1.0, _MOST_TEXT * len(texts)):
        return texts.to_numpy(dtype=object)
    notes.append(
        f"{bad} cell{'s' * (bad > 1)} of column {name} {'are no numbers' if bad > 1 else 'is no number'}, for example "
        f'"{wrong[0]}"; missing there.'
    )
    return values

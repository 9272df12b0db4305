"""Tables of numbers with a line of names: CSV in its many dialects."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import numpy as np

from gait.errors import InputError
from gait.recordings.text import cells, columns_of, decoded, is_numbers, number

_SEPARATORS = ("\t", ";", ",", " ", "|")
_HEAD = 100_000
_COMMENT = re.compile(r"\s*(#|%|//)\s?(.*)")
_NUMBER_AND_UNIT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*([A-Za-z/]*)")
_STATED = re.compile(r"\s*[\"']?([A-Za-z][\w /()\[\]-]*?)[\"']?\s*[:=,;\t]\s*[\"']?([^\"';,\t]+([.,]\d+)?[^\"';,\t]*)")
_FIRST_ROWS = 12
_UNIT_WORDS = {"s", "ms", "m", "mm", "cm", "n", "kn", "nm", "nmm", "n.m", "m/s", "mm/s", "bw", "%bw", "deg", "-", "",
               "hz", "sec", "frames", "n/kg", "n*m", "v", "us"}  # fmt: skip


@dataclasses.dataclass
class Table:
    """Columns of numbers with their names.

    Attributes:
        names: one for each column, as written; a unit of its own line stands behind it in brackets.
        columns: arrays of float64, or of texts where most cells are no numbers.
        stated: what comment lines and lines before the names say, key in lower case → text.
        notes: sentences on what was understood.
    """

    names: list[str]
    columns: list[np.ndarray]
    stated: dict[str, str]
    notes: list[str]


def read_table(data: bytes) -> Table:
    """Reads a text file of columns under names, whatever separates them.

    Args:
        data: contents of the file.

    Raises:
        InputError: if there are no names, no numbers, or rows that do not fit the names.
    """
    text, note = decoded(data)
    notes = [note] if note else []
    head = text[:_HEAD]
    lines = head.split("\n")[: None if len(text) <= _HEAD else -1]
    if not lines:
        raise InputError(
            f"The recording has no end of a line in its first {len(head):,} characters. Rows of a table end with one. "
            "Export it again."
        )
    stated: dict[str, str] = {}
    directive = re.match(r"\s*sep\s*=\s*(.)\s*$", lines[0])
    separator, decimal, first = _dialect(lines, directive[1] if directive else None)
    names: list[str] | None = None
    named_at = None
    for k in range(first - 1, -1, -1):
        row = cells(lines[k], separator)
        comment = _COMMENT.match(lines[k])
        if names is None and not comment and any(row) and _fits(row, lines, first, separator):
            names, named_at = row, k
            if k and _are_units(row) and not _COMMENT.match(lines[k - 1]):
                above = cells(lines[k - 1], separator)
                if _fits(above, lines, first, separator) and not _are_units(above):
                    names = [f"{name} [{unit}]" if unit else name for name, unit in zip(above, row, strict=False)]
                    named_at = k - 1
        elif (found := _STATED.match(comment[2] if comment else lines[k])) and k != named_at:
            stated[found[1].strip().lower()] = found[2].strip()
    if names is None:
        names = _names_in_comment(lines, first, separator)
    if names is None:
        before = [cells(text_line, separator) for text_line in lines[:first]]
        texts = [row for row in before if len(row) > 1 and all(number(cell) is None for cell in row if cell)]
        if texts:
            raise InputError(
                f"The recording names {len(texts[-1])} columns but its rows have "
                f"{len(cells(lines[first], separator))} cells. Received: {_shown(lines[first])}. If its decimals are "
                "commas, separate the columns by semicolons; else correct the names."
            )
        raise InputError(
            "The recording has no line of column names, so that nobody can tell what its columns are. The first line "
            f"before the numbers names them, for example t_s,x_m,y_m,fx_N,fy_N. Received: {_shown(lines[first])}. "
            "Add one."
        )
    begin = sum(len(line) + 1 for line in lines[:first])
    while len(names) > 1 and not names[-1]:
        names = names[:-1]
    columns = columns_of(text, begin, names, separator, decimal, notes)
    if separator != ",":
        word = {"\t": "tabs", ";": "semicolons", " ": "white space", "|": "vertical bars"}[separator]
        comma = " and decimals by commas" if decimal == "," else ""
        notes.append(f"Columns are separated by {word}{comma}.")
    elif decimal == ",":
        notes.append("Decimals are separated by commas.")
    return Table(names, columns, stated, notes)


def _dialect(lines: list[str], directive: str | None) -> tuple[str, str, int]:
    """Separator, decimal sign, and number of the first line of numbers."""
    best: tuple[tuple[int, int, int], str, str, int] | None = None
    for rank, separator in enumerate([directive] if directive else _SEPARATORS):
        split = [cells(line, separator) if line.strip() and not _COMMENT.match(line) else [] for line in lines[:400]]
        for decimal in (".", ","):
            if decimal == separator and not any('"' in line for line in lines[:400]):
                continue
            if decimal == "," and not any("," in cell for row in split for cell in row):
                continue
            widths = [len(row) for row in split if is_numbers(row, decimal)]
            if not widths:
                continue
            width = int(np.median(widths))
            first = next(
                (k for k, row in enumerate(split) if is_numbers(row, decimal) and abs(len(row) - width) <= 1), None
            )
            if first is None:
                continue
            rows = [row for row in split[first:] if row][:60]
            good = sum(is_numbers(row, decimal) for row in rows)
            if width < 2 and any(s in lines[first] for s in ";\t"):
                continue
            score = (good * 100 // len(rows) // 20, width, -rank)
            if best is None or score > best[0]:
                best = (score, separator, decimal, first)
    if best is None:
        shown = next((line for line in lines if line.strip()), "")
        raise InputError(
            f"The recording holds no numbers. Received: {_shown(shown)}. Export it as CSV with column names."
        )
    _, separator, decimal, first = best
    return separator, decimal, first


def _fits(row: list[str], lines: list[str], first: int, separator: str) -> bool:
    """Whether a line has as many names as the rows of numbers have cells, and no numbers among them."""
    width = len(cells(lines[first], separator))
    named = [cell for cell in row if cell]
    return (
        abs(len(row) - width) <= 1
        and len(named) >= min(width, 2) - 1
        and all(number(cell) is None and number(cell, ",") is None for cell in named)
    )


def _are_units(row: list[str]) -> bool:
    return all(cell.strip("[]() ").lower() in _UNIT_WORDS for cell in row) and any(row)


def _names_in_comment(lines: list[str], first: int, separator: str) -> list[str] | None:
    """Names from the last comment line before the numbers, as numpy.savetxt writes them."""
    for k in range(first - 1, -1, -1):
        comment = _COMMENT.match(lines[k])
        if comment and len(row := cells(comment[2], separator)) > 1 and _fits(row, lines, first, separator):
            return row
    return None


def _shown(line: str) -> str:
    return line if len(line) <= 80 else line[:77] + "..."


def stated_number(stated: dict[str, str], *keys: str, units: Mapping[str, float] | None = None) -> float | None:
    """Number that a file states under one of some keys, for example "mass_kg: 70"; None where it states none.

    Args:
        stated: key → text.
        keys: regular expressions of keys without their units.
        units: unit → factor to the one that is returned; others than these count as that one.
    """
    for key, text in stated.items():
        word = re.sub(r"[\s_\-()\[\]/]+", "_", key).strip("_")
        unit = next((name for name in units or {} if word.endswith("_" + name.replace("/", "_"))), "")
        word = word.removesuffix("_" + unit.replace("/", "_")) if unit else word
        if any(re.fullmatch(pattern, word) for pattern in keys) and (found := _NUMBER_AND_UNIT.match(text)):
            factor = (units or {}).get(found[2].lower(), (units or {}).get(unit, 1.0))
            return float(found[1].replace(",", ".")) * factor
    return None

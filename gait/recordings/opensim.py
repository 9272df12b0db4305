"""Files of OpenSim: tables .mot and .sto, markers .trc."""

from __future__ import annotations

import re

import numpy as np

from gait.errors import InputError
from gait.recordings.raw import Raw
from gait.recordings.tables import Table
from gait.recordings.text import cells, columns_of, decoded, is_numbers, number


def read_storage(data: bytes) -> Table:
    """Reads a .mot or .sto file: a header that ends with "endheader", a line of names, rows of numbers.

    Args:
        data: contents of the file.

    Raises:
        InputError: if the header has no end, or rows do not fit the names.
    """
    text, note = decoded(data)
    notes = [note] if note else []
    ending = re.search(r"(?im)^[ \t]*endheader[ \t]*$", text)
    if not ending:
        raise InputError(
            "The file has no line endheader, which ends the header of every .mot and .sto file. Export it again, or "
            "save it as .csv if it is a plain table."
        )
    stated = {}
    for line in text[: ending.start()].split("\n"):
        if found := re.match(r"\s*([A-Za-z][\w ]*?)\s*(?:=|\s)\s*(\S.*?)\s*$", line):
            stated[found[1].lower()] = found[2]
    begin = ending.end() + 1
    while begin < len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        if text[begin:end].strip():
            break
        begin = end + 1
    else:
        raise InputError("The file ends with its header: there are no columns. Export it again.")
    line = text[begin:end]
    if not text[end:].strip():
        raise InputError("The file has column names but no rows. Export it again.")
    following = text[end + 1 :].lstrip("\n").split("\n", 1)[0]
    separator = next((mark for mark in "\t," if mark in line.strip() and mark in following.strip()), " ")
    names = cells(line, separator)
    while len(names) > 1 and not names[-1]:
        names = names[:-1]
    row = cells(following, separator)
    if is_numbers(names, "."):
        raise InputError(
            "The file has no line of column names after endheader, so that nobody can tell what its columns are. "
            f"Received: {line[:60]}. Add one."
        )
    decimal = "," if not is_numbers(row, ".") and is_numbers(row, ",") else "."
    columns = columns_of(text, end + 1, names, separator, decimal, notes)
    rows = len(columns[0])
    for key in ("datarows", "nrows"):
        claimed = number(stated.get(key, ""))
        if claimed is not None and np.isfinite(claimed) and claimed != rows:
            more = "the file may have been cut off" if claimed > rows else "all of them were read"
            notes.append(f"The header says {claimed:.0f} rows and there are {rows}; {more}.")
    for key in ("datacolumns", "ncolumns"):
        claimed = number(stated.get(key, ""))
        if claimed is not None and np.isfinite(claimed) and claimed != len(names):
            notes.append(f"The header says {claimed:.0f} columns and there are {len(names)}.")
    return Table(names, columns, stated, notes)


def read_markers(data: bytes) -> tuple[Raw, dict[str, np.ndarray]]:
    """Reads a .trc file.

    Args:
        data: contents of the file.

    Returns:
        `Raw` with stamps, unit, rate and notes but no points; marker → positions in the unit of the file, shape
        [samples, 3].

    Raises:
        InputError: if there is no header, or columns do not fit the markers.
    """
    text, note = decoded(data)
    notes = [note] if note else []
    lines = text[:400_000].split("\n")
    named = next(
        (k for k, line in enumerate(lines[:30]) if re.match(r"\s*frame\s*#?\s*[\t ,]", line, re.IGNORECASE)), None
    )
    if named is None:
        raise InputError(
            "The file has no line that begins with Frame# and names the markers, as every .trc file has. Export it "
            "again."
        )
    header: dict[str, str] = {}
    for k in range(named - 1):
        keys, values = lines[k].split(), lines[k + 1].split()
        if "DataRate" in keys or "Units" in keys:
            header = dict(zip(keys, values, strict=False))
    first = None
    for k in range(named + 1, min(len(lines), named + 12)):
        row = cells(lines[k], "\t" if "\t" in lines[k] else " ")
        if row and re.fullmatch(r"\d+", row[0]) and len(row) > 2:
            first = k
            break
    if first is None:
        raise InputError("The .trc file has no rows of numbers under its markers. Export it again.")
    separator = "\t" if "\t" in lines[first] else " "
    tabs = "\t" in lines[named]
    row = cells(lines[first], separator)
    labels = [cell.strip() for cell in lines[named].split("\t" if tabs else None)]
    at = [k for k, label in enumerate(labels) if k > 1 and label]
    markers = [labels[k] for k in at]
    if any(k != 2 + 3 * n for n, k in enumerate(at)):
        at = [2 + 3 * n for n in range(len(markers))]
    width = 2 + 3 * len(markers)
    given = len(row) - (len(row) > width and not row[-1])
    if separator == "\t":
        shorter = (
            given < width and not cells(lines[first + 1] if first + 1 < len(lines) else "", "\t")[width - 1 : width]
        )
    else:
        shorter = given != width
    if shorter or len(row) > width + 3 or (len(row) > width and any(row[width:])):
        raise InputError(
            f"The .trc file names {len(markers)} markers, which need {width} columns. Received: {given}. Correct the "
            "line of names, or export the file again."
        )
    decimal = "," if any("," in cell for cell in row) and "." not in lines[first] else "."
    names = ["Frame#", "Time", *(f"{marker} {axis}" for marker in markers for axis in "xyz")]
    names += [""] * max(0, len(row) - width)
    columns = columns_of(text, sum(len(line) + 1 for line in lines[:first]), names, separator, decimal, notes)
    points = {}
    for n, marker in enumerate(markers):
        three = columns[2 + 3 * n : 5 + 3 * n]
        if any(axis.dtype == object for axis in three):
            raise InputError(f"The columns of marker {marker} hold texts instead of numbers. Export the file again.")
        points[marker] = np.stack(three, axis=1)
    rate = number(header.get("DataRate", ""), decimal)
    claimed = number(header.get("NumFrames", ""))
    if claimed is not None and np.isfinite(claimed) and claimed != len(columns[0]):
        notes.append(f"The header says {claimed:.0f} frames and there are {len(columns[0])}.")
    said = number(header.get("NumMarkers", ""))
    if said is not None and np.isfinite(said) and said != len(markers):
        notes.append(f"The header says {said:.0f} markers and {len(markers)} are named.")
    time = columns[1] if columns[1].dtype != object and np.isfinite(columns[1]).any() else None
    if time is not None and len(time) > 2 and np.nanmax(time) == np.nanmin(time):
        time = None
    frames = columns[0]
    if time is None and rate and frames.dtype != object:
        time = frames / rate
        notes.append(f"The file has no times; they come from its frames and its rate of {rate:g} Hz.")
    unit = header.get("Units", "").lower() or None
    raw = Raw(time=time, length_unit=unit, rate=rate if rate and np.isfinite(rate) else None, notes=notes)
    return raw, points

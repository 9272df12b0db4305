"""OpenSim's text files: .mot and .sto tables, .trc marker positions."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from gait.errors import InputError
from gait.recordings.columns import METRES, fill, time_of
from gait.recordings.raw import Raw
from gait.recordings.tables import text_of

_ROWS = re.compile(r"(?:nRows|datarows)\s*=?\s*(\d+)", re.IGNORECASE)


def read_storage(path: Path, mass: float | None) -> Raw:
    """Reads a .mot or .sto file: a header up to "endheader", names of columns, numbers.

    Args:
        path: of the file.
        mass: body mass that the user has stated, kg.

    Raises:
        InputError: if the header, the column of times, forces or positions are missing.
    """
    lines = text_of(path).splitlines()
    end = next((i for i, line in enumerate(lines) if line.strip().lower() == "endheader"), None)
    if end is None:
        raise InputError(f"{path} is no OpenSim file: a line with the word endheader has to end its header.")
    start = next((i for i in range(end + 1, len(lines)) if lines[i].strip()), None)
    if start is None:
        raise InputError(f"{path} ends with its header: names of columns and numbers are missing.")
    mark = "\t" if "\t" in lines[start] else None
    names = [name.strip() for name in lines[start].strip("\r\n").rstrip().split(mark)]
    body = [line for line in lines[start + 1 :] if line.strip()]
    table = pd.read_csv(
        io.StringIO("\n".join(body)), sep=mark or r"\s+", header=None, skipinitialspace=True, names=range(len(names)),
        index_col=False, na_values=["nan", "NaN", "-nan(ind)", "nan(ind)"],
    )  # fmt: skip
    raw = Raw(np.empty(0), mass=mass)
    promised = next((int(found[1]) for line in lines[:end] if (found := _ROWS.search(line))), None)
    if promised is not None and promised != len(table):
        cut = " The file may have been cut." if promised > len(table) else ""
        raw.notes.append(f"The header says {promised} rows, and {len(table)} are there; these are read.{cut}")
    columns = {name: pd.to_numeric(table[i], errors="coerce").to_numpy(float) for i, name in enumerate(names)}
    if len(columns) < len(names):
        raise InputError(f"{path} has several columns of one name. Rename or remove them.")
    time, _ = time_of(names)
    if time is None:
        raise InputError(f"{path} has no column named time. Received: {', '.join(names[:8])} ...")
    raw.t = columns[time]
    fill(raw, {_sided(name, names): values for name, values in columns.items()})
    if not raw.forces and not raw.points:
        raise InputError(
            f"{path} has neither ground forces, such as ground_force_vy, nor positions. Received: {', '.join(names[:8])} ..."
        )
    return raw


def _sided(name: str, names: list[str]) -> str:
    """A name with its side: OpenSim's "ground_force_vx" beside "l_ground_force_vx" is that of the right foot."""
    bare = re.match(r"ground_(force|torque)_", name)
    return f"r_{name}" if bare and f"l_{name}" in names else name


def read_markers(path: Path, mass: float | None) -> Raw:
    """Reads a .trc file: five lines of header, then frame, time and three coordinates of each marker.

    Args:
        path: of the file.
        mass: body mass that the user has stated, kg.

    Raises:
        InputError: if the header is not that of a .trc file.
    """
    lines = text_of(path).splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip().lower().startswith("frame#")), None)
    if start is None or start < 2:
        raise InputError(f"{path} is no .trc file: a line that begins with Frame# has to name the markers.")
    keys, values = (lines[i].rstrip("\r\n").split("\t") for i in (start - 2, start - 1))
    header = dict(zip((key.strip().lower() for key in keys), (value.strip() for value in values), strict=False))
    cells = lines[start].rstrip("\r\n").split("\t")
    markers = [(i, name.strip()) for i, name in enumerate(cells) if i >= 2 and name.strip()]
    width = max((i for i, _ in markers), default=1) + 3
    body = [line for line in lines[start + 2 :] if line.strip()]
    rows = pd.read_csv(
        io.StringIO("\n".join(body)), sep="\t", header=None, names=range(width), usecols=range(width), index_col=False,
        skip_blank_lines=True, skipinitialspace=True,
    )  # fmt: skip
    numbers = rows.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    raw = Raw(numbers[:, 1], mass=mass)
    unit = header.get("units", "mm").lower()
    scale = METRES.get(unit)
    if scale is None:
        raise InputError(f"{path} has lengths in an unknown unit. It may be m, cm or mm. Received: Units {unit!r}.")
    if scale != 1.0:
        raw.notes.append(f"Lengths are converted from {unit}, as the header says.")
    for i, name in markers:
        place = numbers[:, i : i + 3] * scale
        place[(place == 0.0).all(axis=1)] = np.nan  # how some systems write a marker that was not seen
        raw.points[name] = place
    promised = header.get("numframes", "")
    if promised.isdigit() and int(promised) != len(numbers):
        cut = " The file may have been cut." if int(promised) > len(numbers) else ""
        raw.notes.append(f"The header says {promised} frames, and {len(numbers)} are there; these are read.{cut}")
    return raw

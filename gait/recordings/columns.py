"""Names of columns as laboratories write them: which quantity, which foot, which axis, which unit."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from gait.errors import InputError
from gait.identifiability.wording import listed
from gait.recordings.raw import Raw

BODY = "centre of mass"
METRES = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0, "cm": 0.01, "mm": 0.001}
"""Metres in a unit of length."""
_NEWTONS = {"n": 1.0, "newton": 1.0, "newtons": 1.0, "kn": 1000.0}
_SECONDS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 0.001, "us": 1e-6}
_SPEEDS = {"mps": 1.0, "m/s": 1.0, "ms-1": 1.0, "mm/s": 0.001, "mmps": 0.001, "cm/s": 0.01}
UNITS = METRES | _NEWTONS | _SECONDS | _SPEEDS | {"bw": np.nan, "%bw": np.nan, "n/kg": np.nan}
"""All units that a name can end with; NaN where a body mass is needed to convert it."""
_TIME = {"t", "time", "times", "timestamp", "timestamps", "zeit", "temps", "tiempo", "elapsed"}
_COUNTERS = {"frame", "frames", "sample", "samples", "index", "nr", "no", "row", "item", "frame#"}
_SIDES = {"left": "left", "l": "left", "lt": "left", "links": "left", "right": "right", "r": "right", "rt": "right", "rechts": "right"}
_TOTAL = {"total", "sum", "both", "all", "combined", "net"}
_BODY = {"com", "cog", "pos", "position", "compos", "composition", "body", "centerofmass", "centreofmass", "centerofgravity"}
_FORCES = {
    "f", "grf", "force", "groundforce", "groundreactionforce", "reactionforce", "fp", "fpfor", "for", "plate", "platef",
    "forceplate", "forceplatef", "grff",
}  # fmt: skip
_PRESSURE = {"cop", "pressure", "centerofpressure", "centreofpressure", "fpcop", "grfcop"}
_VERTICAL_FORCE = {"vgrf", "fv", "fvert", "verticalforce", "verticalgrf", "verticalgroundreactionforce", "grfv"}
_AXES = {"x": 0, "y": 1, "z": 2, "vertical": 1, "vert": 1, "forward": 0, "ap": 0, "anterior": 0, "ml": 2, "lateral": 2}
_MOMENT = re.compile(r"torque|moment|^m[xyz]$|^t[xyz]$|^free")
HEELS = re.compile(r"heel|^[lr]?hee$|^[lr]cal|calc", re.IGNORECASE)
"""Markers on a heel."""


@dataclasses.dataclass(frozen=True)
class Column:
    """A column whose meaning is known.

    Attributes:
        kind: "time", "counter", "position", "velocity", "force", "pressure" or "ignored".
        name: of the body, marker, foot or plate.
        axis: 0, 1 or 2 for x, y, z.
        unit: as written, "" without one.
        deviation: whether it is a deviation from the mean.
    """

    kind: str
    name: str = ""
    axis: int = 0
    unit: str = ""
    deviation: bool = False


def understood(header: str) -> Column | None:
    """Finds out what a column holds, by its name.

    Args:
        header: such as "com_x_mm", "Fz1 [N]", "1_ground_force_vy", "time (s)".

    Returns:
        Its meaning; None if the name says nothing that a walk needs.
    """
    text = header.strip().strip('"').strip()
    text, unit = _unit(text)
    lower = text.lower()
    words = [word for word in re.split(r"[\s_.:\-/|()\[\]]+", lower) if word]
    if not words:
        return None
    if words[0] in _TIME and len(words) == 1:
        return Column("time", unit=unit)
    if lower in _COUNTERS or words[0] in _COUNTERS:
        return Column("counter")
    if words[0] != "pelvis" and any(_MOMENT.search(word) for word in words):
        return Column("ignored")
    side = next((_SIDES[word] for word in words if word in _SIDES), "")
    words = [word for word in words if word not in _SIDES]
    total = any(word in _TOTAL for word in words)
    words = [word for word in words if word not in _TOTAL]
    return _vector(words, unit, side, total)


def _unit(text: str) -> tuple[str, str]:
    """A name without its unit, and the unit in lower case."""
    found = re.fullmatch(r"(.*?)\s*[\[(]\s*([^\])]*)\s*[\])]\s*", text)
    if found and found[2].lower().replace(" ", "") in UNITS:
        return found[1], found[2].lower().replace(" ", "")
    found = re.fullmatch(r"(.+?)[_\s\-]+([A-Za-z/%]+)", text)
    if found and found[2].lower() in UNITS and found[2].lower() not in ("cm" if found[1].lower() in ("t", "time") else "",):
        return found[1], found[2].lower()
    return text, ""


def _vector(words: list[str], unit: str, side: str, total: bool) -> Column | None:
    """Meaning of the words of a name that are neither side nor sum."""
    joined = "".join(words)
    number = next((found[0] for word in words if (found := re.search(r"\d+", word))), "")
    core = re.sub(r"\d+", "", joined)
    if core in _VERTICAL_FORCE:
        return Column("force", side or (f"plate {number}" if number else "total"), 1, unit)
    found = re.fullmatch(r"(.*?)(d?)([pvat]?)([xyz]|vertical|vert|forward|lateral|ap|ml)", core)
    if not found:
        return None
    stem, deviation, letter, axis = found[1], bool(found[2]), found[3], _AXES[found[4]]
    where = "total" if total else side or (f"plate {number}" if number else "total")
    if letter == "a" and stem in ("", *_BODY):
        return Column("ignored")  # accelerations
    if stem in _FORCES:
        return Column("pressure" if letter == "p" else "force", where, axis, unit)
    if stem in _PRESSURE or stem + letter in _PRESSURE or (not stem and letter == "p"):
        return Column("pressure", where, axis, unit)
    kind = "velocity" if unit in _SPEEDS or (letter == "v" and stem in ("", *_BODY)) else "position"
    if stem in ("", *_BODY) and not side:
        return Column(kind, BODY, axis, unit, deviation)
    letters = "" if kind == "velocity" or (letter == "t" and stem == "pelvis") else letter
    stem += "d" * deviation + letters
    return Column(kind, " ".join(word for word in (side, stem + number) if word), axis, unit)


def fill(raw: Raw, columns: Mapping[str, np.ndarray], units: Mapping[str, str] | None = None) -> list[str]:
    """Puts the columns of a table into a `Raw`, in SI units as far as names tell them.

    Args:
        raw: gets them.
        columns: header → values, shape [samples].
        units: units of headers where a row of the table tells them.

    Returns:
        Headers that were not understood.

    Raises:
        InputError: if two columns mean the same.
    """
    seen: dict[tuple, str] = {}
    strange = []
    for header, values in columns.items():
        column = understood(header)
        if column is None:
            strange.append(header)
            continue
        if column.kind in ("time", "counter", "ignored"):
            continue
        unit = column.unit or (units or {}).get(header, "").lower()
        key = (column.kind, column.name, column.axis)
        if key in seen:
            raise InputError(
                f"Two columns mean the same: {seen[key]!r} and {header!r}. Rename or remove one of them."
            )
        seen[key] = header
        scale = UNITS.get(unit, 1.0)
        table = {"position": raw.points, "velocity": raw.velocities, "force": raw.forces, "pressure": raw.centres}
        if unit in ("bw", "%bw", "n/kg"):
            scale = _weights(raw.mass, unit, header)
        raw.put(table[column.kind], column.name, column.axis, values * scale)
        raw.deviation |= column.deviation and column.name == BODY and column.kind == "position"
    converted = sorted({column.unit for header in columns if (column := understood(header)) and UNITS.get(column.unit, 1.0) != 1.0})
    if converted:
        raw.notes.append(f"Converted to SI units from {listed(converted)}, as the names of columns say.")
    return strange


def _weights(mass: float | None, unit: str, header: str) -> float:
    if mass is None:
        raise InputError(
            f"The column {header!r} is in parts of the body weight. A body mass is needed to make newtons of it. State it "
            "with --mass."
        )
    return {"bw": 9.81 * mass, "%bw": 0.0981 * mass, "n/kg": mass}[unit]


def time_of(columns: Sequence[str]) -> tuple[str | None, str]:
    """Header of the column of times, None if there is none, and its unit."""
    for header in columns:
        if (column := understood(header)) and column.kind == "time":
            return header, column.unit
    return None, ""

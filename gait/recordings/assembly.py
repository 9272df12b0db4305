"""From columns and markers with names to points, velocities and plates."""

from __future__ import annotations

import numpy as np

from gait.errors import InputError
from gait.recordings import columns as naming
from gait.recordings.columns import Meaning, meaning, point_of
from gait.recordings.raw import BODY, Plate, Raw
from gait.recordings.recording import GRAVITY
from gait.recordings.tables import Table, stated_number

HEAVIEST = 250.0
"""Largest body mass that a file may state; a larger number is a weight in N, kg."""
PELVIS = ("LASI", "RASI", "LPSI", "RPSI")
_NO_NUMBERS = 'Column {name} holds texts instead of numbers, for example "{value}". Export it again as numbers.'
_MASS = {"kg": 1.0, "lb": 0.45359237, "lbs": 0.45359237}
_SPEED = {"m/s": 1.0, "mps": 1.0, "m/per/s": 1.0, "km/h": 1.0 / 3.6, "kmh": 1.0 / 3.6, "kph": 1.0 / 3.6, "mph": 0.44704}
"""Units in which comments state a mass and the speed of a belt, in kg and m/s."""


def from_table(table: Table) -> Raw:
    """Points, velocities and plates of a table by the names of its columns.

    Raises:
        InputError: if no column is understood, or two columns are the same quantity.
    """
    meanings = [meaning(name) for name in table.names]
    raw = Raw(time=None, notes=list(table.notes))
    unknown: list[str] = []
    found: dict[tuple, tuple[int, Meaning]] = {}
    for k, (name, meant) in enumerate(zip(table.names, meanings, strict=True)):
        values = table.columns[k]
        if not meant.quantity:
            if values.dtype == object or np.isfinite(values).any():
                unknown.append(name or f"number {k + 1}")
            continue
        if meant.quantity in ("time", "frame"):
            if meant.quantity == "time" and (raw.time is None or "time" in name.lower()):
                raw.time, raw.time_unit = _times(name, values), meant.unit
            elif meant.quantity == "frame" and values.dtype != object:
                raw.frames = values
            continue
        if meant.quantity == "moment":
            continue
        if values.dtype == object:
            raise InputError(_NO_NUMBERS.format(name=name, value=next(v for v in values if isinstance(v, str) and v)))
        key = (meant.quantity, meant.of, meant.side, meant.axis)
        if key in found:
            other = found[key][0]
            if found[key][1].unit != meant.unit or not np.array_equal(table.columns[other], values, equal_nan=True):
                raise InputError(
                    f"Columns {table.names[other]} and {name} both are the {_said(meant)}, with different numbers. "
                    "Remove or rename one of them."
                )
            raw.notes.append(f"Column {name} is there twice with the same numbers; one was used.")
            continue
        found[key] = (k, meant)
    if unknown:
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        raw.notes.append(f"Not used, since what they are is not known or not needed: {', '.join(unknown[:8])}{more}.")
    if not found:
        raise InputError(
            "No column of the recording is understood. Columns are named like t_s, x_m, y_m (centre of mass), fx_N, "
            f"fy_N (ground reaction force), heel_right_x_m. Received: {', '.join(table.names[:12])}. Rename them."
        )
    _fill(raw, table, found)
    _state(raw, table.stated)
    return raw


def _fill(raw: Raw, table: Table, found: dict[tuple, tuple[int, Meaning]]) -> None:
    samples = len(table.columns[0])
    plates: dict[tuple[str, str | None], Plate] = {}
    units: dict[str, set[str | None]] = {"length": set(), "force": set(), "velocity": set()}
    scales = {"length": naming.LENGTH, "force": naming.FORCE, "velocity": naming.VELOCITY}
    meant_words = [meant.meant for _, meant in found.values() if meant.quantity in ("force", "point", "pressure")]
    if any(meant_words) and not all(meant_words):
        raw.notes.append("Columns that say forward, vertical or sideways were taken as x, y and z.")
    for k, meant in found.values():
        kind = {"point": "length", "pressure": "length", "force": "force", "velocity": "velocity"}[meant.quantity]
        unit = meant.unit
        relative = kind == "force" and unit in naming.RELATIVE_FORCE
        if unit is not None and unit not in scales[kind] and not relative:
            raise InputError(
                f"Column {table.names[k]} is a {kind} but its name states the unit {unit}. Units of {kind} are "
                f"{', '.join(list(scales[kind])[:6])}. Correct the name."
            )
        units[kind].add(unit)
        values = table.columns[k] * (1.0 if unit is None or relative else scales[kind][unit])
        if unit not in (None, "m", "n", "m/s", "mps") and not relative:
            raw.notes.append(f"{table.names[k]} was converted from {unit}.")
        if meant.quantity == "point":
            raw.deviation |= meant.deviation
            raw.points.setdefault(meant.of, np.full((samples, 3), np.nan))[:, meant.axis] = values
        elif meant.quantity == "velocity":
            if raw.velocity is None:
                raw.velocity = np.full((samples, 3), np.nan)
            raw.velocity[:, meant.axis] = values
        else:
            plate = plates.setdefault(
                (meant.of, meant.side), Plate(_plate_name(meant), meant.side, np.full((samples, 3), np.nan))
            )
            if meant.quantity == "force":
                plate.force[:, meant.axis] = values
            else:
                if plate.pressure is None:
                    plate.pressure = np.full((samples, 3), np.nan)
                plate.pressure[:, meant.axis] = values
    raw.plates = [plate for plate in plates.values() if np.isfinite(plate.force).any()]
    _say_sides(raw)
    for kind, unit in (("length", "m"), ("force", "N"), ("velocity", "m/s")):
        stated = units[kind] - {None}
        weights = stated & set(naming.RELATIVE_FORCE)
        if weights and len(stated) > 1:
            raise InputError(f"Forces are in different units: {', '.join(sorted(map(str, stated)))}. Give all in N.")
        setattr(raw, f"{kind}_unit", next(iter(weights)) if weights else unit if stated else None)


def _say_sides(raw: Raw) -> None:
    """OpenSim writes ground_force_… for the right foot and l_ground_force_… for the left one."""
    plain = [plate for plate in raw.plates if plate.side is None and plate.name == "the plate"]
    sides = {plate.side for plate in raw.plates}
    if plain and len(raw.plates) > 1:
        if "left" in sides and "right" not in sides:
            plain[0].side, plain[0].name = "right", "right"
            raw.notes.append("Forces without a side are those of the right foot, since the others are named left.")
        elif "right" in sides and "left" not in sides:
            plain[0].side, plain[0].name = "left", "left"
            raw.notes.append("Forces without a side are those of the left foot, since the others are named right.")
        else:
            plain[0].side = "total"
    elif plain:
        plain[0].side = "total"


def _plate_name(meant: Meaning) -> str:
    return f"plate {meant.of}" if meant.of else meant.side or "the plate"


def _said(meant: Meaning) -> str:
    of = " ".join(
        part for part in (meant.side, meant.of and (f"plate {meant.of}" if meant.of.isdigit() else meant.of)) if part
    )
    return f"{meant.quantity} along {'xyz'[meant.axis]}" + (f" of {of}" if of else "")


def _times(name: str, values: np.ndarray) -> np.ndarray:
    """Stamps as numbers; clock times become seconds."""
    if values.dtype != object:
        return values
    import pandas as pd

    texts = pd.Series(values)
    clock = texts.str.extract(r"^(?:(?P<h>\d+):)?(?P<m>\d+):(?P<s>\d+(?:[.,]\d+)?)$")
    if clock["s"].notna().mean() > 0.95:
        parts = clock.fillna({"h": "0"})
        seconds = pd.to_numeric(parts["s"].str.replace(",", "."))
        return (pd.to_numeric(parts["h"]) * 3600 + pd.to_numeric(parts["m"]) * 60 + seconds).to_numpy(np.float64)
    stamps = pd.to_datetime(texts, errors="coerce", format="ISO8601")
    if stamps.notna().mean() > 0.95:
        return ((stamps - stamps.min()) / pd.Timedelta(seconds=1)).to_numpy(np.float64)
    raise InputError(_NO_NUMBERS.format(name=name, value=next(v for v in values if isinstance(v, str) and v)))


def _state(raw: Raw, stated: dict[str, str]) -> None:
    """Mass, rate and belt speed that comments or a header state."""
    mass = stated_number(stated, r"(body_?|subject_?)?(mass|weight)", "bodymass", "m", units=_MASS)
    weight = stated_number(stated, r"(body_?|subject_?)?weight_n")
    if weight or (mass and mass > HEAVIEST):
        newtons = weight or mass or 0.0
        mass = newtons / GRAVITY
        raw.notes.append(f"The stated weight of {newtons:g} N was taken as a mass of {mass:.1f} kg.")
    raw.stated_mass = mass if mass and mass > 0 else raw.stated_mass
    rate = stated_number(stated, r"(sampling_?|sample_?|frame_?|data_?)?(rate|freq|frequency)(_hz)?", "fps", "fs", "hz")
    raw.rate = rate if rate and rate > 0 else raw.rate
    belt = stated_number(stated, r"(belt|treadmill)(_?speed)?", units=_SPEED)
    raw.belt_speed = belt if belt and belt > 0 else raw.belt_speed


def choose_points(raw: Raw, markers: dict[str, np.ndarray], body: str | None) -> str:
    """Puts the body and the heels among markers into `raw.points`; all markers that share their names are known.

    Args:
        raw: gets the points.
        markers: name → positions in m.
        body: marker that stands for the body, where the user names one.

    Returns:
        What the body is; "" where no marker stands for it.
    """
    known: dict[str, np.ndarray] = {}
    for name, values in markers.items():
        if (
            (of := point_of(name))
            and (of not in known or not np.isfinite(known[of]).any())
            and np.isfinite(values).any()
        ):
            known[of] = values
    raw.points |= {
        name: known[name] for name in (BODY, "sacral marker", "pelvis", "heel left", "heel right") if name in known
    }
    if body is not None:
        return choose_body(raw, body, markers)
    if all(name in known for name in PELVIS):
        raw.points.setdefault("mean of the pelvis markers", np.mean([known[name] for name in PELVIS], axis=0))
    elif "LPSI" in known and "RPSI" in known:
        raw.points.setdefault("mean of the posterior pelvis markers", (known["LPSI"] + known["RPSI"]) / 2)
    elif "LASI" in known and "RASI" in known:
        raw.points.setdefault("mean of the anterior pelvis markers", (known["LASI"] + known["RASI"]) / 2)
    return choose_body(raw, None, markers)


def choose_body(raw: Raw, body: str | None, markers: dict[str, np.ndarray] | None = None) -> str:
    """Leaves one point beside the heels in `raw.points`, and says which it is.

    Args:
        raw: changed in place.
        body: point or marker that the user names.
        markers: further markers that the user may name.
    """
    others = {name: values for name, values in raw.points.items() if not name.startswith("heel")}
    heels = {name: values for name, values in raw.points.items() if name.startswith("heel")}
    if body is not None:
        wanted = next((name for name in (markers or {}) if name == body or point_of(name) == body), None)
        if body in others:
            chosen, values = body, others[body]
        elif markers and wanted:
            chosen, values = body, markers[wanted]
        else:
            there = ", ".join([*others, *(name for name in markers or {} if name not in others)][:20])
            raise InputError(f"body must be a point of the recording. Received: {body}. There are: {there}.")
    elif not others:
        return ""
    else:
        order = (BODY, "sacral marker", "mean of the pelvis markers", "pelvis", "mean of the posterior pelvis markers",
                 "mean of the anterior pelvis markers", "hip", "trunk")  # fmt: skip
        chosen = next(name for name in order if name in others)
        values = others[chosen]
    raw.points = {chosen: values, **heels}
    if body is not None:
        raw.notes.append(f"As asked, {chosen} stands for the centre of mass.")
    elif chosen != BODY:
        raw.notes.append(f"There is no centre of mass in the file: the {chosen} stands for it.")
    return chosen

"""Reading a recorded walk from a file, whatever its format, axes and units."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from gait.errors import InputError, storage_reason
from gait.identifiability.wording import listed
from gait.recordings.c3d import read_c3d
from gait.recordings.forces import feet_of, plates_window, remove_offsets, sided
from gait.recordings.markers import body_of, heels_of
from gait.recordings.opensim import read_markers, read_storage
from gait.recordings.orientation import oriented, plates_of
from gait.recordings.plausible import check_forces, check_lengths
from gait.recordings.raw import Raw
from gait.recordings.recording import SIDES, Recording
from gait.recordings.tables import read_table
from gait.recordings.timebase import resampled, uniform
from gait.recordings.treadmill import belt_of

FORMATS = (".csv", ".txt", ".tsv", ".mot", ".sto", ".trc", ".c3d")
"""Endings of the files that are read."""


def read_recording(
    path: str | Path,
    *,
    mass: float | None = None,
    belt_speed: float | None = None,
    up: str | None = None,
    forward: str | None = None,
    window: tuple[float, float] | None = None,
    rate: float | None = None,
    body: str | None = None,
) -> Recording:
    """Reads a recorded walk: a CSV table, OpenSim's .mot, .sto and .trc, or a .c3d file.

    Units are converted, the walk is turned so that x points forward and y up, plates are summed and their unloaded level
    is removed. Whatever is guessed is told in a sentence of `Recording.notes`, and can be said by an argument.

    Args:
        path: of the file.
        mass: body mass, kg, to compare with the force, or where no force tells it.
        belt_speed: speed of the treadmill, m/s; 0 over ground.
        up: axis of the file that points up, such as "z" or "-y".
        forward: axis along which the person walks, such as "x" or "-x".
        window: begin and end of the part to use, s, in the file's time.
        rate: samples a second, Hz, for a table without a column of times.
        body: name of the marker that stands for the centre of mass.

    Returns:
        `Recording`.

    Raises:
        InputError: if the file cannot be read or understood, or holds no straight walk.

    Source: docs/recordings.md.
    """
    _check_hints(mass, belt_speed, window, rate)
    raw = _read(Path(path), mass, rate)
    raw.mass = mass if mass is not None else raw.mass
    if window is not None:
        raw = _cut(raw, window)
    raw, t, rates = _common_times(raw)
    notes, sampling = raw.notes, 1.0 / float(t[1] - t[0])
    check_lengths(raw)
    frame, moves = oriented(raw, up, forward)
    plates = plates_of(raw, frame)
    check_forces(plates, raw.mass, notes)
    remove_offsets([plate for plate in plates if plate.name != "total"], sampling, notes)
    numbered = [plate for plate in plates if plate.name.startswith("plate")]
    feet = [plate for plate in plates if plate.name in SIDES]
    feet = feet if len(feet) == 2 else feet_of(numbered, sampling, notes)
    heels = {side: frame.turned(values) for side, values in heels_of(raw.points).items()}
    feet = sided(feet, {side: values[:, 0] for side, values in heels.items()}, notes)
    channels: dict[str, np.ndarray] = {}
    _put_forces(channels, plates, feet, notes)
    kind, place = body_of(raw.points, body)
    if body is not None and place is None:
        raise InputError(f"There is no marker {body!r}. Received: {listed(list(raw.points)) or 'no markers'}.")
    if place is not None:
        channels["x"], channels["y"] = frame.turned(place).T
    for name, velocity in raw.velocities.items():
        if name in raw.points or place is None:
            channels["vx"], channels["vy"] = frame.turned(velocity).T
    for side, values in heels.items():
        channels[f"heel_x_{side}"], channels[f"heel_y_{side}"] = values.T
    recording = Recording(
        t=t,
        channels={name: values for name, values in channels.items() if np.isfinite(values).any()},
        rate=sampling,
        stated_mass=raw.mass,
        body=kind,
        on_plates=plates_window(numbered, sampling) if len(numbered) > 1 else None,
    )
    recording = belt_of(recording, moves, belt_speed, notes)
    if kind not in ("", "centre of mass"):
        notes.append(f"The {kind} stands for the centre of mass: it moves more than that, up and down by a third about.")
    if raw.deviation:
        notes.append("Heights are deviations from their mean, so that they tell nothing of the leg's length.")
    _tell_gaps(recording, notes)
    slower = {name: value for name, value in rates.items() if name in recording.channels}
    return dataclasses.replace(recording, notes=tuple(notes), rates=slower)


def _check_hints(
    mass: float | None, belt_speed: float | None, window: tuple[float, float] | None, rate: float | None
) -> None:
    if mass is not None and not (np.isfinite(mass) and 1.0 <= mass <= 500.0):
        raise InputError(f"A body mass lies between 1 and 500 kg. Received: --mass={mass:g}.")
    if belt_speed is not None and not (0.0 <= belt_speed < 10.0):
        raise InputError(f"The speed of a belt lies between 0 and 10 m/s. Received: --belt_speed={belt_speed:g}.")
    if rate is not None and not (np.isfinite(rate) and rate > 0.0):
        raise InputError(f"A rate is a positive number of samples a second. Received: --rate={rate:g}.")
    if window is not None and not (len(window) == 2 and window[0] < window[1]):
        raise InputError(
            f"A window is its begin and a later end, such as --window=2,13. Received: {','.join(map(str, window))}."
        )


def _read(path: Path, mass: float | None, rate: float | None) -> Raw:
    """Content of a file by its ending."""
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise InputError(f"A recording is a file that ends with {listed(FORMATS)}. Received: {path}.")
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder. A recording is one file that ends with {listed(FORMATS)}.")
        if not path.exists():
            raise InputError(f"There is no file {path}.")
        if kind == ".c3d":
            return read_c3d(path, mass)
        if kind == ".trc":
            return read_markers(path, mass)
        return read_storage(path, mass) if kind in (".mot", ".sto") else read_table(path, mass, rate)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({storage_reason(error)}).") from error


def _cut(raw: Raw, window: tuple[float, float]) -> Raw:
    """The part of a recording within a window, s, in the file's time."""
    begin, end = window
    inside = (raw.t >= begin) & (raw.t <= end)
    loaded = inside if raw.force_t is None else (raw.force_t >= begin) & (raw.force_t <= end)
    if not inside.any():
        raise InputError(
            f"The window holds no samples: the recording goes from {np.nanmin(raw.t):g} to {np.nanmax(raw.t):g} s. "
            f"Received: --window={begin:g},{end:g}."
        )
    raw.notes.append(f"Only the part from {begin:g} to {end:g} s is used.")
    return dataclasses.replace(
        raw,
        t=raw.t[inside],
        force_t=None if raw.force_t is None else raw.force_t[loaded],
        points={name: values[inside] for name, values in raw.points.items()},
        velocities={name: values[inside] for name, values in raw.velocities.items()},
        forces={name: values[loaded] for name, values in raw.forces.items()},
        centres={name: values[loaded] for name, values in raw.centres.items()},
    )


def _common_times(raw: Raw) -> tuple[Raw, np.ndarray, dict[str, float]]:
    """Brings all vectors to uniform times, those of the faster of markers and plates.

    Returns:
        The vectors, times from 0, and for each channel of the slower kind its rate, Hz.
    """
    slow, fast = ("points", "velocities"), ("forces", "centres")
    if raw.force_t is None:
        t, tables, _ = _uniform(raw, raw.t, (*slow, *fast))
        return dataclasses.replace(raw, t=t, **tables), t, {}
    t, tables, rate = _uniform(raw, raw.t, slow)
    force_t, force_tables, force_rate = _uniform(raw, raw.force_t, fast)
    shift = raw.force_t[0] - raw.t[0]
    heels = [f"heel_{axis}_{side}" for axis in "xy" for side in SIDES]
    if force_rate >= rate:
        for table in slow:
            tables[table] = {name: resampled(t, values, force_t + shift) for name, values in tables[table].items()}
        rates = dict.fromkeys(("x", "y", "vx", "vy", *heels), rate) if force_rate > 1.001 * rate else {}
        return dataclasses.replace(raw, t=force_t, force_t=None, **tables, **force_tables), force_t, rates
    for table in fast:
        force_tables[table] = {
            name: resampled(force_t, values, t - shift) for name, values in force_tables[table].items()
        }
    names = [f"{name}{foot}" for name in ("fx", "fy", "px") for foot in ("", *(f"_{side}" for side in SIDES))]
    return dataclasses.replace(raw, force_t=None, t=t, **tables, **force_tables), t, dict.fromkeys(names, force_rate)


def _uniform(
    raw: Raw, stamps: np.ndarray, tables: tuple[str, ...]
) -> tuple[np.ndarray, dict[str, dict[str, np.ndarray]], float]:
    """Some tables of vectors at uniform times."""
    parts = [(table, name, values) for table in tables for name, values in getattr(raw, table).items()]
    columns = np.concatenate([values for *_, values in parts], axis=1) if parts else np.empty((len(stamps), 0))
    t, columns, rate = uniform(stamps, columns, raw.notes)
    found: dict[str, dict[str, np.ndarray]] = {table: {} for table in tables}
    for i, (table, name, _) in enumerate(parts):
        found[table][name] = columns[:, 3 * i : 3 * i + 3]
    return t, found, rate


def _put_forces(channels: dict[str, np.ndarray], plates: list, feet: list, notes: list[str]) -> None:
    """Channels of the force of both feet, and of each one where they are known."""
    if not plates:
        return
    single = [plate for plate in plates if plate.name != "total"]
    total = next((plate.force for plate in plates if plate.name == "total"), None)
    if single and (len(single) > 1 or total is None):
        summed = np.sum([plate.force for plate in single], axis=0)
        if len(single) > 1:
            notes.append(f"The force is the sum of {listed([plate.name for plate in single])}.")
        if total is not None and (apart := np.nanmax(np.abs(total - summed)[:, 1])) > 0.05 * np.nanmax(summed[:, 1]):
            notes.append(f"The given total of the vertical force differs from that sum by up to {apart:.0f} N: it is not used.")
        total = summed
    assert total is not None
    channels["fx"], channels["fy"] = total.T
    for foot in feet:
        channels[f"fx_{foot.name}"], channels[f"fy_{foot.name}"] = foot.force.T
        channels[f"px_{foot.name}"] = foot.centre


def _tell_gaps(recording: Recording, notes: list[str]) -> None:
    """Names gaps of the main channels, with their times."""
    words = {"x": recording.body, "y": recording.body, "fy": "force"}
    told: set[tuple[str, int]] = set()
    for name, subject in words.items():
        if not recording.has(name):
            continue
        lost = np.isnan(recording.channels[name])
        for first, last in np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(int))).reshape(-1, 2):
            if (subject, int(first)) in told or len(told) > 4:
                continue
            told.add((subject, int(first)))
            notes.append(f"No {subject} from {recording.t[first]:.2f} to {recording.t[last - 1]:.2f} s.")

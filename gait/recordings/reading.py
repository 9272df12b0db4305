"""Reading a recording of a walk, whatever file it is in."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from gait.errors import InputError
from gait.recordings import repairs
from gait.recordings import units as units_of
from gait.recordings.assembly import choose_body, choose_points, from_table
from gait.recordings.c3d import read_c3d
from gait.recordings.clock import interpolated, recorded_rows, understand_times
from gait.recordings.columns import LENGTH, TIME
from gait.recordings.forces import clear_faults, clear_levels, compare_total, find_pressure, say_clipped, turn_upwards
from gait.recordings.frame import vertical
from gait.recordings.hints import checked_number
from gait.recordings.opensim import read_markers, read_storage
from gait.recordings.raw import Raw
from gait.recordings.recording import Recording
from gait.recordings.tables import read_table
from gait.recordings.text import contents
from gait.recordings.walkway import Measured, over_ground

Ticks = tuple[np.ndarray, float, np.ndarray]
"""Times by the clock of the file, s; rate, Hz; whether the file has no row."""
FORMATS = (".csv", ".txt", ".tsv", ".mot", ".sto", ".trc", ".c3d")


def read_recording(
    path: str | PathLike[str],
    *,
    mass: float | None = None,
    belt_speed: float | None = None,
    up: str | None = None,
    forward: str | None = None,
    window: tuple[float, float] | None = None,
    body: str | None = None,
    units: str | Mapping[str, str] | None = None,
    rate: float | None = None,
) -> Recording:
    """Reads a recorded walk from CSV, OpenSim (.mot, .sto, .trc) or C3D, in SI units, x forward and y up.

    What is not stated is found from the numbers: units by orders of magnitude, the vertical axis by the mean force, the
    forward axis by the way, a treadmill by the heels. `Recording.notes` says each finding in a sentence.

    Args:
        path: the file.
        mass: body mass, kg, where it is known.
        belt_speed: speed of the treadmill, m/s; 0 says that the walk is over ground.
        up: vertical axis of the file, for example "z" or "-y".
        forward: axis of the file along which the walk goes, likewise.
        window: first and last time to read, by the clock of the file, s.
        body: marker that stands for the centre of mass.
        units: units of the file, for example {"length": "mm", "force": "kN", "time": "ms"} or "mm,kN".
        rate: samples a second, Hz, for a file without times.

    Returns:
        `Recording`.

    Raises:
        InputError: if the file cannot be read, or if something it needs cannot be told from it.
    """
    mass = checked_number("mass", mass, "a positive number of kg", 0.1, 1e4)
    rate = checked_number("rate", rate, "a positive number of samples a second", 0.1, 1e7)
    belt_speed = checked_number("belt_speed", belt_speed, "a speed in m/s, from 0 on", 0.0, 15.0)
    stated = units_of.chosen_units(dict(units) if isinstance(units, Mapping) else units)
    raw = _raw(Path(path), body)
    if raw.length_unit is not None and raw.length_unit not in LENGTH:
        if "length" not in stated:
            raise InputError(
                f"The unit {raw.length_unit} of the positions is not known; known are {', '.join(LENGTH)}. Received: "
                f"{path}. Say the unit, for example units={{'length': 'mm'}}."
            )
        raw.length_unit = None
    if rate is not None:
        raw.rate = rate
    if raw.time is None and raw.frames is not None and raw.rate and (np.diff(raw.frames) > 1).any():
        raw.time, raw.time_unit = raw.frames / raw.rate, "s"
        raw.notes.append(f"Times follow from the numbers of the frames at {raw.rate:g} Hz; some frames are missing.")
    if belt_speed is None:
        belt_speed = raw.belt_speed
    stated_mass = mass if mass is not None else raw.stated_mass
    if not raw.points and not raw.plates and raw.velocity is None:
        raise InputError(
            f"The recording {path} has neither a centre of mass (or a marker near it), nor heels, nor forces. "
            f"Received: {' '.join(raw.notes)[:200] or 'nothing else'}. Name the marker that stands for the body, for "
            "example body='PELVIS'."
        )
    clocks = _uniform(raw, stated, window)
    body_name = repairs.body_of(raw)
    repairs.clear_stand_ins(raw)
    repairs.clear_zeros(raw)
    repairs.clear_stuck(raw)
    repairs.untangle_heels(raw)
    rates = _fill_slower(raw, clocks)
    points_up, forces_up = vertical(raw, up)
    units_of.settle_lengths(raw, body_name, points_up, stated.get("length"), body is not None)
    _prepare_forces(raw, forces_up, stated_mass, stated, clocks[-1][1])
    repairs.clear_spikes(raw, clocks[0][1])
    repairs.say_jumps(raw, clocks[0][0])
    _name_gaps(raw, clocks)
    measured = _common(raw, clocks, points_up, forces_up, body_name)
    measured.rates |= rates
    return over_ground(measured, stated_mass, belt_speed, forward)


def understood(recording: Recording) -> str:
    """One line of what was understood of a recording: what it holds, and all its notes.

    Args:
        recording: see `read_recording`.
    """
    there = [recording.body] if recording.has("x") or recording.has("y") else []
    feet = [side for side in ("left", "right") if recording.has(f"fy_{side}")]
    if len(feet) == 1:
        there.append(f"force on the {feet[0]} foot")
    elif feet or recording.has("fy"):
        there.append("force on each foot" if feet else "force")
    there += ["centres of pressure"] if recording.has("px_left") or recording.has("px_right") else []
    there += ["heels"] if recording.has("heel_x_left") or recording.has("heel_y_left") else []
    ground = (
        "on a treadmill of unknown speed" if recording.belt_speed is None
        else f"on a treadmill at {recording.belt_speed:.3g} m/s" if recording.belt_speed else "over ground"
    )  # fmt: skip
    mass = f", stated mass {recording.stated_mass:g} kg" if recording.stated_mass else ""
    head = f"{recording.duration:.4g} s at {recording.rate:.4g} Hz {ground}: {', '.join(there)}{mass}."
    return " ".join([head, *recording.notes])


def _raw(path: Path, body: str | None) -> Raw:
    """Contents of a file by its name's ending, else by its first bytes."""
    data = contents(path)
    ending = path.suffix.lower()
    if ending not in FORMATS:
        if len(data) > 512 and data[1] == 0x50 and b"\0" in data[:512]:
            ending = ".c3d"
        elif b"endheader" in data[:5000].lower():
            ending = ".mot"
        elif data[:12].lower() == b"pathfiletype":
            ending = ".trc"
        else:
            ending = ".csv"
    if ending == ".c3d":
        raw, markers = read_c3d(path, data)
    elif ending == ".trc" or data[:12].lower() == b"pathfiletype":
        raw, markers = read_markers(data)
    else:
        storage = ending in (".mot", ".sto") or b"endheader" in data[:5000].lower()
        raw = from_table(read_storage(data) if storage else read_table(data))
        choose_body(raw, body)
        return raw
    choose_points(raw, markers, body)
    return raw


def _uniform(
    raw: Raw, stated: dict[str, str], window: tuple[float, float] | None
) -> list[Ticks]:  # fmt: skip
    """Brings all arrays to uniform times; returns times and rate of points and of forces, one where they share them."""
    unit = stated.get("time", raw.time_unit)
    seconds = None if unit is None else units_of.factor_of(unit, TIME, "time")
    groups = [(raw.time, [*raw.point_arrays(), *([plate.force for plate in raw.plates] if raw.one_clock else [])], "")]
    if not raw.one_clock:
        groups.append((raw.force_time, [plate.force for plate in raw.plates], " of the forces"))
    clocks = []
    for k, (stamps, arrays, what) in enumerate(groups):
        if not arrays:
            continue
        rate = raw.rate if k == 0 else None
        clock = understand_times(stamps, len(arrays[0]), seconds if k == 0 else 1.0, rate, raw.notes, what)
        times = clock.times
        inside = slice(None)
        if window is not None:
            inside = _inside(times, window)
            if k == 0:
                raw.notes.append(f"Read from {window[0]:g} to {window[1]:g} s of {times[0]:.4g} to {times[-1]:.4g} s.")
        repairs.say_gaps(f"row{what}", times[inside], clock.empty[inside], raw.notes)

        def change(values: np.ndarray, clock=clock, inside=inside) -> np.ndarray:
            return clock.apply(values)[inside].astype(np.float64)

        if k == 0:
            raw.map_points(change)
        if k == 1 or raw.one_clock:
            raw.map_plates(change)
        clocks.append((times[inside], clock.rate, clock.empty[inside]))
    return clocks


def _fill_slower(raw: Raw, clocks: list[Ticks]) -> dict[str, float]:
    """Interpolates what stands in a table of faster rows; returns "points" or "forces" → own rate, Hz."""
    if not raw.one_clock:
        return {}
    times, rate, _ = clocks[0]
    slower: dict[str, float] = {}
    total = repairs.total_of(raw.plates) if raw.plates else None
    body = repairs.body_of(raw)
    for kind, values, every in (("points", raw.points.get(body), raw.map_points), ("forces", total, raw.map_plates)):
        rows = None if values is None else recorded_rows(values)
        if rows is None:
            continue
        steps = np.diff(rows)
        spacing = float(steps[np.abs(steps - np.median(steps)) <= 1].mean())
        slower[kind] = rate / spacing

        def filled(values: np.ndarray, rows=rows, spacing=spacing) -> np.ndarray:
            return interpolated(times[rows], values[rows], times, 1.6 * spacing / rate)

        every(filled)
        raw.notes.append(
            f"{'Positions' if kind == 'points' else 'Forces'} were recorded at {slower[kind]:.4g} Hz and brought to "
            f"{rate:g} Hz by cubic interpolation, never across a gap."
        )
    return slower


def _inside(times: np.ndarray, window: tuple[float, float]) -> slice:
    try:
        begin, end = (float(value) for value in window)
    except (TypeError, ValueError):
        raise InputError(
            f"window is a first and a last time in s, for example (2, 13). Received: {window}. Correct it."
        ) from None
    slack = 1e-9 + 1e-6 * abs(end)
    at = np.flatnonzero((times >= begin - slack) & (times <= end + slack))
    if not begin < end or at.size < 10:
        raise InputError(
            f"window is a first and a last time in s with at least ten samples between. Received: {begin:g} to "
            f"{end:g} s of a recording from {times[0]:.6g} to {times[-1]:.6g} s. Choose times within it."
        )
    return slice(int(at[0]), int(at[-1]) + 1)


def _prepare_forces(raw: Raw, up: np.ndarray, mass: float | None, stated: dict[str, str], rate: float) -> None:
    """Forces in N on the walker, without what plates read unloaded, and their centres of pressure."""
    if not raw.plates:
        return
    axis = int(np.abs(up).argmax())
    raw.plates = [plate for plate in raw.plates if np.isfinite(plate.force[:, axis]).any()]
    if not raw.plates:
        raw.notes.append("There is no vertical force; the forces were not used.")
        return
    silent = [plate for plate in raw.plates if not np.nanmax(np.abs(plate.force[:, axis])) > 0]
    if silent and len(silent) == len(raw.plates) and raw.points:
        raw.plates, raw.force_time = [], None
        raw.notes.append("All forces are zero: nobody stepped on a plate. They were not used.")
        return
    if silent and len(silent) < len(raw.plates):
        raw.plates = [plate for plate in raw.plates if plate not in silent]
        raw.notes.append(f"{', '.join(plate.name for plate in silent)} was never stepped on.")
    feet = [plate for plate in raw.plates if plate.side != "total"]
    sizes = np.sum([np.abs(plate.force[:, axis]) for plate in feet or raw.plates], axis=0)
    units_of.settle_forces(raw, sizes, mass, stated.get("force"))
    clear_faults(raw, up)
    for plate in raw.plates:
        clear_levels(plate, axis, rate, raw.notes)
    turn_upwards(raw, up)
    say_clipped(raw, up)
    compare_total(raw, axis)
    for plate in raw.plates:
        find_pressure(plate, up, raw.notes)
    units_of.settle_pressures(raw, rate)


def _name_gaps(raw: Raw, clocks: list[Ticks]) -> None:
    for name, values in raw.points.items():
        there = np.isfinite(values).any(axis=0)
        if there.any():
            repairs.say_gaps(name, clocks[0][0], ~np.isfinite(values[:, there]).all(axis=1) & ~clocks[0][2], raw.notes)
    if raw.plates:
        force = repairs.total_of(raw.plates)
        there = np.isfinite(force).any(axis=0)
        if there.any():
            missing = ~np.isfinite(force[:, there]).all(axis=1)
            repairs.say_gaps("force", clocks[-1][0], missing & ~clocks[-1][2], raw.notes)


def _common(
    raw: Raw, clocks: list[Ticks], points_up: np.ndarray, forces_up: np.ndarray, body: str
) -> Measured:  # fmt: skip
    """All arrays at the times of the faster clock."""
    times, rate, _ = max(clocks, key=lambda clock: clock[1])
    rates: dict[str, float] = {}
    if len(clocks) == 2:
        which = 0 if clocks[0][1] < clocks[1][1] else 1
        slow, slow_rate, _ = clocks[which]
        first, last = max(clocks[0][0][0], clocks[1][0][0]), min(clocks[0][0][-1], clocks[1][0][-1])
        slack = 1e-6 / rate
        inside = (times >= first - slack) & (times <= last + slack)
        if inside.sum() < 10:
            raise InputError(
                f"Markers and forces share no time: {clocks[0][0][0]:.3f} to {clocks[0][0][-1]:.3f} s and "
                f"{clocks[1][0][0]:.3f} to {clocks[1][0][-1]:.3f} s. Export them together."
            )
        fast = times[inside]

        def slower(values: np.ndarray) -> np.ndarray:
            return interpolated(slow, values, fast, 1.5 / slow_rate)

        if slow_rate < rate * 0.999:
            kind = "Markers" if which == 0 else "Forces"
            raw.notes.append(
                f"{kind} were recorded at {slow_rate:g} Hz and brought to {rate:g} Hz by cubic interpolation, never "
                "across a gap."
            )
            rates = {"points" if which == 0 else "forces": slow_rate}
        (raw.map_points if which == 0 else raw.map_plates)(slower)
        (raw.map_plates if which == 0 else raw.map_points)(lambda values: values[inside])
        times = fast
    return Measured(times, rate, rates, raw, points_up, forces_up, body)

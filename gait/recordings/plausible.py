"""Units by orders of magnitude, where names and headers lie."""

from __future__ import annotations

import numpy as np

from gait.errors import InputError
from gait.recordings.forces import Plate
from gait.recordings.markers import body_of
from gait.recordings.raw import Raw
from gait.recordings.recording import GRAVITY

_HEIGHT = (0.25, 2.0)  # m from the ground to the middle of a body: a toddler and a giant
_WEIGHT = (60.0, 2500.0)  # N


def check_lengths(raw: Raw) -> None:
    """Corrects lengths by a power of ten, in place, if a body would otherwise be a giant or a dwarf, and says so.

    Raises:
        InputError: if no unit makes a body of it.
    """
    kind, place = body_of(raw.points)
    if place is None or raw.deviation:
        return
    heights = []
    for column in place.T:
        values = column[np.isfinite(column)]
        if len(values) and np.ptp(values) < 0.35 * abs(values.mean()):  # a height, and not a way
            heights.append(abs(values.mean()))
    if not heights:
        return
    height = max(heights)
    if any(_HEIGHT[0] <= value <= _HEIGHT[1] for value in heights):
        return
    for factor, unit in ((0.001, "mm"), (0.01, "cm"), (1000.0, "m, and were divided by 1000,")):
        if any(_HEIGHT[0] <= factor * value <= _HEIGHT[1] for value in heights):
            for table in (raw.points, raw.velocities, raw.centres):
                for values in table.values():
                    values *= factor
            raw.notes.append(f"Lengths are taken for {unit}: the {kind} would be {height:.3g} m high.")
            return
    raise InputError(
        f"The {kind} is {height:.3g} m high, and no usual unit makes a person of it. Check the units of the file; heights "
        "count from the ground."
    )


def check_forces(plates: list[Plate], mass: float | None, notes: list[str]) -> None:
    """Brings forces to newtons, in place, where they are kilonewtons, body weights or newtons per kilogram.

    Raises:
        InputError: if that takes the body mass and nobody has stated it, or no unit makes a person of it.
    """
    feet = [plate.force[:, 1] for plate in plates if plate.name != "total"]
    total = np.sum(feet, axis=0) if feet else next((plate.force[:, 1] for plate in plates), None)
    if total is None or not np.isfinite(total).any():
        return
    loaded = total[np.isfinite(total) & (total > 0.3 * np.nanmax(total))]
    mean = float(loaded.mean()) if len(loaded) else 0.0
    if _WEIGHT[0] <= mean <= _WEIGHT[1]:
        return
    relative = {"body weights": (0.93, 1.07, GRAVITY), "percent of the body weight": (93.0, 107.0, 0.01 * GRAVITY),
                "newtons per kilogram": (9.1, 10.6, 1.0)}  # fmt: skip
    for unit, (low, high, each) in relative.items():
        if low <= mean <= high:
            if mass is None:
                raise InputError(
                    f"Vertical forces are {mean:.3g} on average, as {unit} are. A body mass is needed to make newtons of "
                    "them. State it with --mass."
                )
            _scale(plates, each * mass)
            notes.append(f"Forces are taken for {unit}: {mean:.3g} on average. They are multiplied by {each * mass:.4g} N.")
            return
    if _WEIGHT[0] <= 1000.0 * mean <= _WEIGHT[1]:
        _scale(plates, 1000.0)
        notes.append(f"Forces are taken for kilonewtons: {mean:.3g} on average.")
        return
    raise InputError(
        f"Vertical forces are {mean:.3g} on average while somebody is on the plates, and no usual unit makes a person of "
        "that. Check the columns and units of the forces."
    )


def _scale(plates: list[Plate], factor: float) -> None:
    for plate in plates:
        plate.force = plate.force * factor

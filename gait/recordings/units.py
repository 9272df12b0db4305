"""Units of a recording: what is stated, and what orders of magnitude say where a header lies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gait.errors import InputError
from gait.recordings.columns import FORCE, LENGTH, RELATIVE_FORCE, TIME
from gait.recordings.raw import Raw
from gait.recordings.recording import GRAVITY

HEIGHTS = (0.33, 1.45)
"""Heights of the centre of mass or of the pelvis of somebody who stands, m."""
TRAVELS = (0.006, 0.2)
"""Vertical travel of the centre of mass of somebody who walks, m."""
_CLIMB = 2.5
"""Largest rise in a recording, on stairs or in a jump, m."""
_FASTEST = 15.0
"""Way of a centre of pressure in a second that no walker takes, m."""
WEIGHTS = (100.0, 2500.0)
"""Weights of those who walk, N."""


def factor_of(unit: str, scales: dict[str, float], kind: str) -> float:
    """SI units of one unit that a user or a file names; raises `InputError` for an unknown one."""
    if unit.lower() not in scales:
        raise InputError(f"Units of {kind} are {', '.join(scales)}. Received: {unit}. Choose one of them.")
    return scales[unit.lower()]


def chosen_units(units: str | dict | None) -> dict[str, str]:
    """Units that a user states, by kind: "length", "force" or "time".

    Args:
        units: for example {"length": "mm"}, or "mm,kN".

    Raises:
        InputError: if a unit is not known.
    """
    known = {"length": {*LENGTH}, "force": {*FORCE, *RELATIVE_FORCE}, "time": {*TIME}}
    if units is None:
        return {}
    if isinstance(units, str):
        found = {}
        for unit in (part.strip() for part in units.split(",") if part.strip()):
            kind = next((kind for kind, scales in known.items() if unit.lower() in scales), None)
            if kind is None:
                raise InputError(f"units are such as mm, kN or ms. Received: {unit}. Correct it.")
            found[kind] = unit.lower()
        return found
    if not isinstance(units, Mapping):
        raise InputError(f"units are such as mm, kN or ms. Received: {units}. Correct it.")
    for kind, unit in units.items():
        if kind not in known or not isinstance(unit, str) or unit.lower() not in known[kind]:
            raise InputError(
                f"units has the keys length, force and time with units such as mm, kN and ms. Received: {kind}: {unit}."
            )
    return {kind: unit.lower() for kind, unit in units.items()}


def settle_lengths(raw: Raw, body: str, up: np.ndarray, stated: str | None, named: bool) -> None:
    """Makes all positions metres, by what is stated and by orders of magnitude.

    Args:
        raw: changed in place, with its notes.
        body: name of the point that stands for the body; "" where there is none.
        up: upward direction, along an axis of the file.
        stated: unit that the user states.
        named: whether the user has named the body, which may then be any part of it.

    Raises:
        InputError: if no unit gives a body of the size of a walker.
    """
    said = stated or raw.length_unit
    factor = 1.0 if said is None else factor_of(said, LENGTH, "length")
    axis = int(np.abs(up).argmax())
    heights = raw.points[body][:, axis] * up[axis] if body else np.zeros(0)
    heights = heights[np.isfinite(heights)]
    heels = [raw.points[name][:, axis] * up[axis] for name in raw.points if name.startswith("heel")]
    floor = float(min((np.nanpercentile(heel, 2) for heel in heels if np.isfinite(heel).any()), default=0.0))
    if stated is None and heights.size:
        low = float(np.percentile(heights, 5))  # not the middle, which on stairs is far above the ground
        level, travel = (low - floor if heels else abs(low)), float(np.subtract(*np.percentile(heights, [98, 2])))
        factor = _length_factor(raw, level, travel, factor, said, HEIGHTS[1] if not named else 2.2)
        if travel * factor > TRAVELS[1]:
            raw.notes.append(f"The height of the body changes by {travel * factor:.2f} m, more than in level walking.")
    elif stated is None and heels and not heights.size:
        rise = float(
            np.nanmax([np.subtract(*np.nanpercentile(heel, [98, 2])) for heel in heels if np.isfinite(heel).any()])
        )
        others = [
            (scale, unit) for unit, scale in (("mm", 1e-3), ("cm", 1e-2), ("m", 1.0)) if 0.04 <= rise * scale <= 0.4
        ]
        if not 0.04 <= rise * factor <= 0.4 and others:
            raw.notes.append(
                f"Positions are in {others[0][1]}: the heels would rise by {rise * factor:.3g} m otherwise."
            )
            factor = others[0][0]
    if heels and heights.size and not raw.deviation and not -0.05 <= floor * factor <= 0.15:
        raw.points = {name: values - np.eye(3)[axis] * up[axis] * floor for name, values in raw.points.items()}
        raw.notes.append(
            f"Heights are counted from the lowest heel marker, which is at {floor * factor:.2f} m in the file."
        )
    if factor != 1.0:
        raw.points = {name: values * factor for name, values in raw.points.items()}
        if said in LENGTH and LENGTH[said] == factor:
            raw.notes.append(f"Positions were converted from {said}.")
    lie = factor / (1.0 if said is None else factor_of(said, LENGTH, "length"))
    for plate in raw.plates:
        if plate.centre is not None and lie != 1.0:  # corners of plates are in the unit of the points
            plate.centre, plate.reach = plate.centre * lie, (plate.reach or 0.0) * lie
            plate.pressure = None if plate.pressure is None else plate.pressure * lie
    raw.length_unit = "m"
    if raw.velocity is not None and np.isfinite(raw.velocity).any() and np.nanmedian(np.abs(raw.velocity)) > 10:
        raw.velocity = raw.velocity * 1e-3
        raw.notes.append("Velocities are in mm/s: no walker has such velocities in m/s.")


def settle_pressures(raw: Raw, rate: float) -> None:
    """Makes centres of pressure metres where they would move by tens of metres in a second; they are NaN in the air."""
    second = max(1, round(rate))
    places = [plate.pressure for plate in raw.plates if plate.pressure is not None]
    if not places or len(places[0]) <= second:
        return
    there = [np.isfinite(place) for place in places]
    count = np.sum(there, axis=0)
    path = np.sum([np.where(seen, place, 0.0) for seen, place in zip(there, places, strict=True)], axis=0)
    path = np.where(count > 0, path / np.maximum(count, 1), np.nan)
    ways = np.abs(path[second:] - path[:-second])
    ways = ways[np.isfinite(ways)]
    if ways.size < 10:
        return
    way = float(np.percentile(ways, 90))
    if way > _FASTEST:
        for plate in raw.plates:
            plate.pressure = None if plate.pressure is None else plate.pressure * 1e-3
        raw.notes.append(f"Centres of pressure are in mm: in m they would move by {way:.0f} m in a second.")


def _length_factor(raw: Raw, level: float, travel: float, factor: float, said: str | None, highest: float) -> float:
    def fits(scale: float) -> bool:
        return (
            travel * scale <= (TRAVELS[1] if raw.deviation else _CLIMB)
            and (raw.deviation or HEIGHTS[0] <= level * scale <= highest)
            and (not raw.deviation or travel * scale >= TRAVELS[0])
        )

    if fits(factor):
        return factor
    others = [(scale, unit) for unit, scale in (("mm", 1e-3), ("cm", 1e-2), ("m", 1.0)) if fits(scale)]
    measured = f"{travel * factor:.3g} m of vertical travel" if raw.deviation else f"{level * factor:.4g} m"
    if len(others) == 1:
        scale, unit = others[0]
        raw.notes.append(
            f"Positions are in {unit}{f', not in {said}' if said else ''}: the body would be "
            f"{'moving by ' if raw.deviation else ''}{measured}{'' if raw.deviation else ' above the ground'} "
            "otherwise."
        )
        return scale
    if TRAVELS[0] <= travel * factor <= TRAVELS[1] and not raw.deviation:
        raw.deviation = True
        raw.notes.append(
            f"Heights are not above the ground ({level * factor:.3g} m): they were taken as deviations from their mean."
        )
        return factor
    if raw.deviation and travel * factor <= TRAVELS[1]:
        return factor
    raise InputError(
        f"The unit of the positions cannot be told: as {said or 'm'} the body would be {measured} above the ground "
        f"and move {travel * factor:.3g} m up and down. A walker's centre of mass is {HEIGHTS[0]} to {HEIGHTS[1]} m "
        "high. Say the unit, "
        "for example units={'length': 'mm'}, or which axis is vertical, for example up='z'."
    )


def settle_forces(raw: Raw, vertical: np.ndarray, mass: float | None, stated: str | None) -> None:
    """Makes all forces newtons, by what is stated and by orders of magnitude.

    Args:
        raw: changed in place, with its notes.
        vertical: vertical force on the whole body in the unit of the file, upwards, shape [samples].
        mass: stated body mass, kg, which forces in body weights need.
        stated: unit that the user states.

    Raises:
        InputError: if no unit gives the weight of a walker, or a mass is needed.
    """
    said = (stated or raw.force_unit or "").lower() or None
    good = vertical[np.isfinite(vertical)]
    loaded = good[good > 0.25 * np.percentile(good, 98)] if good.size else good
    mean = float(loaded.mean()) if loaded.size else 0.0
    if said in ("bw", "%bw", "n/kg", "xbw"):
        scale = _weight_scale(said, mass)
    elif stated:
        scale = factor_of(stated, FORCE, "force")
    else:
        scale = 1.0 if said is None else factor_of(said, FORCE, "force")
        if mean and not WEIGHTS[0] <= mean * scale <= WEIGHTS[1]:
            scale = _other_force(raw, mean, mass, said)
    if scale != 1.0:
        for plate in raw.plates:
            plate.force = plate.force * scale
            if plate.moment is not None:
                plate.moment = plate.moment * scale
        if said in FORCE and FORCE[said] == scale:
            raw.notes.append(f"Forces were converted from {said}.")
        elif said in ("bw", "%bw", "n/kg", "xbw"):
            raw.notes.append(f"Forces were converted from {said} by the stated mass of {mass:g} kg.")
    raw.force_unit = "N"


def _weight_scale(unit: str, mass: float | None) -> float:
    if mass is None:
        raise InputError(
            f"Forces are in units of the body ({unit}), which hide the mass. Forces in N need it: state the body "
            "mass, for example mass=72.6."
        )
    return mass if unit == "n/kg" else mass * GRAVITY * (0.01 if unit == "%bw" else 1.0)


def _other_force(raw: Raw, mean: float, mass: float | None, said: str | None) -> float:
    stated_in = f", not in {said.upper()}" if said else ""
    if mass is not None:
        for scale, unit in ((1e3, "kN"), (mass * GRAVITY, "body weights"), (mass, "N/kg"),
                            (mass * GRAVITY / 100, "percent of body weight"),
                            (9.80665, "kgf"), (4.4482216, "lbf")):  # fmt: skip
            if abs(mean * scale / (mass * GRAVITY) - 1) < 0.15:
                raw.notes.append(
                    f"Forces are in {unit}{stated_in}: their mean of {mean:.3g} is a mass of {mass:g} kg then."
                )
                return scale
    elif 0.1 <= mean <= 2.5 and not 0.88 <= mean <= 1.12:
        raw.notes.append(
            f"Forces are in kN{stated_in}: their mean is {mean:.3g}, which would be {mean / GRAVITY:.2g} kg in N."
        )
        return 1e3
    raise InputError(
        f"The unit of the forces cannot be told: their mean while somebody stands on a plate is {mean:.3g}, which "
        f"would be {mean / GRAVITY:.3g} kg in N. It may be body weights, kN or N/kg. Say the unit and the mass, for "
        "example units={'force': 'kN'} or units={'force': 'BW'}, mass=72.6."
    )

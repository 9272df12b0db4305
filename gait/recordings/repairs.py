"""Values that stand for nothing, gaps, and units that a header states wrongly."""

from __future__ import annotations

import numpy as np

from gait.errors import InputError
from gait.recordings.columns import FORCE, LENGTH, TIME
from gait.recordings.raw import Plate, Raw
from gait.recordings.recording import GRAVITY

_SENTINELS = np.array([s * v for v in (999, 9999, 99999, 999999, 9999999, 999.9, 9999.9, 9999.99, 99999.9, 1e10, 1e20,
                                       1e30, 99.99, 88888, 888888) for s in (1, -1)])  # fmt: skip
HEIGHTS = (0.33, 1.45)
"""Heights of the centre of mass or of the pelvis of somebody who stands, m."""
TRAVELS = (0.006, 0.2)
"""Vertical travel of the centre of mass of somebody who walks, m."""
_FARTHEST = 60.0
"""Farthest centre of pressure from the origin of a laboratory, m."""
WEIGHTS = (100.0, 2500.0)
"""Weights of those who walk, N."""


def clear_stand_ins(raw: Raw) -> None:
    """Takes values that stand for nothing, such as -9999, out of all arrays, and says so."""
    count = 0
    seen: set[float] = set()

    def cleared(values: np.ndarray) -> np.ndarray:
        nonlocal count
        for axis in range(3):
            column = values[:, axis]
            if not np.isfinite(column).any():
                continue
            low, high = np.nanmin(column), np.nanmax(column)
            for sentinel in _SENTINELS[(low - 1 <= _SENTINELS) & (high + 1 >= _SENTINELS)]:
                hit = np.abs(column - sentinel) <= 1e-6 * abs(sentinel)
                others = column[~hit & np.isfinite(column)]
                if hit.any() and others.size:
                    away = max(sentinel - others.max(), others.min() - sentinel)
                    if away > 0.5 * max(np.ptp(others), 0.02 * np.abs(others).max(), 1e-3):
                        column = np.where(hit, np.nan, column)
                        count += int(hit.sum())
                        seen.add(float(sentinel))
            if column is not values[:, axis]:
                values = values.copy()
                values[:, axis] = column
        return values

    raw.map_points(cleared)
    raw.map_plates(cleared)
    if count:
        raw.notes.append(
            f"{count} values of {' and '.join(f'{value:g}' for value in sorted(seen))} stand for missing ones."
        )


def clear_zeros(raw: Raw) -> None:
    """Takes points that lie at exactly zero along all axes out, where they are elsewhere otherwise."""
    for name, values in raw.points.items():
        axes = np.isfinite(values).any(axis=0)
        if raw.deviation or not axes.any():
            continue
        zero = (values[:, axes] == 0).all(axis=1)
        rest = np.abs(values[~zero][:, axes])
        if zero.any() and rest.size and np.nanmedian(np.nanmax(rest, axis=1)) > 0.2 and zero.sum() < 0.8 * len(zero):
            values = values.copy()
            values[zero] = np.nan
            raw.points[name] = values
            raw.notes.append(f"{int(zero.sum())} positions of the {name} are exactly zero and stand for missing ones.")
    body = next((name for name in raw.points if not name.startswith("heel")), None)
    if body:
        _clear_zero_heights(raw, body)


def _clear_zero_heights(raw: Raw, body: str) -> None:
    values = raw.points[body]
    for axis in range(3):
        column = values[:, axis]
        zero = column == 0
        rest = column[~zero & np.isfinite(column)]
        if zero.any() and rest.size > zero.size / 2 and rest.min() > 0.25 * rest.max() > 0:
            values = values.copy()
            values[zero, :] = np.nan
            raw.points[body] = values
            raw.notes.append(f"{int(zero.sum())} positions of the {body} have a zero that stands for a missing value.")


def clear_spikes(raw: Raw, rate: float) -> None:
    """Takes single positions of the body out that nobody can reach between two samples."""
    from scipy.ndimage import median_filter

    for name, values in raw.points.items():
        limit = 0.08 + (0.0 if not name.startswith("heel") else 6.0 / rate)
        away = np.zeros(len(values), bool)
        for axis in range(3):
            column = values[:, axis]
            good = np.flatnonzero(np.isfinite(column))
            if good.size > 10:
                inner = good[2:-2]
                off = np.abs(column[good] - median_filter(column[good], 5, mode="nearest"))[2:-2]
                away[inner[off > limit]] = True
        if away.any() and away.sum() < 0.05 * len(values):
            values = values.copy()
            values[away] = np.nan
            raw.points[name] = values
            raw.notes.append(
                f"{int(away.sum())} position{'s' if away.sum() > 1 else ''} of the {name} "
                f"jump{'s' if away.sum() == 1 else ''} by more than {100 * limit:.0f} cm and back; missing there."
            )


def gaps_of(times: np.ndarray, missing: np.ndarray) -> list[tuple[float, float]]:
    """First and last missing time of each run of missing samples, s."""
    at = np.flatnonzero(missing)
    parts = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if at.size else []
    return [(float(times[part[0]]), float(times[part[-1]])) for part in parts]


def say_gaps(what: str, times: np.ndarray, missing: np.ndarray, notes: list[str]) -> None:
    """Adds a sentence that names the gaps of a channel, by the clock of the file."""
    gaps = gaps_of(times, missing)
    if not gaps or missing.all():
        return
    what = f"{what[5:]} heel marker" if what.startswith("heel ") else what
    shown = [f"from {first:.4g} to {last:.4g} s" if last > first else f"at {first:.4g} s" for first, last in gaps[:4]]
    more = f" and in {len(gaps) - 4} more gaps" if len(gaps) > 4 else ""
    notes.append(f"There is no {what} {', '.join(shown)}{more} ({int(missing.sum())} of {missing.size} samples).")


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
    known = {"length": LENGTH, "force": FORCE, "time": TIME}
    if units is None:
        return {}
    if isinstance(units, str):
        found = {}
        for unit in (part.strip() for part in units.split(",") if part.strip()):
            kind = next((kind for kind, scales in known.items() if unit.lower() in scales), None)
            if kind is None and unit.lower() in ("bw", "n/kg", "%bw"):
                kind = "force"
            if kind is None:
                raise InputError(f"units are such as mm, kN or ms. Received: {unit}. Correct it.")
            found[kind] = unit.lower()
        return found
    for kind, unit in units.items():
        if kind not in known or (
            unit.lower() not in known[kind] and not (kind == "force" and unit.lower() in ("bw", "n/kg", "%bw"))
        ):
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
        middle = float(np.median(heights))
        level, travel = (middle - floor if heels else abs(middle)), float(np.subtract(*np.percentile(heights, [98, 2])))
        factor = _length_factor(raw, level, travel, factor, said, HEIGHTS[1] if not named else 2.2)
    if heels and heights.size and not raw.deviation and not -0.05 <= floor * factor <= 0.15:
        raw.points = {name: values - np.eye(3)[axis] * up[axis] * floor for name, values in raw.points.items()}
        raw.notes.append(
            f"Heights are counted from the lowest heel marker, which is at {floor * factor:.2f} m in the file."
        )
    if factor != 1.0:
        raw.points = {name: values * factor for name, values in raw.points.items()}
        if said in LENGTH and LENGTH[said] == factor:
            raw.notes.append(f"Positions were converted from {said}.")
    raw.length_unit = "m"
    far = max((float(np.nanpercentile(np.abs(plate.pressure), 98)) for plate in raw.plates
               if plate.pressure is not None and np.isfinite(plate.pressure).any()), default=0.0)  # fmt: skip
    if far > _FARTHEST:
        for plate in raw.plates:
            plate.pressure = None if plate.pressure is None else plate.pressure * 1e-3
        raw.notes.append(f"Centres of pressure are in mm: they would be {far:.0f} m away in m.")
    if raw.velocity is not None and np.isfinite(raw.velocity).any() and np.nanmedian(np.abs(raw.velocity)) > 10:
        raw.velocity = raw.velocity * 1e-3
        raw.notes.append("Velocities are in mm/s: no walker has such velocities in m/s.")


def _length_factor(raw: Raw, level: float, travel: float, factor: float, said: str | None, highest: float) -> float:
    def fits(scale: float) -> bool:
        moves = travel * scale <= TRAVELS[1]
        return (
            moves
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
    high = float(np.percentile(good, 99)) if good.size else 0.0
    loaded = good[good > 0.25 * good.max()] if good.size and good.max() > 0 else good
    mean = float(loaded.mean()) if loaded.size else 0.0
    if said in ("bw", "%bw", "n/kg", "xbw"):
        scale = _weight_scale(said, mass)
    elif stated:
        scale = factor_of(stated, FORCE, "force")
    else:
        scale = 1.0 if said is None else factor_of(said, FORCE, "force")
        if mean and not WEIGHTS[0] <= mean * scale <= WEIGHTS[1]:
            scale = _other_force(raw, mean, high, mass, said)
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


def _other_force(raw: Raw, mean: float, high: float, mass: float | None, said: str | None) -> float:
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
        "example "
        "units={'force': 'kN'} or units={'force': 'BW'}, mass=72.6."
    )


def total_of(plates: list[Plate]) -> np.ndarray:
    """Force on the whole body, shape [samples, 3]: of all plates, or of the total where no feet are measured."""
    feet = [plate for plate in plates if plate.side != "total"]
    return np.sum([plate.force for plate in feet or plates], axis=0)


def body_of(raw: Raw) -> str:
    """Name of the point that stands for the body; "" where there is none."""
    return next((name for name in raw.points if not name.startswith("heel")), "")

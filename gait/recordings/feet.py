"""Which foot a force belongs to, and what a treadmill's belt does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gait.recordings.forces import Contact, feet_of
from gait.recordings.raw import HEELS, Plate
from gait.recordings.recording import LOADED

SIDES = ("left", "right")
_APART = 0.02
"""Least distance between the feet sideways that tells them apart, m."""
_SMOOTH = 0.05  # s, over which a heel marker is averaged
_UNEVEN = 0.035  # of the belt's speed, by which heels on it may differ; those of one real walk by 2.7 %
SLIDING = 0.2
"""Speed backwards of a foot in stance from which the ground moves, m/s."""


def feet_on(
    plates: list[Plate], contacts: list[Contact], points: dict[str, np.ndarray], notes: list[str]
) -> tuple[dict[str, Plate], bool]:  # fmt: skip
    """Force of each foot.

    Args:
        plates: with vectors as (forward, up, right).
        contacts: on these plates, in order of time.
        points: heel markers among them, likewise.
        notes: gets a sentence.

    Returns:
        Side → its force; whether left and right are known, and are not only names of the first and the second foot.
    """
    _say_exchanged({side: points.get(name) for side, name in HEELS.items()}, "heel markers", notes)
    sided = {plate.side: plate for plate in plates if plate.side in SIDES}
    if sided:
        _say_exchanged({side: plate.pressure for side, plate in sided.items()}, "centres of pressure", notes)
        merged = {side: _joined([plate for plate in plates if plate.side == side], side) for side in sided}
        if len(merged) == 1:
            notes.append(f"Only the {next(iter(merged))} foot's force was recorded, not that on the whole body.")
        return merged, True
    numbered = [plate for plate in plates if plate.side is None]
    if not numbered:
        return {}, True
    turns = feet_of(contacts, len(plates[0].force))
    if turns is None:
        if len(plates) > 1:
            notes.append(f"{len(plates)} plates were summed; their contacts are not those of single feet in turn.")
        return {}, True
    feet = [_foot(plates, contacts, turns, foot) for foot in (0, 1)]
    first = _first_side(feet, contacts, turns, points)
    if first is None:
        notes.append(
            f"{len(plates)} plates were summed; contacts in turn are those of two feet, and which is the left one is "
            "not known."
        )
    else:
        notes.append(
            f"{len(plates)} plates were summed; contacts in turn are those of two feet, the {first[0]} one first "
            f"({first[1]})."
        )
    names = SIDES if first is None or first[0] == "left" else SIDES[::-1]
    return {name: feet[k] for k, name in enumerate(names)}, first is not None


def _say_exchanged(places: dict[str, np.ndarray | None], what: str, notes: list[str]) -> None:
    """Tells where what is called left lies to the right; places are (forward, up, right), shape [samples, 3], m."""
    both = [at[:, 2] for side in SIDES if (at := places.get(side)) is not None and np.isfinite(at[:, 2]).any()]
    if len(both) == 2 and (apart := float(np.nanmedian(both[0]) - np.nanmedian(both[1]))) > _APART:
        notes.append(
            f"The {what} of the left foot are {100.0 * apart:.0f} cm to the right of those of the right foot: left and "
            "right may have been exchanged, or an axis mirrored. Names of the file were kept."
        )


def _joined(plates: list[Plate], side: str) -> Plate:
    if len(plates) == 1:
        return plates[0]
    pressure = plates[0].pressure
    for plate in plates[1:]:
        if plate.pressure is not None:
            pressure = plate.pressure if pressure is None else np.where(np.isfinite(pressure), pressure, plate.pressure)
    return Plate(side, side, np.sum([plate.force for plate in plates], axis=0), pressure)


def _foot(plates: list[Plate], contacts: list[Contact], turns: list[int], foot: int) -> Plate:
    """Force of the first (0) or second (1) foot; each plate belongs to the foot of its nearest contact."""
    samples = len(plates[0].force)
    force = np.zeros((samples, 3))
    pressure = np.full((samples, 3), np.nan)
    for k, plate in enumerate(plates):
        own = [(contact, turn) for contact, turn in zip(contacts, turns, strict=True) if contact.plate == k]
        for n, (contact, turn) in enumerate(own):
            begin = 0 if n == 0 else (own[n - 1][0].end + contact.begin) // 2
            end = samples if n == len(own) - 1 else (contact.end + own[n + 1][0].begin) // 2
            if turn == foot:
                force[begin:end] += plate.force[begin:end]
                if plate.pressure is not None:
                    part = slice(contact.begin, contact.end)
                    pressure[part] = np.where(np.isfinite(plate.pressure[part]), plate.pressure[part], pressure[part])
    name = ("first foot", "second foot")[foot]
    return Plate(name, None, force, pressure if np.isfinite(pressure).any() else None)


def _first_side(
    feet: list[Plate], contacts: list[Contact], turns: list[int], points: dict[str, np.ndarray]
) -> tuple[str, str] | None:  # fmt: skip
    """Side of the first foot and what tells it; None where nothing does."""
    both = [points[HEELS[side]] for side in SIDES if HEELS[side] in points]
    if len(both) == 2:
        votes = 0
        for contact, turn in zip(contacts, turns, strict=True):
            part = slice(
                contact.begin + (contact.end - contact.begin) // 4, contact.end - (contact.end - contact.begin) // 4
            )
            pressure = feet[turn].pressure
            if pressure is not None and np.isfinite(pressure[part][:, 0]).any():
                away = [np.linalg.norm((heel - pressure)[part][:, [0, 2]], axis=1) for heel in both]
            else:
                away = [heel[part][:, 1] for heel in both]
            left, right = (np.nanmean(one) if np.isfinite(one).any() else np.nan for one in away)
            if np.isfinite(left) and np.isfinite(right) and left != right:
                votes += 1 if (left < right) == (turn == 0) else -1
        if abs(votes) > 0.6 * len(contacts):
            return ("left" if votes > 0 else "right"), "by the heel markers"
    sideways = [foot.pressure[:, 2] if foot.pressure is not None else np.array([np.nan]) for foot in feet]
    if all(np.isfinite(one).any() for one in sideways):
        apart = float(np.nanmedian(sideways[0]) - np.nanmedian(sideways[1]))
        if abs(apart) > _APART:
            return ("right" if apart > 0 else "left"), "by the centres of pressure"
    return None


def heel_speed(heel: np.ndarray, rate: float) -> tuple[float, float, int]:
    """Forward speed of a heel that is on the ground, its spread, m/s, and how many samples say so.

    Args:
        heel: positions as (forward, up, right), shape [samples, 3], m.
        rate: samples a second, Hz.
    """
    height = heel[:, 1]
    if np.isfinite(height).sum() < 10:
        return np.nan, np.nan, 0
    count = max(1, round(_SMOOTH * rate))  # the noise of a marker is more than the motion of a heel at rest
    speed, rise = (
        np.gradient(pd.Series(heel[:, k]).rolling(count, center=True, min_periods=count).mean().to_numpy()) * rate
        for k in (0, 1)
    )
    low = (height < np.nanpercentile(height, 5) + 0.015) & (np.abs(rise) < 0.1) & np.isfinite(speed)
    if low.sum() < 5:
        return np.nan, np.nan, 0
    ordered = np.sort(speed[low])  # a heel rolls on and off; while it rests, it has the speed that is most frequent
    half = (ordered.size + 1) // 2
    begin = int(np.argmin(ordered[half - 1 :] - ordered[: ordered.size - half + 1]))
    middle = float(ordered[begin : begin + half].mean())
    return middle, 1.4826 * float(np.median(np.abs(speed[low] - middle))), int(low.sum())


def pressure_speed(plate: Plate, rate: float) -> float:
    """Median forward speed of a centre of pressure during contacts, m/s; NaN where there is none."""
    if plate.pressure is None:
        return np.nan
    speed = np.gradient(plate.pressure[:, 0]) * rate
    speed = speed[np.isfinite(speed) & (plate.force[:, 1] > 5 * LOADED)]
    return float(np.median(speed)) if speed.size > 5 else np.nan


def belt_of(
    heels: dict[str, np.ndarray], feet: dict[str, Plate], body_speed: float | None, steps: bool, rate: float,
    notes: list[str],
) -> float | None:  # fmt: skip
    """Speed of the ground backwards: 0 over ground, None on a treadmill whose speed is not known.

    A heel marker on the ground moves with the belt. The centre of pressure moves forward under a foot, too, so that it
    shows a treadmill but not its speed.

    Args:
        heels: side → positions as (forward, up, right).
        feet: side → force.
        body_speed: mean forward speed of the body in the laboratory, m/s; None where no positions were recorded.
        steps: whether steps are seen.
        rate: samples a second, Hz.
        notes: gets a sentence.
    """
    measured = {side: heel_speed(heel, rate) for side, heel in heels.items()}
    measured = {side: value for side, value in measured.items() if value[2]}
    if measured:
        speeds = [-speed for speed, _, _ in measured.values()]
        if max(speeds) < SLIDING:
            return 0.0
        if len(speeds) == 2 and abs(speeds[0] - speeds[1]) > 0.08 * max(speeds):
            notes.append(
                f"The heels on the ground move back at {speeds[0]:.3f} and {speeds[1]:.3f} m/s "
                f"({' and '.join(measured)}): the belts run at different speeds, or a marker is loose. The way over "
                "the ground is not known; state the belt speed (--belt_speed)."
            )
            return None
        belt = float(np.mean(speeds))
        spread = max(spread for _, spread, _ in measured.values())
        if spread > _UNEVEN * belt:
            notes.append(
                f"The walk is on a treadmill: the heels on the ground move back at {belt:.2f} ± {spread:.2f} m/s, "
                "too unevenly for a speed of the belt. State it (--belt_speed)."
            )
            return None
        notes.append(
            f"The walk is on a treadmill: the heels on the ground move back at {belt:.3f} ± {spread:.3f} m/s, which "
            "was taken as the speed of the belt and added."
        )
        return belt
    by_pressure = [speed for speed in (pressure_speed(foot, rate) for foot in feet.values()) if np.isfinite(speed)]
    sliding = bool(by_pressure) and float(np.median(by_pressure)) < -SLIDING
    if sliding or (body_speed is not None and abs(body_speed) < 0.25 and steps):
        seen = (
            f"the centre of pressure moves back at {-np.median(by_pressure):.2f} m/s in stance, less than the belt "
            "by what it moves forward under a foot" if sliding else "the body stays in place while it takes steps"
        )  # fmt: skip
        notes.append(
            f"The walk is on a treadmill{'' if sliding else ', or on the spot'} ({seen}), and its speed is not known: "
            "there is no way, speed or step length. State the belt speed (--belt_speed)."
        )
        return None
    return 0.0

"""Forces of plates: their unloaded level, what they add up to, and which foot is on which."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from gait.identifiability.wording import listed
from gait.recordings.events import HOLD, THRESHOLD
from gait.recordings.recording import FEET, SIDES

_OFFSET = 1.0  # N of an unloaded plate from which its level is removed
_LARGEST_OFFSET = 0.15  # of the largest force, up to which a low level is that of an unloaded plate


@dataclasses.dataclass
class Plate:
    """A force plate, or the ground under one foot.

    Attributes:
        name: "left", "right", "total", "plate 1" and so on.
        force: forward and vertical, shape [samples, 2], N.
        centre: forward position of the centre of pressure, shape [samples], m; NaN where it is not known.
    """

    name: str
    force: np.ndarray
    centre: np.ndarray


def remove_offsets(plates: list[Plate], rate: float, notes: list[str]) -> None:
    """Removes what plates show while nobody is on them, in place, and says so.

    Args:
        plates: single plates or feet; a sum of both feet, which is never unloaded, stays as it is.
        rate: samples a second, Hz.
        notes: gets the sentence.
    """
    removed = []
    for plate in plates:
        vertical = plate.force[:, 1]
        known = np.isfinite(vertical)
        if not known.any():
            continue
        low, high = np.percentile(vertical[known], [1.0, 99.0])
        span = high - low
        idle = known & (vertical < low + 0.06 * span)
        # A level is one that the plate keeps for a while: a foot in the air, not the edge of a stance.
        runs = np.flatnonzero(np.diff(np.concatenate([[False], idle, [False]]).astype(int))).reshape(-1, 2)
        if span < 10.0 * THRESHOLD or not len(runs) or np.diff(runs, axis=1).max() < max(2.0, 0.1 * rate):
            continue
        inner = np.zeros(len(vertical), bool)
        for first, last in runs:
            cut = min((last - first) // 4, round(0.02 * rate))
            inner[first + cut : last - cut] |= last - first >= max(2.0, 0.1 * rate)
        level = np.median(plate.force[inner], axis=0)
        if not abs(level[1]) < _LARGEST_OFFSET * span:
            continue
        shift = np.where(np.abs(level) > _OFFSET, level, 0.0)
        # Noise moves a median by little: a level within three of its standard errors is none.
        error = 3.0 * 1.25 * plate.force[inner].std(axis=0) / np.sqrt(inner.sum())
        shift = np.where(np.abs(level) > error, shift, 0.0)
        plate.force = plate.force - shift
        if shift[1]:
            removed.append(f"{shift[1]:+.1f} N of {plate.name}")
    if removed:
        notes.append(f"Removed what plates show without a load (vertical): {listed(removed)}.")


def stances(force: np.ndarray, rate: float) -> np.ndarray:
    """First and last sample + 1 of each contact of a vertical force [samples] with the threshold of steps."""
    down = np.nan_to_num(force) > THRESHOLD
    edges = np.flatnonzero(np.diff(np.concatenate([[False], down, [False]]).astype(int)))
    while len(edges) > 2 and (lengths := np.diff(edges)[1:-1] if len(edges) > 3 else np.diff(edges)).min() < HOLD * rate:
        first = int(np.argmin(lengths)) + (1 if len(edges) > 3 else 0)
        edges = np.delete(edges, [first, first + 1])
    return edges.reshape(-1, 2)


def feet_of(plates: list[Plate], rate: float, notes: list[str]) -> list[Plate]:
    """Sorts contacts of numbered plates to two feet, which stand in turn.

    Args:
        plates: the numbered plates.
        rate: samples a second, Hz.
        notes: gets a sentence on what was done.

    Returns:
        Plates "first" and "second"; none where contacts do not alternate, as when both feet are on one plate.
    """
    contacts = sorted((first, last, i) for i, plate in enumerate(plates) for first, last in stances(plate.force[:, 1], rate))
    if len(contacts) < 2 or len(plates) < 2:
        return []
    ends = [last for _, last, _ in contacts]
    overlapping = [first < ends[k + 1] for k, (first, *_) in enumerate(contacts[2:])]
    in_turn = all(earlier <= later for earlier, later in zip(ends, ends[1:], strict=False))
    before_next_but_one = all(contacts[k][1] <= contacts[k + 2][0] for k in range(len(contacts) - 2))
    if not in_turn or not before_next_but_one or not all(overlapping):
        notes.append("Contacts of the plates do not alternate as feet do: their sum is used, and not single feet.")
        return []
    samples = len(plates[0].force)
    feet = [Plate(name, np.zeros((samples, 2)), np.full(samples, np.nan)) for name in FEET[1]]
    for number, (first, last, i) in enumerate(contacts):
        foot = feet[number % 2]
        foot.force[first:last] = plates[i].force[first:last]
        foot.centre[first:last] = plates[i].centre[first:last]
    return feet


def plates_window(plates: list[Plate], rate: float) -> np.ndarray:
    """Samples at which every foot on the ground is on a plate, as far as forces tell, shape [samples].

    A walk over plates begins and ends beside them. Forces are whole from the second touchdown, when the first foot
    stands on a plate already, to the takeoff of the last but one.
    """
    total = np.nansum([plate.force[:, 1] for plate in plates], axis=0)
    whole = np.ones(len(total), bool)
    contacts = sorted((first, last) for plate in plates for first, last in stances(plate.force[:, 1], rate))
    loaded = np.flatnonzero(total > THRESHOLD)
    if not len(loaded) or len(plates) < 2:
        return whole & (total > THRESHOLD)
    if loaded[0] > HOLD * rate:
        whole[: contacts[1][0] if len(contacts) > 1 else None] = False
    if len(total) - 1 - loaded[-1] > HOLD * rate:
        ends = sorted(last for _, last in contacts)
        whole[(ends[-2] if len(ends) > 1 else 0) :] = False
    return whole


def sided(feet: list[Plate], heels: Mapping[str, np.ndarray], notes: list[str]) -> list[Plate]:
    """Feet with their sides, where heel markers tell them: each foot presses near its own heel.

    Args:
        feet: two feet that stand in turn.
        heels: forward positions of the heels by side, shape [samples] each, m.
        notes: gets a sentence.
    """
    if len(feet) != 2 or len(heels) != 2 or feet[0].name in heels:
        return feet
    apart = [[np.nanmedian(np.abs(foot.centre - heels[side])) if np.isfinite(foot.centre - heels[side]).any() else np.nan
              for side in SIDES] for foot in feet]  # fmt: skip
    straight, crossed = apart[0][0] + apart[1][1], apart[0][1] + apart[1][0]
    if not np.isfinite(straight + crossed) or max(straight, crossed) < 2.0 * min(straight, crossed):
        return feet
    names = SIDES if straight < crossed else SIDES[::-1]
    notes.append("Heel markers tell which foot is the left one.")
    return [dataclasses.replace(foot, name=name) for foot, name in zip(feet, names, strict=True)]

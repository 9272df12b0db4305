"""Force plates: unloaded levels, signs, centres of pressure, contacts, feet, and where forces are complete."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from gait.recordings.raw import Plate, Raw
from gait.recordings.recording import HOLD, LOADED, stretches
from gait.recordings.repairs import total_of

_SMALLEST_OFFSET = 1.5
_FLIGHT = 0.2
_SPIKE = 9  # samples whose median a spike of up to four stands out of
"""Longest time without any contact in running; a longer one is a step beside the plates, s."""


@dataclasses.dataclass(frozen=True)
class Contact:
    """One foot on one plate: samples `begin` to `end`, the latter excluded."""

    plate: int
    begin: int
    end: int


def clear_levels(plate: Plate, axis: int, rate: float, notes: list[str]) -> None:
    """Removes what a plate reads while nobody stands on it, and says so.

    Args:
        plate: changed in place.
        axis: vertical axis.
        rate: samples a second, Hz.
        notes: gets a sentence.
    """
    force = plate.force[:, axis]
    unloaded = _unloaded(force, rate, plate.side == "total")
    if unloaded is None:
        return
    level = float(np.median(force[unloaded]))
    drift = _drift(force, unloaded, rate)
    shown = abs(level) >= _SMALLEST_OFFSET
    if drift is not None:
        notes.append(
            f"Unloaded, {_of(plate)} drifts from {drift.min():.1f} to {drift.max():.1f} N; what it read in each "
            "swing was removed."
        )
        force -= drift
    elif shown:
        notes.append(f"Unloaded, {_of(plate)} reads {level:.1f} N; this was removed.")
        force -= level
    for values, least in ((plate.force, _SMALLEST_OFFSET), (plate.moment, 0.0)):
        for k in range(3):
            if (
                values is not None
                and not (values is plate.force and k == axis)
                and np.isfinite(values[unloaded, k]).any()
            ):
                level = float(np.nanmedian(values[unloaded, k]))
                if abs(level) > least:
                    values[:, k] -= level


def _of(plate: Plate) -> str:
    return f"the {plate.side} foot's force" if plate.side in ("left", "right") else plate.name


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _unloaded(force: np.ndarray, rate: float, total: bool) -> np.ndarray | None:
    """Samples at which nobody is on a plate: a flat level, far below the largest force; None where there are none."""
    good = np.isfinite(force)
    if good.sum() < 10:
        return None
    values = force[good]
    negated = -values.min() > 2 * values.max()
    signed = -force if negated else force
    values = signed[good]
    low, high = np.percentile(values, 2), values.max()
    if high - low < LOADED:
        return None
    first = values[values < low + 0.12 * (high - low)]
    level = float(np.median(first))
    spread = 1.4826 * float(np.median(np.abs(first - level)))
    near = np.abs(np.where(good, signed, np.inf) - level) < max(6 * spread, 0.02 * (high - level), 2.0)
    width = max(1, round(0.05 * rate))
    inner = near.copy()
    if width > 1:
        inner = np.convolve(near, np.ones(width), mode="same") > width - 0.5
    if inner.sum() < max(3, 0.04 * good.sum()) or inner.sum() < 0.05 * rate:
        return None
    flat = 1.4826 * float(np.median(np.abs(signed[inner] - np.median(signed[inner]))))
    if (
        flat > 0.03 * (high - level)
        or (total and abs(level) > 0.15 * (high - level))
        or abs(level) > 0.6 * (high - level)
    ):
        return None
    return inner


def _drift(force: np.ndarray, unloaded: np.ndarray, rate: float) -> np.ndarray | None:
    """Level of each sample, between those of the swings, where these move by several newtons in one direction."""
    at = np.flatnonzero(unloaded)
    parts = [part for part in np.split(at, np.flatnonzero(np.diff(at) > 0.1 * rate) + 1) if part.size]
    if len(parts) < 3:
        return None
    middles = np.array([part.mean() for part in parts])
    levels = np.array([np.median(force[part]) for part in parts])
    noise = max(float(np.median([np.std(force[part]) / np.sqrt(part.size) for part in parts])), 0.1)
    if np.ptp(levels) < max(4.0, 8 * noise) or abs(np.corrcoef(middles, levels)[0, 1]) < 0.8:
        return None
    return np.interp(np.arange(force.size), middles, levels)


def turn_upwards(raw: Raw, up: np.ndarray) -> None:
    """Turns forces on the ground to forces on the walker, plate by plate, and says so."""
    axis = int(np.abs(up).argmax())
    down = [plate for plate in raw.plates if np.nanmean(plate.force[:, axis]) * up[axis] < 0 and
            np.nanmax(np.abs(plate.force[:, axis])) > LOADED / 1e3]  # fmt: skip
    for plate in down:
        plate.force = -plate.force
        if plate.moment is not None:
            plate.moment = -plate.moment
    if down and len(down) == len(raw.plates):
        raw.notes.append(
            "Forces point down in the mean: they are those on the ground and were turned to those on the walker."
        )
    elif down:
        raw.notes.append(
            f"{_capital(', '.join(_of(plate) for plate in down))} points down, unlike the others; it was turned."
        )


def find_pressure(plate: Plate, up: np.ndarray, notes: list[str]) -> None:
    """Centre of pressure from the moment about the centre of a plate; NaN where nobody stands on it.

    Centres that are not on the plate are not used, with a note.
    """
    loaded = (
        plate.force @ np.where(up == 0, 0.0, up)
        if np.isfinite(plate.force).all()
        else plate.force[:, np.abs(up).argmax()]
    )
    if plate.moment is not None and plate.centre is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            plate.pressure = plate.centre + np.cross(up, plate.moment) / loaded[:, None]
    if plate.pressure is not None:
        plate.pressure = np.where((loaded > LOADED)[:, None], plate.pressure, np.nan)
        if not np.nan_to_num(plate.pressure).any() and np.isfinite(plate.pressure).any():
            plate.pressure = None
            notes.append(f"Centres of pressure of {_of(plate)} are all zero; they were not used.")
            return
        if plate.centre is not None and plate.reach and (loaded > 5 * LOADED).any():
            away = np.linalg.norm((plate.pressure - plate.centre)[loaded > 5 * LOADED], axis=1)
            if np.mean(away > plate.reach + 0.1) > 0.2:
                plate.pressure = None
                notes.append(f"Centres of pressure of {_of(plate)} lie beside it; they were not used.")


def clear_faults(raw: Raw, up: np.ndarray) -> None:
    """Takes single zeros out while somebody stands on a plate, and single forces that nobody can exert."""
    from scipy.ndimage import median_filter

    axis = int(np.abs(up).argmax())
    for plate in raw.plates:
        force = plate.force[:, axis]
        good = np.isfinite(force)
        if good.sum() < 10:
            continue
        usual = median_filter(np.where(good, force, 0.0), _SPIKE, mode="nearest")
        high = float(np.percentile(np.abs(force[good]), 99))
        spikes = good & (np.abs(force - usual) > max(high, 10 * LOADED))
        zeros = good & (force == 0) & (usual > 5 * LOADED)
        for faults, words in ((zeros, "of exactly zero while it is loaded"), (spikes, "far above all others")):
            if 0 < faults.sum() < 0.02 * good.size:
                plate.force[faults] = np.nan
                many = "values" if faults.sum() > 1 else "value"
                raw.notes.append(f"{_capital(_of(plate))} has {int(faults.sum())} {many} {words}; missing there.")


def say_clipped(raw: Raw, up: np.ndarray) -> None:
    """Takes out forces that stay at their largest value, as of a plate that is overloaded."""
    axis = int(np.abs(up).argmax())
    for plate in raw.plates:
        force = plate.force[:, axis]
        if not np.isfinite(force).any():
            continue
        high = float(np.nanmax(force))
        highest = force >= high - 1e-9 * abs(high)
        runs = [np.arange(begin, end) for begin, end in stretches(highest)]
        steps = np.abs(np.diff(force[np.isfinite(force)]))
        finest = float(steps[steps > 0].min()) if (steps > 0).any() else np.inf
        long = [run for run in runs if run.size >= 4 and _drop(force, run) > 3 * finest]
        if high > 5 * LOADED and long and highest.mean() < 0.4:
            cut = np.concatenate(long)
            plate.force[cut] = np.nan
            raw.notes.append(
                f"{_capital(_of(plate))} stays at its largest value of {high:.0f} N for {cut.size} samples, as "
                "of an overloaded plate; missing there, so that the mass of these strides is not known."
            )


def _drop(force: np.ndarray, run: np.ndarray) -> float:
    """How far a force falls from one sample to the next at both ends of a run; rounded peaks fall by one digit."""
    falls = [abs(force[k] - force[j]) for k, j in ((run[0], run[0] - 1), (run[-1], run[-1] + 1)) if 0 <= j < force.size]
    return float(np.nanmin(falls)) if np.isfinite(falls).any() else 0.0


def compare_total(raw: Raw, axis: int) -> None:
    """Says where a recorded total and the sum of the feet differ; the sum is used."""
    totals = [plate for plate in raw.plates if plate.side == "total"]
    feet = [plate for plate in raw.plates if plate.side != "total"]
    if not totals or not feet:
        return
    if len(feet) == 1:
        other = {"left": "right", "right": "left"}.get(feet[0].side or "")
        if other and np.isfinite(totals[0].force[:, axis]).any():
            raw.plates = [feet[0], Plate(other, other, totals[0].force - feet[0].force)]
            raw.notes.append(f"The {other} foot's force is the total less the {feet[0].side} foot's.")
        return
    off = np.abs(totals[0].force[:, axis] - total_of(feet)[:, axis])
    high = np.nanmax(np.abs(totals[0].force[:, axis]))
    if np.nanmedian(off) > 0.01 * high or np.nanpercentile(off, 95) > 0.03 * high:
        raw.notes.append(
            f"The total force differs from the sum of the feet by {np.nanmedian(off):.0f} N (median); the sum was used."
        )
    raw.plates = feet


def contacts_of(plates: list[Plate], rate: float) -> list[Contact]:
    """Contacts on all plates, in order of time.

    Args:
        plates: with forces as (forward, up, right).
        rate: samples a second, Hz.
    """
    hold = max(1, round(HOLD * rate))
    found = []
    for k, plate in enumerate(plates):
        loaded = np.nan_to_num(plate.force[:, 1], nan=2 * LOADED) > LOADED
        merged: list[list[int]] = []
        for begin, end in stretches(loaded).tolist():
            if merged and begin - merged[-1][1] < hold:
                merged[-1][1] = end
            else:
                merged.append([begin, end])
        found += [Contact(k, begin, end) for begin, end in merged
                  if end - begin >= hold or begin == 0 or end == loaded.size]  # fmt: skip
    return sorted(found, key=lambda contact: (contact.begin, contact.end))


def complete(contacts: list[Contact], samples: int, rate: float, sparse: bool) -> np.ndarray:
    """Whether every foot on the ground is on a plate.

    While nobody is on any plate for longer than a flight, the feet are beside them. After that, forces are complete
    from the second touchdown on, since the foot before the first plate may still be on the ground; likewise before,
    until the takeoff of the last but one.

    Args:
        contacts: in order of time.
        samples: number of samples.
        rate: samples a second, Hz.
        sparse: whether each plate is stepped on about once, so that feet may be beside them at both ends.
    """
    whole = np.zeros(samples, bool)
    if not contacts:
        return whole
    groups: list[list[Contact]] = [[contacts[0]]]
    latest = contacts[0].end
    for contact in contacts[1:]:
        if contact.begin - latest > _FLIGHT * rate:
            groups.append([])
        groups[-1].append(contact)
        latest = max(latest, contact.end)
    for k, group in enumerate(groups):
        first = min(contact.begin for contact in group)
        last = max(contact.end for contact in group)
        opened = sparse or first > _FLIGHT * rate or k > 0
        closed = sparse or last < samples - _FLIGHT * rate or k < len(groups) - 1
        ends = sorted(contact.end for contact in group)
        begin = group[1].begin if opened and len(group) > 1 else samples if opened else 0
        end = ends[-2] if closed and len(group) > 1 else 0 if closed else samples
        whole[begin:end] = True
    return whole


def feet_of(contacts: list[Contact], samples: int) -> list[int] | None:
    """Foot of each contact, 0 or 1 in turn; None where contacts are not those of single feet in turn.

    Args:
        contacts: in order of time.
        samples: number of samples of the recording, at whose end contacts are cut off.
    """
    if len(contacts) < 2:
        return None
    whole = [contact.end - contact.begin for contact in contacts if contact.begin > 0 and contact.end < samples]
    longest = max(contact.end - contact.begin for contact in contacts)
    if whole and longest > 1.7 * np.median(whole):
        return None
    for first, second in itertools.pairwise(contacts):
        if second.end <= first.end < samples:
            return None
        if second.begin > first.end:  # a flight, or steps beside the plates: whose turn it is nobody knows
            return None
    for first, third in zip(contacts, contacts[2:], strict=False):
        if third.begin < first.end:
            return None
    return [k % 2 for k in range(len(contacts))]

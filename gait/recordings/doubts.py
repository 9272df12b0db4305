"""Doubts about a measured walk: numbers that are not those of a person, and channels that contradict each other."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gait.recordings.events import Events, smoothed, vertical_acceleration
from gait.recordings.recording import LOWEST, Recording

_MASS_DIFFERENCE = 0.05  # of a stated body mass
_FEWEST_SAMPLES = 5  # of a double support, below which it is told that there are few
_MASSES = (7.0, 250.0)  # kg, of people who walk
_MASS_SPREAD = 0.03  # of the body mass, by which strides of a steady walk do not differ
_ALIKE = 0.98  # correlation of force and acceleration, from which they are of one body
_FAST = 2.6  # m/s, where people run
_BUILD = (9.0, 70.0)  # kg/m², body mass by the square of the stature
_CENTRE = 0.55  # height of the centre of mass, as a part of the stature
_LENGTHS = (0.25, 1.2)  # of a step, as parts of the height of the body above the ground; people take 0.4 to 0.9


def doubts_on(recording: Recording, events: Events, table: pd.DataFrame, masses: np.ndarray) -> list[str]:
    """Tells what was not known, and what deserves a look, a sentence each.

    Args:
        recording: a recorded walk.
        events: its steps.
        table: of them, see `Steps`.
        masses: body mass of each whole stride, shape [strides], kg.
    """
    found = []
    double = table["double_support_time"].mean()
    if np.isfinite(double) and double * recording.rate < _FEWEST_SAMPLES:
        found.append(
            f"At {recording.rate:.4g} samples a second a double support of {double:.3f} s is "
            f"{double * recording.rate:.1f} samples long: its time is rough."
        )
    stated = recording.stated_mass
    if len(masses) and stated:
        mass, apart = masses.mean(), masses.mean() / stated - 1.0
        words = "Check the plates, the window, and the stated mass." if abs(apart) > _MASS_DIFFERENCE else ""
        found.append(
            f"The force carries {mass:.2f} kg, {100.0 * abs(apart):.1f} % {'more' if apart > 0 else 'less'} than the "
            f"stated {stated:g} kg. {words}".strip()
        )
    if len(masses) and not _MASSES[0] < masses.mean() < _MASSES[1]:
        found.append(f"A body mass of {masses.mean():.3g} kg is not that of a person. Check the unit of the forces.")
    if len(masses) > 1 and np.ptp(masses) > _MASS_SPREAD * masses.mean():
        found.append(
            f"Take care: the force of single strides carries {masses.min():.4g} to {masses.max():.4g} kg. A foot may "
            "have stood beside its plate, or the person went faster or slower."
        )
    found += _disagreement(recording, events)
    speed = float(table["speed"].mean())
    if speed > _FAST:
        found.append(
            f"Take care: {speed:.1f} m/s is faster than people walk. Check the units of lengths and times, and the "
            "belt speed."
        )
    height = float(np.nanmean(recording.channels["y"])) if recording.has("y") else np.nan
    if len(masses) and height > LOWEST:
        build = float(masses.mean()) / (height / _CENTRE) ** 2
        if not _BUILD[0] < build < _BUILD[1]:
            found.append(
                f"Take care: {masses.mean():.3g} kg and a centre of mass {height:.2f} m above the ground are not those "
                "of one person. Check the units of forces and lengths."
            )
    if len(events.rhythm) and height > LOWEST:
        part = float(table["step_length"].mean()) / height
        if np.isfinite(part) and not _LENGTHS[0] < part < _LENGTHS[1]:
            found.append(
                f"Take care: a step would be {part:.2f} times as long as the body is high. A body that bounces more "
                "than once a step, or less, has another rhythm than its steps; only forces or heels tell them."
            )
    if recording.belt_speed is None:
        found.append(
            "Speed and step length are not known, because the speed of the treadmill is not. State it with "
            "--belt_speed."
        )
    return found


def _disagreement(recording: Recording, events: Events) -> list[str]:
    """Tells where the force is not that which accelerates the body: an offset of plates, or wrong units.

    Force is mass times (acceleration + gravity), so that a straight line of force over acceleration has the mass as its
    slope, whatever the offset of the force.
    """
    if not recording.has("fy") or events.source == "the engine":
        return []
    acceleration = vertical_acceleration(recording)
    force = smoothed(recording, recording.channels["fy"])
    good = np.isfinite(acceleration + force)
    good &= (recording.t > events.touchdown[0]) & (recording.t < events.touchdown[-1])
    if recording.on_plates is not None:
        good &= recording.on_plates
    if good.sum() < recording.rate or not np.std(acceleration[good]) > 0:
        return []
    slope, intercept = np.polyfit(acceleration[good], force[good], 1)
    alike = float(np.corrcoef(acceleration[good], force[good])[0, 1])
    mean = float(force[good].mean())
    offset = intercept - slope * recording.gravity
    if alike < _ALIKE or abs(offset) < _MASS_SPREAD * mean:
        return []
    return [
        f"Take care: the force carries {mean / recording.gravity:.4g} kg, but it accelerates the body as one of "
        f"{slope:.4g} kg. It may have an offset of {offset:.0f} N, or its unit or that of the heights may be wrong."
    ]

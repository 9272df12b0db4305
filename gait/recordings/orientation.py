"""A recording turned so that x points forward and y up."""

from __future__ import annotations

import numpy as np

from gait.errors import InputError
from gait.recordings.events import THRESHOLD
from gait.recordings.forces import Plate
from gait.recordings.frame import Frame, axis_of, forward_of, name_of, up_of
from gait.recordings.markers import body_of, heels_of
from gait.recordings.raw import Raw


def oriented(raw: Raw, up: str | None, forward: str | None) -> tuple[Frame, bool]:
    """Finds or takes over the axes of a recording.

    Args:
        raw: vectors at uniform times, in metres and newtons.
        up, forward: axes that the user has stated, such as "z" or "-x".

    Returns:
        Its directions, and whether the person goes along over ground.

    Raises:
        InputError: if the stated axes are none or the same, or the way is not straight.
    """
    total = np.nansum(list(raw.forces.values()), axis=0) if raw.forces else None
    if total is not None:
        for axis in range(3):
            if not any(np.isfinite(force[:, axis]).any() for force in raw.forces.values()):
                total[:, axis] = np.nan
    vertical, reason = (axis_of(up, "up"), "") if up else up_of(total, raw.points.values(), raw.vertical)
    _, body = body_of(raw.points)
    if body is None and raw.points:
        body = next(iter(raw.points.values()))
    places = body if body is not None else _pressure(raw, vertical)
    heels = list(heels_of(raw.points).values())
    along = [*heels, *([places] if places is not None else []), *([total] if total is not None else [])]
    ahead, moves = forward_of(vertical, places, along)
    if forward:
        stated = axis_of(forward, "forward")
        if abs(stated @ vertical) > 0.5:
            raise InputError(f"Forward and up are two axes. Received: --forward={forward}, and up is {name_of(vertical)}.")
        ahead = stated
    elif not moves and _walks_backwards(raw, Frame(vertical, ahead), total):
        ahead = -ahead
    usual = np.eye(3)[raw.vertical]
    if not np.allclose(vertical, usual) and not up:
        raw.notes.append(f"Up is the file's {name_of(vertical)}: {reason}.")
    if not np.allclose(ahead, np.eye(3)[0]) and not forward:
        straight = np.abs(ahead).max() > 0.999
        words = f"the file's {name_of(ahead)}" if straight else f"oblique to its axes, {_degrees(ahead, vertical)} degrees off"
        raw.notes.append(f"The person walks along {words}: turned to +x." if straight else f"The way is {words}: turned to +x.")
    return Frame(vertical, ahead), moves


def _degrees(ahead: np.ndarray, vertical: np.ndarray) -> str:
    first = next(axis for axis in range(3) if abs(vertical[axis]) < 0.5)
    return f"{np.rad2deg(np.arccos(np.clip(ahead[first], -1.0, 1.0))):.0f}"


def _pressure(raw: Raw, vertical: np.ndarray) -> np.ndarray | None:
    """Centre of pressure of all plates together, shape [samples, 3], or None."""
    if not raw.centres:
        return None
    up = int(np.argmax(np.abs(vertical)))
    weights = {name: np.abs(np.nan_to_num(raw.forces[name][:, up])) for name in raw.centres if name in raw.forces}
    if not weights:
        return None
    total = np.sum(list(weights.values()), axis=0)
    place = np.sum([weights[name][:, None] * np.nan_to_num(raw.centres[name]) for name in weights], axis=0)
    for axis in range(3):
        if not any(np.isfinite(raw.centres[name][:, axis]).any() for name in weights):
            place[:, axis] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total[:, None] > THRESHOLD, place / total[:, None], np.nan)


def _walks_backwards(raw: Raw, frame: Frame, total: np.ndarray | None) -> bool:
    """Whether a person on a treadmill faces against `frame.forward`.

    Heels on the ground move back with the belt. Without heels, the force tells: while the body rises, the leg in front
    brakes it, so forward force and upward velocity go against each other.
    """
    heels = [frame.turned(values)[:, 0] for values in heels_of(raw.points).values()]
    if heels:
        steps = np.concatenate([np.diff(values) for values in heels])
        return bool(np.nanmedian(steps) > 0.0)
    if total is None:
        return False
    force = frame.turned(total)
    known = np.isfinite(force).all(axis=1)
    if known.sum() < 20:
        return False
    sign = np.sign(force[known, 1].mean()) or 1.0
    ahead, vertical = sign * (force[known] - force[known].mean(axis=0)).T
    rise = np.cumsum(vertical)
    rise -= np.polyval(np.polyfit(np.arange(len(rise)), rise, 2), np.arange(len(rise)))
    return bool(np.mean(ahead * rise) > 0.0)


def plates_of(raw: Raw, frame: Frame) -> list[Plate]:
    """Forces of a recording turned upright; those on the plates become those on the feet."""
    plates = []
    for name, force in raw.forces.items():
        centre = np.full(len(force), np.nan)
        if name in raw.centres:
            centre = frame.turned(raw.centres[name])[:, 0].copy()
        plates.append(Plate(name, frame.turned(force), centre))
    if plates and np.nansum([plate.force[:, 1] for plate in plates]) < 0.0:
        raw.notes.append("Vertical forces point down in the file, which are those on the plates: turned to those on the feet.")
        for plate in plates:
            plate.force = -plate.force
    for plate in plates:
        plate.centre[~(plate.force[:, 1] > THRESHOLD)] = np.nan
    return plates

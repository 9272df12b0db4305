"""Axes of a recording: which is vertical, which way the walk goes, and whether it is straight."""

from __future__ import annotations

import re

import numpy as np

from gait.errors import InputError
from gait.recordings.raw import Raw, axes_of
from gait.recordings.recording import stretches
from gait.recordings.repairs import body_of
from gait.recordings.units import HEIGHTS

NAMES = "xyz"
SLOWEST_WALK = 0.25
"""Speed below which the body stays in place, m/s."""
_STRAIGHT = 25.0
_ALIGNED = 2.0
_STANDING = 0.05  # m/s, of a body that sways from second to second
_FARTHEST_ON_A_BELT = 1.0  # m, by which a person drifts forward on a treadmill


def axis_vector(text: str, name: str) -> np.ndarray:
    """Unit vector of an axis that a user names, for example "z" or "-x"; raises `InputError` for anything else."""
    found = re.fullmatch(r"\s*([+-]?)\s*([xyzXYZ])\s*", str(text))
    if not found:
        raise InputError(f"{name} is an axis of the file: x, -x, y, -y, z or -z. Received: {text}. Choose one.")
    vector = np.zeros(3)
    vector["xyz".index(found[2].lower())] = -1.0 if found[1] == "-" else 1.0
    return vector


def said(vector: np.ndarray) -> str:
    """Name of an axis, for example "-y"; a direction between axes in numbers."""
    if np.count_nonzero(vector) == 1:
        axis = int(np.flatnonzero(vector)[0])
        return f"{'-' if vector[axis] < 0 else '+'}{NAMES[axis]}"
    return "(" + ", ".join(f"{value:.2f}" for value in vector) + ")"


def turned(values: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Vectors in another basis; an axis without numbers counts only where a basis vector has a part along it.

    Args:
        values: shape [samples, 3].
        basis: rows are the new axes in the old ones, shape [3, 3].
    """
    columns = []
    for row in basis:
        used = np.flatnonzero(row)
        columns.append(values[:, used] @ row[used] if used.size else np.full(len(values), np.nan))
    return np.stack(columns, axis=1)


def vertical(raw: Raw, stated: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Upward direction of points and of forces, as unit vectors along axes of the file; mostly they are one.

    The axis is that of the mean force, whatever a header says; which way along it is up, heights say.

    Args:
        raw: its notes get a sentence.
        stated: axis that the user names.

    Raises:
        InputError: if the vertical axis cannot be told.
    """
    axis = _force_axis(raw)
    by_points = _point_direction(raw)
    if stated is not None:
        up = axis_vector(stated, "up")
        if axis is not None and not up[axis]:
            raise InputError(
                f"The mean force points along {NAMES[axis]}, so this axis is vertical. Received: up={stated}. "
                "Correct it or leave it out."
            )
        return up, up
    if axis is None and by_points is None:
        if body_of(raw):
            raise InputError(
                "Which axis is vertical cannot be told: there is no force, and no axis has the height of a body "
                "above its heels. Say it, for example up='z'."
            )
        axis = raw.named_up
    if by_points is None:
        points = forces = np.eye(3)[axis]
    elif axis is None or by_points[axis]:
        points = forces = by_points
    else:
        body, heels = raw.points.get(body_of(raw)), any(name.startswith("heel") for name in raw.points)
        points, forces = by_points, np.eye(3)[axis]
        if body is not None and axis in axes_of(body) and not heels:
            points = forces * np.sign(np.nanmedian(body[:, axis]) or 1.0)
            forces = points
        else:
            raw.notes.append(
                f"Forces have their vertical along {NAMES[axis]} and positions along {said(points)[1]}; each was "
                "taken as it is."
            )
    if said(points) != "+y":
        raw.notes.append(f"Up is {said(points)} of the file.")
    return points, forces


def _force_axis(raw: Raw) -> int | None:
    """Axis along which the mean forces of all plates are largest; None where none stands out."""
    if not raw.plates:
        return None
    sizes = np.sum([np.abs(_mean(plate.force)) for plate in raw.plates], axis=0)
    axis = int(sizes.argmax())
    return axis if sizes[axis] > 0 and np.delete(sizes, axis).max() < 0.5 * sizes[axis] else None


def _mean(values: np.ndarray) -> np.ndarray:
    return np.array([np.nanmean(values[:, k]) if np.isfinite(values[:, k]).any() else 0.0 for k in range(3)])


def _point_direction(raw: Raw) -> np.ndarray | None:
    """From the heels to the body; without heels the axis along which the body is high and hardly moves."""
    body = body_of(raw)
    if not body:
        return None
    values = raw.points[body]
    heels = [values_ for name, values_ in raw.points.items() if name.startswith("heel")]
    there = axes_of(values)
    if heels:
        above = _mean(values) - np.mean([_mean(heel) for heel in heels], axis=0)
        ordered = np.sort(np.abs(above))
        if ordered[-1] > 2 * ordered[-2]:
            axis = int(np.abs(above).argmax())
            return np.eye(3)[axis] * np.sign(above[axis])
    if len(there) < 3:
        return np.eye(3)[next((axis for axis in (raw.named_up, 1, 2) if axis in there), raw.named_up)]
    if raw.deviation:
        return np.eye(3)[raw.named_up]
    level = np.abs(_mean(values))
    travel = np.array([np.subtract(*np.nanpercentile(values[:, k], [98, 2])) for k in range(3)])
    fitting = [
        k
        for k in there
        if any(HEIGHTS[0] <= level[k] * scale <= HEIGHTS[1] and travel[k] * scale < 0.2 for scale in (1, 1e-3, 1e-2))
    ]
    if len(fitting) > 1:
        faster = [_crossings(values[:, k]) for k in fitting]
        best = int(np.argmax(faster))
        if faster[best] > 1.5 * np.delete(faster, best).max():
            fitting = [fitting[best]]
        elif raw.named_up in fitting:
            fitting = [raw.named_up]
    if len(fitting) == 1:
        return np.eye(3)[fitting[0]] * np.sign(np.nanmedian(values[:, fitting[0]]))
    return None


def _crossings(values: np.ndarray) -> int:
    """How often a motion crosses its mean, but for noise and drift."""
    values = values[np.isfinite(values)]
    values = values - np.linspace(values[0], values[-1], len(values))
    values = values - values.mean()
    signs = np.sign(values[np.abs(values) > 0.3 * values.std()])
    return int(np.count_nonzero(np.diff(signs)))


def path_of(values: np.ndarray, rate: float) -> np.ndarray:
    """Positions once a second, averaged over a second around it, where enough is there; shape [n, axes]."""
    width = max(1, round(rate))
    count = len(values) // width
    if count < 1:
        return values[:0]
    blocks = values[: count * width].reshape(count, width, -1)
    enough = np.isfinite(blocks).all(axis=2).mean(axis=1) > 0.5
    return np.nanmean(blocks[enough], axis=1)


def displacement(values: np.ndarray, rate: float) -> tuple[np.ndarray, float]:
    """Mean velocity of a path, m/s, by a straight line through it, and its duration, s; without long standing."""
    good = np.isfinite(values).all(axis=1)
    good &= _on_the_way(values, rate)
    if good.sum() < 3:
        return np.zeros(values.shape[1]), 0.0
    t = np.flatnonzero(good) / rate
    centred = t - t.mean()
    return centred @ (values[good] - values[good].mean(axis=0)) / (centred @ centred), float(np.ptp(t))


def _on_the_way(values: np.ndarray, rate: float) -> np.ndarray:
    """Where a body goes, if it stands still for the rest of the time; else everywhere. Shape [samples]."""
    everywhere = np.ones(len(values), bool)
    width = max(1, round(rate))
    at = [values[k : k + width] for k in range(0, len(values) - width + 1, width)]
    places = np.array([part.mean(axis=0) for part in at])  # NaN where a part is missing
    speed = np.linalg.norm(np.diff(places, axis=0), axis=1) if len(places) > 1 else np.empty(0)
    rests = speed[speed < SLOWEST_WALK]
    runs = stretches(speed > SLOWEST_WALK)
    if not len(runs) or not len(rests) or np.median(rests) > _STANDING:
        return everywhere
    first, last = runs[int(np.argmax(runs[:, 1] - runs[:, 0]))]
    if np.linalg.norm(places[last] - places[first]) < _FARTHEST_ON_A_BELT:
        return everywhere
    going = ~everywhere
    going[first * width : (last + 1) * width] = True
    return going


def check_straight(values: np.ndarray, rate: float) -> None:
    """Raises `InputError` where a path over the ground, shape [samples, axes], turns."""
    path = path_of(values, rate)
    if len(path) < 4:
        return
    steps = np.diff(path, axis=0)
    length = np.linalg.norm(steps, axis=1)
    moving = length > SLOWEST_WALK
    if moving.sum() < 3:
        return
    way, net = length[moving].sum(), float(np.linalg.norm(steps[moving].sum(axis=0)))
    directions = steps[moving] / length[moving, None]
    third = max(1, len(directions) // 3)
    first, last = directions[:third].mean(axis=0), directions[-third:].mean(axis=0)
    angle = np.rad2deg(np.arccos(np.clip(first @ last / np.linalg.norm(first) / np.linalg.norm(last), -1, 1)))
    if net < 0.93 * way or angle > _STRAIGHT:
        raise InputError(
            f"The walk turns: {way:.1f} m of way bring the body {net:.1f} m further, and its direction changes by "
            f"{angle:.0f} degrees. The walker of this model goes straight on. Choose a straight part, for example "
            "window=(2, 6)."
        )


def aligned(direction: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Horizontal unit vector of a direction; an axis of the file where it is within two degrees of it."""
    direction = direction - (direction @ up) * up
    direction = direction / np.linalg.norm(direction)
    axis = int(np.abs(direction).argmax())
    if np.abs(direction[axis]) > np.cos(np.deg2rad(_ALIGNED)):
        return np.eye(3)[axis] * np.sign(direction[axis])
    return direction

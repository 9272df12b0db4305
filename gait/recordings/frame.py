"""Axes of a recording: which is up, which is forward, over ground or on a treadmill."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from gait.errors import InputError

AXES = ("x", "y", "z")
_TRAVEL = 0.7  # m that a body goes at least if it walks over ground
_WANDER = 0.25  # m that a way may depart from a straight line
_OBLIQUE = np.deg2rad(2.0)
_HEIGHT = (0.25, 2.0)  # m between feet and the middle of a body


@dataclasses.dataclass(frozen=True)
class Frame:
    """Directions of a recording in the axes of its file.

    Attributes:
        up, forward: unit vectors, shape [3].
    """

    up: np.ndarray
    forward: np.ndarray

    def turned(self, vectors: np.ndarray) -> np.ndarray:
        """Forward and upward components of vectors [samples, 3], shape [samples, 2]. A component that nobody has recorded
        counts only where it is needed."""
        columns = []
        for direction in (self.forward, self.up):
            used = np.abs(direction) > 1e-9
            columns.append(vectors[:, used] @ direction[used])
        return np.stack(columns, axis=1)


def axis_of(text: str, flag: str) -> np.ndarray:
    """Unit vector of an axis as a user names it, such as "z" or "-y".

    Raises:
        InputError: if it is no axis.
    """
    letter = text.strip().lower()
    if letter.lstrip("+-") not in AXES or len(letter) > 2:
        raise InputError(f"An axis is x, y or z, with a minus for the other way. Received: --{flag}={text}.")
    vector = np.zeros(3)
    vector[AXES.index(letter[-1])] = -1.0 if letter.startswith("-") else 1.0
    return vector


def name_of(vector: np.ndarray) -> str:
    """Name of an axis, such as "-y"."""
    axis = int(np.argmax(np.abs(vector)))
    return ("-" if vector[axis] < 0 else "") + AXES[axis]


def up_of(total: np.ndarray | None, points: Iterable[np.ndarray], usual: int) -> tuple[np.ndarray, str]:
    """Finds the axis that points up.

    Args:
        total: force on all plates, shape [samples, 3], or None.
        points: positions of all markers, shape [samples, 3] each.
        usual: axis that is up by the custom of the format.

    Returns:
        Unit vector, and why it is that one.
    """
    vector = np.zeros(3)
    if total is not None:
        mean = np.nan_to_num([np.nanmean(column) if np.isfinite(column).any() else np.nan for column in total.T])
        axis = int(np.argmax(np.abs(mean)))
        vector[axis] = 1.0  # reaction or action: the sign of forces is theirs, not the axis's
        others = np.delete(np.abs(mean), axis)
        if np.abs(mean[axis]) > 2.0 * others.max():
            return vector, "the mean force is along it"
    means = np.array([[np.nanmean(c) if np.isfinite(c).any() else np.nan for c in place.T] for place in points])
    travel = np.array([[np.nanmax(c) - np.nanmin(c) if np.isfinite(c).any() else np.nan for c in p.T] for p in points])
    if len(means):
        offered = np.isfinite(means).any(axis=0)
        if offered.sum() <= 2 and offered[1]:
            usual = 1
        elif len(means) > 2:
            # A body is taller than wide, and it stays as high as it is while it goes forward.
            heights = np.nanmax(means, axis=0) - np.nanmin(means, axis=0) - np.nanmax(travel, axis=0)
            heights[~offered] = -np.inf
            usual = int(np.argmax(heights))
        else:
            level = np.abs(means[0]) * (travel[0] < 0.3)
            usual = int(np.argmax(np.nan_to_num(level))) if level.max() > _HEIGHT[0] else usual
    vector[:] = 0.0
    vector[usual] = 1.0
    down = len(means) > 0 and np.isfinite(means[:, usual]).any() and np.nanmean(means[:, usual]) < -_HEIGHT[0]
    return (-vector if down else vector), "markers spread along it" if len(means) > 2 else "it is usual"


def forward_of(up: np.ndarray, places: np.ndarray | None, along: Iterable[np.ndarray]) -> tuple[np.ndarray, bool]:
    """Finds the direction of walking.

    Args:
        up: unit vector.
        places: positions that move with the person, shape [samples, 3], or None.
        along: vectors that vary most along the walk where nobody moves: heels, centres of pressure, forces.

    Returns:
        Unit vector; and whether the person goes along it over ground.

    Raises:
        InputError: if the way is not straight.
    """
    level = [axis for axis in range(3) if abs(up[axis]) < 0.5]
    if places is not None:
        known = np.isfinite(places[:, level]).any(axis=0)
        flat = np.where(known, places[:, level], 0.0)
        flat = flat[np.isfinite(flat).all(axis=1)]
        fifth = max(1, len(flat) // 20)
        way = flat[-fifth:].mean(axis=0) - flat[:fifth].mean(axis=0)
        length = float(np.hypot(*way))
        if length > _TRAVEL:
            ahead = way / length
            side = flat @ np.array([-ahead[1], ahead[0]])
            if np.ptp(side) > max(_WANDER, 0.1 * length):
                raise InputError(
                    f"The person does not walk straight ahead: the way departs from a line by {np.ptp(side):.2f} m over "
                    f"{length:.1f} m. The walking model knows no turns. Choose a straight part with --window."
                )
            if abs(ahead).min() < np.sin(_OBLIQUE):
                ahead = np.where(abs(ahead) > 0.5, np.sign(ahead), 0.0)
            vector = np.zeros(3)
            vector[level] = ahead
            return vector, True
    spread = np.zeros(2)
    for values in along:
        columns = values[:, level]
        if np.isfinite(columns).any():
            spread = np.array([np.nanstd(c) if np.isfinite(c).any() else 0.0 for c in columns.T])
            break
    vector = np.zeros(3)
    vector[level[int(np.argmax(spread))] if spread.any() else level[0]] = 1.0
    return vector, False

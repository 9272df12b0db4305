"""Centre of pressure of a point mass, and what it says of the force on two feet."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from gait.recordings.recording import LOADED, TURNS, Recording, between, stretches

_PLATEAU = 0.001  # m that the centre of pressure may move while one foot of a walker stands
_SAME = 0.005  # m between two moments of one stance
_SHORTEST = 0.008  # s that it rests at least
_DENSE = 0.1  # m/s, in which most velocities of a point foot on a belt lie
_LONGEST_GAP = 0.1  # s, over which a channel is bridged to find events, and for nothing else


def bridged(recording: Recording, values: np.ndarray) -> np.ndarray:
    """A channel whose short gaps are bridged by cubic splines, only to find events; shape [samples].

    Args:
        recording: a recorded walk.
        values: shape [samples].

    Returns:
        The channel; NaN remains in gaps of more than 0.1 s.
    """
    known = np.isfinite(values)
    if known.all() or known.sum() < 4:
        return values
    filled = CubicSpline(recording.t[known], values[known], extrapolate=False)(recording.t)
    for first, last in stretches(~known):
        if (last - first) / recording.rate > _LONGEST_GAP:
            filled[first:last] = np.nan
    return filled


def centre_of_pressure(recording: Recording) -> np.ndarray:
    """Forward position of the centre of pressure of a point mass, x - y fx / fy, shape [samples], m.

    A walker's is exact. A person's body also turns, so that it is off by some centimetres. Short gaps of the position
    are bridged.
    """
    x, y = (bridged(recording, recording.channels[name]) for name in ("x", "y"))
    return _of_point_mass(x, y, recording.channels["fx"], recording.channels["fy"])


def _of_point_mass(x: np.ndarray, y: np.ndarray, fx: np.ndarray, fy: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(fy > LOADED, x - y * fx / fy, np.nan)


def split_force(t: np.ndarray, centre: np.ndarray, fy: np.ndarray) -> dict[str, np.ndarray]:
    """Vertical force on two point feet that stand in turn.

    In single support the centre of pressure is the foothold. In double support it divides the distance between two
    footholds as the force is divided between two legs.

    Args:
        t: times, shape [samples], s.
        centre: forward position of the centre of pressure over the ground, shape [samples], m.
        fy: vertical force on both feet, shape [samples], N.

    Returns:
        "first" and "second" → force, shape [samples], N, NaN before and after the footholds; empty where the centre of
        pressure does not rest on places that follow each other as footholds do.
    """
    places = _plateaus(t, centre)
    if len(places) < 3 or not _is_regular([place for place, *_ in places]):
        return {}
    forces = np.zeros((2, len(fy)))
    known = np.zeros(len(fy), bool)
    for number, (place, begin, end) in enumerate(places):
        single = between(t, begin, end)
        forces[number % 2, single] = fy[single]
        known[single] = True
        if number + 1 < len(places):
            further, until = places[number + 1][0], places[number + 1][1]
            both = slice(single.stop, between(t, until, until).start)
            share = np.clip((centre[both] - place) / (further - place), 0.0, 1.0)
            forces[number % 2, both], forces[(number + 1) % 2, both] = fy[both] * (1.0 - share), fy[both] * share
            known[both] = True
    return {name: np.where(known, force, np.nan) for name, force in zip(TURNS, forces, strict=True)}


def split_on_belt(t: np.ndarray, x: np.ndarray, y: np.ndarray, fx: np.ndarray, fy: np.ndarray) -> dict[str, np.ndarray]:
    """Vertical force on two point feet that stand on a moving belt of unknown speed.

    Under point feet the centre of pressure moves back with the belt in single support. Under a person's foot it also
    moves forward, so that this tells nothing of the speed, and `split_force` finds no footholds.

    Args:
        t: times, shape [samples], s.
        x, y: position of the centre of mass in the room, shape [samples], m.
        fx, fy: force on both feet, shape [samples], N.

    Returns:
        See `split_force`.
    """
    centre = _of_point_mass(x, y, fx, fy)
    velocity = np.sort(np.gradient(centre, t))
    velocity = velocity[np.isfinite(velocity)]
    if len(velocity) < 20:
        return {}
    inside = np.searchsorted(velocity, velocity + _DENSE, side="right") - np.arange(len(velocity))
    first = int(np.argmax(inside))
    belt = -float(np.median(velocity[first : first + inside[first]]))
    return split_force(t, centre + belt * t, fy)


def _plateaus(t: np.ndarray, centre: np.ndarray) -> list[tuple[float, float, float]]:
    """Places [m] at which the centre of pressure rests, each with begin and end [s]."""
    found: list[tuple[float, float, float]] = []
    first = 0
    while first < len(t):
        last = first
        low = high = centre[first]
        while last + 1 < len(t) and np.isfinite(centre[last + 1]):
            low, high = min(low, centre[last + 1]), max(high, centre[last + 1])
            if not high - low < _PLATEAU:
                break
            last += 1
        if t[last] - t[first] > _SHORTEST:
            place = float(np.median(centre[first : last + 1]))
            if found and abs(place - found[-1][0]) < _SAME:  # of one stance, in which the leg was next to unloaded
                found[-1] = (found[-1][0], found[-1][1], float(t[last]))
            else:
                found.append((place, float(t[first]), float(t[last])))
        first = last + 1
    return found


def _is_regular(places: list[float]) -> bool:
    """Whether places follow each other as footholds do: all forward, by steps of a like length."""
    steps = np.diff(places)
    return bool(steps.min() > 0.2 and steps.max() < 1.3 * steps.min())

"""Walking over ground or on a treadmill, and the speed of its belt."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.recordings.events import centre_of_pressure, split_force
from gait.recordings.recording import SIDES, Recording

_PLACES = ("x", *(f"{name}_{side}" for name in ("px", "heel_x") for side in (*SIDES, "first", "second")))
_WINDOW = 0.1  # m/s, in which most velocities of a heel lie while it stands
_LEAST = 0.2  # of all samples that have to lie in it
_ASK = "State it with --belt_speed."


def belt_of(recording: Recording, moves: bool, stated: float | None, notes: list[str]) -> Recording:
    """Brings forward positions over the ground: on a treadmill the belt's way is added.

    Args:
        recording: positions as they were recorded, forward along x.
        moves: whether the person goes along over ground.
        stated: speed of the belt that the user has stated, m/s; 0 over ground.
        notes: gets a sentence.

    Returns:
        The recording with its belt speed. Without a known one it has no forward positions.
    """
    if moves and not stated:
        return recording
    heels = _speed_of_heels(recording)
    speed = stated
    if speed is None:
        if not any(recording.has(name) for name in _PLACES) and not _walks_in_place(recording):
            return recording
        if heels is None:
            notes.append(
                "A treadmill: steps are taken, and nobody moves along. Its speed is not known, so that nothing is said of "
                f"speed, step length and forward motion. {_ASK}"
            )
            channels = {name: values for name, values in recording.channels.items() if name not in _PLACES}
            channels |= _feet_on_a_belt(recording, notes)
            return dataclasses.replace(recording, channels=channels, belt_speed=None)
        speed, spread = heels
        notes.append(
            f"A treadmill: heels on the ground move back at {speed:.3f} m/s (middle half within {spread:.3f} m/s), which is "
            "taken for the speed of the belt and added to forward positions."
        )
    elif speed:
        apart = f" Heels on the ground say {heels[0]:.3f} m/s." if heels and abs(heels[0] - speed) > 0.05 else ""
        notes.append(f"The stated speed of the belt, {speed:g} m/s, is added to forward positions.{apart}")
    channels = {
        name: values + speed * recording.t if name in _PLACES else values for name, values in recording.channels.items()
    }
    return dataclasses.replace(recording, channels=channels, belt_speed=float(speed))


def _feet_on_a_belt(recording: Recording, notes: list[str]) -> dict[str, np.ndarray]:
    """Vertical force on each foot from a centre of pressure that rests on a moving belt; empty where it does not.

    Only a walker on point feet shows the speed of the belt in that way. Under a person's foot the centre of pressure moves
    forward, so that it is not taken for the speed.
    """
    if not recording.has("x", "y", "fx", "fy") or recording.has("fy_left", "fy_right"):
        return {}
    centre = centre_of_pressure(recording)
    velocity = np.gradient(centre, recording.t)
    speed = -densest(velocity[np.isfinite(velocity)])[0]
    split = split_force(recording.t, centre + speed * recording.t, recording.channels["fy"])
    if split:
        notes.append("The force is divided between two feet by its centre, which rests on the belt as under point feet.")
    return {f"fy_{name}": force for name, force in split.items()}


def _walks_in_place(recording: Recording) -> bool:
    return recording.has("x")


def _speed_of_heels(recording: Recording) -> tuple[float, float] | None:
    """Speed at which heels on the ground move back, and the spread of the velocities taken for it, m/s.

    A heel that stands has the belt's velocity, and it stands longer than it swings: that is where velocities are densest.
    """
    names = [f"heel_x_{side}" for side in SIDES if recording.has(f"heel_x_{side}")]
    if not names:
        return None
    velocity = np.concatenate([np.gradient(recording.channels[name], recording.t) for name in names])
    velocity = velocity[np.isfinite(velocity)]
    if len(velocity) < 20:
        return None
    middle, spread, share = densest(velocity)
    return (-middle, spread) if share > _LEAST and middle < -0.1 else None


def densest(values: np.ndarray, width: float = _WINDOW) -> tuple[float, float, float]:
    """Median, spread of the middle half, and share of the values in the window of a width that holds most of them."""
    values = np.sort(values)
    inside = np.searchsorted(values, values + width, side="right") - np.arange(len(values))
    first = int(np.argmax(inside))
    dense = values[first : first + inside[first]]
    return float(np.median(dense)), float(np.subtract(*np.percentile(dense, [75.0, 25.0]))), len(dense) / len(values)

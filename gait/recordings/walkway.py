"""The way of a walk: forward axis, treadmill, feet, and the channels of a recording."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.errors import InputError
from gait.recordings.feet import belt_of, feet_on
from gait.recordings.forces import complete, contacts_of
from gait.recordings.frame import SLOWEST_WALK, aligned, axis_vector, check_straight, displacement, said, turned
from gait.recordings.pressure import split_on_belt
from gait.recordings.raw import BODY, HEELS, Plate, Raw, axes_of
from gait.recordings.recording import LOADED, SIDES, Recording, stretches
from gait.recordings.repairs import total_of


@dataclasses.dataclass(eq=False)
class Measured:
    """All that was measured, in SI units at common times, in the axes of the file.

    Attributes:
        times: by the clock of the file, shape [samples], s.
        rate: samples a second, Hz.
        rates: "points" or "forces" → rate of those, Hz, where it was slower.
        raw: points, velocity and plates; changed further.
        up: upward direction of points.
        forces_up: upward direction of forces.
        body: name of the point that stands for the body; "" where there is none.
    """

    times: np.ndarray
    rate: float
    rates: dict[str, float]
    raw: Raw
    up: np.ndarray
    forces_up: np.ndarray
    body: str


def over_ground(measured: Measured, mass: float | None, belt_speed: float | None, forward: str | None) -> Recording:
    """Turns a walk to x forward and y up, adds the way of a belt, and gives forces to the feet.

    Args:
        measured: see there.
        mass: body mass that the file or the user states, kg.
        belt_speed: likewise of the treadmill, m/s; 0 for over ground.
        forward: axis of the file that the user names.

    Raises:
        InputError: if the forward axis cannot be told or the walk turns.
    """
    raw, notes, rate = measured.raw, measured.raw.notes, measured.rate
    speed = _turn(measured, forward)
    contacts = contacts_of(raw.plates, rate)
    heels = {side: raw.points[name] for side, name in HEELS.items() if name in raw.points}
    feet, sides_known = feet_on(raw.plates, contacts, raw.points, notes)
    body = raw.points.get(measured.body)
    belt_notes: list[str] = []
    belt = belt_of(
        {side: heel for side, heel in heels.items() if np.isfinite(heel[:, 0]).any() and np.isfinite(heel[:, 1]).any()},
        feet, speed, _steps_are_seen(body, raw.plates), rate, belt_notes,
    )  # fmt: skip
    belt = _with_stated(belt, belt_speed, speed, belt_notes, notes)
    channels = _channels(measured, feet, heels, belt)
    if raw.deviation and "y" in channels:
        channels["y"] -= np.nanmean(channels["y"])
        notes.append("The height is a deviation from its mean: how high the body is above the ground is not known.")
    body = raw.points.get(measured.body)
    if belt is None and body is not None and not feet and {"fx", "fy"} <= channels.keys():
        t = np.arange(len(measured.times)) / rate
        if split := split_on_belt(t, body[:, 0], body[:, 1], channels["fx"], channels["fy"]):
            channels |= {f"fy_{side}": force for side, force in zip(SIDES, split.values(), strict=True)}
            sides_known = False
            notes.append(
                "The force is divided between two feet by its centre, which rests on the belt as under point feet."
            )
    on_plates = None
    if raw.plates and "fy" in channels:
        numbered = sum(plate.side is None for plate in raw.plates)
        busiest = max(np.bincount([contact.plate for contact in contacts], minlength=1))
        sparse = numbered > 1 and busiest <= 1
        on_plates = complete(contacts, len(measured.times), rate, sparse)
        _say_incomplete(on_plates, measured.times, notes)
    if not channels:
        raise InputError(
            "Nothing in the recording can be used: neither positions nor forces. Export it again with more columns."
        )
    rates = {}
    for kind, slower in measured.rates.items():
        for name in channels:
            if name.startswith(("f", "p")) == (kind == "forces"):
                rates[name] = slower
    return Recording(
        t=np.arange(len(measured.times)) / rate, channels=channels, rate=rate, notes=tuple(dict.fromkeys(notes)),
        stated_mass=mass, belt_speed=belt, body=measured.body or BODY, on_plates=on_plates, rates=rates,
        sides_known=sides_known,
    )  # fmt: skip


def _turn(measured: Measured, stated: str | None) -> float | None:
    """Turns all vectors to (forward, up, right); returns the mean forward speed of the body, m/s, if it is known."""
    raw, up = measured.raw, measured.up
    body = raw.points.get(measured.body)
    path, named = (
        (body, "body") if body is not None else (_pressure_path(raw.plates, measured.forces_up), "centre of pressure")
    )
    horizontal = [axis for axis in (axes_of(path) if path is not None else []) if not up[axis]]
    velocity = np.zeros(3)
    duration = 0.0
    if path is not None and horizontal:
        part, duration = displacement(path[:, horizontal], measured.rate)
        velocity[horizontal] = part
    moves = float(np.linalg.norm(velocity)) > SLOWEST_WALK and float(np.linalg.norm(velocity)) * duration > 0.3
    if path is not None and horizontal and named == "body":
        check_straight(path[:, horizontal], measured.rate)
    if stated is not None:
        forward = axis_vector(stated, "forward")
        if forward @ up:
            raise InputError(
                f"The forward axis is horizontal, and {said(np.abs(up))[1]} is vertical. Received: {stated}. Correct "
                "it."
            )
        if moves and velocity @ forward < 0.5 * np.linalg.norm(velocity):
            raw.notes.append(
                f"The {named} moves along {said(aligned(velocity, up))} at {np.linalg.norm(velocity):.2f} m/s, "
                f"although forward={stated} was stated; as stated."
            )
    elif moves:
        forward = aligned(velocity, up)
    else:
        forward = _forward_in_place(measured)
    basis = np.stack([forward, up, np.cross(forward, up)])
    forces = basis
    if abs(measured.forces_up @ up) < 0.5:
        other = _forward_of_forces(raw, measured.forces_up)
        forces = np.stack([other, measured.forces_up, np.cross(other, measured.forces_up)])
    if (forward != np.eye(3)[0]).any():
        turn = "the walk goes" if moves else "the walk was taken to go"
        raw.notes.append(f"Forward is {said(forward)} of the file: {turn} that way.")
    raw.map_points(lambda values: turned(values, basis))
    raw.map_plates(lambda values: turned(values, forces))
    _agree(measured)
    return (
        float(np.linalg.norm(velocity)) * (1 if velocity @ forward >= 0 else -1)
        if horizontal and named == "body"
        else None
    )


def _pressure_path(plates: list[Plate], up: np.ndarray) -> np.ndarray | None:
    """Centre of pressure of all plates together, NaN where nobody stands."""
    axis = int(np.abs(up).argmax())
    pairs = [(plate.force[:, axis] * up[axis], plate.pressure) for plate in plates if plate.pressure is not None]
    if not pairs:
        return None
    weights = np.array(
        [np.where(np.isfinite(at).any(axis=1), np.clip(np.nan_to_num(force), 0, None), 0) for force, at in pairs]
    )
    total = weights.sum(axis=0)
    total[total <= LOADED] = np.nan
    path = np.full((len(total), 3), np.nan)
    for k in range(3):
        if any(np.isfinite(at[:, k]).any() for _, at in pairs):
            shares = [weight * np.nan_to_num(at[:, k]) for weight, (_, at) in zip(weights, pairs, strict=True)]
            path[:, k] = np.sum(shares, axis=0) / total
    return path


def _forward_in_place(measured: Measured) -> np.ndarray:
    """Forward in place or without positions: along the swing of the heels, or along the larger horizontal force."""
    raw, up = measured.raw, measured.up
    heels = [raw.points[name] for name in HEELS.values() if name in raw.points]
    sizes = np.zeros(3)
    for heel in heels:
        for k in axes_of(heel):
            sizes[k] += np.nanstd(heel[:, k])
    if not sizes[up == 0].any():
        for plate in raw.plates:
            for k in axes_of(plate.force):
                sizes[k] += np.nanstd(plate.force[:, k])
    if not sizes[up == 0].any():
        for values in raw.point_arrays():
            for k in axes_of(values):
                sizes[k] = max(sizes[k], np.nanstd(values[:, k]))
    sizes[up != 0] = -1.0
    forward = np.eye(3)[int(sizes.argmax())] if sizes.max() > 0 else np.eye(3)[0 if not up[0] else 2]
    for heel in heels:
        along = heel[:, int(np.abs(forward).argmax())]
        axis = int(np.abs(up).argmax())
        height = heel[:, axis] * up[axis]
        speed = np.gradient(along)
        swing = height > np.nanmedian(height)
        moving = speed[np.isfinite(speed) & (np.abs(speed) > np.nanpercentile(np.abs(speed), 85)) & swing]
        if moving.size > 3 and abs(np.sign(moving).mean()) > 0.5:  # a foot in swing is fastest, and goes forward
            return forward * np.sign(np.median(moving))
    return forward * _sign_of_force(raw, forward, measured.forces_up)


def _forward_of_forces(raw: Raw, up: np.ndarray) -> np.ndarray:
    sizes = np.zeros(3)
    for plate in raw.plates:
        for k in axes_of(plate.force):
            sizes[k] += np.nanstd(plate.force[:, k])
    sizes[up != 0] = -1.0
    forward = np.eye(3)[int(sizes.argmax())]
    return forward * _sign_of_force(raw, forward, up)


def _sign_of_force(raw: Raw, forward: np.ndarray, up: np.ndarray) -> float:
    """1 or -1: after mid-stance the vertical force rises and the forward force drives; before it falls and brakes."""
    if not raw.plates:
        return 1.0
    total = total_of(raw.plates)
    along, vertical = (total[:, int(np.abs(axis).argmax())] for axis in (forward, up))
    rise = np.gradient(vertical)
    good = np.isfinite(along) & np.isfinite(rise)
    if good.sum() < 10 or not np.std(along[good]) > 0:
        return 1.0
    return -1.0 if np.corrcoef(along[good], rise[good])[0, 1] < -0.1 else 1.0


def _agree(measured: Measured) -> None:
    """Turns the forward force where it is opposite to the acceleration of the body in every step."""
    from scipy.ndimage import gaussian_filter1d

    raw = measured.raw
    body = raw.points.get(measured.body)
    if not raw.plates or (body is None and raw.velocity is None):
        return
    total = total_of(raw.plates)
    width = 0.03 * measured.rate
    if raw.velocity is not None and np.isfinite(raw.velocity[:, 0]).any():
        acceleration = np.gradient(gaussian_filter1d(raw.velocity[:, 0], width))
    elif body is not None and np.isfinite(body[:, 0]).any():
        acceleration = np.gradient(np.gradient(gaussian_filter1d(body[:, 0], width)))
    else:
        return
    good = np.isfinite(acceleration) & np.isfinite(total[:, 0])
    margin = int(5 * width) + 1  # smoothing bends both ends
    good[:margin] = good[-margin:] = False
    if good.sum() < measured.rate / 2 or not np.std(total[good, 0]) > 0:
        return
    if np.corrcoef(acceleration[good], total[good, 0])[0, 1] < -0.5:
        for plate in raw.plates:
            plate.force = plate.force * np.array([-1.0, 1.0, 1.0])
        raw.notes.append("The forward force has the opposite sign of the body's acceleration; it was turned.")


def _steps_are_seen(body: np.ndarray | None, plates: list[Plate]) -> bool:
    """Whether height or vertical force go up and down as in walking."""
    if plates:
        vertical = total_of(plates)[:, 1]
        if not np.isfinite(vertical).any():
            return True
        return bool(np.nanstd(vertical) > 0.08 * abs(np.nanmean(vertical)))
    return body is not None and bool(np.nanstd(body[:, 1]) > 0.005)


def _with_stated(
    belt: float | None, stated: float | None, speed: float | None, found: list[str], notes: list[str]
) -> float | None:  # fmt: skip
    """Belt speed out of what was found and what is stated, which wins."""
    if stated is None:
        notes += found
        return belt
    if stated == 0:
        if belt is None or belt:
            notes.append(
                "The walk is over ground as stated, although the body stays in place or the feet slide backwards."
            )
        return 0.0
    if belt == 0 and (speed is None or abs(speed) > max(SLOWEST_WALK, 0.3 * stated)):
        if speed is not None:
            notes.append(
                f"The body moves forward at {speed:.2f} m/s in the file already; the stated belt speed of {stated:g} "
                "m/s was not added."
            )
            return 0.0
    elif belt and abs(belt / stated - 1) > 0.05:
        notes.append(
            f"The heels say {belt:.3f} m/s for the belt, {100 * (belt / stated - 1):+.0f} % from the stated "
            f"{stated:g} m/s; as stated."
        )
    notes.append(f"The walk is on a treadmill at {stated:g} m/s as stated; its way was added.")
    return stated


def _channels(
    measured: Measured, feet: dict[str, Plate], heels: dict[str, np.ndarray], belt: float | None
) -> dict[str, np.ndarray]:
    raw = measured.raw
    body = raw.points.get(measured.body)
    t = np.arange(len(measured.times)) / measured.rate
    way, pace = (None, None) if belt is None else (belt * t, belt)
    found: dict[str, np.ndarray | None] = {}
    if body is not None:
        found |= {"x": None if way is None else body[:, 0] + way, "y": body[:, 1]}
    if raw.velocity is not None:
        found |= {"vx": None if pace is None else raw.velocity[:, 0] + pace, "vy": raw.velocity[:, 1]}
    if raw.plates and len(feet) != 1:
        total = total_of(raw.plates)
        found |= {"fx": total[:, 0], "fy": total[:, 1]}
    for side, plate in feet.items():
        found |= {f"fx_{side}": plate.force[:, 0], f"fy_{side}": plate.force[:, 1]}
        if plate.pressure is not None and way is not None:
            found[f"px_{side}"] = np.where(plate.force[:, 1] > LOADED, plate.pressure[:, 0] + way, np.nan)
    for side, heel in heels.items():
        found |= {f"heel_x_{side}": None if way is None else heel[:, 0] + way, f"heel_y_{side}": heel[:, 1]}
    return {
        name: np.array(values) for name, values in found.items() if values is not None and np.isfinite(values).any()
    }


def _say_incomplete(on_plates: np.ndarray, times: np.ndarray, notes: list[str]) -> None:
    if on_plates.all():
        return
    if not on_plates.any():
        notes.append(
            "At no time is it certain that every foot on the ground is on a plate: forces are not those on the whole "
            "body."
        )
        return
    spans = stretches(on_plates)
    shown = ", ".join(f"{times[begin]:.3f} to {times[end - 1]:.3f} s" for begin, end in spans[:4])
    notes.append(
        f"Every foot on the ground is on a plate from {shown}{' and later' if len(spans) > 4 else ''}; only there "
        "forces are those on the whole body."
    )

"""Walks of the spring-mass model: one public function, two engines behind it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gait.errors import InputError
from gait.simulation import reference, taylor
from gait.simulation.conditions import Conditions, RecordingSettings, Walks
from gait.simulation.model import TouchdownRule

Engine = Callable[..., Walks]
ENGINES: dict[str, Engine] = {"taylor": taylor.integrate, "scipy": reference.integrate}
"""Each integrates `Conditions`: sample times [s], duration [s] and number of threads in, `Walks` out."""
TOLERANCES = {"taylor": taylor.TOLERANCE, "scipy": reference.RTOL}
"""Accuracy setting of each engine, for the record."""


def integrate(
    conditions: Conditions, settings: RecordingSettings, engine: str = "taylor", threads: int | None = 1
) -> Walks:
    """Integrates walkers for the duration of a recording, on one core unless another number is given.

    Args:
        conditions: n walkers; their gravity counts, not that of the settings.
        settings: duration and interval, and how long they have to walk.
        engine: name of one of `ENGINES`.
        threads: number of cores; None for all. The walks do not depend on it.
    """
    return ENGINES[engine](conditions, settings.times, settings.walked, threads=threads)


def simulate(
    mass,
    stiffness,
    rest_length,
    *,
    x0=0.0,
    y0=0.0,
    vx0,
    vy0=0.0,
    step_length=None,
    angle_of_attack=None,
    gravity=10.0,
    duration: float = 15.0,
    interval: float = 0.1,
    engine: str = "taylor",
) -> Walks:
    """Simulates walks of the spring-mass model through all touchdowns and takeoffs.

    Scalars and arrays of shape [n] are broadcast against each other. Exactly one of
    `step_length` and `angle_of_attack` is given. Every walk begins in single support on a
    foothold at x = 0.

    Args:
        mass: body mass m, kg.
        stiffness: leg stiffness k, N/m; shape [n, 2] gives each leg its own, the first stance leg first.
        rest_length: leg rest length l0, m; shape [n, 2] likewise.
        x0: initial horizontal position x(0), m.
        y0: initial compression of the first leg, m: y(0) = l0 - y0.
        vx0, vy0: initial velocity, m/s.
        step_length: distance d between footholds, m; touchdown when the next one comes within reach.
        angle_of_attack: angle of the landing leg to the ground, rad; touchdown when it fits in.
        gravity: gravitational acceleration g, m/s².
        duration: length of the walk, s.
        interval: time between samples, s.
        engine: "taylor" (compiled, all cores) or "scipy" (reference, about 0.5 s a walk).

    Returns:
        `Walks`.

    Raises:
        InputError: if an argument is out of its range or shapes do not fit.

    Source: Sameni, arXiv 2307.11332, section II; Geyer, Seyfarth and Blickhan (2006), section 2.
    """
    if engine not in ENGINES:
        raise InputError(f"There is no engine of this name. Choose one of {', '.join(ENGINES)}. Received: {engine!r}.")
    settings = RecordingSettings(duration, interval)
    conditions = _conditions(
        mass, stiffness, rest_length, x0, y0, vx0, vy0, step_length, angle_of_attack, gravity
    )  # fmt: skip
    return ENGINES[engine](conditions, settings.times, float(duration))


def _conditions(
    mass, stiffness, rest_length, x0, y0, vx0, vy0, step_length, angle_of_attack, gravity
) -> Conditions:  # fmt: skip
    """Broadcasts and checks the arguments of `simulate`."""
    if (step_length is None) == (angle_of_attack is None):
        raise InputError(
            "Exactly one touchdown rule is needed: step_length (m) or angle_of_attack (rad). "
            f"Received: step_length={step_length!r}, angle_of_attack={angle_of_attack!r}."
        )
    rule = TouchdownRule.STEP_LENGTH if angle_of_attack is None else TouchdownRule.ANGLE_OF_ATTACK
    given = {
        "mass": mass, "x0": x0, "y0": y0, "vx0": vx0, "vy0": vy0, "gravity": gravity,
        **({"step_length": step_length} if angle_of_attack is None else {"angle_of_attack": angle_of_attack}),
    }  # fmt: skip
    values = {name: _floats(name, value) for name, value in given.items()}
    legs = {name: _per_leg(name, value) for name, value in (("stiffness", stiffness), ("rest_length", rest_length))}
    for name, value in values.items():
        if value.ndim > 1:
            raise InputError(f"{name} must be a scalar or of shape [n]. Received: shape {value.shape}.")
    try:
        (count,) = np.broadcast_shapes((1,), *(v.shape for v in values.values()), *(v.shape[:1] for v in legs.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in {**values, **legs}.items())
        raise InputError(f"Arguments must be scalars or arrays of one common length n. Received: {shapes}.") from None
    for name, value in {**values, **legs}.items():
        if name in ("mass", "stiffness", "rest_length", "gravity", "step_length") and not (value > 0).all():
            raise InputError(f"{name} must be positive. Received: {value[~(value > 0)].flat[0]}.")
    angle = values.get("angle_of_attack")
    if angle is not None and not ((angle > 0) & (angle < np.pi / 2)).all():
        raise InputError(f"angle_of_attack must lie between 0 and pi/2 rad. Received: {angle}.")

    full = {name: np.full(count, value) for name, value in values.items()}
    full |= {name: np.full((count, 2), value) for name, value in legs.items()}
    height = full["rest_length"][:, 0] - full["y0"]
    return Conditions(
        mass=full["mass"],
        stiffness=full["stiffness"],
        rest_length=full["rest_length"],
        start=np.stack([full["x0"], height, full["vx0"], full["vy0"]], axis=1),
        rule=rule,
        target=full["step_length" if angle is None else "angle_of_attack"],
        gravity=full["gravity"],
    )


def _floats(name: str, value) -> np.ndarray:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number or an array of numbers. Received: {value!r}.") from None
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite. Received: {array[~np.isfinite(array)].flat[0]}.")
    return array


def _per_leg(name: str, value) -> np.ndarray:
    """Shape [n, 2] (or [1, 2]) from a scalar, [n] or [n, 2]."""
    array = _floats(name, value)
    if array.ndim == 2 and array.shape[1] == 2:
        return array
    if array.ndim > 1:
        raise InputError(f"{name} must be a scalar or of shape [n] or [n, 2]. Received: shape {array.shape}.")
    return np.stack([np.atleast_1d(array)] * 2, axis=1)

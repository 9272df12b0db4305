"""The walking spring-mass model: phases, forces, events, resets, outcomes, energy.

Sameni, "Beyond Convergence" (arXiv 2307.11332), section II, after Geyer, Seyfarth and
Blickhan, Proc. R. Soc. B 273 (2006) 2861-2867. A point mass m rides on two massless springs
of stiffness k and rest length l0. Within a phase, x (forward) and y (up) are counted from the
foothold of the leg that has been on the ground the longer: the *rear* leg. The *front* leg is
the other one; its foothold lies `span` further on. Each leg has its own k and l0.

Both engines call these functions, so they are written for plain floats, for arrays and for
compilation by numba alike (see `gait.simulation.taylor.symbols`).
"""

from __future__ import annotations

import enum

FALL_FRACTION = 0.3
"""The mass has fallen when its height is below this fraction of the leg's rest length."""
ROUNDING = 1e-14
"""A leg [m²] this much longer than its rest length, squared, may have been meant to be exactly as long."""


class Phase(enum.IntEnum):
    """Which legs are on the ground."""

    SINGLE_SUPPORT = 0
    DOUBLE_SUPPORT = 1


class TouchdownRule(enum.IntEnum):
    """Rule for where and when the swing leg lands."""

    STEP_LENGTH = 0
    """At a fixed distance d from the stance foothold, when the leg just reaches it (Sameni)."""
    ANGLE_OF_ATTACK = 1
    """At a fixed angle to the ground, when the mass is low enough for it (Geyer et al.)."""


class Event(enum.IntEnum):
    """End of a phase. Where two fall together, the one named first counts."""

    TOUCHDOWN = 0
    TAKEOFF = 1
    FLIGHT = 2
    STUMBLE = 3
    BACKWARD = 4
    FALL = 5


class Outcome(enum.IntEnum):
    """How a walk ended."""

    WALKED = 0
    AIRBORNE = 1
    FLIGHT = 2
    STUMBLE = 3
    BACKWARD = 4
    FALL = 5

    @property
    def sentence(self) -> str:
        """The outcome in plain words."""
        return _SENTENCES[self]


_SENTENCES = {
    Outcome.WALKED: "The walk lasted for the whole recording.",
    Outcome.AIRBORNE: "The first leg was longer than its rest length at the start, so it carried nothing.",
    Outcome.FLIGHT: "The stance leg reached its rest length before the other touched down.",
    Outcome.STUMBLE: "The front leg reached its rest length before the rear one took off.",
    Outcome.BACKWARD: "The forward velocity fell to zero.",
    Outcome.FALL: f"The mass sank to {FALL_FRACTION} of the leg's rest length.",
}

EVENTS_OF_PHASE = {
    Phase.SINGLE_SUPPORT: (Event.TOUCHDOWN, Event.FLIGHT, Event.BACKWARD, Event.FALL),
    Phase.DOUBLE_SUPPORT: (Event.TAKEOFF, Event.STUMBLE, Event.BACKWARD, Event.FALL),
}
DIRECTION = {
    Event.TOUCHDOWN: -1,
    Event.TAKEOFF: +1,
    Event.FLIGHT: +1,
    Event.STUMBLE: +1,
    Event.BACKWARD: -1,
    Event.FALL: -1,
}
"""Sign of the change of an event's gap when the event happens."""
OUTCOME_OF_EVENT = {
    Event.FLIGHT: Outcome.FLIGHT,
    Event.STUMBLE: Outcome.STUMBLE,
    Event.BACKWARD: Outcome.BACKWARD,
    Event.FALL: Outcome.FALL,
}
"""The events that end the walk; the other two begin the next phase."""


def spring_force(x, y, stiffness, rest_length):
    """Force [N] of one leg on the mass, k (l0/r - 1) (x, y), with the foothold at the origin.

    Args: position x, y [m], stiffness [N/m], rest length [m]; floats or arrays of one shape.
    """
    per_length = stiffness * (rest_length / (x * x + y * y) ** 0.5 - 1.0)
    return per_length * x, per_length * y


def ground_force(phase, x, y, span, k_rear, l_rear, k_front, l_front):
    """Ground reaction force [N] on the legs: the sum of the forces of the legs that stand."""
    fx, fy = spring_force(x, y, k_rear, l_rear)
    if phase == Phase.DOUBLE_SUPPORT:
        front_x, front_y = spring_force(x - span, y, k_front, l_front)
        fx, fy = fx + front_x, fy + front_y
    return fx, fy


def acceleration(phase, x, y, span, rho_rear, l_rear, rho_front, l_front, gravity):
    """Acceleration [m/s²] of the mass; rho = k/m [1/s²] of each leg (Sameni, section II-A)."""
    ax, ay = ground_force(phase, x, y, span, rho_rear, l_rear, rho_front, l_front)
    return ax, ay - gravity


def energy(phase, x, y, vx, vy, span, mass, k_rear, l_rear, k_front, l_front, gravity):
    """Kinetic, gravitational and elastic energy [J]; conserved through all events."""
    rear = (x * x + y * y) ** 0.5 - l_rear
    total = 0.5 * mass * (vx * vx + vy * vy) + mass * gravity * y + 0.5 * k_rear * rear * rear
    if phase == Phase.DOUBLE_SUPPORT:
        front = ((x - span) * (x - span) + y * y) ** 0.5 - l_front
        total = total + 0.5 * k_front * front * front
    return total


# Event gaps. Lengths are compared as squares, which makes every gap a polynomial in (r², x, y, vx):
# the compiled engine evaluates the same expressions on power series.


def rear_gap(r2, rest_length):
    """Squared length [m²] by which the rear leg exceeds its rest length; r2 = x² + y²."""
    return r2 - rest_length * rest_length


def front_gap(r2, x, span, rest_length):
    """Squared distance [m²] to the front foothold beyond the front leg's rest length."""
    return r2 - 2.0 * span * x + (span * span - rest_length * rest_length)


def height_gap(y, height):
    """Height [m] of the mass above a threshold."""
    return y - height


def starting_outcome(x, y, vx, rest_length):
    """Why a walk cannot even begin, or `Outcome.WALKED`."""
    if rear_gap(x * x + y * y, rest_length) > ROUNDING:
        return Outcome.AIRBORNE
    if y <= FALL_FRACTION * rest_length:
        return Outcome.FALL
    if vx < 0.0:
        return Outcome.BACKWARD
    return Outcome.WALKED


def touchdown_span(rule, x, step_length, foot_reach):
    """Distance [m] from the rear to the new front foothold at touchdown.

    `foot_reach` is l0 cos(angle of attack): how far ahead of the mass the foot lands.
    """
    if rule == TouchdownRule.STEP_LENGTH:
        return step_length
    return x + foot_reach


def takeoff_reset(origin, x, span):
    """Foothold [m] and position relative to it [m] when the front leg becomes the rear one."""
    return origin + span, x - span

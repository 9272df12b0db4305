"""A recorded walk, whatever file it came from."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.simulation.conditions import SAMPLE_FIELDS, Walks

GRAVITY = 9.81
"""Gravitational acceleration where people walk, m/s²."""
LOADED = 20.0
"""Vertical force [N] above which a foot is on the ground, or somebody on a plate."""
HOLD = 0.06
"""Least time [s] of a contact and of a swing; shorter ones are noise."""
LOWEST = 0.2
"""Mean height [m] above the ground from which positions can be those of a body, and not deviations from a mean."""
SIDES = ("left", "right")
TURNS = ("first", "second")
"""Names of two feet of which only the turn is known."""


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """A recorded walk in SI units, x forward and y up, at uniform times.

    Attributes:
        t: times, shape [samples], s; the first is 0.
        channels: name → shape [samples], NaN where nothing was recorded. The names, as far as they were recorded:

            - x, y: position of the centre of mass, or of what stands for it, see `body`. x is the way over the ground:
              on a treadmill the belt's way is added, and x is missing where the speed of the belt is not known;
            - vx, vy: its velocity;
            - fx, fy: ground reaction force on both feet together;
            - fx_left, fy_left, fx_right, fy_right: on each foot;
            - px_left, px_right: forward position of the centre of pressure under each foot, NaN where it is in the air,
              over the ground like x;
            - heel_x_left, heel_y_left, heel_x_right, heel_y_right: positions of heel markers, over the ground like x.
        rate: samples a second, Hz.
        notes: what was understood, converted or repaired, a sentence each.
        stated_mass: body mass that the file or the user states, kg.
        belt_speed: speed of the treadmill, m/s; 0 over ground, None on a treadmill whose speed is not known.
        body: what x and y are, for example "centre of mass" or "sacral marker".
        on_plates: whether every foot on the ground is on a force plate, shape [samples]; where it is not, forces are
            not those on the whole body.
        rates: name of a channel → rate at which it was recorded, Hz, where it was not `rate`.
        gravity: gravitational acceleration, m/s².
        sides_known: whether left and right are known; otherwise "left" stands for the foot that came first and "right"
            for the second one.
    """

    t: np.ndarray
    channels: dict[str, np.ndarray]
    rate: float
    notes: tuple[str, ...] = ()
    stated_mass: float | None = None
    belt_speed: float | None = 0.0
    body: str = "centre of mass"
    on_plates: np.ndarray | None = None
    rates: dict[str, float] = dataclasses.field(default_factory=dict)
    gravity: float = GRAVITY
    sides_known: bool = True

    @property
    def duration(self) -> float:
        """Time from the first to the last sample, s."""
        return float(self.t[-1] - self.t[0])

    def has(self, *names: str) -> bool:
        """Whether all these channels were recorded."""
        return all(name in self.channels for name in names)


def between(t: np.ndarray, begin: float, end: float) -> slice:
    """Samples from one time to another, both included.

    Args:
        t: times, ascending, shape [samples], s.
        begin, end: s.
    """
    return slice(int(np.searchsorted(t, begin, side="left")), int(np.searchsorted(t, end, side="right")))


def stretches(mask: np.ndarray) -> np.ndarray:
    """First and one past the last sample of each run of True, shape [runs, 2].

    Args:
        mask: shape [samples].
    """
    return np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(bool))).reshape(-1, 2)


def without_forces(recording: Recording) -> Recording:
    """The recording with its motion only."""
    kept = {name: values for name, values in recording.channels.items() if name[0] not in "fp"}
    return dataclasses.replace(recording, channels=kept, on_plates=None)


def recording_of(walks: Walks, i: int = 0, gravity: float = GRAVITY) -> Recording:
    """A simulated walk as a recording of its centre of mass and of the total force.

    Args:
        walks: see `gait.simulate`.
        i: number of the walk.
        gravity: gravitational acceleration in it, m/s².
    """
    seen = np.isfinite(walks.x[i])
    t = walks.t[seen]
    channels = {name: walks.samples[k, i, seen] for k, name in enumerate(SAMPLE_FIELDS)}
    return Recording(t, channels, rate=1.0 / float(t[1] - t[0]), gravity=gravity)

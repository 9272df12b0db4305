"""Contents of a file of a recorded walk, before axes, direction and sides are understood."""

from __future__ import annotations

import dataclasses

import numpy as np

BODY = "centre of mass"
HEELS = {side: f"heel {side}" for side in ("left", "right")}
"""Name of the point that is the heel marker of each side."""


@dataclasses.dataclass(eq=False)
class Plate:
    """Force that one plate, or all together, put on the walker.

    Attributes:
        name: what the file calls it.
        side: "left", "right" or "total"; None for a plate that either foot may hit.
        force: shape [samples, 3], N, in the axes of the file, NaN where an axis is missing.
        pressure: centre of pressure, shape [samples, 3], m, or None.
        moment: moment about `centre`, shape [samples, 3], N m, where the centre of pressure comes from it.
        centre: centre of the plate's surface, shape [3], m.
        reach: distance from there to its corners, m.
    """

    name: str
    side: str | None
    force: np.ndarray
    pressure: np.ndarray | None = None
    moment: np.ndarray | None = None
    centre: np.ndarray | None = None
    reach: float | None = None


@dataclasses.dataclass(eq=False)
class Raw:
    """Contents of a file in the axes of the file, sample by sample.

    Attributes:
        time: stamps of points and velocity, shape [samples], s; None where the file has none.
        force_time: stamps of the plates, if they are others.
        frames: numbers of the samples, if the file has them, shape [samples].
        points: name → positions, shape [samples, 3], NaN where missing.
        velocity: velocity of the centre of mass, shape [samples, 3].
        plates: what forces were measured.
        length_unit, force_unit: stated by the file; None where it states none.
        time_unit: likewise.
        rate: samples a second that the file states, Hz.
        stated_mass: body mass that the file states, kg.
        belt_speed: speed of the treadmill that the file states, m/s.
        deviation: whether heights are deviations from their mean.
        named_up: axis that names or the format call vertical, 0, 1 or 2.
        notes: sentences on what was understood.
    """

    time: np.ndarray | None
    force_time: np.ndarray | None = None
    frames: np.ndarray | None = None
    points: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    velocity: np.ndarray | None = None
    plates: list[Plate] = dataclasses.field(default_factory=list)
    length_unit: str | None = None
    force_unit: str | None = None
    velocity_unit: str | None = None
    time_unit: str | None = None
    rate: float | None = None
    stated_mass: float | None = None
    belt_speed: float | None = None
    deviation: bool = False
    named_up: int = 1
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def one_clock(self) -> bool:
        """Whether points and forces share their stamps."""
        return self.force_time is None

    def point_arrays(self) -> list[np.ndarray]:
        """Arrays of everything that runs with the clock of the points."""
        return [*self.points.values(), *([] if self.velocity is None else [self.velocity])]

    def map_points(self, change) -> None:
        """Replaces every array that runs with the clock of the points by `change` of it."""
        self.points = {name: change(values) for name, values in self.points.items()}
        if self.velocity is not None:
            self.velocity = change(self.velocity)

    def map_plates(self, change) -> None:
        """Replaces every array of the plates by `change` of it."""
        for plate in self.plates:
            for name in ("force", "pressure", "moment"):
                if (values := getattr(plate, name)) is not None:
                    setattr(plate, name, change(values))


def axes_of(values: np.ndarray) -> list[int]:
    """Axes along which an array of vectors has any number."""
    return [axis for axis in range(3) if np.isfinite(values[:, axis]).any()]

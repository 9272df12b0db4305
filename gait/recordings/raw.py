"""Content of a file before it is known which way is up: what all formats are brought into."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass
class Raw:
    """Vectors of a file by name, in its axes x, y, z; NaN where a component is missing or was not recorded.

    Attributes:
        t: time stamps, shape [samples], s.
        points: name of a marker, or "centre of mass" → positions, shape [samples, 3], m.
        velocities: likewise velocities, m/s.
        forces: "total", "left", "right" or "plate 1" ... → force, shape [force samples, 3], N.
        centres: likewise its centre of pressure, m.
        force_t: times of forces and centres, shape [force samples], s; None if they are those of the points.
        deviation: whether heights are deviations from their mean.
        mass: stated body mass, kg.
        vertical: axis that is up by the custom of the format, 0, 1 or 2.
        notes: what was understood or repaired, a sentence each.
    """

    t: np.ndarray
    points: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    velocities: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    forces: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    centres: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    force_t: np.ndarray | None = None
    deviation: bool = False
    mass: float | None = None
    vertical: int = 1
    notes: list[str] = dataclasses.field(default_factory=list)

    def put(self, table: dict[str, np.ndarray], name: str, axis: int, values: np.ndarray) -> None:
        """Puts one component of a vector into a table of vectors."""
        if name not in table:
            table[name] = np.full((len(values), 3), np.nan)
        table[name][:, axis] = values

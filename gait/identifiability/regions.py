"""Parts of the prior: a parameter may leave a trace at some points and none at others."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.identifiability.linearisation import Linearisation
from gait.identifiability.wording import percent, rounded


@dataclasses.dataclass(frozen=True)
class Region:
    """Part of the points at which a parameter can be known.

    Attributes:
        known: number of points at which it can be known by itself.
        traceless: number of points at which it has no influence.
        points: number of all points.
        condition: where it cannot be known, in words such as "c > 1.0"; empty if no single parameter decides.
    """

    known: int
    traceless: int
    points: int
    condition: str

    @property
    def share(self) -> float:
        """Share of the points at which the parameter can be known by itself."""
        return self.known / self.points

    def words(self) -> str:
        """The region in words: "known for 47 % of the points, no trace for the rest (c > 1.0)"."""
        rest = self.points - self.known
        if self.traceless == rest:
            other = "no trace"
        elif self.traceless:
            other = "no trace or only a trace together with other parameters"
        else:
            other = "only a trace together with other parameters"
        where = f" ({self.condition})" if self.condition else ""
        return f"known for {percent(self.share)} of the points, {other} for the rest{where}"


def regions(linear: Linearisation, names: tuple[str, ...]) -> dict[str, Region]:
    """Finds the parameters that can be known at some points and cannot at others.

    Args:
        linear: the model near some points. At each of them the number of singular values that count has to be clear.
        names: names of the parameters.

    Returns:
        The regions by name; empty if ranks are unclear, or the same everywhere.
    """
    surely, maybe = linear.ranks
    if (surely != maybe).any() or (surely == surely[0]).all():
        return {}
    points, found = linear.jacobians.points, {}
    influence, doubt = linear.influence
    for i, name in enumerate(names):
        axis = np.tile(np.eye(len(names))[i], (len(points), 1))
        known = linear.known_at(axis)
        if None in known or len(set(known)) == 1:
            continue
        mask = np.array(known, bool)
        silent = int((~mask & (influence[:, i] <= doubt[:, i])).sum())
        found[name] = Region(int(mask.sum()), silent, len(points), _condition(points, mask, names))
    return found


def _condition(points: np.ndarray, known: np.ndarray, names: tuple[str, ...]) -> str:
    """The threshold of one parameter that separates the points without a trace, as text; empty if there is none."""
    best, width = "", 0.0
    for i, name in enumerate(names):
        inside, outside = points[known, i], points[~known, i]
        scale = np.ptp(points[:, i])
        for sign, low, high in ((">", inside.max(), outside.min()), ("<", outside.max(), inside.min())):
            if low < high and (high - low) / scale > width:
                best, width = f"{name} {sign} {_between(low, high)}", (high - low) / scale
    return best


def _between(low: float, high: float) -> str:
    """A number between two others with as few digits as possible."""
    middle = 0.5 * (low + high)
    for digits in range(1, 16):
        text = rounded(middle, digits)
        if low < float(text) < high:
            return rounded(middle, digits + 1) if float(rounded(middle, digits + 1)) == float(text) else text
    return rounded(middle, 16)

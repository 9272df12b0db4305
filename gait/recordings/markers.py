"""Which markers stand for the body and for the heels."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from gait.recordings.columns import BODY, HEELS

_MASS = re.compile(r"^(com|cog|bodycom|centerofmass|centreofmass|centerofgravity|wholebodycom|modelcom)$")
_SACRUM = re.compile(r"^(v?sacra?l?|sacrum|sacr|vsac|s1|s2|midpsis|sac)$")
_PELVIS = (("rasi", "lasi", "rpsi", "lpsi"), ("rasis", "lasis", "rpsis", "lpsis"), ("rasis", "lasis"), ("rasi", "lasi"), ("rpsi", "lpsi"))


def _plain(name: str) -> str:
    """A marker's name without the subject before a colon, and without anything but letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.split(":")[-1].lower())


def body_of(points: Mapping[str, np.ndarray], chosen: str | None = None) -> tuple[str, np.ndarray | None]:
    """Positions of what stands for the centre of mass: itself, a marker on the sacrum, or the middle of the pelvis.

    Args:
        points: name of a marker → positions, shape [samples, 3].
        chosen: name of the marker to take instead.

    Returns:
        What it is, and its positions; "" and None if no marker is known.
    """
    plain = {_plain(name): values for name, values in points.items()}
    if chosen is not None:
        return f"marker {chosen}", plain.get(_plain(chosen))
    if BODY in points:
        return BODY, points[BODY]
    for kind, pattern in ((BODY, _MASS), ("sacral marker", _SACRUM)):
        for name, values in plain.items():
            if pattern.match(name) and np.isfinite(values).any():
                return kind, values
    for names in _PELVIS:
        if all(name in plain for name in names):
            return "middle of the pelvis markers", np.mean([plain[name] for name in names], axis=0)
    if "pelvis" in plain:
        return "pelvis", plain["pelvis"]
    return "", None


def heels_of(points: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Positions of the heels by side, as far as markers tell."""
    found = {}
    for name, values in points.items():
        plain = _plain(name)
        if not (HEELS.search(name) or HEELS.search(plain)):
            continue
        side = "right" if plain.startswith("r") else "left" if plain.startswith("l") else ""
        if side and side not in found and np.isfinite(values).any():
            found[side] = values
    return found

"""Names of columns: which quantity, of which side, along which axis, in which unit."""

from __future__ import annotations

import dataclasses
import re

LENGTH = {"m": 1.0, "mm": 1e-3, "cm": 1e-2, "meter": 1.0, "metre": 1.0, "meters": 1.0, "metres": 1.0, "in": 0.0254,
          "inch": 0.0254, "inches": 0.0254, "ft": 0.3048, "foot": 0.3048, "feet": 0.3048,
          "dm": 0.1, "km": 1e3, "um": 1e-6}  # fmt: skip
FORCE = {
    "n": 1.0,
    "kn": 1e3,
    "kgf": 9.80665,
    "kg": 9.80665,
    "kp": 9.80665,
    "lbf": 4.4482216,
    "lb": 4.4482216,
    "lbs": 4.4482216,
    "newton": 1.0,
    "newtons": 1.0,
}
RELATIVE_FORCE = {"bw": 1.0, "%bw": 0.01, "n/kg": None, "xbw": 1.0}
"""Forces in units of body weight; None for those in units of mass."""
TIME = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "us": 1e-6,
    "ns": 1e-9,
    "min": 60.0,
}
VELOCITY = {
    "m/s": 1.0,
    "mps": 1.0,
    "mm/s": 1e-3,
    "mmps": 1e-3,
    "cm/s": 1e-2,
    "m.s-1": 1.0,
    "ms-1": 1.0,
    "km/h": 1 / 3.6,
}
_UNITS = {*LENGTH, *FORCE, *RELATIVE_FORCE, *TIME, *VELOCITY}
_SIDES = {"left": "left", "l": "left", "lt": "left", "lft": "left", "lhs": "left", "right": "right", "r": "right",
          "rt": "right", "rgt": "right", "rhs": "right", "links": "left",
          "rechts": "right", "gauche": "left", "droite": "right", "droit": "right", "izquierda": "left",
          "derecha": "right"}  # fmt: skip
_TOTAL = {"total", "tot", "sum", "both", "net", "all", "combined"}
_AXES = {"x": 0, "y": 1, "z": 2, "tx": 0, "ty": 1, "tz": 2, "forward": 0, "ap": 0, "anterior": 0, "foreaft": 0,
         "vertical": 1, "vert": 1, "up": 1, "v": 1, "height": 1, "ml": 2, "lateral": 2, "sideways": 2}  # fmt: skip
MEANT = {"forward", "ap", "anterior", "foreaft", "vertical", "vert", "up", "height", "ml", "lateral", "sideways"}
"""Words that say a direction and not the name of an axis of the file."""
_CENTRE = {"com", "cm", "cog", "cg", "centreofmass", "centerofmass", "bodycom", "comass", "wholebody", "centermass"}
_POINTS = {
    "sacral": "sacral marker", "sacrum": "sacral marker", "sacr": "sacral marker", "vsacral": "sacral marker",
    "s2": "sacral marker",
    "vsac": "sacral marker", "pelvis": "pelvis", "hip": "hip", "trunk": "trunk", "torso": "trunk", "waist": "pelvis",
}  # fmt: skip
_HEEL = {"heel", "hee", "calc", "calcn", "calcaneus", "cal", "hl"}
_LOAD = {"force", "load", "grf"}
_OTHER = {"torque", "moment", "mx", "my", "mz", "free", "tz", "acc", "ax", "ay", "az", "acceleration", "marker", "emg",
          "angle", "subtalar", "knee", "ankle", "toe", "frame"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Meaning:
    """Quantity, owner, axis and unit of the values of a column.

    Attributes:
        quantity: "time", "frame", "point", "velocity", "force", "pressure", "moment", or "" where it is not known.
        of: name of a point, or of a plate; "" for the whole body.
        axis: 0, 1 or 2.
        unit: as the name states it, lower case; None where it states none.
        side: "left", "right", "total" or None.
        deviation: whether values are deviations from their mean.
        meant: whether the name says a direction, such as "vertical", and not an axis of the file.
    """

    quantity: str
    of: str = ""
    axis: int = 0
    unit: str | None = None
    side: str | None = None
    deviation: bool = False
    meant: bool = False


def meaning(name: str) -> Meaning:
    """Reads the name of a column, for example "Fx_total_N", "com_x (mm)" or "1_ground_force_vy".

    Args:
        name: as the file has it.
    """
    rest, unit = _without_unit(name.strip().strip("\"'"))
    words = _words(rest)
    if (
        unit is None
        and len(words) > 1
        and words[-1] in _UNITS - {"in", "min", "cm"} | ({"cm"} if len(words) > 1 else set())
    ):
        unit = words.pop()
        if words and unit == "s" and words[-1] in ("m", "mm", "cm"):  # x_m_s
            unit = f"{words.pop()}/s"
    return _meaning(words, unit)


def _without_unit(name: str) -> tuple[str, str | None]:
    found = re.match(r"(.*?)\s*[\[(]\s*([^\])]*?)\s*[\])]\s*$", name)
    if not found:
        return name, None
    unit = found[2].lower().replace("²", "2").replace(" ", "")
    unit = {
        "bodyweight": "bw",
        "bodyweights": "bw",
        "%bodyweight": "%bw",
        "bw%": "%bw",
        "ms^-1": "m/s",
        "m*s^-1": "m/s",
    }.get(unit, unit)
    return (found[1], unit) if unit in _UNITS else (f"{found[1]} {found[2]}", None) if found[2] else (found[1], None)


def _words(name: str) -> list[str]:
    name = re.sub(r"(?<![A-Za-z])kN(?![A-Za-z])", "kn", name).replace("%BW", "_bwpercent").replace("m/s", "mps")
    name = re.sub(
        r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])",
        "_",
        name.replace("CoM", "com").replace("CoP", "cop").replace("COMass", "com"),
    )
    name = re.sub(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", "_", name)
    words = [word for word in re.split(r"[^A-Za-z0-9%]+", name.lower()) if word]
    joined: list[str] = []
    k = 0
    while k < len(words):
        three = "".join(words[k : k + 3])
        if three in ("centreofmass", "centerofmass"):
            joined.append("com")
            k += 3
        elif three in ("centreofpressure", "centerofpressure"):
            joined.append("cop")
            k += 3
        elif words[k] == "bwpercent":
            joined.append("%bw")
            k += 1
        else:
            joined.append(words[k])
            k += 1
    return joined


def _split(word: str) -> list[str]:
    """Parts of a word that joins several, such as "grfx", "comy", "rheex", "vgrf" or "fyl"."""
    for pattern in (
        r"(com|cog|cg)(d?[xyz]|v[xyz])", r"(cop)([xyz])", r"(grf)([xyzv])", r"(v)(grf)", r"([lr])(heel?)",
        r"([lr])(heel?)([xyz])", r"([lr])(f[xyz])", r"(f[xyz])([lr])", r"(force)([xyz])", r"(pos|position)([xyz])",
        r"(vel|velocity)([xyz])", r"([lr])(grf)([xyzv])?", r"(heel)([xyz])", r"(sacr|pelvis)([xyz])",
        r"(plate|fp)([xyz])", r"(f)(vert|ap|ml)",
    ):  # fmt: skip
        if found := re.fullmatch(pattern, word):
            return [part for part in found.groups() if part]
    return [word]


def _meaning(words: list[str], unit: str | None) -> Meaning:
    words = [part for word in words for part in _split(word)]
    bag = set(words)
    side = next((_SIDES[word] for word in words if word in _SIDES), None)
    if side is None and bag & _TOTAL:
        side = "total"
    plate = next((word for word in words if word.isdigit()), "")
    if (
        bag
        <= {
            "t",
            "time",
            "times",
            "zeit",
            "temps",
            "timestamp",
            "stamp",
            "elapsed",
            "sec",
            "seconds",
            "secs",
            "clock",
            "tiempo",
            "ms",
            "s",
        }
        and bag
    ):
        return Meaning("time", unit=unit or next((word for word in words if word in TIME and word not in ("s",)), None))
    if (
        bag
        <= {"frame", "frames", "sample", "samples", "index", "idx", "nr", "no", "number", "row", "item", "field", "sub"}
        and bag
    ):
        return Meaning("frame")
    axis, meant = _axis(words)
    force = next((word for word in words if re.fullmatch(r"f[xyz]", word)), None)
    if force:
        return Meaning("force", plate, "xyz".index(force[1]), unit, side)
    ground = bag & {"grf", "grfs", "force", "forces", "reaction"} or ("f" in bag and axis is not None)
    pressure = next((word for word in words if re.fullmatch(r"p[xyz]", word)), None)
    velocity = next((word for word in words if re.fullmatch(r"v[xyz]", word)), None)
    if bag & {"torque", "moment", "torques", "moments"} or any(re.fullmatch(r"m[xyz]", word) for word in words):
        return Meaning("moment", plate, axis or 0, unit, side)
    if pressure and (ground or bag - {pressure} <= {*_SIDES, plate}):
        return Meaning("pressure", plate, "xyz".index(pressure[1]), unit, side)
    if "cop" in bag and axis is not None:
        return Meaning("pressure", plate, axis, unit, side, meant=meant)
    if ground and velocity:  # of OpenSim
        return Meaning("force", plate, "xyz".index(velocity[1]), unit, side)
    if ground and axis is not None:
        return Meaning("force", plate, axis, unit, side, meant=meant)
    if bag & _LOAD and side and bag <= _LOAD | {*_SIDES, *_TOTAL, "foot", "insole", "plate", plate}:
        return Meaning("force", plate, 1, unit, side, meant=True)  # of an insole: across the ground
    if velocity or (bag & {"velocity", "vel", "speed"} and axis is not None):
        if bag & _HEEL or bag & set(_POINTS) or side in ("left", "right") or "belt" in bag:
            return Meaning("")
        return Meaning("velocity", axis="xyz".index(velocity[1]) if velocity else axis or 0, unit=unit, meant=meant)
    heel = bag & _HEEL
    if heel and side in ("left", "right") and axis is not None:
        return Meaning("point", f"heel {side}", axis, unit, meant=meant)
    if unit in VELOCITY and axis is not None and not bag & _OTHER and side is None and not bag & _HEEL:
        return Meaning("velocity", axis=axis, unit=unit, meant=meant)
    deviation = next((word for word in words if re.fullmatch(r"d[xyz]", word)), None)
    if deviation and bag & _CENTRE:
        return Meaning("point", "centre of mass", "xyz".index(deviation[1]), unit, deviation=True)
    if axis is not None and not bag & _OTHER and side not in ("left", "right"):
        if bag & _CENTRE or bag - set(_AXES) <= {
            "pos",
            "position",
            "body",
            "mass",
            "trajectory",
            "coordinate",
            "point",
            "of",
        }:
            return Meaning("point", "centre of mass", axis, unit, meant=meant)
        if found := next((_POINTS[word] for word in words if word in _POINTS), None):
            return Meaning("point", found, axis, unit, meant=meant)
    return Meaning("")


def _axis(words: list[str]) -> tuple[int | None, bool]:
    """Axis that words name, and whether they say a direction instead of it."""
    for word in reversed(words):
        if word in _AXES:
            return _AXES[word], word in MEANT or word == "v"
    return None, False


def point_of(name: str) -> str | None:
    """Finds the point that a marker of a motion capture stands for; None where that is not known.

    Args:
        name: of the marker, for example "V.Sacral", "RHEE", "subject:LASI" or "CentreOfMass".

    Returns:
        "centre of mass", "sacral marker", "heel left", "heel right", "LASI", "RASI", "LPSI", "RPSI" or "pelvis".
    """
    plain = re.sub(r"[^a-z0-9]", "", name.rsplit(":", 1)[-1].lower()).removesuffix("study")
    if plain in _CENTRE or plain in ("centreofmassfloor", "comx", "wholebodycom", "bodycenterofmass", "fullbodycom"):
        return None if plain.endswith("floor") else "centre of mass"
    if plain in ("vsacral", "sacr", "sacrum", "sacral", "sac", "vsac", "s2", "sacrummarker"):
        return "sacral marker"
    if plain in ("pelvis", "pelviscenter", "pelviscentre", "pelo", "midpelvis", "midhip"):
        return "pelvis"
    if found := re.fullmatch(
        r"([lr]|left|right)(heel|hee|calc|cal|calcaneus|hl|fcc)|(heel|hee|calc|calcn)([lr]|left|right)", plain
    ):
        return f"heel {_SIDES[found[1] or found[4]]}"
    if found := re.fullmatch(r"([lr])(asi|asis|psi|psis|ias|ips)", plain):
        return found[1].upper() + ("A" if "a" in found[2] else "P") + "SI"
    return None

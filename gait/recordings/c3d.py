"""Files of motion capture systems: .c3d, read by the package ezc3d."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gait.errors import InputError
from gait.recordings.columns import METRES
from gait.recordings.raw import Raw

_BY_MOMENTS = 2  # type of a plate that gives six channels, three forces and three moments
_MASSES = ("bodymass", "mass", "weight", "body_mass", "bodyweight")
_LOADED = 20.0  # N above which a centre of pressure means something


def read_c3d(path: Path, mass: float | None) -> Raw:
    """Reads markers and force plates of a .c3d file.

    Plates of type 2 are computed from their six channels and corners. Others go through ezc3d. A plate that cannot be read
    is named and left out.

    Args:
        path: of the file.
        mass: body mass that the user has stated, kg.

    Raises:
        InputError: if ezc3d is not installed, or the file is damaged.

    Source: The C3D File Format User Guide (c3d.org), section on force platforms.
    """
    try:
        import ezc3d
    except ImportError:
        raise InputError(
            "Reading .c3d files takes the package ezc3d. Install it: pip install 'ezc3d>=1.7.2', or export the recording as "
            ".csv, .mot or .trc."
        ) from None
    try:
        content = ezc3d.c3d(str(path))
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise InputError(f"{path} is not a readable .c3d file ({str(error).strip()[:100]}).") from error
    parameters, header = content["parameters"], content["header"]
    points = np.asarray(content["data"]["points"], float)
    rate = float(header["points"]["frame_rate"]) or _number(parameters, "POINT", "RATE", 0.0)
    analog_rate = float(header["analogs"]["frame_rate"]) or _number(parameters, "ANALOG", "RATE", rate)
    first = int(header["points"]["first_frame"])
    if not rate > 0.0 and not analog_rate > 0.0:
        raise InputError(f"{path} does not say how many samples it has a second (POINT:RATE). Add that, or export as .csv.")
    rate = rate or analog_rate
    raw = Raw((first + np.arange(points.shape[2])) / rate, mass=mass or _stated_mass(parameters), vertical=2)
    unit = (_texts(parameters, "POINT", "UNITS") or ["mm"])[0].strip().lower() or "mm"
    scale = METRES.get(unit)
    if scale is None:
        raise InputError(f"{path} has lengths in an unknown unit. It may be m, cm or mm. Received: {unit!r}.")
    for i, name in enumerate(_texts(parameters, "POINT", "LABELS")[: points.shape[1]]):
        place = points[:3, i].T * scale
        place[(place == 0.0).all(axis=1)] = np.nan
        if np.isfinite(place).any():
            raw.points[name.strip()] = place
    if scale != 1.0 and raw.points:
        raw.notes.append(f"Lengths are converted from {unit}, as the file says.")
    analogs = np.asarray(content["data"]["analogs"], float)
    if analogs.size:
        raw.force_t = first / rate + np.arange(analogs.shape[2]) / analog_rate
        _read_plates(path, parameters, analogs[0], scale, raw)
    if not raw.points and not raw.forces:
        raise InputError(f"{path} holds neither markers nor force plates.")
    if not raw.forces:
        raw.force_t = None
    elif not raw.points:
        raw.t = raw.force_t if raw.force_t is not None else raw.t
        raw.force_t = None
    return raw


def _value(parameters: Any, group: str, name: str) -> Any:
    """Value of a parameter whatever its case; None if there is none."""
    for given in parameters:
        if given.upper() == group:
            for own in parameters[given]:
                if own.upper() == name:
                    return parameters[given][own]["value"]
    return None


def _texts(parameters: Any, group: str, name: str) -> list[str]:
    found = _value(parameters, group, name)
    texts = [] if found is None else [str(text) for text in found]
    more = 2
    while found is not None and (found := _value(parameters, group, f"{name}{more}")) is not None:
        texts += [str(text) for text in found]  # more than 255 names continue in LABELS2 and so on
        more += 1
    return texts


def _number(parameters: Any, group: str, name: str, default: float) -> float:
    found = np.ravel(_value(parameters, group, name) if _value(parameters, group, name) is not None else [])
    return float(found[0]) if found.size else default


def _stated_mass(parameters: Any) -> float | None:
    for group in parameters:
        if group.upper() in ("PROCESSING", "SUBJECT", "SUBJECTS", "PATIENT"):
            for name in parameters[group]:
                if name.lower() in _MASSES:
                    value = np.ravel(parameters[group][name]["value"])
                    if value.size and np.issubdtype(value.dtype, np.number) and value[0] > 0.0:
                        return float(value[0])
    return None


def _read_plates(path: Path, parameters: Any, analogs: np.ndarray, scale: float, raw: Raw) -> None:
    used = int(_number(parameters, "FORCE_PLATFORM", "USED", 0.0))
    if not used:
        return
    kinds = np.ravel(_value(parameters, "FORCE_PLATFORM", "TYPE"))
    channels = _value(parameters, "FORCE_PLATFORM", "CHANNEL")
    corners, origins = (_value(parameters, "FORCE_PLATFORM", name) for name in ("CORNERS", "ORIGIN"))
    units = [text.strip().lower() for text in _texts(parameters, "ANALOG", "UNITS")]
    for i in range(used):
        name = f"plate {i + 1}"
        try:
            if int(kinds[i]) != _BY_MOMENTS:
                force, centre = _by_ezc3d(path, i, scale)
            else:
                rows = np.asarray(channels)[:6, i].astype(int) - 1
                if (rows < 0).any() or (rows >= len(analogs)).any():
                    raise ValueError("its channels are not in the file")
                moment = 0.001 if len(units) <= rows[3] or "mm" in units[rows[3]] else 1.0
                newtons = 1000.0 if len(units) > rows[2] and units[rows[2]] == "kn" else 1.0
                force, centre = _by_moments(
                    newtons * analogs[rows[:3]].T, newtons * moment * analogs[rows[3:]].T,
                    np.asarray(corners, float)[:, :, i].T * scale, np.asarray(origins, float)[:, i] * scale,
                )  # fmt: skip
        except (ValueError, IndexError, TypeError, RuntimeError) as error:
            raw.notes.append(f"Force plate {i + 1} cannot be read ({str(error)[:80]}) and is left out.")
            continue
        raw.forces[name], raw.centres[name] = force, centre


def _by_moments(
    force: np.ndarray, moment: np.ndarray, corners: np.ndarray, origin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Force and centre of pressure in the axes of the laboratory.

    Args:
        force, moment: in the axes of the plate, about its origin, shape [samples, 3], N and N m.
        corners: of the plate in the laboratory, shape [4, 3], m, in the quadrants +x +y, -x +y, -x -y, +x -y.
        origin: from the origin of the moments to the middle of the surface, in the axes of the plate, shape [3], m.
    """
    x, y = corners[0] - corners[1], corners[0] - corners[3]
    if not (np.linalg.norm(x) > 1e-3 and np.linalg.norm(y) > 1e-3):
        raise ValueError("its corners are not known")
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    axes = np.stack([x, y, np.cross(x, y)])
    at_surface = moment - np.cross(origin, force)
    vertical = force[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.stack([-at_surface[:, 1] / vertical, at_surface[:, 0] / vertical, np.zeros(len(force))], axis=1)
    place[np.abs(vertical) < _LOADED] = np.nan
    return force @ axes, corners.mean(axis=0) + place @ axes


def _by_ezc3d(path: Path, i: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    import ezc3d

    plate = ezc3d.c3d(str(path), extract_forceplat_data=True)["data"]["platform"][i]
    force, centre = np.asarray(plate["force"], float).T, np.asarray(plate["center_of_pressure"], float).T
    length = METRES.get(str(plate.get("unit_position", "mm")).lower(), scale)
    centre = np.where(np.abs(force[:, 2:]) < _LOADED, np.nan, centre * length)
    return force, centre

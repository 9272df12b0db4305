"""Motion capture files .c3d, by ezc3d: points, and force plates computed from their corners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gait.errors import InputError
from gait.recordings.c3d_contents import load_contents
from gait.recordings.columns import FORCE
from gait.recordings.raw import Plate, Raw

_MASS_GROUPS = ("PROCESSING", "SUBJECT", "SUBJECTS", "ANALYSIS")
_MASS_NAMES = ("Bodymass", "BODYMASS", "BodyMass", "Mass", "MASS", "Weight", "WEIGHT")
_MOMENT = {"nmm": 1e-3, "n.mm": 1e-3, "n*mm": 1e-3, "nm": 1.0, "n.m": 1.0, "n*m": 1.0, "knmm": 1.0}


def read_c3d(path: Path, data: bytes) -> tuple[Raw, dict[str, np.ndarray]]:
    """Reads the points and force plates of a .c3d file.

    Args:
        path: the file.
        data: its contents, to see that they are of this format.

    Returns:
        `Raw` with stamps, plates, mass and notes but no points; marker → positions in the unit of the file, shape
        [samples, 3], NaN where missing.

    Raises:
        InputError: if ezc3d is not installed or the file cannot be read.
    """
    if len(data) < 512 or data[1] != 0x50:
        raise InputError(
            f"{path} is not a C3D file: its second byte is not 80, or it is shorter than its header. Received: "
            f"{len(data)} bytes. Export it again."
        )
    content = load_contents(path)
    parameters = content["parameters"]
    rate = _first(parameters, "POINT", "RATE") or content["frame_rate"]
    first = content["first_frame"]
    points = content["points"]
    notes: list[str] = []
    samples = points.shape[2]
    if not (rate and np.isfinite(rate) and rate > 0):
        raise InputError(f"The C3D file states no rate of its points. Received: {rate}. Export it again with one.")
    raw = Raw(time=(first + np.arange(samples)) / rate, rate=float(rate), named_up=2, notes=notes)
    units = _texts(parameters, "POINT", "UNITS")
    raw.length_unit = units[0].lower() if units and units[0] else None
    masses = [_first(parameters, group, name) or 0.0 for group in _MASS_GROUPS for name in _MASS_NAMES]
    raw.stated_mass = next((mass for mass in masses if mass > 0), None)
    markers = _markers(content, parameters, samples)
    claimed = int.from_bytes(data[8:10], "little") - int.from_bytes(data[6:8], "little") + 1
    if data[512:513] and samples < claimed < 65535:
        notes.append(f"The header says {claimed} frames and there are {samples}; the file may have been cut off.")
    analogs = content["analogs"]
    if analogs.size and (used := int(_first(parameters, "FORCE_PLATFORM", "USED") or 0)):
        analog_rate = _first(parameters, "ANALOG", "RATE") or rate
        per_frame = analogs.shape[1] / samples if samples else 1
        if samples and abs(per_frame - analog_rate / rate) > 1e-3:
            notes.append(
                f"The header says {analog_rate:g} Hz for the forces, but there are {per_frame:g} samples a frame of "
                f"{rate:g} Hz: {per_frame * rate:g} Hz was used."
            )
            analog_rate = per_frame * rate
        scale = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}.get(raw.length_unit or "mm", 1e-3)
        others = None
        for k in range(used):
            try:
                kind = int(_array(parameters, "FORCE_PLATFORM", "TYPE")[k])
                if kind == 2:
                    plate = _plate_of_type_2(parameters, analogs, k, scale)
                else:
                    others = load_contents(path, platforms=True)["platforms"] if others is None else others
                    plate = _plate_of_ezc3d(others[k], k, scale)
            except Exception as error:  # a plate that cannot be read does not lose the points
                reason = str(error).split("\n")[0] or type(error).__name__
                notes.append(f"Force plate {k + 1} cannot be read and was left out ({reason}).")
                continue
            raw.plates.append(plate)
        if raw.plates:
            raw.force_unit = "N"
            raw.force_time = first / rate + np.arange(raw.plates[0].force.shape[0]) / analog_rate
    return raw, markers


def _array(parameters: Any, group: str, name: str) -> np.ndarray:
    return np.asarray(parameters[group][name])


def _first(parameters: Any, group: str, name: str) -> float | None:
    try:
        values = np.asarray(parameters[group][name], dtype=float).ravel()
    except (KeyError, ValueError, TypeError):
        return None
    return float(values[0]) if values.size else None


def _texts(parameters: Any, group: str, name: str) -> list[str]:
    try:
        return [str(text).strip() for text in parameters[group][name]]
    except KeyError:
        return []


def _markers(content: Any, parameters: Any, samples: int) -> dict[str, np.ndarray]:
    """Markers by their labels; NaN where a residual or zeros say that nothing was seen."""
    points, residuals = content["points"], content["residuals"]
    labels = _texts(parameters, "POINT", "LABELS")
    for k in range(2, 20):
        labels += _texts(parameters, "POINT", f"LABELS{k}")
    outputs = {
        label
        for name in ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS")
        for label in _texts(parameters, "POINT", name)
    }
    markers = {}
    for k in range(points.shape[1]):
        name = labels[k] if k < len(labels) and labels[k] else f"point {k + 1}"
        if name in outputs:
            continue
        values = points[:3, k, :].T.astype(np.float64)
        unseen = (values == 0.0).all(axis=1)
        if residuals is not None:
            unseen |= residuals[0, k, :] < 0
        values[unseen] = np.nan
        if samples:
            markers[name] = values
    return markers


def _plate_of_type_2(parameters: Any, analogs: np.ndarray, k: int, scale: float) -> Plate:
    """Force, and moment about the centre of the surface, from six channels: forces and moments along three axes.

    Source: C3D format user guide, FORCE_PLATFORM; the axes of a plate follow from its corners.
    """
    channels = np.asarray(_array(parameters, "FORCE_PLATFORM", "CHANNEL"), dtype=int)
    channels = channels.reshape(channels.shape[0], -1)[:6, k] - 1
    if channels.size < 6 or (channels < 0).any() or (channels >= analogs.shape[0]).any():
        raise ValueError(f"its channels {', '.join(map(str, channels + 1))} are not all there")
    corners = np.asarray(_array(parameters, "FORCE_PLATFORM", "CORNERS"), dtype=float)
    corners = corners.reshape(3, 4, -1)[:, :, k].T * scale
    origin = np.asarray(_array(parameters, "FORCE_PLATFORM", "ORIGIN"), dtype=float).reshape(3, -1)[:, k] * scale
    if origin[2] > 0:
        origin = -origin
    along = (corners[0] + corners[3] - corners[1] - corners[2]) / 2
    across = (corners[0] + corners[1] - corners[2] - corners[3]) / 2
    normal = np.cross(along, across)
    sizes = [np.linalg.norm(vector) for vector in (along, across, normal)]
    if not (np.isfinite(sizes).all() and min(sizes) > 1e-6):
        raise ValueError("its four corners span no surface")
    normal /= sizes[2]
    along /= sizes[0]
    rotation = np.stack([along, np.cross(normal, along), normal], axis=1)
    units = [unit.lower().replace(" ", "") for unit in _texts(parameters, "ANALOG", "UNITS")]
    force_unit = FORCE.get(units[channels[2]] if channels[2] < len(units) else "n", 1.0)
    moment_unit = _MOMENT.get(units[channels[3]] if channels[3] < len(units) else "", scale)
    force = analogs[channels[:3]].T * force_unit
    moment = analogs[channels[3:]].T * moment_unit
    moment = moment - np.cross(origin, force)  # about the centre of the surface
    if not np.isfinite(force).any():
        raise ValueError("its channels hold no numbers")
    return Plate(f"plate {k + 1}", None, force @ rotation.T, None, moment @ rotation.T, *_surface(corners))


def _plate_of_ezc3d(platform: Any, k: int, scale: float) -> Plate:
    """A plate of another type, as ezc3d computes it."""
    force = np.asarray(platform["force"], dtype=float).T
    pressure = np.asarray(platform["center_of_pressure"], dtype=float).T * scale
    if force.ndim != 2 or not np.isfinite(force).any() or not np.any(force):
        raise ValueError("ezc3d finds no force on it")
    corners = np.asarray(platform["corners"], dtype=float).T * scale
    return Plate(f"plate {k + 1}", None, force, pressure, None, *_surface(corners))


def _surface(corners: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre of a plate and the distance from there to its farthest corner, m."""
    centre = corners.mean(axis=0)
    return centre, float(np.linalg.norm(corners - centre, axis=1).max())

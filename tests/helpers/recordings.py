"""Files of recorded walks with known contents, made from simulated walkers; and the shared ones, where they are."""

from __future__ import annotations

import dataclasses
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

import gait
from tests.helpers.scripts import ROOT

SHARED = Path(os.environ.get("GAIT_SHARED", ROOT.parent / "shared"))
"""Recordings that not every user has."""
G = 9.81
_GEYER = {"y": 0.97083467, "vx": 1.09698036}
"""Mid-stance of the periodic walk of Geyer et al. (2006): 80 kg, 14 kN/m, 1 m, 69 degrees."""


def shared(*parts: str) -> Path:
    """A shared file; skips the test where it is not there."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not there")
    return path


@dataclasses.dataclass(frozen=True, eq=False)
class Made:
    """A simulated walk with the force of each foot; SI units, x forward, y up.

    Attributes:
        t, x, y, vx, vy, fx, fy: at each sample.
        fx_right, fy_right, fx_left, fy_left: force of each foot; the right one stands first.
        px_right, px_left: its foothold while it is on the ground, else NaN.
        heel_x_right, heel_y_right, heel_x_left, heel_y_left: heel markers, 3 cm above the ground in stance.
        footholds: forward position of each contact, m; contacts: begin and end of each, s.
        mass, step_time, speed: kg, s, m/s.
    """

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    vx: np.ndarray
    vy: np.ndarray
    fx: np.ndarray
    fy: np.ndarray
    feet: dict[str, np.ndarray]
    footholds: np.ndarray
    contacts: np.ndarray
    mass: float
    step_time: float
    speed: float
    per_contact: np.ndarray

    def __getattr__(self, name: str) -> np.ndarray:
        try:
            return self.__dict__["feet"][name]
        except KeyError:
            raise AttributeError(name) from None


def made(duration: float = 4.0, rate: float = 100.0, mass: float = 80.0, leg: float = 1.0, times=None) -> Made:
    """The walk of Geyer et al. for a body of any mass and leg length.

    Args:
        duration: s.
        rate: samples a second, Hz.
        mass: kg.
        leg: rest length, m.
        times: other times than uniform ones, s; then a walk at 10 kHz is interpolated.
    """
    pace = np.sqrt(leg)
    stiffness = 14000.0 * mass / 80.0 / leg
    fine = 1e-4 if times is not None else 1.0 / rate
    walks = gait.simulate(
        mass, stiffness, leg, y0=leg - _GEYER["y"] * leg, vx0=_GEYER["vx"] * pace,
        angle_of_attack=np.deg2rad(69.0), gravity=G, duration=duration, interval=fine,
    )  # fmt: skip
    assert walks.outcome[0] == gait.Outcome.WALKED
    t = walks.t
    touchdown, takeoff = (events[0][np.isfinite(events[0])] for events in (walks.touchdown, walks.takeoff))
    footholds = np.concatenate([[0.0], walks.foothold[0][np.isfinite(walks.touchdown[0])]])
    begins = np.concatenate([[-np.inf], touchdown])
    ends = np.full(len(begins), np.inf)
    ends[: len(takeoff)] = takeoff
    if times is not None:
        samples = np.stack([np.interp(times, t, row) for row in walks.samples[:, 0]])
        t = np.asarray(times, dtype=float)
    else:
        samples = walks.samples[:, 0]
    x, y, vx, vy, fx, fy = samples
    per_contact = np.zeros((len(footholds), 2, len(t)))
    feet = {f"{name}_{side}": np.zeros(len(t)) for name in ("fx", "fy") for side in ("left", "right")}
    feet |= {f"px_{side}": np.full(len(t), np.nan) for side in ("left", "right")}
    for k, (foothold, begin, end) in enumerate(zip(footholds, begins, ends, strict=True)):
        on = (t >= begin) & (t < end)
        reach = np.hypot(x - foothold, y)
        push = np.where(on, stiffness * np.maximum(leg - reach, 0.0) / reach, 0.0)
        per_contact[k] = push * (x - foothold), push * y
        side = "right" if k % 2 == 0 else "left"
        feet[f"fx_{side}"] += per_contact[k, 0]
        feet[f"fy_{side}"] += per_contact[k, 1]
        feet[f"px_{side}"][on] = foothold
    for side, first in (("right", 0), ("left", 1)):
        heel_x, heel_y = np.zeros(len(t)), np.full(len(t), 0.03)
        own = list(range(first, len(footholds), 2))
        stops = [(footholds[k], begins[k], ends[k]) for k in own]
        if first:
            stops.insert(
                0, (footholds[1] - 2 * (footholds[1] - footholds[0]), -np.inf, ends[0] - (begins[2] - begins[1]))
            )
        heel_x[:] = stops[0][0]
        for (place, _, off), (following, on, _) in itertools.pairwise(stops):
            phase = np.clip((t - off) / (on - off), 0, 1)
            swing = (phase > 0) & (t < on)
            heel_x = np.where(t >= off, place + (following - place) * (3 * phase**2 - 2 * phase**3), heel_x)
            heel_y = np.where(swing, 0.03 + 0.08 * np.sin(np.pi * phase) ** 2, heel_y)
        last, _, off = stops[-1]
        phase = np.clip((t - off) / (2 * (begins[2] - begins[1])), 0, 1)
        heel_x = np.where(t >= off, last + 1.0 * phase, heel_x)
        heel_y = np.where(t >= off, 0.03 + 0.08 * np.sin(np.pi * np.minimum(2 * phase, 1)) ** 2, heel_y)
        feet |= {f"heel_x_{side}": heel_x, f"heel_y_{side}": heel_y}
    step = float(np.mean(np.diff(touchdown)))
    return Made(t, x, y, vx, vy, fx, fy, feet, footholds, np.stack([begins, ends], axis=1), mass, step,
                float(np.mean(np.diff(footholds[1:]))) / step, per_contact)  # fmt: skip


def mean_mass(force: np.ndarray, rate: float, step_time: float, begin: int = 0) -> float:
    """Mean vertical force over as many whole strides as there are from a sample on, by gravity, kg."""
    stride = 2 * step_time * rate
    count = int((len(force) - begin) // stride)
    assert count >= 1
    return float(force[begin : begin + round(count * stride)].mean() / G)


# Writers ---------------------------------------------------------------------------------------


def csv_text(
    columns: dict[str, np.ndarray],
    separator: str = ",",
    decimal: str = ".",
    digits: int = 9,
    head: str = "",
    names: bool = True,
) -> str:
    """A table of columns under their names; NaN becomes an empty cell."""
    lines = [separator.join(columns)] if names else []
    for row in zip(*columns.values(), strict=True):
        cells = [value if isinstance(value, str) else "" if np.isnan(value) else f"{value:.{digits}g}" for value in row]
        lines.append(separator.join(cell.replace(".", decimal) for cell in cells))
    return head + "\n".join(lines) + "\n"


def com_columns(walk: Made, **others: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of time, centre of mass and total force, some replaced or added."""
    return {"t_s": walk.t, "x_m": walk.x, "y_m": walk.y, "fx_N": walk.fx, "fy_N": walk.fy} | others


def feet_columns(walk: Made, **others: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of time, centre of mass and the force of each foot."""
    feet = {f"{name}_{side}_N": walk.feet[f"{name}_{side}"] for side in ("right", "left") for name in ("fx", "fy")}
    return {"t_s": walk.t, "x_m": walk.x, "y_m": walk.y} | feet | others


def storage_columns(walk: Made, right: str = "", left: str = "l_") -> dict[str, np.ndarray]:
    """Columns of a .mot file of both feet; centres of pressure are 0 in the air, the right foot is at z = 0.08 m."""
    columns = {"time": walk.t}
    for prefix, side, z in ((right, "right", 0.08), (left, "left", -0.08)):
        on = np.isfinite(walk.feet[f"px_{side}"])
        for axis, values in zip("xyz", (walk.feet[f"fx_{side}"], walk.feet[f"fy_{side}"], 0 * walk.t), strict=True):
            columns[f"{prefix}ground_force_v{axis}"] = values
        for axis, values in zip(
            "xyz", (np.nan_to_num(walk.feet[f"px_{side}"]), 0 * walk.t, np.where(on, z, 0.0)), strict=True
        ):
            columns[f"{prefix}ground_force_p{axis}"] = values
    return columns


def storage_text(columns: dict[str, np.ndarray], header: str | None = None, digits: int = 9) -> str:
    """A .mot or .sto file."""
    rows = len(next(iter(columns.values())))
    if header is None:
        header = f"grf\nversion=1\nnRows={rows}\nnColumns={len(columns)}\ninDegrees=yes\nendheader\n"
    return header + csv_text(columns, "\t", digits=digits)


def markers_of(walk: Made) -> dict[str, np.ndarray]:
    """Markers as (forward, up, right), m."""
    zero = 0 * walk.t
    return {
        "CoM": np.stack([walk.x, walk.y, zero], axis=1),
        "V.Sacral": np.stack([walk.x - 0.05, walk.y + 0.03, zero], axis=1),
        "R.Heel": np.stack([walk.heel_x_right, walk.heel_y_right, zero + 0.08], axis=1),
        "L.Heel": np.stack([walk.heel_x_left, walk.heel_y_left, zero - 0.08], axis=1),
    }


def marker_text(
    markers: dict[str, np.ndarray], t: np.ndarray, *, unit: str = "mm", scale: float = 1000.0, rate: float = 100.0,
    first: int = 1, end: str = "\n", frames: int | None = None,
) -> str:  # fmt: skip
    """A .trc file; NaN becomes an empty cell."""
    count = len(t) if frames is None else frames
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tmade.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate:.2f}\t{rate:.2f}\t{count}\t{len(markers)}\t{unit}\t{rate:.2f}\t{first}\t{count}",
        "Frame#\tTime\t" + "\t".join(f"{name}\t\t" for name in markers),
        "\t\t" + "\t".join(f"X{k}\tY{k}\tZ{k}" for k in range(1, len(markers) + 1)),
        "",
    ]
    for n in range(len(t)):
        cells = [str(first + n), f"{t[n]:.6f}"]
        for values in markers.values():
            cells += ["" if np.isnan(value) else f"{scale * value:.6f}" for value in values[n]]
        lines.append("\t".join(cells))
    return end.join(lines) + end


def write_c3d(
    path: Path, walk: Made, *, per_frame: int = 5, to_lab=None, plates: bool = True, sign: float = 1.0, kind: int = 2,
    mass: float | None = None, offsets: tuple[float, float] = (0.0, 0.0), missing: slice | None = None,
    bad_plate: bool = False, first: int = 1, scale: float = 1000.0, unit: str = "mm",
    points: dict[str, np.ndarray] | None = None,
) -> Path:  # fmt: skip
    """A .c3d file of points and of one plate for each foot.

    Args:
        path: where to write.
        walk: at the rate of the forces.
        per_frame: samples of the forces for each frame of the points.
        to_lab: (forward, up, right) → axes of the laboratory, shape [3, 3]; z up and y forward unless given.
        plates: whether there are plates.
        sign: -1 for forces on the ground.
        kind: type of the plates.
        mass: stated, kg.
        offsets: added to the vertical force of the right and the left plate, N, upwards.
        missing: frames at which the centre of mass is missing.
        bad_plate: whether a third plate refers to channels that are not there.
        first: number of the first frame.
        scale: of lengths.
        unit: of lengths, as the file states it.
        points: other markers, as (forward, up, right), at the rate of the forces.
    """
    ezc3d = pytest.importorskip("ezc3d")
    to_lab = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float) if to_lab is None else np.asarray(to_lab, float)
    file = ezc3d.c3d()
    frames = len(walk.t) // per_frame
    rate = float(np.rint(1.0 / (walk.t[1] - walk.t[0])))
    names = {"CoM": "CentreOfMass", "V.Sacral": "SACR", "R.Heel": "RHEE", "L.Heel": "LHEE"}
    markers = markers_of(walk) if points is None else points
    data = np.ones((4, len(markers), frames))
    for k, (name, values) in enumerate(markers.items()):
        data[:3, k] = scale * (to_lab @ values[: frames * per_frame : per_frame].T)
        if missing is not None and name == "CoM":
            data[:3, k, missing] = 0.0
    parameters = file["parameters"]
    parameters["POINT"]["UNITS"]["value"] = [unit]
    parameters["POINT"]["RATE"]["value"] = [rate / per_frame]
    parameters["POINT"]["LABELS"]["value"] = [names.get(name, name) for name in markers]
    file["data"]["points"] = data
    file["header"]["points"]["first_frame"] = first - 1
    if plates:
        middle, long = 20.0, 60.0
        analogs, corners, channels = [], [], []
        for k, (side, z) in enumerate((("right", 0.125), ("left", -0.125))):
            # Corners in the laboratory, in the order of the format; the plate's own z axis points down.
            ring = [(long, z - 0.125), (long, z + 0.125), (-long, z + 0.125), (-long, z - 0.125)]
            corner = np.array([to_lab @ np.array([along + middle * 0, 0.0, across]) for along, across in ring])
            x_axis = (corner[0] + corner[3] - corner[1] - corner[2]) / 2
            y_axis = (corner[0] + corner[1] - corner[2] - corner[3]) / 2
            x_axis, y_axis = x_axis / np.linalg.norm(x_axis), y_axis / np.linalg.norm(y_axis)
            axes = np.stack([x_axis, y_axis, np.cross(x_axis, y_axis)])
            on = np.isfinite(walk.feet[f"px_{side}"])
            force = np.stack([walk.feet[f"fx_{side}"], walk.feet[f"fy_{side}"], 0 * walk.t])
            at = np.stack([np.nan_to_num(walk.feet[f"px_{side}"]), 0 * walk.t, np.where(on, np.sign(z) * 0.08, 0.0)])
            at[:, ~on] = np.array([0.0, 0.0, z])[:, None]
            away = axes @ (to_lab @ at - corner.mean(axis=0)[:, None])
            local = sign * (axes @ (to_lab @ force))
            moment = np.cross(away.T, local.T).T * scale
            if kind == 1:  # centre of pressure and free moment instead of moments
                moment = np.stack([away[0], away[1], 0 * walk.t]) * scale
            local = local + (axes @ (to_lab @ np.array([0.0, offsets[k], 0.0])))[:, None]
            if kind == 3:  # four sensors at (±0.1, ±0.1) m
                tilt = [
                    moment[0] / 0.4 / scale * x + moment[1] / 0.4 / scale * y
                    for x, y in ((1, -1), (1, 1), (-1, 1), (-1, -1))
                ]
                own = [local[0] / 2, local[0] / 2, local[1] / 2, local[1] / 2, *(local[2] / 4 + part for part in tilt)]
            else:
                own = [*local, *moment]
            channels.append(np.arange(len(own)) + len(analogs) + 1)
            analogs += own
            corners.append(scale * corner)
        count = 2
        if bad_plate:
            corners.append(scale * corner)
            channels.append(np.arange(91, 97))
            count = 3
        parameters["ANALOG"]["RATE"]["value"] = [rate]
        parameters["ANALOG"]["LABELS"]["value"] = [f"channel {k}" for k in range(len(analogs))]
        turning = "Nmm" if scale == 1000 else "Nm"
        parameters["ANALOG"]["UNITS"]["value"] = (
            ["N"] * len(analogs) if kind in (1, 3) else ["N", "N", "N", *([turning] * 3)] * 2
        )
        file["data"]["analogs"] = np.array(analogs)[None, :, : frames * per_frame]
        platform = parameters["FORCE_PLATFORM"]
        platform["USED"]["value"] = [count]
        platform["TYPE"]["value"] = [kind] * count
        platform["CORNERS"]["value"] = np.stack(corners, axis=-1).transpose(1, 0, 2)
        platform["ORIGIN"]["value"] = np.full((3, count), 100.0 if kind == 3 else 0.0) * np.array([[1], [1], [0]])
        platform["CHANNEL"]["value"] = np.stack(channels, axis=-1)
        if kind == 4:
            platform["CAL_MATRIX"]["value"] = np.stack([np.eye(6)] * count, axis=-1)
    if mass is not None:
        file.add_parameter("PROCESSING", "Bodymass", [mass])
    file.write(str(path))
    return path

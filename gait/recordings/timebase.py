"""Times of samples: uniform, rounded, jittered, or with holes."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from gait.errors import InputError

_HOLE = 2.5  # of the usual time between jittered samples, from which samples are missing
_JITTER = 0.02  # of it, up to which times are uniform


def uniform(stamps: np.ndarray, columns: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray, float]:
    """Brings samples to uniform times.

    Stamps that are uniform but for their rounding are taken for uniform. Where they truly jitter, values belong to the
    stamps and are interpolated by cubic splines. Where samples are missing, the columns are NaN.

    Args:
        stamps: times as they were written, shape [rows], s.
        columns: shape [rows, columns]; NaN where nothing was recorded.
        notes: gets a sentence on whatever was done.

    Returns:
        Times from 0, shape [samples], s; columns at them, shape [samples, columns]; and the rate, Hz.

    Raises:
        InputError: if there are fewer than ten samples, or times run backwards.
    """
    known = np.isfinite(stamps)
    if not known.all():
        notes.append(f"{np.sum(~known)} rows without a time are left out.")
        stamps, columns = stamps[known], columns[known]
    if len(stamps) < 10:
        raise InputError(f"A recording has at least ten samples. Received: {len(stamps)}. Was the file cut?")
    if (np.diff(stamps) <= 0).any():
        stamps, columns = _in_order(stamps, columns, notes)
    steps, rounding = np.diff(stamps), _rounding(stamps)
    usual = float(np.median(steps))
    whole = np.abs(steps - usual) < 0.5 * usual + rounding
    # Rounding of single stamps does not matter: the interval is the mean of all between which nothing is missing.
    interval = float(steps[whole].mean())
    numbers = np.concatenate([[0], np.cumsum(np.maximum(np.round(steps / interval), 1.0))]).astype(int)
    slope, start = np.polyfit(numbers, stamps, 1)
    error = float(np.abs(stamps - start - slope * numbers).max())
    if error <= max(_JITTER * slope, 1.01 * rounding):
        if error > _JITTER * slope:
            notes.append(f"Times are rounded to {rounding:g} s; the samples are uniform, {1.0 / slope:.4g} a second.")
        t = np.arange(numbers[-1] + 1) * slope
        found = np.full((len(t), columns.shape[1]), np.nan)
        found[numbers] = columns
        _tell_holes(stamps, np.diff(numbers) > 1, notes)
        return t, found, 1.0 / float(slope)
    near = steps < _HOLE * usual
    interval = float(steps[near].mean())
    off = steps[near] - interval
    notes.append(
        f"Samples are not uniform, about {1.0 / interval:.4g} a second with times between them that vary by "
        f"{1000.0 * off.std():.1f} ms: they are interpolated by their times."
    )
    _tell_holes(stamps, ~near, notes)
    t = np.arange(int((stamps[-1] - stamps[0]) / interval + 1e-6) + 1) * interval
    return t, resampled(stamps - stamps[0], columns, t), 1.0 / interval


def _tell_holes(stamps: np.ndarray, holes: np.ndarray, notes: list[str]) -> None:
    if holes.any():
        first = int(np.flatnonzero(holes)[0])
        notes.append(
            f"Times have {holes.sum()} hole{'s' * (holes.sum() != 1)} in which samples are missing, the first from "
            f"{stamps[first]:.3f} to {stamps[first + 1]:.3f} s."
        )


def _in_order(stamps: np.ndarray, columns: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows without those that repeat a time; times that run backwards are refused."""
    back = np.flatnonzero(np.diff(stamps) < 0)
    if len(back):
        raise InputError(
            f"Times run backwards after {stamps[back[0]]:.4g} s: {stamps[back[0] + 1]:.4g} s follows. Perhaps two recordings "
            "stand in one file. Sort it or cut it in two."
        )
    keep = np.concatenate([[True], np.diff(stamps) > 0])
    notes.append(f"{np.sum(~keep)} rows that repeat a time are left out.")
    return stamps[keep], columns[keep]


def _rounding(stamps: np.ndarray) -> float:
    """Largest power of ten [s] that all stamps are multiples of, down to a microsecond."""
    for digits in range(7):
        if np.abs(stamps - np.round(stamps, digits)).max() < 1e-9 + 1e-12 * np.abs(stamps).max():
            return float(10.0**-digits)
    return 0.0


def resampled(stamps: np.ndarray, columns: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Columns at other times, by cubic splines that never reach over a gap.

    Args:
        stamps: times of the rows, ascending, shape [rows], s.
        columns: shape [rows, columns].
        t: times asked for, shape [samples], s.

    Returns:
        Shape [samples, columns]; NaN outside of what was recorded.
    """
    found = np.full((len(t), columns.shape[1]), np.nan)
    usual = float(np.median(np.diff(stamps)))
    for j in range(columns.shape[1]):
        known = np.isfinite(columns[:, j])
        own, values = stamps[known], columns[known, j]
        if len(own) < 4:
            continue
        found[:, j] = CubicSpline(own, values, extrapolate=False)(t)
        edges = np.flatnonzero(np.diff(own) > _HOLE * usual + 1e-9)
        for edge in edges:
            found[(t > own[edge] + 1e-9) & (t < own[edge + 1] - 1e-9), j] = np.nan
    return found

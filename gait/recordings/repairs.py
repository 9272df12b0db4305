"""Values that stand for nothing, and gaps."""

from __future__ import annotations

import itertools

import numpy as np

from gait.recordings.raw import HEELS, Plate, Raw
from gait.recordings.recording import stretches

_SENTINELS = np.array([s * v for v in (999, 9999, 99999, 999999, 9999999, 999.9, 9999.9, 9999.99, 99999.9, 1e10, 1e20,
                                       1e30, 99.99, 88888, 888888) for s in (1, -1)])  # fmt: skip
_JUMP = 4.0  # times the quick motion from sample to sample: further than a body or a heel goes
_FARTHEST = 0.1  # m from sample to sample
_MOST_STUCK = 0.5  # of all samples
_HUGE = 1e8
"""Larger than any number of a walk in any unit."""


def clear_stand_ins(raw: Raw) -> None:
    """Takes values that stand for nothing, such as -9999, out of all arrays, and says so."""
    count = 0
    seen: set[float] = set()

    def cleared(values: np.ndarray) -> np.ndarray:
        nonlocal count
        huge = np.abs(values) > _HUGE
        if huge.any():
            count += int(huge.sum())
            seen.update(float(value) for value in values[huge][:2])
            values = np.where(huge, np.nan, values)
        for axis in range(3):
            column = values[:, axis]
            if not np.isfinite(column).any():
                continue
            low, high = np.nanmin(column), np.nanmax(column)
            for sentinel in _SENTINELS[(low - 1 <= _SENTINELS) & (high + 1 >= _SENTINELS)]:
                hit = np.abs(column - sentinel) <= 1e-6 * abs(sentinel)
                others = column[~hit & np.isfinite(column)]
                if hit.any() and others.size:
                    away = max(sentinel - others.max(), others.min() - sentinel)
                    if away > 0.5 * max(np.ptp(others), 0.02 * np.abs(others).max(), 1e-3):
                        column = np.where(hit, np.nan, column)
                        count += int(hit.sum())
                        seen.add(float(sentinel))
            if column is not values[:, axis]:
                values = values.copy()
                values[:, axis] = column
        return values

    raw.map_points(cleared)
    raw.map_plates(cleared)
    if count:
        raw.notes.append(
            f"{count} values of {' and '.join(f'{value:g}' for value in sorted(seen))} stand for missing ones."
        )


def clear_zeros(raw: Raw) -> None:
    """Takes points that lie at exactly zero along all axes out, where they are elsewhere otherwise."""
    for name, values in raw.points.items():
        axes = np.isfinite(values).any(axis=0)
        if raw.deviation or not axes.any():
            continue
        zero = (values[:, axes] == 0).all(axis=1)
        rest = np.abs(values[~zero][:, axes])
        if zero.any() and rest.size and np.nanmedian(np.nanmax(rest, axis=1)) > 0.2 and zero.sum() < 0.8 * len(zero):
            values = values.copy()
            values[zero] = np.nan
            raw.points[name] = values
            raw.notes.append(f"{int(zero.sum())} positions of the {name} are exactly zero and stand for missing ones.")
    body = next((name for name in raw.points if not name.startswith("heel")), None)
    if body:
        _clear_zero_heights(raw, body)


def _clear_zero_heights(raw: Raw, body: str) -> None:
    values = raw.points[body]
    for axis in range(3):
        column = values[:, axis]
        zero = column == 0
        rest = column[~zero & np.isfinite(column)]
        if zero.any() and rest.size > zero.size / 2 and rest.min() > 0.25 * rest.max() > 0:
            values = values.copy()
            values[zero, :] = np.nan
            raw.points[body] = values
            raw.notes.append(f"{int(zero.sum())} positions of the {body} have a zero that stands for a missing value.")


def clear_stuck(raw: Raw) -> None:
    """Takes positions out that stand still in one place far from those before and after, whatever value that is."""
    for name, values in raw.points.items():
        there = np.isfinite(values).any(axis=0)
        moved = np.nanmax(np.abs(np.diff(values[:, there], axis=0)), axis=1, initial=0.0)
        if not (moved > 0).any():
            continue
        jumps = np.flatnonzero(moved > _JUMP * np.nanpercentile(moved[moved > 0], 90))
        stuck = np.zeros(len(values), bool)
        for begin, end in itertools.pairwise([-1, *jumps, len(values) - 1]):
            inside = moved[begin + 1 : end]
            if len(inside) > 1 and not inside.any():
                stuck[begin + 1 : end + 1] = True
        if stuck.any() and stuck.mean() < _MOST_STUCK:
            raw.points[name] = np.where(stuck[:, None], np.nan, values)
            raw.notes.append(
                f"{int(stuck.sum())} positions of the {name} stand still far from all others; they stand for missing "
                "ones."
            )


def say_jumps(raw: Raw, times: np.ndarray) -> None:
    """Tells where a point jumps to another place and stays there, so that its way is not one way."""
    for name, values in raw.points.items():
        there = np.isfinite(values).any(axis=0)
        moved = np.linalg.norm(np.diff(values[:, there], axis=0), axis=1)
        known = moved[np.isfinite(moved) & (moved > 0)]
        if len(known) < 10:
            continue
        jumps = np.flatnonzero(moved > max(_JUMP * float(np.percentile(known, 99)), _FARTHEST))
        if len(jumps):
            raw.notes.append(
                f"Take care: the {name} jumps by {moved[jumps].max():.2f} m at {times[jumps[0] + 1]:.4g} s and stays "
                "there. Speed and step length across it are wrong; choose a part with --window."
            )


def untangle_heels(raw: Raw) -> None:
    """Exchanges the heel markers back from where each jumps to the place of the other."""
    if not all(name in raw.points for name in HEELS.values()):
        return
    left, right = (raw.points[name] for name in HEELS.values())
    there = np.isfinite(left).any(axis=0) & np.isfinite(right).any(axis=0)

    def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.linalg.norm((one[1:] - other[:-1])[:, there], axis=1)

    kept, exchanged = apart(left, left) + apart(right, right), apart(left, right) + apart(right, left)
    usual = np.nanpercentile(kept, 95) if np.isfinite(kept).any() else np.nan
    at = np.flatnonzero((kept > _JUMP * usual) & (exchanged < 0.2 * kept)) + 1
    if not len(at):
        return
    tangled = np.zeros(len(left), bool)
    tangled[at] = True
    tangled = np.logical_xor.accumulate(tangled)[:, None]
    raw.points |= {
        HEELS["left"]: np.where(tangled, right, left),
        HEELS["right"]: np.where(tangled, left, right),
    }
    raw.notes.append(
        f"The heel markers exchange their places {len(at)} time{'s' * (len(at) != 1)}: their names were exchanged back "
        "from there on."
    )


def clear_spikes(raw: Raw, rate: float) -> None:
    """Takes single positions of the body out that nobody can reach between two samples."""
    from scipy.ndimage import median_filter

    for name, values in raw.points.items():
        limit = 0.08 + (0.0 if not name.startswith("heel") else 6.0 / rate)
        away = np.zeros(len(values), bool)
        for axis in range(3):
            column = values[:, axis]
            good = np.flatnonzero(np.isfinite(column))
            if good.size > 10:
                inner = good[2:-2]
                off = np.abs(column[good] - median_filter(column[good], 5, mode="nearest"))[2:-2]
                away[inner[off > limit]] = True
        if away.any() and away.sum() < 0.05 * len(values):
            values = values.copy()
            values[away] = np.nan
            raw.points[name] = values
            raw.notes.append(
                f"{int(away.sum())} position{'s' if away.sum() > 1 else ''} of the {name} "
                f"jump{'s' if away.sum() == 1 else ''} by more than {100 * limit:.0f} cm and back; missing there."
            )


def say_gaps(what: str, times: np.ndarray, missing: np.ndarray, notes: list[str]) -> None:
    """Adds a sentence that names the gaps of a channel, by the clock of the file."""
    gaps = [(times[begin], times[end - 1]) for begin, end in stretches(missing)]
    if not gaps or missing.all():
        return
    what = f"{what[5:]} heel marker" if what.startswith("heel ") else what
    shown = [f"from {first:.4g} to {last:.4g} s" if last > first else f"at {first:.4g} s" for first, last in gaps[:4]]
    more = f" and in {len(gaps) - 4} more gaps" if len(gaps) > 4 else ""
    notes.append(f"There is no {what} {', '.join(shown)}{more} ({int(missing.sum())} of {missing.size} samples).")


def total_of(plates: list[Plate]) -> np.ndarray:
    """Force on the whole body, shape [samples, 3]: of all plates, or of the total where no feet are measured."""
    feet = [plate for plate in plates if plate.side != "total"]
    return np.sum([plate.force for plate in feet or plates], axis=0)


def body_of(raw: Raw) -> str:
    """Name of the point that stands for the body; "" where there is none."""
    return next((name for name in raw.points if not name.startswith("heel")), "")

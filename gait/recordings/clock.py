"""Time of a recording: uniform samples out of stamps that are rounded, jittered, repeated or have holes."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.errors import InputError
from gait.recordings.recording import stretches

SLOWEST, FASTEST = 10.0, 50_000.0
"""Rates of recordings of walks, Hz."""


@dataclasses.dataclass(frozen=True, eq=False)
class Clock:
    """Uniform times, and how to bring recorded rows to them.

    Attributes:
        begin: time of the first sample as the file counts, s.
        rate: samples a second, Hz.
        samples: how many.
        rows: row of the file for each sample, -1 in a hole; None where rows are interpolated.
        stamps: stamps of the kept rows where these are interpolated, s.
        kept: rows of the file in order of time where these are interpolated.
        holes: first and last missing time, s, by the clock of the file.
    """

    begin: float
    rate: float
    samples: int
    rows: np.ndarray | None
    stamps: np.ndarray | None = None
    kept: np.ndarray | None = None
    holes: tuple[tuple[float, float], ...] = ()

    @property
    def empty(self) -> np.ndarray:
        """Whether a sample lies in a hole, shape [samples]."""
        if self.rows is not None:
            return self.rows < 0
        assert self.stamps is not None
        after = np.clip(np.searchsorted(self.stamps, self.times - 1e-9), 1, len(self.stamps) - 1)
        return self.stamps[after] - self.stamps[after - 1] > 2.5 / self.rate

    @property
    def times(self) -> np.ndarray:
        """Times of the samples as the file counts, s."""
        return self.begin + np.arange(self.samples) / self.rate

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Recorded rows, shape [rows, ...], at the uniform times; NaN in holes."""
        if self.rows is not None:
            result = values[np.maximum(self.rows, 0)]
            if (self.rows < 0).any():
                result[self.rows < 0] = np.nan
            return result
        assert self.stamps is not None
        assert self.kept is not None
        return interpolated(self.stamps, values[self.kept], self.times, 2.5 / self.rate)


def interpolated(stamps: np.ndarray, values: np.ndarray, times: np.ndarray, longest: float) -> np.ndarray:
    """Values between recorded ones by cubic splines, never across a gap.

    Args:
        stamps: recorded times, increasing, shape [rows], s.
        values: shape [rows] or [rows, columns].
        times: where to compute, shape [samples], s.
        longest: longest time between two rows that is no gap, s.

    Returns:
        Shape [samples] or [samples, columns]; NaN outside the recorded times and in gaps.
    """
    from scipy.interpolate import CubicSpline

    flat = values.reshape(len(values), -1)
    result = np.full((len(times), flat.shape[1]), np.nan)
    for column in range(flat.shape[1]):
        good = np.flatnonzero(np.isfinite(flat[:, column]))
        if not good.size:
            continue
        breaks = np.flatnonzero((np.diff(stamps[good]) > longest) | (np.diff(good) > 1)) + 1
        for part in np.split(good, breaks):
            slack = 1e-9 + 1e-6 * longest
            inside = (times >= stamps[part[0]] - slack) & (times <= stamps[part[-1]] + slack)
            if not inside.any():
                continue
            if len(part) < 4:
                result[inside, column] = np.interp(times[inside], stamps[part], flat[part, column])
            else:
                result[inside, column] = CubicSpline(stamps[part], flat[part, column])(times[inside])
    return result.reshape(len(times), *values.shape[1:])


def recorded_rows(values: np.ndarray) -> np.ndarray | None:
    """Rows at which a slower channel was recorded, where the rows between are empty or repeat its values.

    Args:
        values: shape [rows, columns].

    Returns:
        Numbers of rows; None where a channel is as fast as its rows.
    """
    good = np.flatnonzero(np.isfinite(values).any(axis=1))
    if good.size < 10:
        return None
    steps = np.diff(good)
    every = int(np.median(steps))
    if every >= 2:
        return good if np.mean(np.abs(steps - every) <= 1) > 0.8 else None
    widest = int(np.argmax(np.nan_to_num(np.ptp(np.nan_to_num(values[good]), axis=0))))
    changes = good[1:][np.diff(values[good, widest]) != 0]
    if not 10 <= changes.size <= 0.6 * good.size:
        return None
    steps = np.diff(changes)
    every = int(np.median(steps))
    return changes if every >= 2 and np.mean(np.abs(steps - every) <= 1) > 0.9 else None


def understand_times(
    stamps: np.ndarray | None, rows: int, unit: float | None, rate: float | None, notes: list[str], what: str = ""
) -> Clock:  # fmt: skip
    """Finds the uniform times behind stamps.

    Args:
        stamps: as the file has them, shape [rows], or None.
        rows: number of rows of the file.
        unit: seconds of one unit of the stamps, where the file or the user states it.
        rate: samples a second that the file or the user states, Hz.
        notes: gets a sentence for each repair.
        what: whose times they are, for the sentences, for example " of the forces".

    Raises:
        InputError: if there are neither stamps nor a rate, if they run backwards, or if no unit fits.
    """
    if rows < 3:
        raise InputError(f"A recording needs at least three rows of numbers. Received: {rows}. Export it again.")
    if stamps is None:
        if rate is None:
            raise InputError(
                "The recording has no column of times, for example t_s, and states no rate. Say how many samples a "
                "second there are: rate=100 for 100 Hz."
            )
        notes.append(f"There is no column of times: {rate:g} Hz as stated.")
        return Clock(0.0, rate, rows, np.arange(rows))
    stamps = np.asarray(stamps, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(stamps))
    if len(kept) < len(stamps):
        notes.append(f"{len(stamps) - len(kept)} row{'s' * (len(stamps) - len(kept) > 1)} without a time left out.")
    if len(kept) < 3:
        raise InputError(f"A recording needs at least three rows with times. Received: {len(kept)}. Export it again.")
    kept = _in_order(stamps, kept, notes)
    t = stamps[kept] * _seconds(stamps[kept], unit, rate, notes)
    decimals = _quantum(t)
    fit = _uniform(t, decimals)
    if fit is None:
        kept, t = _without_repeats(t, kept, notes)
        fit = _uniform(t, decimals)
    clock = _jittered(t, kept, notes) if fit is None else _on_grid(t, kept, fit, decimals, notes)
    if not SLOWEST <= clock.rate <= FASTEST:
        raise InputError(
            f"A walk is recorded {SLOWEST:g} to {FASTEST:g} times a second. Received: {clock.rate:.4g} Hz by the "
            "times of the "
            "file. If they are in another unit, say so: units={'time': 'ms'}."
        )
    if rate and abs(clock.rate - rate) > 0.01 * rate:
        notes.append(
            f"The file or the user states {rate:g} Hz{what}, but the times say {clock.rate:.4g} Hz; the times were "
            "used."
        )
    return clock


def _in_order(stamps: np.ndarray, kept: np.ndarray, notes: list[str]) -> np.ndarray:
    """Rows in order of time; raises where a second recording begins."""
    steps = np.diff(stamps[kept])
    if (steps >= 0).all():
        return kept
    back = np.flatnonzero(steps < 0)
    if (steps <= 0).all() and (steps < 0).all():
        notes.append("Rows run backwards in time; they were turned.")
        return kept[::-1]
    order = kept[np.argsort(stamps[kept], kind="stable")]
    sorted_steps = np.diff(stamps[order])
    typical = np.median(sorted_steps)
    if (sorted_steps > 0.3 * typical).all():
        notes.append(f"Rows were not in order of time ({len(back)} times run backwards); they were sorted.")
        return order
    raise InputError(
        f"Times run backwards, as if a second recording began: {stamps[kept][back[0] + 1]:.6g} follows "
        f"{stamps[kept][back[0]]:.6g} in row {kept[back[0]] + 2}. Times of a recording increase. Split the file."
    )


def _seconds(stamps: np.ndarray, unit: float | None, rate: float | None, notes: list[str]) -> float:
    """Seconds of one unit of the stamps, by the unit stated and by orders of magnitude."""
    mean = float(stamps[-1] - stamps[0]) / (len(stamps) - 1)
    if not mean > 0:
        raise InputError(
            f"All times are {stamps[0]:g}. Times of a recording increase. Export it again, or state a rate."
        )
    if rate and not unit:
        for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
            if abs(mean * scale * rate - 1) < 0.05:
                if name != "s":
                    notes.append(f"Times are in {name}, since the rate is {rate:g} Hz.")
                return scale
    stated = unit or 1.0
    if mean * stated <= 0.15:
        return stated
    for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if 1 / 2000 <= mean * scale <= 0.11:
            notes.append(
                f"Times were taken as {name}: {mean:.4g} between two rows {'is' if unit else 'would be'} too long in s."
            )
            return scale
    raise InputError(
        f"The unit of the times cannot be told: two rows are {mean:.4g} apart, which is {1 / mean:.3g} Hz if it is "
        f"in s; a walk is recorded at {SLOWEST:g} Hz at least. Record it faster, or say the unit: "
        "units={'time': 'ms'}."
    )


def _quantum(t: np.ndarray) -> float:
    """Step to which stamps are rounded, s."""
    some = t[:5000] - t[0]
    for decimals in range(1, 9):
        if np.abs(some * 10**decimals - np.rint(some * 10**decimals)).max() < 1e-4:
            return 10.0**-decimals
    return 0.0


def _uniform(t: np.ndarray, quantum: float) -> tuple[float, float, np.ndarray] | None:
    """Begin, interval and number of each stamp if they are uniform but for rounding and holes; else None."""
    steps = np.diff(t)
    typical = np.median(steps)
    if not typical > 0:
        typical = steps.mean()
    whole = steps[steps <= 2.6 * typical]
    interval = float(whole.mean())
    exact = float(np.mean(np.abs(steps - typical) < 0.01 * typical)) > 0.9  # so rounding does not explain other steps
    quantum = 0.0 if exact else quantum
    trials = [np.arange(len(t))] if steps.max() <= 2.6 * typical or quantum > 0.2 * interval else []
    numbers = np.concatenate([[0], np.cumsum(np.maximum(1, np.rint(steps / interval)))]).astype(np.int64)
    for number in (*trials, numbers):
        centred = number - number.mean()
        slope = float(centred @ (t - t.mean()) / (centred @ centred))
        begin = float(t.mean() - slope * number.mean())
        worst = float(np.abs(t - begin - slope * number).max())
        if slope > 0 and worst <= max(0.75 * quantum if quantum > 1e-7 else 0.0, 0.01 * slope):
            return begin, slope, number
    return None


def _on_grid(
    t: np.ndarray, kept: np.ndarray, fit: tuple[float, float, np.ndarray], quantum: float, notes: list[str]
) -> Clock:  # fmt: skip
    begin, interval, number = fit
    rate = 1.0 / interval
    drift = max(quantum, 1e-3 * interval)
    for nice in (
        np.rint(rate),
        np.rint(rate * 10) / 10,
        np.rint(rate * 100) / 100,
        1 / np.rint(1 / rate) if rate < 0.5 else 0,
    ):
        if nice > 0 and abs(1 / nice - interval) * number[-1] <= drift:
            rate = float(nice)
            break
    if quantum > 0.02 * interval and np.abs(np.diff(t) - interval).max() > 0.05 * interval and number[-1] == len(t) - 1:
        notes.append(f"Times are rounded to {quantum:g} s; they were understood as uniform at {rate:.4g} Hz.")
    rows = np.full(int(number[-1]) + 1, -1, np.int64)
    rows[number] = kept
    missing = rows < 0
    first = float(t[0]) if rate * abs(t[0] - begin) < 0.02 else begin
    holes = tuple((first + begin / rate, first + (end - 1) / rate) for begin, end in stretches(missing))
    if missing.sum() > 0.5 * rows.size:
        raise InputError(
            f"More than half of the times are missing: {missing.sum()} of {rows.size} at {rate:.4g} Hz. Export the "
            "whole recording, or one without holes."
        )
    return Clock(first, rate, rows.size, rows, holes=holes)


def _without_repeats(t: np.ndarray, kept: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    repeated = np.flatnonzero(np.diff(t) <= 0) + 1
    if not repeated.size:
        return kept, t
    if repeated.size > 0.2 * t.size:
        raise InputError(
            f"{repeated.size} of {t.size} times stand twice. Times of a recording increase. Export it with more "
            "decimals, or without the column of times and with a stated rate."
        )
    notes.append(f"{repeated.size} row{'s' * (repeated.size > 1)} with the time of the row before left out.")
    stay = np.setdiff1d(np.arange(t.size), repeated)
    return kept[stay], t[stay]


def _jittered(t: np.ndarray, kept: np.ndarray, notes: list[str]) -> Clock:
    steps = np.diff(t)
    typical = float(np.median(steps))
    mean = float(steps[steps <= 2.6 * typical].mean())
    rate = float(np.rint(1 / mean)) if 1 / mean > 5 else 1 / mean
    samples = int(np.floor((t[-1] - t[0]) * rate + 1e-6)) + 1
    notes.append(
        f"Times are not uniform (steps of {1000 * steps.min():.3g} to {1000 * steps.max():.3g} ms): values were "
        f"interpolated at {rate:g} Hz by their stamps."
    )
    holes = [(float(t[k]), float(t[k + 1])) for k in np.flatnonzero(steps > 2.5 / rate)]
    return Clock(float(t[0]), rate, samples, None, t, kept, tuple(holes))

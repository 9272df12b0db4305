"""Steps of a walk as a table, and what is certain of it without any model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from gait.recordings.checks import check_travel, check_walk, missing_force, whole_strides
from gait.recordings.doubts import doubts_on
from gait.recordings.events import Events, find_events, lost_touchdowns, smoothed
from gait.recordings.integration import integrated
from gait.recordings.pressure import bridged
from gait.recordings.recording import Recording, between, recording_of, without_forces
from gait.recordings.walking import walking_part
from gait.simulation.conditions import Walks
from gait.simulation.steps import exact_events, foot_forces, mass_and_gravity

UNITS = {
    "mass": "kg", "step_time": "s", "stride_time": "s", "cadence": "steps/min", "double_support_time": "s",
    "single_support_time": "s", "stance_time": "s", "swing_time": "s", "stance_percent": "%", "speed": "m/s",
    "step_length": "m", "walk_ratio": "m/(steps/min)", "first_peak": "body weights", "second_peak": "body weights",
    "midstance_minimum": "body weights", "vertical_travel": "m", "touchdown": "s", "takeoff": "s", "foothold": "m",
}  # fmt: skip
"""Unit of each quantity."""
SUMMARY = (
    "mass", "step_time", "stride_time", "cadence", "double_support_time", "stance_percent", "speed", "step_length",
    "first_peak", "second_peak", "midstance_minimum", "vertical_travel",
)  # fmt: skip
"""Names of the quantities of `Steps.summary`."""
_APART = 0.1  # of the step length, between footholds and the way of the body
_FEWEST_SAMPLES = 5  # of a stance, whose peaks are told


@dataclasses.dataclass(frozen=True)
class Statistic:
    """Mean, standard deviation and number of a quantity; NaN where there are none.

    Attributes:
        mean, sd: in its unit.
        n: number of values.
    """

    mean: float
    sd: float
    n: int


@dataclasses.dataclass(frozen=True, eq=False)
class Steps:
    """The steps of one recording or of several simulated walks; made by `steps`.

    Attributes:
        table: one row a step, from touchdown to touchdown. SI units, cadence in steps a minute, forces in body weights,
            NaN where the recording does not tell. `leg` touches down at `touchdown`; `takeoff` is that of the other
            leg after it; `step_time` and `step_length` are those since the touchdown before, `stride_time` since that
            of the same leg; the stance is that which begins here, with two force peaks and the minimum between them;
            `vertical_travel` is that of the stride that ends here.
        masses: body mass of each whole stride on force plates, shape [strides], kg.
        speed: mean speed over whole strides, m/s.
        events: touchdowns and takeoffs of a recording.
        recording: the recording; with a `y` from the force, where none was recorded.
        notes: what was not known, and why, a sentence each.
    """

    table: pd.DataFrame
    masses: np.ndarray
    speed: float
    events: Events | None = None
    recording: Recording | None = None
    notes: tuple[str, ...] = ()

    def summary(self) -> dict[str, float]:
        """Mean of each quantity of `SUMMARY`, NaN where the recording does not tell."""
        statistics = self.statistics()
        return {name: statistics[name].mean for name in SUMMARY}

    def statistics(self, leg: str | None = None) -> dict[str, Statistic]:
        """Mean, standard deviation and number n of each quantity.

        Args:
            leg: "left" or "right" for the steps that end with a touchdown of that leg, and its stances; by default all.
        """
        table = self.table if leg is None else self.table[self.table["leg"] == leg]
        columns = {name: table[name].to_numpy(float) for name in table.columns if name in UNITS}
        columns["mass"] = self.masses
        columns["cadence"] = 60.0 / columns["step_time"]
        columns["walk_ratio"] = columns["step_length"] * columns["step_time"] / 60.0
        found = {}
        for name in (*SUMMARY, "single_support_time", "stance_time", "swing_time", "walk_ratio"):
            values = columns[name][np.isfinite(columns[name])]
            mean = float(values.mean()) if len(values) else np.nan
            found[name] = Statistic(mean, float(values.std(ddof=1)) if len(values) > 1 else np.nan, len(values))
        # Steps a minute are those of the mean step, and the speed is that over whole strides.
        found["cadence"] = dataclasses.replace(found["cadence"], mean=60.0 / found["step_time"].mean)
        if leg is None:
            found["speed"] = dataclasses.replace(found["speed"], mean=self.speed)
        return found

    def symmetry(self) -> dict[str, float]:
        """Difference right - left of each quantity as a part of the mean of both; empty where sides are not known."""
        means = [{name: row.mean for name, row in self.statistics(side).items()} for side in ("left", "right")]
        left, right = means
        names = [name for name in left if name != "mass" and np.isfinite(left[name] + right[name]) and left[name] > 0]
        return {name: 2.0 * (right[name] - left[name]) / (right[name] + left[name]) for name in names}


def steps(walks: Walks | Recording) -> Steps:
    """Measures the steps of a walk: times, lengths, speed, forces, and body mass, as far as they are certain.

    Args:
        walks: simulated walks, whose events are exact, or a recording of a real one.

    Returns:
        `Steps`.

    Raises:
        InputError: if nobody walks in the recording: standing, running, a jump, stairs, less than a whole stride.

    Source: docs/recordings.md.
    """
    if isinstance(walks, Recording):
        events, instead = find_events(walks), []
        if reason := missing_force(walks, events):
            walks = without_forces(walks)
            events = find_events(walks)
            instead = [f"Forces were not used: {reason}."]
        events, notes = walking_part(walks, events)
        notes = instead + notes
        check_walk(walks, events)
        found = _measured(walks, events)
        check_travel(found.table["vertical_travel"].to_numpy())
        return dataclasses.replace(found, notes=(*notes, *found.notes))
    parts = [_of_walk(walks, i) for i in range(len(walks.outcome))]
    table = pd.concat([part.table.assign(walk=i) for i, part in enumerate(parts)], ignore_index=True)
    table.index = pd.Index(np.concatenate([part.table.index for part in parts]), name="step")
    masses = np.concatenate([part.masses for part in parts])
    known = [part.speed for part in parts if np.isfinite(part.speed)]
    return Steps(table, masses, float(np.mean(known)) if known else np.nan)


def _of_walk(walks: Walks, i: int) -> Steps:
    """Steps of a simulated walk, with the exact events, mass and gravity."""
    mass, gravity = mass_and_gravity(walks, i)
    recording = recording_of(walks, i, gravity)
    touchdown, takeoff, foothold, legs = exact_events(walks, i)
    events = Events(touchdown, takeoff, legs, foothold, "the engine", foot_forces(walks, i))
    return _measured(recording, events, np.array([mass]) if np.isfinite(mass) else np.empty(0))


def _measured(recording: Recording, events: Events, masses: np.ndarray | None = None) -> Steps:
    notes = [events.sentence] if events.source != "the engine" else []
    if masses is None:
        masses = _masses(recording, whole_strides(recording, events))
    if not recording.has("y") and len(masses) and recording.has("fy"):
        recording, caveat = integrated(recording, events, float(masses.mean()))
        notes.append(caveat)
    mass = float(masses.mean()) if len(masses) else recording.stated_mass or np.nan
    td, up, count = events.touchdown, events.takeoff, len(events)
    lost = np.zeros(count, bool) if events.source == "the engine" else lost_touchdowns(events)
    notes += _say_lost(events, lost)
    gap = np.where(lost, np.nan, 0.0)  # before each touchdown: what reaches over it is not a number
    gaps = gap + _shifted(gap, -1)
    following, own_up = _shifted(td + gap, 1), _shifted(up + gap, 1)  # the next takeoff is this leg's
    second = _shifted(td + gaps, 2)
    step_time = td - _shifted(td, -1) + gap
    step_length, speed = events.foothold - _shifted(events.foothold, -1) + gap, _speed(recording, events)
    if recording.belt_speed is None:  # a place on the belt says nothing
        step_length[:] = np.nan
    elif events.source != "the engine" and _contradict(step_length, speed * step_time):
        notes.append(
            f"Footholds {np.nanmean(step_length):.2f} m apart contradict the way of the body, {speed:.2f} m/s in steps "
            f"of {np.nanmean(step_time):.2f} s. They were not used; step length is speed times step time. Check the "
            "centres of pressure and the corners of the plates."
        )
        events = dataclasses.replace(events, foothold=np.full(count, np.nan))
        step_length[:] = np.nan
    if not np.isfinite(step_length).any():
        step_length = speed * step_time
    peaks = np.array([_peaks(recording, events, i, own_up[i], mass) for i in range(count)]).reshape(-1, 3)
    table = pd.DataFrame(
        {
            "leg": events.leg, "touchdown": td, "takeoff": up, "foothold": events.foothold, "step_time": step_time,
            "stride_time": td - _shifted(td, -2) + gaps,
            "double_support_time": up - td, "single_support_time": following - up, "stance_time": own_up - td,
            "swing_time": second - own_up, "stance_percent": 100.0 * (own_up - td) / (second - td),
            "step_length": step_length, "speed": step_length / step_time,
            "first_peak": peaks[:, 0], "second_peak": peaks[:, 1], "midstance_minimum": peaks[:, 2],
            "vertical_travel": _travel(recording, td) + gaps,
        },
        index=pd.RangeIndex(1, count + 1, name="step"),
    )  # fmt: skip
    return Steps(table, masses, speed, events, recording, (*notes, *doubts_on(recording, events, table, masses)))


def _contradict(measured: np.ndarray, expected: np.ndarray) -> bool:
    """Whether step lengths differ on average by more than people do; False where one of them is not known."""
    both = np.isfinite(measured + expected)
    return bool(both.any() and abs(np.mean(measured[both] - expected[both])) > _APART * np.mean(expected[both]))


def _shifted(values: np.ndarray, later: int) -> np.ndarray:
    """Values of as many steps later, or earlier where negative, NaN beyond the ends; shape [n]."""
    none = np.full(min(abs(later), len(values)), np.nan)
    return np.append(values[later:], none) if later > 0 else np.append(none, values[:later])


def _say_lost(events: Events, lost: np.ndarray) -> list[str]:
    """Tells where touchdowns are missing, so that what reaches over the gap is no step."""
    spans = [f"from {events.touchdown[i - 1]:.2f} to {events.touchdown[i]:.2f} s" for i in np.flatnonzero(lost)]
    if not spans:
        return []
    more = f" and {len(spans) - 4} times more" if len(spans) > 4 else ""
    return [f"Touchdowns are missing {', '.join(spans[:4])}{more}. What reaches over them is not counted."]


def _mean_over(t: np.ndarray, values: np.ndarray, begin: float, end: float) -> float:
    """Mean of a channel between two times, by trapezia; NaN if a part is missing."""
    inside = between(t, begin, end)
    times = np.concatenate([[begin], t[inside], [end]])
    level = np.interp([begin, end], t, values)
    return float(np.trapezoid(np.concatenate([level[:1], values[inside], level[1:]]), times) / (end - begin))


def _masses(recording: Recording, strides: np.ndarray) -> np.ndarray:
    """Body mass of each stride, shape [strides], kg: over a whole stride the mean force carries the weight."""
    if not recording.has("fy"):
        return np.empty(0)
    found = [_mean_over(recording.t, recording.channels["fy"], *each) / recording.gravity for each in strides]
    return np.array([mass for mass in found if np.isfinite(mass)])


def _speed(recording: Recording, events: Events) -> float:
    """Mean speed over as many whole strides as there are, m/s."""
    if recording.belt_speed is None:
        return np.nan
    if recording.has("x"):
        x = bridged(recording, recording.channels["x"])
        places = np.interp(events.touchdown, recording.t, x)
        known = np.flatnonzero(np.isfinite(places))
        if len(known) > 2:
            first = known[0]
            last = first + 2 * ((known[-1] - first) // 2)  # an even number of steps, so that both legs count alike
            while last > first and not np.isfinite(places[last]):
                last -= 2
            if last > first:
                return float((places[last] - places[first]) / (events.touchdown[last] - events.touchdown[first]))
    if recording.belt_speed:
        return recording.belt_speed
    if recording.has("vx") and len(events) > 2:
        return _mean_over(recording.t, recording.channels["vx"], events.touchdown[0], events.touchdown[2])
    known = np.flatnonzero(np.isfinite(events.foothold))
    pairs = [(i, j) for i in known[:2] for j in known[-2:] if j > i and (j - i) % 2 == 0]
    if pairs:
        first, last = max(pairs, key=lambda pair: pair[1] - pair[0])
        way = events.foothold[last] - events.foothold[first]
        return float(way / (events.touchdown[last] - events.touchdown[first]))
    return np.nan


def _peaks(recording: Recording, events: Events, i: int, end: float, mass: float) -> tuple[float, float, float]:
    """First and second force peak of the stance that begins with touchdown i, and the minimum between, body weights."""
    force = events.feet.get(events.leg[i])
    if force is None or not np.isfinite(end) or not np.isfinite(mass):
        return np.nan, np.nan, np.nan
    begin = events.touchdown[i]
    inside = between(recording.t, begin, end)
    values = force[inside] / (mass * recording.gravity)
    if len(values) < _FEWEST_SAMPLES or not np.isfinite(values).all():
        return np.nan, np.nan, np.nan
    part = (recording.t[inside] - begin) / (end - begin)
    early, late = values[part < 0.5], values[part >= 0.5]
    first, second = int(np.argmax(early)), len(early) + int(np.argmax(late))
    return float(values[first]), float(values[second]), float(values[first : second + 1].min())


def _travel(recording: Recording, touchdown: np.ndarray) -> np.ndarray:
    """Largest less smallest height in the stride that ends with each touchdown, shape [n], m."""
    found = np.full(len(touchdown), np.nan)
    if not recording.has("y"):
        return found
    y = recording.channels["y"]
    if recording.rate > 40.0:
        smooth = smoothed(recording, y, 10.0)
        y = np.where(np.isfinite(smooth), smooth, y)
    for i in range(2, len(touchdown)):
        values = y[between(recording.t, touchdown[i - 2], touchdown[i])]
        if len(values) > 2 and np.isfinite(values).all():
            found[i] = np.ptp(values)
    return found

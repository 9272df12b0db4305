"""Touchdowns and takeoffs in a recording."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import signal

from gait.recordings.pressure import bridged, centre_of_pressure, split_force
from gait.recordings.recording import HOLD, LOADED, SIDES, TURNS, Recording, between, stretches

NOTHING = "nothing"
"""Source of the events of a recording that tells none."""
MISSED = 1.5
"""Usual times between two touchdowns that mean that one between them is missing."""
_LIGHT = 40.0  # kg, below which 20 N are too large a part of the weight
_PART_OF_WEIGHT = 0.025  # 20 N of 80 kg
_BRUSH = 0.3  # of the usual largest force of a contact
_OFTEN = 0.05  # of the time, below zero: more often than a plate whose swing was set to zero
_NOISES = 3.0  # standard deviations of a plate without a load
_FASTEST = 0.25  # s, the shortest step of a person
_SWINGING = 0.3  # m/s, above which a heel is in the air
_AT_REST = 0.06  # of its greatest speed, below which a heel has come to rest
_SETTLED = 0.003  # m from where it rests, within which it has touched down
_BORDER = 0.1  # s from an end or a gap, in which smoothed channels are not to be trusted
_FAST_ENOUGH = 40.0  # Hz, at which accelerations can be told from heights
_CUTOFF = 6.0  # Hz, of the vertical motion and force: the third harmonic of a quick step


@dataclasses.dataclass(frozen=True, eq=False)
class Events:
    """Steps of a recording; one touchdown each, in order of time.

    Attributes:
        touchdown: shape [n], s.
        takeoff: when the other leg, behind, takes off after each touchdown, shape [n], s; NaN where that is not known.
        leg: leg that touches down, shape [n]: "left", "right", or "first" and "second" in turn where sides are not
            known.
        foothold: forward position of each foot over the ground, shape [n], m; NaN where that is not known.
        source: what they were found from: "force of each foot", "force and centre of mass", "vertical force", "heel
            markers" or "vertical motion".
        feet: name of a leg → vertical force on it, shape [samples], N; empty where only the sum is known.
        threshold: force above which a foot is on the ground, N.
        brushes: number of contacts that were left out, since they carry far less than the others.
        rhythm: smoothed channel whose lowest points are the steps, shape [samples]; empty where they are from feet.
    """

    touchdown: np.ndarray
    takeoff: np.ndarray
    leg: np.ndarray
    foothold: np.ndarray
    source: str
    feet: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    threshold: float = LOADED
    brushes: int = 0
    rhythm: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))

    def __len__(self) -> int:
        return len(self.touchdown)

    @property
    def _contacts_in_words(self) -> str:
        words = ""
        if self.brushes:
            words = (
                f" {self.brushes} contact{'s' * (self.brushes != 1)} with less than {100 * _BRUSH:.0f} % of the usual "
                "force were left out."
            )
        if self.threshold <= LOADED:
            return words
        return (
            f"{words} {LOADED:g} N would be within the noise of the plates. Double support comes out shorter for that."
        )

    @property
    def sentence(self) -> str:
        """Tells what the steps were found from, and with which thresholds."""
        if self.feet:
            return (
                f"Steps from {self.source}: a foot is on the ground above {self.threshold:.3g} N for at least "
                f"{1000 * HOLD:g} ms.{self._contacts_in_words}"
            )
        return {
            "heel markers": "Steps from heel markers: a heel touches down when it comes to rest. They tell no takeoff.",
            "vertical force": "Steps from the sum of both feet's force, which is largest in double support: they tell "
                              "when steps follow each other, but neither touchdown nor takeoff.",
            "vertical motion": "Steps without force, from the vertical motion, which is lowest in double support: they "
                               "tell when steps follow each other, but neither touchdown nor takeoff.",
        }[self.source]  # fmt: skip


def find_events(recording: Recording) -> Events:
    """Finds the steps of a recording from the best of its channels.

    Forces of each foot come first. Where there is only their sum, the centre of pressure of a point mass,
    x - y fx / fy, splits it, if it rests on footholds; a person's does not. Then come heel markers, the rhythm of the
    vertical force, and that of the vertical motion.

    Args:
        recording: a recorded walk.

    Returns:
        Its steps; none if nobody walks in it.
    """
    if recording.has("fy_left", "fy_right"):
        names = SIDES if recording.sides_known else TURNS
        feet = {name: recording.channels[f"fy_{side}"] for name, side in zip(names, SIDES, strict=True)}
        return _from_feet(recording, feet, "force of each foot")
    if recording.has("x", "y", "fx", "fy"):
        split = split_force(recording.t, centre_of_pressure(recording), recording.channels["fy"])
        if split:
            return _from_feet(recording, split, "force and centre of mass")
    if recording.has("heel_x_left", "heel_x_right"):
        found = _from_heels(recording)
        if len(found) > 2 or not recording.has("y"):
            return found
    if recording.has("fy"):
        return _from_rhythm(recording, -recording.channels["fy"], "vertical force")
    if recording.has("y"):
        return _from_rhythm(recording, recording.channels["y"], "vertical motion")
    return _none(NOTHING)


def _none(source: str) -> Events:
    empty = np.empty(0)
    return Events(empty, empty, np.empty(0, str), empty, source)


def lost_touchdowns(events: Events) -> np.ndarray:
    """Whether touchdowns are missing between each touchdown and the one before, as in a gap; shape [n].

    Two in a row are then of one leg, or half as far apart again as usual.
    """
    lost = np.zeros(len(events), bool)
    if len(events) > 2:
        apart = np.diff(events.touchdown)
        lost[1:] = (apart > MISSED * np.median(apart)) | (events.leg[1:] == events.leg[:-1])
    return lost


# Contacts ------------------------------------------------------------------------------------


def threshold_of(recording: Recording, feet: dict[str, np.ndarray]) -> float:
    """Vertical force above which a foot is on the ground, N.

    It is 20 N, for bodies of less than 40 kg a part of their weight, and above the noise of the plates.

    Args:
        recording: a recorded walk.
        feet: name of a leg → vertical force on it, shape [samples], N.
    """
    total = np.sum(list(feet.values()), axis=0)
    loaded = total[total > LOADED]
    weight = float(np.mean(loaded)) if len(loaded) else np.inf
    usual = LOADED if weight > _LIGHT * recording.gravity else min(LOADED, _PART_OF_WEIGHT * weight)
    # A plate pushes, so that whatever is below zero is noise.
    below = [force[force < 0.0] for force in feet.values() if (force < 0.0).mean() > _OFTEN]
    noise = max((float(np.sqrt(np.mean(each**2))) for each in below), default=0.0)
    return max(usual, _NOISES * noise)


def contacts(recording: Recording, force: np.ndarray, threshold: float = LOADED) -> np.ndarray:
    """Times at which a foot is on the ground.

    Args:
        recording: a recorded walk.
        force: vertical force on the foot, shape [samples], N.
        threshold: force above which it is on the ground, N.

    Returns:
        Touchdown and takeoff of each contact, shape [contacts, 2], s, interpolated between samples; NaN where a
        contact reaches over an end of the recording or of a gap.
    """
    known = np.isfinite(force)
    down = known & (force > threshold)
    shortest = HOLD * recording.rate
    edges = np.flatnonzero(np.diff(down)) + 1
    while len(edges) > 1 and np.diff(edges).min() < shortest:  # the shortest run is part of those around it
        first = int(np.argmin(np.diff(edges)))
        edges = np.delete(edges, [first, first + 1])
    times = [_crossing(recording.t, force, int(edge), threshold) for edge in edges]
    if down[0]:
        times.insert(0, np.nan)
    if len(times) % 2:
        times.append(np.nan)
    return np.reshape(times, (-1, 2))


def _crossing(t: np.ndarray, force: np.ndarray, edge: int, threshold: float) -> float:
    """Time at which a force crosses the threshold before sample `edge`; NaN at the border of a gap.

    The line through the two samples on the loaded side tells it: the force of a foot in the air is 0, so that a line
    through one sample on either side would come too early at a touchdown, by up to half a sample.
    """
    if not np.isfinite(force[edge - 1] + force[edge]):
        return np.nan
    rising = force[edge] > threshold
    near, inner = (edge, min(edge + 1, len(t) - 1)) if rising else (edge - 1, max(edge - 2, 0))
    slope = (force[inner] - force[near]) / (t[inner] - t[near]) if inner != near else np.nan
    time = t[near] + (threshold - force[near]) / slope if slope else np.nan
    if not np.isfinite(time):
        time = 0.5 * (t[edge - 1] + t[edge])
    return float(np.clip(time, t[edge - 1], t[edge]))


def _from_feet(recording: Recording, feet: dict[str, np.ndarray], source: str) -> Events:
    """Steps from the vertical force on each foot."""
    threshold = threshold_of(recording, feet)
    stances = {leg: contacts(recording, force, threshold) for leg, force in feet.items()}
    brushes = _brushes(recording, feet, stances)
    stances = {leg: each[~brushes[leg]] for leg, each in stances.items()}
    ends = {leg: dict(each) for leg, each in stances.items()}
    downs = [(down, leg) for leg, each in stances.items() for down in each[:, 0] if np.isfinite(down)]
    downs.sort()
    touchdown, leg = np.array([down for down, _ in downs]), np.array([leg for _, leg in downs], dtype=str)
    takeoff, foothold = np.full(len(downs), np.nan), np.full(len(downs), np.nan)
    centre = centre_of_pressure(recording) if recording.has("x", "y", "fx", "fy") else None
    for i, (down, own) in enumerate(downs):
        (other,) = (name for name in feet if name != own)
        begins, up = stances[other].T
        begun = begins < down  # a foot that has come down since has another takeoff; what a gap hides is not known
        begun[:1] |= np.isnan(begins[:1])
        up = up[begun & (up > down)]
        takeoff[i] = up[0] if len(up) else np.nan
        foothold[i] = _foothold(recording, centre, own, down, ends[own][down])
    count = sum(int(each.sum()) for each in brushes.values())
    return Events(touchdown, takeoff, leg, foothold, source, feet, threshold, brushes=count)


def _brushes(
    recording: Recording, feet: dict[str, np.ndarray], stances: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:  # fmt: skip
    """Whether each contact is far lighter than the others: a foot that brushes the ground, or the other one's plate."""

    def peak(force: np.ndarray, stance: np.ndarray) -> float:
        return float(np.max(force[between(recording.t, *stance)], initial=0.0)) if np.isfinite(stance).all() else np.nan

    peaks = {leg: np.array([peak(feet[leg], stance) for stance in stances[leg]]) for leg in feet}
    known = np.concatenate(list(peaks.values()))
    usual = float(np.nanmedian(known)) if np.isfinite(known).any() else 0.0
    return {leg: each < _BRUSH * usual for leg, each in peaks.items()}


def _foothold(recording: Recording, centre: np.ndarray | None, leg: str, down: float, up: float) -> float:
    """Forward position of a foot in the middle half of its stance, NaN where nothing tells it."""
    if not np.isfinite(up):
        return np.nan
    middle = between(recording.t, 0.75 * down + 0.25 * up, 0.25 * down + 0.75 * up)
    side = leg if leg in SIDES else SIDES[TURNS.index(leg)]
    for name in (f"px_{side}", f"heel_x_{side}"):
        if recording.has(name) and np.isfinite(values := recording.channels[name][middle]).any():
            return float(np.nanmean(values))
    if centre is not None and np.isfinite(centre[middle]).any():  # a walker's force points from its foot to the mass
        return float(np.nanmedian(centre[middle]))
    return np.nan


# Other channels ------------------------------------------------------------------------------


def smoothed(recording: Recording, values: np.ndarray, cutoff: float = _CUTOFF) -> np.ndarray:
    """A channel without what is faster than a cut-off, by a Butterworth filter of order 2 run forward and backward.

    Args:
        recording: a recorded walk.
        values: shape [samples].
        cutoff: Hz.

    Returns:
        Shape [samples]; NaN where there are no whole 0.5 s of numbers.
    """
    found, filled = np.full(len(values), np.nan), bridged(recording, values)
    if recording.rate < 3.0 * cutoff:
        return filled
    numerator, denominator = signal.butter(2, cutoff, fs=recording.rate)
    known = np.isfinite(filled)
    for first, last in stretches(known):
        if last - first > max(0.5 * recording.rate, 12):
            found[first:last] = signal.filtfilt(numerator, denominator, filled[first:last])
    return found


def vertical_acceleration(recording: Recording) -> np.ndarray:
    """Acceleration of the smoothed height, shape [samples], m/s²; NaN where no height or too few samples tell it."""
    if not recording.has("y") or recording.rate < _FAST_ENOUGH:
        return np.full(len(recording.t), np.nan)
    height = smoothed(recording, recording.channels["y"])
    return np.gradient(np.gradient(height, recording.t), recording.t)


def _from_heels(recording: Recording) -> Events:
    """Touchdowns where a heel comes to rest on the ground."""
    found: list[tuple[float, str, float]] = []
    for side in SIDES:
        x = bridged(recording, recording.channels[f"heel_x_{side}"])
        speed = np.gradient(x, recording.t)
        if not np.isfinite(speed).any():
            continue
        swings = speed[speed > _SWINGING]
        quick = np.percentile(swings, 85) if len(swings) else np.nanpercentile(speed, 95)
        fast = speed > _AT_REST * quick
        hold = max(round(HOLD * recording.rate), 2)
        for edge in np.flatnonzero(np.diff(fast.astype(int)) == -1) + 1:
            begun = edge >= hold and (not fast[:edge].all() or speed[0] < 0.5 * quick)  # of a swing seen from its begin
            if begun and fast[edge - hold : edge].all() and not fast[edge : edge + hold].any():
                resting = x[edge + hold // 2 : edge + max(round(0.2 * recording.rate), 2)]
                if not np.isfinite(resting).any():
                    continue
                place = float(np.nanmedian(resting))
                left = place - x[edge - hold : edge + hold]
                last = np.flatnonzero(left > _SETTLED)
                time = recording.t[edge]  # of a heel that creeps on
                if len(last) and last[-1] + 1 < len(left):
                    i, step = edge - hold + last[-1], left[last[-1]] - left[last[-1] + 1]
                    time = recording.t[i] + (left[last[-1]] - _SETTLED) / step / recording.rate
                found.append((float(time), side, place))
    found.sort()
    times = np.array([time for time, *_ in found])
    legs, places = np.array([leg for _, leg, _ in found], dtype=str), np.array([place for *_, place in found])
    return Events(times, np.full(len(found), np.nan), legs, places, "heel markers")


def _from_rhythm(recording: Recording, values: np.ndarray, source: str) -> Events:
    """Steps from lowest points of a channel that falls and rises once a step."""
    smooth = smoothed(recording, values)
    if not np.isfinite(smooth).any():
        return _none(source)
    height = np.nanmax(smooth) - np.nanmin(smooth)
    lowest = np.where(np.isfinite(smooth), smooth, np.nanmax(smooth))
    found, _ = signal.find_peaks(-lowest, prominence=0.3 * height, distance=max(1, round(_FASTEST * recording.rate)))
    border = max(1, round(_BORDER * recording.rate))  # there a filter bends
    found = np.array([k for k in found if np.isfinite(smooth[max(k - border, 0) : k + border + 1]).all()
                      and border <= k < len(smooth) - border], int)  # fmt: skip
    before, at, after = smooth[found - 1], smooth[found], smooth[found + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = 0.5 * (before - after) / (before - 2.0 * at + after)  # vertex of a parabola
    times = recording.t[found] + np.nan_to_num(shift) / recording.rate
    legs = np.array(["first", "second"])[np.arange(len(times)) % 2]
    empty = np.full(len(times), np.nan)
    return Events(times, empty, legs, empty, source, rhythm=smooth)

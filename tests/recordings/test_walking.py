"""What is a walk in a recording and what is not: standing before and after it, steps on the spot, squats, noise."""

import re

import numpy as np
import pytest

from gait.errors import InputError
from gait.recordings.reading import read_recording
from gait.recordings.steps import steps
from gait.recordings.walking import still
from tests.helpers.recordings import csv_text, made
from tests.helpers.walks_of_people import recorded

WEIGHT = 80.0 * 9.81
PATH = ("t_s", "x_m", "y_m")
FEET = tuple(f"{name}_{side}_N" for side in ("left", "right") for name in ("fx", "fy"))
HEELS = tuple(f"heel_{axis}_{side}_m" for side in ("left", "right") for axis in "xy")


@pytest.fixture(scope="module")
def walk():
    return made(duration=6.0)


@pytest.fixture
def read(tmp_path):
    def reading(columns, names=None, **hints):
        path = tmp_path / "walk.csv"
        path.write_text(csv_text({name: columns[name] for name in names or columns}), encoding="utf-8")
        return read_recording(path, **hints)

    return reading


def with_standing(walk, before, after=None):
    """The walk between times [s] of standing on both feet, which sway."""
    counts = [round(100 * time) for time in (before, before if after is None else after)]
    rng = np.random.default_rng(1)

    def held(values, ends=None):
        first, last = (values[0], values[-1]) if ends is None else (ends, ends)
        return np.concatenate([np.full(counts[0], first), values, np.full(counts[1], last)])

    columns = {"x_m": held(walk.x), "y_m": held(walk.y)}
    for side in ("left", "right"):
        columns[f"fx_{side}_N"] = held(walk.feet[f"fx_{side}"], 0.0)
        columns[f"fy_{side}_N"] = held(walk.feet[f"fy_{side}"], WEIGHT / 2)
        for axis in "xy":
            columns[f"heel_{axis}_{side}_m"] = held(walk.feet[f"heel_{axis}_{side}"])
    columns |= {f"{name}_N": columns[f"{name}_left_N"] + columns[f"{name}_right_N"] for name in ("fx", "fy")}
    t = np.arange(len(columns["x_m"])) * 0.01
    sway = {"m": 1e-4, "N": 2.0}
    return {"t_s": t} | {
        name: values + sway[name[-1]] * rng.standard_normal(len(t)) for name, values in columns.items()
    }


@pytest.mark.parametrize("standing", [4.0, 25.0])
@pytest.mark.parametrize(
    "names",
    [(*PATH, *FEET), ("t_s", *FEET), (*PATH, "fx_N", "fy_N"), PATH, (*PATH, *HEELS), ("t_s", "fy_N")],
    ids=["feet and path", "feet", "sum and path", "path", "heels", "vertical force"],
)
def test_standing_before_and_after_is_left_out_and_told(read, walk, names, standing):
    columns = with_standing(walk, standing)
    found = steps(read(columns, names))
    summary = found.summary()
    assert summary["step_time"] == pytest.approx(walk.step_time, abs=5e-4)
    if "x_m" in names:
        assert found.recording.belt_speed == 0  # a body that stands most of the time is on no treadmill
        assert summary["speed"] == pytest.approx(walk.speed, rel=2e-3)
    if "fy_left_N" in names:
        assert summary["mass"] == pytest.approx(80.0, abs=0.1)
    assert any("stands still from 0.0 to" in note and "next to standing" in note for note in found.notes)
    inside = found.table["touchdown"]
    assert inside.min() > standing + 0.5
    assert inside.max() < standing + 6.0 - 0.5


def test_of_two_walks_the_longest_is_measured(read, walk):
    short = made(duration=3.0)
    first, second = with_standing(short, 2.0), with_standing(walk, 2.0)
    both = {name: np.concatenate([first[name], second[name] + (first[name][-1] - second[name][0]) * (name == "x_m")])
            for name in first}  # fmt: skip
    both["t_s"] = np.arange(len(both["x_m"])) * 0.01
    found = steps(read(both, (*PATH, *FEET)))
    assert found.table["touchdown"].min() > 7.0
    assert any("The longest walk was measured" in note for note in found.notes)


@pytest.mark.parametrize("channels", [("y",), ("fy",)])
def test_nobody_stands_in_a_walk(channels):
    """A control: not even with noise is a moment of a walk taken for standing."""
    recording = recorded(channels=channels)
    rng = np.random.default_rng(2)
    noise = {"y": 0.002, "fy": 10.0}[channels[0]]
    recording.channels[channels[0]] = recording.channels[channels[0]] + noise * rng.standard_normal(len(recording.t))
    assert not still(recording).any()


def test_slow_walking_is_no_standing():
    """0.4 m/s: the height of the body changes by 1 cm, the force by 5 % to either side."""
    t = np.arange(1000) * 0.01
    wave = np.cos(2 * np.pi * t / 0.9)
    recording = recorded(channels=("y",))
    for channels in ({"y": 0.95 + 0.005 * wave}, {"fy": WEIGHT * (1 + 0.05 * wave)}):
        slow = type(recording)(t, channels, 100.0)
        assert not still(slow).any()
        assert steps(slow).summary()["step_time"] == pytest.approx(0.9, abs=2e-3)


# No walks ------------------------------------------------------------------------------------


def refusal(recording):
    with pytest.raises(InputError) as error:
        steps(recording)
    return str(error.value)


def test_squats(read):
    t = np.arange(1000) * 0.01
    turn = 2 * np.pi / 1.4
    y = 0.8 - 0.2 * np.cos(turn * t)
    force = WEIGHT + 80 * 0.2 * turn**2 * np.cos(turn * t)
    assert "Squats" in refusal(read({"t_s": t, "x_m": 0.001 * np.sin(3 * t), "y_m": y}))
    assert "Squats" in refusal(read({"t_s": t, "fy_N": force}))
    assert "Squats" in refusal(
        read({"t_s": t, "y_m": y, "x_m": 0 * t, "fy_left_N": force / 2, "fy_right_N": force / 2})
    )


def test_steps_on_the_spot(read, walk):
    path = {"t_s": walk.t, "x_m": walk.x - walk.speed * walk.t, "y_m": walk.y}
    recording = read(path)
    assert recording.belt_speed is None
    assert any("or on the spot" in note for note in recording.notes)
    assert np.isnan(steps(recording).summary()["speed"])
    assert "goes forward at 0.0" in refusal(read(path, belt_speed=0.0))


def test_noise_has_no_rhythm(read):
    t = np.arange(1000) * 0.01
    refusals = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        columns = {"t_s": t, "x_m": 1.2 * t, "y_m": 0.9 + 0.01 * rng.standard_normal(len(t))}
        refusals.append(refusal(read(columns)))
    assert sum("no steps of a walk" in text for text in refusals) > 5  # others hold too few


def test_the_force_of_one_foot_tells_no_steps(read, walk):
    assert "Steps cannot be told" in refusal(read({"t_s": walk.t, "fy_left_N": walk.feet["fy_left"]}))


def test_what_is_faster_than_a_walk(read, walk):
    assert "5.1 m/s" in refusal(read({"t_s": walk.t, "x_m": walk.x + 3.9 * walk.t, "y_m": walk.y}, belt_speed=0.0))


# What deserves a look ------------------------------------------------------------------------


def test_bounces_that_are_no_steps_are_doubted(read, walk):
    """A body that goes twice as far between two lowest points as its height allows."""
    found = steps(read({"t_s": walk.t, "x_m": walk.x + 1.6 * walk.t, "y_m": walk.y}))
    assert any("Take care" in note and "bounces" in note for note in found.notes)
    assert not any("Take care" in note for note in steps(read({"t_s": walk.t, "x_m": walk.x, "y_m": walk.y})).notes)


def test_a_mass_of_nobody_is_doubted():
    recording = recorded(channels=("fy",))
    recording.channels["fy"] = recording.channels["fy"] * 5.0
    assert any("400 kg is not that of a person" in note for note in steps(recording).notes)


def test_exchanged_sides_are_doubted(read, walk):
    places = {f"heel_z_{side}_m": np.full(len(walk.t), z) for side, z in (("left", 0.1), ("right", -0.1))}
    heels = {name: walk.feet[name[:-2]] for name in HEELS}
    columns = {"t_s": walk.t, "x_m": walk.x, "y_m": walk.y, "z_m": 0 * walk.t} | heels
    assert any("exchanged" in note for note in read(columns | places).notes)
    right_way = {name: -values for name, values in places.items()}
    assert not any("exchanged" in note for note in read(columns | right_way).notes)


def test_strides_of_different_mass_are_doubted(read, walk):
    """One foot stands half beside its plate once."""
    forces = {name: walk.feet[name[:-2]].copy() for name in FEET}
    once = (walk.t > 2.0) & (walk.t < 2.7)
    forces["fy_left_N"][once] *= 0.5
    found = steps(read({"t_s": walk.t, "x_m": walk.x, "y_m": walk.y} | forces))
    assert any("single strides carries" in note for note in found.notes)
    forces = {name: walk.feet[name[:-2]] for name in FEET}
    assert not any("Take care" in note for note in steps(read({"t_s": walk.t, "x_m": walk.x} | forces)).notes)


def test_an_offset_of_the_sum_is_seen_by_the_motion(read, walk):
    """No foot is ever off the plates, so that only the motion tells of the offset."""
    columns = {"t_s": walk.t, "x_m": walk.x, "y_m": walk.y, "fy_N": walk.fy + 40.0}
    (note,) = [note for note in steps(read(columns)).notes if "accelerates the body" in note]
    numbers = [float(word) for word in re.findall(r"\d+\.?\d*", note)]
    assert numbers == pytest.approx([80.0 + 40.0 / 9.81, 80.0, 40.0], rel=0.2)
    assert numbers[1] == pytest.approx(80.0, abs=1.0)
    columns["fy_N"] = walk.fy
    assert not any("accelerates" in note for note in steps(read(columns)).notes)


def test_heels_whose_names_are_exchanged_midway(read, walk):
    columns = {"t_s": walk.t, "x_m": walk.x, "y_m": walk.y} | {name: walk.feet[name[:-2]].copy() for name in HEELS}
    after = walk.t > 2.5
    for axis in "xy":
        left, right = (f"heel_{axis}_{side}_m" for side in ("left", "right"))
        columns[left] = np.where(after, walk.feet[right[:-2]], walk.feet[left[:-2]])
        columns[right] = np.where(after, walk.feet[left[:-2]], walk.feet[right[:-2]])
    recording = read(columns)
    assert any("exchanged back" in note for note in recording.notes)
    assert np.nanmax(np.abs(recording.channels["heel_x_left"] - walk.feet["heel_x_left"])) < 1e-6
    assert steps(recording).summary()["step_time"] == pytest.approx(walk.step_time, abs=3e-3)


def test_a_marker_that_stands_still_elsewhere_is_missing(read, walk):
    x, y = walk.x.copy(), walk.y.copy()
    x[150:175] = y[150:175] = -1.0
    recording = read({"t_s": walk.t, "x_m": x, "y_m": y})
    assert np.isnan(recording.channels["y"][150:175]).all()
    assert any("25 positions" in note and "stand still" in note for note in recording.notes)


def test_a_belt_that_runs_unevenly_is_asked_for(read, walk):
    way = np.cumsum(1 + 0.1 * np.sin(1.1 * walk.t)) * 0.01 * walk.speed
    columns = {"t_s": walk.t, "x_m": walk.x - way, "y_m": walk.y} | {name: walk.feet[name[:-2]] for name in HEELS}
    for side in ("left", "right"):
        columns[f"heel_x_{side}_m"] = columns[f"heel_x_{side}_m"] - way
    recording = read(columns)
    assert recording.belt_speed is None
    assert any("too unevenly" in note for note in recording.notes)


def test_too_few_samples_in_a_step(read, walk):
    rows = slice(None, None, 10)
    columns = {"t_s": walk.t[rows], "x_m": walk.x[rows], "y_m": walk.y[rows], "fx_N": walk.fx[rows],
               "fy_N": walk.fy[rows]}  # fmt: skip
    assert "Record it faster" in refusal(read(columns))


@pytest.mark.parametrize("factor", [-1.0, 0.02, 2.0])
def test_footholds_that_contradict_the_way_are_not_used(read, walk, factor):
    """Wrong corners of a plate turn its centres of pressure round; the body goes on."""
    columns = {"t_s": walk.t, "x_m": walk.x, "y_m": walk.y} | {name: walk.feet[name[:-2]] for name in FEET}
    places = {f"px_{side}_m": walk.feet[f"px_{side}"] for side in ("left", "right")}
    right = steps(read(columns | places))
    assert not any("contradict" in note for note in right.notes)
    found = steps(read(columns | {name: factor * values for name, values in places.items()}, belt_speed=0.0))
    assert any("contradict the way of the body" in note for note in found.notes)
    assert found.summary()["step_length"] == pytest.approx(right.summary()["step_length"], rel=2e-3)


def test_lost_frames_take_their_time(read, walk):
    """No times, but numbers of frames with a hole."""
    rows = np.flatnonzero((walk.t < 2.0) | (walk.t > 2.3))
    columns = {"frame": 1.0 + rows, "x_m": walk.x[rows], "y_m": walk.y[rows], "fy_N": walk.fy[rows]}
    recording = read(columns, rate=100.0)
    assert recording.duration == pytest.approx(walk.t[-1])
    assert steps(recording).summary()["speed"] == pytest.approx(walk.speed, rel=5e-3)
    assert any("frames are missing" in note for note in recording.notes)


@pytest.mark.parametrize("name", ["{}_Force_N", "{} total force [N]", "{}_load_N", "{}_insole_force (N)"])
def test_insoles_tell_the_force_across_the_ground(read, walk, name):
    columns = {"time": walk.t} | {name.format(side.title()): walk.feet[f"fy_{side}"] for side in ("left", "right")}
    recording = read(columns)
    assert np.nanmax(np.abs(recording.channels["fy_left"] - walk.feet["fy_left"])) < 1e-3
    assert steps(recording).summary()["mass"] == pytest.approx(80.0, abs=0.1)


@pytest.mark.parametrize(("left", "right"), [("links", "rechts"), ("gauche", "droite"), ("izquierda", "derecha")])
def test_sides_in_other_languages(read, walk, left, right):
    columns = {"t_s": walk.t, f"Fy_{right}": walk.feet["fy_right"], f"Fy_{left}": walk.feet["fy_left"]}
    recording = read(columns)
    assert recording.sides_known
    assert np.nanmax(np.abs(recording.channels["fy_left"] - walk.feet["fy_left"])) < 1e-3

"""Reading the shared recordings with one hazard each, and the real walk, where they are."""

import functools
import json

import numpy as np
import pytest

from gait.recordings.reading import read_recording
from tests.helpers.recordings import SHARED, G, made, shared

FOLDER = SHARED / "recordings"
TRUTH = json.loads((FOLDER / "truth.json").read_text(encoding="utf-8")) if (FOLDER / "truth.json").exists() else {}
SAID = {
    "open/unit_in_name_mm.csv": "converted from mm",
    "open/semicolon_decimal_comma.csv": "semicolons and decimals by commas",
    "open/rounded_times_60hz.csv": "uniform at 60 Hz",
    "open/jittered_times.csv": "not uniform",
    "open/nan_gap.csv": "no centre of mass from 1.8 to 1.87 s",
    "open/walks_backwards_in_x.csv": "Forward is -x",
    "open/treadmill.csv": "--belt_speed",
    "open/plate_offset.csv": "right foot's force reads 25.0 N",
    "open/rows_more_than_there_are.mot": "9999 rows and there are 400",
    "open/five_plates_one_step_each.mot": "Every foot on the ground is on a plate from",
    "open/blank_cells.trc": "no centre of mass from 0.6 to 0.67 s",
    "open/treadmill.trc": "on a treadmill",
    "open/two_plates.c3d": "Up is +z",
    "open/plate_offset.c3d": "plate 1 reads -20.0 N",
    "open/treadmill_split_belt.c3d": "on a treadmill",
}
"""Words that one of the notes must have."""
pytestmark = pytest.mark.skipif(not TRUTH, reason="the shared recordings are not there")


@functools.cache
def walker(mass, leg, rate):
    return made(duration=4.02, rate=rate, mass=mass, leg=leg)


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_channels_are_those_of_the_walker(name):
    true = TRUTH[name]
    recording = read_recording(FOLDER / name)
    walk = walker(true["mass_kg"], true["rest_length_m"], round(recording.rate))
    count = len(recording.t)
    noise = 5 * true.get("noise_m", 0.0)
    spline = 1e-4 if "jittered" in name else 0.0  # kinks of the force bend a cubic spline
    close = {"x": 2e-5 + spline, "y": 2e-5 + spline, "fx": 0.02, "fy": 0.02}
    if name == "open/swing_noise.csv":
        close["fy"] = 5 * 6 * 2**0.5
    for channel, tolerance in close.items():
        if not recording.has(channel):
            continue
        got, exact = recording.channels[channel], getattr(walk, channel)[:count]
        weigh = recording.on_plates if channel.startswith("f") else np.isfinite(got)
        off = np.abs(got - exact)[weigh & np.isfinite(got)]
        if channel == "x" and recording.belt_speed:
            tolerance = 3e-3 * recording.t[-1]  # the belt's speed within 0.3 %
        if spline and channel.startswith("f"):
            assert np.median(off) < 0.1
            assert np.percentile(off, 90) < 5
        else:
            assert np.percentile(off, 98) < tolerance + noise, channel
            assert off.max() < 50 * tolerance + noise, (
                channel
            )  # samples beside a takeoff, where a file was interpolated


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_numbers_are_those_of_the_truth(name):
    true = TRUTH[name]
    recording = read_recording(FOLDER / name)
    if name in SAID:
        assert any(SAID[name] in note for note in recording.notes)
    if recording.has("fy"):
        at = np.flatnonzero(recording.on_plates)
        steps = int((at[-1] - at[0] + 1) / recording.rate / true["step_time_s"])
        assert steps >= 2
        part = recording.channels["fy"][at[0] : at[0] + round(steps * true["step_time_s"] * recording.rate)]
        assert part.mean() / G == pytest.approx(true["mass_kg"], rel=0.005)
    if recording.has("x"):
        good = np.isfinite(recording.channels["x"])
        speed = np.polyfit(recording.t[good], recording.channels["x"][good], 1)[0]
        assert speed == pytest.approx(true["speed_m_per_s"], rel=0.002)
    if recording.has("y"):
        assert np.nanmean(recording.channels["y"]) == pytest.approx(true["mean_height_m"], abs=2e-3)
        travel = np.ptp(recording.channels["y"][np.isfinite(recording.channels["y"])])
        assert travel == pytest.approx(true["vertical_travel_m"], abs=1e-3 + 6 * true.get("noise_m", 0.0))
    assert recording.stated_mass == true.get("stated_mass_kg", 80.0 if name == "open/two_plates.c3d" else None)
    if "rate_hz" in true:
        assert recording.rate == pytest.approx(true["rate_hz"], abs=0.1)
    if "gap_s" in true:
        missing = recording.t[np.isnan(recording.channels["x"])]
        assert [missing[0], missing[-1]] == pytest.approx(true["gap_s"], abs=1e-6)
    if "treadmill" in name:
        assert recording.belt_speed is None or recording.belt_speed == pytest.approx(true["speed_m_per_s"], abs=3e-3)
        assert recording.has("x") == (recording.belt_speed is not None)
    else:
        assert recording.belt_speed == 0.0


def test_the_real_forces():
    """73 kg on a treadmill, whose speed the centre of pressure would make 0.76 m/s; it was about 1.14 m/s."""
    recording = read_recording(shared("walks", "subject01_walk1_grf_15s.mot"))
    assert recording.rate == 600.0
    assert recording.belt_speed is None
    whole = slice(1200, 1200 + round(9 * 1.228 * 600))
    assert recording.channels["fy"][whole].mean() / G == pytest.approx(72.74, abs=0.3)
    assert recording.on_plates.all()
    assert recording.sides_known


def test_the_real_markers():
    recording = read_recording(shared("walks", "subject01_walk1_2p5s.trc"))
    assert recording.body == "sacral marker"
    assert recording.rate == 60.0
    assert len(recording.t) == 151
    assert recording.belt_speed == pytest.approx(1.14, abs=0.02)


def test_the_real_centre_of_mass():
    recording = read_recording(shared("walks", "subject01_walk_100hz.csv"))
    assert recording.belt_speed == 0.0
    assert recording.has("x", "y", "vx", "vy", "fx", "fy", "fy_left", "fy_right")
    assert any("deviation from its mean" in note for note in recording.notes)
    assert np.polyfit(recording.t, recording.channels["x"], 1)[0] == pytest.approx(1.15, abs=0.01)

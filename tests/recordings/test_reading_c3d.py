"""Reading .c3d: points, plates of all types, gaps, rates, and what cannot be read."""

import sys

import numpy as np
import pytest

import gait
from gait.recordings.reading import read_recording
from tests.helpers.recordings import made, markers_of, mean_mass, write_c3d

pytest.importorskip("ezc3d")


@pytest.fixture(scope="module")
def walk():
    return made(rate=500)


@pytest.fixture
def read(tmp_path, walk):
    def reading(hints=None, **options):
        return read_recording(write_c3d(tmp_path / "walk.c3d", walk, **options), **(hints or {}))

    return reading


def noted(recording, *words):
    """Whether one note has all these words."""
    return any(all(word in note for word in words) for note in recording.notes)


def assert_same(recording, walk, force=0.02):
    """Single precision in mm and N; points between frames are interpolated."""
    count = len(recording.t)
    assert np.nanmax(np.abs(recording.channels["x"] - recording.channels["x"][0] - walk.x[:count] + walk.x[0])) < 2e-5
    assert np.nanmax(np.abs(recording.channels["y"] - walk.y[:count])) < 2e-5
    for side in ("left", "right"):
        for name in ("fx", "fy"):
            assert np.abs(recording.channels[f"{name}_{side}"] - walk.feet[f"{name}_{side}"][:count]).max() < force
        on = walk.feet[f"fy_{side}"][:count] > 60
        shift = walk.feet[f"px_{side}"][:count] - recording.channels[f"px_{side}"]
        assert np.ptp(shift[on]) < 1e-3


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_types_of_plates(read, walk, kind):
    recording = read(kind=kind)
    assert_same(recording, walk)
    assert recording.rate == 500.0
    assert recording.rates["x"] == recording.rates["heel_y_left"] == 100.0
    assert "fy" not in recording.rates
    assert noted(recording, "100 Hz and brought to 500 Hz")
    assert recording.sides_known
    assert noted(recording, "the right one first (by the heel markers)")


@pytest.mark.parametrize(
    "options",
    [
        {"sign": -1.0},
        {"scale": 1.0, "unit": "m"},
        {"unit": "m"},
        {"first": 101},
        {"per_frame": 1},
        {"per_frame": 10},
        {"to_lab": [[-1, 0, 0], [0, 0, -1], [0, 1, 0]]},
        {"to_lab": [[0.8, 0, 0.6], [0.6, 0, -0.8], [0, 1, 0]]},
        {"to_lab": np.eye(3)},
        {"offsets": (-20.0, 12.0)},
        {"bad_plate": True},
    ],
    ids=str,
)
def test_hazards(read, walk, options):
    recording = read(**options)
    if options.get("per_frame") == 10:
        assert np.nanmax(np.abs(recording.channels["y"] - walk.y[: len(recording.t)])) < 3e-4
    else:
        assert_same(recording, walk)
    assert recording.t[0] == 0
    assert mean_mass(recording.channels["fy"], 500, walk.step_time) == pytest.approx(80, abs=0.05)
    if "offsets" in options:
        assert noted(recording, "plate 1 reads -20.0 N")
        assert noted(recording, "plate 2 reads 12.0 N")
    if "sign" in options:
        assert noted(recording, "those on the ground")
    if "bad_plate" in options:
        assert noted(recording, "Force plate 3 cannot be read")


def test_a_stated_mass(read):
    assert read(mass=71.0).stated_mass == 71.0
    assert read(mass=71.0, hints={"mass": 80.0}).stated_mass == 80.0
    assert read().stated_mass is None


def test_missing_points_are_never_bridged(read):
    recording = read(missing=slice(30, 38))
    assert noted(recording, "no centre of mass from 0.3 to 0.37 s")
    missing = recording.t[np.isnan(recording.channels["x"])]
    assert missing[0] == pytest.approx(0.292)  # after the last frame that was seen
    assert missing[-1] == pytest.approx(0.378)
    assert np.isfinite(recording.channels["fy"]).all()


def test_points_without_plates(read, walk):
    recording = read(plates=False)
    assert not recording.has("fy")
    assert recording.on_plates is None
    assert recording.rate == 100.0
    assert np.abs(recording.channels["y"] - walk.y[::5]).max() < 1e-6


def test_a_split_belt(tmp_path, walk):
    markers = {name: values - np.outer(walk.speed * walk.t, [1, 0, 0]) for name, values in markers_of(walk).items()}
    recording = read_recording(write_c3d(tmp_path / "walk.c3d", walk, points=markers))
    assert recording.belt_speed == pytest.approx(walk.speed, abs=1e-3)
    assert np.polyfit(recording.t, recording.channels["x"], 1)[0] == pytest.approx(walk.speed, rel=1e-3)


def test_files_that_are_no_c3d_files_or_cut_off(tmp_path, walk):
    path = write_c3d(tmp_path / "walk.c3d", walk)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    recording = read_recording(path)
    assert len(recording.t) < len(walk.t) / 2
    assert noted(recording, "cut off")
    for content in (bytes(3000), b"t_s,x_m\n0,1\n"):
        path.write_bytes(content)
        with pytest.raises(gait.InputError, match="not a C3D file"):
            read_recording(path)


def test_without_the_package_the_command_that_installs_it_is_said(tmp_path, walk, monkeypatch):
    path = write_c3d(tmp_path / "walk.c3d", walk)
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    with pytest.raises(gait.InputError, match="pip install 'ezc3d>=1.7.2'"):
        read_recording(path)


def test_a_file_that_ends_the_reader_is_an_error_in_a_sentence(tmp_path, walk, monkeypatch):
    """The child process really ends by a signal; the library does so on some damaged files."""
    path = write_c3d(tmp_path / "walk.c3d", walk)
    (tmp_path / "ezc3d.py").write_text(
        "import os, signal\n\n\ndef c3d(*_, **__):\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(gait.InputError, match="ezc3d ends with code -11.*damaged"):
        read_recording(path)


@pytest.mark.slow
def test_damaged_files_are_read_or_refused(tmp_path, walk):
    """200 files with random bytes in header, parameters or data: a recording or an InputError, nothing else."""
    whole = np.frombuffer(write_c3d(tmp_path / "walk.c3d", walk).read_bytes(), np.uint8)
    rng = np.random.default_rng(5)
    outcomes = []
    for trial in range(200):
        damaged = whole.copy()
        reach = (512, 20 * 512, len(whole))[trial % 3]
        damaged[rng.integers(2, reach, rng.integers(1, 9))] = rng.integers(0, 256)
        (tmp_path / "damaged.c3d").write_bytes(damaged.tobytes())
        try:
            read_recording(tmp_path / "damaged.c3d")
            outcomes.append(True)
        except gait.InputError:
            outcomes.append(False)
    assert any(outcomes)
    assert not all(outcomes)

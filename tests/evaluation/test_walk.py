"""`simulate.py --show`: the walk of record 0 is drawn, and no dataset is written."""

import os
import subprocess
import sys

import numpy as np
import pytest

import gait
from gait.evaluation import walk
from gait.parameters import NAMES, QUANTITIES
from gait.simulation.conditions import RecordingSettings
from gait.simulation.population import Population, walk_records
from tests.helpers.scripts import ROOT

PNG = b"\x89PNG\r\n\x1a\n"


def printed_parameters(text):
    """Symbol → number and unit of the lines like `body mass  m = 70 kg`."""
    rows = [line.split("=") for line in text.splitlines() if " = " in line]
    return {left.split()[-1]: (float(right.split()[0]), right.split()[1]) for left, right in rows}


def test_the_walk_is_that_of_record_0_with_finer_samples(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(walk, "plot_walk", lambda walks: drawn.append(walks) or gait.plot_walk(walks))
    population, settings = Population(seed=7), RecordingSettings()
    walk.show_walk(population, settings, "taylor", tmp_path / "walk.png")
    _, samples, _ = walk_records(population, settings, range(3))
    (walks,) = drawn
    assert walks.outcome.tolist() == [gait.Outcome.WALKED]
    np.testing.assert_allclose(walks.t[::10], settings.times, rtol=1e-12)
    np.testing.assert_allclose(walks.samples[:, 0, ::10], samples[:, 0], rtol=0, atol=1e-9)
    difference = np.abs(walks.samples[:2, 0, ::10] - samples[:2, 1]).max()
    assert difference > 0.01  # negative control: record 1 is another walk


@pytest.mark.parametrize(("interval", "finer"), [(0.1, 0.01), (0.005, 0.005)])
def test_samples_are_never_coarser_than_asked_for(monkeypatch, tmp_path, interval, finer):
    drawn = []
    monkeypatch.setattr(walk, "plot_walk", lambda walks: drawn.append(walks) or gait.plot_walk(walks))
    settings = RecordingSettings(duration=2.0, interval=interval)
    walk.show_walk(Population(), settings, "taylor", tmp_path / "walk.png")
    np.testing.assert_allclose(np.diff(drawn[0].t), finer, rtol=1e-9)


def test_the_script_writes_a_figure_and_no_dataset(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "simulate.py"), "--show", "--seed=3", "--duration=3", "--out=data/my walks"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path / "mpl")},
        capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} - {"mpl"} == {"walk.png"}
    assert (tmp_path / "walk.png").read_bytes().startswith(PNG)

    parameters, _, _ = walk_records(Population(seed=3), RecordingSettings(duration=3.0), range(1))
    shown = printed_parameters(done.stdout)
    assert list(shown) == [QUANTITIES[name].symbol for name in NAMES]
    for name, value in zip(NAMES, parameters[0], strict=True):
        number, unit = shown[QUANTITIES[name].symbol]
        assert number == pytest.approx(value, rel=1e-4)
        assert unit == QUANTITIES[name].unit
    values = dict(zip(NAMES, parameters[0], strict=True))
    walks = gait.simulate(**values, duration=3.0)
    rows = [line.split() for line in done.stdout.splitlines() if " left " in line or " right " in line]
    touchdowns = walks.touchdown[0][np.isfinite(walks.touchdown[0])]
    np.testing.assert_allclose([float(row[3]) for row in rows], touchdowns, rtol=0, atol=5.1e-4)
    *lines, following = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert "walk.png shows this walk, record 0 of the dataset." in done.stdout
    assert following == f"Next: python {ROOT / 'simulate.py'} '--out=data/my walks' --seed=3 --duration=3.0"


@pytest.mark.parametrize(("ending", "beginning"), [("png", PNG), ("svg", b"<?xml")])
def test_the_figure_is_written_where_the_user_says(scripts, tmp_path, ending, beginning):
    path = tmp_path / "figures" / f"first.{ending}"
    ended = scripts.run("simulate.py", "--show", f"--out={path}", "--duration=0.05", "--interval=0.05")
    assert ended.returncode == 0, ended.output
    assert path.read_bytes().startswith(beginning)
    assert "It ends before the first touchdown." in ended.output
    assert ended.output.splitlines()[-1] == "Next: python simulate.py --duration=0.05 --interval=0.05"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--mass=75,60",), "The range of mass is empty"),
        (("--y0=-0.2,-0.1",), "attempts at it and at its neighbours ended in: airborne 4000"),
    ],
)
def test_a_population_that_cannot_walk_is_explained(scripts, tmp_path, arguments, message):
    ended = scripts.run("simulate.py", "--show", f"--out={tmp_path / 'walk.png'}", *arguments)
    assert ended.returncode == 1
    assert message in ended.output
    assert "Traceback" not in ended.output
    assert not list(tmp_path.iterdir())

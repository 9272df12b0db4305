"""The figure of a walk, and `simulate.py --show`."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

import gait
from tests.helpers.scripts import ROOT


@pytest.fixture(scope="module")
def walks():
    return gait.simulate(
        [70.0, 70.0], 9000.0, 0.7, x0=0.02, y0=[0.07, 0.02], vx0=[0.8, 0.3], step_length=0.5, interval=0.01
    )


def curve(axis, label):
    (line,) = (line for line in axis.lines if line.get_label() == label)
    return line.get_xydata().T


def test_a_walk_is_drawn_as_it_is(walks):
    figure = gait.plot_walk(walks, steps=4)
    assert isinstance(figure, Figure)
    path, force = figure.axes
    assert path.get_xlabel() == "Forward position $x$ [m]"
    assert path.get_ylabel() == "Height $y$ [m]"
    assert "[N]" in force.get_ylabel()
    assert force.get_xlabel() == "Time [s]"
    assert "26 steps in 15 s, the first 4 of them" in path.get_title()
    t, fy = curve(force, "vertical")
    np.testing.assert_array_equal(fy, walks.fy[0, : len(fy)])
    np.testing.assert_array_equal(t, walks.t[: len(t)])
    assert t[-1] <= walks.touchdown[0, 4] < t[-1] + 0.011
    footholds = [line.get_xdata() for line in path.lines if line.get_marker() == "^" and len(line.get_xdata()) == 1]
    np.testing.assert_allclose(np.ravel(footholds), [0.0, 0.5, 1.0, 1.5, 2.0])
    spans = [patch for patch in force.patches if patch.get_label() != "double support"]
    np.testing.assert_allclose([patch.get_x() for patch in spans], walks.touchdown[0, :4])


def test_every_drawn_leg_stands_and_is_no_longer_than_its_rest_length(walks):
    path = gait.plot_walk(walks, steps=4).axes[0]
    legs = [line.get_xydata() for line in path.lines if len(line.get_xdata()) == 2 and line.get_ydata()[0] == 0.0]
    assert len(legs) > 30
    assert max(np.hypot(*(end - begin)) for begin, end in legs) <= 0.7 + 1e-9


def test_a_walk_that_ended_says_how(walks):
    path = gait.plot_walk(walks, 1).axes[0]
    assert path.get_title() == gait.Outcome(walks.outcome[1]).sentence
    reached = walks.x[1][np.isfinite(walks.x[1])][-1]
    masses = [line.get_xdata().max() for line in path.lines if len(line.get_xdata()) > 2]
    assert masses == [reached]


def test_the_first_record_is_shown_without_a_dataset(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "simulate.py"), "--show", "--seed=3", "--duration=3"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "MPLCONFIGDIR": str(tmp_path / "mpl")},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "walk.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} <= {"walk.png", "mpl"}
    from gait.simulation.conditions import RecordingSettings
    from gait.simulation.population import Population, walk_records

    parameters, _, _ = walk_records(Population(seed=3), RecordingSettings(duration=3.0), range(1))
    assert f"m = {parameters[0, 0]:.5g} kg" in done.stdout
    assert "double_support_time" in done.stdout

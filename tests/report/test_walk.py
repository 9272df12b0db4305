"""The figure of a walk: what is drawn is what was simulated, and drawing changes nothing else."""

import dataclasses
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import gait
from tests.helpers.scripts import ROOT

REST_LENGTH = 0.7
WALKED, STUMBLED, TURNED, AIRBORNE = range(4)


@pytest.fixture(scope="module")
def walks():
    """One walk of each of four outcomes, of 26, 5, 1 and 0 steps."""
    return gait.simulate(
        70.0, 9000.0, REST_LENGTH, x0=0.02, y0=[0.07, 0.02, 0.02, -0.01], vx0=[0.8, 0.3, 0.01, 0.8], step_length=0.5,
        interval=0.01,
    )  # fmt: skip


def panels(figure):
    """Path and force of the enlarged steps."""
    return figure.axes[-2:]


def curve(axis, label):
    (line,) = (line for line in axis.lines if line.get_label() == label)
    return line.get_xydata().T


def legs(axis, name=None):
    """Name, foothold and mass of each leg that is drawn, in this order."""
    lines = [line for line in axis.lines if line.get_gid() in ((name,) if name else ("left leg", "right leg"))]
    return [(line.get_gid(), *line.get_xydata()[[0, -1]]) for line in lines]


def footholds(axis):
    """Places of the triangles on the ground, each once."""
    return sorted({line.get_xdata()[0] for line in axis.lines if line.get_marker() == "^" and len(line.get_xdata())})


def shaded(axis):
    return np.array([(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axis.patches])


# A walk that walks ----------------------------------------------------------------------------


def test_panels_are_labelled_with_units(walks):
    figure = gait.plot_walk(walks)
    assert isinstance(figure, Figure)
    overview, path, force = figure.axes
    assert [(axis.get_xlabel(), axis.get_ylabel()) for axis in figure.axes] == [
        ("$x$ [m]", "$y$ [m]"),
        ("Forward position $x$ [m]", "Height $y$ [m]"),
        ("Time [s]", "Force [N]"),
    ]
    assert figure.get_suptitle() == "A walk of 26 steps in 15 s"
    assert [axis.get_title(loc="left") for axis in (overview, path, force)] == [
        "The whole walk (grey: enlarged below)", "The first 6 steps", "Ground reaction force",
    ]  # fmt: skip


def test_force_curves_are_the_data(walks):
    _, force = panels(gait.plot_walk(walks, steps=4))
    for label, values in (("vertical", walks.fy[WALKED]), ("forward", walks.fx[WALKED])):
        t, drawn = curve(force, label)
        np.testing.assert_array_equal(t, walks.t[: len(t)])
        np.testing.assert_array_equal(drawn, values[: len(t)])
        assert t[-1] <= walks.touchdown[WALKED, 4] < t[-1] + 0.01  # the first sample of step 5 is no longer drawn


def test_double_support_is_shaded_from_touchdown_to_takeoff(walks):
    _, force = panels(gait.plot_walk(walks, steps=4))
    np.testing.assert_allclose(
        shaded(force), np.stack([walks.touchdown[WALKED, :4], walks.takeoff[WALKED, :4]], axis=1), rtol=1e-12
    )


def test_legs_stand_on_their_footholds_in_turn(walks):
    """Of four steps: the start, the middles of four single supports, and four touchdowns with both legs."""
    path, _ = panels(gait.plot_walk(walks, steps=4))
    assert len(legs(path)) == 1 + 4 + 2 * 4
    np.testing.assert_allclose(footholds(path), [0.0, 0.5, 1.0, 1.5, 2.0], rtol=1e-12)
    for name, places in (("left leg", {0.0, 1.0, 2.0}), ("right leg", {0.5, 1.5})):
        assert {round(float(foot[0]), 9) for _, foot, _ in legs(path, name)} == places


def excess(figure):
    """Greatest length of a drawn leg beyond its rest length [m]."""
    path, _ = panels(figure)
    return max(np.hypot(*(mass - foot)) for _, foot, mass in legs(path)) - REST_LENGTH


def test_no_leg_is_longer_than_its_rest_length(walks):
    """At touchdown the front leg has just that length; so it has in a figure of coarse samples."""
    assert abs(excess(gait.plot_walk(walks))) < 1e-6
    coarse = gait.simulate(70.0, 9000.0, REST_LENGTH, x0=0.02, y0=0.07, vx0=0.8, step_length=0.5)
    assert abs(excess(gait.plot_walk(coarse))) < 1e-3


def test_wrong_footholds_would_be_noticed(walks):
    """Negative control of the test above: legs to footholds 5 cm off, and at touchdowns 0.1 s early, are too long."""
    off = dataclasses.replace(walks, foothold=walks.foothold + 0.05)
    assert excess(gait.plot_walk(off)) > 0.02
    early = dataclasses.replace(walks, touchdown=walks.touchdown - 0.1)
    assert excess(gait.plot_walk(early)) > 0.02


def test_the_whole_walk_is_in_the_overview(walks):
    overview = gait.plot_walk(walks).axes[0]
    touchdowns = int(np.isfinite(walks.touchdown[WALKED]).sum())
    assert len(legs(overview)) == 2 * touchdowns
    np.testing.assert_allclose(footholds(overview), 0.5 * np.arange(touchdowns + 1), rtol=1e-12)
    drawn = max((line.get_xydata() for line in overview.lines), key=len)
    np.testing.assert_allclose(drawn[-1], [walks.x[WALKED, -1], walks.y[WALKED, -1]], rtol=1e-12)
    on_path = np.interp(walks.x[WALKED], *drawn.T)
    np.testing.assert_allclose(on_path, walks.y[WALKED], rtol=0, atol=1e-4)


def test_a_walk_of_few_steps_needs_no_enlargement():
    walks = gait.simulate(70.0, 9000.0, REST_LENGTH, x0=0.02, y0=0.07, vx0=0.8, step_length=0.5, duration=2.0)
    figure = gait.plot_walk(walks)
    assert len(figure.axes) == 2
    assert figure.get_suptitle() == "A walk of 4 steps in 2 s"
    assert curve(figure.axes[1], "vertical").shape == (2, len(walks.t))


# A walk that ends early -----------------------------------------------------------------------


def test_a_walk_that_ended_is_drawn_as_far_as_it_went_and_says_how_it_ended(walks):
    figure = gait.plot_walk(walks, STUMBLED)
    sentence = "The front leg reached its rest length before the rear one took off."
    assert figure.get_suptitle() == f"It ended after 5 steps. {sentence}"
    path, force = figure.axes
    last = int(np.flatnonzero(np.isfinite(walks.x[STUMBLED]))[-1])
    (cross,) = (line for line in path.lines if line.get_marker() == "X")
    np.testing.assert_allclose(cross.get_xydata()[0], [walks.x[STUMBLED, last], walks.y[STUMBLED, last]], rtol=1e-12)
    assert max(line.get_xdata().max() for line in path.lines if len(line.get_xdata()) > 20) <= walks.x[STUMBLED, last]
    t, fy = curve(force, "vertical")
    assert t[-1] == walks.t[last]
    np.testing.assert_array_equal(fy, walks.fy[STUMBLED, : last + 1])
    np.testing.assert_allclose(shaded(force)[-1], [walks.touchdown[STUMBLED, 4], walks.t[last]], rtol=1e-12)


def test_a_walk_that_walked_has_no_cross(walks):
    """Negative control: neither cross nor sentence of an end."""
    figure = gait.plot_walk(walks, WALKED)
    assert not [line for axis in figure.axes for line in axis.lines if line.get_marker() == "X"]
    assert "ended" not in figure.get_suptitle()


def test_of_a_long_walk_that_ended_the_last_steps_are_enlarged(walks):
    figure = gait.plot_walk(walks, STUMBLED, steps=2)
    path, force = panels(figure)
    assert path.get_title(loc="left") == "The last 2 steps"
    np.testing.assert_allclose(footholds(path), [1.5, 2.0, 2.5], rtol=1e-12)
    assert len(shaded(force)) == 2
    assert curve(force, "vertical")[0][0] >= walks.takeoff[STUMBLED, 2]


@pytest.mark.parametrize("i", [TURNED, AIRBORNE])
def test_hardly_a_walk_is_drawn_all_the_same(walks, i):
    figure = gait.plot_walk(walks, i)
    assert figure.get_suptitle().endswith(gait.Outcome(walks.outcome[i]).sentence)
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert texts == ([] if i == TURNED else ["no samples", "no samples"])
    figure.canvas.draw()


@pytest.mark.parametrize("interval", [0.7, 2.0, 15.0])
@pytest.mark.parametrize(("y0", "vx0"), [(0.07, 0.8), (0.02, 0.3), (0.02, 0.01)])
def test_coarse_samples_are_drawn_without_a_warning(interval, y0, vx0):
    walks = gait.simulate(70.0, 9000.0, 0.7, x0=0.02, y0=y0, vx0=vx0, step_length=0.5, interval=interval)
    for steps in (1, 6):
        gait.plot_walk(walks, steps=steps).canvas.draw()


def test_no_steps_are_refused(walks):
    with pytest.raises(gait.InputError, match="at least 1 step. Received: steps=0"):
        gait.plot_walk(walks, steps=0)


# What drawing leaves alone --------------------------------------------------------------------


def test_drawing_leaves_settings_and_data_alone(walks):
    settings, before = dict(mpl.rcParams), walks.samples.copy()
    gait.plot_walk(walks)
    assert dict(mpl.rcParams) == settings
    np.testing.assert_array_equal(walks.samples, before)


def test_importing_is_light_and_drawing_writes_nothing(tmp_path):
    code = (
        "import sys\n"
        "import gait\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'pandas', 'numba', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert 'plot_walk' in dir(gait)\n"
        "walks = gait.simulate(70, 9000, 0.7, y0=0.07, vx0=0.8, step_length=0.5, duration=2)\n"
        "heavy = {'tensorflow', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "gait.plot_walk(walks)\n"
        "assert 'matplotlib' in sys.modules\n"
        "heavy = {'tensorflow', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    subprocess.run(
        [sys.executable, "-c", code], cwd=here, check=True, timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(home)},
    )  # fmt: skip
    assert not list(here.iterdir())

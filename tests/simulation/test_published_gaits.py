"""Walks whose numbers others have published, all with a fixed angle of attack and g = 9.81 m/s².

Digits beyond those printed in a source come from the same model integrated to 1e-13 by scipy.
"""

import numpy as np
import pytest

import gait
from gait.simulation import model

ENGINES = ("taylor", "scipy")


def walk(engine, **arguments):
    return gait.simulate(**arguments, gravity=9.81, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_yeatman_walk_repeats_after_one_step(engine):
    """M. Yeatman, MatlabBipedSims, testSLIP_Walk: from one takeoff to the next."""
    period, foothold = 0.41082847347, 0.1251
    walks = walk(
        engine, mass=70, stiffness=12250, rest_length=0.94, angle_of_attack=np.deg2rad(70), x0=-foothold,
        y0=0.94 - 0.883306941, vx0=1.096330754, vy0=0.7515520693, duration=3 * period, interval=period,
    )  # fmt: skip
    assert walks.outcome[0] == gait.Outcome.WALKED
    assert walks.takeoff[0, 0] == pytest.approx(period, abs=5e-11)
    end = [walks.x[0, 1] + foothold, walks.y[0, 1], walks.vx[0, 1], walks.vy[0, 1]]
    # Three of the printed numbers hold to 5e-10. Of the last one, both engines (1e-14 apart, energy
    # conserved to 1e-12) find ...6828 for ...6375: the error of the source's own integrator.
    np.testing.assert_allclose(end[:3], [0.4466270676, 0.8833008235, 1.0963416062], rtol=0, atol=4e-9)
    assert end[3] == pytest.approx(0.7515726375, abs=5e-8)
    leg = (12250, 0.94)
    energy = model.energy(
        model.Phase.SINGLE_SUPPORT, -foothold, 0.883306941, 1.096330754, 0.7515520693, 0.0, 70, *leg, *leg, 9.81
    )
    assert energy == pytest.approx(682.4444034, abs=5e-7)


@pytest.mark.parametrize("engine", ENGINES)
def test_kula_walk(engine):
    """E. F. Kula, Spring-Mass-Walker report: mid-stance start, no fall in 100 s (10 s with scipy)."""
    duration = 100.0 if engine == "taylor" else 10.0
    walks = walk(
        engine, mass=80, stiffness=10_000, rest_length=1, angle_of_attack=np.deg2rad(68), y0=0.03, vx0=1.05,
        duration=duration, interval=0.001,
    )  # fmt: skip
    assert walks.outcome[0] == gait.Outcome.WALKED
    assert np.nanmax(walks.vx) == pytest.approx(1.1662, abs=1e-4)
    assert walks.x[0, -1] / walks.t[-1] == pytest.approx(1.1002, abs=2e-4 if engine == "taylor" else 2e-3)
    leg = (10_000, 1)
    energy = model.energy(model.Phase.SINGLE_SUPPORT, 0.0, 0.97, 1.05, 0.0, 0.0, 80, *leg, *leg, 9.81)
    assert energy == pytest.approx(809.86, abs=5e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_geyer_example_is_periodic(engine):
    """Geyer, Seyfarth and Blickhan (2006): k 14 kN/m, 69°, 816 J; force with two humps."""
    walks = walk(
        engine, mass=80, stiffness=14_000, rest_length=1, angle_of_attack=np.deg2rad(69), y0=1 - 0.97083467,
        vx0=1.09698036, duration=3.0, interval=0.001,
    )  # fmt: skip
    assert walks.outcome[0] == gait.Outcome.WALKED
    steps = slice(0, 4)
    np.testing.assert_allclose(np.diff(walks.takeoff[0])[steps], 0.44453270, atol=2e-8)
    np.testing.assert_allclose(np.diff(walks.foothold[0])[steps], 0.51423611, atol=2e-8)
    np.testing.assert_allclose((walks.takeoff - walks.touchdown)[0, steps], 0.16656299, atol=2e-8)
    stance = (walks.t > walks.touchdown[0, 0]) & (walks.t < walks.takeoff[0, 1])
    _, force = model.spring_force((walks.x[0] - walks.foothold[0, 0])[stance], walks.y[0, stance], 14_000, 1)
    force = force / (80 * 9.81)
    middle = len(force) // 2
    assert force[:middle].max() == pytest.approx(1.0466, abs=5e-5)
    assert force[middle:].max() == pytest.approx(1.0466, abs=5e-5)
    assert force[middle - 50 : middle + 50].min() == pytest.approx(0.5203, abs=5e-5)
    leg = (14_000, 1)
    energy = model.energy(model.Phase.SINGLE_SUPPORT, 0.0, 0.97083467, 1.09698036, 0.0, 0.0, 80, *leg, *leg, 9.81)
    assert energy == pytest.approx(816, abs=0.5)


def test_geyer_example_is_stable():
    """A small disturbance of the height at mid-stance dies out: the step map's largest eigenvalue is 0.978."""

    def heights(y):
        """Heights above the footholds, step after step, of a walk with the example's energy."""
        per_mass = 14_000 / 80
        energy = 0.5 * 1.09698036**2 + 9.81 * 0.97083467 + 0.5 * per_mass * (1 - 0.97083467) ** 2
        vx = np.sqrt(2 * (energy - 9.81 * y - 0.5 * per_mass * (1 - y) ** 2))
        walks = gait.simulate(
            80, 14_000, 1, y0=1 - y, vx0=vx, angle_of_attack=np.deg2rad(69), gravity=9.81, duration=45, interval=1e-3
        )
        return np.interp(walks.foothold[0, :95], walks.x[0], walks.y[0])

    small = 1e-4
    disturbed = heights(0.97083467 + small) - heights(0.97083467 - small)
    # After the first steps the slowest direction is left: each step shrinks it by the eigenvalue.
    steps = np.arange(15, 90)
    slope = np.polyfit(steps, np.log(np.abs(disturbed[steps])), 1)[0]
    assert np.exp(slope) == pytest.approx(0.978, abs=0.002)

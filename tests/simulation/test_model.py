"""Physics that every engine has to obey: invariants, symmetries and closed forms."""

import numpy as np
import pytest

import gait
from gait.simulation import model
from tests.helpers.walks import paper_draws

ENGINES = ("taylor", "scipy")


def energies(walks, arguments, i):
    """Energy of walk i at all samples, from its positions and footholds alone."""
    rest_length, stiffness = arguments["rest_length"][i], arguments["stiffness"][i]
    total = np.empty(walks.t.size)
    for j, t in enumerate(walks.t):
        step = int(np.sum(walks.takeoff[i] < t))
        double = np.sum(walks.touchdown[i] < t) > step
        rear = step * arguments["step_length"][i]
        phase = model.Phase.DOUBLE_SUPPORT if double else model.Phase.SINGLE_SUPPORT
        total[j] = model.energy(
            phase, walks.x[i, j] - rear, walks.y[i, j], walks.vx[i, j], walks.vy[i, j], arguments["step_length"][i],
            arguments["mass"][i], stiffness, rest_length, stiffness, rest_length, 10.0,
        )  # fmt: skip
    return total


@pytest.mark.parametrize(("engine", "count"), [("taylor", 40), ("scipy", 3)])
def test_energy_is_conserved_through_all_events(engine, count):
    arguments = paper_draws(count, seed=1)
    walks = gait.simulate(**arguments, engine=engine)
    walked = np.flatnonzero(walks.outcome == gait.Outcome.WALKED)
    assert len(walked) >= count // 3
    for i in walked:
        energy = energies(walks, arguments, i)
        np.testing.assert_allclose(energy, energy[0], rtol=1e-8)


@pytest.mark.parametrize("engine", ENGINES)
def test_heavier_and_stiffer_alike_moves_alike(engine):
    """The paper's point: (m, k) → (2m, 2k) leaves the motion and doubles the force."""
    arguments = paper_draws(20 if engine == "taylor" else 2, seed=2)
    one = gait.simulate(**arguments, engine=engine)
    two = gait.simulate(
        **arguments | {"mass": 2 * arguments["mass"], "stiffness": 2 * arguments["stiffness"]}, engine=engine
    )
    for name in ("outcome", "x", "y", "vx", "vy", "touchdown", "takeoff"):
        np.testing.assert_array_equal(getattr(two, name), getattr(one, name))
    np.testing.assert_array_equal(two.fx, 2 * one.fx)
    np.testing.assert_array_equal(two.fy, 2 * one.fy)


def test_stiffer_alone_moves_otherwise():
    """Negative control of the scaling test."""
    arguments = paper_draws(20, seed=2)
    one = gait.simulate(**arguments)
    two = gait.simulate(**arguments | {"stiffness": 1.01 * arguments["stiffness"]})
    both = (one.outcome == gait.Outcome.WALKED) & (two.outcome == gait.Outcome.WALKED)
    assert (np.abs(one.x - two.x)[both].max(axis=1) > 1e-3).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_flight_parabola(engine):
    """Without a spring worth the name the mass falls on a parabola, until it is at 0.3 l0."""
    y, vx, vy, g, rest_length = 0.6, 0.4, 0.3, 9.81, 0.9
    walks = gait.simulate(
        70, 1e-9, rest_length, y0=rest_length - y, vx0=vx, vy0=vy, step_length=5, gravity=g, duration=1, interval=0.01,
        engine=engine,
    )  # fmt: skip
    end = (vy + np.sqrt(vy**2 + 2 * g * (y - 0.3 * rest_length))) / g
    before = walks.t <= end
    assert walks.outcome[0] == gait.Outcome.FALL
    np.testing.assert_array_equal(np.isfinite(walks.x[0]), before)
    t = walks.t[before]
    np.testing.assert_allclose(walks.x[0, before], vx * t, atol=1e-10)
    np.testing.assert_allclose(walks.y[0, before], y + vy * t - g * t**2 / 2, atol=1e-10)
    np.testing.assert_allclose(walks.vy[0, before], vy - g * t, atol=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_vertical_bounce_period(engine):
    """Straight up and down on one leg: a harmonic oscillation of period 2 pi sqrt(m/k) about the sag."""
    mass, stiffness, rest_length, g = 70.0, 9000.0, 0.7, 10.0
    sag, amplitude = mass * g / stiffness, 0.05
    period = 2 * np.pi * np.sqrt(mass / stiffness)
    walks = gait.simulate(
        mass, stiffness, rest_length, y0=sag + amplitude, vx0=0, step_length=5, gravity=g, duration=5 * period,
        interval=period / 10, engine=engine,
    )  # fmt: skip
    assert walks.outcome[0] == gait.Outcome.WALKED
    phase = 2 * np.pi * np.arange(50) / 10
    np.testing.assert_allclose(walks.y[0], rest_length - sag - amplitude * np.cos(phase), atol=1e-10)
    np.testing.assert_allclose(walks.fy[0], stiffness * (sag + amplitude * np.cos(phase)), rtol=1e-7)
    np.testing.assert_array_equal(walks.x[0], 0.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_ground_reaction_force_is_mass_times_acceleration_plus_weight(engine):
    walks = gait.simulate(
        70, 9000, 0.7, x0=0.02, y0=0.07, vx0=0.8, step_length=0.5, duration=2, interval=1e-3, engine=engine
    )
    assert walks.outcome[0] == gait.Outcome.WALKED
    events = np.concatenate([walks.touchdown[0], walks.takeoff[0]])
    smooth = np.abs(walks.t[1:-1, None] - events[np.isfinite(events)]).min(axis=1) > 1e-3
    ax, ay = ((v[0, 2:] - v[0, :-2]) / 2e-3 for v in (walks.vx, walks.vy))
    assert smooth.sum() > 1900
    np.testing.assert_allclose(walks.fx[0, 1:-1][smooth], 70 * ax[smooth], atol=0.05)
    np.testing.assert_allclose(walks.fy[0, 1:-1][smooth], 70 * (ay + 10)[smooth], atol=0.05)


def test_forces_vanish_with_the_leg_at_its_rest_length():
    assert model.spring_force(0.3, 0.4, 9000.0, 0.5) == (0.0, 0.0)
    fx, fy = model.spring_force(0.3, 0.4, 9000.0, 0.6)  # compressed by 0.1 m
    assert np.hypot(fx, fy) == pytest.approx(900.0)
    assert fy / fx == pytest.approx(4 / 3)


@pytest.mark.parametrize("engine", ENGINES)
def test_legs_of_different_stiffness(engine):
    """Two legs: the first stance leg obeys its own k, and swapping legs is not the same walk."""
    common = dict(mass=70, rest_length=0.7, x0=0.02, y0=0.07, vx0=0.8, step_length=0.5, duration=1.5, engine=engine)
    equal = gait.simulate(stiffness=[[9000, 9000]], **common)
    one = gait.simulate(stiffness=9000, **common)
    for name in ("x", "fy", "touchdown"):
        np.testing.assert_array_equal(getattr(equal, name), getattr(one, name))
    limping = gait.simulate(stiffness=[[9000, 9400], [9400, 9000]], **common)
    assert abs(limping.x[0, -1] - limping.x[1, -1]) > 1e-4
    first = limping.t < limping.touchdown[0, 0]
    np.testing.assert_allclose(limping.x[0, first], one.x[0, first], atol=1e-12)


def test_engines_agree_on_legs_of_different_stiffness_and_length():
    arguments = paper_draws(6, seed=4)
    arguments["stiffness"] = np.stack([arguments["stiffness"], 1.03 * arguments["stiffness"]], axis=1)
    arguments["rest_length"] = np.stack([arguments["rest_length"], 1.002 * arguments["rest_length"]], axis=1)
    walks, reference = (gait.simulate(**arguments, engine=engine) for engine in ENGINES)
    assert len(set(walks.outcome)) > 1
    np.testing.assert_array_equal(walks.outcome, reference.outcome)
    np.testing.assert_allclose(walks.x, reference.x, atol=1e-8)
    np.testing.assert_allclose(walks.fy, reference.fy, atol=1e-4)


def test_every_outcome_has_a_sentence():
    assert len({outcome.sentence for outcome in gait.Outcome}) == len(gait.Outcome)
    assert gait.Outcome.WALKED == 0

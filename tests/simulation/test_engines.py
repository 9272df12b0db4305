"""The two engines: order of convergence, events, agreement, and the arguments of `gait.simulate`."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import gait
from gait.simulation import model, reference, taylor
from gait.simulation.conditions import RecordingSettings, Walks
from gait.simulation.model import Event, Outcome, Phase, TouchdownRule
from gait.simulation.taylor import events, lanes, layout
from gait.simulation.taylor.layout import LANES, ORDER, ROW
from gait.simulation.walks import _conditions
from tests.helpers import plain_taylor
from tests.helpers.walks import extreme_draws, paper_draws, short_flights, some_of

ENGINES = ("taylor", "scipy")
A_WALK = dict(mass=70.0, stiffness=9000.0, rest_length=0.7, x0=0.02, y0=0.07, vx0=0.8, step_length=0.5)
# Its stance leg leaves the ground and comes back within one step of an unbounded solve_ivp.
A_SHORT_FLIGHT = dict(
    mass=72.78809826954901, stiffness=8542.511917914164, rest_length=0.7078505630440857, x0=0.0707015839565225,
    y0=0.014527498229296654, vx0=0.8839264103345257, step_length=0.5457860577956035,
)  # fmt: skip


def conditions(*, x0=0.0, y0=0.0, vx0, vy0=0.0, step_length, mass, stiffness, rest_length):
    return _conditions(mass, stiffness, rest_length, x0, y0, vx0, vy0, step_length, None, 10.0)


@pytest.fixture
def blind_to_turning_points(monkeypatch):
    """Makes the reference look at the ends of its steps only."""
    monkeypatch.setattr(reference._Turning, "__call__", lambda turning, time, state: 1.0)


# Order of convergence ------------------------------------------------------------------------


REAR, FRONT = (130.0, 0.7), (120.0, 0.71)  # rho [1/s²], l0 [m]
SPAN = 0.5


def begun_step(phase, state, lane=3):
    """The work array after one lane has begun a step at (x, y, vx, vy), and readers of that lane."""
    work, mass = np.zeros(layout.SIZE), 70.0
    (rho_rear, l_rear), (rho_front, l_front) = REAR, FRONT
    walkers = layout.Walkers(
        mass=np.array([mass]),
        stiffness=mass * np.array([[rho_rear, rho_front]]),
        rest_length=np.array([[l_rear, l_front]]),
        start=np.array([[0.0, 0.5, 0.0, 0.0]]),
        target=np.array([SPAN]),
        gravity=np.array([10.0]),
    )
    empty = Walks.empty(1, np.zeros(1), 1)
    tracks = layout.Tracks(*(getattr(empty, name) for name in layout.Tracks._fields))
    lanes._refill(work, lane, TouchdownRule.STEP_LENGTH, 1.0, 0.0, 0, 1, walkers, tracks)
    work[ROW.phase + lane] = work[ROW.armed + lane] = phase
    work[np.array([ROW.x0, ROW.y0, ROW.x1, ROW.y1]) + lane] = state
    events.set_gaps(work, TouchdownRule.STEP_LENGTH)
    lanes._begin_step(work, LANES)
    series = np.array([[work[first + n * LANES + lane] for n in range(ORDER + 1)] for first in (ROW.x0, ROW.y0)])
    return work, series, work[ROW.step + lane]


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("degree", [4, 8, 12])
def test_truncated_series_converge_with_their_order(phase, degree):
    """Cut off after t^p, a series errs by t^(p+1): the slope shows a wrong coefficient of any order."""
    state = [0.15, 0.66, 0.8, -0.2]  # x, y, vx, vy in reach of both footholds
    _, series, step = begun_step(phase, state)
    times = np.array([0.02, 0.03, 0.045]) * (1 + (degree - 4) / 8)
    motion = reference._motion(int(phase), SPAN, 1.0, REAR, FRONT, 10.0)
    exact = solve_ivp(
        motion, (0, times[-1]), state, method="DOP853", rtol=3e-14, atol=1e-16, max_step=1e-3, t_eval=times
    ).y
    for coefficients, truth in zip(series, exact[:2], strict=True):
        error = np.abs(np.polyval(coefficients[degree::-1], times / step) - truth)
        slope = np.polyfit(np.log(times), np.log(error), 1)[0]
        assert degree + 0.6 < slope < degree + 1.6


def test_a_step_ends_where_the_last_terms_have_shrunk_to_the_tolerance():
    """Its length is a root found by a shortcut, at most 6.6 per cent too long."""
    generator = np.random.default_rng(15)
    ratios = []
    for _ in range(200):
        state = (generator.uniform(0.0, 0.3), generator.uniform(0.5, 0.7), generator.uniform(0.3, 1.5), 0.1)
        work, series, step = begun_step(Phase.DOUBLE_SUPPORT, state)
        step *= work[ROW.units + 3]
        size = np.abs(series[:, ORDER - 1 :] / step ** np.arange(ORDER - 1, ORDER + 1)).max()
        ratios.append(step / (taylor.TOLERANCE / size) ** (1 / ORDER))
    assert 1.0 - 1e-9 < min(ratios) < 1.02
    assert 1.04 < max(ratios) < 1.066


def test_reference_converges_with_order_eight_through_events():
    """DOP853 at a fixed step through two steps of walking; events must not spoil its order."""
    times, duration = np.array([0.0, 2.9]), 3.0
    exact = taylor.integrate(conditions(**A_WALK), times, duration).samples[:4, 0, 1]
    steps = np.array([0.03, 0.04, 0.055, 0.07])
    errors = [
        np.abs(
            reference.integrate(conditions(**A_WALK), times, duration, max_step=s, rtol=1.0, atol=1.0).samples[:4, 0, 1]
            - exact
        ).max()
        for s in steps
    ]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 6.5 < slope < 9.5


# Engines against each other ------------------------------------------------------------------


def compare(count, seed, **options):
    """Worst distance of the compiled engine from the reference over walks, and whether outcomes agree."""
    arguments = {name: value for name, value in paper_draws(count, seed).items()}
    walks = gait.simulate(**arguments)
    other = reference.integrate(conditions(**arguments), walks.t, 15.0, **options)
    np.testing.assert_array_equal(walks.outcome, other.outcome)
    np.testing.assert_array_equal(np.isnan(walks.x), np.isnan(other.samples[0]))
    walked = walks.outcome == Outcome.WALKED
    return max(np.abs(walks.x - other.samples[0])[walked].max(), np.abs(walks.y - other.samples[1])[walked].max())


def test_engines_agree():
    assert compare(8, seed=5, rtol=3e-14, atol=1e-16) < 1e-8


@pytest.mark.slow
def test_engines_agree_on_100_records():
    assert compare(120, seed=6, rtol=3e-14, atol=1e-16) < 1e-8


@pytest.mark.slow
def test_engines_find_the_same_outcome_on_2000_raw_draws():
    compare(2000, seed=7, max_step=0.002, rtol=1e-11)


DURATION = 10.0
MISSED = {
    TouchdownRule.STEP_LENGTH: (102, [1207, 4739, 14525, 18361]),
    TouchdownRule.ANGLE_OF_ATTACK: (100, [1099, 4165]),
}
"""Seeds, and numbers among 20,000 extreme draws, of flights of 2 to 5 ms that steps of 5 ms pass over."""


def outcomes(given, **options):
    """Outcomes of walks by the reference."""
    return reference.integrate(given, np.zeros(1), DURATION, **options).outcome.tolist()


@pytest.mark.parametrize("rule", TouchdownRule)
def test_short_flights_of_extreme_walkers(rule):
    seed, numbers = MISSED[rule]
    walkers = some_of(extreme_draws(20_000, rule, seed), numbers)
    assert taylor.integrate(walkers, np.zeros(1), DURATION).outcome.tolist() == [Outcome.FLIGHT] * len(numbers)
    assert outcomes(walkers) == [Outcome.FLIGHT] * len(numbers)


@pytest.mark.parametrize("rule", TouchdownRule)
def test_steps_of_five_milliseconds_miss_them(rule, blind_to_turning_points):
    """Negative control: no step of a fixed length is short enough for all walkers."""
    seed, numbers = MISSED[rule]
    assert Outcome.FLIGHT not in outcomes(some_of(extreme_draws(20_000, rule, seed), numbers), max_step=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.parametrize("rule", TouchdownRule)
def test_engines_agree_on_short_flights(rule, seed):
    """On all flights below 5 ms among 20,000 extreme draws of each rule and seed: 82 in all."""
    draws, found = extreme_draws(20_000, rule, seed), 0
    for first in range(0, 20_000, 5000):
        part = some_of(draws, np.arange(first, first + 5000))
        walkers = some_of(part, short_flights(part, DURATION, longest=0.005))
        assert outcomes(walkers) == [Outcome.FLIGHT] * len(walkers.mass)
        found += len(walkers.mass)
    assert found >= 5


@pytest.mark.slow
@pytest.mark.parametrize("rule", TouchdownRule)
def test_engines_find_the_same_outcome_of_extreme_walkers(rule):
    """2,500 draws of each rule, with unequal legs, at gravities from 1.6 to 25 m/s²: every single one."""
    draws = extreme_draws(2500, rule, seed=20)
    assert outcomes(draws) == taylor.integrate(draws, np.zeros(1), DURATION).outcome.tolist()


@pytest.mark.slow
def test_lanes_and_plain_form_agree_on_60000_raw_draws():
    compare_with_plain_form(60_000, seed=11)


def test_lanes_and_plain_form_agree():
    compare_with_plain_form(3000, seed=12)


def compare_with_plain_form(count, seed):
    """The same outcomes and events, and the same motion but for rounding, which some walks magnify."""
    given = conditions(**paper_draws(count, seed))
    times = RecordingSettings().times
    walks, plain = taylor.integrate(given, times, 15.0), plain_taylor.integrate(given, times, 15.0)
    np.testing.assert_array_equal(walks.outcome, plain.outcome)
    np.testing.assert_array_equal(np.isnan(walks.samples), np.isnan(plain.samples))
    np.testing.assert_array_equal(np.isnan(walks.takeoff), np.isnan(plain.takeoff))
    distance = np.nanmax(np.abs(walks.samples[:2] - plain.samples[:2])[:, walks.outcome == Outcome.WALKED], axis=(0, 2))
    assert np.quantile(distance, 0.5) < 1e-12
    assert np.quantile(distance, 0.99) < 1e-9


def test_lanes_and_plain_form_agree_on_fixed_angle_and_unequal_legs():
    generator = np.random.default_rng(13)
    uniform = lambda low, high, *shape: generator.uniform(low, high, (500, *shape))  # noqa: E731
    given = _conditions(
        uniform(60, 100), uniform(12_000, 16_000, 2), uniform(0.98, 1.02, 2), 0.0, uniform(0.0, 0.06),
        uniform(0.9, 1.2), 0.0, None, np.deg2rad(uniform(66, 72)), 9.81,
    )  # fmt: skip
    times = RecordingSettings(6.0, 0.05).times
    walks, plain = taylor.integrate(given, times, 6.0), plain_taylor.integrate(given, times, 6.0)
    np.testing.assert_array_equal(walks.outcome, plain.outcome)
    assert 30 < np.sum(walks.outcome == Outcome.WALKED) < 470
    np.testing.assert_allclose(walks.samples, plain.samples, rtol=1e-7, atol=1e-5)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("state", [(0.15, 0.66, 0.8, -0.2), (0.3, 0.55, 0.7, 0.3)])
def test_series_begin_with_the_acceleration_of_the_model(phase, state):
    _, (x, y), step = begun_step(phase, state)
    ax, ay = model.acceleration(phase, state[0], state[1], SPAN, *REAR, *FRONT, 10.0)
    assert 2 * x[2] / step**2 == pytest.approx(ax, rel=1e-12)
    assert 2 * y[2] / step**2 == pytest.approx(ay, rel=1e-12)


def test_polynomial_gaps_are_those_of_the_model():
    """What the event search sees is what the model says, anywhere within a step."""
    for phase in Phase:
        work, (x, y), step = begun_step(phase, (0.15, 0.66, 0.8, -0.2))
        assert 0.01 < step < 0.5
        r2, gap_a, gap_b, speed, height = np.zeros((5, ORDER + 1))
        events._squared_length(work, 3, r2)
        events._gap_a(work, 3, r2, gap_a)
        events._gap_b(work, 3, r2, gap_b)
        events._speed_gap(work, 3, speed)
        events._height_gap(work, 3, height)
        for time in (0.0, 0.3, 1.0):
            px, vx = np.polyval(x[::-1], time), np.polyval(np.polyder(x[::-1]), time)
            py = np.polyval(y[::-1], time)
            rear, front = model.rear_gap(px**2 + py**2, 0.7), model.front_gap(px**2 + py**2, px, SPAN, 0.71)
            assert front == pytest.approx((px - SPAN) ** 2 + py**2 - 0.71**2, abs=1e-14)
            a, b = (-front, rear) if phase == Phase.SINGLE_SUPPORT else (rear, front)
            expected = (a, b, -vx, -model.height_gap(py, model.FALL_FRACTION * 0.7))
            for gap, value in zip((gap_a, gap_b, speed, height), expected, strict=True):
                assert np.polyval(gap[::-1], time) == pytest.approx(value, abs=1e-14)


def test_verdicts_are_those_of_the_exact_search():
    """States of all kinds, near events too: what is called simple must be what the search finds."""
    generator = np.random.default_rng(14)
    verdicts = np.zeros(3, int)
    r2, gap = np.empty((2, ORDER + 1))
    for phase in Phase:
        for i in range(2000):
            px, py = generator.uniform(-0.3, 0.4), generator.uniform(0.25, 0.72)
            if i % 4 == 0:  # just before the event of gap a
                centre, length, side = (SPAN, FRONT[1], 1) if phase == Phase.SINGLE_SUPPORT else (0.0, REAR[1], -1)
                px = abs(px)
                py = np.sqrt(length**2 - (px - centre) ** 2) + side * generator.uniform(0, 0.03)
            state = (px, py, generator.uniform(-0.1, 1.5), generator.normal(0, 0.4))
            work, _, _ = begun_step(phase, state)
            event, end = events.search(work, 3, r2, gap)
            verdict = work[ROW.verdict + 3]
            verdicts[int(verdict)] += 1
            if verdict == events.NO_EVENT:
                assert event == -1
            elif verdict == events.ONE_RISE:
                assert event == (Event.TOUCHDOWN if phase == Phase.SINGLE_SUPPORT else Event.TAKEOFF)
                events.close_in(work, LANES)
                if work[ROW.correction + 3] <= events.CONVERGED:
                    assert work[ROW.at + 3] == pytest.approx(end, abs=1e-12)
    assert (verdicts > 300).all()


# Events --------------------------------------------------------------------------------------


def polynomial(*coefficients):
    return np.array([*coefficients, *([0.0] * (ORDER + 1 - len(coefficients)))])


def test_first_rise_finds_a_gap_that_opens_and_closes_within_the_step():
    """(1e-8 - (t - 0.5)²) is above zero between 0.4999 and 0.5001 only."""
    gap = polynomial(1e-8 - 0.25, 1.0, -1.0)
    assert events.first_rise(gap, 1.0, True) == pytest.approx(0.4999, abs=1e-12)
    assert events.first_rise(polynomial(-1e-8 - 0.25, 1.0, -1.0), 1.0, True) == np.inf


@pytest.mark.parametrize("roots", [(0.2, 0.5, 0.7), (0.1, 0.100001, 0.9), (0.3, 0.9, 1.4)])
def test_first_rise_takes_the_first_of_several_roots(roots):
    gap = polynomial(*np.polynomial.polynomial.polyfromroots(roots))  # rises at the first root
    assert events.first_rise(gap, 1.0, True) == pytest.approx(roots[0], abs=1e-9)
    assert events.first_rise(-gap, 1.0, False) == pytest.approx(roots[1], abs=1e-9)


def test_first_rise_has_a_direction_and_an_end():
    falling = polynomial(0.5, -1.0)
    assert events.first_rise(falling, 1.0, True) == np.inf
    assert events.first_rise(-falling, 0.4, True) == np.inf
    assert events.first_rise(-falling, 0.6, True) == pytest.approx(0.5)


def test_first_rise_at_the_start():
    """A gap on its way up is overdue; one that is on its way down by rounding has not begun."""
    assert events.first_rise(polynomial(1e-17, 1.0), 1.0, True) == 0.0
    assert events.first_rise(polynomial(1e-17, 1.0), 1.0, False) == np.inf
    assert events.first_rise(polynomial(1e-17, -1.0), 1.0, True) == np.inf
    # It falls below zero first and rises afterwards: that rise counts.
    assert events.first_rise(polynomial(1e-17, -1.0, 2.0), 1.0, True) == pytest.approx(0.5)
    # In reach from the start and never out of it: not a touchdown.
    assert events.first_rise(polynomial(0.1, 0.3, -0.6, 1.0), 1.0, False) == np.inf


@pytest.mark.parametrize("engine", ENGINES)
def test_a_leg_that_leaves_and_comes_back_is_a_flight(engine):
    assert gait.simulate(**A_SHORT_FLIGHT, engine=engine).outcome[0] == Outcome.FLIGHT


def short_flight(**options):
    """Outcome of a walk with one short flight, by the reference."""
    return reference.integrate(conditions(**A_SHORT_FLIGHT), np.array([0.0]), 15.0, **options).outcome[0]


UNBOUNDED = dict(max_step=np.inf, rtol=1e-9, atol=1e-10)


def test_the_turning_point_of_a_gap_shows_a_flight_within_one_step():
    assert short_flight(**UNBOUNDED) == Outcome.FLIGHT


def test_steps_that_look_at_their_ends_only_miss_that_flight(blind_to_turning_points):
    """Negative control: why the reference watches turning points, and bounds its steps."""
    assert short_flight(**UNBOUNDED) == Outcome.WALKED
    assert short_flight() == Outcome.FLIGHT


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_the_longest_step_is_a_share_of_the_time_that_the_walker_takes(factor):
    """Were every length the same and time to run faster, so would the steps."""
    walker = conditions(**A_WALK)
    faster = dataclasses.replace(
        walker, stiffness=walker.stiffness * factor**2, gravity=walker.gravity * factor**2,
        start=walker.start * np.array([1.0, 1.0, factor, factor]),
    )  # fmt: skip
    np.testing.assert_allclose(reference.time_scale(faster), reference.time_scale(walker) / factor)
    assert reference.time_scale(walker)[0] == pytest.approx(np.sqrt(70.0 / 18_000))


@pytest.mark.parametrize(
    ("change", "scale"), [({"stiffness": 1.0}, np.sqrt(0.07)), ({"stiffness": 1.0, "vx0": 70.0}, 0.01)]
)
def test_the_pendulum_and_the_speed_count_where_they_are_faster_than_the_spring(change, scale):
    assert reference.time_scale(conditions(**A_WALK | change))[0] == pytest.approx(scale)


@pytest.mark.parametrize("engine", ENGINES)
def test_events_in_time_and_in_order(engine):
    """At each event the leg concerned has exactly its rest length, shrinking or growing."""
    walks = gait.simulate(**A_WALK, engine=engine)
    touchdown, takeoff = walks.touchdown[0], walks.takeoff[0]
    order = np.stack([touchdown, takeoff], axis=1).ravel()
    assert (np.diff(order[np.isfinite(order)]) > 0).all()
    assert np.isfinite(touchdown).sum() >= 24
    for i, (landing, leaving) in enumerate(zip(touchdown[:3], takeoff[:3], strict=True)):
        for time, foothold, direction in ((landing, (i + 1) * 0.5, -1), (leaving, i * 0.5, +1)):
            near = gait.simulate(**A_WALK, duration=time * 1.0025, interval=time / 400, engine=engine)
            x, y, vx, vy = (getattr(near, name)[0, 400] for name in ("x", "y", "vx", "vy"))
            assert near.t[400] == pytest.approx(time, abs=1e-12)
            assert np.hypot(x - foothold, y) == pytest.approx(0.7, abs=1e-10)
            assert direction * ((x - foothold) * vx + y * vy) > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_events_at_the_same_time(engine):
    """A weightless mass rolls level over footholds: each takeoff falls together with a touchdown.

    Taken the other way round, every one of them would be a flight.
    """
    d, rest_length, speed = 0.5, 0.7, 1.0
    walks = gait.simulate(
        70, 1e-9, rest_length, x0=-0.1, y0=rest_length - np.sqrt(rest_length**2 - d**2 / 4), vx0=speed, step_length=d,
        gravity=1e-12, duration=3, engine=engine,
    )  # fmt: skip
    assert walks.outcome[0] == Outcome.WALKED
    np.testing.assert_allclose(walks.touchdown[0], (d / 2 + 0.1 + d * np.arange(6)) / speed, atol=1e-9)
    np.testing.assert_allclose(walks.takeoff[0], walks.touchdown[0], atol=1e-9)


def test_a_recording_that_ends_with_an_event_has_walked():
    """To the end of one step, say: rounding leaves a little time, none, or less than none."""
    starts = dict(mass=70, stiffness=9000, rest_length=0.7, x0=0.02, y0=0.07, step_length=0.5)
    ended = 0
    for speed in np.linspace(0.7, 0.8, 40):
        walk = gait.simulate(**starts, vx0=speed, duration=3.0)
        for time in np.concatenate([walk.touchdown[0], walk.takeoff[0]]):
            for duration in (np.nextafter(time, 0), time, np.nextafter(time, 9)) if np.isfinite(time) else ():
                short = gait.simulate(**starts, vx0=speed, duration=duration)
                assert short.outcome[0] == Outcome.WALKED, (speed, duration)
                assert np.isfinite(short.x).all()
                ended += 1
    assert ended > 500


@pytest.mark.parametrize("engine", ENGINES)
def test_no_event_no_entry(engine):
    walks = gait.simulate(70, 9000, 0.7, y0=0.08, vx0=0, step_length=5, duration=2, engine=engine)
    assert walks.outcome[0] == Outcome.WALKED
    assert walks.touchdown.shape == walks.takeoff.shape == (1, 0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, Outcome.WALKED),
        ({"x0": 0.1, "y0": 0.0}, Outcome.AIRBORNE),
        ({"y0": 0.2}, Outcome.FLIGHT),
        ({"vx0": 0.3, "y0": 0.0715, "x0": -0.2}, Outcome.BACKWARD),
        ({"vx0": -0.1}, Outcome.BACKWARD),
        ({"stiffness": 500.0}, Outcome.FALL),
        ({"y0": 0.5}, Outcome.FALL),
    ],
)
def test_outcomes(engine, change, outcome):
    walks = gait.simulate(**A_WALK | change, engine=engine)
    assert walks.outcome[0] == outcome
    assert np.isnan(walks.x[0, -1]) == (outcome != Outcome.WALKED)


@pytest.mark.parametrize("change", [{"x0": -0.05, "vx0": 0.0}, {"y0": 0.0, "x0": 0.0, "vy0": 0.1}])
def test_a_walk_that_ends_as_it_begins_has_its_first_sample(change):
    walks = [gait.simulate(**A_WALK | change, engine=engine) for engine in ENGINES]
    for walk in walks:
        assert walk.outcome[0] == (Outcome.BACKWARD if "y0" not in change else Outcome.FLIGHT)
        assert np.isfinite(walk.x[0]).tolist() == [True] + [False] * 149
        assert walk.x[0, 0] == change["x0"]
    np.testing.assert_allclose(walks[0].fy[0, 0], walks[1].fy[0, 0], atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_leg_of_exactly_its_rest_length_stands(engine):
    """x(0)² + y(0)² = l0² but for rounding, the leg being shortened: a walk can begin so."""
    start = dict(x0=-0.1, y0=0.7 - np.sqrt(0.48), vx0=1.0)
    assert gait.simulate(**A_WALK | start, engine=engine).outcome[0] != Outcome.AIRBORNE


@pytest.mark.parametrize(
    ("duration", "interval", "samples"),
    [(15.0, 0.1, 150), (1.0, 0.3, 4), (1.0, 0.4, 3), (0.25, 0.1, 3), (0.35, 0.1, 4), (3.0, 0.1, 30), (2.0, 2.0, 1)],
)
def test_samples_are_all_multiples_of_the_interval_below_the_duration(duration, interval, samples):
    assert RecordingSettings(duration, interval).times.size == samples


def test_engines_agree_on_fixed_angle_and_unequal_legs():
    common = dict(mass=80.0, stiffness=[[14_000.0, 14_300.0]], rest_length=[[1.0, 1.004]], y0=0.03, vx0=1.1)
    walks, other = (
        gait.simulate(**common, angle_of_attack=np.deg2rad(69), gravity=9.81, duration=5.0, engine=engine)
        for engine in ENGINES
    )
    assert walks.outcome[0] == other.outcome[0]
    np.testing.assert_allclose(walks.x, other.x, atol=1e-8)
    np.testing.assert_allclose(walks.foothold, other.foothold, atol=1e-8)


@pytest.mark.parametrize("faster", [1e-4, 1e4])
def test_the_unit_of_time_makes_no_difference(faster):
    """Single precision covers 76 decades: not enough for such series in seconds."""
    walk = gait.simulate(**A_WALK, duration=3.0, interval=0.1)
    stiffness, speed = A_WALK["stiffness"] * faster**2, A_WALK["vx0"] * faster
    other = gait.simulate(
        **A_WALK | {"stiffness": stiffness, "vx0": speed, "gravity": 10.0 * faster**2}, duration=3.0 / faster,
        interval=0.1 / faster,
    )  # fmt: skip
    assert walk.outcome[0] == other.outcome[0] == Outcome.WALKED
    np.testing.assert_allclose(other.x, walk.x, atol=1e-10)
    np.testing.assert_allclose(other.y, walk.y, atol=1e-10)
    np.testing.assert_allclose(other.takeoff * faster, walk.takeoff, atol=1e-10)


def test_stumble():
    """Some raw draws stumble; there the front leg is longer than l0 before the rear one is."""
    arguments = paper_draws(300, seed=8)
    walks = gait.simulate(**arguments)
    (stumbled,) = np.nonzero(walks.outcome == Outcome.STUMBLE)
    assert len(stumbled) > 3
    one = {name: value[stumbled[:2]] for name, value in arguments.items()}
    np.testing.assert_array_equal(gait.simulate(**one, engine="scipy").outcome, Outcome.STUMBLE)


def test_outcome_shares_are_those_known_of_the_paper_priors():
    """84-85 % of draws walk and 2.5 % start airborne (an independent implementation's counts)."""
    outcome = gait.simulate(**paper_draws(20_000, seed=9)).outcome
    assert np.mean(outcome == Outcome.WALKED) == pytest.approx(0.845, abs=0.012)
    assert np.mean(outcome == Outcome.AIRBORNE) == pytest.approx(0.025, abs=0.004)


# Batches and arguments -----------------------------------------------------------------------


def test_a_walk_does_not_depend_on_its_batch_or_on_threads():
    arguments = paper_draws(60, seed=10)
    together = gait.simulate(**arguments)
    for i in (0, 17, 59):
        alone = gait.simulate(**{name: value[i] for name, value in arguments.items()})
        for name in ("x", "y", "vx", "vy", "fx", "fy"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[i])
    given = conditions(**arguments)
    assert len(given.mass) % LANES
    one, three = (taylor.integrate(given, together.t, 15.0, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one.samples, three.samples)
    np.testing.assert_array_equal(one.touchdown, three.touchdown)


@pytest.mark.parametrize("count", [2, layout.GROUP, layout.GROUP + 1, LANES - 1, LANES, LANES + 1])
def test_walks_do_not_depend_on_how_many_lanes_are_in_use(count):
    """Nor on the order in which walkers end: each ends at another time, and the last ones move together."""
    arguments = paper_draws(200, seed=11)
    together = gait.simulate(**arguments)
    early = np.flatnonzero(together.outcome != Outcome.WALKED)[: count // 2]
    late = np.flatnonzero(together.outcome == Outcome.WALKED)[: count - len(early)]
    chosen = np.random.default_rng(count).permutation(np.concatenate([early, late]))
    few = taylor.integrate(conditions(**{k: v[chosen] for k, v in arguments.items()}), together.t, 15.0, threads=1)
    assert len(few.outcome) == count
    np.testing.assert_array_equal(few.outcome, together.outcome[chosen])
    np.testing.assert_array_equal(few.samples, together.samples[:, chosen])
    np.testing.assert_array_equal(few.events, together.events[chosen])
    most = few.touchdown.shape[1]
    np.testing.assert_array_equal(few.touchdown, together.touchdown[chosen, :most])
    np.testing.assert_array_equal(few.takeoff, together.takeoff[chosen, :most])


def test_a_walk_does_not_depend_on_the_kind_of_arrays():
    """The compiled code gets addresses: arrays with gaps, in another order or of other numbers are copied."""
    given = conditions(**paper_draws(60, seed=10))
    expected = taylor.integrate(given, np.arange(10) * 0.1, 1.0).samples
    gaps = {name: np.repeat(getattr(given, name), 2, axis=0)[::2] for name in layout.Walkers._fields}
    order = {name: np.asfortranarray(getattr(given, name)) for name in ("stiffness", "rest_length", "start")}
    for changed in (gaps, order):
        other = dataclasses.replace(given, **changed)
        assert not other.start.flags.c_contiguous
        np.testing.assert_array_equal(taylor.integrate(other, np.arange(20)[::2] * 0.05, 1.0).samples, expected)
    single = dataclasses.replace(given, mass=given.mass.astype(np.float32))
    rounded = dataclasses.replace(given, mass=single.mass.astype(float))
    one, other = (taylor.integrate(each, np.zeros(1), 1.0).samples for each in (single, rounded))
    np.testing.assert_array_equal(one, other)


_A_WALK_ELSEWHERE = """
import logging, sys
logging.basicConfig(format="%(message)s", stream=sys.stdout)
import gait
print(gait.simulate(70, 9000, 0.7, x0=0.02, y0=0.5, vx0=0.8, step_length=0.5).outcome[0], end=" ")
print("compiled" if "numba" in sys.modules else "loaded")
"""


@pytest.mark.slow
def test_compiled_code_is_kept_but_never_stale(tmp_path):
    """A constant is changed in another module than the compiled one, which numba would not notice."""

    def run():
        command = [sys.executable, "-c", _A_WALK_ELSEWHERE]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.splitlines()

    shutil.copytree(Path(gait.__file__).parent, tmp_path / "gait", ignore=shutil.ignore_patterns("__pycache__"))
    first = [*run()]
    assert first[-1] == f"{int(Outcome.FALL)} compiled"
    assert first[0].startswith("Compiling the walking model")
    assert run() == [f"{int(Outcome.FALL)} loaded"]
    source = tmp_path / "gait" / "simulation" / "model.py"
    source.write_text(source.read_text().replace("FALL_FRACTION = 0.3", "FALL_FRACTION = 0.1"))
    changed = run()
    assert changed[-1].endswith("compiled")
    assert changed[-1] != first[-1]
    assert run() == [changed[-1].replace("compiled", "loaded")]


@pytest.mark.parametrize("change", [{"stiffness": 1e30}, {"stiffness": 1e300, "mass": 1e-300}, {"gravity": 1e200}])
def test_a_motion_too_fast_to_follow_is_an_error_and_no_endless_loop(change):
    with pytest.raises(
        gait.InputError, match=r"a walker is too fast to be followed.*Use values that a walker can have"
    ):
        gait.simulate(**A_WALK | {name: np.array([A_WALK.get(name, 10.0), value]) for name, value in change.items()})


def test_more_events_than_expected_are_all_kept():
    """Short steps at high speed: over twenty events a second."""
    walks = gait.simulate(
        70, 1e-9, 0.7, y0=0.7 - np.sqrt(0.7**2 - 0.01**2 / 4), vx0=1.0, step_length=0.01, gravity=1e-12, duration=2.0
    )
    assert walks.outcome[0] == Outcome.WALKED
    assert walks.touchdown.shape[1] == 200


def test_simulate_broadcasts():
    walks = gait.simulate(**A_WALK | {"mass": np.array([60.0, 70.0, 75.0])}, duration=1.0)
    assert walks.x.shape == (3, 10)
    assert walks.t.shape == (10,)
    np.testing.assert_allclose(walks.t, np.arange(10) * 0.1)
    np.testing.assert_allclose(walks.x[:, 0], 0.02)
    np.testing.assert_allclose(walks.y[:, 0], 0.63)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step_length": None}, "Exactly one touchdown rule"),
        ({"angle_of_attack": 1.2}, "Exactly one touchdown rule"),
        ({"mass": -70.0}, "mass must be positive. Received: -70"),
        ({"stiffness": [9000.0, 0.0]}, "stiffness must be positive. Received: 0"),
        ({"vx0": np.nan}, "vx0 must be finite"),
        ({"mass": "heavy"}, "mass must be a number"),
        ({"mass": [60.0, 70.0], "vx0": [0.7, 0.8, 0.9]}, "one common length"),
        ({"mass": [[60.0]]}, "mass must be a scalar or of shape"),
        ({"stiffness": np.ones((2, 3))}, "or \\[n, 2\\]"),
        ({"step_length": None, "angle_of_attack": 70.0}, "between 0 and pi/2 rad"),
        ({"engine": "euler"}, "no engine of this name"),
        ({"duration": 0.0}, "duration must be a positive number"),
        ({"interval": 40.0}, "must not exceed the duration"),
        ({"interval": 1e-9}, "between 1 and 1,000,000 samples"),
    ],
)
def test_simulate_explains_what_is_wrong(change, message):
    with pytest.raises(gait.InputError, match=message):
        gait.simulate(**A_WALK | change)


def test_an_event_ends_a_walk_or_begins_a_phase():
    from gait.simulation.model import EVENTS_OF_PHASE, OUTCOME_OF_EVENT

    watched = {event for events in EVENTS_OF_PHASE.values() for event in events}
    assert watched == set(Event)
    assert set(Event) - set(OUTCOME_OF_EVENT) == {Event.TOUCHDOWN, Event.TAKEOFF}

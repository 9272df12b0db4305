"""A recorded walker as a forward model: derived channels, and what is left over of the unknowns for every sensor."""

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import gait
from gait import identifiability
from gait.errors import InputError
from gait.parameters import NAMES, Uniform
from gait.simulation import model
from gait.simulation.channels import CHANNELS, observe
from gait.simulation.conditions import SAMPLE_FIELDS
from gait.simulation.forward_model import Observation
from gait.simulation.model import Outcome, Phase
from gait.simulation.population import Population
from tests.helpers.walks import paper_draws

RECOVERABLE, COMBINED = "recoverable", "only in combination"


@pytest.fixture(scope="module")
def walked():
    """40 walkers with their walks: population, conditions, recording."""
    population = Population(interval=0.01)
    theta = Observation(("x",), population=Population()).draw(40, np.random.default_rng(11))
    walkers = population.conditions(theta)
    return population, walkers, population.walks(walkers)


def channel(name, walked):
    _, walkers, recording = walked
    return observe((name,), recording.samples, walkers)[0]


# Channels ------------------------------------------------------------------------------------


def test_sampled_channels_are_the_engines(walked):
    for i, name in enumerate(SAMPLE_FIELDS):
        np.testing.assert_array_equal(channel(name, walked), walked[2].samples[i])


@pytest.mark.parametrize(("acceleration", "velocity"), [("ax", "vx"), ("ay", "vy")])
def test_acceleration_is_the_slope_of_velocity(walked, acceleration, velocity):
    v, a = channel(velocity, walked), channel(acceleration, walked)
    slope = (v[:, 2:] - v[:, :-2]) / 0.02
    # Within phases to second order; at events the acceleration has kinks, so medians.
    assert np.median(np.abs(slope - a[:, 1:-1])) < 1e-3 * np.abs(a).max()
    assert np.abs(slope - a[:, 1:-1]).max() < 0.05 * np.abs(a).max()


def test_force_in_body_weights(walked):
    _, walkers, _ = walked
    for name in ("fx", "fy"):
        weights = channel(name, walked) / channel(f"{name}_bw", walked)
        np.testing.assert_allclose(weights, np.broadcast_to(10.0 * walkers.mass[:, None], weights.shape), rtol=1e-12)
    assert channel("fy_bw", walked).mean() == pytest.approx(1.0, abs=0.02)


def test_leg_length_is_that_of_the_rear_leg(walked):
    """Against the engine's own events: the rear leg stands on the foothold of the last takeoff but none."""
    population, walkers, recording = walked
    length, x, y = (channel(name, walked) for name in ("leg_length", "x", "y"))
    steps = np.array(
        [np.searchsorted(takeoffs[np.isfinite(takeoffs)], population.times) for takeoffs in recording.takeoff]
    )
    expected = np.hypot(x - steps * walkers.target[:, None], y)
    np.testing.assert_allclose(length, expected, rtol=1e-12)
    assert (length <= walkers.rest_length[:, :1] * (1 + 1e-12)).all()


def test_leg_length_of_unequal_legs():
    """Legs alternate: rest lengths of 0.70 and 0.71 m."""
    population = Population(interval=0.01, duration=5.0)
    values = {name: column[:200] for name, column in paper_draws(200, 3).items()}
    walkers = population.conditions(np.stack([values[name] for name in NAMES], axis=1))
    walkers.rest_length[:] = [0.70, 0.71]
    walkers.start[:, 1] = 0.70 - values["y0"]
    recording = population.walks(walkers)
    good = np.flatnonzero(recording.outcome == Outcome.WALKED)
    assert len(good) > 50
    length = observe(("leg_length",), recording.samples, walkers)[0][good]
    steps = [np.searchsorted(t[np.isfinite(t)], population.times) for t in recording.takeoff[good]]
    expected = np.hypot(
        recording.samples[0, good] - np.array(steps) * walkers.target[good, None], recording.samples[1, good]
    )
    np.testing.assert_allclose(length, expected, rtol=1e-12)


def test_leg_length_needs_a_step_length(walked):
    _, walkers, recording = walked
    by_angle = type(walkers)(**{**vars(walkers), "rule": model.TouchdownRule.ANGLE_OF_ATTACK})
    with pytest.raises(InputError, match="needs walkers of a fixed step length"):
        observe(("leg_length",), recording.samples, by_angle)


def test_relative_positions_have_no_unit(walked):
    _, walkers, recording = walked
    blown_up = recording.samples * 3.7
    for name in ("x_rel", "y_rel"):
        np.testing.assert_allclose(observe((name,), blown_up, walkers)[0], channel(name, walked), rtol=1e-12)
    np.testing.assert_allclose(channel("y_rel", walked).mean(axis=1), 1.0)


# The forward model ---------------------------------------------------------------------------


def test_outputs_are_the_simulation():
    observation = Observation(("x", "fy"), measured=("mass",))
    theta = observation.draw(3, np.random.default_rng(0))
    arguments = dict(zip(NAMES, theta.T, strict=True))
    walks = gait.simulate(**arguments)
    outputs = observation.outputs(theta)
    np.testing.assert_array_equal(outputs, np.concatenate([walks.x, walks.fy, theta[:, :1]], axis=1))
    assert {name: (s.start, s.stop) for name, s in observation.groups.items()} == {
        "x": (0, 150), "fy": (150, 300), "mass": (300, 301),
    }  # fmt: skip


def test_whoever_does_not_walk_has_no_outputs():
    observation = Observation(("x", "y"))
    theta = np.repeat(observation.draw(1, np.random.default_rng(0)), 4, axis=0)
    theta[1, NAMES.index("vx0")] = 0.01  # falls back
    theta[2, NAMES.index("mass")] = -70.0
    theta[3, NAMES.index("step_length")] = np.nan
    finite = np.isfinite(observation.outputs(theta)).all(axis=1)
    np.testing.assert_array_equal(finite, [True, False, False, False])
    assert np.isnan(observation.outputs(theta)[1:]).all()


def test_persons_keep_the_prior_whoever_can_walk_how():
    """Trials are redrawn, persons never: mass is uniform though only five of six draws walk."""
    theta = Observation(("x",)).draw(4000, np.random.default_rng(5))
    counts, _ = np.histogram(theta[:, 0], bins=10, range=(60, 75))
    assert np.sum((counts - 400) ** 2 / 400) < 27.9  # chi², 9 degrees of freedom, 0.1 %


def test_what_cannot_be_observed_is_refused():
    with pytest.raises(InputError, match="Something has to be measured"):
        Observation(())
    with pytest.raises(InputError, match="Received: height"):
        Observation(("x",), measured=("height",))
    wide = Population(priors=Population().priors | {"step_length": Uniform(1.9, 2.0)})
    with pytest.raises(InputError, match="did not walk in 1,000 trials"):
        Observation(("x",), population=wide).draw(2, np.random.default_rng(0))
    with pytest.raises(InputError, match="a positive standard deviation for each of x, y"):
        Observation(("x", "y")).noise({"x": 0.1})
    with pytest.raises(InputError, match="a positive standard deviation for each of x"):
        Observation(("x",)).noise({"x": -0.1})


# What is left over ---------------------------------------------------------------------------


def analysed(observation, count=12, seed=0):
    points = observation.draw(count, np.random.default_rng(seed))
    return identifiability.analyse(observation.outputs, points, observation.names, prior_sd=observation.prior_sd)


KINEMATIC = [("x", "y"), ("x",), ("y",), ("x", "y", "ax", "ay"), ("x", "y", "leg_length"), ("x", "y", "fx_bw", "fy_bw")]
WEIGHING = [("fy",), ("fx", "fy"), ("x", "y", "fy")]


@pytest.mark.parametrize("channels", KINEMATIC, ids="_".join)
def test_kinematic_and_normalised_sensors_leave_the_scaling_of_mass_and_stiffness(channels):
    report = analysed(Observation(channels))
    assert report.rank == 6
    assert report.gap > 1e4
    assert report.combinations[:2] == ["k/m", "l0"]
    assert report.verdicts["m"] == report.verdicts["k"] == COMBINED
    assert {report.verdicts[name] for name in ("l0", "x0", "y0", "vx0", "d")} == {RECOVERABLE}
    assert report.counterexample.difference < 1e-9
    assert report.cramer_rao["m"] == report.cramer_rao["k"] == np.inf


@pytest.mark.parametrize("channels", WEIGHING, ids="_".join)
def test_forces_in_newtons_leave_nothing(channels):
    report = analysed(Observation(channels))
    assert set(report.verdicts.values()) == {RECOVERABLE}
    assert report.counterexample is None
    assert np.isfinite(list(report.cramer_rao.values())).all()


def test_body_mass_leaves_nothing():
    assert set(analysed(Observation(("x", "y"), measured=("mass",))).verdicts.values()) == {RECOVERABLE}


def test_an_unknown_unit_is_fixed_by_gravity():
    report = analysed(Observation(("x_rel", "y_rel")))
    assert report.combinations[:2] == ["k/m", "l0"]
    assert report.verdicts["l0"] == RECOVERABLE


def test_an_unknown_unit_and_unknown_gravity_lose_the_rest_length_too():
    report = analysed(Observation(("x_rel", "y_rel"), gravity_unknown=True))
    assert "k/m" in report.combinations
    assert set(report.verdicts.values()) == {COMBINED}
    assert report.rank == 6
    # With the unit known, gravity can be measured along with the rest.
    assert analysed(Observation(("x", "y"), gravity_unknown=True)).verdicts["g"] == RECOVERABLE


def test_two_legs_share_one_scaling():
    report = analysed(Observation(("x", "y"), two_legs=True))
    assert report.combinations[:3] == ["k/m", "k2/m", "l0"]
    assert [report.verdicts[name] for name in ("m", "k", "k2", "l0")] == [COMBINED, COMBINED, COMBINED, RECOVERABLE]


def test_flight_tells_nothing_of_the_body():
    """A ballistic arc depends on its start alone."""
    times = np.linspace(0.0, 0.3, 30)

    def flight(theta):
        _, _, _, x, y, vx, vy = theta.T[..., None]
        return np.concatenate([x + vx * times, y + vy * times - 5.0 * times**2], axis=1)

    points = np.random.default_rng(0).uniform(1.0, 2.0, (6, 7))
    report = identifiability.analyse(flight, points, ["m", "k", "l0", "x", "y", "vx", "vy"])
    assert [report.verdicts[name] for name in ("m", "k", "l0")] == ["dead"] * 3
    assert report.combinations == ["x", "y", "vx", "vy"]


def test_wrong_combinations_of_the_walker_are_rejected():
    observation = Observation(("x", "y"))
    points = observation.draw(5, np.random.default_rng(2))
    assert identifiability.scaling_holds(observation.outputs, points, [1, 1, 0, 0, 0, 0, 0])
    for wrong in ([1, -1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0.01, 0, 0], [2, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 1]):
        assert not identifiability.scaling_holds(observation.outputs, points, wrong)


def test_near_grazing_walkers_are_set_aside_and_counted():
    """A walker whose neighbours fall over: between one who walks and one who does not, by bisection of the speed."""
    observation = Observation(("x", "y"))
    theta = observation.draw(8, np.random.default_rng(0))
    speed = NAMES.index("vx0")
    walks, stops = theta[0].copy(), theta[0].copy()
    stops[speed] = 0.01
    for _ in range(60):
        middle = 0.5 * (walks + stops)
        walks, stops = (middle, stops) if np.isfinite(observation.outputs(middle[None])).all() else (walks, middle)
    report = identifiability.analyse(observation.outputs, theta, observation.names)
    grazing = identifiability.analyse(observation.outputs, np.vstack([theta, walks]), observation.names)
    assert grazing.set_aside == report.set_aside + 1
    assert grazing.combinations == report.combinations


# Event times ---------------------------------------------------------------------------------


def frozen(start, phases, span_rule, k, l0, g):
    """A walk whose events happen at given times, whatever its own gaps say.

    What an integrator with events computes when it is differentiated with the event times held fixed.
    """
    origin, state, span = 0.0, np.array(start, float), 0.0
    for phase, begin, end in phases:
        if phase == Phase.DOUBLE_SUPPORT:
            span = span_rule(state[0])

        def field(_, s, phase=phase, span=span):
            ax, ay = model.acceleration(phase, s[0], s[1], span, k, l0, k, l0, g)
            return [s[2], s[3], ax, ay]

        state = solve_ivp(field, (begin, end), state, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        if phase == Phase.DOUBLE_SUPPORT:
            origin, state = origin + span, state - [span, 0.0, 0.0, 0.0]
    return np.array([origin + state[0], *state[1:]])


@pytest.mark.parametrize("rule", ["angle_of_attack", "step_length"])
def test_dropped_event_time_terms_are_noticed(rule):
    """Derivatives by vx0 after 1 s, from the analysis and with frozen event times.

    At a fixed angle of attack the foothold depends on when the foot lands, and freezing is wrong by much more
    than the derivatives' errors. At a fixed step length it does not, and forces are continuous through the
    events, as a spring of rest length carries nothing: to first order the terms vanish, and both agree.
    """
    k, l0, g, duration = 14000.0 / 80.0, 1.0, 9.81, 1.0
    touchdown = {rule: {"angle_of_attack": np.deg2rad(69.0), "step_length": 0.52}[rule]}

    def simulated(vx0):
        return gait.simulate(
            80.0, 14000.0, l0, y0=1.0 - 0.97083467, vx0=vx0, gravity=g, duration=duration, interval=0.05, **touchdown
        )

    walk = simulated([1.09698036])
    assert walk.outcome[0] == Outcome.WALKED
    times = np.sort(np.concatenate([walk.touchdown[0], walk.takeoff[0]]))
    edges = [0.0, *times[np.isfinite(times) & (times < 0.95)], 0.95]
    assert len(edges) > 4
    phases = [(Phase(i % 2), *pair) for i, pair in enumerate(itertools.pairwise(edges))]
    span_rule = (lambda x: 0.52) if rule == "step_length" else (lambda x: x + l0 * np.cos(touchdown[rule]))
    step = 1e-5
    ends = [frozen((0.0, 0.97083467, 1.09698036 + s, 0.0), phases, span_rule, k, l0, g) for s in (-step, 0.0, step)]
    np.testing.assert_allclose(ends[1][:2], [walk.x[0, 19], walk.y[0, 19]], atol=1e-9)
    held = (ends[2] - ends[0])[:2] / (2 * step)

    def recorded(theta):
        walks = simulated(theta[:, 0])
        return np.concatenate([walks.x[:, 19:20], walks.y[:, 19:20]], axis=1)

    found = identifiability.jacobians(recorded, np.full((1, 1), 1.09698036))
    off = np.abs(found.values[0, :, 0] - held).max() / np.abs(held).max()
    error = found.errors.max() / np.abs(held).max()
    assert error < 1e-7
    if rule == "angle_of_attack":
        assert off > 1e4 * error
    else:
        assert off < 1e-6


def test_every_channel_has_a_meaning_and_a_unit():
    for item in CHANNELS.values():
        assert item.meaning
        assert item.unit

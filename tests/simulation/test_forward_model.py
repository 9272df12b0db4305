"""A recorded walker as a forward model: its outputs, and what every sensor leaves unknown."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import gait
from gait import identifiability
from gait.errors import InputError
from gait.parameters import NAMES, PAPER_PRIORS, Uniform, draw, named
from gait.simulation import model
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel
from gait.simulation.model import Outcome, Phase

RECOVERABLE, COMBINED = "recoverable", "only in combination"

# The forward model ---------------------------------------------------------------------------


def test_outputs_are_the_simulation():
    forward = ForwardModel(("x", "fy"), measured=("mass",))
    theta = forward.draw(3, np.random.default_rng(0))
    arguments = named(NAMES, theta)
    walks = gait.simulate(**arguments)
    outputs = forward.outputs(theta)
    np.testing.assert_array_equal(outputs, np.concatenate([walks.x, walks.fy, arguments["mass"][:, None]], axis=1))
    assert {name: (s.start, s.stop) for name, s in forward.groups.items()} == {
        "x": (0, 150), "fy": (150, 300), "mass": (300, 301),
    }  # fmt: skip


def test_a_walker_that_does_not_walk_has_no_outputs():
    forward = ForwardModel(("x", "y"))
    theta = np.repeat(forward.draw(1, np.random.default_rng(0)), 4, axis=0)
    theta[1, NAMES.index("vx0")] = 0.01  # falls back
    theta[2, NAMES.index("mass")] = -70.0
    theta[3, NAMES.index("step_length")] = np.nan
    finite = np.isfinite(forward.outputs(theta)).all(axis=1)
    np.testing.assert_array_equal(finite, [True, False, False, False])
    assert np.isnan(forward.outputs(theta)[1:]).all()


def test_subject_parameters_keep_the_prior_though_not_all_draws_walk():
    """Circumstances are redrawn, subject parameters never: mass is uniform though only five of six draws walk."""
    theta = ForwardModel(("x",)).draw(4000, np.random.default_rng(5))
    counts, _ = np.histogram(theta[:, NAMES.index("mass")], bins=10, range=(60, 75))
    assert np.sum((counts - 400) ** 2 / 400) < 27.9  # chi², 9 degrees of freedom, 0.1 %


def test_what_cannot_be_observed_is_refused():
    with pytest.raises(InputError, match="Something has to be measured"):
        ForwardModel(())
    with pytest.raises(InputError, match="Received: height"):
        ForwardModel(("x",), measured=("height",))
    wide = PAPER_PRIORS | {"step_length": Uniform(1.9, 2.0)}
    with pytest.raises(InputError, match="did not walk in 4,000 attempts"):
        ForwardModel(("x",), priors=wide).draw(2, np.random.default_rng(0))
    with pytest.raises(InputError, match="a positive standard deviation for each of x, y"):
        ForwardModel(("x", "y")).noise_sd({"x": 0.1})
    with pytest.raises(InputError, match="a positive standard deviation for each of x"):
        ForwardModel(("x",)).noise_sd({"x": -0.1})


# What stays unknown --------------------------------------------------------------------------


def analysed(forward, count=12, seed=0):
    points = forward.draw(count, np.random.default_rng(seed))
    return identifiability.analyse(forward.outputs, points, forward.symbols, prior_sd=forward.prior_sd)


KINEMATIC = [
    ("x", "y"), ("x", "y", "leg_length"), ("x", "y", "fx_bw", "fy_bw"),
    *(pytest.param(channels, marks=pytest.mark.slow) for channels in (("x",), ("y",), ("x", "y", "ax", "ay"))),
]  # fmt: skip
WEIGHING = [
    ("fx", "fy"), *(pytest.param(channels, marks=pytest.mark.slow) for channels in (("fy",), ("x", "y", "fy"))),
]  # fmt: skip


@pytest.mark.parametrize("channels", KINEMATIC, ids="_".join)
def test_kinematic_and_normalised_sensors_leave_the_scaling_of_mass_and_stiffness(channels):
    report = analysed(ForwardModel(channels))
    assert report.rank == 6
    assert report.gap > 1e4
    assert report.combinations[:2] == ["k/m", "l0"]
    assert report.verdicts["m"] == report.verdicts["k"] == COMBINED
    assert {report.verdicts[name] for name in ("l0", "x0", "y0", "vx0", "d")} == {RECOVERABLE}
    assert report.counterexample.difference < 1e-9
    assert report.cramer_rao["m"] == report.cramer_rao["k"] == np.inf


@pytest.mark.parametrize("channels", WEIGHING, ids="_".join)
def test_forces_in_newtons_leave_nothing(channels):
    report = analysed(ForwardModel(channels))
    assert set(report.verdicts.values()) == {RECOVERABLE}
    assert report.counterexample is None
    assert np.isfinite(list(report.cramer_rao.values())).all()


def test_body_mass_leaves_nothing():
    assert set(analysed(ForwardModel(("x", "y"), measured=("mass",))).verdicts.values()) == {RECOVERABLE}


def test_an_unknown_unit_is_fixed_by_gravity():
    report = analysed(ForwardModel(("x_rel", "y_rel")))
    assert report.combinations[:2] == ["k/m", "l0"]
    assert report.verdicts["l0"] == RECOVERABLE


def test_an_unknown_unit_and_unknown_gravity_lose_the_rest_length_too():
    report = analysed(ForwardModel(("x_rel", "y_rel"), unknowns=(*NAMES, "gravity")))
    assert "k/m" in report.combinations
    assert set(report.verdicts.values()) == {COMBINED}
    assert report.rank == 6
    # With the unit known, gravity can be measured along with the rest.
    assert analysed(ForwardModel(("x", "y"), unknowns=(*NAMES, "gravity"))).verdicts["g"] == RECOVERABLE


def test_two_legs_share_one_scaling():
    report = analysed(ForwardModel(("x", "y"), unknowns=(*NAMES, "stiffness_right")))
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
    forward = ForwardModel(("x", "y"))
    points = forward.draw(5, np.random.default_rng(2))
    assert identifiability.scaling_holds(forward.outputs, points, [1, 1, 0, 0, 0, 0, 0])
    for wrong in ([1, -1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0.01, 0, 0], [2, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 1]):
        assert not identifiability.scaling_holds(forward.outputs, points, wrong)


def test_near_grazing_walkers_are_set_aside_and_counted():
    """A walker whose neighbours fall over: between one that walks and one that does not, by bisection of the speed."""
    forward = ForwardModel(("x", "y"))
    theta = forward.draw(8, np.random.default_rng(0))
    speed = NAMES.index("vx0")
    walks, stops = theta[0].copy(), theta[0].copy()
    stops[speed] = 0.01
    for _ in range(60):
        middle = 0.5 * (walks + stops)
        walks, stops = (middle, stops) if np.isfinite(forward.outputs(middle[None])).all() else (walks, middle)
    report = identifiability.analyse(forward.outputs, theta, forward.symbols)
    grazing = identifiability.analyse(forward.outputs, np.vstack([theta, walks]), forward.symbols)
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


def test_the_beginning_of_a_longer_walk_is_that_of_walkers_who_walk_on():
    """A view of a dataset has such walkers: of those who walk for 5 s, some do not walk for 15."""
    theta = draw(NAMES, PAPER_PRIORS, 2000, np.random.default_rng(0))
    whole = ForwardModel(("x", "y")).outputs(theta).reshape(-1, 2, 150)
    short = RecordingSettings(duration=5.0, interval=0.2)
    begun = ForwardModel(("x", "y"), settings=dataclasses.replace(short, walking=15.0)).outputs(theta)
    np.testing.assert_array_equal(begun, whole[:, :, :50:2].reshape(-1, 50))
    ended = np.isfinite(ForwardModel(("x", "y"), settings=short).outputs(theta)).all(axis=1)
    walked = np.isfinite(begun).all(axis=1)
    assert (ended >= walked).all()
    assert ended.mean() - walked.mean() > 0.01  # a control: it does matter

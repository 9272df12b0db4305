"""Channels: formulas, legs against the engine's events, and what the table says of each channel."""

import numpy as np
import pytest

from gait.errors import InputError
from gait.parameters import NAMES, Uniform, named
from gait.simulation.channels import CHANNELS, observe
from gait.simulation.conditions import SAMPLE_FIELDS, Conditions, RecordingSettings
from gait.simulation.forward_model import NOISE_RANGE, ForwardModel
from gait.simulation.model import Outcome, TouchdownRule
from gait.simulation.population import Population, walk_records
from gait.simulation.populations import population_of
from gait.simulation.walks import integrate
from tests.helpers.scripts import ROOT
from tests.helpers.walks import extreme_draws, paper_draws, some_of

LEGS = [name for name, item in CHANNELS.items() if item.on_footholds]
CONTACTS = ["contact_left", "contact_right"]
OTHER_LEG = {
    "rest_length": Uniform(0.69, 0.71), "stiffness_right": Uniform(8000.0, 10_000.0),
    "rest_length_right": Uniform(0.69, 0.71),
}  # fmt: skip
POPULATIONS = {
    "paper": (Population(), RecordingSettings()),
    "adult": (population_of("adult"), RecordingSettings(gravity=9.81)),
    "legs of their own": (population_of("paper", given=OTHER_LEG), RecordingSettings(duration=5.0, interval=0.05)),
}


@pytest.fixture(scope="module")
def walked():
    """40 walkers with their walks: settings, conditions, walks."""
    settings = RecordingSettings(interval=0.01)
    theta = ForwardModel(("x",)).draw(40, np.random.default_rng(11))
    walkers = Conditions.of(named(NAMES, theta), settings.gravity)
    return settings, walkers, integrate(walkers, settings)


def channel(name, walked):
    _, walkers, walks = walked
    return observe((name,), walks.samples, walkers)[0]


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
    settings, walkers, walks = walked
    length, x, y = (channel(name, walked) for name in ("leg_length", "x", "y"))
    steps = np.array([np.searchsorted(takeoffs[np.isfinite(takeoffs)], settings.times) for takeoffs in walks.takeoff])
    expected = np.hypot(x - steps * walkers.target[:, None], y)
    np.testing.assert_allclose(length, expected, rtol=1e-12)
    assert (length <= walkers.rest_length[:, :1] * (1 + 1e-12)).all()


def test_leg_length_of_unequal_legs():
    """Legs alternate: rest lengths of 0.70 and 0.71 m."""
    settings = RecordingSettings(interval=0.01, duration=5.0)
    values = paper_draws(200, 3)
    walkers = Conditions.of(values, settings.gravity)
    walkers.rest_length[:] = [0.70, 0.71]
    walkers.start[:, 1] = 0.70 - values["y0"]
    walks = integrate(walkers, settings)
    good = np.flatnonzero(walks.outcome == Outcome.WALKED)
    assert len(good) > 50
    length = observe(("leg_length",), walks.samples, walkers)[0][good]
    steps = [np.searchsorted(t[np.isfinite(t)], settings.times) for t in walks.takeoff[good]]
    expected = np.hypot(walks.x[good] - np.array(steps) * walkers.target[good, None], walks.y[good])
    np.testing.assert_allclose(length, expected, rtol=1e-12)


def test_relative_positions_have_no_unit(walked):
    _, walkers, walks = walked
    blown_up = walks.samples * 3.7
    for name in ("x_rel", "y_rel"):
        np.testing.assert_allclose(observe((name,), blown_up, walkers)[0], channel(name, walked), rtol=1e-12)
    np.testing.assert_allclose(channel("y_rel", walked).mean(axis=1), 1.0)


@pytest.mark.parametrize(("force", "velocity", "gravity"), [("sfx", "vx", 0.0), ("sfy", "vy", 10.0)])
def test_specific_force_is_acceleration_without_the_pull_of_gravity(walked, force, velocity, gravity):
    """An accelerometer at rest on a table shows g upwards; in free fall it shows nothing."""
    v, felt = channel(velocity, walked), channel(force, walked)
    slope = (v[:, 2:] - v[:, :-2]) / 0.02
    assert np.median(np.abs(slope + gravity - felt[:, 1:-1])) < 1e-3 * np.abs(felt).max()
    np.testing.assert_allclose(felt * walked[1].mass[:, None], channel(f"f{force[-1]}", walked), rtol=1e-12)


# Legs ----------------------------------------------------------------------------------------


def standing(walks):
    """Footholds of rear and front leg at each sample, by the engine's events; equal in single support."""
    rear, front = ((events[:, None, :] <= walks.t[:, None]).sum(axis=-1) for events in (walks.takeoff, walks.touchdown))
    return rear, front


def from_an_event(walks):
    """Time from each sample to the nearest touchdown or takeoff, shape [n, samples], s."""
    events = np.concatenate([walks.touchdown, walks.takeoff], axis=1)
    return np.nanmin(np.abs(events[:, None, :] - walks.t[:, None]), axis=-1)


def legs_by_events(walkers, walks):
    """Contact [2, n, samples] and force [2, 2, n, samples] of left and right leg, without the rule of the channels."""
    rear, front = standing(walks)
    contact, force = np.zeros((2, *rear.shape)), np.zeros((2, 2, *rear.shape))
    for foothold, stands in ((rear, np.ones_like(rear, bool)), (front, front != rear)):
        x, leg = walks.x - foothold * walkers.target[:, None], foothold % 2
        rest, k = (np.take_along_axis(values, leg, axis=1) for values in (walkers.rest_length, walkers.stiffness))
        length = np.hypot(x, walks.y)
        for side in (0, 1):
            own = stands & (leg == side)
            contact[side] += own
            force[side] += np.where(own, k * (rest - length) * np.stack([x, walks.y]) / length, 0.0)
    return contact, force


@pytest.fixture(scope="module", params=POPULATIONS)
def many(request):
    """2,000 walkers of a population with their walks."""
    population, settings = POPULATIONS[request.param]
    parameters, _, _ = walk_records(population, settings, range(2000))
    walkers = Conditions.of(named(population.names, parameters), settings.gravity)
    return walkers, integrate(walkers, settings)


def test_contacts_are_those_of_the_events(many):
    """At every sample."""
    walkers, walks = many
    contact, _ = legs_by_events(walkers, walks)
    np.testing.assert_array_equal(observe(CONTACTS, walks.samples, walkers), contact)


def test_forces_of_the_legs_are_those_of_the_springs_that_stand(many):
    walkers, walks = many
    _, expected = legs_by_events(walkers, walks)
    found = observe(["fx_left", "fy_left", "fx_right", "fy_right"], walks.samples, walkers)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(found[0] + found[2], walks.fx, rtol=1e-12, atol=1e-8)
    np.testing.assert_allclose(found[1] + found[3], walks.fy, rtol=1e-12, atol=1e-8)
    assert (found[1] > 0).any()
    assert (found[3] > 0).any()


def test_a_leg_within_reach_does_not_always_stand():
    """Negative control: contact by reach alone is wrong in some of the paper's walks, far from any event.

    There, the leg that has taken off comes near its foothold again. The channels are not misled.
    """
    population, settings = POPULATIONS["paper"]
    parameters, _, _ = walk_records(population, settings, range(2000))
    walkers = Conditions.of(named(population.names, parameters), settings.gravity)
    walks = integrate(walkers, settings)
    rear, front = standing(walks)
    behind = np.hypot(walks.x - (rear - 1) * walkers.target[:, None], walks.y)
    returned = (behind < walkers.rest_length[:, :1] - 1e-4) & (rear > 0)
    assert 2 <= returned.sum() <= 40
    assert from_an_event(walks)[returned].min() > 0.01
    left, right = observe(CONTACTS, walks.samples, walkers)
    assert (left + right)[returned].tolist() == (1 + (front != rear))[returned].tolist()
    length = observe(["leg_length"], walks.samples, walkers)[0]
    np.testing.assert_allclose(length, np.hypot(walks.x - rear * walkers.target[:, None], walks.y), rtol=1e-12)
    assert (np.abs(length - behind)[returned] > 1e-4).all()


def test_contacts_from_stored_samples_err_only_within_rounding_of_an_event(many):
    """Float32 as on disk. Forces of the legs still add up, to its rounding."""
    walkers, walks = many
    stored = walks.samples.astype(np.float32).astype(float)
    wrong = (observe(CONTACTS, stored, walkers) != legs_by_events(walkers, walks)[0]).any(axis=0)
    assert wrong.sum() < 5
    assert (from_an_event(walks)[wrong] < 1e-5).all()
    forces = observe(["fy_left", "fy_right"], stored, walkers)
    np.testing.assert_allclose(forces.sum(axis=0), walks.fy, atol=0.05)


def test_legs_of_walkers_far_outside_the_priors():
    """Children and giants with unequal legs; their channels end with the walk."""
    settings = RecordingSettings(duration=5.0, interval=0.05)
    walkers = extreme_draws(4000, TouchdownRule.STEP_LENGTH, 5)
    begun = integrate(walkers, settings).outcome != Outcome.AIRBORNE
    walkers = some_of(walkers, np.flatnonzero(begun))
    walks = integrate(walkers, settings)
    walked = np.isfinite(walks.x)
    assert (walks.outcome == Outcome.WALKED).sum() > 50
    assert 0.05 < walked.mean() < 0.95
    contact, force = legs_by_events(walkers, walks)
    left, right, fx, fy = observe([*CONTACTS, "fx_left", "fy_left"], walks.samples, walkers)
    for found, expected in ((left, contact[0]), (right, contact[1])):
        np.testing.assert_array_equal(found[walked], expected[walked])
        assert np.isnan(found[~walked]).all()
    np.testing.assert_allclose(fx[walked], force[0, 0][walked], rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(fy[walked], force[0, 1][walked], rtol=1e-9, atol=1e-7)
    for name in LEGS:
        assert np.isnan(observe([name], walks.samples, walkers)[0][~walked]).all()


@pytest.mark.parametrize("name", LEGS)
def test_channels_of_single_legs_need_a_step_length(walked, name):
    _, walkers, walks = walked
    by_angle = type(walkers)(**{**vars(walkers), "rule": TouchdownRule.ANGLE_OF_ATTACK})
    with pytest.raises(InputError, match=f"need walkers of a fixed step length.* Received: {name} of walkers"):
        observe(("x", name), walks.samples, by_angle)


# The table -----------------------------------------------------------------------------------


@pytest.mark.parametrize("item", CHANNELS.values(), ids=CHANNELS)
def test_a_channel_needs_what_the_table_says(walked, item):
    """Neither more nor less."""
    _, walkers, walks = walked
    needed = {name: walks.samples[SAMPLE_FIELDS.index(name)] for name in item.needs}
    np.testing.assert_array_equal(observe([item.name], needed, walkers)[0], channel(item.name, walked))
    for left_out in item.needs:
        with pytest.raises(KeyError):
            observe([item.name], {name: values for name, values in needed.items() if name != left_out}, walkers)


@pytest.mark.parametrize("item", CHANNELS.values(), ids=CHANNELS)
def test_a_pointwise_channel_knows_nothing_of_other_samples(walked, item):
    _, walkers, walks = walked
    alone, among = observe([item.name], walks.samples[:, :, 7:500:3], walkers)[0], channel(item.name, walked)
    assert np.array_equal(alone, among[:, 7:500:3]) == item.pointwise


def test_a_channel_that_is_not_smooth_has_two_values(walked):
    for name, item in CHANNELS.items():
        assert (len(np.unique(channel(name, walked))) == 2) != item.smooth, name


def test_typical_noise_is_some_part_of_the_signal(walked):
    """A thousandth to a third of the channel's spread over walkers and time: neither nothing nor everything."""
    for name, item in CHANNELS.items():
        assert NOISE_RANGE[0] < item.noise < NOISE_RANGE[1]
        assert 1e-4 < item.noise / channel(name, walked).std() < 0.5, name


def test_the_page_of_channels_is_the_table():
    """Name, unit, meaning, formula, typical noise and sensor of each channel, in the order of the table."""
    text = (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| `"]
    assert rows == [
        [f"`{item.name}`", item.unit, item.meaning, item.formula, f"{item.noise:g}", item.sensor]
        for item in CHANNELS.values()
    ]

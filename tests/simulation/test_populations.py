"""Named populations, legs of their own, the other touchdown rule, and how many of their draws walk."""

import hashlib

import numpy as np
import pytest

import gait
from gait.errors import InputError
from gait.parameters import NAMES, PAPER_PRIORS, QUANTITIES, Uniform, derive, named, order_of, subject_of
from gait.simulation.acceptance import acceptance
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.population import Population, walk_records
from gait.simulation.populations import POPULATIONS, TOUCHDOWNS, population_of
from gait.simulation.walks import integrate

EVERY = [(name, touchdown) for name in POPULATIONS for touchdown in TOUCHDOWNS]
RIGHT = {"stiffness_right": Uniform(8200.0, 9400.0), "rest_length_right": Uniform(0.69, 0.71)}
NARROW = {"rest_length": Uniform(0.68, 0.72)}


def settings_of(name, **changes):
    return RecordingSettings(gravity=POPULATIONS[name].gravity, **changes)


# Names ---------------------------------------------------------------------------------------


def test_the_order_of_columns():
    assert order_of(PAPER_PRIORS) == NAMES
    assert order_of([]) == NAMES
    legs = order_of({"rest_length_right", "stiffness_right", *NAMES})
    assert legs == (*NAMES, "stiffness_right", "rest_length_right")
    assert order_of(["gravity", "angle_of_attack"]) == (*NAMES[:-1], "angle_of_attack", "gravity")
    assert subject_of(legs) == ("mass", "stiffness", "rest_length", "stiffness_right", "rest_length_right")


def test_without_flags_the_walkers_are_those_of_before():
    """The checksum was taken before other legs and touchdown rules existed."""
    for population in (Population(seed=3), population_of(seed=3)):
        parameters, _, counts = walk_records(population, RecordingSettings(), range(990, 1110))
        assert hashlib.sha256(parameters.tobytes()).hexdigest()[:16] == "40cebe514481f729"
        assert counts.tolist() == [120, 3, 8, 3, 4, 0]
    assert population_of().priors == PAPER_PRIORS


@pytest.mark.parametrize(
    ("touchdown", "given", "message"),
    [
        ("step_length", {"angle_of_attack": Uniform(1.0, 1.1)}, "no range of angle_of_attack.*--touchdown"),
        ("angle_of_attack", {"step_length": Uniform(0.4, 0.5)}, "no range of step_length.*--touchdown"),
        ("step_length", {"stiffness_right": Uniform(9000.0, 8000.0)}, "The range of stiffness_right is empty"),
        ("step_length", {"rest_length_right": Uniform(-0.1, 0.7)}, "The range of rest_length_right must be positive"),
    ],
)
def test_ranges_that_do_not_fit_are_refused(touchdown, given, message):
    with pytest.raises(InputError, match=message):
        population_of("paper", touchdown, given)


def test_a_population_needs_one_touchdown_rule_and_all_ranges():
    with pytest.raises(InputError, match="ranges of both"):
        Population(PAPER_PRIORS | {"angle_of_attack": Uniform(1.0, 1.1)})
    with pytest.raises(InputError, match="none of mass, vx0"):
        Population({name: prior for name, prior in PAPER_PRIORS.items() if name not in ("mass", "vx0")})


# Walks ---------------------------------------------------------------------------------------


def test_legs_of_their_own_walk_as_simulate_has_it():
    population = population_of("paper", given=NARROW | RIGHT, seed=2)
    parameters, samples, _ = walk_records(population, RecordingSettings(duration=5.0), range(200))
    values = named(population.names, parameters)
    for name, prior in population.priors.items():
        assert prior.low <= values[name].min() <= values[name].max() <= prior.high
    legs = {name: np.stack([values[name], values[f"{name}_right"]], axis=1) for name in ("stiffness", "rest_length")}
    others = {name: values[name] for name in ("mass", "x0", "y0", "vx0", "step_length")}
    walks = gait.simulate(**others, **legs, duration=5.0)
    np.testing.assert_array_equal(samples[:2], [walks.x, walks.y])
    equal = gait.simulate(**others, stiffness=values["stiffness"], rest_length=values["rest_length"], duration=5.0)
    assert np.nanmax(np.abs(equal.x - walks.x)) > 0.05  # a control: the other leg counts


def test_a_fixed_angle_of_attack_walks_as_simulate_has_it():
    population = population_of("paper", "angle_of_attack", seed=2)
    parameters, samples, counts = walk_records(population, RecordingSettings(), range(100))
    values = named(population.names, parameters)
    walks = gait.simulate(**values)
    assert (walks.outcome == gait.Outcome.WALKED).all()
    np.testing.assert_array_equal(samples[:2], [walks.x, walks.y])
    assert counts[gait.Outcome.WALKED] == 100


@pytest.mark.parametrize(("name", "touchdown"), EVERY)
def test_every_subject_of_a_named_population_can_walk(name, touchdown):
    """At the corners of its subjects at least one draw in 500 walks, so 4,000 attempts fail once in 3,000 subjects.

    Corners are the worst case: there the density of k/m is next to nothing.
    """
    population = population_of(name, touchdown)
    priors, draws = population.priors, 3000
    generator = np.random.default_rng(5)
    for mass, stiffness in (
        (priors["mass"].high, priors["stiffness"].low),
        (priors["mass"].low, priors["stiffness"].high),
    ):
        for rest_length in (priors["rest_length"].low, priors["rest_length"].high):
            values = {own: generator.uniform(prior.low, prior.high, draws) for own, prior in priors.items()}
            values |= {"mass": np.full(draws, mass), "stiffness": np.full(draws, stiffness)}
            values |= {"rest_length": np.full(draws, rest_length)}
            walks = integrate(Conditions.of(values, POPULATIONS[name].gravity), settings_of(name))
            assert np.mean(walks.outcome == gait.Outcome.WALKED) > 1 / 500, (mass, stiffness, rest_length)


# Acceptance ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "touchdown", "share"),
    [
        ("paper", "step_length", 0.845),  # 84 to 85 %, measured when the ranges were chosen
        ("paper", "angle_of_attack", 0.16),
        ("adult", "step_length", 0.515),
        ("adult", "angle_of_attack", 0.09),
    ],
)
def test_the_share_of_draws_that_walk_is_that_of_the_docs(name, touchdown, share):
    found = acceptance(population_of(name, touchdown), settings_of(name))
    assert found.share == pytest.approx(share, abs=0.02)
    assert found.draws == round(found.share * found.draws) + sum(found.outcomes.values())


def test_acceptance_by_thirds_is_that_of_fresh_draws_in_each_third():
    found = acceptance(population_of("adult"), settings_of("adult"))
    again = acceptance(population_of("adult", seed=1), settings_of("adult"))
    assert list(found.by) == ["stiffness_to_mass", "rest_length"]
    for name, (edges, shares) in found.by.items():
        error = np.sqrt(0.25 / 2000)
        assert np.all(np.abs(shares - again.by[name][1]) < 5.0 * error)
        assert shares.mean() == pytest.approx(found.share, abs=0.002)
        assert np.all(np.diff(edges) > 0)
    stiff = found.by["stiffness_to_mass"][1]
    assert stiff[1] - stiff[2] > 0.15  # it does depend on the subject
    assert "By leg rest length [m], 0.8" in found.sentences()[2]


# Quantities ----------------------------------------------------------------------------------


def test_the_asymmetry_follows_from_stiffnesses_and_from_ratios():
    legs = {"mass": np.array([70.0]), "stiffness": np.array([8000.0]), "stiffness_right": np.array([10_000.0])}
    assert derive("stiffness_asymmetry", legs) == pytest.approx(2000.0 / 9000.0)
    ratios = {name: derive(name, legs) for name in ("stiffness_to_mass", "stiffness_right_to_mass")}
    assert derive("stiffness_asymmetry", ratios) == pytest.approx(2000.0 / 9000.0)
    assert derive("stiffness_asymmetry", {"stiffness": np.array([8000.0])}) is None
    assert QUANTITIES["stiffness_asymmetry"].unit == "1"

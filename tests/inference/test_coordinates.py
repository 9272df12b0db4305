"""Coordinates of a posterior network: what can be known, within the prior, and completed exactly."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from gait.errors import InputError
from gait.inference.coordinates import Coordinates, is_sized
from gait.limits.analysis import analyse_scenario
from gait.parameters import PAPER_PRIORS, Uniform
from gait.scenarios import SCENARIOS, Scenario, scenario_of
from gait.simulation.conditions import RecordingSettings

TWO_LEGS = PAPER_PRIORS | {"stiffness_right": Uniform(8000.0, 10_000.0)}
XY, FORCE, LEGS = (SCENARIOS[name] for name in ("three_parameter", "force_plate", "unequal_legs"))
ALL = {name: TWO_LEGS if name == "unequal_legs" else PAPER_PRIORS for name in SCENARIOS}


def own(*targets, inputs=("x", "y"), measured=(), noise=None):
    return Scenario("own", inputs, targets, "?", measured=measured, noise=noise)


@pytest.mark.parametrize(
    ("scenario", "priors", "names"),
    [
        (XY, PAPER_PRIORS, ("stiffness_to_mass", "rest_length")),
        (SCENARIOS["two_parameter"], PAPER_PRIORS, ("stiffness_to_mass", "rest_length")),
        (FORCE, PAPER_PRIORS, ("mass", "stiffness", "rest_length")),
        (LEGS, TWO_LEGS, ("stiffness_to_mass", "stiffness_right_to_mass", "rest_length")),
        (SCENARIOS["weighed"], PAPER_PRIORS, ("stiffness", "rest_length")),
        (scenario_of("weighed", noise=["typical"]), PAPER_PRIORS, ("mass", "stiffness", "rest_length")),
        (own("stiffness_asymmetry"), TWO_LEGS, ("stiffness_to_mass", "stiffness_right_to_mass")),
        (own("step_length", "rest_length"), PAPER_PRIORS, ("rest_length", "step_length")),
        (own("mass"), PAPER_PRIORS, ("stiffness_to_mass",)),
    ],
)
def test_coordinates_are_those_that_the_targets_follow_from(scenario, priors, names):
    assert Coordinates.of(scenario, priors).names == names


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_analysis_finds_the_same_combinations(name):
    """Where it says that only k/m is known, the coordinates hold no mass; elsewhere they may."""
    scenario = SCENARIOS[name]
    settings = RecordingSettings(duration=3.0)
    analysis = analyse_scenario(scenario, ALL[name], settings, fits=0, walkers=0)
    assert (analysis.ratio_posterior is None) == is_sized(scenario)


def test_a_target_that_is_no_function_of_the_parameters_is_refused():
    with pytest.raises(InputError, match="stiffness_right. Leave it out, or train a point estimate"):
        Coordinates.of(own("mass", "stiffness_right"), PAPER_PRIORS)


@pytest.mark.parametrize("scenario", [XY, FORCE, LEGS])
def test_logits_and_values_are_inverse(scenario):
    coordinates = Coordinates.of(scenario, TWO_LEGS)
    prior = coordinates.draw_prior(1000, np.random.default_rng(0))
    values = coordinates.values(coordinates.logits(prior))
    for name in coordinates.names:
        np.testing.assert_allclose(values[name], prior[name], rtol=1e-12)


@pytest.mark.parametrize("scenario", [XY, FORCE, LEGS])
def test_no_draw_is_outside_the_prior(scenario):
    """Not even of logits beyond all measure."""
    generator = np.random.default_rng(0)
    coordinates = Coordinates.of(scenario, TWO_LEGS)
    logits = generator.standard_normal((50, 400, coordinates.dimension)) * generator.choice(
        [1.0, 10.0, 300.0], (50, 1, 1)
    )
    drawn = coordinates.complete(coordinates.values(logits), generator)
    for name in ("mass", "stiffness", "rest_length", *(["stiffness_right"] if scenario is LEGS else [])):
        prior = TWO_LEGS[name]
        assert drawn[name].shape == (50, 400)
        assert drawn[name].min() >= prior.low
        assert drawn[name].max() <= prior.high
        assert np.ptp(drawn[name]) > 0.99 * (prior.high - prior.low)
    np.testing.assert_allclose(drawn["stiffness_to_mass"], drawn["stiffness"] / drawn["mass"], rtol=1e-9)


@pytest.mark.parametrize("scenario", [XY, FORCE, LEGS, SCENARIOS["two_parameter"]])
def test_a_density_in_si_units_integrates_to_one(scenario):
    """Mean over the prior of density over prior density, for a logistic law of each coordinate."""
    coordinates = Coordinates.of(scenario, TWO_LEGS if scenario is LEGS else PAPER_PRIORS)
    prior = coordinates.draw_prior(400_000, np.random.default_rng(1))
    log = stats.logistic.logpdf(coordinates.logits(prior), 0.3, 0.8).sum(axis=1) + coordinates.log_slope(prior)
    if scenario.name == "two_parameter":  # the prior density of k/m is (B² - A²) / (2 · 15 · 2000), that of l0 is 5
        ratio = prior["stiffness_to_mass"]
        low, high = np.maximum(60.0, 8000.0 / ratio), np.minimum(75.0, 10_000.0 / ratio)
        assert coordinates.log_prior() is None
        log_prior = np.log((high**2 - low**2) / (2.0 * 15.0 * 2000.0) / 0.2)
    else:
        log_prior = coordinates.log_prior()
    density = np.exp(log - log_prior)
    assert np.mean(density) == pytest.approx(1.0, abs=5.0 * np.std(density) / np.sqrt(len(density)))


def test_the_density_is_zero_outside_the_prior():
    coordinates = Coordinates.of(XY, PAPER_PRIORS)
    walkers = {"mass": np.array([70.0, 76.0, 70.0]), "stiffness": np.array([9000.0, 9000.0, 7900.0])}
    walkers["rest_length"] = np.array([0.7, 0.7, 0.7])
    assert np.isfinite(coordinates.log_slope(walkers)).tolist() == [True, False, False]
    with pytest.raises(InputError, match="needs mass, stiffness, rest_length. Received: mass"):
        coordinates.logits({"mass": np.array([70.0])})


def test_the_control_learns_mass_and_stiffness_directly():
    coordinates = Coordinates.of(XY, PAPER_PRIORS, direct=True)
    assert coordinates.names == ("mass", "stiffness", "rest_length")
    assert not coordinates.completed


@pytest.mark.parametrize("scenario", [XY, LEGS, SCENARIOS["weighed"]])
def test_coordinates_are_the_same_after_json(scenario):
    coordinates = Coordinates.of(scenario, TWO_LEGS)
    content = json.loads(json.dumps(coordinates.to_dict()))
    assert dataclasses.asdict(Coordinates.from_dict(content)) == dataclasses.asdict(coordinates)
    if scenario is XY:
        assert content["ranges"]["stiffness_to_mass"] == pytest.approx([8000 / 75, 10_000 / 60])

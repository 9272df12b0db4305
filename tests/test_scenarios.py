"""Scenarios: built-in ones, those that flags describe, the flags of a scenario, and what cannot be asked."""

import dataclasses
import inspect

import pytest

from gait.errors import InputError
from gait.parameters import QUANTITIES
from gait.scenarios import (
    OWN,
    SCENARIO_FLAGS,
    SCENARIOS,
    Scenario,
    check_scenario,
    parse_noise,
    scenario_flags,
    scenario_of,
    typical_noise,
)  # fmt: skip
from gait.simulation.channels import CHANNELS

PATH_AND_FORCE = {"inputs": ["x", "y", "fy"], "measured": ["mass"], "targets": ["stiffness", "rest_length"]}
LEVELS = {"x": 0.005, "y": 0.005, "fy": 5.0, "mass": 0.1}
NOISE = [f"{name}:{level}" for name, level in LEVELS.items()]


# Built-in ones -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_built_in_scenario_can_be_trained_on_with_and_without_its_typical_noise(name):
    check_scenario(SCENARIOS[name])
    noisy = scenario_of(name, noise=["typical"])
    assert set(noisy.noise) == set(SCENARIOS[name].sources)
    assert dataclasses.replace(noisy, noise=None) == SCENARIOS[name] == scenario_of(name)


def test_the_schedule_decays_early_where_a_target_cannot_be_known():
    """Kilograms among the targets, and none in the unit of a source."""
    early = {name for name, scenario in SCENARIOS.items() if scenario.schedule == "exponential"}
    assert early == {"three_parameter", "accelerometer", "vertical_only", "normalised_force", "unequal_legs"}

    def schedule(inputs, targets, measured=()):
        return Scenario("mine", tuple(inputs), tuple(targets), "?", tuple(measured)).schedule

    assert schedule(["x"], ["stiffness_right"]) == "exponential"
    assert schedule(["x", "fy_bw"], ["rest_length", "stiffness_asymmetry", "mass_to_stiffness"]) == "cosine"
    assert schedule(["x"], ["mass"], ["stiffness"]) == "cosine"
    assert schedule(["x"], ["mass"], ["rest_length"]) == "exponential"
    assert schedule(["x", "fy"], ["mass"]) == "cosine"


# From flags ----------------------------------------------------------------------------------


def test_the_flags_are_the_arguments():
    assert [name for name, *_ in SCENARIO_FLAGS] == list(inspect.signature(scenario_of).parameters)


def test_without_flags_it_is_the_paper_s():
    assert scenario_of() == SCENARIOS["three_parameter"]
    assert scenario_of(noise=["x:1", "y:2"]).noise == {"x": 1.0, "y": 2.0}
    assert scenario_of(duration=5.0).name == "three_parameter"


def test_a_scenario_of_a_user_s_own():
    found = scenario_of(**PATH_AND_FORCE, noise=NOISE, duration=5.0, interval=0.2)
    assert found == Scenario(
        OWN, ("x", "y", "fy"), ("stiffness", "rest_length"),
        "Leg stiffness and leg rest length from x, y, fy and the body mass.", ("mass",), LEVELS, 5.0, 0.2,
    )  # fmt: skip


def test_flags_change_a_built_in_scenario():
    weighed = SCENARIOS["weighed"]
    assert scenario_of("weighed", interval=0.5) == dataclasses.replace(weighed, interval=0.5)
    other = scenario_of("weighed", measured=[], inputs=["y"])
    assert (other.name, other.inputs, other.measured, other.targets) == ("weighed", ("y",), (), weighed.targets)
    assert other.question == "Leg stiffness and leg rest length from y."  # no longer the built-in one
    assert other.schedule == "exponential"


def test_typical_noise_comes_from_tables_and_single_levels_replace_it():
    found = scenario_of(**PATH_AND_FORCE, noise=["typical", "y:0.02"]).noise
    assert found == {name: CHANNELS[name].noise for name in ("x", "fy")} | {"y": 0.02, "mass": 0.1}
    assert scenario_of("weighed", noise=["none"]).noise is None
    once = [name for name, quantity in QUANTITIES.items() if quantity.derive is None and name != "gravity"]
    assert all(typical_noise(name) > 0.0 for name in (*CHANNELS, *once))


@pytest.mark.parametrize("word", ["x", "x:", "x:much", "typically"])
def test_noise_of_another_form(word):
    with pytest.raises(InputError, match=f"as its standard deviation in its unit: --noise=x:0.005.* '{word}'"):
        parse_noise(["y:1", word], ("x", "y"))


# And back ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"scenario": "two_parameter"},
        {"scenario": "weighed", "noise": ["x:0.1", "y:0.30000000000000004", "mass:1e-05"], "interval": 0.1 + 0.2},
        {"scenario": "weighed", "measured": [], "inputs": ["y", "x"], "targets": ["rest_length"]},
        PATH_AND_FORCE | {"noise": NOISE, "duration": 5.0},
        {"inputs": ["y"], "targets": ["rest_length"]},
    ],
)
def test_the_flags_of_a_scenario_make_it_again(given):
    kinds = {name: kind for name, kind, _ in SCENARIO_FLAGS}
    scenario = scenario_of(**given)
    words = dict(word.removeprefix("--").split("=", 1) for word in scenario_flags(scenario))
    convert = {"string": str, "float": float, "list": lambda text: text.split(",") if text else []}
    assert scenario_of(**{name: convert[kinds[name]](text) for name, text in words.items()}) == scenario


def test_no_flag_gives_a_name_of_a_user_s_own():
    assert scenario_flags(dataclasses.replace(SCENARIOS["weighed"], name="mine")) is None


# What cannot be asked ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scenario": "weighted"}, ["three_parameter, two_parameter", "Received: --scenario=weighted", "--targets"]),
        ({"inputs": ["x"]}, ["needs inputs and targets", "Received: inputs only"]),
        ({"targets": ["mass"]}, ["needs inputs and targets", "Received: targets only"]),
        (
            {"inputs": ["x", "z"], "targets": ["mass"]},
            ["x [m], y [m], vx [m/s]", "fy_bw [1]", "Received: --inputs=x,z.", "z is none of them"],
        ),
        ({"inputs": ["x", "x"], "targets": ["mass"]}, ["each is given once"]),
        ({"inputs": [], "targets": ["mass"]}, ["one is needed"]),
        (
            {"inputs": ["x"], "targets": ["weight"]},
            ["mass [kg], stiffness [N/m]", "stiffness_to_mass [1/s²]", "Received: --targets=weight."],
        ),
        ({"inputs": ["x"], "targets": ["gravity"]}, ["gravity is none of them"]),
        ({"inputs": ["x"], "targets": ["mass"], "measured": ["weight"]}, ["mass [kg]", "--measured=weight."]),
        ({"inputs": ["x"], "targets": ["mass"], "measured": ["stiffness_to_mass"]}, ["is none of them"]),
        ({"inputs": ["x", "y"], "targets": ["y"]}, ["y is a channel, which a network reads", "mass [kg]"]),
        ({"scenario": "weighed", "targets": ["mass"]}, ["must not be known already: mass follows from what is me"]),
        (
            {"inputs": ["x"], "measured": ["mass", "stiffness"], "targets": ["stiffness_to_mass"]},
            ["stiffness_to_mass follows from what is measured", "Leave it out of one of the two"],
        ),
        (
            {"scenario": "two_parameter", "noise": ["x:1", "y:1", "fy:1"]},
            ["Noise belongs to what is read: x [m], y [m].", "fy is not among them", "Received: --noise=x:1,y:1,fy:1."],
        ),
        ({"scenario": "two_parameter", "noise": ["x:1", "z:1"]}, ["z is no channel or parameter at all"]),
        ({"scenario": "two_parameter", "noise": ["x:1"]}, ["a positive standard deviation for each", "y has none"]),
        ({"scenario": "two_parameter", "noise": ["x:1", "y:-1"]}, ["a positive standard deviation", "y:-1."]),
        ({"scenario": "two_parameter", "noise": ["x:1", "y:0"]}, ["a positive standard deviation", "--noise=none"]),
        ({"scenario": "two_parameter", "noise": ["x:1", "y:nan"]}, ["a positive standard deviation"]),
        ({"scenario": "two_parameter", "noise": ["x:1", "y:1e300"]}, ["from 1e-09 to 1e+09"]),
        ({"scenario": "two_parameter", "noise": ["x:1", "x:2"]}, ["given once for each channel"]),
        ({"scenario": "two_parameter", "noise": []}, ["x and y has none"]),
    ],
)
def test_what_cannot_be_asked_is_explained(given, words):
    with pytest.raises(InputError) as error:
        scenario_of(**given)
    assert [word for word in words if word not in str(error.value)] == []
    assert "Received: " in str(error.value)

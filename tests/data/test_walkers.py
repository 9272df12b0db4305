"""Datasets of other walkers than the paper's: legs of their own, a fixed angle of attack, adults."""

import json

import numpy as np
import pytest
import tensorflow as tf

from gait import open_dataset
from gait.data.manifest import Plan
from gait.data.writing import write_dataset
from gait.parameters import NAMES, Uniform, named
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.populations import POPULATIONS, population_of
from gait.simulation.walks import integrate
from tests.helpers.scripts import run_script

SETTINGS = RecordingSettings(duration=2.0, gravity=9.81)
LEGS = {
    "rest_length": Uniform(0.69, 0.71), "stiffness_right": Uniform(8000.0, 10_000.0),
    "rest_length_right": Uniform(0.69, 0.71),
}  # fmt: skip
WALKERS = {
    "legs": population_of("paper", given=LEGS, seed=4),
    "angle": population_of("paper", "angle_of_attack", seed=4),
    "adult": population_of("adult", seed=4),
    "adult, angle and stiffnesses": population_of(
        "adult", "angle_of_attack", {"stiffness_right": Uniform(8000.0, 25_000.0)}, seed=4
    ),
}


def plan_of(population):
    return Plan.of(population, SETTINGS, records=40, channels=("x", "y"), shards=3)


@pytest.mark.parametrize("population", WALKERS.values(), ids=WALKERS)
def test_a_dataset_holds_every_parameter_of_its_walkers(tmp_path, population):
    dataset = write_dataset(tmp_path, plan_of(population), audit=2)
    assert dataset.manifest.audit.worst_m < 1e-6
    assert open_dataset(tmp_path).plan == dataset.plan
    found = dataset.load("train", ["x", "y"])
    assert tuple(found.parameters.columns) == dataset.parameters == population.names
    assert list(json.loads((tmp_path / "manifest.json").read_text())["parameters"]) == list(population.names)
    for name, prior in population.priors.items():
        assert prior.low <= found.parameters[name].min() <= found.parameters[name].max() <= prior.high
    values = named(population.names, found.parameters.to_numpy())
    walks = integrate(Conditions.of(values, 9.81), SETTINGS)
    np.testing.assert_array_equal(found.inputs, np.concatenate([walks.x, walks.y], axis=1).astype(np.float32))


def test_a_record_of_legs_is_an_example_of_the_contract(tmp_path):
    """Read without any code of this package."""
    write_dataset(tmp_path, plan_of(WALKERS["legs"]), audit=0)
    content = json.loads((tmp_path / "manifest.json").read_text())
    raw = next(iter(tf.data.TFRecordDataset(str(tmp_path / next(iter(content["shards"]))))))
    feature = tf.train.Example.FromString(raw.numpy()).features.feature
    parameters = np.frombuffer(feature["parameters"].bytes_list.value[0], "<f8")
    assert list(content["parameters"]) == [*NAMES, "stiffness_right", "rest_length_right"]
    assert len(parameters) == 9
    assert content["priors"]["rest_length_right"] == {"distribution": "uniform", "low": 0.69, "high": 0.71}


def test_the_script_takes_populations_and_legs(tmp_path):
    out = tmp_path / "adults"
    done = run_script(
        "simulate.py", f"--out={out}", "--records=30", "--duration=2", "--population=adult", "--mass=60,70",
        "--stiffness_right=9000,9500", "--audit=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    dataset = open_dataset(out)
    assert dataset.settings.gravity == 9.81
    adult = POPULATIONS["adult"].ranges("step_length")
    expected = adult | {"mass": Uniform(60.0, 70.0), "stiffness_right": Uniform(9000.0, 9500.0)}
    assert dict(dataset.priors) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--angle_of_attack=1,1.1"], "no range of angle_of_attack"),
        (["--touchdown=angle_of_attack", "--step_length=0.4,0.5"], "no range of step_length"),
        (["--stiffness_right=9000"], "The range of stiffness_right needs two numbers"),
        (["--population=giants"], "paper|adult"),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path, given, message):
    done = run_script("simulate.py", f"--out={tmp_path / 'walks'}", "--records=20", *given)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "walks").exists()

"""evaluate.py --run of a posterior network: what it writes, and that it tells a good posterior from a bad one."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from gait.data.writing import write_dataset
from gait.evaluation.after_training import evaluate_run
from gait.evaluation.remedies import remedy
from gait.scenarios import SCENARIOS, scenario_of
from gait.training.run import load_run
from gait.training.settings import TrainingSettings
from tests.helpers.walks import SMALL_NETWORK, small_plan

NOISY = scenario_of("three_parameter", noise=["x:0.005", "y:0.005"])
FILES = {
    "metrics.json", "metrics.csv", "predictions.csv", "scatter.png", "learning_curves.png", "report.md",
    "posterior.json", "posterior.png", "ranks.png",
}  # fmt: skip


def train(dataset, folder, scenario, **more):
    from gait.training.fitting import train

    given = {"epochs": 8, "batch_size": 50, "components": 3} | SMALL_NETWORK | more
    train(dataset, folder, TrainingSettings.of(scenario, "posterior", **given), verbose=0)
    return folder


@pytest.fixture(scope="module")
def trained(small_dataset, tmp_path_factory):
    return train(small_dataset, tmp_path_factory.mktemp("runs") / "posterior", NOISY)


@pytest.fixture(scope="module")
def evaluation(trained):
    return evaluate_run(shutil.copytree(trained, trained.with_name("quick")), walkers=0)


def test_files_are_those_named(evaluation):
    assert set(evaluation.files) == FILES
    assert {path.name for path in evaluation.folder.iterdir()} == FILES | {
        "config.json", "history.csv", "model.keras", "result.json"
    }  # fmt: skip


def test_metrics_are_those_of_means(evaluation, trained, small_dataset):
    metrics = json.loads((evaluation.folder / "metrics.json").read_text())
    assert list(metrics) == ["mass", "stiffness", "rest_length", "stiffness_to_mass", "mass_to_stiffness"]
    table = pd.read_csv(evaluation.folder / "predictions.csv")
    for name, entry in metrics.items():
        error = table[f"{name}_estimate"] - table[name]
        assert entry["r2"] == pytest.approx(1 - (error**2).mean() / table[name].var(ddof=0), abs=1e-4)
        assert {"rmse", "mae", "bias", "unit", "ceiling_r2", "ceiling_rmse", "verdict", "advice"} <= set(entry)
    # The mean of k/m is no quotient of means.
    quotient = table["stiffness_estimate"] / table["mass_estimate"]
    assert (quotient - table["stiffness_to_mass_estimate"]).abs().max() > 1e-3


def test_the_posterior_is_scored(evaluation):
    content = json.loads((evaluation.folder / "posterior.json").read_text())
    assert content["parameters"] == ["mass", "stiffness", "rest_length"]
    assert content["log_p"]["n"] == 200
    assert content["log_p"]["value"] > content["log_prior"] == pytest.approx(-np.log(6000.0))
    assert set(content["coverage"]) == set(content["contraction"]) == set(evaluation.scores)
    for entry in content["coverage"].values():
        assert not all(row["holds"] for row in entry["halved"])
        assert sum(entry["ranks"]) == 200
    assert content["refinement"] is None  # it takes minutes
    text = (evaluation.folder / "report.md").read_text()
    assert "## The posterior" in text
    assert "Log probability of mass, stiffness, rest_length" in evaluation.summary().replace("\n  ", " ")


def test_refined_and_exact_posteriors_agree(trained, monkeypatch):
    monkeypatch.setattr("gait.evaluation.after_training.REFINED", 4)
    monkeypatch.setattr("gait.inference.posterior.BANK_SIZES", (20_000, 20_000))
    found = evaluate_run(shutil.copytree(trained, trained.with_name("refined")), walkers=2).posterior.refinement
    assert (found.refined.n, found.exact.n) == (4, 2)
    assert found.refined.value > found.network.value
    assert abs(found.difference.value) < 0.5
    assert found.accepted >= 0.75


def test_a_run_without_noise_is_evaluated(small_dataset, tmp_path):
    train(small_dataset, tmp_path / "run", SCENARIOS["two_parameter"], epochs=2)
    found = evaluate_run(tmp_path / "run").posterior
    assert found.refinement is None
    assert found.log_prior is None  # that of k/m is not uniform
    assert found.parameters == ("stiffness_to_mass", "rest_length")


def test_advice_to_a_posterior_network_rests_on_its_log_probability():
    history = pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.0], "val_loss": [1.0, 0.8],
                            "log_p": [-3.0, -1.0], "val_log_p": [-3.0, -2.0]})  # fmt: skip
    settings = TrainingSettings.of(NOISY, "posterior")
    assert "more training records" in remedy(history, "mass", settings)
    even = history.assign(log_p=history["val_log_p"])
    assert "still falling" in remedy(even, "mass", settings)


@pytest.mark.slow  # minutes: it takes a network that is good for something
def test_the_control_on_mass_and_stiffness_fails_for_their_ratio(tmp_path):
    """The ridge of k/m is learned as a width: intervals of k/m hold more walkers than they claim."""
    plan = dataclasses.replace(small_plan(20_000, channels=("x", "y"), shards=10))
    write_dataset(tmp_path / "walks", plan, audit=1)
    held = {}
    for coordinates in ("identifiable", "direct"):
        folder = train(tmp_path / "walks", tmp_path / coordinates, NOISY, epochs=40, batch_size=250, layers=4, units=64,
                       components=6, coordinates=coordinates)  # fmt: skip
        found = evaluate_run(folder, walkers=0).posterior
        held[coordinates] = found.coverages["stiffness_to_mass"], found.log_p.value
        assert load_run(folder).config.settings.coordinates == coordinates
    assert held["direct"][0].worst > 2.0 * held["identifiable"][0].worst
    assert held["identifiable"][0].holds
    assert not held["direct"][0].holds
    assert held["identifiable"][1] > held["direct"][1]

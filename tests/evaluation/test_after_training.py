"""Evaluation of a run: what it writes, what it refuses, and that it computes nothing twice or in secret."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from gait.data.dataset import open_dataset
from gait.data.writing import write_dataset
from gait.diagnostics.intervals import CeilingRange
from gait.diagnostics.scores import Recovery, Score
from gait.errors import InputError
from gait.evaluation.after_training import evaluate_run
from gait.inference import posterior
from gait.scenarios import SCENARIOS, scenario_of
from gait.training.run import TrainingSettings, load_run
from tests.helpers.scripts import ROOT
from tests.helpers.walks import SMALL_NETWORK, small_plan

FILES = {
    "metrics.json", "metrics.csv", "predictions.csv", "scatter.png", "learning_curves.png", "report.md",
    "completion.json", "completion.png",
}  # fmt: skip
TRAINED = {"config.json", "history.csv", "model.keras", "result.json"}


def train(dataset, folder, scenario):
    from gait.training.fitting import train

    scenario = SCENARIOS[scenario] if isinstance(scenario, str) else scenario
    train(dataset, folder, TrainingSettings(scenario, epochs=4, batch_size=50, **SMALL_NETWORK), verbose=0)
    return folder


@pytest.fixture(scope="module")
def trained(small_dataset, tmp_path_factory):
    """A run of the three-parameter scenario, not evaluated; tests work on copies."""
    return train(small_dataset, tmp_path_factory.mktemp("runs") / "three_parameter", "three_parameter")


@pytest.fixture(scope="module")
def evaluation(trained):
    """The run, evaluated; the figure that training has drawn is gone."""
    copy = shutil.copytree(trained, trained.with_name("evaluated"))
    (copy / "learning_curves.png").unlink()
    return evaluate_run(copy)


# Files ---------------------------------------------------------------------------------------


def test_files_are_those_named(evaluation):
    assert set(evaluation.files) == FILES
    assert {path.name for path in evaluation.folder.iterdir()} == FILES | TRAINED


def test_scores_are_those_of_the_predictions(evaluation):
    """R², errors and best possible R² anew from predictions.csv and the true parameters."""
    table = pd.read_csv(evaluation.folder / "predictions.csv")
    metrics = json.loads((evaluation.folder / "metrics.json").read_text())
    assert list(metrics) == ["mass", "stiffness", "rest_length", "stiffness_to_mass", "mass_to_stiffness"]
    for name, entry in metrics.items():
        truth, error = table[name], table[f"{name}_estimate"] - table[name]
        assert entry["r2"] == pytest.approx(1 - (error**2).mean() / truth.var(ddof=0), abs=1e-4)
        assert entry["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-3)
        assert entry["mae"] == pytest.approx(error.abs().mean(), rel=1e-3)
        assert entry["bias"] == pytest.approx(error.mean(), abs=0.01 * entry["rmse"])
        assert entry["gap"] == pytest.approx(entry["best_possible_r2"] - entry["r2"])
        assert entry["best_possible_r2"] == 1.0 or name in ("mass", "stiffness")
    # Mean of the masses with this ratio, density proportional to the mass: two thirds of (B³ - A³) / (B² - A²).
    ratio = table["stiffness"] / table["mass"]
    low, high = np.maximum(60.0, 8000.0 / ratio), np.minimum(75.0, 10_000.0 / ratio)
    best = 2.0 / 3.0 * (high**3 - low**3) / (high**2 - low**2)
    r2 = 1.0 - ((best - table["mass"]) ** 2).mean() / table["mass"].var(ddof=0)
    assert metrics["mass"]["best_possible_r2"] == pytest.approx(r2, abs=1e-5)


def test_metrics_are_told_alike_everywhere(evaluation):
    """By the result, metrics.json, metrics.csv, `load_run` and the report."""
    metrics = json.loads((evaluation.folder / "metrics.json").read_text())
    assert metrics == {name: entry.to_dict() for name, entry in evaluation.scores.items()}
    assert metrics == load_run(evaluation.folder).metrics
    assert Score.from_dict("mass", metrics["mass"]).verdict == evaluation.scores["mass"].verdict
    table = pd.read_csv(evaluation.folder / "metrics.csv").set_index("quantity")
    assert list(table.index) == list(metrics)
    for name, entry in metrics.items():
        row = table.loc[name]
        assert row["r2"] == pytest.approx(entry["r2"])
        assert [row["r2_interval_low"], row["r2_interval_high"]] == pytest.approx(entry["r2_interval"])
        assert [row[key] for key in ("unit", "verdict", "limited_by", "advice")] == [
            entry[key] for key in ("unit", "verdict", "limited_by", "advice")
        ]
    report = (evaluation.folder / "report.md").read_text()
    for sentence in evaluation.sentences:
        assert sentence in report


def test_truth_in_the_predictions_is_the_datasets(evaluation, small_dataset):
    split = open_dataset(small_dataset).load("test", ("x",))
    table = pd.read_csv(evaluation.folder / "predictions.csv")
    assert list(table["record"]) == list(range(200))
    for name in ("mass", "stiffness", "rest_length"):
        np.testing.assert_allclose(table[name], split.parameters[name], rtol=1e-6)
        np.testing.assert_array_equal(evaluation.predictions[name], split.parameters[name])


def test_a_hardly_trained_network_is_told_first_what_to_measure(evaluation):
    for name in ("mass", "stiffness"):
        entry = evaluation.scores[name]
        assert entry.verdict == Recovery.BELOW_CEILING
        assert entry.advice[0].startswith("Measure the body mass")
        assert "longer training" in entry.advice[1]
        assert entry.ceiling.r2 == pytest.approx(0.5005, abs=1e-4)
    assert evaluation.scores["rest_length"].advice == ("Train longer, or on more records.",)
    lines = evaluation.summary().splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("- mass, stiffness: Measure the body mass") for line in lines)


def test_a_measured_mass_leaves_nothing_hidden(small_dataset, tmp_path):
    """The weighed scenario: the ratio follows from the estimated stiffness and the measured mass."""
    result = evaluate_run(train(small_dataset, tmp_path / "weighed", "weighed"), formats=("svg",))
    assert list(result.scores) == ["stiffness", "rest_length", "stiffness_to_mass", "mass_to_stiffness"]
    assert all(entry.recoverable for entry in result.scores.values())
    assert "can be known from x, y, mass" in result.sentences[0]
    assert result.calibration is None
    assert set(result.files) == FILES - {"completion.json", "completion.png"} | {"scatter.svg", "learning_curves.svg"}
    table = result.predictions
    mass = table["stiffness"] / table["stiffness_to_mass"]
    np.testing.assert_allclose(table["stiffness_to_mass_estimate"], table["stiffness_estimate"] / mass, rtol=1e-6)


# Noise ---------------------------------------------------------------------------------------

METRE = scenario_of("two_parameter", noise=["x:1", "y:1"])


@pytest.fixture(scope="module")
def noisy(small_dataset, tmp_path_factory):
    """A run in so much noise that the posteriors of a few walkers take no time; evaluated, and once more."""
    folder = tmp_path_factory.mktemp("noisy") / "run"
    train(small_dataset, folder, METRE)
    drawn = (folder / "learning_curves.png").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posterior, "BANK_SIZES", (20_000, 20_000))
        first = evaluate_run(folder, walkers=6)
        patch.setattr(posterior, "posteriors", None)  # those of the first are kept
        again = evaluate_run(folder, walkers=6)
    return first, again, drawn


def test_a_run_in_noise_is_compared_with_exact_posteriors(noisy, small_dataset):
    """Ceilings, their errors and bounds are those of the analysis of its scenario."""
    found, _, _ = noisy
    metrics = json.loads((found.folder / "metrics.json").read_text())
    study = found.analysis.noise_study
    assert (study.walkers, study.seed) == (6, 0)
    assert found.analysis.model.settings == open_dataset(small_dataset).settings
    assert list(metrics) == ["stiffness_to_mass", "rest_length", "mass_to_stiffness"]
    for name, entry in metrics.items():
        assert entry["ceiling_r2"] == study.ceilings[name].r2
        assert entry["ceiling_r2_error"] == study.ceilings[name].error > 0.0
        assert entry["local_ceiling_r2"] == found.analysis.ceilings[name].local_r2
        assert entry["ceiling_interval"] == list(CeilingRange.of(study, name).interval)
        assert entry["best_possible_r2"] is None
        assert entry["verdict"] in (Recovery.AT_CEILING, Recovery.BELOW_CEILING, Recovery.UNDETERMINED)
    assert "levels.json" in found.files
    assert {path.name for path in found.folder.iterdir()} == set(found.files) | TRAINED


def test_posteriors_of_a_run_are_made_once(noisy):
    first, again, _ = noisy
    assert again.analysis.noise_study.to_dict() == first.analysis.noise_study.to_dict()
    assert again.scores == first.scores


def test_the_report_says_that_the_gap_is_not_paired(noisy):
    found, _, _ = noisy
    report = (found.folder / "report.md").read_text()
    assert "All recordings have noise of 1 m in x and y. The gap is the highest possible R² less R² of the" in report
    assert "exact posteriors of 6 fresh walkers (seed 0)" in report
    assert "not the 200 records of the test split, so the gap is not paired" in report
    assert "on the same" not in report
    assert "exact posteriors of 6 fresh walkers" in " ".join(found.summary().split())
    assert max(map(len, found.summary().splitlines())) <= 100
    for name in ("stiffness_to_mass", "rest_length"):
        assert found.scores[name].possible in report


def test_learning_curves_get_the_exact_ceilings(noisy):
    """Training, which does not wait for them, has drawn local bounds."""
    found, _, drawn = noisy
    assert (found.folder / "learning_curves.png").read_bytes() != drawn


def test_quick_ceilings_are_labelled_local_bounds(noisy, tmp_path, monkeypatch):
    monkeypatch.setattr(posterior, "posteriors", None)
    copy = shutil.copytree(noisy[0].folder, tmp_path / "run")
    (copy / "levels.json").unlink()
    found = evaluate_run(copy, walkers=0)
    assert "levels.json" not in found.files
    assert found.analysis.noise_study is None
    for entry in found.scores.values():
        assert entry.possible.startswith("at most 0.")
        content = entry.to_dict()
        assert content["ceiling_r2_error"] is None
        assert content["local_ceiling_r2"] == content["ceiling_r2"]
    assert "With noise these are local bounds" in (copy / "report.md").read_text()
    assert "With noise these are local bounds" in " ".join(found.summary().split())


def test_without_noise_there_are_no_posteriors(evaluation):
    """Negative control: nothing of the above appears."""
    report = (evaluation.folder / "report.md").read_text()
    assert "paired" not in report
    assert "on the same 200 records of the test split" in report
    for entry in json.loads((evaluation.folder / "metrics.json").read_text()).values():
        assert (entry["ceiling_r2_error"], entry["local_ceiling_r2"], entry["ceiling_interval"]) == (None, None, None)


# Refusals ------------------------------------------------------------------------------------


def test_a_dataset_that_has_moved(trained, evaluation, small_dataset, tmp_path):
    """The evaluation repeats itself to the last digit, and leaves the learning curves as training has drawn them."""
    run, moved = shutil.copytree(trained, tmp_path / "run"), shutil.copytree(small_dataset, tmp_path / "moved")
    (run / "learning_curves.png").write_bytes(b"drawn by the training")
    gone = small_dataset.rename(small_dataset.with_name("gone"))
    try:
        with pytest.raises(InputError) as error:
            evaluate_run(run)
        assert str(error.value) == (
            f"There is no dataset at {small_dataset}, on which {run} was trained. If it has moved, say where it is: "
            f"python evaluate.py --run={run} --data=FOLDER"
        )
        evaluate_run(run, moved)
    finally:
        gone.rename(small_dataset)
    for name in ("metrics.json", "metrics.csv", "predictions.csv", "completion.json"):
        assert (run / name).read_bytes() == (evaluation.folder / name).read_bytes()
    assert (run / "learning_curves.png").read_bytes() == b"drawn by the training"
    assert (evaluation.folder / "learning_curves.png").stat().st_size > 10_000


def test_another_dataset_is_refused(evaluation, tmp_path):
    """Its test records may have been training records."""
    write_dataset(tmp_path, small_plan(100, seed=0), audit=0)
    before = (evaluation.folder / "metrics.json").read_text()
    with pytest.raises(InputError, match="Only the test split of the former is sure to be new to the network"):
        evaluate_run(evaluation.folder, tmp_path)
    assert (evaluation.folder / "metrics.json").read_text() == before


@pytest.mark.parametrize("then_right", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_wrong_folders_are_refused_before_tensorflow_is_loaded(trained, tmp_path, then_right):
    """It takes seconds. Control: TensorFlow is loaded once the folders are right."""
    config = json.loads((trained / "config.json").read_text())
    code = (
        "import sys\n"
        "from gait.errors import InputError\n"
        "from gait.evaluation.after_training import evaluate_run\n"
        "for folders in (['/nowhere/run'], [sys.argv[1], '/nowhere/walks']):\n"
        "    try:\n"
        "        evaluate_run(*folders)\n"
        "    except InputError as error:\n"
        "        assert folders[-1] in str(error)\n"
        "    else:\n"
        "        raise AssertionError(folders)\n"
        "    assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    if then_right:
        code += "evaluate_run(*sys.argv[1:])\nassert 'tensorflow' in sys.modules\n"
    copy = shutil.copytree(trained, tmp_path / "copy")
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy), config["data"]], cwd=ROOT, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # TensorFlow's notices concern nobody

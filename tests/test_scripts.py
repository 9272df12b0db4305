"""The three scripts as a user runs them: the whole experiment in small, and every kind of bad input."""

import json
import re
import struct

import numpy as np
import pandas as pd
import pytest

from gait import data as dataset
from gait.data import manifest
from gait.errors import InputError
from gait.evaluation import after_training as evaluation
from gait.training import run as runs
from tests.helpers.scripts import ROOT, run_script
from tests.helpers.walks import small_plan

SCENARIOS = ("three_parameter", "two_parameter")


def ok(*arguments):
    done = run_script(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


# The experiment in small ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def experiment(scripts, tmp_path_factory):
    """Simulation, training and evaluation of both scenarios: folder and what was printed.

    One scenario is run in processes of its own, the other in children of one that has loaded everything.
    """

    def forked(*arguments):
        ended = scripts.run(*arguments)
        assert ended.returncode == 0, ended.output
        return ended.output

    folder = tmp_path_factory.mktemp("experiment")
    printed = {"simulate": ok("simulate.py", f"--out={folder / 'walks'}", "--records=5000", "--audit=2")}
    for scenario, run in zip(SCENARIOS, (forked, ok), strict=True):
        printed[scenario] = run(
            "train.py", f"--data={folder / 'walks'}", f"--scenario={scenario}", f"--out={folder / scenario}",
            "--epochs=10", "--batch_size=50",
        )  # fmt: skip
        printed[f"evaluate {scenario}"] = run("evaluate.py", f"--run={folder / scenario}")
    return folder, printed


def test_each_script_says_what_it_did_and_what_comes_next(experiment):
    folder, printed = experiment
    assert "5,000 walks (4,000 train, 500 validation, 500 test) with channels x, y, fx, fy" in printed["simulate"]
    assert "Audit: 2 records" in printed["simulate"]
    assert f"Next: python train.py --data={folder / 'walks'}" in printed["simulate"]
    assert f"Next: python evaluate.py --run={folder / 'two_parameter'}" in printed["two_parameter"]
    assert "Epoch 10/10" in printed["two_parameter"]


def test_run_folder_has_the_files_of_the_contract(experiment):
    folder, _ = experiment
    for scenario in SCENARIOS:
        assert {path.name for path in (folder / scenario).iterdir()} == {
            "config.json", "history.csv", "model.keras", "result.json", "learning_curves.png", "metrics.json",
            "predictions.csv", "scatter.png", "report.md", "completion.json", "completion.png",
        }  # fmt: skip


def test_metrics_are_those_of_the_predictions(experiment):
    folder, _ = experiment
    targets = {
        "three_parameter": ["mass", "stiffness", "rest_length", "stiffness_to_mass", "mass_to_stiffness"],
        "two_parameter": ["stiffness_to_mass", "rest_length", "mass_to_stiffness"],
    }
    for scenario in SCENARIOS:
        metrics = json.loads((folder / scenario / "metrics.json").read_text())
        assert list(metrics) == targets[scenario]
        predictions = pd.read_csv(folder / scenario / "predictions.csv")
        assert len(predictions) == 500
        for name, entry in metrics.items():
            truth, estimate = predictions[name], predictions[f"{name}_estimate"]
            residual = estimate - truth
            assert entry["r2"] == pytest.approx(1 - (residual**2).mean() / truth.var(ddof=0), abs=1e-4)
            assert entry["rmse"] == pytest.approx(np.sqrt((residual**2).mean()), rel=1e-3)
            assert entry["mae"] == pytest.approx(residual.abs().mean(), rel=1e-3)
            assert entry["bias"] == pytest.approx(residual.mean(), abs=0.01 * entry["rmse"])
            assert entry["r2_interval"][0] < entry["r2"] < entry["r2_interval"][1]
            assert {"unit", "ceiling_r2", "ceiling_rmse", "verdict"} <= set(entry)


def test_truth_in_the_predictions_is_the_datasets(experiment):
    folder, _ = experiment
    split = dataset.load(manifest.read(folder / "walks"), "test", ("x",))
    predictions = pd.read_csv(folder / "three_parameter" / "predictions.csv")
    np.testing.assert_allclose(predictions["mass"], split.parameters["mass"], rtol=1e-6)
    np.testing.assert_allclose(
        predictions["stiffness_to_mass"], split.parameters["stiffness"] / split.parameters["mass"], rtol=1e-6
    )


def test_verdicts_of_the_small_experiment(experiment):
    """Even a small run shows the point: l0 is learned, the mass stays at or below 0.50."""
    folder, printed = experiment
    metrics = json.loads((folder / "three_parameter" / "metrics.json").read_text())
    assert metrics["rest_length"]["r2"] > 0.95
    assert metrics["rest_length"]["ceiling_r2"] == 1.0
    for name in ("mass", "stiffness"):
        assert metrics[name]["ceiling_r2"] == pytest.approx(0.5005, abs=1e-4)
        assert 0.2 < metrics[name]["r2"] < 0.56
        assert "ceiling" in metrics[name]["verdict"]
        assert metrics[name]["identifiability"] == "only in combination"
        assert metrics[name]["limited_by"] == "data"
        assert "Measure the body mass" in metrics[name]["advice"]
    assert metrics["rest_length"]["identifiability"] == "recoverable"
    assert json.loads((folder / "two_parameter" / "metrics.json").read_text())["stiffness_to_mass"]["r2"] > 0.8
    assert "Body mass (m) cannot be known from x, y" in printed["evaluate three_parameter"]
    assert "| rest_length |" in printed["evaluate two_parameter"]


def test_report_and_figures(experiment):
    folder, _ = experiment
    for scenario, columns in (("three_parameter", 4), ("two_parameter", 3)):
        report = (folder / scenario / "report.md").read_text()
        assert "cannot be known" in report or scenario == "two_parameter"
        assert "Leg rest length (l0) can be known from x, y" in report
        assert "The test split was used for this report only" in report
        figures = re.findall(r"!\[.*\]\((.*)\)", report)
        assert figures == ["scatter.png", "learning_curves.png", "completion.png"]
        for figure in figures:
            data = (folder / scenario / figure).read_bytes()
            (width,) = struct.unpack(">I", data[16:20])
            assert width > 400 * (columns - 1)
            assert len(data) > 20_000  # not a blank page


def test_the_bodies_that_fit_cover_the_truth(experiment):
    """Of both scenarios; with 500 walkers that is coarse, but half and twice the width are out."""
    folder, printed = experiment
    for scenario in SCENARIOS:
        content = json.loads((folder / scenario / "completion.json").read_text())
        assert len(content["examples"]) == 3
        for found in content["calibrations"].values():
            assert found["n"] == 500
            assert all(row["holds"] for row in found["posterior"])
            assert not any(row["holds"] for row in found["halved"])
            assert not found["doubled"][0]["holds"]
        assert "## The bodies that fit" in (folder / scenario / "report.md").read_text()
        assert (
            "Of 500 walkers, the mass that fits the network's k/m has the truth for" in printed[f"evaluate {scenario}"]
        )


def test_evaluation_of_a_dataset_that_has_moved(experiment, tmp_path):
    folder, _ = experiment
    (folder / "walks").rename(tmp_path / "moved")
    try:
        with pytest.raises(InputError, match=f"There is no dataset at {folder / 'walks'}"):
            evaluation.evaluate(folder / "two_parameter")
        assert "rest_length" in evaluation.evaluate(folder / "two_parameter", tmp_path / "moved").metrics
    finally:
        (tmp_path / "moved").rename(folder / "walks")


def test_a_run_that_has_been_read_is_not_read_again(experiment, monkeypatch):
    """evaluate.py reads it before TensorFlow loads; in a bucket, that is a download."""
    folder, _ = experiment
    finished = runs.read_finished(folder / "two_parameter")
    monkeypatch.setattr(runs, "read_finished", lambda folder: pytest.fail("read again"))
    metrics = evaluation.evaluate_finished(finished).metrics
    assert metrics == json.loads((folder / "two_parameter" / "metrics.json").read_text())


def test_evaluation_on_other_data_is_refused(experiment, tmp_path):
    """Its test records may have been training records."""
    folder, _ = experiment
    dataset.write(tmp_path, small_plan(1000, seed=0, duration=15.0), audit=0)
    before = (folder / "two_parameter" / "metrics.json").read_text()
    with pytest.raises(InputError, match="Only the test split of the former is sure to be new to the network"):
        evaluation.evaluate(folder / "two_parameter", tmp_path)
    assert (folder / "two_parameter" / "metrics.json").read_text() == before


# Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("simulate.py", "--record=10"), "Unknown command line flag 'record'"),
        (("train.py", "surplus"), "There are flags only, written --name=value. Received: surplus"),
        (("simulate.py", "--records=many"), "flag --records=many"),
        (("simulate.py", "--engine=euler"), "value should be one of <taylor|scipy>"),
        (("simulate.py", "--mass=75,60"), "The range of mass is empty"),
        (("simulate.py", "--mass=-60,75"), "The range of mass must be positive"),
        (("simulate.py", "--mass=60"), "needs two numbers [kg]. Received: '60'"),
        (("simulate.py", "--records=9"), "at least 10 records to be split 80/10/10. Received: --records=9"),
        (("simulate.py", "--channels=x,z"), "Channels are one or more of x, y"),
        (("simulate.py", "--interval=16"), "the interval must not exceed the duration"),
        (("simulate.py", "--duration=1e300", "--interval=1e-300"), "between 1 and 1,000,000 samples"),
        (("simulate.py", "--gravity=-1"), "gravity must be positive"),
        (("train.py", "--epochs=0"), "epochs must be at least 1"),
        (
            ("train.py", "--scenario=four_parameter"),
            "one of <three_parameter|two_parameter|force_plate>",
        ),
        (("train.py", "--data=/nowhere/walks"), "There is no dataset at /nowhere/walks. Make one: python simulate.py"),
        (("evaluate.py", "--run=/nowhere/run"), "There is no run at /nowhere/run. Train one: python train.py"),
    ],
)
def test_bad_input_is_explained(scripts, tmp_path, arguments, message):
    out = () if arguments[0] == "evaluate.py" else (f"--out={tmp_path / 'out'}",)
    ended = scripts.run(*arguments, *out)
    assert ended.returncode == 1
    assert "Traceback" not in ended.output
    assert message in ended.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("simulate.py", "--record=10"), "Unknown command line flag 'record'"),
        (("train.py", "--data=/nowhere/walks"), "There is no dataset at /nowhere/walks"),
        (("evaluate.py", "--run=/nowhere/run"), "There is no run at /nowhere/run"),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code_in_a_process_of_its_own(arguments, message):
    """Of each script one of the mistakes above, with the start of Python and with its end."""
    done = run_script(*arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert message in done.stderr + done.stdout


def test_our_own_errors_keep_their_traceback(tmp_path):
    """Negative control: only mistakes of a user are turned into a sentence."""
    code = (
        "from absl import app\nfrom gait import scripting\n"
        "def main():\n    raise ZeroDivisionError('ours')\n"
        "app.run(scripting.main(main))\n"
    )
    (tmp_path / "broken.py").write_text(code)
    done = run_script(str(tmp_path / "broken.py"), env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"})
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError: ours" in done.stderr

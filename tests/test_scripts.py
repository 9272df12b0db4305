"""The three scripts as a user runs them: the whole experiment in small, and every kind of bad input."""

import json
import re
import struct
import zipfile

import pytest

from tests.helpers.durability import YEAR, simulate
from tests.helpers.scripts import ROOT, run_script

SCENARIOS = ("three_parameter", "two_parameter")
BEFORE_1980 = -50 * YEAR


def ok(*arguments):
    done = run_script(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


# The experiment in small ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def experiment(scripts, tmp_path_factory):
    """Simulation, training and evaluation of both scenarios: folder and what was printed.

    Simulation and one training run in processes of their own, all else in children of one that has loaded everything,
    with a clock that stands before the first date that a ZIP archive, as a model is one, can have.
    """

    def forked(*arguments):
        ended = scripts.run(*arguments, clock=BEFORE_1980)
        assert ended.returncode == 0, ended.output
        return ended.output

    folder = tmp_path_factory.mktemp("experiment")
    printed = {"simulate": ok("simulate.py", f"--out={folder / 'walks'}", "--records=5000", "--audit=2")}
    for scenario, run in zip(SCENARIOS, (forked, ok), strict=True):
        printed[scenario] = run(
            "train.py", f"--data={folder / 'walks'}", f"--scenario={scenario}", f"--out={folder / scenario}",
            "--epochs=10", "--batch_size=50",
        )  # fmt: skip
        printed[f"evaluate {scenario}"] = forked("evaluate.py", f"--run={folder / scenario}")
    return folder, printed


def test_each_script_says_what_it_did_and_what_comes_next(experiment):
    folder, printed = experiment
    assert "5,000 walks (4,000 train, 500 validation, 500 test) with channels x, y, fx, fy" in printed["simulate"]
    assert printed["simulate"].startswith("5,000 walks of 15 s are about 12.8 MB and take about ")
    assert "Audit: 2 records" in printed["simulate"]
    assert f"Next: python train.py --data={folder / 'walks'}" in printed["simulate"]
    assert f"Next: python evaluate.py --run={folder / 'two_parameter'}" in printed["two_parameter"]
    assert "Epoch 10/10" in printed["two_parameter"]


def test_a_model_of_a_wrong_clock_is_a_model(experiment):
    """Of the scenario that was trained before 1980; the other one has the date of today."""
    folder, _ = experiment
    years = {}
    for scenario in SCENARIOS:
        with zipfile.ZipFile(folder / scenario / "model.keras") as model:
            years[scenario] = {entry.date_time[0] for entry in model.infolist()}
    assert years[SCENARIOS[0]] <= {1980}
    assert max(years[SCENARIOS[1]]) > 2020


def test_run_folder_has_the_files_of_the_contract(experiment):
    folder, _ = experiment
    for scenario in SCENARIOS:
        assert {path.name for path in (folder / scenario).iterdir()} == {
            "config.json", "history.csv", "model.keras", "result.json", "learning_curves.png", "metrics.json",
            "metrics.csv", "predictions.csv", "scatter.png", "report.md", "completion.json", "completion.png",
        }  # fmt: skip


def test_verdicts_of_the_small_experiment(experiment):
    """Even a small run shows the point: l0 is learned, the mass stays at or below 0.50."""
    folder, _ = experiment
    metrics = json.loads((folder / "three_parameter" / "metrics.json").read_text())
    assert metrics["rest_length"]["r2"] > 0.95
    assert metrics["rest_length"]["ceiling_r2"] == 1.0
    for name in ("mass", "stiffness"):
        assert metrics[name]["ceiling_r2"] == pytest.approx(0.5005, abs=1e-4)
        assert 0.2 < metrics[name]["r2"] < 0.56
        assert "ceiling" in metrics[name]["verdict"]
        assert metrics[name]["identifiability"] == "only in combination"
        assert metrics[name]["limited_by"] in ("data", "data and network")
        assert metrics[name]["advice"].startswith("Measure the body mass")
    assert metrics["rest_length"]["identifiability"] == "recoverable"
    assert json.loads((folder / "two_parameter" / "metrics.json").read_text())["stiffness_to_mass"]["r2"] > 0.8


def test_evaluation_prints_a_narrow_table_and_advice(experiment):
    """In the 100 columns of a terminal; the last lines name files and the next command."""
    folder, printed = experiment
    for scenario in SCENARIOS:
        _, header, table = printed[f"evaluate {scenario}"].partition("quantity ")  # on a slow machine, after a bar
        lines = (header + table).splitlines()
        metrics = json.loads((folder / scenario / "metrics.json").read_text())
        assert lines[0].split() == ["quantity", "R²", "possible", "verdict"]
        for line, (name, entry) in zip(lines[1:], metrics.items(), strict=False):
            assert line.split()[:3] == [name, f"{entry['r2']:.4f}", f"{entry['ceiling_r2']:.4f}"]
        assert max(map(len, lines[:-2])) <= 100
        assert lines[-2].startswith(f"{folder / scenario} holds ")
        assert f"Next: open {folder / scenario / 'report.md'}" in lines[-1]
    hidden = [line for line in printed["evaluate three_parameter"].splitlines() if line.startswith("mass ")]
    assert hidden[0].split("  ")[-1].startswith("not recoverable, ")
    assert "- mass, stiffness: Measure the body mass" in printed["evaluate three_parameter"]


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


def test_the_ratio_posterior_covers_the_truth(experiment):
    """Of both scenarios; with 500 walkers that is coarse, but both controls fail."""
    folder, printed = experiment
    for scenario in SCENARIOS:
        content = json.loads((folder / scenario / "completion.json").read_text())
        assert len(content["examples"]) == 3
        for found in content["calibrations"].values():
            assert found["n"] == 500
            assert all(row["holds"] for row in found["posterior"])
            assert not any(row["holds"] for row in found["halved"])
            assert not found["doubled"][0]["holds"]
        assert "## Mass and stiffness given k/m" in (folder / scenario / "report.md").read_text()
        assert "For 500 test walkers, the 50 % interval" in " ".join(printed[f"evaluate {scenario}"].split())


def test_a_run_keeps_the_scenario_that_flags_have_described(scripts, small_dataset, tmp_path):
    """With noise, a measured mass and targets of the user's own; `evaluate.py --run` needs none of the flags."""
    flags = ("--inputs=x,y,fy", "--measured=mass", "--targets=stiffness,rest_length", "--noise=typical,x:0.02")
    out = tmp_path / "own"
    commands = (
        ("train.py", f"--data={small_dataset}", *flags, f"--out={out}", "--epochs=1", "--layers=2", "--units=8"),
        ("evaluate.py", f"--run={out}", "--quick"),
    )
    printed = []
    for command in commands:
        ended = scripts.run(*command)
        assert ended.returncode == 0, ended.output
        printed.append(ended.output)
    config = json.loads((out / "config.json").read_text())
    assert config["settings"]["scenario"] == "own"
    assert (config["inputs"], config["measured"]) == (["x", "y", "fy"], ["mass"])
    assert (set(config["noise"]), config["noise"]["x"]) == ({"x", "y", "fy", "mass"}, 0.02)
    assert config["duration"] is config["interval"] is None
    assert list(json.loads((out / "metrics.json").read_text()))[:2] == ["stiffness", "rest_length"]
    report = (out / "report.md").read_text()
    assert "Leg stiffness and leg rest length from x, y, fy and the body mass." in report
    assert "local bounds" in report
    for number in ("loss: ", "val_loss: ", "r2_stiffness: ", "val_r2_rest_length: "):
        assert f" {number}" in printed[0]  # Keras shows loss and R² of every target as they come


# Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("simulate.py", "--record=10"), "Unknown command line flag 'record'"),
        (("train.py", "surplus"), "There are flags only, written --name=value. Received: surplus"),
        (("simulate.py", "--records=many"), "flag --records=many: Give a whole number"),
        (("simulate.py", "--records=1.5"), "flag --records=1.5: Give a whole number"),
        (("simulate.py", "--records=1e12"), "1,000,000,000,000 walks of 15 s are about 2.56 PB and take about"),
        (("simulate.py", "--duration=600", "--interval=0.001", "--records=1e9"), "about 9.6 PB and take about"),
        (("simulate.py", "--seed=-1"), "The seed must not be negative. Received: --seed=-1."),
        (("simulate.py", "--shards=1e9", "--records=10"), "at most 99,999 files"),
        (("train.py", "--seed=-1"), "The seed must lie between 0 and 2**32 - 1. Received: --seed=-1."),
        (("train.py", "--epochs=1e18"), "epochs must be at most 1,000,000"),
        (("train.py", "--layers=1e18"), "layers must be at most 1,000"),
        (("train.py", "--units=1e18"), "units must be at most 100,000"),
        (("train.py", "--batch_size=1e18"), "batch_size must be at most 1,000,000,000"),
        (("train.py", "--learning_rate=1e300"), "The learning rate must be positive, 1e-30 to 1e30"),
        (("train.py", "--learning_rate=1e-300"), "The learning rate must be positive, 1e-30 to 1e30"),
        (("train.py", "--data="), "flag --data=: Its path is empty"),
        (("evaluate.py", "--run="), "flag --run=: Its path is empty"),
        (("evaluate.py", "--scenario=weighed", "--out="), "flag --out=: Its path is empty"),
        (("evaluate.py", "--scenario=weighed", "--seed=-1"), "flag --seed=-1: Give a whole number that is at least 0"),
        (
            ("evaluate.py", "--scenario=two_parameter", "--noise=x:1e300,y:1"),
            "1e-09 to 1e+09. Received: --noise=x:1e+300",
        ),
        (
            ("evaluate.py", "--scenario=two_parameter", "--noise=x:1e-300,y:1"),
            "1e-09 to 1e+09. Received: --noise=x:1e-300",
        ),
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
            "The built-in ones are three_parameter, two_parameter, force_plate",
        ),
        (("train.py", "--inputs=x,z", "--targets=mass"), "x [m], y [m], vx [m/s]"),
        (("train.py", "--targets=mass"), "needs inputs and targets. Received: targets only."),
        (("train.py", "--scenario=weighed", "--targets=mass"), "A target must not be known already: mass follows"),
        (("train.py", "--noise=x:1,y:1,fy:1"), "fy is not among them"),
        (("train.py", "--noise=x:1,y:-1"), "Noise is a positive standard deviation"),
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


@pytest.mark.parametrize("script", ["simulate.py", "train.py"])
def test_an_empty_out_is_no_folder(scripts, script):
    """It would be the current one."""
    ended = scripts.run(script, "--out=")
    assert ended.returncode == 1
    assert "flag --out=: Its path is empty. Give one, or leave out the flag." in ended.output


@pytest.mark.parametrize("unread", [1, 2])
def test_a_simulation_whose_output_nobody_reads(scripts, tmp_path, unread):
    """Progress that nobody sees is no reason to stop; output that nobody reads is, but a quiet one."""
    ended = scripts.run(*simulate(tmp_path / "walks"), unread=unread)
    assert ended.returncode == (141 if unread == 1 else 0)
    assert "Traceback" not in ended.output
    assert (tmp_path / "walks" / "manifest.json").exists() == (unread == 2)


def test_the_audit_shows_its_progress(scripts, tmp_path):
    ended = scripts.run(*simulate(tmp_path / "walks"), "--audit=3")
    assert re.search(r"Audit: 100%.* 3/3 ", ended.output)


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
        "from gait import scripting\nscripting.begin()\n"
        "def main():\n    raise ZeroDivisionError('ours')\n"
        "scripting.run(main)\n"
    )
    (tmp_path / "broken.py").write_text(code)
    done = run_script(str(tmp_path / "broken.py"), env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"})
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError: ours" in done.stderr

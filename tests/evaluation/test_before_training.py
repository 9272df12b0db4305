"""`evaluate.py --scenario`: what it prints, what it writes, and what it refuses."""

import dataclasses
import json
import shlex
import subprocess
import sys

import numpy as np
import pytest

import gait
from gait.data.writing import write_dataset
from gait.errors import InputError
from gait.evaluation.before_training import evaluate_scenario
from gait.parameters import NAMES, PAPER_PRIORS, QUANTITIES, Uniform
from gait.scenarios import SCENARIOS
from tests.helpers.scripts import ROOT
from tests.helpers.walks import small_plan

FIGURES = ("--figures=svg", "--figures=pdf")
BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture(scope="module")
def analysed(scripts, tmp_path_factory):
    out = tmp_path_factory.mktemp("analysis") / "out"
    ended = scripts.run(
        "evaluate.py", "--scenario=three_parameter", "--noise=x:0.005,y:0.005", "--quick", f"--out={out}", *FIGURES
    )
    assert ended.returncode == 0, ended.output
    return out, ended.output


def test_the_script_says_what_can_be_known(analysed):
    printed = " ".join(analysed[1].split())
    for words in (
        "any estimator can know of the walker at most: k/m and l0",
        "m cannot be known by itself, however good the data: only k/m can",
        "l0 can be recovered",
        "Highest possible R² of body mass (m): at most 0.50",
        "With noise these are local bounds",
        "Measure also the body mass: then m and k can be known",
        "It would not help to measure the acceleration",
        "Its R² is below 0.95 at the latest when the noise exceeds 0.11 m in x and y.",
        "Next: python train.py --scenario=three_parameter",
    ):
        assert words in printed


def test_the_script_prints_what_matters_first_in_100_columns(analysed):
    lines = analysed[1].splitlines()
    path_lines = [line for line in lines if str(analysed[0]) in line]
    assert max(len(line) for line in lines if line not in path_lines) <= 100
    first = next(i for i, line in enumerate(lines) if line.startswith("From x and y"))
    items = [line for line in lines[first + 1 :] if line.startswith("- ")]  # the headline takes two lines
    assert [line.split()[1] for line in items[:5]] == ["Highest"] * 4 + ["With"]
    assert "e+0" not in analysed[1]


def test_the_script_writes_the_analysis(analysed):
    out, _ = analysed
    assert {path.name for path in out.iterdir()} == {
        "identifiability.json", "identifiability.md",
        "identifiability.png", "identifiability.svg", "identifiability.pdf", "design.png", "design.svg", "design.pdf",
    }  # fmt: skip
    content = json.loads((out / "identifiability.json").read_text("utf-8"))
    assert content["title"] == "three_parameter"
    assert content["analysis"]["combinations"][:2] == ["k/m", "l0"]
    assert content["quantities"]["mass"]["verdict"] == "only in combination"
    pair = content["analysis"]["counterexample"]
    assert pair["other"]["m"] / pair["theta"]["m"] == pair["other"]["k"] / pair["theta"]["k"] in (0.5, 2.0)
    assert pair["difference"] < 1e-9
    assert content["design"]["outlooks"]["rest_length"]["cramer_rao"] == pytest.approx(3.8e-4, rel=0.2)
    text = (out / "identifiability.md").read_text("utf-8")
    assert "![What can be known](identifiability.png)" in text
    assert "| body mass m | only in combination |" in text
    for figure in ("identifiability.png", "design.png"):
        assert (out / figure).stat().st_size > 30_000


def test_the_counterexample_in_the_file_can_be_run_by_anyone(analysed):
    content = json.loads((analysed[0] / "identifiability.json").read_text("utf-8"))
    pair = content["analysis"]["counterexample"]
    long = {QUANTITIES[name].symbol: name for name in NAMES}
    walks = [gait.simulate(**{long[symbol]: value for symbol, value in pair[which].items()})
             for which in ("theta", "other")]  # fmt: skip
    assert np.abs(walks[0].x - walks[1].x).max() <= pair["difference"] + 1e-12
    assert np.isfinite(walks[0].touchdown[0]).sum() > 20
    assert np.abs(walks[0].fy - walks[1].fy).max() > 100.0


@pytest.mark.parametrize("figure", ["identifiability", "design"])
def test_figures_come_in_every_format_that_is_asked_for(analysed, figure):
    for ending, beginning in BEGINNINGS.items():
        assert (analysed[0] / f"{figure}.{ending}").read_bytes().startswith(beginning)
        assert f"{figure}.{ending}" in analysed[1]


def test_priors_and_settings_come_from_the_dataset(tmp_path):
    priors = PAPER_PRIORS | {"mass": Uniform(60.0, 60.1)}
    write_dataset(tmp_path / "walks", small_plan(100, duration=12.0, priors=priors), audit=0)
    found = evaluate_scenario(SCENARIOS["three_parameter"], tmp_path / "out", data=tmp_path / "walks")
    # With a mass that is known beforehand, the stiffness is no secret.
    assert found.analysis.ceilings["stiffness"].r2 > 0.99
    assert found.analysis.model.settings.duration == 12.0
    assert found.design is None
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(found.files) == {
        "identifiability.json", "identifiability.md", "identifiability.png",
    }  # fmt: skip


def test_a_scenario_of_the_user_s_own_is_analysed_and_can_be_trained_as_printed(scripts, tmp_path):
    """The next command has all its flags, and is understood by train.py."""
    flags = ("--inputs=x,y,fy", "--targets=stiffness,rest_length", "--noise=x:0.005,y:0.005,fy:5.0", "--duration=5.0")
    ended = scripts.run("evaluate.py", *flags, "--quick", f"--out={tmp_path / 'out'}")
    assert ended.returncode == 0, ended.output
    content = json.loads((tmp_path / "out" / "identifiability.json").read_text("utf-8"))
    assert (content["title"], content["duration"], content["channels"]) == ("own", 5.0, ["x", "y", "fy"])
    assert content["quantities"]["stiffness"]["verdict"] == "recoverable"
    words = shlex.split(ended.output.rpartition("Next: ")[2])
    assert words == ["python", "train.py", *flags, f"--out={tmp_path / 'out'}"]
    assert scripts.run(*words[1:], "--only_check_args").returncode == 0


def test_the_analysis_in_a_process_of_its_own_needs_no_tensorflow(tmp_path):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['evaluate.py', '--scenario=force_plate', '--out={tmp_path}']\n"
        "try:\n    runpy.run_path('evaluate.py', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "any estimator can know of the walker: m, k and l0" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scenario=three_parameter", "--noise=x"), "--noise=x:0.005,y:0.005. Received: 'x'"),
        (("--scenario=three_parameter", "--noise=x:1"), "a positive standard deviation for each of x [m], y [m]"),
        (("--scenario=three_parameter", "--noise=x:1,x:2"), "given once for each channel"),
        (("--scenario=three_parameter", "--noise=x:1,y:-1"), "Noise is a positive standard deviation"),
        (("--scenario=weighed", "--noise=x:1,y:1"), "standard deviation for each of x [m], y [m], mass [kg]"),
        (
            ("--scenario=three_parameter", "--run=runs/a"),
            "Received: --run=runs/a --scenario=three_parameter. Leave out",
        ),
        (("--scenario=three_parameter", "--data=/nowhere"), "There is no dataset at /nowhere"),
        (("--run=runs/a", "--noise=x:1"), "Received: --run=runs/a --noise=x:1. Leave out"),
        (("--run=runs/a", "--out=runs/b"), "Received: --run=runs/a --out=runs/b. Leave out"),
        (
            ("--scenario=four_parameter",),
            "There is no built-in scenario of this name. The built-in ones are three_para",
        ),
        (("--inputs=x,z", "--targets=mass"), "x [m], y [m], vx [m/s]"),
        (("--scenario=two_parameter", "--duration=-1"), "duration must be a positive number of seconds"),
        (("--scenario=two_parameter", "--interval=16"), "the interval must not exceed the duration"),
    ],
)
def test_bad_input_is_explained(scripts, arguments, message):
    ended = scripts.run("evaluate.py", *arguments)
    assert ended.returncode == 1
    assert "Traceback" not in ended.output
    assert message in ended.output


def test_noise_that_does_not_fit_leaves_no_folder(tmp_path):
    scenario = dataclasses.replace(SCENARIOS["force_plate"], noise={"x": 0.005, "y": 0.005})
    with pytest.raises(InputError, match="for each of fx, fy"):  # a scenario made in Python is checked as well
        evaluate_scenario(scenario, tmp_path / "out")
    assert not (tmp_path / "out").exists()

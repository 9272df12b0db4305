"""Run folders: configurations now and from before, runs as they are read, predictions, and what is refused."""

import dataclasses
import json
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

import gait
from gait.data.dataset import open_dataset
from gait.errors import InputError
from gait.scenarios import SCENARIOS, Scenario, scenario_of
from gait.simulation.channels import CHANNELS
from gait.storage import files
from gait.training.fitting import train
from gait.training.run import Run, RunConfig, TrainingSettings, load_run
from tests.helpers.scripts import ROOT
from tests.helpers.walks import SMALL_NETWORK

MINE = Scenario(
    "from_the_height",
    inputs=("y", "x"),
    targets=("rest_length", "mass_to_stiffness"),
    question="What does the height tell?",
    measured=("mass",),
    noise={"y": 0.01, "x": 0.02, "mass": 0.1},
)
OWN = scenario_of(inputs=["y", "x"], targets=["rest_length"], noise=["typical"], duration=2.0, interval=0.2)
OLD_SETTINGS = {
    "scenario": "two_parameter",
    "epochs": 2,
    "batch_size": 100,
    "seed": 0,
    "activation": "swish",
    "optimizer": "adam",
    "learning_rate": 0.004,
    "schedule": "cosine",
    "cache": "memory",
    "strategy": "auto",
    "checkpoint_every": 5,
}
"""Settings in the config.json of a run from before scenarios had measured parameters and noise, and nets a size."""


def config_of(scenario, **changes):
    entries = {"samples": 30, "data": "/data/walks", "dataset": "0123456789abcdef"}
    return RunConfig(TrainingSettings(scenario, **changes), **entries, versions={"keras": "3"}, code_revision=None)


@pytest.fixture(scope="module")
def finished(small_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "two_parameter"
    train(small_dataset, folder, TrainingSettings(SCENARIOS["two_parameter"], epochs=2, batch_size=100), verbose=0)
    return load_run(folder)


def write_old_config(run, dataset):
    content = {
        "settings": OLD_SETTINGS,
        "inputs": ["x", "y"],
        "targets": ["stiffness_to_mass", "rest_length"],
        "samples": 30,
        "data": str(dataset.folder),
        "dataset": dataset.identity,
        "versions": {"python": "3.11.7", "tensorflow": "2.21.0"},
        "code_revision": "c6b8f91c47e16c27c030af8fc83571b10f40577e",
    }
    files.write_sealed(run.config, content)


# Configurations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scenario", [SCENARIOS["three_parameter"], SCENARIOS["weighed"], MINE, OWN], ids=lambda s: s.name
)
def test_a_configuration_is_read_as_it_was_written(scenario):
    config = config_of(scenario, epochs=7, layers=3, units=20, learning_rate=1 / 3, early_stopping=5)
    config = dataclasses.replace(config, parts=3)
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert config.differences(again) == []


def test_what_makes_another_run():
    config = config_of(MINE)
    assert config.differences(config_of(MINE, checkpoint_every=1)) == []
    noisier = dataclasses.replace(MINE, noise={"y": 0.02, "x": 0.02, "mass": 0.1})
    for other, entry in [
        (config_of(MINE, layers=3), "layers 7 instead of 3"),
        (config_of(MINE, units=20), "units 50 instead of 20"),
        (config_of(MINE, early_stopping=9), "early_stopping None instead of 9"),
        (config_of(MINE, preprocessing="standardised"), "preprocessing 'whitened' instead of 'standardised'"),
        (
            config_of(noisier),
            "noise {'y': 0.01, 'x': 0.02, 'mass': 0.1} instead of {'y': 0.02, 'x': 0.02, 'mass': 0.1}",
        ),
        (config_of(dataclasses.replace(MINE, duration=3.0)), "duration None instead of 3.0"),
        (config_of(dataclasses.replace(MINE, interval=0.2)), "interval None instead of 0.2"),
        (dataclasses.replace(config, dataset="other"), "dataset '0123456789abcdef' instead of 'other'"),
    ]:
        assert config.differences(other) == [entry]
    unweighed = dataclasses.replace(MINE, measured=(), noise={"y": 0.01, "x": 0.02})
    assert [entry.split()[0] for entry in config.differences(config_of(unweighed))] == ["measured", "noise"]


def test_a_setting_of_a_newer_version_is_not_ignored():
    content = config_of(MINE).to_dict()
    content["settings"]["dropout"] = 0.1
    with pytest.raises(InputError, match="does not know: dropout. Update this code"):
        RunConfig.from_dict(content)


def test_the_command_that_finishes_a_run():
    """It holds every flag that is not its default, and can be pasted into a shell."""
    config = config_of(SCENARIOS["two_parameter"], epochs=9, seed=4)
    assert config.continuation("my runs/two") == (
        "Finish it: python train.py --data=/data/walks --scenario=two_parameter '--out=my runs/two' --epochs=9 --seed=4"
    )
    assert "call gait.training.train again with the scenario from_the_height" in config_of(MINE).continuation("run")
    noisy = dataclasses.replace(SCENARIOS["two_parameter"], noise={"x": 0.1, "y": 0.2})
    level = CHANNELS["y"].noise
    for scenario, words in (
        (OWN, f"--inputs=y,x --targets=rest_length --noise=y:{level},x:{level} --duration=2.0 --interval=0.2"),
        (noisy, "--scenario=two_parameter --noise=x:0.1,y:0.2"),
    ):
        assert f" train.py --data=/data/walks {words} --out=run" in config_of(scenario).continuation("run")


# Runs of strangers ---------------------------------------------------------------------------

STRANGE = "/data\x1b[2J\nNext: python train.py\u202e; echo $(id)"


def test_a_strangers_words_are_shown_and_run_as_words(tmp_path, scripts):
    """The configuration names the data, in the error and in its command; neither a terminal nor a shell obeys it."""
    config = dataclasses.replace(config_of(SCENARIOS["two_parameter"]), data=STRANGE)
    folder = tmp_path / "a run"
    folder.mkdir()
    files.write_sealed(folder / "config.json", config.to_dict())
    ended = scripts.run("evaluate.py", f"--run={folder}")
    assert ended.returncode == 1
    told = ended.output.rstrip("\n")
    assert told.isprintable()
    assert told.startswith(f"Error: The run at {folder} has no finished model. Finish it: python train.py ")
    words = shlex.split(told.partition("Finish it: ")[2])
    shown = "/data\\x1b[2J\\nNext: python train.py\\u202e; echo $(id)"
    assert words == ["python", "train.py", f"--data={shown}", "--scenario=two_parameter", f"--out={folder}"]


def test_a_strangers_words_in_a_dataset_are_shown_as_words(small_dataset, tmp_path):
    """In an intact manifest: in its summary, which stands in reports, and in errors."""
    content = open_dataset(small_dataset).manifest.to_dict()
    content["outcomes"]["fell\x1b[31m"] = 7
    content["identity"] = "1\x1b]0;2\x07"
    files.write_sealed(tmp_path / "manifest.json", content)
    dataset = open_dataset(tmp_path)
    assert "fell\\x1b[31m 7" in dataset.summary()
    assert dataset.summary().isprintable()
    assert dataset.identity == "1\\x1b]0;2\\x07"


# Runs from before ----------------------------------------------------------------------------


def test_a_run_from_before_is_read_and_continued(small_dataset, finished, tmp_path):
    """Its configuration lacks measured parameters, noise, layers and units: it gets none, and the paper's network."""
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    write_old_config(Run(folder), open_dataset(small_dataset))
    run = load_run(folder)
    assert run.scenario == SCENARIOS["two_parameter"]
    assert (run.config.settings.layers, run.config.settings.units) == (7, 50)
    assert run.config.code_revision == "c6b8f91c47e16c27c030af8fc83571b10f40577e"
    recordings = open_dataset(small_dataset).load("test", ("x", "y")).inputs
    np.testing.assert_array_equal(run.predict(recordings), finished.predict(recordings))
    settings = dataclasses.replace(finished.config.settings, preprocessing="standardised")  # there was nothing else
    assert train(small_dataset, folder, settings, verbose=0) == finished.result  # the same run: nothing to be done
    with pytest.raises(InputError, match="holds another run: layers 7 instead of 2"):
        train(small_dataset, folder, dataclasses.replace(settings, layers=2), verbose=0)


# Finished runs -------------------------------------------------------------------------------


def test_a_finished_run(finished):
    assert finished.targets == ("stiffness_to_mass", "rest_length")
    assert finished.history["epoch"].tolist() == [1, 2]
    assert finished.result.best_val_loss == finished.history["val_loss"].min()
    assert finished.config.settings.epochs == 2
    assert finished.metrics is None


def test_a_scenario_of_the_users_own(small_dataset, tmp_path):
    """It stands in no table; the run keeps all of it."""
    settings = TrainingSettings(MINE, epochs=1, batch_size=100, **SMALL_NETWORK)
    train(str(small_dataset), str(tmp_path / "run"), settings, verbose=0)
    run = load_run(str(tmp_path / "run"))
    assert run.scenario == MINE
    assert run.config.settings == settings
    split = open_dataset(small_dataset).load("test", MINE.inputs)
    estimate = run.predict(run.inputs(split, "test"))
    assert estimate.shape == (200, 2)
    assert estimate[:, 0].mean() == pytest.approx(0.7, abs=0.02)
    assert estimate[:, 1].mean() == pytest.approx(0.0075, rel=0.05)
    with pytest.raises(InputError, match=r"shape \[n, 61\]: in each row 30 samples of y, x, one .* other, then mass"):
        run.predict(split.inputs)


@pytest.mark.parametrize("shape", [(60,), (2, 59), (2, 61), (1, 2, 30)])
def test_recordings_of_another_shape(finished, shape):
    with pytest.raises(InputError, match=r"shape \[n, 60\].*Received: shape \[.*\]. Reshape"):
        finished.predict(np.zeros(shape))


def test_no_recordings_give_no_estimates(finished):
    assert finished.predict(np.zeros((0, 60))).shape == (0, 2)


@pytest.mark.parametrize("predicted", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_is_read_without_tensorflow(finished, predicted):
    """From the package's top level; Keras comes with the first prediction."""
    code = (
        "import sys, gait, numpy as np\n"
        f"run = gait.load_run({str(finished.folder)!r})\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
    )
    if predicted:
        code += "assert run.predict(np.zeros((1, 60))).shape == (1, 2)\nassert 'keras' in sys.modules\n"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
    assert gait.load_run is load_run


def test_no_run_at_all(tmp_path):
    with pytest.raises(InputError, match=r"There is no run at .* Train one: python train.py '--out=.*my run'"):
        load_run(tmp_path / "my run")

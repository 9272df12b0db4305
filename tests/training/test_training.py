"""Network, history, checkpoints, strategies, and what ends a training early."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from gait import provenance
from gait.data.dataset import open_dataset
from gait.data.writing import write_dataset
from gait.errors import InputError
from gait.evaluation.after_training import evaluate_run
from gait.scenarios import SCENARIOS, scenario_of
from gait.storage import files
from gait.storage.remote import RemotePath
from gait.training.fitting import compiled_network, train
from gait.training.network import dense_network, in_physical_units
from gait.training.run import Run, TrainingSettings, load_run
from gait.training.state import R2, TrainingState
from tests.helpers.walks import SMALL_NETWORK, small_plan
from tests.training.test_feed import one_removed, other_walks, swapped


def settings(scenario="two_parameter", **changes):
    changes = {"epochs": 3, "batch_size": 100, "checkpoint_every": 2} | SMALL_NETWORK | changes
    return TrainingSettings(SCENARIOS[scenario], **changes)


def history(folder, columns=None):
    """Rows of history.csv without the seconds."""
    with (folder / "history.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


# Network -------------------------------------------------------------------------------------


def test_network_of_the_paper():
    """300 inputs, seven layers of 50, three outputs: 15,050 + 6 * 2,550 + 153 parameters."""
    paper = TrainingSettings(SCENARIOS["three_parameter"])
    network = dense_network(300, 3, "relu", paper.layers, paper.units)
    assert network.count_params() == 30_503
    shapes = [tuple(layer.kernel.shape) for layer in network.layers]
    assert shapes == [(300, 50)] + [(50, 50)] * 6 + [(50, 3)]
    assert network.output_shape == (None, 3)


def test_layers_and_units():
    network = compiled_network(settings(layers=2, units=8), 60, 16, tf.distribute.get_strategy())
    assert [tuple(weight.shape) for weight in network.weights] == [(60, 8), (8,), (8, 8), (8,), (8, 2), (2,)]


def test_physical_units_on_both_sides():
    generator = np.random.default_rng(0)
    core = dense_network(4, 2, "tanh", layers=7, units=50)
    input_mean, input_sd = np.array([1.0, 200.0, -3.0, 0.5]), np.array([2.0, 50.0, 0.1, 1.0])
    target_mean, target_sd = np.array([9000.0, 0.7]), np.array([577.0, 0.06])
    model = in_physical_units(core, input_mean, input_sd, target_mean, target_sd)
    raw = input_mean + input_sd * generator.normal(size=(20, 4))
    expected = core.predict((raw - input_mean) / input_sd, verbose=0) * target_sd + target_mean
    np.testing.assert_allclose(model.predict(raw, verbose=0), expected, rtol=1e-5)
    matrix = np.float32(generator.normal(size=(4, 4)))
    model = in_physical_units(core, input_mean, input_sd, target_mean, target_sd, matrix)
    expected = core.predict((raw - input_mean) / input_sd @ matrix, verbose=0) * target_sd + target_mean
    np.testing.assert_allclose(model.predict(raw, verbose=0), expected, rtol=1e-5)


# R² ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimate", [1.0, 1.5, -1e6])
def test_r2_of_targets_without_spread_is_zero(estimate):
    metric = R2(("mass",))
    metric.update_state(tf.constant([[1.0], [1.0]]), tf.constant([[estimate], [1.0]]))
    assert float(metric.result()["r2_mass"]) == 0.0


def test_r2_metric_is_the_coefficient_of_determination():
    generator = np.random.default_rng(0)
    truth = generator.normal([3.0, -1.0], [2.0, 0.5], (300, 2))
    estimate = truth + generator.normal(0, 0.3, (300, 2))
    metric = R2(("mass", "rest_length"))
    for i in range(0, 300, 100):
        metric.update_state(tf.constant(truth[i : i + 100], tf.float32), tf.constant(estimate[i : i + 100], tf.float32))
    expected = 1 - ((truth - estimate) ** 2).sum(axis=0) / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    result = metric.result()
    np.testing.assert_allclose([result["r2_mass"], result["r2_rest_length"]], expected, rtol=1e-5)


# Runs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished_run(small_dataset, tmp_path_factory):
    """An uninterrupted run of six epochs."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(small_dataset, folder, settings(epochs=6), verbose=0)
    return folder


def test_run_folder(small_dataset, finished_run):
    rows = history(finished_run)
    assert list(rows[0]) == [
        "epoch", "loss", "val_loss", "r2_stiffness_to_mass", "val_r2_stiffness_to_mass", "r2_rest_length",
        "val_r2_rest_length",
    ]  # fmt: skip
    assert [int(row["epoch"]) for row in rows] == list(range(1, 7))
    config = json.loads((finished_run / "config.json").read_text())
    assert config["settings"]["batch_size"] == 100
    assert config["dataset"] == open_dataset(small_dataset).identity
    assert config["versions"]["tensorflow"] == tf.__version__
    result = json.loads((finished_run / "result.json").read_text())
    losses = [float(row["val_loss"]) for row in rows]
    assert result["best_epoch"] == 1 + int(np.argmin(losses))
    assert result["best_val_loss"] == min(losses)
    assert sorted(path.name for path in finished_run.iterdir()) == [
        "config.json", "history.csv", "learning_curves.png", "model.keras", "result.json",
    ]  # fmt: skip


def test_history_tells_the_loss_of_the_saved_model(small_dataset, finished_run):
    """The saved model, on raw recordings, has the best validation R² of the history."""
    split = open_dataset(small_dataset).load("validation", ("x", "y"))
    estimate = load_run(finished_run).predict(split.inputs)
    best = min(history(finished_run), key=lambda row: float(row["val_loss"]))
    truth = split.parameters["rest_length"]
    r2 = 1 - np.mean((truth - estimate[:, 1]) ** 2) / np.var(truth)
    assert r2 == pytest.approx(float(best["val_r2_rest_length"]), abs=1e-4)
    assert float(best["val_r2_rest_length"]) > 0.3


def test_model_loads_in_plain_keras(small_dataset, finished_run, tmp_path):
    """In another folder, without this package on the path: SI in, SI out.

    Both predict all records in one batch: another size of a batch may round the last digit of float32 otherwise.
    """
    split = open_dataset(small_dataset).load("test", ("x", "y"))
    np.save(tmp_path / "inputs.npy", split.inputs)
    code = (
        "import sys, keras, numpy as np\n"
        f"model = keras.saving.load_model({str(finished_run / 'model.keras')!r})\n"
        "np.save('outputs.npy', model.predict(np.load('inputs.npy'), batch_size=200, verbose=0))\n"
        "assert not any(name.split('.')[0] == 'gait' for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    outputs = np.load(tmp_path / "outputs.npy")
    np.testing.assert_array_equal(outputs, load_run(finished_run).predict(split.inputs))
    assert outputs[:, 0].mean() == pytest.approx(133, abs=3)
    assert outputs[:, 1].mean() == pytest.approx(0.7, abs=0.01)


@pytest.mark.usefixtures("no_figure")
def test_same_seed_same_result(small_dataset, finished_run, tmp_path):
    train(small_dataset, tmp_path / "again", settings(epochs=6), verbose=0)
    assert history(tmp_path / "again") == history(finished_run)
    train(small_dataset, tmp_path / "other", settings(epochs=6, seed=1), verbose=0)
    assert history(tmp_path / "other") != history(finished_run)


def interrupt_after(epochs, data, folder, monkeypatch):
    honest = TrainingState.on_epoch_end

    def interrupted(self, epoch, logs=None):
        honest(self, epoch, logs)
        if epoch + 1 == epochs:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "on_epoch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(data, folder, settings(epochs=6), verbose=0)


def test_a_run_in_a_bucket_ends_like_one_on_a_disk(small_dataset, finished_run, monkeypatch):
    """TensorFlow's file system in memory for data and run; interrupted, continued and evaluated.

    Interrupted between two checkpoints, and gone on with at other checkpoints; kills are in test_durability.py.
    """
    bucket = RemotePath("ram://training")
    for path in small_dataset.iterdir():
        (bucket / "walks" / path.name).upload(path)
    interrupt_after(3, bucket / "walks", bucket / "run", monkeypatch)
    assert {path.name for path in (bucket / "run").iterdir()} == {"checkpoint.npz", "config.json", "history.csv"}
    assert len(Run(bucket / "run").read_history()) == 3
    train(bucket / "walks", bucket / "run", settings(epochs=6, checkpoint_every=5), verbose=0)
    one, other = (load_run(folder).history.drop(columns="seconds") for folder in (bucket / "run", finished_run))
    pd.testing.assert_frame_equal(one, other)
    with files.local_copy(bucket / "run" / "model.keras") as path:
        models = [keras.saving.load_model(path) for path in (path, finished_run / "model.keras")]
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(a, b)
    assert "rest_length" in evaluate_run(bucket / "run").scores  # finds the data by its configuration
    assert {path.name for path in (bucket / "run").iterdir()} == {
        "config.json", "history.csv", "model.keras", "result.json", "learning_curves.png", "metrics.json",
        "metrics.csv", "predictions.csv", "scatter.png", "report.md", "completion.json", "completion.png",
    }  # fmt: skip
    assert (bucket / "run" / "scatter.png").read_bytes().startswith(b"\x89PNG")


def test_finished_run_is_left_alone(small_dataset, finished_run):
    before = {path: path.stat().st_mtime_ns for path in finished_run.iterdir()}
    result = train(small_dataset, finished_run, settings(epochs=6), verbose=0)
    assert result == load_run(finished_run).result
    assert result.epochs == 6
    assert {path: path.stat().st_mtime_ns for path in finished_run.iterdir()} == before


@pytest.mark.usefixtures("no_figure")
def test_streaming_learns_as_well(small_dataset, finished_run, tmp_path):
    train(small_dataset, tmp_path, settings(epochs=6, cache="none"), verbose=0)
    one, other = (float(history(folder)[-1]["val_loss"]) for folder in (tmp_path, finished_run))
    assert one == pytest.approx(other, rel=0.3)


def train_on_two_replicas(scripts, script, data, folder, scenario, options):
    """Trains under MirroredStrategy over two logical CPU devices, in a process of its own."""
    code = (
        "import tensorflow as tf\n"
        "cpu = tf.config.list_physical_devices('CPU')[0]\n"
        "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)\n"
        "from pathlib import Path\n"
        "from gait.scenarios import scenario_of\n"
        "from gait.training import TrainingSettings, choose_strategy, train\n"
        f"settings = TrainingSettings(scenario_of(**{scenario!r}), **{options!r}, strategy='mirrored')\n"
        "assert choose_strategy('mirrored').num_replicas_in_sync == 2\n"
        f"train(Path({str(data)!r}), Path({str(folder)!r}), settings, verbose=0)\n"
    )
    script.write_text(code)
    ended = scripts.run(script)
    assert ended.returncode == 0, ended.output


@pytest.mark.slow
@pytest.mark.usefixtures("no_figure")
def test_two_replicas_stream_channels_that_are_computed_on_reading(scripts, small_dataset, tmp_path):
    """Specific force in noise, every second sample: NumPy makes it inside of tf.data, for both replicas."""
    scenario = {"scenario": "accelerometer", "noise": ["sfx:0.05", "sfy:0.05"], "interval": 0.2}
    options = {"epochs": 3, "batch_size": 100, "layers": 2, "units": 8, "cache": "none"}
    train_on_two_replicas(scripts, tmp_path / "mirrored.py", small_dataset, tmp_path / "two", scenario, options)
    train(small_dataset, tmp_path / "one", TrainingSettings(scenario_of(**scenario), **options), verbose=0)
    for two, one in zip(history(tmp_path / "two"), history(tmp_path / "one"), strict=True):
        for column in ("loss", "val_loss"):
            assert float(two[column]) == pytest.approx(float(one[column]), rel=0.02)


@pytest.mark.slow
def test_two_replicas_learn_what_one_learns(scripts, small_dataset, finished_run, tmp_path):
    """MirroredStrategy over two logical CPU devices: the same batches, hence nearly the same losses."""
    folder, scenario = tmp_path / "run", {"scenario": "two_parameter"}
    options = {"epochs": 6, "batch_size": 100, "layers": 2, "units": 8}
    train_on_two_replicas(scripts, tmp_path / "mirrored.py", small_dataset, folder, scenario, options)
    for one, other in zip(history(folder), history(finished_run), strict=True):
        assert float(one["loss"]) == pytest.approx(float(other["loss"]), rel=0.02)
        assert float(one["val_r2_rest_length"]) == pytest.approx(float(other["val_r2_rest_length"]), abs=0.02)
        # Both replicas count: an epoch has all records, so 1 - R² of standardised targets is their squared error.
        r2 = [float(one[f"r2_{target}"]) for target in SCENARIOS["two_parameter"].targets]
        assert 1 - np.mean(r2) == pytest.approx(float(one["loss"]), rel=1e-4)
    run, split = load_run(folder), open_dataset(small_dataset).load("validation", ("x", "y"))
    best = run.history.loc[run.history["val_loss"].idxmin()]
    truth = split.parameters["rest_length"].to_numpy()
    r2 = 1 - np.mean((truth - run.predict(split.inputs)[:, 1]) ** 2) / truth.var()
    assert best["val_r2_rest_length"] == pytest.approx(r2, abs=1e-4)


# What ends a training early ------------------------------------------------------------------


# Early stopping ------------------------------------------------------------------------------


def wavering(losses, monkeypatch):
    """Has the validation loss follow a list."""
    honest = TrainingState.on_epoch_end
    monkeypatch.setattr(
        TrainingState,
        "on_epoch_end",
        lambda self, epoch, logs: honest(self, epoch, logs | {"val_loss": losses[epoch]}),
    )


@pytest.mark.usefixtures("no_figure")
def test_early_stopping(small_dataset, tmp_path, monkeypatch):
    """Two epochs without a lower validation loss; the weights of the best one are kept. Without the flag it goes on."""
    wavering([0.5, 0.4, 0.45, 0.3, 0.3, 0.35, 0.1, 0.05], monkeypatch)
    stopped = train(small_dataset, tmp_path / "stopped", settings(epochs=8, early_stopping=2), verbose=0)
    assert (stopped.epochs, stopped.best_epoch, stopped.best_val_loss) == (6, 4, 0.3)
    assert len(history(tmp_path / "stopped")) == 6
    assert train(small_dataset, tmp_path / "stopped", settings(epochs=8, early_stopping=2), verbose=0) == stopped
    whole = train(small_dataset, tmp_path / "whole", settings(epochs=8), verbose=0)  # negative control
    assert (whole.epochs, whole.best_epoch) == (8, 8)


@pytest.mark.usefixtures("no_figure")
def test_a_training_that_was_killed_when_it_had_stopped_early(
    small_dataset, tmp_path, monkeypatch, cut_after_checkpoint
):
    """No further epoch is run, though the model was not yet written."""
    wavering([0.4, 0.3, 0.3, 0.3, 0.1], monkeypatch)
    chosen = settings(epochs=5, early_stopping=2, checkpoint_every=5)
    cut_after_checkpoint(train, small_dataset, tmp_path / "run", chosen, verbose=0)
    found = train(small_dataset, tmp_path / "run", chosen, verbose=0)
    assert (found.epochs, found.best_epoch) == (4, 2)


def test_diverged_training_stops(small_dataset, tmp_path):
    with pytest.raises(InputError, match="The loss became .* in epoch 1: training has diverged.*lower --learning_rate"):
        train(small_dataset, tmp_path, settings(learning_rate=1e20, schedule="constant", activation="relu"), verbose=0)
    assert not (tmp_path / "model.keras").exists()
    with pytest.raises(InputError, match="has no finished model"):
        load_run(tmp_path)


def test_other_settings_in_the_same_folder(small_dataset, finished_run):
    with pytest.raises(InputError, match="holds another run: seed 0 instead of 5"):
        train(small_dataset, finished_run, settings(epochs=6, seed=5), verbose=0)
    with pytest.raises(InputError, match="holds another run: .*targets"):
        train(small_dataset, finished_run, settings("three_parameter", epochs=6), verbose=0)


def test_other_data_in_the_same_folder(finished_run, tmp_path):
    write_dataset(tmp_path, small_plan(2000, seed=8), audit=0)
    with pytest.raises(InputError, match="holds another run: dataset"):
        train(tmp_path, finished_run, settings(epochs=6), verbose=0)


def test_batch_larger_than_the_split(small_dataset, tmp_path):
    with pytest.raises(InputError, match="which has 1,600 records. Received: --batch_size=1601"):
        train(small_dataset, tmp_path / "run", settings(batch_size=1601), verbose=0)
    assert not (tmp_path / "run").exists()


def test_dataset_without_the_scenarios_channels(tmp_path):
    write_dataset(tmp_path / "data", small_plan(20, channels=("x",)), audit=0)
    with pytest.raises(InputError, match="The scenario reads x, y, but .* lacks y"):
        train(tmp_path / "data", tmp_path / "run", settings(batch_size=10), verbose=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"checkpoint_every": 0},
        {"learning_rate": -1.0},
        {"seed": 2**32},
        {"layers": 0},
        {"units": 0},
        {"early_stopping": 0},
        {"preprocessing": "scaled"},
        {"activation": "sine"},
        {"schedule": "never"},
    ],
)
def test_impossible_settings(change):
    with pytest.raises(InputError, match=f"Received: --{next(iter(change))}="):
        settings(**change)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.keras", None, "is damaged: its checksum"),
        ("config.json", "{}", "not a complete run configuration: it lacks settings"),
        ("config.json", "{", "not a readable run configuration"),
        ("result.json", "{}", "not a complete training result: it lacks epochs"),
        ("history.csv", "", "is damaged: its checksum"),
    ],
)
def test_damaged_run_folder(finished_run, tmp_path, file, content, message):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    data = bytearray((folder / file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / file).write_bytes(data) if content is None else (folder / file).write_text(content)
    with pytest.raises(InputError, match=message):
        load_run(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "not a readable history"), ("epoch,seconds,loss,val_loss\n1,2.0", "not a whole history")],
)
def test_unusable_histories(tmp_path, content, message):
    (tmp_path / "history.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        Run(tmp_path).read_history()


# Checkpoints ---------------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path):
    """The state of a run with one checkpoint, after two epochs."""
    (tmp_path / "history.csv").write_text("epoch,seconds,loss,val_loss\n1,0.1,0.5,0.5\n2,0.1,0.4,0.4\n")
    found = new_state(tmp_path)
    found.best_weights = found.model.get_weights()
    found._save(2)
    return found


def new_state(folder, units=3):
    found = TrainingState(Run(folder), None, 1, ["loss", "val_loss"])
    found.set_model(compiled_network(settings(layers=1, units=units), 4, 1, tf.distribute.get_strategy()))
    return found


def resealed(path, **changes):
    """Changes entries of a checkpoint, and its checksum with them; None removes an entry."""
    with np.load(io.BytesIO(path.read_bytes()[:-32])) as saved:
        content = {name: value for name, value in ({**saved} | changes).items() if value is not None}
    packed = io.BytesIO()
    np.savez(packed, **content)
    path.write_bytes(packed.getvalue() + hashlib.sha256(packed.getvalue()).digest())


@pytest.mark.parametrize("entry", ["gait", "python", "numpy", "tensorflow", "keras", "processor"])
def test_a_run_that_other_code_or_versions_have_begun_is_not_continued(state, tmp_path, monkeypatch, entry):
    assert new_state(tmp_path).resume() == 2  # negative control
    now = provenance.numerical_environment("training")
    monkeypatch.setattr(provenance, "numerical_environment", lambda task: now | {entry: "other"})
    message = f"The training in .* was begun with {entry} {now[entry]} instead of other. All epochs of a run must come"
    with pytest.raises(InputError, match=message + ".*or delete .*checkpoint.npz; the same command then begins anew"):
        new_state(tmp_path).resume()


def test_a_checkpoint_of_code_that_noted_no_versions(state, tmp_path):
    resealed(tmp_path / "checkpoint.npz", environment=None)
    with pytest.raises(InputError, match="was begun by earlier code, which did not note its versions"):
        new_state(tmp_path).resume()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state_1": None}, "belongs to another network: state_1"),
        ({"best_0": np.zeros((4, 2))}, "belongs to another network: best_0"),
        ({"epoch": np.zeros(3)}, "belongs to another network: epoch"),
        ({"environment": np.array("{")}, "is no checkpoint of this code"),
    ],
)
def test_a_checkpoint_that_fits_its_checksum_but_not_the_run(state, tmp_path, changes, message):
    resealed(tmp_path / "checkpoint.npz", **changes)
    with pytest.raises(InputError, match=f"{message}.*Delete it; the same command then begins anew"):
        new_state(tmp_path).resume()


def test_no_code_in_a_checkpoint_is_run(state, tmp_path):
    """A pickled object in an array, from a folder of a stranger."""

    class Stranger:
        def __reduce__(self):
            return open, (str(tmp_path / "here"), "w")

    resealed(tmp_path / "checkpoint.npz", best_loss=np.array(Stranger(), dtype=object))
    with pytest.raises(InputError, match="is no checkpoint of this code"):
        new_state(tmp_path).resume()
    assert not (tmp_path / "here").exists()


# Shards that change during training ----------------------------------------------------------


@pytest.mark.usefixtures("no_figure")
@pytest.mark.parametrize("change", [swapped, pytest.param(one_removed, marks=pytest.mark.slow)])
def test_training_ends_when_the_streamed_shards_change(small_dataset, tmp_path, monkeypatch, change):
    """In the second of four epochs; with the dataset restored, the same command ends as if nothing had been."""
    folder, other = shutil.copytree(small_dataset, tmp_path / "walks"), other_walks(tmp_path / "other")
    honest, short = TrainingState.on_epoch_begin, settings(cache="none", epochs=4, checkpoint_every=1, layers=1)

    def disturbed(self, epoch, logs=None):
        honest(self, epoch, logs)
        if epoch == 1:
            change(folder, other)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "on_epoch_begin", disturbed)
        with pytest.raises(InputError, match=r"The shard .*walks/train-.* It was changed while a training was reading"):
            train(folder, tmp_path / "run", short, verbose=0)
    assert len(Run(tmp_path / "run").read_history()) == 1
    shutil.rmtree(folder)
    shutil.copytree(small_dataset, folder)
    train(folder, tmp_path / "run", short, verbose=0)
    assert history(tmp_path / "run")[0] != history(tmp_path / "run")[1]
    assert load_run(tmp_path / "run").result.epochs == 4

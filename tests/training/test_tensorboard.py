"""Curves for TensorBoard: the numbers of the history, once each, after any interruption; and the same network."""

import importlib.util
import zipfile

import numpy as np
import pytest

from gait.errors import InputError
from gait.scenarios import SCENARIOS
from gait.training import tensorboard
from gait.training.fitting import learning_rate, train
from gait.training.run import TrainingSettings, load_run
from tests.helpers.walks import SMALL_NETWORK

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="TensorBoard is not installed"
)
SETTINGS = TrainingSettings(
    SCENARIOS["two_parameter"], epochs=5, batch_size=100, checkpoint_every=2, schedule="inverse", **SMALL_NETWORK
)
STEPS = 16


def read(folder):
    """Steps and values of every curve in a folder of a run, by its name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    found = {}
    for split in ("train", "validation"):
        events = EventAccumulator(str(folder / "tensorboard" / split))
        events.Reload()
        for tag in events.Tags()["tensors"]:
            curve = events.Tensors(tag)
            found[f"{split}/{tag}"] = (
                [event.step for event in curve],
                [float(make_ndarray(event.tensor_proto)) for event in curve],
            )
    return found


def weights(folder):
    """Weights of the saved model, as they are on disk; the archive around them has its date."""
    with zipfile.ZipFile(folder / "model.keras") as archive:
        return archive.read("model.weights.h5")


def check_curves(folder):
    """Every epoch stands once in every curve, with the number that the history has."""
    history, found = load_run(folder).history, read(folder)
    names = ["loss", "r2_stiffness_to_mass", "r2_rest_length"]
    rates = {"train/epoch_learning_rate"}
    assert set(found) == {f"{split}/epoch_{name}" for split in ("train", "validation") for name in names} | rates
    for split, prefix in (("train", ""), ("validation", "val_")):
        for name in names:
            steps, values = found[f"{split}/epoch_{name}"]
            assert steps == list(range(len(history)))
            np.testing.assert_allclose(values, history[prefix + name], rtol=1e-6)
    steps, values = found["train/epoch_learning_rate"]
    assert steps == list(range(len(history)))
    expected = [float(learning_rate(SETTINGS, STEPS)((step + 1) * STEPS)) for step in steps]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.fixture(scope="module")
def plain(small_dataset, tmp_path_factory):
    """The run without curves."""
    folder = tmp_path_factory.mktemp("runs") / "plain"
    train(small_dataset, folder, SETTINGS, verbose=0)
    return folder


@needs_tensorboard
@pytest.mark.usefixtures("no_figure")
def test_curves_change_nothing_in_the_result(small_dataset, plain, tmp_path):
    train(small_dataset, tmp_path, SETTINGS, verbose=0, tensorboard=True)
    check_curves(tmp_path)
    assert weights(tmp_path) == weights(plain)
    assert load_run(tmp_path).history.drop(columns="seconds").equals(load_run(plain).history.drop(columns="seconds"))
    assert not (plain / "tensorboard").exists()


@pytest.mark.slow
@needs_tensorboard
@pytest.mark.usefixtures("no_figure")
def test_a_resumed_run_has_every_epoch_once(small_dataset, plain, tmp_path, monkeypatch):
    """Interrupted after epoch 3, with a checkpoint of epoch 2: epoch 3 is run twice."""
    from gait.training.state import TrainingState

    honest = TrainingState.on_epoch_begin

    def interrupted(self, epoch, logs=None):
        if epoch == 3:
            raise KeyboardInterrupt
        honest(self, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "on_epoch_begin", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(small_dataset, tmp_path, SETTINGS, verbose=0, tensorboard=True)
    assert read(tmp_path)["train/epoch_loss"][0] == [0, 1, 2]
    (tmp_path / "tensorboard" / "notes.txt").write_text("A user's own.", encoding="utf-8")
    train(small_dataset, tmp_path, SETTINGS, verbose=0, tensorboard=True)
    check_curves(tmp_path)
    assert weights(tmp_path) == weights(plain)
    assert (tmp_path / "tensorboard" / "notes.txt").exists()


@needs_tensorboard
def test_a_finished_run_gets_its_curves_from_its_history(small_dataset, plain):
    before = (plain / "model.keras").stat().st_mtime_ns
    train(small_dataset, plain, SETTINGS, verbose=0, tensorboard=True)
    check_curves(plain)
    assert (plain / "model.keras").stat().st_mtime_ns == before


def test_a_missing_package_is_said_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs the package tensorboard.*pip install tensorboard"):
        train("/nowhere/walks", tmp_path / "run", SETTINGS, tensorboard=True)
    assert not (tmp_path / "run").exists()

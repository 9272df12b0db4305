"""Model files: all that `train.py` writes is loaded, and nothing else, above all no code of a stranger."""

import base64
import io
import json
import marshal
import re
import shutil
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

from gait.errors import InputError
from gait.scenarios import SCENARIOS
from gait.storage import files
from gait.training import saved_model
from gait.training.network import dense_network, in_physical_units
from gait.training.run import Run, RunConfig, TrainingResult, TrainingSettings, load_run
from gait.training.saved_model import load_network
from gait.training.settings import ACTIVATIONS
from tests.helpers.scripts import ROOT

INPUTS = 6


def write_network(path, activation="swish", layers=2, whitened=False):
    core = dense_network(INPUTS, 2, activation, layers, units=5)
    mean, sd = np.arange(INPUTS) + 0.1, np.arange(INPUTS) + 1.5
    matrix = np.float32(np.eye(INPUTS) + 0.1) if whitened else None
    in_physical_units(core, mean, sd, np.array([130.0, 0.7]), np.array([10.0, 0.05]), matrix).save(path)
    return path


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("model") / "model.keras")


@pytest.fixture
def run(honest, tmp_path):
    """A finished run with this network, as a stranger may hand it over."""
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    settings = TrainingSettings(SCENARIOS["two_parameter"], epochs=1)
    files.write_sealed(run.config, RunConfig(settings, INPUTS // 2, "/data", "0" * 16, {}, None).to_dict())
    run.history.write_text("epoch,seconds,loss,val_loss\n1,0.1,0.5,0.5\n")
    shutil.copy(honest, run.model)
    seal(run)
    return run


def seal(run):
    """Makes the checksums fit."""
    checksums = files.sha256(run.model), files.sha256(run.history)
    files.write_sealed(run.result, TrainingResult(1, 1, 0.5, 0.1, None, *checksums).to_dict())


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, changed, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in changed.items():
            archive.writestr(name, content)


def refused(run, message):
    seal(run)
    with pytest.raises(InputError) as error:
        load_run(run.folder).predict(np.zeros((1, INPUTS)))
    text = str(error.value)
    assert text.startswith(f"{run.model} is not a network that train.py has written: ")
    assert re.search(message, text)
    assert text.endswith("because a model file can run code. Use the run of someone you trust, or train it again.")


# What is loaded ------------------------------------------------------------------------------


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize(("activation", "layers"), [("swish", 7), *((name, 1) for name in ACTIVATIONS)])
def test_every_network_that_training_writes_is_loaded(tmp_path, activation, layers, whitened):
    path = write_network(tmp_path / "model.keras", activation, layers, whitened)
    recordings = np.random.default_rng(0).normal(size=(3, INPUTS))
    plain = keras.saving.load_model(path).predict(recordings, verbose=0)
    np.testing.assert_array_equal(load_network(path, INPUTS, 2).predict(recordings, verbose=0), plain)


def test_safe_mode_is_asked_for(run, monkeypatch):
    asked, honest = {}, keras.saving.load_model
    monkeypatch.setattr(keras.saving, "load_model", lambda path, **how: (asked.update(how), honest(path, **how))[1])
    assert load_run(run.folder).predict(np.zeros((1, INPUTS))).shape == (1, 2)
    assert asked == {"compile": False, "safe_mode": True}


# Code in the configuration -------------------------------------------------------------------


def evil(marker):
    """A layer of each kind that has run code in some version of Keras, or that would import a stranger's module."""
    touch = f"lambda x: __import__('pathlib').Path({str(marker)!r}).touch() or x"
    code = compile(touch, "stranger", "eval").co_consts[0]
    function = {"code": base64.b64encode(marshal.dumps(code)).decode(), "defaults": None, "closure": None}
    lambda_layer = {"name": "l", "function": {"class_name": "__lambda__", "config": function}, "arguments": {}}
    return {
        "lambda": ("keras.layers", "Lambda", lambda_layer),
        "function": ("builtins", "function", "exec"),
        "module": ("stranger", "Stranger", {"name": "s"}),
        "saved model": ("keras.layers", "TFSMLayer", {"name": "t", "filepath": str(marker.parent)}),
        "unsafe": ("keras.config", "function", "enable_unsafe_deserialization"),
    }


@pytest.mark.parametrize("where", ["layer", "inner layer", "initializer", "activation", "number"])
@pytest.mark.parametrize("kind", ["lambda", "function", "module", "saved model", "unsafe"])
def test_no_code_of_a_stranger_is_run(run, tmp_path, monkeypatch, kind, where):
    marker, content = tmp_path / "marker", members(run.model)
    (tmp_path / "stranger.py").write_text(f"open({str(marker)!r}, 'w')\nclass Stranger: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(keras.saving, "load_model", lambda *a, **k: pytest.fail("Keras was given the file"))
    module, name, config = evil(marker)[kind]
    entry = {"module": module, "class_name": name, "config": config, "registered_name": name}
    model = json.loads(content["config.json"])
    layers = model["config"]["layers"]
    dense = layers[2]["config"]["layers"][1]["config"]
    if where == "layer":
        layers.insert(1, entry | {"name": "l", "inbound_nodes": []})
    elif where == "inner layer":
        layers[2]["config"]["layers"].insert(1, entry)
    elif where == "initializer":
        dense["kernel_initializer"] = entry
    elif where == "activation":
        dense["activation"] = entry
    else:
        layers[1]["config"]["mean"][0] = entry
    rewrite(run.model, content | {"config.json": json.dumps(model)})
    refused(run, "it holds an (object|activation)")
    assert not marker.exists()
    assert "stranger" not in sys.modules


def test_the_stranger_would_run_code_without_these_checks(run, tmp_path, monkeypatch):
    """Negative control: the marker is made if Keras is told to trust the file."""
    marker = tmp_path / "marker"
    module, name, config = evil(marker)["lambda"]
    layer = {"module": module, "class_name": name, "config": config, "registered_name": None}
    keras.saving.deserialize_keras_object(layer, safe_mode=False)(keras.ops.zeros((1, 2)))
    assert marker.exists()


def change_core(model, **changes):
    model["config"]["layers"][2]["config"]["layers"][1]["config"] |= changes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: change_core(model, activation="softmax"), "it holds an activation softmax"),
        (lambda model: change_core(model, units=10**9), "weights are of other sizes"),
        (lambda model: change_core(model, units="5"), "does not map 6 inputs to 2 outputs"),
        (lambda model: model["config"]["layers"].pop(1), "its layers are others"),
        (lambda model: model["config"].pop("layers"), "its layers are others"),
        (lambda model: model.update(registered_name="mine>Functional"), "it holds an object keras"),
        (lambda model: model.update(module={"a": []}), r"it holds an object \{'a': \[\]\}.Functional"),
        (lambda model: model.pop("class_name"), "it holds an object keras.src.models.functional.None"),
        (lambda model: model["config"]["layers"][0]["config"].update(batch_shape=[None, 7]), "does not map"),
        (lambda model: model["config"].update(output_layers=[["nobody", 0, 0]]), "Keras cannot load it"),
    ],
)
def test_another_network_is_refused(run, change, message):
    content = members(run.model)
    model = json.loads(content["config.json"])
    change(model)
    rewrite(run.model, content | {"config.json": json.dumps(model)})
    refused(run, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "relu"}, "its layers are others"),
        ({"use_bias": True}, "its layers are others"),
        ({"units": 7}, "its layers are others"),
        ({"activation": "softmax"}, "it holds an activation softmax"),
    ],
)
def test_another_layer_in_the_place_of_the_whitening_is_refused(run, changes, message):
    write_network(run.model, whitened=True)
    seal(run)
    assert load_run(run.folder).predict(np.zeros((1, INPUTS))).shape == (1, 2)  # negative control
    content = members(run.model)
    model = json.loads(content["config.json"])
    model["config"]["layers"][2]["config"] |= changes
    rewrite(run.model, content | {"config.json": json.dumps(model)})
    refused(run, message)


def test_the_network_of_another_run_is_refused(honest):
    with pytest.raises(InputError, match="it does not map 8 inputs to 2 outputs"):
        load_network(honest, 8, 2)
    with pytest.raises(InputError, match="it does not map 6 inputs to 3 outputs"):
        load_network(honest, 6, 3)


def test_a_machine_at_its_limits_is_no_strangers_fault(run, monkeypatch):
    def exhausted(*arguments, **how):
        raise MemoryError

    monkeypatch.setattr(keras.saving, "load_model", exhausted)
    with pytest.raises(MemoryError):
        load_run(run.folder).predict(np.zeros((1, INPUTS)))


# The archive ---------------------------------------------------------------------------------


def hdf5_in_place_of_an_archive(path):
    keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(2)]).save(path.with_suffix(".h5"))
    path.with_suffix(".h5").replace(path)


def compressed(path):
    """As a member that is small in the file and large in memory would have to be."""
    rewrite(path, members(path) | {"model.weights.h5": bytes(10**8)}, zipfile.ZIP_DEFLATED)


def nested(depth):
    """Too deep for the parser of JSON, or only for what looks at its result."""
    text = b'{"a":' * depth + b"1" + b"}" * depth
    return lambda path: rewrite(path, members(path) | {"config.json": text})


def with_more(path):
    rewrite(path, members(path) | {"assets/vocabulary.txt": b""})


def twice(path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(b""), "no archive"),
        (lambda path: path.write_bytes(path.read_bytes()[:-400]), "no archive"),
        (hdf5_in_place_of_an_archive, "no archive"),
        (compressed, r"its \S+ is compressed"),
        (nested(100_000), "no archive with a readable config.json"),
        (nested(900), "readable config.json|layers are others"),
        (with_more, "does not hold just"),
        (twice, "does not hold just"),
        (lambda path: rewrite(path, members(path) | {"config.json": b"[]"}), "its layers are others"),
        (lambda path: rewrite(path, members(path) | {"config.json": b"\xff"}), "readable config.json"),
        (lambda path: rewrite(path, members(path) | {"model.weights.h5": b"nothing"}), "cannot be read"),
    ],
)
def test_another_kind_of_file_is_refused(run, change, message):
    change(run.model)
    refused(run, message)


def weights_changed(path, change):
    content = members(path)
    packed = io.BytesIO(content["model.weights.h5"])
    with h5py.File(packed, "r+") as weights:
        kernel = weights["layers/sequential/layers/dense/vars"]
        del kernel["0"]
        change(kernel)
    rewrite(path, content | {"model.weights.h5": packed.getvalue()})


@pytest.mark.parametrize(
    "change",
    [
        lambda place: place.__setitem__("0", h5py.ExternalLink("/etc/hostname", "/")),
        lambda place: place.__setitem__("0", h5py.SoftLink("/layers")),
        lambda place: place.create_dataset("0", (6, 5), "f4", external=[("/etc/hostname", 0, 120)]),
        lambda place: place.create_dataset("0", (50_000, 50_000), "f4", chunks=True, compression="gzip"),
        lambda place: place.create_dataset("0", (6, 5), "f8", np.zeros((6, 5))),
        lambda place: place.create_dataset("0", data="text"),
    ],
)
def test_weights_that_are_elsewhere_or_not_numbers_are_refused(run, change):
    """A link reads any file of the reader; a compressed array needs memory without end."""
    weights_changed(run.model, change)
    refused(run, "its model.weights.h5 holds more than numbers")


@pytest.mark.parametrize("shape", [(6, 4), (6, 5, 1), ()])
def test_weights_of_another_size_are_refused(run, shape):
    weights_changed(run.model, lambda place: place.create_dataset("0", data=np.zeros(shape, np.float32)))
    refused(run, "its weights are of other sizes than its layers")


# The code ------------------------------------------------------------------------------------


def test_nothing_else_reads_models_or_pickles():
    """Of what a stranger may have written; a Dask cluster's members are trusted."""
    found = {}
    for path in sorted((ROOT / "gait").rglob("*.py")):
        text = path.read_text()
        if hits := re.findall(r"load_model\(|deserialize|pickle\.loads?\(|marshal|allow_pickle=True", text):
            found[path.relative_to(ROOT / "gait").as_posix()] = sorted(set(hits))
        assert len(re.findall(r"np\.load\(", text)) == text.count("allow_pickle=False")
    assert found == {
        "data/cluster.py": ["pickle.loads("],
        "training/saved_model.py": ["load_model("],
    }
    assert "safe_mode=True" in (ROOT / "gait" / "training" / "saved_model.py").read_text()
    assert saved_model._MEMBERS == ["config.json", "metadata.json", "model.weights.h5"]

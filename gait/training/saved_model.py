"""The file of a trained network: what may be in it, how it is loaded, and what it answers.

Keras builds whatever objects a model file names, and has often run code that such a file holds. So a file is only given
to Keras if it holds just what `train.py` writes: the layers of `gait.training.network`, or of a posterior those of
`gait.training.heads`, with weights of their sizes.
"""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gait.errors import InputError

INFERENCE_BATCH = 10_000
"""Records in a batch when nothing is learned from them."""
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = sorted(("metadata.json", _CONFIG, _WEIGHTS))
_MODEL = ["InputLayer", "Normalization", "Sequential", "Normalization"]
"""Layers of `gait.training.network.in_physical_units`; "Sequential" is `dense_network`."""
_WHITENED = ["InputLayer", "Normalization", "Dense", "Sequential", "Normalization"]
"""The layers if the inputs are whitened."""
_HEAD = (
    ("Dense", "log_weights", "log_softmax"), ("Dense", "means_in_a_row", "linear"), ("Reshape", "means", None),
    ("Dense", "factors_in_a_row", "linear"), ("Reshape", "factors", None),
)  # fmt: skip
"""Kind, name and activation of the last layers of `gait.training.heads.mixture_in_logits`, in any order."""
_OUTPUTS = ("log_weights", "means", "factors")
"""Names of its outputs, and of the layers that they come from."""
_WRITTEN = (
    ("keras.src.models.functional", "Functional"), ("keras", "Functional"), ("keras", "Sequential"),
    ("keras.layers", "InputLayer"), ("keras.layers", "Normalization"), ("keras.layers", "Dense"),
    ("keras.layers", "Reshape"),
    ("keras", "DTypePolicy"), ("keras.initializers", "GlorotUniform"), ("keras.initializers", "Zeros"),
    (None, "__keras_tensor__"),
)  # fmt: skip
"""Module and name of all objects that a file may have Keras make."""
_ACTIVATIONS = ("linear", "silu", "relu", "tanh", "gelu", "elu", "selu", "log_softmax")
"""Names by which Keras writes `gait.training.settings.ACTIVATIONS`, and those of the last layers."""


class _StrangeError(Exception):
    """Something that `train.py` does not write; the text says what."""


def load_network(path: Path, inputs: int, outputs: int, components: int | None = None) -> Any:
    """Loads the network of a run; no code of its file is run.

    Args:
        path: of the file, local.
        inputs: number of the network's inputs.
        outputs: number of its outputs; of a posterior, number of its coordinates.
        components: number of Gaussians of a posterior; None for a point estimate.

    Returns:
        The `keras.Model`: raw inputs [n, inputs] to raw targets [n, outputs], SI units, or to a mixture over logits,
        see `gait.training.heads.mixture_in_logits`.

    Raises:
        InputError: if the file holds anything but a network as `train.py` writes it, of these numbers.
    """
    try:
        _check(path, inputs, outputs, components)
        import keras

        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (MemoryError, OSError):  # the machine's fault, not the file's
            raise
        except Exception as error:  # whatever Keras stumbles over in weights that do not fit
            raise _StrangeError(f"Keras cannot load it ({_one_line(error)})") from error
    except _StrangeError as error:
        raise InputError(
            f"{path} is not a network that train.py has written: {error}. It was not loaded, because a model file can "
            "run code. Use the run of someone you trust, or train it again."
        ) from error


def outputs_of(network: Any, recordings: np.ndarray) -> Any:
    """Outputs of a loaded network for recordings [n, inputs], n > 0, as arrays with n rows: one, or a dict of several.

    Without `keras.Model.predict`, whose data feed costs as much again; see `gait.training.feed`.
    """
    import keras

    starts = range(0, len(recordings), INFERENCE_BATCH)
    batches = [network.predict_on_batch(recordings[first : first + INFERENCE_BATCH]) for first in starts]
    return keras.tree.map_structure(lambda *rows: np.concatenate(rows), *batches)


def _one_line(text: object) -> str:
    """The start of a stranger's text, or of an error that may quote one."""
    return " ".join(str(text).split())[:200]


def _check(path: Path, inputs: int, outputs: int, components: int | None) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist(), path.stat().st_size)
            config, weights = json.loads(archive.read(_CONFIG)), archive.read(_WEIGHTS)
        for entry in _objects(config):
            described = entry.get("module"), entry.get("class_name")
            if described not in _WRITTEN or entry.get("registered_name") not in (None, described[1]):
                raise _StrangeError(f"it holds an object {_one_line('.'.join(map(str, described)))}")
    except (zipfile.BadZipFile, ValueError, RuntimeError) as error:  # the latter if encrypted, or nested too deeply
        raise _StrangeError(f"it is no archive with a readable {_CONFIG} ({_one_line(error)})") from error
    sizes = _sizes(config, inputs, outputs) if components is None else _of_head(config, inputs, outputs, components)
    _check_weights(weights, sizes)


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """All are stored as they are, as Keras does it, so that none can grow beyond the file."""
    if sorted(member.filename for member in members) != _MEMBERS:
        raise _StrangeError(f"it does not hold just {', '.join(_MEMBERS)}")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or not member.file_size == member.compress_size <= size:
            raise _StrangeError(f"its {member.filename} is compressed")


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """All that Keras would make an object of, at any depth."""
    if isinstance(config, dict):
        if not {"class_name", "module", "registered_name", "function"}.isdisjoint(config):
            yield config
        if "activation" in config and config["activation"] not in _ACTIVATIONS:
            raise _StrangeError(f"it holds an activation {_one_line(config['activation'])}")
    if isinstance(config, dict | list):
        for part in config.values() if isinstance(config, dict) else config:
            yield from _objects(part)


def _sizes(config: Any, inputs: int, outputs: int) -> list[tuple[int, ...]]:
    """Shapes of the weights that belong to the layers; raises unless these are the layers of a network."""
    try:
        layers = config["config"]["layers"]
        core = layers[-2]["config"]["layers"]
        kinds = [layer["class_name"] for layer in layers], [layer["class_name"] for layer in core]
        whitens = kinds[0] == _WHITENED and layers[2]["config"]
        widths = [inputs, *(layer["config"]["units"] for layer in core[1:])]
        first = [layer["config"]["batch_shape"] for layer in (layers[0], core[0])]
    except (KeyError, IndexError, TypeError) as error:
        raise _StrangeError("its layers are others") from error
    if kinds != (_WHITENED if whitens else _MODEL, _hidden(len(core))):
        raise _StrangeError("its layers are others")
    if whitens and not _whitens(whitens, inputs):
        raise _StrangeError("its layers are others")
    if first != [[None, inputs]] * 2 or widths[-1] != outputs or {*map(type, widths)} != {int}:
        raise _StrangeError(f"it does not map {inputs} inputs to {outputs} outputs")
    own: list[tuple[int, ...]] = [shape for a, b in itertools.pairwise(widths) for shape in ((a, b), (b,))]
    return [(inputs, inputs), *own] if whitens else own


def _whitens(layer: Any, inputs: int) -> bool:
    return [layer.get(key) for key in ("units", "use_bias", "activation")] == [inputs, False, "linear"]


def _of_head(config: Any, inputs: int, outputs: int, components: int) -> list[tuple[int, ...]]:
    """Shapes of the weights that belong to the layers; raises unless these are the layers of a posterior network."""
    widths = {
        "log_weights": components,
        "means_in_a_row": components * outputs,
        "factors_in_a_row": components * outputs * (outputs + 1) // 2,
    }
    try:
        layers = config["config"]["layers"]
        cut = len(layers) - len(_HEAD)
        body, head = layers[:cut], layers[cut:]
        core = body[-1]["config"]["layers"]
        kinds = [layer["class_name"] for layer in body]
        inner = [layer["class_name"] for layer in core]
        found = {(layer["class_name"], layer["config"]["name"], layer["config"].get("activation")) for layer in head}
        hidden = [inputs, *(layer["config"]["units"] for layer in core[1:])]
        last = {layer["config"]["name"]: layer["config"] for layer in head}
        first = [layer["config"]["batch_shape"] for layer in (layers[0], core[0])]
        units = {name: last[name]["units"] for name in widths}
        shapes = [last[name]["target_shape"] for name in ("means", "factors")]
        wired = config["config"]["output_layers"] == {name: [name, 0, 0] for name in _OUTPUTS}
    except (KeyError, IndexError, TypeError) as error:
        raise _StrangeError("its layers are others") from error
    whitened = kinds == _WHITENED[:-1]
    if not (whitened or kinds == _MODEL[:-1]) or found != set(_HEAD) or inner != _hidden(len(core)):
        raise _StrangeError("its layers are others")
    if not wired or (whitened and not _whitens(body[2]["config"], inputs)):
        raise _StrangeError("its layers are others")
    expected = [[components, outputs], [components, outputs * (outputs + 1) // 2]]
    if first != [[None, inputs]] * 2 or units != widths or shapes != expected or {*map(type, hidden)} != {int}:
        raise _StrangeError(f"it does not map {inputs} inputs to {components} Gaussians over {outputs} coordinates")
    own: list[tuple[int, ...]] = [shape for a, b in itertools.pairwise(hidden) for shape in ((a, b), (b,))]
    own += [shape for width in widths.values() for shape in ((hidden[-1], width), (width,))]
    return [(inputs, inputs), *own] if whitened else own


def _hidden(count: int) -> list[str]:
    return ["InputLayer", *["Dense"] * (count - 1)]


def _check_weights(content: bytes, expected: list[tuple[int, ...]]) -> None:
    """Raises unless the weights are plain arrays of the expected shapes, in the file itself."""
    import h5py  # comes with Keras

    found: list[tuple[int, ...]] = []

    def plain(array: Any) -> bool:  # neither elsewhere nor in pieces, which may be compressed
        contiguous = array.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
        return contiguous and not array.external and array.dtype == "float32"

    def visit(group: Any) -> None:
        for name in group:
            place = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
            if isinstance(place, h5py.Group):
                visit(place)
            elif isinstance(place, h5py.Dataset) and plain(place):
                found.append(place.shape)
            else:
                raise _StrangeError(f"its {_WEIGHTS} holds more than numbers")

    try:
        with h5py.File(io.BytesIO(content)) as weights:
            visit(weights)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise _StrangeError(f"its {_WEIGHTS} cannot be read ({_one_line(error)})") from error
    if sorted(found) != sorted(expected):
        raise _StrangeError("its weights are of other sizes than its layers")

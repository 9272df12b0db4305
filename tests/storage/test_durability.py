"""Damaged files and what must hold of their readers: the undisturbed result or a clear error, never a wrong result.

| fault | what must hold |
|---|---|
| a shard cut, flipped, swapped, replaced, deleted | train.py names it and the command that makes the same bytes again |
| a bit flipped in any other file | an error, or the undisturbed result |
| a run without its configuration | an error; nothing is changed |
"""

import functools
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from gait.data.dataset import open_dataset
from gait.data.manifest import FILE
from gait.data.records import RecordTemplate
from gait.data.writing import PROGRESS_LOG, write_dataset
from gait.errors import InputError
from gait.training.fitting import compiled_network, train
from gait.training.run import Run, load_run
from gait.training.state import TrainingState
from tests.helpers.durability import (
    PLAN,
    SETTINGS,
    dataset_of,
    error_of,
    flip,
    progress_log_of,
    refused,
    run_of,
    undisturbed,
    unfinished,
    without,
)
from tests.helpers.walks import small_plan

# Damaged shards ------------------------------------------------------------------------------

RECORD = 12 + len(RecordTemplate(("x", "y"), 30, 7).serialise(np.zeros((1, 7)), np.zeros((2, 1, 30)))[0]) + 4
"""Bytes of a record in a shard: its length (8), a checksum of that (4), the record, a checksum of that (4)."""


def flipped_at(offset: int):
    def damage(path: Path, _: Path) -> None:
        flip(path, 8 * (3 * RECORD + offset) + 2)

    return damage


def swapped(path: Path, _: Path) -> None:
    other = path.with_name(path.name.replace("00001-of", "00002-of"))
    spare = path.with_name("spare")
    path.rename(spare)
    other.rename(path)
    spare.rename(other)


def of_another_seed(path: Path, other: Path) -> None:
    assert path.stat().st_size == (other / path.name).stat().st_size
    shutil.copy(other / path.name, path)


DAMAGE = {
    "truncated by a byte": lambda path, _: os.truncate(path, path.stat().st_size - 1),
    "truncated by a record": lambda path, _: os.truncate(path, path.stat().st_size - RECORD),
    "emptied": lambda path, _: os.truncate(path, 0),
    "a record twice": lambda path, _: path.write_bytes(path.read_bytes() + path.read_bytes()[:RECORD]),
    "flipped in the record's length": flipped_at(0),
    "flipped in the length's checksum": flipped_at(9),
    "flipped in a float": flipped_at(12 + RECORD // 2),
    "flipped in the record's checksum": flipped_at(RECORD - 2),
    "swapped with another": swapped,
    "deleted": lambda path, _: path.unlink(),
    "of another seed": of_another_seed,
}


@pytest.fixture(scope="module")
def other_walks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    write_dataset(folder, small_plan(60, seed=4, shards=5), audit=0)
    return folder


@pytest.mark.parametrize("fault", DAMAGE)
def test_damaged_shard(scripts, walks, other_walks, training_command, tmp_path, fault):
    """train.py names the shard, and the command of its message makes it again."""
    folder = shutil.copytree(walks[0], tmp_path / "walks")
    shard = folder / "train-00001-of-00004.tfrecord"
    others = {
        path: path.stat().st_mtime_ns for path in folder.iterdir() if path != shard and fault != "swapped with another"
    }
    DAMAGE[fault](shard, other_walks)
    ended = scripts.run(*training_command(tmp_path / "run", f"--data={folder}"))
    refused(ended, f"The shard {shard} ", "This command makes just that shard again: python simulate.py ")
    assert not (tmp_path / "run").exists()
    command = shlex.split(re.search("just that shard again: python (.*)", ended.output).group(1))
    undisturbed(scripts, *command)
    assert dataset_of(folder) == dataset_of(walks[0])
    assert {path: path.stat().st_mtime_ns for path in others} == others


# Other damaged files -------------------------------------------------------------------------


def accepted_flips(path: Path, read, bits) -> list[int]:
    """Bits of a file that may be flipped without an error of its reader, which must then see what it saw before."""
    honest, expected, accepted = path.read_bytes(), read(), []
    for bit in bits:
        flip(path, bit)
        try:
            seen = read()
        except InputError:
            pass
        else:
            assert seen == expected, bit
            accepted.append(bit)
        path.write_bytes(honest)
    return accepted


def test_any_flipped_bit_of_the_manifest(walks, tmp_path):
    """It is an error, or one way to write a number has become another, such as 1e-08 and 1E-08."""
    folder = shutil.copytree(walks[0], tmp_path / "walks")
    path = folder / FILE
    bits = np.random.default_rng(0).integers(0, 8 * path.stat().st_size, 600).tolist()
    accepted = accepted_flips(path, lambda: open_dataset(folder).manifest.to_dict(), bits)
    assert len(accepted) < 0.01 * len(bits)


@pytest.mark.parametrize("name", ["config.json", "result.json", "history.csv", "model.keras"])
def test_any_flipped_bit_of_a_finished_run(trained, tmp_path, name):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    size = 8 * (folder / name).stat().st_size
    bits = np.random.default_rng(0).integers(0, size, 400 if name.endswith("json") else 100).tolist()

    def read():
        run = load_run(folder)
        return run.config, run.result

    accepted = accepted_flips(folder / name, read, bits)
    assert len(accepted) < 0.01 * len(bits)


def test_flipped_bits_of_a_checkpoint(walks, trained, tmp_path):
    """In the arrays, in their headers, in the directory at the end of the archive, and in the checksum."""
    source = next(path for path in trained[2] if (path / "checkpoint.npz").exists())
    folder = shutil.copytree(source, tmp_path / "run")
    dataset = open_dataset(walks[0])
    core = compiled_network(SETTINGS, 2 * dataset.samples, 4, tf.distribute.get_strategy())

    def resumed():
        state = TrainingState(Run(folder), None, 2, ["loss"])
        state.set_model(core)
        return state.resume(), state.best_epoch, state.best_loss

    assert resumed()[0] == 2
    size = 8 * (folder / "checkpoint.npz").stat().st_size
    generator = np.random.default_rng(0)
    bits = [*generator.integers(0, size, 60), *generator.integers(size - 8 * 4000, size, 60), size - 1]
    assert accepted_flips(folder / "checkpoint.npz", resumed, [int(bit) for bit in bits]) == []


def test_flipped_bits_of_the_progress_log(plain_walks, tmp_path):
    """Of an unfinished dataset: the undisturbed one comes out, or an error and no dataset at all."""
    text, refusals = progress_log_of(plain_walks), 0
    for bit in np.random.default_rng(0).integers(0, 8 * len(text), 25).tolist():
        folder = unfinished(plain_walks, tmp_path / str(bit), text)
        flip(folder / PROGRESS_LOG, bit)
        error = error_of(functools.partial(write_dataset, folder, PLAN, audit=0))
        if error:
            assert "holds shards of a dataset whose progress.jsonl is damaged" in error
            assert not (folder / FILE).exists()
            refusals += 1
            write_dataset(folder, PLAN, audit=0, overwrite=True)
        assert dataset_of(folder) == dataset_of(plain_walks)
    assert 0 < refusals < 25


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("config.json", "Restore it from a copy"),
        ("result.json", "Restore it from a copy"),
        ("history.csv", "delete {run}/result.json and repeat the command that trained this run"),
        ("model.keras", "delete {run}/result.json and repeat the command that trained this run"),
        ("checkpoint.npz", "Delete it; the same command then begins anew"),
    ],
)
def test_training_over_a_damaged_run(scripts, training_command, trained, tmp_path, name, way_out):
    """train.py neither takes the run for finished nor goes on with it, and changes nothing that it may need."""
    source = trained[0] if name != "checkpoint.npz" else next(p for p in trained[2] if (p / name).exists())
    folder = shutil.copytree(source, tmp_path / "run", ignore=shutil.ignore_patterns(".*"))
    place = (folder / name).stat().st_size // 2
    if name.endswith("json"):  # a digit of the learning rate or the best loss
        place = re.search(rb": \d\.", (folder / name).read_bytes()).end()
    flip(folder / name, 8 * place)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    refused(scripts.run(*training_command(folder)), str(folder / name), "checksum", way_out.format(run=folder))
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert without(after, "config.json", "history.csv") == without(before, "config.json", "history.csv")


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["model.keras", "checkpoint.npz"])
def test_the_way_out_of_a_damaged_run(scripts, training_command, trained, tmp_path, damaged):
    """As the messages say: without result.json, or without the checkpoint, the same command trains anew."""
    source = trained[0] if damaged == "model.keras" else next(p for p in trained[2] if (p / damaged).exists())
    folder = shutil.copytree(source, tmp_path / "run")
    flip(folder / damaged, 80_000)
    (folder / {"model.keras": "result.json"}.get(damaged, damaged)).unlink()
    undisturbed(scripts, *training_command(folder))
    assert run_of(folder) == run_of(trained[0])


@pytest.mark.parametrize("left", ["checkpoint.npz", "model.keras", "result.json"])
def test_a_run_without_its_configuration_is_not_gone_on_with(walks, tmp_path, left):
    """Nobody knows of which settings the rest is."""
    (tmp_path / left).write_text("something")
    with pytest.raises(InputError, match=f"holds {left} of a run whose config.json is gone. Restore that file"):
        train(walks[0], tmp_path, SETTINGS, verbose=0)
    assert [path.name for path in tmp_path.iterdir()] == [left]

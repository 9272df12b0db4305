"""Faults and what must hold after them: the result of an undisturbed command, or a clear error; never a wrong result.

| fault | what must hold |
|---|---|
| kill -9 at a random moment, or before any call that changes the folder | the same command ends with the undisturbed
  result; until then no reader takes the folder for finished |
| two commands in one folder | the second gets an error, the first ends undisturbed |
| a full disk | an error; what is finished stays; with room, the same command ends with the undisturbed result |
| a shard cut, flipped, swapped, replaced, deleted | train.py names it and the command that makes the same bytes again |
| a bit flipped in any other file | an error, or the undisturbed result |
| a wrong or changing clock, files from 1970 and 2040 | nothing |

The scripts run as children of `faults.Scripts`; the tests marked slow start them anew, with all that comes with that.
"""

import csv
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, small_plan
from faults import Ended, Scripts

from gait import dataset, files, manifest, runs, training
from gait.errors import InputError
from gait.runs import Run

PLAN = small_plan(60, shards=5)
SIMULATE = ("--records=60", "--duration=3", "--channels=x,y", "--shards=5", "--seed=3")
TRAIN = ("--scenario=two_parameter", "--epochs=4", "--batch_size=12", "--checkpoint_every=2")
SETTINGS = runs.Settings("two_parameter", epochs=4, batch_size=12, checkpoint_every=2)
BUSY = "Another process is writing to"


# What is compared ----------------------------------------------------------------------------


def dataset_of(folder: Path) -> dict[str, object]:
    """All that a dataset folder holds: the bytes of every file, and the manifest as its reader sees it."""
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    content[manifest.FILE] = json.dumps(
        without(manifest.read(folder).content, "code_revision")
    )  # someone may be editing
    return content


def run_of(folder: Path) -> dict[str, object]:
    """All that a finished run holds, but for what tells of the moment: seconds, memory, the date inside the model."""
    run, config, result = runs.read_finished(folder)
    with zipfile.ZipFile(run.model) as model, run.history.open() as history:
        return {
            "files": sorted(path.name for path in folder.iterdir()),
            "config": without(config, "code_revision"),
            "history": [without(row, "seconds") for row in csv.DictReader(history)],
            "result": without(result, "seconds", "peak_memory_bytes", "model_sha256", "history_sha256"),
            "architecture": re.sub(rb'"shared_object_id": \d+', b"", model.read("config.json")),  # an address in memory
            "weights": model.read("model.weights.h5"),
            "figure": (folder / "learning_curves.png").read_bytes(),
        }


def without_digits(name: str) -> str:
    """A name without the random digits of a temporary one."""
    return re.sub(r"\.tmp\.[0-9a-f]{16}\.", ".tmp.", name)


def calls_of(photographs: list[Path]) -> list[str]:
    """The calls before which they were taken, such as "rename .tmp.model.keras"."""
    return [without_digits(path.name).split(" ", 1)[1] for path in photographs]


def flushed_and_renamed(photographs: list[Path]) -> set[str]:
    """Final names of the files that were renamed; checks that each was flushed before, under the very same name."""
    calls = [path.name.split(" ", 1)[1] for path in photographs]
    temporary = [call.removeprefix("rename ") for call in calls if call.startswith("rename ")]
    for name in temporary:
        assert calls.index(f"fsync {name}") < calls.index(f"rename {name}")
    return {re.fullmatch(r"\.tmp\.[0-9a-f]{16}\.(.*)", name).group(1) for name in temporary}


def taken_before(photographs: list[Path], call: str, which: int = 0) -> Path:
    """The photograph that was taken before a call."""
    return [path for path, name in zip(photographs, calls_of(photographs), strict=True) if name == call][which]


def without(content: dict, *keys: str) -> dict:
    return {key: value for key, value in content.items() if key not in keys}


def refused(ended, *messages: str) -> None:
    """Checks that a command has ended with a clear error."""
    assert ended.returncode == 1, ended.output
    assert "Traceback" not in ended.output
    for message in messages:
        assert message in ended.output


def error_of(action: Callable[[], object]) -> str | None:
    """The error that an action ends with; None if it succeeds."""
    try:
        action()
    except InputError as error:
        return str(error)
    return None


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def undisturbed(scripts: Scripts | None, *command: str) -> float:
    """Runs a command that must succeed; returns its seconds."""
    ended = scripts.run(*command) if scripts else run_anew(*command)
    assert ended.returncode == 0, ended.output
    return ended.seconds


def simulate(folder: Path, *flags: str) -> tuple[str, ...]:
    return ("simulate.py", f"--out={folder}", *SIMULATE, "--audit=1", "--workers=2", *flags)


@pytest.fixture(scope="module")
def walks(scripts, tmp_path_factory):
    """An undisturbed dataset, and its seconds; the first run loads what the later ones find loaded."""
    folder = tmp_path_factory.mktemp("undisturbed") / "walks"
    undisturbed(scripts, *simulate(folder.with_name("first")))
    return folder, undisturbed(scripts, *simulate(folder))


@pytest.fixture(scope="module")
def training_command(walks):
    def command(folder: Path, *flags: str) -> tuple[str, ...]:
        return ("train.py", f"--data={walks[0]}", f"--out={folder}", *TRAIN, *flags)

    return command


@pytest.fixture(scope="module")
def trained(scripts, training_command, tmp_path_factory):
    """An undisturbed run, its seconds, and a photograph of its folder before every call that changed it."""
    folder, photographs = tmp_path_factory.mktemp("undisturbed") / "run", tmp_path_factory.mktemp("photographs")
    ended = scripts.run(*training_command(folder), watched=folder, photographs=photographs)
    assert ended.returncode == 0, ended.output
    return folder, ended.seconds, sorted(photographs.iterdir())


@pytest.fixture(scope="module")
def plain_walks(tmp_path_factory):
    """The same records, but not audited."""
    folder = tmp_path_factory.mktemp("plain") / "walks"
    dataset.write(folder, PLAN, audit=0)
    return folder


def journal_of(folder: Path) -> str:
    """The journal that the writing of a dataset has had at its end."""
    shards = manifest.read(folder).content["shards"]
    lines = [PLAN.settings(), *({name: entry} for name, entry in shards.items())]
    return "".join(json.dumps(files.sealed(line)) + "\n" for line in lines)


def unfinished(folder: Path, copy: Path, journal: str) -> Path:
    """A copy of a dataset as it was before its manifest, with a given journal."""
    shutil.copytree(folder, copy)
    (copy / manifest.FILE).unlink()
    (copy / dataset.JOURNAL).write_text(journal)
    return copy


# Negative controls ---------------------------------------------------------------------------


def change_a_record(folder: Path) -> str:
    """Changes the last digit of one value of one record, and makes the checksums fit."""
    name = "train-00000-of-00004.tfrecord"
    records = [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(folder / name))]
    values = records[2].features.feature["y"].float_list.value
    values[17] = np.nextafter(np.float32(values[17]), np.float32(2))
    with tf.io.TFRecordWriter(str(folder / name)) as writer:
        for record in records:
            writer.write(record.SerializeToString(deterministic=True))
    content = manifest.read(folder).content
    content["shards"][name] |= {"sha256": files.sha256(folder / name)}
    manifest.write(folder, content)
    return name


def test_the_comparison_notices_one_changed_digit_of_a_dataset(walks, tmp_path):
    """With checksums that fit, so that readers accept it; the full audit notices it as well."""
    folder = shutil.copytree(walks[0], tmp_path / "walks")
    assert dataset_of(folder) == dataset_of(walks[0])
    name = change_a_record(folder)
    dataset.load(manifest.read(folder), "train", ("x", "y"))
    differing = {key for key, value in dataset_of(walks[0]).items() if dataset_of(folder)[key] != value}
    assert differing == {name, manifest.FILE}
    assert (folder / name).stat().st_size == (walks[0] / name).stat().st_size
    with pytest.raises(InputError, match="Audit: record 2 on disk is not what the engine computes"):
        dataset.audit_records(manifest.read(folder), PLAN.population, 60)


def test_the_comparison_notices_one_changed_digit_of_a_run(trained, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    assert run_of(folder) == run_of(trained[0])
    (folder / "history.csv").write_text((folder / "history.csv").read_text()[:-2] + "0\n")
    result = json.loads((folder / "result.json").read_text()) | {"history_sha256": files.sha256(folder / "history.csv")}
    files.write_sealed(folder / "result.json", without(result, "checksum"))
    differing = {key for key, value in run_of(trained[0]).items() if run_of(folder)[key] != value}
    assert differing == {"history"}


def test_without_the_checksums_of_shards_a_wrong_dataset_would_go_through(walks, tmp_path, monkeypatch):
    folder = shutil.copytree(walks[0], tmp_path / "walks")
    flip(folder / "train-00001-of-00004.tfrecord", 12345)
    monkeypatch.setattr(manifest, "shard_fault", lambda path, entry: None)
    dataset.write(folder, PLAN, audit=0)
    assert dataset_of(folder) != dataset_of(walks[0])


# kill -9 -------------------------------------------------------------------------------------


def kill_somewhere(run: Callable[[float], Ended], folder: Path, number: int, seconds: float) -> None:
    """Kills a command at a random moment of its undisturbed time; anew if it was quicker this time."""
    generator = np.random.default_rng(number)
    while not run(generator.uniform(0, seconds)).killed:
        shutil.rmtree(folder)


@pytest.mark.parametrize("number", range(20))
def test_simulation_killed_at_a_random_moment(scripts, walks, tmp_path, number):
    folder = tmp_path / "walks"
    kill_somewhere(lambda moment: scripts.run(*simulate(folder), kill_after=moment), folder, number, walks[1])
    undisturbed(scripts, *simulate(folder))
    assert dataset_of(folder) == dataset_of(walks[0])


def test_training_killed_at_random_moments_again_and_again(scripts, training_command, trained, tmp_path):
    """Two kills on the way to one result; the slow tests kill 20 trainings, and at every boundary."""
    command, generator, kills = training_command(tmp_path / "run"), np.random.default_rng(5), 0
    while kills < 2:
        if scripts.run(*command, kill_after=generator.uniform(0, trained[1])).killed:
            kills += 1
        else:  # it came to its end
            assert run_of(tmp_path / "run") == run_of(trained[0])
            shutil.rmtree(tmp_path / "run")
    undisturbed(scripts, *command)
    assert run_of(tmp_path / "run") == run_of(trained[0])


def test_simulation_killed_before_any_call_that_changes_the_folder(scripts, walks, tmp_path):
    """Every rename, removal, flush and opening of the whole command is such a boundary; photographed, then resumed."""
    folder, photographs = tmp_path / "walks", tmp_path / "photographs"
    command = ("simulate.py", f"--out={folder}", *SIMULATE, "--audit=0", "--workers=1")
    ended = scripts.run(*command, watched=folder, photographs=photographs)
    assert ended.returncode == 0, ended.output
    whole = dataset_of(folder)
    found = sorted(photographs.iterdir())
    shards = [name for name in whole if name.endswith(".tfrecord")]
    assert len(shards) == 6
    assert flushed_and_renamed(found) == {*shards, manifest.FILE, dataset.JOURNAL}
    assert calls_of(found)[-1] == f"remove {dataset.JOURNAL}"
    # A real kill leaves what the photograph of that moment shows.
    for number in np.random.default_rng(0).choice(len(found), 5, replace=False).tolist():
        killed, until_then = tmp_path / "killed", tmp_path / f"photographs until {number}"
        fault = {"watched": killed, "photographs": until_then, "kill_at": int(found[number].name[:3])}
        assert scripts.run(*command[:1], f"--out={killed}", *command[2:], **fault).killed
        left, shown = ({p.name: p.read_bytes() for p in f.iterdir()} for f in (killed, max(until_then.iterdir())))
        assert left == shown
        shutil.rmtree(killed)
    for photograph in found:
        if (photograph / manifest.FILE).exists():
            assert without(dataset_of(photograph), dataset.JOURNAL) == whole
        else:
            with pytest.raises(InputError, match="is not a finished dataset"):
                manifest.read(photograph)
        finished = {
            name: (photograph / name).stat().st_mtime_ns for name in dataset.writing._read_journal(photograph)[1]
        }
        dataset.write(photograph, PLAN, audit=0)
        assert dataset_of(photograph) == whole, photograph.name
        assert finished == {name: (photograph / name).stat().st_mtime_ns for name in finished}  # kept, not made again


def test_a_journal_cut_anywhere(plain_walks, tmp_path):
    """What a crash of the machine may leave of the last lines; whatever is left, the same dataset comes out."""
    text = journal_of(plain_walks)
    for length in np.random.default_rng(0).integers(text.index("\n"), len(text), 12).tolist():
        folder = unfinished(plain_walks, tmp_path / str(length), text[:length])
        dataset.write(folder, PLAN, audit=0)
        assert dataset_of(folder) == dataset_of(plain_walks)


def test_a_history_lost_in_a_crash_comes_back_with_the_checkpoint(scripts, training_command, trained, tmp_path):
    folder = shutil.copytree(taken_before(trained[2], "open .tmp.model.keras"), tmp_path / "run")
    (folder / "history.csv").unlink()
    undisturbed(scripts, *training_command(folder))
    assert run_of(folder) == run_of(trained[0])


def resume_training(scripts, training_command, trained, photograph: Path) -> None:
    if not runs.is_finished(Run(photograph)):
        with pytest.raises(InputError):
            runs.read_finished(photograph)
    undisturbed(scripts, *training_command(photograph))
    assert run_of(photograph) == run_of(trained[0]), photograph.name


@pytest.mark.parametrize(
    ("call", "which"),
    [
        ("open .tmp.checkpoint.npz", -1),
        ("fsync .tmp.model.keras", 0),
        ("open .tmp.result.json", 0),
        ("remove checkpoint.npz", 0),
        ("rename .tmp.learning_curves.png", 0),
    ],
)
def test_training_killed_before_a_call(scripts, training_command, trained, tmp_path, call, which):
    """With more epochs in the history than in the checkpoint; and at four boundaries after the last epoch."""
    photograph = taken_before(trained[2], call, which)
    resume_training(scripts, training_command, trained, shutil.copytree(photograph, tmp_path / "run"))


@pytest.mark.slow
def test_training_killed_before_any_call_that_changes_the_folder(scripts, training_command, trained, tmp_path):
    written = {"config.json", "history.csv", "checkpoint.npz", "model.keras", "result.json", "learning_curves.png"}
    assert flushed_and_renamed(trained[2]) == written
    assert calls_of(trained[2]).count("rename .tmp.checkpoint.npz") == 2
    for photograph in trained[2]:
        resume_training(scripts, training_command, trained, shutil.copytree(photograph, tmp_path / photograph.name))


def run_anew(*command: str, kill_after: float | None = None):
    """Runs a script in a process of its own, from the start of Python on."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    began = time.monotonic()
    try:
        output, _ = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return Ended(False, process.returncode, time.monotonic() - began, output)


@pytest.fixture(scope="module")
def seconds_anew(training_command, tmp_path_factory):
    """How long the two scripts take undisturbed, with the start of Python and the loading of everything."""
    folder = tmp_path_factory.mktemp("anew")
    ended = [run_anew(*simulate(folder / "walks")), run_anew(*training_command(folder / "run"))]
    assert [one.returncode for one in ended] == [0, 0]
    return dict(zip(("simulate", "train"), (one.seconds for one in ended), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_real_simulation_killed_at_a_random_moment(walks, seconds_anew, tmp_path, number):
    folder = tmp_path / "walks"
    command = simulate(folder)
    kill_somewhere(lambda moment: run_anew(*command, kill_after=moment), folder, number, seconds_anew["simulate"])
    undisturbed(None, *command)
    assert dataset_of(folder) == dataset_of(walks[0])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_real_training_killed_at_a_random_moment(training_command, trained, seconds_anew, tmp_path, number):
    folder = tmp_path / "run"
    command = training_command(folder)
    kill_somewhere(lambda moment: run_anew(*command, kill_after=moment), folder, number, seconds_anew["train"])
    undisturbed(None, *command)
    assert run_of(folder) == run_of(trained[0])


# Two at once ---------------------------------------------------------------------------------


def test_two_simulations_in_one_folder(scripts, walks, tmp_path):
    """The first is stopped in the middle of its work while others try."""
    folder = tmp_path / "walks"
    first = scripts.start(*simulate(folder), watched=folder, stop_at=20)
    assert scripts.wait(first).stopped
    before = sorted(folder.iterdir())
    for flag in ("--seed=3", "--seed=4", "--overwrite"):
        refused(scripts.run(*simulate(folder, flag)), f"{BUSY} {folder}")
    assert sorted(folder.iterdir()) == before
    assert scripts.go_on(first).returncode == 0
    assert dataset_of(folder) == dataset_of(walks[0])


def test_two_trainings_in_one_folder(scripts, training_command, trained, tmp_path):
    folder = tmp_path / "run"
    first = scripts.start(*training_command(folder), watched=folder, stop_at=20)
    assert scripts.wait(first).stopped
    refused(scripts.run(*training_command(folder)), f"{BUSY} {folder}")
    refused(scripts.run(*training_command(folder, "--seed=4")), "holds another run: seed 0 instead of 4")
    assert scripts.go_on(first).returncode == 0
    assert run_of(folder) == run_of(trained[0])


@pytest.mark.parametrize("left", ["finished", "killed"])
@pytest.mark.parametrize("seed", [0, 4])
def test_a_training_that_another_overtook_while_it_read_the_data(walks, trained, tmp_path, monkeypatch, left, seed):
    """Both began in an empty folder; the other has finished, or was killed, before this one takes the lock."""
    folder, honest = tmp_path / "run", training.Feed
    source = trained[0] if left == "finished" else next(p for p in trained[2] if (p / "checkpoint.npz").exists())
    kept = {path.name: path.read_bytes() for path in source.iterdir() if not path.name.startswith(".")}

    def overtaken(*arguments):
        shutil.copytree(source, folder)
        return honest(*arguments)

    class ReachedTraining(BaseException):
        pass

    def reached(*arguments):
        raise ReachedTraining

    monkeypatch.setattr(training.fitting, "Feed", overtaken)
    monkeypatch.setattr(training.fitting, "_train_locked", reached)
    settings = runs.Settings("two_parameter", epochs=4, batch_size=12, checkpoint_every=2, seed=seed)
    expected = {"finished": None, "killed": ReachedTraining}[left] if seed == 0 else InputError
    if expected:
        with pytest.raises(expected, match="holds another run: seed 0 instead of 4" if seed else None):
            training.train(walks[0], folder, settings, verbose=0)
    else:
        assert training.train(walks[0], folder, settings, verbose=0) == runs.read_finished(source)[2]
    assert {name: (folder / name).read_bytes() for name in without(kept, "config.json")} == without(kept, "config.json")
    assert runs.read_config(folder)[1]["settings"]["seed"] == 0


@pytest.mark.slow
def test_two_real_simulations_started_together(walks, tmp_path):
    """Whoever is first: one ends well, and the other too or with a clear error."""
    command = [sys.executable, *simulate(tmp_path / "walks")]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    ended = [(process.communicate()[0], process.returncode) for process in both]
    assert 0 in [code for _, code in ended]
    for output, code in ended:
        assert code == 0 or (code == 1 and BUSY in output and "Traceback" not in output)
    assert dataset_of(tmp_path / "walks") == dataset_of(walks[0])


# A full disk ---------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    """A function that gives a disk of so many pages of 4096 bytes, the same one when called again."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, "size=4096", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("this machine does not let root mount")

    def sized(pages: int) -> Path:
        subprocess.run(["mount", "-o", f"remount,size={4096 * pages}", folder], check=True)
        return folder

    yield sized
    subprocess.run(["umount", folder], check=True)


def shards_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("[!.]*.tfrecord")}


def test_simulation_on_a_disk_that_is_full_after_any_page(walks, disk, tmp_path):
    """From no room at all to room for everything, page by page, always in the same folder."""
    folder, whole, failed, pages = disk(1) / "walks", dataset_of(walks[0]), 0, 1
    finished: dict[str, tuple[bytes, int]] = {}
    while not (folder / manifest.FILE).exists():
        disk(pages)
        error = error_of(lambda: dataset.write(folder, PLAN, audit=1, workers=1))
        if error:
            assert re.match(f"Cannot write to {folder.parent}.*make room or choose another folder", error)
            failed += 1
        now = shards_in(folder)
        assert all(now[name] == before for name, before in finished.items())  # not lost, not even made again
        assert all(content == whole[name] for name, (content, _) in now.items())
        finished = {name: now[name] for name in dataset.writing._read_journal(folder)[1]} or now
        pages += 1
    assert failed >= 8  # six shards, journal, manifest
    assert dataset_of(folder) == whole


def test_simulation_of_the_script_on_a_full_disk(scripts, walks, disk):
    folder = disk(4) / "walks"
    refused(scripts.run(*simulate(folder)), f"Error: Cannot write to {folder}: ", "make room or choose another folder")
    disk(100)
    undisturbed(scripts, *simulate(folder))
    assert dataset_of(folder) == dataset_of(walks[0])


def test_training_on_a_full_disk(scripts, training_command, trained, disk):
    """No room for a history; for a second checkpoint beside the first; then for all."""
    folder = disk(1) / "run"
    full = f"Error: Cannot write to {folder}: the disk is full", "make room"
    size = {path.name: path.stat().st_size for path in (*trained[2][-20].iterdir(), *trained[0].iterdir())}
    refused(scripts.run(*training_command(folder)), *full)
    assert {path.name for path in folder.iterdir()} <= {"config.json"}
    disk(5 + size["checkpoint.npz"] // 4096 + 10)
    refused(scripts.run(*training_command(folder)), *full)
    assert (folder / "checkpoint.npz").exists()
    with pytest.raises(InputError, match="has no finished model"):
        runs.read_finished(folder)
    disk(1000)
    undisturbed(scripts, *training_command(folder))
    assert run_of(folder) == run_of(trained[0])


@pytest.mark.parametrize("name", ["learning_curves.png", "model.keras", "result.json"])
def test_the_end_of_training_on_a_full_disk(scripts, training_command, trained, disk, name):
    """The last epoch is over, but the file does not fit."""
    folder = shutil.copytree(taken_before(trained[2], f"open .tmp.{name}"), disk(1000) / "run")
    used = int(subprocess.run(["du", "-s", "-B4096", folder], check=True, capture_output=True).stdout.split()[0])
    room = {"learning_curves.png": 3, "model.keras": 5, "result.json": 0}[name]
    disk(used + room)
    refused(scripts.run(*training_command(folder)), f"Error: Cannot write to {folder}: ", "make room")
    disk(1000)
    undisturbed(scripts, *training_command(folder))
    assert run_of(folder) == run_of(trained[0])


# Damaged shards ------------------------------------------------------------------------------

RECORD = 12 + len(dataset.RecordTemplate(("x", "y"), 30).serialise(np.zeros((1, 7)), np.zeros((2, 1, 30)))[0]) + 4
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
    dataset.write(folder, small_plan(60, seed=4, shards=5), audit=0)
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
    path = folder / manifest.FILE
    bits = np.random.default_rng(0).integers(0, 8 * path.stat().st_size, 1500).tolist()
    accepted = accepted_flips(path, lambda: manifest.read(folder).content, bits)
    assert len(accepted) < 0.01 * len(bits)


@pytest.mark.parametrize("name", ["config.json", "result.json", "history.csv", "model.keras"])
def test_any_flipped_bit_of_a_finished_run(trained, tmp_path, name):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    size = 8 * (folder / name).stat().st_size
    bits = np.random.default_rng(0).integers(0, size, 1000 if name.endswith("json") else 150).tolist()
    accepted = accepted_flips(folder / name, lambda: runs.read_finished(folder)[1:], bits)
    assert len(accepted) < 0.01 * len(bits)


def test_flipped_bits_of_a_checkpoint(walks, trained, tmp_path):
    """In the arrays, in their headers, in the directory at the end of the archive, and in the checksum."""
    source = next(path for path in trained[2] if (path / "checkpoint.npz").exists())
    folder = shutil.copytree(source, tmp_path / "run")
    described = manifest.read(walks[0])
    core = training.compiled_network(SETTINGS, 4, described.samples, tf.distribute.get_strategy())

    def resumed():
        journal = training.Journal(Run(folder), None, 2, ["loss"])
        journal.set_model(core)
        return journal.resume(), journal.best_epoch, journal.best_loss

    assert resumed()[0] == 2
    size = 8 * (folder / "checkpoint.npz").stat().st_size
    generator = np.random.default_rng(0)
    bits = [*generator.integers(0, size, 60), *generator.integers(size - 8 * 4000, size, 60), size - 1]
    assert accepted_flips(folder / "checkpoint.npz", resumed, [int(bit) for bit in bits]) == []


def test_flipped_bits_of_the_journal(plain_walks, tmp_path):
    """Of an unfinished dataset: the undisturbed one comes out, or an error and no dataset at all."""
    text, refusals = journal_of(plain_walks), 0
    for bit in np.random.default_rng(0).integers(0, 8 * len(text), 25).tolist():
        folder = unfinished(plain_walks, tmp_path / str(bit), text)
        flip(folder / dataset.JOURNAL, bit)
        error = error_of(functools.partial(dataset.write, folder, PLAN, audit=0))
        if error:
            assert "holds shards of a dataset whose progress.jsonl is damaged" in error
            assert not (folder / manifest.FILE).exists()
            refusals += 1
            dataset.write(folder, PLAN, audit=0, overwrite=True)
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
    digit = (folder / name).read_bytes().find(b": 0.") + 5  # of the learning rate or the best loss
    flip(folder / name, 8 * (digit if name.endswith("json") else (folder / name).stat().st_size // 2))
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
        training.train(walks[0], tmp_path, SETTINGS, verbose=0)
    assert [path.name for path in tmp_path.iterdir()] == [left]


# The clock -----------------------------------------------------------------------------------

YEAR = 365.25 * 86400
CLOCKS = {"ahead, then back": (15 * YEAR, -20 * YEAR), "back, then ahead": (-20 * YEAR, 15 * YEAR)}


def age(folder: Path) -> None:
    """Makes the files, one by one, of 1970 and of 2040."""
    for number, path in enumerate(sorted(folder.iterdir())):
        os.utime(path, [(0, 0), (70 * YEAR, 70 * YEAR)][number % 2])


@pytest.mark.parametrize("clocks", CLOCKS.values(), ids=CLOCKS)
def test_simulation_when_the_clock_changes(scripts, walks, tmp_path, clocks):
    folder = tmp_path / "walks"
    assert scripts.run(*simulate(folder), watched=folder, kill_at=25, clock=clocks[0]).killed
    age(folder)
    assert scripts.run(*simulate(folder), clock=clocks[1]).returncode == 0
    age(folder)
    assert scripts.run(*simulate(folder), clock=clocks[0]).returncode == 0
    assert dataset_of(folder) == dataset_of(walks[0])


@pytest.mark.parametrize("finished", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_training_when_the_clock_changes(scripts, training_command, trained, tmp_path, finished):
    """Resumed after two epochs or after the last; no epoch is done again."""
    with_checkpoint = [path for path in trained[2] if (path / "checkpoint.npz").exists()]
    folder = shutil.copytree(with_checkpoint[{2: 0, 4: -10}[finished]], tmp_path / "run")
    age(folder)
    ended = scripts.run(*training_command(folder), clock=-20 * YEAR)
    assert ended.returncode == 0, ended.output
    assert re.findall(r"Epoch (\d)/4", ended.output) == ["3", "4"][finished - 2 :]
    with zipfile.ZipFile(folder / "model.keras") as model:
        assert {entry.date_time[0] for entry in model.infolist()} & {*range(1990, 2020)}  # the clock was wrong
    assert run_of(folder) == run_of(trained[0])

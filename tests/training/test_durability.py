"""Faults of a training and what must hold after them: the undisturbed run or a clear error, never a wrong one.

| fault | what must hold |
|---|---|
| kill -9 at a random moment, or before any call that changes the folder | the same command ends with the undisturbed
  run; until then no reader takes the folder for finished |
| a history lost in a crash | it comes back with the checkpoint |
| two commands in one folder, also if one overtakes the other | the second gets an error, the first ends undisturbed |
| another version | an error; nothing changes |
| a full disk | an error; what is finished stays; with room, the same command ends with the undisturbed run |
| a wrong or changing clock, files from 1970 and 2040 | nothing |
"""

import dataclasses
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gait import provenance
from gait.errors import InputError
from gait.storage import files
from gait.training import feed, fitting
from gait.training.run import Run, load_run
from tests.helpers.durability import (
    BUSY,
    SETTINGS,
    YEAR,
    age,
    calls_of,
    flushed_and_renamed,
    kill_somewhere,
    refused,
    run_anew,
    run_of,
    taken_before,
    undisturbed,
    without,
)

# Negative control ----------------------------------------------------------------------------


def test_the_comparison_notices_one_changed_digit_of_a_run(trained, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    assert run_of(folder) == run_of(trained[0])
    (folder / "history.csv").write_text((folder / "history.csv").read_text()[:-2] + "0\n")
    result = json.loads((folder / "result.json").read_text()) | {"history_sha256": files.sha256(folder / "history.csv")}
    files.write_sealed(folder / "result.json", without(result, "checksum"))
    differing = {key for key, value in run_of(trained[0]).items() if run_of(folder)[key] != value}
    assert differing == {"history"}


# kill -9 -------------------------------------------------------------------------------------


def test_training_killed_at_random_moments_again_and_again(scripts, training_command, trained, tmp_path):
    """Two kills on the way to one result; the slow tests kill 20 trainings, and at every boundary."""
    command, generator, kills = training_command(tmp_path / "run"), np.random.default_rng(5), 0
    while kills < 2:
        if scripts.run(*command, kill_after=generator.uniform(0, 0.5 * trained[1])).killed:
            kills += 1
        else:  # it came to its end
            assert run_of(tmp_path / "run") == run_of(trained[0])
            shutil.rmtree(tmp_path / "run")
    undisturbed(scripts, *command)
    assert run_of(tmp_path / "run") == run_of(trained[0])


def test_a_history_lost_in_a_crash_comes_back_with_the_checkpoint(scripts, training_command, trained, tmp_path):
    folder = shutil.copytree(taken_before(trained[2], "open .tmp.model.keras"), tmp_path / "run")
    (folder / "history.csv").unlink()
    undisturbed(scripts, *training_command(folder))
    assert run_of(folder) == run_of(trained[0])


def resume_training(scripts, training_command, trained, photograph: Path) -> None:
    if not Run(photograph).is_finished():
        with pytest.raises(InputError):
            load_run(photograph)
    undisturbed(scripts, *training_command(photograph))
    assert run_of(photograph) == run_of(trained[0]), photograph.name


@pytest.mark.parametrize(
    ("call", "which"),
    [
        ("open .tmp.checkpoint.npz", -1),
        ("open .tmp.result.json", 0),
        ("rename .tmp.learning_curves.png", 0),
    ],
)
def test_training_killed_before_a_call(scripts, training_command, trained, tmp_path, call, which):
    """With more epochs in the history than in the checkpoint; and at two boundaries after the last epoch.

    The next test, a slow one, is killed before every call.
    """
    photograph = taken_before(trained[2], call, which)
    resume_training(scripts, training_command, trained, shutil.copytree(photograph, tmp_path / "run"))


@pytest.mark.slow
def test_training_killed_before_any_call_that_changes_the_folder(scripts, training_command, trained, tmp_path):
    written = {"config.json", "history.csv", "checkpoint.npz", "model.keras", "result.json", "learning_curves.png"}
    assert flushed_and_renamed(trained[2]) == written
    assert calls_of(trained[2]).count("rename .tmp.checkpoint.npz") == 2
    for photograph in trained[2]:
        resume_training(scripts, training_command, trained, shutil.copytree(photograph, tmp_path / photograph.name))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_real_training_killed_at_a_random_moment(training_command, trained, seconds_anew, tmp_path, number):
    folder = tmp_path / "run"
    command = training_command(folder)
    kill_somewhere(lambda moment: run_anew(*command, kill_after=moment), folder, number, seconds_anew["train"])
    undisturbed(None, *command)
    assert run_of(folder) == run_of(trained[0])


# Two at once ---------------------------------------------------------------------------------


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
    folder, honest = tmp_path / "run", feed.Feed
    source = trained[0] if left == "finished" else next(p for p in trained[2] if (p / "checkpoint.npz").exists())
    kept = {path.name: path.read_bytes() for path in source.iterdir() if not path.name.startswith(".")}

    def overtaken(*arguments):
        shutil.copytree(source, folder)
        return honest(*arguments)

    class ReachedTraining(BaseException):
        pass

    def reached(*arguments):
        raise ReachedTraining

    monkeypatch.setattr(fitting, "Feed", overtaken)
    monkeypatch.setattr(fitting, "_train_locked", reached)
    settings = dataclasses.replace(SETTINGS, seed=seed)
    expected = {"finished": None, "killed": ReachedTraining}[left] if seed == 0 else InputError
    if expected:
        with pytest.raises(expected, match="holds another run: seed 0 instead of 4" if seed else None):
            fitting.train(walks[0], folder, settings, verbose=0)
    else:
        assert fitting.train(walks[0], folder, settings, verbose=0) == load_run(source).result
    assert {name: (folder / name).read_bytes() for name in without(kept, "config.json")} == without(kept, "config.json")
    assert Run(folder).read_config().settings.seed == 0


# Other versions ------------------------------------------------------------------------------


def test_a_run_that_other_versions_have_begun_is_left_as_it_is(walks, trained, tmp_path, monkeypatch):
    """Refused, with both ways out; the versions it was begun with still find it whole."""
    folder = shutil.copytree(taken_before(trained[2], "open .tmp.model.keras"), tmp_path / "run")
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
    now = provenance.numerical_environment("training")
    monkeypatch.setattr(provenance, "numerical_environment", lambda task: now | {"keras": "4.0"})
    with pytest.raises(InputError, match="was begun with keras .* instead of 4.0. .* or delete .*checkpoint.npz; the"):
        fitting.train(walks[0], folder, SETTINGS, verbose=0)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept


# A full disk ---------------------------------------------------------------------------------


def pages(folder: Path) -> int:
    """Pages of 4096 bytes that a folder takes on a disk."""
    return int(subprocess.run(["du", "-s", "-B4096", folder], check=True, capture_output=True).stdout.split()[0])


def test_training_on_a_full_disk(scripts, training_command, trained, disk):
    """No room for a history; for a second checkpoint beside the first; then for all."""
    folder = disk(1) / "run"
    full = f"Error: Cannot write to {folder}: the disk is full", "make room"
    refused(scripts.run(*training_command(folder)), *full)
    assert {path.name for path in folder.iterdir()} <= {"config.json"}
    disk(1 + pages(taken_before(trained[2], "open .tmp.checkpoint.npz", -1)))
    refused(scripts.run(*training_command(folder)), *full)
    assert (folder / "checkpoint.npz").exists()
    with pytest.raises(InputError, match="has no finished model"):
        load_run(folder)
    disk(1000)
    undisturbed(scripts, *training_command(folder))
    assert run_of(folder) == run_of(trained[0])


@pytest.mark.parametrize(
    "name", ["model.keras", *(pytest.param(f, marks=pytest.mark.slow) for f in ("learning_curves.png", "result.json"))]
)
def test_the_end_of_training_on_a_full_disk(scripts, training_command, trained, disk, name):
    """The last epoch is over, but the file does not fit."""
    folder = shutil.copytree(taken_before(trained[2], f"open .tmp.{name}"), disk(1000) / "run")
    room = {"learning_curves.png": 3, "model.keras": 3, "result.json": 0}[name]
    disk(pages(folder) + room)
    refused(scripts.run(*training_command(folder)), f"Error: Cannot write to {folder}: ", "make room")
    disk(1000)
    undisturbed(scripts, *training_command(folder))
    assert run_of(folder) == run_of(trained[0])


# The clock -----------------------------------------------------------------------------------


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

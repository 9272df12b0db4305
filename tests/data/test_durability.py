"""Faults of a simulation and what must hold after them: the undisturbed dataset or a clear error, never a wrong one.

| fault | what must hold |
|---|---|
| kill -9 at a random moment, or before any call that changes the folder | the same command ends with the undisturbed
  dataset; until then no reader takes the folder for finished |
| a progress log cut anywhere | the same command ends with the undisturbed dataset |
| two commands in one folder | the second gets an error, the first ends undisturbed |
| a full disk | an error; what is finished stays; with room, the same command ends with the undisturbed dataset |
| a wrong or changing clock, files from 1970 and 2040 | nothing |
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from gait.data.audit import audit_records
from gait.data.dataset import open_dataset
from gait.data.manifest import FILE, Manifest, ShardEntry
from gait.data.writing import PROGRESS_LOG, _read_log, write_dataset
from gait.errors import InputError
from gait.storage import files
from tests.helpers.durability import (
    BUSY,
    PLAN,
    SIMULATE,
    YEAR,
    age,
    calls_of,
    dataset_of,
    error_of,
    flip,
    flushed_and_renamed,
    kill_somewhere,
    progress_log_of,
    refused,
    run_anew,
    simulate,
    undisturbed,
    unfinished,
    without,
)
from tests.helpers.scripts import ROOT

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
    content = Manifest.read(folder).to_dict()
    content["shards"][name] |= {"sha256": files.sha256(folder / name)}
    files.write_sealed(folder / FILE, content)
    return name


def test_the_comparison_notices_one_changed_digit_of_a_dataset(walks, tmp_path):
    """With checksums that fit, so that readers accept it; the full audit notices it as well."""
    folder = shutil.copytree(walks[0], tmp_path / "walks")
    assert dataset_of(folder) == dataset_of(walks[0])
    name = change_a_record(folder)
    open_dataset(folder).load("train", ("x", "y"))
    differing = {key for key, value in dataset_of(walks[0]).items() if dataset_of(folder)[key] != value}
    assert differing == {name, FILE}
    assert (folder / name).stat().st_size == (walks[0] / name).stat().st_size
    with pytest.raises(InputError, match="Audit: record 2 on disk is not what the engine computes"):
        audit_records(folder, PLAN, open_dataset(folder).manifest.shards, 60)


def test_without_the_checksums_of_shards_a_wrong_dataset_would_go_through(walks, tmp_path, monkeypatch):
    folder = shutil.copytree(walks[0], tmp_path / "walks")
    flip(folder / "train-00001-of-00004.tfrecord", 12345)
    monkeypatch.setattr(ShardEntry, "fault", lambda *arguments: None)
    write_dataset(folder, PLAN, audit=0)
    assert dataset_of(folder) != dataset_of(walks[0])


# kill -9 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [*range(8), *(pytest.param(n, marks=pytest.mark.slow) for n in range(8, 20))])
def test_simulation_killed_at_a_random_moment(scripts, walks, tmp_path, number):
    folder = tmp_path / "walks"
    kill_somewhere(lambda moment: scripts.run(*simulate(folder), kill_after=moment), folder, number, walks[1])
    undisturbed(scripts, *simulate(folder))
    assert dataset_of(folder) == dataset_of(walks[0])


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
    assert flushed_and_renamed(found) == {*shards, FILE, PROGRESS_LOG}
    assert calls_of(found)[-1] == f"remove {PROGRESS_LOG}"
    # A real kill leaves what the photograph of that moment shows.
    for number in np.random.default_rng(0).choice(len(found), 5, replace=False).tolist():
        killed, until_then = tmp_path / "killed", tmp_path / f"photographs until {number}"
        fault = {"watched": killed, "photographs": until_then, "kill_at": int(found[number].name[:3])}
        assert scripts.run(*command[:1], f"--out={killed}", *command[2:], **fault).killed
        left, shown = ({p.name: p.read_bytes() for p in f.iterdir()} for f in (killed, max(until_then.iterdir())))
        assert left == shown
        shutil.rmtree(killed)
    for photograph in found:
        if (photograph / FILE).exists():
            assert without(dataset_of(photograph), PROGRESS_LOG) == whole
        else:
            with pytest.raises(InputError, match="is not a finished dataset"):
                open_dataset(photograph)
        finished = {name: (photograph / name).stat().st_mtime_ns for name in _read_log(photograph).shards}
        write_dataset(photograph, PLAN, audit=0)
        assert dataset_of(photograph) == whole, photograph.name
        assert finished == {name: (photograph / name).stat().st_mtime_ns for name in finished}  # kept, not made again


def test_no_process_begins_while_the_folder_is_locked(tmp_path, monkeypatch):
    """It begins with all that is open here, so it would keep the lock if this process were killed just then."""
    begun = []

    def begin(command, **options):
        with files.locked(tmp_path / "walks"):
            begun.append(command[0])
        raise OSError

    monkeypatch.setattr(subprocess, "run", begin)
    write_dataset(tmp_path / "walks", PLAN, audit=0)
    assert begun == ["git"]


def test_a_progress_log_cut_anywhere(plain_walks, tmp_path):
    """What a crash of the machine may leave of the last lines; whatever is left, the same dataset comes out."""
    text = progress_log_of(plain_walks)
    for length in np.random.default_rng(0).integers(text.index("\n"), len(text), 12).tolist():
        folder = unfinished(plain_walks, tmp_path / str(length), text[:length])
        write_dataset(folder, PLAN, audit=0)
        assert dataset_of(folder) == dataset_of(plain_walks)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_real_simulation_killed_at_a_random_moment(walks, seconds_anew, tmp_path, number):
    folder = tmp_path / "walks"
    command = simulate(folder)
    kill_somewhere(lambda moment: run_anew(*command, kill_after=moment), folder, number, seconds_anew["simulate"])
    undisturbed(None, *command)
    assert dataset_of(folder) == dataset_of(walks[0])


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


def shards_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("[!.]*.tfrecord")}


def test_simulation_on_a_disk_that_is_full_after_any_page(walks, disk, tmp_path):
    """From no room at all to room for everything, page by page, always in the same folder."""
    folder, whole, failed, pages = disk(1) / "walks", dataset_of(walks[0]), 0, 1
    finished: dict[str, tuple[bytes, int]] = {}
    while not (folder / FILE).exists():
        disk(pages)
        error = error_of(lambda: write_dataset(folder, PLAN, audit=1, workers=1))
        if error:
            assert re.match(f"Cannot write to {folder.parent}.*make room or choose another folder", error)
            failed += 1
        now = shards_in(folder)
        assert all(now[name] == before for name, before in finished.items())  # not lost, not even made again
        assert all(content == whole[name] for name, (content, _) in now.items())
        finished = {name: now[name] for name in _read_log(folder).shards} or now
        pages += 1
    assert failed >= 8  # six shards, progress log, manifest
    assert dataset_of(folder) == whole


def test_simulation_of_the_script_on_a_full_disk(scripts, walks, disk):
    """Too small from the beginning; then large enough for the walks, and too small for what goes with them."""
    folder = disk(4) / "walks"
    refused(scripts.run(*simulate(folder)), f"There is room for 16.4 kB at {folder}", "choose another --out")
    disk(7)
    refused(scripts.run(*simulate(folder)), f"Error: Cannot write to {folder}: ", "make room or choose another folder")
    disk(100)
    undisturbed(scripts, *simulate(folder))
    assert dataset_of(folder) == dataset_of(walks[0])


# The clock -----------------------------------------------------------------------------------

CLOCKS = {"ahead, then back": (15 * YEAR, -20 * YEAR), "back, then ahead": (-20 * YEAR, 15 * YEAR)}


@pytest.mark.parametrize("clocks", CLOCKS.values(), ids=CLOCKS)
def test_simulation_when_the_clock_changes(scripts, walks, tmp_path, clocks):
    folder = tmp_path / "walks"
    assert scripts.run(*simulate(folder), watched=folder, kill_at=25, clock=clocks[0]).killed
    age(folder)
    assert scripts.run(*simulate(folder), clock=clocks[1]).returncode == 0
    age(folder)
    assert scripts.run(*simulate(folder), clock=clocks[0]).returncode == 0
    assert dataset_of(folder) == dataset_of(walks[0])

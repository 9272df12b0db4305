"""What the tests of durability share: what is compared after a fault, the commands, and what must hold.

The scripts run as children of `faults.Scripts`; the tests marked slow start them anew, with all that comes with that.
"""

import csv
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gait import provenance
from gait.data.dataset import open_dataset
from gait.data.manifest import FILE
from gait.errors import InputError
from gait.scenarios import SCENARIOS
from gait.storage import files
from gait.training.run import TrainingSettings, load_run
from tests.helpers.faults import Ended, Scripts
from tests.helpers.scripts import ROOT
from tests.helpers.walks import SMALL_NETWORK, small_plan

PLAN = small_plan(60, shards=5)
SIMULATE = ("--records=60", "--duration=3", "--channels=x,y", "--shards=5", "--seed=3")
NETWORK = tuple(f"--{name}={value}" for name, value in SMALL_NETWORK.items())
TRAIN = ("--scenario=two_parameter", "--epochs=4", "--batch_size=12", "--checkpoint_every=2", *NETWORK)
SETTINGS = TrainingSettings(SCENARIOS["two_parameter"], epochs=4, batch_size=12, checkpoint_every=2, **SMALL_NETWORK)
BUSY = "Another process is writing to"
YEAR = 365.25 * 86400


# Commands ------------------------------------------------------------------------------------


def simulate(folder: Path, *flags: str) -> tuple[str, ...]:
    return ("simulate.py", f"--out={folder}", *SIMULATE, "--audit=1", "--workers=2", *flags)


def train(data: Path, folder: Path, *flags: str) -> tuple[str, ...]:
    return ("train.py", f"--data={data}", f"--out={folder}", *TRAIN, *flags)


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


def undisturbed(scripts: Scripts | None, *command: str) -> float:
    """Runs a command that must succeed; returns its seconds."""
    ended = scripts.run(*command) if scripts else run_anew(*command)
    assert ended.returncode == 0, ended.output
    return ended.seconds


def kill_somewhere(run: Callable[[float], Ended], folder: Path, number: int, seconds: float) -> None:
    """Kills a command at a random moment of its undisturbed time; anew if it was quicker this time."""
    generator = np.random.default_rng(number)
    while not run(generator.uniform(0, seconds)).killed:
        shutil.rmtree(folder)


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


# What is compared ----------------------------------------------------------------------------


def dataset_of(folder: Path) -> dict[str, object]:
    """All that a dataset folder holds: the bytes of every file, and the manifest as its reader sees it."""
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    manifest = open_dataset(folder).manifest.to_dict()
    content[FILE] = json.dumps(without(manifest, "code_revision"))  # someone may be editing
    return content


def run_of(folder: Path) -> dict[str, object]:
    """All that a finished run holds, but for what tells of the moment: seconds, memory, the date inside the model."""
    finished = load_run(folder)
    with zipfile.ZipFile(finished.run.model) as model, finished.run.history.open() as history:
        return {
            "files": sorted(path.name for path in folder.iterdir()),
            "config": without(finished.config.to_dict(), "code_revision"),
            "history": [without(row, "seconds") for row in csv.DictReader(history)],
            "result": without(
                finished.result.to_dict(), "seconds", "peak_memory_bytes", "model_sha256", "history_sha256"
            ),
            "architecture": re.sub(rb'"shared_object_id": \d+', b"", model.read("config.json")),  # an address in memory
            "weights": model.read("model.weights.h5"),
            "figure": (folder / "learning_curves.png").read_bytes(),
        }


def without(content: dict, *keys: str) -> dict:
    return {key: value for key, value in content.items() if key not in keys}


# Photographs, see `faults.Scripts` -----------------------------------------------------------


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


# Folders with a fault ------------------------------------------------------------------------


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def progress_log_of(folder: Path) -> str:
    """The progress log that the writing of a dataset has had at its end."""
    shards = open_dataset(folder).manifest.to_dict()["shards"]
    begun = PLAN.to_dict() | {"environment": provenance.numerical_environment("simulation")}
    lines = [begun, *({name: entry} for name, entry in shards.items())]
    return "".join(json.dumps(files.sealed(line)) + "\n" for line in lines)


def unfinished(folder: Path, copy: Path, log: str) -> Path:
    """A copy of a dataset as it was before its manifest, with a given progress log."""
    from gait.data.writing import PROGRESS_LOG

    shutil.copytree(folder, copy)
    (copy / FILE).unlink()
    (copy / PROGRESS_LOG).write_text(log)
    return copy


def age(folder: Path) -> None:
    """Makes the files, one by one, of 1970 and of 2040."""
    for number, path in enumerate(sorted(folder.iterdir())):
        os.utime(path, [(0, 0), (70 * YEAR, 70 * YEAR)][number % 2])


# Fixtures ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def walks(scripts, tmp_path_factory):
    """An undisturbed dataset, and its seconds; the first run loads what the later ones find loaded."""
    folder = tmp_path_factory.mktemp("undisturbed") / "walks"
    undisturbed(scripts, *simulate(folder.with_name("first")))
    return folder, undisturbed(scripts, *simulate(folder))


@pytest.fixture(scope="session")
def training_command(walks):
    return functools.partial(train, walks[0])


@pytest.fixture(scope="session")
def trained(scripts, training_command, tmp_path_factory):
    """An undisturbed run, its seconds, and a photograph of its folder before every call that changed it."""
    folder, photographs = tmp_path_factory.mktemp("undisturbed") / "run", tmp_path_factory.mktemp("photographs")
    ended = scripts.run(*training_command(folder), watched=folder, photographs=photographs)
    assert ended.returncode == 0, ended.output
    return folder, ended.seconds, sorted(photographs.iterdir())


@pytest.fixture(scope="session")
def plain_walks(tmp_path_factory):
    """The same records, but not audited."""
    from gait.data.writing import write_dataset

    folder = tmp_path_factory.mktemp("plain") / "walks"
    write_dataset(folder, PLAN, audit=0)
    return folder


@pytest.fixture(scope="session")
def seconds_anew(training_command, tmp_path_factory):
    """How long the two scripts take undisturbed, with the start of Python and the loading of everything."""
    folder = tmp_path_factory.mktemp("anew")
    ended = [run_anew(*simulate(folder / "walks")), run_anew(*training_command(folder / "run"))]
    assert [one.returncode for one in ended] == [0, 0]
    return dict(zip(("simulate", "train"), (one.seconds for one in ended), strict=True))


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

"""What Windows lacks is not needed: the modules fcntl and resource, folders that can be opened and flushed, UTF-8.

No Windows runs here. A process of this system does without these things, with a stand-in for the module that locks
files there.
"""

import subprocess
import sys

from tests.helpers.scripts import ROOT
from tests.storage.test_locks import WINDOWS

WITHOUT = """
import os, subprocess, sys, warnings  # subprocess decides by msvcrt where it is

sys.modules["fcntl"] = sys.modules["resource"] = None
del os.O_DIRECTORY, os.sched_getaffinity
open_file = os.open

def open_no_folder(path, flags, *arguments, **options):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return open_file(path, flags, *arguments, **options)

os.open = open_no_folder
"""
USE = """
import importlib, pkgutil
from pathlib import Path

folder = Path(sys.argv[1])
import gait
for module in pkgutil.walk_packages(gait.__path__, "gait."):
    importlib.import_module(module.name)
# Where no encoding is said, Windows takes another one than UTF-8.
warnings.filterwarnings("error", category=EncodingWarning, module=r"gait\\.")
from gait import provenance
from gait.storage import files
from tests.helpers.walks import small_plan

gait.data.write_dataset(folder / "walks", small_plan(60, shards=2), audit=0)
split = gait.data.open_dataset(folder / "walks").load("train", ("x", "y"))
print(split.inputs.shape, provenance.peak_memory(), provenance.cores() == os.cpu_count())
files.write_text(folder / "text", "ρ = k/m [s⁻²]\\n")
files.append(folder / "text", "ℓ0\\n")
"""


def test_without_what_windows_lacks(tmp_path):
    """Every module is imported; a dataset is written and read."""
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", WITHOUT + WINDOWS + USE, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(48, 60) None True\n"
    assert (tmp_path / "text").read_bytes() == "ρ = k/m [s⁻²]\nℓ0\n".encode()
    assert {path.name.split("-")[0] for path in (tmp_path / "walks").iterdir()} == {
        "manifest.json", "train", "validation", "test",
    }  # fmt: skip


def test_no_module_is_imported_that_windows_lacks():
    """At the top of a module; inside a function it can be tried."""
    code = (
        "import sys, gait.storage.files, gait.provenance, gait.scripting, gait.simulation.walks\n"
        "print({'resource'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

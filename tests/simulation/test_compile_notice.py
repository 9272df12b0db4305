"""The compiled code that is kept between runs: whole or compiled anew, and a notice whenever it is compiled."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gait
from gait.simulation.taylor import cache, engine, lanes
from gait.simulation.taylor.cache import CodeCache
from tests.helpers.durability import flip
from tests.helpers.scripts import ROOT

NOTICE = "Compiling the walking model: about ten seconds, once on this machine."
EVERY_TIME = (
    "Compiling the walking model: about ten seconds, in every run, because no folder can be written to keep it. "
    "Set NUMBA_CACHE_DIR to one that can."
)
DAMAGED = "{} is damaged: its content does not fit its checksum. It is not used."
WALKS = """
import logging, sys, threading, time
logging.basicConfig(format="%(message)s", stream=sys.stdout)
import gait
from gait.simulation.taylor import lanes

load = lanes.walk._cache.load_overload

def load_slowly(*arguments):
    time.sleep(1.5)
    return load(*arguments)

lanes.walk._cache.load_overload = load_slowly
walk = lambda: gait.simulate(70, 9000, 0.7, y0=0.06, vx0=0.8, step_length=0.5, duration=1)
threads = [threading.Thread(target=walk) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert walk().outcome == 0
print("loaded" if lanes.walk.stats.cache_hits else "compiled")
"""


def start_walking(folder: Path) -> subprocess.Popen:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    return subprocess.Popen([sys.executable, "-c", WALKS], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE)


def walk_four_times(folder: Path) -> list[str]:
    """Simulates in four threads of a new process; returns the lines that are printed."""
    process = start_walking(folder)
    output, _ = process.communicate()
    assert process.returncode == 0
    return output.splitlines()


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Path:
    """A copy of the file with the compiled code, in a folder that a user has chosen."""
    gait.simulate(70, 9000, 0.7, y0=0.06, vx0=0.8, step_length=0.5, duration=1)
    (signature,) = lanes.walk.signatures
    name = lanes.walk._cache._file_name(signature, lanes.walk.targetctx.codegen())
    original = next(folder / name for folder in cache.folders() if (folder / name).exists())
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "gait").mkdir()
    copy = tmp_path / "gait" / name
    copy.write_bytes(original.read_bytes())
    return copy


def load():
    """The code that the cache gives for the one signature that is used."""
    (signature,) = lanes.walk.signatures
    return lanes.walk._cache.load_overload(signature, lanes.walk.targetctx)


# Damage --------------------------------------------------------------------------------------


def test_loading_gives_no_notice(kept):
    """Even if it takes longer than one would think."""
    assert walk_four_times(kept.parents[1]) == ["loaded"]
    assert [*kept.parent.iterdir()] == [kept]


@pytest.mark.slow
def test_one_changed_bit_is_compiled_anew_with_a_notice(kept):
    """Once: what was compiled then is loaded. In a process of its own; below, the loading is tested by itself."""
    flip(kept, 8 * kept.stat().st_size // 2)
    assert walk_four_times(kept.parents[1]) == [DAMAGED.format(kept), NOTICE, "compiled"]
    assert walk_four_times(kept.parents[1]) == ["loaded"]
    assert [*kept.parent.iterdir()] == [kept]


def test_no_changed_bit_is_taken_for_code(kept, caplog):
    """Neither in the checksum nor in the code; as it was written it is code."""
    assert load() is not None
    assert caplog.messages == []
    generator = np.random.default_rng(0)
    for bit in [0, 255, 256, *generator.integers(0, 8 * kept.stat().st_size, 50).tolist()]:
        flip(kept, bit)
        assert load() is None
        flip(kept, bit)
    assert caplog.messages == [DAMAGED.format(kept)] * 53
    assert load() is not None


@pytest.mark.parametrize("size", [0, 1, 32, 1000])
def test_a_file_that_was_cut_short(kept, caplog, size):
    """An empty one ends no script."""
    kept.write_bytes(kept.read_bytes()[:size])
    assert load() is None
    assert caplog.messages == [DAMAGED.format(kept)]


def test_a_folder_in_place_of_the_file(kept):
    kept.unlink()
    kept.mkdir()
    assert load() is None


# Versions ------------------------------------------------------------------------------------


def test_code_of_other_sources_or_versions_is_not_found(kept, monkeypatch):
    (signature,), codegen = lanes.walk.signatures, lanes.walk.targetctx.codegen()

    def name(sources: str = "a = 1") -> str:
        return CodeCache("walk", sources)._file_name(signature, codegen)

    names = {name(), name("a = 2")}
    for package in (cache.numba, cache.llvmlite, cache.np):
        with monkeypatch.context() as patch:
            patch.setattr(package, "__version__", "0")
            names.add(name())
    assert len(names) == 5
    assert name() in names


def test_code_that_nothing_has_used_for_long_is_removed(tmp_path):
    old, recent, other = (tmp_path / name for name in ("walk-1.code", "walk-2.code", "mine-3.code"))
    for path in (old, recent, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    CodeCache("walk", "")._remove_old(tmp_path / "walk-4.code")
    assert sorted(tmp_path.iterdir()) == [other, recent]


# Folders -------------------------------------------------------------------------------------


def begin_compiling() -> None:
    """What numba tells when it begins to compile."""
    engine._CompileNotice().on_start(SimpleNamespace(data={"dispatcher": lanes.walk}))


def test_the_notice_says_whether_it_will_be_kept(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(lanes.walk._cache, "_folder", None)
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    begin_compiling()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new"))
    begin_compiling()
    assert caplog.messages == [EVERY_TIME, NOTICE]


def test_the_next_folder_is_taken_if_one_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "folders", lambda: [tmp_path / "file" / "code", tmp_path / "home"])
    assert CodeCache("walk", "").cache_path == str(tmp_path / "home")


@pytest.mark.slow
def test_without_a_folder_it_is_compiled_in_every_run(tmp_path):
    (tmp_path / "file").touch()
    for _ in range(2):
        assert walk_four_times(tmp_path / "file") == [EVERY_TIME, "compiled"]


def test_a_full_disk_is_said_and_ends_nothing(kept, monkeypatch, caplog):
    code = SimpleNamespace(_reduce=lambda: ("compiled",), codegen=lanes.walk.targetctx.codegen())
    kept.unlink()

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lanes.walk._cache, "_folder", kept.parent)
    monkeypatch.setattr(Path, "write_bytes", full)
    (signature,) = lanes.walk.signatures
    lanes.walk._cache.save_overload(signature, code)
    assert caplog.messages == [f"Cannot keep the compiled walking model in {kept.parent}: the disk is full."]
    assert [*kept.parent.iterdir()] == []


# Several processes ---------------------------------------------------------------------------


def test_a_reader_never_meets_half_of_a_file(tmp_path):
    path, written = tmp_path / "walk-1.code", [bytes([letter]) * 500_000 for letter in b"ab"]
    cache._replace(path, written[0])

    def write(content: bytes) -> None:
        for _ in range(30):
            cache._replace(path, content)

    threads = [threading.Thread(target=write, args=[content]) for content in written]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert path.read_bytes() in written
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.slow
def test_two_processes_that_compile_at_once(tmp_path):
    both = [start_walking(tmp_path) for _ in range(2)]
    for process in both:
        output, _ = process.communicate()
        assert output.splitlines() in ([NOTICE, "compiled"], ["loaded"])
    assert walk_four_times(tmp_path) == ["loaded"]
    assert len([*(tmp_path / "gait").iterdir()]) == 1

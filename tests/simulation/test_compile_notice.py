"""The compiled code that is kept between runs: whole or compiled anew, and a notice whenever it is compiled."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import gait
from gait.simulation.taylor import cache, lanes, loading, symbols
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
from gait.simulation.taylor.cache import CodeCache

load = CodeCache.load

def load_slowly(cache):
    time.sleep(1.5)
    return load(cache)

CodeCache.load = load_slowly
walk = lambda: gait.simulate(70, 9000, 0.7, y0=0.06, vx0=0.8, step_length=0.5, duration=1)
threads = [threading.Thread(target=walk) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert walk().outcome == 0
print("compiled" if "numba" in sys.modules else "loaded")
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
    name = loading.walk_cache().file_name
    original = next(folder / name for folder in cache.folders() if (folder / name).exists())
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "gait").mkdir()
    copy = tmp_path / "gait" / name
    copy.write_bytes(original.read_bytes())
    return copy


def load() -> bytes | None:
    """The code that the cache gives."""
    return loading.walk_cache().load()


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


def test_code_of_other_sources_versions_or_processors_is_not_found(tmp_path, monkeypatch):
    path = tmp_path / "walk.py"

    def name(source: str = "a = 1") -> str:
        path.write_text(source)
        return CodeCache("walk", [path]).file_name

    names, version = {name(), name("a = 2")}, cache.metadata.version
    for package in ("numba", "llvmlite", "numpy"):
        with monkeypatch.context() as patch:
            patch.setattr(
                cache.metadata, "version", lambda asked, other=package: version(asked) + "1" * (asked == other)
            )
            names.add(name())
    with monkeypatch.context() as patch:
        patch.setattr(cache.binding, "get_host_cpu_name", lambda: "abacus")
        names.add(name())
    with monkeypatch.context() as patch:
        patch.setenv("NUMBA_OPT", "0")
        names.add(name())
    assert len(names) == 7
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # where it is kept does not change it
    assert name() in names


def test_code_that_nothing_has_used_for_long_is_removed(tmp_path):
    old, recent, other = (tmp_path / name for name in ("walk-1.code", "walk-2.code", "mine-3.code"))
    for path in (old, recent, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    CodeCache("walk", [])._remove_old(tmp_path / "walk-4.code")
    assert sorted(tmp_path.iterdir()) == [other, recent]


# Folders -------------------------------------------------------------------------------------


def test_the_notice_says_whether_it_will_be_kept(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(lanes, "compile_walk", lambda: ("walk", b"code\n"))
    (tmp_path / "file").touch()
    for folder in ("file", "new", "new"):
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / folder))
        assert loading._code() == ("walk", b"code\n")
    assert caplog.messages == [EVERY_TIME, NOTICE]


def test_the_next_folder_is_taken_if_one_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "folders", lambda: [tmp_path / "file" / "code", tmp_path / "home"])
    assert cache.writable_folder() == tmp_path / "home"


def test_the_users_own_folder_is_that_of_the_system(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    for system, variables, expected in (
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/gait"),
        ("linux", {"HOME": "/home/anna"}, "/home/anna/.cache/gait"),
        ("darwin", {"HOME": "/home/anna"}, "/home/anna/Library/Caches/gait"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/gait/Cache"),
    ):
        with monkeypatch.context() as patch:
            patch.delenv("XDG_CACHE_HOME", raising=False)
            patch.setattr(sys, "platform", system)
            for name, value in variables.items():
                patch.setenv(name, value)
            assert cache.folders()[1] == Path(expected)


@pytest.mark.slow
def test_without_a_folder_it_is_compiled_in_every_run(tmp_path):
    (tmp_path / "file").touch()
    for _ in range(2):
        assert walk_four_times(tmp_path / "file") == [EVERY_TIME, "compiled"]


def test_a_full_disk_is_said_and_ends_nothing(kept, monkeypatch, caplog):
    kept.unlink()

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    loading.walk_cache().save(b"code", kept.parent)
    assert caplog.messages == [f"Cannot keep the compiled walking model in {kept.parent}: the disk is full."]
    assert [*kept.parent.iterdir()] == []


# Code that stands alone ----------------------------------------------------------------------


def test_kept_code_is_used_without_numba(kept):
    """Which takes longer to load than a thousand walks."""
    code = (
        "import sys, gait; gait.simulate(70, 9000, 0.7, y0=0.06, vx0=0.8, step_length=0.5, duration=1)\n"
        "print({'numba', 'scipy', 'pandas', 'tensorflow'} & set(sys.modules))"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(kept.parents[1])}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_code_that_needs_more_than_the_c_library_is_refused():
    """Loaded where numba is not, it would end the process."""
    from numba import types

    def prints(number):
        print(number)

    def root(number):
        return np.sin(number)

    name, content = symbols.object_file(root, types.float64(types.float64))
    assert name.encode() in content
    with pytest.raises(RuntimeError, match="cannot stand alone"):
        symbols.object_file(prints, types.void(types.float64))


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

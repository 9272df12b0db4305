"""One process at a time in a folder: on Unix, on a stand-in for Windows, and where there are no locks."""

import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from gait.errors import InputError
from gait.storage import files, locks
from tests.helpers.scripts import ROOT

WINDOWS = """
import os, sys, types

def locking(descriptor, mode, size):
    try:
        os.lockf(descriptor, os.F_TLOCK, size)
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None  # as Windows says it

sys.modules["fcntl"] = None
sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
"""
"""A Python without fcntl, but with the module of Windows that locks files."""
SYSTEMS = {"unix": "", "windows": WINDOWS}
HOLDER = """
from pathlib import Path
from gait.storage import files
with files.locked(Path(sys.argv[1])):
    files.temporary_name(Path(sys.argv[1]) / "half").touch()
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """Starts processes that lock the folder, write half a file and wait; kills those that are left."""
    started = []

    def begin(system: str) -> subprocess.Popen:
        code = textwrap.dedent(f"import sys\n{SYSTEMS[system]}\n{HOLDER}")
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        started.append(subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=ROOT, text=True, **pipes))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def is_locked(process: subprocess.Popen) -> bool:
    return process.stdout.readline() == "locked\n"


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_second_process_is_refused_at_once(start, tmp_path, system):
    """It changes nothing, neither the file that is half written nor the lock."""
    first = start(system)
    assert is_locked(first)
    before = sorted(tmp_path.iterdir())
    second = start(system)
    assert not is_locked(second)
    assert f"InputError: Another process is writing to {tmp_path}. Wait for it" in second.communicate()[1]
    assert sorted(tmp_path.iterdir()) == before
    assert not is_locked(start(system))  # the second has not taken away the lock of the first
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_normal_end_leaves_nothing(start, tmp_path, system):
    first = start(system)
    assert is_locked(first)
    hidden = {path.name.split(".")[1] for path in tmp_path.iterdir()}
    assert hidden == {"unix": {"tmp"}, "windows": {"tmp", "lock"}}[system]
    first.communicate()
    assert [*tmp_path.iterdir()] == []
    assert is_locked(start(system))


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_lock_of_a_killed_process_is_free(start, tmp_path, system):
    """The next one takes it over, and removes what is half written."""
    first = start(system)
    assert is_locked(first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    left = sorted(path.name for path in tmp_path.iterdir())
    second = start(system)
    assert is_locked(second)
    assert len(left) == len([*tmp_path.iterdir()])
    assert not any((tmp_path / name).exists() for name in left if name != locks.LOCK)
    second.communicate()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_has_a_notice(tmp_path, monkeypatch, caplog, number):
    """Many a cluster has no other; what is half written may then be another process's, and stays."""
    import fcntl

    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    half = files.temporary_name(tmp_path / "half")
    half.touch()
    with files.locked(tmp_path):
        pass
    assert half.exists()
    assert f"{tmp_path} cannot be locked: its file system has no locks. Start one command" in caplog.text


def test_a_python_without_locks_has_the_same_notice(tmp_path, monkeypatch, caplog):
    """In a browser, say."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", None)
    with files.locked(tmp_path):
        assert [*tmp_path.iterdir()] == []
    assert "has no locks" in caplog.text


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES])
def test_a_lock_that_is_held_has_two_numbers(tmp_path, monkeypatch, number):
    import fcntl

    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match="Another process is writing to"), files.locked(tmp_path):
        pass


def test_a_folder_that_may_not_be_opened_is_not_taken_for_a_locked_one(tmp_path, monkeypatch):
    def refuse(path, *arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match="Cannot write to .*: permission is denied"), files.locked(tmp_path):
        pass

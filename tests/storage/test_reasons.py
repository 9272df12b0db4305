"""Errors of a disk or a path end in a sentence, whatever their number; errors of ours keep their traceback."""

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from gait import scripting
from gait.errors import InputError, StorageError, storage_reason
from gait.storage import files
from tests.helpers.durability import refused, simulate

CALLS = ("os.mkdir", "fcntl.flock", "open", "os.fsync", "os.rename")
REASONS = {
    "ENOENT": "a part of the path does not exist and cannot be made",
    "EACCES": "permission is denied",
    "EROFS": "the disk is read-only",
    "ENOSPC": "the disk is full",
    "EIO": "the disk reports an error",
    "EINVAL": "its file system does not accept the name or the request",
    "ESTALE": "it was removed or replaced on its file server",
    "ENOTCONN": "its storage does not answer",
    "EBUSY": "another program is using it",
    "EMFILE": "this process has too many files open",
    "ENOSYS": "its file system does not offer what is needed",
    "ENOTSUP": "its file system does not offer what is needed",
    "ENOLCK": "its file system has no locks",
    "EREMOTEIO": 'the system reports "Remote I/O error"',
    "EOVERFLOW": 'the system reports "Value too large for defined data type"',
}
OF_LOCKS = ("EACCES", "ENOSYS", "ENOTSUP", "ENOLCK")
"""Reasons that have a meaning of their own when a folder is locked; see test_locks.py."""


def also_slow(call: str, name: str):
    """Every reason of one call and some reasons of every call; the other pairs are slow tests."""
    every = call == "os.mkdir" or name in ("ENOSPC", "EIO", "EINVAL")
    return pytest.param(call, name, marks=[] if every else pytest.mark.slow)


@pytest.mark.parametrize(
    ("call", "name"),
    [also_slow(call, name) for call in CALLS for name in REASONS if call != "fcntl.flock" or name not in OF_LOCKS],
)
def test_a_call_that_the_storage_refuses(scripts, tmp_path, call, name):
    """Each of them is made by simulate.py itself, and fails."""
    folder = tmp_path / "walks"
    fault = {"watched": folder, "refused": call, "reason": getattr(errno, name)}
    refused(scripts.run(*simulate(folder), **fault), f"Error: Cannot write to {folder}: {REASONS[name]}. ")


@pytest.mark.parametrize("call", ["os.mkdir", "os.rename"])
def test_a_wrong_call_keeps_its_traceback(scripts, tmp_path, call):
    """Negative control: no path and no storage makes a descriptor invalid."""
    folder = tmp_path / "walks"
    ended = scripts.run(*simulate(folder), watched=folder, refused=call, reason=errno.EBADF)
    assert ended.returncode == 1
    assert "Traceback" in ended.output
    assert "[Errno 9] Bad file descriptor" in ended.output


@pytest.mark.parametrize("folder", ["/proc/walks", "/proc/1/no/walks", "/dev/null/walks"])
def test_a_folder_that_cannot_be_made(scripts, folder):
    if not Path(folder).parents[-2].is_dir():
        pytest.skip("this system has no such folder")
    refused(scripts.run(*simulate(Path(folder))), f"Error: Cannot write to {folder}: a part of the path ")


@pytest.mark.parametrize("number", errno.errorcode)
def test_every_error_has_words_or_is_ours(number):
    """Words of our own, or those of the system; never a number."""
    reason = storage_reason(OSError(number, os.strerror(number), "walks"))
    ours = ("EBADF", "EFAULT", "ECHILD", "ESRCH", "EDOM", "ERANGE", "E2BIG", "ENOEXEC", "EDEADLK", "ENOTTY",
            "ENOTSOCK", "EDESTADDRREQ", "EPIPE")  # fmt: skip
    assert (reason is None) == (number in [getattr(errno, name) for name in ours])
    assert reason is None or (reason[:1].islower() and "rrno" not in reason)


def test_an_error_without_a_number_is_ours():
    """Libraries raise such errors for what they find in a file."""
    assert storage_reason(OSError("Unable to open file")) is None


def test_the_words_of_a_remote_storage_are_kept():
    assert storage_reason(StorageError(errno.EIO, "its quota is used up", "gs://b")) == "its quota is used up"


def test_a_file_that_windows_keeps_for_another_program():
    error = OSError(errno.EACCES, "Permission denied", "predictions.csv")
    assert storage_reason(error) == "permission is denied"
    error.winerror = 32
    assert storage_reason(error) == "another program is using it"


@pytest.mark.parametrize(("number", "ours"), [(errno.ESTALE, False), (errno.ENOENT, False), (errno.EBADF, True)])
def test_a_path_that_is_only_looked_at(monkeypatch, number, ours):
    """Outside of all writing, a script ends in a sentence, too."""

    def look():
        raise OSError(number, os.strerror(number), "/data/walks")

    monkeypatch.setattr(sys, "argv", ["evaluate.py"])
    with pytest.raises(OSError if ours else SystemExit) as ended:
        scripting.run(look)
    if not ours:
        assert str(ended.value).startswith("Error: Cannot use /data/walks: ")


@pytest.mark.parametrize(("number", "matters"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_file_system_that_flushes_no_folders(tmp_path, monkeypatch, number, matters):
    """Some of networks; an error of the disk is another matter."""
    honest = os.fsync

    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        honest(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(InputError, match="the disk reports") if matters else contextlib.nullcontext():
        files.write_text(tmp_path / "a.txt", "a")
    assert (tmp_path / "a.txt").read_text() == "a"


def test_an_error_names_its_cause(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(InputError, match="the disk is full") as error:
        files.write_text(tmp_path / "a.txt", "a")
    assert isinstance(error.value.__cause__, OSError)
    assert [*tmp_path.iterdir()] == []

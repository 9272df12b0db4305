"""One process at a time in a folder, by a lock that the system releases at any kind of end."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from gait.errors import InputError

LOCK = ".lock"
"""The file that is locked in place of a folder on Windows."""
_HELD = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[bool]:
    """Keeps other processes of this machine out of a folder for as long as the context lasts.

    Yields:
        Whether the folder is locked. Some file systems have no locks; then a notice says that it is for the user
        to start one command a folder at a time, as in a remote storage.

    Raises:
        InputError: if another process has locked the folder.
        OSError: if the folder cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        locked = True
        try:
            _lock(folder, stack)
        except OSError as error:
            if error.errno in _HELD and error.filename is None:  # an error of opening would have the file's name
                raise InputError(
                    f"Another process is writing to {folder}. Wait for it, or choose another folder."
                ) from None
            if error.errno not in _NO_LOCKS:
                raise
            locked = False
            logging.getLogger("gait").warning(
                "%s cannot be locked: its file system has no locks. Start one command a folder at a time.", folder
            )
        yield locked


def _lock(folder: Path, stack: contextlib.ExitStack) -> None:
    """Locks the folder itself: no file is made that could stay behind, or vanish while another process opens it."""
    try:
        import fcntl
    except ImportError:
        _lock_file(folder / LOCK, stack)
    else:
        descriptor = os.open(folder, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_file(path: Path, stack: contextlib.ExitStack) -> None:
    """Does so on Windows, where a folder cannot be opened. A file left by a killed process is taken over."""
    try:
        import msvcrt
    except ImportError:
        raise OSError(errno.ENOSYS, "this Python has no locks") from None
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        os.close(descriptor)
        raise
    stack.callback(_remove_unused, path)
    stack.callback(os.close, descriptor)


def _remove_unused(path: Path) -> None:
    with contextlib.suppress(PermissionError):  # Windows refuses while another process has it open
        path.unlink(missing_ok=True)

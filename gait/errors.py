"""Errors that a user can cause or correct, and their wording: a sentence instead of a traceback."""

from __future__ import annotations

import errno
import os
import re
from numbers import Integral

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that move a terminal's cursor, break a line or turn the direction of text."""


def printable(text: object, keep: str = "") -> str:
    """A text that a terminal only shows, whoever has written it: control characters are written as escapes.

    Args:
        text: anything; its string counts.
        keep: control characters to leave as they are.
    """
    return _UNPRINTABLE.sub(
        lambda found: found[0] if found[0] in keep else found[0].encode("unicode_escape").decode(), str(text)
    )


class InputError(ValueError):
    """Mistake of a user, as plain text: what is wrong, the rule, what was received and what to do.

    The scripts print the text without a traceback and end with exit code 1. Every other exception is a
    defect of this package and keeps its traceback, except for errors of a disk or a path; see `storage_reason`.
    Control characters in it, of a name or a file of somebody else's, are written as escapes.
    """

    def __init__(self, text: str):
        super().__init__(printable(text, keep="\n"))


class StorageError(OSError):
    """A remote storage did not do what it was asked to; `strerror` says why, in plain words."""


def _numbers(*names: str) -> list[int]:
    """Numbers of the named errors, of those that this system knows."""
    return [getattr(errno, name) for name in names if hasattr(errno, name)]


_REASONS = {
    number: reason
    for reason, names in {
        "the disk is full": ("ENOSPC",),
        "the disk quota is used up": ("EDQUOT",),
        "the file would exceed the largest allowed size": ("EFBIG",),
        "the disk is read-only": ("EROFS",),
        "permission is denied": ("EACCES", "EPERM"),
        "a part of the path does not exist and cannot be made": ("ENOENT",),
        "a part of the path is a file": ("ENOTDIR",),
        "there is a file of that name": ("EEXIST",),
        "there is a folder of that name": ("EISDIR",),
        "the name is too long": ("ENAMETOOLONG",),
        "its links lead in a circle": ("ELOOP",),
        "its file system does not accept the name or the request": ("EINVAL",),
        "its file system does not offer what is needed": ("ENOSYS", "ENOTSUP", "EOPNOTSUPP"),
        "its file system has no locks": ("ENOLCK",),
        "another program is using it": ("EBUSY", "ETXTBSY"),
        "the disk reports an error": ("EIO",),
        "its device is missing": ("ENXIO", "ENODEV"),
        "it was removed or replaced on its file server": ("ESTALE",),
        "its storage does not answer": ("ENOTCONN", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EHOSTDOWN",
                                        "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"),
        "this process has too many files open": ("EMFILE",),
        "this machine has too many files open": ("ENFILE",),
        "there is no memory left": ("ENOMEM",),
    }.items()
    for number in _numbers(*names)
}  # fmt: skip
_WRONG_CALLS = _numbers("EBADF", "EFAULT", "EDOM", "ERANGE", "E2BIG", "ENOEXEC", "ECHILD", "ESRCH", "EDEADLK", "ENOTTY",
                        "ENOTSOCK", "EDESTADDRREQ", "EPIPE")  # fmt: skip
"""Errors of the code that makes a call, whatever the path and the storage."""
_IN_USE_ON_WINDOWS = (32, 33)
"""Numbers of Windows whose errno says that permission is denied."""


def storage_reason(error: OSError) -> str | None:
    """The part of a sentence that says what is wrong with a path or its storage.

    Args:
        error: any error of a file, a folder or a storage.

    Returns:
        Words that fit after "Cannot write to the folder: "; None if neither a path nor a storage can cause such
        an error, so that it keeps its traceback.
    """
    if isinstance(error, StorageError):
        return error.strerror
    if getattr(error, "winerror", None) in _IN_USE_ON_WINDOWS:
        return "another program is using it"
    if error.errno is None or error.errno in _WRONG_CALLS:
        return None
    return _REASONS.get(error.errno) or f'the system reports "{error.strerror or os.strerror(error.errno)}"'


def storage_advice(error: OSError, otherwise: str) -> str:
    """Finds what to do about an error of a path or its storage, before the same command is run again.

    Args:
        error: any error of a file, a folder or a storage.
        otherwise: what to do where the path or its storage itself is at fault.
    """
    if error.errno in _numbers("EMFILE"):
        return "raise the limit (ulimit -n)"
    if error.errno in _numbers("ENFILE", "ENOMEM"):
        return "end other programs"
    if error.errno in _numbers("ESTALE", "ENOTCONN", "EHOSTDOWN", "ENXIO", "ENODEV"):
        return "mount it again or choose another path"
    return otherwise


def sentence(error: BaseException) -> str | None:
    """Finds the words to tell a user of an error.

    Args:
        error: any exception.

    Returns:
        Plain text; None for a defect of this package, whose traceback says more.
    """
    if isinstance(error, InputError):
        return str(error)
    if _lacks_memory(error):
        return (
            "There is not enough memory. End other programs, raise the limit (ulimit -v), or ask for less: "
            "fewer --workers or --records, a smaller network, or --cache=none in training."
        )
    if isinstance(error, ImportError) and os.strerror(errno.EMFILE) in str(error):
        error = OSError(errno.EMFILE, "", error.path)
    if not isinstance(error, OSError) or (reason := storage_reason(error)) is None:
        return None
    advice = storage_advice(error, "choose another path, or repair this one")
    return (
        f"Cannot use {printable(error.filename or 'a file or folder')}: {reason}. "
        f"{advice[0].upper()}{advice[1:]}, then run the same command again."
    )


_SIGNS_OF_LITTLE_MEMORY = ("failed to map segment", "cannot allocate memory", "can't start new thread")


def _lacks_memory(error: BaseException | None) -> bool:
    """Whether the system has refused memory, to which libraries give many names and forms."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # TensorFlow's
            return True
        if any(sign in str(error).lower() for sign in _SIGNS_OF_LITTLE_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def check_seed(seed: int) -> None:
    """Raises `InputError` unless a seed is a whole number from 0 on."""
    if not (isinstance(seed, Integral) and seed >= 0):
        raise InputError(f"A seed is a whole number from 0 on. Received: {printable(seed)}. Choose another one.")

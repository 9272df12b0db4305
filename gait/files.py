"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from gait.errors import InputError

_STORAGE_TROUBLE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would exceed the largest allowed size",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "there is a file of that name",
}


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turns the operating system's storage errors into an `InputError` about the folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_TROUBLE:
            raise
        raise unwritable(folder, _STORAGE_TROUBLE[error.errno]) from error


def unwritable(folder: Path, why: str) -> InputError:
    return InputError(
        f"Cannot write to {folder}: {why}. What is finished there stays valid: "
        "make room or choose another --out, then run the same command again."
    )


def make_folder(folder: Path) -> None:
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def replace_durably(temporary: Path, final: Path) -> None:
    """Gives a completely written file its final name, surviving a crash at any moment."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def temporary_name(path: Path) -> Path:
    """The hidden name under which a file is written before it gets its own."""
    return path.with_name(f".{path.name}.tmp")


def write_text(path: Path, text: str) -> None:
    with storage_errors(path.parent):
        temporary = temporary_name(path)
        temporary.write_text(text)
        replace_durably(temporary, path)


def write_json(path: Path, content: dict) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, what: str) -> dict:
    """The JSON object in a file; an `InputError` that calls it `what` if it is not one."""
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a readable {what}: {error}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a readable {what}: it holds no JSON object.")
    return content


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Files and folders, local or remote: written so that a reader never meets half of one.

Local paths are `pathlib.Path`s. A path with a scheme, say gs://bucket/walks, is a `RemotePath`; such a
storage has no locks, no appending and no flushing, and what that means is said where it matters.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import tempfile
import time
import types
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from gait.errors import InputError, printable, storage_advice, storage_reason
from gait.storage.locks import exclusive
from gait.storage.remote import RemotePath, is_remote

if TYPE_CHECKING:
    import pandas as pd

AnyPath = Path | RemotePath
_SomePath = TypeVar("_SomePath", Path, RemotePath)
_TEMPORARY = re.compile(r"\.tmp\.[0-9a-f]{16}\..+")


def as_path(text: str | AnyPath) -> AnyPath:
    """The path that a user has given: remote if it has a scheme; file:///folder is the local /folder.

    Raises:
        InputError: if the text is empty.
    """
    if not isinstance(text, str):
        return text
    if not text.strip():
        raise InputError(f"The path of a file or folder is empty. Received: {text!r}. The current folder is '.'.")
    local = text.removeprefix("file://")
    return Path(local) if local.startswith("/") or not is_remote(text) else RemotePath(text)


@contextlib.contextmanager
def storage_errors(folder: AnyPath) -> Iterator[None]:
    """Turns errors of the storage into an `InputError` about the folder; see `gait.errors.storage_reason`."""
    try:
        yield
    except OSError as error:
        reason = storage_reason(error)
        if reason is None:
            raise
        raise InputError(
            f"Cannot write to {folder}: {reason}. What is finished there stays valid: "
            f"{storage_advice(error, 'make room or choose another folder')}, then run the same command again."
        ) from error


def make_folder(folder: AnyPath) -> None:
    """Makes a folder and those above it; an `InputError` if that cannot be."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def locked(folder: AnyPath) -> Iterator[None]:
    """Keeps a second process out of a folder, and clears it of what a killed one has left half written.

    The system releases the lock at any kind of end. A remote folder cannot be locked, nor can one in a file system
    without locks. What is half written there may be in work elsewhere, so it stays: it is for the user to start one
    command a folder at a time.

    Raises:
        InputError: if another process has locked the folder.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(folder, Path):
            with storage_errors(folder):
                alone = stack.enter_context(exclusive(folder))
            if alone:
                _remove_temporary(folder)
                stack.callback(_remove_temporary, folder)
        yield


def _remove_temporary(folder: Path) -> None:
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def replace_durably(temporary: Path, final: Path) -> None:
    """Gives a completely written local file its final name, surviving a crash at any moment."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(final)
    _flush_names(final.parent)


def _flush_names(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no folders and writes names by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems without it, mostly of networks
            raise
    finally:
        os.close(descriptor)


def temporary_name(path: _SomePath) -> _SomePath:
    """A hidden name to write a file under before it gets its own; new at every call, with the same ending."""
    return path.with_name(f".tmp.{secrets.token_hex(8)}.{path.name}")


@contextlib.contextmanager
def replacing(path: AnyPath) -> Iterator[Path]:
    """Gives a temporary local path to write to, which becomes `path` at the end or vanishes with an error.

    Two that write the same file at the same time write to different temporary ones; the last wins.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(storage_errors(path.parent))
        if isinstance(path, Path):
            temporary = temporary_name(path)
            stack.callback(temporary.unlink, missing_ok=True)
            yield temporary
            replace_durably(temporary, path)
        else:
            temporary = Path(stack.enter_context(tempfile.TemporaryDirectory())) / path.name
            yield temporary
            uploaded = temporary_name(path)  # not every storage shows a file only when it is complete
            stack.callback(uploaded.unlink, missing_ok=True)
            uploaded.upload(temporary)
            uploaded.replace(path)


@contextlib.contextmanager
def local_copy(path: AnyPath) -> Iterator[Path]:
    """Gives a local path of a file: its own, or that of a copy for as long as it is needed."""
    if isinstance(path, Path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        path.download(Path(folder) / path.name)
        yield Path(folder) / path.name


def append(path: AnyPath, text: str) -> None:
    """Adds to a text file and flushes it to the disk; a remote one is written anew, with its old content."""
    with storage_errors(path.parent):
        if isinstance(path, RemotePath):
            write_text(path, (path.read_text(encoding="utf-8") if path.exists() else "") + text)
            return
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def dated_archives() -> Iterator[None]:
    """Lets ZIP archives, which a model and a checkpoint are, be written at any time.

    Their format has dates from 1980 to 2107 only. A clock that is further off gets the first of these.
    """
    clock = zipfile.time  # type: ignore[attr-defined]
    if 1980 <= clock.localtime().tm_year <= 2107:
        yield
        return
    earliest = time.struct_time((1980, 1, 1, 0, 0, 0, 1, 1, 0))
    zipfile.time = types.SimpleNamespace(time=clock.time, localtime=lambda at=None: earliest)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        zipfile.time = clock  # type: ignore[attr-defined]


def write_text(path: AnyPath, text: str) -> None:
    """Writes a text file, the whole of it or nothing."""
    with replacing(path) as temporary:
        # A path in the text may hold bytes that are no characters of UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="replace", newline="\n")


def write_json(path: AnyPath, content: dict) -> None:
    """Writes a JSON file, the whole of it or nothing."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: AnyPath, what: str, needed: Iterable[str]) -> dict:
    """The JSON object in a file, which must have the needed keys; an `InputError` calls it `what` if it has not."""
    try:
        content = _shown(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(
            f"{path} is not a readable {what} ({reason}). Restore it from a copy, or make it anew."
        ) from error
    missing = [key for key in needed if not isinstance(content, dict) or key not in content]
    if missing or not isinstance(content, dict):
        raise InputError(
            f"{path} is not a complete {what}: it lacks {', '.join(missing)}. Restore it from a copy, or make it anew."
        )
    return content


def sealed(content: dict) -> dict:
    """A JSON object with a checksum of itself, so that a changed digit does not pass for the truth."""
    return content | {"checksum": _checksum(content)}


def unsealed(text: bytes) -> dict | None:
    """The object that `sealed` was given, from its JSON; None unless that is what was written."""
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("checksum", None) != _checksum(content):
            return None
    except (ValueError, RecursionError):
        return None
    return _shown(content)


def _shown(content: Any) -> Any:
    """JSON without control characters in its texts, which come from whoever has written it and are printed."""
    if isinstance(content, dict):
        return {printable(key): _shown(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_shown(value) for value in content]
    return printable(content) if isinstance(content, str) else content


def write_sealed(path: AnyPath, content: dict) -> None:
    """Writes a JSON file with a checksum of its content, the whole of it or nothing."""
    write_json(path, sealed(content))


def read_sealed(path: AnyPath, what: str, needed: Iterable[str]) -> dict:
    """The JSON object in a file by `write_sealed`; raises as `read_json`, and if the file was changed since."""
    read_json(path, what, [*needed, "checksum"])
    content = unsealed(path.read_bytes())
    if content is None:
        raise InputError(
            f"{path} is damaged: its content does not fit its checksum. Restore it from a copy, or make it anew."
        )
    return content


def _checksum(content: dict) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def pieces(path: AnyPath, size: int) -> Iterator[bytes]:
    """The content of a file in pieces of `size` bytes; the last may be shorter."""
    with path.open("rb") as file:
        while piece := file.read(size):
            yield piece


def part(path: AnyPath, first: int, size: int) -> bytes:
    """At most `size` bytes of a file, from byte `first` on."""
    with path.open("rb") as file:
        file.seek(first)
        return file.read(size)


def sha256(path: AnyPath) -> str:
    """Checksum of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in pieces(path, 1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def read_csv(source: Path | TextIO, **options: Any) -> pd.DataFrame:
    """Reads a table with numbers that are right to the last digit; see `pandas.read_csv`."""
    import pandas as pd

    if [int(part) for part in pd.__version__.split(".")[:2]] < [3, 1]:  # from there on it is the only way
        options["float_precision"] = "round_trip"
    return pd.read_csv(source, **options)

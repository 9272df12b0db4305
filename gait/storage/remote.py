"""Paths with a scheme (a bucket, say): the part of `pathlib.Path` that we use, over TensorFlow's file systems.

TensorFlow takes seconds to load, so it is imported at the first use of such a path. Its errors become `OSError`s,
which callers have to expect of any path.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from gait.errors import InputError, StorageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class StorageNotFoundError(StorageError, FileNotFoundError):
    """A file, folder or bucket is not there."""


def is_remote(text: str) -> bool:
    """Whether a path has a scheme, as in gs://bucket/walks."""
    return _SCHEME.match(text) is not None


@functools.cache
def _tensorflow():
    import tensorflow

    return tensorflow


def error_of(error: Exception, path: object) -> StorageError:
    """The `OSError` that stands for one of TensorFlow's `OpError`s."""
    errors = _tensorflow().errors
    words = {
        errors.NotFoundError: "there is no such file, folder or bucket",
        errors.PermissionDeniedError: "permission is denied",
        errors.UnauthenticatedError: "permission is denied, for lack of credentials",
        errors.ResourceExhaustedError: "its space or quota is used up",
        errors.UnavailableError: "the storage does not answer",
        errors.DeadlineExceededError: "the storage does not answer in time",
        errors.AbortedError: "the storage does not answer",
    }.get(type(error), "the storage reports an error")
    detail = " ".join(str(getattr(error, "message", None) or "").split())
    kind, number = (
        (StorageNotFoundError, errno.ENOENT) if isinstance(error, errors.NotFoundError) else (StorageError, errno.EIO)
    )
    return kind(number, f"{words} ({detail[:300]})" if detail else words, str(path))


@dataclasses.dataclass(frozen=True, order=True)
class RemotePath:
    """A file or folder in a storage that TensorFlow can reach; methods are those of `pathlib.Path`.

    Args:
        text: scheme, "://" and the rest.

    Raises:
        InputError: from any method, if TensorFlow has no file system of that scheme.
    """

    text: str

    def __post_init__(self):
        scheme, separator, rest = self.text.partition("://")
        object.__setattr__(self, "text", scheme + separator + rest.rstrip("/"))

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self.text}/{name}")

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.text.rpartition("/")[2]

    @property
    def parent(self) -> RemotePath:
        """Folder that holds it; of a bucket, the bucket."""
        above = self.text.rpartition("/")[0]
        return self if above.endswith((":/", ":")) else RemotePath(above)

    def with_name(self, name: str) -> RemotePath:
        """A path in the same folder."""
        return self.parent / name

    def resolve(self) -> RemotePath:
        """This path: a remote one is absolute."""
        return self

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        return self._status() is not None

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        status = self._status()
        return status is not None and status.is_directory

    def is_file(self) -> bool:
        """Whether it is a file."""
        status = self._status()
        return status is not None and not status.is_directory

    def stat(self) -> SimpleNamespace:
        """Size and time of the last change, as `st_size` [bytes] and `st_mtime_ns` [ns]."""
        with self._gfile() as gfile:
            found = gfile.stat(self.text)
        return SimpleNamespace(st_size=found.length, st_mtime_ns=found.mtime_nsec)

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Makes the folder and those above it; in an object store, a mark that it is meant to be one."""
        with self._gfile() as gfile:
            if self.text.startswith("gs://"):  # in a bucket that is not there, TensorFlow would try without end
                gfile.stat("/".join(self.text.split("/")[:3]))
            gfile.makedirs(self.text)

    def iterdir(self) -> Iterator[RemotePath]:
        """Paths of all that the folder holds."""
        with self._gfile() as gfile:
            names = gfile.listdir(self.text)
        return (self / name.rstrip("/") for name in names if name.strip("/"))

    @contextlib.contextmanager
    def open(self, mode: str) -> Iterator:
        """Opens the file; the only mode is "rb"."""
        with self._gfile() as gfile, gfile.GFile(self.text, mode) as file:
            yield file

    def read_bytes(self) -> bytes:
        """The whole content."""
        with self.open("rb") as file:
            return file.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole content as text."""
        return self.read_bytes().decode(encoding)

    def unlink(self, missing_ok: bool = False) -> None:
        """Deletes the file."""
        with contextlib.suppress(FileNotFoundError) if missing_ok else contextlib.nullcontext(), self._gfile() as gfile:
            gfile.remove(self.text)

    def replace(self, target: RemotePath) -> None:
        """Renames the file; object stores do that by copying and deleting."""
        with self._gfile() as gfile:
            gfile.rename(self.text, target.text, overwrite=True)

    def upload(self, source: Path) -> None:
        """Copies a local file here."""
        with self._gfile() as gfile:
            gfile.copy(str(source), self.text, overwrite=True)

    def download(self, target: Path) -> None:
        """Copies this file to a local one."""
        with self._gfile() as gfile:
            gfile.copy(self.text, str(target), overwrite=True)

    def _status(self):
        """TensorFlow's statistics of the file or folder; None if there is none."""
        try:
            with self._gfile() as gfile:
                return gfile.stat(self.text)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def _gfile(self) -> Iterator:
        tensorflow = _tensorflow()
        try:
            yield tensorflow.io.gfile
        except tensorflow.errors.UnimplementedError as error:
            known = sorted(f"{scheme}://" for scheme in tensorflow.io.gfile.get_registered_schemes() if scheme)
            raise InputError(
                f"TensorFlow cannot use {self.text} ({error.message.split(' (file:')[0]}). It has: {', '.join(known)}. "
                "Choose one of these, or mount the storage and give the path of the mount."
            ) from error
        except tensorflow.errors.OpError as error:
            raise error_of(error, self.text) from error

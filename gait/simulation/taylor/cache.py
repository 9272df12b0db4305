"""Compiled code kept on disk between runs, with a checksum.

The cache of numba itself has none: a changed bit in it changes walks, and an empty index ends every script. Here, one
file holds one compiled function. Its name is a checksum of all that the code depends on, and it begins with a checksum
of its content. What is damaged is compiled anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from llvmlite import binding

from gait.errors import storage_reason

_DIGEST = hashlib.sha256().digest_size
_KEPT = 90 * 86_400  # seconds after which code of other sources or versions is removed
_PACKAGES = ("numba", "llvmlite", "numpy")
_log = logging.getLogger("gait")


def folders() -> list[Path]:
    """Folders for compiled code: the user's choice, or else one beside the sources and, next best, the user's own."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(chosen) / "gait"]
    return [Path(__file__).parent / "__pycache__", _of_the_user()]


def _of_the_user() -> Path:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - it does not fail where there is none
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "gait" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "gait"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "gait"


class CodeCache:
    """Cache of one compiled function.

    Args:
        name: of the function.
        sources: files with all sources that its code depends on.
    """

    def __init__(self, name: str, sources: Iterable[Path]):
        content = b"\0".join(path.read_bytes() for path in sources)
        versions = sys.version, *map(metadata.version, _PACKAGES)
        # Code for one processor may be too much for another that shares the folder; and numba can be configured.
        processor = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
        settings = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))
        settings = [item for item in settings if item[0] != "NUMBA_CACHE_DIR"]
        key = repr((hashlib.sha256(content).hexdigest(), versions, processor, settings))
        self._name, self._file = name, f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.code"

    @property
    def file_name(self) -> str:
        """Name of the file in one of the `folders`."""
        return self._file

    def load(self) -> bytes | None:
        """The code from the first folder that has it whole; None if it has to be compiled."""
        for folder in folders():
            path = folder / self._file
            try:
                content = path.read_bytes()
            except OSError:  # not there, or another user's
                continue
            if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
                return content[_DIGEST:]
            _log.warning("%s is damaged: its content does not fit its checksum. It is not used.", path)
        return None

    def save(self, code: bytes, folder: Path) -> None:
        """Keeps the code in a folder."""
        path = folder / self._file
        try:
            _replace(path, hashlib.sha256(code).digest() + code)
            self._remove_old(path)
        except OSError as error:
            if not path.is_file():  # Windows refuses while another process has just written or is reading the same
                _log.warning("Cannot keep the compiled walking model in %s: %s.", path.parent, storage_reason(error))

    def _remove_old(self, path: Path) -> None:
        for other in path.parent.glob(f"{self._name}-*.code"):
            if other != path and time.time() - other.stat().st_mtime > _KEPT:
                other.unlink(missing_ok=True)


def writable_folder() -> Path | None:
    """The first of the `folders` that can be written to; None if none can be."""
    return next(filter(_can_be_written, folders()), None)


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile("w+b", dir=folder).close()
    except OSError:
        return False
    return True


def _replace(path: Path, content: bytes) -> None:
    """Writes a file, the whole of it or nothing, whatever other processes do at the same time."""
    temporary = path.with_name(f".tmp.{secrets.token_hex(8)}.{path.name}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

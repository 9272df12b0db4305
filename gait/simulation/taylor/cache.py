"""Compiled code kept on disk between runs, with a checksum.

The cache of numba itself has none: a changed bit in it changes walks, and an empty index ends every script. Here, one
file holds one compiled function. Its name is a checksum of all that the code depends on, and it begins with a checksum
of its content. What is damaged is compiled anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import secrets
import sys
import tempfile
import time
from pathlib import Path

import llvmlite
import numba
import numpy as np
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from gait.errors import storage_reason

_DIGEST = hashlib.sha256().digest_size
_KEPT = 90 * 86_400  # seconds after which code of other sources or versions is removed
_log = logging.getLogger("gait")


def folders() -> list[Path]:
    """Folders for compiled code: the user's choice, or else one beside the sources and, next best, the user's own."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(chosen) / "gait"]
    return [Path(__file__).parent / "__pycache__", Path(AppDirs("gait", False).user_cache_dir)]


class CodeCache(NullCache):
    """Cache of one compiled function; numba asks it for code and gives it what was compiled.

    Args:
        name: of the function.
        sources: text of all sources that its code depends on.
    """

    def __init__(self, name: str, sources: str):
        versions = sys.version, numba.__version__, llvmlite.__version__, np.__version__
        self._name, self._made_of = name, repr((hashlib.sha256(sources.encode()).hexdigest(), versions))
        self._folder: Path | None = None

    @property
    def cache_path(self) -> str | None:
        """The folder that compiled code is written to; None if none can be."""
        if self._folder is None:
            self._folder = next(filter(_can_be_written, folders()), None)
        return None if self._folder is None else str(self._folder)

    def load_overload(self, sig, target_context):
        """The code for a signature from the first folder that has it whole; None if it has to be compiled."""
        target_context.refresh()
        for folder in folders():
            path = folder / self._file_name(sig, target_context.codegen())
            try:
                content = path.read_bytes()
            except OSError:  # not there, or another user's
                continue
            if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
                return CompileResult._rebuild(target_context, *pickle.loads(content[_DIGEST:]))
            _log.warning("%s is damaged: its content does not fit its checksum. It is not used.", path)
        return None

    def save_overload(self, sig, data) -> None:
        """Keeps the code for a signature."""
        if self.cache_path is None:
            return
        path = Path(self.cache_path) / self._file_name(sig, data.codegen)
        content = dumps(data._reduce())
        try:
            _replace(path, hashlib.sha256(content).digest() + content)
            self._remove_old(path)
        except OSError as error:
            if not path.is_file():  # Windows refuses while another process has just written or is reading the same
                _log.warning("Cannot keep the compiled walking model in %s: %s.", path.parent, storage_reason(error))

    def _file_name(self, sig, codegen) -> str:
        key = repr((self._made_of, str(sig), codegen.magic_tuple()))
        return f"{self._name}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.code"

    def _remove_old(self, path: Path) -> None:
        for other in path.parent.glob(f"{self._name}-*.code"):
            if other != path and time.time() - other.stat().st_mtime > _KEPT:
                other.unlink(missing_ok=True)


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

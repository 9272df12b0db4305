"""Contents of a .c3d file, read by ezc3d in a process of its own.

ezc3d trusts the sizes that a file states: a damaged file can end the process that reads it, or make it ask for all
memory. A child process that ends is an error in a sentence.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gait.errors import InputError

INSTALL = "pip install 'ezc3d>=1.7.2'"
_PATIENCE = 300.0  # s, hundreds of times what the largest recordings take
_MEMORY = 6 * 2**30  # bytes of address space, and so many times the file on top
_TIMES_FILE = 40


def load_contents(path: Path, platforms: bool = False) -> dict[str, Any]:
    """Reads all of a .c3d file as plain arrays, lists and dictionaries.

    Args:
        path: the file.
        platforms: whether ezc3d computes the forces of the plates as well, which takes long.

    Returns:
        "parameters": group → name → value; "frame_rate" of the header, Hz; "first_frame", from 0; "points", shape
        [4, markers, frames], in the unit of the file; "residuals", shape [1, markers, frames], or None; "analogs",
        shape [channels, samples]; "platforms", a list, with "force", "center_of_pressure" and "corners" of each.

    Raises:
        InputError: if ezc3d is not installed or the file cannot be read.
    """
    if not _installed():
        raise InputError(f"Files .c3d need the package ezc3d. Received: {path}. Install it: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="gait-") as folder:
        result = Path(folder) / "contents.pickle"
        command = [
            sys.executable,
            "-m",
            __name__,
            str(path.resolve()),
            str(result),
            *(["platforms"] if platforms else []),
        ]
        here = {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
        try:
            child = subprocess.run(command, env=os.environ | here, capture_output=True, timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            raise _damaged(path, f"no end after {_PATIENCE:g} s") from None
        if child.returncode or not result.exists():
            # A negative code is a signal. Whatever Python itself says of the child is an error of ours.
            if b"Traceback" in child.stderr:
                raise RuntimeError(child.stderr.decode(errors="replace"))
            raise _damaged(path, f"the library ezc3d ends with code {child.returncode}")
        contents = pickle.loads(result.read_bytes())
    if isinstance(contents, str):
        raise _damaged(path, contents)
    return contents


def _installed() -> bool:
    try:
        return importlib.util.find_spec("ezc3d") is not None
    except ValueError:  # it stands in `sys.modules` without a specification
        return False


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} cannot be read as C3D: {reason.rstrip('.')}. It may be damaged or cut off; export it again."
    )


def _plain(file: str, platforms: bool) -> dict[str, Any] | str:
    """Contents of a file in this process, or why it cannot be read."""
    import ezc3d

    try:
        content = ezc3d.c3d(file, extract_forceplat_data=platforms)
        data, header = content["data"], content["header"]["points"]
        return {
            "parameters": {
                group: {name: entry["value"] for name, entry in names.items() if "value" in entry}
                for group, names in content["parameters"].items()
            },
            "frame_rate": float(header["frame_rate"]),
            "first_frame": int(header["first_frame"]),
            "points": data["points"],
            "residuals": data.get("meta_points", {}).get("residuals"),
            "analogs": data["analogs"][0],
            "platforms": [dict(platform) for platform in data.get("platform", [])],
        }  # fmt: skip
    except Exception as error:  # of the C++ library: of several kinds, IOError, RuntimeError, ValueError
        return str(error).split("\n")[0] or type(error).__name__


def _limit_memory(file: str) -> None:
    """Lets a file that claims to be endless fail in this process instead of filling the machine, where that can be."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = _MEMORY + _TIMES_FILE * Path(file).stat().st_size
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    source, target, *wishes = sys.argv[1:]
    _limit_memory(source)
    Path(target).write_bytes(pickle.dumps(_plain(source, bool(wishes)), protocol=5))

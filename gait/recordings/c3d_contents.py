"""Contents of a .c3d file, read by ezc3d in a process of its own.

ezc3d trusts the sizes that a file states: a damaged file can end the process that reads it, or make it ask for all
memory. A child process that ends is an error in a sentence.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gait.errors import InputError

INSTALL = "pip install 'ezc3d>=1.7.2'"
_PATIENCE = 120.0  # s, tens of times what the largest recordings take
_MEMORY = 3 * 2**30  # bytes of address space, and so many times the file on top
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
        result = Path(folder) / "contents.npz"
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
        with np.load(result, allow_pickle=False) as file:
            arrays = dict(file)
    found = json.loads(str(arrays.pop("texts")))
    if "reason" in found:
        raise _damaged(path, found["reason"])
    parts: list[dict[str, np.ndarray]] = [{} for _ in range(found.pop("plates"))]
    for name in [name for name in arrays if name.startswith("plate ")]:
        _, number, kind = name.split(" ")
        parts[int(number)][kind] = arrays.pop(name)
    return found | {"residuals": None} | arrays | {"platforms": parts}


def _installed() -> bool:
    try:
        return importlib.util.find_spec("ezc3d") is not None
    except ValueError:  # it stands in `sys.modules` without a specification
        return False


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} cannot be read as C3D: {reason.rstrip('.')}. It may be damaged or cut off; export it again."
    )


def _save(file: str, target: str, platforms: bool) -> None:
    """Writes the contents of a file, or why it cannot be read, as arrays and one JSON text."""
    texts, arrays = _plain(file, platforms)
    np.savez(target, texts=json.dumps(texts, default=lambda value: value.tolist()), **arrays)


def _plain(file: str, platforms: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Texts and small numbers of a file, or the reason why it cannot be read, and its arrays."""
    import ezc3d

    try:
        content = ezc3d.c3d(file, extract_forceplat_data=platforms)
        data, header = content["data"], content["header"]["points"]
        plates = [
            {kind: np.asarray(plate[kind]) for kind in ("force", "center_of_pressure", "corners")}
            for plate in data.get("platform", [])
        ]
        texts = {
            "parameters": {
                group: {name: entry["value"] for name, entry in names.items() if "value" in entry}
                for group, names in content["parameters"].items()
            },
            "frame_rate": float(header["frame_rate"]),
            "first_frame": int(header["first_frame"]),
            "plates": len(plates),
        }
        arrays = {"points": data["points"], "analogs": data["analogs"][0]}
        if (residuals := data.get("meta_points", {}).get("residuals")) is not None:
            arrays["residuals"] = residuals
        arrays |= {f"plate {k} {kind}": values for k, plate in enumerate(plates) for kind, values in plate.items()}
        return texts, arrays
    except Exception as error:  # of the C++ library: of several kinds, IOError, RuntimeError, ValueError
        return {"reason": str(error).split("\n")[0] or type(error).__name__}, {}


def _limit_memory(file: str) -> None:
    """Lets a file that claims to be endless fail in this process instead of filling the machine, where that can be."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit = _MEMORY + _TIMES_FILE * Path(file).stat().st_size
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    source, target, *wishes = sys.argv[1:]
    _limit_memory(source)
    _save(source, target, bool(wishes))

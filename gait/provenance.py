"""Where a result comes from: versions of the packages and of this code."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "pandas", "matplotlib", "numba")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def decisive_versions() -> dict[str, str]:
    """Versions of all that decides the bytes of a dataset; of this package, a checksum of its source.

    So does the processor, by its kind and by whether it can multiply and add in one instruction.
    """
    from llvmlite import binding

    package, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    found = versions() | {"llvmlite": metadata.version("llvmlite")}
    packages = {name: found[name] for name in ("tensorflow", "numpy", "scipy", "numba", "llvmlite")}
    fused = "with" if binding.get_host_cpu_features().get("fma") else "without"
    return {"gait": digest.hexdigest()[:12], **packages, "processor": f"{platform.machine()} {fused} FMA"}


def code_revision() -> str | None:
    """The git commit of this code, with "+changes" if it was edited since; None outside a checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def peak_memory() -> int:
    """Largest memory [bytes] this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cores() -> int:
    """Number of cores that this process may use; batch systems and containers leave it some of the machine's."""
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

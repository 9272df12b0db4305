"""Where a result comes from: this code, the packages, the machine."""

from __future__ import annotations

import hashlib
import os
import platform
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


def numerical_environment() -> dict[str, str]:
    """All that the last digits of a dataset depend on, by name.

    Returns:
        A checksum of the source of this package, the versions of packages that compute or write, and the kind of
        processor, with or without instructions that multiply and add at once.
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
        done = subprocess.run(["git", *arguments], cwd=Path(__file__).parent, capture_output=True, check=True)
        return done.stdout.decode().strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def peak_memory() -> int | None:
    """Largest memory [bytes] this process has held so far; None on Windows, which does not tell Python."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cores() -> int:
    """Number of cores that this process may use; batch systems and containers can leave it fewer than there are."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

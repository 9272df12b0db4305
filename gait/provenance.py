"""Where a result comes from: this code, the packages, the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "pandas", "matplotlib", "numba", "llvmlite")
DECISIVE = {
    "simulation": (
        ("numpy", "scipy", "numba", "llvmlite", "tensorflow"),
        ("parameters.py", "simulation", "data/manifest.py", "data/records.py", "data/shards.py"),
    ),
    "training": (
        ("numpy", "tensorflow", "keras"),
        (
            "parameters.py", "scenarios.py", "simulation/channels.py", "simulation/conditions.py", "data/records.py",
            "data/reading.py", "data/views.py", "data/dataset.py", "inference/coordinates.py", "inference/ratio.py",
            "inference/estimated_ratio.py", "training",
        ),
    ),
    "posteriors": (
        ("numpy", "scipy", "numba", "llvmlite"),
        (
            "parameters.py", "simulation", "inference", "limits/functions.py", "limits/noisy_ceilings.py",
            "limits/noise.py",
        ),
    ),
}  # fmt: skip
"""Packages, and modules and folders of this package, that decide the last digits of what a task computes."""


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def code_checksum(task: str) -> str:
    """Checksum of the sources that decide what a task computes, one of `DECISIVE`; twelve hexadecimal digits."""
    package, digest = Path(__file__).parent, hashlib.sha256()
    for name in DECISIVE[task][1]:
        place = package / name
        for path in [place] if place.suffix else sorted(place.rglob("*.py")):
            digest.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def numerical_environment(task: str) -> dict[str, str]:
    """All that the last digits of a result depend on, by name.

    Args:
        task: one of `DECISIVE`.

    Returns:
        A checksum of the sources that decide the result, the versions of Python and of the packages that do, and the
        kind of processor, with or without instructions that multiply and add at once.
    """
    from llvmlite import binding

    found = versions()
    fused = "with" if binding.get_host_cpu_features().get("fma") else "without"
    return {
        "gait": code_checksum(task),
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: found[name] for name in DECISIVE[task][0]},
        "processor": f"{platform.machine()} {fused} FMA",
    }


def differences(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Lists in which of the expected entries a numerical environment is another one, a phrase for each."""
    return [f"{name} {found.get(name)} instead of {expected[name]}" for name in expected
            if found.get(name) != expected[name]]  # fmt: skip


def begun_with(earlier: Mapping[str, str] | None, now: Mapping[str, str]) -> str | None:
    """Says with what another code or versions a result was begun; None if it was begun with the same.

    Args:
        earlier: numerical environment of then; None if it was not noted.
        now: that of now.
    """
    if not isinstance(earlier, Mapping):
        return "was begun by earlier code, which did not note its versions"
    differing = differences(earlier, now)
    return f"was begun with {', '.join(differing)}" if differing else None


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

"""Tables as Markdown, and the machine they were made on."""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path

MISSING = "not installed"


def table(header: list[str], rows: list[list]) -> str:
    """A Markdown table; rows shorter than the header are filled up with empty cells."""
    filled = [[*map(str, row), *[""] * (len(header) - len(row))] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*filled, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in filled
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def number(value: float, digits: int = 3) -> str:
    """A number with the given significant digits, written for people."""
    if value != value:
        return "–"
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits - 2}e}"
    if 0.0 < abs(value) < 0.1:
        return f"{value:.2g}"
    size = len(str(int(abs(value)))) if abs(value) >= 1 else 1
    return f"{value:,.{max(0, digits - size)}f}"


def megabytes(count: float) -> str:
    """A size in bytes as MB (1e6 bytes)."""
    return f"{count / 1e6:,.0f}"


def installed(package: str) -> str | None:
    """The version of an installed package, else None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def circumstances(packages: list[str]) -> str:
    """Date, machine and versions, in two lines."""
    processor = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        lines = described.read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
        processor = names[0] if names else processor
    found = ", ".join(f"{package} {installed(package) or MISSING}" for package in packages)
    return (
        f"{datetime.date.today()}, {processor}, {os.cpu_count()} cores, {platform.system()}\n"
        f"Python {platform.python_version()}, {found}"
    )


def load() -> float:
    """Processes that ran or waited for a core in the last minute, on average; NaN where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")

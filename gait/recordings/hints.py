"""Hints that a user can give on a recording, so that nothing has to be guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gait.errors import InputError

HINT_FLAGS = (
    ("mass", "float", "Body mass [kg], to compare with the force, or where no force tells it."),
    ("belt_speed", "float", "Speed of the treadmill [m/s]; 0 over ground."),
    ("up", "string", "Axis of the recording that points up, such as z or -y; by default where the force points."),
    ("forward", "string", "Axis along which the person walks, such as x or -x; by default that of the way."),
    ("window", "list", "Begin and end [s] of the part to use, in the time of the file, such as 2,13."),
    (
        "units",
        "string",
        "Units of the file, such as mm or mm,kN; by default as its names say, or as they make a person.",
    ),
    ("body", "string", "Marker that stands for the centre of mass."),
    ("rate", "float", "Samples a second, for a table without a column of times."),
)
"""Name, kind and help text of the flags that describe a recording; they are arguments of `gait.read_recording`."""


def hints_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Makes arguments of `gait.read_recording` from values of flags.

    Args:
        given: name of a flag of `HINT_FLAGS` → its value; None where it was not given.

    Raises:
        InputError: if the window is not two numbers.
    """
    hints = {name: value for name, value in given.items() if value is not None}
    if "window" in hints:
        try:
            begin, end = (float(word) for word in hints["window"])
        except ValueError:
            raise InputError(
                "A window is its begin and end in seconds of the file's time, such as --window=2,13. "
                f"Received: --window={','.join(hints['window'])}."
            ) from None
        hints["window"] = begin, end
    return hints


def checked_number(name: str, value: Any, rule: str, least: float, most: float) -> float | None:
    """Checks a number that a user states.

    Args:
        name: of the argument.
        value: what was received; None where nothing was.
        rule: what it is, in words.
        least, most: range, both included.

    Returns:
        The number, or None.

    Raises:
        InputError: if it is none, or out of its range.
    """
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        raise InputError(f"{name} must be {rule}. Received: {str(value)[:40]}. Correct it.")
    return number

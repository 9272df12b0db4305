"""Common style of all figures: colours, labels, and how they are saved."""

from __future__ import annotations

import re
from typing import Any

from matplotlib.figure import Figure

from gait.parameters import QUANTITIES
from gait.storage import files
from gait.storage.files import AnyPath

TRUTH, NETWORK, BEST, SECOND = "0.55", "#1f5fa8", "#d1495b", "#2a9d5c"
"""Colours of the truth, of a network's answers, of the best possible answers, and of a second quantity."""
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
}


def mathematical(text: str) -> str:
    """A symbol, or a product of symbols, as matplotlib writes formulas: l0, l02, vx0 and k2/m with their indices."""

    def factor(found: re.Match) -> str:
        letters, digits = found.groups()
        name = {"l": r"\ell"}.get(letters[0], letters[0])
        index = letters[1:] + ",".join(digits)
        return f"{name}_{{{index}}}" if index else name

    return f"${re.sub('([A-Za-z]+)([0-9]*)', factor, text)}$"


def symbol(name: str) -> str:
    """The symbol of a quantity, as matplotlib writes formulas."""
    return mathematical(QUANTITIES[name].symbol)


def axis_label(name: str, prefix: str = "") -> str:
    """The label of an axis that shows a quantity, with symbol and unit."""
    quantity = QUANTITIES[name]
    words = f"{prefix} {quantity.label}".strip()
    return f"{words[0].upper()}{words[1:]} {symbol(name)} [{quantity.unit}]"


def save(figure: Figure, path: AnyPath) -> None:
    """Writes a figure as PNG."""
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=130)

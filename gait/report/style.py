"""What all figures have in common: colours, labels, how they are saved."""

from __future__ import annotations

from matplotlib.figure import Figure

from gait.parameters import QUANTITIES
from gait.storage import files
from gait.storage.files import AnyPath

TRUTH, NETWORK, BEST = "0.55", "#1f5fa8", "#d1495b"
"""Colours: what is so, what the network says, what is the best anyone could say."""
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
}


def mathematical(text: str) -> str:
    """A symbol of `gait.parameters` as matplotlib writes formulas: l0 becomes an ell with an index."""
    name, index = (text[:-1], text[-1]) if text[-1].isdigit() else (text, "")
    name = {"l": r"\ell", "vx": "v_x", "vy": "v_y"}.get(name, name)
    return f"${{{name}}}_{index}$" if index else f"${name}$"


def symbol(name: str) -> str:
    """Symbol of a quantity, as matplotlib writes formulas."""
    return mathematical(QUANTITIES[name].symbol)


def axis_label(name: str, prefix: str = "") -> str:
    """Label of an axis that shows a quantity, with symbol and unit."""
    quantity = QUANTITIES[name]
    words = f"{prefix} {quantity.label}".strip()
    return f"{words[0].upper()}{words[1:]} {symbol(name)} [{quantity.unit}]"


def save(figure: Figure, path: AnyPath) -> None:
    """Writes a figure as PNG."""
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=130)

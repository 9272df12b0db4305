"""Common style of all figures: colours, labels, and how they are saved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gait.parameters import QUANTITIES
from gait.storage import files
from gait.storage.files import AnyPath

TRUTH, NETWORK, BEST, SECOND = "0.55", "#1f5fa8", "#d1495b", "#2a9d5c"
"""Colours of the truth, of a network's answers, of the best possible answers, and of a second quantity."""
FORMATS = ("png", "svg", "pdf")
"""Formats that figures are written in."""
_DPI = 130
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


def save(figure: Figure, path: AnyPath, also: Sequence[str] = ()) -> list[str]:
    """Writes a figure.

    Args:
        figure: what to write.
        path: its file; the ending says the format.
        also: other formats of `FORMATS`; each gets a file beside the first.

    Returns:
        Names of the files.
    """
    stem, own = path.name.rsplit(".", 1)
    paths = [path, *(path.with_name(f"{stem}.{form}") for form in also if form != own)]
    for each in paths:
        form = each.name.rsplit(".", 1)[1]
        with files.replacing(each) as temporary:
            if form == "png":  # the same bytes as by `savefig`, which draws twice
                figure.dpi = _DPI
                FigureCanvasAgg(figure).print_png(temporary)
            else:
                figure.savefig(temporary, dpi=_DPI, format=form)
        figure.set_layout_engine("none")  # everything has found its place, in all formats
    return [each.name for each in paths]

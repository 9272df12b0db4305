"""Figure of several runs side by side: what was possible, and what their networks have reached."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterator

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from gait.diagnostics.comparison import Cell, ComparisonTable
from gait.diagnostics.verdicts import Recovery
from gait.parameters import QUANTITIES
from gait.report.comparison_text import MEANINGS, SIGNS, cell_text, verdicts_of, wrapped
from gait.report.style import BEST, NETWORK, SECOND, STYLE, TRUTH, symbol

_FILLS = {
    Recovery.RECOVERED: (SECOND, 1.0, "white"),
    Recovery.AT_CEILING: (BEST, 0.25, "black"),
    Recovery.BELOW_CEILING: (NETWORK, 0.45, "black"),
    Recovery.ABOVE_CEILING: (BEST, 1.0, "white"),
    Recovery.UNDETERMINED: (TRUTH, 0.2, "black"),
}
"""Colour, opacity and colour of the text of a cell; without colours, dark is known and pale is not."""
_ROW, _LINE, _GAP, _PAD, _SIGN = 0.32, 0.17, 0.02, 0.06, 0.2
"""Inches: height of a row, and of a further line in it; half the gap of two cells; beside a text; for a sign."""
_LARGE, _SMALL = 10.0, 8.5
"""Font sizes, points."""
_LABEL_COLUMNS, _HEAD_COLUMNS = 26, 13
"""Characters in a line of a row's label, and of a column's."""
_HEAD = 0.72
"""Height of the title and the symbols, inches."""
_TITLE = "Highest possible R² → R² that the network has reached"

_Line = tuple[str, float, str]  # text, font size and weight


def plot_comparison(table: ComparisonTable) -> Figure:
    """Draws the comparison as a table: rows are measurements with their noise, columns are quantities.

    A cell holds "possible → reached". Its colour and its sign tell the verdict, and the legend says their meanings.

    Args:
        table: results of the runs.
    """
    with matplotlib.rc_context(STYLE):
        return _Drawing(table).figure


class _Drawing:
    """The table, in inches from the upper left corner."""

    def __init__(self, table: ComparisonTable):
        self.table = table
        self.labels = [label for group in table.groups() for label in _labels(table, *group)]
        self.edges = self._edges()
        narrowest = max(_width(_TITLE, 12, "bold"), *(_item(verdict) for verdict in verdicts_of(table)))
        self.width = max(self.edges[-1], narrowest + 2 * _PAD)
        self.tops = [_HEAD + _LINE * max(1 + _head(name).count("\n") for name in table.columns)]
        for label in self.labels:
            self.tops.append(self.tops[-1] + _ROW + _LINE * (len(label) - 1))
        legend = self._legend()
        width, height = self.width + _PAD, self.tops[-1] + 0.14 + 0.27 * len(legend)
        self.figure = Figure(figsize=(width, height))
        self.axis: Axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axis.set(xlim=(0.0, width), ylim=(height, 0.0))
        self.axis.set_axis_off()
        self._draw_head()
        for row in range(len(table.runs)):
            self._draw_row(row)
        for _, _, rows in table.groups():
            self.axis.plot([_PAD, self.edges[-1]], [self.tops[rows.start]] * 2, color=TRUTH, lw=0.8)
        for line, items in enumerate(legend):
            self._draw_legend(items, self.tops[-1] + 0.14 + 0.27 * line)

    def _edges(self) -> list[float]:
        """Left edge of each column, and right edge of the last."""
        edges = [max(_width(*line) for label in self.labels for line in label) + 4 * _PAD]
        for name in self.table.columns:
            cells = [cell_text(run.cells[name]) for run in self.table.runs if name in run.cells]
            content = max(_width(text, _LARGE) for text in cells) + _SIGN
            head = max(_width(line, _SMALL) for line in _head(name).split("\n"))
            edges.append(edges[-1] + max(content, head) + 2 * _PAD)
        return edges

    def _legend(self) -> list[list[tuple[Recovery, float]]]:
        """Verdicts that occur and their places from the left, in as many lines as they need."""
        lines: list[list[tuple[Recovery, float]]] = [[]]
        place = _PAD
        for verdict in verdicts_of(self.table):
            width = _item(verdict)
            if lines[-1] and place + width > self.width:
                lines.append([])
                place = _PAD
            lines[-1].append((verdict, place))
            place += width + 0.3
        return lines

    def _columns(self) -> Iterator[tuple[str, float, float]]:
        """Each quantity with the left and right edge of its column."""
        return zip(self.table.columns, self.edges[:-1], self.edges[1:], strict=True)

    def _draw_head(self) -> None:
        self._text(_PAD, 0.2, _TITLE, 12, weight="bold")
        for name, left, right in self._columns():
            middle = (left + right) / 2
            self._text(middle, 0.54, symbol(name), 13, ha="center", parse_math=True)
            self._text(middle, 0.69, _head(name), _SMALL, ha="center", va="top", linespacing=1.0)

    def _draw_row(self, row: int) -> None:
        run, label, top, bottom = self.table.runs[row], self.labels[row], self.tops[row], self.tops[row + 1]
        first = (top + bottom - _LINE * (len(label) - 1)) / 2
        for line, (text, size, weight) in enumerate(label):
            self._text(_PAD, first + line * _LINE, text, size, weight=weight)
        for name, left, right in self._columns():
            if name in run.cells:
                self._draw_cell(run.cells[name], left, right, top, bottom)

    def _draw_cell(self, cell: Cell, left: float, right: float, top: float, bottom: float) -> None:
        colour = self._draw_sign(cell.verdict, left, right, top, bottom)
        middle = (left + _SIGN + right) / 2
        self._text(middle, (top + bottom) / 2, cell_text(cell), _LARGE, ha="center", color=colour)

    def _draw_sign(self, verdict: Recovery, left: float, right: float, top: float, bottom: float) -> str:
        """The coloured ground of a cell with its sign; returns the colour of a text on it."""
        colour, opacity, ink = _FILLS[verdict]
        size = (right - left - 2 * _GAP, bottom - top - 2 * _GAP)
        self.axis.add_patch(Rectangle((left + _GAP, top + _GAP), *size, color=colour, alpha=opacity, lw=0))
        self._text(left + _GAP + 0.11, (top + bottom) / 2, SIGNS[verdict], _LARGE, ha="center", color=ink)
        return ink

    def _draw_legend(self, items: list[tuple[Recovery, float]], top: float) -> None:
        for verdict, left in items:
            self._draw_sign(verdict, left, left + 0.3, top, top + 0.24)
            self._text(left + 0.36, top + 0.12, MEANINGS[verdict], _SMALL)

    def _text(self, x: float, y: float, text: str, size: float, *, parse_math: bool = False, **options) -> None:
        options = {"va": "center", **options}
        self.axis.text(x, y, text, fontsize=size, parse_math=parse_math, **options)


def _item(verdict: Recovery) -> float:
    """Width of a verdict in the legend, inches."""
    return 0.36 + _width(MEANINGS[verdict], _SMALL)


@functools.lru_cache(1000)
def _width(text: str, size: float, weight: str = "normal") -> float:
    """Width of a line of text, inches."""
    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text.replace("$", "S"), prop=FontProperties(weight=weight, size=size))
    return path.get_extents().width / 72


def _head(name: str) -> str:
    """Name of a quantity, in lines that fit into its column."""
    return "\n".join(textwrap.wrap(QUANTITIES[name].label, _HEAD_COLUMNS))


def _labels(table: ComparisonTable, scenario: str, sources: str, rows: range) -> list[list[_Line]]:
    """Lines of the label of each row of a group; the first row names what was measured."""
    found: list[list[_Line]] = []
    for row in rows:
        label: list[_Line] = []
        if row == rows.start:
            label += [(line, _LARGE, "bold") for line in textwrap.wrap(sources, _LABEL_COLUMNS - 4)]
            label += [(line, _SMALL, "normal") for line in textwrap.wrap(scenario, _LABEL_COLUMNS)]
        if row > rows.start or table.conditions[row] != "no noise":
            label += [(line, _SMALL, "normal") for line in wrapped(table.conditions[row], _LABEL_COLUMNS)]
        found.append(label)
    return found

"""Table and text of several runs side by side: what was possible, and what their networks have reached."""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from gait.diagnostics.comparison import Cell, ComparedRun, ComparisonTable
from gait.diagnostics.verdicts import Recovery
from gait.identifiability.wording import listed
from gait.parameters import QUANTITIES
from gait.scripting import COLUMNS, listing

FIGURE = "comparison.png"
"""File of the figure, beside the report."""
SIGNS = {
    Recovery.RECOVERED: "✓",
    Recovery.AT_CEILING: "=",
    Recovery.BELOW_CEILING: "▼",
    Recovery.ABOVE_CEILING: "▲",
    Recovery.UNDETERMINED: "?",
}
"""Sign of each verdict, for readers without colours."""
MEANINGS = {
    Recovery.RECOVERED: "recovered",
    Recovery.AT_CEILING: "all that the data hold",
    Recovery.BELOW_CEILING: "less than the data hold",
    Recovery.ABOVE_CEILING: "more than the data hold: suspect a leak",
    Recovery.UNDETERMINED: "undecided: more records or walkers would tell",
}
"""Meaning of each sign, in a few words."""
_MOST_DECIMALS = 4
_BOUND = "≤ is a local bound in noise: no estimator does better, and the best possible one may do far worse."


# Words ---------------------------------------------------------------------------------------


def cell_text(cell: Cell, *, with_error: bool = False) -> str:
    """A cell as "possible → reached", such as "0.50 → 0.49", with more digits near 1.

    Args:
        cell: what to write.
        with_error: whether the standard error of what is possible is written, too.
    """
    decimals = [_decimals(cell.possible), _decimals(cell.reached)]
    possible, reached = _r2(cell.possible, decimals[0]), _r2(cell.reached, decimals[1])
    fewest = min(decimals)
    alike = round(cell.possible, fewest) == round(cell.reached, fewest)
    if alike and cell.verdict in (Recovery.BELOW_CEILING, Recovery.ABOVE_CEILING):
        possible, reached = _r2(cell.possible, _MOST_DECIMALS), _r2(cell.reached, _MOST_DECIMALS)
    if with_error and cell.error:
        shown = min(max(decimals[0], -math.floor(math.log10(cell.error))), _MOST_DECIMALS)
        possible = f"{_r2(cell.possible, shown)} ± {cell.error:.1g}"
    if cell.interval:
        possible = f"{max(cell.interval[0], 0.0):.2f} to {min(cell.interval[1], 1.0):.2f}"
    return f"{'≤' if cell.is_bound else ''}{possible} → {reached}"


def _decimals(r2: float) -> int:
    """Decimals that show one digit of 1 - R², at least two."""
    missing = 1.0 - r2
    return 2 if not missing > 0.0 else min(max(math.ceil(-math.log10(missing)), 2), _MOST_DECIMALS)


def _r2(value: float, decimals: int) -> str:
    if math.isnan(value):
        return "–"
    if abs(value - 1.0) < 1e-12 or value == 0.0:
        return f"{value:.0f}"
    return "< −9" if value < -9.0 else f"{value:.{decimals}f}".replace("-", "−")


def wrapped(text: str, columns: int) -> list[str]:
    """Lines of a text; none ends between a number and its unit.

    Args:
        text: with at least one character.
        columns: characters in a line, at most.
    """
    kept = re.sub(r"(?<=\d) (?=\S)", "\N{NO-BREAK SPACE}", text)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in textwrap.wrap(kept, columns)]


def verdicts_of(table: ComparisonTable) -> dict[Recovery, int]:
    """Verdicts that occur, with the number of cells of each.

    Args:
        table: results of the runs.
    """
    counts = Counter(cell.verdict for run in table.runs for cell in run.cells.values())
    return {verdict: counts[verdict] for verdict in Recovery if counts[verdict]}


def _legend(table: ComparisonTable) -> str:
    return "; ".join(f"{SIGNS[verdict]} {MEANINGS[verdict]} ({n})" for verdict, n in verdicts_of(table).items())


def comparison_sentences(table: ComparisonTable) -> list[str]:
    """Says which measurements make which quantity known, and where a network falls short.

    Args:
        table: results of the runs.
    """
    found = [sentence for name in table.columns for sentence in _knowledge(table, name)]
    for verdict, words in (
        (Recovery.BELOW_CEILING, "These networks fall short. Longer training or more records could help"),
        (Recovery.ABOVE_CEILING, "These networks exceed what is possible on new records, so they have seen the test "
                                 "records in training"),
        (Recovery.UNDETERMINED, "Evaluate on more records, or train longer, to decide"),
    ):  # fmt: skip
        if places := [place for run in table.runs if (place := _of_verdict(table, run, verdict))]:
            found.append(f"{words}: {'; '.join(places)}.")
    if any(cell.is_bound for run in table.runs for cell in run.cells.values()):
        found.append(_BOUND)
    if (datasets := len({run.dataset for run in table.runs})) > 1:
        found.append(
            f"The runs rest on {datasets} datasets. Where these differ in their walkers, so does what is possible."
        )
    return found


def _of_verdict(table: ComparisonTable, run: ComparedRun, verdict: Recovery) -> str:
    """Names the cells of a run that have a verdict: "k (1 → 0.98) from fx, fy"; empty without one."""
    cells = [
        f"{QUANTITIES[name].symbol} ({cell_text(run.cells[name])})"
        for name in table.columns
        if name in run.cells and run.cells[name].verdict == verdict
    ]
    return f"{listed(cells)} from {run.place}" if cells else ""


def _knowledge(table: ComparisonTable, name: str) -> list[str]:
    """Measurements that make a quantity known, and those that do not; empty where there are only bounds."""
    subject = f"{QUANTITIES[name].heading} ({QUANTITIES[name].symbol})"
    told = [(run, run.cells[name]) for run in table.runs if name in run.cells]
    if len(told) > 1 and all(cell.can_be_known for _, cell in told):
        return [f"{subject} can be known in every run that estimates it."]
    clean = {(run.sources, run.recording): cell.can_be_known for run, cell in told if not run.levels}
    known: dict[str, None] = {}
    unknown: dict[str, list[float]] = {}
    for run, cell in told:
        # Noise is worth a word only where it changes the answer.
        if run.levels and clean.get((run.sources, run.recording)) == cell.can_be_known:
            continue
        if cell.can_be_known:
            known[run.place] = None
        elif cell.can_be_known is False:
            unknown.setdefault(run.place, []).append(min(cell.interval[1], 1.0) if cell.interval else cell.possible)
    found = [f"{subject} can be known from {_alternatives(known)}."] if known else []
    if unknown:
        limits = {place: _span(values) for place, values in unknown.items()}
        alike = len(set(limits.values())) == 1
        places = _alternatives(limits if alike else (f"{place} (R² {limit})" for place, limit in limits.items()))
        end = f": R² is {limits.popitem()[1]}." if alike else "."
        found.append(f"{'It' if known else subject} cannot be known from {places}{end}")
    return [" ".join(found)] if found else []


def _span(values: Sequence[float]) -> str:
    """Limits of R² in words; those of different walkers differ."""
    ends = dict.fromkeys(_r2(value, _decimals(value)) for value in (min(values), max(values)))
    return f"at most {' to '.join(ends)}"


def _alternatives(places: Iterable[str]) -> str:
    """Places as in a sentence; they hold commas of their own."""
    *first, last = places
    return f"{'; '.join(first)}; or {last}" if first else last


# Text ----------------------------------------------------------------------------------------


def comparison_table(table: ComparisonTable, notes: Sequence[str] = ()) -> str:
    """The table and its sentences for a terminal of 100 columns; columns that do not fit follow below the others.

    Args:
        table: results of the runs.
        notes: more sentences, such as on runs that are left out.
    """
    texts = [
        [f"{cell_text(run.cells[name])} {SIGNS[run.cells[name].verdict]}" if name in run.cells else ""
         for name in table.columns] for run in table.runs
    ]  # fmt: skip
    labels = [wrapped(words, 34) for words in table.conditions]
    width = max(len(line) for lines in labels for line in lines) + 4
    heads = [QUANTITIES[name].symbol for name in table.columns]
    widths = [max(len(head), *(len(row[i]) for row in texts)) + 2 for i, head in enumerate(heads)]
    parts: list[list[int]] = [[]]
    for i in range(len(heads)):
        if parts[-1] and width + sum(widths[j] for j in [*parts[-1], i]) > COLUMNS:
            parts.append([])
        parts[-1].append(i)
    lines = ["Highest possible R² → R² that the network reached:"]
    for part in parts:
        lines.append((" " * width + "".join(f"{heads[i]:>{widths[i]}}" for i in part)).rstrip())
        for scenario, sources, rows in table.groups():
            if not any(texts[row][i] for row in rows for i in part):
                continue
            lines += textwrap.wrap(f"{scenario}: {sources}", COLUMNS, subsequent_indent="  ")
            for row in rows:
                first, *others = (f"  {line}" for line in labels[row])
                cells = "".join(f"{texts[row][i]:>{widths[i]}}" for i in part)
                lines += [f"{first:<{width}}{cells}".rstrip(), *others]
    below = [f"Signs: {_legend(table)}.", *comparison_sentences(table), *notes]
    return "\n".join([*lines, listing(below)])


def comparison_report(table: ComparisonTable, notes: Sequence[str] = ()) -> str:
    """Table, sentences and figure as Markdown.

    Args:
        table: results of the runs.
        notes: more sentences, such as on runs that are left out.
    """
    heads = [f"{QUANTITIES[name].symbol} ({QUANTITIES[name].label})" for name in table.columns]
    rows = [["measured", "noise", "scenario", "run", *heads], ["---"] * (4 + len(heads))]
    for run, name in zip(table.runs, table.names, strict=True):
        conditions = ", ".join(filter(None, (run.noise, run.recording)))
        rows.append([*map(escaped, (run.sources, conditions, run.scenario.name, name)), *_cells(table, run)])
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    sentences = "\n".join(f"- {escaped(sentence)}" for sentence in (*comparison_sentences(table), *notes))
    return f"""# What can be known, and what was learned

Each cell holds the highest possible R² → R² that the network has reached on walkers it had never seen.
Signs, with the number of cells that have them: {_legend(table)}.

{lines}

{sentences}

![What can be known, and what was learned]({FIGURE})
"""


def _cells(table: ComparisonTable, run: ComparedRun) -> list[str]:
    cells = [run.cells.get(name) for name in table.columns]
    return ["" if cell is None else f"{cell_text(cell, with_error=True)} {SIGNS[cell.verdict]}" for cell in cells]


def escaped(text: str) -> str:
    """A text that Markdown shows as it is, also in a table, whatever it holds.

    Args:
        text: without control characters.
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", text)

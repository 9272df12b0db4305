"""Figure and text of a comparison: they show what they are given, fit, and can be read without colours."""

import dataclasses
import re

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

import gait
from gait.diagnostics.comparison import Cell, ComparedRun, ComparisonTable
from gait.diagnostics.verdicts import Recovery
from gait.report import comparison
from gait.report.comparison_text import (
    MEANINGS,
    SIGNS,
    cell_text,
    comparison_report,
    comparison_sentences,
    comparison_table,
)
from gait.scenarios import SCENARIOS
from tests.helpers.runs import FORCE, HIDDEN, KNOWN, NOISY_XY, XY, entry


def row(scenario=XY, content=HIDDEN, name="run", dataset="d"):
    noisy = bool(scenario.noise)
    cells = {quantity: Cell.from_dict(numbers, noisy=noisy) for quantity, numbers in content.items()}
    return ComparedRun(name, f"runs/{name}", scenario, 150, dataset, cells, content)


def one_of_each(verdicts=Recovery):
    """A table with a row for each verdict."""
    return ComparisonTable(
        row(content={"mass": entry(0.5, 0.4, str(verdict))}, name=f"run {i}") for i, verdict in enumerate(verdicts)
    )


NOISY_HIDDEN = {name: numbers | {"ceiling_r2_error": 0.004} for name, numbers in HIDDEN.items()}
TABLE = ComparisonTable(
    [row(), row(NOISY_XY, NOISY_HIDDEN, "noisy"), row(FORCE, KNOWN, "force"),
     row(SCENARIOS["weighed"], {"stiffness": entry(1.0, 0.9996), "rest_length": entry(1.0, 0.9999)}, "weighed")]
)  # fmt: skip
WIDE = {name: entry(0.9999, 0.9998) for name in gait.parameters.QUANTITIES}
LARGE = ComparisonTable(
    row(dataclasses.replace(scenario, noise=noise), WIDE, f"run_{i}")
    for scenario in SCENARIOS.values()
    for i, noise in enumerate((None, dict.fromkeys(scenario.sources, 0.0123)))
)
"""All quantities, in cells of the largest width."""


# Cells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("possible", "reached", "text"),
    [
        (0.5005, 0.4948, "0.50 → 0.49"),
        (1.0, 0.9999, "1 → 0.9999"),
        (1.0, 0.99998, "1 → 1.0000"),
        (0.9999, 0.9998, "0.9999 → 0.9998"),
        (0.9975, 0.984, "0.998 → 0.98"),
        (0.93, 0.61, "0.93 → 0.61"),
        (1.0, 0.0, "1 → 0"),
        (1.0, -0.123, "1 → −0.12"),
        (1.0, -1e9, "1 → < −9"),
        (0.0, np.nan, "0 → –"),
        (-0.01, 0.3, "−0.01 → 0.30"),
        (1.0, 1.0, "1 → 1"),
    ],
)
def test_digits_of_a_cell(possible, reached, text):
    assert cell_text(Cell(possible, reached, Recovery.UNDETERMINED)) == text


def test_what_falls_short_looks_different():
    short = Cell(0.9902, 0.9898, Recovery.BELOW_CEILING)
    assert cell_text(short) == "0.9902 → 0.9898"
    assert cell_text(dataclasses.replace(short, verdict=Recovery.RECOVERED)) == "0.990 → 0.99"


def test_errors_and_bounds_in_a_cell():
    cell = Cell(0.48, 0.47, Recovery.AT_CEILING, error=0.004)
    assert cell_text(cell) == "0.48 → 0.47"
    assert cell_text(cell, with_error=True) == "0.480 ± 0.004 → 0.47"
    assert cell_text(dataclasses.replace(cell, error=None, is_bound=True), with_error=True) == "≤0.48 → 0.47"


def test_every_verdict_has_its_own_sign_and_words():
    for words in (SIGNS, MEANINGS):
        assert set(words) == set(Recovery)
        assert len(set(words.values())) == len(words)


# Sentences -----------------------------------------------------------------------------------


def test_sentences_name_the_measurements_that_make_a_quantity_known():
    assert comparison_sentences(TABLE) == [
        "Body mass (m) can be known from fx, fy. It cannot be known from x, y: R² is at most 0.50.",
        "Leg stiffness (k) can be known from fx, fy; or x, y + mass. It cannot be known from x, y: R² is at most 0.50.",
        "Leg rest length (l0) can be known in every run that estimates it.",
        "Stiffness to mass (k/m) can be known in every run that estimates it.",
        "These networks fall short. Longer training or more records could help: k (1 → 0.98) from fx, fy.",
    ]


def test_noise_is_told_where_it_changes_the_answer():
    """Of l0 it does, of m it does not; without a run free of noise it is always told."""
    lost = {
        "mass": entry(0.31, 0.3, str(Recovery.AT_CEILING)),
        "rest_length": entry(0.9, 0.9, str(Recovery.AT_CEILING)),
    }
    mass, rest_length, *_ = comparison_sentences(ComparisonTable([row(content={
        name: HIDDEN[name] for name in lost}), row(NOISY_XY, lost, "noisy")]))  # fmt: skip
    assert mass == "Body mass (m) cannot be known from x, y: R² is at most 0.50."
    assert rest_length == (
        "Leg rest length (l0) can be known from x, y. "
        "It cannot be known from x, y with noise of 0.005 m in x and y: R² is at most 0.90."
    )
    mass, *_ = comparison_sentences(ComparisonTable([row(NOISY_XY, lost)]))
    assert mass == "Body mass (m) cannot be known from x, y with noise of 0.005 m in x and y: R² is at most 0.31."


def test_different_limits_are_told_apart():
    at = str(Recovery.AT_CEILING)
    others = {"mass": entry(0.58, 0.58, at)}
    table = ComparisonTable(
        [row(), row(content=others, name="others", dataset="e"), row(FORCE, {"mass": entry(0.7, 0.7, at)})]
    )
    mass, *_, datasets = comparison_sentences(table)
    assert mass == "Body mass (m) cannot be known from x, y (R² at most 0.50 to 0.58); or fx, fy (R² at most 0.70)."
    assert datasets.startswith("The runs rest on 2 datasets.")


def test_a_bound_that_leaves_it_open_is_no_answer():
    table = ComparisonTable([row(NOISY_XY, {"mass": entry(0.995, 0.5, str(Recovery.BELOW_CEILING))})])
    sentences = comparison_sentences(table)
    assert [text for text in sentences if "known" in text] == []
    assert sentences[-1].startswith("≤ is a local bound in noise")


@pytest.mark.parametrize("verdict", Recovery)
def test_advice_follows_the_verdict(verdict):
    said = " ".join(comparison_sentences(one_of_each([verdict])))
    assert ("fall short" in said) == (verdict == Recovery.BELOW_CEILING)
    assert ("seen the test records" in said) == (verdict == Recovery.ABOVE_CEILING)
    assert ("to decide" in said) == (verdict == Recovery.UNDETERMINED)


# Text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [TABLE, LARGE, one_of_each()], ids=["small", "large", "verdicts"])
def test_the_terminal_shows_every_cell_within_its_width(table):
    text = comparison_table(table, ["A note of many words. " * 20])
    assert max(map(len, text.splitlines())) <= 100
    cells = re.findall(rf"→ \S+ [{''.join(SIGNS.values())}](?=\s)", text.split("- Signs:")[0])
    assert len(cells) == sum(len(run.cells) for run in table.runs)
    assert "A note of many words." in text


def test_the_terminal_shows_a_cell_in_its_row_and_column():
    head, *lines = comparison_table(TABLE).splitlines()[1:]
    (line,) = [line for line in lines if "0.98 ▼" in line]
    assert lines[lines.index(line) - 1] == "force_plate: fx, fy"
    assert head.index(" k ") + 2 == line.index(" ▼") + 2  # right aligned


def test_markdown_has_a_column_for_each_quantity():
    text = comparison_report(TABLE, ["runs/b is not evaluated."])
    head, rule, *rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [cell.strip().split(" ")[0] for cell in head.split("|")[5:-1]] == ["m", "k", "l0", "k/m"]
    assert set(rule) == set("| -")
    assert {line.count("|") for line in (head, rule, *rows)} == {9}
    assert rows[1] == (
        r"| x, y | 0.005 m in x and y | three\_parameter | noisy | 0.500 ± 0.004 → 0.50 = | 0.500 ± 0.004 → 0.49 = "
        "| 1 ± 0.004 → 0.9999 ✓ | 1 ± 0.004 → 0.9996 ✓ |"
    )
    assert rows[2].endswith("| 1 → 0.997 ✓ | 1 → 0.98 ▼ | 1 → 0.9991 ✓ |  |")
    assert "- runs/b is not evaluated." in text
    assert "✓ recovered (8); = all that the data hold (4); ▼ less than the data hold (1)" in text


# Figure --------------------------------------------------------------------------------------


def drawn(table):
    """Texts of the figure with their boxes, and boxes of the cells, all in pixels."""
    figure = gait.plot_comparison(table)
    renderer = FigureCanvasAgg(figure).get_renderer()
    (axis,) = figure.axes
    texts = [(text.get_text(), text.get_window_extent(renderer)) for text in axis.texts]
    cells = [patch.get_window_extent(renderer) for patch in axis.patches if isinstance(patch, Rectangle)]
    return figure, texts, cells


def holds(outer, inner):
    return outer.x0 <= inner.x0 and inner.x1 <= outer.x1 and outer.y0 <= inner.y0 and inner.y1 <= outer.y1


def faults(table):
    """Texts that overlap or leave the figure, and values that leave their cell."""
    figure, texts, cells = drawn(table)
    found = [text for text, box in texts if not holds(figure.bbox, box)]
    for i, (text, box) in enumerate(texts):
        found += [f"{text} over {other}" for other, second in texts[:i] if box.overlaps(second)]
        if "→" in text and text != comparison._TITLE and not any(holds(cell, box) for cell in cells):
            found.append(f"{text} leaves its cell")
    return found


@pytest.mark.parametrize("table", [TABLE, LARGE, one_of_each()], ids=["small", "large", "verdicts"])
def test_texts_of_the_figure_fit(table):
    assert faults(table) == []


def test_texts_that_do_not_fit_are_noticed(monkeypatch):
    """Negative control of the test above."""
    width = comparison._width
    monkeypatch.setattr(comparison, "_width", lambda *text: 0.6 * width(*text))
    found = faults(TABLE)
    assert any("leaves its cell" in fault for fault in found)
    assert any(" over " in fault for fault in found)


def test_the_figure_shows_the_cells_that_it_is_given():
    _, texts, cells = drawn(TABLE)
    shown = [text for text, _ in texts]
    for run in TABLE.runs:
        for cell in run.cells.values():
            assert cell_text(cell) in shown
    assert shown.count("0.50 → 0.49") == 2  # with and without noise
    assert len(cells) == sum(len(run.cells) for run in TABLE.runs) + 3  # in the legend
    for text in ("x, y", "fx, fy", "x, y + mass", "three_parameter", "noise 0.005 m in x and y", "$m$", "body mass"):
        assert text in shown


def test_a_cell_stands_in_its_row_and_column():
    _, texts, _ = drawn(TABLE)
    places = {text: (box.x0 + box.x1, box.y0 + box.y1) for text, box in texts}
    x, y = places["1 → 0.98"]
    assert np.argmin([abs(x - places[head][0]) for head in ("$m$", "$k$", r"$\ell_{0}$", "$k/m$")]) == 1
    assert np.argmin([abs(y - places[name][1]) for name in ("x, y", "fx, fy", "x, y + mass")]) == 1


@pytest.mark.parametrize("left_out", Recovery)
def test_the_legend_names_the_verdicts_that_occur(left_out):
    _, texts, _ = drawn(one_of_each([verdict for verdict in Recovery if verdict != left_out]))
    assert {text for text, _ in texts} & set(MEANINGS.values()) == set(MEANINGS.values()) - {MEANINGS[left_out]}


def luminance(verdict):
    """Relative luminance of a cell's ground and of its text on paper."""
    colour, opacity, ink = comparison._FILLS[verdict]

    def of(rgb):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    ground = opacity * np.array(matplotlib.colors.to_rgb(colour)) + 1.0 - opacity
    return of(ground), of(matplotlib.colors.to_rgb(ink))


def test_colours_can_be_told_apart_in_grey_and_read():
    grounds = {verdict: luminance(verdict)[0] for verdict in Recovery}
    known, lost, short = (grounds[v] for v in (Recovery.RECOVERED, Recovery.AT_CEILING, Recovery.BELOW_CEILING))
    assert lost - known > 0.3
    assert lost - short > 0.15
    assert short - known > 0.05
    for verdict in Recovery:
        dark, bright = sorted(luminance(verdict))
        assert (bright + 0.05) / (dark + 0.05) > 3.0, verdict


def test_names_of_runs_may_hold_anything():
    """A dollar sign begins a formula in matplotlib; a name is none."""
    name = r"$\frac{1}$ $x_"
    table = ComparisonTable(row(content={"mass": HIDDEN["mass"]}, name=each) for each in (name, "b", "c" * 200))
    _, texts, _ = drawn(table)
    assert any(name.split()[0] in text for text, _ in texts)
    assert faults(table) == []


def test_a_ceiling_of_walkers_that_could_not_be_done_is_a_range():
    """A network may well do better than the range's lower end: that is no ceiling."""
    entry = {
        "r2": 0.997, "ceiling_r2": 0.99999, "ceiling_r2_error": 2e-6, "ceiling_interval": [0.9583, 1.000001],
        "verdict": str(Recovery.UNDETERMINED),
    }  # fmt: skip
    cell = Cell.from_dict(entry, noisy=True)
    assert cell_text(cell) == cell_text(cell, with_error=True) == "0.96 to 1.00 → 0.997"
    assert cell.can_be_known is None
    assert dataclasses.replace(cell, verdict=Recovery.RECOVERED).can_be_known
    sure = Cell.from_dict(entry | {"ceiling_interval": [0.99998, 1.0]}, noisy=True)
    assert cell_text(sure) == "1.0000 → 0.997"
    assert sure.can_be_known
    low = Cell.from_dict(entry | {"ceiling_interval": [0.3, 0.7], "ceiling_r2": 0.5}, noisy=True)
    assert low.can_be_known is False

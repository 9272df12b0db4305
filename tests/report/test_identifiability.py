"""Figures and report of the identifiability analysis: they show the numbers they are given, and write nothing."""

import dataclasses
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import gait
from gait.limits.analysis import analyse_scenario
from gait.limits.design import design_recording
from gait.parameters import PAPER_PRIORS, QUANTITIES, Uniform
from gait.report.design import plot_design
from gait.report.identifiability import identifiability_report, plot_identifiability
from gait.report.style import BEST, NETWORK, mathematical, symbol
from gait.scenarios import SCENARIOS
from gait.simulation.conditions import RecordingSettings

NOISE = {"x": 0.005, "y": 0.01}


@pytest.fixture(scope="module")
def positions():
    scenario = dataclasses.replace(SCENARIOS["three_parameter"], noise=NOISE)
    return analyse_scenario(scenario, PAPER_PRIORS, RecordingSettings(), walkers=0)


@pytest.fixture(scope="module")
def forces():
    return analyse_scenario(SCENARIOS["force_plate"], PAPER_PRIORS, RecordingSettings())


@pytest.fixture(scope="module")
def design(positions):
    return design_recording(positions.model, NOISE, points=6)


def boxes_of_texts(figure):
    """Bounding boxes of a figure's texts, numbers along axes excepted, after asserting that they lie within it."""
    FigureCanvasAgg(figure).draw()
    numbers = [label for axis in figure.axes for which in ("major", "minor")
               for label in (*axis.get_xticklabels(which=which), *axis.get_yticklabels(which=which))
               if not re.search("[a-z]{4}", label.get_text().replace("mathdefault", ""))]  # fmt: skip
    boxes = []
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text() and text not in numbers:
            box = text.get_window_extent()
            assert box.x0 >= -1, text.get_text()
            assert box.y0 >= -1, text.get_text()
            assert box.x1 <= figure.bbox.x1 + 1, text.get_text()
            assert box.y1 <= figure.bbox.y1 + 1, text.get_text()
            boxes.append((text.get_text(), box))
    return boxes


def test_the_figure_shows_ceilings_spectrum_and_twins(positions):
    figure = gait.plot_identifiability(positions)
    assert isinstance(figure, Figure)
    ceilings, spectrum, path, force = figure.axes
    widths = [bar.get_width() for bar in ceilings.patches]
    np.testing.assert_allclose(widths, [ceiling.r2 for ceiling in positions.ceilings.values()])
    assert [to_hex(bar.get_facecolor()) for bar in ceilings.patches] == [BEST, BEST, NETWORK, NETWORK]
    assert len(spectrum.patches) == 7
    assert "1 of 7 directions leaves no trace" in spectrum.get_title()
    for row in (0, 1):
        np.testing.assert_array_equal(path.lines[row].get_ydata(), positions.twins.y[row])
        np.testing.assert_array_equal(force.lines[row].get_ydata(), positions.twins.fy[row])
    assert force.get_title() == "A force plate tells them apart"
    assert (
        figure.get_suptitle()
        == r"From $x$ and $y$ in this noise: $k/m$ and $\ell_{0}$ can be known, $m$ and $k$ cannot"
    )


def test_without_twins_there_are_two_panels(forces):
    figure = plot_identifiability(forces)
    assert len(figure.axes) == 2
    assert "every direction leaves a trace" in figure.axes[1].get_title()
    assert figure.get_suptitle().endswith(r"$m$, $k$ and $\ell_{0}$ can be known")


def test_the_design_has_a_label_on_every_axis_and_no_title_twice(design):
    figure = gait.plot_design(design)
    assert len(figure.axes) == 3
    for axis in figure.axes:
        assert re.search(r"\[(m|s|1)\]", axis.get_xlabel()), axis.get_xlabel()
    assert figure.axes[0].get_ylabel() == "Highest possible R² [1]"  # shared by all
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert len(titles) == len(set(titles)) == 3
    assert "0.005 m in x and 0.01 m in y" in figure.get_suptitle()
    assert figure.axes[0].get_xlabel() == "Noise in x [m], others in proportion"


def test_the_design_shows_its_numbers(design):
    figure = plot_design(design)
    curve = design.quantities["stiffness_to_mass"].curves["duration"]
    drawn = figure.axes[1].lines[0].get_xydata().T
    np.testing.assert_allclose(drawn, [curve.values, curve.r2])


@pytest.mark.parametrize("kind", ["positions", "forces", "design", "unequal legs"])
def test_texts_lie_within_the_figure_and_do_not_overlap(kind, positions, forces, design):
    if kind == "design":
        figure = plot_design(design)
    elif kind == "unequal legs":
        priors = PAPER_PRIORS | {"stiffness_right": Uniform(8000.0, 10000.0)}
        figure = plot_identifiability(analyse_scenario(SCENARIOS["three_parameter"], priors, RecordingSettings()))
    else:
        figure = plot_identifiability({"positions": positions, "forces": forces}[kind])
    boxes = boxes_of_texts(figure)
    assert len(boxes) > 10
    for i, (text, box) in enumerate(boxes):
        for other, its_box in boxes[i + 1 :]:
            width = min(box.x1, its_box.x1) - max(box.x0, its_box.x0)
            height = min(box.y1, its_box.y1) - max(box.y0, its_box.y0)
            assert width < 2 or height < 2, (text, other)


def test_drawing_leaves_no_figure_and_no_style_behind(positions):
    before = dict(plt.rcParams)
    plot_identifiability(positions)
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


def test_the_report_contains_the_findings(positions, design, forces):
    text = identifiability_report(positions, design)
    assert text.startswith("# three_parameter: what can be known, before training")
    for sentence in (*positions.measurements(), *positions.details(), *design.sentences()):
        assert f"- {sentence}" in text
    assert "![Design of the recording](design.png)" in text
    assert f"| m | {positions.report.counterexample.theta[0]:.17g} |" in text
    without = identifiability_report(forces)
    assert "design.png" not in without
    assert "Two walkers" not in without
    assert "All 7 singular values count." in without


def users_report():
    """A model of a user's own with a combination, a second solution and names that are no formulas."""
    times = np.linspace(0.1, 3.0, 12)
    points = np.random.default_rng(0).uniform((0.5, 0.5, -1.0), (2.0, 2.0, 1.0), (8, 3))
    names = ["gain $", "dose_mg", "x(0)"]
    return gait.identifiability.analyse(lambda t: t[:, :1] * t[:, 1:2] * times + t[:, 2:] ** 2, points, names)


def test_a_users_own_model_has_a_figure():
    report = users_report()
    figure = gait.plot_parameters(report)
    assert isinstance(figure, Figure)
    verdicts, spectrum = figure.axes
    np.testing.assert_allclose([bar.get_width() for bar in verdicts.patches], list(report.uniqueness.values()))
    assert [text.get_text() for text in verdicts.texts] == ["only in combination"] * 2 + ["ambiguous"]
    assert "1 of 3 directions leaves no trace" in spectrum.get_title()
    assert all(axis.get_xlabel() and axis.get_ylabel() for axis in figure.axes)
    boxes = boxes_of_texts(figure)
    for i, (text, box) in enumerate(boxes):
        for other, its_box in boxes[i + 1 :]:
            width = min(box.x1, its_box.x1) - max(box.x0, its_box.x0)
            height = min(box.y1, its_box.y1) - max(box.y0, its_box.y0)
            assert width < 2 or height < 2, (text, other)
    assert plt.get_fignums() == []


def test_the_figure_of_many_parameters_can_be_read():
    points = np.random.default_rng(0).uniform(1.0, 2.0, (8, 40))
    report = gait.identifiability.analyse(lambda t: t**3, points, [f"p{i}" for i in range(40)], fits=0)
    figure = gait.plot_parameters(report)
    assert figure.get_size_inches()[1] > 12
    assert len(figure.axes[1].get_xticks()) < 20


def test_a_users_own_model_has_a_report():
    report = users_report()
    text = report.to_markdown("My model")
    assert text.startswith("# My model")
    for sentence in report.sentences():
        assert f"- {sentence}" in text
    assert "| x(0) | ambiguous |" in text
    assert "Known without noise: gain $*dose_mg and x(0)." in text
    assert "## A second solution within the prior" in text
    assert f"{report.rows:,} sets of parameters in {report.calls:,} calls" in text
    assert report.search.evidence() in text


def test_the_report_on_walkers_tells_of_the_search(positions):
    assert positions.report.search.fits > 0
    assert positions.report.search.evidence() in identifiability_report(positions)


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("m", "$m$"), ("l0", r"$\ell_{0}$"), ("l02", r"$\ell_{0,2}$"), ("vx0", "$v_{x0}$"), ("k2", "$k_{2}$"),
        ("k/m", "$k/m$"), ("k2/m", "$k_{2}/m$"), ("g/l0", r"$g/\ell_{0}$"),
    ],
)  # fmt: skip
def test_symbols_are_written_as_formulas(text, formula):
    assert mathematical(text) == formula


def test_every_symbol_can_be_drawn():
    figure = Figure()
    for name in QUANTITIES:
        figure.text(0.1, 0.1, symbol(name))
    assert len(boxes_of_texts(figure)) == len(QUANTITIES)

"""Figure and text of the calibration of the ratio posterior."""

import re

import numpy as np
import pytest

from gait.diagnostics.calibration import calibrate_ratio_posterior
from gait.inference.ratio import RatioPosterior
from gait.parameters import PAPER_PRIORS, Uniform, draw
from gait.report.calibration import calibration_report, plot_ratio_calibration

LEGS = {"mass": PAPER_PRIORS["mass"], "stiffness": PAPER_PRIORS["stiffness"]}
UNEQUAL = LEGS | {"stiffness_right": Uniform(8000.0, 10_000.0)}


def calibrated(priors, n=1000, scale=1.0, told=1.0, names=("mass", "stiffness")):
    """Calibration of estimated ratios with an error of `scale` that is told to be `told` times as large."""
    generator = np.random.default_rng(3)
    truth = dict(zip(priors, draw(tuple(priors), priors, n, generator).T, strict=True))
    legs = [name for name in priors if name != "mass"]
    ratio = np.stack([truth[name] / truth["mass"] for name in legs], axis=1)
    errors = told * scale * generator.standard_t(5, ratio.shape)
    estimated = ratio + scale * generator.standard_t(5, ratio.shape)
    estimates = {name: truth[name] for name in names}
    return calibrate_ratio_posterior(RatioPosterior.of(priors), truth, estimates, estimated, errors, generator)


@pytest.fixture(scope="module")
def calibration():
    return calibrated(LEGS)


def test_coverage_is_drawn_as_it_was_counted(calibration):
    _, axis = plot_ratio_calibration(calibration, LEGS).axes
    drawn = {line.get_label().split(",")[0]: line for line in axis.lines}
    mass = calibration.calibrations["mass"]
    for label, rows in {
        "posterior": mass.posterior,
        "intervals × 0.5 (must fail)": mass.halved,
        "intervals × 2 (must fail)": mass.doubled,
        "prior instead": mass.prior,
    }.items():
        np.testing.assert_allclose(drawn[label].get_xdata(), [100 * row.covered for row in rows])
        np.testing.assert_array_equal(np.round(drawn[label].get_ydata()), [0, 1, 2])  # each in the row of its interval
    (claimed,) = axis.collections
    assert [path.vertices[0, 0] for path in claimed.get_paths()] == [50, 80, 95]
    assert axis.get_title() == "The posterior is calibrated:\nintervals hold as many walkers as claimed"


def test_a_posterior_that_is_not_calibrated_is_called_so():
    """Control: the error of the ratio is ten times as large as it was fitted, on priors that leave the mass free."""
    wide = {"mass": Uniform(20.0, 200.0), "stiffness": Uniform(9000.0, 9100.0)}
    found = calibrated(wide, scale=3.0, told=0.1)
    assert not found.holds
    assert "is not calibrated" in plot_ratio_calibration(found, wide).axes[1].get_title()
    assert "Do not rely on" in calibration_report(found)


@pytest.mark.parametrize("priors", [LEGS, UNEQUAL])
def test_three_walkers_and_their_draws(priors):
    found = calibrated(priors, names=tuple(priors))
    axis, _ = plot_ratio_calibration(found, priors).axes
    lines = [line for line in axis.lines if len(line.get_xdata())]
    for example, cloud, star, cross in zip(found.examples, lines[::3], lines[1::3], lines[2::3], strict=True):
        np.testing.assert_array_equal(cloud.get_xdata(), example.draws[0])
        np.testing.assert_array_equal(cloud.get_ydata(), example.draws[1])
        assert (star.get_xdata()[0], star.get_ydata()[0]) == example.truth[:2]
        assert (cross.get_xdata()[0], cross.get_ydata()[0]) == example.estimate[:2]


def test_a_network_that_estimates_the_ratio_alone_has_no_crosses():
    found = calibrated(LEGS, names=())
    axis, _ = plot_ratio_calibration(found, LEGS).axes
    assert [text.get_text() for text in axis.get_legend().texts] == [
        "posterior given the network's $k/m$", "the walker"
    ]  # fmt: skip


def test_no_legend_or_label_lies_on_the_data(calibration):
    figure = plot_ratio_calibration(calibration, LEGS)
    figure.draw_without_rendering()
    for axis in figure.axes:
        legend = axis.get_legend().get_window_extent()
        assert not any(legend.overlaps(other.get_window_extent()) for other in figure.axes)
        for text in axis.texts:
            box = text.get_window_extent()
            marks = [axis.transData.transform(line.get_xydata()) for line in axis.lines if line.get_marker() != "None"]
            assert not any(box.contains(*point) for points in marks for point in points)


def test_report_has_every_interval_and_the_error(calibration):
    report = calibration_report(calibration)
    rows = [line for line in report.splitlines() if line.startswith(("| mass", "| stiffness"))]
    assert len(rows) == 2 * 4 * 3
    row = calibration.calibrations["mass"].posterior[0]
    assert f"| mass | posterior | 50 % | {100 * row.covered:.2f} % (" in rows[0]
    assert all(row.endswith("fails |") for row in rows if "× 0.5" in row)
    assert f"{calibration.error['stiffness'].degrees_of_freedom:.1f} degrees of freedom" in report
    assert calibration.sentence() in report
    assert re.findall(r"!\[.*\]\((.*)\)", report) == ["completion.png"]

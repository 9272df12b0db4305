"""Figure of the learning curves: curves, best possible values and the epoch whose weights are kept."""

import numpy as np
import pandas as pd
import pytest

from gait.limits.ceilings import Ceiling
from gait.report.learning_curves import plot_learning_curves

CEILINGS = {"mass": Ceiling(0.5005, 3.06, "Why."), "rest_length": Ceiling(1.0, 0.0, "Why not.")}


def history(best_epoch=7, epochs=20, lowest=0.26, lacking=0.6):
    """A made-up training whose validation loss is lowest after a given epoch; R² lacks so much at first."""
    epoch = np.arange(1, epochs + 1)
    columns = {"epoch": epoch, "loss": lowest + 0.5 / epoch, "val_loss": 0.3 + 0.01 * np.abs(epoch - best_epoch)}
    for name in CEILINGS:
        columns |= {f"r2_{name}": 1.0 - 0.8 * lacking / epoch, f"val_r2_{name}": 1.0 - lacking / epoch}
    return pd.DataFrame(columns)


def of_mass(table):
    """The same training, of a target that R² 0.5 is enough for."""
    return table.assign(r2_mass=0.5 * table["r2_mass"], val_r2_mass=0.5 * table["val_r2_mass"])


def test_every_panel_has_its_curves_its_limit_and_the_kept_epoch():
    table = of_mass(history())
    loss, mass, rest_length = plot_learning_curves(table, CEILINGS).axes
    for axis, column, limit in ((loss, "loss", 1.0 - np.mean([0.5005, 1.0])), (mass, "r2_mass", 0.5005)):
        training, validation, best, kept, dot = axis.lines
        np.testing.assert_array_equal(training.get_ydata(), table[column])
        np.testing.assert_array_equal(validation.get_ydata(), table[f"val_{column}"])
        assert best.get_ydata()[0] == pytest.approx(limit)
        assert list(kept.get_xdata()) == [7, 7]
        assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (7, table[f"val_{column}"][6])
    assert mass.get_title() == "Body mass $m$\nnot recoverable\nhighest possible R² 0.5005"
    assert rest_length.get_title() == "Leg rest length $\\ell_{0}$\nrecoverable\nhighest possible R² 1"


@pytest.mark.parametrize("ceiling", [1.0, 0.995, 0.97])
def test_r2_near_1_is_shown_by_what_is_lacking(ceiling):
    """Whether it could be recovered or not."""
    table = history()
    axis = plot_learning_curves(table, {"rest_length": Ceiling(ceiling, 0.0, "Why not.")}).axes[1]
    training, validation, *best, kept, dot = axis.lines
    np.testing.assert_allclose(training.get_ydata(), 1 - table["r2_rest_length"])
    np.testing.assert_allclose(validation.get_ydata(), 1 - table["val_r2_rest_length"])
    assert axis.get_yscale() == "log"
    assert axis.get_ylabel() == "1 − R² of $\\ell_{0}$ [1]\n(0.01 means R² = 0.99)"
    assert [line.get_ydata()[0] for line in best] == ([] if ceiling == 1.0 else [pytest.approx(1.0 - ceiling)])
    assert list(kept.get_xdata()) == [7, 7]
    assert dot.get_ydata()[0] == pytest.approx(1 - table["val_r2_rest_length"][6])


@pytest.mark.parametrize(("lacking", "scale"), [(0.99, "log"), (1.01, "linear")])
def test_r2_far_from_1_is_shown_as_it_is(lacking, scale):
    """The best of 20 epochs lacks a twentieth of what the first does."""
    axis = plot_learning_curves(history(lacking=lacking), {"rest_length": CEILINGS["rest_length"]}).axes[1]
    assert axis.get_yscale() == scale
    assert axis.get_ylabel().startswith("1 − R²") == (scale == "log")
    if scale == "linear":
        assert axis.get_ylabel() == "R² of $\\ell_{0}$ [1]"
        assert axis.get_ylim() == (0.0, 1.05)


def test_a_local_bound_is_called_one():
    ceilings = {"rest_length": Ceiling(0.9957, 0.004, "The noise.")}
    (local, exact) = (plot_learning_curves(history(), ceilings, local=local) for local in (True, False))
    words = [text.get_text() for text in local.legends[0].texts]
    assert "local bound" in words
    assert "best possible" not in words
    assert local.axes[1].get_title().endswith("at most 0.9957")
    assert "local" not in " ".join(text.get_text() for text in exact.legends[0].texts)
    assert exact.axes[1].get_title().endswith("highest possible R² 0.9957")


def test_a_loss_below_the_possible_is_called_memorising():
    assert "memorises" in plot_learning_curves(history(lowest=0.2), CEILINGS).axes[0].get_title()
    assert "memorises" not in plot_learning_curves(history(lowest=0.3), CEILINGS).axes[0].get_title()


def test_a_loss_without_floor_is_logarithmic():
    figure = plot_learning_curves(history(), {"rest_length": CEILINGS["rest_length"]})
    assert figure.axes[0].get_yscale() == "log"
    assert len(figure.axes[0].lines) == 4  # no line at zero


def test_the_legend_names_the_kept_epoch_and_lies_beside_the_data():
    figure = plot_learning_curves(history(best_epoch=13), CEILINGS)
    (legend,) = figure.legends
    words = [text.get_text() for text in legend.texts]
    assert words == ["training", "validation", "best possible", "kept weights, epoch 13"]
    figure.draw_without_rendering()
    assert not any(legend.get_window_extent().overlaps(axis.get_window_extent()) for axis in figure.axes)


def test_one_epoch_can_be_drawn():
    figure = plot_learning_curves(history(best_epoch=1, epochs=1), CEILINGS)
    assert figure.axes[0].get_xlim()[1] > 1


def test_a_network_that_has_learned_nothing_can_be_drawn():
    """R² far below the panel; its mark must not push the panel out of the figure."""
    figure = plot_learning_curves(history(lacking=500.0), {"rest_length": CEILINGS["rest_length"]})
    figure.draw_without_rendering()
    assert all(axis.get_window_extent().height > 100 for axis in figure.axes)

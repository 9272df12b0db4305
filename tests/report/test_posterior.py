"""Figures and text of a network's posteriors."""

import numpy as np
import pandas as pd
import pytest

from gait.diagnostics.posterior_scores import Contraction, Example, Mean, PosteriorScores, ranked_coverage
from gait.report.log_probability import plot_log_probability
from gait.report.posterior import plot_posterior_examples, plot_ranks, posterior_report

NAMES = ("mass", "stiffness_to_mass")


@pytest.fixture(scope="module")
def scores():
    generator = np.random.default_rng(0)
    prior = {"mass": generator.uniform(60.0, 75.0, 3000), "stiffness_to_mass": generator.uniform(110.0, 160.0, 3000)}
    truth = {name: column[:500] for name, column in prior.items()}
    draws = {
        "mass": generator.uniform(60.0, 75.0, (500, 199)),
        "stiffness_to_mass": truth["stiffness_to_mass"][:, None] + generator.standard_normal((500, 1))
        + generator.standard_normal((500, 199)),
    }  # fmt: skip
    example = Example(
        {name: float(truth[name][0]) for name in NAMES},
        {name: draws[name][0] for name in NAMES},
        {name: draws[name][1] for name in NAMES} | {"weights": np.full(199, 1 / 199)},
    )
    bare = Example(example.truth, example.network, None)
    return PosteriorScores(
        parameters=NAMES,
        log_p=Mean(-0.7, 0.01, 500),
        log_prior=-8.7,
        coverages={name: ranked_coverage(truth[name], draws[name], prior[name], generator) for name in NAMES},
        contractions={name: Contraction(0.4, 0.01, 0.5) for name in NAMES},
        refinement=None,
        examples=(example, bare, example),
        prior=prior,
    )


def test_three_walkers_are_drawn_as_corner_plots(scores):
    figure = plot_posterior_examples(scores)
    assert len(figure.subfigs) == 3
    for part in figure.subfigs:
        axes = part.axes
        assert len(axes) == 4
        cloud = axes[2]
        (star,) = [line for line in cloud.lines if line.get_marker() == "*"]
        assert star.get_xdata()[0] == scores.examples[0].truth["mass"]
    clouds = [[line for line in part.axes[2].lines if line.get_marker() == "."] for part in figure.subfigs]
    assert [len(lines) for lines in clouds] == [2, 1, 2]


def test_ranks_and_coverages_are_drawn_beside_controls(scores):
    figure = plot_ranks(scores)
    upper, lower = figure.axes[0], figure.axes[2]
    assert sum(bar.get_height() for bar in upper.containers[0]) == 500
    assert len(lower.lines) == 4
    points = {line.get_label(): line.get_ydata() for line in lower.lines}
    assert points["intervals × 0.5 (must fail)"][0] < -10.0
    assert points["network"][0] == pytest.approx(100 * (scores.coverages["mass"].posterior[0].covered - 0.5))


def test_learning_curves_show_prior_and_exact_posterior():
    history = pd.DataFrame({"epoch": [1, 2, 3], "log_p": [-5.0, -2.0, -1.0], "val_log_p": [-5.2, -2.1, -2.2]})
    axis = plot_log_probability(history, -8.7, (1.15, 0.08)).axes[0]
    labels = [line.get_label() for line in axis.lines]
    assert "kept weights, epoch 2" in labels
    assert "prior, -8.70" in labels
    assert "exact posterior, 1.15" in labels
    assert len(plot_log_probability(history).axes[0].lines) == 3


def test_the_report_holds_every_coverage(scores):
    text = posterior_report(scores)
    assert text.count("| must") == 0
    assert text.count("(must fail)") == 12
    assert "![Ranks and coverage](ranks.png)" in text
    assert "| mass | 0.40000 ± 0.01000 | 0.50000 | 0.800 |" in text

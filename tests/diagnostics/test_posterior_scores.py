"""Scores of posteriors against a case in closed form, and controls that must fail."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from gait.diagnostics.posterior_scores import (
    Contraction,
    Example,
    Mean,
    PosteriorScores,
    Refinement,
    is_near,
    ranked_coverage,
)

N, DRAWS = 8000, 199
NOISE = 0.5
SD = NOISE / math.sqrt(1.0 + NOISE**2)


@pytest.fixture(scope="module")
def normal():
    """Truths of a standard normal prior, and the means of their posteriors after a measurement with noise."""
    generator = np.random.default_rng(0)
    truth = generator.standard_normal(N)
    observed = truth + NOISE * generator.standard_normal(N)
    return truth, observed / (1.0 + NOISE**2)


def counted(normal, scale=1.0, shift=0.0):
    truth, mean = normal
    generator = np.random.default_rng(1)
    draws = mean[:, None] + shift + scale * SD * generator.standard_normal((N, DRAWS))
    return ranked_coverage(truth, draws, generator.standard_normal(20_000), generator)


def test_an_exact_posterior_holds_and_its_controls_fail(normal):
    found = counted(normal)
    assert found.holds
    assert found.worst < 0.015
    assert found.ranks_p > 0.001
    assert not all(map(is_near, found.halved))
    assert not all(map(is_near, found.doubled))
    assert sum(found.counts) == N
    assert stats.chisquare(found.counts).pvalue > 0.001
    # The prior holds as well, but is as wide for every walker.
    assert all(map(is_near, found.prior))
    assert found.posterior[0].sharpness < 0.6 * found.prior[0].sharpness


@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_a_posterior_too_narrow_or_too_wide_does_not_hold(normal, scale):
    assert not counted(normal, scale).holds


def test_ranks_tell_a_posterior_that_leans(normal):
    assert counted(normal, shift=0.1).ranks_p < 1e-6


def test_contraction_is_the_highest_possible_r2_for_an_exact_posterior(normal):
    truth, _ = normal
    possible = 1.0 - SD**2
    exact = Contraction.of(truth, np.full(N, SD**2), possible)
    assert exact.reached == pytest.approx(possible, abs=0.02)
    assert exact.score == pytest.approx(1.0, abs=0.02)
    assert Contraction.of(truth, np.full(N, np.var(truth)), possible).reached == pytest.approx(0.0)
    assert math.isnan(Contraction.of(truth, np.full(N, 1.0), 0.0).score)


def test_means_have_errors():
    values = np.random.default_rng(0).standard_normal(400)
    assert Mean.of(values).error == pytest.approx(0.05, rel=0.15)
    assert Mean.of(values, np.full(400, 2.0)).error == pytest.approx(math.hypot(0.05, 0.1), rel=0.1)
    assert math.isnan(Mean.of(np.empty(0)).value)
    assert str(Mean(1.0, 0.01, 9)) == "1.000 ± 0.010"


def scores_of(normal, refinement=None):
    truth, mean = normal
    prior = np.random.default_rng(2).standard_normal(2000)
    example = Example({"mass": 0.1}, {"mass": prior[:500]}, {"mass": prior[:300], "weights": np.full(300, 1 / 300)})
    return PosteriorScores(
        parameters=("mass",),
        log_p=Mean.of(stats.norm.logpdf(truth, mean, SD)),
        log_prior=-1.0,
        coverages={"mass": counted(normal)},
        contractions={"mass": Contraction.of(truth, np.full(N, SD**2), 0.8)},
        refinement=refinement,
        examples=(example, example, example),
        prior={"mass": prior},
    )


def test_scores_are_told_in_words_and_numbers(normal):
    mean = Mean(1.158, 0.08, 300)
    refinement = Refinement(mean, mean, Mean(1.152, 0.08, 64), Mean(0.006, 0.01, 64), 0.97, 0.95, 1540.0, 2000,
                            {"Only 80 of the draws are effective; it takes 100.": 9}, 0.12)  # fmt: skip
    found = scores_of(normal, refinement)
    text = "\n".join(found.sentences())
    for words in ("the prior has -1.000", "refined less exact is 0.006 ± 0.010", "97.0 % passed their checks",
                  "9 did not pass: Only 80", "as they should", "1,540 of 2,000 draws"):  # fmt: skip
        assert words in text
    content = json.loads(json.dumps(found.to_dict()))
    assert content["coverage"]["mass"]["holds"]
    assert content["refinement"]["difference"]["value"] == 0.006
    assert content["log_p"]["value"] == pytest.approx(-0.5 * math.log(2 * math.pi * math.e * SD**2), abs=0.05)


def test_without_refinement_nothing_is_said_of_it(normal):
    found = scores_of(normal)
    assert "refined" not in "\n".join(found.sentences())
    assert found.to_dict()["refinement"] is None

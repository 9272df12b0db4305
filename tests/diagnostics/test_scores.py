"""R², its interval, and verdicts that can go either way."""

import numpy as np
import pytest

from gait.ceilings import Ceiling, best_estimate, ratio_ceiling
from gait.diagnostics.scores import Limit, Verdict, limited_by, r2_with_interval, sentence, verdict
from gait.diagnostics.scores import score as score_of
from gait.parameters import PAPER_PRIORS

PAPER = (PAPER_PRIORS["mass"], PAPER_PRIORS["stiffness"])
HALF = Ceiling(0.5, 1.0, "Because.")
FULL = Ceiling(1.0, 0.0, "Because.")


def score(target, truth, estimate, ceiling):
    return score_of(target, truth, estimate, ceiling, known="as it may be", way_out="Weigh the person.")


def test_r2_by_hand():
    truth, estimate = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 3.0])
    assert r2_with_interval(truth, estimate)[0] == pytest.approx(1 - 1 / 5)
    assert r2_with_interval(truth, np.full(4, 2.5))[0] == pytest.approx(0.0)


def test_interval_is_the_bootstraps():
    generator = np.random.default_rng(1)
    truth = generator.uniform(60, 75, 2000)
    estimate = truth + generator.standard_t(5, 2000) * 3
    _, low, high = r2_with_interval(truth, estimate)
    picks = generator.integers(0, 2000, (4000, 2000))
    bootstrap = [r2_with_interval(truth[i], estimate[i])[0] for i in picks]
    np.testing.assert_allclose([low, high], np.quantile(bootstrap, [0.025, 0.975]), atol=0.12 * (high - low))


def test_interval_covers_the_ceiling_in_95_of_100_samples():
    """The best estimator, on 1000 sets of 500 people: "at its ceiling" is right 95 times in 100."""
    generator = np.random.default_rng(2)
    expected = ratio_ceiling("mass", *PAPER)
    covered = 0
    for _ in range(1000):
        m, k = (generator.uniform(prior.low, prior.high, 500) for prior in PAPER)
        _, low, high = r2_with_interval(m, best_estimate("mass", k / m, *PAPER)[0])
        covered += low <= expected <= high
    assert 930 <= covered <= 970


@pytest.mark.parametrize(
    ("interval", "ceiling", "expected"),
    [
        ((0.995, 0.999), FULL, Verdict.RECOVERED),
        ((0.98, 0.995), FULL, Verdict.BELOW_CEILING),
        ((0.49, 0.51), HALF, Verdict.AT_CEILING),
        ((0.40, 0.49), HALF, Verdict.BELOW_CEILING),
        ((0.51, 0.55), HALF, Verdict.ABOVE_CEILING),
        ((0.991, 0.995), Ceiling(0.9999, 0.1, "Because."), Verdict.RECOVERED),
        ((0.5, 0.6), Ceiling(0.9999, 0.1, "Because."), Verdict.BELOW_CEILING),
        ((float("nan"), float("nan")), HALF, Verdict.UNDETERMINED),
        ((-0.1, 0.7), HALF, Verdict.UNDETERMINED),
    ],
)
def test_verdicts(interval, ceiling, expected):
    assert verdict(interval, 100, ceiling) == expected
    assert verdict(interval, 29, ceiling) == Verdict.UNDETERMINED


def test_leaked_truth_is_above_the_ceiling_and_the_best_estimator_at_it():
    """Negative and positive control on the walker's own ceiling."""
    generator = np.random.default_rng(3)
    m, k = (generator.uniform(prior.low, prior.high, 20_000) for prior in PAPER)
    best, _ = best_estimate("mass", k / m, *PAPER)
    limit = Ceiling(ratio_ceiling("mass", *PAPER), 3.06, "Because.")
    assert score("mass", m, best, limit)["verdict"] == Verdict.AT_CEILING
    assert score("mass", m, 0.9 * best + 0.1 * m, limit)["verdict"] == Verdict.ABOVE_CEILING
    assert score("mass", m, 0.7 * best + 0.3 * m.mean(), limit)["verdict"] == Verdict.BELOW_CEILING


def test_score_and_sentence():
    truth = np.linspace(0.6, 0.8, 1000)
    scored = score("rest_length", truth, truth + 0.001, FULL)
    assert scored["bias"] == pytest.approx(0.001)
    assert scored["rmse"] == pytest.approx(0.001)
    assert scored["mae"] == pytest.approx(0.001)
    assert scored["unit"] == "m"
    assert "was recovered" in sentence("rest_length", scored, ("x", "y"))
    assert "cannot be known from x, y" in sentence("mass", score("mass", truth, truth, HALF), ("x", "y"))


def test_too_few_records_are_no_verdict():
    assert score("mass", np.array([70.0]), np.array([69.0]), HALF)["r2"] is None
    truth = np.linspace(60, 75, 20)
    scored = score("mass", truth, truth, HALF)
    assert scored["verdict"] == Verdict.UNDETERMINED
    assert "too few" in sentence("mass", scored, ("x",))


@pytest.mark.parametrize(
    ("r2", "margin", "ceiling", "limit", "advice"),
    [
        (0.98, 0.001, FULL, Limit.NETWORK, "Train longer"),
        (0.995, 0.001, FULL, Limit.NOTHING, "Nothing to be done"),
        (0.499, 0.003, HALF, Limit.DATA, "Weigh the person"),
        (0.40, 0.01, HALF, Limit.DATA, "Weigh the person"),  # it lacks 0.1, the data lack 0.5
        (0.60, 0.01, Ceiling(0.9, 1.0, "Because."), Limit.NETWORK, "Train longer"),  # 0.3 against 0.1
        (0.85, 0.01, Ceiling(0.9, 1.0, "Because."), Limit.DATA, "Weigh the person"),  # 0.05 against 0.1
        (0.60, 0.01, HALF, Limit.UNKNOWN, "none that were trained on"),
    ],
)
def test_what_limits_and_what_to_do(r2, margin, ceiling, limit, advice):
    """More training is advised only when the network lacks more than its interval, and more than the data do."""
    interval = (r2 - margin, r2 + margin)
    assert limited_by(verdict(interval, 1000, ceiling), r2, margin, ceiling) == limit
    truth = np.random.default_rng(0).normal(size=100_000)
    estimate = truth + np.sqrt(1 - r2) * np.random.default_rng(1).normal(size=100_000)
    scored = score("mass", truth, estimate, ceiling)
    assert scored["limited_by"] == limit
    assert advice in scored["advice"]
    assert scored["data_limited"] + scored["network_limited"] == pytest.approx(1 - scored["r2"])

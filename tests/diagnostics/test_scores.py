"""R², the gap to the best possible estimates, and verdicts that can go either way."""

import json

import numpy as np
import pytest

from gait.diagnostics.intervals import gap_with_interval, r2_with_interval
from gait.diagnostics.scores import Limit, Recovery, Score, score
from gait.diagnostics.verdicts import TOLERANCE, judge
from gait.identifiability import Identifiability
from gait.inference.ratio import RatioPosterior
from gait.limits.ceilings import Ceiling
from gait.parameters import PAPER_PRIORS

MASS, STIFFNESS = PAPER_PRIORS["mass"], PAPER_PRIORS["stiffness"]
POSTERIOR = RatioPosterior.of(PAPER_PRIORS)
HALF = Ceiling(POSTERIOR.ceiling("mass"), 3.06, "Because.")
FULL = Ceiling(1.0, 0.0, "Because.")
NOISY = Ceiling(0.9, 1.4, "The noise leaves that much.")
WEIGH = "Weigh the walker."
VARIANCE = MASS.variance()


def draw(n, generator):
    """Masses of n walkers and the best possible estimates of them."""
    mass, stiffness = (generator.uniform(prior.low, prior.high, n) for prior in (MASS, STIFFNESS))
    return mass, POSTERIOR.mean("mass", stiffness / mass)


def scored(truth, estimate, ceiling=HALF, best=None, known=Identifiability.COMBINATION):
    return score("mass", truth, estimate, ceiling, known, WEIGH, best)


# Intervals -----------------------------------------------------------------------------------


def test_r2_by_hand():
    truth, estimate = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 3.0])
    assert r2_with_interval(truth, estimate)[0] == pytest.approx(1 - 1 / 5)
    assert r2_with_interval(truth, np.full(4, 2.5))[0] == pytest.approx(0.0)


def test_gap_by_hand():
    truth, estimate, best = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 3.0], [1.0, 2.0, 3.0, 3.5]])
    assert gap_with_interval(truth, estimate, HALF, best)[0] == pytest.approx((1 - 0.25) / 5)
    assert gap_with_interval(truth, estimate, Ceiling(0.9, 0.0, ""))[0] == pytest.approx(0.9 - 0.8)
    assert gap_with_interval(truth, best, HALF, best) == (0.0, 0.0, 0.0)


def test_interval_of_r2_is_the_bootstraps():
    generator = np.random.default_rng(1)
    truth = generator.uniform(60, 75, 2000)
    estimate = truth + generator.standard_t(5, 2000) * 3
    _, low, high = r2_with_interval(truth, estimate)
    picks = generator.integers(0, 2000, (4000, 2000))
    bootstrap = [r2_with_interval(truth[i], estimate[i])[0] for i in picks]
    np.testing.assert_allclose([low, high], np.quantile(bootstrap, [0.025, 0.975]), atol=0.12 * (high - low))


def test_interval_of_the_gap_is_the_bootstraps_and_far_narrower_than_that_of_r2():
    """Both R² are taken over the same records, so most of the chance cancels."""
    generator = np.random.default_rng(1)
    truth, best = draw(2000, generator)
    estimate = best + generator.normal(0.0, np.sqrt(0.02 * VARIANCE), 2000)
    _, low, high = gap_with_interval(truth, estimate, HALF, best)
    picks = generator.integers(0, 2000, (6000, 2000))
    bootstrap = [gap_with_interval(truth[i], estimate[i], HALF, best[i])[0] for i in picks]
    np.testing.assert_allclose([low, high], np.quantile(bootstrap, [0.005, 0.995]), atol=0.12 * (high - low))
    _, low_alone, high_alone = gap_with_interval(truth, estimate, HALF)
    assert high - low < 0.5 * (high_alone - low_alone)


def test_interval_covers_the_ceiling_in_95_of_100_samples():
    """R² of the best estimator on 1000 sets of 500 walkers."""
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(1000):
        _, low, high = r2_with_interval(*draw(500, generator))
        covered += low <= HALF.r2 <= high
    assert 930 <= covered <= 970


# Verdicts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("r2", "gap", "ceiling", "expected"),
    [
        ((0.995, 0.999), (0.0, 0.0), FULL, Recovery.RECOVERED),
        ((0.980, 0.989), (0.0, 0.0), FULL, Recovery.BELOW_CEILING),
        ((0.985, 0.995), (0.0, 0.0), FULL, Recovery.UNDETERMINED),  # neither is shown
        ((0.991, 0.995), (0.0, 0.0), Ceiling(0.9999, 0.1, ""), Recovery.RECOVERED),
        ((0.500, 0.600), (0.3, 0.5), Ceiling(0.9999, 0.1, ""), Recovery.BELOW_CEILING),
        ((0.49, 0.51), (-0.01, 0.01), HALF, Recovery.AT_CEILING),
        ((0.48, 0.49), (0.009, 0.02), HALF, Recovery.AT_CEILING),
        ((0.48, 0.49), (0.011, 0.02), HALF, Recovery.BELOW_CEILING),
        ((0.51, 0.55), (-0.05, -0.001), HALF, Recovery.ABOVE_CEILING),
        ((-0.1, 0.7), (-0.2, 0.6), HALF, Recovery.UNDETERMINED),
        ((-0.01, 0.01), (-0.01, 0.01), Ceiling(0.0, 4.3, ""), Recovery.AT_CEILING),  # nothing can be known, nor is
        ((float("nan"), float("nan")), (float("nan"), float("nan")), HALF, Recovery.UNDETERMINED),
    ],
)
def test_verdicts(r2, gap, ceiling, expected):
    assert judge(100, r2, gap, ceiling, exact=True) == expected
    assert judge(29, r2, gap, ceiling, exact=True) == Recovery.UNDETERMINED


def test_a_ceiling_without_best_estimates_has_a_tolerance_upwards():
    assert judge(100, (0.9, 0.92), (-0.02, -0.001), NOISY, exact=False) == Recovery.AT_CEILING
    assert judge(100, (0.92, 0.93), (-0.03, -0.011), NOISY, exact=False) == Recovery.ABOVE_CEILING


def verdicts(estimator, n, samples, exact):
    """Verdicts on an estimator of the mass, function of truth, best estimate and generator, for some samples."""
    generator = np.random.default_rng(n)
    found = []
    for _ in range(samples):
        truth, best = draw(n, generator)
        found.append(scored(truth, estimator(truth, best, generator), HALF, best if exact else None).verdict)
    return found


def lacking(gap):
    """An estimator whose R² is lower than the best by the given gap."""
    return lambda truth, best, generator: best + generator.normal(0.0, np.sqrt(gap * VARIANCE), len(truth))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("n", "samples"), [(100, 1500), (500, 1500), (10_000, 150)])
@pytest.mark.parametrize("gap", [0.0, pytest.param(1e-5, marks=pytest.mark.slow), 0.001])
def test_the_best_estimator_is_at_its_ceiling(n, samples, gap, exact):
    """In at least 97 of 100 samples, also if it is not quite the best; both kinds of false alarm are in this."""
    found = verdicts(lacking(gap), n, samples, exact)
    assert found.count(Recovery.AT_CEILING) >= 0.97 * samples


@pytest.mark.parametrize(("n", "samples", "exact"), [(100, 200, True), (500, 200, True), (10_000, 20, False)])
def test_leaked_truth_is_found(n, samples, exact):
    """Control: a tenth of the truth in the estimate."""
    found = verdicts(lambda truth, best, generator: 0.9 * best + 0.1 * truth, n, samples, exact)
    assert found.count(Recovery.ABOVE_CEILING) >= 0.99 * samples


@pytest.mark.parametrize("exact", [True, False])
def test_a_network_below_its_ceiling_is_found_and_one_hardly_below_is_not(exact):
    assert verdicts(lacking(0.02), 100_000, 20, exact).count(Recovery.BELOW_CEILING) >= 19
    assert verdicts(lacking(0.001), 100_000, 20, exact) == [Recovery.AT_CEILING] * 20
    assert verdicts(lambda truth, best, generator: np.full(len(truth), 67.5), 500, 20, exact) == (
        [Recovery.BELOW_CEILING] * 20
    )


def test_more_records_leave_a_right_verdict_right():
    """A network that lacks R² 0.005. Control: compared with the population's R² alone, many records convict it."""
    generator = np.random.default_rng(5)
    for n in (100, 1000, 10_000, 100_000, 1_000_000):
        truth, best = draw(n, generator)
        estimate = lacking(0.005)(truth, best, generator)
        assert scored(truth, estimate, best=best).verdict == Recovery.AT_CEILING
    assert r2_with_interval(truth, estimate)[2] < HALF.r2


def test_luck_of_the_draw_is_no_leak():
    """Records on which the best possible estimates reach more than the ceiling. Control: R² itself is above it."""
    generator = np.random.default_rng(6)
    samples = (draw(200, generator) for _ in range(1000))
    truth, best = next((t, b) for t, b in samples if r2_with_interval(t, b)[1] > HALF.r2 + 0.01)
    entry = scored(truth, best, best=best)
    assert entry.verdict == Recovery.AT_CEILING
    assert entry.r2_interval[0] > entry.ceiling.r2 + TOLERANCE
    assert entry.best_possible_r2 == entry.r2


# Scores --------------------------------------------------------------------------------------


def test_numbers_of_a_score():
    truth = np.linspace(60, 75, 1000)
    entry = scored(truth, truth + 0.001, FULL, truth, Identifiability.RECOVERABLE)
    assert entry.bias == pytest.approx(0.001)
    assert entry.rmse == pytest.approx(0.001)
    assert entry.mae == pytest.approx(0.001)
    assert entry.unit == "kg"
    assert entry.n == 1000
    assert entry.best_possible_r2 == 1.0
    assert entry.gap == pytest.approx(1.0 - entry.r2)
    assert entry.verdict == Recovery.RECOVERED
    assert entry.limited_by == Limit.NOTHING


@pytest.mark.parametrize("n", [1, 20, 1000])
def test_a_score_goes_through_json_and_back(n):
    generator = np.random.default_rng(7)
    truth, best = draw(n, generator)
    entry = scored(truth, lacking(0.2)(truth, best, generator), best=best)
    content = json.loads(json.dumps(entry.to_dict(), allow_nan=False))
    again = Score.from_dict("mass", content)
    assert again.to_dict() == content
    assert again.limited_by == entry.limited_by
    assert again.sentence(["x"]) == entry.sentence(["x"])
    assert (content["r2"] is None) == (n == 1)
    if n == 1000:
        assert content["data_limited"] + content["network_limited"] == pytest.approx(1 - content["r2"])


def test_an_entry_without_gap_is_read():
    """Such as evaluations wrote that compared with the population's ceiling."""
    truth = np.linspace(60, 75, 1000)
    content = scored(truth, truth, FULL).to_dict()
    del content["gap"], content["gap_interval"]
    assert np.isnan(Score.from_dict("mass", content).gap)


@pytest.mark.parametrize("n", [1, 20])
def test_too_few_records_are_no_verdict(n):
    truth, best = draw(n, np.random.default_rng(8))
    entry = scored(truth, best, best=best)
    assert entry.verdict == Recovery.UNDETERMINED
    assert entry.limited_by == Limit.UNKNOWN
    assert f"{n} records are too few" in entry.sentence(("x",))


@pytest.mark.parametrize(
    ("known", "words", "advice"),
    [
        (Identifiability.COMBINATION, "cannot be known by itself from x, y", WEIGH),
        (Identifiability.DEAD, "has no effect on x, y", WEIGH),
        (Identifiability.UNDECIDED, "may not be knowable from x, y", WEIGH),
        (Identifiability.RECOVERABLE, "cannot be recovered from x, y in this noise", "Record with less noise"),
        (Identifiability.LOST, "cannot be recovered from x, y in this noise", "Record with less noise"),
    ],
)
def test_words_for_what_cannot_be_known(known, words, advice):
    """Only noise can be blamed for a ceiling below 1 on a target that could be known without it."""
    generator = np.random.default_rng(9)
    truth, best = draw(5000, generator)
    for estimate in (best, lacking(0.2)(truth, best, generator)):
        entry = scored(truth, estimate, HALF, best, known)
        text = entry.sentence(("x", "y"))
        assert words in text
        assert advice in entry.advice[0]
        assert ("prior" in text) == (advice == WEIGH)


@pytest.mark.parametrize(
    ("ceiling", "words"),
    [
        (NOISY, "could add at most R² 0."),
        (Ceiling(0.995, 0.3, "The noise."), "Even the best possible network may stay below R² 0.99 in this noise."),
    ],
)
def test_a_bound_that_may_be_out_of_reach_is_no_promise(ceiling, words):
    """With noise, the ceiling is a bound and the best possible estimates are not known. Control: with them."""
    generator = np.random.default_rng(10)
    truth = generator.uniform(MASS.low, MASS.high, 5000)
    estimate = truth + generator.normal(0.0, np.sqrt(0.5 * VARIANCE), 5000)
    assert words in scored(truth, estimate, ceiling, None, Identifiability.RECOVERABLE).advice[-1]
    assert words not in scored(truth, estimate, ceiling, truth, Identifiability.RECOVERABLE).advice[-1]

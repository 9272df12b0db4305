"""Networks in noise beside ceilings that are means over other walkers: intervals of the gap, verdicts and words."""

import dataclasses
import json
import math

import numpy as np
import pytest

from gait.diagnostics.intervals import CeilingRange, gap_with_interval, r2_with_interval
from gait.diagnostics.scores import Recovery, Score, score
from gait.diagnostics.verdicts import judge
from gait.identifiability import Identifiability
from gait.limits.ceilings import Ceiling
from gait.limits.noise import NoiseStudy
from gait.limits.noisy_ceilings import NoisyCeiling

SPREAD = 0.06
LOST = Identifiability.LOST


def study(r2, error, walkers=64, low=None, high=None, undone=0):
    """Posteriors of fresh walkers that tell the ceiling of the rest length."""
    found = NoisyCeiling(r2, error, r2 if low is None else low, r2 if high is None else high, SPREAD)
    return NoiseStudy({"rest_length": found}, walkers, undone, 500.0, {}, None, 0.0, 0)


def ceiling(r2, error, local=0.999):
    return Ceiling(r2, SPREAD * math.sqrt(1.0 - r2), "The noise allows no more.", error, local)


def network(r2, n, generator):
    """Truth and estimates of a network whose R² in the population is given: posterior means with that much left."""
    estimate = generator.normal(0.7, SPREAD * math.sqrt(r2), n)
    return estimate + generator.normal(0.0, SPREAD * math.sqrt(1.0 - r2), n), estimate


def scored(truth, estimate, found, known=LOST, **options):
    entry = found.ceilings["rest_length"]
    return score(
        "rest_length", truth, estimate, ceiling(entry.r2, entry.error), known, "Weigh.", None, found, **options
    )  # fmt: skip


# Intervals -----------------------------------------------------------------------------------


def test_the_range_of_a_ceiling():
    """Student's t with as many degrees of freedom as walkers less one; bounds of walkers that could not be done."""
    found = CeilingRange.of(study(0.6, 0.04), "rest_length")
    assert found.interval == pytest.approx((0.6 - 2.656 * 0.04, 0.6 + 2.656 * 0.04), abs=1e-3)
    few = CeilingRange.of(study(0.6, 0.04, walkers=4), "rest_length")
    assert few.margin == pytest.approx(5.841 * 0.04, rel=1e-3)
    left = CeilingRange.of(study(0.6, 0.04, low=0.5, high=0.65, undone=5), "rest_length")
    assert left.interval == pytest.approx((0.5 - left.margin, 0.65 + left.margin))
    for nothing in (study(math.nan, math.nan, walkers=3, undone=3), study(0.6, math.nan, walkers=1)):
        assert CeilingRange.of(nothing, "rest_length").interval == (0.0, 1.0)


def test_the_gap_has_the_errors_of_both():
    generator = np.random.default_rng(0)
    truth, estimate = network(0.5, 2000, generator)
    known = CeilingRange.of(study(0.6, 0.04), "rest_length")
    gap, low, high = gap_with_interval(truth, estimate, ceiling(0.6, 0.04), None, known)
    alone, _, upper = gap_with_interval(truth, estimate, ceiling(0.6, 0.04))
    assert gap == alone == pytest.approx(0.6 - r2_with_interval(truth, estimate)[0])
    assert high - gap == pytest.approx(gap - low) == pytest.approx(math.hypot(known.margin, upper - alone))
    bounds = CeilingRange(0.5, 0.7, known.margin)
    _, lowest, highest = gap_with_interval(truth, estimate, ceiling(0.6, 0.04), None, bounds)
    assert (low - lowest, highest - high) == (pytest.approx(0.1), pytest.approx(0.1))


@pytest.mark.parametrize("walkers", [8, 64])
def test_the_interval_of_the_gap_holds_the_true_gap_in_99_of_100_studies(walkers):
    """Ceiling and network are drawn anew each time. Control: without the error of the ceiling it often does not."""
    generator = np.random.default_rng(walkers)
    possible, reached, studies = 0.6, 0.55, 600
    held = alone = 0
    for _ in range(studies):
        shares = generator.gamma(4.0, (1.0 - possible) / 4.0, walkers)
        r2, error = 1.0 - shares.mean(), shares.std(ddof=1) / math.sqrt(walkers)
        truth, estimate = network(reached, 2000, generator)
        known = CeilingRange.of(study(r2, error, walkers), "rest_length")
        _, low, high = gap_with_interval(truth, estimate, ceiling(r2, error), None, known)
        held += low <= possible - reached <= high
        _, low, high = gap_with_interval(truth, estimate, ceiling(r2, error))
        alone += low <= possible - reached <= high
    assert held >= 0.96 * studies  # shares are skewed, so 8 of them hold a little less than 99 %
    assert alone < 0.9 * studies


# Verdicts ------------------------------------------------------------------------------------


def test_an_honest_network_is_at_or_below_its_ceiling():
    """The best possible one, beside studies of 64 walkers. Control: without their errors many are convicted."""
    generator = np.random.default_rng(1)
    verdicts, convicted = [], 0
    for _ in range(300):
        shares = generator.gamma(4.0, 0.1, 64)
        r2, error = 1.0 - shares.mean(), shares.std(ddof=1) / 8.0
        truth, estimate = network(0.6, 10_000, generator)
        verdicts.append(scored(truth, estimate, study(r2, error)).verdict)
        gap = gap_with_interval(truth, estimate, ceiling(r2, error))[1:]
        convicted += judge(10_000, (0.5, 0.6), gap, ceiling(r2, error), exact=True) != Recovery.AT_CEILING
    assert verdicts.count(Recovery.AT_CEILING) >= 0.98 * 300
    assert convicted > 0.2 * 300


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        (0.60, Recovery.AT_CEILING),
        (0.585, Recovery.AT_CEILING),
        (0.50, Recovery.BELOW_CEILING),
        (0.61, Recovery.AT_CEILING),  # within the error of the ceiling
        (0.70, Recovery.ABOVE_CEILING),
    ],
)
def test_verdicts_beside_a_ceiling_with_an_error(reached, expected):
    truth, estimate = network(reached, 100_000, np.random.default_rng(2))
    assert scored(truth, estimate, study(0.6, 0.01)).verdict == expected


def test_a_ceiling_between_bounds_convicts_only_beyond_them():
    truth, estimate = network(0.5, 100_000, np.random.default_rng(3))
    assert scored(truth, estimate, study(0.6, 0.01)).verdict == Recovery.BELOW_CEILING
    assert scored(truth, estimate, study(0.6, 0.01, low=0.49, high=0.65, undone=7)).verdict == Recovery.AT_CEILING
    truth, estimate = network(0.64, 100_000, np.random.default_rng(3))
    assert scored(truth, estimate, study(0.6, 0.01)).verdict == Recovery.ABOVE_CEILING
    assert scored(truth, estimate, study(0.6, 0.01, low=0.49, high=0.65, undone=7)).verdict == Recovery.AT_CEILING


def test_a_network_short_of_0_99_is_not_convicted_by_a_ceiling_that_may_lie_there_too():
    truth, estimate = network(0.985, 100_000, np.random.default_rng(4))
    known = Identifiability.RECOVERABLE
    assert scored(truth, estimate, study(0.995, 0.0003), known).verdict == Recovery.BELOW_CEILING
    rough = scored(truth, estimate, study(0.992, 0.01), known)
    assert rough.verdict == Recovery.UNDETERMINED
    assert "known too roughly" in rough.sentence(("x", "y"))
    assert "more --walkers" in rough.advice[-1]
    truth, estimate = network(0.996, 100_000, np.random.default_rng(4))
    assert scored(truth, estimate, study(0.997, 0.0003), known).verdict == Recovery.RECOVERED


def test_no_walker_could_be_done():
    truth, estimate = network(0.5, 10_000, np.random.default_rng(5))
    entry = scored(truth, estimate, study(math.nan, math.nan, walkers=4, low=0.0, high=1.0, undone=4))
    assert entry.verdict == Recovery.UNDETERMINED
    assert entry.headline == "not recoverable, too few walkers behind the ceiling"
    assert entry.possible == "0.00 to 1.00"
    assert "10,000 records" not in entry.sentence(("x",))
    content = json.loads(json.dumps(entry.to_dict(), allow_nan=False))
    assert content["ceiling_r2"] is None
    assert Score.from_dict("rest_length", content).headline == entry.headline


# Words ---------------------------------------------------------------------------------------


def test_a_network_below_its_ceiling_is_told_how_far_and_what_would_help():
    truth, estimate = network(0.5, 100_000, np.random.default_rng(6))
    entry = scored(truth, estimate, study(0.6, 0.01), remedy="more epochs would help")
    assert entry.advice[0] == "Record with less noise, or for longer."
    low, high = entry.gap_interval
    assert entry.advice[1] == f"It lacks R² 0.1 (99 % interval {low:.2g} to {high:.2g}): more epochs would help."
    assert "no estimator exceeds R² 0.60 ± 0.01 on average" in entry.sentence(("x",))
    assert "network-limited" in entry.verdict
    hidden = scored(truth, estimate, study(0.6, 0.01), Identifiability.COMBINATION)
    assert hidden.advice[0] == "Weigh."
    assert hidden.advice[-1] == "It would only learn the edges of the prior."
    at = scored(*network(0.6, 100_000, np.random.default_rng(6)), study(0.6, 0.01))
    assert "at that ceiling within the errors of both (gap " in at.sentence(("x",))
    assert at.judgement == "at its ceiling: the noise allows no more"
    assert "lacks" not in " ".join(at.advice)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Ceiling(0.93, 0.1, ""), "0.9300"),
        (Ceiling(0.93, 0.1, "", None, 0.93), "at most 0.9300"),
        (Ceiling(0.93, 0.1, "", 0.012, 0.98), "0.93 ± 0.01"),
        (Ceiling(0.93, 0.1, "", 0.0024, 0.98), "0.930 ± 0.002"),
        (Ceiling(0.99991, 0.1, "", 0.00001, 0.9999), "0.9999 ± 0.0001"),
    ],
)
def test_a_ceiling_is_shown_as_it_is_known(given, words):
    truth, estimate = network(0.5, 100, np.random.default_rng(7))
    found = None if given.error is None else study(given.r2, given.error)
    assert score("rest_length", truth, estimate, given, LOST, "", None, found).possible == words


def test_a_score_in_noise_goes_through_json_and_back():
    truth, estimate = network(0.5, 1000, np.random.default_rng(8))
    entry = scored(truth, estimate, study(0.6, 0.04))
    content = json.loads(json.dumps(entry.to_dict(), allow_nan=False))
    assert (content["ceiling_r2_error"], content["local_ceiling_r2"]) == (0.04, 0.999)
    again = Score.from_dict("rest_length", content)
    assert dataclasses.replace(again, advice=entry.advice) == entry
    for key in ("ceiling_r2_error", "local_ceiling_r2", "ceiling_interval"):  # as evaluations wrote before
        del content[key]
    assert Score.from_dict("rest_length", content).ceiling.error is None

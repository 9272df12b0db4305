"""Masses and stiffnesses that fit a ratio: their distribution, and its coverage beside controls that must fail."""

import json

import numpy as np
import pytest
from scipy import stats

from gait.ceilings import best_estimate, possible_masses
from gait.completion import LEVELS, Completed, calibration, complete, coverage
from gait.parameters import PAPER_PRIORS, Uniform

MASS, STIFFNESS = PAPER_PRIORS["mass"], PAPER_PRIORS["stiffness"]
PEOPLE = 20_000


@pytest.fixture(scope="module")
def people():
    """Mass, stiffness and an estimate of their ratio with a standard error of 3 1/s²; seed 1."""
    generator = np.random.default_rng(1)
    m, k = (generator.uniform(prior.low, prior.high, PEOPLE) for prior in (MASS, STIFFNESS))
    return m, k, k / m + generator.normal(0.0, 3.0, PEOPLE)


@pytest.mark.parametrize("ratio", [110.0, 133.0, 160.0])
def test_masses_of_a_known_ratio_have_the_density_of_the_paper(ratio):
    """Density proportional to m on [A, B]: Kolmogorov-Smirnov against its distribution function."""
    low, high = possible_masses(ratio, MASS, STIFFNESS)
    m, k = complete(
        np.array([ratio]), 1e-9, MASS, STIFFNESS, draws=20_000, generator=np.random.default_rng(2)
    )  # fmt: skip
    np.testing.assert_allclose(k / m, ratio, rtol=1e-6)
    assert stats.kstest(m[0], lambda x: (x**2 - low**2) / (high**2 - low**2)).pvalue > 0.01
    if high - low > 5.0:  # negative control: people of one ratio are not uniform in mass
        assert stats.kstest(m[0], stats.uniform(low, high - low).cdf).pvalue < 0.01
    mean, sd = best_estimate("mass", ratio, MASS, STIFFNESS)
    assert m.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(20_000))
    assert m.std() == pytest.approx(sd, rel=0.03)


def test_a_ratio_known_badly_leaves_the_prior():
    m, k = complete(
        np.array([133.0]), 1e4, MASS, STIFFNESS, draws=20_000, generator=np.random.default_rng(3)
    )  # fmt: skip
    assert stats.kstest(m[0], stats.uniform(60, 15).cdf).pvalue > 0.01
    assert stats.kstest(k[0], stats.uniform(8000, 2000).cdf).pvalue > 0.01
    assert abs(np.corrcoef(m[0], k[0])[0, 1]) < 0.03


def test_ratios_follow_bayes():
    """Draws of the ratio against prior times likelihood on a fine grid."""
    generator = np.random.default_rng(4)
    m, k = complete(np.array([115.0]), 6.0, MASS, STIFFNESS, draws=50_000, generator=generator)
    grid = np.linspace(8000 / 75, 10000 / 60, 20_001)
    low, high = possible_masses(grid, MASS, STIFFNESS)
    density = (high**2 - low**2) * np.exp(-0.5 * ((grid - 115.0) / 6.0) ** 2)
    cumulated = np.cumsum(density) / density.sum()
    assert stats.kstest((k / m)[0], lambda x: np.interp(x, grid, cumulated)).pvalue > 0.01


@pytest.mark.parametrize("ratio", [50.0, 106.0, 167.0, 300.0])
def test_estimates_beyond_the_people_stay_among_them(ratio):
    m, k = complete(np.array([ratio]), 0.5, MASS, STIFFNESS, generator=np.random.default_rng(5))
    assert np.isfinite(m).all()
    assert ((MASS.low - 1e-9 <= m) & (m <= MASS.high + 1e-9)).all()
    assert ((STIFFNESS.low - 1e-6 <= k) & (k <= STIFFNESS.high + 1e-6)).all()


def test_each_person_has_an_error_of_their_own():
    sd = np.array([0.1, 5.0])
    m, k = complete(np.array([133.0, 133.0]), sd, MASS, STIFFNESS, draws=4000, generator=np.random.default_rng(6))
    np.testing.assert_allclose((k / m).std(axis=1), sd, rtol=0.1)


@pytest.mark.parametrize("target", ["mass", "stiffness"])
def test_the_posterior_covers_and_both_controls_fail(people, target):
    m, k, ratio = people
    draws = dict(zip(
        ("mass", "stiffness"), complete(ratio, 3.0, MASS, STIFFNESS, generator=np.random.default_rng(7)), strict=True
    ))[target]  # fmt: skip
    truth, prior = {"mass": (m, MASS), "stiffness": (k, STIFFNESS)}[target]
    found = calibration(truth, draws, prior, np.random.default_rng(8))
    assert found.holds
    assert [row.level for row in found.posterior] == list(LEVELS)
    assert all(row.holds for row in found.posterior)
    assert not any(row.holds for row in found.halved)
    assert not any(row.holds for row in found.doubled[:2])  # at 95 %, twice as wide holds nearly everybody
    assert all(row.holds for row in found.prior)
    # It says more than the prior, which covers as well.
    assert all(row.sharpness < 0.8 for row in found.posterior)
    assert all(row.sharpness == pytest.approx(1.0, abs=0.01) for row in found.prior)
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["holds"] is True
    assert content["posterior"][0]["level"] == 0.5


def test_overconfidence_in_the_ratio_is_noticed(people):
    """The ratio taken for ten times as accurate as it is, of people whose mass it pins down."""
    generator = np.random.default_rng(9)
    wide = Uniform(100.0, 100_000.0)
    m = generator.uniform(60.0, 75.0, PEOPLE)
    k = generator.uniform(9000.0, 9000.1, PEOPLE)
    narrow = Uniform(9000.0, 9000.1)
    ratio = k / m + generator.normal(0.0, 3.0, PEOPLE)
    honest, _ = complete(ratio, 3.0, MASS, narrow, generator=generator)
    boastful, _ = complete(ratio, 0.3, MASS, narrow, generator=generator)
    assert all(coverage(m, honest, MASS, level).holds for level in LEVELS)
    assert not any(coverage(m, boastful, MASS, level).holds for level in LEVELS)
    assert coverage(m, honest, wide, 0.5).sharpness < 0.01


def test_rare_large_errors_need_students_law():
    """Errors of Student's law, 3 degrees of freedom: a Gaussian of the same deviation is too wide for most."""
    generator = np.random.default_rng(11)
    m, k = (generator.uniform(prior.low, prior.high, PEOPLE) for prior in (MASS, Uniform(9000.0, 9100.0)))
    misses = 0.7 * generator.standard_t(3, PEOPLE)
    ratio, others = k / m + misses, 0.7 * generator.standard_t(3, PEOPLE)
    priors = PAPER_PRIORS | {"stiffness": Uniform(9000.0, 9100.0)}
    truth = {"mass": m, "stiffness": k}
    completed = Completed.of(truth, {}, ratio, others, priors, generator)
    assert completed.error[0] == pytest.approx(3.0, rel=0.1)
    assert completed.error[2] == pytest.approx(0.7, rel=0.05)
    assert all(found.holds for found in completed.calibrations.values())
    assert "as spread as they should be" in completed.sentence()
    gaussian, _ = complete(ratio, others.std(), MASS, priors["stiffness"], generator=generator)
    assert not coverage(m, gaussian, MASS, 0.5).holds
    assert json.loads(json.dumps(completed.to_dict(), allow_nan=False))["calibrations"]["mass"]["holds"]
    assert [example.estimate for example in completed.examples] == [None] * 3


def test_another_prior_is_noticed(people):
    """Masses drawn uniformly along the ridge instead of by the density of the paper, on wide priors."""
    mass, stiffness = Uniform(20.0, 200.0), Uniform(1000.0, 50_000.0)
    generator = np.random.default_rng(10)
    m, k = (generator.uniform(prior.low, prior.high, PEOPLE) for prior in (mass, stiffness))
    low, high = possible_masses(k / m, mass, stiffness)
    uniform = low[:, None] + (high - low)[:, None] * generator.random((PEOPLE, 199))
    exact, _ = complete(k / m, 1e-6, mass, stiffness, generator=generator)
    assert calibration(m, exact, mass, generator).holds
    leaning = calibration(m, uniform, mass, generator)
    assert leaning.ranks < 1e-6
    assert not leaning.holds
    assert all(row.holds for row in leaning.posterior)  # central intervals do not see it

"""Calibration of the posterior of mass and stiffness given k/m, beside controls that must fail."""

import json

import numpy as np
import pytest

from gait.diagnostics.calibration import LEVELS, calibrate, calibrate_ratio_posterior, coverage
from gait.inference.ratio import RatioError, RatioPosterior
from gait.parameters import PAPER_PRIORS, Uniform

MASS, STIFFNESS = PAPER_PRIORS["mass"], PAPER_PRIORS["stiffness"]
PAPER = RatioPosterior.of(PAPER_PRIORS)
NARROW = Uniform(9000.0, 9100.0)
WALKERS = 20_000


def drawn(generator, *priors):
    return [generator.uniform(prior.low, prior.high, WALKERS) for prior in priors]


@pytest.fixture(scope="module")
def walkers():
    """Mass, stiffness and an estimate of their ratio with a standard error of 3 1/s²; seed 1."""
    generator = np.random.default_rng(1)
    m, k = drawn(generator, MASS, STIFFNESS)
    return m, k, k / m + generator.normal(0.0, 3.0, WALKERS)


@pytest.mark.parametrize("target", ["mass", "stiffness"])
def test_the_posterior_covers_and_both_controls_fail(walkers, target):
    m, k, ratio = walkers
    draws = PAPER.draw(ratio, 199, np.random.default_rng(7), RatioError(3.0))[target]
    truth = {"mass": m, "stiffness": k}[target]
    found = calibrate(truth, draws, PAPER.prior(target), np.random.default_rng(8))
    assert found.holds
    assert [row.level for row in found.posterior] == list(LEVELS)
    assert all(row.holds for row in found.posterior)
    assert not any(row.holds for row in found.halved)
    assert not any(row.holds for row in found.doubled[:2])  # at 95 %, intervals × 2 hold nearly every walker
    assert all(row.holds for row in found.prior)
    # It says more than the prior, which covers as well.
    assert all(row.sharpness < 0.8 for row in found.posterior)
    assert all(row.sharpness == pytest.approx(1.0, abs=0.01) for row in found.prior)
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["holds"] is True
    assert content["posterior"][0]["level"] == 0.5


def test_overconfidence_in_the_ratio_is_noticed():
    """The ratio taken for ten times as accurate as it is, of walkers whose mass it pins down."""
    generator = np.random.default_rng(9)
    m, k = drawn(generator, MASS, NARROW)
    ratio = k / m + generator.normal(0.0, 3.0, WALKERS)
    posterior = RatioPosterior(MASS, {"stiffness": NARROW})
    honest, boastful = (posterior.draw(ratio, 199, generator, RatioError(sd))["mass"] for sd in (3.0, 0.3))
    assert all(coverage(m, honest, MASS, level).holds for level in LEVELS)
    assert not any(coverage(m, boastful, MASS, level).holds for level in LEVELS)
    assert coverage(m, honest, Uniform(-1000.0, 1000.0), 0.5).sharpness < 0.01


def test_rare_large_errors_need_students_law():
    """Errors of Student's law, 3 degrees of freedom: a Gaussian of the same deviation is too wide for most."""
    generator = np.random.default_rng(11)
    m, k = drawn(generator, MASS, NARROW)
    ratio, others = k / m + 0.7 * generator.standard_t(3, WALKERS), 0.7 * generator.standard_t(3, WALKERS)
    posterior = RatioPosterior(MASS, {"stiffness": NARROW})
    found = calibrate_ratio_posterior(posterior, {"mass": m, "stiffness": k}, {}, ratio, others, generator)
    assert found.error["stiffness"].degrees_of_freedom == pytest.approx(3.0, rel=0.1)
    assert found.error["stiffness"].scale == pytest.approx(0.7, rel=0.05)
    assert found.holds
    assert "as spread as they should be" in found.sentence()
    gaussian = posterior.draw(ratio, 199, generator, RatioError(others.std()))["mass"]
    assert not coverage(m, gaussian, MASS, 0.5).holds
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["calibrations"]["mass"]["holds"]
    assert set(content["error"]) == {"freedom", "mean", "scale"}
    assert [example.estimate for example in found.examples] == [None] * 3


def test_another_prior_is_noticed():
    """Masses drawn uniformly between their bounds instead of by p(m | k/m), on wide priors."""
    posterior = RatioPosterior(Uniform(20.0, 200.0), {"stiffness": Uniform(1000.0, 50_000.0)})
    generator = np.random.default_rng(10)
    m, k = drawn(generator, posterior.mass, posterior.stiffnesses["stiffness"])
    low, high = posterior.mass_bounds(k / m)
    uniform = low[:, None] + (high - low)[:, None] * generator.random((WALKERS, 199))
    exact = posterior.draw(k / m, 199, generator)["mass"]
    assert calibrate(m, exact, posterior.mass, generator).holds
    leaning = calibrate(m, uniform, posterior.mass, generator)
    assert leaning.ranks_p < 1e-6
    assert not leaning.holds
    assert all(row.holds for row in leaning.posterior)  # central intervals do not see it


def test_two_legs_are_calibrated_and_a_wrong_exponent_is_noticed():
    """p(m | both ratios) is proportional to m²; the posterior of one leg, proportional to m, leans."""
    mass, stiffness, right = Uniform(20.0, 200.0), Uniform(1000.0, 50_000.0), Uniform(2000.0, 40_000.0)
    both = RatioPosterior(mass, {"stiffness": stiffness, "stiffness_right": right})
    generator = np.random.default_rng(12)
    m, k, k2 = drawn(generator, mass, stiffness, right)
    ratios = np.stack([k, k2], axis=1) / m[:, None]
    estimates, others = (generator.normal(scale=3.0, size=ratios.shape) for _ in range(2))
    truth = {"mass": m, "stiffness": k, "stiffness_right": k2}
    found = calibrate_ratio_posterior(both, truth, {}, ratios + estimates, others, generator)
    assert set(found.calibrations) == set(truth)
    assert found.holds
    low, high = both.mass_bounds(ratios)
    linear = np.sqrt(low[:, None] ** 2 + (high**2 - low**2)[:, None] * generator.random((WALKERS, 199)))
    assert calibrate(m, linear, mass, generator).ranks_p < 1e-6

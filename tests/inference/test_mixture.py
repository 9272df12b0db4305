"""Mixtures of Gaussians, and what a network tells with them."""

import numpy as np
import pytest
from scipy import special, stats

from gait.inference.coordinates import Coordinates
from gait.inference.mixture import GaussianMixtures
from gait.inference.network_posterior import NetworkAnswers
from gait.parameters import PAPER_PRIORS
from gait.scenarios import SCENARIOS


def some(count=5, components=3, dimension=2, seed=0):
    generator = np.random.default_rng(seed)
    width = dimension * (dimension + 1) // 2
    return GaussianMixtures(
        special.log_softmax(generator.standard_normal((count, components)), axis=1),
        generator.standard_normal((count, components, dimension)),
        0.5 * generator.standard_normal((count, components, width)),
    )


def answers(scenario="three_parameter", **how):
    return NetworkAnswers(Coordinates.of(SCENARIOS[scenario], PAPER_PRIORS), some(**how), {})


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_density_is_that_of_scipy(dimension):
    mixtures = some(dimension=dimension)
    points = np.random.default_rng(1).standard_normal((5, 7, dimension))
    found = mixtures.log_density(points)
    for row, matrices in enumerate(mixtures.matrices()):
        expected = sum(
            np.exp(weight) * stats.multivariate_normal(mean, np.linalg.inv(factor.T @ factor)).pdf(points[row])
            for weight, mean, factor in zip(mixtures.log_weights[row], mixtures.means[row], matrices, strict=True)
        )
        np.testing.assert_allclose(np.exp(found[row]), expected, rtol=1e-9)


def test_draws_have_the_moments_of_the_mixture():
    mixtures = some()
    drawn = mixtures.draw(40_000, np.random.default_rng(2))
    weights = np.exp(mixtures.log_weights)
    mean = np.einsum("nk,nki->ni", weights, mixtures.means)
    away = mixtures.means - mean[:, None]
    within = np.linalg.inv(np.einsum("nkji,nkjl->nkil", mixtures.matrices(), mixtures.matrices()))
    covariance = np.einsum("nk,nkij->nij", weights, within + np.einsum("nki,nkj->nkij", away, away))
    sd = np.sqrt(np.einsum("nii->ni", covariance))
    assert np.abs(drawn.mean(axis=1) - mean).max() < 5.0 * sd.max() / 200.0
    for row in range(5):
        np.testing.assert_allclose(np.cov(drawn[row].T), covariance[row], atol=0.1 * sd[row].max() ** 2)


def test_the_order_of_draws_tells_nothing():
    """Components are drawn evenly, but not one after the other: each part of the draws is a sample."""
    drawn = some(count=1).draw(20_000, np.random.default_rng(0))[0, :, 0]
    assert stats.ks_2samp(drawn[:10_000], drawn[10_000:]).pvalue > 0.001


@pytest.mark.parametrize("scenario", ["three_parameter", "force_plate"])
def test_moments_are_those_of_draws(scenario):
    own = answers(scenario, dimension=2 if scenario == "three_parameter" else 3)
    names = ("mass", "stiffness", "rest_length", "stiffness_to_mass", "mass_to_stiffness")
    means, variances = own.moments(names)
    drawn = own.draw(100_000, np.random.default_rng(3))
    drawn["mass_to_stiffness"] = 1.0 / drawn["stiffness_to_mass"]
    for column, name in enumerate(names):
        sd = drawn[name].std(axis=1)
        assert np.abs(means[:, column] - drawn[name].mean(axis=1)).max() < 0.01 * sd.max()
        np.testing.assert_allclose(np.sqrt(variances[:, column]), sd, rtol=0.03)


def test_the_density_of_a_recording_is_that_of_its_draws():
    """Mean of 1/p over draws is the volume of the prior, which all of them are in."""
    own = answers(count=2)
    posterior = own.posteriors(40_000, seed=0)[1]
    log_p = posterior.log_prob({name: posterior.draws[name] for name in posterior.parameters})
    assert posterior.parameters == ("mass", "stiffness", "rest_length")
    inside = np.exp(-log_p) * (log_p > np.quantile(log_p, 0.2))  # heavy where p is small: a part of the volume
    grid = Coordinates.of(SCENARIOS["three_parameter"], PAPER_PRIORS).draw_prior(200_000, np.random.default_rng(4))
    at = posterior.log_prob({name: grid[name] for name in posterior.parameters})
    volume = 15.0 * 2000.0 * 0.2
    assert inside.mean() == pytest.approx(volume * np.mean(at > np.quantile(log_p, 0.2)), rel=0.03)
    assert np.mean(np.exp(at)) * volume == pytest.approx(1.0, abs=0.03)
    assert posterior.log_prob({"mass": 80.0, "stiffness": 9000.0, "rest_length": 0.7})[0] == -np.inf


def test_a_posterior_has_what_the_exact_one_has():
    posterior = answers().posteriors(500, seed=1)[0]
    assert list(posterior.draws)[:3] == ["mass", "stiffness", "rest_length"]
    assert "stiffness_to_mass" in posterior.draws
    assert posterior.weights.sum() == pytest.approx(1.0)
    assert posterior.quantile("mass", [0.1, 0.9])[0] < posterior.mean("mass") < posterior.quantile("mass", 0.9)
    assert posterior.sd("mass_to_stiffness") > 0.0
    again = answers().posteriors(500, seed=1)[0]
    assert again.draws.equals(posterior.draws)
    assert not answers().posteriors(500, seed=2)[0].draws.equals(posterior.draws)

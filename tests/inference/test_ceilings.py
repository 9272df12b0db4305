"""The closed-form ceiling against simulation, limits and the real posterior."""

import numpy as np
import pytest

from gait.ceilings import best_estimate, noisy_ratio_ceiling, possible_masses, ratio_ceiling
from gait.parameters import PAPER_PRIORS, Uniform

PAPER = (PAPER_PRIORS["mass"], PAPER_PRIORS["stiffness"])
RANGES = [PAPER, (Uniform(40, 120), Uniform(5000, 20000)), (Uniform(69, 71), Uniform(4000, 16000))]


def sample(mass, stiffness, n=2_000_000):
    generator = np.random.default_rng(0)
    return generator.uniform(mass.low, mass.high, n), generator.uniform(stiffness.low, stiffness.high, n)


def test_paper_value():
    """0.5005 for m ~ U[60, 75], k ~ U[8000, 10000]; equal for both by symmetry of the relative ranges."""
    assert ratio_ceiling("mass", *PAPER) == pytest.approx(0.5005, abs=5e-5)
    assert ratio_ceiling("stiffness", *PAPER) == pytest.approx(0.5005, abs=5e-5)


@pytest.mark.parametrize("target", ["mass", "stiffness"])
@pytest.mark.parametrize(("mass", "stiffness"), RANGES)
def test_ceiling_is_the_r2_of_the_best_estimate(target, mass, stiffness):
    m, k = sample(mass, stiffness)
    truth = {"mass": m, "stiffness": k}[target]
    best, sd = best_estimate(target, k / m, mass, stiffness)
    expected = ratio_ceiling(target, mass, stiffness)
    assert 1 - np.mean((truth - best) ** 2) / truth.var() == pytest.approx(expected, abs=3e-3)
    assert 1 - np.mean(sd**2) / truth.var() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("target", ["mass", "stiffness"])
def test_no_function_of_the_ratio_does_better(target):
    """Means within 400 narrow groups of equal k/m: as free an estimator as the data allow."""
    m, k = sample(*PAPER)
    truth = {"mass": m, "stiffness": k}[target]
    group = np.argsort(np.argsort(k / m)) // 5000
    means = np.bincount(group, truth) / np.bincount(group)
    r2 = 1 - np.mean((truth - means[group]) ** 2) / truth.var()
    assert r2 == pytest.approx(ratio_ceiling(target, *PAPER), abs=3e-3)


def test_moments_are_those_of_people_with_that_ratio():
    m, k = sample(*PAPER)
    for ratio in (112.0, 133.0, 150.0):
        near = np.abs(k / m - ratio) < 0.1
        low, high = possible_masses(ratio, *PAPER)
        assert m[near].min() >= low - 0.1
        assert m[near].max() <= high + 0.1
        mean, sd = best_estimate("mass", ratio, *PAPER)
        assert m[near].mean() == pytest.approx(mean, abs=0.1)
        assert m[near].std() == pytest.approx(sd, rel=0.03)


def test_limits():
    """A known stiffness makes the ratio tell the mass; a useless ratio tells nothing."""
    assert ratio_ceiling("mass", Uniform(60, 75), Uniform(9000, 9000.1)) == pytest.approx(1.0, abs=1e-6)
    assert ratio_ceiling("mass", Uniform(69.9, 70.1), Uniform(1000, 100000)) == pytest.approx(0.0, abs=1e-2)


def test_wider_priors_lower_the_share_of_both():
    assert ratio_ceiling("mass", Uniform(30, 300), Uniform(2000, 40000)) < 0.5005


@pytest.mark.parametrize("target", ["mass", "stiffness"])
@pytest.mark.parametrize(("mass", "stiffness"), RANGES[:2])
def test_noise_of_the_ratio_lowers_the_ceiling(target, mass, stiffness):
    """Without noise the closed form; with some, what a regression on the noisy ratio explains; with much, nothing."""
    m, k = sample(mass, stiffness)
    truth, ratio = {"mass": m, "stiffness": k}[target], k / m
    exact = ratio_ceiling(target, mass, stiffness)
    assert noisy_ratio_ceiling(target, mass, stiffness, 1e-6) == pytest.approx(exact, abs=1e-4)
    for sd in (0.3 * ratio.std(), ratio.std()):
        measured = ratio + np.random.default_rng(5).normal(0.0, sd, len(ratio))
        basis = np.polynomial.chebyshev.chebvander((measured - measured.mean()) / np.ptp(measured) * 2, 12)
        fitted = basis @ np.linalg.lstsq(basis[:200_000], truth[:200_000], rcond=None)[0]
        explained = 1 - np.mean((truth - fitted)[200_000:] ** 2) / truth[200_000:].var()
        assert noisy_ratio_ceiling(target, mass, stiffness, sd) == pytest.approx(explained, abs=0.01)
    assert noisy_ratio_ceiling(target, mass, stiffness, 100 * ratio.std()) == pytest.approx(0.0, abs=0.01)

"""The posterior of mass and stiffness given k/m, against simulation, quadrature and limits."""

import functools
import itertools
import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from gait.errors import InputError
from gait.inference import RatioError, RatioPosterior
from gait.inference.estimated_ratio import EstimatedRatios, standard_law
from gait.parameters import PAPER_PRIORS, Uniform

MASS, STIFFNESS = PAPER_PRIORS["mass"], PAPER_PRIORS["stiffness"]
PAPER = RatioPosterior.of(PAPER_PRIORS)
TWO_LEGS = RatioPosterior.of(PAPER_PRIORS | {"stiffness_right": Uniform(7000.0, 12000.0)})
THREE_LEGS = RatioPosterior(MASS, {"left": STIFFNESS, "right": STIFFNESS, "cane": Uniform(4000.0, 9000.0)})
POSTERIORS = {
    "paper": PAPER,
    "wide": RatioPosterior(Uniform(40, 120), {"stiffness": Uniform(5000, 20000)}),
    "mass known": RatioPosterior(Uniform(69, 71), {"stiffness": Uniform(4000, 16000)}),
    "two legs": TWO_LEGS,
    "two legs, wide": RatioPosterior(
        Uniform(20, 200), {"stiffness": Uniform(1000, 50000), "stiffness_right": Uniform(5000, 6000)}
    ),
}
ONE_LEG, BOTH_LEGS = ["paper", "wide", "mass known"], ["two legs", "two legs, wide"]


@functools.cache
def walkers(name, n=1_000_000):
    """True values by name, and their ratios k/m [n, legs]; seed 0."""
    posterior, generator = POSTERIORS[name], np.random.default_rng(0)
    values = {
        target: generator.uniform(posterior.prior(target).low, posterior.prior(target).high, n)
        for target in posterior.targets
    }
    return values, np.stack([values[leg] for leg in posterior.stiffnesses], axis=1) / values["mass"][:, None]


# Known ratios, one leg -----------------------------------------------------------------------


def test_paper_value():
    """0.5005 for m ~ U[60, 75], k ~ U[8000, 10000]; equal for both by symmetry of the relative ranges."""
    assert PAPER.ceiling("mass") == pytest.approx(0.5005, abs=5e-5)
    assert PAPER.ceiling("stiffness") == pytest.approx(0.5005, abs=5e-5)


@pytest.mark.parametrize("name", ONE_LEG)
def test_ceiling_of_one_leg_is_exact(name):
    """Adaptive quadrature of E[E(m | rho)²], with the moments of p(m | rho) written out."""
    posterior = POSTERIORS[name]
    a, b = posterior.mass.low, posterior.mass.high
    c, e = posterior.stiffnesses["stiffness"].low, posterior.stiffnesses["stiffness"].high

    def second_moment_of_mean(ratio):
        low, high = max(a, c / ratio), min(b, e / ratio)
        mean = (high**3 - low**3) / 3 / ((high**2 - low**2) / 2)
        return mean**2 * (high**2 - low**2) / 2 / ((b - a) * (e - c))

    corners = sorted(k / m for k in (c, e) for m in (a, b))
    explained = sum(
        integrate.quad(second_moment_of_mean, left, right, epsabs=1e-12, epsrel=1e-12)[0]
        for left, right in itertools.pairwise(corners)
    )
    variance = (b - a) ** 2 / 12
    assert posterior.ceiling("mass") == pytest.approx((explained - (a + b) ** 2 / 4) / variance, abs=1e-7)


@pytest.mark.parametrize("target", ["mass", "stiffness"])
@pytest.mark.parametrize("name", ONE_LEG)
def test_ceiling_is_the_r2_of_the_best_estimate(target, name):
    posterior, (values, ratios) = POSTERIORS[name], walkers(name)
    truth, expected = values[target], posterior.ceiling(target)
    best, sd = posterior.mean(target, ratios), posterior.sd(target, ratios)
    assert 1 - np.mean((truth - best) ** 2) / truth.var() == pytest.approx(expected, abs=3e-3)
    assert 1 - np.mean(sd**2) / truth.var() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("target", ["mass", "stiffness"])
def test_no_function_of_the_ratio_does_better(target):
    """Means within 400 narrow groups of equal k/m: as free an estimator as the data allow."""
    values, ratios = walkers("paper")
    truth = values[target]
    group = np.argsort(np.argsort(ratios[:, 0])) // 5000
    means = np.bincount(group, truth) / np.bincount(group)
    r2 = 1 - np.mean((truth - means[group]) ** 2) / truth.var()
    assert r2 == pytest.approx(PAPER.ceiling(target), abs=3e-3)


def test_moments_are_those_of_walkers_with_that_ratio():
    values, ratios = walkers("paper")
    m = values["mass"]
    for ratio in (112.0, 133.0, 150.0):
        near = np.abs(ratios[:, 0] - ratio) < 0.1
        low, high = PAPER.mass_bounds(ratio)
        assert m[near].min() >= low - 0.1
        assert m[near].max() <= high + 0.1
        assert m[near].mean() == pytest.approx(PAPER.mean("mass", ratio), abs=0.1)
        assert m[near].std() == pytest.approx(PAPER.sd("mass", ratio), rel=0.03)


def test_limits():
    """A known stiffness makes the ratio tell the mass; a useless ratio tells nothing."""
    known = RatioPosterior(Uniform(60, 75), {"stiffness": Uniform(9000, 9000.1)})
    useless = RatioPosterior(Uniform(69.9, 70.1), {"stiffness": Uniform(1000, 100000)})
    assert known.ceiling("mass") == pytest.approx(1.0, abs=1e-6)
    assert useless.ceiling("mass") == pytest.approx(0.0, abs=1e-2)


def test_wider_priors_lower_the_share_of_both():
    assert RatioPosterior(Uniform(30, 300), {"stiffness": Uniform(2000, 40000)}).ceiling("mass") < 0.5005


# Known ratios, any number of legs ------------------------------------------------------------


@pytest.mark.parametrize(("posterior", "ratios"), [
    (PAPER, [120.0]), (TWO_LEGS, [140.0, 120.0]), (TWO_LEGS, [150.0, 165.0]), (THREE_LEGS, [130.0, 140.0, 90.0]),
])  # fmt: skip
def test_moments_are_those_of_the_density(posterior, ratios):
    """Closed forms against quadrature of m^n on the intersection of the ranges."""
    legs = len(ratios)
    low = max([posterior.mass.low, *(p.low / r for p, r in zip(posterior.stiffnesses.values(), ratios, strict=True))])
    high = min(
        [posterior.mass.high, *(p.high / r for p, r in zip(posterior.stiffnesses.values(), ratios, strict=True))]
    )
    np.testing.assert_allclose(posterior.mass_bounds([ratios]), [[low], [high]], rtol=1e-14)
    total, first, second = (
        integrate.quad(lambda m, j=j: (m - low) ** j * m**legs, low, high, epsrel=1e-12)[0] for j in range(3)
    )
    mean, sd = low + first / total, math.sqrt(second / total - (first / total) ** 2)
    for target, factor in zip(posterior.targets, (1.0, *ratios), strict=True):
        assert posterior.mean(target, [ratios]) == pytest.approx(factor * mean, rel=1e-12)
        assert posterior.sd(target, [ratios]) == pytest.approx(factor * sd, rel=1e-9)


@pytest.mark.parametrize("posterior", [PAPER, TWO_LEGS, THREE_LEGS])
def test_a_narrow_range_loses_no_digits(posterior):
    """Near the softest, heaviest walker: sd is (B - A)/√12 of a uniform density, and 0 in the corner itself."""
    corner = np.array([[p.low / posterior.mass.high for p in posterior.stiffnesses.values()]])
    low, high = posterior.mass_bounds(corner * (1 + 1e-6))
    assert high - low == pytest.approx(posterior.mass.high * 1e-6, rel=1e-5)
    assert posterior.sd("mass", corner * (1 + 1e-6)) == pytest.approx((high - low) / math.sqrt(12), rel=1e-5)
    assert posterior.mean("mass", corner) == pytest.approx(posterior.mass.high)
    assert posterior.sd("mass", corner) == pytest.approx(0.0, abs=1e-6)
    draws = posterior.draw(corner, 5, np.random.default_rng(0))
    np.testing.assert_allclose(draws["mass"], posterior.mass.high, rtol=1e-9)


def test_ratios_of_no_walker_have_no_moments():
    assert np.isnan(PAPER.mean("mass", [10.0, 133.0, 1000.0])).tolist() == [True, False, True]
    assert np.isnan(PAPER.sd("stiffness", 0.0))
    low, high = TWO_LEGS.mass_bounds([[108.0, 199.0]])  # the first of heavy walkers only, the second of light ones
    assert low > high
    assert np.isnan(TWO_LEGS.mean("stiffness_right", [[108.0, 199.0]]))


def test_two_legs_against_walkers_with_nearly_those_ratios():
    values, ratios = walkers("two legs")
    for chosen in ([135.0, 150.0], [120.0, 110.0]):
        near = np.all(np.abs(ratios - chosen) < 1.0, axis=1)
        assert near.sum() > 1000
        low, high = TWO_LEGS.mass_bounds([chosen])
        # A ratio that is off by 1 moves the ends by up to 0.7 kg.
        assert values["mass"][near].min() >= low - 0.7
        assert values["mass"][near].max() <= high + 0.7
        for target in TWO_LEGS.targets:
            # Each walker's own mean, since within the group k/m varies by 0.8 %.
            deviation = values[target][near] - TWO_LEGS.mean(target, ratios[near])
            expected = TWO_LEGS.sd(target, [chosen])[0]
            assert deviation.mean() == pytest.approx(0.0, abs=4 * expected / np.sqrt(near.sum()))
            assert deviation.std() == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("name", BOTH_LEGS)
def test_ceiling_of_two_legs_is_the_r2_of_the_best_estimate(name):
    posterior, (values, ratios) = POSTERIORS[name], walkers(name)
    for target in posterior.targets:
        truth, expected = values[target], posterior.ceiling(target)
        best, sd = posterior.mean(target, ratios), posterior.sd(target, ratios)
        assert 1 - np.mean((truth - best) ** 2) / truth.var() == pytest.approx(expected, abs=3e-3)
        assert 1 - np.mean(sd**2) / posterior.prior(target).variance() == pytest.approx(expected, abs=1e-3)


def test_ceiling_of_two_legs_by_quadrature():
    """Midpoint rule over both ratios; their density is the integral of m² over [A, B]."""
    spans = [(p.low / MASS.high, p.high / MASS.low) for p in TWO_LEGS.stiffnesses.values()]
    axes = [low + (high - low) * (np.arange(800) + 0.5) / 800 for low, high in spans]
    ratios = np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], axis=1)
    low, high = TWO_LEGS.mass_bounds(ratios)
    ratios, low, high = ratios[low < high], low[low < high], high[low < high]
    probability = (high**3 - low**3) / 3
    probability /= probability.sum()
    for target in TWO_LEGS.targets:
        unexplained = np.sum(probability * TWO_LEGS.sd(target, ratios) ** 2)
        expected = 1 - unexplained / TWO_LEGS.prior(target).variance()
        assert TWO_LEGS.ceiling(target) == pytest.approx(expected, abs=2e-5)


def test_a_second_leg_tells_more_of_the_mass():
    """Two independent stiffnesses over the same mass; a second one that is known tells it."""
    twice = RatioPosterior(MASS, {"stiffness": STIFFNESS, "stiffness_right": STIFFNESS})
    assert twice.ceiling("mass") > PAPER.ceiling("mass") + 0.1
    known = RatioPosterior(MASS, {"stiffness": STIFFNESS, "stiffness_right": Uniform(9000.0, 9000.1)})
    assert known.ceiling("mass") == pytest.approx(1.0, abs=1e-6)
    assert known.ceiling("stiffness") == pytest.approx(1.0, abs=1e-6)


def test_draws_of_known_ratios_have_the_density():
    """Density proportional to m² for two legs: Kolmogorov-Smirnov against its distribution function."""
    ratios = np.array([[135.0, 150.0], [140.0, 110.0]])
    draws = TWO_LEGS.draw(ratios, 20_000, np.random.default_rng(1))
    low, high = TWO_LEGS.mass_bounds(ratios)
    for i, m in enumerate(draws["mass"]):
        assert stats.kstest(m, lambda x, i=i: (x**3 - low[i] ** 3) / (high[i] ** 3 - low[i] ** 3)).pvalue > 0.01
        # Negative control: the density of a single leg.
        assert stats.kstest(m, lambda x, i=i: (x**2 - low[i] ** 2) / (high[i] ** 2 - low[i] ** 2)).pvalue < 0.01
        np.testing.assert_allclose(draws["stiffness"][i], ratios[i, 0] * m, rtol=1e-14)
        np.testing.assert_allclose(draws["stiffness_right"][i], ratios[i, 1] * m, rtol=1e-14)


# Ceilings of estimated ratios ----------------------------------------------------------------


def regression_r2(truth, measured):
    """R² on new walkers of a polynomial fitted to others: of degree 12, or 6 in each of two ratios."""
    scaled = (measured - measured.mean(axis=0)) / np.ptp(measured, axis=0) * 2
    if scaled.shape[1] == 1:
        basis = np.polynomial.chebyshev.chebvander(scaled[:, 0], 12)
    else:
        basis = np.polynomial.chebyshev.chebvander2d(*scaled.T, [6, 6])
    half = len(truth) // 2
    fitted = basis[half:] @ np.linalg.lstsq(basis[:half], truth[:half], rcond=None)[0]
    return 1 - np.mean((truth[half:] - fitted) ** 2) / truth[half:].var()


@pytest.mark.parametrize("target", ["mass", "stiffness"])
@pytest.mark.parametrize("name", ONE_LEG[:2])
def test_errors_of_the_ratio_lower_the_ceiling(target, name):
    """Without errors the closed form; with some, what a regression on the estimates explains; with many, nothing."""
    posterior, (values, ratios) = POSTERIORS[name], walkers(name, 300_000)
    assert posterior.ceiling(target, 1e-6) == pytest.approx(posterior.ceiling(target), abs=1e-4)
    for sd in (0.3 * ratios.std(), ratios.std()):
        measured = ratios + np.random.default_rng(5).normal(0.0, sd, ratios.shape)
        assert posterior.ceiling(target, sd) == pytest.approx(regression_r2(values[target], measured), abs=0.01)
    assert posterior.ceiling(target, 100 * ratios.std()) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "targets"), [("two legs", ["mass", "stiffness"]), ("two legs, wide", ["stiffness_right"])]
)
def test_errors_of_two_ratios_lower_the_ceiling(name, targets):
    posterior, (values, ratios) = POSTERIORS[name], walkers(name, 100_000)
    sd = np.array([0.3, 1.0]) * ratios.std(axis=0)
    measured = ratios + np.random.default_rng(5).normal(0.0, sd, ratios.shape)
    for target in targets:
        assert posterior.ceiling(target, sd) == pytest.approx(regression_r2(values[target], measured), abs=0.01)


def test_limits_of_errors_of_two_ratios():
    """Small errors change nothing, large ones leave nothing, and one large error leaves what the other leg tells."""
    assert TWO_LEGS.ceiling("mass", 1e-6) == pytest.approx(TWO_LEGS.ceiling("mass"), abs=1e-4)
    assert TWO_LEGS.ceiling("stiffness_right", 1e6) == pytest.approx(0.0, abs=1e-4)
    assert TWO_LEGS.ceiling("mass", [4.0, 1e6]) == pytest.approx(PAPER.ceiling("mass", 4.0), abs=1e-4)


@pytest.mark.parametrize("sd", [0.5, 3.0, 12.0])
def test_ceiling_of_an_estimated_ratio_by_quadrature(sd):
    """E[E(m | r)²] on dense grids of the mass and the estimate: nothing in common with the module but the formula."""
    m = 60 + 15 * (np.arange(1000) + 0.5) / 1000
    r = np.linspace(8000 / 75 - 8 * sd, 10000 / 60 + 8 * sd, 1501)[:, None]
    joint = m * (special.ndtr((10000 / m - r) / sd) - special.ndtr((8000 / m - r) / sd)) / (15 * 2000)
    density, first = joint.mean(axis=1) * 15, (joint * (m - 67.5)).mean(axis=1) * 15
    assert np.trapezoid(density, r[:, 0]) == pytest.approx(1.0, abs=1e-5)
    explained = np.trapezoid(first**2 / np.maximum(density, 1e-300), r[:, 0])
    assert PAPER.ceiling("mass", sd) == pytest.approx(explained / MASS.variance(), abs=1e-5)


# Draws given estimated ratios ----------------------------------------------------------------


@pytest.mark.parametrize("ratio", [110.0, 133.0, 160.0])
def test_masses_of_a_known_ratio_have_the_density_of_the_paper(ratio):
    """Density proportional to m on [A, B]: Kolmogorov-Smirnov against its distribution function."""
    low, high = PAPER.mass_bounds(ratio)
    draws = PAPER.draw([ratio], 20_000, np.random.default_rng(2), RatioError(1e-9))
    m, k = draws["mass"], draws["stiffness"]
    np.testing.assert_allclose(k / m, ratio, rtol=1e-6)
    assert stats.kstest(m[0], lambda x: (x**2 - low**2) / (high**2 - low**2)).pvalue > 0.01
    if high - low > 5.0:  # negative control: walkers of one ratio are not uniform in mass
        assert stats.kstest(m[0], stats.uniform(low, high - low).cdf).pvalue < 0.01
    mean, sd = PAPER.mean("mass", ratio), PAPER.sd("mass", ratio)
    assert m.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(20_000))
    assert m.std() == pytest.approx(sd, rel=0.03)


def test_a_ratio_known_badly_leaves_the_prior():
    draws = PAPER.draw([133.0], 20_000, np.random.default_rng(3), RatioError(1e4))
    m, k = draws["mass"], draws["stiffness"]
    assert stats.kstest(m[0], stats.uniform(60, 15).cdf).pvalue > 0.01
    assert stats.kstest(k[0], stats.uniform(8000, 2000).cdf).pvalue > 0.01
    assert abs(np.corrcoef(m[0], k[0])[0, 1]) < 0.03


def test_ratios_follow_bayes():
    """Draws of the ratio against prior times likelihood on a fine grid."""
    draws = PAPER.draw([115.0], 50_000, np.random.default_rng(4), RatioError(6.0))
    grid = np.linspace(8000 / 75, 10000 / 60, 20_001)
    low, high = PAPER.mass_bounds(grid)
    density = (high**2 - low**2) * np.exp(-0.5 * ((grid - 115.0) / 6.0) ** 2)
    cumulated = np.cumsum(density) / density.sum()
    ratios = draws["stiffness"] / draws["mass"]
    assert stats.kstest(ratios[0], lambda x: np.interp(x, grid, cumulated)).pvalue > 0.01


@pytest.mark.parametrize(("degrees_of_freedom", "density"), [(math.inf, stats.norm.pdf), (2.5, stats.t(2.5).pdf)])
def test_two_legs_follow_bayes(degrees_of_freedom, density):
    """Walkers of the prior, weighted by the likelihood of their ratios, against draws: mean and deviation of each."""
    values, ratios = walkers("two legs")
    estimate, scale, bias = np.array([125.0, 165.0]), np.array([4.0, 10.0]), np.array([2.0, -3.0])
    weights = np.prod(density((estimate - bias - ratios) / scale), axis=1)
    error = {
        name: RatioError(s, b, degrees_of_freedom) for name, s, b in zip(TWO_LEGS.stiffnesses, scale, bias, strict=True)
    }
    draws = TWO_LEGS.draw([estimate], 100_000, np.random.default_rng(12), error)
    for target in TWO_LEGS.targets:
        mean = np.average(values[target], weights=weights)
        sd = math.sqrt(np.average((values[target] - mean) ** 2, weights=weights))
        assert draws[target].mean() == pytest.approx(mean, abs=0.02 * sd)
        assert draws[target].std() == pytest.approx(sd, rel=0.02)
        # Negative control: without the likelihood the moments are others.
        assert abs(values[target].mean() - mean) > 0.05 * sd or abs(values[target].std() / sd - 1) > 0.05


@pytest.mark.parametrize("degrees_of_freedom", [math.inf, 3.0, 1.2])
@pytest.mark.parametrize(("estimate", "scale"), [(133.0, 0.01), (107.0, 1.0), (170.0, 2.0), (120.0, 30.0)])
def test_both_orders_of_drawing_agree(degrees_of_freedom, estimate, scale):
    """The ratio first, or the mass first as with several legs: two numerical ways to one distribution."""
    law = standard_law(degrees_of_freedom)
    estimated = EstimatedRatios(PAPER._box, np.array([[estimate]]), np.array([[scale]]), [law]).possible
    generator = np.random.default_rng(13)
    (m, (ratio,)), (other_m, (other_ratio,)) = (
        draw(20_000, generator) for draw in (estimated.draw_ratio_first, estimated.draw_mass_first)
    )
    for ours, theirs in ((m, other_m), (ratio, other_ratio), (m * ratio, other_m * other_ratio)):
        assert stats.ks_2samp(ours[0], theirs[0]).pvalue > 0.005


@pytest.mark.parametrize("degrees_of_freedom", [math.inf, 1.5])
@pytest.mark.parametrize("ratio", [-1e9, 0.0, 50.0, 106.0, 167.0, 300.0, 1e9, math.inf])
def test_estimates_beyond_the_walkers_stay_among_them(ratio, degrees_of_freedom):
    draws = PAPER.draw([ratio], 199, np.random.default_rng(5), RatioError(0.5, 0.0, degrees_of_freedom))
    m, k = draws["mass"], draws["stiffness"]
    assert np.isfinite(m).all()
    assert ((MASS.low - 1e-9 <= m) & (m <= MASS.high + 1e-9)).all()
    assert ((STIFFNESS.low - 1e-6 <= k) & (k <= STIFFNESS.high + 1e-6)).all()
    if math.isinf(degrees_of_freedom):  # walkers at the edge; a Student error may have been large instead
        edge = 8000 / 75 if ratio < 130 else 10000 / 60
        np.testing.assert_allclose(k / m, edge, atol=6.0)


@pytest.mark.parametrize("ratios", [[106.0, 200.0], [-1e6, 1e6], [50.0, 50.0], [1e9, 133.0], [167.0, 93.0]])
@pytest.mark.parametrize("scale", [1e-9, 0.5, 1e9])
def test_ratios_that_contradict_each_other_stay_among_the_walkers(ratios, scale):
    """No mass has both ratios: with a Gaussian error of 0.5 1/s², the likelihood underflows at all of them."""
    draws = TWO_LEGS.draw([ratios], 199, np.random.default_rng(5), RatioError(scale))
    for target in TWO_LEGS.targets:
        prior = TWO_LEGS.prior(target)
        assert np.isfinite(draws[target]).all()
        assert draws[target].min() >= prior.low * (1 - 1e-12)
        assert draws[target].max() <= prior.high * (1 + 1e-12)


def test_each_walker_has_its_own_error():
    error = RatioError(np.array([0.1, 5.0]))
    draws = PAPER.draw([133.0, 133.0], 4000, np.random.default_rng(6), error)
    np.testing.assert_allclose((draws["stiffness"] / draws["mass"]).std(axis=1), [0.1, 5.0], rtol=0.1)


def test_each_leg_has_its_own_error():
    error = {"stiffness": RatioError(0.1), "stiffness_right": RatioError(2.0, bias=3.0)}
    draws = TWO_LEGS.draw([[133.0, 140.0]], 4000, np.random.default_rng(6), error)
    ratios = [draws[name][0] / draws["mass"][0] for name in TWO_LEGS.stiffnesses]
    np.testing.assert_allclose(np.mean(ratios, axis=1), [133.0, 137.0], atol=0.3)
    np.testing.assert_allclose(np.std(ratios, axis=1), [0.1, 2.0], rtol=0.1)


def test_a_seed_gives_the_same_draws():
    draws = [PAPER.draw([133.0], 5, np.random.default_rng(7), RatioError(1.0))["mass"] for _ in range(2)]
    np.testing.assert_array_equal(*draws)


# Laws, shapes and mistakes -------------------------------------------------------------------


@pytest.mark.parametrize("degrees_of_freedom", [1.2, 3.0, 30.0, 1e9, math.inf])
def test_table_of_a_law(degrees_of_freedom):
    law = standard_law(degrees_of_freedom)
    z = np.linspace(-5.0, 5.0, 1001)
    exact = stats.t.cdf(z, degrees_of_freedom)
    np.testing.assert_allclose(law.cdf(z), exact, atol=5e-5)
    np.testing.assert_allclose(law.quantile(exact), z, atol=1e-3)


def test_fit_finds_the_law_of_errors():
    errors = 0.4 + 0.7 * np.random.default_rng(8).standard_t(3, 20_000)
    law = RatioError.fit(errors)
    assert law.degrees_of_freedom == pytest.approx(3.0, rel=0.1)
    assert law.bias == pytest.approx(0.4, abs=0.03)
    assert law.scale == pytest.approx(0.7, rel=0.05)


def test_quantities_come_from_a_table_of_priors():
    assert PAPER.targets == ("mass", "stiffness")
    assert TWO_LEGS.targets == ("mass", "stiffness", "stiffness_right")
    assert TWO_LEGS.prior("stiffness_right") == Uniform(7000.0, 12000.0)


def test_shapes():
    """A scalar or [n] with one leg, [legs] or [n, legs] with several."""
    assert np.shape(PAPER.mean("mass", 133.0)) == ()
    assert PAPER.mean("stiffness", [133.0, 140.0]).shape == (2,)
    np.testing.assert_array_equal(PAPER.sd("stiffness", [[133.0], [140.0]]), PAPER.sd("stiffness", [133.0, 140.0]))
    assert np.shape(TWO_LEGS.sd("stiffness_right", [133.0, 140.0])) == ()
    assert TWO_LEGS.sd("stiffness_right", [[133.0, 140.0]] * 3).shape == (3,)
    assert PAPER.draw(133.0, 7, np.random.default_rng(0))["mass"].shape == (1, 7)
    assert TWO_LEGS.draw([133.0, 140.0], 7, np.random.default_rng(0))["stiffness"].shape == (1, 7)


def test_mistakes_are_explained():
    generator = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"one column for each stiffness .* Received: shape \[3\]"):
        TWO_LEGS.mean("mass", [130.0, 131.0, 132.0])
    with pytest.raises(InputError, match="Received: 'rest_length'"):
        PAPER.ceiling("rest_length")
    with pytest.raises(InputError, match="No walker .* Received: 300 1/s²"):
        PAPER.draw([133.0, 300.0], 5, generator)
    with pytest.raises(InputError, match="Received: 1 of 2"):
        PAPER.draw([133.0, math.nan], 5, generator, RatioError(1.0))
    with pytest.raises(InputError, match="Received: scale -1"):
        RatioError(-1.0)

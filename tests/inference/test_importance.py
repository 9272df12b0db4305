"""The sampler behind every posterior, on toys whose posterior is known, beside controls that must fail."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy import integrate, special, stats

from gait.inference import importance
from gait.inference.bank import Bank, effective
from gait.inference.kernels import (
    Kernels,
    Mixture,
    Neighbourhoods,
    covariance_factors,
    derivatives,
    descend,
    matched,
    systematic,
)
from gait.inference.problem import log_constant, log_prior, misfit
from gait.inference.rounds import Round, relative_error
from tests.helpers.toys import SQUARE, WAVES, Curve, Linear, discrepancies, draws_of

LINEAR = {dimension: Linear.random(dimension) for dimension in (2, 3, 4)}
SIZE = 40_000
SHARP, MEDIUM, WIDE = "sharp", "medium", "wide"
OWN_DRAWS, PRIOR_DRAWS = "a mixture of local approximations", f"{SIZE:,} walks of the prior"


@functools.cache
def bank_of(problem, seed=0, size=SIZE):
    return Bank.of(problem, size, seed).weighted(problem)


# `functools.cache` needs toys that can be keys; arrays cannot.
Linear.__hash__ = object.__hash__


def recorded(problem, noise, seed=1):
    """A recording in noise, which differs between outputs, and the noise."""
    generator = np.random.default_rng(seed)
    truth = 0.7 * generator.standard_normal((1, problem.dimension))
    clean = problem.outputs(truth)[0]
    sd = noise * np.linspace(0.8, 1.2, len(clean))
    return clean + sd * generator.standard_normal(len(clean)), sd


def draws():
    return np.random.default_rng(0)


def kernels_at(centres, widths, masses=None):
    """Kernels with uncorrelated coordinates."""
    centres = np.atleast_2d(centres)
    factors = np.asarray(widths)[:, None, None] * np.eye(centres.shape[1])
    return Kernels(centres, factors, np.zeros(len(centres)) if masses is None else np.log(masses))


# Posteriors that are known -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noise", "regime"), [(1e-5, SHARP), (0.01, SHARP), (0.08, MEDIUM), (0.3, MEDIUM), (1.5, WIDE)]
)
@pytest.mark.parametrize("dimension", LINEAR)
def test_a_linear_model_has_its_gaussian_posterior(dimension, noise, regime):
    problem = LINEAR[dimension]
    bank = bank_of(problem)
    noise = noise / 2.0 if dimension == 2 else noise
    observed, sd = recorded(problem, noise)
    found = draws_of(problem, bank, observed, sd)
    if regime == WIDE:
        assert found.method.startswith(PRIOR_DRAWS)
    else:
        assert found.method.startswith(OWN_DRAWS)
        assert (found.temperature > 20.0) == (regime == SHARP) or dimension == 4
    assert found.effective > 400
    assert found.fits
    assert found.reason == ""
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.coordinates.shape == (2000, dimension)
    assert np.abs(discrepancies(found, problem.exact(observed, sd))).max() < 4.0


@pytest.mark.parametrize(("noise", "regime"), [(2e-4, SHARP), (1e-3, MEDIUM), (0.02, WIDE)])
@pytest.mark.parametrize("truth", [0.3, -0.9])
def test_a_posterior_of_many_modes_is_that_of_quadrature(noise, regime, truth):
    observed, sd = WAVES.function(np.array([truth]))[0], np.array([noise, noise])
    found = draws_of(WAVES, bank_of(WAVES, size=20_000), observed, sd)
    assert found.method.startswith("20,000 walks of the prior" if regime == WIDE else OWN_DRAWS)
    assert (found.temperature > 20.0) == (regime == SHARP)
    assert found.reason == ""
    assert np.abs(discrepancies(found, WAVES.exact(observed, sd))).max() < 3.0


@pytest.mark.parametrize("noise", [1e-3, 0.03, 0.5])
def test_both_of_two_equal_modes_are_found(noise):
    observed, sd = np.array([1.0]), np.array([noise])
    found = draws_of(SQUARE, bank_of(SQUARE), observed, sd)
    assert found.reason == ""
    assert np.abs(discrepancies(found, SQUARE.exact(observed, sd))).max() < 4.0


def over_seeds(problem, observed, sd):
    """Samples of one posterior from banks and draws of 20 seeds."""
    return (draws_of(problem, bank_of(problem, seed, 20_000), observed, sd, seed) for seed in range(20))


@pytest.mark.parametrize("noise", [0.02, 0.2, 1.5])
def test_the_error_of_the_evidence_is_its_scatter_over_seeds(noise):
    """Banks and draws of 20 seeds: z-scores have mean 0, and a mean square of about 1 or, as draws are even, less."""
    problem = LINEAR[3]
    observed, sd = recorded(problem, noise)
    exact = problem.exact(observed, sd)
    z = []
    for found in over_seeds(problem, observed, sd):
        assert found.reason == ""
        z.append((found.log_evidence - exact.log_evidence) / found.error)
    assert abs(np.mean(z)) < 3.3 / np.sqrt(20)
    assert 0.1 < np.mean(np.square(z)) < stats.chi2.ppf(0.9995, 20) / 20


@pytest.mark.parametrize("noise", [0.05, 0.4, 1.5])
def test_means_scatter_over_seeds_as_the_effective_number_of_draws_says(noise):
    """Likewise for means, which a second drawing from a weighted bank makes less exact."""
    problem = LINEAR[2]
    observed, sd = recorded(problem, noise)
    exact = problem.exact(observed, sd)
    z = []
    for found in over_seeds(problem, observed, sd):
        error = np.sqrt(np.diag(exact.covariance) / found.effective)
        z.extend((found.weights @ found.coordinates - exact.mean) / error)
    assert np.mean(np.square(z)) < stats.chi2.ppf(0.9995, 40) / 40


def test_a_border_cuts_the_posterior_off():
    """Half of the plane has no outputs: the posterior is the half of a Gaussian, its mean that of a half-normal."""
    plane = Linear(np.array([[1.0, 0.0], [0.0, 1.0]]))
    problem = dataclasses.replace(plane, border=0.0)
    for noise in (0.01, 0.1, 1.0):
        observed, sd = np.array([0.0, 0.5]), np.array([noise, noise])
        found = draws_of(problem, bank_of(problem), observed, sd)
        whole = plane.exact(observed, sd)
        width = np.sqrt(whole.covariance[0, 0])
        error = found.effective**-0.5
        assert found.reason == ""
        assert (found.coordinates[found.weights > 0.0, 0] <= 0.0).all()
        mean = found.weights @ found.coordinates
        half_normal = width * np.sqrt(1.0 - 2.0 / np.pi)
        assert abs(mean[0] + width * np.sqrt(2.0 / np.pi)) < 4.0 * half_normal * error
        assert abs(mean[1] - whole.mean[1]) < 4.0 * width * error
        assert abs(found.log_evidence - (whole.log_evidence + np.log(0.5))) < 4.0 * found.error


def test_a_weight_of_the_prior_counts():
    """With the weight exp(v - 1/2) the prior is a normal one around 1: the posterior moves, and stays exact."""

    @dataclasses.dataclass(frozen=True)
    class Shifted(Linear):
        beginnings = ()

        def log_weight(self, coordinates):
            return coordinates[:, 0] - 0.5

    problem = Shifted(np.ones((1, 1)))
    for noise in (1e-3, 0.05, 1.0):
        observed, sd = np.array([0.2]), np.array([noise])
        bank = Bank.of(problem, SIZE, 0).weighted(problem)
        found = draws_of(problem, bank, observed, sd)
        variance = 1.0 / (1.0 + noise**-2)
        mean = variance * (1.0 + observed[0] / noise**2)
        assert abs(found.weights @ found.coordinates[:, 0] - mean) < 4.0 * np.sqrt(variance / found.effective)
        assert abs(found.log_evidence - stats.norm.logpdf(0.2, 1.0, np.hypot(1.0, noise))) < 4.0 * found.error


def test_a_recording_that_nothing_fits_is_said_not_to_fit():
    problem = LINEAR[3]
    observed, sd = recorded(problem, 0.05)
    assert draws_of(problem, bank_of(problem), observed, sd).fits
    away = np.linalg.svd(problem.matrix)[0][:, -1]  # no output has this part
    assert not draws_of(problem, bank_of(problem), observed + away, sd).fits


# Controls that must fail ---------------------------------------------------------------------


def without(bank, lost):
    """A bank that lacks some of its draws, as if the model had no outputs there."""
    kept = ~lost(bank.coordinates)
    return dataclasses.replace(
        bank,
        coordinates=bank.coordinates[kept],
        recordings=bank.recordings[kept],
        log_weight=bank.log_weight[kept],
    )


@pytest.mark.parametrize("noise", [1e-3, 0.03, 0.5])
def test_a_bank_without_one_of_two_modes_gives_a_wrong_evidence(noise):
    """The comparison with quadrature notices the missing half, in each regime."""
    observed, sd = np.array([4.0 if noise == 0.5 else 1.0]), np.array([noise])
    exact = SQUARE.exact(observed, sd)
    bank = bank_of(SQUARE)
    assert abs(discrepancies(draws_of(SQUARE, bank, observed, sd), exact)[-1]) < 4.0
    halved = draws_of(SQUARE, without(bank, lambda v: v[:, 0] < 0.0), observed, sd)
    assert halved.reason or abs(discrepancies(halved, exact)[-1]) > 8.0
    assert abs(discrepancies(halved, exact)[0]) > 8.0


def test_a_proposal_that_misses_a_mode_of_the_bank_is_refused(monkeypatch):
    """The bank has enough draws to know of the mode, and its estimate of the evidence contradicts the proposal's."""
    observed, sd = np.array([1.0]), np.array([0.015])
    bank = bank_of(SQUARE, 1, 20_000)
    own = effective(bank.log_weight + bank.log_fit(observed[None], sd)[0])
    assert 150 < own < 300
    assert draws_of(SQUARE, bank, observed, sd).reason == ""
    whole = importance.first_proposal

    def halved(*arguments):
        found = whole(*arguments)
        kept = found.centres[:, 0] > 0.0
        return Kernels(found.centres[kept], found.factors[kept], found.log_masses[kept])

    monkeypatch.setattr(importance, "first_proposal", halved)
    found = draws_of(SQUARE, bank, observed, sd)
    assert "a mode may be missing" in found.reason
    # What the proposal misses, the bank stands in for.
    exact = SQUARE.exact(observed, sd)
    assert abs(found.log_evidence - exact.log_evidence) < 4.0 * found.error
    assert found.error > 0.02


def test_a_bank_far_too_small_is_noticed():
    """Eight draws cannot find some 50 modes: the result is refused, or the comparison with quadrature fails."""
    observed, sd = np.array([0.3, 0.0]), np.array([0.02, 0.02])
    problem = Curve(lambda v: np.stack([np.sin(40.0 * v), 0.001 * v], axis=1))
    exact = problem.exact(observed, sd)
    bank = Bank.of(problem, SIZE, 0).weighted(problem)
    assert np.abs(discrepancies(draws_of(problem, bank, observed, sd), exact)).max() < 4.0
    few = without(bank, lambda v: np.arange(len(v)) >= 8)
    few = dataclasses.replace(few, size=8, log_weight=np.full(8, -np.log(8)))
    found = draws_of(problem, few, observed, sd)
    assert found.reason or not found.fits or np.abs(discrepancies(found, exact)).max() > 8.0


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_weights_with_a_wrong_density_of_the_proposal_are_noticed(noise, monkeypatch):
    """Off by a factor that depends on the place: by e^(1/2) a standard deviation, or a constant."""
    problem = LINEAR[3]
    observed, sd = recorded(problem, noise)
    exact = problem.exact(observed, sd)
    right = Mixture.log_density
    width = np.sqrt(exact.covariance[0, 0])

    def leaning(self, coordinates):
        return right(self, coordinates) + 0.5 * (coordinates[:, 0] - exact.mean[0]) / width

    def lower(self, coordinates):
        return right(self, coordinates) - 0.1

    bank = bank_of(problem)
    assert np.abs(discrepancies(draws_of(problem, bank, observed, sd), exact)).max() < 4.0
    monkeypatch.setattr(Mixture, "log_density", leaning)
    assert abs(discrepancies(draws_of(problem, bank, observed, sd), exact)[0]) > 8.0
    monkeypatch.setattr(Mixture, "log_density", lower)
    assert abs(discrepancies(draws_of(problem, bank, observed, sd), exact)[-1]) > 8.0


def test_few_effective_draws_are_refused():
    problem = LINEAR[3]
    observed, sd = recorded(problem, 0.05)
    bank = bank_of(problem)
    fit = bank.log_fit(observed[None], sd)[0]
    assert draws_of(problem, bank, observed, sd, count=200).reason == ""
    few = draws_of(problem, bank, observed, sd, count=80)
    assert "of the draws are effective; it takes 100" in few.reason
    assert importance.sample(problem, bank, observed, sd, fit, 80, np.random.default_rng(3)).reason


# Rounds --------------------------------------------------------------------------------------


def test_each_round_estimates_the_evidence_without_bias():
    """A proposal twice as wide, beside the posterior: 200 rounds of 500 draws have the evidence as mean weight."""
    problem = Linear(np.ones((1, 1)))
    observed, sd = np.array([0.5]), np.array([0.5])
    exact = problem.exact(observed, sd)
    mixture = Mixture([kernels_at([[0.8]], [0.9])])
    generator = draws()
    rounds = [Round.of(problem, mixture, observed, sd, 500, generator) for _ in range(200)]
    ratio = np.exp([found.log_evidence + log_constant(sd) - exact.log_evidence for found in rounds])
    assert abs(ratio.mean() - 1.0) < 4.0 * ratio.std() / np.sqrt(200)
    assert ratio.std() < 1.2 * np.mean([found.error for found in rounds])


def test_truncated_weights_are_at_most_root_n_means():
    weights = np.log(np.array([1.0, 2.0, 3.0, 1000.0]))
    some = Round.of(LINEAR[2], Mixture([kernels_at([[0.0, 0.0]], [1.0])]), *recorded(LINEAR[2], 1.0), 4, draws())
    found = dataclasses.replace(some, log_weights=weights)
    mean = np.mean([1.0, 2.0, 3.0, 1000.0])
    np.testing.assert_allclose(np.exp(found.truncated()), [1.0, 2.0, 3.0, 2.0 * mean])
    none = dataclasses.replace(found, log_weights=np.full(4, -np.inf))
    assert np.isneginf(none.truncated()).all()
    assert none.effective == 0.0
    assert none.error == np.inf


def test_effective_number_and_error_of_weights():
    assert effective(np.full(7, -1e5)) == pytest.approx(7.0)
    assert effective(np.log([1.0, 1e-300, 1e-300])) == pytest.approx(1.0)
    assert effective(np.log([3.0, 1.0])) == pytest.approx(16.0 / 10.0)
    assert effective(np.full(3, -np.inf)) == 0.0
    assert relative_error(100.0, 100) == 0.0
    assert relative_error(0.0, 100) == np.inf
    # Of weights of a coin, 0 or 2: the standard error of their mean of 1 is 1/sqrt(n).
    assert relative_error(500.0, 1000) == pytest.approx(1000**-0.5)


# Mixtures ------------------------------------------------------------------------------------


def around(centres, widths, count):
    """Ascending nodes, dense within a few widths of each centre, up to 1e4 widths away."""
    nodes = np.sinh(np.linspace(-np.arcsinh(1e4), np.arcsinh(1e4), count))
    return np.unique(np.concatenate([c + w * nodes for c, w in zip(centres, widths, strict=True)]))


@pytest.mark.parametrize(
    ("centres", "widths"), [([0.3], [1.0]), ([-2.0, 1.0, 1.5], [1e-5, 0.3, 1e-3]), ([-4.0, 4.0], [1e-5, 1e-5])]
)
def test_the_density_of_a_mixture_on_a_line_integrates_to_one(centres, widths):
    parts = [kernels_at(np.array(centres)[:, None], widths, np.arange(1.0, len(centres) + 1.0))]
    nodes = around(centres, widths, 20_001)
    density = np.exp(Mixture(parts).log_density(nodes[:, None]))
    assert integrate.trapezoid(density, nodes) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("width", [1.0, 1e-5])
def test_the_density_of_a_mixture_on_a_plane_integrates_to_one(width):
    centres = np.array([[0.5, -1.0], [0.5 + 3.0 * width, -1.0]])
    factors = width * np.array([[[1.0, 0.0], [0.8, 0.4]], [[0.5, 0.0], [-0.3, 2.0]]])
    near, far = Kernels(centres, factors, np.zeros(2)), kernels_at([[-1.0, 2.0]], [0.2])
    mixture = Mixture([near, far], [0.7, 0.3])
    x = around([*centres[:, 0], -1.0], [width, width, 0.2], 301)
    y = around([-1.0, 2.0], [width, 0.2], 301)
    density = np.exp(mixture.log_density(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)))
    total = integrate.trapezoid(integrate.trapezoid(density.reshape(len(x), len(y)), y, axis=1), x)
    assert total == pytest.approx(1.0, abs=5e-3)


@pytest.mark.parametrize("width", [1.0, 1e-5])
@pytest.mark.parametrize("dimension", [1, 3, 6])
def test_one_kernel_is_a_students_t(dimension, width):
    generator = np.random.default_rng(dimension)
    factor = width * np.linalg.cholesky(np.cov(generator.standard_normal((dimension, 40))).reshape(dimension, -1))
    centre = generator.standard_normal(dimension)
    law = stats.multivariate_t(centre, factor @ factor.T / width**2, df=6)
    mixture = Mixture([Kernels(centre[None], factor[None], np.zeros(1))])
    points = centre + width * 5.0 * generator.standard_normal((50, dimension))
    scaled = centre + (points - centre) / width
    expected = np.atleast_1d(law.logpdf(scaled)) - dimension * np.log(width)
    np.testing.assert_allclose(mixture.log_density(points), expected, atol=1e-6)


def test_a_mixture_is_the_sum_of_its_parts():
    """Shares go to parts; within a part, kernels have their masses, whatever the unit of these."""
    part, other = kernels_at([[0.0, 0.0], [2.0, 1.0]], [0.5, 1.5], [1.0, 3.0]), kernels_at([[-1.0, 4.0]], [0.1], [1e-9])
    single = [Mixture([kernels_at([c], [w])]) for c, w in (([0.0, 0.0], 0.5), ([2.0, 1.0], 1.5), ([-1.0, 4.0], 0.1))]
    points = np.random.default_rng(0).normal(0.0, 3.0, (100, 2))
    expected = sum(
        share * np.exp(m.log_density(points)) for share, m in zip((0.8 / 4, 0.8 * 3 / 4, 0.2), single, strict=True)
    )
    np.testing.assert_allclose(np.exp(Mixture([part, other], [0.8, 0.2]).log_density(points)), expected, rtol=1e-9)


def test_matched_components_have_the_moments_of_the_draws_around_each_mode():
    generator = np.random.default_rng(4)
    factors = np.array([[[0.2, 0.0], [0.1, 0.3]], [[0.5, 0.0], [0.0, 0.1]], [[0.1, 0.0], [0.0, 0.1]]])
    centres = np.array([[-3.0, 0.0], [3.0, 1.0], [20.0, 0.0]])
    modes = Kernels(centres, 2.0 * factors, np.zeros(3))  # of the right place, but too wide
    first, second = (centres[i] + generator.standard_normal((4000, 2)) @ factors[i].T for i in range(2))
    draws, weights = np.concatenate([first, second]), np.repeat([3.0, 1.0], 4000)
    found = matched(modes, draws, weights)
    assert len(found.centres) == 2  # no draws are near the third
    np.testing.assert_allclose(found.centres, centres[:2], atol=0.03)
    covariance = found.factors @ found.factors.transpose(0, 2, 1)
    np.testing.assert_allclose(covariance, factors[:2] @ factors[:2].transpose(0, 2, 1), atol=0.01)
    np.testing.assert_allclose(np.exp(found.log_masses - found.log_masses[1]), [3.0, 1.0])
    assert matched(modes, draws[:15], weights[:15]) is None  # too few for moments


@pytest.mark.parametrize("widths", [(1.0, 1e-9, 1.0), (1e-9, 1e-9, 1.0), (1.0, 1e-9, 1e-10)])
def test_moments_of_a_needle_are_found(widths):
    """Some walks are a billion times more sensitive one way than another: there a covariance loses all its digits."""
    generator = np.random.default_rng(5)
    turn = np.linalg.qr(generator.standard_normal((3, 3)))[0]
    factor = np.linalg.qr((turn * widths).T)[1].T
    modes = Kernels(np.full((1, 3), 0.7), 3.0 * factor[None], np.zeros(1))
    draws = 0.7 + generator.standard_normal((4000, 3)) @ factor.T
    found = matched(modes, draws, np.ones(4000))
    relative = np.linalg.solve(factor, found.factors[0])
    np.testing.assert_allclose(relative @ relative.T, np.eye(3), atol=0.1)


def test_a_needle_thinner_than_rounding_has_no_moments():
    modes = Kernels(np.full((1, 2), 0.7), np.full((1, 2, 2), 1e-20) * np.tri(2), np.zeros(1))
    assert matched(modes, np.full((100, 2), 0.7), np.ones(100)) is None


def test_many_points_have_the_density_of_each(monkeypatch):
    """Densities are computed in patches; a patch of few rows changes nothing."""
    mixture = Mixture([kernels_at(np.random.default_rng(0).standard_normal((30, 2)), np.full(30, 0.1))])
    points = np.random.default_rng(1).standard_normal((101, 2))
    whole = mixture.log_density(points)
    monkeypatch.setattr("gait.inference.kernels._PATCH", 200)
    np.testing.assert_allclose(mixture.log_density(points), whole, rtol=1e-12)


@pytest.mark.parametrize("tails", [None, [2.0, 30.0]])
def test_draws_of_a_mixture_follow_its_density(tails):
    """The distribution function on a line, by quadrature of the density, makes draws uniform."""
    centres, widths = [-1.0, 0.5, 0.6], [0.5, 1e-3, 0.2]
    part = kernels_at(np.array(centres)[:, None], widths, [1.0, 2.0, 3.0])
    mixture = Mixture([part, part] if tails else [part], [0.4, 0.6] if tails else [1.0], tails)
    nodes = around(centres, widths, 20_001)
    cumulative = integrate.cumulative_trapezoid(np.exp(mixture.log_density(nodes[:, None])), nodes, initial=0.0)
    drawn = mixture.draw(20_000, np.random.default_rng(0))[:, 0]
    assert stats.kstest(np.interp(drawn, nodes, cumulative), "uniform").pvalue > 1e-3
    # A control: the same draws, a little aside.
    assert stats.kstest(np.interp(drawn + 0.03, nodes, cumulative), "uniform").pvalue < 1e-6


def test_draws_have_the_covariance_of_their_kernel():
    factor = np.array([[0.2, 0.0], [-1.0, 0.5]])
    drawn = Mixture([Kernels(np.array([[3.0, -3.0]]), factor[None], np.zeros(1))]).draw(
        100_000, np.random.default_rng(0)
    )
    np.testing.assert_allclose(drawn.mean(axis=0), [3.0, -3.0], atol=0.02)
    np.testing.assert_allclose(np.cov(drawn.T), factor @ factor.T * 6.0 / 4.0, atol=0.03)


def test_the_heaviest_kernels_are_kept():
    kernels = kernels_at(np.arange(5.0)[:, None], np.ones(5), np.exp([0.0, -3.0, -1.0, -20.0, -2.0]))
    np.testing.assert_array_equal(kernels.heaviest(3, 12.0).centres[:, 0], [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(kernels.heaviest(5, 12.0).centres[:, 0], [0.0, 2.0, 4.0, 1.0])
    np.testing.assert_array_equal(kernels.heaviest(5, 1.5).centres[:, 0], [0.0, 2.0])


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_systematic_counts_are_within_one_of_their_share(count):
    generator = np.random.default_rng(0)
    for weights in (generator.random(50), generator.exponential(size=50) ** 5, np.eye(50)[13], np.eye(50)[49]):
        numbers = systematic(weights, count, generator)
        assert numbers.shape == (count,)
        assert (np.diff(numbers) >= 0).all()
        counts = np.bincount(numbers, minlength=50)
        assert len(counts) == 50
        assert np.abs(counts - count * weights / weights.sum()).max() < 1.0
        assert counts[weights == 0.0].sum() == 0


def test_systematic_draws_are_fair():
    """Each number has its share on average over the random place of the first."""
    weights, generator = np.array([0.05, 0.25, 0.0, 0.7]), np.random.default_rng(0)
    counts = sum(np.bincount(systematic(weights, 3, generator), minlength=4) for _ in range(4000))
    np.testing.assert_allclose(counts / 12_000, weights, atol=0.015)


# Descents ------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [1e-6, 0.01, 1.0])
def test_descents_on_a_linear_model_end_in_its_one_mode(noise):
    """All from one bank; where they meet, they go on as one, with the exact mean, covariance and mass."""
    problem = LINEAR[3]
    observed, sd = recorded(problem, noise)
    exact = problem.exact(observed, sd)
    found, chi_square = descend(problem, bank_of(problem).coordinates[:30], observed, sd, steps=20)
    assert found.centres.shape == (1, 3)
    inverse = np.linalg.inv(np.linalg.cholesky(exact.covariance))
    assert np.linalg.norm(inverse @ (found.centres[0] - exact.mean)) < 0.01
    np.testing.assert_allclose(found.factors[0] @ found.factors[0].T, exact.covariance, rtol=1e-5, atol=1e-16)
    assert chi_square[0] == pytest.approx(misfit(problem.outputs(found.centres), observed, sd)[0])
    # Laplace's approximation is exact for a Gaussian.
    evidence = found.log_masses[0] + log_constant(sd)
    assert evidence == pytest.approx(exact.log_evidence, abs=1e-3)


def test_descents_keep_modes_apart():
    observed, sd = np.array([1.0]), np.array([0.01])
    found, chi_square = descend(SQUARE, np.linspace(-2.0, 2.0, 20)[:, None], observed, sd, steps=20)
    np.testing.assert_allclose(np.sort(found.centres[:, 0]), [-1.0, 1.0], atol=1e-3)
    np.testing.assert_allclose(found.factors[:, 0, 0], 0.005, rtol=1e-2)
    assert (chi_square < 0.1).all()
    assert found.log_masses[0] == pytest.approx(found.log_masses[1], abs=1e-2)


@pytest.mark.parametrize("place", [0.3, -0.3])
def test_descents_cope_with_a_border(place):
    """The mode lies on the side that has outputs, or would lie beyond: then the end is near the border, not NaN."""
    problem = Linear(np.array([[1.0, 0.5], [0.0, 1.0]]), border=0.0)
    observed, sd = np.array([place, 0.0]), np.array([0.01, 0.01])
    starts = bank_of(problem).coordinates[:40]
    found, chi_square = descend(problem, starts, observed, sd, steps=30)
    for numbers in (found.centres, found.factors, found.log_masses, chi_square):
        assert np.isfinite(numbers).all()
    assert (found.centres[:, 0] <= 0.0).all()
    best = np.argmin(chi_square)
    if place < 0.0:
        exact = problem.exact(observed, sd)
        np.testing.assert_allclose(found.centres[best], exact.mean, atol=1e-4)
        assert chi_square[best] < 1.0
    else:
        assert found.centres[best, 0] > -0.15


def test_a_start_without_outputs_is_no_mode():
    problem = Linear(np.eye(2), border=0.0)
    starts = np.array([[1.0, 0.0], [-1.0, 0.0]])
    found, chi_square = descend(problem, starts, np.array([-0.5, 0.2]), np.array([0.1, 0.1]), steps=20)
    heaviest = np.argmax(found.log_masses)
    np.testing.assert_allclose(found.centres[heaviest], [-0.495, 0.198], atol=1e-3)
    assert np.isfinite(chi_square[heaviest])
    assert (found.log_masses[np.isinf(chi_square)] < -1e200).all()


@pytest.mark.parametrize("noise", [1e-4, 0.1, 1.0])
def test_neighbourhoods_of_a_linear_model_lead_to_its_least_squares_solution(noise):
    """With a radius far beyond the posterior, the move from any point ends at the fit without a prior."""
    problem = LINEAR[3]
    observed, sd = recorded(problem, noise)
    points = bank_of(problem).coordinates[:10]
    near = Neighbourhoods.of(problem, points, problem.outputs(points), observed, sd, 1e4)
    fit = np.linalg.lstsq(problem.matrix / sd[:, None], observed / sd, rcond=None)[0]
    np.testing.assert_allclose(points + near.moves, np.tile(fit, (10, 1)), atol=1e-5)
    kernels = near.kernels(problem, observed, sd)
    np.testing.assert_allclose(kernels.centres, points + near.moves)
    covariance = kernels.factors @ kernels.factors.transpose(0, 2, 1)
    np.testing.assert_allclose(covariance @ near.precision, np.tile(np.eye(3), (10, 1, 1)), atol=1e-6)


def test_the_mass_of_a_neighbourhood_is_the_integral_over_it():
    """Of likelihood times a normal law around the point: Gaussian, so known."""
    problem, radius = LINEAR[2], 0.3
    observed, sd = recorded(problem, 0.4)
    points = bank_of(problem).coordinates[:5]
    found = Neighbourhoods.of(problem, points, problem.outputs(points), observed, sd, radius)
    spread = problem.matrix @ problem.matrix.T * radius**2 + np.diag(sd**2)
    expected = [stats.multivariate_normal(clean, spread).logpdf(observed) for clean in problem.outputs(points)]
    np.testing.assert_allclose(found.kernels(problem, observed, sd).log_masses + log_constant(sd), expected, atol=1e-4)


# Derivatives ---------------------------------------------------------------------------------


def test_derivatives_of_a_linear_model_are_its_matrix():
    problem = LINEAR[4]
    points = bank_of(problem).coordinates[:7]
    found = derivatives(problem, points, problem.outputs(points))
    np.testing.assert_allclose(found, np.tile(problem.matrix.T, (7, 1, 1)), atol=1e-9)


def test_derivatives_at_a_border_are_those_of_the_side_with_outputs():
    problem = Linear(np.array([[2.0, 1.0], [3.0, -1.0]]), border=0.0)
    points = np.array([[-1e-5, 0.2], [-1.0, 0.2]])
    found = derivatives(problem, points, problem.outputs(points))
    np.testing.assert_allclose(found, np.tile(problem.matrix.T, (2, 1, 1)), atol=1e-9)


def test_derivatives_without_outputs_on_either_side_are_zero():
    """A strip of outputs that is narrower than a step."""

    class Strip(Linear):
        def outputs(self, coordinates):
            found = super().outputs(coordinates)
            return np.where(np.abs(coordinates[:, :1]) > 1e-5, np.nan, found)

    problem = Strip(np.array([[2.0, 1.0]]))
    points = np.zeros((1, 2))
    np.testing.assert_allclose(derivatives(problem, points, problem.outputs(points)), [[[0.0], [1.0]]], atol=1e-9)


# The bank ------------------------------------------------------------------------------------


def test_a_larger_bank_begins_with_the_smaller_one():
    problem = Linear(LINEAR[3].matrix, border=0.5)
    small, large = (Bank.of(problem, size, 4) for size in (20_000, 45_000))
    assert (len(small.drawn), len(large.drawn)) == (20_000, 60_000)
    np.testing.assert_array_equal(large.drawn[:20_000], small.drawn)
    np.testing.assert_array_equal(large.recordings[: len(small)], small.recordings)
    np.testing.assert_array_equal(large.centre, small.centre)
    assert not np.array_equal(Bank.of(problem, 20_000, 5).drawn, small.drawn)


def test_a_bank_keeps_the_draws_that_have_outputs():
    problem = Linear(LINEAR[2].matrix, border=0.5)
    bank = bank_of(problem)
    assert len(bank) == bank.sound.sum() < len(bank.drawn)
    np.testing.assert_array_equal(bank.coordinates, bank.drawn[bank.drawn[:, 0] <= 0.5])
    np.testing.assert_allclose(bank.recordings + bank.centre, problem.outputs(bank.coordinates), atol=1e-5)
    # All draws count: the weights sum to the share that has outputs, not to 1.
    assert np.exp(bank.log_weight).sum() == pytest.approx(special.ndtr(0.5), abs=0.01)


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_the_fit_of_a_bank_is_minus_half_the_chi_square(noise):
    problem = LINEAR[4]
    bank = bank_of(problem)
    observed = np.stack([recorded(problem, noise, seed)[0] for seed in range(3)])
    sd = recorded(problem, noise)[1]
    expected = np.stack([-0.5 * misfit(problem.outputs(bank.coordinates), row, sd) for row in observed])
    found = bank.log_fit(observed, sd)
    assert found.shape == (3, len(bank))
    moderate = expected > -1e3
    assert moderate.sum() > 1000
    np.testing.assert_allclose(found[moderate], expected[moderate], atol=2e-3)
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())


def test_temperature_grows_with_what_is_asked_and_as_noise_falls():
    problem = LINEAR[3]
    bank = bank_of(problem)
    asked = [2.0, 10.0, 100.0, 1000.0, 10_000.0]
    observed, sd = recorded(problem, 0.05)
    fit = bank.log_fit(observed[None], sd)[0]
    found = [bank.temperature(fit, enough) for enough in asked]
    assert (np.diff(found) > 0).all()
    for enough, temperature in zip(asked, found, strict=True):
        assert effective(bank.log_weight + fit / temperature) == pytest.approx(enough, rel=0.1)
    noises = [bank.temperature(bank.log_fit(observed[None], sd * 2.0**-i)[0], 200.0) for i in range(5)]
    np.testing.assert_allclose(np.array(noises[1:]) / noises[:-1], 4.0, rtol=0.1)


def test_temperature_is_one_where_the_bank_suffices():
    problem = LINEAR[3]
    bank = bank_of(problem)
    observed, sd = recorded(problem, 2.0)
    fit = bank.log_fit(observed[None], sd)[0]
    own = effective(bank.log_weight + fit)
    assert bank.temperature(fit, 0.99 * own) == 1.0
    assert bank.temperature(fit, 1.05 * own) > 1.0
    assert bank.temperature(fit, 2.0 * len(bank)) == 1e30  # no noise is enough


# The vocabulary ------------------------------------------------------------------------------


def test_prior_misfit_and_constant_are_those_of_normal_laws():
    problem = LINEAR[3]
    points = bank_of(problem).coordinates[:4]
    np.testing.assert_allclose(log_prior(problem, points), stats.norm.logpdf(points).sum(axis=1))
    observed, sd = recorded(problem, 0.5)
    outputs = problem.outputs(points)
    expected = stats.norm.logpdf(observed, outputs, sd).sum(axis=1)
    np.testing.assert_allclose(log_constant(sd) - 0.5 * misfit(outputs, observed, sd), expected)
    outputs[1, 2] = np.nan
    assert np.isinf(misfit(outputs, observed, sd)).tolist() == [False, True, False, False]


def test_a_covariance_beyond_rounding_has_a_factor_all_the_same():
    """Cholesky's method gives up on its inverse; where both work they agree."""
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    fine, hard = (axes * np.array([1.0, 3.0, 10.0, largest]) @ axes.T for largest in (1e3, 1e18))
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(np.linalg.inv(hard[None]))
    expected = np.linalg.cholesky(np.linalg.inv(fine))
    found = covariance_factors(np.stack([fine, hard]))
    np.testing.assert_allclose(found[0], expected, atol=1e-9)
    assert np.isfinite(found).all()
    assert (np.triu(found, 1) == 0.0).all()
    assert (np.einsum("nii->ni", found) > 0.0).all()
    # The axis that is known best has next to no spread.
    assert np.linalg.norm(found[1].T @ axes[:, 3]) < 1e-6

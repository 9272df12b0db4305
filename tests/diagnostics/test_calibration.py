"""Coverage of the posterior of mass and stiffness given k/m, beside controls that must fail."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from gait.diagnostics.calibration import DRAWS, LEVELS, calibrate, calibrate_ratio_posterior, coverage
from gait.inference.ratio import RatioError, RatioPosterior
from gait.parameters import PAPER_PRIORS, Uniform

MASS, STIFFNESS = PAPER_PRIORS["mass"], PAPER_PRIORS["stiffness"]
PAPER = RatioPosterior.of(PAPER_PRIORS)
TWO_LEGS = RatioPosterior(
    Uniform(20.0, 200.0), {"stiffness": Uniform(1000.0, 50_000.0), "stiffness_right": Uniform(5000.0, 50_000.0)}
)
WALKERS, FEWER = 20_000, 4000


def draw_walkers(posterior, generator, n=WALKERS):
    """True values by name, and their ratios k/m, shape [n, legs]."""
    truth = {name: generator.uniform(posterior.prior(name).low, posterior.prior(name).high, n)
             for name in posterior.targets}  # fmt: skip
    return truth, np.stack([truth[name] for name in posterior.stiffnesses], axis=1) / truth["mass"][:, None]


@pytest.fixture(scope="module")
def walkers():
    """True values, and an estimate of k/m with a standard error of 3 1/s²; seed 1."""
    generator = np.random.default_rng(1)
    truth, ratios = draw_walkers(PAPER, generator)
    return truth, ratios[:, 0] + generator.normal(0.0, 3.0, WALKERS)


# Coverage ------------------------------------------------------------------------------------


def test_coverage_by_hand():
    """Of the draws 1 to 199, the central half reaches from 50 to 150."""
    draws = np.tile(np.arange(1.0, 200.0), (4, 1))[:, ::-1]
    found = coverage(np.array([49.9, 50.0, 150.0, 150.1]), draws, Uniform(0.0, 400.0), 0.5)
    assert found.covered == 0.5
    assert found.sharpness == pytest.approx(100.0 / (0.5 * 400.0))
    assert found.interval == pytest.approx(tuple(stats.beta.ppf([0.005, 0.995], [2, 3], [3, 2])))
    assert coverage(np.array([49.9, 50.0, 150.0, 150.1]), draws, Uniform(0.0, 400.0), 0.5, scale=1.1).covered == 1.0


@pytest.mark.parametrize("target", ["mass", "stiffness"])
def test_the_posterior_covers_and_both_controls_fail(walkers, target):
    truth, ratio = walkers
    draws = PAPER.draw(ratio, DRAWS, np.random.default_rng(7), RatioError(3.0))[target]
    found = calibrate(truth[target], draws, PAPER.prior(target), np.random.default_rng(8))
    assert found.holds
    assert [row.level for row in found.posterior] == list(LEVELS)
    assert all(row.holds for row in found.posterior)
    assert not any(row.holds for row in found.halved)
    assert not any(row.holds for row in found.doubled[:2])  # at 95 %, intervals × 2 hold nearly all walkers
    assert all(row.holds for row in found.prior)
    # It says more than the prior, which covers as well.
    assert all(row.sharpness < 0.8 for row in found.posterior)
    assert all(row.sharpness == pytest.approx(1.0, abs=0.01) for row in found.prior)
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["holds"] is True
    assert content["posterior"][0]["level"] == 0.5


def test_the_file_has_the_keys_it_always_had(walkers):
    truth, ratio = walkers
    draws = PAPER.draw(ratio[:200], 19, np.random.default_rng(7), RatioError(3.0))["mass"]
    content = calibrate(truth["mass"][:200], draws, MASS, np.random.default_rng(8)).to_dict()
    assert list(content) == ["n", "confidence", "ranks_p", "holds", "posterior", "halved", "doubled", "prior"]
    assert list(content["prior"][2]) == ["level", "covered", "interval", "sharpness", "holds"]


def test_a_test_that_the_controls_pass_is_none():
    """With four walkers, intervals × 0.5 and × 2 are within chance, too: nothing has been shown."""
    generator = np.random.default_rng(2)
    truth, ratios = draw_walkers(PAPER, generator, 4)
    draws = PAPER.draw(ratios, DRAWS, generator)["mass"]
    found = calibrate(truth["mass"], draws, MASS, generator)
    assert all(row.holds for rows in (found.posterior, found.halved, found.doubled) for row in rows)
    assert not found.holds


def test_overconfidence_in_the_ratio_is_noticed():
    """The ratio taken for ten times as accurate as it is, of walkers whose mass it pins down."""
    generator = np.random.default_rng(9)
    posterior = RatioPosterior(MASS, {"stiffness": Uniform(9000.0, 9000.1)})
    truth, ratios = draw_walkers(posterior, generator)
    m, ratio = truth["mass"], ratios[:, 0] + generator.normal(0.0, 3.0, WALKERS)
    honest = posterior.draw(ratio, DRAWS, generator, RatioError(3.0))["mass"]
    boastful = posterior.draw(ratio, DRAWS, generator, RatioError(0.3))["mass"]
    assert all(coverage(m, honest, MASS, level).holds for level in LEVELS)
    assert not any(coverage(m, boastful, MASS, level).holds for level in LEVELS)
    assert coverage(m, honest, Uniform(100.0, 100_000.0), 0.5).sharpness < 0.01


def test_another_prior_is_noticed():
    """Masses drawn uniformly over their range instead of by the density of the paper, on wide priors."""
    generator = np.random.default_rng(10)
    posterior = RatioPosterior(Uniform(20.0, 200.0), {"stiffness": Uniform(1000.0, 50_000.0)})
    truth, ratios = draw_walkers(posterior, generator)
    low, high = posterior.mass_bounds(ratios)
    uniform = low[:, None] + (high - low)[:, None] * generator.random((WALKERS, DRAWS))
    for error in (None, RatioError(1e-6)):
        exact = posterior.draw(ratios, DRAWS, generator, error)["mass"]
        assert calibrate(truth["mass"], exact, posterior.mass, generator).holds
    leaning = calibrate(truth["mass"], uniform, posterior.mass, generator)
    assert leaning.ranks_p < 1e-6
    assert not leaning.holds
    assert all(row.holds for row in leaning.posterior)  # central intervals do not see it


# Several legs --------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees_of_freedom", [math.inf, 2.0])
def test_two_legs_are_calibrated_and_a_wrong_exponent_is_noticed(degrees_of_freedom):
    """Draws of two estimated ratios, each with its own error; then with the density m of one leg instead of m²."""
    generator = np.random.default_rng(3)
    truth, ratios = draw_walkers(TWO_LEGS, generator, FEWER)
    error = {
        "stiffness": RatioError(5.0, 1.0, degrees_of_freedom),
        "stiffness_right": RatioError(20.0, -2.0, degrees_of_freedom),
    }
    for i, law in enumerate(error.values()):
        noise = generator.normal if math.isinf(degrees_of_freedom) else lambda *_: generator.standard_t(2.0, FEWER)
        ratios[:, i] += law.bias + law.scale * noise(0.0, 1.0, FEWER)
    draws = TWO_LEGS.draw(ratios, DRAWS, generator, error)
    for target in TWO_LEGS.targets:
        assert calibrate(truth[target], draws[target], TWO_LEGS.prior(target), generator).holds
    # Weights 1/m turn draws of the density m² F into draws of m F.
    weights = np.cumsum(1.0 / draws["mass"], axis=1)
    chosen = generator.random((FEWER, DRAWS)) * weights[:, -1:]
    index = np.array([np.searchsorted(row, wanted) for row, wanted in zip(weights, chosen, strict=True)])
    wrong = np.take_along_axis(draws["mass"], index, axis=1)
    leaning = calibrate(truth["mass"], wrong, TWO_LEGS.mass, generator)
    assert leaning.ranks_p < 1e-6
    assert not leaning.holds
    # Negative control of the negative control: drawing again with equal weights changes nothing.
    again = np.take_along_axis(draws["mass"], generator.integers(0, DRAWS, (FEWER, DRAWS)), axis=1)
    assert calibrate(truth["mass"], again, TWO_LEGS.mass, generator).ranks_p > 1e-6


def test_exact_ratios_of_two_legs():
    """p(m | rho) proportional to m² is calibrated, proportional to m is not."""
    generator = np.random.default_rng(4)
    truth, ratios = draw_walkers(TWO_LEGS, generator, FEWER)
    draws = TWO_LEGS.draw(ratios, DRAWS, generator)
    assert calibrate(
        truth["stiffness_right"], draws["stiffness_right"], TWO_LEGS.prior("stiffness_right"), generator
    ).holds
    low, high = (ends[:, None] for ends in TWO_LEGS.mass_bounds(ratios))
    wrong = np.sqrt(low**2 + generator.random((FEWER, DRAWS)) * (high**2 - low**2))
    assert calibrate(truth["mass"], draws["mass"], TWO_LEGS.mass, generator).holds
    assert calibrate(truth["mass"], wrong, TWO_LEGS.mass, generator).ranks_p < 1e-6


# A network's ratios --------------------------------------------------------------------------


def test_rare_large_errors_need_students_law():
    """Errors of Student's law, 3 degrees of freedom: a Gaussian of the same deviation is too wide for most."""
    generator = np.random.default_rng(11)
    posterior = RatioPosterior(MASS, {"stiffness": Uniform(9000.0, 9100.0)})
    truth, ratios = draw_walkers(posterior, generator)
    ratio = ratios[:, 0] + 0.7 * generator.standard_t(3, WALKERS)
    others = 0.7 * generator.standard_t(3, WALKERS)
    found = calibrate_ratio_posterior(posterior, truth, {}, ratio, others, generator)
    assert found.error["stiffness"].degrees_of_freedom == pytest.approx(3.0, rel=0.1)
    assert found.error["stiffness"].scale == pytest.approx(0.7, rel=0.05)
    assert found.holds
    assert "as spread as they should be" in found.sentence()
    gaussian = posterior.draw(ratio, DRAWS, generator, RatioError(others.std()))["mass"]
    assert not coverage(truth["mass"], gaussian, MASS, 0.5).holds
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["calibrations"]["mass"]["holds"]
    assert list(content) == ["error", "examples", "calibrations"]
    assert list(content["error"]) == ["freedom", "mean", "scale"]
    assert list(content["examples"][0]) == ["truth", "estimate", "mean"]
    assert [example.estimate for example in found.examples] == [None] * 3


def test_examples_and_sentence(walkers):
    """Three walkers in the order of their ratios, with the network's own estimates; a bias is fitted and removed."""
    truth, ratio = ({name: column[:1000] for name, column in walkers[0].items()}, walkers[1][:1000])
    estimates = {"mass": truth["mass"] + 1.0, "stiffness": truth["stiffness"] - 10.0, "rest_length": truth["mass"]}
    errors = np.random.default_rng(5).normal(2.0, 3.0, 1000)
    found = calibrate_ratio_posterior(PAPER, truth, estimates, ratio + 2.0, errors, np.random.default_rng(6))
    assert found.error["stiffness"].bias == pytest.approx(2.0, abs=0.3)
    assert all(calibration.ranks_p > 0.001 for calibration in found.calibrations.values())
    ratios = [example.truth[1] / example.truth[0] for example in found.examples]
    assert ratios == pytest.approx(np.quantile(truth["stiffness"] / truth["mass"], [0.1, 0.5, 0.9]), abs=0.2)
    for example in found.examples:
        assert example.estimate == pytest.approx((example.truth[0] + 1.0, example.truth[1] - 10.0))
        assert example.draws.shape == (2, DRAWS)
        assert np.median(example.draws[1] / example.draws[0]) == pytest.approx(
            example.truth[1] / example.truth[0], abs=9
        )
    rows = found.calibrations["mass"].posterior
    assert found.sentence().startswith(
        "For 1,000 test walkers, the 50 % interval of the mass given the network's k/m holds the true mass "
        f"{100 * rows[0].covered:.1f} % of the time, the 80 % interval {100 * rows[1].covered:.1f} % and the 95 % "
        f"interval {100 * rows[2].covered:.1f} %. "
    )


def test_a_bad_calibration_says_so(walkers):
    truth, ratio = ({name: column[:FEWER] for name, column in walkers[0].items()}, walkers[1][:FEWER])
    errors = np.random.default_rng(5).normal(0.0, 3.0, 500)
    found = calibrate_ratio_posterior(PAPER, truth, {}, ratio + 12.0, errors, np.random.default_rng(6))
    assert not found.holds
    assert found.sentence().endswith("Do not rely on these intervals.")


def test_a_network_for_two_legs():
    generator = np.random.default_rng(12)
    truth, ratios = draw_walkers(TWO_LEGS, generator, FEWER)
    scale = np.array([3.0, 9.0])
    errors = scale * generator.standard_t(4, (1000, 2))
    ratios += scale * generator.standard_t(4, ratios.shape)
    found = calibrate_ratio_posterior(TWO_LEGS, truth, {}, ratios, errors, generator)
    assert [found.error[name].scale for name in TWO_LEGS.stiffnesses] == pytest.approx(scale, rel=0.15)
    assert found.holds
    assert found.examples[0].draws.shape == (3, DRAWS)
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert list(content["calibrations"]) == ["mass", "stiffness", "stiffness_right"]
    assert list(content["error"]) == ["stiffness", "stiffness_right"]

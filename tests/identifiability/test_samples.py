"""The ceiling from samples alone: exact values, coverage of its interval, controls, and the walker."""

from functools import cache

import numpy as np
import pytest
from scipy.special import sici
from scipy.stats import norm
from scipy.stats import t as student

from gait import InputError
from gait.identifiability.regression import components, fit
from gait.identifiability.samples import ceiling
from gait.inference.ratio import RatioPosterior
from gait.parameters import NAMES, PAPER_PRIORS, derive, named, subject_of
from gait.simulation.channels import observe
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.population import Population, walk_records

# Distributions with known ceilings: targets and inputs of n samples -------------------------------------------


def square(generator, n):
    theta = generator.uniform(-1, 1, n)
    return theta, theta**2


def junk(generator, n):
    return generator.standard_normal(n), generator.standard_normal((n, 3))


def linear_gaussian(generator, n):
    theta = generator.standard_normal(n)
    return theta, theta + generator.standard_normal(n)


def log_ratio(generator, n):
    """E Var(log m | x) = 0.2² 0.3² / (0.2² + 0.3²) = 0.02769."""
    k, m = 0.3 * generator.standard_normal(n), 0.2 * generator.standard_normal(n)
    return m, k - m


def identity(generator, n):
    theta = generator.uniform(size=n)
    return theta, theta


SIX_VARIANCE = 0.5 - sici(6.0)[0] / 12 + (0.5 + np.sin(4) * np.sin(2) / 16) / 3 + 1 / 45
"""Variance of the signal below: E sin²(3ab) + E c² E cos²(2d + e) + Var(f²) / 4, for uniform a to f."""


def six_dimensions(generator, n):
    """A curved function of six inputs, and as much noise."""
    x = generator.uniform(-1, 1, (n, 6))
    signal = np.sin(3 * x[:, 0] * x[:, 1]) + x[:, 2] * np.cos(2 * x[:, 3] + x[:, 4]) + 0.5 * x[:, 5] ** 2
    return signal + np.sqrt(SIX_VARIANCE) * generator.standard_normal(n), x


def heavy_tailed_noise(generator, n):
    """One input, with noise of no finite variance."""
    theta = 2.0 * generator.standard_normal(n)
    return theta, theta + generator.standard_t(2, n)


def frequency_among_nuisances(generator, n):
    """Recordings of a damped oscillation. Amplitude, damping and phase vary, but leave no doubt about frequency."""
    ranges = ((5, 40), (0.5, 2), (0.2, 2), (0, 2 * np.pi))
    frequency, amplitude, damping, phase = (generator.uniform(*ends, (n, 1)) for ends in ranges)
    t = np.linspace(0, 1, 60)
    return frequency[:, 0], amplitude * np.exp(-damping * t) * np.sin(frequency * t + phase)


def twenty_dimensions(generator, n):
    """A sum of twenty inputs, and as much noise."""
    x = generator.standard_normal((n, 20))
    return x.sum(axis=1) + np.sqrt(20) * generator.standard_normal(n), x


def ties(generator, n):
    """Four values of the input, noise in whole numbers: Var(k) = 1.25."""
    k = generator.integers(0, 4, n)
    return k + np.round(generator.standard_normal(n)), k


def heteroscedastic(generator, n):
    """sin(3a) with noise of spread 1.2 + b: variances 1/2 - sin(6)/12 and 1.2² + 1/3."""
    x = generator.uniform(-1, 1, (n, 2))
    return np.sin(3 * x[:, 0]) + (1.2 + x[:, 1]) * generator.standard_normal(n), x


def walkers_ratio(generator, n):
    """Mass from stiffness to mass, over the ranges of the paper."""
    m, k = generator.uniform(60, 75, n), generator.uniform(8000, 10_000, n)
    return m, k / m


def heavy_tailed_target(generator, n):
    """exp(a + b), a known, both of variance 1/4: (exp(1/4) - 1) / (exp(1/2) - 1)."""
    x = 0.5 * generator.standard_normal(n)
    return np.exp(x + 0.5 * generator.standard_normal(n)), x


def two_humps(generator, n):
    """A square in noise: two values of theta fit below 1, one above."""
    theta = generator.uniform(-1, 2, n)
    return theta, theta**2 + 0.05 * generator.standard_normal(n)


@cache
def by_quadrature(case):
    """1 - E Var(theta | x) / Var(theta) = Var(E(theta | x)) / Var(theta) over grids of theta and x."""
    if case is heavy_tailed_noise:
        theta, u = np.linspace(-14, 14, 701), np.linspace(-1, 1, 4002)[1:-1]
        prior, x = norm.pdf(theta / 2), 12 * u / (1 - u**2)  # to infinity
        likelihood = lambda x: student.pdf(x[:, None] - theta, 2)  # noqa: E731
    else:
        theta, x = np.linspace(-1, 2, 1501), np.linspace(-0.5, 4.5, 2001)
        prior = np.where(abs(theta - 0.5) < 1.4999, 1.0, 0.5)
        likelihood = lambda x: norm.pdf(x[:, None], theta**2, 0.05)  # noqa: E731
    prior = prior / prior.sum()
    centred = theta - prior @ theta
    joint = np.concatenate(
        [likelihood(part) @ np.stack([prior, prior * centred], axis=1) for part in np.array_split(x, 8)]
    )
    density, moment = joint.T
    assert np.trapezoid(density, x) == pytest.approx(1.0, abs=1e-3)
    return float(np.trapezoid(moment**2 / np.maximum(density, 1e-300), x) / (prior @ centred**2))


WHOLE = np.arange(-12, 13)
ROUNDED = float(WHOLE**2 @ (norm.cdf(WHOLE + 0.5) - norm.cdf(WHOLE - 0.5)))  # variance of a rounded normal number
SINE = 0.5 - np.sin(6) / 12
EXACT = {
    square: 0.0,
    junk: 0.0,
    linear_gaussian: 0.5,
    log_ratio: 1 - 0.0276923 / 0.04,
    identity: 1.0,
    six_dimensions: 0.5,
    heavy_tailed_noise: None,
    frequency_among_nuisances: 1.0,
    twenty_dimensions: 0.5,
    ties: 1.25 / (1.25 + ROUNDED),
    heteroscedastic: SINE / (SINE + 1.2**2 + 1 / 3),
    walkers_ratio: RatioPosterior.of(PAPER_PRIORS).ceiling("mass"),
    heavy_tailed_target: np.expm1(0.25) / np.expm1(0.5),
    two_humps: None,
}
CASES = pytest.mark.parametrize("case", EXACT, ids=lambda case: case.__name__)
WIDTHS = {six_dimensions: (0.8, 0.25), heavy_tailed_target: (0.4, 0.2)}
"""Median width of the interval at n = 1,000 and 10,000 that still counts as useful; 0.45 and 0.1 elsewhere."""


def exact(case):
    return by_quadrature(case) if EXACT[case] is None else EXACT[case]


def only(targets, inputs, seed=0, **more):
    return ceiling(targets, inputs, seed=seed, **more)["target_0"]


def test_values_by_quadrature():
    """Beside a regression on very many samples in one dimension, by means of narrow bins."""
    for case in (heavy_tailed_noise, two_humps):
        theta, x = case(np.random.default_rng(0), 300_000)
        bins = np.array_split(theta[np.argsort(x)], 1000)
        explained = np.var([part.mean() for part in bins]) / theta.var()
        assert exact(case) == pytest.approx(explained, abs=0.007)


# Intervals -----------------------------------------------------------------------------------


@CASES
def test_interval_holds_the_exact_ceiling(case):
    found = only(*case(np.random.default_rng(1), 2000))
    assert found.interval[0] <= exact(case) <= found.interval[1]
    assert found.interval[0] <= found.r2 <= found.interval[1]
    assert found.r2 == pytest.approx(exact(case), abs=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1000, 10_000])
@CASES
def test_coverage(case, n):
    """At least 93 of 100 intervals hold the exact ceiling, and they are narrow enough to say something."""
    found = [only(*case(np.random.default_rng((n, seed)), n), seed) for seed in range(200)]
    low, high = np.array([one.interval for one in found]).T
    width = float(np.median(high - low))
    held = int(np.sum((low <= exact(case)) & (exact(case) <= high)))
    print(f"{case.__name__} {n} exact {exact(case):.4f} held {held} of 200, median width {width:.4f}")
    assert held >= 186
    assert width < WIDTHS.get(case, (0.45, 0.1))[n == 10_000]


@pytest.mark.parametrize("case", [heavy_tailed_noise, heavy_tailed_target],
                         ids=lambda case: case.__name__)  # fmt: skip
def test_coverage_of_few_samples(case):
    """Of 40 intervals of 95 %, only one set in 300 would by chance hold the truth fewer than 34 times."""
    found = [only(*case(np.random.default_rng(100 + seed), 400), seed) for seed in range(40)]
    assert sum(one.interval[0] <= exact(case) <= one.interval[1] for one in found) >= 34


def test_heavy_tails_in_an_input_leave_the_interval_narrow():
    """Nothing is lost to a noise of infinite variance."""
    found = only(*heavy_tailed_noise(np.random.default_rng(2), 5000))
    assert found.interval[1] - found.interval[0] < 0.15


def test_nothing_is_promised_where_nothing_is_learned_yet():
    """A product of three inputs among five is a function of them, but 200 samples hardly show that."""
    x = np.random.default_rng(3).standard_normal((1000, 5))
    found = only(x[:, 0] * x[:, 1] * x[:, 2], x)
    assert found.interval[1] == 1.0
    assert found.learned[0] < 0.5 < found.learned[2]


def test_lower_end_is_what_unseen_samples_show():
    """R² of the regression by hand, on samples of its own."""
    targets, inputs = six_dimensions(np.random.default_rng(4), 3000)
    points = components(inputs)
    predicted = fit(points[:1000], targets[:1000], np.random.default_rng(0))(points[1000:])
    r2 = 1 - np.mean((targets[1000:] - predicted) ** 2) / targets[1000:].var()
    found = only(targets[1000:], inputs[1000:])  # learns from 1,000 as well
    assert found.learned[2] == pytest.approx(r2, abs=0.06)
    assert found.interval[0] < found.learned[2]


def test_many_inputs_of_junk_show_nothing():
    generator = np.random.default_rng(5)
    found = only(generator.standard_normal(1000), generator.standard_normal((1000, 40)))
    assert found.interval[0] == 0.0
    assert found.learned[2] < 0.02


# Estimates to start from ---------------------------------------------------------------------


def test_estimates_raise_the_lower_end_to_what_they_reach():
    """Control: without them, 1,000 samples show less."""
    frequency, recordings = frequency_among_nuisances(np.random.default_rng(6), 1000)
    estimates = frequency + 0.01 * np.random.default_rng(7).standard_normal(1000)
    found, without = only(frequency, recordings, estimates=estimates), only(frequency, recordings)
    assert without.interval[0] < 0.95
    assert found.interval[0] > 0.999
    assert found.gap_interval[1] < 0.001
    assert without.gap_interval == pytest.approx(without.interval)  # R² of the mean is 0


@pytest.mark.parametrize("lacking", [0.0, 0.1])
def test_gap_holds_what_the_estimates_lack(lacking):
    """The best possible estimates of a sum of twenty inputs, and worse ones, in ten sets of samples each."""
    found = []
    for seed in range(10):
        generator = np.random.default_rng(seed)
        targets, inputs = twenty_dimensions(generator, 500)
        worse = np.sqrt(lacking * 40) * generator.standard_normal(500)
        low, high = only(targets, inputs, estimates=inputs.sum(axis=1) + worse).gap_interval
        found.append(low <= lacking <= high)
    assert sum(found) >= 9


def test_gap_of_estimates_worse_than_the_mean():
    """R² of -8, and a target that can be known: they lack 9."""
    theta = np.random.default_rng(8).uniform(-1, 1, 1000)
    low, high = only(theta, theta, estimates=-2.0 * theta).gap_interval
    assert 8.9 < low < high
    assert high == pytest.approx(9.0, abs=0.05)


# Invariances ---------------------------------------------------------------------------------


def test_units_do_not_matter():
    targets, inputs = six_dimensions(np.random.default_rng(3), 1000)
    one, other = only(targets, inputs), only(5.0 - 1e4 * targets, 3.0 + inputs * [1e-6, 1, 1e6, 1, 7, 1])
    assert other.r2 == pytest.approx(one.r2, abs=1e-3)  # in single precision, the choice of a ridge may differ
    assert other.residual_variance == pytest.approx(1e8 * one.residual_variance, rel=1e-3)
    assert one.residual_variance == pytest.approx((1 - one.r2) * targets.var())


def test_inputs_that_never_vary_tell_nothing():
    assert only(np.arange(4000.0), np.ones((4000, 2))).interval[1] < 0.1


def test_columns_of_recordings_that_repeat_each_other_cost_nothing():
    targets, inputs = linear_gaussian(np.random.default_rng(5), 2000)
    repeated = np.outer(inputs, np.linspace(1, 2, 50)).reshape(2000, 2, 25)
    assert only(targets, repeated).r2 == pytest.approx(only(targets, inputs).r2, abs=0.02)


def test_targets_are_named_and_repeatable():
    generator = np.random.default_rng(6)
    x = generator.standard_normal((400, 2))
    found = ceiling(x, x[:, 0], names=("a", "b"), seed=9)
    assert list(found) == ["a", "b"]
    assert (found["a"].n, found["a"].seed, found["a"].name) == (400, 9, "a")
    assert found == ceiling(x, x[:, 0], names=("a", "b"), seed=9)
    assert found["b"].to_dict()["interval"] == list(found["b"].interval)


def test_few_samples_are_said_to_be_few():
    targets, inputs = six_dimensions(np.random.default_rng(7), 200)
    assert "give more samples" in only(targets, inputs).warning
    assert only(*linear_gaussian(np.random.default_rng(7), 4000)).warning is None


@pytest.mark.parametrize(
    ("targets", "inputs", "names", "message"),
    [
        (np.ones(300), np.ones(299), None, "with the same n"),
        (np.arange(99.0), np.arange(99.0), None, "at least 200 samples"),
        (np.ones(300), np.arange(300.0), ("mass",), "constant mass"),
        (np.arange(300.0), np.full(300, np.nan), None, "300 rows of inputs"),
        (np.arange(300.0), np.arange(300.0), ("a", "b"), "2 names"),
        (["Ada"] * 300, np.arange(300.0), None, "Targets must be an array of numbers"),
        (np.arange(300.0), [[1.0]] * 299 + [[1.0, 2.0]], None, "Inputs must be an array of numbers"),
        (0.0, np.arange(300.0), None, "with the same n"),
    ],
)
def test_mistakes(targets, inputs, names, message):
    with pytest.raises(InputError, match=message):
        ceiling(targets, inputs, names=names)


def test_a_negative_seed_is_refused():
    with pytest.raises(InputError, match="from 0 on. Received: -1"):
        only(np.arange(300.0), np.arange(300.0), seed=-1)


@pytest.mark.parametrize(
    ("estimates", "message"), [(np.ones((300, 2)), "shape of the targets"), (np.full(300, np.inf), "300 rows with NaN")]
)
def test_mistakes_in_estimates(estimates, message):
    with pytest.raises(InputError, match=message):
        ceiling(np.arange(300.0), np.arange(300.0), estimates=estimates)


# The walker ----------------------------------------------------------------------------------


def walks(n):
    """(x, y) recordings [n, 300] and m, k, l0, k/m [n, 4] of the paper's walkers."""
    settings = RecordingSettings()
    rows, samples, _ = walk_records(Population(seed=5), settings, range(n))
    parameters = named(NAMES, rows)
    recordings = np.concatenate(observe(("x", "y"), samples, Conditions.of(parameters, settings.gravity)), axis=1)
    return recordings, np.column_stack([derive(name, parameters) for name in (*subject_of(NAMES), "stiffness_to_mass")])


@pytest.mark.slow
@pytest.mark.parametrize("n", [4000, 20_000])
def test_walker(n):
    """Half of m and k, and all of l0 and k/m, from 300 columns that know nothing of any model."""
    recordings, subjects = walks(n)
    found = ceiling(subjects, recordings, names=("m", "k", "l0", "k/m"))
    for name in ("m", "k"):
        assert found[name].interval[0] <= 0.5005 <= found[name].interval[1]
    for name in ("l0", "k/m"):
        assert found[name].interval[1] == 1.0
    assert found["l0"].interval[0] > 0.98
    assert found["k/m"].interval[0] > (0.7 if n == 4000 else 0.9)


def test_shuffled_walkers_tell_nothing():
    """Recordings of other walkers."""
    recordings, subjects = walks(600)
    found = only(np.random.default_rng(1).permutation(subjects[:, 0]), recordings)
    assert found.interval[0] == 0.0
    assert found.learned[2] < 0.05

"""The probability of walking and the prior density of a walker, against counts and against drawn populations."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy import special

from gait.inference.bank import Bank, effective
from gait.inference.rounds import relative_error
from gait.inference.walker import Walker
from gait.inference.walking import WalkingProbability
from gait.parameters import NAMES, PAPER_PRIORS, Uniform, draw
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel

CIRCUMSTANCES = ("x0", "y0", "vx0", "step_length")

RIGHT = Uniform(7500.0, 9500.0)
TWO_LEGS = PAPER_PRIORS | {"stiffness_right": RIGHT}
SHORT = RecordingSettings(duration=15.0, interval=7.5)  # the same walks, and few samples of them
MODELS = {
    "kinematic": ForwardModel(("x", "y"), settings=SHORT),
    "forces": ForwardModel(("fx", "fy"), settings=SHORT),
    "mass measured": ForwardModel(("x", "y"), ("mass",), settings=SHORT),
    "two legs": ForwardModel(("x", "y"), (), TWO_LEGS, SHORT, (*NAMES, "stiffness_right")),
    "two legs and forces": ForwardModel(("x", "fy"), (), TWO_LEGS, SHORT, (*NAMES, "stiffness_right")),
    "gravity": ForwardModel(("x", "y"), (), PAPER_PRIORS, SHORT, (*NAMES, "gravity")),
}
KNOWN = {
    "mass known": {"mass": 63.0},
    "stiffness known": {"stiffness": 9700.0},
    "mass and stiffness known": {"mass": 63.0, "stiffness": 9700.0},
    "rest length known": {"rest_length": 0.63},
}


@functools.cache
def banked(name, size=20_000):
    """A walker that has learned its prior, and a bank of it."""
    model, known = (MODELS["kinematic"], KNOWN[name]) if name in KNOWN else (MODELS[name], {})
    walker = Walker(model, known)
    bank = Bank.of(walker, size, 0)
    walker = walker.learned(bank.drawn, bank.sound)
    return walker, bank.weighted(walker)


@functools.cache
def drawn(name, count=4000):
    """Walkers of the population, which does not use the density of the prior."""
    return MODELS[name].draw(count, np.random.default_rng(7))


# The fit -------------------------------------------------------------------------------------


def simulated(logit, n=40_000, seed=0):
    generator = np.random.default_rng(seed)
    points = generator.uniform(-1.0, 1.0, (n, 2))
    return points, generator.random(n) < special.expit(logit(*points.T))


def curved(x, y):
    return 1.0 + 1.5 * x - y + 0.8 * x * y - 1.2 * y**2 + 0.7 * x**3


GRID = np.stack(np.meshgrid(np.linspace(-1.0, 1.0, 9), np.linspace(-1.0, 1.0, 9)), axis=-1).reshape(-1, 2)


def test_a_known_logistic_polynomial_is_recovered_within_its_errors():
    scores = []
    for seed in range(4):
        found = WalkingProbability.fit(*simulated(curved, seed=seed))
        assert found.exponents.sum(axis=1).max() >= 3
        truth = special.expit(curved(*GRID.T))
        scores.append((np.exp(found.log(GRID)) / truth - 1.0) / found.relative_error(GRID))
    assert np.abs(scores).max() < 5.0
    assert 0.6 < np.sqrt(np.mean(np.square(scores))) < 1.5


def test_errors_shrink_with_the_root_of_the_number_of_draws():
    few, many = (WalkingProbability.fit(*simulated(curved, n)) for n in (10_000, 160_000))
    of_few, of_many = few.relative_error(GRID).mean(), many.relative_error(GRID).mean()
    assert 2.5 < of_few / of_many < 6.5


def test_pure_noise_has_a_low_degree():
    points, walked = simulated(lambda x, y: 0.8 + 0.0 * x)
    found = WalkingProbability.fit(points, walked)
    assert found.exponents.sum(axis=1).max() <= 2
    np.testing.assert_allclose(np.exp(found.log(GRID)), special.expit(0.8), rtol=0.03)


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_walkers_that_all_walk_or_none_leave_numbers(share):
    points, _ = simulated(curved, 20_000)
    found = WalkingProbability.fit(points, np.full(len(points), share == 1.0))
    log, error = found.log(GRID), found.relative_error(GRID)
    assert np.isfinite(log).all()
    assert np.isfinite(error).all()
    if share == 1.0:
        assert (np.exp(log) > 1.0 - 1e-3).all()
        assert (error < 1e-2).all()
    else:
        assert (np.exp(log) < 1e-3).all()


def test_the_order_of_draws_in_patches_does_not_matter(monkeypatch):
    points, walked = simulated(curved, 5000)
    whole = WalkingProbability.fit(points, walked)
    monkeypatch.setattr("gait.inference.walking._ROWS", 700)
    parts = WalkingProbability.fit(points, walked)
    np.testing.assert_allclose(parts.coefficients, whole.coefficients, atol=1e-8)
    np.testing.assert_allclose(parts.covariance, whole.covariance, atol=1e-8)


# Counting walks ------------------------------------------------------------------------------


def counted(model, subject, count=2000, seed=3):
    """Share of `count` circumstances, uniform in their ranges, with which a subject walks."""
    circumstances = draw(CIRCUMSTANCES, PAPER_PRIORS, count, np.random.default_rng(seed))
    theta = np.empty((count, len(model.unknowns)))
    for name, value in subject.items():
        theta[:, model.unknowns.index(name)] = value
    theta[:, [model.unknowns.index(name) for name in CIRCUMSTANCES]] = circumstances
    return np.isfinite(model.outputs(theta)).all(axis=1).mean()


def predicted(walker, subject):
    """Fitted probability of a subject, and its relative error."""
    values = {name: np.array([value]) for name, value in subject.items()}
    values |= {f"{name}_to_mass": values[name] / values["mass"] for name in walker.stiffnesses}
    values |= {name: np.array([0.5 * (PAPER_PRIORS[name].low + PAPER_PRIORS[name].high)]) for name in CIRCUMSTANCES}
    points = walker.subject(walker.coordinates_of(values))
    return float(np.exp(walker.walking.log(points))[0]), float(walker.walking.relative_error(points)[0])


def in_standard_errors(walker, subject):
    """Count less fit, in joint standard errors."""
    share, (probability, error) = counted(walker.model, subject), predicted(walker, subject)
    spread = np.sqrt(probability * (1.0 - probability) / 2000)
    return (share - probability) / np.hypot(spread + 1.0 / 2000, probability * error)


@pytest.mark.parametrize(
    ("ratio", "rest_length"), [(108.0, 0.61), (110.0, 0.79), (133.0, 0.7), (145.0, 0.64), (164.0, 0.61), (164.0, 0.79)]
)
def test_the_probability_of_walking_is_that_of_counting(ratio, rest_length):
    """At corners and within; the mass of the counted walkers does not matter, and is not asked for."""
    walker, _ = banked("kinematic", 60_000)
    mass = np.sqrt(8000.0 * 10_000.0) / ratio  # in the middle of the possible ones
    subject = {"mass": mass, "stiffness": ratio * mass, "rest_length": rest_length}
    assert abs(in_standard_errors(walker, subject)) < 4.0


def test_the_probability_of_walking_differs_between_subjects():
    """Else the comparison with counts would show little: some subjects walk with nearly all circumstances."""
    walker, _ = banked("kinematic", 60_000)
    found = [
        predicted(walker, {"mass": 65.0, "stiffness": 65.0 * ratio, "rest_length": rest_length})[0]
        for ratio, rest_length in ((108.0, 0.61), (110.0, 0.79), (164.0, 0.61), (164.0, 0.79))
    ]
    assert max(found) - min(found) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("left", "right", "rest_length"), [(8300.0, 9300.0, 0.65), (9800.0, 7700.0, 0.75)])
def test_the_probability_of_walking_on_unequal_legs_is_that_of_counting(left, right, rest_length):
    walker, _ = banked("two legs", 40_000)
    subject = {"mass": 68.0, "stiffness": left, "stiffness_right": right, "rest_length": rest_length}
    assert abs(in_standard_errors(walker, subject)) < 4.0


# The density of the prior --------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MODELS, *KNOWN])
def test_the_density_of_the_prior_integrates_to_one(name):
    walker, bank = banked(name)
    total = np.exp(bank.log_weight).sum()
    error = relative_error(effective(bank.log_weight), len(bank.drawn))
    error = np.hypot(error, walker.walking.relative_error(walker.subject(bank.coordinates[:1000])).mean())
    assert abs(total - 1.0) < 4.0 * error
    assert error < 0.05


def z_scores(walker, bank, theta, log_weight=None):
    """Means over the weighted bank less those over drawn walkers, in joint standard errors, by name."""
    model = walker.model
    table = dict(zip(model.unknowns, theta.T, strict=True))
    table |= {f"{name}_to_mass": table[name] / table["mass"] for name in walker.stiffnesses}
    of_bank, found = walker.values(bank.coordinates), {}
    log_weight = bank.log_weight if log_weight is None else log_weight
    weights = np.exp(log_weight - log_weight.max())
    weights /= weights.sum()
    center = {name: (table[name].mean(), table[name].std()) for name in walker.ranges}
    ours, theirs = (
        {name: (values[name] - center[name][0]) / center[name][1] for name in walker.ranges}
        for values in (of_bank, table)
    )
    names = list(walker.ranges)
    products = [(one, None) for one in names] + [(a, b) for i, a in enumerate(names) for b in names[i:]]
    for one, other in products:
        left, right = (side[one] * (1.0 if other is None else side[other]) for side in (ours, theirs))
        mean = weights @ left
        error = np.hypot(np.sqrt(np.sum(weights**2 * (left - mean) ** 2)), right.std() / np.sqrt(len(right)))
        found[one, other] = (mean - right.mean()) / error
    return found


@pytest.mark.parametrize("name", MODELS)
def test_moments_of_the_prior_are_those_of_drawn_walkers(name):
    """Means, variances and covariances of ratios, rest length and circumstances, given that they walk."""
    walker, bank = banked(name)
    found = z_scores(walker, bank, drawn(name))
    worst = max(found, key=lambda pair: abs(found[pair]))
    assert abs(found[worst]) < 4.0, worst
    assert np.mean(np.square(list(found.values()))) < 2.0


@pytest.mark.parametrize("lost", ["walking", "ratios"])
def test_a_prior_without_one_of_its_factors_is_noticed(lost):
    """Controls: without the probability of walking, or with uniform ratios, the moments differ."""
    walker, bank = banked("kinematic", 60_000)
    theta = drawn("kinematic", 20_000)
    right = max(map(abs, z_scores(walker, bank, theta).values()))
    walks = walker.walking.log(walker.subject(bank.coordinates))
    log_weight = bank.log_weight + walks if lost == "walking" else -walks
    assert right < 4.0
    assert max(map(abs, z_scores(walker, bank, theta, log_weight).values())) > 8.0


@pytest.mark.slow
def test_walkers_near_a_known_step_length_are_those_whose_step_length_is_known(monkeypatch):
    """What is known changes which circumstances are left, not the probability that all of a subject's made it walk.

    The control takes that probability from draws with the known step length alone.
    """
    monkeypatch.setattr("gait.inference.walker._DRAWS", 40_000)
    middle, half = 0.545, 0.004
    walker = Walker(MODELS["kinematic"], {"step_length": middle})
    bank = Bank.of(walker, 20_000, 0)
    theta = drawn("kinematic", 20_000)
    theta = theta[np.abs(theta[:, NAMES.index("step_length")] - middle) < half]
    assert len(theta) > 1000
    right = walker.learned(bank.drawn, bank.sound)
    wrong = dataclasses.replace(walker, walking=WalkingProbability.fit(walker.subject(bank.drawn), bank.sound))
    worst = [max(map(abs, z_scores(each, bank.weighted(each), theta).values())) for each in (right, wrong)]
    assert worst[0] < 4.0
    assert worst[1] > 6.0


# Coordinates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_coordinates_and_values_are_inverse(name):
    walker, bank = banked(name)
    coordinates = bank.coordinates[:100]
    np.testing.assert_allclose(walker.coordinates_of(walker.values(coordinates)), coordinates, atol=1e-6)
    assert walker.dimension == coordinates.shape[1]


def test_only_ratios_are_coordinates_where_nothing_tells_the_size():
    assert [*banked("kinematic")[0].ranges][:2] == ["stiffness_to_mass", "rest_length"]
    assert [*banked("forces")[0].ranges][:3] == ["stiffness_to_mass", "mass", "rest_length"]
    assert [*banked("two legs")[0].ranges][:3] == ["stiffness_to_mass", "stiffness_right_to_mass", "rest_length"]
    assert [*banked("mass known")[0].ranges][:2] == ["stiffness_to_mass", "rest_length"]


def test_the_walk_of_coordinates_is_that_of_their_parameters():
    for name in ("kinematic", "forces", "two legs"):
        walker, bank = banked(name)
        coordinates = bank.coordinates[:20]
        theta = walker.parameters(coordinates)
        np.testing.assert_array_equal(walker.outputs(coordinates), walker.model.outputs(theta))
        values = walker.values(coordinates)
        ratio = theta[:, walker.model.unknowns.index("stiffness")] / theta[:, 0]
        np.testing.assert_allclose(ratio, values["stiffness_to_mass"], rtol=1e-12)


def test_a_walker_without_the_probability_of_walking_has_no_density():
    walker, bank = banked("kinematic")
    with pytest.raises(ValueError, match="call learned"):
        dataclasses.replace(walker, walking=None).log_weight(bank.coordinates[:1])

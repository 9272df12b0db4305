"""Exact posteriors that begin where a network says, and their density; whatever it says, they are exact."""

import numpy as np
import pytest
from scipy import special

from gait.inference import posterior as module
from gait.inference.bank import Bank
from gait.inference.coordinates import Coordinates
from gait.inference.importance import sample_from
from gait.inference.mixture import GaussianMixtures
from gait.inference.network_posterior import NetworkAnswers
from gait.inference.posterior import posterior
from gait.inference.refined import refined
from gait.inference.rounds import SHARP
from gait.parameters import NAMES, PAPER_PRIORS, named
from gait.scenarios import scenario_of
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel
from tests.helpers.toys import Linear, discrepancies

pytestmark = pytest.mark.usefixtures("small_banks")
NOISE = {"x": 0.005, "y": 0.005}
SCENARIO = scenario_of("three_parameter", noise=["x:0.005", "y:0.005"])
COORDINATES = Coordinates.of(SCENARIO, PAPER_PRIORS)
SUBJECT = ("mass", "stiffness", "rest_length")


@pytest.fixture(scope="module")
def recorded():
    """Four walkers and their recordings in noise."""
    model = ForwardModel(("x", "y"))
    generator = np.random.default_rng(0)
    theta = model.draw(4, generator)
    clean = model.outputs(theta)
    return named(NAMES, theta), clean + 0.005 * generator.standard_normal(clean.shape)


@pytest.fixture(scope="module")
def plain(recorded):
    return posterior(recorded[1].reshape(4, 2, -1), ("x", "y"), noise=NOISE, draws=1000)


def told(logits, sd=0.3):
    """Answers of a network that knows k/m and the rest length up to some error of their logits."""
    count, dimension = logits.shape
    rows, columns = np.tril_indices(dimension)
    factors = np.where(rows == columns, -np.log(sd), 0.0)
    mixtures = GaussianMixtures(
        np.zeros((count, 1)), logits[:, None], np.broadcast_to(factors, (count, 1, len(factors)))
    )
    return NetworkAnswers(COORDINATES, mixtures, {})


def made_exact(answers, recordings, draws=1000):
    return list(refined(answers, recordings, SCENARIO, PAPER_PRIORS, RecordingSettings(), draws, 0))


def test_refined_posteriors_are_those_found_without_a_network(recorded, plain):
    truth, recordings = recorded
    logits = COORDINATES.logits(truth) + 0.1 * np.random.default_rng(1).standard_normal((4, 2))
    found = made_exact(told(logits), recordings)
    guided = ["guided" in own.method for own in found]
    assert sum(guided) >= 2
    compared = [(own, other) for own, other in zip(found, plain, strict=True) if own.accepted and other.accepted]
    assert len(compared) >= 3
    assert all(own.reason for own in found if not own.accepted)
    for own, other in compared:
        error = np.hypot(own.log_evidence_error, other.log_evidence_error)
        assert abs(own.log_evidence - other.log_evidence) < 5.0 * error + 0.1
        for name in ("stiffness_to_mass", "rest_length"):
            # Both are means of at least a hundred effective draws.
            assert abs(own.mean(name) - other.mean(name)) < 0.5 * other.sd(name)
            assert own.sd(name) == pytest.approx(other.sd(name), rel=0.4)


def test_a_network_that_is_wrong_does_no_harm(recorded, plain):
    """It says that k/m and the rest length are at the other end of the prior, and is sure of it."""
    truth, recordings = recorded
    wrong = -np.sign(COORDINATES.logits(truth)) * 3.0
    found = made_exact(told(wrong[:1], sd=0.01), recordings[:1])
    for own, other in zip(found, plain, strict=False):
        assert own.accepted
        assert abs(own.log_evidence - other.log_evidence) < 0.5


@pytest.mark.slow  # forty evidences
def test_the_density_integrates_to_one(plain):
    """Mean over draws of a density that is known, over that of the posterior."""
    own = max(plain, key=lambda found: found.ess)
    values = np.stack([own.values("stiffness_to_mass"), own.values("rest_length")], axis=1)
    mean = own.weights @ values
    away = values - mean
    covariance = (away * own.weights[:, None]).T @ away
    factor = np.linalg.cholesky(0.5 * covariance)
    points = mean + np.random.default_rng(0).standard_normal((40, 2)) @ factor.T
    log_p = own.log_prob({"stiffness_to_mass": points[:, 0], "rest_length": points[:, 1]})
    z = np.linalg.solve(factor, (points - mean).T)
    log_q = -0.5 * np.sum(z**2, axis=0) - np.log(2.0 * np.pi) - np.log(np.diag(factor)).sum()
    # A normal law of half the covariance lies within the posterior: E_q p/q would be 1 for all of the plane.
    wider = np.exp(special.logsumexp(log_p - log_q) - np.log(len(points)))
    gauss = np.exp(-0.5 * 0.5 * np.sum(z**2, axis=0) - np.log(2.0)) / np.exp(-0.5 * np.sum(z**2, axis=0))
    assert wider == pytest.approx(gauss.mean(), rel=0.25)


def test_the_density_of_mass_and_stiffness_is_that_of_their_ratio(plain):
    own = plain[0]
    ratio, length = own.mean("stiffness_to_mass"), own.mean("rest_length")
    low, high = max(60.0, 8000.0 / ratio), min(75.0, 10_000.0 / ratio)
    mass = 0.3 * low + 0.7 * high
    whole = own.log_prob({"mass": mass, "stiffness": ratio * mass, "rest_length": length})
    alone = own.log_prob({"stiffness_to_mass": ratio, "rest_length": length})
    assert whole[0] - alone[0] == pytest.approx(np.log(2.0 / (high**2 - low**2)), abs=0.15)
    outside = own.log_prob({"mass": 76.0, "stiffness": ratio * 76.0, "rest_length": length})
    assert outside[0] == -np.inf


def test_a_density_without_a_subject_parameter_is_refused(plain):
    with pytest.raises(module.InputError, match="one over mass, stiffness, rest_length. Received: mass"):
        plain[0].log_prob({"mass": 70.0})


@pytest.mark.parametrize("dimension", [2, 4])
def test_a_guided_sample_of_a_linear_model_is_exact(dimension):
    """Means, covariances and evidence in closed form; the guide knows nothing but the prior."""
    problem, sd = Linear.random(dimension), np.full(6, 0.01)
    bank = Bank.of(problem, 20_000, 0).weighted(problem)
    truth = np.random.default_rng(1).standard_normal((1, dimension))
    observed = problem.outputs(truth)[0] + sd * np.random.default_rng(2).standard_normal(6)
    log_fit = bank.log_fit(observed[None], sd)[0]

    def guide(log_weights):
        return np.random.default_rng(3).standard_normal((64, dimension))

    hot = 100.0 * SHARP
    found = sample_from(problem, bank, observed, sd, log_fit, hot, guide, 2000, np.random.default_rng(4))
    assert found.effective > 1000.0
    assert "guided" in found.method
    assert np.abs(discrepancies(found, problem.exact(observed, sd))).max() < 5.0
    # Where noise is large, the bank is better than modes.
    cold = sample_from(problem, bank, observed, sd, log_fit, 0.5 * SHARP, guide, 2000, np.random.default_rng(4))
    assert cold is None


def test_a_guide_to_nowhere_gives_no_sample():
    """No walker fits the recording."""
    problem, sd = Linear.random(2), np.full(6, 0.01)
    bank = Bank.of(problem, 20_000, 0).weighted(problem)
    observed = np.full(6, 50.0) * np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    log_fit = bank.log_fit(observed[None], sd)[0]
    found = sample_from(
        problem, bank, observed, sd, log_fit, 1e9, lambda weights: np.zeros((64, 2)), 500, np.random.default_rng(0)
    )
    assert found is None

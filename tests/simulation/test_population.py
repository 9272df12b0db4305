"""Draws of walkers: priors kept, subject parameters never redrawn, streams keyed by seed and block."""

import numpy as np
import pytest
from scipy import stats

import gait
from gait.errors import InputError
from gait.parameters import NAMES, PAPER_PRIORS, Uniform, derive, draw, stream, subject_of
from gait.simulation.conditions import RecordingSettings
from gait.simulation.population import BLOCK, Population, walk_records

WALKERS, SHORT = Population(seed=5), RecordingSettings(duration=3.0)


def test_records_do_not_depend_on_which_are_asked_for():
    """Also across the border of two blocks."""
    parameters, samples, _ = walk_records(WALKERS, SHORT, range(1500, 2700))
    for some in (range(1500, 1501), range(1900, 2100), range(2000, 2700)):
        some_parameters, some_samples, _ = walk_records(WALKERS, SHORT, some)
        np.testing.assert_array_equal(some_parameters, parameters[some.start - 1500 : some.stop - 1500])
        np.testing.assert_array_equal(some_samples, samples[:, some.start - 1500 : some.stop - 1500])
    assert len(np.unique(parameters[:, 0])) == 1200


def test_subject_parameters_are_never_redrawn_and_keep_their_prior():
    parameters, _, counts = walk_records(WALKERS, SHORT, range(BLOCK))
    assert counts[gait.Outcome.WALKED] == BLOCK
    assert counts.sum() > BLOCK + 50  # some were redrawn
    subjects = draw(subject_of(NAMES), PAPER_PRIORS, BLOCK, stream(5, 0))
    np.testing.assert_array_equal(parameters[:, :3], subjects)
    for i, name in enumerate(subject_of(NAMES)):
        prior = PAPER_PRIORS[name]
        assert stats.kstest(parameters[:, i], "uniform", (prior.low, prior.high - prior.low)).pvalue > 1e-3


def test_what_is_redrawn_does_not_keep_its_prior():
    """Negative control: the circumstances of accepted walks are a selection, so the test above can fail."""
    parameters = walk_records(WALKERS, RecordingSettings(), range(3000))[0]
    prior = PAPER_PRIORS["y0"]
    assert stats.kstest(parameters[:, NAMES.index("y0")], "uniform", (prior.low, prior.high - prior.low)).pvalue < 1e-3


def test_samples_are_those_of_simulate():
    parameters, samples, _ = walk_records(WALKERS, SHORT, range(BLOCK, BLOCK + 20))
    walks = gait.simulate(**dict(zip(NAMES, parameters.T, strict=True)), duration=3.0)
    np.testing.assert_array_equal(samples, [walks.x, walks.y, walks.vx, walks.vy, walks.fx, walks.fy])
    assert (walks.outcome == gait.Outcome.WALKED).all()


def test_a_walker_that_cannot_walk_is_named():
    hopeless = Population(PAPER_PRIORS | {"y0": Uniform(0.35, 0.4)}, seed=5)
    with pytest.raises(InputError, match=r"Record 1000 \(mass .* did not walk in 4000 attempts.*flight"):
        walk_records(hopeless, SHORT, range(1000, 1002))


@pytest.mark.parametrize(
    ("name", "prior"), [("mass", Uniform(75, 60)), ("mass", Uniform(-5, 60)), ("vx0", Uniform(0.5, float("nan")))]
)
def test_impossible_ranges_are_refused(name, prior):
    with pytest.raises(InputError, match=f"The range of {name}"):
        Population(priors=PAPER_PRIORS | {name: prior})


def test_derived_quantities():
    values = {"mass": np.array([70.0]), "stiffness": np.array([9100.0])}
    assert derive("stiffness_to_mass", values) == pytest.approx(130.0)
    assert derive("mass_to_stiffness", {"stiffness_to_mass": np.array([130.0])}) == pytest.approx(1 / 130)
    assert derive("stiffness_to_mass", {"rest_length": np.array([0.7])}) is None
    assert derive("mass", {"stiffness_to_mass": np.array([130.0])}) is None

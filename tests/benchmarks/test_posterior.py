"""The comparison of posterior networks, without its peers."""

import math

import numpy as np
import pytest

from gait.data.dataset import open_dataset
from gait.training.settings import TrainingSettings
from tests.benchmarks.measure import Job, Worker
from tests.benchmarks.peers.posterior_scores import SCENARIO, box, log_prior, noisy, scores
from tests.benchmarks.posterior import EQUAL, STEPS, comparisons, jobs, passing, row_of


def test_the_last_step_leads_to_the_defaults():
    (defaults,) = (job.options for job in jobs("data") if job.name.endswith("the defaults"))
    assert defaults["fresh"]
    assert {name for step in STEPS.values() for name in step} == {*EQUAL}
    given = {name: value for name, value in defaults.items() if name not in ("data", "fresh")}
    assert TrainingSettings.of(SCENARIO, "posterior", **given) == TrainingSettings.of(SCENARIO, "posterior")


def test_all_splits_have_noise_of_their_own_that_stays(small_dataset):
    plain, same = open_dataset(small_dataset), noisy(small_dataset, 0)
    found = {}
    for split in ("train", "validation"):
        inputs = same.load(split, ("x", "y")).inputs
        added = inputs - plain.load(split, ("x", "y")).inputs
        assert math.isclose(added.std(), 0.005, rel_tol=0.02)
        found[split] = added[:100]
        np.testing.assert_array_equal(noisy(small_dataset, 0).load(split, ("x", "y")).inputs, inputs)
    assert abs(np.corrcoef(found["train"].ravel(), found["validation"].ravel())[0, 1]) < 0.05


def test_draws_of_the_prior_score_like_the_prior():
    generator, (low, high) = np.random.default_rng(0), box()
    truth, draws = (low + (high - low) * generator.random(shape) for shape in ((2000, 3), (2000, 400, 3)))
    found = scores(truth, np.full(2000, log_prior()), draws)
    assert found["log_p"] == pytest.approx(found["inside"]) == pytest.approx(-math.log(15.0 * 2000.0 * 0.2))
    assert found["outside"] == 0.0
    np.testing.assert_allclose(found["covered"], [0.5, 0.8, 0.95], atol=0.03)


def test_draws_outside_the_prior_are_counted_and_left_out():
    """A quarter of them: the density of the others rises by 4/3, and their intervals stay."""
    generator, (low, high) = np.random.default_rng(0), box()
    truth, draws = (low + (high - low) * generator.random(shape) for shape in ((2000, 3), (2000, 400, 3)))
    draws[:, ::4, 0] = 1000.0
    found = scores(truth, np.zeros(2000), draws)
    assert found["outside"] == pytest.approx(0.25)
    assert found["inside"] == pytest.approx(math.log(4.0 / 3.0))
    np.testing.assert_allclose(found["covered"], [0.5, 0.8, 0.95], atol=0.03)


def done(tmp_path, name: str, note: dict) -> Worker:
    worker = Worker(Job(name, "nowhere:nothing", package="a-package-that-nobody-has-made"), tmp_path)
    worker.trouble, worker.note = None, note
    return worker


def test_the_moment_at_which_a_curve_passes_a_value(tmp_path):
    curve = [(1.0, -8.0), (2.5, -3.0), (4.0, -2.0)]
    assert passing(curve, -3.0) == 2.5
    assert passing(curve, -1.0) is None
    workers = [
        done(tmp_path, "peer", {"log_p": -3.0, "seconds": 25.0}),
        done(tmp_path, "own", {"log_p": -2.0, "seconds": 4.0, "curve": curve}),
        Worker(Job("missing", "nowhere:nothing", package="a-package-that-nobody-has-made"), tmp_path),
    ]
    assert comparisons(workers) == ["own: the final log p of peer is reached after 2.5 s, 10.0 times sooner."]
    assert row_of(workers[2]) == ["missing", "not installed"]


def test_this_package_trains_at_equal_conditions(small_dataset):
    from tests.benchmarks.peers.own_posterior import train

    note = train(str(small_dataset), 0, **EQUAL | {"epochs": 2})(first=True)
    assert note["epochs"] == len(note["curve"]) == 2
    assert note["outside"] == 0.0
    assert -10.0 < note["log_p"] < 2.0

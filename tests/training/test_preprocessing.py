"""Preprocessing: statistics of the training split, standardised and whitened inputs."""

import numpy as np
import pytest

from gait.data.dataset import open_dataset
from gait.scenarios import SCENARIOS
from gait.training.feed import Feed
from gait.training.preprocessing import FLOOR, Moments, preprocess
from gait.training.run import TrainingSettings
from gait.training.settings import CACHES
from tests.training.test_feed import epoch_of
from tests.training.test_inputs import NOISY


def mixed(n=5000, seed=0):
    """Correlated columns with means far from zero, one of them constant, one a sum of two others."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, 6)) @ generator.normal(size=(6, 6)) * [1, 10, 0.1, 1, 1, 1]
    rows += [0, 100, -3, 7, 0, 0]
    rows[:, 4] = 0.3
    rows[:, 5] = rows[:, 0] + rows[:, 3]
    return rows


def feed_of(small_dataset, scenario="two_parameter", **changes):
    scenario = SCENARIOS.get(scenario, NOISY)
    changes = {"epochs": 3, "batch_size": 100, "preprocessing": "whitened"} | changes
    return Feed(open_dataset(small_dataset), TrainingSettings(scenario, **changes))


def test_joint_moments_are_those_of_numpy():
    """Part by part, as shards are read; and noise adds its variance to the diagonal."""
    rows = mixed()
    moments = sum(
        (Moments.of(part, joint=True) for part in np.array_split(rows[200:], 7)), Moments.of(rows[:200], joint=True)
    )
    covariance = np.cov(rows.T, bias=True)
    np.testing.assert_allclose(moments.products / moments.count, covariance, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.diag(moments.products), moments.squares, rtol=1e-9, atol=1e-9)
    sd = np.arange(1.0, 7.0)
    noisy = moments.with_noise(sd)
    np.testing.assert_allclose(noisy.products / noisy.count, covariance + np.diag(sd**2), rtol=1e-9, atol=1e-9)
    assert (moments + Moments.of(rows)).products is None  # those of all rows are not known then
    with pytest.raises(ValueError, match="joint"):
        Moments.of(rows).whitening()


def test_whitened_rows_are_uncorrelated_with_the_stated_variances():
    """λ / (λ + floor · λ_max / columns) along each principal axis: never above 1, and 0 where there is no variance."""
    rows = np.float32(mixed())
    moments = Moments.of(rows, joint=True)
    before, after = rows.copy(), rows.copy()
    preprocess(before, moments)
    preprocess(after, moments, moments.whitening())
    correlation = np.cov(before.T, bias=True)
    variances, axes = np.linalg.eigh(correlation)
    expected = variances / (variances + FLOOR * variances[-1] / 6)
    along = axes.T @ np.cov(after.T, bias=True) @ axes
    np.testing.assert_allclose(along, np.diag(expected), atol=1e-4)
    assert np.abs(np.triu(correlation, 1)).max() > 0.3  # negative control: standardising is not enough
    assert expected[0] == pytest.approx(0, abs=1e-4)
    assert expected[-1] == pytest.approx(1 / (1 + FLOOR / 6))


def test_rounding_does_not_turn_the_whitening():
    """A run that continues computes it again. Principal axes of equal variance could come out in any direction."""
    rows = mixed()
    twice = [Moments.of(part, joint=True) for part in (rows, rows * (1 + 1e-12 * mixed(seed=1)))]
    first, second = (moments.whitening() for moments in twice)
    np.testing.assert_allclose(first, second, atol=1e-5 * np.abs(first).max())


def test_blocks_do_not_matter():
    rows = np.float32(mixed(2345))
    moments = Moments.of(rows, joint=True)
    matrix, whole = moments.whitening(), rows.copy()
    preprocess(whole, moments, matrix)
    np.testing.assert_allclose(whole, ((rows - moments.mean) / moments.sd) @ matrix, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("scenario", ["two_parameter", "noisy"])
def test_batches_are_whitened(small_dataset, cache, scenario):
    """With the noise of the scenario, from memory and from disk: standardised batches times the matrix."""
    whitened = feed_of(small_dataset, scenario, cache=cache)
    standardised = feed_of(small_dataset, scenario, cache=cache, preprocessing="standardised")
    assert standardised.whitening is None
    for epoch in (0, 1):
        inputs, targets = epoch_of(whitened, epoch)
        before, same = epoch_of(standardised, epoch)
        np.testing.assert_array_equal(targets, same)
        np.testing.assert_allclose(inputs, before @ whitened.whitening, rtol=1e-3, atol=2e-4)
    correlation = np.cov(inputs.T)
    variances, axes = np.linalg.eigh(np.cov(before.T))
    floor = FLOOR * variances[-1] / len(variances)
    along = axes.T @ correlation @ axes
    # The noise was expected, so a sample of 1,600 leaves this difference.
    np.testing.assert_allclose(
        np.diag(along), variances / (variances + floor), atol=0.15 if scenario == "noisy" else 1e-3
    )
    for (rows, _), (plain, _) in zip(whitened.validation, standardised.validation, strict=True):
        np.testing.assert_allclose(rows, plain @ whitened.whitening, rtol=1e-3, atol=2e-4)


def test_the_first_records_decide_the_whitening(small_dataset, monkeypatch):
    """A stated part of the training split; the rest changes the means and variances only."""
    whole = feed_of(small_dataset)
    monkeypatch.setattr("gait.training.feed.JOINT", 400)
    part = feed_of(small_dataset)
    first = open_dataset(small_dataset).load("train", ("x", "y"), enough=400).inputs
    np.testing.assert_array_equal(part.whitening, sum_of_shards(first).whitening())
    np.testing.assert_array_equal(part.input_moments.sd, whole.input_moments.sd)
    assert np.abs(part.whitening - whole.whitening).max() > 1e-3


def sum_of_shards(rows):
    """Moments as the shards of 200 records add up to."""
    parts = [Moments.of(part, joint=True) for part in np.split(rows, len(rows) // 200)]
    return sum(parts[1:], parts[0])

"""The search for a second solution: finite ambiguities are found, identifiable models are left in peace."""

import functools

import numpy as np
import pytest

from gait import identifiability
from gait.errors import InputError
from tests.helpers.puzzling_models import AMBIGUOUS_MODELS, IDENTIFIABLE_MODELS

ALL = AMBIGUOUS_MODELS | IDENTIFIABLE_MODELS


def uniform(known, seed, count=8):
    """Independent draws from the prior, as a user makes them."""
    generator = np.random.default_rng(seed)
    low, high = np.array(list(known.ranges.values()), float).T
    points = generator.uniform(low, high, (count, len(low)))
    for name in known.either_sign:
        points[:, known.names.index(name)] *= generator.permutation(np.resize([1.0, -1.0], count))
    return points


@functools.cache
def analysed_once(name):
    """The analysis of a model that several tests look at."""
    return analysed(ALL[name], 0)


def analysed(known, seed, **options):
    return identifiability.analyse(known.model, uniform(known, seed), known.names, seed=seed, **options)


def assert_pairs_hold(known, report):
    """Anyone can run both sets of parameters of a pair."""
    low, high = np.array(list(known.ranges.values()), float).T
    for twin in report.search.twins:
        one, other = known.model(np.stack([twin.theta, twin.other]))
        assert np.abs(one - other).max() == pytest.approx(twin.difference, rel=0.5, abs=1e-13 * np.abs(one).max())
        assert np.abs(one - other).max() < 1e-9 * np.abs(one).max()
        assert np.abs((twin.theta - twin.other) / (high - low)).max() > 1e-3


@pytest.mark.parametrize("name", ALL)
def test_verdicts(name):
    known, report = ALL[name], analysed_once(name)
    assert report.verdicts == known.verdicts, report.search.evidence()
    assert report.rank == known.rank
    assert_pairs_hold(known, report)
    assert bool(report.search.twins) == (name in AMBIGUOUS_MODELS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("name", ALL)
def test_verdicts_of_many_draws(name, seed):
    """A second solution can only be found within the range of the points, so some draws of a few models have none."""
    known = ALL[name]
    report = analysed(known, seed)
    if name == "moving average" and not report.search.twins:
        pytest.skip("no other solution lies within the range of these eight points")
    assert report.verdicts == known.verdicts, report.search.evidence()
    assert_pairs_hold(known, report)


def twins_on_a_grid(model, low, high, points, apart, near, steps=300):
    """Whether other parameters on a dense grid give nearly the outputs of points, each, in one or two dimensions."""
    axes = [np.linspace(a, b, steps) for a, b in zip(low, high, strict=True)]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)
    outputs, found = model(grid), []
    for point in points:
        misfit = np.abs(outputs - model(point[None])[0]).max(axis=1) / np.abs(outputs).max()
        far = (np.abs(grid - point) > apart * (high - low)).any(axis=1)
        found.append(bool((misfit[far] < near / steps).any()))
    return found


FLAT = [
    name
    for name, known in ALL.items()
    if len(known.names) <= 2 and name not in ("nearly equal columns", "ordered chain")
]


@pytest.mark.parametrize("name", FLAT)
def test_a_dense_grid_agrees(name):
    """An independent check without any fit, for models of one or two parameters."""
    known = ALL[name]
    points = uniform(known, 0)
    low, high = points.min(axis=0), points.max(axis=0)
    if name in AMBIGUOUS_MODELS:
        found = analysed_once(name).search.twins
        assert all(twins_on_a_grid(known.model, low, high, [twin.theta for twin in found], 0.003, 12.0))
    else:
        assert sum(twins_on_a_grid(known.model, low, high, points, 0.25, 2.0)) <= 2  # of 8: a grid is coarse


def test_the_share_of_a_cubic_is_that_of_the_points_with_three_roots():
    """y = x³ - x has one root for |y| > 2 / 27^(1/2), and the points beyond have no second solution."""
    known = AMBIGUOUS_MODELS["cubic"]
    report = analysed(known, 3)
    for twin in report.search.twins:
        assert np.abs(twin.theta**3 - twin.theta).max() < 2.0 / 27.0**0.5 + 1e-6
    assert 0.3 < report.search.share <= 1.0
    assert report.reasons["x"].startswith("another value gives the same outputs at ")
    assert f"x is ambiguous: {report.reasons['x']}." in report.sentences()


def test_what_cannot_be_known_anyway_is_no_second_solution():
    """Only a b and c are known. Many fits end at other a and b, which tells nothing new."""
    times = np.linspace(0.0, 2.0, 12)
    report = identifiability.analyse(
        lambda t: t[:, :1] * t[:, 1:2] * np.exp(-t[:, 2:] * times),
        np.random.default_rng(0).uniform(0.5, 2.0, (8, 3)), ["a", "b", "c"],
    )  # fmt: skip
    assert report.verdicts == {"a": "only in combination", "b": "only in combination", "c": "recoverable"}
    assert report.search.twins == ()
    assert report.search.returned > 100


def test_the_given_range_decides():
    """The other solution of x² lies within (-2, 2) and beyond the points, which are positive."""
    points = np.random.default_rng(0).uniform(0.5, 1.5, (8, 1))
    model = lambda t: np.concatenate([t**2, t**4], axis=1)  # noqa: E731
    assert identifiability.analyse(model, points, ["x"]).verdicts["x"] == "recoverable"
    assert identifiability.analyse(model, points, ["x"], ranges=[(-2.0, 2.0)]).verdicts["x"] == "ambiguous"
    with pytest.raises(InputError, match="All points lie within"):
        identifiability.analyse(model, points, ["x"], ranges=[(0.9, 1.0)])


def test_a_search_that_was_too_small_says_so():
    """A wave of a thousand periods: hardly a fit reaches the outputs from elsewhere."""
    times = np.linspace(0.0, 1.0, 3000)
    model = lambda t: np.sin(2.0 * np.pi * t[:, :1] * times) + t[:, 1:]  # noqa: E731
    points = np.random.default_rng(0).uniform((500.0, -1.0), (1000.0, 1.0), (8, 2))
    report = identifiability.analyse(model, points, ["f", "c"], fits=12)
    assert "is open: only" in report.search.evidence()
    assert "of 12 fits" in report.search.evidence()
    assert identifiability.analyse(model, points, ["f", "c"], fits=0).search.evidence() == ""


def test_fits_are_counted():
    known = IDENTIFIABLE_MODELS["decay"]
    report = analysed(known, 0, fits=40)
    assert report.search.fits == 40
    assert report.search.returned <= 40
    assert "in 40 fits" in report.search.evidence()
    content = report.to_dict()["search"]
    assert content["fits"] == 40
    assert content["twins"] == []


def test_a_model_may_fail_away_from_its_points():
    """An error of the user's own in a corner of the prior ends a fit and not the analysis."""

    def model(theta):
        if (theta.real.sum(axis=1) > 2.6).any():
            raise ArithmeticError("no solution")
        return np.concatenate([theta, theta**2], axis=1)

    points = np.random.default_rng(0).uniform(0.1, 1.5, (40, 2))
    points = points[points.sum(axis=1) < 2.3][:8]
    assert set(identifiability.analyse(model, points, ["a", "b"]).verdicts.values()) == {"recoverable"}

"""Accuracy of outputs, measured or stated, and what follows: ill-conditioned but exact models, rounding, solvers."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gait import identifiability
from gait.errors import InputError
from gait.identifiability.accuracy import output_errors
from tests.helpers.puzzling_models import AMBIGUOUS_MODELS, IDENTIFIABLE_MODELS
from tests.identifiability.test_search import uniform

TIMES = np.linspace(0.1, 3.0, 20)


def decay(theta):
    return theta[:, :1] * np.exp(-theta[:, 1:2] * TIMES)


def draws(low, high, count=8, seed=0):
    return np.random.default_rng(seed).uniform(low, high, (count, len(low)))


def pendulum(tolerance):
    """A pendulum of which only k/m enters, in momentum, by an adaptive solver whose errors depend on m, too."""

    def model(theta):
        rows = []
        for m, k, start in theta:
            field = lambda t, x, m=m, k=k: [x[1] / m, -k * np.sin(x[0])]  # noqa: E731
            rows.append(
                solve_ivp(field, (0, 5), [start, 0.0], t_eval=np.linspace(0, 5, 20), rtol=tolerance, atol=tolerance).y[
                    0
                ]
            )
        return np.array(rows)

    return model


@pytest.mark.parametrize("digits", [3, 5, 7])
def test_rounding_is_measured(digits):
    points = draws((0.5, 0.2), (2.0, 1.0))
    model = lambda t: np.round(decay(t), digits)  # noqa: E731
    errors = output_errors(model, points, model(points))
    # Not less than the rounding, and not more than if it were the jumps of a solver.
    assert 0.3 < np.median(errors) / 10.0**-digits < 40.0


def test_a_smooth_model_is_accurate_to_its_last_digits():
    points = draws((0.5, 0.2), (2.0, 1.0))
    assert output_errors(decay, points, decay(points)).max() < 1e-13
    kinked = lambda t: np.maximum(decay(t), 0.5)  # noqa: E731
    assert np.median(output_errors(kinked, points, kinked(points))) < 1e-13
    before = points.copy()
    output_errors(decay, points, decay(points))
    np.testing.assert_array_equal(points, before)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["chain of 6", "chain of 10"])
def test_sloppy_exact_models_are_not_called_combinations(name, seed):
    """The smallest singular value of ten steps is 1e-12 of the largest, and right."""
    known = AMBIGUOUS_MODELS[name]
    report = identifiability.analyse(known.model, uniform(known, seed), known.names, seed=seed)
    assert report.rank == len(known.names)
    assert report.verdicts == known.verdicts


@pytest.mark.parametrize("seed", range(5))
def test_an_early_epidemic_of_known_size_is_identifiable(seed):
    known = IDENTIFIABLE_MODELS["early epidemic"]
    report = identifiability.analyse(known.model, uniform(known, seed), known.names, seed=seed, fits=0)
    assert report.verdicts == known.verdicts
    assert report.spectrum[-1] < 1e-3 * report.spectrum[0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_solvers_errors_recover_nothing(seed):
    report = identifiability.analyse(
        pendulum(1e-6), draws((1, 3, 0.5), (2, 8, 1.5), seed=seed), "mks", seed=seed, fits=0
    )
    assert report.verdicts["m"] in ("only in combination", "undecided")
    assert report.verdicts["k"] in ("only in combination", "undecided")


def test_a_stated_accuracy_decides():
    """b changes the outputs by 1e-5: visible in an exact model, not in one that is accurate to 1e-3."""
    model = lambda t: t[:, :1] * TIMES + 1e-5 * np.sin(3.0 * t[:, 1:] * TIMES)  # noqa: E731
    points = draws((1.0, 1.0), (2.0, 2.0))
    assert identifiability.analyse(model, points, ["a", "b"]).verdicts["b"] == "recoverable"
    report = identifiability.analyse(model, points, ["a", "b"], accuracy=1e-3)
    assert report.verdicts == {"a": "recoverable", "b": "dead"}
    assert report.accuracy == pytest.approx(1e-3)
    for wrong in (0.0, 2.0, "high", [1e-3, 1e-3]):
        with pytest.raises(InputError, match="relative accuracy"):
            identifiability.analyse(model, points, ["a", "b"], accuracy=wrong)


def test_numbers_of_single_precision():
    single = lambda t: (t[:, :1].astype("f4") * t[:, 1:].astype("f4")) * TIMES.astype("f4")  # noqa: E731
    report = identifiability.analyse(single, draws((1, 1), (2, 2)).astype("f4"), ["a", "b"])
    assert report.combinations == ["a*b"]
    assert 1e-8 < report.accuracy < 1e-5

"""The analysis of forward models: derivatives and their errors, spectra, bounds, combinations, and what it refuses."""

import json

import numpy as np
import pytest

from gait import identifiability
from gait.errors import InputError
from gait.identifiability import combinations
from gait.identifiability.derivatives import jacobians
from gait.identifiability.linearisation import Linearisation

TIMES = np.linspace(0.1, 3.0, 12)


def draws(low, high, count=8, seed=0):
    return np.random.default_rng(seed).uniform(low, high, (count, len(low)))


def decay(theta):
    """a exp(-b t), with complex numbers too."""
    return theta[:, :1] * np.exp(-theta[:, 1:2] * TIMES)


def real_only(model):
    """A model that refuses complex numbers."""

    def refusing(theta):
        if np.iscomplexobj(theta):
            raise TypeError("real numbers only")
        return model(theta)

    return refusing


# Derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "method"), [(decay, "complex step"), (real_only(decay), "central differences")])
def test_derivatives_are_as_accurate_as_they_say(model, method):
    points = draws((0.5, 0.2), (2.0, 1.0))
    found = jacobians(model, points)
    exact = np.stack(
        [np.exp(-points[:, 1:2] * TIMES), -TIMES * points[:, :1] * np.exp(-points[:, 1:2] * TIMES)], axis=2
    )
    assert found.method == method
    assert found.set_aside == 0
    off = np.abs(found.values - exact)
    assert (off <= 10.0 * found.errors).mean() > 0.99
    assert off.max() < 1e-9
    # Not bounds so wide that they say nothing.
    assert np.median(found.errors) < 1e-9


def test_a_complex_step_that_is_wrong_is_not_used():
    """abs() of a complex number forgets its imaginary part, so the complex step would see no slope."""

    def model(theta):
        return np.abs(theta[:, :1]) * np.exp(-theta[:, 1:2] * TIMES)

    found = jacobians(model, draws((0.5, 0.2), (2.0, 1.0)))
    assert found.method == "central differences"
    np.testing.assert_allclose(found.values[:, 0, 0], np.exp(-found.points[:, 1] * TIMES[0]), rtol=1e-8)


def test_noisy_outputs_have_uncertain_derivatives():
    """Outputs rounded to 1e-6: the error must say so."""
    found = jacobians(real_only(lambda theta: np.round(decay(theta), 6)), draws((0.5, 0.2), (2.0, 1.0)))
    exact = jacobians(decay, found.points)
    off = np.abs(found.values - exact.values)
    assert 1e-6 < off.max() < 1e-2
    assert (off <= 3.0 * found.errors + 1e-5).mean() > 0.95


def test_points_without_sound_derivatives_are_set_aside_and_counted():
    """NaN above 1.5; a jump at 1.0, on which one point lies."""

    def model(theta):
        outputs = decay(theta) + (theta[:, :1] >= 1.0)
        outputs[theta[:, 0] > 1.5] = np.nan
        return outputs

    points = draws((0.5, 0.2), (0.9, 1.0), count=6)
    points = np.vstack([points, [[1.0, 0.5], [1.5, 0.5], [1.7, 0.5]]])
    report = identifiability.analyse(real_only(model), points, ["a", "b"])
    assert (report.points, report.set_aside) == (6, 3)
    assert report.rank == 2
    with pytest.raises(InputError, match="sound derivatives at 2 of 5 points only"):
        identifiability.analyse(real_only(model), points[4:], ["a", "b"])


# Spectrum, uniqueness, bounds ----------------------------------------------------------------


def linear_model(matrix):
    return lambda theta: theta @ matrix.T


def test_bounds_of_a_linear_model_are_the_textbooks():
    """F = J^T R^-1 J; the Cramér-Rao bound is the root of its inverse's diagonal, and uniqueness follows."""
    generator = np.random.default_rng(4)
    matrix, sd = generator.normal(size=(7, 3)), np.array([1.0, 2.0, 0.5])
    root = generator.normal(size=(7, 7))
    for noise, covariance in (
        (0.1, 0.01 * np.eye(7)),
        (np.arange(1.0, 8.0), np.diag(np.arange(1.0, 8.0) ** 2)),
        (root @ root.T + np.eye(7),) * 2,
    ):
        report = identifiability.analyse(
            linear_model(matrix), generator.normal(size=(6, 3)), ["a", "b", "c"], noise=noise, prior_sd=sd
        )
        fisher = matrix.T @ np.linalg.inv(covariance) @ matrix
        inverse = np.linalg.inv(fisher)
        np.testing.assert_allclose(list(report.cramer_rao.values())[:3], np.sqrt(np.diag(inverse)), rtol=1e-6)
        np.testing.assert_allclose(
            list(report.uniqueness.values()), 1.0 / (np.diag(fisher) * np.diag(inverse)), rtol=1e-6
        )
        posterior = np.linalg.inv(fisher + np.diag(sd**-2.0))
        np.testing.assert_allclose(list(report.linear_ceiling.values()), 1.0 - np.diag(posterior) / sd**2, rtol=1e-6)
        values = np.sqrt(np.linalg.eigvalsh(sd[:, None] * fisher * sd)[::-1])
        np.testing.assert_allclose(report.spectrum, values, rtol=1e-6)


def test_linear_ceiling_of_equal_prior_and_noise_variance_is_a_half():
    report = identifiability.analyse(linear_model(np.eye(1)), draws((-1.0,), (1.0,)), ["a"], noise=2.0, prior_sd=[2.0])
    assert report.linear_ceiling["a"] == pytest.approx(0.5)


def test_bound_of_a_ratio_is_that_of_its_gradient():
    """y = k/m with noise 0.1: the bound on k/m is 0.1, and there is none on k or m."""
    points = draws((1.0, 1.0), (2.0, 2.0))
    report = identifiability.analyse(lambda t: t[:, 1:] / t[:, :1], points, ["m", "k"], noise=0.1)
    assert report.combinations == ["k/m"]
    assert report.cramer_rao["k/m"] == pytest.approx(0.1)
    assert report.cramer_rao["m"] == report.cramer_rao["k"] == np.inf
    assert report.uniqueness == {"m": 0.0, "k": 0.0}
    np.testing.assert_allclose(np.abs(report.directions), np.sqrt(0.5), rtol=1e-6)


def test_outputs_of_very_different_units_do_not_hide_each_other():
    """A force in newtons beside a length in micrometres."""
    report = identifiability.analyse(
        lambda t: np.concatenate([1e4 * t[:, :1] * TIMES, 1e-6 * t[:, 1:] * TIMES**2], axis=1),
        draws((1.0, 1.0), (2.0, 2.0)), ["a", "b"],
    )  # fmt: skip
    assert report.rank == 2
    assert report.combinations == ["a", "b"]


def test_a_rank_that_the_derivatives_do_not_support_is_undecided():
    """b adds 1e-4 to outputs that are rounded to 1e-5: small steps show nothing, large ones do."""
    model = real_only(lambda t: np.round(t[:, :1] * TIMES + 1e-4 * np.sin(3.0 * t[:, 1:] * TIMES), 5))
    report = identifiability.analyse(model, draws((1.0, 1.0), (2.0, 2.0)), ["a", "b"])
    assert report.rank is None
    assert report.combinations is None
    assert report.verdicts["b"] == "undecided"
    assert report.verdicts["a"] == "recoverable"
    # Without rounding the same small influence is found.
    clear = identifiability.analyse(
        lambda t: t[:, :1] * TIMES + 1e-4 * np.sin(3.0 * t[:, 1:] * TIMES), draws((1.0, 1.0), (2.0, 2.0)), ["a", "b"]
    )
    assert clear.rank == 2
    assert clear.verdicts["b"] == "recoverable"


def test_noise_loses_what_is_there_without_it():
    """y = a t + 1e-3 b t², noise 0.1: a stays, b is lost."""
    points = draws((1.0, 1.0), (2.0, 2.0))
    model = lambda t: t[:, :1] * TIMES + 1e-3 * t[:, 1:] * TIMES**2  # noqa: E731
    assert identifiability.analyse(model, points, ["a", "b"]).verdicts == {"a": "recoverable", "b": "recoverable"}
    report = identifiability.analyse(model, points, ["a", "b"], noise=0.1)
    assert report.verdicts == {"a": "recoverable", "b": "lost in noise"}
    assert report.combinations_without_noise == ["a", "b"]
    assert report.combinations == ["a"]


# Combinations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "names", "expected"),
    [
        ([[1, 1, 0]], ("m", "k", "l0"), ["k/m", "l0"]),
        ([[1, -1]], ("b", "c"), ["b*c"]),
        ([[1, 1, 1]], ("m", "c", "k"), ["c/m", "k/m"]),
        ([[2, 1]], ("g", "t"), ["t^2/g"]),
        ([[0, 1, 0], [1, 0, 1]], ("a", "dead", "b"), ["a/b"]),
        ([[1, 0], [0, 1]], ("a", "b"), []),
        ([[1, 0, -1], [0, 1, 1]], ("N", "a", "b"), ["N*b/a"]),
        (np.zeros((0, 2), int), ("a", "b"), ["a", "b"]),
    ],
)
def test_what_a_scaling_leaves_alone(weights, names, expected):
    found = combinations.invariants(np.array(weights).reshape(-1, len(names)))
    assert [combinations.written(combinations.oriented(e, names), names) for e in found] == expected


def test_invariants_are_complete_and_orthogonal():
    """For random groups: as many as there are dimensions, independent, and left alone by every scaling."""
    generator = np.random.default_rng(7)
    for _ in range(50):
        group, parameters = generator.integers(1, 4), generator.integers(4, 7)
        weights = generator.integers(-2, 3, (group, parameters))
        if np.linalg.matrix_rank(weights) < group:
            continue
        found = np.array(combinations.invariants(weights))
        assert np.linalg.matrix_rank(found) == len(found) == parameters - group
        assert not (found @ weights.T).any()


def test_integers_are_found_in_rotated_and_blurred_directions():
    generator = np.random.default_rng(8)
    weights = np.array([[1, 1, 0, 0], [0, 2, -1, 3]])
    mixed = generator.normal(size=(2, 2)) @ weights * (1 + 1e-4 * generator.normal(size=(2, 4)))
    found = combinations.as_integers(mixed, tolerance=0.02)
    assert np.linalg.matrix_rank(np.vstack([found, weights])) == 2
    assert combinations.as_integers(np.array([[1.0, np.pi / 4]]), tolerance=1e-4) is None


@pytest.mark.parametrize("power", [1, 2, 3])
def test_powers_are_found_on_a_model(power):
    """y = a b^power t."""
    report = identifiability.analyse(
        lambda t: t[:, :1] * t[:, 1:] ** power * TIMES, draws((1.0, 1.0), (2.0, 2.0)), ["a", "b"]
    )
    assert report.combinations == ["a*b" if power == 1 else f"a*b^{power}"]
    assert report.counterexample.difference < 1e-12


def test_a_translation_is_no_scaling():
    """Only a + b is known: no product of powers, but a line of equal outputs."""
    report = identifiability.analyse(lambda t: (t[:, :1] + t[:, 1:]) * TIMES, draws((1.0, 1.0), (2.0, 2.0)), ["a", "b"])
    assert report.combinations is None
    assert report.verdicts == {"a": "only in combination", "b": "only in combination"}
    pair = report.counterexample
    assert pair.difference < 1e-12
    assert np.sum(pair.theta) == pytest.approx(np.sum(pair.other))
    assert np.abs(pair.theta - pair.other).min() > 0.1


def test_wrong_candidates_are_rejected():
    points = draws((1.0, 1.0, 1.0), (2.0, 2.0, 2.0))
    model = lambda t: np.concatenate([t[:, 1:2] / t[:, :1] * TIMES, t[:, 2:] * TIMES], axis=1)  # noqa: E731
    assert identifiability.scaling_holds(model, points, [1, 1, 0])
    for wrong in ([1, -1, 0], [1, 1, 1], [1, 1, 0.001], [0, 0, 1], [2, 1, 0]):
        assert not identifiability.scaling_holds(model, points, wrong)


def test_a_scaling_that_holds_only_nearby_is_not_claimed():
    """The outputs saturate: derivatives by a vanish at all points, but halving a is seen."""
    points = draws((2.0, 1.0), (3.0, 2.0))
    model = real_only(lambda t: np.minimum(t[:, :1], 1.5) * t[:, 1:] * TIMES)
    report = identifiability.analyse(model, points, ["a", "b"])
    assert report.combinations is None
    assert not identifiability.scaling_holds(model, points, [1, 0])


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (lambda t: np.stack([t[:, 0] ** 2, t[:, 0] * t[:, 1]], axis=1), ["a", "b"]),  # both change sign together
        (lambda t: np.exp(-t[:, :1] * TIMES) + np.exp(-t[:, 1:] * TIMES), ["fast", "slow"]),  # can be exchanged
    ],
)
def test_finitely_many_values_are_ambiguous(model, names):
    points = np.random.default_rng(1).normal(size=(9, 2))
    report = identifiability.analyse(model, points, names)
    assert set(report.verdicts.values()) == {"ambiguous"}
    # Where the domain has one sign, or the ranges do not meet, there is nothing to confuse.
    apart = identifiability.analyse(model, np.abs(points) + np.array([5.0, 0.0]), names)
    assert set(apart.verdicts.values()) == {"recoverable"}


# Input and output ----------------------------------------------------------------------------


def test_a_report_is_json_and_sentences():
    report = identifiability.analyse(lambda t: t[:, 1:2] / t[:, :1] * TIMES, draws((1.0,) * 3, (2.0,) * 3), "mkd")
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert content["cramer_rao"]["m"] is None
    assert content["combinations"] == ["k/m"]
    assert content["verdicts"]["d"] == "dead"
    assert set(content["counterexample"]) == {"theta", "other", "difference"}
    assert [line.split()[0] for line in report.sentences()] == ["m", "k", "d"]
    assert "only k/m can" in report.sentences()[0]
    assert "no influence" in report.sentences()[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.ones((4, 2))}, "at least 5 points"),
        ({"points": np.ones(5)}, "at least 5 points"),
        ({"points": np.full((5, 2), np.nan)}, "finite parameters"),
        ({"names": ["a"]}, "2 parameters has a name of its own"),
        ({"names": ["a", "a"]}, "name of its own"),
        ({"prior_sd": [1.0, 0.0]}, "one positive number for each of the 2 parameters"),
        ({"noise": -1.0}, "standard deviations are positive"),
        ({"noise": np.ones(5)}, "one for each of the 12 outputs"),
        ({"noise": -np.eye(12)}, "positive definite"),
        ({"model": lambda t: decay(t)[:3]}, "maps parameters [batch, p] to outputs [batch, n]"),
    ],
)
def test_bad_input_is_explained(change, message):
    arguments = {"model": decay, "points": draws((0.5, 0.2), (2.0, 1.0)), "names": ["a", "b"]} | change
    model, points, names = (arguments.pop(name) for name in ("model", "points", "names"))
    with pytest.raises(InputError, match=message.replace("[", r"\[").replace("]", r"\]")):
        identifiability.analyse(model, points, names, **arguments)


def test_same_seed_same_report():
    points = draws((0.5, 0.2), (2.0, 1.0))
    reports = [identifiability.analyse(decay, points, ["a", "b"], seed=3).to_dict() for _ in range(2)]
    assert reports[0] == reports[1]


def test_a_settled_rank_is_that_of_every_point():
    points = draws((0.5, 0.2), (2.0, 1.0))
    linear = Linearisation.of(jacobians(decay, points), points.std(axis=0), None)
    assert linear.rank == 2
    assert linear.settle(1).rank == 1
    assert len(linear.settle(1).agreeing) == len(points)
    assert linear.settle(1).null_space(0).shape == (2, 1)


def test_the_class_of_a_verdict_has_two_names():
    assert identifiability.Verdict is identifiability.Identifiability
    assert [str(kind) for kind in identifiability.Identifiability] == [
        "recoverable", "only in combination", "dead", "ambiguous", "lost in noise", "undecided",
    ]  # fmt: skip


def test_noise_does_not_change_why_a_parameter_cannot_be_known_by_itself():
    """k/m and d in noise that hides both: the sentence about m names the ratio all the same."""
    points = draws((1.0, 1.0, 1.0), (1.1, 1.1, 1.1))
    report = identifiability.analyse(
        lambda t: np.stack([t[:, 1] / t[:, 0], t[:, 2]], axis=1), points, ["m", "k", "d"], noise=10.0
    )
    assert report.combinations_without_noise == ["k/m", "d"]
    assert report.exponents_without_noise.tolist() == [[-1, 1, 0], [0, 0, 1]]
    assert not report.combinations
    assert report.sentences()[0] == "m cannot be known by itself, however good the data: only k/m can."
    assert report.sentences()[2] == "d could be recovered without noise. It is lost in this noise."

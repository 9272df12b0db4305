"""Names of what can be known: products of any number of parameters, sums, differences, and sums with a rate."""

import numpy as np
import pytest

from gait import identifiability
from gait.identifiability import combinations

TIMES = np.linspace(0.1, 3.0, 12)


def analysed(model, names, low=1.0, high=2.0, seed=0):
    points = np.random.default_rng(seed).uniform(low, high, (8, len(names)))
    return identifiability.analyse(model, points, names, seed=seed, fits=8)


def texts(report):
    return [function.text for function in report.functions]


def rasch(theta):
    ability, difficulty = theta[:, :4, None], theta[:, None, 4:]
    return 1.0 / (1.0 + np.exp(difficulty - ability)).reshape(len(theta), -1)


CASES = {
    "sum": (lambda t: (t[:, :1] + t[:, 1:]) * TIMES, "ab", ["a + b"]),
    "difference": (lambda t: (t[:, :1] - t[:, 1:]) * TIMES, "ab", ["a - b"]),
    "weights": (lambda t: (3 * t[:, :1] - 2 * t[:, 1:]) * TIMES, "ab", ["3*a - 2*b"]),
    "three": (lambda t: (t[:, :1] + t[:, 1:2] + t[:, 2:]) * TIMES, "abc", None),
    "sum beside product": (
        lambda t: (t[:, :1] + t[:, 1:2]) * TIMES + t[:, 2:3] * t[:, 3:] * TIMES**2, "abcd", ["a + b", "c*d"],
    ),
    "logarithms": (lambda t: np.exp(t[:, :1] - t[:, 1:]) * TIMES, ["log k", "log m"], ["log k - log m"]),
    "mixed": (lambda t: np.exp(t[:, :1]) * t[:, 1:] * TIMES, "ab", ["a + log(b)"]),
    "start of a decay": (
        lambda t: t[:, :1] * np.exp(-t[:, 1:2] * (TIMES - t[:, 2:])), ["b", "c", "t0"], ["b*exp(c*t0)"],
    ),
    "start of a line": (lambda t: t[:, :1] + t[:, 1:2] * (TIMES - t[:, 2:]), ["a", "v", "t0"], ["a - v*t0"]),
    "power": (lambda t: t[:, :1] * t[:, 1:2] ** t[:, 2:] * TIMES + t[:, 2:] * TIMES**2, "abn", ["a*b^n"]),
}  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", CASES)
def test_functions_are_named(name, seed):
    model, names, expected = CASES[name]
    report = analysed(model, list(names), seed=seed)
    assert report.combinations is None
    if expected is None:
        assert len(report.functions) == 1
        assert texts(report)[0] == "a + b + c"
    else:
        assert texts(report) == expected
    for function in report.functions:
        for parameter in function.parameters:
            assert report.verdicts[report.names[parameter]] == "only in combination"
            assert f"only {function.text} can." in report.sentences()[parameter]
    assert report.to_dict()["functions"] == texts(report)


def test_differences_of_an_item_response_model():
    """Six differences tell all seven parameters but for their common origin."""
    names = [f"theta{i}" for i in range(4)] + [f"beta{j}" for j in range(3)]
    report = analysed(rasch, names, -1.0, 1.0)
    assert len(report.functions) == report.rank == 6
    assert all(" - " in text for text in texts(report))
    assert all("theta0" in text for text in texts(report))


@pytest.mark.parametrize(
    "model",
    [
        lambda t: np.hypot(t[:, :1], t[:, 1:]) * TIMES,  # a circle
        lambda t: (t[:, :1] + t[:, 1:] ** 2) * TIMES,
        lambda t: np.sin(t[:, :1] * t[:, 1:] + t[:, 1:] ** 3) * TIMES,
    ],
)
def test_nothing_is_invented(model):
    report = analysed(model, ["a", "b"])
    assert report.combinations is None
    assert report.functions == []
    assert "but not by a scaling" in report.sentences()[0]


def test_products_are_no_sums():
    report = analysed(lambda t: t[:, :1] / t[:, 1:] * TIMES, ["k", "m"])
    assert report.combinations == ["k/m"]
    assert report.functions == []


# Integer vectors -----------------------------------------------------------------------------


def generates(basis, weights):
    """Whether integer vectors generate all that are orthogonal to some others: the gcd of their largest minors is 1."""
    basis = np.array(basis)
    assert not (basis @ weights.T).any()
    assert np.linalg.matrix_rank(basis) == len(basis) == weights.shape[1] - len(weights)
    generator = np.random.default_rng(0)
    # A lattice is complete if no prime divides all combinations: each is tried modulo the small ones.
    for prime in (2, 3, 5, 7):
        for _ in range(200):
            factors = generator.integers(0, prime, len(basis))
            if factors.any() and not (factors @ basis % prime).any():
                return False
    return True


@pytest.mark.parametrize("seed", range(5))
def test_invariants_of_large_groups_are_complete(seed):
    """Far beyond what could be tried set by set: 20 parameters, 8 scalings that involve all of them."""
    generator = np.random.default_rng(seed)
    weights = generator.integers(-2, 3, (8, 20))
    assert np.linalg.matrix_rank(weights) == 8
    assert generates(combinations.invariants(weights), weights)


def test_invariants_of_blocks_are_those_of_each():
    weights = np.array([[1, 1, 0, 0, 0], [0, 0, 1, -1, 0]])
    found = combinations.invariants(weights)
    names = tuple("abcde")
    assert [combinations.written(combinations.oriented(e, names), names) for e in found] == ["a/b", "c*d", "e"]


def test_sparse_vectors_that_leave_something_out_are_not_enough():
    """(1, 1, 1, 1) scaled: the kernel of (1, 1, -1, -1) with (1, -1, 1, -1) holds (1, 0, 0, 1), not only its double."""
    weights = np.array([[1, 1, 1, -1], [1, -1, 1, 1]])
    assert generates(combinations.invariants(weights), weights)


@pytest.mark.parametrize(
    ("coefficients", "text"), [((1, 1), "a + b"), ((-1, 1), "a - b"), ((2, -3), "2*a - 3*b"), ((0, 1), "b")]
)
def test_sums_are_written_without_a_leading_minus(coefficients, text):
    assert combinations.written_sum(coefficients, ("a", "b")) == text

"""The analysis finds the known verdicts of eleven models (ten published, one derived) and refuses wrong claims."""

import functools

import numpy as np
import pytest

from gait import identifiability
from tests.helpers.known_models import COMBINED, DEAD, MODELS, RECOVERABLE, exponents, same_knowledge

STRUCTURAL = [name for name, known in MODELS.items() if known.noise is None]
SLOW = ("compartments", "predators", "epidemic", "oscillator")
"""Models that take seconds to integrate for hundreds of starts: other tests look for second solutions."""
LONG = [name for name in MODELS if any(word in name for word in SLOW)]
LONGEST = ("4 epidemic", "4 epidemic, U(0)")
"""The largest model and its twin: what other models show as well is tested on them with the slow tests."""
LOSING = [name for name in STRUCTURAL if {COMBINED, DEAD} & set(MODELS[name].verdicts.values())]


def but_slow(names, slow):
    """Names as parameters of a test, some of them for the slow tests."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]


def analysed(name, seed=0):
    return _analysed(name, seed)


@functools.cache
def _analysed(name, seed):
    known = MODELS[name]
    options = {"fits": 0 if any(word in name for word in SLOW) else 16}
    options |= {} if known.noise is None else {"noise": known.noise, "prior_sd": known.prior_sd}
    return identifiability.analyse(known.model, known.points(seed=seed), known.names, seed=seed, **options)


@pytest.mark.parametrize("name", MODELS)
def test_verdicts(name):
    assert analysed(name).verdicts == MODELS[name].verdicts


@pytest.mark.parametrize("name", but_slow([name for name in MODELS if "epidemic" not in name], LONG))
def test_verdicts_at_other_points(name):
    assert analysed(name, seed=1).verdicts == MODELS[name].verdicts


@pytest.mark.parametrize("name", STRUCTURAL)
def test_rank(name):
    assert analysed(name).rank == MODELS[name].rank
    assert analysed(name).set_aside == 0


@pytest.mark.parametrize("name", MODELS)
def test_combinations_are_complete_and_nothing_is_invented(name):
    known, found = MODELS[name], analysed(name).combinations
    if known.combinations is None:
        assert found is None
    else:
        assert same_knowledge(found, known.combinations, known.names), found


@pytest.mark.parametrize(
    ("name", "combination"),
    [
        ("2 predators", "b*x2(0)"),
        ("3 first order", "b*c"),
        ("10 saturation, noisy", "nu/K"),
        ("11 oscillator", "x(0)"),
    ],
)
def test_sparse_combinations_are_named(name, combination):
    """Where there is one shortest way to say it, that is how it is said."""
    names = MODELS[name].names
    found = [exponents(text, names).tolist() for text in analysed(name).combinations]
    assert exponents(combination, names).tolist() in found


def test_a_b_and_n_of_the_epidemic_are_known_as_one_number():
    """Of all that can be said about a, b and N without the initial states, N*a/b is everything."""
    known = MODELS["4 epidemic"]
    powers = np.array([exponents(text, known.names) for text in analysed("4 epidemic").combinations], float)
    hidden = [known.names.index(name) for name in ("S(0)", "E(0)", "W(0)", "d", "g", "I(0)")]
    _, singular, right = np.linalg.svd(powers[:, hidden].T)
    left = right[(singular > 1e-9).sum() :] @ powers
    assert len(left) == 1
    np.testing.assert_allclose(np.abs(left[0] / left[0].max()), np.abs(exponents("N*a/b", known.names)), atol=1e-9)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_uniqueness_is_zero_just_where_a_parameter_is_lost(name):
    known, found = MODELS[name], analysed(name).uniqueness
    assert set(found) == set(known.names)
    for parameter, verdict in known.verdicts.items():
        assert 0.0 <= found[parameter] <= 1.0
        assert (found[parameter] < 1e-8) == (verdict in (COMBINED, DEAD)), parameter


@pytest.mark.parametrize("name", STRUCTURAL)
def test_directions_span_what_is_lost(name):
    known, directions = MODELS[name], analysed(name).directions
    assert directions.shape == (8, len(known.names) - known.rank, len(known.names))


def test_directions_follow_the_circle_of_model_5():
    """k1² + k2² stays: in logarithms, (k2², -k1²), different at every point."""
    known = MODELS["5 hidden sum"]
    directions = analysed("5 hidden sum").directions[:, 0]
    across = (directions * known.points() ** 2).sum(axis=1)
    along = np.linalg.norm(directions, axis=1) * np.linalg.norm(known.points() ** 2, axis=1)
    np.testing.assert_allclose(across / along, 0.0, atol=1e-5)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_counterexamples_can_be_run_by_anyone(name):
    known, found = MODELS[name], analysed(name).counterexample
    if set(known.verdicts.values()) == {RECOVERABLE}:
        assert found is None
    if known.scaling is not None:
        assert found is not None
    if found is not None:
        one, other = known.model(np.atleast_2d(found.theta)), known.model(np.atleast_2d(found.other))
        difference = np.abs(one - other).max()
        assert difference < 1e-6 * np.abs(one).max()
        assert difference == pytest.approx(found.difference, rel=0.5, abs=1e-9 * np.abs(one).max())
        assert np.abs(np.asarray(found.other) / np.asarray(found.theta) - 1.0).max() > 0.1


@pytest.mark.parametrize("name", but_slow(LOSING, LONGEST))
def test_cramer_rao_is_infinite_for_what_is_lost(name):
    known = MODELS[name]
    report = identifiability.analyse(
        known.model, known.points(), known.names, noise=1e-3, prior_sd=known.prior_sd, fits=0
    )
    for parameter, verdict in known.verdicts.items():
        lost = verdict in (COMBINED, DEAD)
        assert np.isinf(report.cramer_rao[parameter]) == lost, parameter
        assert lost or report.cramer_rao[parameter] > 0.0


@pytest.mark.parametrize("name", but_slow([name for name, known in MODELS.items() if known.scaling], LONGEST))
def test_true_scalings_hold(name):
    known = MODELS[name]
    assert identifiability.scaling_holds(known.model, known.points(), known.weights(known.scaling))


@pytest.mark.parametrize("name", but_slow([name for name, known in MODELS.items() if known.broken], LONGEST))
def test_wrong_scalings_are_rejected(name):
    known = MODELS[name]
    assert not identifiability.scaling_holds(known.model, known.points(), known.weights(known.broken))

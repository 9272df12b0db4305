"""The models with known answers are what they claim to be: closed forms, ranks and scaling groups."""

import numpy as np
import pytest
from scipy.special import lambertw

from tests.helpers.known_models import COMBINED, DEAD, MODELS, exponents, same_knowledge

KNOWN = [pytest.param(known, id=name) for name, known in MODELS.items()]


def log_jacobian(known):
    """d outputs / d log parameters by complex step, shape [points, n, p]: exact up to the solver's tolerance."""
    points, columns = known.points(), []
    for i in range(len(known.names)):
        moved = points.astype(complex)
        moved[:, i] *= 1.0 + 1e-30j
        columns.append(known.model(moved).imag / 1e-30)
    return np.stack(columns, axis=-1)


CLOSED_FORMS = {
    "6 late influence": lambda t, a: np.tan(np.sqrt(a) * t) / np.sqrt(a),
    "7 spiral": lambda t, al, x1, x2: (x1**2 + x2**2) / 2 * np.exp(2 * al * t),
    "8 cancelled": lambda t, a, x1, x2: (x1 + x2) * np.exp(t),
    "9 squared": lambda t, al, x: (x / (1 - al * x * t)) ** 2,
    "10 saturation": lambda t, nu, half: half * lambertw(np.exp((1 - nu * t) / half) / half).real,
}
TIMES = {
    "6 late influence": np.linspace(0.1, 1, 10),
    "7 spiral": np.linspace(0, 2, 12),
    "8 cancelled": np.linspace(0, 2, 12),
    "9 squared": np.linspace(0, 0.6, 12),
    "10 saturation": np.linspace(0.2, 4, 20),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_models_solve_their_equations(name):
    points = MODELS[name].points()
    expected = CLOSED_FORMS[name](TIMES[name], *points.T[..., None])
    np.testing.assert_allclose(MODELS[name].model(points), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("known", KNOWN)
def test_rows_do_not_depend_on_their_batch(known):
    points = known.points()
    outputs = known.model(points)
    np.testing.assert_allclose(known.model(points[3:4])[0], outputs[3], rtol=0, atol=1e-8 * np.abs(outputs).max())


@pytest.mark.parametrize("known", KNOWN)
def test_rank_and_influence_are_the_published_ones(known):
    jacobian = log_jacobian(known)
    scale = known.noise or 1e-7 * np.abs(jacobian).max()
    spread = known.prior_sd / np.abs(known.points()).mean(axis=0) if known.noise else 1.0
    singular = np.linalg.svd(jacobian * spread / scale, compute_uv=False)
    assert np.all((singular > 1.0).sum(axis=1) == known.rank)
    if not known.noise:
        assert np.all(singular[:, : known.rank] > 1e3)
        assert np.all(singular[:, known.rank :] < 1e-2)
    silent = np.abs(jacobian).max(axis=(0, 1)) < 1e-9 * np.abs(jacobian).max()
    assert {name for name, dead in zip(known.names, silent, strict=True) if dead} == {
        name for name, verdict in known.verdicts.items() if verdict == DEAD
    }


@pytest.mark.parametrize("known", [known for known in KNOWN if not known.values[0].noise])
def test_what_is_lost_lies_in_the_null_space(known):
    """A parameter is lost if some null direction has a part in it; a combination is one no null direction changes."""
    _, _, right = np.linalg.svd(log_jacobian(known))
    null = right[:, known.rank :]
    part = np.sqrt((null**2).sum(axis=1)).max(axis=0) if null.shape[1] else np.zeros(len(known.names))
    lost = {name for name, verdict in known.verdicts.items() if verdict in (COMBINED, DEAD)}
    assert {name for name, share in zip(known.names, part, strict=True) if share > 1e-3} == lost
    assert np.all((part > 1e-3) | (part < 1e-7))
    same_everywhere = np.allclose(np.swapaxes(null, 1, 2) @ null, np.swapaxes(null[:1], 1, 2) @ null[:1], atol=1e-6)
    assert same_everywhere == (known.combinations is not None)
    if known.combinations is not None:
        powers = np.array([exponents(text, known.names) for text in known.combinations])
        assert len(powers) == known.rank == np.linalg.matrix_rank(powers)
        np.testing.assert_allclose(null @ powers.T, 0.0, atol=1e-7)


@pytest.mark.parametrize("known", KNOWN)
def test_scaling_groups(known):
    points = known.points()
    outputs = known.model(points)
    for group, holds in ((known.scaling, True), (known.broken, False)):
        if group is not None:
            change = np.abs(known.model(points * 2.0 ** known.weights(group)) - outputs).max()
            assert (change < 1e-9 * np.abs(outputs).max()) == holds


def test_both_signs_of_model_9_give_the_same_square():
    known = MODELS["9 squared"]
    points = known.points()
    assert np.all((points < 0).any(axis=0) & (points > 0).any(axis=0))
    np.testing.assert_allclose(known.model(-points), known.model(points), rtol=1e-12)


def test_points_are_well_spread_and_repeatable():
    known = MODELS["11 oscillator"]
    points = known.points(count=6, seed=3)
    assert points.shape == (6, 5)
    np.testing.assert_array_equal(points, known.points(count=6, seed=3))
    low, high = np.array(list(known.ranges.values())).T
    strata = np.sort(np.floor((points - low) / (high - low) * 6), axis=0)
    np.testing.assert_array_equal(strata, np.repeat(np.arange(6)[:, None], 5, axis=1))


def test_combinations_are_compared_by_what_they_tell():
    names = ("k", "m", "c", "N")
    np.testing.assert_array_equal(exponents("k^2*c/m", names), (2, -1, 1, 0))
    np.testing.assert_array_equal(exponents("1/k", names), exponents("k", names))
    assert same_knowledge(("k/m", "c/m"), ("m/k", "c/k"), names)
    assert not same_knowledge(("k/m", "c/m"), ("k/m", "c"), names)
    assert not same_knowledge(("k/m",), ("k^2/m^2",), names)
    assert not same_knowledge(("k/m", "c/m", "c/k"), ("k/m", "c/m"), names)

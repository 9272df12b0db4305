"""The design of a recording: noise, duration and interval, against fits, scaling laws and the analysis."""

import dataclasses
import json

import numpy as np
import pytest

from gait.identifiability import analyse
from gait.limits.analysis import analyse_scenario
from gait.limits.ceilings import gradients
from gait.limits.design import design_recording
from gait.parameters import NAMES, PAPER_PRIORS
from gait.scenarios import SCENARIOS
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel

NOISE = {"x": 0.005, "y": 0.005}


@pytest.fixture(scope="module")
def design():
    return design_recording(ForwardModel(("x", "y")), NOISE)


def fitted(forward, theta, sd, draws, generator):
    """Least-squares estimates of all unknowns but the mass, from noisy recordings of one walker, shape [draws, 6].

    Gauss-Newton steps from the truth, for all recordings at the same time.
    """
    clean = forward.outputs(theta[None])[0]
    noisy = clean + sd * generator.normal(size=(draws, len(clean)))
    estimates = np.repeat(theta[None], draws, axis=0)
    step = 1e-6 * theta[1:]
    for _ in range(5):
        moved = np.repeat(estimates[:, None, :], 13, axis=1)
        for i in range(6):
            moved[:, 1 + i, 1 + i] += step[i]
            moved[:, 7 + i, 1 + i] -= step[i]
        outputs = forward.outputs(moved.reshape(-1, 7)).reshape(draws, 13, -1)
        slopes = ((outputs[:, 1:7] - outputs[:, 7:]) / (2 * step[:, None])).swapaxes(1, 2)
        scale = np.linalg.norm(slopes, axis=1)
        q, r = np.linalg.qr(slopes / scale[:, None, :])
        correction = np.linalg.solve(r, np.einsum("dnp,dn->dp", q, noisy - outputs[:, 0])[..., None])[..., 0] / scale
        estimates[:, 1:] += correction
    assert np.median(np.abs(correction) / np.abs(theta[1:])) < 1e-6
    return estimates[:, 1:]


@pytest.mark.parametrize("walkers", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_the_cramer_rao_bound_is_the_spread_of_least_squares_fits(walkers):
    """Of 400 noisy recordings of each walker (seed 3): within 10 %, 2.8 standard errors of the spread."""
    generator = np.random.default_rng(3)
    forward = ForwardModel(("x", "y"))
    theta = forward.draw(3, generator)
    report = analyse(
        forward.outputs, np.vstack([theta, theta + 1e-9]), forward.symbols,
        noise=forward.noise_sd(NOISE), prior_sd=forward.prior_sd,
    )  # fmt: skip
    bounds = {name: report.linear.standard_deviation(gradients(name, report.linear.jacobians.points, NAMES))
              for name in ("stiffness_to_mass", "rest_length")}  # fmt: skip
    for i, walker in enumerate(theta[:walkers]):
        estimates = fitted(forward, walker, 0.005, 400, generator)
        assert np.std(estimates[:, 0] / walker[0]) == pytest.approx(bounds["stiffness_to_mass"][i], rel=0.1)
        assert np.std(estimates[:, 1]) == pytest.approx(bounds["rest_length"][i], rel=0.1)


def test_bounds_grow_with_noise_and_fall_with_length_and_rate(design):
    for quantity in design.quantities.values():
        noise, duration, interval = (quantity.curves[along] for along in ("noise", "duration", "interval"))
        np.testing.assert_allclose(noise.sd, quantity.sd * noise.values, rtol=1e-9)
        assert (np.diff(noise.r2) < 0).all()
        assert (np.diff(duration.sd) < 0).all()
        assert (np.diff(duration.tolerated[0.5]) > 0).all()
        assert duration.sd[-1] == pytest.approx(quantity.sd)
        # Twice as many samples tell about √2 as much while they are dense.
        np.testing.assert_allclose(interval.sd[:5] / np.sqrt(interval.values[:5]), interval.sd[0] / 0.1, rtol=0.05)


def test_tolerated_noise_is_where_the_ceiling_crosses(design):
    for name, quantity in design.quantities.items():
        curve = quantity.curves["noise"]
        for level, factor in quantity.tolerated.items():
            assert np.interp(np.log(factor), np.log(curve.values), curve.r2) == pytest.approx(level, abs=2e-3), name
    noise = {channel: sd * design.quantities["rest_length"].tolerated[0.5] for channel, sd in NOISE.items()}
    scenario = dataclasses.replace(SCENARIOS["three_parameter"], noise=noise)
    there = analyse_scenario(scenario, PAPER_PRIORS, RecordingSettings(), walkers=0)
    assert there.ceilings["rest_length"].r2 == pytest.approx(0.5, abs=1e-3)


def test_what_cannot_be_known_tolerates_no_noise():
    """From the speed at a single moment, nothing: R² stays low however small the noise."""
    settings = RecordingSettings(duration=0.2, interval=0.2)
    found = design_recording(ForwardModel(("vx",), settings=settings), {"vx": 1e-6})
    quantity = found.quantities["stiffness_to_mass"]
    assert quantity.sd == np.inf
    assert quantity.tolerated == {0.95: 0.0, 0.5: 0.0}
    assert "however small the noise" in " ".join(found.sentences())
    json.dumps(found.to_dict(), allow_nan=False)


def test_sentences_name_noise_and_unit_without_exponents():
    found = design_recording(ForwardModel(("fx", "fy")), {"fx": 5.0, "fy": 5.0}, points=6)
    for sentence in found.sentences():
        assert "e+" not in sentence
        assert "N in fx and fy" in sentence


def test_unequal_legs_can_be_designed_for():
    model = ForwardModel(("x", "y"), unknowns=(*NAMES, "stiffness_right"))
    assert design_recording(model, NOISE, points=6).quantities["stiffness_to_mass"].r2 > 0.99

"""Highest possible R² under noise: from posteriors, and never from local bounds alone."""

import dataclasses
import json
import math

import numpy as np
import pytest

import gait
from gait.inference import posterior
from gait.inference.ratio import RatioPosterior
from gait.limits import levels, noise
from gait.limits.analysis import analyse_scenario
from gait.limits.ceilings import Ceiling
from gait.limits.design import LEVELS, design_recording
from gait.limits.functions import function_of, products
from gait.limits.levels import Points
from gait.limits.noise import NoiseStudy, key_of, study_noise
from gait.limits.noisy_ceilings import NoisyCeiling, in_noise, mean_ceiling, noisy_ceiling
from gait.parameters import NAMES, PAPER_PRIORS
from gait.scenarios import SCENARIOS
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel

METRE = {"x": 1.0, "y": 1.0}
WALKERS = 16
THREE = dataclasses.replace(SCENARIOS["three_parameter"], noise=METRE)
FUNCTIONS = {name: function_of(name) for name in ("mass", "rest_length", "stiffness_to_mass")}


@pytest.fixture(scope="module", autouse=True)
def small_banks():
    """Under a metre of noise 60,000 walks of the prior are plenty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posterior, "BANK_SIZES", (60_000, 60_000))
        yield


@pytest.fixture(scope="module")
def analysis():
    return analyse_scenario(THREE, PAPER_PRIORS, RecordingSettings(), walkers=WALKERS, fits=0)


def test_ceilings_come_from_posteriors_and_not_from_local_bounds(analysis):
    """Under a metre of noise the local bounds of k/m and ℓ0 are 0.47 and 0.54. A recording hardly tells anything."""
    ratio, length = (analysis.ceilings[name] for name in ("stiffness_to_mass", "rest_length"))
    assert ratio.local_r2 == pytest.approx(0.47, abs=0.05)
    assert abs(ratio.r2) < 5.0 * ratio.error + 0.02
    assert length.local_r2 == pytest.approx(0.54, abs=0.05)
    assert 0.1 < length.r2 < length.local_r2 + 2.0 * length.error
    assert "confused" in ratio.reason


def test_the_errors_of_posterior_means_are_what_the_ceiling_says(analysis):
    """R² of the posterior mean on fresh walkers agrees with the mean of the posterior variances."""
    model = analysis.model
    generator = np.random.default_rng(5)
    theta = model.draw(WALKERS, generator)
    clean = model.outputs(theta)
    noisy = (clean + generator.standard_normal(clean.shape)).reshape(WALKERS, 2, -1)
    found = gait.posterior(noisy, ["x", "y"], noise=METRE)
    errors = np.array([each.mean("rest_length") for each in found]) - theta[:, NAMES.index("rest_length")]
    share = errors**2 / PAPER_PRIORS["rest_length"].variance()
    study = analysis.noise_study.ceilings["rest_length"]
    allowed = 4.0 * math.hypot(study.error, share.std() / math.sqrt(WALKERS))
    assert 1.0 - share.mean() == pytest.approx(study.r2, abs=allowed)


def test_noise_takes_no_combination_that_is_known_in_principle(analysis):
    assert analysis.structural_combinations == ["k/m", "l0"]
    assert analysis.headline() == (
        "From x and y any estimator can know of the walker k/m and l0 in principle; with noise of 1 m in x and y, none "
        "of them."
    )
    content = analysis.to_dict()
    assert content["combinations"][:2] == ["k/m", "l0"]
    assert not {"k/m", "l0"} & set(content["combinations_under_noise"])
    for name, entry in content["quantities"].items():
        assert entry["ceiling_r2_error"] == analysis.ceilings[name].error
        assert entry["local_ceiling_r2"] == analysis.ceilings[name].local_r2
    json.dumps(content, allow_nan=False)
    text = " ".join(analysis.summary())
    assert "fresh walkers (seed 0)" in text
    assert "the local bound says" in text
    assert "local bounds. No estimator" not in text


def test_local_bounds_say_that_they_are(analysis):
    quick = analyse_scenario(THREE, PAPER_PRIORS, RecordingSettings(), walkers=0, fits=0)
    assert quick.noise_study is None
    assert "Highest possible R² of body mass (m): at most" in " ".join(quick.summary())
    assert "Leave out --quick" in " ".join(quick.summary())
    assert quick.ceilings["rest_length"].r2 == pytest.approx(analysis.ceilings["rest_length"].local_r2, abs=1e-12)


def test_finished_levels_are_kept(analysis, monkeypatch):
    known: dict = {}
    first = study_noise(analysis.model, METRE, FUNCTIONS, walkers=3, known=known)
    stored = json.loads(json.dumps(known, allow_nan=False))
    monkeypatch.setattr(posterior, "posteriors", None)
    again = study_noise(analysis.model, METRE, FUNCTIONS, walkers=3, known=stored)
    assert again.to_dict() == first.to_dict()
    np.testing.assert_array_equal(again.pair, first.pair)


def test_a_level_is_known_by_all_that_matters(analysis, monkeypatch):
    model = analysis.model
    keys = {
        key_of(model, METRE, FUNCTIONS, 3, 0),
        key_of(model, METRE | {"x": 2.0}, FUNCTIONS, 3, 0),
        key_of(model, METRE, {"mass": FUNCTIONS["mass"]}, 3, 0),
        key_of(model, METRE, FUNCTIONS, 4, 0),
        key_of(model, METRE, FUNCTIONS, 3, 1),
        key_of(dataclasses.replace(model, settings=RecordingSettings(10.0)), METRE, FUNCTIONS, 3, 0),
        key_of(dataclasses.replace(model, unknowns=(*NAMES, "stiffness_right")), METRE, FUNCTIONS, 3, 0),
    }
    assert len(keys) == 7
    monkeypatch.setattr(noise.provenance, "code_checksum", lambda task: "another sampler")
    assert key_of(model, METRE, FUNCTIONS, 3, 0) not in keys


def test_a_pair_that_noise_confuses_lies_within_it(analysis):
    study, model = analysis.noise_study, analysis.model
    one, other = model.outputs(study.pair)
    assert np.linalg.norm(one - other) == pytest.approx(study.separation)
    assert study.separation < 2.0
    ratios = study.pair[:, NAMES.index("stiffness")] / study.pair[:, NAMES.index("mass")]
    assert abs(ratios[0] - ratios[1]) > 15.0
    figure = gait.plot_confusion(analysis)
    assert len(figure.axes) == 4
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), (other - one)[:150])


def test_walkers_that_could_not_be_done_widen_the_limits():
    variance, done = np.array([0.1, 0.3, 0.2, np.nan]), np.array([True, True, True, False])
    found = mean_ceiling(variance, done, 1.0, np.zeros(4, bool), np.full(4, np.nan))
    assert found.low == pytest.approx(1.0 - 1.6 / 4.0)
    assert found.high == pytest.approx(1.0 - 0.6 / 4.0)
    assert found.low <= found.r2 <= found.high
    assert found.r2 == pytest.approx(1.0 - 0.6 / 3.0)  # of those that could be done
    study = NoiseStudy({"mass": found}, 4, 1, 500.0, {}, None, 0.0, 0)
    said = in_noise("mass", noisy_ceiling(Ceiling(0.9, 1.0, "The noise"), found), found, study.walkers)
    assert said.startswith("between 0.60 and 0.85")
    assert "1 of 4 walkers could not be done" in " ".join(study.sentences())
    # A posterior that is wider than the prior counts as it is.
    assert mean_ceiling(np.array([1.5, 0.5]), np.ones(2, bool), 1.0, np.zeros(2, bool), np.zeros(2)).r2 == 0.0
    nothing = mean_ceiling(np.full(2, np.nan), np.zeros(2, bool), 1.0, np.zeros(2, bool), np.zeros(2))
    assert (nothing.low, nothing.high) == (0.0, 1.0)
    empty = NoiseStudy({"mass": nothing}, 2, 2, 0.0, {}, None, 0.0, 0)
    assert NoiseStudy.from_dict(json.loads(json.dumps(empty.to_dict(), allow_nan=False))).ceilings["mass"].low == 0.0


def test_twins_are_counted_in_words():
    found = {"stiffness_to_mass": NoisyCeiling(0.8, 0.02, 0.8, 0.8, 50**0.5, 5, 0.95)}
    study = NoiseStudy(found, 64, 0, 500.0, {}, None, 0.0, 0)
    ceiling = noisy_ceiling(Ceiling(0.98, 1.0, "The noise"), study.ceilings["stiffness_to_mass"])
    assert in_noise("stiffness_to_mass", ceiling, study.ceilings["stiffness_to_mass"], study.walkers) == (
        "0.80 ± 0.02, error at least 3.16 1/s² (the local bound says 0.9800). Locally it is known to 0.95 1/s², but 5 "
        "of 64 walkers have twins elsewhere."
    )


def test_products_need_no_size_of_mass_and_stiffness(analysis):
    functions = products(NAMES, analysis.report)
    ratio = {"stiffness_to_mass": np.array([120.0, 130.0]), "rest_length": np.array([0.7, 0.6])}
    np.testing.assert_allclose(functions["k/m"](ratio), ratio["stiffness_to_mass"])
    np.testing.assert_allclose(functions["l0"](ratio), ratio["rest_length"])
    whole = {"mass": np.array([70.0]), "stiffness": np.array([9100.0])}
    np.testing.assert_allclose(functions["k/m"](whole), 130.0)


def test_a_level_of_r2_is_crossed_between_two_levels_of_noise():
    points = Points(np.array([1.0, 2.0, 4.0]), np.array([0.99, 0.9, 0.3]), *np.zeros((3, 3)))
    assert points.crossing(0.95) == (1.0, 2.0)
    assert points.crossing(0.5) == (2.0, 4.0)
    assert points.crossing(0.2) == (4.0, math.inf)
    assert points.crossing(0.995) == (0.0, 1.0)


def test_the_design_shows_the_truth_beside_local_bounds(monkeypatch):
    """Levels around a metre, where the bank alone is the posterior."""
    monkeypatch.setattr(levels, "_NOISE_LEVELS", 2)
    monkeypatch.setattr(levels, "_PARTS", (0.5,))
    monkeypatch.setattr(posterior, "BANK_SIZES", (20_000, 20_000))
    known: dict = {}
    found = design_recording(ForwardModel(("x", "y")), METRE, points=6, walkers=3, known=known)
    assert found.recorded == 3
    for quantity in found.quantities.values():
        for along in ("noise", "duration", "interval"):
            points = quantity.points[along]
            assert (np.diff(points.values) > 0.0).all()
            assert len(points.values) == len(points.r2) >= 2
        assert 1.0 in quantity.points["noise"].values
    assert len(known) == 3 + 1 + 1  # noise, a shorter and a coarser recording; the given one is shared
    json.dumps(found.to_dict(), allow_nan=False)
    assert "by posteriors" in found.sentences()[0]
    figure = gait.plot_design(found)
    assert len(figure.axes) == 3
    for level in LEVELS:
        assert any(f"R² of {level:g}" in text.get_text() for text in figure.legends[0].get_texts())


@pytest.mark.parametrize("target", [pytest.param("mass", marks=pytest.mark.slow), "stiffness"])
def test_few_walkers_tell_the_ceiling_of_mass_and_stiffness(target):
    """In a millimetre of noise it is the closed form's. Without the control variate the error would be far larger."""
    model = ForwardModel(("x", "y"))
    study = study_noise(model, {"x": 0.001, "y": 0.001}, {target: function_of(target)}, walkers=8, seed=3)
    found = study.ceilings[target]
    assert study.undone == 0
    assert found.error < 0.004
    assert abs(found.r2 - 0.5005) < 4.0 * found.error + 0.001
    alone = mean_ceiling(*plain_variances(model, target))
    assert alone.error > 5.0 * found.error


def plain_variances(model, target):
    """Arguments of `_ceiling` for the true variance of eight walkers given their ratio, without noise."""
    theta = model.draw(8, np.random.default_rng((3, noise._STREAM)))
    posterior = RatioPosterior.of(PAPER_PRIORS)
    variance = posterior.sd(target, theta[:, 1] / theta[:, 0]) ** 2
    return variance, np.ones(8, bool), posterior.prior(target).variance(), np.zeros(8, bool), np.full(8, np.nan)

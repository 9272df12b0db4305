"""The posterior of a walker's unknowns: truth, limits that are known, what is refused, what users see.

The banks are small here, to save time; the full ones are in `test_calibration_of_posterior.py`.
"""

import functools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gait
from gait.inference import importance
from gait.inference import posterior as module
from gait.inference.ratio import RatioPosterior
from gait.parameters import NAMES, PAPER_PRIORS, Uniform, named
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel
from gait.simulation.model import Outcome
from gait.simulation.population import Population
from gait.simulation.populations import POPULATIONS, population_of

pytestmark = pytest.mark.usefixtures("small_banks")
XY = ("x", "y")
NOISE = {"x": 0.005, "y": 0.005}
OF_RATIO = RatioPosterior.of(PAPER_PRIORS)
TWO_LEGS = PAPER_PRIORS | {"stiffness_right": Uniform(8000.0, 10_000.0)}
TOLD = ("stiffness_to_mass", "rest_length", "x0", "y0", "vx0", "step_length")
ONE = dict(zip(NAMES, (64.31, 8616.2, 0.6495, 0.0934, 0.0652, 0.6777, 0.4510), strict=True))
OTHER = dict(zip(NAMES, (60.00, 9897.9, 0.6332, 0.0833, 0.0356, 0.6424, 0.4519), strict=True))
"""Two walkers that differ by a quarter in k/m, and hardly in their walk."""


@functools.cache
def walkers(count=10):
    """Unknowns of walkers [count, 7], and their recordings without noise [count, 2, 150]."""
    model = ForwardModel(XY)
    theta = model.draw(count, np.random.default_rng(0))
    return theta, model.outputs(theta).reshape(count, 2, -1)


def noisy(clean, noise, seed=5):
    return clean + noise * np.random.default_rng(seed).standard_normal(clean.shape)


def truth_of(theta, names=NAMES):
    values = named(names, np.atleast_2d(theta))
    values["stiffness_to_mass"] = values["stiffness"] / values["mass"]
    return {name: float(column[0]) for name, column in values.items()}


def off(posterior, truth, names=TOLD):
    """Mean less truth, in standard deviations of the posterior; the largest."""
    return max(abs(posterior.mean(name) - truth[name]) / posterior.sd(name) for name in names)


EASY = 2


@pytest.fixture(scope="module")
def three():
    """Posteriors of the first three walkers at 5 mm."""
    return gait.posterior(noisy(walkers()[1][:3], 0.005), XY, noise=NOISE)


@pytest.fixture(scope="module")
def easy(three):
    """The posterior of a walker whose unknowns are nearly normal at 5 mm."""
    return three[EASY]


# Truth and limits ----------------------------------------------------------------------------


def test_the_truth_is_within_six_standard_deviations(three):
    for found, theta in zip(three, walkers()[0], strict=False):
        assert found.accepted
        assert found.reason == ""
        assert off(found, truth_of(theta), (*TOLD, "mass", "stiffness")) < 6.0
        assert 0.7 < found.chi2 < 1.35


def test_the_spread_of_an_easy_walker_is_the_cramer_rao_bound(easy):
    """Of the linearised walk, with the mass held: central differences of the unknowns."""
    theta = walkers()[0][EASY]
    model = ForwardModel(XY)
    columns = []
    for name in TOLD:
        parameter = NAMES.index("stiffness" if name == "stiffness_to_mass" else name)
        step = 1e-6 * (PAPER_PRIORS[NAMES[parameter]].high - PAPER_PRIORS[NAMES[parameter]].low)
        moved = np.tile(theta, (2, 1))
        moved[:, parameter] += np.array([step, -step])
        step = step / theta[0] if name == "stiffness_to_mass" else step
        columns.append((np.subtract(*model.outputs(moved))) / (2.0 * step))
    jacobian = np.stack(columns, axis=1) / 0.005
    bound = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    for name, expected in zip(TOLD, bound, strict=True):
        assert easy.sd(name) == pytest.approx(expected, rel=0.25), name
    assert easy.ess > 1000


def test_without_noise_the_mass_is_as_uncertain_as_the_ratio_leaves_it():
    """At 0.1 mm the spread of mass and stiffness is that of the closed form: the ceiling of 0.5005."""
    theta, clean = walkers()
    found = gait.posterior(noisy(clean, 1e-4), XY, noise={"x": 1e-4, "y": 1e-4})
    ratios = theta[:, 1] / theta[:, 0]
    for target in ("mass", "stiffness"):
        expected = OF_RATIO.sd(target, ratios)
        spread = np.array([each.sd(target) for each in found])
        np.testing.assert_allclose(spread, expected, rtol=0.1)
        assert np.mean(spread / expected) == pytest.approx(1.0, abs=0.02)
        mean = np.array([each.mean(target) for each in found])
        np.testing.assert_allclose((mean - OF_RATIO.mean(target, ratios)) / expected, 0.0, atol=0.15)
    assert max(each.sd("stiffness_to_mass") for each in found) < 0.02
    assert OF_RATIO.ceiling("mass") == pytest.approx(0.5005, abs=1e-4)


@pytest.mark.parametrize("noise", [pytest.param(1e-6, marks=pytest.mark.slow), 1e-8])
def test_noise_of_a_micron_and_far_less_is_small_noise_like_any_other(noise):
    """The spread of k/m is proportional to the noise there."""
    theta, clean = walkers()
    found = gait.posterior(noisy(clean[:4], noise), XY, noise={"x": noise, "y": noise})
    for each, unknowns in zip(found, theta, strict=False):
        assert each.accepted, each.reason
        assert off(each, truth_of(unknowns)) < 6.0
        assert each.sd("stiffness_to_mass") < 30.0 * noise


def test_given_its_ratio_the_mass_of_a_draw_follows_the_closed_form(easy):
    """The distribution function of the mass given k/m, (m² - A²)/(B² - A²), makes draws uniform."""
    low, high = OF_RATIO.mass_bounds(easy.draws["stiffness_to_mass"].to_numpy())
    mass = easy.draws["mass"].to_numpy()
    assert stats.kstest((mass**2 - low**2) / (high**2 - low**2), "uniform").pvalue > 1e-3


def test_a_known_mass_tells_the_stiffness():
    theta, clean = walkers()
    mass = theta[EASY, 0]
    found = gait.posterior(noisy(clean, 0.005)[EASY], XY, noise=NOISE, known={"mass": mass})
    assert found.accepted
    np.testing.assert_allclose(found.draws["mass"], mass)
    assert off(found, truth_of(theta[EASY]), (*TOLD, "stiffness")) < 6.0
    assert found.sd("stiffness") == pytest.approx(mass * found.sd("stiffness_to_mass"), rel=1e-6)
    assert found.sd("stiffness") < 10.0


def test_a_measured_mass_tells_the_stiffness_as_well_as_it_is_measured():
    theta, clean = walkers()
    noise = NOISE | {"mass": 0.1}
    mass = theta[EASY, 0] + 0.07
    found = gait.posterior(noisy(clean, 0.005)[EASY], XY, noise=noise, known={"mass": mass})
    assert found.accepted
    assert found.mean("mass") == pytest.approx(mass, abs=0.02)
    assert found.sd("mass") == pytest.approx(0.1, rel=0.1)
    relative = np.hypot(0.1 / mass, found.sd("stiffness_to_mass") / found.mean("stiffness_to_mass"))
    assert found.sd("stiffness") / found.mean("stiffness") == pytest.approx(relative, rel=0.1)


def test_a_known_circumstance_sharpens_what_hangs_together_with_it(easy):
    theta, clean = walkers()
    known = {"x0": theta[EASY, NAMES.index("x0")]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gait.inference.walker._DRAWS", 40_000)
        found = gait.posterior(noisy(clean[:3], 0.005)[EASY], XY, noise=NOISE, known=known)
    assert found.accepted
    np.testing.assert_allclose(found.draws["x0"], known["x0"])
    assert off(found, truth_of(theta[EASY]), [name for name in TOLD if name != "x0"]) < 6.0
    assert found.sd("vx0") < 1.05 * easy.sd("vx0")
    assert sum(found.sd(name) < 0.8 * easy.sd(name) for name in TOLD) >= 2


def test_a_force_in_newtons_tells_mass_and_stiffness():
    model = ForwardModel(("x", "y", "fy"))
    theta = walkers()[0][EASY]
    clean = model.outputs(theta[None]).reshape(3, -1)
    sd = np.array([[0.005], [0.005], [5.0]])
    found = gait.posterior(noisy(clean, sd), ("x", "y", "fy"), noise=NOISE | {"fy": 5.0})
    assert found.accepted
    assert off(found, truth_of(theta), (*TOLD, "mass", "stiffness")) < 6.0
    assert found.sd("mass") < 0.2
    assert found.sd("stiffness") < 30.0


def test_legs_of_their_own_stiffness_are_told_apart():
    names = (*NAMES, "stiffness_right")
    model = ForwardModel(XY, (), TWO_LEGS, unknowns=names)
    theta = model.draw(3, np.random.default_rng(0))[1]
    clean = model.outputs(theta[None]).reshape(2, -1)
    found = gait.posterior(noisy(clean, 0.005), XY, noise=NOISE, population=Population(TWO_LEGS))
    truth = truth_of(theta, names)
    truth["stiffness_right_to_mass"] = truth["stiffness_right"] / truth["mass"]
    assert found.accepted
    assert list(found.draws) == [*names, "stiffness_to_mass", "stiffness_right_to_mass"]
    assert off(found, truth, (*TOLD, "stiffness_right_to_mass", "stiffness_right", "mass")) < 6.0
    assert found.sd("stiffness_right_to_mass") < 1.0
    assert abs(truth["stiffness_right_to_mass"] - truth["stiffness_to_mass"]) > 10.0


@pytest.mark.parametrize(
    ("name", "touchdown"),
    [
        ("paper", "angle_of_attack"),
        pytest.param("adult", "step_length", marks=pytest.mark.slow),
        pytest.param("adult", "angle_of_attack", marks=pytest.mark.slow),
    ],
)
def test_other_populations_and_touchdowns_are_known_as_well(name, touchdown):
    population, gravity = population_of(name, touchdown), POPULATIONS[name].gravity
    settings = RecordingSettings(gravity=gravity)
    model = ForwardModel(XY, (), population.priors, settings, population.names)
    theta = model.draw(4, np.random.default_rng(1))
    clean = model.outputs(theta).reshape(len(theta), 2, -1)
    found = gait.posterior(noisy(clean, 0.005), XY, noise=NOISE, population=population, settings=settings)
    told = ("stiffness_to_mass", "rest_length", touchdown)
    done = [i for i, each in enumerate(found) if each.accepted]
    assert len(done) >= 2  # of so wide a prior, the small bank of these tests knows little
    for i in done:
        assert off(found[i], truth_of(theta[i], population.names), told) < 6.0
        assert found[i].sd("stiffness_to_mass") < 0.2 * np.sqrt(model.prior("stiffness").variance()) / 60.0
        assert set(found[i].draws) == {*population.names, "stiffness_to_mass"}


@pytest.mark.slow
def test_legs_as_unequal_as_they_can_be_leave_numbers():
    """At the end of the possible ratios of the legs, some draws are impossible; they have no weight, and no say."""
    names = (*NAMES, "stiffness_right")
    model = ForwardModel(XY, (), TWO_LEGS, unknowns=names)
    theta = model.draw(200, np.random.default_rng(0))
    theta[:, names.index("stiffness")], theta[:, names.index("stiffness_right")] = 8003.0, 9997.0
    clean = model.outputs(theta)
    clean = clean[np.isfinite(clean).all(axis=1)][2:4].reshape(2, 2, -1)
    found = gait.posterior(noisy(clean, 0.005), XY, noise=NOISE, population=Population(TWO_LEGS))
    assert any(each.accepted for each in found)
    for each in found:
        if each.accepted:
            assert np.isfinite(each.summary().to_numpy()).all()
            assert each.draws.notna().all(axis=None)


def test_another_gravity_and_a_shorter_recording_are_stated_by_settings():
    """The same recording with the wrong gravity fits no walker, or the wrong one."""
    settings = RecordingSettings(duration=5.0, gravity=9.81)
    model = ForwardModel(XY, settings=settings)
    theta = model.draw(40, np.random.default_rng(1))[:1]
    recording = noisy(model.outputs(theta).reshape(2, -1), 0.002)
    noise = {"x": 0.002, "y": 0.002}
    found = gait.posterior(recording, XY, noise=noise, settings=settings)
    assert found.accepted
    assert off(found, truth_of(theta[0])) < 6.0
    wrong = gait.posterior(recording, XY, noise=noise, settings=RecordingSettings(duration=5.0))
    assert not wrong.accepted or off(wrong, truth_of(theta[0])) > 6.0


def test_a_walker_at_the_end_of_a_long_valley_is_found():
    """Of 48 descents with the full bank, none arrives within 12 steps, and several within 40."""
    theta = np.array([[65.1269, 9087.34, 0.639259, 0.0996141, 0.0243215, 0.67706, 0.457319]])
    clean = ForwardModel(XY, settings=RecordingSettings(gravity=9.81)).outputs(theta).reshape(2, -1)
    noise = {"x": 0.0005, "y": 0.0005}
    settings = RecordingSettings(gravity=9.81)
    found = gait.posterior(noisy(clean, 0.0005), XY, noise=noise, settings=settings)
    assert found.accepted, found.reason
    assert off(found, truth_of(theta[0])) < 6.0


def test_a_recording_that_no_walker_fits_is_said_to_be_one(monkeypatch):
    monkeypatch.setattr(importance, "_EFFORTS", importance._EFFORTS[:1])  # the second try finds nothing either
    recording = noisy(walkers()[1][0], 0.005) + np.array([[1.0], [0.0]])
    found = gait.posterior(recording, XY, noise=NOISE)
    assert not found.accepted
    assert found.chi2 > 10.0
    assert found.reason.startswith("No walker of the prior was found that fits: chi-square is")
    assert found.sentences() == [found.reason]
    assert len(found.draws) == len(found.weights) == found.ess == 0
    assert list(found.draws) == [*NAMES, "stiffness_to_mass"]
    assert np.isnan(found.mean("mass"))
    assert np.isnan(found.sd("stiffness_to_mass"))
    assert np.isnan(found.quantile("rest_length", [0.1, 0.5])).all()
    assert found.summary().isna().all(axis=None)
    assert len(found.modes) == 0


# Two walkers that look alike -----------------------------------------------------------------


@functools.cache
def alike():
    walks = gait.simulate(**{name: np.array([ONE[name], OTHER[name]]) for name in NAMES})
    assert (walks.outcome == Outcome.WALKED).all()
    return np.stack([walks.x, walks.y], axis=1)


def test_two_walkers_a_quarter_apart_in_k_over_m_walk_alike():
    ratios = [walker["stiffness"] / walker["mass"] for walker in (ONE, OTHER)]
    assert ratios == pytest.approx([134.0, 165.0], abs=0.1)
    difference = np.subtract(*alike())
    assert np.sqrt(np.mean(difference**2)) < 0.025


def above(posterior, ratio):
    return float(posterior.weights[posterior.draws["stiffness_to_mass"] > ratio].sum())


def test_at_5_mm_the_walker_is_not_the_one_that_looks_alike():
    found = gait.posterior(noisy(alike()[0], 0.005), XY, noise=NOISE)
    assert found.accepted
    assert above(found, 155.0) == 0.0
    assert off(found, truth_of(np.array(list(ONE.values())))) < 6.0


@pytest.mark.slow
def test_at_20_cm_the_walker_may_be_the_one_that_looks_alike():
    """Banks of full size; 1.4 million walks of the prior give 0.037 ± 0.006."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BANK_SIZES", (100_000, 600_000))
        found = gait.posterior(alike()[0], XY, noise={"x": 0.2, "y": 0.2}, draws=8000)
    assert found.accepted
    assert 0.02 < above(found, 155.0) < 0.06


# What users see ------------------------------------------------------------------------------


def test_draws_have_columns_in_si_units_and_weights(easy):
    assert list(easy.draws) == [*NAMES, "stiffness_to_mass"]
    assert len(easy.draws) == len(easy.weights) == 2000
    assert easy.weights.sum() == pytest.approx(1.0)
    assert (easy.weights >= 0.0).all()
    assert easy.ess == pytest.approx(1.0 / np.sum(easy.weights**2), rel=0.01)
    np.testing.assert_allclose(easy.draws["stiffness"], easy.draws["mass"] * easy.draws["stiffness_to_mass"], rtol=1e-9)
    for name, prior in PAPER_PRIORS.items():
        assert easy.draws[name].between(prior.low, prior.high).all(), name


def test_means_and_spreads_are_those_of_weighted_draws(easy):
    for name in easy.draws:
        values = easy.draws[name].to_numpy()
        mean = np.average(values, weights=easy.weights)
        assert easy.mean(name) == pytest.approx(mean)
        assert easy.sd(name) == pytest.approx(np.sqrt(np.average((values - mean) ** 2, weights=easy.weights)))
    derived = (easy.draws["mass"] / easy.draws["stiffness"]).to_numpy()
    assert easy.mean("mass_to_stiffness") == pytest.approx(np.average(derived, weights=easy.weights))
    np.testing.assert_allclose(easy.values("mass_to_stiffness"), derived)


def test_quantiles_are_those_of_weighted_draws(easy):
    levels = np.linspace(0.01, 0.99, 23)
    for name in easy.draws:
        found = easy.quantile(name, levels)
        assert (np.diff(found) > 0).all()
        below = [easy.weights[easy.values(name) <= value].sum() for value in found]
        np.testing.assert_allclose(below, levels, atol=2.0 * easy.weights.max())
    assert easy.quantile("mass", 0.5).shape == ()
    assert easy.quantile("mass", [[0.1, 0.2]]).shape == (1, 2)


def test_the_summary_is_a_table_of_means_spreads_and_quantiles(easy):
    table = easy.summary()
    assert isinstance(table, pd.DataFrame)
    assert list(table.index) == list(easy.draws)
    assert list(table) == ["mean", "sd", "0.025", "0.25", "0.5", "0.75", "0.975"]
    for name in easy.draws:
        expected = [easy.mean(name), easy.sd(name), *easy.quantile(name, [0.025, 0.25, 0.5, 0.75, 0.975])]
        np.testing.assert_allclose(table.loc[name], expected)


def test_the_modes_of_an_easy_walker_are_one(easy):
    modes = easy.modes
    assert list(modes) == ["probability", "chi2", *TOLD]
    assert modes["probability"].sum() == pytest.approx(1.0)
    assert modes["probability"].is_monotonic_decreasing
    assert modes["probability"][0] > 0.5
    for name in TOLD:
        assert abs(modes[name][0] - easy.mean(name)) < 1.0 * easy.sd(name)
    assert modes["chi2"][0] == pytest.approx(easy.chi2, abs=0.05)
    assert modes["chi2"][0] <= easy.chi2 + 0.01


def test_the_best_fit_fits(easy):
    """Its parameters, with any mass, walk within the noise of the recording."""
    names = ("rest_length", "x0", "y0", "vx0", "step_length")
    walk = gait.simulate(65.0, 65.0 * easy.best["stiffness_to_mass"], **{name: easy.best[name] for name in names})
    recording = noisy(walkers()[1][:3], 0.005)[EASY]
    chi2 = np.mean(((np.stack([walk.x[0], walk.y[0]]) - recording) / 0.005) ** 2)
    assert chi2 == pytest.approx(easy.chi2, rel=1e-6)


def test_sentences_name_quantities_units_and_intervals(easy):
    lines = easy.sentences()
    assert len(lines) == 5
    assert lines[0].startswith("Body mass (m): ")
    for line, name in zip(lines, ("mass", "stiffness", "rest_length", "stiffness_to_mass"), strict=False):
        low, high = easy.quantile(name, [0.025, 0.975])
        assert f"{easy.mean(name):.5g}" in line
        assert f"probability 0.95 between {low:.5g} and {high:.5g}" in line
    assert lines[-1].startswith("Best fit: chi-square of ")
    assert "trust" not in " ".join(lines)


def test_few_draws_are_not_to_be_trusted_and_say_so():
    found = gait.posterior(noisy(walkers()[1][EASY], 0.005), XY, noise=NOISE, draws=50)
    assert not found.accepted
    assert "it takes 100" in found.reason
    assert found.sentences()[-1].endswith(f"Do not trust this posterior. {found.reason}")
    assert np.isfinite(found.mean("mass"))


def test_the_method_is_told_in_words(three):
    for found in three:
        assert found.method.startswith("a mixture of local approximations, adapted in ")


# Seeds and several recordings ----------------------------------------------------------------


def test_one_recording_alone_and_first_of_several_is_the_same(three):
    recordings = noisy(walkers()[1][:3], 0.005)
    alone = gait.posterior(recordings[0], XY, noise=NOISE)
    assert isinstance(three, list)
    assert isinstance(alone, gait.Posterior)
    pd.testing.assert_frame_equal(alone.draws, three[0].draws)
    np.testing.assert_array_equal(alone.weights, three[0].weights)
    assert alone.log_evidence == three[0].log_evidence
    only = gait.posterior(recordings[:1], XY, noise=NOISE)
    assert isinstance(only, list)
    pd.testing.assert_frame_equal(only[0].draws, alone.draws)


def test_a_recording_does_not_depend_on_its_neighbours(three):
    """With other recordings before and after it, at the same place."""
    recordings = noisy(walkers()[1][:5], 0.005)
    recordings[:3] = noisy(walkers()[1][:3], 0.005)
    others = gait.posterior(np.stack([recordings[4], recordings[1]]), XY, noise=NOISE)
    pd.testing.assert_frame_equal(others[1].draws, three[1].draws)
    assert not np.array_equal(others[0].draws, three[0].draws)


@pytest.mark.slow
def test_a_recording_does_not_depend_on_neighbours_that_need_a_larger_bank():
    """At 2 cm the first of these needs the small bank, the other the large one."""
    recordings = noisy(walkers()[1][:3], 0.02)
    noise = {"x": 0.02, "y": 0.02}
    alone = gait.posterior(recordings[0], XY, noise=noise, draws=500)
    together = gait.posterior(recordings[[0, 2]], XY, noise=noise, draws=500)
    pd.testing.assert_frame_equal(alone.draws, together[0].draws)


def test_another_seed_gives_other_draws_of_the_same_posterior(easy):
    recording = noisy(walkers()[1][:3], 0.005)[EASY]
    other, again = (gait.posterior(recording, XY, noise=NOISE, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(other.draws, again.draws)
    assert not np.array_equal(other.draws, easy.draws)
    allowed = 5.0 * np.hypot(other.log_evidence_error, easy.log_evidence_error)
    assert abs(other.log_evidence - easy.log_evidence) < allowed
    for name in TOLD:
        error = easy.sd(name) * np.hypot(easy.ess**-0.5, other.ess**-0.5)
        assert abs(other.mean(name) - easy.mean(name)) < 5.0 * error
        assert other.sd(name) == pytest.approx(easy.sd(name), rel=0.2)


def test_the_evidence_prefers_the_right_noise(easy):
    """Of three levels, the one that made the recording; half of it is refused as too small to be noise."""
    recording = noisy(walkers()[1][:3], 0.005)[EASY]
    half, twice = (gait.posterior(recording, XY, noise={"x": s, "y": s}) for s in (0.0025, 0.01))
    assert easy.log_evidence > twice.log_evidence + 10.0
    assert easy.log_evidence > half.log_evidence + 10.0
    assert twice.chi2 == pytest.approx(easy.chi2 / 4.0, rel=0.05)
    assert not half.accepted


def test_the_number_of_draws_is_that_asked_for():
    found = gait.posterior(noisy(walkers()[1][EASY], 0.005), XY, noise=NOISE, draws=701)
    assert len(found.draws) == len(found.weights) == 701
    assert found.ess <= 701


# What is refused -----------------------------------------------------------------------------


RECORDING = np.zeros((2, 150))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"noise": {"x": 0.005}}, "a positive standard deviation for each of x, y"),
        ({"noise": {}}, "a positive standard deviation for each of x, y"),
        ({"noise": {"x": 0.0, "y": 0.005}}, "a positive standard deviation"),
        ({"noise": {"x": -0.005, "y": 0.005}}, "a positive standard deviation"),
        ({"noise": {"x": np.nan, "y": 0.005}}, "a positive standard deviation"),
        ({"noise": NOISE | {"vx": 0.1}}, "a positive standard deviation for each of x, y"),
        ({"noise": NOISE | {"mass": 0.1}}, "a positive standard deviation for each of x, y"),
        ({"recordings": np.full((2, 150), np.nan)}, "300 samples that are no numbers"),
        ({"recordings": np.zeros((2, 149))}, r"shape \[2, 150\].*Received: shape \[2, 149\]"),
        ({"recordings": np.zeros((3, 150))}, r"2 channels \(x, y\).*Received: shape \[3, 150\]"),
        ({"recordings": np.zeros(300)}, r"Received: shape \[300\]"),
        ({"recordings": np.zeros((1, 1, 2, 150))}, r"Received: shape \[1, 1, 2, 150\]"),
        ({"channels": ("x", "z")}, "Received: x, z"),
        ({"channels": ("x", "x")}, "each once"),
        ({"channels": (), "noise": {}}, "Something has to be measured"),
        ({"known": {"mass": 90.0}}, "mass lies between 60 and 75 kg.*Received: 90. Widen its range"),
        ({"known": {"mass": np.nan}}, "mass lies between 60 and 75 kg"),
        ({"known": {"height": 1.8}}, "Known parameters are any of mass, .*Received: height"),
        ({"known": {"stiffness_to_mass": 130.0}}, "Received: stiffness_to_mass"),
        ({"known": {"gravity": 9.81}}, "gravity need a range in the population"),
        ({"known": {"mass": np.nan}, "noise": NOISE | {"mass": 0.1}}, "What is measured has to be a number"),
        ({"draws": 0}, "number of draws is a whole number of at least 1"),
        ({"draws": -5}, "number of draws is a whole number of at least 1"),
        ({"draws": float("nan")}, "number of draws is a whole number of at least 1"),
        ({"seed": -1}, "A seed is a whole number"),
        ({"settings": RecordingSettings(duration=5.0)}, r"shape \[2, 50\]: .*for 5 s"),
        ({"recordings": np.zeros((0, 2, 150))}, "needs a recording"),
        ({"recordings": "walk"}, "an array of numbers. Received: str"),
        ({"known": {"mass": "heavy"}}, "have to be numbers. Received: mass 'heavy'"),
        ({"noise": {"x": "big", "y": 0.005}}, "have to be numbers. Received: x 'big'"),
        ({"channels": "xy"}, "Received: xy"),
        ({"draws": 2.5}, "number of draws is a whole number of at least 1"),
        (
            {"known": {name: 0.5 * (prior.low + prior.high) for name, prior in PAPER_PRIORS.items()}},
            "Everything is known",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_reasons(arguments, match):
    given = {"recordings": RECORDING, "channels": XY, "noise": NOISE} | arguments
    with pytest.raises(gait.InputError, match=match):
        gait.posterior(**given)


def test_a_quantity_that_draws_do_not_tell_is_refused(easy):
    for name in ("stiffness_right", "height"):
        with pytest.raises(gait.InputError, match=f"A posterior tells of mass, stiffness, .*Received: '{name}'"):
            easy.mean(name)


def test_gaps_are_counted():
    recording = RECORDING.copy()
    recording[1, [3, 8]] = np.nan, np.inf
    with pytest.raises(gait.InputError, match="2 samples that are no numbers. Fill the gaps."):
        gait.posterior(recording, XY, noise=NOISE)

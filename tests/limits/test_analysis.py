"""What can be known before training: ceilings, additional measurements, best estimates."""

import dataclasses
import json

import numpy as np
import pytest

from gait import identifiability
from gait.diagnostics.sampled import judge
from gait.errors import InputError
from gait.identifiability import Identifiability
from gait.inference.ratio import RatioPosterior
from gait.limits.analysis import analyse_scenario
from gait.limits.ceilings import RECOVERED_R2, Ceiling, gradients
from gait.limits.design import design_recording
from gait.limits.noisy_ceilings import noise_in_words
from gait.parameters import NAMES, PAPER_PRIORS, QUANTITIES, Uniform, derive, draw, named
from gait.scenarios import SCENARIOS, Scenario
from gait.simulation.conditions import RecordingSettings
from gait.simulation.forward_model import ForwardModel
from gait.simulation.populations import population_of

NOISE = {"x": 0.005, "y": 0.005}
THREE = SCENARIOS["three_parameter"]
PAPER = RatioPosterior.of(PAPER_PRIORS)


def analysed(scenario, priors=PAPER_PRIORS, **options):
    return analyse_scenario(scenario, priors, RecordingSettings(), **options)


@pytest.fixture(scope="module")
def positions():
    return analysed(THREE)


@pytest.fixture(scope="module")
def unequal_legs():
    return analysed(THREE, PAPER_PRIORS | {"stiffness_right": Uniform(8500.0, 11000.0)})


# Ceilings ------------------------------------------------------------------------------------


def test_ceilings_of_positions_are_the_papers(positions):
    assert positions.ceilings["mass"].r2 == pytest.approx(0.5005, abs=5e-5)
    assert positions.ceilings["stiffness"].r2 == pytest.approx(0.5005, abs=5e-5)
    assert positions.ceilings["mass"].rmse == pytest.approx(np.sqrt(0.4995 * 15**2 / 12), rel=1e-3)
    assert positions.ceilings["rest_length"].r2 == positions.ceilings["stiffness_to_mass"].r2 == 1.0
    assert positions.identifiability == {
        "mass": Identifiability.COMBINATION, "stiffness": Identifiability.COMBINATION,
        "rest_length": Identifiability.RECOVERABLE, "stiffness_to_mass": Identifiability.RECOVERABLE,
    }  # fmt: skip
    assert positions.ratio_posterior == PAPER
    assert positions.combinations == "k/m and l0"


def test_ceilings_follow_the_priors():
    priors = PAPER_PRIORS | {"mass": Uniform(40.0, 120.0), "stiffness": Uniform(5000.0, 20000.0)}
    # Weak springs cannot carry the heaviest: such walkers are drawn, too, so the other ranges must suit them.
    priors |= {"y0": Uniform(0.05, 0.2), "rest_length": Uniform(0.9, 1.0)}
    found = analyse_scenario(THREE, priors, RecordingSettings(duration=3.0))
    assert found.ceilings["mass"].r2 == pytest.approx(RatioPosterior.of(priors).ceiling("mass"))


@pytest.mark.parametrize("name", ["force_plate", "weighed"])
def test_nothing_is_hidden_from_a_force_plate_or_a_scale(name):
    found = analysed(SCENARIOS[name])
    assert set(found.identifiability.values()) == {Identifiability.RECOVERABLE}
    assert {ceiling.r2 for ceiling in found.ceilings.values()} == {1.0}
    assert found.additional_measurements == ()
    assert found.measurements() == []
    assert found.advice == ""
    assert found.ratio_posterior is None
    assert found.twins is None


def test_the_body_mass_is_read_from_the_scenario():
    """Without it, the stiffness of the same scenario cannot be known."""
    weighed = SCENARIOS["weighed"]
    assert analysed(weighed).ceilings["stiffness"].recoverable
    unweighed = analysed(dataclasses.replace(weighed, measured=()))
    assert unweighed.ceilings["stiffness"].r2 == pytest.approx(0.5005, abs=5e-5)
    assert "From x, y and mass any estimator" in analysed(weighed).headline()


def test_additional_measurements(positions):
    """Mass or a force in newtons helps; acceleration, leg length and force in body weights do not."""
    helping = {added.measurement for added in positions.additional_measurements if added.recovers}
    useless = {added.measurement for added in positions.additional_measurements if not added.recovers}
    assert helping == {
        "the body mass", "the vertical ground reaction force in newtons",
        "the forward ground reaction force in newtons",
    }  # fmt: skip
    assert useless == {
        "the acceleration of the centre of mass", "the ground reaction force in body weights",
        "the length of the stance leg",
    }  # fmt: skip
    assert all(set(added.recovers) in ({"mass", "stiffness"}, set()) for added in positions.additional_measurements)
    assert positions.advice.startswith("Measure the body mass, the vertical")
    assert "no more than k/m and l0 is in the data" in positions.advice


def test_noise_lowers_ceilings_and_loses_parameters():
    little = analysed(dataclasses.replace(THREE, noise=NOISE), walkers=0)
    much = analysed(dataclasses.replace(THREE, noise={"x": 3.0, "y": 3.0}), walkers=0)
    assert 0.999 < little.ceilings["stiffness_to_mass"].r2 < 1.0
    assert 0.49 < little.ceilings["mass"].r2 <= PAPER.ceiling("mass")
    assert much.ceilings["stiffness_to_mass"].r2 < 0.5
    assert much.ceilings["mass"].r2 < 0.3
    assert much.identifiability["stiffness_to_mass"] == Identifiability.LOST
    # Even then, what hides mass and stiffness is not the noise.
    assert much.identifiability["mass"] == Identifiability.COMBINATION
    assert much.ratio_posterior == PAPER
    assert "m cannot be known by itself, however good the data: only k/m can." in much.sentences()
    # The structure of the model is the same, whatever the noise.
    for found in (little, much):
        assert found.to_dict()["combinations"] == ["k/m", "l0", "x0", "y0", "vx0", "d"]
    assert little.to_dict()["combinations_under_noise"] == little.to_dict()["combinations"]
    assert much.to_dict()["combinations_under_noise"] != much.to_dict()["combinations"]


def test_a_quantity_that_only_the_noise_hides_calls_for_less_noise():
    found = analysed(dataclasses.replace(SCENARIOS["force_plate"], noise={"fx": 3e3, "fy": 3e3}), walkers=0)
    assert found.identifiability["rest_length"] == Identifiability.LOST
    assert found.advice.startswith("Lower the noise or record for longer to know ")
    assert "l0" in found.advice


def test_a_ceiling_is_recoverable_from_the_agreed_r2_on():
    assert Ceiling(RECOVERED_R2, 0.0, "").recoverable
    assert not Ceiling(np.nextafter(RECOVERED_R2, 0.0), 0.0, "").recoverable


# Quantities by name --------------------------------------------------------------------------


def test_gradients_of_derived_quantities():
    theta = np.array([[70.0, 9000.0, 0.7, 0.0, 0.05, 0.8, 0.5]])

    def by(name, quantity):
        return gradients(quantity, theta, NAMES)[0, NAMES.index(name)]

    np.testing.assert_allclose(by("mass", "stiffness_to_mass"), -9000 / 70**2)
    np.testing.assert_allclose(by("stiffness", "stiffness_to_mass"), 1 / 70)
    np.testing.assert_allclose(by("mass", "mass_to_stiffness"), 1 / 9000)
    np.testing.assert_allclose(by("stiffness", "mass_to_stiffness"), -70 / 9000**2)
    assert by("rest_length", "stiffness_to_mass") == by("rest_length", "mass_to_stiffness") == 0.0
    np.testing.assert_array_equal(gradients("rest_length", theta, NAMES)[0] != 0, np.array(NAMES) == "rest_length")


def test_gradients_do_not_depend_on_the_order_of_the_unknowns():
    backwards = tuple(reversed(NAMES))
    theta = np.array([[70.0, 9000.0, 0.7, 0.0, 0.05, 0.8, 0.5]])
    np.testing.assert_array_equal(
        gradients("stiffness_to_mass", theta, NAMES), gradients("stiffness_to_mass", theta[:, ::-1], backwards)[:, ::-1]
    )


def test_each_stiffness_has_a_ratio_to_the_mass():
    values = {"mass": np.array([70.0]), "stiffness": np.array([9100.0]), "stiffness_right": np.array([9800.0])}
    assert derive("stiffness_to_mass", values) == pytest.approx(130.0)
    assert derive("stiffness_right_to_mass", values) == pytest.approx(140.0)
    assert derive("stiffness_right_to_mass", {"mass": values["mass"]}) is None


def test_targets_and_other_quantities_are_analysed_once_each():
    scenario = Scenario("ratio", ("x", "y"), ("mass_to_stiffness", "mass"), "")
    found = analysed(scenario, quantities=("step_length",))
    assert list(found.ceilings) == [
        "mass", "stiffness", "rest_length", "stiffness_to_mass", "mass_to_stiffness", "step_length",
    ]  # fmt: skip
    assert found.ceilings["mass_to_stiffness"].r2 == found.ceilings["step_length"].r2 == 1.0


@pytest.mark.parametrize("name", ["gravity", "angle_of_attack", "weight"])
def test_a_quantity_that_does_not_follow_from_the_unknowns_is_refused(name):
    with pytest.raises(InputError, match=f"has to follow from the unknowns.*stiffness_to_mass.*Received: {name}"):
        analysed(THREE, quantities=(name,))


# Best estimates ------------------------------------------------------------------------------


def brute_force_mean(target, truth, priors, near, draws=400_000):
    """Mean of a target among prior draws whose ratios differ from a walker's by less than `near` [1/s²]."""
    names = [name for name in ("mass", "stiffness", "stiffness_right") if name in priors]
    drawn = named(names, draw(tuple(names), priors, draws, np.random.default_rng(1)))
    alike = np.ones(draws, bool)
    for name in names[1:]:
        alike &= np.abs(drawn[name] / drawn["mass"] - truth[name] / truth["mass"]) < near
    return drawn[target][alike].mean(), drawn[target][alike].std() / np.sqrt(alike.sum())


@pytest.mark.parametrize("target", ["mass", "stiffness"])
def test_the_best_estimate_is_the_mean_of_all_walkers_with_that_ratio(positions, target):
    walkers = draw(NAMES, PAPER_PRIORS, 8, np.random.default_rng(0))
    truth = named(NAMES, walkers)
    best = positions.best_estimate(target, truth)
    assert best.shape == (8,)
    for i in range(8):
        one = {name: column[i] for name, column in truth.items()}
        mean, error = brute_force_mean(target, one, {name: PAPER_PRIORS[name] for name in ("mass", "stiffness")}, 0.3)
        assert best[i] == pytest.approx(mean, abs=4 * error + 2e-3 * mean)
    assert np.abs(best - truth[target]).max() > 0.02 * truth[target].mean()


def test_no_estimate_does_better(positions):
    """R² of the best estimate is the ceiling, on walkers that the analysis has not seen."""
    truth = named(NAMES, draw(NAMES, PAPER_PRIORS, 100_000, np.random.default_rng(2)))
    for name in ("mass", "stiffness"):
        errors = positions.best_estimate(name, truth) - truth[name]
        assert 1.0 - np.mean(errors**2) / truth[name].var() == pytest.approx(positions.ceilings[name].r2, abs=5e-3)


def test_what_can_be_known_is_its_own_best_estimate(positions):
    truth = named(NAMES, draw(NAMES, PAPER_PRIORS, 5, np.random.default_rng(3)))
    for name in ("rest_length", "stiffness_to_mass"):
        np.testing.assert_array_equal(positions.best_estimate(name, truth), derive(name, truth))


def test_there_is_not_always_a_known_best_estimate(positions):
    truth = named(NAMES, draw(NAMES, PAPER_PRIORS, 5, np.random.default_rng(3)))
    assert positions.best_estimate("step_length", truth) is None  # was not analysed
    assert positions.best_estimate("mass", {"mass": truth["mass"]}) is None  # the ratio is missing
    noisy = analysed(dataclasses.replace(THREE, noise=NOISE), walkers=0)
    assert noisy.best_estimate("mass", truth) is None
    assert noisy.best_estimate("rest_length", truth) is None


# Search for another walker ---------------------------------------------------------------------


def test_no_other_walker_has_the_same_recording(positions):
    """None but those with the same k/m, which `counterexample` is for."""
    search = positions.report.search
    assert search.twins == ()
    assert search.fits >= 40
    assert search.returned >= 4
    assert f"in {search.fits} fits" in search.evidence()


def test_two_walkers_that_nearly_walk_alike_are_told_apart_by_an_exact_model():
    """k/m 134.0 and 165.0: x and y differ by 0.05 m at most in 15 s. That is far more than the engine's error."""
    one = (64.3107, 8616.2465, 0.6495, 0.0934, 0.0652, 0.6777, 0.4510)
    other = (60.0024, 9897.8591, 0.6332, 0.0833, 0.0356, 0.6424, 0.4519)
    found = analysed(THREE)
    outputs = found.model.outputs(np.array([one, other]))
    difference = outputs[1] - outputs[0]
    assert 0.01 < np.abs(difference).max() < 0.06
    assert not found.report.linear.equal(difference)


# Unequal legs and unknown gravity ------------------------------------------------------------


def test_unequal_legs_have_a_ratio_each(unequal_legs):
    found = unequal_legs
    assert found.combinations == "k/m, k2/m and l0"
    assert list(found.ratio_posterior.stiffnesses) == ["stiffness", "stiffness_right"]
    hidden = {name for name, kind in found.identifiability.items() if kind == Identifiability.COMBINATION}
    assert hidden == {"mass", "stiffness", "stiffness_right"} == set(found.ratio_posterior.targets)
    assert found.ceilings["stiffness_to_mass"].r2 == found.ceilings["stiffness_right_to_mass"].r2 == 1.0
    assert found.ceilings["mass"].r2 == found.ratio_posterior.ceiling("mass")
    # A second ratio narrows the mass down further.
    assert found.ceilings["mass"].r2 > PAPER.ceiling("mass") + 0.05
    assert set(found.additional_measurements[0].recovers) == hidden
    assert "Only the ratios k/m and k2/m enter the motion." in found.ceilings["mass"].reason


def test_the_asymmetry_can_be_known_without_a_scale():
    """The other leg is unknown as soon as a target asks for it, in the range of the first."""
    legs = Scenario("legs", ("x", "y"), ("stiffness_right", "stiffness_asymmetry"), "")
    found = analysed(legs)
    assert found.model.unknowns == (*NAMES, "stiffness_right")
    assert found.ceilings["stiffness_asymmetry"].r2 == 1.0
    assert found.identifiability["stiffness_asymmetry"] == Identifiability.RECOVERABLE
    r2 = [found.ceilings[name].r2 for name in ("mass", "stiffness", "stiffness_right")]
    # By draws: the variance of the mean of all walkers with nearly the same two ratios.
    generator = np.random.default_rng(8)
    mass, first, other = (generator.uniform(*ends, 2_000_000) for ends in ((60, 75), (8e3, 1e4), (8e3, 1e4)))
    _, cell = np.unique(np.round(first / mass / 0.25) * 10_000 + np.round(other / mass / 0.25), return_inverse=True)
    for values, ceiling in zip((mass, first, other), r2, strict=True):
        count = np.bincount(cell)
        between = np.bincount(cell, values) / count
        own = np.bincount(cell, values**2) / count - between**2
        within = (
            np.sum(count[count > 1] / (count[count > 1] - 1) * own[count > 1] * count[count > 1])
            / count[count > 1].sum()
        )
        assert ceiling == pytest.approx(1.0 - within / np.var(values), abs=0.003)
    assert r2 == pytest.approx([0.7007] * 3, abs=5e-4)


@pytest.mark.parametrize("target", ["mass", "stiffness", "stiffness_right"])
def test_the_best_estimate_of_unequal_legs_is_the_mean_of_all_walkers_with_both_ratios(unequal_legs, target):
    priors = {name: unequal_legs.model.prior(name) for name in ("mass", "stiffness", "stiffness_right")}
    truth = named(tuple(priors), draw(tuple(priors), priors, 4, np.random.default_rng(4)))
    best = unequal_legs.best_estimate(target, truth)
    for i in range(4):
        one = {name: column[i] for name, column in truth.items()}
        mean, error = brute_force_mean(target, one, priors, 1.5, draws=2_000_000)
        assert best[i] == pytest.approx(mean, abs=4 * error + 5e-3 * mean)


def test_unknown_gravity_can_be_known_in_metres_but_not_in_mean_heights():
    priors = PAPER_PRIORS | {"gravity": Uniform(9.5, 10.5)}
    metres = analysed(THREE, priors)
    assert metres.identifiability["gravity"] == Identifiability.RECOVERABLE
    assert metres.ratio_posterior == PAPER
    camera = analysed(Scenario("camera", ("x_rel", "y_rel"), ("rest_length",), ""), priors)
    assert camera.identifiability["gravity"] == camera.identifiability["rest_length"] == Identifiability.COMBINATION
    assert camera.ratio_posterior is None  # not only the common size of mass and stiffness is hidden
    assert 0.0 < camera.ceilings["gravity"].r2 < 1.0
    truth = named(NAMES, draw(NAMES, PAPER_PRIORS, 5, np.random.default_rng(3)))
    assert camera.best_estimate("mass", truth) is None


# Other channels and touchdown rules -----------------------------------------------------------


def test_contacts_alone_are_not_analysed():
    """Their derivatives vanish, which would make of a timing sensor one that tells nothing."""
    feet = Scenario("feet", ("contact_left", "contact_right"), ("rest_length",), "")
    with pytest.raises(InputError, match=r"cannot be found by derivatives. Received: contact_left, contact_right"):
        analysed(feet)
    more = analysed(dataclasses.replace(feet, inputs=("contact_left", "y")))
    assert more.ceilings["rest_length"].r2 == 1.0
    assert any("Contacts change in jumps" in line for line in more.summary())


def test_at_a_fixed_angle_of_attack_the_same_can_be_known(positions):
    found = analysed(THREE, population_of("paper", "angle_of_attack").priors)
    assert found.model.unknowns[-1] == "angle_of_attack"
    assert found.combinations == positions.combinations
    assert found.ceilings["mass"].r2 == positions.ceilings["mass"].r2
    assert not any("leg" in added.measurement for added in found.additional_measurements)  # it knows no footholds


# In words and as numbers ---------------------------------------------------------------------


def test_what_matters_most_comes_first_and_in_short_sentences(positions):
    first = positions.sentences()[:6]
    assert first[0] == "From x and y any estimator can know of the walker: k/m and l0."
    assert first[1] == "Highest possible R² of body mass (m): 0.5005, error at least 3.06 kg."
    assert first[5] == "Measure also the body mass: then m and k can be known."
    assert max(map(len, first)) < 98


def test_noise_in_words():
    assert noise_in_words({"x": 0.005, "y": 0.005}) == "0.005 m in x and y"
    assert noise_in_words({"x": 0.005, "y": 0.01, "mass": 0.5}) == "0.005 m in x, 0.01 m in y and 0.5 kg in mass"


def test_the_twins_walk_alike_and_push_differently(positions):
    twins = positions.twins
    assert np.abs(twins.x[0] - twins.x[1]).max() < 1e-9
    assert np.abs(twins.fy[0] - twins.fy[1]).max() > 100.0


def test_the_numbers_are_json(positions):
    content = json.loads(json.dumps(positions.to_dict(), allow_nan=False))
    assert set(content) == {
        "channels", "measured", "noise", "priors", "gravity", "duration", "interval", "quantities", "combinations",
        "combinations_under_noise", "noise_study", "remedies", "analysis",
    }  # fmt: skip
    assert content["noise"] is content["combinations_under_noise"] is content["noise_study"] is None
    assert content["combinations"] == content["analysis"]["combinations_without_noise"]
    assert content["priors"]["m"] == {"low": 60.0, "high": 75.0}
    assert content["quantities"]["mass"]["unit"] == QUANTITIES["mass"].unit


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None])
@pytest.mark.parametrize("function", [
    lambda seed: analysed(THREE, seed=seed),
    lambda seed: design_recording(ForwardModel(("x",)), {"x": 0.01}, seed=seed),
    lambda seed: identifiability.analyse(np.sin, np.random.default_rng(0).uniform(1, 2, (8, 1)), ["a"], seed=seed),
    lambda seed: identifiability.ceiling(np.arange(300.0), np.arange(300.0), seed=seed),
    lambda seed: judge(np.arange(300.0), np.arange(300.0), np.arange(300.0), seed=seed),
], ids=["analyse_scenario", "design_recording", "analyse", "ceiling", "judge"])  # fmt: skip
def test_a_seed_is_a_whole_number_from_zero_on(function, seed):
    with pytest.raises(InputError, match="A seed is a whole number from 0 on. Received: .*Choose another one"):
        function(seed)

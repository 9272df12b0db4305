"""What can be known before training: ceilings, remedies, the plan of a recording, and the script that says so."""

import json
import subprocess
import sys

import numpy as np
import pytest

from gait import data as dataset
from gait.ceilings import ratio_ceiling
from gait.errors import InputError
from gait.evaluation import before_training as foresight
from gait.identifiability import Verdict
from gait.limits import design as experiment
from gait.limits.analysis import foresee, gradients
from gait.parameters import PAPER_PRIORS, Uniform
from gait.simulation.forward_model import Observation
from gait.simulation.population import Population
from tests.helpers.scripts import ROOT
from tests.helpers.walks import small_plan

NOISE = {"x": 0.005, "y": 0.005}


@pytest.fixture(scope="module")
def positions():
    return foresee(("x", "y"), ("mass", "stiffness", "rest_length"), Population())


# Ceilings ------------------------------------------------------------------------------------


def test_ceilings_of_positions_are_the_papers(positions):
    assert positions.ceilings["mass"].r2 == pytest.approx(0.5005, abs=5e-5)
    assert positions.ceilings["stiffness"].r2 == pytest.approx(0.5005, abs=5e-5)
    assert positions.ceilings["mass"].rmse == pytest.approx(np.sqrt(0.4995 * 15**2 / 12), rel=1e-3)
    assert positions.ceilings["rest_length"].r2 == positions.ceilings["stiffness_to_mass"].r2 == 1.0
    assert positions.verdicts == {
        "mass": Verdict.COMBINATION, "stiffness": Verdict.COMBINATION,
        "rest_length": Verdict.RECOVERABLE, "stiffness_to_mass": Verdict.RECOVERABLE,
    }  # fmt: skip
    assert positions.only_the_ratio
    assert positions.combinations == "k/m and l0"


def test_ceilings_follow_the_priors():
    priors = PAPER_PRIORS | {"mass": Uniform(40.0, 120.0), "stiffness": Uniform(5000.0, 20000.0)}
    # Weak springs cannot carry the heaviest: such persons are drawn, too, so the other ranges must suit them.
    priors |= {"y0": Uniform(0.05, 0.2), "rest_length": Uniform(0.9, 1.0)}
    found = foresee(("x", "y"), ("mass",), Population(priors=priors, duration=3.0))
    assert found.ceilings["mass"].r2 == pytest.approx(ratio_ceiling("mass", priors["mass"], priors["stiffness"]))


@pytest.mark.parametrize(("inputs", "measured"), [(("fx", "fy"), ()), (("x", "y"), ("mass",))])
def test_nothing_is_hidden_from_a_force_plate_or_a_scale(inputs, measured):
    found = foresee(inputs, ("mass", "stiffness", "rest_length"), Population(), measured=measured)
    assert set(found.verdicts.values()) == {Verdict.RECOVERABLE}
    assert {ceiling.r2 for ceiling in found.ceilings.values()} == {1.0}
    assert found.remedies == ()
    assert found.advice() == []


def test_remedies(positions):
    """Mass or a force in newtons helps; acceleration, leg length and force in body weights do not."""
    helping = {remedy.measurement for remedy in positions.remedies if remedy.recovers}
    useless = {remedy.measurement for remedy in positions.remedies if not remedy.recovers}
    assert helping == {
        "the body mass", "the vertical ground reaction force in newtons",
        "the forward ground reaction force in newtons",
    }  # fmt: skip
    assert useless == {
        "the acceleration of the centre of mass", "the ground reaction force in body weights",
        "the length of the stance leg",
    }  # fmt: skip
    assert all(set(remedy.recovers) in ({"mass", "stiffness"}, set()) for remedy in positions.remedies)
    assert "no more than k/m and l0 is in the data" in positions.way_out


def test_noise_lowers_ceilings_and_loses_parameters():
    little = foresee(("x", "y"), ("mass",), Population(), noise=NOISE)
    much = foresee(("x", "y"), ("mass",), Population(), noise={"x": 3.0, "y": 3.0})
    assert 0.999 < little.ceilings["stiffness_to_mass"].r2 < 1.0
    assert 0.49 < little.ceilings["mass"].r2 <= ratio_ceiling("mass", PAPER_PRIORS["mass"], PAPER_PRIORS["stiffness"])
    assert much.ceilings["stiffness_to_mass"].r2 < 0.5
    assert much.ceilings["mass"].r2 < 0.3
    assert much.verdicts["stiffness_to_mass"] == Verdict.LOST
    # Even then, what hides mass and stiffness is not the noise.
    assert much.verdicts["mass"] == Verdict.COMBINATION


def test_gradients_of_derived_quantities():
    theta = np.array([[70.0, 9000.0, 0.7, 0.0, 0.05, 0.8, 0.5]])
    np.testing.assert_allclose(gradients("stiffness_to_mass", theta)[0, :3], [-9000 / 70**2, 1 / 70, 0.0])
    np.testing.assert_allclose(gradients("mass_to_stiffness", theta)[0, :3], [1 / 9000, -70 / 9000**2, 0.0])
    np.testing.assert_array_equal(gradients("rest_length", theta)[0], np.eye(7)[2])


# Planning a recording ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan():
    return experiment.plan(Observation(("x", "y")), NOISE)


def fitted(observation, theta, sd, draws, generator):
    """Least-squares estimates of all unknowns but the mass, from noisy recordings of one walker, shape [draws, 6].

    Gauss-Newton steps from the truth, for all recordings at the same time.
    """
    clean = observation.outputs(theta[None])[0]
    noisy = clean + sd * generator.normal(size=(draws, len(clean)))
    estimates = np.repeat(theta[None], draws, axis=0)
    step = 1e-6 * theta[1:]
    for _ in range(5):
        moved = np.repeat(estimates[:, None, :], 13, axis=1)
        for i in range(6):
            moved[:, 1 + i, 1 + i] += step[i]
            moved[:, 7 + i, 1 + i] -= step[i]
        outputs = observation.outputs(moved.reshape(-1, 7)).reshape(draws, 13, -1)
        slopes = ((outputs[:, 1:7] - outputs[:, 7:]) / (2 * step[:, None])).swapaxes(1, 2)
        scale = np.linalg.norm(slopes, axis=1)
        q, r = np.linalg.qr(slopes / scale[:, None, :])
        correction = np.linalg.solve(r, np.einsum("dnp,dn->dp", q, noisy - outputs[:, 0])[..., None])[..., 0] / scale
        estimates[:, 1:] += correction
    assert np.median(np.abs(correction) / np.abs(theta[1:])) < 1e-6
    return estimates[:, 1:]


def test_the_cramer_rao_bound_is_the_spread_of_least_squares_fits():
    """Of 400 noisy recordings of each of three walkers (seed 3): within 10 %, 2.8 standard errors of the spread."""
    generator = np.random.default_rng(3)
    observation = Observation(("x", "y"))
    theta = observation.draw(3, generator)
    report = experiment.identifiability.analyse(
        observation.outputs, np.vstack([theta, theta + 1e-9]), observation.names,
        noise=observation.noise(NOISE), prior_sd=observation.prior_sd,
    )  # fmt: skip
    bounds = {name: report.linear.standard_deviation(gradients(name, report.linear.jacobians.points))
              for name in ("stiffness_to_mass", "rest_length")}  # fmt: skip
    for i, walker in enumerate(theta):
        estimates = fitted(observation, walker, 0.005, 400, generator)
        assert np.std(estimates[:, 0] / walker[0]) == pytest.approx(bounds["stiffness_to_mass"][i], rel=0.1)
        assert np.std(estimates[:, 1]) == pytest.approx(bounds["rest_length"][i], rel=0.1)


def test_bounds_grow_with_noise_and_fall_with_length_and_rate(plan):
    for outlook in plan.outlooks.values():
        noise, duration, interval = (outlook.curves[along] for along in ("noise", "duration", "interval"))
        np.testing.assert_allclose(noise.sd, outlook.sd * noise.values, rtol=1e-9)
        assert (np.diff(noise.r2) < 0).all()
        assert (np.diff(duration.sd) < 0).all()
        assert (np.diff(duration.tolerated[0.5]) > 0).all()
        assert duration.sd[-1] == pytest.approx(outlook.sd)
        # Twice as many samples tell about √2 as much while they are dense.
        np.testing.assert_allclose(interval.sd[:5] / np.sqrt(interval.values[:5]), interval.sd[0] / 0.1, rtol=0.05)


def test_tolerated_noise_is_where_the_ceiling_crosses(plan):
    for name, outlook in plan.outlooks.items():
        curve = outlook.curves["noise"]
        for level, factor in outlook.tolerated.items():
            assert np.interp(np.log(factor), np.log(curve.values), curve.r2) == pytest.approx(level, abs=2e-3), name
    noise = {channel: sd * plan.outlooks["rest_length"].tolerated[0.5] for channel, sd in NOISE.items()}
    there = foresee(("x", "y"), (), Population(), noise=noise)
    assert there.ceilings["rest_length"].r2 == pytest.approx(0.5, abs=1e-3)


def test_what_cannot_be_known_tolerates_no_noise():
    """From the speed at a single moment, nothing: R² stays low however small the noise."""
    population = Population(duration=0.2, interval=0.2)
    found = experiment.plan(Observation(("vx",), population=population), {"vx": 1e-6})
    outlook = found.outlooks["stiffness_to_mass"]
    assert outlook.sd == np.inf
    assert outlook.tolerated == {0.95: 0.0, 0.5: 0.0}
    assert "however small the noise" in " ".join(found.sentences())
    json.dumps(found.to_dict(), allow_nan=False)


# The script ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def analysed(scripts, tmp_path_factory):
    out = tmp_path_factory.mktemp("analysis") / "out"
    ended = scripts.run("evaluate.py", "--scenario=three_parameter", "--noise=x:0.005,y:0.005", f"--out={out}")
    assert ended.returncode == 0, ended.output
    return out, ended.output


def test_the_script_says_what_can_be_known(analysed):
    _, printed = analysed
    for words in (
        "any estimator can know of the person: k/m and l0",
        "m cannot be known by itself, however good the data: only k/m can",
        "l0 can be recovered",
        "Highest possible R² of body mass (m): 0.50",
        "Measure also the body mass: then m and k can be known",
        "It would not help to measure the acceleration",
        "Next: python train.py --scenario=three_parameter",
    ):
        assert words in printed


def test_the_script_writes_the_analysis(analysed):
    out, _ = analysed
    assert {path.name for path in out.iterdir()} == {
        "identifiability.json", "identifiability.md", "identifiability.png", "design.png",
    }  # fmt: skip
    content = json.loads((out / "identifiability.json").read_text())
    assert content["analysis"]["combinations"][:2] == ["k/m", "l0"]
    assert content["quantities"]["mass"]["verdict"] == "only in combination"
    pair = content["analysis"]["counterexample"]
    assert pair["other"]["m"] / pair["theta"]["m"] == pair["other"]["k"] / pair["theta"]["k"] in (0.5, 2.0)
    assert pair["difference"] < 1e-9
    assert content["design"]["outlooks"]["rest_length"]["cramer_rao"] == pytest.approx(3.8e-4, rel=0.2)
    text = (out / "identifiability.md").read_text()
    assert "![What can be known](identifiability.png)" in text
    assert "| body mass m | only in combination |" in text
    for figure in ("identifiability.png", "design.png"):
        assert (out / figure).stat().st_size > 30_000


def test_the_counterexample_in_the_file_can_be_run_by_anyone(analysed):
    import gait

    pair = json.loads((analysed[0] / "identifiability.json").read_text())["analysis"]["counterexample"]
    long = {"m": "mass", "k": "stiffness", "l0": "rest_length", "d": "step_length"}
    walks = [gait.simulate(**{long.get(name, name): value for name, value in pair[which].items()})
             for which in ("theta", "other")]  # fmt: skip
    assert np.abs(walks[0].x - walks[1].x).max() <= pair["difference"] + 1e-12
    assert np.isfinite(walks[0].touchdown[0]).sum() > 20
    assert np.abs(walks[0].fy - walks[1].fy).max() > 100.0


def test_priors_come_from_the_dataset(scripts, tmp_path):
    priors = PAPER_PRIORS | {"mass": Uniform(60.0, 60.1)}
    dataset.write(tmp_path / "walks", small_plan(100, duration=15.0, priors=priors), audit=0)
    found = foresight.analyse_scenario("three_parameter", tmp_path / "out", data=tmp_path / "walks")
    # Whoever's mass is known beforehand has no secret stiffness.
    assert found.prospects.ceilings["stiffness"].r2 > 0.99
    assert found.plan is None
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "identifiability.json", "identifiability.md", "identifiability.png",
    }  # fmt: skip


def test_the_analysis_in_a_process_of_its_own_needs_no_tensorflow(tmp_path):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['evaluate.py', '--scenario=force_plate', '--out={tmp_path}']\n"
        "try:\n    runpy.run_path('evaluate.py', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "any estimator can know of the person: m, k and l0" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scenario=three_parameter", "--noise=x"), "--noise=x:0.005,y:0.005. Received: 'x'"),
        (("--scenario=three_parameter", "--noise=x:1"), "a positive standard deviation for each of x, y"),
        (("--scenario=three_parameter", "--noise=x:1,x:2"), "given once for each channel"),
        (("--scenario=three_parameter", "--noise=x:1,y:-1"), "Noise is a positive standard deviation"),
        (("--scenario=three_parameter", "--run=runs/a"), "give one of the two flags"),
        (("--scenario=three_parameter", "--data=/nowhere"), "There is no dataset at /nowhere"),
        (("--run=runs/a", "--noise=x:1"), "belong to the analysis of a scenario"),
        (("--scenario=four_parameter",), "value should be one of"),
    ],
)
def test_bad_input_is_explained(scripts, arguments, message):
    ended = scripts.run("evaluate.py", *arguments)
    assert ended.returncode == 1
    assert "Traceback" not in ended.output
    assert message in ended.output


def test_noise_that_does_not_fit_leaves_no_folder(tmp_path):
    with pytest.raises(InputError, match="for each of fx, fy"):
        foresight.analyse_scenario("force_plate", tmp_path / "out", noise=NOISE)
    assert not (tmp_path / "out").exists()

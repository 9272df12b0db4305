"""Measured parameters and noise: from the scenario to the batches, the saved model and the evaluation."""

import dataclasses
import shlex

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from gait.data.dataset import open_dataset
from gait.data.writing import write_dataset
from gait.errors import InputError
from gait.evaluation.after_training import evaluate_run
from gait.parameters import PAPER_PRIORS
from gait.scenarios import SCENARIOS, Scenario, scenario_of
from gait.training.feed import Feed
from gait.training.fitting import train
from gait.training.inputs import add_fixed_noise, check_parameters, noise_sd, scenario_inputs
from gait.training.run import TrainingSettings, load_run
from gait.training.settings import CACHES, PREPROCESSINGS
from gait.training.state import TrainingState
from tests.helpers.walks import SMALL_NETWORK, small_plan
from tests.training.test_feed import STANDARDISED

WEIGHED = SCENARIOS["weighed"]
NOISE = {"x": 0.05, "y": 0.02, "mass": 0.5}
NOISY = dataclasses.replace(WEIGHED, name="noisy", noise=NOISE)
HIGHEST_WITHOUT_MASS = 0.5005
"""Highest possible R² of the stiffness from the motion alone, for the paper's priors (closed form)."""


def settings(scenario, **changes):
    return TrainingSettings(
        scenario, **({"epochs": 3, "batch_size": 100, "checkpoint_every": 2} | SMALL_NETWORK | STANDARDISED | changes)
    )


def epoch_of(feed, epoch):
    """Inputs and targets of an epoch in SI units, float64."""
    feed.begin(epoch)
    inputs, targets = (np.concatenate(parts) for parts in zip(*feed.train.as_numpy_iterator(), strict=True))
    scaled = (inputs, feed.input_moments), (targets, feed.target_moments)
    return tuple(rows * moments.sd + moments.mean for rows, moments in scaled)


# Measured parameters -------------------------------------------------------------------------


def test_nothing_is_copied_where_nothing_is_measured():
    inputs = np.zeros((3, 8), np.float32)
    assert scenario_inputs(SCENARIOS["two_parameter"], inputs, {}) is inputs


def test_measured_parameters_follow_the_channels(small_dataset):
    """Arrays, as they are read, and tensors, as they are streamed."""
    scenario = dataclasses.replace(WEIGHED, measured=("rest_length", "mass"))
    split = open_dataset(small_dataset).load("test", ("x", "y"))
    joined = scenario_inputs(scenario, split.inputs, split.parameters)
    assert joined.shape == (200, 62)
    assert joined.dtype == np.float32
    np.testing.assert_array_equal(joined[:, :60], split.inputs)
    np.testing.assert_array_equal(joined[:, 60], split.parameters["rest_length"].astype(np.float32))
    np.testing.assert_array_equal(joined[:, 61], split.parameters["mass"].astype(np.float32))
    tensors = {name: tf.constant(split.parameters[name]) for name in scenario.measured}
    np.testing.assert_array_equal(scenario_inputs(scenario, tf.constant(split.inputs), tensors), joined)


@pytest.mark.parametrize("cache", CACHES)
def test_feed_of_measured_parameters(small_dataset, cache):
    """Every record keeps its own mass, standardised like the channels; in training and validation."""
    dataset = open_dataset(small_dataset)
    feed = Feed(
        dataset, settings(dataclasses.replace(WEIGHED, targets=("stiffness", "stiffness_to_mass")), cache=cache)
    )
    truth = dataset.load("train", ("x", "y")).parameters
    inputs, targets = epoch_of(feed, 0)
    assert inputs.shape == (1600, 61)
    np.testing.assert_allclose(inputs[:, 60], targets[:, 0] / targets[:, 1], rtol=1e-6)
    assert feed.input_moments.mean[60] == pytest.approx(truth["mass"].mean(), rel=1e-6)
    assert feed.input_moments.sd[60] == pytest.approx(truth["mass"].std(ddof=0), rel=1e-6)
    rows, _ = next(iter(feed.validation))
    known = dataset.load("validation", ("x", "y")).parameters["mass"]
    np.testing.assert_allclose(rows[:, 60] * feed.input_moments.sd[60] + feed.input_moments.mean[60], known, rtol=1e-5)


def test_a_streamed_record_with_its_mass_is_that_from_memory_to_the_last_bit(small_dataset):
    rows = []
    for cache in CACHES:
        batches = Feed(open_dataset(small_dataset), settings(WEIGHED, cache=cache)).train.as_numpy_iterator()
        rows.append(sorted(row.tobytes() for batch in batches for row in np.concatenate(batch, axis=1)))
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_stiffness_can_be_learned_once_the_mass_is_measured(scripts, small_dataset, tmp_path):
    """From the command line; the same network without the mass stays below what is possible without it."""
    r2 = {}
    for name in ("weighed", "unweighed"):
        folder = tmp_path / name
        if name == "weighed":
            flags = ("--scenario=weighed", "--epochs=40", "--batch_size=100", "--layers=3", "--units=50")
            ended = scripts.run("train.py", f"--data={small_dataset}", f"--out={folder}", *flags)
            assert ended.returncode == 0, ended.output
        else:
            without = dataclasses.replace(WEIGHED, name=name, measured=())
            train(
                small_dataset,
                folder,
                TrainingSettings(without, epochs=40, batch_size=100, layers=3, units=50),
                verbose=0,
            )
        run, split = load_run(folder), open_dataset(small_dataset).load("test", ("x", "y"))
        estimate = run.predict(run.inputs(split, "test"))
        truth = split.parameters["stiffness"].to_numpy()
        r2[name] = 1 - np.mean((truth - estimate[:, run.targets.index("stiffness")]) ** 2) / truth.var()
    assert r2["weighed"] > HIGHEST_WITHOUT_MASS + 0.25
    assert r2["unweighed"] < HIGHEST_WITHOUT_MASS + 0.05


# Noise ---------------------------------------------------------------------------------------


def clean(scenario):
    return dataclasses.replace(scenario, noise=None)


def test_level_of_the_noise_of_each_input():
    np.testing.assert_array_equal(noise_sd(NOISY, 7), [0.05] * 3 + [0.02] * 3 + [0.5])
    assert noise_sd(WEIGHED, 7) is None


def test_standardisation_expects_the_noise(small_dataset):
    """The noisy variance is the sum of both variances, so noisy batches have mean 0 and variance 1."""
    feeds = [Feed(open_dataset(small_dataset), settings(scenario)) for scenario in (NOISY, clean(NOISY))]
    moments, without = (feed.input_moments for feed in feeds)
    np.testing.assert_allclose(moments.mean, without.mean, rtol=1e-12)
    level = noise_sd(NOISY, 61)
    np.testing.assert_allclose(moments.sd**2, without.squares / without.count + level**2, rtol=1e-12)
    batches = np.concatenate([inputs for inputs, _ in feeds[0].train.as_numpy_iterator()])
    assert np.abs(batches.mean(axis=0)).max() < 5 / np.sqrt(1600)
    assert np.abs(batches.var(axis=0) - 1).max() < 6 * np.sqrt(2 / 1600)


@pytest.mark.parametrize("cache", CACHES)
def test_every_batch_has_fresh_noise_of_the_level_asked_for(small_dataset, cache):
    dataset = open_dataset(small_dataset)
    noisy, without = (Feed(dataset, settings(scenario, cache=cache)) for scenario in (NOISY, clean(NOISY)))
    level = noise_sd(NOISY, 61)
    drawn = []
    for epoch in (0, 1):
        (inputs, targets), (known, same) = epoch_of(noisy, epoch), epoch_of(without, epoch)
        np.testing.assert_allclose(targets, same, rtol=1e-12)  # the same records in the same order
        drawn.append((inputs - known) / level)
    noise = np.stack(drawn)  # [2, 1600, 61]
    count = noise.size
    assert abs(noise.mean()) < 4 / np.sqrt(count)
    assert noise.var() == pytest.approx(1, abs=4 * np.sqrt(2 / count) + 1e-4)
    for name, columns in (("x", slice(0, 30)), ("y", slice(30, 60)), ("mass", slice(60, 61))):
        own = noise[..., columns]
        assert own.var() == pytest.approx(1, abs=5 * np.sqrt(2 / own.size) + 1e-4), name
    # Of any two batches, in one epoch or two, the noise is independent.
    batches = noise.reshape(32, -1)
    correlation = np.corrcoef(batches) - np.eye(32)
    assert np.abs(correlation).max() < 5 / np.sqrt(batches.shape[1])
    np.testing.assert_array_equal(epoch_of(noisy, 1)[0], epoch_of(noisy, 1)[0])


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
def test_noise_of_a_record_is_normal_and_its_own(small_dataset, preprocessing):
    """In distribution as numbers drawn one by one, whitened or not, though records share a table of noise."""
    chosen = {"preprocessing": preprocessing, "batch_size": 1600}
    feed, zero = Feed(open_dataset(small_dataset), settings(NOISY, **chosen)), tf.zeros((1600, 61))
    rows = [feed._noise_rows(1600, tf.constant(step, tf.int64), tf.constant(0, tf.int64)) for step in range(16)]
    noise = np.stack([feed._with_noise(zero, *some) for some in rows])
    expected = np.diag((noise_sd(NOISY, 61) / feed.input_moments.sd) ** 2)
    if feed.whitening is not None:
        expected = feed.whitening.T @ expected @ feed.whitening
    rows = noise.reshape(-1, 61)
    spread = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    # 25,600 rows made of 8,192 independent ones.
    assert np.abs((np.cov(rows.T) - expected) / spread).max() < 5.5 * np.sqrt(2.0 / 8192)
    scaled = rows / np.sqrt(np.diag(expected))
    assert stats.kurtosis(scaled.ravel()) == pytest.approx(0.0, abs=6 * np.sqrt(24.0 / 8192 / 10))
    assert len(np.unique(rows, axis=0)) > 25_590  # next to no two records have the same
    # Two records share a row of the table with a probability of 4 in 8,192; the others are independent.
    alike = rows[:400] @ np.linalg.inv(expected) @ rows[:400].T / 61
    np.fill_diagonal(alike, 0.0)
    assert 20 < np.sum(np.abs(alike) > 0.35) < 1200


def test_noise_of_another_seed_is_another(small_dataset):
    def noise(seed):
        feeds = [Feed(open_dataset(small_dataset), settings(scenario, seed=seed)) for scenario in (NOISY, clean(NOISY))]
        return (epoch_of(feeds[0], 0)[0] - epoch_of(feeds[1], 0)[0]).ravel()

    assert abs(np.corrcoef(noise(0), noise(1))[0, 1]) < 5 / np.sqrt(1600 * 61)


def test_validation_has_the_noise_that_the_evaluation_adds(small_dataset):
    """Fixed by seed and split; a row has the same noise however many rows are read."""
    dataset = open_dataset(small_dataset)
    feed = Feed(dataset, settings(NOISY, seed=7))
    split = dataset.load("validation", ("x", "y"))
    expected = scenario_inputs(NOISY, split.inputs, split.parameters)
    untouched = expected.copy()
    add_fixed_noise(NOISY, expected, 7, "validation")
    for _ in range(2):
        rows, _ = next(iter(feed.validation))
        raw = rows.numpy() * feed.input_moments.sd + feed.input_moments.mean
        np.testing.assert_allclose(raw, expected, rtol=1e-5, atol=1e-5)
    noise = (expected - untouched) / noise_sd(NOISY, 61)
    assert noise.var() == pytest.approx(1, abs=5 * np.sqrt(2 / noise.size))
    first, other, elsewhere = untouched[:50].copy(), untouched.copy(), untouched.copy()
    add_fixed_noise(NOISY, first, 7, "validation")
    np.testing.assert_array_equal(first, expected[:50])
    add_fixed_noise(NOISY, other, 8, "validation")
    add_fixed_noise(NOISY, elsewhere, 7, "test")
    for one in (other, elsewhere):
        correlation = np.corrcoef(((one - untouched) / noise_sd(NOISY, 61)).ravel(), noise.ravel())[0, 1]
        assert abs(correlation) < 5 / np.sqrt(noise.size)


def test_no_noise_is_added_where_none_is_asked_for():
    inputs = np.ones((2000, 7), np.float32)
    add_fixed_noise(WEIGHED, inputs, 0, "test")
    np.testing.assert_array_equal(inputs, np.ones((2000, 7), np.float32))


@pytest.fixture(scope="module")
def noisy_run(small_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "noisy"
    train(small_dataset, folder, settings(NOISY, epochs=5), verbose=0)
    return load_run(folder)


@pytest.mark.usefixtures("no_figure")
def test_a_resumed_run_meets_the_same_noise(small_dataset, noisy_run, tmp_path, monkeypatch):
    """Interrupted after epoch 3, with a checkpoint of epoch 2: the same history to the last digit."""
    honest = TrainingState.on_epoch_end

    def interrupted(self, epoch, logs=None):
        honest(self, epoch, logs)
        if epoch + 1 == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "on_epoch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(small_dataset, tmp_path / "run", settings(NOISY, epochs=5), verbose=0)
    train(small_dataset, tmp_path / "run", settings(NOISY, epochs=5), verbose=0)
    one, other = (run.history.drop(columns="seconds") for run in (load_run(tmp_path / "run"), noisy_run))
    assert one.equals(other)


@pytest.mark.slow
@pytest.mark.usefixtures("no_figure")
def test_a_killed_run_meets_the_same_noise(small_dataset, noisy_run, tmp_path, cut_after_checkpoint):
    """Ended like by a power cut right after a checkpoint: the same weights to the last digit."""
    cut_after_checkpoint(train, small_dataset, tmp_path / "run", settings(NOISY, epochs=5), verbose=0)
    train(small_dataset, tmp_path / "run", settings(NOISY, epochs=5), verbose=0)
    models = [keras.saving.load_model(folder / "model.keras") for folder in (tmp_path / "run", noisy_run.folder)]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("no_figure")
@pytest.mark.parametrize("preprocessing", ["whitened", pytest.param("standardised", marks=pytest.mark.slow)])
def test_the_saved_model_takes_noisy_recordings_in_plain_keras(small_dataset, tmp_path, preprocessing):
    """SI units in, SI units out, in layers of Keras alone."""
    scenario = dataclasses.replace(NOISY, noise={"x": 0.01, "y": 0.01, "mass": 0.1})
    train(small_dataset, tmp_path, settings(scenario, epochs=5, preprocessing=preprocessing), verbose=0)
    run, split = load_run(tmp_path), open_dataset(small_dataset).load("test", ("x", "y"))
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    recordings = run.inputs(split, "test")
    estimate = model.predict(recordings, batch_size=len(recordings), verbose=0)
    np.testing.assert_array_equal(estimate, run.predict(recordings))
    truth = split.parameters["rest_length"].to_numpy()
    assert 1 - np.mean((truth - estimate[:, 1]) ** 2) / truth.var() > 0.3


def test_a_noisy_run_remembers_its_scenario(small_dataset, noisy_run):
    """Read back whole, and its inputs of the validation split give the R² of the history."""
    assert noisy_run.scenario == NOISY
    split = open_dataset(small_dataset).load("validation", ("x", "y"))
    before = split.inputs.copy()
    estimate = noisy_run.predict(noisy_run.inputs(split, "validation"))
    np.testing.assert_array_equal(split.inputs, before)
    truth = split.parameters["rest_length"].to_numpy()
    r2 = 1 - np.mean((truth - estimate[:, 1]) ** 2) / truth.var()
    best = noisy_run.history.loc[noisy_run.history["val_loss"].idxmin()]
    assert r2 == pytest.approx(best["val_r2_rest_length"], abs=1e-4)
    assert r2 > 0.3


# Views of the stored recordings -----------------------------------------------------------------


def test_a_shorter_and_coarser_recording_from_training_to_evaluation(small_dataset, tmp_path):
    """Every second sample of the first two of three seconds: in the network, its configuration and its ceilings."""
    scenario = scenario_of("two_parameter", noise=["x:0.001", "y:0.001"], duration=2.0, interval=0.2)
    train(small_dataset, tmp_path, settings(scenario, epochs=2), verbose=0)
    run = load_run(tmp_path)
    assert (run.scenario, run.config.samples, run.config.width) == (scenario, 10, 20)
    assert run.config.dataset == open_dataset(small_dataset).identity
    found = evaluate_run(tmp_path, walkers=0)
    assert (found.analysis.model.settings.duration, found.analysis.model.settings.interval) == (2.0, 0.2)
    assert "x and y (10 samples each)" in (tmp_path / "report.md").read_text()
    view = open_dataset(small_dataset).viewed(2.0, 0.2).load("test", ("x", "y"))
    estimate = run.predict(run.inputs(view, "test"))
    np.testing.assert_allclose(found.predictions["rest_length_estimate"], estimate[:, 1], rtol=1e-6)
    with pytest.raises(InputError, match="holds another run: duration 2.0 instead of None, interval 0.2 instead of"):
        train(small_dataset, tmp_path, settings(dataclasses.replace(scenario, duration=None, interval=None)), verbose=0)


# Scenarios that cannot be trained ------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": ("x", "z")}, "z is none of them"),
        ({"noise": {"x": 0.1, "y": -0.1, "mass": 1.0}}, "a positive standard deviation for each"),
    ],
)
def test_impossible_scenarios(change, message):
    """Those made in Python are checked like those from flags, see test_scenarios.py."""
    scenario = Scenario(**{**dataclasses.asdict(WEIGHED), **change})
    with pytest.raises(InputError, match=message):
        TrainingSettings(scenario)


def test_walkers_that_lack_what_is_asked_for(small_dataset, tmp_path):
    """The error has the command that makes those who have it; its dataset is then accepted."""
    equal = open_dataset(small_dataset)
    with pytest.raises(
        InputError, match="needs stiffness_right, stiffness_asymmetry, which .* two equal legs"
    ) as error:
        check_parameters(SCENARIOS["unequal_legs"], equal)
    words = shlex.split(str(error.value).rpartition("unequal legs: ")[2])
    assert words[:2] == ["python", "simulate.py"]
    assert "--stiffness_right=8000.0,10000.0" in words
    assert f"--out={small_dataset}_unequal_legs" in words
    priors = PAPER_PRIORS | {"stiffness_right": PAPER_PRIORS["stiffness"]}
    unequal = write_dataset(tmp_path, small_plan(20, priors=priors), audit=0)
    for dataset, scenario in ((unequal, "unequal_legs"), (equal, "weighed")):
        check_parameters(SCENARIOS[scenario], dataset)
    with pytest.raises(InputError, match="needs angle_of_attack, which .* simulate.py --help"):
        check_parameters(dataclasses.replace(WEIGHED, targets=("angle_of_attack",)), equal)

"""Posterior networks: their loss, their file, their training, and what a run of one answers."""

import dataclasses
import json
import shutil
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest

from gait.data.dataset import open_dataset
from gait.errors import InputError
from gait.inference.coordinates import Coordinates
from gait.inference.mixture import GaussianMixtures
from gait.parameters import QUANTITIES
from gait.scenarios import SCENARIOS, Scenario, scenario_of
from gait.training.heads import MixtureLoss, mixture_in_logits, sizes
from gait.training.network import dense_network
from gait.training.run import load_run
from gait.training.saved_model import load_network
from gait.training.settings import OF_A_POSTERIOR, RunConfig, TrainingSettings
from tests.helpers.scripts import ROOT
from tests.helpers.walks import SMALL_NETWORK

INPUTS = 6
NOISY = scenario_of("three_parameter", noise=["x:0.005", "y:0.005"])


def raw_outputs(components, dimension, count=20, seed=0):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((count, sum(sizes(components, dimension)))).astype(np.float32)


def mixtures_of(outputs, components, dimension):
    """The mixtures that raw outputs stand for."""
    weights, means, factors = np.split(outputs.astype(float), np.cumsum(sizes(components, dimension))[:-1], axis=1)
    weights = weights - np.log(np.exp(weights).sum(axis=1, keepdims=True))
    return GaussianMixtures(
        weights, means.reshape(len(outputs), components, dimension), factors.reshape(len(outputs), components, -1)
    )


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
@pytest.mark.parametrize("components", [1, 4])
def test_the_loss_is_minus_the_log_density(components, dimension):
    outputs = raw_outputs(components, dimension)
    points = np.random.default_rng(1).standard_normal((20, dimension)).astype(np.float32)
    loss = MixtureLoss(components, dimension)(points, outputs)
    expected = mixtures_of(outputs, components, dimension).log_density(points[:, None].astype(float))
    assert float(loss) == pytest.approx(-expected.mean(), rel=1e-5)


# The file ------------------------------------------------------------------------------------


def write_network(path, components=3, dimension=2, whitened=True, layers=2):
    core = dense_network(INPUTS, sum(sizes(components, dimension)), "swish", layers, units=5)
    mean, sd = np.arange(INPUTS) + 0.1, np.arange(INPUTS) + 1.5
    matrix = np.float32(np.eye(INPUTS) + 0.1) if whitened else None
    logits = np.linspace(-0.5, 0.4, dimension), np.linspace(1.5, 0.7, dimension)
    mixture_in_logits(core, components, (mean, sd), logits, matrix).save(path)
    return core, (mean, sd, matrix), logits


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize(("components", "dimension"), [(3, 2), (1, 1), (2, 4)])
def test_the_file_tells_the_mixture_that_was_fitted(tmp_path, components, dimension, whitened):
    """Density over logits is that over standardised logits, divided by their deviations."""
    path = tmp_path / "model.keras"
    core, (mean, sd, matrix), (centre, spread) = write_network(path, components, dimension, whitened)
    recordings = np.random.default_rng(0).normal(size=(4, INPUTS)).astype(np.float32)
    told = load_network(path, INPUTS, dimension, components).predict(recordings, verbose=0)
    found = GaussianMixtures(*(told[name].astype(float) for name in ("log_weights", "means", "factors")))
    inputs = (recordings - mean) / sd
    outputs = core.predict(inputs @ matrix if whitened else inputs, verbose=0)
    points = np.random.default_rng(1).standard_normal((4, 3, dimension))
    expected = mixtures_of(outputs, components, dimension).log_density(points) - np.log(spread).sum()
    np.testing.assert_allclose(found.log_density(centre + points * spread), expected, atol=1e-3)


def test_the_file_loads_without_this_package(tmp_path):
    path = tmp_path / "model.keras"
    write_network(path)
    code = (
        "import sys, keras, numpy as np\n"
        f"found = keras.saving.load_model({str(path)!r}, compile=False).predict(np.zeros((2, {INPUTS})), verbose=0)\n"
        "print({name: list(array.shape) for name, array in sorted(found.items())}, 'gait' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'factors': [2, 3, 3], 'log_weights': [2, 3], 'means': [2, 3, 2]} False"


def change(path, edit):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    model = json.loads(content["config.json"])
    edit(model["config"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (content | {"config.json": json.dumps(model).encode()}).items():
            archive.writestr(name, text)


def layer(config, name):
    return next(entry["config"] for entry in config["layers"] if entry["config"]["name"] == name)


@pytest.mark.parametrize(
    "edit",
    [
        lambda config: layer(config, "means").update(target_shape=[2, 3]),
        lambda config: layer(config, "log_weights").update(units=4),
        lambda config: layer(config, "log_weights").update(activation="relu"),
        lambda config: layer(config, "whiten").update(use_bias=True),
        lambda config: config["output_layers"].update(means=["factors", 0, 0]),
        lambda config: config["output_layers"].update(more=["means", 0, 0]),
        lambda config: config["layers"].pop(),
        lambda config: config["layers"].append(config["layers"][-1]),
        lambda config: config["layers"][-1].update(class_name="Lambda"),
    ],
)
def test_a_file_with_other_layers_is_refused(tmp_path, edit):
    path = tmp_path / "model.keras"
    write_network(path)
    change(path, edit)
    with pytest.raises(InputError, match="is not a network that train.py has written"):
        load_network(path, INPUTS, 2, 3)


def test_a_point_network_is_no_posterior_network(tmp_path):
    write_network(tmp_path / "model.keras")
    for outputs, components in ((2, None), (2, 4), (3, 3)):
        with pytest.raises(InputError, match="is not a network that train.py has written"):
            load_network(tmp_path / "model.keras", INPUTS, outputs, components)


# Training ------------------------------------------------------------------------------------


def settings_of(scenario, **more):
    given = {"epochs": 6, "batch_size": 100, "components": 3} | SMALL_NETWORK | more
    return TrainingSettings.of(scenario, "posterior", **given)


@pytest.fixture(scope="module")
def trained(small_dataset, tmp_path_factory):
    from gait.training.fitting import train

    folder = tmp_path_factory.mktemp("posterior") / "run"
    train(small_dataset, folder, settings_of(NOISY), verbose=0)
    return folder


def test_training_raises_the_log_probability(trained, small_dataset):
    history = pd.read_csv(trained / "history.csv")
    assert list(history) == ["epoch", "seconds", "loss", "val_loss", "log_p", "val_log_p"]
    assert history["val_log_p"].iloc[-1] > history["val_log_p"].iloc[0] > -20.0
    run, dataset = load_run(trained), open_dataset(small_dataset)
    split = dataset.load("validation", ("x", "y"))
    truth = {name: split.parameters[name].to_numpy() for name in dataset.parameters}
    log_p = run.answers(run.inputs(split, "validation")).log_prob(truth)
    assert log_p.mean() == pytest.approx(history["val_log_p"].max(), abs=2e-3)  # float32


def test_the_loss_of_an_epoch_and_log_p_differ_by_a_constant(trained):
    history = pd.read_csv(trained / "history.csv")
    for name in ("", "val_"):
        assert np.ptp(history[f"{name}loss"] + history[f"{name}log_p"]) < 1e-4


def test_the_configuration_tells_the_ranges_of_the_logits(trained):
    content = json.loads((trained / "config.json").read_text())
    assert content["settings"]["estimate"] == "posterior"
    posterior = content["posterior"]
    assert posterior["coordinates"] == ["stiffness_to_mass", "rest_length"]
    assert posterior["ranges"] == {
        "stiffness_to_mass": pytest.approx([8000 / 75, 10_000 / 60]), "rest_length": [0.6, 0.8]
    }  # fmt: skip
    assert posterior["recording"]["gravity"] == 10.0
    assert RunConfig.from_dict(content).to_dict() == {key: value for key, value in content.items() if key != "checksum"}


def test_the_file_and_the_configuration_are_enough(trained):
    """Draws by hand, as docs/posterior.md describes it."""
    content = json.loads((trained / "config.json").read_text())
    model = keras.saving.load_model(trained / "model.keras", compile=False)
    recording = np.full((1, model.input_shape[1]), 0.3, np.float32)
    told = {name: array[0].astype(float) for name, array in model.predict(recording, verbose=0).items()}
    component, dimension = int(np.argmax(told["log_weights"])), told["means"].shape[1]
    factor = np.zeros((dimension, dimension))
    factor[np.tril_indices(dimension)] = told["factors"][component]
    factor[np.diag_indices(dimension)] = np.exp(np.diag(factor))
    logits = told["means"][component]
    low, high = content["posterior"]["ranges"]["rest_length"]
    by_hand = low + (high - low) / (1.0 + np.exp(-logits[1]))
    answers = load_run(trained).answers(recording)
    assert answers.coordinates.values(answers.mixtures.means[0])["rest_length"][component] == pytest.approx(by_hand)
    np.testing.assert_allclose(answers.mixtures.matrices()[0, component], factor)


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(trained, small_dataset, tmp_path, cut_after_checkpoint, no_figure):
    from gait.training.fitting import train

    settings = settings_of(NOISY, checkpoint_every=2)
    cut_after_checkpoint(train, small_dataset, tmp_path / "run", settings, verbose=0)
    with pytest.raises(InputError, match="--estimate=posterior"):
        load_run(tmp_path / "run")
    train(small_dataset, tmp_path / "run", settings, verbose=0)
    parts = []
    for folder in (tmp_path / "run", trained):
        with zipfile.ZipFile(folder / "model.keras") as archive:
            parts.append([archive.read(name) for name in ("config.json", "model.weights.h5")])
    assert parts[0] == parts[1]


@pytest.mark.slow
def test_training_from_disk_learns_as_well(small_dataset, tmp_path, no_figure):
    from gait.training.fitting import train

    train(small_dataset, tmp_path / "run", settings_of(NOISY, cache="none"), verbose=0)
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert history["val_log_p"].iloc[-1] > history["val_log_p"].iloc[0]


def test_a_target_that_does_not_follow_from_the_parameters_is_refused(small_dataset, tmp_path, monkeypatch):
    from gait.training.fitting import train

    strange = dataclasses.replace(QUANTITIES["step_length"], name="cadence", derive=lambda values: values["cadence"])
    monkeypatch.setitem(QUANTITIES, "cadence", strange)
    monkeypatch.setattr("gait.scenarios._ESTIMATED", tuple(QUANTITIES))
    monkeypatch.setattr("gait.training.fitting.check_parameters", lambda *given: None)
    scenario = Scenario("own", ("x", "y"), ("mass", "cadence"), "?")
    with pytest.raises(
        InputError, match="--estimate=posterior with the target cadence. Leave it out, or train a point"
    ):
        train(small_dataset, tmp_path / "run", settings_of(scenario), verbose=0)
    assert not (tmp_path / "run").exists()


# Answers -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recordings(trained, small_dataset):
    run = load_run(trained)
    return run.inputs(open_dataset(small_dataset).load("test", ("x", "y"), enough=3), "test")[:3]


def test_a_run_draws_the_posterior(trained, recordings):
    run = load_run(trained)
    found = run.posterior(recordings, draws=400)
    assert len(found) == 3
    for own in found:
        assert {"mass", "stiffness", "rest_length", "stiffness_to_mass"} <= set(own.draws)
        assert len(own.draws) == 400
        assert own.draws["mass"].between(60.0, 75.0).all()
        assert own.draws["stiffness"].between(8000.0, 10_000.0).all()
        assert own.draws["rest_length"].between(0.6, 0.8).all()
        assert np.isfinite(own.log_prob({"mass": 66.0, "stiffness": 9000.0, "rest_length": 0.7}))
    single = run.posterior(recordings[0], draws=400)
    assert single.draws.equals(found[0].draws)


def test_predictions_are_means_of_the_posterior(trained, recordings):
    run = load_run(trained)
    means = run.predict(recordings)
    assert means.shape == (3, 3)
    found = run.posterior(recordings, draws=20_000)
    for row, own in zip(means, found, strict=True):
        for value, name in zip(row, run.targets, strict=True):
            assert value == pytest.approx(own.mean(name), abs=5.0 * own.sd(name) / 141.0)


def test_refined_posteriors_have_weights_and_a_verdict(trained, recordings, monkeypatch):
    monkeypatch.setattr("gait.inference.posterior.BANK_SIZES", (20_000, 20_000))
    own = load_run(trained).posterior(recordings[0], draws=300, refine=True)
    assert len(own.draws) == 300
    assert own.weights.sum() == pytest.approx(1.0)
    assert own.accepted or own.reason
    assert own.ess > 0.0
    assert {"mass", "stiffness_to_mass", "step_length"} <= set(own.draws)


def test_bad_requests_get_a_sentence(trained, small_dataset, recordings, tmp_path, no_figure):
    from gait.training.fitting import train

    run = load_run(trained)
    with pytest.raises(InputError, match=r"takes an array of shape \[n, "):
        run.posterior(recordings[:, :5])
    assert run.posterior(recordings[:0]) == []
    with pytest.raises(InputError, match="has to be complete. Received: 2 samples that are no numbers"):
        run.posterior(np.where(np.arange(recordings.shape[1]) < 2, np.nan, recordings[0]))
    with pytest.raises(InputError, match="draws is a whole number of at least 1. Received: draws=0"):
        run.posterior(recordings, draws=0)
    quick = {"epochs": 1, "batch_size": 100} | SMALL_NETWORK
    train(small_dataset, tmp_path / "point", TrainingSettings(NOISY, **quick), verbose=0)
    with pytest.raises(
        InputError, match="estimates numbers, not a posterior. Train one that does: .*--estimate=posterior"
    ):
        load_run(tmp_path / "point").posterior(recordings)
    train(small_dataset, tmp_path / "clean", settings_of(SCENARIOS["three_parameter"], epochs=1), verbose=0)
    clean = load_run(tmp_path / "clean")
    assert len(clean.posterior(recordings, draws=10)) == 3
    with pytest.raises(
        InputError, match="needs a level of noise, and this network was trained without. Received: refine"
    ):
        clean.posterior(recordings, refine=True)


def test_settings_of_a_posterior_have_defaults_of_their_own():
    point, posterior = TrainingSettings.of(NOISY), TrainingSettings.of(NOISY, "posterior", epochs=None, layers=2)
    assert point == TrainingSettings(NOISY)
    assert (posterior.layers, posterior.units) == (2, OF_A_POSTERIOR["units"])
    with pytest.raises(InputError, match="estimate must be one of point, posterior. Received: --estimate=interval"):
        TrainingSettings.of(NOISY, "interval")


def test_the_script_trains_a_posterior(small_dataset, tmp_path, scripts):
    ended = scripts.run(
        "train.py", f"--data={small_dataset}", "--scenario=two_parameter", f"--out={tmp_path / 'run'}", "--epochs=1",
        "--layers=2", "--units=8", "--estimate=posterior", "--components=2",
    )  # fmt: skip
    assert ended.returncode == 0, ended.output
    run = load_run(tmp_path / "run")
    assert run.config.settings.components == 2
    assert run.predict(np.zeros((1, run.config.width))).shape == (1, 2)
    shutil.rmtree(tmp_path / "run")
    assert (ROOT / "train.py").exists()


@pytest.mark.parametrize(
    ("scenario", "columns"),
    [
        (scenario_of("weighed", noise=["typical"]), ("mass", "stiffness", "rest_length")),
        (SCENARIOS["weighed"], ("stiffness", "rest_length")),
        (scenario_of("force_plate", noise=["typical"]), ("mass", "stiffness", "rest_length")),
    ],
)
def test_other_scenarios_are_trained(small_dataset, tmp_path, no_figure, scenario, columns):
    from gait.training.fitting import train

    train(small_dataset, tmp_path / "run", settings_of(scenario, epochs=1), verbose=0)
    run, dataset = load_run(tmp_path / "run"), open_dataset(small_dataset)
    assert Coordinates.from_dict(run.config.head).names == columns
    split = dataset.load("test", scenario.inputs, enough=4)
    found = run.posterior(run.inputs(split, "test")[:4], draws=50)
    truth = {name: split.parameters[name].to_numpy() for name in dataset.parameters}
    assert np.isfinite(run.answers(run.inputs(split, "test")).log_prob(truth)).all()
    for number, own in enumerate(found):
        assert {"mass", "stiffness", "rest_length", "stiffness_to_mass"} <= set(own.draws)
        if scenario.noise is None:  # known exactly
            assert own.draws["mass"].to_numpy() == pytest.approx(truth["mass"][number], rel=1e-6)

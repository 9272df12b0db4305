"""Models and points as users have them: right, or one clear sentence."""

import time

import numpy as np
import pandas as pd
import pytest

from gait import identifiability
from gait.errors import InputError
from gait.identifiability.inputs import Runs

TIMES = np.linspace(0.1, 3.0, 12)
LOW, HIGH = (0.5, 0.2), (2.0, 1.0)


def draws(low=LOW, high=HIGH, count=8, seed=0):
    return np.random.default_rng(seed).uniform(low, high, (count, len(low)))


def decay(theta):
    return theta[:, :1] * np.exp(-theta[:, 1:2] * TIMES)


def one_at_a_time(theta):
    """A model of one set of parameters, as most people write it."""
    a, b = theta
    return a * np.exp(-b * TIMES)


def analysed(model, points=None, names=("a", "b"), **options):
    return identifiability.analyse(model, draws() if points is None else points, names, **options)


BOTH = {"a": "recoverable", "b": "recoverable"}


def test_one_output_needs_no_second_dimension():
    report = analysed(lambda t: t[:, 0] * t[:, 1])
    assert report.combinations == ["a*b"]


@pytest.mark.parametrize("convert", [np.asarray, list, pd.Series])
def test_a_model_of_one_set_of_parameters(convert):
    report = analysed(lambda theta: convert(one_at_a_time(theta)), vectorized=False)
    assert report.verdicts == BOTH
    assert report.calls == report.rows
    scalar = analysed(lambda theta: float(theta[0].real * theta[1].real), vectorized=False)
    assert scalar.combinations == ["a*b"]


def test_a_model_of_one_set_is_told_from_a_batch():
    with pytest.raises(InputError, match="pass vectorized=False"):
        analysed(lambda theta: theta[0] * TIMES[:2])


def test_data_frames():
    points = pd.DataFrame(draws(), columns=["rate", "b"])
    report = analysed(lambda t: pd.DataFrame(decay(t)), points, None)
    assert report.names == ("rate", "b")
    assert set(report.verdicts.values()) == {"recoverable"}
    # Columns are taken by name.
    turned = analysed(lambda t: t[:, :1] ** 2 * TIMES + 0 * t[:, 1:], points, ["b", "rate"])
    assert turned.verdicts == {"b": "recoverable", "rate": "dead"}
    bad = points.assign(b=[0.5] * 7 + [np.nan])
    with pytest.raises(InputError, match="NaN or infinity at 1 of 8 points, in b"):
        analysed(decay, bad, None)
    with pytest.raises(InputError, match=r"All of them are numbers"):
        analysed(decay, points.assign(b="high"), None)


def test_single_precision_and_integers():
    assert analysed(decay, draws().astype(np.float32)).verdicts == BOTH
    assert analysed(lambda t: decay(t.real).astype(np.float32)).verdicts == BOTH
    whole = np.random.default_rng(0).integers(1, 30, (8, 2))
    assert analysed(lambda t: t * (1.0, 2.0), whole).verdicts == BOTH


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda t: None, "returns None"),
        (lambda t: [["a"]] * len(t), "outputs are numbers"),
        (lambda t: t > 1.0, "True and False"),
        (lambda t: [[1.0] * (1 + i % 2) for i in range(len(t))], "same number of outputs in every row"),
        (lambda t: np.ones((len(t), 1 + len(t) % 2)), "same number of outputs in every run"),
        (lambda t: np.ones((len(t), 2, 2)), "outputs of shape \\(8, 2, 2\\)"),
        (3.0, "The model is a function"),
    ],
)
def test_outputs_that_are_none(model, message):
    with pytest.raises(InputError, match=message):
        analysed(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": np.eye(12) + np.triu(np.ones((12, 12)), 1) * 0.1}, "symmetric"),
        ({"noise": np.nan}, "NaN or infinity"),
        ({"noise": "low"}, "All of them are numbers"),
        ({"noise": True}, "All of them are numbers"),
        ({"prior_sd": "wide"}, "All of them are numbers"),
        ({"ranges": [(0.0, 1.0)]}, "shape \\(1, 2\\)"),
        ({"names": None}, "has a name of its own. Received: none"),
        ({"points": draws() > 1.0}, "All of them are numbers"),
    ],
)
def test_other_arguments_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        analysed(decay, **options)


# Constant and random models ------------------------------------------------------------------


@pytest.mark.parametrize("constant", [0.0, 5.0, -1e9])
def test_a_constant_model_is_dead(constant):
    report = analysed(lambda t: np.full((len(t), 3), constant))
    assert report.verdicts == {"a": "dead", "b": "dead"}
    assert report.rank == 0
    assert report.set_aside == 0


def test_a_random_model_is_named():
    generator = np.random.default_rng(0)
    noisy = lambda t: decay(t) + 0.1 * generator.normal(size=(len(t), 12))  # noqa: E731
    with pytest.raises(InputError, match="The model is random.*Fix the seed") as error:
        analysed(noisy)
    assert "more points" not in str(error.value)


def test_noise_that_depends_on_the_place_in_the_batch_is_random():
    """A seed that is set once a call gives every row its own noise."""
    with pytest.raises(InputError, match="The model is random"):
        analysed(lambda t: decay(t.real) + 0.1 * np.random.default_rng(1).normal(size=(len(t), 12)))


def test_one_seed_for_every_row_is_not_random():
    noise = 0.1 * np.random.default_rng(1).normal(size=12)
    assert analysed(lambda t: decay(t) + noise).verdicts == BOTH


# Cost ----------------------------------------------------------------------------------------


def test_runs_are_counted():
    counted = {"calls": 0, "rows": 0}

    def model(theta):
        counted["calls"] += 1
        counted["rows"] += len(theta)
        return decay(theta)

    report = analysed(model)
    assert (report.calls, report.rows) == (counted["calls"], counted["rows"])
    assert (report.to_dict()["calls"], report.to_dict()["rows"]) == (report.calls, report.rows)


def _channels(theta):
    gains, sources = np.split(theta, 2, axis=1)
    return ((gains * sources)[:, :, None] * np.cos(np.linspace(0, 1, 5))).reshape(len(theta), -1)


@pytest.mark.parametrize("channels", [10, 25])
def test_many_products_are_quick(channels):
    """20 parameters have 167,960 sets of 11: to try them all does not come to an end."""
    names = [f"{kind}{i}" for kind in "ab" for i in range(channels)]
    report = analysed(_channels, draws((1.0,) * 2 * channels, (2.0,) * 2 * channels), names)
    assert report.combinations == [f"a{i}*b{i}" for i in range(channels)]


@pytest.mark.parametrize("kind", ["sums", "all known", "products"])
def test_fifty_parameters_take_less_than_a_minute_at_a_millisecond_a_row(kind):
    """60,000 rows are a minute, of which the rest may take half. The model's own time is not spent here."""
    models = {
        "sums": lambda t: ((t[:, :25] + t[:, 25:] ** 3)[:, :, None] * np.ones(2)).reshape(len(t), -1).real,
        "all known": lambda t: np.concatenate([np.sin(t[:, :25]) + t[:, 25:] ** 2, t], axis=1).real,
        "products": lambda t: _channels(t).real,
    }
    names = [f"p{i}" for i in range(50)]
    report = analysed(models[kind], draws((1.0,) * 50, (2.0,) * 50), names)
    assert report.rows < 30_000
    assert report.calls < 400


def test_progress_appears_only_after_a_while(capsys, monkeypatch):
    analysed(decay)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("gait.identifiability.inputs._DELAY", 1e-9)
    monkeypatch.setattr("gait.identifiability.inputs.redraw_interval", lambda: 0.0)
    slow = lambda t: time.sleep(0.02) or decay(t)  # noqa: E731
    analysed(slow, fits=8)
    assert "runs of the model" in capsys.readouterr().err
    analysed(slow, fits=8, progress=False)
    assert capsys.readouterr().err == ""


def test_runs_fit_into_memory(monkeypatch):
    monkeypatch.setattr("gait.identifiability.inputs._LARGEST_BATCH", 24)
    runs = Runs(decay)
    runs(draws(count=1))
    np.testing.assert_array_equal(runs(draws(count=7)), decay(draws(count=7)))
    assert (runs.calls, runs.rows) == (5, 8)

"""Datasets as they are read: channels computed from stored ones, first seconds, every n-th sample."""

import dataclasses
import re
import shlex

import numpy as np
import pytest

from gait import open_dataset
from gait.data import reading
from gait.data.manifest import Plan
from gait.data.writing import write_dataset
from gait.errors import InputError
from gait.parameters import named
from gait.simulation.channels import CHANNELS, observe
from gait.simulation.conditions import SAMPLE_FIELDS, Conditions, RecordingSettings
from gait.simulation.population import Population
from gait.simulation.populations import population_of
from gait.simulation.walks import integrate
from tests.helpers.shards import rewrite_with
from tests.helpers.walks import small_plan

DERIVED = [name for name in CHANNELS if name not in ("x", "y", "vx", "vy", "fx", "fy")]


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """500 of the paper's walks of 15 s, all that an engine samples, and three channels that can also be computed."""
    channels = ("fx", "x", "y_rel", "vx", "vy", "fy", "y", "ax", "leg_length")
    plan = Plan.of(Population(seed=8), RecordingSettings(), records=500, channels=channels)
    return write_dataset(tmp_path_factory.mktemp("long") / "walks", plan, audit=0)


def simulated(dataset, split, channels, settings):
    """Channels of the same walkers, simulated with other settings; float64, one after the other."""
    parameters = dataset.load(split, ("x",)).parameters.to_numpy()
    walkers = Conditions.of(named(dataset.parameters, parameters), settings.gravity)
    return np.concatenate(observe(channels, integrate(walkers, settings).samples, walkers), axis=1)


def scale(name):
    """A size of the channel's values, for tolerances."""
    return 1000.0 if CHANNELS[name].unit == "N" else 10.0


# Channels computed on reading ----------------------------------------------------------------


def test_what_can_be_read(small_dataset, long, tmp_path):
    assert set(open_dataset(small_dataset).readable) == set(CHANNELS) - {"vx", "vy"}
    assert set(long.readable) == set(CHANNELS)
    positions = write_dataset(tmp_path / "positions", small_plan(20), audit=0)
    assert positions.readable == ("x", "y", "x_rel", "y_rel")
    by_angle = write_dataset(
        tmp_path / "angle",
        Plan.of(population_of("paper", "angle_of_attack"), RecordingSettings(2.0), records=20),
        audit=0,
    )
    single = {name for name, item in CHANNELS.items() if item.on_footholds}
    assert set(by_angle.readable) == set(CHANNELS) - {"vx", "vy"} - single
    with pytest.raises(InputError, match="need walkers of a fixed step length.* Received: contact_left of"):
        by_angle.load("train", ("x", "contact_left"))


@pytest.mark.parametrize("name", [name for name in DERIVED if name not in ("contact_left", "contact_right")])
def test_a_derived_channel_is_the_simulated_one_to_rounding(small_dataset, name):
    """Float32 positions of a few metres at a stiffness of 10 kN/m: hundredths of a newton."""
    dataset = open_dataset(small_dataset)
    found = dataset.load("validation", (name, "x")).inputs
    assert found.dtype == np.float32
    expected = simulated(dataset, "validation", (name, "x"), dataset.settings)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-5 * scale(name))
    np.testing.assert_array_equal(found[:, dataset.samples :], expected[:, dataset.samples :].astype(np.float32))


def test_a_derived_contact_is_the_simulated_one(small_dataset):
    dataset = open_dataset(small_dataset)
    contacts = ("contact_left", "contact_right")
    found = dataset.load("train", contacts).inputs
    assert set(np.unique(found)) == {0.0, 1.0}
    assert (found != simulated(dataset, "train", contacts, dataset.settings)).sum() <= 1


def test_derived_channels_are_computed_in_float64_from_what_is_stored(small_dataset):
    """To the last bit. Control: in float32 throughout, some bits differ."""
    dataset = open_dataset(small_dataset)
    stored = dataset.load("train", ("fy", "x", "y"))
    mass = stored.parameters["mass"].to_numpy()[:, None]
    fy, x, y = (stored.inputs[:, i * 30 : (i + 1) * 30] for i in range(3))
    found = dataset.load("train", ("ay", "x_rel")).inputs
    expected = [fy.astype(float) / mass - 10.0, x.astype(float) / y.astype(float).mean(axis=1, keepdims=True)]
    np.testing.assert_array_equal(found, np.concatenate(expected, axis=1).astype(np.float32))
    assert (fy / mass.astype(np.float32) - np.float32(10.0) != found[:, :30]).any()


def test_a_stored_channel_is_read_and_not_computed(long):
    """Its bytes are those on disk; computed from the float32 of others, some differ."""
    found = long.load("test", ("ax", "leg_length", "y_rel", "x")).inputs
    expected = simulated(long, "test", ("ax", "leg_length", "y_rel", "x"), long.settings).astype(np.float32)
    np.testing.assert_array_equal(found, expected)
    assert long.selection(("ax", "leg_length")).is_plain
    without = dataclasses.replace(long.plan, channels=("x", "y", "fx", "fy"))
    selection = dataclasses.replace(long.selection(("ax",)), plan=without)
    assert not selection.is_plain
    stored = long.load("test", selection.stored)
    assert (selection.of(stored.inputs, stored.parameters.to_numpy()) != found[:, :150]).any()


def test_a_record_does_not_depend_on_those_read_with_it(long, monkeypatch):
    channels = (*DERIVED, "vy")
    for dataset in (long, long.viewed(4.9, 0.2)):
        whole = dataset.load("train", channels)
        with monkeypatch.context() as patch:
            patch.setattr(reading, "_PIECE", 20_000)
            parts = dataset.scan("train", channels, lambda part: part)
        assert len(parts) > 50
        np.testing.assert_array_equal(np.concatenate([part.inputs for part in parts]), whole.inputs)
        alone = dataset.selection(channels)
        stored = long.load("train", alone.stored)
        one = alone.of(stored.inputs[3:4], stored.parameters.to_numpy()[3:4])
        assert one.tobytes() == whole.inputs[3].tobytes()


def test_a_damaged_sample_is_found_though_the_channel_hides_it(tmp_path):
    """A contact is 0 or 1 whatever it is computed from, and a view leaves samples out."""
    dataset = write_dataset(tmp_path, small_plan(20, channels=("x", "y", "fx", "fy"), shards=1), audit=0)

    def change(records):
        records[5].features.feature["fx"].float_list.value[29] = float("nan")

    (name,) = dataset.shards("train")
    rewrite_with(tmp_path, name, change)
    damaged = open_dataset(tmp_path)
    for seen in (damaged, damaged.viewed(1.0)):
        with pytest.raises(InputError, match="Record 5 of .* holds a value that is not a finite number"):
            seen.load("train", ("contact_left",))


def test_shards_of_another_program_have_derived_channels_and_views(tmp_path):
    """They are parsed, not read by place."""
    dataset = write_dataset(tmp_path, small_plan(100, channels=("x", "y", "fx", "fy"), shards=1), audit=0)
    seen = dataset.viewed(2.0, 0.2)
    before = seen.load("train", ("fy_left", "y"))

    def change(records):
        for record in records:
            record.features.feature["note"].bytes_list.value.append(b"by another program")

    (name,) = dataset.shards("train")
    rewrite_with(tmp_path, name, change)
    np.testing.assert_array_equal(
        open_dataset(tmp_path).viewed(2.0, 0.2).load("train", ("fy_left", "y")).inputs, before.inputs
    )


def test_a_missing_channel_and_the_command_that_writes_it(scripts, tmp_path):
    dataset = write_dataset(tmp_path / "walks", small_plan(20, duration=1.0), audit=0)
    with pytest.raises(InputError, match="lacks vy, fy: it was made with --channels=x,y, from which x, y") as error:
        dataset.load("train", ("x", "vy", "fy"))
    command = str(error.value).partition("has all of them: ")[2]
    ended = scripts.run(*shlex.split(command)[1:])
    assert ended.returncode == 0, ended.output
    other = open_dataset(tmp_path / "walks_with_vy_fy")
    assert other.channels == ("x", "y", "vy", "fy")
    one, both = dataset.load("train", ("x",)), other.load("train", ("x", "vy", "fy"))
    np.testing.assert_array_equal(both.inputs[:, :10], one.inputs)
    assert one.parameters.equals(both.parameters)
    with pytest.raises(InputError, match="Channels are one or more of .* Received: vz"):
        dataset.load("train", ("x", "vz"))


# Views ---------------------------------------------------------------------------------------

VIEWS = [
    (5.0, 0.2),
    (5.0, None),
    (None, 0.3),
    (0.7, 0.1),
    (14.95, 0.5),
    (5.05, 0.2),
    (0.1, 0.1),
    (15.0, 15.0),
    (4.0, 0.7),
]


@pytest.mark.parametrize(("duration", "interval"), VIEWS)
def test_a_view_holds_the_bytes_of_a_shorter_or_coarser_recording(long, duration, interval):
    """Of the same walkers, who walk 15 s; the settings are those that simulate.py would be given."""
    seen = long.viewed(duration, interval)
    settings = RecordingSettings(duration or 15.0, interval or 0.1)
    shown = (duration, interval) != (None, None) and seen.view is not None
    assert seen.settings == dataclasses.replace(settings, walking=15.0 if shown else None)
    assert seen.samples == settings.times.size
    channels = (*SAMPLE_FIELDS, "ax", "leg_length")
    found = seen.load("train", channels).inputs
    np.testing.assert_array_equal(found, simulated(long, "train", channels, settings).astype(np.float32))
    assert (seen.identity, seen.count("train"), seen.channels) == (long.identity, 400, long.channels)


def test_a_dataset_written_with_these_settings_has_the_bytes_of_the_view(tmp_path):
    """With the same seed, a record is the same unless its walker has stumbled between 5 and 15 s and was redrawn."""
    plans = [
        Plan.of(Population(seed=8), settings, records=500, channels=("y", "vx"))
        for settings in (RecordingSettings(), RecordingSettings(5.0, 0.2))
    ]
    long, short = (write_dataset(tmp_path / str(i), plan, audit=0) for i, plan in enumerate(plans))
    view, written = long.viewed(5.0, 0.2).load("train", ("vx", "y")), short.load("train", ("vx", "y"))
    same = (view.parameters == written.parameters).all(axis=1)
    assert 0.8 < same.mean() < 1.0
    np.testing.assert_array_equal(view.inputs[same], written.inputs[same])


def test_a_view_divides_by_its_own_mean(long):
    """`y_rel` is stored, but as a ratio to the mean over 15 s."""
    settings = RecordingSettings(5.0, 0.2)
    seen = long.viewed(5.0, 0.2)
    found = seen.load("train", ("y_rel", "x_rel")).inputs
    expected = simulated(long, "train", ("y_rel", "x_rel"), settings)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[:, :25].mean(axis=1), 1.0, rtol=1e-6)
    stored = long.load("train", ("y_rel",)).inputs[:, :50:2]
    assert np.abs(found[:, :25] / stored - 1.0).max() > 1e-3


def test_ratios_to_a_mean_alone_make_no_view(tmp_path):
    relative = write_dataset(tmp_path / "walks", small_plan(20, channels=("x_rel", "y_rel")), audit=0)
    assert relative.readable == relative.viewed(3.0, 0.1).readable == ("x_rel", "y_rel")
    seen = relative.viewed(duration=2.0)
    assert seen.readable == ()
    with pytest.raises(InputError, match="lacks y_rel: .*from which nothing can be read.* --channels=x_rel,y_rel,y "):
        seen.load("train", ("y_rel",))


def test_views_of_views_and_of_everything(long):
    assert long.viewed() == long.viewed(15.0, 0.1) == long.viewed(15, 0.1) == long
    half = long.viewed(interval=0.2)
    assert half.viewed(duration=5.0) == long.viewed(5.0, 0.2) == half.viewed(duration=3.0).viewed(duration=5.0)
    assert half.viewed(interval=0.1) == long
    assert long.view is None
    assert "with channels fx, x, y_rel, vx, vy, fy, y, ax, leg_length, seen for 5 s every 0.2 s." in (
        long.viewed(5.0, 0.2).summary()
    )
    assert "seen" not in long.summary()
    assert half.record(3) == long.record(3)
    assert half.command() == long.command()


@pytest.mark.parametrize("n", [*range(1, 60), 75, 149])
def test_intervals_are_multiples_whatever_their_rounding(long, n):
    """0.3 / 0.1 is 2.9999999999999996, and 3 * 0.1 is not 0.3."""
    for interval in (n * 0.1, round(n * 0.1, 1), n / 10):
        seen = long.viewed(interval=interval)
        assert seen.samples == -(-150 // n)
        assert seen.load("test", ("x",)).inputs.shape == (50, seen.samples)


@pytest.mark.parametrize("every", [3, 7])
def test_a_recording_of_a_million_samples_has_views(long, every):
    """Rounding must not ask for a sample beyond the last."""
    settings = RecordingSettings(100.0, 0.0001)
    plan = dataclasses.replace(long.plan, settings=settings)
    dataset = dataclasses.replace(long, manifest=dataclasses.replace(long.manifest, plan=plan))
    assert settings.times.size == 1_000_000
    assert dataset.viewed(interval=every * 0.0001).samples == -(-1_000_000 // every)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"duration": 15.1}, r"must not be longer than the records, 15 s. Received: --duration=15.1. Choose at most"),
        (
            {"duration": 20},
            r"at most --duration=15.0, or make .*: \S*python \S*simulate.py .*walks_longer.* --duration=20",
        ),
        (
            {"interval": 0.25},
            r"multiple of the stored 0.1 s. Received: --interval=0.25. Choose --interval=0.2 or ",
        ),
        ({"interval": 0.05}, r"Choose --interval=0.1 or --interval=0.2, .*walks_resampled.* --interval=0.05 "),
        ({"interval": 0.1001}, r"multiple of the stored 0.1 s. Received: --interval=0.1001"),
        ({"duration": 2.0, "interval": 0.15}, r"Received: --interval=0.15"),
        ({"interval": 20.0}, r"Received: --duration=15.0 --interval=20.0"),
        ({"duration": 0.0}, r"duration must be a positive number of seconds. Received: --duration=0.0"),
        ({"duration": float("nan")}, r"Received: --duration=nan"),
        ({"interval": -0.1}, r"interval must be a positive number of seconds. Received: --interval=-0.1"),
    ],
)
def test_a_view_that_is_none(long, given, message):
    with pytest.raises(InputError, match=message) as error:
        long.viewed(**given)
    assert re.search(r"Received: --", str(error.value))

"""Data feed: statistics, order of the records, standardisation, from memory and from disk."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from gait.data.dataset import open_dataset
from gait.data.writing import write_dataset
from gait.errors import InputError
from gait.scenarios import SCENARIOS, Scenario
from gait.storage import files
from gait.training.feed import Feed
from gait.training.preprocessing import Moments
from gait.training.run import TrainingSettings
from gait.training.settings import CACHES
from tests.helpers.durability import flip
from tests.helpers.walks import small_plan

STANDARDISED = {"preprocessing": "standardised"}
"""Whitened batches are those times a matrix, see test_preprocessing.py."""


def settings(scenario="two_parameter", **changes):
    return TrainingSettings(SCENARIOS[scenario], **({"epochs": 3, "batch_size": 100} | STANDARDISED | changes))


def test_moments_are_those_of_numpy():
    """Part by part, also where the mean is large beside the spread."""
    values = np.random.default_rng(0).normal(1e4, 0.01, (1000, 3))
    for kind in (np.float64, np.float32):
        given = values.astype(kind)
        moments = sum((Moments.of(part) for part in np.array_split(given[200:], 7)), start=Moments.of(given[:200]))
        assert moments.count == 1000
        np.testing.assert_allclose(moments.mean, given.mean(axis=0, dtype=np.float64), rtol=1e-13)
        np.testing.assert_allclose(moments.sd, given.std(axis=0, dtype=np.float64), rtol=1e-9)
        assert Moments.of(np.full((10, 1), 0.3, kind)).sd == 1.0


def epoch_of(feed, epoch):
    feed.begin(epoch)
    inputs, targets = zip(*feed.train.as_numpy_iterator(), strict=True)
    return np.concatenate(inputs), np.concatenate(targets)


@pytest.mark.parametrize("cache", CACHES)
def test_feed_gives_every_record_once_in_a_new_order(small_dataset, cache):
    dataset = open_dataset(small_dataset)
    feed = Feed(dataset, settings(cache=cache))
    split = dataset.load("train", ("x", "y"))
    expected = split.parameters["stiffness"] / split.parameters["mass"]
    first, again, second = (epoch_of(feed, epoch) for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[1], second[1])
    for inputs, targets in (first, second):
        assert inputs.shape == (1600, 60)
        ratio = targets[:, 0] * feed.target_moments.sd[0] + feed.target_moments.mean[0]
        np.testing.assert_allclose(np.sort(ratio), np.sort(expected), rtol=1e-5)
        # Inputs and targets still belong together.
        record = np.argmin(np.abs(expected - ratio[0]))
        raw = inputs[0] * feed.input_moments.sd + feed.input_moments.mean
        np.testing.assert_allclose(raw, split.inputs[record], atol=1e-4)
    np.testing.assert_allclose(first[0].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(first[0].std(axis=0), 1, atol=1e-3)


def test_a_streamed_record_is_that_from_memory_to_the_last_bit(small_dataset):
    """Both ways standardise alike, inputs and targets."""
    rows = []
    for cache in CACHES:
        feed = Feed(open_dataset(small_dataset), settings("three_parameter", cache=cache))
        epoch = np.concatenate(epoch_of(feed, 0), axis=1)
        rows.append(sorted(row.tobytes() for row in epoch))
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("inputs", "view"),
    [
        (("x_rel", "contact_left", "fy_left", "ax", "y"), {}),
        (("x", "y"), {"duration": 2.0, "interval": 0.2}),
        (("fy", "leg_length", "y_rel"), {"interval": 0.3}),
    ],
)
def test_derived_channels_and_views_are_streamed_to_the_last_bit(small_dataset, inputs, view):
    """What is read into memory is tested in `tests/data/test_views.py`."""
    scenario = Scenario("own", inputs, ("mass", "rest_length"), "A question.", measured=("x0",))
    dataset = open_dataset(small_dataset).viewed(**view)
    rows = []
    for cache in CACHES:
        feed = Feed(dataset, TrainingSettings(scenario, epochs=3, batch_size=100, cache=cache, **STANDARDISED))
        assert feed.width == len(inputs) * dataset.samples + 1
        assert feed.train.element_spec[0].shape[1] == feed.width
        epoch = np.concatenate(epoch_of(feed, 0), axis=1)
        rows.append(sorted(row.tobytes() for row in epoch))
    assert len(rows[0]) == 1600
    assert rows[0] == rows[1]


def test_stored_channels_are_streamed_without_a_detour(small_dataset, monkeypatch):
    """Control: derived ones take it."""
    called = []
    honest = tf.numpy_function
    monkeypatch.setattr(tf, "numpy_function", lambda *a, **k: (called.append(1), honest(*a, **k))[1])
    for inputs, times in ((("x", "fy"), 0), (("x", "ay"), 1)):
        scenario = Scenario("own", inputs, ("mass",), "A question.")
        feed = Feed(
            open_dataset(small_dataset), TrainingSettings(scenario, batch_size=100, cache="none", **STANDARDISED)
        )
        assert next(iter(feed.train))[0].shape == (100, 60)
        assert len(called) == times


@pytest.mark.parametrize(("cache", "device"), [("memory", None), ("memory", "CPU:0"), ("none", None)])
def test_nothing_of_tf_data_tunes_itself(small_dataset, cache, device):
    """Its tuner kept iterators from ending: every other epoch of 800,000 records took 5.11 s in place of 3."""
    feed = Feed(open_dataset(small_dataset), settings(cache=cache), device)
    assert [part.options().autotune.enabled for part in (feed.train, feed.validation)] == [False, False]


def test_validation_uses_the_training_statistics(small_dataset):
    dataset = open_dataset(small_dataset)
    feed = Feed(dataset, settings())
    inputs, targets = next(iter(feed.validation))
    split = dataset.load("validation", ("x", "y"))
    np.testing.assert_allclose(
        inputs, (split.inputs - feed.input_moments.mean) / feed.input_moments.sd, rtol=1e-3, atol=1e-4
    )
    assert targets.shape == (200, 2)


def test_batches_that_do_not_divide_the_split(small_dataset):
    feed = Feed(open_dataset(small_dataset), settings(batch_size=700))
    assert [len(inputs) for inputs, _ in feed.train] == [700, 700]
    assert feed.train.cardinality() == feed.steps == 2


# Shards that change while they are streamed --------------------------------------------------


def other_walks(folder):
    """A dataset of another seed with the same names and sizes of shards."""
    return write_dataset(folder, small_plan(2000, seed=4, channels=("x", "y", "fx", "fy"), shards=10), audit=0).folder


def swapped(folder, other):
    """The folder with another dataset in its place, made before."""
    folder.rename(folder.with_name("before"))
    other.rename(folder)


def overwritten(folder, other):
    """As `simulate.py --overwrite` does it, and times that hide it."""
    for path in folder.iterdir():
        times = path.stat()
        path.unlink()
        shutil.copy(other / path.name, path)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def one_bit_changed(folder, other):
    flip(folder / "train-00003-of-00008.tfrecord", 70_000)


def one_removed(folder, other):
    (folder / "train-00003-of-00008.tfrecord").unlink()


@pytest.fixture
def walks_to_change(small_dataset, tmp_path):
    return shutil.copytree(small_dataset, tmp_path / "walks"), other_walks(tmp_path / "other")


@pytest.mark.parametrize("change", [swapped, overwritten, one_bit_changed, one_removed])
def test_shards_that_change_while_they_are_streamed_are_noticed(walks_to_change, change):
    """Whatever the other files' sizes and times."""
    folder, other = walks_to_change
    feed = Feed(open_dataset(folder), settings(cache="none"))
    epoch_of(feed, 0)
    feed.check_unchanged()
    change(folder, other)
    with pytest.raises(InputError, match=r"The shard .*train-0000\d-of-00008.tfrecord (is|has) .*It was changed while"):
        feed.check_unchanged()


def touched(folder):
    for path in folder.iterdir():
        path.touch()


def copied(folder):
    """Into other files, in a folder of the same name."""
    shutil.copytree(folder, folder.with_name("copy"))
    shutil.rmtree(folder)
    folder.with_name("copy").rename(folder)


@pytest.mark.parametrize("change", [touched, copied])
def test_the_same_shards_in_other_files_are_accepted(walks_to_change, change, monkeypatch):
    """Negative control of the test above. They are read once more, and then known."""
    folder, read = walks_to_change[0], []
    feed = Feed(open_dataset(folder), settings(cache="none"))
    change(folder)
    monkeypatch.setattr("gait.data.watch.sha256", lambda path: (read.append(path), files.sha256(path))[1])
    for _ in range(3):
        feed.check_unchanged()
    assert len(read) == 8


def test_a_split_in_memory_may_change_on_disk(walks_to_change):
    folder, other = walks_to_change
    feed = Feed(open_dataset(folder), settings(cache="memory"))
    swapped(folder, other)
    feed.check_unchanged()


def test_a_damage_that_leaves_no_trace_is_found_when_all_is_read_again(walks_to_change, monkeypatch):
    """Of a failing disk, say; the stream itself stops at the checksum of the record."""
    folder, other = walks_to_change
    feed = Feed(open_dataset(folder), settings(cache="none"))
    monkeypatch.setattr("gait.data.watch.signature", lambda path: feed._watch._signatures[path.name])
    one_bit_changed(folder, other)
    feed.check_unchanged()
    with pytest.raises(tf.errors.OpError):
        epoch_of(feed, 0)
    with pytest.raises(InputError, match="train-00003-of-00008.tfrecord is damaged"):
        feed.check_unchanged(thoroughly=True)

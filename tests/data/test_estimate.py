"""Size and time of a dataset, said before it is begun."""

import dataclasses
import shutil
import time

import pytest

from gait.data import estimate as module
from gait.data.estimate import Estimate, estimate_in_words
from gait.data.manifest import Plan
from gait.data.shards import write_shard
from gait.errors import InputError
from gait.simulation.conditions import RecordingSettings
from gait.simulation.population import Population
from gait.storage.remote import RemotePath
from tests.helpers.walks import small_plan


def plan_of(records=1_000_000, duration=15.0, interval=0.1, **others):
    return Plan.of(Population(), RecordingSettings(duration, interval), records=records, **others)


@pytest.mark.parametrize(
    ("duration", "interval", "channels"),
    [(3.0, 0.1, ("x",)), (3.0, 0.1, ("x", "y", "fx", "fy")), (2.0, 0.01, ("x", "y")), (2.0, 0.001, ("ax", "ay", "vx"))],
)
def test_the_size_is_that_on_disk(tmp_path, duration, interval, channels):
    plan = plan_of(10, duration, interval, channels=channels, shards=1)
    size = sum(write_shard(tmp_path, plan, shard, lambda records: None).bytes for shard in plan.layout())
    assert Estimate.of(plan, 0, 1).size == pytest.approx(size, rel=0.02)


@pytest.mark.slow  # as it depends on the machine
def test_the_time_is_about_that_of_a_core(tmp_path):
    """Within a factor of five: machines differ, and the estimate is there to tell minutes from years."""
    plan = plan_of(3000, shards=1)
    write_shard(tmp_path, plan, plan.layout()[1], lambda records: None)  # loads the engine
    began = time.process_time()
    write_shard(tmp_path, plan, plan.layout()[0], lambda records: None)
    seconds = (time.process_time() - began) * 3000 / 2400
    assert seconds / 5 < Estimate.of(plan, 0, 1).seconds < seconds * 5


def test_cores_and_engine_and_audit_count():
    plan = plan_of()
    one, two, audited = (Estimate.of(plan, *given).seconds for given in ((0, 1), (0, 2), (1000, 1)))
    assert two == pytest.approx(one / 2)
    assert audited > one + 100
    scipy = plan_of(engine="scipy")
    assert Estimate.of(scipy, 0, 2).seconds == Estimate.of(scipy, 0, 1).seconds > 100 * one


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (plan_of(), "1,000,000 walks of 15 s are about 2.56 GB and take about 47 s on 2 cores."),
        (plan_of(10), "10 walks of 15 s are about 25.6 kB and take about 1 s on 2 cores."),
        (plan_of(duration=600.0, interval=0.001), "1,000,000 walks of 600 s are about 9.6 TB"),
    ],
)
def test_an_estimate_in_words(plan, sentence):
    assert Estimate.of(plan, 0, 2).sentence().startswith(sentence)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (90, "90 s"), (130, "2.2 minutes"), (7300, "2 hours"), (1e6, "12 days"), (1e9, "32 years")],
)
def test_times_in_words(seconds, words):
    assert module._time(seconds) == words


def check(plan, folder, **others):
    return estimate_in_words(plan, folder, audit=16, workers=None, **others)


def test_what_the_disk_cannot_hold_is_refused_at_once(tmp_path, monkeypatch):
    """The folder need not be there; what it holds of a dataset is as good as free."""
    plan, folder = plan_of(), tmp_path / "new" / "walks"
    free = dataclasses.make_dataclass("Usage", ["free", ("total", int, 10**12)])
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free(2_000_000_000) if place == tmp_path else free(1e9))
    with pytest.raises(InputError, match=r"about 2.56 GB .* There is room for 2 GB at .*walks. Ask for fewer"):
        check(plan, folder)
    assert check(small_plan(), folder).startswith("200 walks of 3 s are about ")
    assert not folder.parent.exists()
    folder.mkdir(parents=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free(2_000_000_000))
    with (folder / "train-00000-of-00001.tfrecord").open("wb") as shard:
        shard.truncate(700_000_000)
    check(plan, folder)


def test_what_takes_more_than_a_year_is_for_a_cluster():
    folder = RemotePath("gs://bucket/walks")
    plan = plan_of(10**12, shards=50_000)
    with pytest.raises(InputError, match="2.56 PB and take about .* That is more than a year"):
        check(plan, folder)
    check(plan, folder, here=False)


def test_a_split_has_only_so_many_files(tmp_path):
    check(plan_of(shards=99_999), tmp_path)
    with pytest.raises(InputError, match="at most 99,999 files, so these would be too many: 100,000"):
        check(plan_of(shards=100_000), tmp_path)

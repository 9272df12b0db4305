"""Datasets on disk: contents, independence of shards and threads, resuming, damage, audit."""

import dataclasses
import errno
import hashlib
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import gait
from gait import provenance
from gait.data import audit, reading, shards, writing
from gait.data.audit import AUDIT_LIMIT, audit_records, rounding
from gait.data.dataset import open_dataset
from gait.data.manifest import FORMAT_VERSION, SPLITS, Plan
from gait.data.writing import write_dataset
from gait.errors import InputError
from gait.parameters import NAMES, Uniform, named
from gait.simulation import population, taylor
from gait.simulation.channels import CHANNELS
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.model import Outcome
from gait.simulation.population import Population, walk_records
from gait.simulation.walks import integrate
from gait.storage import files
from tests.helpers.shards import rewrite_with
from tests.helpers.walks import files_of, paper_draws, small_plan


def contents(folder):
    """Bytes of all records, split by split, whatever the files."""
    dataset = open_dataset(folder)
    return {
        split: [
            record.numpy() for name in dataset.shards(split) for record in tf.data.TFRecordDataset(str(folder / name))
        ]
        for split in SPLITS
    }


# Contents ------------------------------------------------------------------------------------


def test_a_record_is_an_example_of_the_contract(small_dataset):
    """Read without any code of this package."""
    content = json.loads((small_dataset / "manifest.json").read_text())
    name = next(iter(content["shards"]))
    raw = next(iter(tf.data.TFRecordDataset(str(small_dataset / name)))).numpy()
    feature = tf.train.Example.FromString(raw).features.feature
    assert set(feature) == {"x", "y", "fx", "fy", "parameters"}
    parameters = np.frombuffer(feature["parameters"].bytes_list.value[0], "<f8")
    assert list(content["parameters"]) == ["mass", "stiffness", "rest_length", "x0", "y0", "vx0", "step_length"]
    expected, samples, _ = walk_records(Population(seed=3), RecordingSettings(duration=3.0), range(1))
    np.testing.assert_array_equal(parameters, expected[0])
    for channel, values in zip(("x", "y", "fx", "fy"), samples[[0, 1, 4, 5], 0], strict=True):
        np.testing.assert_array_equal(feature[channel].float_list.value, values.astype(np.float32))


def test_manifest_says_what_is_there(small_dataset):
    content = json.loads((small_dataset / "manifest.json").read_text())
    assert content["format_version"] == FORMAT_VERSION
    assert content["seed"] == 3
    assert content["records"] == {"train": 1600, "validation": 200, "test": 200}
    assert content["channels"] == {"x": "m", "y": "m", "fx": "N", "fy": "N"}
    assert content["priors"]["mass"] == {"distribution": "uniform", "low": 60.0, "high": 75.0}
    assert (content["gravity"], content["duration"], content["interval"], content["samples"]) == (10.0, 3.0, 0.1, 30)
    assert content["engine"] == {"name": "taylor", "tolerance": taylor.TOLERANCE}
    assert content["outcomes"]["walked"] == 2000
    assert content["outcomes"]["airborne"] > 20
    assert set(content["outcomes"]) == {outcome.name.lower() for outcome in Outcome}
    assert content["audit"]["records"] == 1
    assert 0.0 < content["audit"]["worst_m"] < 1e-8
    assert set(content["versions"]) >= {"python", "tensorflow", "numpy", "scipy", "numba"}
    for name, entry in content["shards"].items():
        data = (small_dataset / name).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert sorted(path.name for path in small_dataset.iterdir()) == sorted(["manifest.json", *content["shards"]])


def test_load_returns_what_was_simulated(small_dataset):
    dataset = open_dataset(small_dataset)
    parameters, samples, _ = walk_records(Population(seed=3), RecordingSettings(duration=3.0), range(1000, 2000))
    validation = dataset.load("validation", ("fy", "x"))
    np.testing.assert_array_equal(validation.inputs[:, :30], samples[5, 600:800].astype(np.float32))
    np.testing.assert_array_equal(validation.inputs[:, 30:], samples[0, 600:800].astype(np.float32))
    assert tuple(validation.parameters) == NAMES
    np.testing.assert_array_equal(validation.parameters["step_length"], parameters[600:800, 6])


@pytest.mark.parametrize("kind", [str, Path])
def test_a_dataset_opened_by_its_folder(small_dataset, kind):
    """As in a notebook: `gait.open_dataset(path).load(split, channels)`."""
    dataset = gait.open_dataset(kind(small_dataset))
    assert isinstance(dataset, gait.Dataset)
    assert (dataset.folder, dataset.channels, dataset.samples) == (small_dataset, ("x", "y", "fx", "fy"), 30)
    assert dataset.settings == RecordingSettings(duration=3.0)
    assert dataset.population == Population(seed=3)
    assert [dataset.count(split) for split in SPLITS] == [1600, 200, 200]
    split = dataset.load("test", ["x", "fy"])
    assert (split.inputs.shape, split.inputs.dtype) == ((200, 60), np.float32)
    assert isinstance(split.parameters, pd.DataFrame)
    assert list(split.parameters) == ["mass", "stiffness", "rest_length", "x0", "y0", "vx0", "step_length"]
    assert set(split.parameters.dtypes) == {np.dtype(np.float64)}
    assert split.parameters.shape == (200, 7)
    for name, prior in dataset.priors.items():
        assert split.parameters[name].between(prior.low, prior.high).all()


def test_enough_records_are_whole_shards(small_dataset):
    """1,600 records in 8 shards: 201 are in the first two."""
    dataset = open_dataset(small_dataset)
    some, whole = dataset.load("train", ("x",), enough=201), dataset.load("train", ("x",))
    assert (len(some.inputs), len(whole.inputs)) == (400, 1600)
    np.testing.assert_array_equal(some.inputs, whole.inputs[:400])
    assert some.parameters.equals(whole.parameters[:400])
    assert len(dataset.load("train", ("x",), enough=5000).inputs) == 1600


def test_a_scan_returns_results_in_the_order_of_the_records(small_dataset, monkeypatch):
    """Parts come from several threads; together they are the split, each row once."""
    monkeypatch.setattr(reading, "_PIECE", 20_000)
    dataset = open_dataset(small_dataset)
    parts = dataset.scan("train", ("y", "x"), lambda part: part)
    assert len(parts) > 16
    edges = [0, *(part.rows.stop for part in parts)]
    assert [(part.rows.start, part.rows.stop) for part in parts] == list(itertools.pairwise(edges))
    assert edges[-1] == 1600
    whole = dataset.load("train", ("y", "x"))
    np.testing.assert_array_equal(np.concatenate([part.inputs for part in parts]), whole.inputs)
    np.testing.assert_array_equal(np.concatenate([part.parameters for part in parts]), whole.parameters)
    assert [part.rows.stop for part in dataset.scan("train", ("x",), lambda part: part, shards=1)][-1] == 200


def test_an_unknown_split(small_dataset):
    with pytest.raises(InputError, match="The splits of a dataset are train, validation, test. Received: 'training'"):
        gait.open_dataset(small_dataset).load("training", ("x",))


def test_progress_is_shown_when_it_is_wanted(tmp_path, capsys):
    """A resumed run begins with what is there; without `progress` nothing is printed."""
    plan = small_plan(1000, shards=10)
    write_dataset(tmp_path, plan, audit=0)
    assert capsys.readouterr() == ("", "")
    (tmp_path / "train-00001-of-00008.tfrecord").unlink()
    write_dataset(tmp_path, plan, audit=0, progress=True)
    shown = capsys.readouterr().err
    assert re.match(r"\r? *90%\|[^|]*\| 900/1.00k ", shown)
    assert re.search(r"100%\|[^|]*\| 1.00k/1.00k .* records/s\]\n$", shown)


def test_every_channel_can_be_recorded(tmp_path):
    write_dataset(tmp_path, small_plan(20, channels=tuple(CHANNELS)), audit=2)
    split = open_dataset(tmp_path).load("train", tuple(CHANNELS))
    x, vx = split.inputs[:, :30], split.inputs[:, 60:90]
    assert np.abs(np.gradient(x, 0.1, axis=1) - vx)[:, 1:-1].max() < 0.3


@pytest.mark.parametrize("shards", [1, 7])
@pytest.mark.parametrize("workers", [1, 3])
def test_same_seed_same_records_for_any_shards_and_threads(tmp_path, shards, workers):
    """2,300 records: blocks of 1,000 are cut by splits and by shards."""
    plan = small_plan(2300)
    write_dataset(tmp_path / "one", plan, audit=0, workers=1)
    write_dataset(tmp_path / "other", dataclasses.replace(plan, shard_count=shards), audit=0, workers=workers)
    one, other = (open_dataset(tmp_path / name) for name in ("one", "other"))
    assert contents(one.folder) == contents(other.folder)
    assert one.identity == other.identity
    assert one.manifest.outcomes == other.manifest.outcomes


def test_another_seed_makes_other_records(tmp_path):
    """Negative control of the test above."""
    write_dataset(tmp_path / "one", small_plan(20, seed=1), audit=0)
    write_dataset(tmp_path / "other", small_plan(20, seed=2), audit=0)
    assert not set(contents(tmp_path / "one")["train"]) & set(contents(tmp_path / "other")["train"])


def test_splits_are_disjoint_and_complete():
    for records in (10, 11, 99, 12_345, 1_000_000):
        plan = small_plan(records)
        layout = plan.layout()
        assert [shard.start for shard in layout] == [0, *(shard.stop for shard in layout[:-1])]
        assert layout[-1].stop == records
        assert plan.records["test"] == round(records / 10)
        assert len({shard.name for shard in layout}) == len(layout)
    assert len(small_plan(1_000_000).layout()) == 50


# Interruption --------------------------------------------------------------------------------


def test_finished_dataset_is_left_alone(tmp_path):
    plan = small_plan()
    write_dataset(tmp_path, plan, audit=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_dataset(tmp_path, plan, audit=1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("change", ["seed", "records", "channels", "priors", "shards"])
def test_another_dataset_is_refused(tmp_path, change):
    plan = small_plan()
    write_dataset(tmp_path, plan, audit=0)
    before = files_of(tmp_path)
    other = {
        "seed": small_plan(seed=4),
        "records": small_plan(210),
        "channels": small_plan(channels=("x",)),
        "priors": small_plan(priors=plan.population.priors | {"mass": Uniform(50, 75)}),
        "shards": small_plan(shards=20),
    }[change]
    with pytest.raises(InputError, match="holds another dataset: it differs in .*" + change.rstrip("s")):
        write_dataset(tmp_path, other, audit=0)
    assert files_of(tmp_path) == before
    write_dataset(tmp_path, other, audit=0, overwrite=True)
    assert files_of(tmp_path) != before


def test_overwrite_spares_other_files(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    write_dataset(tmp_path, small_plan(), audit=0)
    write_dataset(tmp_path, small_plan(seed=9), audit=0, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_overwriting_a_dataset_with_itself_keeps_it(tmp_path):
    """The command that was interrupted may have had --overwrite; repeated, it resumes."""
    plan = small_plan(1000, shards=10)
    write_dataset(tmp_path, plan, audit=0, overwrite=True)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / "train-00001-of-00008.tfrecord").unlink()
    write_dataset(tmp_path, plan, audit=0, overwrite=True)
    changed = {path.name for path in tmp_path.iterdir() if path.stat().st_mtime_ns != before[path]}
    assert changed == {"train-00001-of-00008.tfrecord"}


def test_shards_without_a_manifest_are_not_overwritten(tmp_path):
    write_dataset(tmp_path, small_plan(), audit=0)
    (tmp_path / "manifest.json").unlink()
    before = files_of(tmp_path)
    with pytest.raises(InputError, match="holds shards of a dataset whose manifest.json is gone"):
        write_dataset(tmp_path, small_plan(seed=4), audit=0)
    assert files_of(tmp_path) == before
    write_dataset(tmp_path, small_plan(seed=4), audit=0, overwrite=True)


# Other code and versions ---------------------------------------------------------------------


def interrupted_after(shards_written, folder, plan, monkeypatch):
    """Writes some shards of a dataset, as by a command that was interrupted then."""
    honest, finished = files.append, []

    def interrupt(path, text):
        honest(path, text)
        finished.append(text)
        if len(finished) == shards_written:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "append", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_dataset(folder, plan, audit=0, workers=1)


@pytest.mark.parametrize("entry", ["gait", "python", "numpy", "scipy", "numba", "llvmlite", "tensorflow", "processor"])
def test_a_dataset_that_other_code_or_versions_have_begun_is_refused(tmp_path, monkeypatch, entry):
    """Its records would be those of two codes, and the audit of some records would not notice."""
    plan, now = small_plan(shards=10), provenance.numerical_environment("simulation")
    interrupted_after(2, tmp_path, plan, monkeypatch)
    before = files_of(tmp_path)
    monkeypatch.setattr(provenance, "numerical_environment", lambda task: now | {entry: "other"})
    message = f"The unfinished dataset in .* was begun with {entry} {now[entry]} instead of other. All records"
    with pytest.raises(InputError, match=message + ".*make it anew with --overwrite"):
        write_dataset(tmp_path, plan, audit=0)
    assert files_of(tmp_path) == before
    times = {name: (tmp_path / name).stat().st_mtime_ns for name in before}
    write_dataset(tmp_path, plan, audit=0, overwrite=True)
    assert all((tmp_path / name).stat().st_mtime_ns != time for name, time in times.items())


def test_a_dataset_of_the_same_code_and_versions_goes_on(tmp_path, monkeypatch):
    """Negative control of the test above; with --overwrite, too: the interrupted command may have had it."""
    plan = small_plan(shards=10)
    interrupted_after(2, tmp_path, plan, monkeypatch)
    times = {name: (tmp_path / name).stat().st_mtime_ns for name in writing._read_log(tmp_path).shards}
    assert len(times) >= 2
    write_dataset(tmp_path, plan, audit=0, overwrite=True)
    assert times == {name: (tmp_path / name).stat().st_mtime_ns for name in times}


def test_where_no_shard_was_finished_nothing_can_be_mixed(tmp_path, monkeypatch):
    plan, now = small_plan(), provenance.numerical_environment("simulation")
    writing._start_log(tmp_path, plan, {})
    monkeypatch.setattr(provenance, "numerical_environment", lambda task: now | {"numpy": "1"})
    assert write_dataset(tmp_path, plan, audit=0).manifest.plan == plan


# Damage --------------------------------------------------------------------------------------


def test_repair_with_other_results_is_an_error(tmp_path, monkeypatch):
    """As if the versions had changed in between: the new shard is not what the manifest describes."""
    plan = small_plan(1000, shards=10)
    write_dataset(tmp_path, plan, audit=0)
    (tmp_path / "train-00001-of-00008.tfrecord").unlink()
    honest = walk_records
    monkeypatch.setattr(shards, "walk_records", lambda *a: (honest(*a)[0] * (1 + 1e-15), *honest(*a)[1:]))
    with pytest.raises(InputError, match="not what the manifest describes"):
        write_dataset(tmp_path, plan, audit=0)


@pytest.mark.parametrize("first", [0, 50])
def test_records_may_be_laid_out_in_any_way(tmp_path, monkeypatch, first):
    """Ours are read by place; others, here with an unknown feature more, are parsed: all, or from the 50th on."""
    monkeypatch.setattr(reading, "_PIECE", 4000)
    write_dataset(tmp_path, small_plan(1000, shards=10), audit=0)
    before = open_dataset(tmp_path).load("train", ("y", "x"))

    def change(records):
        for record in records[first:]:
            record.features.feature["note"].bytes_list.value.append(b"by another program")

    rewrite_with(tmp_path, "train-00002-of-00008.tfrecord", change)
    after = open_dataset(tmp_path).load("train", ("y", "x"))
    np.testing.assert_array_equal(after.inputs, before.inputs)
    np.testing.assert_array_equal(after.parameters["mass"], before.parameters["mass"])


def with_a_note(example):
    example.features.feature["note"].bytes_list.value.append(b"by another program")
    return example.SerializeToString()


def in_another_order(example):
    """Equally long, but the names of the features descend."""
    honest, features = example.SerializeToString(deterministic=True), example.features.feature
    descending = (tf.train.Features(feature={name: features[name]}) for name in sorted(features, reverse=True))
    body = b"".join(part.SerializeToString() for part in descending)
    return honest[: -len(body)] + body


@pytest.mark.parametrize("layout", [None, with_a_note, in_another_order])
def test_one_record_is_found_by_its_number(tmp_path, monkeypatch, layout):
    """Ours at once, without what stands before it; in a shard with another layout by reading on from its start."""
    dataset, name = write_dataset(tmp_path, small_plan(1000, shards=10), audit=0), "train-00002-of-00008.tfrecord"
    if layout:
        rewrite_with(tmp_path, name, serialise=layout)
        dataset = open_dataset(tmp_path)
    expected, opened, honest = [*itertools.chain(*contents(tmp_path).values())], [], tf.data.TFRecordDataset
    monkeypatch.setattr(tf.data, "TFRecordDataset", lambda path: (opened.append(path), honest(path))[1])
    found = [dataset.record(record) for record in range(0, 1000, 37)]
    assert found == expected[::37]
    assert set(opened) == ({str(tmp_path / name)} if layout else set())
    with pytest.raises(IndexError):
        dataset.record(1000)


@pytest.mark.parametrize("where", ["shard", "split"])
@pytest.mark.parametrize("more", [1, -1])
def test_records_that_are_counted_wrongly(tmp_path, where, more):
    """Space for a record that nobody fills in would hold anything."""
    content = write_dataset(tmp_path, small_plan(1000, shards=10), audit=0).manifest.to_dict()
    content["records"]["train"] += more
    if where == "shard":
        content["shards"]["train-00002-of-00008.tfrecord"]["records"] += more
    files.write_sealed(tmp_path / "manifest.json", content)
    with pytest.raises(InputError, match=r"counts (801|799) records|does not have the (99|101) records"):
        open_dataset(tmp_path).load("train", ("x", "y"))


def test_nan_in_a_record_is_found_and_named(tmp_path):
    write_dataset(tmp_path, small_plan(1000, shards=10), audit=0)
    name = "train-00002-of-00008.tfrecord"

    def change(records):
        records[17].features.feature["y"].float_list.value[3] = float("nan")

    rewrite_with(tmp_path, name, change)
    with pytest.raises(InputError, match=f"Record 17 of .*{name} holds a value that is not a finite number"):
        open_dataset(tmp_path).load("train", ("x", "y"))


def test_missing_channel(small_dataset):
    with pytest.raises(InputError, match=r"lacks vx: it was made with --channels=x,y,fx,fy"):
        open_dataset(small_dataset).load("test", ("x", "vx"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "has no manifest.json, so it is not a finished dataset"),
        ("{", "not a readable manifest"),
        ("[]", "not a complete manifest"),
        ('{"format_version": 99}', "format version 99; this code reads version 2. Update this code"),
        ('{"format_version": 2}', "not a complete manifest: it lacks identity"),
    ],
)
def test_unusable_manifests(tmp_path, text, message):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=message):
        open_dataset(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="There is no dataset at .*python simulate.py --out="):
        open_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"records": 9}, "at least 10 records .* Received: --records=9"),
        ({"channels": ()}, "Channels are one or more of x, y"),
        ({"channels": ("x", "z")}, "Received: x, z"),
        ({"channels": ("x", "x")}, "each once"),
        ({"shards": 0}, "--shards=0"),
    ],
)
def test_impossible_plans(arguments, message):
    with pytest.raises(InputError, match=message):
        Plan.of(Population(), RecordingSettings(), **{"records": 100, "channels": ("x",)} | arguments)


def test_full_disk_keeps_what_is_finished(tmp_path, monkeypatch):
    plan = small_plan(1000, shards=10)
    whole = write_dataset(tmp_path / "whole", plan, audit=0)
    honest, calls = shards.write_shard, []

    def fills_up(*arguments):
        calls.append(1)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return honest(*arguments)

    folder = tmp_path / "full"
    with monkeypatch.context() as patch:
        patch.setattr(shards, "write_shard", fills_up)
        with pytest.raises(InputError, match="the disk is full. What is finished there stays valid"):
            write_dataset(folder, plan, audit=0, workers=1)
    assert len(files_of(folder)) == 4
    assert write_dataset(folder, plan, audit=0).manifest.shards == whole.manifest.shards


def test_path_through_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write to .*a part of the path is a file"):
        write_dataset(tmp_path / "file" / "walks", small_plan(), audit=0)


# Audit ---------------------------------------------------------------------------------------


def engine_off_by(metres, monkeypatch):
    """The compiled engine errs in x at one time, in records and in audits; the reference does not."""

    def dishonest(conditions, settings, engine="taylor"):
        walks = integrate(conditions, settings, engine)
        if engine == "taylor":
            walks.samples[0, :, 20] += metres
        return walks

    monkeypatch.setattr(population, "integrate", dishonest)
    monkeypatch.setattr(audit, "integrate", dishonest)


def test_audit_finds_a_wrong_engine(tmp_path, monkeypatch):
    """An engine off by 2 µm: the dataset stays unfinished."""
    engine_off_by(2e-6, monkeypatch)
    with pytest.raises(InputError, match=r"Audit: record \d+ .* differs by 2.00e-06 m from the scipy reference"):
        write_dataset(tmp_path, small_plan(), audit=3)
    assert not (tmp_path / "manifest.json").exists()


def test_audit_accepts_a_tenth_of_the_limit(tmp_path, monkeypatch):
    """Negative control: the limit is 1 µm, not any difference."""
    engine_off_by(1e-7, monkeypatch)
    audited = write_dataset(tmp_path, small_plan(), audit=3).manifest.audit
    assert audited.worst_m == pytest.approx(1e-7, rel=1e-3)


def test_a_later_run_can_audit_more(tmp_path):
    plan = small_plan(20)
    assert "Not audited" in write_dataset(tmp_path, plan, audit=0).summary()
    assert write_dataset(tmp_path, plan, audit=2).manifest.audit.records == 2
    assert write_dataset(tmp_path, plan, audit=1).manifest.audit.records == 2
    assert "Audit: 2 records" in open_dataset(tmp_path).summary()


def test_a_walk_that_rounding_decides_has_a_wider_limit(tmp_path):
    """A walk on the edge of a stumble: its tenth decimal decides where it is after 15 s."""
    plan = small_plan(duration=15.0)
    draws = np.stack(list(paper_draws(4000, seed=0).values()), axis=1)
    walks = integrate(Conditions.of(named(NAMES, draws), gravity=10.0), plan.settings)
    limits = np.array([rounding(plan, parameters) for parameters in draws[walks.outcome == Outcome.WALKED][:300]])
    assert np.median(limits) < 1e-10  # for nearly all, the plain limit of 1e-6 m holds
    assert (limits < AUDIT_LIMIT).mean() > 0.98


def test_audit_finds_a_changed_value_on_disk(tmp_path):
    plan = small_plan(20)
    dataset = write_dataset(tmp_path, plan, audit=0)

    def change(records):
        records[5].features.feature["y"].float_list.value[3] += 1e-6

    rewrite_with(tmp_path, "train-00000-of-00001.tfrecord", change)
    with pytest.raises(InputError, match="Audit: record 5 on disk is not what the engine computes"):
        audit_records(dataset.folder, plan, open_dataset(tmp_path).manifest.shards, 20)

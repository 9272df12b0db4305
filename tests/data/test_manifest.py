"""Plans and manifests: splits, the command that makes a dataset again, and datasets written by earlier code."""

import dataclasses
import hashlib
import json
import runpy
import shlex
from pathlib import Path

import numpy as np
import pytest
from absl import flags

from gait.data.dataset import open_dataset
from gait.data.manifest import Manifest, Plan, parse_splits
from gait.data.writing import write_dataset
from gait.errors import InputError
from gait.parameters import PAPER_PRIORS, Uniform
from gait.simulation.conditions import RecordingSettings
from gait.simulation.population import Population
from gait.simulation.populations import population_of
from gait.storage import files
from tests.helpers import written_before
from tests.helpers.scripts import ROOT
from tests.helpers.walks import files_of, small_plan

# Round trips ---------------------------------------------------------------------------------

PLANS = {
    "of the paper": Plan.of(Population(), RecordingSettings()),
    "of other numbers": Plan.of(
        Population(PAPER_PRIORS | {"mass": Uniform(50.5, 80.25), "x0": Uniform(-0.1, 0.0)}, seed=7),
        RecordingSettings(duration=2.5, interval=0.05, gravity=9.81),
        records=1234,
        channels=("fy", "x"),
        engine="scipy",
        shards=9,
        splits={"train": 0.5, "validation": 0.3, "test": 0.2},
    ),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_plan_comes_back_from_json(plan):
    content = json.loads(json.dumps(plan.to_dict()))
    assert content == plan.to_dict()
    assert Plan.from_dict(content) == plan
    assert Plan.from_dict(content).to_dict() == plan.to_dict()
    assert Plan.from_dict(content).layout() == plan.layout()


def test_plans_that_differ_in_anything_differ_in_json():
    """Negative control of the test above: nothing that decides the bytes is left out."""
    plan = PLANS["of the paper"]
    others = [
        dataclasses.replace(plan, **{field.name: getattr(PLANS["of other numbers"], field.name)})
        for field in dataclasses.fields(plan)
    ]
    written = [json.dumps(one.to_dict()) for one in (plan, *others)]
    assert len(set(written)) == len(written) == 8


def test_a_manifest_comes_back_from_its_file(small_dataset, tmp_path):
    manifest = open_dataset(small_dataset).manifest
    assert Manifest.from_dict(manifest.to_dict()) == manifest
    manifest.write(tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == (small_dataset / "manifest.json").read_bytes()
    assert Manifest.read(tmp_path) == manifest


# Datasets written before ---------------------------------------------------------------------


@pytest.fixture
def before(tmp_path):
    return written_before.unpack(tmp_path / "before", finished=True)


def test_a_manifest_written_before_comes_back_byte_by_byte(before, tmp_path):
    text = (before / "manifest.json").read_bytes()
    assert hashlib.sha256(text).hexdigest() == written_before.MANIFEST_SHA256
    Manifest.read(before).write(tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == text


def test_a_dataset_written_before_is_read(before):
    """The first record's values, decoded from its bytes by `struct`; the identity by its first and last record."""
    dataset = open_dataset(before)
    train = dataset.load("train", ("x",))
    assert (train.inputs.shape, len(dataset.load("test", ("x",)).inputs)) == ((8, 4), 1)
    assert train.parameters.iloc[0].to_dict() == {
        "mass": 68.12054473895091,
        "stiffness": 8757.356705205639,
        "rest_length": 0.7799159660590694,
        "x0": 0.058351674364207066,
        "y0": 0.010438474751499838,
        "vx0": 0.761383812245783,
        "step_length": 0.5339255325413843,
    }
    assert train.inputs[0].tolist() == [
        0.05835167318582535, 0.1354934722185135, 0.2222125381231308, 0.3157429099082947,
    ]  # fmt: skip
    assert dataset.plan.identity([dataset.record(0), dataset.record(9)]) == dataset.identity == "9b6541e63acb46e6"
    assert dataset.summary().startswith("10 walks (8 train, 1 validation, 1 test) with channels x. 100.0% of 10 draws")


def test_a_dataset_written_before_is_made_again(before, tmp_path):
    """The walks of then by the code of now; the last digits of float64 are the processor's."""
    again = write_dataset(tmp_path / "again", open_dataset(before).plan, audit=1)
    for split in ("train", "validation", "test"):
        one, other = (found.load(split, ("x",)) for found in (open_dataset(before), again))
        assert one.parameters.equals(other.parameters)
        np.testing.assert_allclose(one.inputs, other.inputs, rtol=1e-6)


def test_an_interruption_by_earlier_code_is_not_resumed(before, tmp_path):
    """Its progress log is understood, but does not say which code the finished shard is from."""
    folder = written_before.unpack(tmp_path / "interrupted", finished=False)
    shard = folder / "train-00000-of-00001.tfrecord"
    finished = shard.stat().st_mtime_ns
    plan = open_dataset(before).plan
    left = files_of(folder)
    with pytest.raises(InputError, match="holds another dataset: it differs in seed"):
        write_dataset(folder, dataclasses.replace(plan, population=Population(seed=4)), audit=0)
    with pytest.raises(InputError, match="begun by earlier code, which did not note its versions.*with --overwrite"):
        write_dataset(folder, plan, audit=0)
    assert files_of(folder) == left
    dataset = write_dataset(folder, plan, audit=0, overwrite=True)
    assert shard.stat().st_mtime_ns != finished
    assert dataset.manifest.plan == plan
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in before.iterdir())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"parameters": {"mass": "kg", "stiffness": "N/m"}}, "parameters"),
        ({"channels": {"x": "m", "acceleration": "m/s²"}}, "acceleration"),
        ({"channels": {"x": "mm"}}, "channels"),
        ({"samples": 40}, "samples"),
    ],
)
def test_records_that_this_code_would_misread_are_refused(before, change, named):
    """A manifest that is intact and of this version, by code with other parameters, channels or units."""
    files.write_sealed(before / "manifest.json", open_dataset(before).manifest.to_dict() | change)
    with pytest.raises(InputError, match=f"does not know. They differ in: {named}. Read it with the code that wrote"):
        open_dataset(before)


# Splits --------------------------------------------------------------------------------------


def counts(records, *shares):
    return tuple(small_plan(records, splits=parse_splits(list(shares))).records.values())


def test_splits_are_shares_of_any_sum():
    assert counts(1000, "80", "10", "10") == counts(1000, "0.8", "0.1", "0.1") == counts(1000, "8", "1", "1")
    assert counts(1000, "60", "20", "20") == (600, 200, 200)
    assert counts(5, "60", "20", "20") == (3, 1, 1)
    assert counts(7, "1", "1", "1") == (3, 2, 2)  # training takes what the others leave


@pytest.mark.parametrize("records", [10, 11, 15, 99, 12_345, 1_000_000])
def test_the_splits_of_the_paper_are_those_of_before(records):
    """As the code before computed them, from 0.1 of the records; so does --splits=80,10,10, the default flag."""
    held_out = round(records * 0.1)
    assert counts(records, "80", "10", "10") == (records - 2 * held_out, held_out, held_out)
    assert small_plan(records).records == small_plan(records, splits=parse_splits(["80", "10", "10"])).records
    assert small_plan(records).layout() == small_plan(records, splits=parse_splits(["80", "10", "10"])).layout()


def test_counts_as_weights_give_these_counts():
    """So that a dataset's command makes it again, whatever shares it was made with."""
    generator = np.random.default_rng(0)
    for _ in range(2000):
        wanted = tuple(generator.integers(1, 10 ** generator.integers(1, 10), 3).tolist())
        assert counts(sum(wanted), *map(str, wanted)) == wanted


def test_splits_cover_all_records_once():
    for shares in (("60", "20", "20"), ("1", "50", "50"), ("98", "1", "1")):
        plan = small_plan(12_345, shards=40, splits=parse_splits(list(shares)))
        layout = plan.layout()
        assert [shard.start for shard in layout] == [0, *(shard.stop for shard in layout[:-1])]
        assert layout[-1].stop == plan.total == 12_345
        for split, records in plan.records.items():
            assert sum(shard.stop - shard.start for shard in layout if shard.split == split) == records


@pytest.mark.parametrize(
    "words",
    ["", "80", "80,20", "80,10,5,5", "a,b,c", "80,10,0", "80,-10,30", "nan,1,1", "inf,1,1", "1e308,1e308,1e308"],
)
def test_impossible_splits(words):
    with pytest.raises(InputError, match=r"three positive numbers .*Received: '.*'. Give them as --splits=80,10,10"):
        parse_splits(words.split(","))


@pytest.mark.parametrize(
    ("records", "shares", "message"),
    [
        (9, "80,10,10", "at least 10 records to be split 80/10/10"),
        (4, "60,20,20", "at least 5 records to be split 60/20/20"),
        (99, "98,1,1", "at least 100 records to be split 98/1/1"),
        (4, "2,3,3", "at least 5 records to be split 25/37.5/37.5"),  # rounding would leave none to train on
    ],
)
def test_too_few_records_for_the_splits(records, shares, message):
    with pytest.raises(InputError, match=f"{message}. Received: --records={records}"):
        counts(records, *shares.split(","))
    assert min(counts(int(message.split()[2]), *shares.split(","))) >= 1


def test_an_unknown_engine():
    with pytest.raises(InputError, match="The engine is one of taylor, scipy. Received: --engine=euler"):
        small_plan(engine="euler")


# The command ---------------------------------------------------------------------------------


@pytest.fixture
def run_command():
    """Runs a command of `Dataset.command` in this process, by the flags and the function of simulate.py."""

    def run(command: str, out: Path) -> None:
        python, script, *words = shlex.split(command)
        assert (python, script) == ("python", "simulate.py")
        values = flags.FlagValues()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(flags, "FLAGS", values)
            patch.setattr("gait.scripting.begin", lambda: None)  # the streams of this process stay as they are
            for name in [name for name in dir(flags) if name.startswith("DEFINE")]:
                define = getattr(flags, name)
                patch.setattr(flags, name, lambda *a, define=define, **k: define(*a, **k, flag_values=values))
            script = runpy.run_path(str(ROOT / "simulate.py"))
            values(["simulate.py", *words, f"--out={out}"])
            script["main"]()

    return run


@pytest.mark.parametrize(
    "plan",
    [
        small_plan(60, shards=5),
        small_plan(61, seed=9, channels=("fy", "x"), splits={"train": 6, "validation": 3, "test": 1}),
        small_plan(40, priors=PAPER_PRIORS | {"mass": Uniform(1 / 3 + 60, 75.1)}, engine="scipy", duration=0.7),
        small_plan(40, priors=population_of("adult", given={"stiffness_right": Uniform(9000.0, 9500.0)}).priors),
        small_plan(40, priors=population_of("paper", "angle_of_attack").priors),
    ],
)
def test_the_command_of_a_dataset_makes_the_same_bytes(run_command, tmp_path, capsys, plan):
    dataset = write_dataset(tmp_path / "one", plan, audit=2)
    run_command(dataset.command(), out=tmp_path / "other")
    assert f"{tmp_path / 'other'} holds {plan.total} walks" in capsys.readouterr().out
    assert files_of(tmp_path / "other") == files_of(tmp_path / "one")
    one, other = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("one", "other"))
    for content in (one, other):
        del content["code_revision"], content["checksum"]  # someone may be editing
    assert other == one


def test_the_command_can_be_pasted(tmp_path):
    dataset = write_dataset(tmp_path / "my walks; rm", small_plan(20), audit=0)
    assert f"'--out={tmp_path}/my walks; rm'" in dataset.command()
    assert dataset.command("--overwrite").endswith(" --overwrite")

"""Comparison of runs: which folders are read, in which order, and what is refused."""

import csv
import dataclasses
import json
import os
import re
import shlex

import numpy as np
import pytest

from gait.diagnostics.comparison import Cell, ComparedRun, ComparisonTable
from gait.diagnostics.scores import Recovery, score
from gait.errors import InputError
from gait.evaluation import comparison
from gait.evaluation.comparison import compare_runs
from gait.identifiability import Identifiability
from gait.limits.ceilings import Ceiling
from gait.scenarios import SCENARIOS, Scenario
from gait.storage import files
from tests.helpers.runs import FORCE, HIDDEN, KNOWN, NOISE, NOISY_XY, XY, entry, make_run


@pytest.fixture
def runs(tmp_path):
    """Three evaluated runs, one that is not evaluated, one that is not finished, and folders that are no runs."""
    folder = tmp_path / "runs"
    make_run(folder / "a force plate", FORCE, KNOWN)
    make_run(folder / "noisy", NOISY_XY, HIDDEN | {"mass": entry(0.48, 0.47, ceiling_r2_error=0.02)})
    make_run(folder / "plain", XY, HIDDEN)
    make_run(folder / "only trained", SCENARIOS["two_parameter"])
    make_run(folder / "begun", XY, finished=False)
    make_run(folder / ".hidden", XY, HIDDEN)
    (folder / "comparison").mkdir()
    (folder / "notes.txt").touch()
    return folder


def rows_of(out):
    with (out / "comparison.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names_of(result):
    return [run.name for run in result.table.runs]


# What is read and written --------------------------------------------------------------------


def test_runs_become_rows_and_quantities_columns(runs, tmp_path):
    result = compare_runs([f"{runs}/*"], tmp_path / "out", formats=["svg"])
    assert names_of(result) == ["plain", "noisy", "a force plate"]
    assert result.table.columns == ("mass", "stiffness", "rest_length", "stiffness_to_mass")
    assert set(result.files) == {path.name for path in (tmp_path / "out").iterdir()}
    assert set(result.files) == {"comparison.md", "comparison.csv", "comparison.png", "comparison.svg"}
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 4 + 4 + 3
    found = {(row["run"], row["quantity"]): row for row in rows}
    for name, metrics in (("plain", HIDDEN), ("a force plate", KNOWN)):
        for quantity, numbers in metrics.items():
            row = found[str(runs / name), quantity]
            assert (float(row["r2"]), float(row["ceiling_r2"])) == (numbers["r2"], numbers["ceiling_r2"])
            assert (row["verdict"], row["ceiling_r2_error"]) == (numbers["verdict"], "")
    noisy = found[str(runs / "noisy"), "mass"]
    assert (noisy["noise"], noisy["ceiling_r2_error"], noisy["inputs"]) == ("x:0.005 y:0.005", "0.02", "x y")
    assert found[str(runs / "plain"), "mass"]["noise"] == ""


def test_all_numbers_of_a_score_are_in_the_csv(tmp_path):
    """Also the ends of intervals; an entry made by the evaluation, not by hand."""
    generator = np.random.default_rng(0)
    truth = generator.normal(70.0, 4.0, 500)
    made = score(
        "mass", truth, truth + generator.normal(0.0, 2.0, 500), Ceiling(0.9, 1.3, "Why."), Identifiability.COMBINATION,
        "Measure the body mass.", truth + 0.1,
    )  # fmt: skip
    make_run(tmp_path / "run", XY, {"mass": made.to_dict()})
    result = compare_runs([str(tmp_path / "run")], tmp_path / "out")
    (row,) = rows_of(tmp_path / "out")
    for key, value in made.to_dict().items():
        if isinstance(value, list):
            assert [float(row[f"{key}_low"]), float(row[f"{key}_high"])] == value, key
        else:
            assert row[key] == ("" if value is None else str(value)), key
    cell = result.table.runs[0].cells["mass"]
    assert (cell.possible, cell.reached, cell.verdict) == (0.9, made.r2, made.verdict)


def test_patterns_and_names_find_the_same_runs_once(runs, tmp_path):
    named = [str(runs / name) for name in ("noisy", "plain")]
    by_name = compare_runs(named, tmp_path / "1")
    assert by_name.notes == ()
    for number, patterns in enumerate(
        ([f"{runs}/[np][ol]*", named[0]], [*named, *named], [f"{tmp_path}/r*/plain", f"{runs}/nois?"]), start=2
    ):
        assert names_of(compare_runs(patterns, tmp_path / str(number))) == ["plain", "noisy"]
        for name in ("comparison.md", "comparison.csv"):
            assert (tmp_path / str(number) / name).read_bytes() == (tmp_path / "1" / name).read_bytes()


def test_hidden_folders_and_literal_brackets(runs, tmp_path):
    """As in a shell, a pattern leaves out hidden folders; a folder that is there is no pattern."""
    assert names_of(compare_runs([f"{runs}/.h*"], tmp_path / "out")) == [".hidden"]
    make_run(runs / "[np]*", XY, HIDDEN)
    assert names_of(compare_runs([f"{runs}/[np]*"], tmp_path / "out")) == ["[np]*"]


def test_runs_in_the_current_folder(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(runs)
    assert names_of(compare_runs(["pl*"], tmp_path / "out")) == ["plain"]
    monkeypatch.chdir(runs / "plain")
    assert names_of(compare_runs(["."], tmp_path / "out")) == ["plain"]


def test_runs_that_lack_something_are_told_with_a_command(runs, tmp_path):
    result = compare_runs([f"{runs}/*"], tmp_path / "out")
    begun, trained = sorted(result.notes)
    assert "begun is not finished. Finish it: python train.py" in begun
    assert shlex.split(trained.split("Evaluate it: ")[1]) == ["python", "evaluate.py", f"--run={runs / 'only trained'}"]
    unwrapped = re.sub(r"\s+", "", result.summary())
    for note in result.notes:
        assert re.sub(r"\s+", "", note) in unwrapped
    assert "only trained is not evaluated" in (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")


def test_runs_of_earlier_code(tmp_path):
    """Neither measured parameters nor noise in the configuration; three keys in the metrics."""
    folder = make_run(tmp_path / "old", XY, HIDDEN)
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del content["checksum"]
    for key in ("measured", "noise", "question", "versions", "code_revision", "parts"):
        del content[key]
    for key in ("layers", "units", "preprocessing", "early_stopping"):
        del content["settings"][key]
    files.write_sealed(folder / "config.json", content)
    run = compare_runs([str(folder)], tmp_path / "out").table.runs[0]
    assert (run.sources, run.noise, run.recording) == ("x, y", "none", "")
    assert run.cells["mass"] == Cell(0.5005, 0.4969, Recovery.AT_CEILING)


def test_a_strange_name_breaks_no_table(tmp_path):
    strange = 'a|b\n`c` $x$ *d* \\| "e", <b>'
    for folder in (tmp_path / strange, tmp_path / "plain"):  # alike, so that the figure shows their names, too
        make_run(folder, XY, HIDDEN)
    compare_runs([f"{tmp_path}/*"], tmp_path / "out")
    text = (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 2
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows} == {4 + 4 + 1}
    assert r"a\|b\\n\`c\` \$x\$ \*d\* \\\| " in text
    runs = {row["run"] for row in rows_of(tmp_path / "out")}
    assert runs == {str(tmp_path / "plain"), str(tmp_path / strange).replace("\n", r"\n")}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_is_no_text(tmp_path):
    for name in (b"r\xff", b"s"):
        make_run(tmp_path / os.fsdecode(name), XY, HIDDEN)
    assert names_of(compare_runs([f"{tmp_path}/*"], tmp_path / "out")) == ["r?", "s"]


# Order and labels ----------------------------------------------------------------------------


def row(folder="runs/a", scenario=XY, cells=HIDDEN, dataset="d", **changes):
    """A row of a table; `changes` are those of the scenario."""
    scenario = dataclasses.replace(scenario, **changes)
    read = {name: Cell.from_dict(content, noisy=bool(scenario.noise)) for name, content in cells.items()}
    return ComparedRun(folder.rpartition("/")[2], folder, scenario, 150, dataset, read, cells)


def test_order_is_by_scenario_then_noise_then_recording():
    own = Scenario("an own one", ("y",), ("rest_length",), "?")
    viewed = Scenario("zzz", ("y",), ("rest_length",), "?")
    expected = [
        row("1"),
        row("2", noise={"x": 0.001, "y": 0.001}),
        row("3", noise={"x": 0.01, "y": 0.001}),
        row("4", SCENARIOS["two_parameter"]),
        row("5", FORCE),
        row("6", own),
        row("7", viewed),
        row("8", viewed, interval=0.2),
        row("9", viewed, duration=10.0),
        row("10", viewed, duration=5.0),
        row("11", viewed, noise={"y": 0.01}),
    ]
    for seed in range(5):
        shuffled = np.random.default_rng(seed).permutation(len(expected))
        table = ComparisonTable(expected[i] for i in shuffled)
        assert [run.name for run in table.runs] == [run.name for run in expected]
    assert [list(rows) for *_, rows in table.groups()] == [[0, 1, 2], [3], [4], [5], [6, 7, 8, 9, 10]]
    assert table.conditions[7:10] == ("no noise, every 0.2 s", "no noise, first 10 s", "no noise, first 5 s")


def test_labels():
    weighed = row(scenario=SCENARIOS["weighed"], noise={"x": 0.005, "y": 0.005, "mass": 0.1})
    assert weighed.sources == "x, y + mass"
    assert weighed.noise == "0.005 m in x and y and 0.1 kg in mass"
    assert weighed.place == "x, y + mass with noise of 0.005 m in x and y and 0.1 kg in mass"
    assert row(scenario=dataclasses.replace(XY, noise={"x": 0.0, "y": 0.0})).noise == "none"


def test_rows_that_look_alike_get_the_name_of_their_run():
    table = ComparisonTable([row("runs/a"), row("runs/b"), row("runs/c", noise=NOISE)])
    assert table.conditions == ("no noise, a", "no noise, b", "noise 0.005 m in x and y")
    table = ComparisonTable([row("one/a"), row("two/a"), row("two/b", FORCE)])
    assert table.names == ("one/a", "two/a", "b")
    assert table.conditions == ("no noise, one/a", "no noise, two/a", "no noise")


# What can be known ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "noisy", "known"),
    [
        (entry(0.5, 0.5, "at its ceiling and not recoverable: prior edges only"), False, False),
        (entry(1.0, 0.9, "below its ceiling: network-limited"), False, True),
        (entry(0.995, 0.9, "below its ceiling: network-limited"), True, None),
        (entry(0.995, 0.9, "below its ceiling: network-limited", ceiling_r2_error=0.001), True, True),
        (entry(0.9, 0.5, "below its ceiling: network-limited"), True, False),
        (entry(0.999, 0.998), True, True),
    ],
)
def test_a_local_bound_in_noise_promises_nothing(content, noisy, known):
    """Without standard error, what is possible in noise is a bound; below 0.99 a bound is an answer all the same."""
    cell = Cell.from_dict(content, noisy=noisy)
    assert cell.can_be_known is known
    assert cell.is_bound == (noisy and "ceiling_r2_error" not in content)


# What is refused -----------------------------------------------------------------------------


def test_a_folder_that_is_named_and_holds_no_run(runs, tmp_path):
    with pytest.raises(InputError, match=f"There is no run at {runs / 'comparison'}. Train one: python train.py"):
        compare_runs([f"{runs}/*", str(runs / "comparison")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pattern", ["c*", "nowhere/*", "notes*", "x*/y"])
def test_a_pattern_that_fits_no_run(runs, tmp_path, pattern):
    with pytest.raises(InputError, match=r"No run fits '.*'. A pattern must .*Received: --compare=.*train a run: "):
        compare_runs([f"{runs}/plain", f"{runs}/{pattern}"], tmp_path / "out")


def test_nothing_is_evaluated(runs, tmp_path):
    with pytest.raises(InputError, match="nothing to compare.*Received: --compare=.*not evaluated.* evaluate.py .*run"):
        compare_runs([f"{runs}/only*"], tmp_path / "out")
    with pytest.raises(InputError, match="nothing to compare.*not finished. Finish it: python train.py"):
        compare_runs([f"{runs}/begun"], tmp_path / "out")
    with pytest.raises(InputError, match=r"no folder. Name runs, such as --compare='runs/\*'"):
        compare_runs([], tmp_path / "out")
    with pytest.raises(InputError, match="path of a file or folder is empty"):
        compare_runs([""], tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not a readable table"),
        (b"{", "not a readable table"),
        (b"\xff\xfe", "not a readable table"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "not a complete table"),
        (b"{}", "it is empty"),
        (b'{"mass": 1}', "not a readable table"),
        (b'{"mass": null}', "not a readable table"),
        (b'{"mass": [1]}', "not a readable table"),
        (b'{"weight": {"r2": 1, "ceiling_r2": 1, "verdict": "recovered"}}', "unknown quantities: weight"),
        (b'{"mass": {"r2": 1, "verdict": "recovered"}}', "it lacks 'ceiling_r2'"),
        (b'{"mass": {"r2": "1", "ceiling_r2": 1, "verdict": "recovered"}}', "'1' is no number"),
        (b'{"mass": {"r2": true, "ceiling_r2": 1, "verdict": "recovered"}}', "True is no number"),
        (b'{"mass": {"r2": 1, "ceiling_r2": NaN, "verdict": "recovered"}}', "ceiling_r2 is nan"),
        (b'{"mass": {"r2": 1, "ceiling_r2": null, "verdict": "recovered"}}', "ceiling_r2 is None"),
        (b'{"mass": {"r2": 1' + b"0" * 400 + b', "ceiling_r2": 1, "verdict": "recovered"}}', "not a readable table"),
        (b'{"mass": {"r2": 1, "ceiling_r2": 1, "verdict": "splendid"}}', "'splendid' is not a valid"),
        (b'{"mass": {"r2": 1, "ceiling_r2": 1, "verdict": []}}', "not a readable table"),
    ],
)
def test_damaged_metrics(runs, tmp_path, text, reason):
    (runs / "noisy" / "metrics.json").write_bytes(text)
    with pytest.raises(InputError, match=re.escape(reason)) as error:
        compare_runs([f"{runs}/*"], tmp_path / "out")
    assert str(runs / "noisy" / "metrics.json") in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_damaged_configuration(runs, tmp_path):
    path = runs / "noisy" / "config.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.005", "0.006"), encoding="utf-8")
    with pytest.raises(InputError, match="damaged: its content does not fit its checksum"):
        compare_runs([f"{runs}/*"], tmp_path / "out")


def test_undefined_r2_is_no_damage(runs, tmp_path):
    files.write_json(runs / "plain" / "metrics.json", {"mass": entry(0.5, None, "undetermined: too few records")})
    (run,) = compare_runs([f"{runs}/plain"], tmp_path / "out").table.runs
    assert np.isnan(run.cells["mass"].reached)
    assert "0.50 → – ?" in (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")


def test_a_dataset_is_not_written_into(runs, tmp_path):
    (tmp_path / "walks").mkdir()
    (tmp_path / "walks" / "manifest.json").touch()
    with pytest.raises(InputError, match="holds a dataset"):
        compare_runs([f"{runs}/*"], tmp_path / "walks")


def test_too_many_runs(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "MOST", 2)
    with pytest.raises(InputError, match="at most 2 runs. Received: 3. Name fewer"):
        compare_runs([f"{runs}/*"], tmp_path / "out")

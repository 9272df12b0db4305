"""Verdicts on any network's estimates from samples alone, in cases with known limits; and every bad table refused."""

import json

import numpy as np
import pandas as pd
import pytest

import gait
from gait.diagnostics.sampled import judge
from gait.diagnostics.verdicts import Limit, Recovery
from gait.errors import InputError
from gait.evaluation.predictions import evaluate_predictions
from gait.inference.ratio import RatioPosterior
from gait.parameters import PAPER_PRIORS
from tests.helpers.scripts import run_script

POSTERIOR = RatioPosterior.of(PAPER_PRIORS)


def weighed(n, seed=0):
    """Masses, ratios of stiffness to mass, and the best possible estimates of mass: no R² above 0.5005."""
    generator = np.random.default_rng(seed)
    mass, stiffness = generator.uniform(60, 75, n), generator.uniform(8000, 10_000, n)
    return mass, stiffness / mass, POSTERIOR.mean("mass", stiffness / mass)


def lacking(share, mass, best, seed=1):
    """Estimates whose R² is lower than the best by a share."""
    return best + np.sqrt(share) * mass.std() * np.random.default_rng(seed).standard_normal(len(mass))


def only(inputs, targets, estimates):
    return judge(inputs, targets, estimates)["target_0"]


# Verdicts ------------------------------------------------------------------------------------


def test_the_best_estimator_is_limited_by_the_data():
    mass, ratio, best = weighed(4000)
    found = only(ratio, mass, best)
    assert (found.verdict, found.limited_by) == (Recovery.AT_CEILING, Limit.DATA)
    assert found.ceiling_interval[0] <= POSTERIOR.ceiling("mass") <= found.ceiling_interval[1]
    assert found.gap_interval[1] < 0.05
    assert not found.may_leak


def test_a_network_that_knows_nothing_is_limited_by_both():
    """Control: its estimates have the same limit by the data."""
    mass, ratio, _ = weighed(2000)
    found = only(ratio, mass, np.full(2000, 67.5))
    assert (found.verdict, found.limited_by) == (Recovery.BELOW_CEILING, Limit.BOTH)
    assert found.gap_interval[0] <= 0.5005 <= found.gap_interval[1]
    assert "longer training can close" in found.sentence().lower()


@pytest.mark.parametrize(("share", "limit"), [(0.3, Limit.NETWORK), (1e-4, Limit.NOTHING)])
def test_a_recoverable_target_is_recovered_or_the_network_falls_short(share, limit):
    """Two inputs that determine the target by a curved function."""
    generator = np.random.default_rng(2)
    x = generator.uniform(0, 1, (3000, 2))
    target = np.sin(3 * x[:, 0]) * x[:, 1]
    estimate = target + np.sqrt(share) * target.std() * generator.standard_normal(3000)
    found = only(x, target, estimate)
    assert found.limited_by == limit
    assert found.ceiling_interval[0] > 0.98
    assert found.ceiling_interval[1] == 1.0


def test_what_few_samples_do_not_show_is_undecided():
    mass, ratio, best = weighed(250)
    found = only(ratio, mass, lacking(0.05, mass, best, seed=0))
    assert found.limited_by == Limit.UNKNOWN
    assert "Give more samples" in found.sentence()


def test_no_best_estimator_is_called_limited_by_the_network():
    """In twelve sets of samples. Control: one that lacks 0.3 is, in most sets."""
    found = {0.0: [], 0.3: []}
    for seed in range(12):
        mass, ratio, best = weighed(300, seed)
        for share, limits in found.items():
            limits.append(only(ratio, mass, lacking(share, mass, best, seed)).verdict)
    assert found[0.0].count(Recovery.BELOW_CEILING) <= 1  # 2.5 in 100 are allowed
    assert found[0.3].count(Recovery.BELOW_CEILING) >= 9


def test_leaked_truth_raises_a_doubt():
    """Half of the truth in the estimate. The best possible estimates, which are the control, raise none."""
    mass, ratio, best = weighed(2000)
    leaking, honest = only(ratio, mass, 0.5 * (best + mass)), only(ratio, mass, best)
    assert leaking.may_leak
    assert "seen these samples in training" in leaking.sentence()
    assert not honest.may_leak


def test_judge_is_public_and_names_targets():
    mass, ratio, best = weighed(300)
    found = gait.judge(ratio, np.stack([mass, ratio], axis=1), np.stack([best, ratio], axis=1), names=("m", "k/m"))
    assert list(found) == ["m", "k/m"]
    assert found["k/m"].verdict == Recovery.RECOVERED
    assert json.loads(json.dumps(found["m"].to_dict()))["n"] == 300


# The table -----------------------------------------------------------------------------------


@pytest.fixture
def table():
    mass, ratio, best = weighed(1000)
    half = np.random.default_rng(4).permutation(ratio)
    return pd.DataFrame(
        {"ratio": ratio, "mass": mass, "mass_estimate": best, "half": half, "half_estimate": half.mean() + 0 * half}
    )


def written(table, tmp_path, **options):
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False, **options)
    return path


def test_script_prints_a_narrow_table_and_sentences(table, tmp_path):
    path, out = written(table, tmp_path), tmp_path / "limits"
    done = run_script("evaluate.py", f"--predictions={path}", f"--out={out}", "--seed=3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines[:-1])) <= 100
    assert lines[0].split("  ")[0] == "target"
    assert lines[1].startswith("mass ")
    assert lines[1].endswith("  data")
    assert lines[2].startswith("half ")
    text = " ".join(done.stdout.split())
    assert "mass is limited by the data: R² 0." in text
    assert "From 1,000 samples (seed 3). Inputs: ratio." in text
    numbers = json.loads((out / "limits.json").read_text())
    assert numbers["inputs"] == ["ratio"]
    assert numbers["targets"]["mass"]["limited_by"] == "data"
    assert numbers["targets"]["mass"]["n"] == 1000
    assert lines[1] in (out / "limits.md").read_text()


def test_table_says_what_judge_says(table, tmp_path):
    """In any order of columns, with the mark that spreadsheets put first."""
    mixed = table[["half_estimate", "mass_estimate", "ratio", "half", "mass"]]
    found = evaluate_predictions(written(mixed, tmp_path, encoding="utf-8-sig"))
    expected = judge(table["ratio"], table["mass"], table["mass_estimate"], names=("mass",))["mass"]
    assert found.scores["mass"] == expected
    assert found.files == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns=["mass"]), "lacks the true values of mass"),
        (lambda t: t.drop(columns=["mass_estimate", "half_estimate"]), "has no column that ends in _estimate"),
        (lambda t: t.drop(columns=["ratio"]), "has no inputs"),
        (lambda t: t.assign(mass_estimate_estimate=1.0), "and a target with an estimate of its own"),
        (lambda t: t.rename(columns={"ratio": "half"}), "needs a name of its own"),
        (lambda t: t.rename(columns={"ratio": ""}), "needs a name of its own"),
        (lambda t: t.assign(walker="Ada"), "'Ada' in column walker, line 2, and 1000 such cells"),
        (
            lambda t: t.assign(ratio=t["ratio"].where(t.index != 5)),
            "an empty cell or NaN in column ratio, line 7, and 1 ",
        ),
        (lambda t: t.assign(mass=t["mass"].where(t.index != 5, np.inf)), "inf.* in column mass, line 7"),
        (lambda t: t.assign(record=t.index), "Column record of .* only counts the rows"),
        (lambda t: t.drop(columns=["ratio"]).assign(record=t.index), "Column record of .* only counts the rows"),
        (lambda t: t.head(50), "at least 200 samples. Received: 50"),
        (lambda t: t.head(0), "at least 200 samples. Received: 0"),
        (lambda t: t.assign(mass=70.0), "constant mass"),
    ],
)
def test_tables_that_are_refused(table, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        evaluate_predictions(written(change(table), tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no column that ends in _estimate.*Received: no columns"),
        (b"x;m;m_estimate\n1;2;3\n", "Separate the columns by commas"),
        (b"x,m,m_estimate\n1,2,3\n1,2,3,4\n", "not a table of comma-separated values"),
        (b"x,m\n1,2,3\n", "2 names and 3 values"),
        (b"\xff\xfe\x00m,\x00", "not a table of comma-separated values"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        evaluate_predictions(path)


def test_paths_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(InputError, match=f"Cannot read {path}"):
            evaluate_predictions(path)


def test_a_table_is_judged_by_itself():
    flags = ["--run=runs/a", "--scenario=three_parameter", "--noise=x:0.1", "--data=walks"]
    done = run_script("evaluate.py", "--predictions=table.csv", *flags)
    assert done.returncode == 1
    assert "A table stands by itself" in done.stderr
    assert f"Received: --predictions=table.csv {' '.join(flags)}." in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_the_columns():
    done = run_script("evaluate.py", "--help")
    assert "columns NAME and NAME_estimate" in " ".join(done.stdout.split())

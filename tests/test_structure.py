"""The rules of the code base: who imports whom, documented names, one command in README and CI."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.scripts import ROOT

LADDER = [
    "errors", "remote", "files", "provenance", "progress", "scripting", "machine", "parameters", "model",
    "integrators", "channels", "scenarios", "population", "observation", "manifest", "runs", "dataset", "network",
    "training", "dependence", "identifiability", "ceilings", "completion", "prospects", "experiment", "metrics",
    "report", "foresight", "evaluation",
]  # fmt: skip
"""Lowest first: a module imports only what stands before it."""
MODULES = sorted((ROOT / "gait").rglob("*.py"))
SCRIPTS = ("simulate.py", "train.py", "evaluate.py")


def rung(path: Path) -> str:
    """The module's place in the ladder: its name, or its package's."""
    return path.relative_to(ROOT / "gait").parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Dotted names of all that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_below_it(path):
    own = rung(path)
    if own == "__init__":
        return
    for name in imported(path):
        if name.startswith("gait."):
            other = name.split(".")[1]
            assert LADDER.index(other) < LADDER.index(own) or (other == own and own in path.parts), name


def test_the_ladder_is_complete():
    assert {rung(path) for path in MODULES} - {"__init__"} == set(LADDER)


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("tensorflow", {"dataset", "remote", "training"}),
        ("keras", {"network", "training"}),
        ("matplotlib", {"report"}),
        ("distributed", {"dataset"}),
    ],
)
def test_heavy_libraries_stay_in_their_modules(library, allowed):
    users = {rung(path) for path in MODULES if any(name.split(".")[0] == library for name in imported(path))}
    assert users == allowed


def test_dask_stays_in_its_module():
    users = [path.name for path in MODULES if any(name.split(".")[0] == "distributed" for name in imported(path))]
    assert users == ["cluster.py"]


def test_flags_and_printing_stay_in_the_scripts():
    for path in MODULES:
        assert "absl.flags" not in imported(path)
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert "print" not in [getattr(function, "id", None) for function in calls], path


def test_simulating_imports_no_tensorflow():
    code = (
        "import sys, gait\n"
        "gait.simulate(70, 9000, 0.7, y0=0.06, vx0=0.8, step_length=0.5, duration=1)\n"
        "from gait import files, manifest\n"
        "assert not files.as_path('/nowhere').exists()\n"  # only a path with a scheme needs TensorFlow
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'pandas', 'distributed'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)


def test_public_names_are_documented():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                docstring = ast.get_docstring(node)
                assert docstring, f"{path}: {node.name}"
                assert re.search(r"[.:]$", docstring.splitlines()[0]), f"{path}: {node.name}: first line"


def test_top_level_is_what_was_agreed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {name.split("/")[0] for name in tracked.stdout.split()}
    assert top == {
        *SCRIPTS, "requirements.txt", "README.md", "gait", "tests", "docs", "pyproject.toml", ".gitignore", ".ci",
        "LICENSE",
    }  # fmt: skip
    assert not re.search(r"\.(npy|npz|keras|tfrecord|ipynb|h5)$", tracked.stdout, re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_thin(script):
    text = (ROOT / script).read_text()
    assert len(text.splitlines()) < 120
    assert f"python {script} --" in ast.get_docstring(ast.parse(text))


def test_ci_runs_the_command_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    command = re.search(r"<!-- test command -->\n+```bash\n(.*?)```", readme, re.DOTALL).group(1)
    assert "pytest" in command
    assert "-r requirements.txt -r tests/requirements.txt" in command
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text()  # CI takes it from there


def test_requirements_are_those_agreed():
    lines = (ROOT / "requirements.txt").read_text().split()
    names = [re.split(r"[><=~]", line)[0] for line in lines]
    assert sorted(names) == sorted(
        ["tensorflow", "numpy", "scipy", "pandas", "matplotlib", "absl-py", "pytest", "numba"]
    )
    assert all(">=" in line for line in lines)

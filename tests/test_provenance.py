"""Which code and versions a result depends on: no source that decides it is left out."""

import ast
import shutil

import pytest

from gait import provenance
from tests.helpers.scripts import ROOT

ENTRIES = {
    "simulation": "gait.data.shards", "training": "gait.training.fitting", "posteriors": "gait.inference.posterior"
}  # fmt: skip
MESSAGES = {"errors", "provenance", "streams", "scripting", "storage", "identifiability.wording"}
UNDECISIVE = {
    "simulation": MESSAGES,
    "training": MESSAGES | {"simulation", "data.manifest", "data.watch"},
    "posteriors": MESSAGES,
}
"""What the entries load beside: messages, files, and in training the description of the data, which has checksums."""


def modules_loaded_by(module: str, seen: set[str]) -> set[str]:
    """Names of this package's modules that a module loads when it is imported, and these in turn."""
    seen.add(module)
    path = ROOT / (module.replace(".", "/") + ".py")
    path = path if path.exists() else path.parent / path.stem / "__init__.py"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gait"):
            for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                place = ROOT / name.replace(".", "/")
                if name not in seen and (place.with_suffix(".py").exists() or place.is_dir()) and name != "gait":
                    modules_loaded_by(name, seen)
    return seen


def decisive(task: str, module: str) -> bool:
    name = module.removeprefix("gait.").replace(".", "/")
    return any(f"{name}.py" == source or f"{name}/".startswith(f"{source}/") for source in provenance.DECISIVE[task][1])


@pytest.mark.parametrize("task", ENTRIES)
def test_no_source_that_a_result_depends_on_is_left_out(task):
    loaded = modules_loaded_by(ENTRIES[task], set())
    assert len(loaded) > 15
    left_out = {module.removeprefix("gait.") for module in loaded if not decisive(task, module)}
    known = {module for module in left_out for name in UNDECISIVE[task] if f"{module}.".startswith(f"{name}.")}
    assert left_out - known - {"data"} == set()


@pytest.mark.parametrize("task", ENTRIES)
@pytest.mark.parametrize(
    ("changed", "tasks"),
    [
        ("simulation/taylor/series.py", {"simulation", "posteriors"}),
        ("parameters.py", {"simulation", "training", "posteriors"}),
        ("inference/importance.py", {"posteriors"}),
        ("limits/noise.py", {"posteriors"}),
        ("training/network.py", {"training"}),
        ("report/walk.py", set()),
    ],
)
def test_a_changed_source_is_noticed_by_what_it_decides(tmp_path, monkeypatch, task, changed, tasks):
    before = provenance.numerical_environment(task)
    ignored = shutil.ignore_patterns("__pycache__")
    copy = shutil.copytree(ROOT / "gait", tmp_path / "gait", ignore=ignored)
    monkeypatch.setattr(provenance, "__file__", str(copy / "provenance.py"))
    assert provenance.numerical_environment(task) == before
    with (copy / changed).open("a") as file:
        file.write("\n")
    differing = provenance.differences(provenance.numerical_environment(task), before)
    assert [entry.split()[0] for entry in differing] == (["gait"] if task in tasks else [])


def test_what_was_begun_with_other_versions_is_said():
    assert provenance.begun_with({"numpy": "1", "keras": "3"}, {"numpy": "1", "keras": "3"}) is None
    assert provenance.begun_with({"numpy": "1"}, {"numpy": "2", "keras": "3"}) == (
        "was begun with numpy 1 instead of 2, keras None instead of 3"
    )
    assert (
        provenance.begun_with([], {})
        == provenance.begun_with(None, {})
        == "was begun by earlier code, which did not note its versions"
    )

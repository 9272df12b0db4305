"""The rules of the code base: who imports whom, what loads when, documented names, one command in README and CI."""

import ast
import functools
import graphlib
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.scripts import ROOT

LADDER = [
    "errors", "parameters", "provenance", "streams", "scripting", "storage", "identifiability", "simulation",
    "scenarios", "data", "recordings", "inference", "limits", "diagnostics", "report", "training", "evaluation",
]  # fmt: skip
"""Lowest first: a module imports only what stands before it."""
INSIDE = {
    "storage": ["remote", "locks", "files", "folders"],
    "identifiability": [
        "wording", "inputs", "derivatives", "accuracy", "linearisation", "symmetries", "fits", "search", "regions",
        "combinations", "functions", "findings", "analysis", "regression", "samples",
    ],
    "simulation": [
        "model", "conditions", "taylor", "reference", "channels", "walks", "steps", "population",
        "populations", "acceptance", "forward_model",
    ],
    "data": [
        "manifest", "estimate", "views", "records", "reading", "dataset", "watch", "shards", "audit", "cluster",
        "writing",
    ],
    "recordings": [
        "columns", "raw", "recording", "clock", "hints", "text", "c3d_contents", "c3d", "repairs", "pressure", "units",
        "tables", "forces", "events", "cycles", "frame", "assembly", "opensim", "feet", "walking", "checks", "doubts",
        "walkway", "integration", "reading", "steps",
    ],
    "inference": [
        "estimated_ratio", "ratio", "coordinates", "mixture", "problem", "bank", "kernels", "rounds", "importance",
        "walking", "walker", "given", "weighted", "density", "posterior", "network_posterior", "refined",
        "stride", "stride_search", "stride_posterior", "fit",
    ],
    "limits": ["ceilings", "additional", "functions", "noisy_ceilings", "noise", "levels", "analysis", "design"],
    "diagnostics": [
        "verdicts", "intervals", "scores", "sampled", "calibration", "posterior_scores", "comparison", "walker_fit",
    ],
    "report": [
        "style", "walk", "confusion", "design", "identifiability", "learning_curves", "log_probability", "calibration",
        "posterior", "recovery",
        "predictions", "comparison_text", "comparison", "recording_text", "recording",
    ],
    "training": [
        "inputs", "settings", "saved_model", "run", "preprocessing", "distance", "feed", "network", "heads", "state",
        "tensorboard", "fitting",
    ],
    "evaluation": [
        "walk", "levels", "remedies", "before_training", "posterior_run", "after_training", "predictions", "comparison",
        "network_of_recording", "recording",
    ],
}  # fmt: skip
"""Likewise within a folder."""
LIBRARIES = {
    "tensorflow": {"data", "training", "storage/remote.py"},
    "keras": {"training"},
    "matplotlib": {"report"},
    "distributed": {"data/cluster.py"},
    "tqdm": {"data", "identifiability/inputs.py", "limits/noise.py", "evaluation/posterior_run.py"},
    "absl": {"scripting.py"},
    "lazy_loader": {"__init__.py", "data/__init__.py", "evaluation/__init__.py", "training/__init__.py"},
}
"""Folders and modules that may use a library that loads slowly, or that not every user has."""
WITHOUT_TENSORFLOW = [
    "gait", "gait.data.dataset", "gait.data.manifest", "gait.training.run", "gait.scripting", "gait.storage.files",
    "gait.limits.analysis", "gait.limits.design", "gait.diagnostics.scores",
]  # fmt: skip
"""Modules that a script loads before it knows that its flags are right, or that the notebooks of physicists use."""
LONGEST = 350
MODULES = sorted((ROOT / "gait").rglob("*.py"))
STUBS = sorted((ROOT / "gait").rglob("*.pyi"))
SCRIPTS = ("simulate.py", "train.py", "evaluate.py")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "gait").as_posix()


def rung(path: Path) -> str:
    """The module's place in the ladder: its name, or its folder's."""
    return name_of(path).split("/")[0].removesuffix(".py")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Dotted names of all that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            names |= {f"{package}.{alias.name}" for alias in node.names}
    return frozenset(names)


# Who imports whom ----------------------------------------------------------------------------


def test_a_module_imports_only_what_stands_below_it():
    upwards = []
    for path in MODULES:
        own = rung(path)
        for name in imported(path):
            if name.startswith("gait."):
                other = name.split(".")[1]
                within = other == own and "/" in name_of(path)
                if own == "__init__" or not (within or LADDER.index(other) < LADDER.index(own)):
                    upwards.append(f"{name_of(path)} imports {name}")
    assert upwards == []


def test_the_ladder_is_complete():
    found = {rung(path) for path in MODULES} - {"__init__"}
    assert found == set(LADDER)


@pytest.mark.parametrize("folder", INSIDE)
def test_a_module_imports_only_what_stands_below_it_in_its_folder(folder):
    order, found = INSIDE[folder], set()
    for path in MODULES:
        if rung(path) != folder or name_of(path) == f"{folder}/__init__.py":
            continue
        own = name_of(path).split("/")[1].removesuffix(".py")
        found.add(own)
        for name in imported(path):
            if name.startswith(f"gait.{folder}."):
                other = name.split(".")[2]
                assert order.index(other) < order.index(own) or other == own, name
    assert found == set(order)


def test_no_modules_import_each_other_in_a_circle():
    """In any folder; imports within functions count, too."""
    modules = {"gait." + name_of(path).removesuffix(".py").replace("/", "."): path for path in MODULES}
    graph = {
        module: {
            other for name in imported(path) for other in (name, name.rpartition(".")[0]) if other in modules
        } - {module}
        for module, path in modules.items()
    }  # fmt: skip
    assert sum(map(len, graph.values())) > 100  # the names are understood
    graphlib.TopologicalSorter(graph).prepare()


def test_names_are_imported_from_the_module_that_has_them():
    """Not from a package, whose `__init__` may load more; only the compiled engine is one thing in many modules."""
    found = []
    for path in MODULES:
        if path.name == "__init__.py":
            continue
        for name in imported(path) - {"gait.simulation.taylor"}:
            place = ROOT / name.replace(".", "/")
            if name.startswith("gait.") and place.parent.is_dir() and not place.with_suffix(".py").is_file():
                found.append(f"{name_of(path)} imports {name}")
    assert found == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_stay_in_their_modules(library):
    users = {name_of(path) for path in MODULES if library in {name.split(".")[0] for name in imported(path)}}
    allowed = LIBRARIES[library]
    assert {user for user in users if user not in allowed and user.split("/")[0] not in allowed} == set()
    used = {place for place in allowed if any(user == place or user.startswith(f"{place}/") for user in users)}
    assert used == allowed  # nothing is allowed in vain


# What loads when -----------------------------------------------------------------------------


def loaded_by(code: str, **environment: str) -> set[str]:
    """Top-level packages that a new process has loaded at the end."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | environment,
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return set(done.stdout.split())


HEAVY = {"tensorflow", "keras", "matplotlib", "distributed", "tqdm"}
OF_SCIENCE = {"numpy", "scipy", "pandas", "numba", "absl"}


def test_importing_the_package_loads_nothing():
    loaded = loaded_by("import gait; gait.__version__; dir(gait)")
    assert not loaded & (HEAVY | OF_SCIENCE)
    assert "gait" in loaded


def test_simulating_needs_neither_tensorflow_nor_pandas():
    code = "import gait; gait.simulate(70, 9000, 0.7, y0=0.06, vx0=0.8, step_length=0.5, duration=1)"
    assert not loaded_by(code) & (HEAVY | {"pandas"})


def test_an_error_about_a_folder_needs_no_tensorflow():
    """Only a path with a scheme does."""
    code = "import gait\ntry: gait.open_dataset('/nowhere')\nexcept gait.InputError: pass\nelse: raise AssertionError"
    assert not loaded_by(code) & HEAVY


def test_modules_that_load_without_tensorflow():
    code = (
        "import importlib, sys\n"
        f"for module in {WITHOUT_TENSORFLOW}:\n"
        "    importlib.import_module(module)\n"
        f"    heavy = {HEAVY} & set(sys.modules)\n"
        "    assert not heavy, (module, heavy)"
    )
    assert {"gait", "numpy"} <= loaded_by(code)


def test_what_is_said_before_training_waits_for_no_library_that_only_noise_needs():
    """An analysis without noise took two seconds longer when posteriors were loaded with it."""
    assert not {"pandas", "scipy"} & loaded_by("import gait.limits.analysis")
    assert {"pandas", "scipy"} <= loaded_by("import gait.inference.posterior")


def test_tensorflow_is_noticed(tmp_path):
    """Negative control of the tests above, with an empty stand-in that takes no seconds to load."""
    (tmp_path / "tensorflow.py").touch()
    assert {"tensorflow", "numpy"} <= loaded_by("import gait.data.records", PYTHONPATH=str(tmp_path))


@pytest.mark.parametrize("stub", STUBS, ids=name_of)
def test_every_name_of_the_stubs_can_be_loaded(stub):
    """`lazy_loader` reads them when a name is asked for; a wrong one would be found by the first user."""
    package = importlib.import_module("gait" + "".join(f".{part}" for part in name_of(stub).split("/")[:-1]))
    names = {alias.name for node in ast.parse(stub.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)
             for alias in node.names}  # fmt: skip
    assert names
    for name in names:
        assert getattr(package, name) is not None
    assert names <= set(dir(package))


def test_lazy_packages_are_those_with_a_stub():
    packages = [path for path in MODULES if path.name == "__init__.py"]
    lazy = {path.parent for path in packages if "attach_stub" in path.read_text(encoding="utf-8")}
    assert lazy == {path.parent for path in STUBS}


# Where code is -------------------------------------------------------------------------------


def test_code_lives_in_named_modules():
    """An `__init__` only exports names again: it has a docstring, imports and assignments."""
    for path in MODULES:
        assert path.stem not in ("utils", "helpers", "misc", "common")
        if path.name == "__init__.py":
            docstring, *others = tree_of(path).body
            assert isinstance(docstring, ast.Expr), path
            assert {type(node) for node in others} <= {ast.Import, ast.ImportFrom, ast.Assign}, path


def test_a_module_is_read_in_one_sitting():
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_flags_and_printing_stay_in_the_scripts():
    for path in MODULES:
        assert not {name for name in imported(path) if name.startswith("absl.flags")}, path
        calls = [node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
        assert "print" not in [getattr(function, "id", None) for function in calls], path


def written_commands(text: str) -> list[str]:
    """Texts of a module, parts of f-strings included, that begin a command; docstrings may hold examples."""
    tree = ast.parse(text)
    examples = {ast.get_docstring(node, clean=False) for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)}  # fmt: skip
    return [
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in examples
        and re.search(r"\b(python|pip|dask worker|rm|open) -*[\w/]+\.?\w* |\bdask worker ", node.value)
    ]  # fmt: skip


def test_printed_commands_are_quoted():
    """They are made by `gait.scripting.command`, word by word; a text that begins one would not quote what follows."""
    for path in [*MODULES, *(ROOT / script for script in SCRIPTS)]:
        assert [text for text in written_commands(path.read_text()) if "pip install" not in text] == [], path


def test_commands_that_are_not_quoted_are_found():
    """Negative control of the test above."""
    assert written_commands('f"Next: python train.py --data={folder}"') == ["Next: python train.py --data="]
    assert written_commands('f"start some (dask worker {address})"') == ["start some (dask worker "]
    assert written_commands('command("python", "train.py", f"--data={folder}")') == []


def test_random_numbers_come_from_a_generator():
    """Those of `numpy.random` itself depend on all that was drawn before, anywhere."""
    for path in MODULES:
        used = {
            node.attr
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random")
        }
        assert used <= {"default_rng", "Generator", "PCG64", "SeedSequence"}, path


def test_an_error_of_any_kind_is_caught_with_a_reason():
    unexplained = []
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler):
                kinds = "BaseException" if node.type is None else ast.unparse(node.type)
                if re.search(r"\b(Base)?Exception\b", kinds) and "#" not in lines[node.lineno - 1]:
                    unexplained.append(f"{name_of(path)}, line {node.lineno}")
    assert unexplained == []


def texts_without_encoding(text: str) -> list[str]:
    """Calls in a module that read or write text in whatever encoding a machine prefers; ruff finds only some."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
        words = [ast.unparse(word) for word in node.args] + [keywords.get("mode", "")]
        opens = name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile") and not (
            ast.unparse(node.func) == "os.open" or any(re.fullmatch("'[rwax+]*b[+]?'", word) for word in words)
        )
        runs = name in ("run", "Popen", "check_output") and {"text", "universal_newlines"} & {*keywords}
        if (opens or runs or name in ("read_text", "write_text")) and "encoding" not in keywords:
            found.append(ast.unparse(node))
    return found


def test_text_files_have_an_encoding():
    """On Windows, and where the language of the system says so, it would be another one."""
    found = []
    for path in [*MODULES, *(ROOT / script for script in SCRIPTS)]:
        for call in texts_without_encoding(path.read_text(encoding="utf-8")):
            # Our own function of that name has one in it, and an archive and a remote file hold bytes.
            if not call.startswith(("files.write_text(", "write_text(")):
                found.append(f"{path.name}: {call}")
    assert found == []


@pytest.mark.parametrize(
    ("code", "lacks"),
    [
        ("path.open()", True),
        ("path.open('w')", True),
        ("open(path, mode='r')", True),
        ("path.open('rb')", False),
        ("path.open('a', encoding='utf-8', newline='')", False),
        ("os.open(path, os.O_RDONLY)", False),
        ("self.history.read_text()", True),
        ("path.write_text(text, encoding='utf-8')", False),
        ("subprocess.run(command, text=True)", True),
        ("subprocess.run(command)", False),
    ],
)
def test_texts_without_encoding_are_found(code, lacks):
    """Negative control of the test above."""
    assert bool(texts_without_encoding(code)) == lacks


# Docstrings ----------------------------------------------------------------------------------


def documented(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Public functions and classes of a module, and public methods and properties of these."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from documented(node, f"{node.name}.")


def faults_of_docstrings(text: str) -> list[str]:
    """Public names of a module that lack a docstring or whose docstring leans on what stands around it."""
    tree = ast.parse(text)
    found = []
    for name, node in [("the module", tree), *documented(tree)]:
        first, *_ = (ast.get_docstring(node) or "").splitlines() or [""]
        if not first:
            found.append(f"{name} has no docstring")
        elif re.match(r"(Of|That|What|The same|Like)\b", first) or not re.search(r"[.:]$", first):
            found.append(f"{name}: {first}")
    return found


def test_docstrings_can_be_read_alone():
    faults = {name_of(path): faults_of_docstrings(path.read_text(encoding="utf-8")) for path in MODULES}
    assert {name: found for name, found in faults.items() if found} == {}


def test_faults_of_docstrings_are_found():
    """Negative control of the test above."""
    text = """\"\"\"Like others.\"\"\"
class A:
    \"\"\"The same again.\"\"\"
    def b(self): ...
    def _private(self): ...
def c():
    \"\"\"Means of columns\"\"\"
def good():
    \"\"\"Means of columns.\"\"\"
"""
    found = faults_of_docstrings(text)
    assert [fault.split(":")[0] for fault in found] == ["the module", "A", "A.b has no docstring", "c"]


# The repository ------------------------------------------------------------------------------


def test_top_level_is_what_was_agreed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {name.split("/")[0] for name in tracked.stdout.splitlines()}
    assert top == {
        *SCRIPTS, "requirements.txt", "README.md", "gait", "tests", "docs", "pyproject.toml", ".gitignore", ".ci",
        ".github", ".pre-commit-config.yaml", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff",
    }  # fmt: skip
    assert not re.search(r"\.(npy|npz|keras|tfrecord|ipynb|h5)$", tracked.stdout, re.MULTILINE)


def test_all_code_is_tracked():
    """A pattern in .gitignore for what the scripts write must not hide a folder of the code."""
    found = [*MODULES, *STUBS, *(ROOT / "tests").rglob("*.py")]
    ignored = subprocess.run(["git", "check-ignore", *map(str, found)], cwd=ROOT, capture_output=True, text=True)
    if ignored.returncode == 128:
        pytest.skip("not a git checkout")
    assert ignored.stdout == ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_thin(script):
    text = (ROOT / script).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    assert f"python {script} --" in ast.get_docstring(ast.parse(text))


def test_ci_runs_the_command_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.search(r"<!-- test command -->\n+```bash\n(.*?)```", readme, re.DOTALL).group(1)
    assert "pytest" in command
    assert "-r requirements.txt -r tests/requirements.txt" in command
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")  # CI takes it from there


def test_requirements_are_those_agreed():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    names = [re.split(r"[><=~]", line)[0] for line in lines]
    assert sorted(names) == sorted(
        [
            "tensorflow",
            "keras",
            "numpy",
            "scipy",
            "pandas",
            "matplotlib",
            "absl-py",
            "pytest",
            "numba",
            "tqdm",
            "lazy-loader",
        ]
    )
    assert all(">=" in line for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}

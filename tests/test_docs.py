"""README and docs: every command parses, every example prints what it says, every link leads somewhere."""

import contextlib
import io
import re
import shlex

import pytest

from tests.helpers.scripts import ROOT

PAGES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in
         (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))}  # fmt: skip
README = PAGES["README.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every documented call of one of the scripts, in code blocks and in sentences."""
    found = []
    for text in PAGES.values():
        blocks = [body for _, body in BLOCK.findall(text)]
        inline = re.findall(r"`((?:python )?(?:simulate|train|evaluate)\.py [^`]*)`", BLOCK.sub("", text))
        for line in [*"".join(blocks).splitlines(), *inline]:
            words = shlex.split(line.removeprefix("!"), comments=True)
            if (
                "--help" not in words
                and words[:1] == ["python"]
                and words[1:2]
                and words[1] in ("simulate.py", "train.py", "evaluate.py")
            ):
                found.append(shlex.join(words[1:]))
    return sorted(set(found))


def test_there_are_commands_to_check():
    assert len(commands()) > 10
    assert "evaluate.py --scenario=three_parameter" in commands()


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_has_flags_that_exist(scripts, command):
    ended = scripts.run(*shlex.split(command), "--only_check_args")
    assert ended.returncode == 0, ended.output


def test_a_flag_that_does_not_exist_is_noticed(scripts):
    """Negative control of the test above."""
    assert scripts.run("simulate.py", "--no_such_flag=1", "--only_check_args").returncode == 1


def test_the_example_of_an_own_model_prints_what_the_readme_shows():
    blocks = BLOCK.findall(README)
    (place,) = (i for i, (language, body) in enumerate(blocks) if language == "python" and "analyse" in body)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks[place][1], "README.md", "exec"), {})
    assert printed.getvalue().strip() == blocks[place + 1][1].strip()


def test_the_readme_shows_what_the_analysis_prints(scripts, tmp_path):
    """The printed lines of `evaluate.py --scenario` in the README are the script's own."""
    (place,) = (i for i, (_, body) in enumerate(BLOCK.findall(README)) if body.startswith("From x and y"))
    shown = BLOCK.findall(README)[place][1].splitlines()
    ended = scripts.run("evaluate.py", "--scenario=three_parameter", f"--out={tmp_path}")
    assert ended.returncode == 0, ended.output
    printed = ended.output.splitlines()
    assert [line for line in shown if line not in printed] == []
    assert len(shown) >= 6


def test_the_readme_is_finished_in_five_minutes():
    assert len(README.split()) <= 1000


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGES[page]):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_code_that_is_named_exists(page):
    for name in re.findall(r"`((?:gait|tests)/[\w/.*]+)`", PAGES[page]):
        assert list(ROOT.glob(name.rstrip("/"))), name


def test_results_in_two_places_are_the_same_numbers():
    """R² of each row of the README's result table, with inputs of both kinds, stands in a full table, too."""
    row = r"^\| (?:`\w+`)? ?\| ([^|]+) \| (0\.\d+) \| (0\.\d+) \| [\d.]+ \| [^|]+ \|$"
    rows = re.findall(row, README, re.MULTILINE)
    assert len(rows) == 6
    whitened, standardised = PAGES["docs/experiment.md"].split("For comparison, 500 epochs with standardised inputs", 1)
    for quantity, *results in rows:
        for r2, page in zip(results, (whitened, standardised), strict=True):
            assert re.search(rf"\| {re.escape(quantity)} \| {r2} \(", page), (quantity, r2)

"""What the scripts share: quoted commands, and silence while TensorFlow is imported. How they end: test_scripts.py."""

import os
import shlex
import subprocess
import sys

import pytest

from gait import scripting

WORDS = ["python", "train.py", "--data=/data/my walks", "--out=it's", '--note="$HOME" & `ls`', "--empty="]


def test_a_command_comes_back_from_a_shell():
    """The shell hands on every word as it was."""
    command = scripting.command(sys.executable, "-c", "import sys; print(sys.argv[1:])", *WORDS)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == f"{WORDS}\n"


def test_plain_words_are_not_quoted(tmp_path):
    assert scripting.command("python", "train.py", f"--data={tmp_path}") == f"python train.py --data={tmp_path}"


def test_a_command_for_windows_has_double_quotes(monkeypatch):
    """Its shells do not know single ones."""
    assert shlex.quote("--data=my walks") == "'--data=my walks'"
    monkeypatch.setattr(scripting, "_ON_WINDOWS", True)
    assert scripting.command("python", "train.py", "--data=my walks") == 'python train.py "--data=my walks"'


def test_what_is_written_below_python_is_kept_off_the_screen(capfd):
    with scripting.quiet_stderr():
        os.write(2, b"a notice")
    os.write(2, b"an error")
    assert capfd.readouterr().err == "an error"


def test_the_screen_comes_back_after_an_error(capfd):
    with pytest.raises(ZeroDivisionError), scripting.quiet_stderr():
        raise ZeroDivisionError
    os.write(2, b"an error")
    assert capfd.readouterr().err == "an error"

"""What the scripts share: quoted commands, and silence while TensorFlow is imported. How they end: test_scripts.py."""

import logging
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from gait import scripting
from gait.errors import InputError

WORDS = ["python", "train.py", "--data=/data/my walks", "--out=it's", '--note="$HOME" & `ls`', "--empty="]


def test_a_command_comes_back_from_a_shell():
    """The shell hands on every word as it was."""
    command = scripting.command(sys.executable, "-c", "import sys; print(sys.argv[1:])", *WORDS)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == f"{WORDS}\n"


STRANGE = ["\x1b[2J\x1b]0;title\x07", "two\nlines", "\u202etxt.exe", "it's\r\\n", "\x9b31m", "é\x00"[:1] + "\x7f"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="other shells do not know $'…'")
def test_a_command_with_control_characters_can_be_shown_and_pasted():
    """A terminal shows every character of it, and bash hands on every word as it was."""
    command = scripting.command(sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", *STRANGE)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", command)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == f"{STRANGE!a}\n"


def test_errors_and_notices_show_control_characters_as_escapes(capfd):
    """One in a name must not clear the screen, or write a line of its own."""
    assert str(InputError("There is no dataset at a\x1b[2Jb\u202e.\nMake one.")) == (
        "There is no dataset at a\\x1b[2Jb\\u202e.\nMake one."
    )
    assert pickle.loads(pickle.dumps(InputError("a\x07"))).args == ("a\\x07",)
    record = logging.LogRecord("gait", logging.WARNING, "", 0, "%s cannot be locked", ("a\x1b[2J",), None)
    assert scripting._Notice().format(record) == "a\\x1b[2J cannot be locked"


def test_plain_words_are_not_quoted(tmp_path):
    assert scripting.command("python", "train.py", f"--data={tmp_path}") == f"python train.py --data={tmp_path}"


def test_a_command_for_windows_has_double_quotes(monkeypatch):
    """Its shells do not know single ones."""
    assert shlex.quote("--data=my walks") == "'--data=my walks'"
    monkeypatch.setattr(os, "name", "nt")
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

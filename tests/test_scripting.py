"""What the scripts share: how they begin and end, their flags, quoted commands, silence while TensorFlow is imported.

A stand-in for a script has the same beginning and end, and loads nothing that takes time.
"""

import errno
import logging
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gait import scripting
from gait.errors import InputError, sentence
from tests.helpers.scripts import ROOT

WORDS = ["python", "elsewhere.py", "--data=/data/my walks", "--out=it's", '--note="$HOME" & `ls`', "--empty="]
BEGIN = "from gait import scripting\nscripting.begin()\nimport sys, time\n"
END = "\nscripting.run(main)\n"
MAIN = "def main():\n    "


def start(folder: Path, code: str, *flags: str, name: str = "script.py", **options) -> subprocess.Popen:
    """Starts a stand-in for a script, as from a terminal: the tests themselves may run where Ctrl-C is ignored."""
    (folder / name).write_text(code, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
    options.setdefault("preexec_fn", lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    command = [sys.executable, str(folder / name), *flags]
    return subprocess.Popen(command, env=environment, text=True, encoding="utf-8", **pipes)


def run(folder: Path, code: str, *flags: str, **options) -> tuple[int, str, str]:
    """Exit code, output and errors of a stand-in for a script."""
    process = start(folder, code, *flags, **options)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


# Ctrl-C --------------------------------------------------------------------------------------


def interrupted(folder: Path, code: str, **options) -> tuple[int, str]:
    """Exit code and errors of a script that gets SIGINT when it has said that it is ready."""
    process = start(folder, code, **options)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


# In short naps: a signal that comes just before a long one is heard only after it.
WAIT = "print('ready', flush=True); any(time.sleep(0.1) for _ in range(600))"


def test_ctrl_c_while_a_script_loads_ends_it_quietly(tmp_path):
    """By the signal itself, for which a shell shows 130."""
    assert interrupted(tmp_path, BEGIN + WAIT) == (-signal.SIGINT, "")


def test_python_itself_is_not_quiet(tmp_path):
    """Negative control."""
    assert "Traceback" in interrupted(tmp_path, "import time\n" + WAIT)[1]


def test_ctrl_c_in_the_main_function_says_what_is_kept(tmp_path):
    code, errors = interrupted(tmp_path, BEGIN + MAIN + WAIT + END)
    assert code == 130
    assert errors == "\nInterrupted. What is finished is kept; the same command goes on from there.\n"


def test_ctrl_c_that_a_library_has_made_another_error_of(tmp_path):
    body = f"try:\n        {WAIT}\n    except KeyboardInterrupt:\n        raise ImportError('no such luck')"
    code, errors = interrupted(tmp_path, BEGIN + MAIN + body + END)
    assert (code, "Traceback" in errors) == (130, False)


def test_a_script_in_the_background_ignores_ctrl_c_as_before(tmp_path):
    """A shell starts it so."""
    code = BEGIN + "print('ready', flush=True); time.sleep(0.5)\n" + MAIN + "print('done')" + END
    process = start(tmp_path, code, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "done\n"


# Streams -------------------------------------------------------------------------------------


def broken_pipe() -> int:
    """Descriptor of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


MUCH = "print('x' * 100_000)"


@pytest.mark.parametrize("body", [MUCH, "print('little')"])
def test_a_pipe_that_nobody_reads_ends_a_script_quietly(tmp_path, body):
    assert run(tmp_path, BEGIN + MAIN + body + END, stdout=broken_pipe()) == (141, None, "")


def test_python_itself_makes_a_fuss_about_such_a_pipe(tmp_path):
    """Negative control."""
    assert "BrokenPipeError" in run(tmp_path, MUCH, stdout=broken_pipe())[2]


NOTICE = "import logging; print('a' * 100_000, file=sys.stderr); logging.getLogger('gait').warning('b'); print('done')"


def test_notices_that_nobody_reads_are_no_reason_to_stop(tmp_path):
    assert run(tmp_path, BEGIN + MAIN + NOTICE + END, stderr=broken_pipe())[:2] == (0, "done\n")


def test_without_care_such_a_notice_ends_a_script(tmp_path):
    """Negative control."""
    code = BEGIN.replace("scripting.begin()", "") + MAIN + NOTICE + END
    assert run(tmp_path, code, stderr=broken_pipe())[0] != 0


def test_a_full_disk_under_the_output_is_said(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no disk that is always full")
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        code, _, errors = run(tmp_path, BEGIN + MAIN + MUCH + END, stdout=full)
    assert (code, errors) == (1, "Error: Cannot print: the disk is full. Lead the output elsewhere.\n")


@pytest.mark.parametrize("closed", ["1", "2", "0 1 2"])
def test_a_closed_stream_is_no_place_for_a_file(tmp_path, closed):
    """Otherwise the first file opened gets the number of the stream, and what is printed."""
    numbers = [int(number) for number in closed.split()]
    body = f"open({str(tmp_path / 'data')!r}, 'w').write('data'); print('a'); print('b', file=sys.stderr)"
    code, *_ = run(tmp_path, BEGIN + MAIN + body + END, preexec_fn=lambda: [os.close(number) for number in numbers])
    assert code == 0
    assert (tmp_path / "data").read_text(encoding="utf-8") == "data"


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=["PYTHONIOENCODING", "LC_ALL"],
)
def test_a_terminal_without_a_character_shows_another(tmp_path, variables):
    body = 'print("R\u00b2 of \u21130"); print("R\u00b2", file=sys.stderr)'
    assert run(tmp_path, BEGIN + MAIN + body + END, env=variables) == (0, "R? of ?0\n", "R?\n")
    assert run(tmp_path, BEGIN.replace("scripting.begin()", "") + MAIN + body + END, env=variables)[0] != 0  # control


def test_a_path_that_is_no_text_comes_out_as_it_went_in(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", BEGIN + "print(sys.argv[1])", b"walks\xff"], env=os.environ | {"PYTHONUTF8": "1"},
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    assert process.stdout == b"walks\xff\n"


# Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("a mistake"), "a mistake"),
        (MemoryError(), "There is not enough memory. "),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), "There is not enough memory. "),
        (ImportError("libtensorflow_cc.so.2: failed to map segment from shared object"), "not enough memory"),
        (RuntimeError("can't start new thread"), "not enough memory"),
        (OSError(errno.EMFILE, "", "walks"), "Cannot use walks: this process has too many files open. Raise the limit"),
        (ImportError("a.so: cannot open shared object file: Too many open files"), "has too many files open"),
        (OSError(errno.ESTALE, "", "walks"), "Cannot use walks: it was removed or replaced on its file server. Mount"),
        (OSError(errno.ENOLCK, "", "walks"), "Cannot use walks: its file system has no locks. Choose another path"),
    ],
)
def test_errors_that_a_user_can_do_something_about_have_a_sentence(error, words):
    assert words in sentence(error)


@pytest.mark.parametrize("error", [ZeroDivisionError(), ImportError("no module"), OSError(errno.EBADF, ""), KeyError()])
def test_errors_of_ours_have_none(error):
    """Negative control."""
    assert sentence(error) is None


def test_what_is_behind_an_error_counts():
    """Some libraries hide what the system said."""
    error = OSError("Could not find the library")
    error.__context__ = OSError("libllvm.so: cannot allocate memory in static TLS block")
    assert "not enough memory" in sentence(error)


@pytest.mark.parametrize("place", ["begin", "main"])
def test_a_limit_of_memory_is_said(tmp_path, place):
    """While libraries load, too, where the main function has not begun."""
    body = "import resource; resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20)); bytearray(1 << 30)"
    code = BEGIN + (body + "\n" if place == "begin" else "") + MAIN + (body if place == "main" else "pass") + END
    code, _, errors = run(tmp_path, code)
    assert code == 1
    assert errors.startswith("Error: There is not enough memory. ")


# Flags ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"), [("100000", 100_000), ("1e5", 100_000), ("1_000", 1000), ("2.5e3", 2500), (" 7 ", 7), (-1, -1)]
)
def test_a_whole_number_may_be_written_in_many_ways(text, number):
    found = scripting.WholeNumber().parse(text)
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("text", ["1.5", "many", "", "nan", "inf", "1e999999999", "1e-5", "0x10", "1,000"])
def test_what_is_no_whole_number_is_refused_at_once(text):
    with pytest.raises(ValueError, match="Give a whole number of at most 30 digits, such as 100000, 100_000 or 1e5"):
        scripting.WholeNumber().parse(text)


def test_a_whole_number_has_a_least_value():
    assert scripting.WholeNumber(least=0).parse("0") == 0
    with pytest.raises(ValueError, match="at least 0"):
        scripting.WholeNumber(least=0).parse("-1")


@pytest.mark.parametrize("text", ["", " "])
def test_a_path_is_not_empty(text):
    assert scripting.Place().parse("data/my walks") == "data/my walks"
    with pytest.raises(ValueError, match="Its path is empty"):
        scripting.Place().parse(text)


@pytest.mark.parametrize("flag", ["--help", "--helpshort", "--helpfull", "--helpxml", "-?"])
def test_help_is_no_error(tmp_path, flag):
    code, output, _ = run(tmp_path, BEGIN + MAIN + "pass" + END, flag)
    assert code == 0
    assert "only_check_args" in output or "--helpfull" in output


def test_for_absl_help_is_an_error(tmp_path):
    """Negative control."""
    assert run(tmp_path, "from absl import app\napp.run(lambda argv: None)", "--help")[0] == 1


# Commands ------------------------------------------------------------------------------------


def test_a_command_comes_back_from_a_shell():
    """The shell hands on every word as it was."""
    command = scripting.command(sys.executable, "-c", "import sys; print(sys.argv[1:])", *WORDS)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, encoding="utf-8", check=True)
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
    monkeypatch.setattr(scripting, "_ON_WINDOWS", True)
    assert scripting.command("python", "train.py", "--data=my walks") == 'python train.py "--data=my walks"'


@pytest.mark.parametrize("activated", [True, False])
def test_a_printed_command_finds_its_python_and_its_script(tmp_path, activated):
    """In an environment that is activated or not: the shell there runs what was printed."""
    printing = BEGIN + MAIN + "print(scripting.command('python', 'train.py', '--data=my walks'))" + END
    path = str(Path(sys.executable).parent) if activated else "/usr/bin:/bin"
    code, printed, errors = run(tmp_path, printing, name="simulate.py", env={"PATH": path})
    assert code == 0, errors
    program, script, flag = shlex.split(printed)
    assert (program == "python") == activated
    assert (script, flag) == (str(tmp_path / "train.py"), "--data=my walks")
    (tmp_path / "train.py").write_text("import sys, gait\nprint(sys.argv[1:], gait.__file__)", encoding="utf-8")
    done = subprocess.run(
        printed, shell=True, capture_output=True, text=True, encoding="utf-8",
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == f"['--data=my walks'] {ROOT / 'gait' / '__init__.py'}\n"


def test_a_command_of_the_folder_where_one_is_stays_short(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["simulate.py"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert scripting.command("python", "train.py") == ".venv/bin/python train.py"


# Silence -------------------------------------------------------------------------------------


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


def test_silence_needs_no_screen(monkeypatch):
    """A service has none."""

    def refuse(number):
        raise OSError(errno.EBADF, "no such stream")

    monkeypatch.setattr(os, "dup", refuse)
    with scripting.quiet_stderr():
        pass

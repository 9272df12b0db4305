"""Shared by the three scripts: how they begin and end, how their flags are read, and the commands they print.

How a script begins and ends:

    from gait import scripting

    scripting.begin()  # first of all

    ...  # imports and flags

    def main(): ...

    if __name__ == "__main__":
        scripting.run(main)
"""

from __future__ import annotations

import contextlib
import decimal
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from gait.errors import InputError, printable, sentence
from gait.streams import READER_GONE, prepare_streams
from gait.streams import quiet_stderr as quiet_stderr

COLUMNS = 100
"""Width of the terminal that printed text is made for."""
SCRIPTS = ("simulate.py", "train.py", "evaluate.py")
_ON_WINDOWS = os.name == "nt"
_INTERRUPTED = 128 + signal.SIGINT
"""Exit code, as a shell has it for a program that Ctrl-C ends."""


# How a script begins -------------------------------------------------------------------------


def begin() -> None:
    """Prepares this process for a script, before anything is imported that takes time.

    From here on Ctrl-C ends the script at once, until `run` calls its main function; a terminal shows a replacement
    for what it has no characters for; and notices that cannot be written do not disturb the work.
    """
    _end_at_ctrl_c()
    prepare_streams()
    sys.excepthook = _last_words


def _end_at_ctrl_c() -> None:
    """Lets the system end this process at Ctrl-C. Python's own exception would tear through imports of others."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and & ignore it, and so do we
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _raise_at_ctrl_c() -> None:
    """Takes back what `_end_at_ctrl_c` did."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Context of imports that take seconds, before a script has begun its work: Ctrl-C ends it at once."""
    _end_at_ctrl_c()
    try:
        yield
    finally:
        _raise_at_ctrl_c()


# How a script ends ---------------------------------------------------------------------------


def run(function: Callable[[], None]) -> NoReturn:
    """Reads the flags and calls a script's main function; ends the process.

    A user's mistake ends the script with its text and exit code 1, Ctrl-C with exit code 130, a closed pipe with
    141. An error of ours keeps its traceback.
    """
    from absl import app

    app.define_help_flags()
    for name in ("help", "helpshort", "helpfull", "helpxml"):
        _end_well(app.FLAGS[name])  # type: ignore[attr-defined]
    code: object = 0
    try:
        app.run(lambda words: _call(function, words))
    except SystemExit as end:
        code = end.code
    except BaseException as error:  # whatever it is, it is told in one place
        code = _told(error)
        if code is None:
            raise
    try:
        sys.stdout.flush()
    except SystemExit as end:
        code = end.code
    except InputError as error:
        code = f"Error: {error}"
    _end_at_ctrl_c()  # large libraries take a while to leave
    sys.exit(code)


def _end_well(flag: Any) -> None:
    """Makes a flag of absl's that prints a help text end the script with exit code 0; absl thinks of 1."""
    parse = flag.parse

    def parse_and_end_well(argument: str) -> None:
        try:
            parse(argument)
        except SystemExit as end:
            sys.stdout.flush()
            sys.exit(end.code if end.code == READER_GONE else 0)

    flag.parse = parse_and_end_well


def _call(function: Callable[[], None], words: list[str]) -> None:
    from absl import app

    if len(words) > 1:
        raise app.UsageError(f"There are flags only, written --name=value. Received: {' '.join(words[1:])}")
    notices, handler = logging.getLogger("gait"), logging.StreamHandler()
    handler.setFormatter(_Notice())
    notices.addHandler(handler)
    notices.propagate = False  # absl would put its own mark in front
    _raise_at_ctrl_c()
    function()


def _told(error: BaseException) -> str | int | None:
    """What to exit with after an error: its sentence, or a number; None for an error of ours."""
    if _is_interrupted(error):
        sys.stderr.write("\nInterrupted. What is finished is kept; the same command goes on from there.\n")
        return _INTERRUPTED
    told = sentence(error)
    return None if told is None else f"Error: {told}"


def _is_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error; code that was interrupted may have made another one of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _last_words(kind, error, traceback) -> None:
    """Tells of an error in imports as `run` does of one in the main function."""
    told = _told(error)
    if isinstance(told, str):
        sys.stderr.write(f"{told}\n")
    elif told is None:
        sys.__excepthook__(kind, error, traceback)


# Flags ---------------------------------------------------------------------------------------


class WholeNumber:
    """A parser for `absl.flags.DEFINE`: 1000000, 1_000_000 and 1e6 are the same whole number.

    Args:
        least: smallest number that is accepted, if there is one.
    """

    syntactic_help = "a whole number"

    def __init__(self, least: int | None = None):
        self._least = least

    def parse(self, argument: int | str) -> int:
        """The number; a `ValueError` with a sentence if it is none."""
        try:
            number = decimal.Decimal(argument)
            whole = number.is_finite() and abs(number.adjusted()) <= 30 and number == number.to_integral_value()
        except decimal.InvalidOperation:
            whole = False
        if not whole:
            raise ValueError("Give a whole number of at most 30 digits, such as 100000, 100_000 or 1e5.")
        if self._least is not None and number < self._least:
            raise ValueError(f"Give a whole number that is at least {self._least}.")
        return int(number)

    def flag_type(self) -> str:
        """Kind of the flag, for --helpxml."""
        return "int"

    def _custom_xml_dom_elements(self, document: object) -> list:
        return []


class Place:
    """A parser for `absl.flags.DEFINE`: a file or a folder, which has a name."""

    syntactic_help = ""

    def parse(self, argument: str) -> str:
        """The path as it was given; a `ValueError` with a sentence if it is empty."""
        if not argument.strip():
            raise ValueError("Its path is empty. Give one, or leave out the flag. The current folder is '.'.")
        return argument

    def flag_type(self) -> str:
        """Kind of the flag, for --helpxml."""
        return "string"

    def _custom_xml_dom_elements(self, document: object) -> list:
        return []


# What is printed -----------------------------------------------------------------------------


def listing(sentences: Iterable[str]) -> str:
    """Sentences as a list for a terminal of 100 columns."""
    return "\n".join(textwrap.fill(text, COLUMNS, initial_indent="- ", subsequent_indent="  ") for text in sentences)


def command(*words: object) -> str:
    """A command that can be pasted into a shell, whatever its words hold; a path alone is quoted as in a command.

    "python" and the names of the three scripts are replaced by paths where the shell would not find this Python, or
    not this script.

    Args:
        words: the program, then its arguments, such as f"--data={folder}".
    """
    texts = [str(word) for word in words]
    if texts[0] == "python":
        texts = [_python(), *(_beside_this_script(text) if text in SCRIPTS else text for text in texts[1:])]
    return printable(subprocess.list2cmdline(texts)) if _ON_WINDOWS else " ".join(map(_quoted, texts))


def _quoted(text: str) -> str:
    """A word of a command for a POSIX shell; for bash, zsh and ksh if it has control characters."""
    if printable(text) == text:
        return shlex.quote(text)
    escaped = text.replace("\\", r"\\").replace("'", r"\'")
    return f"$'{''.join(char if printable(char) == char else _octal(char) for char in escaped)}'"


def _octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in char.encode())


class _Notice(logging.Formatter):
    """Form of a notice: the bare text, without a stranger's control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n")


def _python() -> str:
    """The shortest word by which the user's shell finds the Python that runs this."""
    own = Path(sys.executable or "python")
    for name in ("python", "python3"):
        found = shutil.which(name)
        # An environment's Python is a link to the system's, so its folder counts, too.
        if found and Path(found).parent.absolute() == own.parent.absolute() and Path(found).samefile(own):
            return name
    return _from_here(own)


def _beside_this_script(name: str) -> str:
    """Path of one of the three scripts from the current folder, if one of them is running."""
    running = Path(sys.argv[0])
    return _from_here(running.absolute().with_name(name)) if running.name in SCRIPTS else name


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

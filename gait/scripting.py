"""Shared by the three scripts: how they end, and the commands they print."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator

from absl import app

from gait.errors import InputError, printable, storage_reason

COLUMNS = 100
"""Width of the terminal that printed text is made for."""


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keeps the notices off the screen that TensorFlow's C++ code prints while it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    screen = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)


def listing(sentences: Iterable[str]) -> str:
    """Sentences as a list for a terminal of 100 columns."""
    return "\n".join(textwrap.fill(text, COLUMNS, initial_indent="- ", subsequent_indent="  ") for text in sentences)


def command(*words: object) -> str:
    """A command that can be pasted into a shell, whatever its words hold; a path alone is quoted as in a command.

    Args:
        words: the program, then its arguments, such as f"--data={folder}".
    """
    texts = [str(word) for word in words]
    return printable(subprocess.list2cmdline(texts)) if os.name == "nt" else " ".join(map(_quoted, texts))


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


def main(function: Callable[[], None]) -> Callable[[list[str]], None]:
    """Wraps a script's main function for `absl.app.run`.

    A user's mistake ends the script with its text and exit code 1, Ctrl-C with exit code 130;
    an error of ours keeps its traceback.
    """

    def run(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"There are flags only, written --name=value. Received: {' '.join(argv[1:])}")
        notices, handler = logging.getLogger("gait"), logging.StreamHandler()
        handler.setFormatter(_Notice())
        notices.addHandler(handler)
        notices.propagate = False  # absl would put its own mark in front
        try:
            function()
        except InputError as error:
            sys.exit(f"Error: {error}")
        except OSError as error:  # a path of the user's that cannot even be looked at
            reason = storage_reason(error)
            if reason is None:
                raise
            what = printable(error.filename or "a file or folder")
            sys.exit(f"Error: Cannot use {what}: {reason}. Choose another path, or repair this one.")
        except KeyboardInterrupt:
            sys.stderr.write("\nInterrupted. What is finished is kept; the same command goes on from there.\n")
            sys.exit(130)

    return run

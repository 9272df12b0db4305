"""Standard streams of the scripts: where they cannot show something, or are broken or closed."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO, cast

from gait.errors import InputError, storage_reason

READER_GONE = 128 + 13
"""Exit code, as a shell has it for a program that writes to a pipe that nobody reads (SIGPIPE)."""


def prepare_streams() -> None:
    """Makes standard output and standard error of this process bear what terminals and shells do to them.

    A terminal shows a replacement for what it has no characters for. Notices that cannot be written do not disturb
    the work. A pipe that nobody reads ends the script with `READER_GONE`. Any other fault of the output is an
    `InputError`.
    """
    _open_missing_streams()
    for name, kind in (("stdout", _Output), ("stderr", _Notices)):
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            # A path can hold bytes that are no characters of UTF-8. A terminal of UTF-8 gets them back as they were.
            utf8 = codecs.lookup(stream.encoding).name == "utf-8"
            with contextlib.suppress(OSError):  # a stream that cannot take anything any more
                stream.reconfigure(errors="surrogateescape" if utf8 else "replace")
        setattr(sys, name, cast(TextIO, kind(stream)))


def _open_missing_streams() -> None:
    """Leads standard streams that the caller has closed nowhere: the next file opened would get their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


class _Stream:
    """A standard stream of this process that does something of its own when it cannot be written to."""

    def __init__(self, stream: TextIO):
        self._stream, self._broken = stream, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if not self._broken:
            with self._watched():
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if not self._broken:
            with self._watched():
                self._stream.flush()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._broken = True
            with contextlib.suppress(OSError, ValueError):  # what is left in buffers is written at the end of Python
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
            self.refused(error)

    def refused(self, error: OSError) -> None:
        """Goes on without the stream."""


class _Notices(_Stream):
    """Standard error: a progress bar that nobody sees is no reason to stop."""


class _Output(_Stream):
    """Standard output: a script whose reader has gone, as in `| head`, ends, and does so quietly."""

    def refused(self, error: OSError) -> NoReturn:
        if isinstance(error, BrokenPipeError):
            raise SystemExit(READER_GONE) from None
        raise InputError(f"Cannot print: {storage_reason(error) or error}. Lead the output elsewhere.") from error


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keeps the notices off the screen that TensorFlow's C++ code prints while it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        screen = os.dup(2)
    except OSError:  # there is none, so there is nothing to be kept off
        yield
        return
    if sys.stderr:
        sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)


def redraw_interval() -> float:
    """Time [s] between two states of a progress bar: short on a terminal, long in a log file."""
    return 0.2 if sys.stderr.isatty() else 10.0

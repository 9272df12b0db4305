"""One line that tells how far a long job is."""

from __future__ import annotations

import threading
import time
from typing import TextIO


class ProgressBar:
    """Shows share, count, rate and time left; may be told of progress from any thread.

    On a terminal the line is redrawn in place; in a log file a line is added every 10 s.
    Without a stream nothing is shown.
    """

    def __init__(self, unit: str, stream: TextIO | None = None):
        self._unit, self._stream = unit, stream
        self._at_terminal = stream is not None and stream.isatty()
        self._pause = 0.2 if self._at_terminal else 10.0
        self._lock = threading.Lock()

    def start(self, total: int, done: int = 0) -> None:
        """Begins counting to `total`; `done` of it an earlier run has finished."""
        self._total, self._done, self._earlier = total, done, done
        self._began, self._shown = time.monotonic(), float("-inf")
        self.advance(0)

    def advance(self, count: int) -> None:
        """Counts finished work and redraws the line when it is time to."""
        with self._lock:
            self._done += count
            now = time.monotonic()
            if self._stream and (now - self._shown >= self._pause or self._done >= self._total):
                self._shown = now
                self._stream.write(self._line(now))
                self._stream.flush()

    def _line(self, now: float) -> str:
        rate = (self._done - self._earlier) / max(now - self._began, 1e-9)
        share = self._done / self._total
        left = int((self._total - self._done) / rate) if rate else 0
        line = (
            f"[{'#' * int(30 * share):<30}] {share:4.0%}  {self._done:,} of {self._total:,} {self._unit}  "
            f"{rate:,.0f}/s  {left // 60}:{left % 60:02d} left"
        )
        if not self._at_terminal:
            return line + "\n"
        return f"\r{line:<100}" + ("\n" if self._done >= self._total else "")

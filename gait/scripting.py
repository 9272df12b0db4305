"""What the three scripts have in common: how they end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from absl import app

from gait.errors import InputError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up messages are no news to a user


def main(function: Callable[[], None]) -> Callable[[list[str]], None]:
    """Wraps a script's main function for `absl.app.run`.

    A user's mistake ends the script with its text and exit code 1, Ctrl-C with exit code 130;
    an error of ours keeps its traceback.
    """

    def run(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"There are flags only, written --name=value. Received: {' '.join(argv[1:])}")
        try:
            function()
        except InputError as error:
            sys.exit(f"Error: {error}")
        except KeyboardInterrupt:
            sys.stderr.write("\nInterrupted. What is finished is kept; the same command goes on from there.\n")
            sys.exit(130)

    return run

"""Scripts that are killed, stopped or photographed at a chosen moment, cheaply.

TensorFlow takes seconds to load. So one process loads everything, runs no operation, and forks a child for each
command; the child is the script from its first line to its exit code. `python tests/helpers/faults.py` is that process.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import runpy
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


# In the test ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a command came to its end, or to the call at which it was to stop."""

    stopped: bool
    returncode: int | None
    seconds: float
    output: str

    @property
    def killed(self) -> bool:
        return self.returncode == -signal.SIGKILL


class Scripts:
    """Runs commands such as `simulate.py --out=…`, with a fault if one is wanted.

    Faults, as keywords of `start` and `run`:
        watched: folder whose file-system calls are counted from 0: files opened for writing, renamed or
            removed, folders made or locked, and every fsync. A call is counted before it is made.
        kill_at, stop_at: number of the call before which the script is killed with SIGKILL or stopped.
        photographs: folder that gets a copy of `watched` for every call, named "NNN call name". It is taken
            while all threads of the script stand still, so it shows what a kill at that moment would leave.
        refused, reason: kind of call in `watched` that fails, such as "os.mkdir", and the number of its error.
        clock: seconds by which the script's clock is wrong.
        unread: number of the standard stream, 1 or 2, that is a pipe whose reader has gone.
    """

    def __init__(self, folder: Path):
        self._log, self._messages, self._count = folder, (folder / "server").open("w"), 0
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._messages,
        )  # fmt: skip

    def close(self) -> None:
        """Kills what is left."""
        self._server.communicate()
        self._messages.close()

    def start(self, *arguments: str, **fault: object) -> tuple[int, Path]:
        """Begins a command; returns what `wait` needs."""
        self._count += 1
        log = self._log / f"{self._count}.log"
        fault = {key: str(value) if isinstance(value, Path) else value for key, value in fault.items()}
        return self._ask({"start": [str(a) for a in arguments], "log": str(log), "fault": fault})["pid"], log

    def wait(self, started: tuple[int, Path], kill_after: float | None = None) -> Ended:
        """Waits until a command ends or stops; kills it after some seconds if told to."""
        pid, log = started
        return Ended(**self._ask({"wait": pid, "kill_after": kill_after}), output=log.read_text())

    def go_on(self, started: tuple[int, Path]) -> Ended:
        """Lets a stopped command go on, and waits for it."""
        self._ask({"continue": started[0]})
        return self.wait(started)

    def run(self, *arguments: str, kill_after: float | None = None, **fault: object) -> Ended:
        return self.wait(self.start(*arguments, **fault), kill_after)

    def _ask(self, request: dict) -> dict:
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, (self._log / "server").read_text()
        return json.loads(answer)


# In the process that forks -------------------------------------------------------------------


def serve() -> dict | None:
    """Answers requests until there are no more; returns the request to a child that is to fulfil it."""
    children: dict[int, tuple[float, dict]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            pid = os.fork()
            if pid == 0:
                return request
            children[pid] = time.monotonic(), request["fault"]
            answer = {"pid": pid}
        elif "wait" in request:
            pid = request["wait"]
            began, fault = children[pid]
            answer = ended(pid, began, request["kill_after"], fault)
            if not answer["stopped"]:
                del children[pid]
        else:
            os.kill(request["continue"], signal.SIGCONT)
            answer = {}
        print(json.dumps(answer), flush=True)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    return None


def ended(pid: int, began: float, kill_after: float | None, fault: dict) -> dict:
    """Waits for a child to end or to stop; a stop to be photographed is not for the test."""
    if kill_after is not None:
        ending = os.pidfd_open(pid)
        if not select.select([ending], [], [], max(0.0, began + kill_after - time.monotonic()))[0]:
            os.kill(pid, signal.SIGKILL)
        os.close(ending)
    _, status = os.waitpid(pid, os.WUNTRACED)
    while "photographs" in fault and os.WIFSTOPPED(status):
        photograph = max(Path(fault["photographs"]).iterdir())
        shutil.copytree(fault["watched"], photograph, dirs_exist_ok=True)
        last = int(photograph.name[:3]) == fault.get("kill_at")
        os.kill(pid, signal.SIGKILL if last else signal.SIGCONT)
        _, status = os.waitpid(pid, os.WUNTRACED)
    stopped = os.WIFSTOPPED(status)
    code = None if stopped else os.waitstatus_to_exitcode(status)
    return {"stopped": stopped, "returncode": code, "seconds": time.monotonic() - began}


# In the child --------------------------------------------------------------------------------


def become(script: list[str], log: str, fault: dict) -> None:
    """Turns this process into the script."""
    written = os.open(log, os.O_WRONLY | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, replacement in enumerate((nothing, written, written)):
        os.dup2(replacement, number)
    if "unread" in fault:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, fault.pop("unread"))
    if "clock" in fault:
        set_clock(fault.pop("clock"))
    if fault:
        Watch(**fault).begin()
    sys.argv, code = script, 0
    try:
        runpy.run_path(script[0], run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):
            code = print(code, file=sys.stderr) or 1
    sys.stdout.flush()
    os._exit(code)  # what the interpreter would still do is to take seconds to clear its memory


def set_clock(seconds: float) -> None:
    """Makes the clock of this process wrong."""
    now, local, utc = time.time, time.localtime, time.gmtime
    time.time = lambda: now() + seconds
    time.time_ns = lambda: int(time.time() * 1e9)
    time.localtime = lambda at=None: local(time.time() if at is None else at)
    time.gmtime = lambda at=None: utc(time.time() if at is None else at)


def stop() -> None:
    """Stops this process, beginning with the thread that asks for it."""
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


class Watch:
    """Counts calls that change a folder, and does what is asked for at one of them."""

    def __init__(self, watched, kill_at=None, stop_at=None, photographs=None, refused=None, reason=None):
        self._folder, self._kill_at, self._stop_at = watched, kill_at, stop_at
        self._refused, self._reason = refused, reason
        self._photographs = Path(photographs) if photographs else None
        self._count, self._one_at_a_time = 0, threading.RLock()

    def begin(self) -> None:
        sync = os.fsync

        def audited_sync(descriptor):
            sys.audit("os.fsync", descriptor)
            sync(descriptor)

        os.fsync = audited_sync
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple) -> None:
        if event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.fsync", "fcntl.flock"):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        if isinstance(arguments[0], int):
            if event == "open":
                return
            path = Path(f"/proc/self/fd/{arguments[0]}").readlink()
        else:
            path = os.fspath(arguments[0])
        if not str(path).startswith(self._folder):
            return
        if event == self._refused:
            raise OSError(self._reason, os.strerror(self._reason), *([] if isinstance(arguments[0], int) else [path]))
        with self._one_at_a_time:
            if self._photographs and Path(self._folder).is_dir():
                photograph = f"{self._count:03d} {event.split('.')[-1]} {Path(path).name}"
                (self._photographs / photograph).mkdir(parents=True)
                stop()
            elif self._count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            elif self._count == self._stop_at:
                stop()
            self._count += 1


LOADED = (
    "gait.data.writing", "gait.evaluation.after_training", "gait.evaluation.before_training",
    "gait.evaluation.predictions", "gait.evaluation.walk", "gait.simulation.reference", "gait.training.fitting",
)  # fmt: skip
"""What the scripts import when it is needed."""


def load() -> None:
    """Loads what every child would load anew: modules, the compiled engine, fonts and the parser of formulas."""
    import gait

    for module in (*LOADED, "matplotlib.backends.backend_agg", "matplotlib.figure"):
        importlib.import_module(module)
    gait.simulate(70, 9000, 0.7, y0=0.06, vx0=0.8, step_length=0.5, duration=1)
    figure = sys.modules["matplotlib.figure"].Figure(layout="constrained")
    figure.subplots().set_title("$k_{1}$ [1]")
    figure.savefig(io.BytesIO(), format="png")
    gc.collect()
    gc.freeze()  # no child has to look through all this for what can be thrown away


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    load()
    request = serve()
    if request:
        become(request["start"], request["log"], request["fault"])

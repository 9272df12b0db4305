"""The notice that the engine is compiled: when it is, and once; not when a slow disk gives what is in the cache."""

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.scripts import ROOT

NOTICE = "Compiling the walking model: about ten seconds, once on this machine."
WALKS = """
import logging, sys, threading, time
logging.basicConfig(format="%(message)s", stream=sys.stdout)
import gait
from gait.simulation.taylor import lanes

load = lanes.walk._cache.load_overload

def load_slowly(*arguments):
    time.sleep(1.5)
    return load(*arguments)

lanes.walk._cache.load_overload = load_slowly
walk = lambda: gait.simulate(70, 9000, 0.7, y0=0.06, vx0=0.8, step_length=0.5, duration=1)
threads = [threading.Thread(target=walk) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
walk()
print("loaded" if lanes.walk.stats.cache_hits else "compiled")
"""


def walk_four_times(cache: Path) -> list[str]:
    """Simulates in four threads of a new process; returns the lines that are printed."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", WALKS]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_one_notice_when_it_is_compiled_and_none_when_it_is_loaded(tmp_path):
    """Even if loading takes longer than one would think."""
    assert walk_four_times(tmp_path) == [NOTICE, "compiled"]
    assert walk_four_times(tmp_path) == ["loaded"]

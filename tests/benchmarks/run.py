"""Speed of the parts, side by side in one run; prints a table.

python -m tests.benchmarks.run engine
python -m tests.benchmarks.run epoch --data=data/walks

Quote medians and ratios: machines differ, and so does one machine from minute to minute.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def rounds(jobs: dict, count: int) -> dict[str, np.ndarray]:
    """Seconds of each job, the jobs taking turns."""
    seconds = {name: [] for name in jobs}
    for _ in range(count):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def engine(records: int = 3000) -> None:
    """Accepted records a second, and the worst error on walks that the reference has integrated too."""
    from gait.integrators import reference, taylor
    from gait.model import Outcome
    from gait.parameters import NAMES, PAPER_PRIORS, draw
    from gait.population import Population

    population = Population()
    parameters = draw(NAMES, PAPER_PRIORS, records, np.random.default_rng(0))
    given, times = population.conditions(parameters), population.times
    start = time.perf_counter()
    population.integrate(parameters[:1])
    print(f"first call (compiling, or loading what an earlier run has compiled): {time.perf_counter() - start:.1f} s")

    def run(threads):
        return taylor.integrate(given, times, population.duration, threads=threads)

    recording = run(1)
    accepted = int(np.sum(recording.outcome == Outcome.WALKED))
    few = np.flatnonzero(recording.outcome == Outcome.WALKED)[:10]
    few_given = population.conditions(parameters[few])
    start = time.perf_counter()
    exact = reference.integrate(few_given, times, population.duration, rtol=3e-14, atol=1e-16)
    scipy_rate = len(few) / (time.perf_counter() - start)
    error = np.abs(recording.samples[:2, few] - exact.samples[:2]).max()
    seconds = rounds({f"taylor, {n} thread{'s' * (n > 1)}": lambda n=n: run(n) for n in (1, os.cpu_count())}, 7)
    print("| engine | accepted records/s, median (best) | times scipy | worst error [m] |\n|---|---|---|---|")
    print(f"| scipy, steps of at most 5 ms | {scipy_rate:.1f} | 1 | reference |")
    for name, values in seconds.items():
        rate = accepted / np.median(values)
        print(f"| {name} | {rate:,.0f} ({accepted / values.min():,.0f}) | {rate / scipy_rate:,.0f} | {error:.0e} |")


def epoch(data: Path, count: int = 7) -> None:
    """An epoch from the data feed beside the same `fit` on one constant batch."""
    import keras
    import tensorflow as tf

    from gait import manifest, training
    from gait.runs import Settings

    training.use_threads_well()
    described, settings = manifest.read(data), Settings("three_parameter")
    start = time.perf_counter()
    feed = training.Feed(described, settings)
    print(f"loading: {time.perf_counter() - start:.1f} s")
    network = training.compiled_network(settings, feed.steps, described.samples, tf.distribute.get_strategy())
    batch = next(iter(feed.train))
    constant = tf.data.Dataset.range(1).map(lambda _: batch).cache().repeat(feed.steps)
    constant = constant.apply(tf.data.experimental.assert_cardinality(feed.steps))
    advance = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: feed.epoch.assign_add(1))
    jobs = {
        "data feed": lambda: network.fit(feed.train, verbose=0, shuffle=False, callbacks=[advance]),
        "constant batch": lambda: network.fit(constant, verbose=0, shuffle=False),
    }
    rounds(jobs, 1)
    seconds = rounds(jobs, count)
    ratio = np.median(seconds["data feed"] / seconds["constant batch"])
    print("| epoch | median [s] | best [s] |\n|---|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {np.median(values):.2f} | {values.min():.2f} |")
    print(f"median ratio: {ratio:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("engine", "epoch"))
    parser.add_argument("--data", type=Path, default=Path("data/walks"))
    arguments = parser.parse_args()
    if arguments.part == "engine":
        engine()
    else:
        epoch(arguments.data)

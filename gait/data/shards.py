"""One shard, and the shards of a dataset side by side on the cores of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import numpy as np
import tensorflow as tf

from gait.data.manifest import Plan, Shard, ShardEntry
from gait.data.records import RecordTemplate
from gait.parameters import named
from gait.simulation.channels import observe
from gait.simulation.conditions import SAMPLE_FIELDS, Conditions
from gait.simulation.model import Outcome
from gait.simulation.population import walk_records
from gait.storage import files
from gait.storage.files import AnyPath
from gait.storage.remote import error_of

_AT_A_TIME = {"taylor": 5000, "scipy": 10}
"""Records simulated together, at most: enough to fill an engine's lanes, few enough to hear when to stop."""
_MEMORY = 20_000_000
"""Bytes of what is simulated together, at most."""


class _GivenUpError(Exception):
    """Another shard has failed, or the user has had enough."""


def write_shard(folder: AnyPath, plan: Plan, shard: Shard, report: Callable[[int], None]) -> ShardEntry:
    """Writes one shard, a part at a time; any machine that reaches the folder writes the same bytes.

    Args:
        folder: of the dataset.
        plan: of the dataset.
        shard: which part of it.
        report: told how many records more are written; may raise to give the shard up.

    Returns:
        The shard's entry in the manifest.

    Raises:
        InputError: if a walker cannot be made to walk, or the folder does not take the shard.
    """
    samples = plan.settings.times.size
    names = plan.population.names
    template = RecordTemplate(plan.channels, samples, len(names))
    bytes_a_record = np.dtype(np.float64).itemsize * len(SAMPLE_FIELDS) * samples
    together = max(1, min(_AT_A_TIME[plan.engine], _MEMORY // bytes_a_record))
    counts = np.zeros(len(Outcome), np.int64)
    path = folder / shard.name
    with files.replacing(path) as temporary:
        try:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for first in range(shard.start, shard.stop, together):
                    records = range(first, min(first + together, shard.stop))
                    parameters, walks, outcomes = walk_records(plan.population, plan.settings, records, plan.engine)
                    conditions = Conditions.of(named(names, parameters), plan.settings.gravity)
                    for record in template.serialise(parameters, observe(plan.channels, walks, conditions)):
                        writer.write(record)
                    counts += outcomes
                    report(len(records))
        except tf.errors.OpError as error:
            raise error_of(error, path) from error
        # Of the file that this attempt has written; under the final name there may soon be another's.
        size, checksum = temporary.stat().st_size, files.sha256(temporary)
    return ShardEntry(shard.split, shard.stop - shard.start, size, checksum, counts.tolist())


def written_here(
    folder: AnyPath, plan: Plan, shards: Sequence[Shard], report: Callable[[int], None], workers: int
) -> Generator[dict[str, ShardEntry], None, None]:
    """Writes shards, some at a time; yields the entries of those that have just been finished, by name.

    Closing the iterator gives up the shards in work.

    Args:
        folder: of the dataset.
        plan: of the dataset.
        shards: which part of it.
        report: told how many records more are written, from any thread.
        workers: number of shards in work at the same time.
    """
    stop = threading.Event()

    def go_on(records: int) -> None:
        if stop.is_set():
            raise _GivenUpError
        report(records)

    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(write_shard, folder, plan, shard, go_on): shard for shard in shards}
        try:
            while jobs:
                done, _ = wait(jobs, return_when=FIRST_COMPLETED)
                yield {jobs.pop(job).name: job.result() for job in done if not job.exception()}
                for job in done:
                    job.result()
        finally:
            stop.set()
            for job in jobs:
                job.cancel()

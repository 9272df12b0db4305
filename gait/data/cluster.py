"""The shards of a dataset, written by the workers of a Dask cluster into a folder that all of them reach."""

from __future__ import annotations

import contextlib
import functools
import logging
import pickle
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path

from gait import provenance
from gait.data.manifest import Plan, Shard, ShardEntry
from gait.data.shards import write_shard
from gait.errors import InputError
from gait.scripting import command
from gait.storage import files
from gait.storage.files import AnyPath

REQUIREMENT = "distributed>=2024.8.0"
CONNECTION_LIMIT = 10.0
"""Time [s] in which a scheduler must answer."""
NO_WORKER_LIMIT = 120.0
"""Time [s] that a run waits while the cluster has no worker."""
_REPORT_EVERY = 0.5
_worker_versions = functools.cache(lambda: provenance.numerical_environment("simulation"))
"""Versions of this process: those it has loaded, whatever is installed or edited while it runs."""


# On this machine -----------------------------------------------------------------------------


@contextlib.contextmanager
def connected(address: str) -> Iterator:
    """Gives a `distributed.Client` of the scheduler at an address, for example tcp://host:8786.

    Raises:
        InputError: if the package is not installed or no scheduler answers.
    """
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            f"--cluster needs the package distributed, which cannot be imported here ({error}). "
            f'Install it: pip install "{REQUIREMENT}"'
        ) from error
    try:
        # A client fails at a wrong address as well, but leaves its thread running, and its late end can block the next.
        distributed.comm.resolve_address(address)
        client = distributed.Client(address, timeout=CONNECTION_LIMIT, set_as_default=False)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"No Dask scheduler answers at {address} ({' '.join(str(error).split())}). --cluster must be the address "
            "that `dask scheduler` has printed, for example tcp://host:8786, and be reachable from here."
        ) from error
    log = logging.getLogger("distributed.client")
    disabled, log.disabled = log.disabled, True  # of a lost connection it prints a traceback; we say it in words
    try:
        with client:
            yield client
    finally:
        log.disabled = disabled


def written_there(
    folder: AnyPath, plan: Plan, shards: Sequence[Shard], report: Callable[[int], None], client
) -> Generator[dict[str, ShardEntry], None, None]:
    """Has the workers write shards; yields the entries of those that have just been finished, by name.

    The shard of a worker that has died is written again by another one. Closing the iterator
    cancels the shards that are not finished.

    Args:
        folder: of the dataset, absolute; workers must reach it under the same name.
        plan: of the dataset.
        shards: which part of it.
        report: told how many records more are written, also in shards that are in work.
        client: see `connected`.

    Raises:
        InputError: if the scheduler or all workers are gone, or a worker may not or cannot write the shards.
    """
    if not shards:
        return
    mark, hear = folder / files.temporary_name(Path("mark")).name, each_once(report)
    client.subscribe_topic(mark.name, lambda event: hear(*event[1]))
    files.write_text(mark, "A worker that sees this file writes into the same folder as the others.\n")
    orders = [pickle.dumps((folder, mark, plan, shard)) for shard in shards]  # opaque to the scheduler
    expected = provenance.numerical_environment("simulation")
    futures = client.map(_task(), orders, expected=expected, pure=False)
    waiting, last_seen = dict(zip(futures, shards, strict=True)), time.monotonic()
    done: queue.SimpleQueue = queue.SimpleQueue()  # `as_completed` could not wake up in between to look for workers
    for future in futures:
        future.add_done_callback(done.put)
    try:
        while waiting:
            future = entry = None
            with contextlib.suppress(queue.Empty):
                future = done.get(timeout=1.0)
                entry = _entry(future, waiting[future])
            if entry is not None:
                shard, last_seen = waiting.pop(future), time.monotonic()
                hear(shard.name, entry.records)
                yield {shard.name: entry}
                continue
            if future is not None:
                future.add_done_callback(done.put)
            last_seen = _last_seen(client, last_seen, len(waiting))
    finally:
        mark.unlink(missing_ok=True)  # tells the workers to give up
        with contextlib.suppress(OSError):  # a scheduler that is gone needs no telling
            client.unsubscribe_topic(mark.name)
            client.cancel(list(waiting))


def _entry(future, shard: Shard) -> ShardEntry | None:
    """The manifest entry of a finished shard, or an `InputError` if it will not be finished.

    None if the worker was lost before it has given the entry away; Dask has another one write the shard again.
    """
    from distributed import CancelledError, KilledWorker

    if future.status == "error":
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise InputError(
                f"{shard.name} was given to {error.allowed_failures + 1} workers, and each was lost while it was being "
                f"written. What is finished is kept; look into the workers' logs (memory?), then run the same command "
                f"again. A larger distributed.scheduler.allowed-failures bears more losses."
            )
        raise InputError(str(error)) if isinstance(error, ImportError) else error
    try:
        return future.result(timeout=5)
    except OSError:  # a timeout or a lost connection
        return None
    except CancelledError:
        raise InputError(
            "The Dask scheduler has gone away or was restarted. What is finished is kept; "
            "start it and run the same command again."
        ) from None


def _last_seen(client, before: float, shards: int) -> float:
    """Time [s] at which the cluster was last seen to have a worker; an `InputError` if that is too long ago."""
    now = time.monotonic()
    with contextlib.suppress(OSError):  # no connection; Dask goes on trying
        if client.nthreads():
            return now
    if now - before > NO_WORKER_LIMIT:
        address = client.scheduler.address
        raise InputError(
            f"The Dask scheduler at {address} has had no worker for {NO_WORKER_LIMIT:.0f} s, with {shards} shards to "
            f"write. What is finished is kept; start some ({command('dask', 'worker', address)}) and run the same "
            "command again."
        )
    return before


def each_once(report: Callable[[int], None]) -> Callable[[str, int], None]:
    """Makes a function that hears how many records of a shard are written, and reports each once.

    A shard whose worker was lost is begun again. It counts as far as the attempt that went furthest.
    """
    counted: dict[str, int] = {}
    lock = threading.Lock()

    def hear(shard: str, records: int) -> None:
        with lock:
            more = records - counted.get(shard, 0)
            if more > 0:
                counted[shard] = records
                report(more)

    return hear


# On a worker ---------------------------------------------------------------------------------


def _task() -> Callable[..., ShardEntry]:
    """The function that a worker is sent; it needs nothing of this package until it runs.

    Dask sends an inner function as its code, not as its name. So the scheduler need not have this
    package, and a worker that does not have it can say so.
    """

    def write_shard_for_gait(order: bytes, expected: Mapping[str, str]) -> ShardEntry:
        try:
            from gait.data.cluster import write_ordered_shard
        except ImportError as error:
            import socket

            raise ImportError(
                f"A worker on {socket.gethostname()} cannot use the package gait ({error}). Install the "
                "same version there as here, with its requirements, and put it on the workers' PYTHONPATH."
            ) from error
        return write_ordered_shard(order, expected)

    return write_shard_for_gait


def write_ordered_shard(order: bytes, expected: Mapping[str, str]) -> ShardEntry:
    """Writes one shard on a worker.

    Args:
        order: pickled folder, mark in the folder, plan and shard; progress is reported under the name of the mark.
        expected: `gait.provenance.numerical_environment` where the order comes from.

    Returns:
        The shard's entry in the manifest.

    Raises:
        InputError: if this worker has other versions, does not see the folder or cannot write the shard, or if
            the shard is given up.
    """
    from distributed import get_worker

    worker = get_worker()
    if differing := provenance.differences(_worker_versions(), expected):
        raise InputError(
            f"The worker {worker.address} has {', '.join(differing)}, so its walks could differ in their "
            "last digits. Install the same versions on all machines, restart the workers and run the command again."
        )
    folder, mark, plan, shard = pickle.loads(order)
    written, told = 0, float("-inf")

    def report(records: int) -> None:
        nonlocal written, told
        written += records
        if time.monotonic() - told > _REPORT_EVERY:  # the scheduler has better things to do
            told = time.monotonic()
            if not mark.exists():  # nobody waits for this shard any more; Dask itself cannot stop a thread
                raise InputError(f"{shard.name} was given up.")
            worker.log_event(mark.name, [shard.name, written])

    try:
        with files.storage_errors(folder):
            if not mark.exists():
                raise InputError(
                    f"The worker {worker.address} does not see {folder} as it is here. All workers must "
                    "reach the same folder under the same name: choose a mount that all machines share, or a bucket."
                )
            return write_shard(folder, plan, shard, report)
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise InputError(f"On the worker {worker.address}: {error}") from error
        raise

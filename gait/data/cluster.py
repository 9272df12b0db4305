"""The shards of a dataset, written by the workers of a Dask cluster into a folder that all of them reach."""

from __future__ import annotations

import contextlib
import logging
import pickle
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence

from gait import provenance
from gait.data.manifest import Plan, Shard, ShardEntry
from gait.data.shards import write_shard
from gait.errors import InputError
from gait.storage import files
from gait.storage.files import AnyPath

REQUIREMENT = "distributed>=2024.8.0"
CONNECTION_LIMIT = 10.0
"""Time [s] in which a scheduler must answer."""
LONELY_LIMIT = 120.0
"""Time [s] that a run waits while the cluster has no worker."""
_POLL = 0.1
_REPORT_EVERY = 0.5


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
    topic, tally = f"gait-{secrets.token_hex(8)}", Tally(report)
    client.subscribe_topic(topic, lambda event: tally.hear(*event[1]))
    mark = files.temporary_name(folder / "mark")
    files.write_text(mark, "A worker that sees this file writes into the same folder as the others.\n")
    expected = provenance.numerical_environment()
    orders = [pickle.dumps((folder, mark, plan, shard, topic)) for shard in shards]
    keys = [f"{shard.name}-{topic}" for shard in shards]
    futures = client.map(_errand(), orders, [expected] * len(orders), key=keys, pure=False)
    pending, lonely = dict(zip(futures, shards, strict=True)), _Loneliness(client)
    try:
        while pending:
            finished, failed = {}, None
            for future, shard in list(pending.items()):
                try:
                    entry = _entry(future, shard)
                except InputError as error:
                    failed = error
                    continue
                if entry is not None:
                    finished[shard.name] = entry
                    tally.finish(shard.name, entry.records)
                    del pending[future]
            if finished:
                yield finished
            if failed:
                raise failed
            lonely.check(len(pending))
            time.sleep(_POLL)
    finally:
        mark.unlink(missing_ok=True)  # tells the workers to give up
        with contextlib.suppress(OSError):  # a scheduler that is gone needs no telling
            client.unsubscribe_topic(topic)
            client.cancel(list(pending))


def _entry(future, shard: Shard) -> ShardEntry | None:
    """The manifest entry of a shard, or None if it is not finished yet.

    Raises:
        InputError: if it will not be finished.
    """
    from distributed import KilledWorker

    if future.status == "cancelled":
        raise InputError(
            "The Dask scheduler has gone away or was restarted. What is finished is kept; "
            "start it and run the same command again."
        )
    if future.status == "error":
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise InputError(
                f"{shard.name} was given to {error.allowed_failures + 1} workers, and each was lost while it was being "
                f"written. What is finished is kept; look into the workers' logs (memory?), then run the same command "
                f"again. A larger distributed.scheduler.allowed-failures bears more losses."
            )
        raise error
    if future.status != "finished":
        return None
    try:
        answer = future.result(timeout=5)
    except TimeoutError:  # the worker was lost with its answer; another one will write the shard again
        return None
    if "refusal" in answer:
        raise InputError(answer["refusal"])
    return answer["entry"]


class _Loneliness:
    """How long a cluster has had no worker."""

    def __init__(self, client):
        self._client = client
        self._asked = self._last_seen = time.monotonic()

    def check(self, shards: int) -> None:
        """Raises `InputError` if it has been too long; `shards` are still to be written."""
        now = time.monotonic()
        if now - self._asked < 1.0:
            return
        self._asked = now
        with contextlib.suppress(OSError):  # no connection; Dask goes on trying
            if self._client.nthreads():
                self._last_seen = now
        if now - self._last_seen > LONELY_LIMIT:
            address = self._client.scheduler.address
            raise InputError(
                f"The Dask scheduler at {address} has had no worker for {LONELY_LIMIT:.0f} s, with {shards} shards to "
                f"write. What is finished is kept; start some (dask worker {address}) and run the same command again."
            )


class Tally:
    """Counts records while shards are in work on other machines.

    A shard whose worker was lost is begun again; then only the later attempt counts.
    """

    def __init__(self, report: Callable[[int], None]):
        self._report, self._lock = report, threading.Lock()
        self._attempts: dict[str, list[str]] = {}
        self._counted: dict[str, int] = {}
        self._finished: set[str] = set()

    def hear(self, shard: str, attempt: str, records: int) -> None:
        """Takes in that an attempt at a shard has written so many records."""
        with self._lock:
            attempts = self._attempts.setdefault(shard, [])
            if attempt not in attempts:
                attempts.append(attempt)
            if shard not in self._finished and attempt == attempts[-1]:
                self._count(shard, records)

    def finish(self, shard: str, records: int) -> None:
        """Takes in that a shard is finished."""
        with self._lock:
            self._finished.add(shard)
            self._count(shard, records)

    def _count(self, shard: str, records: int) -> None:
        self._report(records - self._counted.get(shard, 0))
        self._counted[shard] = records


# On a worker ---------------------------------------------------------------------------------


def _errand() -> Callable[[bytes, dict], dict]:
    """What a worker is sent: a function that needs nothing of this package until it runs.

    Dask sends an inner function as its code, not as its name. So the scheduler need not have this
    package, and a worker that does not have it can say so.
    """

    def write_shard_for_gait(order: bytes, expected: dict) -> dict:
        try:
            from gait.data.cluster import carry_out
        except ImportError as error:
            import socket

            return {
                "refusal": f"A worker on {socket.gethostname()} cannot use the package gait ({error}). Install the "
                "same version there as here, with its requirements, and put it on the workers' PYTHONPATH."
            }
        return carry_out(order, expected)

    return write_shard_for_gait


def carry_out(order: bytes, expected: dict) -> dict:
    """Writes one shard on a worker.

    Args:
        order: pickled folder, mark in the folder, plan, shard, and topic to report under.
        expected: `gait.provenance.numerical_environment` of who gives the order.

    Returns:
        {"entry": the shard's manifest entry} or {"refusal": why this worker cannot write it, for the user}.
    """
    from distributed import get_worker

    worker = get_worker()
    versions = provenance.numerical_environment()
    differing = [f"{name} {versions.get(name)} instead of {expected[name]}" for name in expected
                 if versions.get(name) != expected[name]]  # fmt: skip
    if differing:
        return {
            "refusal": f"The worker {worker.address} has {', '.join(differing)}, so its walks could differ in their "
            "last digits. Install the same versions on all machines, restart the workers and run the command again."
        }
    folder, mark, plan, shard, topic = pickle.loads(order)
    attempt, written, told = secrets.token_hex(8), 0, float("-inf")

    def report(records: int) -> None:
        nonlocal written, told
        written += records
        if time.monotonic() - told > _REPORT_EVERY:  # the scheduler has better things to do
            told = time.monotonic()
            if not mark.exists():  # nobody waits for this shard any more; Dask itself cannot stop a thread
                raise InputError(f"{shard.name} was given up.")
            worker.log_event(topic, [shard.name, attempt, written])

    try:
        with files.storage_errors(folder):
            if not mark.exists():
                return {
                    "refusal": f"The worker {worker.address} does not see {folder} as it is here. All workers must "
                    "reach the same folder under the same name: choose a mount that all machines share, or a bucket."
                }
            report(0)
            return {"entry": write_shard(folder, plan, shard, report)}
    except InputError as error:
        where = f"On the worker {worker.address}: " if isinstance(error.__cause__, OSError) else ""
        return {"refusal": f"{where}{error}"}

"""Writing a dataset: which shards are there, which are missing, and where they are written."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import re
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tqdm import tqdm

from gait import provenance
from gait.data import manifest
from gait.data.audit import audit_records
from gait.data.cluster import connected, written_there
from gait.data.dataset import Dataset, open_dataset
from gait.data.manifest import Manifest, Plan, Shard, ShardEntry
from gait.data.reading import read_record
from gait.data.shards import written_here
from gait.errors import InputError
from gait.provenance import cores
from gait.simulation.model import Outcome
from gait.storage import files
from gait.storage.files import AnyPath
from gait.storage.folders import DATASET, check_kind
from gait.streams import redraw_interval

PROGRESS_LOG = "progress.jsonl"
"""In an unfinished dataset: its plan, then a line for every finished shard."""
_SHARD = re.compile(r"(train|validation|test)-\d{5}-of-\d{5}\.tfrecord")
_Workforce = Callable[
    [AnyPath, Plan, Sequence[Shard], Callable[[int], None]], Generator[dict[str, ShardEntry], None, None]
]


def write_dataset(
    folder: AnyPath,
    plan: Plan,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    audit: int = manifest.AUDITED_RECORDS,
    overwrite: bool = False,
    progress: bool = False,
) -> Dataset:
    """Writes a dataset, or the part of it that an interrupted run has left undone.

    Every shard is written under a temporary name, flushed and then renamed; the manifest comes
    last. Shards that are already there and intact are kept, so the same call resumes an
    interrupted run of the same code and versions, and repairs a damaged dataset. Progress log, audit and
    manifest are written here, wherever the shards are.

    Args:
        folder: where to; made if needed.
        plan: contents of the dataset.
        workers: shards in work at the same time on this machine; by default one a core.
        cluster: address of a Dask scheduler whose workers write the shards; they must reach the folder.
        audit: number of records that the reference engine integrates again.
        overwrite: whether to delete another dataset in the folder, or one that other code or versions have begun.
        progress: whether to show progress bars on stderr.

    Raises:
        InputError: if the folder holds a run, another dataset, or one that other code or versions have begun, or
            cannot be written, if the cluster cannot be used, if a walker cannot be made to walk, or if the audit
            finds an inaccurate record.
    """
    if workers is not None and workers < 1:
        raise InputError(f"The number of workers must be at least 1. Received: --workers={workers}.")
    if audit < 0:
        raise InputError(f"The number of audited records must not be negative. Received: --audit={audit}.")
    if cluster is not None and workers is not None:
        raise InputError(
            "--workers is for this machine; with --cluster, the cluster's workers and threads decide how many shards "
            f"are in work. Leave out one of the two. Received: --cluster={cluster} --workers={workers}."
        )
    with contextlib.ExitStack() as stack:
        workforce: _Workforce
        if cluster is None:
            workforce = functools.partial(written_here, workers=workers or cores())
        else:
            workforce = functools.partial(written_there, client=stack.enter_context(connected(cluster)))
            folder = folder.resolve()  # the workers stand elsewhere
        check_kind(folder, DATASET, flag="out")
        files.make_folder(folder)
        # Before the lock: until git has begun, its process has all that is open here, and would keep the lock of a
        # process that is killed at that moment.
        revision = provenance.code_revision()
        stack.enter_context(files.storage_errors(folder))
        stack.enter_context(files.locked(folder))
        return _write_locked(folder, plan, workforce, audit, overwrite, progress, revision)


def _write_locked(
    folder: AnyPath, plan: Plan, workforce: _Workforce, audit: int, overwrite: bool, progress: bool,
    revision: str | None,
) -> Dataset:  # fmt: skip
    _make_way(folder, plan, overwrite)
    complete = open_dataset(folder) if (folder / manifest.FILE).exists() else None
    if complete:
        (folder / PROGRESS_LOG).unlink(missing_ok=True)  # a kill may have come between the manifest and this
    finished = complete.manifest.shards if complete else _read_log(folder).shards
    layout = plan.layout()
    intact = {shard.name: finished[shard.name] for shard in layout if _is_intact(folder, shard, finished)}
    missing = [shard for shard in layout if shard.name not in intact]
    entries = dict(intact)
    if not complete:
        _start_log(folder, plan, intact)
    # At an error or Ctrl-C, closing makes the others give up their shards at once.
    with (
        _progress_bar(plan.total, sum(entry.records for entry in intact.values()), progress) as report,
        contextlib.closing(workforce(folder, plan, missing, report)) as batches,
    ):
        for written in batches:
            entries |= written
            if complete:
                _check_repaired(complete, written)
            else:
                files.append(folder / PROGRESS_LOG, "".join(map(_line, _logged(written))))
    if complete:
        if audit <= complete.manifest.audit.records:
            return complete
        audited = audit_records(folder, plan, complete.manifest.shards, audit, progress)
        result = dataclasses.replace(complete.manifest, audit=audited)
    else:
        entries = {shard.name: entries[shard.name] for shard in layout}
        result = _manifest(folder, plan, entries, audit, progress, revision)
    result.write(folder)
    (folder / PROGRESS_LOG).unlink(missing_ok=True)
    return Dataset(folder, result)


@contextlib.contextmanager
def _progress_bar(total: int, done: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """Gives a function that counts records, from any thread, on a bar for a terminal or a log file."""
    lock = threading.Lock()
    with tqdm(
        total=total, initial=done, unit=" records", unit_scale=True, mininterval=redraw_interval(), miniters=1,
        disable=not shown,
    ) as bar:  # fmt: skip

        def report(records: int) -> None:
            with lock:
                bar.update(records)

        yield report


def _is_intact(folder: AnyPath, shard: Shard, finished: Mapping[str, ShardEntry]) -> bool:
    """Whether a shard is on disk as it was written."""
    entry, path = finished.get(shard.name), folder / shard.name
    return entry is not None and entry.fault(path) is None and entry.fault(path, files.sha256(path)) is None


def _make_way(folder: AnyPath, plan: Plan, overwrite: bool) -> None:
    """Sees to it that the folder holds nothing, or the dataset of this plan, finished or not."""
    settings = plan.to_dict()
    earlier = _earlier_settings(folder, overwrite)
    otherwise = None if (folder / manifest.FILE).exists() else _read_log(folder).begun_otherwise()
    if overwrite and (earlier != settings or otherwise):
        _clear(folder)
    elif earlier is None and any(_SHARD.fullmatch(path.name) for path in folder.iterdir()):
        lost = f"{PROGRESS_LOG} is damaged" if (folder / PROGRESS_LOG).exists() else f"{manifest.FILE} is gone"
        raise InputError(
            f"{folder} holds shards of a dataset whose {lost}. "
            "Restore that file, choose another --out, or delete the shards with --overwrite."
        )
    elif earlier is not None and earlier != settings:
        differing = sorted(key for key in settings | earlier if settings.get(key) != earlier.get(key))
        raise InputError(
            f"{folder} holds another dataset: it differs in {', '.join(differing)}. "
            "Choose another --out, repeat the flags of that dataset to finish it, or delete it with --overwrite."
        )
    elif otherwise:
        raise InputError(
            f"The unfinished dataset in {folder} {otherwise}. All records of a dataset must come from the same code "
            "and versions. Finish it with those, or make it anew with --overwrite."
        )


def _check_repaired(complete: Dataset, written: Mapping[str, ShardEntry]) -> None:
    for name, entry in written.items():
        if entry.sha256 != complete.manifest.shards[name].sha256:
            raise InputError(
                f"{complete.folder / name} was rewritten, but it is not what the manifest describes: the dataset was "
                f"made with {complete.manifest.versions}, this is {provenance.versions()}. "
                "Use those versions, or make the dataset anew with --overwrite."
            )


def _manifest(
    folder: AnyPath, plan: Plan, entries: dict[str, ShardEntry], audit: int, progress: bool, revision: str | None
) -> Manifest:
    """The manifest of a dataset whose shards are all there; the audit is made here."""
    ends = (read_record(folder, plan, entries, number) for number in (0, plan.total - 1))
    return Manifest(
        plan=plan,
        audit=audit_records(folder, plan, entries, audit, progress),
        identity=plan.identity(list(ends)),
        outcomes={
            outcome.name.lower(): sum(entry.outcomes[outcome] for entry in entries.values()) for outcome in Outcome
        },
        versions=provenance.versions(),
        code_revision=revision,
        shards=entries,
    )


def _clear(folder: AnyPath) -> None:
    """Deletes a dataset, its manifest first, and nothing else in the folder."""
    (folder / manifest.FILE).unlink(missing_ok=True)
    (folder / PROGRESS_LOG).unlink(missing_ok=True)
    for path in folder.iterdir():
        if _SHARD.fullmatch(path.name):
            path.unlink()


def _earlier_settings(folder: AnyPath, overwrite: bool) -> dict[str, Any] | None:
    """Plan, as JSON, of the finished or unfinished dataset in the folder, if there is one (that can be read)."""
    if (folder / manifest.FILE).exists():
        try:
            return open_dataset(folder).plan.to_dict()
        except InputError:
            if overwrite:
                return None
            raise
    return _read_log(folder).settings


# The progress log ----------------------------------------------------------------------------


class _Log(NamedTuple):
    """What an interrupted run has noted.

    Attributes:
        settings: its plan, as JSON; None if there is none that can be read.
        shards: entries of the shards that it has finished.
        environment: its code and versions, see `gait.provenance.numerical_environment`; None if it has not noted them.
    """

    settings: dict[str, Any] | None = None
    shards: Mapping[str, ShardEntry] = {}
    environment: dict[str, str] | None = None

    def begun_otherwise(self) -> str | None:
        """What of the finished shards is of other code or versions, in words; None if nothing is."""
        now = provenance.numerical_environment("simulation")
        return provenance.begun_with(self.environment, now) if self.shards else None


def _read_log(folder: AnyPath) -> _Log:
    """The progress log of an interrupted run.

    A line that the interruption cut short, or that was changed since, is as good as none.
    """
    if not (folder / PROGRESS_LOG).exists():
        return _Log()
    first, *others = (files.unsealed(line) for line in [*(folder / PROGRESS_LOG).read_bytes().splitlines(), b""])
    environment = first.pop("environment", None) if first else None
    shards = {name: ShardEntry(**entry) for line in others if line for name, entry in line.items()}
    return _Log(first, shards, environment)


def _start_log(folder: AnyPath, plan: Plan, intact: Mapping[str, ShardEntry]) -> None:
    begun = plan.to_dict() | {"environment": provenance.numerical_environment("simulation")}
    files.write_text(folder / PROGRESS_LOG, "".join(map(_line, [begun, *_logged(intact)])))


def _logged(entries: Mapping[str, ShardEntry]) -> list[dict[str, Any]]:
    return [{name: dataclasses.asdict(entry)} for name, entry in entries.items()]


def _line(content: dict[str, Any]) -> str:
    return json.dumps(files.sealed(content)) + "\n"

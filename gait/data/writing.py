"""Writing a dataset: what is there, what is missing, and who writes it."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterator

from gait import provenance
from gait.storage import files
from gait.data import manifest
from gait.data.audit import audit_records
from gait.data.cluster import connected, written_there
from gait.data.records import serialised
from gait.data.shards import written_here
from gait.errors import InputError
from gait.storage.files import AnyPath
from gait.provenance import cores
from gait.data.manifest import Manifest, Plan, Shard
from gait.simulation.model import Outcome
from gait.progress import ProgressBar

JOURNAL = "progress.jsonl"
"""In an unfinished dataset: its settings, then a line for every finished shard."""
_SHARD = re.compile(r"(train|validation|test)-\d{5}-of-\d{5}\.tfrecord")
_Workforce = Callable[[AnyPath, Plan, list[Shard], ProgressBar], Iterator[dict[str, dict]]]


def write(
    folder: AnyPath,
    plan: Plan,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    audit: int = manifest.AUDITED_RECORDS,
    overwrite: bool = False,
    progress: ProgressBar | None = None,
) -> Manifest:
    """Writes a dataset, or the part of it that an interrupted run has left undone.

    Every shard is written under a temporary name, flushed and then renamed; the manifest comes
    last. Shards that are already there and intact are kept, so the same call resumes an
    interrupted run and repairs a damaged dataset. Journal, audit and manifest are written here,
    whoever writes the shards.

    Args:
        folder: where to; made if needed.
        plan: what to write.
        workers: shards in work at the same time on this machine; by default one a core.
        cluster: address of a Dask scheduler whose workers write the shards; they must reach the folder.
        audit: number of records that the reference engine integrates again.
        overwrite: whether to delete another dataset in the folder.
        progress: told how many records are done.

    Raises:
        InputError: if the folder holds another dataset or cannot be written, if the cluster cannot be
            used, if a person cannot be made to walk, or if the audit finds an inaccurate record.
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
        files.make_folder(folder)
        stack.enter_context(files.storage_errors(folder))
        stack.enter_context(files.locked(folder))
        return _write_locked(folder, plan, workforce, audit, overwrite, progress or ProgressBar("records"))


def _write_locked(folder, plan, workforce, audit, overwrite, progress) -> Manifest:
    settings = json.loads(json.dumps(plan.settings()))
    _make_way(folder, settings, overwrite)
    complete = manifest.read(folder) if (folder / manifest.FILE).exists() else None
    if complete:
        (folder / JOURNAL).unlink(missing_ok=True)  # a kill may have come between the manifest and this
    finished = complete.content["shards"] if complete else _read_journal(folder)[1]
    layout = plan.layout()
    intact = {
        shard.name: finished[shard.name]
        for shard in layout
        if shard.name in finished and manifest.shard_fault(folder / shard.name, finished[shard.name]) is None
    }
    missing = [shard for shard in layout if shard.name not in intact]
    progress.start(plan.records, done=sum(entry["records"] for entry in intact.values()))
    entries = dict(intact)
    if not complete:
        _start_journal(folder, settings, intact)
    # At an error or Ctrl-C, closing makes the others give up their shards at once.
    with contextlib.closing(workforce(folder, plan, missing, progress=progress)) as batches:
        for written in batches:
            entries |= written
            if complete:
                _check_repaired(complete, written)
            else:
                lines = (json.dumps(files.sealed({name: entry})) + "\n" for name, entry in written.items())
                files.append(folder / JOURNAL, "".join(lines))
    if complete:
        if audit <= complete.content["audit"]["records"]:
            return complete
        return manifest.write(folder, complete.content | {"audit": audit_records(complete, plan.population, audit)})
    content = _content(folder, plan, settings, {shard.name: entries[shard.name] for shard in layout}, audit)
    written_manifest = manifest.write(folder, content)
    (folder / JOURNAL).unlink(missing_ok=True)
    return written_manifest


def _make_way(folder: AnyPath, settings: dict, overwrite: bool) -> None:
    """Sees to it that the folder holds nothing, or the dataset of these settings, finished or not."""
    earlier = _earlier_settings(folder, overwrite)
    if overwrite and earlier != settings:
        _clear(folder)
    elif earlier is None and any(_SHARD.fullmatch(path.name) for path in folder.iterdir()):
        lost = f"{JOURNAL} is damaged" if (folder / JOURNAL).exists() else f"{manifest.FILE} is gone"
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


def _check_repaired(complete: Manifest, written: dict[str, dict]) -> None:
    for name, entry in written.items():
        if entry["sha256"] != complete.content["shards"][name]["sha256"]:
            raise InputError(
                f"{complete.folder / name} was rewritten, but it is not what the manifest describes: the dataset was "
                f"made with {complete.content['versions']}, this is {provenance.versions()}. "
                "Use those versions, or make the dataset anew with --overwrite."
            )


def _content(folder: AnyPath, plan: Plan, settings: dict, entries: dict[str, dict], audit: int) -> dict:
    """Content of the manifest of a dataset whose shards are all there; the audit is made here."""
    unfinished = Manifest(folder, settings | {"shards": entries})
    audited = audit_records(unfinished, plan.population, audit)
    return settings | {
        "identity": manifest.identity(settings, [serialised(unfinished, i) for i in (0, plan.records - 1)]),
        "outcomes": {
            outcome.name.lower(): sum(entry["outcomes"][outcome] for entry in entries.values()) for outcome in Outcome
        },
        "audit": audited,
        "versions": provenance.versions(),
        "code_revision": provenance.code_revision(),
        "shards": entries,
    }


def _clear(folder: AnyPath) -> None:
    """Deletes a dataset, its manifest first, and nothing else in the folder."""
    (folder / manifest.FILE).unlink(missing_ok=True)
    (folder / JOURNAL).unlink(missing_ok=True)
    for path in folder.iterdir():
        if _SHARD.fullmatch(path.name):
            path.unlink()


def _earlier_settings(folder: AnyPath, overwrite: bool) -> dict | None:
    """Settings of the finished or unfinished dataset in the folder, if there is one (that can be read)."""
    if (folder / manifest.FILE).exists():
        try:
            return manifest.read(folder).settings
        except InputError:
            if overwrite:
                return None
            raise
    return _read_journal(folder)[0]


def _read_journal(folder: AnyPath) -> tuple[dict | None, dict[str, dict]]:
    """Settings of an interrupted run, and the entries of the shards that it has finished.

    A line that the interruption cut short, or that was changed since, is as good as none.
    """
    if not (folder / JOURNAL).exists():
        return None, {}
    first, *others = (files.unsealed(line) for line in [*(folder / JOURNAL).read_bytes().splitlines(), b""])
    return first, {name: entry for line in others if line for name, entry in line.items()}


def _start_journal(folder: AnyPath, settings: dict, intact: dict[str, dict]) -> None:
    lines = [settings, *({name: entry} for name, entry in intact.items())]
    files.write_text(folder / JOURNAL, "".join(json.dumps(files.sealed(line)) + "\n" for line in lines))

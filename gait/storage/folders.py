"""Kinds of folders that the scripts write, told apart by their files, so that none is written into another."""

from __future__ import annotations

import re

from gait.errors import InputError
from gait.storage.files import AnyPath

DATASET, RUN = "dataset", "training run"
_FILES = {
    DATASET: re.compile(r"manifest\.json|progress\.jsonl|.*\.tfrecord"),
    RUN: re.compile(r"model\.keras|checkpoint\.npz|history\.csv|result\.json"),
}


def kind_of(folder: AnyPath) -> str | None:
    """Says what a folder holds, finished or not: a dataset, a training run, or None of these."""
    if not folder.is_dir():
        return None
    names = [path.name for path in folder.iterdir()]
    return next((kind for kind, files in _FILES.items() if any(map(files.fullmatch, names))), None)


def check_kind(folder: AnyPath, wanted: str, flag: str) -> None:
    """Raises `InputError` if a folder holds something of another kind.

    Args:
        folder: local or remote; one that is not there, or holds none of our files, is fine.
        wanted: what it may hold, `DATASET` or `RUN`.
        flag: name of the flag that gave it.
    """
    found = kind_of(folder)
    if found not in (None, wanted):
        raise InputError(
            f"{folder} holds a {found}, not a {wanted}. Each has a folder of its own: "
            + ("choose another --out." if flag == "out" else f"give that of a {wanted} as --{flag}.")
        )

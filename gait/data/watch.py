"""Watch over shards that a training reads in every epoch."""

from __future__ import annotations

from gait.data.dataset import Dataset, signature
from gait.errors import InputError
from gait.storage.files import sha256


class ShardWatch:
    """Tells whether the shards of a split are still the files that were verified; to be made before they are read.

    A lock could not: remote storages and many a cluster have none, and a long training would keep others from
    repairing the dataset. So what has been read is compared afterwards, by size, time and number of the file, which
    costs nothing. Only a file in which one of these has changed is read again.
    """

    def __init__(self, dataset: Dataset, split: str):
        self._dataset = dataset
        self._signatures = {name: signature(dataset.folder / name) for name in dataset.shards(split)}

    def check(self, *, thoroughly: bool = False) -> None:
        """Raises `InputError` if a shard is not the verified one any more.

        Args:
            thoroughly: whether to read all of them again, whatever their sizes and times.
        """
        for name, before in self._signatures.items():
            path, entry = self._dataset.folder / name, self._dataset.manifest.shards[name]
            now = signature(path)
            if now == before and not thoroughly:
                continue
            if fault := entry.fault(path) or entry.fault(path, sha256(path)):
                raise InputError(
                    f"The shard {path} {fault}. It was changed while a training was reading it in every epoch. Restore "
                    f"the dataset ({self._dataset.command()}), then repeat the command of the training. It continues "
                    "from its last checkpoint."
                )
            self._signatures[name] = now

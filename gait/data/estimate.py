"""Size of a dataset and the time to write it, before it is begun."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from pathlib import Path

from gait.data.manifest import Plan
from gait.errors import InputError
from gait.provenance import cores
from gait.storage.files import AnyPath

MOST_SHARDS = 99_999
"""Files of a split: their names have five digits."""
LONGEST = 365.25 * 86400
"""Time [s] beyond which a dataset is not begun on one machine."""
_BYTES_A_RECORD, _BYTES_A_CHANNEL, _BYTES_A_SAMPLE = 93, 16, 4
_SECONDS = {"taylor": 5e-6, "scipy": 0.035}
"""Time [s] of one core for a second of walking, with the share of draws that do not walk."""
_SECONDS_A_SAMPLE, _SECONDS_A_VALUE = 0.1e-6, 0.008e-6
"""Time [s] of one core for a sample, and for each channel's value of it. All were measured on one machine."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Expected size and time of a dataset; the time is about right on a core of 2024, the size within 2 %.

    Attributes:
        records: number of its records.
        duration: length of each walk, s.
        size: bytes of all shards.
        seconds: time to write and audit it, s.
        cores: number of cores that the time holds for.
    """

    records: int
    duration: float
    size: int
    seconds: float
    cores: int

    @classmethod
    def of(cls, plan: Plan, audit: int, cores: int) -> Estimate:
        """Estimates a dataset.

        Args:
            plan: contents of the dataset.
            audit: number of records that the reference engine integrates again.
            cores: number of cores to write it with.
        """
        samples, channels, duration = int(plan.settings.times.size), len(plan.channels), plan.settings.duration
        size = plan.total * (_BYTES_A_RECORD + channels * (_BYTES_A_CHANNEL + _BYTES_A_SAMPLE * samples))
        walking = _SECONDS[plan.engine] * duration
        recording = samples * (_SECONDS_A_SAMPLE + channels * _SECONDS_A_VALUE)
        together = cores if plan.engine == "taylor" else 1  # plain Python holds on to the interpreter's lock
        audited = min(audit, plan.total) * _SECONDS["scipy"] * duration
        return cls(plan.total, duration, size, plan.total * (walking + recording) / together + audited, together)

    def sentence(self) -> str:
        """The estimate in plain words."""
        cores = "one core" if self.cores == 1 else f"{self.cores} cores"
        return (
            f"{self.records:,} walks of {self.duration:g} s are about {_size(self.size)} and take about "
            f"{_time(self.seconds)} on {cores}."
        )


def estimate_in_words(plan: Plan, folder: AnyPath, *, audit: int, workers: int | None, here: bool = True) -> str:
    """Says how large a dataset will be, and how long it will take.

    Args:
        plan: contents of the dataset.
        folder: where it is to be written; what it holds of a dataset is as good as free.
        audit: number of records that the reference engine integrates again.
        workers: shards in work at the same time; by default one a core.
        here: whether this machine writes it, and no cluster.

    Raises:
        InputError: if it is too large for the disk, would take a year, or has too many files.
    """
    estimate = Estimate.of(plan, max(0, audit), max(1, min(workers or cores(), cores())))
    room = _room(folder) if isinstance(folder, Path) else None
    if room is not None and estimate.size > room:
        raise InputError(
            f"{estimate.sentence()} There is room for {_size(room)} at {folder}. Ask for fewer --records or "
            "--channels, a shorter --duration or a longer --interval, or choose another --out."
        )
    if here and estimate.seconds > LONGEST:
        raise InputError(
            f"{estimate.sentence()} That is more than a year. Ask for fewer --records or a shorter --duration, "
            "a longer --interval, or use a --cluster."
        )
    if plan.shard_count > MOST_SHARDS:
        raise InputError(
            f"{estimate.sentence()} A split has at most {MOST_SHARDS:,} files, so these would be too many: "
            f"{plan.shard_count:,}. Ask for fewer --records, or give a smaller number as --shards."
        )
    return estimate.sentence()


def _room(folder: Path) -> int | None:
    """Bytes that a dataset in a folder can take; None if the system does not tell."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    with contextlib.suppress(OSError):
        there = sum(path.stat().st_size for path in folder.glob("*.tfrecord"))
        disk = shutil.disk_usage(place)
        if disk.total:  # there is none behind /proc, say, which is for the attempt to write there to find out
            return disk.free + there
    return None


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            break
        count /= 1000
    return f"{count:,.3g} {unit}" if count < 1000 else f"{count:,.0f} {unit}"


def _time(seconds: float) -> str:
    for size, unit in ((86400 * 365.25, "years"), (86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            number = seconds / size
            return f"{number:,.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"
    return f"{max(1, round(seconds))} s"

"""Views of stored records: channels computed from stored ones, the first seconds of a walk, every n-th sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from gait.data.manifest import Plan
from gait.errors import InputError
from gait.parameters import named
from gait.simulation.channels import CHANNELS, check_channels, check_footholds, observe
from gait.simulation.conditions import SAMPLE_FIELDS, Conditions, RecordingSettings
from gait.simulation.model import TouchdownRule
from gait.storage.files import AnyPath

_ROUNDING = 1e-15  # relative: 0.3 / 0.1 is not 3; more could let a view of a million samples be one sample longer


def sources(plan: Plan, settings: RecordingSettings, name: str) -> tuple[str, ...]:
    """Names of the stored channels that a channel is read or computed from; none if they do not suffice.

    A stored channel that divides by a mean over the whole record, such as `y_rel`, is another one in a view.

    Args:
        plan: of the dataset.
        settings: how its records are seen.
        name: of the channel.
    """
    channel, stored = CHANNELS[name], plan.channels
    if name in stored and (channel.pointwise or settings == plan.settings):
        return (name,)
    lost = channel.on_footholds and "step_length" not in plan.population.names
    return () if lost or not {*channel.needs} <= {*stored} else channel.needs


def command_with(plan: Plan, settings: RecordingSettings, folder: AnyPath, missing: Sequence[str], *more: str) -> str:
    """The command that makes a dataset of the same walkers with channels that a view of a dataset lacks.

    Args:
        plan: of the dataset.
        settings: how its records are seen.
        folder: where it is; the other one comes beside it.
        missing: names of the channels.
        more: words to add to the command.

    Raises:
        InputError: if no dataset of these walkers can have the channels.
    """
    check_channels(missing)
    by_steps = "step_length" in plan.population.names
    check_footholds(missing, TouchdownRule.STEP_LENGTH if by_steps else TouchdownRule.ANGLE_OF_ATTACK)
    found = [name for name in missing if CHANNELS[name].pointwise or settings == plan.settings]
    found += [need for name in missing if name not in found for need in CHANNELS[name].needs]
    other = dataclasses.replace(plan, channels=tuple(dict.fromkeys([*plan.channels, *found])))
    return other.command(_beside(folder, f"with_{'_'.join(missing)}"), *more)


def _beside(folder: AnyPath, word: str) -> AnyPath:
    """A folder beside another one, whose name a word is added to."""
    named_folder = folder if folder.name not in ("", "..") else folder.resolve()
    return named_folder.with_name(f"{named_folder.name}_{word}")


def viewed_settings(plan: Plan, settings: RecordingSettings, folder: AnyPath) -> RecordingSettings:
    """Checks that stored records can be seen as if they were recorded in another way.

    Args:
        plan: of the dataset.
        settings: how its records are to be seen.
        folder: where it is.

    Returns:
        The settings of the view: its walkers walk as long as the records do. Those of the plan if it shows all samples.

    Raises:
        InputError: if the view is longer than the records, or its interval no multiple of theirs.
    """
    stored, every = plan.settings, settings.interval / plan.settings.interval
    if settings.duration > stored.duration:
        raise InputError(
            f"A view must not be longer than the records, {stored.duration:g} s. "
            f"Received: --duration={settings.duration}. Choose at most --duration={stored.duration}, or make a dataset "
            f"of longer walks: {dataclasses.replace(plan, settings=settings).command(_beside(folder, 'longer'))}"
        )
    if every < 0.5 or abs(every - round(every)) > _ROUNDING * every:
        below = max(1, int(every))
        raise InputError(
            f"A view takes every n-th sample, so its interval is a whole multiple of the stored {stored.interval:g} s. "
            f"Received: --interval={settings.interval}. Choose --interval={below * stored.interval:g} or "
            f"--interval={(below + 1) * stored.interval:g}, or make a dataset of that interval: "
            f"{dataclasses.replace(plan, settings=settings).command(_beside(folder, 'resampled'))}"
        )
    whole = round(every) == 1 and settings.times.size == stored.times.size
    return stored if whole else dataclasses.replace(settings, walking=stored.duration)


@dataclasses.dataclass(frozen=True)
class Selection:
    """Stored channels to read of each record, and how they become the channels that are asked for.

    Attributes:
        plan: of the dataset.
        settings: how its records are seen.
        wanted: names of the c channels that are asked for; all have `sources`.
    """

    plan: Plan
    settings: RecordingSettings
    wanted: tuple[str, ...]

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the s stored channels to read."""
        if self.is_plain:
            return self.wanted
        return tuple(dict.fromkeys(source for name in self.wanted for source in self._sources(name)))

    @property
    def stored_samples(self) -> int:
        """Number of samples of a stored channel."""
        return self.plan.settings.times.size

    @property
    def width(self) -> int:
        """Number of values of a record, c * samples."""
        return len(self.wanted) * self.settings.times.size

    @property
    def is_plain(self) -> bool:
        """Whether records are read as they are stored."""
        return self.settings == self.plan.settings and all(self._sources(name) == (name,) for name in self.wanted)

    def _sources(self, name: str) -> tuple[str, ...]:
        return sources(self.plan, self.settings, name)

    def of(self, stored: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """Channels that are asked for, from those that are stored.

        Args:
            stored: shape [n, s * stored samples], float32, one channel after the other, SI units.
            parameters: shape [n, p], float64, SI units.

        Returns:
            Shape [n, c * samples], float32: stored ones to the last bit, others computed in float64 from the stored
            samples that the view shows. A record's values do not depend on the records beside it.
        """
        if self.is_plain:
            return stored
        count, every = self.settings.times.size, round(self.settings.interval / self.plan.settings.interval)
        seen = stored.reshape(len(stored), len(self.stored), self.stored_samples)[:, :, : every * count : every]
        table = dict(zip(self.stored, seen.swapaxes(0, 1), strict=True))
        derived = [name for name in self.wanted if self._sources(name) != (name,)]
        if derived:
            walkers = Conditions.of(named(self.plan.population.names, parameters), self.settings.gravity)
            fields = {name: np.ascontiguousarray(table[name], float) for name in SAMPLE_FIELDS if name in table}
            table |= dict(zip(derived, observe(derived, fields, walkers), strict=True))
        values = np.empty((len(stored), len(self.wanted), count), np.float32)
        for i, name in enumerate(self.wanted):
            values[:, i] = table[name]
        return values.reshape(len(stored), -1)

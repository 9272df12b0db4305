"""Results of several runs side by side: rows in a fixed order, each with a label of its own."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gait.diagnostics.intervals import is_range
from gait.diagnostics.verdicts import Recovery
from gait.limits.ceilings import RECOVERED_R2
from gait.limits.noisy_ceilings import noise_in_words
from gait.parameters import QUANTITIES
from gait.scenarios import SCENARIOS, Scenario


@dataclasses.dataclass(frozen=True)
class Cell:
    """One quantity of one run.

    Attributes:
        possible: highest possible R².
        reached: R² of the network; NaN if undefined.
        verdict: verdict on the network.
        error: standard error of `possible`; None if it is exact or a bound.
        interval: 99 % interval of `possible`, if some walkers could not be done and it is therefore a range; else None.
        is_bound: whether `possible` is a bound in noise that may be out of every estimator's reach.
    """

    possible: float
    reached: float
    verdict: Recovery
    error: float | None = None
    interval: tuple[float, float] | None = None
    is_bound: bool = False

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any], *, noisy: bool) -> Cell:
        """Reads an entry of metrics.json, of this code or of an earlier one.

        Args:
            entry: with `r2`, `ceiling_r2` and `verdict`; `ceiling_r2_error` may be missing.
            noisy: whether the run has noise. A highest possible R² in noise without standard error is a bound.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: if the entry is none.
        """
        possible, error = _number(entry["ceiling_r2"]), _number(entry.get("ceiling_r2_error"))
        if math.isnan(possible):
            raise ValueError(f"ceiling_r2 is {entry['ceiling_r2']!r}")
        known = not math.isnan(error)
        low, high = (_number(end) for end in entry.get("ceiling_interval") or (possible, possible))
        return cls(
            possible=possible,
            reached=_number(entry["r2"]),
            verdict=Recovery(entry["verdict"]),
            error=error if known else None,
            interval=(low, high) if known and is_range(low, high, error) else None,
            is_bound=noisy and not known and possible > 0.0,
        )

    @property
    def can_be_known(self) -> bool | None:
        """Whether some estimator recovers the quantity; None where there is only a bound, and it leaves that open."""
        if self.verdict == Recovery.RECOVERED:
            return True
        low, high = self.interval or (self.possible, self.possible)
        if high < RECOVERED_R2:
            return False
        return None if self.is_bound or low < RECOVERED_R2 else True


def _number(value: Any) -> float:
    """A number of a JSON file; NaN for none, and for one that is not finite."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value) if math.isfinite(value) else math.nan


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """One row of a comparison: an evaluated run.

    Attributes:
        name: last part of the path of the run's folder.
        folder: the path.
        scenario: what the network read and estimated.
        samples: number of samples of a channel.
        dataset: identity of the dataset.
        cells: result for each quantity, by name.
        entries: content of metrics.json.
    """

    name: str
    folder: str
    scenario: Scenario
    samples: int
    dataset: str
    cells: Mapping[str, Cell]
    entries: Mapping[str, Mapping[str, Any]]

    @property
    def sources(self) -> str:
        """Measurements in words: "x, y + mass" for two channels and a parameter."""
        once = ", ".join(self.scenario.measured).replace("_", " ")
        return ", ".join(self.scenario.inputs) + (f" + {once}" if once else "")

    @property
    def levels(self) -> dict[str, float]:
        """Noise of each channel and measured parameter that has some, in its unit."""
        return {name: level for name, level in (self.scenario.noise or {}).items() if level > 0.0}

    @property
    def noise(self) -> str:
        """The noise in words: "0.005 m in x and y", or "none"."""
        return noise_in_words(self.levels) if self.levels else "none"

    @property
    def duration(self) -> float | None:
        """Length of a recording, s; None for the dataset's."""
        return self.scenario.duration

    @property
    def interval(self) -> float | None:
        """Time between samples, s; None for the dataset's."""
        return self.scenario.interval

    @property
    def recording(self) -> str:
        """Duration and sampling interval in words where they are not the dataset's; else empty."""
        parts = (
            "" if self.duration is None else f"first {self.duration:g} s",
            "" if self.interval is None else f"every {self.interval:g} s",
        )
        return ", ".join(filter(None, parts))

    @property
    def place(self) -> str:
        """Measurements with their noise, as in a sentence: "x, y with noise of 0.005 m in x and y"."""
        noise = f" with noise of {self.noise}" if self.levels else ""
        return self.sources + noise + (f" ({self.recording})" if self.recording else "")

    def _order(self) -> tuple:
        """Built-in scenarios first; of one, the clean and the long recordings."""
        scenario, names = self.scenario, list(SCENARIOS)
        rank = names.index(scenario.name) if scenario.name in names else len(names)
        levels = tuple(self.levels.get(name, 0.0) for name in scenario.sources)
        view = (-math.inf if self.duration is None else -self.duration, self.interval or 0.0)
        return rank, scenario.name, scenario.inputs, scenario.measured, levels, view, self.folder


class ComparisonTable:
    """Runs in rows, quantities in columns.

    Args:
        runs: evaluated runs, in any order.

    Attributes:
        runs: by scenario, then noise (none first), then recording (long first).
        columns: names of all quantities that some run tells of, in the order of `gait.parameters.QUANTITIES`.
        names: a short name of each run that no other one has.
        conditions: noise and recording of each run in words, and its name where two would look alike.
    """

    def __init__(self, runs: Iterable[ComparedRun]):
        self.runs: tuple[ComparedRun, ...] = tuple(sorted(runs, key=ComparedRun._order))
        told = {name for run in self.runs for name in run.cells}
        self.columns: tuple[str, ...] = tuple(name for name in QUANTITIES if name in told)
        count = Counter(run.name for run in self.runs)
        self.names: tuple[str, ...] = tuple(run.name if count[run.name] == 1 else run.folder for run in self.runs)
        looks = [(self._group(run), run.noise, run.recording) for run in self.runs]
        alike = Counter(looks)
        self.conditions: tuple[str, ...] = tuple(
            ", ".join(
                filter(
                    None,
                    (
                        f"noise {run.noise}" if run.levels else "no noise",
                        run.recording,
                        name if alike[look] > 1 else "",
                    ),
                )
            )
            for run, name, look in zip(self.runs, self.names, looks, strict=True)
        )

    def groups(self) -> list[tuple[str, str, range]]:
        """Rows that belong together: scenario, what was measured, and the places of the rows."""
        found: list[tuple[str, str, range]] = []
        for place, run in enumerate(self.runs):
            if place and self._group(run) == self._group(self.runs[place - 1]):
                scenario, sources, rows = found[-1]
                found[-1] = scenario, sources, range(rows.start, place + 1)
            else:
                found.append((*self._group(run), range(place, place + 1)))
        return found

    @staticmethod
    def _group(run: ComparedRun) -> tuple[str, str]:
        return run.scenario.name, run.sources

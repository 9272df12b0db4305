"""Share of a population's draws that walk, and how it depends on the subject."""

from __future__ import annotations

import dataclasses

import numpy as np

from gait.parameters import QUANTITIES, derive, draw, named, stream, subject_of
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.model import Outcome
from gait.simulation.population import Population
from gait.simulation.walks import integrate

DRAWS = 6000
_STREAM = 2**31  # no block of records has this number
_PARTS = 3


@dataclasses.dataclass(frozen=True)
class Acceptance:
    """Share of draws that walk for a whole recording.

    Attributes:
        draws: number of draws.
        share: of them that walk.
        by: for each quantity of the subject by name, edges [4] of its thirds and share [3] that walks in each.
        outcomes: number of draws that ended otherwise, by the outcome's name.
    """

    draws: int
    share: float
    by: dict[str, tuple[np.ndarray, np.ndarray]]
    outcomes: dict[str, int]

    def sentences(self) -> list[str]:
        """The shares in plain words."""
        ended = ", ".join(f"{name} {count:,}" for name, count in self.outcomes.items())
        lines = [
            f"{self.share:.0%} of {self.draws:,} draws walk for the whole recording"
            + (f" (the others end in: {ended})." if ended else ".")
        ]
        for name, (edges, shares) in self.by.items():
            quantity = QUANTITIES[name]
            thirds = "; ".join(
                f"{low:.4g} to {high:.4g}: {share:.0%}"
                for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True)
            )
            lines.append(f"By {quantity.label} [{quantity.unit}], {thirds}.")
        return lines


def acceptance(population: Population, settings: RecordingSettings, draws: int = DRAWS) -> Acceptance:
    """Lets draws of a population walk, none of them drawn again.

    Args:
        population: what to draw from.
        settings: how walks are recorded.
        draws: number of draws.
    """
    names = population.names
    theta = draw(names, population.priors, draws, stream(population.seed, _STREAM))
    parameters = named(names, theta)
    outcome = integrate(Conditions.of(parameters, settings.gravity), settings, threads=None).outcome
    walked = outcome == Outcome.WALKED
    lengths = [name for name in subject_of(names) if name.startswith("rest_length")]
    by = {}
    for name in ("stiffness_to_mass", *lengths):
        values = np.asarray(derive(name, parameters))
        edges = np.quantile(values, np.linspace(0.0, 1.0, _PARTS + 1))
        part = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, _PARTS - 1)
        by[name] = edges, np.array([walked[part == i].mean() for i in range(_PARTS)])
    counts = np.bincount(outcome, minlength=len(Outcome))
    failed = {Outcome(i).name.lower(): int(n) for i, n in enumerate(counts) if n and i != Outcome.WALKED}
    return Acceptance(draws, float(walked.mean()), by, failed)

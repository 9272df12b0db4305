"""Named populations: documented ranges of a walker's parameters, and the population that a user asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from gait.errors import InputError
from gait.parameters import OTHER_LEG, PAPER_PRIORS, Uniform, subject_of
from gait.simulation.population import Population

TOUCHDOWNS = ("step_length", "angle_of_attack")
"""Parameters that can decide where the swing leg lands: a fixed step length or a fixed angle to the ground."""


@dataclasses.dataclass(frozen=True)
class NamedPopulation:
    """Ranges of subjects, and of circumstances for each touchdown rule.

    Attributes:
        meaning: whom it describes, in words.
        gravity: gravitational acceleration, m/s².
        subject: range of each subject parameter, SI units.
        circumstances: range of each circumstance, SI units, by the touchdown rule's parameter.
    """

    meaning: str
    gravity: float
    subject: Mapping[str, Uniform]
    circumstances: Mapping[str, Mapping[str, Uniform]]

    def ranges(self, touchdown: str) -> dict[str, Uniform]:
        """Range of each parameter for one of `TOUCHDOWNS`, in the order of the columns."""
        return {**self.subject, **self.circumstances[touchdown]}


_PAPER_SUBJECT = {name: PAPER_PRIORS[name] for name in subject_of(PAPER_PRIORS)}

POPULATIONS: dict[str, NamedPopulation] = {
    "paper": NamedPopulation(
        "the paper's",
        gravity=10.0,
        subject=_PAPER_SUBJECT,
        circumstances={
            "step_length": {name: prior for name, prior in PAPER_PRIORS.items() if name not in _PAPER_SUBJECT},
            "angle_of_attack": {
                "x0": Uniform(0.0, 0.05),
                "y0": Uniform(0.0, 0.03),
                "vx0": Uniform(0.68, 1.0),
                "angle_of_attack": Uniform(1.0, 1.15),
            },
        },
    ),
    # Ranges and their sources: docs/populations.md.
    "adult": NamedPopulation(
        "adults of all sizes at slow to comfortable speed",
        gravity=9.81,
        subject={
            "mass": Uniform(45.0, 110.0),
            "stiffness": Uniform(8000.0, 25000.0),
            "rest_length": Uniform(0.8, 1.15),
        },
        circumstances={
            "step_length": {
                "x0": Uniform(0.0, 0.1),
                "y0": Uniform(0.0, 0.06),
                "vx0": Uniform(0.7, 1.2),
                "step_length": Uniform(0.4, 0.7),
            },
            "angle_of_attack": {
                "x0": Uniform(0.0, 0.03),
                "y0": Uniform(0.0, 0.03),
                "vx0": Uniform(0.7, 1.2),
                "angle_of_attack": Uniform(1.02, 1.33),
            },
        },
    ),
}


def population_of(
    name: str = "paper", touchdown: str = "step_length", given: Mapping[str, Uniform] | None = None, seed: int = 0
) -> Population:
    """A named population with some ranges replaced.

    Args:
        name: one of `POPULATIONS`.
        touchdown: one of `TOUCHDOWNS`.
        given: ranges that replace those of the population, SI units; one of the other leg gives it its own.
        seed: key of all random streams.

    Raises:
        InputError: if a range does not belong to such walkers, or is not one.
    """
    ranges = POPULATIONS[name].ranges(touchdown)
    strange = [own for own in given or {} if own not in ranges and own not in OTHER_LEG]
    if strange:
        raise InputError(
            f"Walkers whose touchdown is given by {touchdown} have no range of {', '.join(strange)}. "
            f"Received: --touchdown={touchdown} --{strange[0]}. Leave it out, or choose the other --touchdown."
        )
    return Population({**ranges, **(given or {})}, seed)

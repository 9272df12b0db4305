"""What a network is asked: which channels it reads and which quantities it estimates."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One regression problem.

    Attributes:
        name: name in flags and reports.
        inputs: channel names.
        targets: names of quantities, see `gait.parameters.QUANTITIES`.
        question: the problem in one sentence.
    """

    name: str
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    question: str


_ALL = (
    Scenario(
        "three_parameter",
        inputs=("x", "y"),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the motion of the centre of mass (Fig. 4).",
    ),
    Scenario(
        "two_parameter",
        inputs=("x", "y"),
        targets=("stiffness_to_mass", "rest_length"),
        question="The ratio k/m and the rest length from the same motion (Fig. 5).",
    ),
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}

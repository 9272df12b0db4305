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
        schedule: course of the learning rate that did best on the validation split, see `gait.training.run.Settings`.
            Targets that cannot be known want an early decay: what is left to learn of them is memorising.
    """

    name: str
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    question: str
    schedule: str


_ALL = (
    Scenario(
        "three_parameter",
        inputs=("x", "y"),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the motion of the centre of mass (Fig. 4).",
        schedule="inverse",
    ),
    Scenario(
        "two_parameter",
        inputs=("x", "y"),
        targets=("stiffness_to_mass", "rest_length"),
        question="The ratio k/m and the rest length from the same motion (Fig. 5).",
        schedule="cosine",
    ),
    Scenario(
        "force_plate",
        inputs=("fx", "fy"),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the ground reaction force, which contains the weight.",
        schedule="cosine",
    ),
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}

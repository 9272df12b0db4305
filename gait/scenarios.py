"""Scenarios: which channels a network reads, what else is known, and which quantities are to be estimated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from gait.errors import InputError


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One regression problem; the analysis before training, the data feed and the evaluation read it alike.

    Attributes:
        name: name in flags and reports.
        inputs: channel names, see `gait.simulation.channels.CHANNELS`.
        targets: names of quantities, see `gait.parameters.QUANTITIES`.
        question: the problem in one sentence.
        schedule: course of the learning rate that did best on the validation split, see
            `gait.training.run.TrainingSettings`. Targets that cannot be known want an early decay: all that is left
            to learn of them is memorising.
        measured: names of parameters that are known beside the channels, each measured once, such as the body mass.
        noise: standard deviation of each channel and measured parameter, in its unit; None for none.
    """

    name: str
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    question: str
    schedule: str = "cosine"
    measured: tuple[str, ...] = ()
    noise: Mapping[str, float] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """All that a network is given: channels, then parameters that are measured once."""
        return (*self.inputs, *self.measured)


_ALL = (
    Scenario(
        "three_parameter",
        inputs=("x", "y"),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the motion of the centre of mass (Sameni, Figs. 3a, 4 and 5).",
        schedule="exponential",
    ),
    Scenario(
        "two_parameter",
        inputs=("x", "y"),
        targets=("stiffness_to_mass", "rest_length"),
        question="The ratio k/m and the rest length from the motion of the centre of mass (Sameni, Figs. 3b and 6).",
    ),
    Scenario(
        "force_plate",
        inputs=("fx", "fy"),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the ground reaction force, which contains the weight.",
    ),
    Scenario(
        "weighed",
        inputs=("x", "y"),
        targets=("stiffness", "rest_length"),
        question="Stiffness and rest length from the motion of the centre of mass and the body mass.",
        measured=("mass",),
    ),
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}


def parse_noise(words: Sequence[str]) -> dict[str, float]:
    """Noise levels that a user has written as CHANNEL:LEVEL, in the channels' units.

    Raises:
        InputError: if a word is of another form, or a channel is named twice.
    """
    levels: dict[str, float] = {}
    for word in words:
        name, _, number = word.partition(":")
        try:
            level = float(number)
        except ValueError:
            level = None
        if level is None or name in levels:
            raise InputError(
                "Noise is given once for each channel, as its standard deviation in the channel's unit: "
                f"--noise=x:0.005,y:0.005. Received: {word!r}."
            )
        levels[name] = level
    return levels

"""Scenarios: which channels a network reads, what else is known, and which quantities are to be estimated."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from gait.errors import InputError
from gait.identifiability.wording import listed
from gait.parameters import QUANTITIES, determined
from gait.simulation.channels import CHANNELS, check_smooth

DEFAULT, OWN = "three_parameter", "own"
"""Name of the scenario that nobody has chosen, and of one that was described by its inputs and targets."""
TYPICAL, NONE = "typical", "none"
"""Words for noise: the usual level of each source, and no noise."""
TYPICAL_ONCE = {"kg": 0.1, "m": 0.005, "N/m": 100.0, "m/s": 0.01, "rad": 0.01}
"""Typical noise of a parameter that is measured once, by its unit: a scale, a tape, a test of the leg, a light barrier
and a goniometer. That of a channel is `gait.simulation.channels.Channel.noise`."""
_MASSES = {"kg", "N", "N/m"}  # units that contain kilograms
_ESTIMATED = tuple(name for name in QUANTITIES if name != "gravity")  # which is one number for all records
_ONCE = tuple(name for name in _ESTIMATED if QUANTITIES[name].derive is None)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One regression problem; the analysis before training, the data feed and the evaluation read it alike.

    Attributes:
        name: name in flags and reports.
        inputs: channel names, see `gait.simulation.channels.CHANNELS`.
        targets: names of quantities, see `gait.parameters.QUANTITIES`.
        question: the problem in one sentence.
        measured: names of parameters that are known beside the channels, each measured once, such as the body mass.
        noise: standard deviation of each channel and measured parameter, in its unit; None for none.
        duration: length of a recording from its beginning, s; None for all that is stored.
        interval: time between samples, s, a multiple of the stored one; None for that.
    """

    name: str
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    question: str
    measured: tuple[str, ...] = ()
    noise: Mapping[str, float] | None = None
    duration: float | None = None
    interval: float | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """All that a network is given: channels, then parameters that are measured once."""
        return (*self.inputs, *self.measured)

    @property
    def schedule(self) -> str:
        """Default course of the learning rate, see `gait.training.settings.TrainingSettings`.

        Targets that cannot be known want an early decay: all that is left to learn of them is memorising. No source
        tells of kilograms unless its unit contains them, so then a mass or a stiffness is such a target.
        """
        heavy = any(QUANTITIES[name].unit in _MASSES for name in self.targets)
        return "exponential" if heavy and not any(_unit(name) in _MASSES for name in self.sources) else "cosine"


def _unit(name: str) -> str:
    """Unit of a channel or a quantity."""
    return CHANNELS[name].unit if name in CHANNELS else QUANTITIES[name].unit


_ALL = (
    Scenario(
        "three_parameter",
        inputs=("x", "y"),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the motion of the centre of mass (Sameni, Figs. 3a, 4 and 5).",
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
        "motion_and_force",
        inputs=("x", "y", "fx", "fy"),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the motion and the ground reaction force, as in a laboratory.",
    ),
    Scenario(
        "weighed",
        inputs=("x", "y"),
        targets=("stiffness", "rest_length"),
        question="Stiffness and rest length from the motion of the centre of mass and the body mass.",
        measured=("mass",),
    ),
    Scenario(
        "accelerometer",
        inputs=("sfx", "sfy"),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the specific force that an accelerometer on the body feels.",
    ),
    Scenario(
        "vertical_only",
        inputs=("y",),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the height of the centre of mass alone.",
    ),
    Scenario(
        "normalised_force",
        inputs=("fx_bw", "fy_bw"),
        targets=("mass", "stiffness", "rest_length"),
        question="Mass, stiffness and rest length from the ground reaction force in body weights, as it is published.",
    ),
    Scenario(
        "unequal_legs",
        inputs=("x", "y"),
        targets=("mass", "stiffness", "stiffness_right", "stiffness_asymmetry", "rest_length"),
        question="Mass, both stiffnesses and their asymmetry, and the rest length from the motion.",
    ),
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}


# From flags, and back ------------------------------------------------------------------------

SCENARIO_FLAGS = (
    (
        "scenario", "string",
        f"A built-in scenario: {', '.join(SCENARIOS)}. The flags inputs to interval change it, or describe an own one.",
    ),
    ("inputs", "list", "Channels that are read, such as x,y,fy."),
    ("measured", "list", "Parameters that are measured once beside them, such as mass."),
    ("targets", "list", "Quantities to estimate, such as stiffness,rest_length."),
    (
        "noise", "list",
        "Standard deviation of each input and measured parameter, in its unit, such as x:0.005,y:0.005; or typical; "
        "or none.",
    ),
    ("duration", "float", "Length of a recording [s], from its beginning; by default all."),
    ("interval", "float", "Time between samples [s], a multiple of the stored one; by default that."),
)  # fmt: skip
"""Name, kind and help text of the flags that describe a scenario; they are the arguments of `scenario_of`."""


def scenario_of(
    scenario: str | None = None,
    inputs: Sequence[str] | None = None,
    measured: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    noise: Sequence[str] | None = None,
    duration: float | None = None,
    interval: float | None = None,
) -> Scenario:
    """Makes the scenario that a user has described.

    Args:
        scenario: name of a built-in scenario, which the others change. Without a name they describe a scenario of
            their own; if there are neither inputs nor targets, it is the three-parameter scenario that they change.
        inputs: names of channels.
        measured: names of parameters that are measured once.
        targets: names of quantities.
        noise: words CHANNEL:LEVEL, where `TYPICAL` stands for all levels that are not given; or `NONE`.
        duration: length of a recording, s.
        interval: time between samples, s.

    Raises:
        InputError: if there is no such scenario, or no network can be trained on it.
    """
    if scenario is None and inputs is None and measured is None and targets is None:
        scenario = DEFAULT
    if scenario is not None and scenario not in SCENARIOS:
        raise InputError(
            f"There is no built-in scenario of this name. The built-in ones are {', '.join(SCENARIOS)}. "
            f"Received: --scenario={scenario}. Choose one, or describe your own with --inputs and --targets."
        )
    if scenario is None and (inputs is None or targets is None):
        raise InputError(
            "A scenario of your own needs inputs and targets. "
            f"Received: {'inputs' if targets is None else 'targets'} only. "
            "Give both, such as --inputs=x,y --targets=stiffness,rest_length, or the name of a --scenario to change."
        )
    given = {name: tuple(words) for name, words in
             {"inputs": inputs, "measured": measured, "targets": targets}.items() if words is not None}  # fmt: skip
    if scenario is None:
        made = Scenario(OWN, **{"inputs": (), "targets": (), "question": "", **given})  # type: ignore[arg-type]
    else:
        made = dataclasses.replace(SCENARIOS[scenario], **given)  # type: ignore[arg-type]
    check_scenario(dataclasses.replace(made, noise=None))
    levels = made.noise if noise is None else parse_noise(noise, made.sources)
    question = made.question if scenario is not None and not given else _question(made)
    made = dataclasses.replace(made, question=question, noise=levels, duration=duration, interval=interval)
    check_scenario(made)
    return made


def _question(scenario: Scenario) -> str:
    wanted = listed([QUANTITIES[name].label for name in scenario.targets])
    sources = listed([*scenario.inputs, *(f"the {QUANTITIES[name].label}" for name in scenario.measured)])
    return f"{wanted[0].upper()}{wanted[1:]} from {sources}."


def parse_noise(words: Sequence[str], sources: Iterable[str]) -> dict[str, float] | None:
    """Noise levels that a user has written as CHANNEL:LEVEL, in the units of the sources; None for `NONE`.

    Args:
        words: the words; `TYPICAL` gives every source that has no word of its own its usual level.
        sources: names of the channels and measured parameters.

    Raises:
        InputError: if a word is of another form, or a source is named twice.
    """
    if list(words) == [NONE]:
        return None
    levels: dict[str, float] = {}
    for word in words:
        if word == TYPICAL:
            continue
        name, _, number = word.partition(":")
        try:
            level = float(number)
        except ValueError:
            level = None
        if level is None or name in levels:
            raise InputError(
                "Noise is given once for each channel and measured parameter, as its standard deviation in its unit: "
                f"--noise=x:0.005,y:0.005. Received: {word!r}. Or give --noise={TYPICAL} or --noise={NONE}."
            )
        levels[name] = level
    return {name: typical_noise(name) for name in sources if TYPICAL in words} | levels


def typical_noise(name: str) -> float:
    """Usual standard deviation of a channel or of a parameter that is measured once, in its unit."""
    return CHANNELS[name].noise if name in CHANNELS else TYPICAL_ONCE[QUANTITIES[name].unit]


def scenario_flags(scenario: Scenario) -> list[str] | None:
    """Flags from which `scenario_of` makes a scenario; None for one whose name no flag can give."""
    base = SCENARIOS.get(scenario.name)
    if base is None and scenario.name != OWN:
        return None
    words = [] if base is None else [f"--scenario={scenario.name}"]
    for name in ("inputs", "measured", "targets"):
        value = getattr(scenario, name)
        if value != (() if base is None else getattr(base, name)):
            words.append(f"--{name}={','.join(value)}")
    if scenario.noise is not None:
        words.append(f"--noise={','.join(f'{name}:{level}' for name, level in scenario.noise.items())}")
    for name in ("duration", "interval"):
        if getattr(scenario, name) is not None:
            words.append(f"--{name}={getattr(scenario, name)}")
    return words


# What a scenario can be ----------------------------------------------------------------------


def check_scenario(scenario: Scenario) -> None:
    """Checks that a network can be trained on a scenario, given the right dataset.

    Raises:
        InputError: if a channel, a measured parameter or a target is not known, a target is known already, or not
            every source has a positive level of noise and nothing else has one.
    """
    _check_names("inputs", "channels", scenario.inputs, CHANNELS)
    check_smooth(scenario.inputs)
    _check_names("measured", "parameters that can be measured once", scenario.measured, _ONCE, least=0)
    _check_names("targets", "quantities that can be estimated", scenario.targets, _ESTIMATED)
    if given := [name for name in scenario.targets if name in determined(scenario.measured)]:
        raise InputError(
            "A target must not be known already: "
            f"{listed(given)} follow{'s' if len(given) == 1 else ''} from what is measured. "
            f"Received: --measured={','.join(scenario.measured)} --targets={','.join(scenario.targets)}. "
            "Leave it out of one of the two."
        )
    if scenario.noise is not None:
        _check_noise(scenario.noise, scenario.sources)


def _check_names(flag: str, kind: str, names: Sequence[str], valid: Collection[str], least: int = 1) -> None:
    if len(names) >= least and len(set(names)) == len(names) and set(names) <= set(valid):
        return
    received = f"Received: --{flag}={','.join(names)}."
    if read := [name for name in names if flag == "targets" and name in CHANNELS]:
        raise InputError(
            f"A target is a quantity of the walker, and {listed(read)} is a channel, which a network reads. {received} "
            f"The quantities are {_with_units(valid)}."
        )
    wrong = [name for name in names if name not in valid]
    fault = f"{listed(wrong)} is none of them" if wrong else "each is given once" if names else "one is needed"
    raise InputError(f"The {flag} of a scenario are {kind}: {_with_units(valid)}. {received} Here {fault}.")


def _check_noise(levels: Mapping[str, float], sources: Sequence[str]) -> None:
    given = f"Received: --noise={','.join(f'{name}:{level:g}' for name, level in levels.items())}."
    example = f"Give it as --noise={','.join(f'{name}:{_example(name)}' for name in sources)}."
    if strange := [name for name in levels if name not in sources]:
        known = all(name in CHANNELS or name in QUANTITIES for name in strange)
        raise InputError(
            f"Noise belongs to what is read: {_with_units(sources)}. {listed(strange)} is "
            f"{'not among them' if known else 'no channel or parameter at all'}. {given} {example}"
        )
    from gait.simulation.forward_model import NOISE_RANGE  # only now: it loads the engine

    least, most = NOISE_RANGE
    missing = [name for name in sources if name not in levels]
    if missing or not all(least <= level <= most for level in levels.values()):
        fault = f" {listed(missing)} has none." if missing else ""
        raise InputError(
            f"Noise is a positive standard deviation for each of {_with_units(sources)}, from {least:g} to {most:g}."
            f"{fault} {given} {example} For recordings without noise, --noise={NONE}."
        )


def _example(name: str) -> str:
    return f"{typical_noise(name):g}"


def _with_units(names: Iterable[str]) -> str:
    return ", ".join(f"{name} [{_unit(name)}]" for name in names)

"""Names, units, order and priors of everything a record is drawn from.

This is the only place that knows the order of the parameter columns, what a target is
called on an axis, and how a seed becomes random numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from gait.errors import InputError


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Uniform prior on [low, high], in the parameter's SI unit."""

    low: float
    high: float

    def variance(self) -> float:
        """Variance, in the unit squared."""
        return (self.high - self.low) ** 2 / 12.0


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A parameter, or a number computed from parameters, as it is named and labelled.

    Attributes:
        name: name in files, flags and code.
        symbol: short name in formulas and reports.
        unit: SI unit.
        label: name in words, on an axis or in a sentence.
        derive: computes it from other quantities by name, arrays of one shape; None for a parameter.
        positive: whether its prior has to be.
    """

    name: str
    symbol: str
    unit: str
    label: str
    derive: Callable[[Mapping[str, np.ndarray]], np.ndarray] | None = None
    positive: bool = True

    @property
    def heading(self) -> str:
        """The label as it begins a sentence."""
        return f"{self.label[0].upper()}{self.label[1:]}"


def _both_legs(name: str, values: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A stiffness of the first and the other leg, in newtons per metre or else per mass."""
    if name in values:
        return values[name], values[f"{name}_right"]
    return values[f"{name}_to_mass"], values[f"{name}_right_to_mass"]


def _asymmetry(first: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 2.0 * (other - first) / (other + first)


_ALL = (
    Quantity("mass", "m", "kg", "body mass"),
    Quantity("stiffness", "k", "N/m", "leg stiffness"),
    Quantity("rest_length", "l0", "m", "leg rest length"),
    Quantity("x0", "x0", "m", "initial horizontal position", positive=False),
    Quantity("y0", "y0", "m", "initial leg compression", positive=False),
    Quantity("vx0", "vx0", "m/s", "initial forward speed"),
    Quantity("step_length", "d", "m", "step length"),
    Quantity("angle_of_attack", "α0", "rad", "angle of attack"),
    Quantity("stiffness_right", "k2", "N/m", "stiffness of the other leg"),
    Quantity("rest_length_right", "l02", "m", "rest length of the other leg"),
    Quantity("gravity", "g", "m/s²", "gravitational acceleration"),
    Quantity(
        "stiffness_to_mass", "k/m", "1/s²", "stiffness to mass",
        derive=lambda values: values["stiffness"] / values["mass"],
    ),
    Quantity(
        "mass_to_stiffness", "m/k", "s²", "mass to stiffness",
        derive=lambda values: (
            values["mass"] / values["stiffness"] if "mass" in values
            else 1.0 / values["stiffness_to_mass"]
        ),
    ),
    Quantity(
        "stiffness_right_to_mass", "k2/m", "1/s²", "other leg's stiffness to mass",
        derive=lambda values: values["stiffness_right"] / values["mass"],
    ),
    Quantity(
        "stiffness_asymmetry", "asym", "1", "stiffness asymmetry",
        derive=lambda values: _asymmetry(*_both_legs("stiffness", values)), positive=False,
    ),
)  # fmt: skip
QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _ALL}

NAMES = ("mass", "stiffness", "rest_length", "x0", "y0", "vx0", "step_length")
"""Parameters of the paper's walkers in the order of their columns, in memory and in every file; see `order_of`."""
OTHER_LEG = ("stiffness_right", "rest_length_right")
"""Subject parameters of a second leg; without them both legs are equal."""
CIRCUMSTANCE = ("x0", "y0", "vx0", "step_length", "angle_of_attack")
"""Circumstances: redrawn until the walker walks. All other parameters are the subject's: drawn once, never redrawn."""


def order_of(given: Iterable[str]) -> tuple[str, ...]:
    """Parameters of a walker in the order of their columns.

    Args:
        given: names for which there are ranges, say. An angle of attack takes the place of the step length; the other
            leg and gravity are no parameters unless they are among these.
    """
    given = set(given)
    touchdown = "angle_of_attack" if "angle_of_attack" in given else "step_length"
    more = (name for name in (*OTHER_LEG, "gravity") if name in given)
    return (*NAMES[:-1], touchdown, *more)


def subject_of(names: Iterable[str]) -> tuple[str, ...]:
    """Those of some parameters that belong to the subject, not to the circumstances."""
    return tuple(name for name in names if name not in CIRCUMSTANCE)


PAPER_PRIORS: dict[str, Uniform] = {
    "mass": Uniform(60.0, 75.0),
    "stiffness": Uniform(8000.0, 10000.0),
    "rest_length": Uniform(0.6, 0.8),
    "x0": Uniform(0.0, 0.1),
    "y0": Uniform(0.0, 0.1),
    # The paper gives neither initial velocity nor step length: see docs/experiment.md.
    "vx0": Uniform(0.6, 0.9),
    "step_length": Uniform(0.45, 0.55),
}


def parse_range(name: str, words: list[str]) -> Uniform:
    """The prior that a user has written as LOW,HIGH."""
    try:
        low, high = (float(word) for word in words)
    except ValueError:
        raise InputError(
            f"The range of {name} needs two numbers [{QUANTITIES[name].unit}]. "
            f"Received: {','.join(words)!r}. Give it as --{name}=LOW,HIGH."
        ) from None
    return Uniform(low, high)


def check_priors(priors: Mapping[str, Uniform]) -> None:
    """Raises `InputError` unless every prior is a proper range of its parameter."""
    for name, prior in priors.items():
        low, high = prior.low, prior.high
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(
                f"The range of {name} is empty: its lower end must lie below its upper end. "
                f"Received: {low:g} to {high:g} {QUANTITIES[name].unit}. Give it as --{name}=LOW,HIGH."
            )
        if QUANTITIES[name].positive and low <= 0:
            raise InputError(
                f"The range of {name} must be positive. "
                f"Received: {low:g} to {high:g} {QUANTITIES[name].unit}. Give it as --{name}=LOW,HIGH."
            )


def stream(seed: int, block: int) -> np.random.Generator:
    """The random stream of one block of records: the same for any shard, thread or resumed run."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(block,))))


def draw(
    names: tuple[str, ...],
    priors: Mapping[str, Uniform],
    count: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Draws `count` independent rows of the named parameters from their priors.

    Returns:
        Array of shape [count, len(names)], SI units.
    """
    low = np.array([priors[name].low for name in names])
    high = np.array([priors[name].high for name in names])
    return low + (high - low) * generator.random((count, len(names)))


def named(names: Sequence[str], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of an array [n, len(names)] by their names, shape [n] each."""
    return dict(zip(names, rows.T, strict=True))


def determined(names: Iterable[str]) -> list[str]:
    """Names of all quantities that those of some names determine, themselves included."""
    given = dict.fromkeys(names, np.ones(1))
    return [name for name in QUANTITIES if derive(name, given) is not None]


def derive(name: str, values: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The named quantity from a table of others, or None where they do not determine it."""
    formula = QUANTITIES[name].derive
    if name in values or formula is None:
        return values.get(name)
    try:
        return formula(values)
    except KeyError:  # an ingredient is missing
        return None

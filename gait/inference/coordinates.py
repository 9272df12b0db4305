"""Coordinates in which a network describes a posterior: logits of identifiable combinations within their prior ranges.

Where nothing in newtons and no mass is measured, only the ratios k/m enter a recording. Then the coordinates hold the
ratios, and mass and stiffnesses follow from them exactly, see `gait.inference.RatioPosterior`. The logit of a place in
its range can be any number, so that no density over logits puts mass outside the prior.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from gait.errors import InputError
from gait.inference.ratio import STIFFNESSES, RatioPosterior, ratio_name
from gait.parameters import QUANTITIES, Uniform, derive, determined, order_of
from gait.scenarios import Scenario
from gait.simulation.channels import CHANNELS

_FORCE = "N"  # unit of channels that tell the size of mass and stiffness
_NEAR = 1e-9  # from the ends of a range, in parts of it
_MASSES = ("mass", *STIFFNESSES)


@dataclasses.dataclass(frozen=True)
class Coordinates:
    """Quantities whose joint posterior a network describes, and their way to logits and back.

    Attributes:
        names: the D coordinates, parameters or ratios k/m, in order.
        priors: range of each parameter, SI units.
        completed: whether mass and stiffnesses are drawn given the ratios, exactly.
        given: parameters that are measured without an error, so that every recording comes with their values.
    """

    names: tuple[str, ...]
    priors: Mapping[str, Uniform]
    completed: bool
    given: tuple[str, ...] = ()

    @classmethod
    def of(cls, scenario: Scenario, priors: Mapping[str, Uniform], *, direct: bool = False) -> Coordinates:
        """Chooses the coordinates that a scenario's targets follow from.

        Args:
            scenario: its targets, and what it measures.
            priors: range of each parameter, SI units.
            direct: whether mass and stiffnesses are coordinates although only their ratios can be known: a control,
                whose k/m has to come out too wide.

        Raises:
            InputError: if a target is no function of the parameters.
        """
        own = order_of(priors)
        given = () if scenario.noise is not None else tuple(scenario.measured)
        measured = [name for name in scenario.measured if name in _MASSES and name not in given]
        needed = tuple(dict.fromkeys((*scenario.targets, *measured)))
        strange = [name for name in needed if name not in determined(own)]
        if strange:
            raise InputError(
                f"A posterior is one of quantities that follow from {', '.join(own)}. Received: --estimate=posterior "
                f"with the target {', '.join(strange)}. Leave it out, or train a point estimate of it."
            )
        sized = direct or is_sized(scenario)
        legs = [name for name in STIFFNESSES if name in own]
        wanted = _ingredients(needed, own)
        completed = not sized and any(name in _MASSES for name in needed)
        if sized:
            found = [name for name in own if name in wanted]
        else:
            ratios = legs if completed else [name for name in legs if name in wanted]
            found = [*map(ratio_name, ratios), *(name for name in own if name in wanted and name not in _MASSES)]
        return cls(tuple(name for name in found if name not in given), dict(priors), completed, given)

    @property
    def dimension(self) -> int:
        """Number D of coordinates."""
        return len(self.names)

    @functools.cached_property
    def ratios(self) -> tuple[str, ...]:
        """Stiffnesses whose ratio to the mass is a coordinate."""
        return tuple(name for name in STIFFNESSES if ratio_name(name) in self.names)

    @functools.cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the quantities that a density is about: mass and stiffnesses instead of their ratios."""
        others = [name for name in self.names if name not in map(ratio_name, self.ratios)]
        return ("mass", *self.ratios, *others) if self.completed else self.names

    @functools.cached_property
    def ratio_posterior(self) -> RatioPosterior:
        """Mass and stiffnesses given their ratios."""
        return RatioPosterior(self.priors["mass"], {name: self.priors[name] for name in self.ratios})

    def ranges(self, values: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Ends of the range of each coordinate, given the values [...] of those before it; shape [...] each.

        The ratios of two legs bound each other: their walker has one mass.
        """
        return {name: self._range(name, values) for name in self.names}

    def _range(self, name: str, values: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        by_ratio = {ratio_name(stiffness): stiffness for stiffness in self.ratios}
        if name not in by_ratio:
            prior = self.priors[name]
            return np.asarray(prior.low), np.asarray(prior.high)
        mass, own = self.priors["mass"], self.priors[by_ratio[name]]
        low, high = np.asarray(own.low / mass.high), np.asarray(own.high / mass.low)
        for other, stiffness in by_ratio.items():
            if other == name:
                break
            prior = self.priors[stiffness]
            low = np.maximum(low, values[other] * (own.low / prior.high))
            high = np.minimum(high, values[other] * (own.high / prior.low))
        return low, high

    # To logits and back ----------------------------------------------------------------------

    def logits(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logits [n, D] of walkers with some parameters, or ratios, by name, shape [n] each."""
        values = self._values_of(parameters)
        columns = []
        for name, (low, high) in self.ranges(values).items():
            place = np.clip((values[name] - low) / (high - low), _NEAR, 1.0 - _NEAR)
            columns.append(np.log(place) - np.log1p(-place))
        return np.stack(columns, axis=-1)

    def values(self, logits: np.ndarray) -> dict[str, np.ndarray]:
        """Coordinates at logits [..., D], by name, shape [...] each; within their ranges."""
        found: dict[str, np.ndarray] = {}
        for column, name in enumerate(self.names):
            low, high = self._range(name, found)
            odds = np.exp(-np.abs(logits[..., column]))
            place = np.where(logits[..., column] < 0.0, odds, 1.0) / (1.0 + odds)
            found[name] = np.clip(low + (high - low) * place, low, high)
        return found

    def log_slope(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logarithm of a density over `parameters`, in SI units, less that over logits, at walkers by name; shape [n].

        With p(m, k_1 ... k_n) = p(rho) (n + 1) / (B^(n+1) - A^(n+1)) for masses from A to B, see `RatioPosterior`.
        Minus infinity outside the prior.
        """
        values = self._values_of(parameters)
        log = np.zeros(np.shape(next(iter(values.values()))))
        with np.errstate(divide="ignore", invalid="ignore"):
            for name, (low, high) in self.ranges(values).items():
                place = (values[name] - low) / (high - low)
                inside = (place >= 0.0) & (place <= 1.0)
                place = np.clip(place, _NEAR, 1.0 - _NEAR)
                log = log - np.log(place) - np.log1p(-place) - np.log(high - low)
                log = np.where(inside, log, -np.inf)
            if self.completed:
                ratios = np.stack([values[ratio_name(name)] for name in self.ratios], axis=-1)
                low, high = self.ratio_posterior.mass_bounds(ratios)
                power = len(self.ratios) + 1
                log = log + np.log(power) - np.log(np.maximum(high**power - low**power, 0.0))
                for name in self.ratio_posterior.targets:
                    prior = self.priors[name]
                    log = np.where((parameters[name] >= prior.low) & (parameters[name] <= prior.high), log, -np.inf)
        return log

    def log_prior(self) -> float | None:
        """Logarithm of the prior density over `parameters`; None if it is not uniform, as that of a ratio alone."""
        if not set(self.parameters) <= set(self.priors):
            return None
        return -float(sum(np.log(self.priors[name].high - self.priors[name].low) for name in self.parameters))

    def complete(self, values: Mapping[str, np.ndarray], generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Adds to draws of the coordinates [n, draws] what they determine: first of all mass and stiffnesses.

        Args:
            values: coordinates, and what is given, by name.
            generator: source of the masses, where they are drawn given the ratios.

        Returns:
            Parameters and ratios by name, in the order of the parameters, shape [n, draws] each.
        """
        found = dict(values)
        if self.completed:
            shape = np.shape(found[ratio_name(self.ratios[0])])
            ratios = np.stack([found[ratio_name(name)].ravel() for name in self.ratios], axis=1)
            for name, drawn in self.ratio_posterior.draw(ratios, 1, generator).items():
                prior = self.priors[name]
                found[name] = np.clip(drawn.reshape(shape), prior.low, prior.high)
        names = [*order_of(self.priors), *map(ratio_name, STIFFNESSES)]
        for name in names:
            column = derive(name, found)
            if column is not None:
                found[name] = column
        return {name: found[name] for name in names if name in found}

    def draw_prior(self, count: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Parameters and ratios of `count` subjects of the prior, by name, shape [count] each."""
        own = {
            name: prior.low + (prior.high - prior.low) * generator.random(count) for name, prior in self.priors.items()
        }
        return own | {ratio_name(name): own[name] / own["mass"] for name in STIFFNESSES if name in own}

    def _values_of(self, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = {}
        for name in self.names:
            column = derive(name, parameters)
            if column is None:
                raise InputError(
                    f"A density of this posterior needs {', '.join(self.parameters)}. "
                    f"Received: {', '.join(parameters)}. Give each as an array of one length."
                )
            found[name] = np.asarray(column, float)
        return found

    # As JSON ---------------------------------------------------------------------------------

    def to_dict(self) -> dict:
        """All attributes as numbers and text, with the range of each coordinate as far as it is a constant."""
        return {
            "coordinates": list(self.names),
            "priors": {name: [prior.low, prior.high] for name, prior in self.priors.items()},
            "ranges": {name: self._widest(name) for name in self.names},
            "completed": self.completed,
            "given": list(self.given),
        }

    def _widest(self, name: str) -> list[float]:
        alone = Coordinates((name,), self.priors, completed=False)
        return [float(end) for end in alone._range(name, {})]

    @classmethod
    def from_dict(cls, content: Mapping) -> Coordinates:
        """Reads the content that `to_dict` has made."""
        priors = {name: Uniform(*ends) for name, ends in content["priors"].items()}
        return cls(tuple(content["coordinates"]), priors, content["completed"], tuple(content["given"]))


def is_sized(scenario: Scenario) -> bool:
    """Tells whether anything that a scenario measures tells the size of mass and stiffnesses, and not only k/m."""
    return bool(set(_MASSES) & set(scenario.measured)) or any(CHANNELS[name].unit == _FORCE for name in scenario.inputs)


def _ingredients(names: Sequence[str], own: Sequence[str]) -> set[str]:
    """Parameters that some quantities follow from: those without which one of them cannot be derived."""
    found = set()
    for name in names:
        if QUANTITIES[name].derive is None:
            found.add(name)
            continue
        for left_out in own:
            if derive(name, {other: np.ones(1) for other in own if other != left_out}) is None:
                found.add(left_out)
    return found

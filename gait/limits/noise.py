"""Highest possible R² under noise, from the exact posteriors of fresh walkers.

S = 1 - E[Var(quantity | recording)] / Var(quantity), with the expectation over walkers of the prior and their noise. A
local bound of Cramér and Rao cannot replace it: under noise of some centimetres many different walkers fit one
recording.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

import numpy as np

from gait import provenance
from gait.identifiability.wording import finite
from gait.inference.ratio import ratio_name
from gait.limits.functions import Function, Functions
from gait.limits.noisy_ceilings import NoisyCeiling, mean_ceiling
from gait.parameters import draw, named, stream
from gait.simulation.forward_model import ForwardModel
from gait.streams import redraw_interval

if TYPE_CHECKING:
    from gait.inference.walker import Walker

WALKERS = 64
"""Fresh walkers whose posteriors are averaged, by default."""
_PRIOR_DRAWS = 2**17
_STREAM = 71  # of the random streams of fresh walkers
_PRIOR_STREAM = 72
_ELSEWHERE, _SHARE = 4.0, 0.05
"""A walker has a twin if so much of its posterior lies so many local standard deviations away from it."""
_ALIKE = 2.0  # standard deviations of the noise between two recordings: they are confused in one case of six
_COMPARED = 48  # draws of each posterior that are compared with the walker


@dataclasses.dataclass(frozen=True)
class NoiseStudy:
    """Posteriors of fresh walkers in a given noise; made by `study_noise`.

    Attributes:
        ceilings: `NoisyCeiling` of each quantity.
        walkers: number of walkers.
        undone: how many of them have a posterior that failed its own checks.
        effective: median of the effective draws of a posterior.
        methods: how posteriors were made, with the number of walkers.
        pair: two walkers that the noise can hardly tell apart, shape [2, p] in the order of the model's unknowns;
            None if all posteriors are narrow.
        separation: distance of their recordings, in standard deviations of the noise; 0 without a pair.
        seed: key of the walkers.
    """

    ceilings: dict[str, NoisyCeiling]
    walkers: int
    undone: int
    effective: float
    methods: dict[str, int]
    pair: np.ndarray | None
    separation: float
    seed: int

    def sentences(self) -> list[str]:
        """The basis of the numbers, in words."""
        lines = [
            f"These limits are means over the exact posteriors of {self.walkers} fresh walkers (seed {self.seed}), "
            "with their standard errors."
        ]
        if self.undone:
            lines.append(
                f"{self.undone} of {self.walkers} walkers could not be done: at worst nothing is known of them, at "
                "best everything."
            )
        return lines

    def to_dict(self) -> dict:
        """All attributes as numbers and text, for JSON."""
        ceilings = {
            name: {key: finite(value) if isinstance(value, float) else value for key, value in entry.items()}
            for name, entry in dataclasses.asdict(self)["ceilings"].items()
        }
        pair = None if self.pair is None else self.pair.tolist()
        return dataclasses.asdict(self) | {"ceilings": ceilings, "pair": pair}

    @classmethod
    def from_dict(cls, content: Mapping) -> NoiseStudy:
        """Reads the content that `to_dict` has made."""
        pair = None if content["pair"] is None else np.array(content["pair"])
        ceilings = {
            name: NoisyCeiling(**{**entry, **{key: math.nan for key in ("r2", "error") if entry[key] is None}})
            for name, entry in content["ceilings"].items()
        }
        return cls(**{**content, "ceilings": ceilings, "pair": pair})


def key_of(model: ForwardModel, noise: Mapping[str, float], quantities: Functions, walkers: int, seed: int) -> str:
    """A short text that differs whenever the result of `study_noise` would, also by a change of this code."""
    text = repr((
        model.key, sorted(noise.items()), sorted(quantities), walkers, seed, provenance.code_checksum("posteriors")
    ))  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def study_noise(
    model: ForwardModel,
    noise: Mapping[str, float],
    quantities: Functions,
    *,
    walkers: int = WALKERS,
    seed: int = 0,
    progress: str = "",
    known: MutableMapping[str, dict] | None = None,
) -> NoiseStudy:
    """Finds the highest possible R² of quantities from noisy recordings of fresh walkers.

    Args:
        model: forward model of the recordings.
        noise: standard deviation of each channel and measured parameter, in its unit.
        quantities: functions of the parameters.
        walkers: number of walkers, each with one recording.
        seed: key of the walkers, their noise and their posteriors.
        progress: what to write before a bar of progress; empty for none.
        known: results of earlier calls by their key, see `key_of`; a new one is added.

    Raises:
        InputError: if the noise does not fit the model, or a walker does not walk.
    """
    sd = model.noise_sd(noise)
    key = key_of(model, noise, quantities, walkers, seed)
    if known is not None and key in known:
        return NoiseStudy.from_dict(known[key])
    study = _study(model, noise, sd, quantities, walkers, seed, progress)
    if known is not None:
        known[key] = study.to_dict()
    return study


def _study(
    model: ForwardModel, noise: Mapping[str, float], sd: np.ndarray, quantities: Functions, walkers: int, seed: int,
    progress: str,
) -> NoiseStudy:  # fmt: skip
    from gait.inference.posterior import posteriors  # only now: pandas and scipy take two seconds to load
    from gait.inference.walker import Walker

    generator = np.random.default_rng((seed, _STREAM))
    theta = model.draw(walkers, generator)
    observed = model.outputs(theta)
    observed = observed + sd * generator.standard_normal(observed.shape)
    spread = {name: _prior_variance(model, of) for name, of in quantities.items()}
    truth = {name: of(named(model.unknowns, theta)) for name, of in quantities.items()}
    walker = Walker(model, {})
    local, controls = _local_sd(walker, theta, sd, quantities), _controls(walker, theta)
    variance = {name: np.full(walkers, np.nan) for name in quantities}
    far = {name: np.zeros(walkers, bool) for name in quantities}
    done, effective, methods = np.zeros(walkers, bool), np.zeros(walkers), dict[str, int]()
    pair, separation, widest = None, 0.0, 0.0
    found = posteriors(walker, observed, noise, seed=seed)
    for number, posterior in enumerate(_with_bar(found, walkers, progress)):
        done[number], effective[number] = posterior.accepted, posterior.ess
        methods[posterior.method] = methods.get(posterior.method, 0) + 1
        if not len(posterior.draws):
            continue
        parameters = {str(name): posterior.draws[name].to_numpy() for name in posterior.draws}
        for name, of in quantities.items():
            values, within = _moments(name, of, walker, parameters, posterior.weights)
            mean = posterior.weights @ values
            # Around the mean of so few effective draws they scatter a little less than around the true one.
            shrunk = 1.0 - 1.0 / max(posterior.ess, 2.0)
            variance[name][number] = posterior.weights @ (within + (values - mean) ** 2 / shrunk)
            away = np.abs(values - truth[name][number]) > _ELSEWHERE * local[name][number]
            far[name][number] = posterior.weights @ away > _SHARE
        other = _alike(model, theta[number], posterior, sd) if posterior.accepted else None
        if other is not None and other[2] > widest:
            pair, separation, widest = np.stack([theta[number], other[0]]), other[1], other[2]
    return NoiseStudy(
        ceilings={
            name: mean_ceiling(variance[name], done, spread[name], far[name], local[name], controls.get(name))
            for name in quantities
        },
        walkers=walkers,
        undone=int(np.sum(~done)),
        effective=float(np.median(effective)),
        methods=methods,
        pair=pair,
        separation=separation,
        seed=seed,
    )  # fmt: skip


def _with_bar(found, count: int, title: str):
    if not title:
        return found
    from tqdm import tqdm  # loads slowly for those who need no bar

    return tqdm(found, title, count, unit=" walkers", mininterval=redraw_interval(), leave=False)


def _moments(
    name: str, of: Function, walker: Walker, parameters: Mapping[str, np.ndarray], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a quantity in each draw, shape [draws]; mass and stiffnesses given its ratios alone."""
    if walker.sized or name not in walker.ratio_posterior.targets:
        return of(parameters), np.zeros(len(weights))
    ratios = np.stack([parameters[ratio_name(stiffness)] for stiffness in walker.stiffnesses], axis=1)
    mean, sd = walker.ratio_posterior.mean(name, ratios), walker.ratio_posterior.sd(name, ratios)
    possible = weights > 0.0
    return np.where(possible, mean, 0.0), np.where(possible, sd**2, 0.0)


def _controls(walker: Walker, theta: np.ndarray) -> dict[str, np.ndarray]:
    """Variance of mass and stiffnesses given the true ratios, less its known mean over all walkers, shape [n] each.

    Empty where more than the ratios is measured. The walkers differ in this variance far more than noise changes it:
    as a control variate it takes most of the error from the mean over a few of them.
    """
    if walker.sized:
        return {}
    parameters, posterior = named(walker.model.unknowns, theta), walker.ratio_posterior
    ratios = np.stack([parameters[name] / parameters["mass"] for name in walker.stiffnesses], axis=1)
    return {
        name: posterior.sd(name, ratios) ** 2 - (1.0 - posterior.ceiling(name)) * posterior.prior(name).variance()
        for name in posterior.targets
    }


def _prior_variance(model: ForwardModel, of: Function) -> float:
    priors = {name: model.prior(name) for name in model.unknowns}
    drawn = draw(model.unknowns, priors, _PRIOR_DRAWS, stream(0, _PRIOR_STREAM))
    return float(np.var(of(named(model.unknowns, drawn))))


def _local_sd(walker: Walker, theta: np.ndarray, sd: np.ndarray, quantities: Functions) -> dict[str, np.ndarray]:
    """Standard deviations of Laplace's approximation at the truth, shape [n] each.

    NaN for quantities that the coordinates do not determine, as mass and stiffness where only k/m is known.
    """
    parameters = named(walker.model.unknowns, theta)
    parameters |= {ratio_name(name): parameters[name] / parameters["mass"] for name in walker.stiffnesses}
    points = walker.coordinates_of(parameters)
    from gait.inference.kernels import derivatives  # only now: scipy takes a while to load

    slopes = derivatives(walker, points, walker.outputs(points)) / sd
    covariance = np.linalg.inv(slopes @ slopes.transpose(0, 2, 1) + np.eye(walker.dimension))
    step, found = 1e-6, {}
    moved = [points + step * row for row in np.eye(walker.dimension)]
    for name, of in quantities.items():
        try:
            base = of(walker.values(points))
            gradient = np.stack([(of(walker.values(there)) - base) / step for there in moved], axis=1)
        except (KeyError, ValueError):
            found[name] = np.full(len(theta), np.nan)
            continue
        found[name] = np.sqrt(np.einsum("ni,nij,nj->n", gradient, covariance, gradient))
    return found


def _alike(model: ForwardModel, theta: np.ndarray, posterior, sd: np.ndarray) -> tuple[np.ndarray, float, float] | None:
    """Among draws of a posterior, the walker most unlike the true one that its recording can be confused with.

    Returns:
        Its parameters [p], the distance of the two recordings in standard deviations of the noise, and the distance of
        the two ratios k/m as a part of the prior's range; None if no draw is so near.
    """
    ratio = posterior.values("stiffness_to_mass")
    own = theta[model.unknowns.index("stiffness")] / theta[model.unknowns.index("mass")]
    away = np.where(posterior.weights > 0.0, np.abs(ratio - own), -1.0)
    rows = np.argsort(-away)[:_COMPARED]
    others = posterior.draws[list(model.unknowns)].to_numpy()[rows]
    distance = np.linalg.norm((model.outputs(others) - model.outputs(theta[None])) / sd, axis=1)
    near = np.flatnonzero(distance < _ALIKE)
    if not len(near):
        return None
    first = near[0]
    priors = model.prior("stiffness"), model.prior("mass")
    width = priors[0].high / priors[1].low - priors[0].low / priors[1].high
    return others[first], float(distance[first]), float(away[rows][first] / width)

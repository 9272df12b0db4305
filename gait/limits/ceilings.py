"""Highest possible R² of a walker's quantities, whatever the estimator and however many recordings it has seen.

The ceiling of a quantity is S = 1 - E[Var(quantity | recording)] / Var(quantity).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from gait.identifiability.findings import Identifiability, Report
from gait.identifiability.wording import listed
from gait.inference.ratio import RatioPosterior, ratio_name
from gait.parameters import QUANTITIES, Uniform, derive, named

RECOVERED_R2 = 0.99
"""A quantity of this R² or more counts as recovered: the error is at most a tenth of the spread among walkers."""
_COMPLEX_STEP = 1e-20


@dataclasses.dataclass(frozen=True)
class Ceiling:
    """Bound on the accuracy that any estimator can reach for one quantity.

    Attributes:
        r2: largest possible coefficient of determination.
        rmse: smallest possible root mean square error, in the quantity's unit.
        reason: why it is no better, in a sentence or two.
        error: standard error of `r2` if it is the mean over fresh walkers, else None.
        local_r2: local bound in the given noise, which can promise far too much; None without noise.
    """

    r2: float
    rmse: float
    reason: str
    error: float | None = None
    local_r2: float | None = None

    @property
    def recoverable(self) -> bool:
        """True if the best estimator would count as having recovered the quantity."""
        return self.r2 >= RECOVERED_R2


def gradients(name: str, theta: np.ndarray, unknowns: tuple[str, ...]) -> np.ndarray:
    """Derivatives of a quantity by the unknowns of a forward model.

    Args:
        name: name of the quantity, one that the unknowns determine.
        theta: values of the unknowns, shape [u, p].
        unknowns: their names, in the order of the columns.

    Returns:
        Shape [u, p].
    """
    found = np.zeros_like(theta)
    for column in range(len(unknowns)):
        moved = theta.astype(complex)
        moved[:, column] += 1j * _COMPLEX_STEP
        value = derive(name, named(unknowns, moved))
        if value is None:
            raise ValueError(f"{name} does not follow from {', '.join(unknowns)}")
        found[:, column] = value.imag / _COMPLEX_STEP
    return found


def identifiability_of(name: str, report: Report, unknowns: tuple[str, ...]) -> Identifiability:
    """Identifiability of a quantity: an unknown's own, or for a derived one as its gradients have it.

    Args:
        name: name of the quantity.
        report: analysis of all unknowns, with their symbols as names.
        unknowns: names of the unknowns.
    """
    if name in unknowns:
        return report.verdicts[QUANTITIES[name].symbol]
    change = gradients(name, report.linear.jacobians.points, unknowns)
    known = report.linear.is_known(change)
    if known is None:
        return Identifiability.UNDECIDED
    if known and report.linear.noisy:
        spread = np.linalg.norm(change * report.linear.sd, axis=1)
        if np.median(report.linear.standard_deviation(change) / spread) >= 1.0:
            return Identifiability.LOST
    return Identifiability.RECOVERABLE if known else Identifiability.COMBINATION


def ratio_posterior_of(priors: Mapping[str, Uniform], report: Report) -> RatioPosterior | None:
    """Posterior of mass and stiffnesses, if their common size is all that cannot be known without noise; else None.

    Args:
        priors: range of each unknown, by name.
        report: analysis of all unknowns, with their symbols as names.
    """
    exponents = report.exponents_without_noise
    if exponents is None or report.rank != len(report.names) - 1:
        return None
    posterior = RatioPosterior.of(priors)
    together = [QUANTITIES[name].symbol for name in posterior.targets]
    common_size = np.array([symbol in together for symbol in report.names], int)
    return None if np.any(exponents @ common_size) else posterior


def ceiling_of(name: str, report: Report, unknowns: tuple[str, ...], posterior: RatioPosterior | None) -> Ceiling:
    """Ceiling of a quantity.

    Args:
        name: name of the quantity.
        report: analysis of all unknowns, with their symbols as names.
        unknowns: names of the unknowns.
        posterior: see `ratio_posterior_of`.
    """
    linear = report.linear
    change = gradients(name, linear.jacobians.points, unknowns)
    spread = math.sqrt(np.mean(np.sum((change * linear.sd) ** 2, axis=1)))
    known = linear.is_known(change)
    if known:
        r2 = linear.linear_ceiling(change) if linear.noisy else 1.0
        reason = (
            "The noise allows no more, and perhaps less: this is a local bound."
            if linear.noisy
            else "It can be known by itself."
        )
        return Ceiling(r2, spread * math.sqrt(1.0 - r2), reason)
    if posterior is not None and name in posterior.targets:
        return _ratio_ceiling(name, report, unknowns, posterior)
    r2 = linear.linear_ceiling(change)
    reason = "It is undecided: the derivatives are not accurate enough."
    if known is False:
        reason = (
            "Other unknowns can compensate for a part of its effect. The number holds for a linear model and a "
            "Gaussian prior."
        )
    return Ceiling(r2, spread * math.sqrt(1.0 - r2), reason)


def _ratio_ceiling(name: str, report: Report, unknowns: tuple[str, ...], posterior: RatioPosterior) -> Ceiling:
    """Ceiling of the mass or a stiffness, of which a recording tells only the ratios of stiffnesses to mass."""
    linear = report.linear
    ratios = [ratio_name(stiffness) for stiffness in posterior.stiffnesses]
    ratio_sd = None
    if linear.noisy:
        changes = [gradients(ratio, linear.jacobians.points, unknowns) for ratio in ratios]
        ratio_sd = [float(np.median(linear.standard_deviation(change))) for change in changes]
    r2 = posterior.ceiling(name, ratio_sd)
    if name == "mass":
        wider = dataclasses.replace(
            posterior, stiffnesses={key: _twice_as_wide(prior) for key, prior in posterior.stiffnesses.items()}
        )
        others = "range of the stiffness" if len(ratios) == 1 else "ranges of the stiffnesses"
    else:
        wider, others = dataclasses.replace(posterior, mass=_twice_as_wide(posterior.mass)), "range of the mass"
    symbols = listed([QUANTITIES[ratio].symbol for ratio in ratios])
    only = f"the ratio {symbols} enters the motion. It narrows"
    if len(ratios) > 1:
        only = f"the ratios {symbols} enter the motion. They narrow"
    reason = (
        f"Only {only} down the {QUANTITIES[name].label} only by the edges of the prior: R² would be "
        f"{wider.ceiling(name):.2f} if the {others} were twice as wide."
    )
    prior = posterior.mass if name == "mass" else posterior.stiffnesses[name]
    return Ceiling(r2, math.sqrt((1.0 - r2) * prior.variance()), reason)


def _twice_as_wide(prior: Uniform) -> Uniform:
    """A range with its width added, half at each end, as far as it stays positive."""
    half = min(0.5 * (prior.high - prior.low), 0.5 * prior.low)
    return Uniform(prior.low - half, prior.high + half)

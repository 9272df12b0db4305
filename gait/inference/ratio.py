"""Posterior of mass and stiffness of a walker whose ratio k/m is known, exactly or with an error.

The mass enters the motion through the ratios rho_i = k_i/m alone, one for each leg with a stiffness of its own. So
p(m | recording) = p(m | rho_1 ... rho_n), however long, clean or plentiful the recordings. With independent priors
m ~ U[a, b] and k_i ~ U[c_i, e_i], the density of (m, rho_1 ... rho_n) is m^n times a constant. Hence

    p(m | rho) is proportional to m^n on [A, B] = [max(a, c_i/rho_i), min(b, e_i/rho_i)],    k_i = rho_i m.

The case of ratios with an error is in `gait.inference.estimated_ratio`.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gait.errors import InputError
from gait.inference.estimated_ratio import Box, EstimatedRatios, RatioError, standard_law
from gait.parameters import Uniform

STIFFNESSES = ("stiffness", "stiffness_right")
"""Quantities that can be stiffnesses of a `RatioPosterior`, in the order of the ratios."""
_ROUNDING = 1e-9  # relative; A may exceed B by so much where a single mass has the ratios
_WALKERS, _ESTIMATES = 2**17, 2**14  # of the Sobol sequences behind a ceiling


def ratio_name(stiffness: str) -> str:
    """Name of the ratio of a stiffness to the mass: "stiffness_to_mass" of "stiffness"."""
    return f"{stiffness}_to_mass"


@dataclasses.dataclass(frozen=True)
class RatioPosterior:
    """Posterior of mass and stiffnesses of a walker whose ratios k/m are known.

    The methods take `ratios` in 1/s² with one column for each stiffness: shape [n, legs], or [legs] for one walker.
    With a single stiffness, shape [n] or a scalar does as well.

    Attributes:
        mass: prior of the mass, kg.
        stiffnesses: prior of each stiffness [N/m] by its name, in the order of the ratios.
    """

    mass: Uniform
    stiffnesses: Mapping[str, Uniform]

    @classmethod
    def of(cls, priors: Mapping[str, Uniform]) -> RatioPosterior:
        """Takes the mass and all stiffnesses from a table of priors by name."""
        return cls(priors["mass"], {name: priors[name] for name in STIFFNESSES if name in priors})

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the quantities that the posterior describes, the mass first."""
        return ("mass", *self.stiffnesses)

    def prior(self, target: str) -> Uniform:
        """Prior of one of the `targets`."""
        if target not in self.targets:
            raise InputError(
                f"The ratio k/m tells of {' and '.join(self.targets)} only. Received: {target!r}. Name one of these."
            )
        return self.mass if target == "mass" else self.stiffnesses[target]

    # Known ratios ----------------------------------------------------------------------------

    def mass_bounds(self, ratios: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Finds the range of masses of the walkers with the given ratios.

        Returns:
            Ends A, B of the range, shape [n], kg. A > B where no walker has these ratios.
        """
        return self._box.mass_bounds(self._columns(ratios))

    def mean(self, target: str, ratios: ArrayLike) -> np.ndarray:
        """Mean of a target given the ratios: the estimate with the smallest mean squared error.

        Returns:
            Shape [n], in the target's unit. NaN where no walker has these ratios.
        """
        low, high = self._possible_masses(ratios)
        n, x = len(self.stiffnesses), low / high
        # The integral of m^(p-1) over [A, B] is B^p - A^p = (B - A) B^(p-1) (1 + x + ... + x^(p-1)), over p, with
        # x = A/B. The factor (B - A), which may be 0, cancels.
        mean = (n + 1) / (n + 2) * high * np.polyval(np.ones(n + 2), x) / np.polyval(np.ones(n + 1), x)
        return self._per_mass(target, ratios) * mean

    def sd(self, target: str, ratios: ArrayLike) -> np.ndarray:
        """Standard deviation of a target given the ratios: the root mean squared error of the best estimate.

        Returns:
            Shape [n], in the target's unit. NaN where no walker has these ratios.
        """
        low, high = self._possible_masses(ratios)
        n, x = len(self.stiffnesses), low / high
        # E m² - (E m)² contains (B - A)². The rest is a polynomial in x = A/B with the tetrahedral numbers 1, 4, 10 ...
        # 10, 4, 1 as coefficients. Written so, a narrow range loses no digits.
        polynomial = np.polyval([math.comb(min(i, 2 * n - i) + 3, 3) for i in range(2 * n + 1)], x)
        factor = math.sqrt((n + 1) / (n + 3)) / (n + 2)
        sd = factor * (high - low) * np.sqrt(polynomial) / np.polyval(np.ones(n + 1), x)
        return self._per_mass(target, ratios) * sd

    # Ceilings --------------------------------------------------------------------------------

    def ceiling(self, target: str, ratio_sd: ArrayLike | None = None) -> float:
        """Highest possible R² of a target: 1 - E[Var(target | data)] / Var(target).

        With one stiffness it is a quadrature: exact to rounding for a known ratio (0.5005 for mass and stiffness with
        the paper's priors), to 5e-6 for an estimated one. With several, the variance given known ratios is averaged
        over 2^17 walkers of a fixed Sobol sequence, and that given estimates over 2^14 walkers with errors. Other
        sequences moved the result for two stiffnesses by less than 1e-5 and 1e-4.

        Args:
            target: one of the `targets`.
            ratio_sd: standard deviation of the Gaussian errors of the ratios, 1/s²; one for all or one for each
                stiffness. None for known ratios.
        """
        unexplained = self._mean_variance(target)
        if ratio_sd is not None:
            sd = self._box.usable_scale(np.broadcast_to(np.asarray(ratio_sd, float), len(self.stiffnesses)))
            unexplained = max(unexplained, self._mean_variance_of_estimates(target, sd, unexplained))
        return float(np.clip(1.0 - unexplained / self.prior(target).variance(), 0.0, 1.0))

    def _mean_variance(self, target: str) -> float:
        """E[Var(target | ratios)]."""
        if len(self.stiffnesses) > 1:
            return float(np.mean(self.sd(target, self._sobol(_WALKERS)[0]) ** 2))
        # A single ratio has the density (B² - A²) / (2 (b - a)(e - c)), smooth between the ratios of the corners.
        total = 0.0
        nodes, weights = np.polynomial.legendre.leggauss(64)
        for left, right in itertools.pairwise(self._box.corners):
            ratios = (left + right) / 2 + (right - left) / 2 * nodes
            low, high = self.mass_bounds(ratios)
            variance = self.sd(target, ratios) ** 2 * (high**2 - low**2)
            total += (right - left) / 2 * float(np.sum(weights * variance))
        (stiffness,) = self.stiffnesses.values()
        return total / (2.0 * (self.mass.high - self.mass.low) * (stiffness.high - stiffness.low))

    def _mean_variance_of_estimates(self, target: str, sd: np.ndarray, without_errors: float) -> float:
        """E[Var(target | estimates)] for Gaussian errors of deviation sd [legs], from that without errors."""
        leg = None if target == "mass" else list(self.stiffnesses).index(target)
        law = standard_law(math.inf)
        if len(self.stiffnesses) == 1:
            # Around the corners p(r) bends within a few sd. Beyond 6 of them from any walker there are no estimates.
            corners, reach = self._box.corners, law.largest * sd
            around = np.add.outer(corners, sd * law.nodes[::5]).ravel()
            ends = corners[0] - reach, corners[-1] + reach
            inner = np.geomspace(corners[0], corners[-1], 32)
            edges = np.sort(np.clip(np.concatenate([around, inner, *ends]), *ends))
            nodes, weights = np.polynomial.legendre.leggauss(3)
            half = 0.5 * np.diff(edges)[:, None]
            estimates = (edges[:-1, None] + half * (1.0 + nodes)).reshape(-1, 1)
            scale = np.broadcast_to(sd, estimates.shape)
            variance, density = EstimatedRatios(self._box, estimates, scale, [law]).variance(leg)
            return float(np.average(variance, weights=(half * weights).ravel() * density))
        ratios, normal = self._sobol(_ESTIMATES)
        scale = np.broadcast_to(sd, ratios.shape)
        variance, _ = EstimatedRatios(self._box, ratios + scale * normal, scale, [law] * len(sd)).variance(leg)
        # A control variate: the variance given the ratios themselves, whose mean is known better.
        control = self.sd(target, ratios) ** 2
        (_, both), (_, own) = np.cov(variance, control)
        return float(np.mean(variance) - both / own * (np.mean(control) - without_errors))

    def _sobol(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Ratios of walkers spread evenly over the prior, and standard normal errors, shape [count, legs] each."""
        from scipy import special, stats  # only now: they take a while to load, and one known ratio needs neither

        box, n = self._box, len(self.stiffnesses)
        points = stats.qmc.Sobol(1 + 2 * n, scramble=True, seed=0).random(count)
        mass = box.lightest + (box.heaviest - box.lightest) * points[:, :1]
        stiffnesses = box.softest + (box.stiffest - box.softest) * points[:, 1 : 1 + n]
        return stiffnesses / mass, special.ndtri(np.clip(points[:, 1 + n :], 1e-12, 1.0 - 1e-12))

    # Draws -----------------------------------------------------------------------------------

    def draw(
        self,
        ratios: ArrayLike,
        count: int,
        generator: np.random.Generator,
        error: RatioError | Mapping[str, RatioError] | None = None,
    ) -> dict[str, np.ndarray]:
        """Draws masses and stiffnesses of walkers with the given ratios.

        Args:
            ratios: known or estimated.
            count: draws for each walker.
            generator: source of randomness.
            error: law of the estimates; one for all ratios, or one for the ratio of each stiffness by its name. None
                for known ratios: all draws of a walker have the same k/m.

        Returns:
            Draws of each target by its name, shape [n, count], in its unit. Within the prior, also for estimates that
            no walker can have.

        Raises:
            InputError: if no walker has known ratios that were given.
        """
        columns = np.atleast_2d(self._columns(ratios))
        if np.isnan(columns).any():
            raise InputError(
                f"The ratios k/m must be numbers. Received: {np.isnan(columns).sum()} of {columns.size} that are none. "
                "Leave these walkers out."
            )
        if error is None:
            low, high = (ends[:, None] for ends in self._possible_masses(columns))
            if np.isnan(low).any():
                row = columns[np.argmax(np.isnan(low[:, 0]))]
                raise InputError(
                    "No walker of these priors has such a ratio k/m. "
                    f"Received: {', '.join(f'{ratio:g}' for ratio in row)} 1/s². Say how far off estimates are: error=…"
                )
            power = len(self.stiffnesses) + 1
            uniform = generator.random((len(columns), count))
            masses = (low**power + uniform * (high**power - low**power)) ** (1.0 / power)
            np.clip(masses, low, high, out=masses)
            by_leg = columns.T[:, :, None]
        else:
            laws = [error[name] if isinstance(error, Mapping) else error for name in self.stiffnesses]
            estimates = columns - np.array([law.bias for law in laws])
            scale = np.stack([np.broadcast_to(law.scale, len(columns)) for law in laws], axis=1)
            tables = [standard_law(law.degrees_of_freedom) for law in laws]
            masses, by_leg = EstimatedRatios(self._box, estimates, scale, tables).possible.draw(count, generator)
        return {"mass": masses} | {name: ratio * masses for name, ratio in zip(self.stiffnesses, by_leg, strict=True)}

    # Shapes ----------------------------------------------------------------------------------

    @property
    def _box(self) -> Box:
        low, high = (np.array([getattr(prior, end) for prior in self.stiffnesses.values()]) for end in ("low", "high"))
        return Box(self.mass.low, self.mass.high, low, high)

    def _columns(self, ratios: ArrayLike) -> np.ndarray:
        """Ratios with the legs along the last axis."""
        columns, n = np.asarray(ratios, float), len(self.stiffnesses)
        if n == 1 and columns.ndim < 2:
            columns = columns[..., None]
        if columns.ndim not in (1, 2) or columns.shape[-1] != n:
            raise InputError(
                f"The ratios need one column for each stiffness ({', '.join(self.stiffnesses)}), shape [n, {n}]. "
                f"Received: shape {list(np.shape(ratios))}. Stack the ratios of the legs as columns."
            )
        return columns

    def _possible_masses(self, ratios: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Ends A <= B of the range of masses, [n]; NaN where no walker has these ratios."""
        low, high = self.mass_bounds(ratios)
        impossible = low > high * (1.0 + _ROUNDING)
        low, high = np.where(impossible, np.nan, low), np.where(impossible, np.nan, high)
        return np.minimum(low, high), high

    def _per_mass(self, target: str, ratios: ArrayLike) -> np.ndarray | float:
        """The target divided by the mass, which is known: 1 or one of the ratios."""
        self.prior(target)
        return 1.0 if target == "mass" else self._columns(ratios)[..., list(self.stiffnesses).index(target)]

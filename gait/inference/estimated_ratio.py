"""Masses and ratios that fit estimated ratios: the numerical part of `gait.inference.RatioPosterior`.

The ratios rho_i = k_i/m are independent at a given mass. If each is estimated as r_i, with an error of distribution
function F and scale s_i, then with m ~ U[a, b] and k_i ~ U[c_i, e_i]

    p(m | r) is proportional to m^n prod_i [F((e_i/m - r_i)/s_i) - F((c_i/m - r_i)/s_i)] on [a, b],

one-dimensional for any number n of legs. Given m, each rho_i follows the law of its error around r_i, truncated to
[c_i/m, e_i/m]. F changes where c_i/m or e_i/m passes r_i, within a few s_i: there the grids in m are dense.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from gait.errors import InputError

_FARTHEST = 1e-15
"""Probability of an error beyond the table of its law. Differences of F keep no digit there."""
_FARTHEST_ESTIMATE = 1e-9
"""Probability of an error that is taken as it is; see `EstimatedRatios.possible`."""
_TABLE = 4097  # numbers in the table of a law
_EDGE_NODES, _INNER_NODES = 80, 32  # of a grid: around each r_i, c_i/r_i and e_i/r_i, and between them
_ROWS = 256  # walkers drawn at once, so that their arrays fit into the processor's cache


@dataclasses.dataclass(frozen=True)
class RatioError:
    """Law of an estimated ratio: estimate = truth + bias + scale t, with t of Student's law.

    Attributes:
        scale: 1/s²; one number, or shape [n] if each walker has its own.
        bias: 1/s².
        degrees_of_freedom: of Student's law; infinity, the default, makes it Gaussian.

    Raises:
        InputError: if these numbers are no law.
    """

    scale: float | np.ndarray
    bias: float = 0.0
    degrees_of_freedom: float = math.inf

    def __post_init__(self) -> None:
        if not (np.all(np.asarray(self.scale) >= 0.0) and math.isfinite(self.bias) and self.degrees_of_freedom > 0.0):
            raise InputError(
                "The error of a ratio needs a scale of at least 0, a finite bias and positive degrees of freedom. "
                f"Received: scale {self.scale}, bias {self.bias}, degrees of freedom {self.degrees_of_freedom}. "
                "Fit it to finite errors."
            )

    @classmethod
    def fit(cls, errors: np.ndarray) -> RatioError:
        """Fits the law by maximum likelihood; Student's, because a network is far off for a few walkers.

        Args:
            errors: estimate minus truth, shape [n], 1/s².
        """
        from scipy import stats  # only now: it takes a while to load, and known ratios need none of it

        degrees_of_freedom, bias, scale = (float(number) for number in stats.t.fit(errors))
        return cls(scale, bias, degrees_of_freedom)


@dataclasses.dataclass(frozen=True)
class Box:
    """Ranges of mass and stiffnesses: the support of the prior.

    Attributes:
        lightest, heaviest: a and b, kg.
        softest, stiffest: c and e of each leg, shape [legs], N/m.
    """

    lightest: float
    heaviest: float
    softest: np.ndarray
    stiffest: np.ndarray

    @property
    def ratio_range(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest ratio of each leg, shape [legs], 1/s²."""
        return self.softest / self.heaviest, self.stiffest / self.lightest

    @property
    def corners(self) -> np.ndarray:
        """Ratios of the corners, for one leg: shape [4], ascending, 1/s². In between, p(rho) is smooth."""
        return np.sort(np.divide.outer([*self.softest, *self.stiffest], [self.lightest, self.heaviest]), axis=None)

    def usable_scale(self, scale: np.ndarray) -> np.ndarray:
        """Scales [..., legs], limited: a smaller one is no error, and a larger one leaves less than 1e-5 of R²."""
        lowest, highest = self.ratio_range
        return np.clip(scale, 1e-12 * highest, 300.0 * (highest - lowest))

    def mass_bounds(self, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ends A, B [kg] of the range of masses that have the ratios [..., legs]; A > B where there are none."""
        low, high = np.asarray(self.lightest), np.asarray(self.heaviest)
        with np.errstate(divide="ignore"):
            for i in range(len(self.softest)):
                low = np.maximum(low, self.softest[i] / ratios[..., i])
                high = np.minimum(high, self.stiffest[i] / ratios[..., i])
        return low, high

    def masses(self, stiffnesses: np.ndarray, ratios: np.ndarray) -> np.ndarray:
        """Masses in the box next to those of the stiffnesses at the ratios; of a ratio below 0, the largest."""
        with np.errstate(divide="ignore"):
            return np.clip(stiffnesses / np.maximum(ratios, 0.0), self.lightest, self.heaviest)


@dataclasses.dataclass(frozen=True)
class StandardLaw:
    """Table of Student's law of scale 1, for look-ups both ways.

    Attributes:
        z: numbers, dense around 0 and ever wider apart towards both tails.
        probability: F(z).
        largest: |z| that an error exceeds in one direction with a probability of 1e-9.
        nodes: some z, spread like `z`, for a grid.
    """

    z: np.ndarray
    probability: np.ndarray
    largest: float
    nodes: np.ndarray

    def cdf(self, z: np.ndarray) -> np.ndarray:
        """F(z)."""
        return np.interp(z, self.z, self.probability)

    def quantile(self, probability: np.ndarray) -> np.ndarray:
        """The number z with F(z) = `probability`."""
        return np.interp(probability, self.probability, self.z)


@functools.lru_cache(maxsize=16)
def standard_law(degrees_of_freedom: float) -> StandardLaw:
    """Tabulates Student's law of scale 1; infinite `degrees_of_freedom` make it Gaussian."""
    from scipy import stats

    end, largest = np.minimum(stats.t.isf([_FARTHEST, _FARTHEST_ESTIMATE], degrees_of_freedom), 1e100)
    z = np.sinh(np.arcsinh(end) * np.linspace(-1.0, 1.0, _TABLE))
    u = np.linspace(-1.0, 1.0, _EDGE_NODES)
    nodes = np.sinh(np.arcsinh(end) * (u + 4.0 * u**3) / 5.0)
    return StandardLaw(z, stats.t.cdf(z, degrees_of_freedom), float(largest), nodes)


@dataclasses.dataclass(frozen=True)
class EstimatedRatios:
    """Estimates of the ratios of some walkers, and how far off they may be.

    Attributes:
        box: support of the prior.
        estimates: r, shape [n, legs], 1/s².
        scale: s, same shape, 1/s².
        laws: F of each leg.
    """

    box: Box
    estimates: np.ndarray
    scale: np.ndarray
    laws: Sequence[StandardLaw]

    @property
    def possible(self) -> EstimatedRatios:
        """These estimates, the impossible ones moved just as far as rounding demands.

        An estimate may lie so far from all that walkers can have that its own law excludes it. The differences of F
        then keep no digit. Moved to where an error has a probability of 1e-9 (6 scales, if Gaussian), they keep six,
        and the posterior says what it said before: a walker at the edge of the prior.
        """
        box = self.box
        limited = dataclasses.replace(self, scale=box.usable_scale(self.scale))
        largest = np.array([law.largest for law in self.laws])
        light, heavy = limited.masses_within(largest)
        # At masses from light to heavy all estimates are possible and stay. If light > heavy, this one is nearest.
        mass = np.sqrt(light * heavy)[:, None]
        reach = largest * limited.scale
        estimates = np.clip(self.estimates, box.softest / mass - reach, box.stiffest / mass + reach)
        return dataclasses.replace(limited, estimates=estimates)

    def masses_within(self, reach: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Range of masses at which each estimate is off by at most `reach` scales, in the box.

        Returns:
            Lower and upper end, shape [n], kg; in reverse order where there is no such mass.
        """
        low = self.box.masses(self.box.softest, self.estimates + reach * self.scale)
        high = self.box.masses(self.box.stiffest, self.estimates - reach * self.scale)
        return low.max(axis=1), high.min(axis=1)

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws masses and ratios that fit.

        Args:
            count: draws for each walker.
            generator: source of randomness.

        Returns:
            Masses, shape [n, count], kg, and ratios, shape [legs, n, count], 1/s².
        """
        n, legs = self.estimates.shape
        masses, ratios = np.empty((n, count)), np.empty((legs, n, count))
        for rows, part in self.parts():
            # With one leg the ratio can come first: the mass given it has a closed form, in a third of the time.
            draw = part.draw_ratio_first if legs == 1 else part.draw_mass_first
            masses[rows], ratios[:, rows] = draw(count, generator)
        return masses, ratios

    def parts(self) -> Iterator[tuple[slice, EstimatedRatios]]:
        """A few walkers at a time, and which rows they are."""
        for start in range(0, len(self.estimates), _ROWS):
            rows = slice(start, start + _ROWS)
            yield rows, dataclasses.replace(self, estimates=self.estimates[rows], scale=self.scale[rows])

    def draw_ratio_first(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws the ratio of the only leg, then the mass given it; see `draw`."""
        edges, weights = self.ratio_cells()
        ratios = _draw_from_cells(edges, weights, count, generator)
        low, high = self.box.mass_bounds(ratios[..., None])
        return np.sqrt(low**2 + generator.random(ratios.shape) * (high**2 - low**2)), ratios[None]

    def draw_mass_first(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws the mass, then the ratio of each leg given the mass and its estimate; see `draw`."""
        edges, weights = self.mass_cells()
        masses = _draw_from_cells(edges, weights, count, generator)
        ratios = np.empty((len(self.laws), *masses.shape))
        for i, law in enumerate(self.laws):
            r, s = self.estimates[:, i, None], self.scale[:, i, None]
            low, high = self.box.softest[i] / masses, self.box.stiffest[i] / masses
            below, above = law.cdf((low - r) / s), law.cdf((high - r) / s)
            z = law.quantile(below + generator.random(masses.shape) * (above - below))
            np.clip(r + s * z, low, high, out=ratios[i])
        return masses, ratios

    def ratio_cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells of the ratio of the only leg: p(rho), proportional to B² - A², times the density of the error.

        Returns:
            Edges, shape [n, cells + 1], 1/s², and probabilities, shape [n, cells], not normalised.
        """
        box, (law,) = self.box, self.laws
        lowest, highest = box.corners[0], box.corners[-1]
        inner = np.concatenate([np.geomspace(lowest, highest, _INNER_NODES), box.corners])
        around = self.estimates + self.scale * law.nodes
        edges = np.concatenate([around, np.broadcast_to(inner, (len(around), len(inner)))], axis=1)
        np.clip(edges, lowest, highest, out=edges)
        edges.sort(axis=1)
        low, high = box.mass_bounds(0.5 * (edges[:, 1:] + edges[:, :-1])[..., None])
        density = np.maximum(high**2 - low**2, 0.0)
        return edges, density * np.diff(law.cdf((edges - self.estimates) / self.scale), axis=1)

    def mass_cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells of the mass.

        Returns:
            Edges, shape [n, cells + 1], kg, and probabilities, shape [n, cells], not normalised.
        """
        edges = self.mass_edges()
        middle = 0.5 * (edges[:, 1:] + edges[:, :-1])
        density = (middle / self.box.heaviest) ** len(self.laws)
        for i, law in enumerate(self.laws):
            r, s = self.estimates[:, i, None], self.scale[:, i, None]
            low, high = self.box.softest[i] / middle, self.box.stiffest[i] / middle
            density *= law.cdf((high - r) / s) - law.cdf((low - r) / s)
        return edges, density * np.diff(edges)

    def mass_edges(self, coarseness: int = 1) -> np.ndarray:
        """Edges of cells that resolve p(m | r), over all masses to which it extends.

        Args:
            coarseness: 1 for all nodes of the grid, 5 for every fifth.

        Returns:
            Shape [n, cells + 1], kg, ascending.
        """
        box, n = self.box, len(self.estimates)
        nodes = np.stack([law.nodes[::coarseness] for law in self.laws])
        around = self.estimates[..., None] + self.scale[..., None] * nodes
        begin, end = self.masses_within(np.array([law.z[-1] for law in self.laws]))
        inner = [
            np.linspace(*ends, _INNER_NODES // coarseness, axis=1) for ends in ((begin, end), self.masses_within(0))
        ]
        outer = [box.masses(limit[:, None], around).reshape(n, -1) for limit in (box.softest, box.stiffest)]
        edges = np.concatenate(outer + inner, axis=1)
        np.clip(edges, begin[:, None], end[:, None], out=edges)
        edges.sort(axis=1)
        return edges

    def variance(self, leg: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Variance of a stiffness or of the mass, given the estimates, whose errors must be Gaussian.

        Args:
            leg: number of the stiffness; None for the mass.

        Returns:
            Variance, shape [n], the unit of the stiffness or the mass, squared, and p(r), same shape, not normalised.
        """
        parts = [part._variance(leg) for _, part in self.parts()]
        return np.concatenate([variance for variance, _ in parts]), np.concatenate([density for _, density in parts])

    def _variance(self, leg: int | None) -> tuple[np.ndarray, np.ndarray]:
        from scipy import special

        box, edges = self.box, self.mass_edges(coarseness=5)
        nodes, weights = np.polynomial.legendre.leggauss(3)
        half, middle = 0.5 * np.diff(edges)[..., None], 0.5 * (edges[:, 1:] + edges[:, :-1])[..., None]
        mass = (middle + half * nodes).reshape(len(edges), -1)
        density = (half * weights).reshape(mass.shape) * (mass / box.heaviest) ** len(self.laws)
        # Moments about a point nearby: about 0 those of a narrow posterior would lose their digits.
        offset = mass - 0.5 * (edges[:, :1] + edges[:, -1:])
        zeroth, first, second = np.ones_like(mass), offset, offset**2
        for i in range(len(self.laws)):
            r, s = self.estimates[:, i, None], self.scale[:, i, None]
            low, high = (box.softest[i] / mass - r) / s, (box.stiffest[i] / mass - r) / s
            inside = special.ndtr(high) - special.ndtr(low)
            if i != leg:
                density *= inside
                continue
            # k - r m0 = s m t + r (m - m0), and t = (rho - r)/s is normal between low and high.
            at_low, at_high = (np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) for z in (low, high))
            t, t_squared = at_low - at_high, inside + low * at_low - high * at_high
            p, q = s * mass, r * offset
            zeroth, first, second = inside, p * t + q * inside, p * p * t_squared + 2.0 * p * q * t + q * q * inside
        total, first, second = (np.sum(density * moment, axis=1) for moment in (zeroth, first, second))
        return np.maximum(second / total - (first / total) ** 2, 0.0), total


def _draw_from_cells(edges: np.ndarray, weights: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draws, shape [n, count], from cells with the given weights [n, cells], evenly within a cell."""
    cumulated = np.zeros_like(edges)
    # The smallest number makes all cells equal where none has kept a digit.
    np.cumsum(weights + np.finfo(float).tiny, axis=1, out=cumulated[:, 1:])
    cumulated /= cumulated[:, -1:]
    # One look-up in all rows: each row's function begins at twice its number, so that rounding stays in the row.
    rows = 2.0 * np.arange(len(edges))[:, None]
    return np.interp(generator.random((len(edges), count)) + rows, (cumulated + rows).ravel(), edges.ravel())

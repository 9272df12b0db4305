"""Local Gaussian approximations of a posterior, and mixtures of Student's t made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import special

from gait.inference.problem import Problem, misfit

_STEP = 1e-4  # of a coordinate, for derivatives
HEAVY, LIGHT = 6.0, 30.0
"""Degrees of freedom of components: tails that the posterior of a walk does not exceed, and such next to Gaussian."""
_LONGEST_MOVE = 1.0  # of a coordinate, in one step towards a mode
_SAME = 0.3  # standard deviations between two descents that have become one
_DAMPING = (1e-3, 1e-6, 1e8)  # of Levenberg and Marquardt: at first, at least, at most
_FOR_MOMENTS = 10.0  # effective draws for each coordinate that moments take
_LEAST_VARIANCE = 1e-9  # of the largest one, so that rounding leaves a covariance positive
_ROUNDING = 1e-15
_PATCH = 500_000  # numbers in memory at once, so that they fit into a cache


@dataclasses.dataclass(frozen=True)
class Kernels:
    """k Gaussian approximations of a posterior.

    Attributes:
        centres: shape [k, D].
        factors: lower Cholesky factors of the covariances, shape [k, D, D].
        log_masses: logarithms of their posterior masses, up to one constant, shape [k].
    """

    centres: np.ndarray
    factors: np.ndarray
    log_masses: np.ndarray

    def heaviest(self, most: int, depth: float) -> Kernels:
        """At most `most` kernels, none lighter than the heaviest one by more than `depth` in the logarithm."""
        order = np.argsort(-self.log_masses)[:most]
        order = order[self.log_masses[order] >= self.log_masses[order[0]] - depth]
        return Kernels(self.centres[order], self.factors[order], self.log_masses[order])

    def nearest(self, coordinates: np.ndarray) -> np.ndarray:
        """Number of the kernel that each of some coordinates [n, D] is nearest to, in its own deviations; shape [n]."""
        inverse = np.linalg.inv(self.factors)
        distance = [
            np.sum(((coordinates - centre) @ factor.T) ** 2, axis=1)
            for centre, factor in zip(self.centres, inverse, strict=True)
        ]
        return np.argmin(distance, axis=0)


class Mixture:
    """Mixture of multivariate Student's t distributions.

    Args:
        parts: kernels, of which each gives one component a kernel.
        shares: probability of each of the parts; within one, components have their masses.
        tails: degrees of freedom of each of the parts; by default `HEAVY`.
    """

    def __init__(
        self, parts: Sequence[Kernels], shares: Sequence[float] = (1.0,), tails: Sequence[float] | None = None
    ):  # fmt: skip
        self._centres = np.concatenate([part.centres for part in parts])
        self._factors = np.concatenate([part.factors for part in parts])
        self._shares = np.concatenate([
            share * special.softmax(part.log_masses) for part, share in zip(parts, shares, strict=True)
        ])  # fmt: skip
        dimension = self._centres.shape[1]
        inverse = np.linalg.inv(self._factors)
        precision = inverse.transpose(0, 2, 1) @ inverse
        # A square distance is a quadratic function of the coordinates, so that one matrix product gives those of all
        # draws to all centres. Around the middle of the centres the least digits cancel.
        self._middle = np.average(self._centres, axis=0, weights=self._shares)
        away = self._centres - self._middle
        linear = np.einsum("kij,kj->ki", precision, away)
        self._pairs = np.triu_indices(dimension)
        twice = np.where(self._pairs[0] == self._pairs[1], 1.0, 2.0)
        self._quadratic = np.concatenate([
            (precision[:, self._pairs[0], self._pairs[1]] * twice).T,
            -2.0 * linear.T,
            np.einsum("ki,ki->k", linear, away)[None],
        ])  # fmt: skip
        self._nu = nu = np.repeat(
            [HEAVY] * len(parts) if tails is None else tails, [len(part.centres) for part in parts]
        )  # fmt: skip
        with np.errstate(divide="ignore"):
            self._log_heights = (
                np.log(self._shares)
                + np.sum(np.log(np.einsum("kii->ki", inverse)), axis=1)
                + special.gammaln(0.5 * (nu + dimension)) - special.gammaln(0.5 * nu)
                - 0.5 * dimension * np.log(nu * np.pi)
            )  # fmt: skip

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Coordinates of `count` draws, shape [count, D], spread evenly over the components."""
        component = systematic(self._shares, count, generator)
        dimension = self._centres.shape[1]
        scale = np.sqrt(self._nu[component] / generator.chisquare(self._nu[component]))
        normal = generator.standard_normal((count, dimension)) * scale[:, None]
        return self._centres[component] + np.einsum("nij,nj->ni", self._factors[component], normal)

    def log_density(self, coordinates: np.ndarray) -> np.ndarray:
        """Logarithm of the density at coordinates [n, D]; shape [n]."""
        found = np.empty(len(coordinates))
        power = 0.5 * (self._nu + coordinates.shape[1])
        step = max(1, _PATCH // len(self._centres))
        for start in range(0, len(coordinates), step):
            away = coordinates[start : start + step] - self._middle
            first, second = self._pairs
            features = np.concatenate([away[:, first] * away[:, second], away, np.ones((len(away), 1))], axis=1)
            terms = np.maximum(features @ self._quadratic, 0.0)
            terms /= self._nu
            np.log1p(terms, out=terms)
            terms *= -power
            terms += self._log_heights
            largest = terms.max(axis=1, keepdims=True)
            terms -= largest
            found[start : start + step] = largest[:, 0] + np.log(np.exp(terms, out=terms).sum(axis=1))
        return found


def systematic(weights: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Numbers of `count` draws in proportion to weights [n], as evenly as possible; shape [count], ascending."""
    edges = np.cumsum(weights)
    places = (np.arange(count) + generator.random()) / count * edges[-1]
    return np.minimum(np.searchsorted(edges, places, side="right"), len(weights) - 1)


def matched(modes: Kernels, coordinates: np.ndarray, weights: np.ndarray) -> Kernels | None:
    """Gaussians with the moments of weighted draws, one for the draws nearest to each mode.

    Args:
        modes: local approximations, whose distances decide which mode a draw is nearest to.
        coordinates: the draws, shape [n, D].
        weights: not negative, shape [n].

    Returns:
        The Gaussians of modes with enough effective draws for their moments; None if there are no such modes.
    """
    nearest, found = modes.nearest(coordinates), []
    for number in np.unique(nearest[weights > 0.0]):
        rows = nearest == number
        own, factor = weights[rows], modes.factors[number]
        mass = own.sum()
        if mass**2 < _FOR_MOMENTS * coordinates.shape[1] * (own @ own):
            continue
        # In the mode's own deviations: a walk can be a billion times more sensitive one way than the other.
        points = np.linalg.solve(factor, (coordinates[rows] - modes.centres[number]).T).T
        mean = own @ points / mass
        covariance = (points - mean).T @ ((points - mean) * (own / mass)[:, None])
        largest = covariance.diagonal().max()
        if not largest > 0.0:  # a needle so thin that all its draws are one number
            continue
        covariance += _LEAST_VARIANCE * largest * np.eye(len(mean))
        found.append((modes.centres[number] + factor @ mean, factor @ np.linalg.cholesky(covariance), np.log(mass)))
    return Kernels(*(np.array(column) for column in zip(*found, strict=True))) if found else None


# Derivatives ---------------------------------------------------------------------------------


def derivatives(problem: Problem, coordinates: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Derivatives of the outputs, good enough for proposals.

    They are one-sided differences, to the other side where the first has no outputs, as at the border of walking.
    Where neither side has any, they are 0, so that a kernel is as wide as the prior there.

    Args:
        problem: the model.
        coordinates: shape [n, D].
        outputs: of these coordinates, shape [n, outputs].

    Returns:
        Shape [n, D, outputs].
    """
    count, dimension = coordinates.shape
    found = np.zeros((count, dimension, outputs.shape[1]))
    rows, columns = (numbers.ravel() for numbers in np.mgrid[:count, :dimension])
    for step in (_STEP, -_STEP):
        moved = coordinates[rows].copy()
        moved[np.arange(len(rows)), columns] += step
        change = (problem.outputs(moved) - outputs[rows]) / step
        sound = np.isfinite(change).all(axis=1)
        found[rows[sound], columns[sound]] = change[sound]
        rows, columns = rows[~sound], columns[~sound]
        if not len(rows):
            break
    return found


def covariance_factors(precision: np.ndarray) -> np.ndarray:
    """Lower Cholesky factors of the covariances of some precisions, shape [n, D, D] both.

    A walk can be so sensitive that a covariance has no positive eigenvalue left after rounding. Then it is built from
    the eigenvalues of the precision, of which none counts for less than a rounding error of the largest.
    """
    try:
        return np.linalg.cholesky(np.linalg.inv(precision))
    except np.linalg.LinAlgError:
        values, axes = np.linalg.eigh(precision)
        values = np.maximum(values, _ROUNDING * values[:, -1:])
        upper = np.linalg.qr((axes / np.sqrt(values)[:, None]).transpose(0, 2, 1))[1]
        return (upper * np.sign(np.einsum("nii->ni", upper))[:, :, None]).transpose(0, 2, 1)


def _normal_equations(slopes: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curvature [n, D, D] and gradient [n, D] of half the chi-square, from slopes [n, D, outputs] per noise."""
    return slopes @ slopes.transpose(0, 2, 1), np.einsum("nij,nj->ni", slopes, residual)


@dataclasses.dataclass(frozen=True)
class Neighbourhoods:
    """Posteriors within neighbourhoods of some points, in which the model is taken as linear.

    The prior within a neighbourhood is taken as Gaussian around the point, with the radius as standard deviation.

    Attributes:
        points: shape [n, D].
        moves: from each point to the centre of its local posterior, shape [n, D].
        precision: of the local posteriors, shape [n, D, D].
        radius: of a neighbourhood, in coordinates.
    """

    points: np.ndarray
    moves: np.ndarray
    precision: np.ndarray
    radius: float

    @classmethod
    def of(
        cls, problem: Problem, points: np.ndarray, outputs: np.ndarray, observed: np.ndarray, sd: np.ndarray,
        radius: float,
    ) -> Neighbourhoods:  # fmt: skip
        """Linearises the model at points [n, D] with outputs [n, outputs], for a recording with noise sd [outputs]."""
        slopes = derivatives(problem, points, outputs) / sd
        curvature, gradient = _normal_equations(slopes, (observed - outputs) / sd)
        precision = curvature + np.eye(problem.dimension) / radius**2
        return cls(points, np.linalg.solve(precision, gradient[..., None])[..., 0], precision, radius)

    @property
    def factors(self) -> np.ndarray:
        """Cholesky factors of the covariances, shape [n, D, D]."""
        return covariance_factors(self.precision)

    def kernels(self, problem: Problem, observed: np.ndarray, sd: np.ndarray) -> Kernels:
        """The local posteriors as kernels, whose masses rest on the true fit of their centres."""
        centres = self.points + self.moves
        fit = misfit(problem.outputs(centres), observed, sd)
        from_point = np.sum(self.moves**2, axis=1) / self.radius**2
        volume = -0.5 * np.linalg.slogdet(self.precision)[1] - problem.dimension * np.log(self.radius)
        return Kernels(centres, self.factors, volume - 0.5 * (fit + from_point))


def descend(
    problem: Problem, coordinates: np.ndarray, observed: np.ndarray, sd: np.ndarray, *, steps: int
) -> tuple[Kernels, np.ndarray]:
    """Follows each point down to a mode of the posterior, by the method of Levenberg and Marquardt.

    Points that meet on the way go on as one.

    Args:
        problem: the model.
        coordinates: the points, shape [n, D].
        observed: recording, shape [outputs].
        sd: standard deviation of its noise, shape [outputs].
        steps: most steps of each.

    Returns:
        Laplace's approximation at each end point, and the chi-square there [k].
    """
    eye = np.eye(problem.dimension)
    first, least, most = _DAMPING
    points, outputs = coordinates, problem.outputs(coordinates)
    damping, going = np.full(len(points), first), np.ones(len(points), bool)
    slopes = np.zeros((len(points), problem.dimension, len(observed)))
    fresh = going.copy()  # whose slopes have to be computed

    def cost(points: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return 0.5 * (misfit(outputs, observed, sd) + np.sum(points**2, axis=1))

    costs = cost(points, outputs)
    for step in range(steps + 1):
        if fresh.any():
            slopes[fresh] = derivatives(problem, points[fresh], outputs[fresh]) / sd
        curvature, gradient = _normal_equations(slopes, (observed - outputs) / sd)
        curvature, gradient = curvature + eye, gradient - points
        if step == steps or not going.any():
            break
        damped = curvature + damping[:, None, None] * curvature * eye
        move = np.linalg.solve(damped, gradient[..., None])[..., 0]
        expected = 0.5 * np.einsum("ni,ni->n", move, gradient)
        going &= (expected > 1e-3) & (damping < most)
        if not going.any():
            break
        move /= np.maximum(1.0, np.abs(move).max(axis=1) / _LONGEST_MOVE)[:, None]
        tried = points[going] + move[going]
        reached = problem.outputs(tried)
        new = cost(tried, reached)
        better = np.zeros(len(points), bool)
        better[going] = new < costs[going]
        took = better[going]
        points, outputs, costs = points.copy(), outputs.copy(), costs.copy()
        points[better], outputs[better], costs[better] = tried[took], reached[took], new[took]
        damping = np.where(better, np.maximum(0.1 * damping, least), 10.0 * damping)
        fresh = better
        kept = _apart(points, costs, curvature)
        points, outputs, costs, damping = points[kept], outputs[kept], costs[kept], damping[kept]
        going, fresh, slopes = going[kept], fresh[kept], slopes[kept]
    log_masses = problem.log_weight(points) - costs - 0.5 * np.linalg.slogdet(curvature)[1]
    kernels = Kernels(points, covariance_factors(curvature), np.nan_to_num(log_masses, neginf=-1e300))
    return kernels, misfit(outputs, observed, sd)


def _apart(points: np.ndarray, costs: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Numbers of points that are not within a fraction of a standard deviation of a better one."""
    kept: list[int] = []
    for number in np.argsort(costs):
        if kept:
            away = points[kept] - points[number]
            distance = np.einsum("ki,kij,kj->k", away, curvature[kept], away)
            if distance.min() < _SAME**2:
                continue
        kept.append(int(number))
    return np.array(kept)

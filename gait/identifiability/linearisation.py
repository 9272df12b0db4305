"""Linearisation of a forward model near some points: which parameters its derivatives determine, and how well.

Let J be the derivatives of the outputs, R the covariance of their noise and D the standard deviations
of the prior. Everything follows from the singular values and vectors of R^(-1/2) J D: a direction of
parameters with a singular value of zero has no influence on the outputs.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from gait.errors import InputError
from gait.identifiability.derivatives import Jacobians
from gait.identifiability.inputs import numbers

SAFETY = 3.0
"""Measured errors of derivatives times this are bounds on them."""
MARGIN = 10.0
"""A singular value of this many times its possible error is not zero. Between once and this, it is undecided."""
_BLURRED = 0.05  # directions more uncertain than this tell nothing about a function of the parameters
_WEIGHTS = (0.0, 1e3, 1e6, 1e9, 1e12)
"""Without noise, outputs are weighed by their spread and at least by so many times their own error, if that is
rounding: outputs that are mostly error would otherwise drown the others."""
_ROUNDED = 1e-11  # of the outputs
_SAME = 0.01  # of the differences among the points; outputs farther apart are not the same, however poor the model


def whitening(noise, outputs: np.ndarray, floor: np.ndarray | float = 0.0) -> np.ndarray:
    """Computes R^(-1/2): shape [n] for independent noise, [n, n] for a covariance matrix.

    Without noise, outputs are measured by their own spread, so that those in newtons do not hide
    those in metres.

    Args:
        noise: None, standard deviation of all outputs, of each [n], or their covariance [n, n].
        outputs: shape [u, n].
        floor: smallest spread of each output, shape [n], in the absence of noise.
    """
    count = outputs.shape[1]
    if noise is None:
        spread = np.maximum(outputs.std(axis=0), 1e-6 * np.sqrt(np.mean(outputs**2, axis=0)))
        return np.divide(1.0, np.hypot(spread, floor), out=np.zeros(count), where=spread > 0.0)
    rule = f"Noise is one standard deviation, one for each of the {count} outputs, or their covariance matrix"
    noise = numbers(noise, rule)
    if noise.ndim > 2 or (noise.ndim and noise.shape != (count,) * noise.ndim):
        raise InputError(f"{rule}. Received: shape {noise.shape}.")
    if not np.isfinite(noise).all():
        raise InputError(f"{rule}. All of them are finite. Received: NaN or infinity.")
    if noise.ndim < 2:
        if not (noise > 0).all():
            raise InputError(f"{rule}. All standard deviations are positive. Received: {noise.min():g}.")
        return 1.0 / np.broadcast_to(noise, (count,))
    if np.abs(noise - noise.T).max() > 1e-8 * np.abs(noise).max():
        raise InputError(
            f"{rule}. A covariance matrix is symmetric. Received: one that is not. Average it with its transpose."
        )
    try:
        return np.linalg.inv(np.linalg.cholesky(noise))
    except np.linalg.LinAlgError:
        raise InputError(
            f"{rule}. A covariance matrix is symmetric and positive definite. Received: one that is not."
        ) from None


def whitened(white: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Expresses outputs as columns [..., n, c] in units of the noise."""
    return white[:, None] * columns if white.ndim == 1 else white @ columns


@dataclasses.dataclass(frozen=True)
class Linearisation:
    """The model near u points, in units of noise and prior.

    Attributes:
        jacobians: the points and the derivatives there.
        sd: standard deviations of the prior, shape [p].
        noisy: whether the outputs are in units of a noise. Otherwise their units are arbitrary.
        white: R^(-1/2), see `whitening`.
        scaled: R^(-1/2) J D, shape [u, n, p].
        errors: possible errors of `scaled`, shape [u, n, p].
        output_errors: possible errors of the outputs in the same units, shape [n].
        settled: the rank, if something other than the derivatives has settled it.
        doubted: whether something else contradicts the derivatives, so that the rank is undecided.
    """

    jacobians: Jacobians
    sd: np.ndarray
    noisy: bool
    white: np.ndarray
    scaled: np.ndarray
    errors: np.ndarray
    output_errors: np.ndarray
    settled: int | None = None
    doubted: bool = False

    @classmethod
    def of(cls, jacobians: Jacobians, sd: np.ndarray, noise, output_errors: np.ndarray | None = None) -> Linearisation:
        """Scales measured derivatives by the noise, see `whitening`, and by the prior.

        Args:
            jacobians: the derivatives.
            sd: standard deviations of the prior, shape [p].
            noise: see `whitening`.
            output_errors: possible error of each output, in its unit, shape [n]; None if the outputs are exact.
        """
        if output_errors is None:
            output_errors = np.zeros(jacobians.outputs.shape[1])
        size = np.abs(jacobians.outputs).max(axis=0, initial=0.0)
        rounded = output_errors.any() and np.median(output_errors) <= _ROUNDED * np.median(size)
        floors = _WEIGHTS if noise is None and rounded else (0.0,)
        best = None
        for floor in floors:
            white = whitening(noise, jacobians.outputs, floor * output_errors)
            scaled, errors, wrong = (
                whitened(np.abs(white) if absolute else white, columns)
                for columns, absolute in ((jacobians.values, 0), (jacobians.errors, 1), (output_errors[:, None], 1))
            )
            found = cls(jacobians, sd, noise is not None, white, scaled * sd, errors * sd, wrong[:, 0])
            if best is None or found.ranks[0].sum() > best.ranks[0].sum():
                best = found
            if (best.ranks[0] == len(sd)).all():
                break
        assert best is not None
        return best

    # Spectrum --------------------------------------------------------------------------------

    @functools.cached_property
    def _decomposed(self) -> tuple[np.ndarray, np.ndarray]:
        """Singular values [u, p], falling, and the directions of parameters as columns [u, p, p]."""
        missing = max(0, self.scaled.shape[2] - self.scaled.shape[1])
        triangles = np.linalg.qr(np.pad(self.scaled, ((0, 0), (0, missing), (0, 0))), mode="r")
        _, values, directions = np.linalg.svd(triangles)
        return values, directions.swapaxes(1, 2)

    @property
    def spectra(self) -> np.ndarray:
        """Singular values at each point, shape [u, p], falling."""
        return self._decomposed[0]

    @property
    def directions(self) -> np.ndarray:
        """Directions that belong to the singular values, as columns, in units of the prior, shape [u, p, p]."""
        return self._decomposed[1]

    @functools.cached_property
    def tolerances(self) -> np.ndarray:
        """Largest singular values that zero could show, given the errors of the derivatives, shape [u, p]."""
        return SAFETY * np.linalg.norm(self.errors @ np.abs(self.directions), axis=1)

    @property
    def slack(self) -> float:
        """Largest difference of two outputs that may come from the model's inaccuracy, in units of the noise.

        A singular value below it tells nothing: a change by one standard deviation of the prior hardly shows.
        """
        return float(np.linalg.norm(self.output_errors))

    def equal(self, difference: np.ndarray, doubt: np.ndarray | float = 0.0) -> np.ndarray:
        """Whether outputs are equal within the model's accuracy, from their differences [..., n], and a doubt [...]."""
        size = np.linalg.norm(whitened(self.white, difference[..., None])[..., 0], axis=-1)
        return size <= np.minimum(self.slack + doubt, _SAME * self._signal)  # False where there are no outputs

    @functools.cached_property
    def _signal(self) -> float:
        """Differences of the outputs among the points, in units of the noise; infinite if there are none."""
        outputs = self.jacobians.outputs
        apart = whitened(self.white, (outputs - outputs.mean(axis=0))[..., None])[..., 0]
        return float(np.median(np.linalg.norm(apart, axis=1))) or np.inf

    @functools.cached_property
    def ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of singular values that are certainly not zero, and that may not be zero, shape [u] each."""
        if self.settled is not None:
            return (np.full(len(self.scaled), self.settled),) * 2
        certain = (self.spectra > MARGIN * self.tolerances) & (self.spectra > self.slack)
        possible = (self.spectra > self.tolerances) | self.doubted
        return np.sum(certain, axis=1), np.sum(possible, axis=1)

    def settle(self, rank: int) -> Linearisation:
        """Replaces the rank by a given one."""
        return dataclasses.replace(self, settled=rank)

    def doubt(self) -> Linearisation:
        """Makes the rank undecided."""
        return dataclasses.replace(self, settled=None, doubted=True)

    def vanishes(self, changes: np.ndarray) -> bool:
        """Checks that outputs do not change along some directions, as far as derivatives and solver can tell.

        Args:
            changes: one direction at each point, in units of the prior, shape [u, p].
        """
        effect = np.linalg.norm(np.einsum("unp,up->un", self.scaled, changes), axis=1)
        doubt = SAFETY * np.linalg.norm(self.errors, axis=(1, 2)) + self.slack
        return bool((effect <= doubt * np.linalg.norm(changes, axis=1)).all())

    @functools.cached_property
    def agreeing(self) -> np.ndarray:
        """Indices of the points that agree on one rank; none if it is undecided.

        The rank is the largest that is certain at a point, if all others confirm it, which must be at least half
        of the points. A point has no say if its derivatives are too inaccurate to show the smallest of the
        singular values that count at the others.
        """
        surely, maybe = self.ranks
        decided = surely == maybe
        rank = int(surely[decided].max(initial=0))
        confirming = decided & (surely == rank)
        if rank:
            smallest = np.median(self.spectra[confirming, rank - 1])
            decided &= MARGIN * self.tolerances[:, rank - 1] < smallest
        unanimous = (surely[decided] == rank).all() and 2 * confirming.sum() >= len(surely)
        return np.flatnonzero(confirming) if unanimous and not self.doubted else np.array([], int)

    @property
    def rank(self) -> int | None:
        """Number of independent functions of the parameters that can be known; None if undecided."""
        return int(self.ranks[0][self.agreeing[0]]) if len(self.agreeing) else None

    @property
    def _speaking(self) -> np.ndarray:
        """Indices of the agreeing points, or of all if none agree."""
        return self.agreeing if len(self.agreeing) else np.arange(len(self.scaled))

    @property
    def gap(self) -> float:
        """Smallest ratio of the last singular value that counts to the next one, or to what that could be."""
        if not self.rank:
            return float("nan")
        values, beyond = self.spectra[self.agreeing], self.tolerances[self.agreeing]
        last = values[:, self.rank - 1]
        if self.rank == values.shape[1]:
            return float(np.min(last / beyond[:, -1]))
        return float(np.min(last / np.maximum(values[:, self.rank], beyond[:, self.rank])))

    @functools.cached_property
    def dead(self) -> np.ndarray:
        """Marks the parameters that have no influence at any point, shape [p]."""
        effect, doubt = self.influence
        return np.asarray((effect <= doubt).all(axis=0) & (not self.doubted))

    @property
    def influence(self) -> tuple[np.ndarray, np.ndarray]:
        """Effect of each parameter at each point, and the largest that none could show, shape [u, p] each."""
        return np.linalg.norm(self.scaled, axis=1), SAFETY * np.linalg.norm(self.errors, axis=1)

    def null_space(self, point: int) -> np.ndarray:
        """Directions without influence at a point, in units of the prior, as columns [p, p - rank]."""
        return self.directions[point][:, self.rank :]

    def logarithmic(self, point: int, rank: int) -> np.ndarray:
        """Directions beyond a rank, in logarithms of the parameters, as orthonormal columns [p, p - rank]."""
        theta = self.jacobians.points[point]
        theta = np.where(theta == 0.0, np.finfo(float).tiny, theta)
        return np.linalg.qr((self.sd / theta)[:, None] * self.directions[point][:, rank:])[0]

    # Functions of the parameters -------------------------------------------------------------

    def known_at(self, gradients: np.ndarray) -> list[bool | None]:
        """Checks at each point whether a function of the parameters can be known from the outputs; None if undecided.

        It can be known if it does not change along any direction without influence.

        Args:
            gradients: its derivatives, shape [u, p].
        """
        return [self._known(u, gradients[u] * self.sd) for u in range(len(gradients))]

    def _known(self, u: int, gradient: np.ndarray) -> bool | None:
        size, rank, possible = np.linalg.norm(gradient), self.ranks[0][u], self.ranks[1][u]
        if size == 0.0:
            return True
        seen = np.abs(gradient @ self.directions[u]) / size
        # The directions are as uncertain as the errors are large beside the singular values that count.
        beyond = np.maximum(self.tolerances[u, rank:], self.spectra[u, rank:]).max(initial=0.0)
        blur = 0.0 if rank == 0 else MARGIN * beyond / self.spectra[u, rank - 1]
        if np.linalg.norm(seen[rank:]) <= min(blur, _BLURRED) + 1e-9:
            return True
        return False if np.linalg.norm(seen[possible:]) > blur + 1e-9 else None

    def is_known(self, gradients: np.ndarray) -> bool | None:
        """Checks whether a function of the parameters can be known from the outputs; None if that is undecided.

        Args:
            gradients: see `known_at`.
        """
        found = [self._known(u, gradients[u] * self.sd) for u in self._speaking if gradients[u].any()]
        if found and all(found):
            return True
        return False if 2 * found.count(False) > len(found) else None

    def standard_deviation(self, gradients: np.ndarray, scale: float = 1.0) -> np.ndarray:
        """Smallest standard deviation of any unbiased estimate of a function that is known, shape [u].

        The Cramér-Rao bound: the root of c^T F^+ c with F = J^T R^-1 J.

        Args:
            gradients: derivatives c of the function, shape [u, p].
            scale: size of the noise, relative to that of the analysis.
        """
        along = np.einsum("up,upq->uq", gradients * self.sd, self.directions)
        counts = np.arange(along.shape[1]) < self._counting[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(counts, along / self.spectra, 0.0)
        return scale * np.linalg.norm(parts, axis=1)

    @functools.cached_property
    def _counting(self) -> np.ndarray:
        return self.ranks[0] if self.rank is None else np.full(len(self.scaled), self.rank)

    def linear_ceiling(self, gradients: np.ndarray, scale: float = 1.0) -> float:
        """Share of the prior variance of a function that the outputs explain, in the mean over the points.

        It is computed as if the model were linear and the prior Gaussian: 1 - c^T (D^-2 + F)^-1 c / c^T D² c.
        In an analysis without noise, it is the limit of vanishing noise.

        Args:
            gradients: derivatives c of the function, shape [u, p].
            scale: size of the noise, relative to that of the analysis.
        """
        along = np.einsum("up,upq->uq", gradients * self.sd, self.directions) ** 2
        counts = np.arange(along.shape[1]) < self._counting[:, None]
        left = np.where(counts, 1.0 / (1.0 + (self.spectra / scale) ** 2) if self.noisy else 0.0, 1.0)
        return float(1.0 - np.sum(along * left) / np.sum(along))

    def uniqueness(self) -> np.ndarray:
        """Share of each parameter's effect that no other can imitate, c_i = 1 / (F_ii (F^-1)_ii), shape [p].

        The median over the points, and 0 for a parameter that cannot be known by itself.
        """
        effect = np.linalg.norm(self.scaled, axis=1) ** 2
        parameters = self.scaled.shape[2]
        axes = [np.tile(row, (len(self.scaled), 1)) / self.sd for row in np.eye(parameters)]
        inverse = np.stack([self.standard_deviation(axis) for axis in axes], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(effect > 0.0, 1.0 / (effect * inverse**2), 0.0)
        known = [self.is_known(axis) is not False for axis in axes]
        return np.where(known, np.clip(np.median(shares[self._speaking], axis=0), 0.0, 1.0), 0.0)

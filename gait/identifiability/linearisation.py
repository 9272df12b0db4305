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

SAFETY = 3.0
"""Measured errors of derivatives times this are bounds on them."""
SOLVER = 1e-6
"""Models that are solved numerically are rarely more accurate: a singular value below this part of the largest may be
the solver's and not the model's, even if it is measured well."""
MARGIN = 10.0
"""A singular value of this many times its possible error is not zero. Between once and this, it is undecided."""


def whitening(noise, outputs: np.ndarray) -> np.ndarray:
    """Computes R^(-1/2): shape [n] for independent noise, [n, n] for a covariance matrix.

    Without noise, outputs are measured by their own spread, so that those in newtons do not hide
    those in metres.

    Args:
        noise: None, standard deviation of all outputs, of each [n], or their covariance [n, n].
        outputs: shape [u, n].
    """
    count = outputs.shape[1]
    if noise is None:
        spread = np.maximum(outputs.std(axis=0), 1e-6 * np.sqrt(np.mean(outputs**2, axis=0)))
        return np.divide(1.0, spread, out=np.zeros(count), where=spread > 0.0)
    noise = np.asarray(noise, float)
    rule = f"Noise is one standard deviation, one for each of the {count} outputs, or their covariance matrix"
    if noise.ndim > 2 or (noise.ndim and noise.shape != (count,) * noise.ndim):
        raise InputError(f"{rule}. Received: shape {noise.shape}.")
    if noise.ndim < 2:
        if not (np.isfinite(noise) & (noise > 0)).all():
            raise InputError(f"{rule}. All standard deviations are positive. Received: {noise.min():g}.")
        return 1.0 / np.broadcast_to(noise, (count,))
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
        settled: the rank, if something other than the derivatives has settled it.
        doubted: whether something else contradicts the derivatives, so that the rank is undecided.
    """

    jacobians: Jacobians
    sd: np.ndarray
    noisy: bool
    white: np.ndarray
    scaled: np.ndarray
    errors: np.ndarray
    settled: int | None = None
    doubted: bool = False

    @classmethod
    def of(cls, jacobians: Jacobians, sd: np.ndarray, noise) -> Linearisation:
        """Scales measured derivatives by the noise, see `whitening`, and by the prior."""
        white = whitening(noise, jacobians.outputs)
        scaled, errors = whitened(white, jacobians.values), whitened(np.abs(white), jacobians.errors)
        return cls(jacobians, sd, noise is not None, white, scaled * sd, errors * sd)

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

    @functools.cached_property
    def ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of singular values that are certainly not zero, and that may not be zero, shape [u] each."""
        if self.settled is not None:
            return (np.full(len(self.scaled), self.settled),) * 2
        certain = (self.spectra > MARGIN * self.tolerances) & (self.spectra > SOLVER * self.spectra[:, :1])
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
        doubt = SAFETY * np.linalg.norm(self.errors, axis=(1, 2)) + SOLVER * self.spectra[:, 0]
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
        return np.flatnonzero(confirming) if unanimous else np.array([], int)

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
        influence = np.linalg.norm(self.scaled, axis=1)
        if self.doubted:
            return np.zeros(influence.shape[1], bool)
        return (influence <= SAFETY * np.linalg.norm(self.errors, axis=1)).all(axis=0)

    def null_space(self, point: int) -> np.ndarray:
        """Directions without influence at a point, in units of the prior, as columns [p, p - rank]."""
        return self.directions[point][:, self.rank :]

    def logarithmic(self, point: int, rank: int) -> np.ndarray:
        """Directions beyond a rank, in logarithms of the parameters, as orthonormal columns [p, p - rank]."""
        theta = self.jacobians.points[point]
        theta = np.where(theta == 0.0, np.finfo(float).tiny, theta)
        return np.linalg.qr((self.sd / theta)[:, None] * self.directions[point][:, rank:])[0]

    # Functions of the parameters -------------------------------------------------------------

    def is_known(self, gradients: np.ndarray) -> bool | None:
        """Checks whether a function of the parameters can be known from the outputs; None if that is undecided.

        It can be known if it does not change along any direction without influence.

        Args:
            gradients: its derivatives, shape [u, p].
        """
        surely, maybe = self.ranks
        known, unknown = [], []
        for u in self._speaking:
            gradient = gradients[u] * self.sd
            size = np.linalg.norm(gradient)
            if size == 0.0:
                continue
            seen, rank = np.abs(gradient @ self.directions[u]) / size, surely[u]
            # The directions are as uncertain as the errors are large beside the singular values that count.
            beyond = np.maximum(self.tolerances[u, rank:], self.spectra[u, rank:]).max(initial=0.0)
            blur = 0.0 if rank == 0 else MARGIN * beyond / self.spectra[u, rank - 1]
            known.append(np.linalg.norm(seen[rank:]) <= blur + 1e-9)
            unknown.append(np.linalg.norm(seen[maybe[u] :]) > blur + 1e-9)
        if known and all(known):
            return True
        return False if 2 * sum(unknown) > len(unknown) else None

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

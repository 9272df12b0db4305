"""Preprocessing of a network's inputs and targets: statistics of the training split, standardising, whitening."""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from gait.provenance import cores

FLOOR = 0.1
"""Variance, as a part of the largest one, spread over all inputs, below which whitening leaves a direction small."""
JOINT = 100_000
"""First records of the training split that the whitening is computed from: it is then known to 1 %."""
_BLOCK = 1000  # rows that fit into the cache of a core


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean, variances and, if asked for, covariances of the columns of some rows; the sum of two is that of all rows.

    Attributes:
        count: number of rows.
        mean: shape [columns].
        squares: shape [columns], sums of squared distances from the mean.
        products: shape [columns, columns], sums of products of these distances, or None.
    """

    count: int
    mean: np.ndarray
    squares: np.ndarray
    products: np.ndarray | None = None

    @classmethod
    def of(cls, rows: np.ndarray, *, joint: bool = False) -> Moments:
        """Moments of an array [n, columns], in float64 whatever it is in; with `products` if they are `joint`."""
        rows = rows.astype(np.float64)
        mean = rows.mean(axis=0)
        rows -= mean
        return cls(len(rows), mean, np.einsum("ij,ij->j", rows, rows), rows.T @ rows if joint else None)

    def __add__(self, other: Moments) -> Moments:
        count, shift = self.count + other.count, other.mean - self.mean
        weight = self.count * other.count / count
        products = None
        if self.products is not None and other.products is not None:
            products = self.products + other.products + np.outer(shift, shift) * weight
        return Moments(
            count,
            self.mean + shift * (other.count / count),
            self.squares + other.squares + shift**2 * weight,
            products,
        )

    def with_noise(self, sd: np.ndarray | None) -> Moments:
        """Moments to expect once noise of a standard deviation [columns] is added to the rows; None adds none."""
        if sd is None:
            return self
        added = self.count * sd**2
        products = None if self.products is None else self.products + np.diag(added)
        return dataclasses.replace(self, squares=self.squares + added, products=products)

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations; 1 for a column that never changes, which standardises to 0."""
        sd = np.sqrt(self.squares / self.count)
        return np.where(sd > 1e-12 * np.maximum(np.abs(self.mean), 1.0), sd, 1.0)

    def standardised(self, rows: Any) -> Any:
        """Distances of float32 rows [n, columns] from the mean, in standard deviations; NumPy or TensorFlow alike.

        Both round alike, so the network sees the same numbers whichever way they come. An array is changed in place.
        """
        rows -= np.float32(self.mean)
        rows *= np.float32(1.0 / self.sd)
        return rows

    def whitening(self, floor: float = FLOOR) -> np.ndarray:
        """Matrix that whitens standardised rows: rows @ matrix are next to uncorrelated, with variances of 1 at most.

        Along each principal axis, rows are divided by √(λ + floor · λ_max / columns), where λ is their variance along
        it. So directions with next to no variance, which hold rounding errors, are not blown up. The matrix is
        symmetric: as a function of the rows it is smooth, whereas the axes themselves may come out in any direction
        where variances are equal.

        Args:
            floor: see the formula.

        Returns:
            Shape [columns, columns], float32.

        Source:
            A. Kessy, A. Lewin, K. Strimmer, "Optimal whitening and decorrelation", The American Statistician 72 (2018),
            section 2.2 (ZCA-cor), to which the floor is added.
        """
        if self.products is None:
            raise ValueError("only joint moments tell how the columns are correlated")
        sd = self.sd
        variances, axes = np.linalg.eigh(self.products / (self.count * np.outer(sd, sd)))
        scale = np.sqrt(np.maximum(variances, 0.0) + floor * variances[-1] / len(variances))
        return ((axes / scale) @ axes.T).astype(np.float32)


def preprocess(rows: np.ndarray, moments: Moments, whitening: np.ndarray | None = None) -> None:
    """Standardises an array in place, and whitens it if there is a matrix for it.

    Args:
        rows: shape [n, columns], float32.
        moments: statistics of the training split.
        whitening: see `Moments.whitening`.
    """

    def block(first: int) -> None:
        part = moments.standardised(rows[first : first + _BLOCK])
        if whitening is not None:
            part[:] = part @ whitening

    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(block, range(0, len(rows), _BLOCK)):
            pass


def aligned_empty(shape: tuple[int, int]) -> np.ndarray:
    """An empty float32 array aligned as TensorFlow's vector instructions need it."""
    size, alignment = 4 * math.prod(shape), 64
    memory = np.empty(size + alignment, np.uint8)
    first = -memory.ctypes.data % alignment
    return memory[first : first + size].view(np.float32).reshape(shape)

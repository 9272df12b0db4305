"""Weighted draws of a posterior, and what follows from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gait.errors import InputError
from gait.parameters import QUANTITIES, derive


@dataclasses.dataclass(frozen=True, eq=False)
class WeightedDraws:
    """Draws of quantities with weights.

    Attributes:
        draws: one row a draw, columns by long names, SI units. Empty if there are none.
        weights: share of each draw in the posterior, shape [draws]; they sum to 1.
    """

    draws: pd.DataFrame
    weights: np.ndarray

    def values(self, name: str) -> np.ndarray:
        """A quantity of all draws, shape [draws], in its unit.

        Raises:
            InputError: if the draws do not determine it.
        """
        if name in QUANTITIES:
            found = derive(name, {str(column): self.draws[column].to_numpy() for column in self.draws})
            if found is not None:
                return np.asarray(found)
        raise InputError(
            f"A posterior tells of {', '.join(map(str, self.draws))} and what follows from them. Received: {name!r}."
        )

    def mean(self, name: str) -> float:
        """Mean of a quantity: the estimate with the smallest mean squared error. NaN if no walker fits."""
        values = self.values(name)
        return float(self.weights @ values) if len(values) else np.nan

    def sd(self, name: str) -> float:
        """Standard deviation of a quantity. NaN if no walker fits."""
        values = self.values(name)
        return float(np.sqrt(self.weights @ (values - self.weights @ values) ** 2)) if len(values) else np.nan

    def quantile(self, name: str, q: ArrayLike) -> np.ndarray:
        """Quantiles of a quantity.

        Args:
            name: its name.
            q: one probability or several.

        Returns:
            The shape of q. NaN if no walker fits.
        """
        values, probability = self.values(name), np.asarray(q, float)
        if not len(values):
            return np.full(probability.shape, np.nan)
        order = np.argsort(values)
        cumulative = np.cumsum(self.weights[order]) - 0.5 * self.weights[order]
        return np.interp(probability, cumulative, values[order])

    def summary(self) -> pd.DataFrame:
        """Mean, standard deviation and the quantiles 0.025, 0.25, 0.5, 0.75 and 0.975 of each column of `draws`."""
        levels = [0.025, 0.25, 0.5, 0.75, 0.975]
        rows = {name: [self.mean(name), self.sd(name), *self.quantile(name, levels)] for name in self.draws.columns}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "sd", *(f"{q:g}" for q in levels)])

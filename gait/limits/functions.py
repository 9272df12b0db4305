"""Functions of a walker's parameters of which one may ask how well they can be known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gait.identifiability.findings import Report
from gait.inference.ratio import STIFFNESSES, ratio_name
from gait.parameters import derive

Function = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""Function of parameters by name, shape [n] each; returns [n]."""
Functions = Mapping[str, Function]
"""Functions by the names of what they compute."""


def function_of(name: str) -> Function:
    """A quantity of `gait.parameters.QUANTITIES` as a function of parameters by name."""

    def of(parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        found = derive(name, parameters)
        if found is None:
            raise ValueError(f"{name} does not follow from {', '.join(parameters)}")
        return np.asarray(found)

    return of


def products(unknowns: tuple[str, ...], report: Report) -> dict[str, Function]:
    """The combinations that can be known without noise as functions of the parameters, under their text."""
    texts, exponents = report.combinations_without_noise, report.exponents_without_noise
    if texts is None or exponents is None:
        return {}

    def product(powers: np.ndarray) -> Function:
        def of(parameters: Mapping[str, np.ndarray]) -> np.ndarray:
            if "mass" not in parameters:  # the ratios are known, not the size: any size does
                parameters = {**parameters, "mass": np.ones(())} | {
                    name: parameters[ratio_name(name)] for name in STIFFNESSES if ratio_name(name) in parameters
                }
            factors = [parameters[name] ** int(e) for name, e in zip(unknowns, powers, strict=True) if e]
            return np.prod(np.broadcast_arrays(*factors), axis=0)

        return of

    return {text: product(row) for text, row in zip(texts, exponents, strict=True)}

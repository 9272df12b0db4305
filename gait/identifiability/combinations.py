"""Products of powers of the parameters that can be known when the parameters themselves cannot.

If doubling m and k changes no output, the outputs can tell only the products of powers of m and k that this
scaling leaves unchanged: k/m. A scaling group is a set of integer vectors w: the outputs do not change when each
parameter is multiplied by s^w. The products that it leaves unchanged have exponents orthogonal to every w.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

LARGEST = 12
"""Largest denominator of a ratio of exponents. A larger one is not a law but a coincidence."""


def as_integers(directions: np.ndarray, tolerance: float, largest: int = LARGEST) -> np.ndarray | None:
    """Finds small integer vectors that span the space of some directions; None if there are none.

    Args:
        directions: a basis, shape [k, p].
        tolerance: how far off its entries may be, relative to the largest of their row.
        largest: largest denominator.

    Returns:
        Shape [k, p].
    """
    reduced = _reduced(directions)
    rows = []
    for row in reduced:
        fractions = [Fraction(float(value)).limit_denominator(largest) for value in row]
        if any(abs(float(f) - value) > tolerance for f, value in zip(fractions, row, strict=True)):
            return None
        rows.append(_smallest(fractions))
    return np.array(rows, int).reshape(directions.shape)


def _reduced(rows: np.ndarray) -> np.ndarray:
    """Row echelon form with the largest pivots, in which no entry is much larger than 1."""
    rows = rows.astype(float).copy()
    done: list[int] = []
    for i in range(len(rows)):
        rest = np.abs(rows[i:]).copy()
        rest[:, done] = 0.0
        at, column = divmod(int(np.argmax(rest)), rest.shape[1])
        rows[[i, i + at]] = rows[[i + at, i]]
        done.append(column)
        rows[i] /= rows[i, column]
        for other in range(len(rows)):
            if other != i:
                rows[other] -= rows[other, column] * rows[i]
    return rows


def _smallest(fractions: Sequence[Fraction]) -> list[int]:
    """The smallest integers in the same proportion."""
    common = math.lcm(*(f.denominator for f in fractions))
    numbers = [int(f * common) for f in fractions]
    divisor = math.gcd(*numbers) or 1
    return [number // divisor for number in numbers]


def _kernel(columns: list[list[int]]) -> list[Fraction] | None:
    """The only vector c, up to its size, with sum c_i columns_i = 0, if it has no zero in it; else None."""
    count = len(columns)
    rows = [[Fraction(column[i]) for column in columns] for i in range(len(columns[0]))]
    pivots: list[int] = []
    for column in range(count):
        row = next((r for r in range(len(pivots), len(rows)) if rows[r][column]), None)
        if row is None:
            continue
        at = len(pivots)
        rows[at], rows[row] = rows[row], rows[at]
        rows[at] = [value / rows[at][column] for value in rows[at]]
        for other in range(len(rows)):
            if other != at and rows[other][column]:
                factor = rows[other][column]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[at], strict=True)]
        pivots.append(column)
    free = [column for column in range(count) if column not in pivots]
    if len(free) != 1:
        return None
    solution = [Fraction(0)] * count
    solution[free[0]] = Fraction(1)
    for row, column in enumerate(pivots):
        solution[column] = -rows[row][free[0]]
    return solution if all(solution) else None


def invariants(weights: np.ndarray) -> list[tuple[int, ...]]:
    """Exponents of the products that a scaling group leaves unchanged: complete, sparse, smallest integers.

    All such products are products of powers of these. The sparsest have no smaller set of parameters within
    theirs. As many of them as are independent are taken, the simplest first.

    Args:
        weights: integer basis of the group, shape [k, p].

    Returns:
        A list of p - k vectors of p integers.
    """
    group, parameters = len(weights), weights.shape[1]
    columns = [weights[:, i].tolist() for i in range(parameters)]
    found: list[tuple[int, ...]] = []
    for size in range(1, group + 2):
        for chosen in itertools.combinations(range(parameters), size):
            solution = _kernel([columns[i] for i in chosen])
            if solution is None:
                continue
            exponents = [0] * parameters
            for i, value in zip(chosen, _smallest(solution), strict=True):
                exponents[i] = value
            found.append(tuple(exponents))
    simplest = sorted(found, key=lambda e: (sum(map(bool, e)), sum(map(abs, e)), [-abs(value) for value in e]))
    basis: list[tuple[int, ...]] = []
    for candidate in simplest:
        if np.linalg.matrix_rank(np.array([*basis, candidate])) > len(basis):
            basis.append(candidate)
    return sorted(basis, key=lambda e: next(i for i, value in enumerate(e) if value))


def oriented(exponents: Sequence[int], names: Sequence[str]) -> tuple[int, ...]:
    """Exponents of a product or of its inverse, whichever has the larger powers above the line.

    In a tie, the name that comes first in the alphabet stands above it. Small letters come before capital ones:
    k/m, nu/K.
    """
    up, down = (
        sum(abs(value) for value in exponents if value * sign > 0) for sign in (1, -1)
    )  # fmt: skip
    first = min((name.swapcase(), value) for name, value in zip(names, exponents, strict=True) if value)[1]
    turn = down > up or (down == up and first < 0)
    return tuple(-value for value in exponents) if turn else tuple(exponents)


def written(exponents: Sequence[int], names: Sequence[str]) -> str:
    """Text of a product of powers: "k/m", "N*a/b", "g*t^2"."""

    def factors(sign: int) -> list[str]:
        powers = [(name, value * sign) for name, value in zip(names, exponents, strict=True) if value * sign > 0]
        return [name if power == 1 else f"{name}^{power}" for name, power in powers]

    above, below = factors(1), factors(-1)
    text = "*".join(above) or "1"
    if not below:
        return text
    return f"{text}/{below[0]}" if len(below) == 1 else f"{text}/({'*'.join(below)})"

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

_FEW_SUBSETS = 5_000  # so many sets of parameters can be tried one by one


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
    rows, pivots = _row_echelon([[column[i] for column in columns] for i in range(len(columns[0]))])
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

    All such products are products of powers of these. Parameters that no scaling connects are treated apart, so that
    the time grows with a power of their number.

    Args:
        weights: integer basis of the group, shape [k, p].

    Returns:
        A list of p - k vectors of p integers.
    """
    parameters = weights.shape[1]
    basis: list[tuple[int, ...]] = []
    for rows, columns in _blocks(weights):
        for part in _simplest(weights[np.ix_(rows, columns)]):
            exponents = np.zeros(parameters, int)
            exponents[columns] = part
            basis.append(tuple(exponents.tolist()))
    return sorted(basis, key=lambda e: next(i for i, value in enumerate(e) if value))


def _blocks(weights: np.ndarray) -> list[tuple[list[int], list[int]]]:
    """Rows and columns of a matrix that have to do with each other, block by block."""
    blocks: list[tuple[list[int], list[int]]] = [([], [column]) for column in range(weights.shape[1])]
    for row in range(len(weights)):
        used = set(np.flatnonzero(weights[row]).tolist())
        joined = [block for block in blocks if used & set(block[1])]
        blocks = [block for block in blocks if not used & set(block[1])]
        rows = [row, *itertools.chain.from_iterable(block[0] for block in joined)]
        blocks.append((rows, sorted(itertools.chain.from_iterable(block[1] for block in joined))))
    return blocks


def _simplest(weights: np.ndarray) -> list[tuple[int, ...]]:
    """A basis of the integer vectors orthogonal to some others, of vectors that are as simple as possible."""
    complete = _integer_kernel(weights)
    parameters = weights.shape[1]
    if sum(math.comb(parameters, size) for size in range(1, len(weights) + 2)) <= _FEW_SUBSETS:
        candidates = _circuits(weights)
    else:
        candidates = [tuple(row) for row in _fundamental(complete)]
    basis: list[tuple[int, ...]] = []
    for candidate in sorted(candidates, key=_complexity):
        if len(basis) < len(complete) and np.linalg.matrix_rank(np.array([*basis, candidate])) > len(basis):
            basis.append(candidate)
    # Sparse vectors may leave out some: (1, 1) is no integer combination of (2, 0) and (0, 2).
    return basis if _generates(basis, complete) else [tuple(row) for row in complete]


def _complexity(exponents: Sequence[int]) -> tuple:
    return sum(map(bool, exponents)), sum(map(abs, exponents)), [-abs(value) for value in exponents]


def _circuits(weights: np.ndarray) -> list[tuple[int, ...]]:
    """All integer vectors orthogonal to some others that have no smaller set of entries than theirs."""
    parameters = weights.shape[1]
    columns = [weights[:, i].tolist() for i in range(parameters)]
    found: list[tuple[int, ...]] = []
    for size in range(1, len(weights) + 2):
        for chosen in itertools.combinations(range(parameters), size):
            solution = _kernel([columns[i] for i in chosen]) if len(weights) else [Fraction(1)]
            if solution is None:
                continue
            exponents = [0] * parameters
            for i, value in zip(chosen, _smallest(solution), strict=True):
                exponents[i] = value
            found.append(tuple(exponents))
    return found


def _integer_kernel(weights: np.ndarray) -> list[list[int]]:
    """A basis of all integer vectors orthogonal to some others, by Hermite's column operations, made shorter."""
    count = weights.shape[1]
    columns = [[int(value) for value in weights[:, i]] for i in range(count)]
    moves = [[int(i == j) for j in range(count)] for i in range(count)]
    done = 0
    for row in range(len(weights)):
        while len(left := [i for i in range(done, count) if columns[i][row]]) > 1:
            least = min(left, key=lambda i: abs(columns[i][row]))
            for i in left:
                if i != least:
                    factor = columns[i][row] // columns[least][row]
                    for of in (columns, moves):
                        of[i] = [a - factor * b for a, b in zip(of[i], of[least], strict=True)]
        if left:
            for of in (columns, moves):
                of[done], of[left[0]] = of[left[0]], of[done]
            done += 1
    return _shortened(moves[done:])


def _shortened(basis: list[list[int]]) -> list[list[int]]:
    """The same lattice by shorter vectors: each is reduced by the others as long as that makes it shorter."""
    changed = True
    while changed:
        changed = False
        for i, j in itertools.permutations(range(len(basis)), 2):
            factor = round(Fraction(_dot(basis[i], basis[j]), _dot(basis[j], basis[j])))
            shorter = [a - factor * b for a, b in zip(basis[i], basis[j], strict=True)]
            if factor and _dot(shorter, shorter) < _dot(basis[i], basis[i]):
                basis[i], changed = shorter, True
    return basis


def _dot(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _row_echelon(matrix: list[list[int]]) -> tuple[list[list[Fraction]], list[int]]:
    """The reduced row echelon form of a matrix, and the columns of its pivots."""
    rows = [[Fraction(value) for value in row] for row in matrix]
    pivots: list[int] = []
    for column in range(len(rows[0]) if rows else 0):
        at = len(pivots)
        found = next((r for r in range(at, len(rows)) if rows[r][column]), None)
        if found is None:
            continue
        rows[at], rows[found] = rows[found], rows[at]
        rows[at] = [value / rows[at][column] for value in rows[at]]
        for other in range(len(rows)):
            if other != at and rows[other][column]:
                factor = rows[other][column]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[at], strict=True)]
        pivots.append(column)
    return rows, pivots


def _fundamental(basis: list[list[int]]) -> list[list[int]]:
    """A lattice's vectors in reduced row echelon form, from either end: each has few entries."""
    found = [list(row) for row in basis]
    for turned in (False, True):
        rows, _ = _row_echelon([row[::-1] if turned else row for row in basis])
        found += [_smallest(row[::-1] if turned else row) for row in rows]
    return found


def _generates(basis: Sequence[Sequence[int]], complete: Sequence[Sequence[int]]) -> bool:
    """Whether integer vectors generate a whole lattice of the same dimension."""
    if len(basis) != len(complete):
        return False
    if not basis:
        return True
    factors = np.linalg.lstsq(np.array(complete, float).T, np.array(basis, float).T, rcond=None)[0]
    return abs(abs(np.linalg.det(np.round(factors))) - 1.0) < 1e-6


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


def written_sum(coefficients: Sequence[int], names: Sequence[str]) -> str:
    """Text of a sum with integer coefficients, or of its negative, so that no minus begins it: "a - 2*b"."""
    text = ""
    first = next((value for value in coefficients if value), 1)
    coefficients = [value if first > 0 else -value for value in coefficients]
    for name, value in zip(names, coefficients, strict=True):
        if value:
            sign = ("-" if value < 0 else "") if not text else (" - " if value < 0 else " + ")
            text += sign + (name if abs(value) == 1 else f"{abs(value)}*{name}")
    return text

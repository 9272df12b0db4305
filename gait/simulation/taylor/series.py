"""The power series of one step: recurrences, length of the step, evaluation.

With r the length of a leg, the rear leg pulls by p = rho (l0/r - 1) per unit of length and the
front leg, with its length, by q. Then x'' = (p + q) x - q d and y'' = (p + q) y - g. Coefficient n
of a product is a sum over the coefficients up to n of its factors. So r r = r² gives coefficient n
of r from those of r², and r (l0/r) = l0 gives that of l0/r.

The functions take and return numbers, or symbols for the compiled code (see `symbols`), in
which everything is written out: as loops it takes twice as long.
"""

from __future__ import annotations

import functools
import operator

import numpy as np

from gait.simulation.taylor.layout import ORDER, TOLERANCE, X, Y
from gait.simulation.taylor.symbols import choose, double, lane_loop, larger, quick_root, single, smaller

SINGLE_FROM = 8
"""Coefficient of the acceleration from which series are continued in single precision, in half the time.

A step is so short that these terms of the position are below 1e-9 m, and their rounding errors below 1e-16 m.
"""


def total(terms):
    """Sum of some numbers. `sum` would begin with a zero, and the compiled code would really add it."""
    return functools.reduce(operator.add, terms)


def _product(a, b, n: int):
    """Coefficient n of a b.

    The coefficients of highest order are known last and meet at both ends. They are added last, so that
    the processor can start on the rest of the sum.
    """
    outwards = sorted(range(n + 1), key=lambda j: min(j, n - j), reverse=True)
    return total(a[j] * b[n - j] for j in outwards)


def _half_square(series, n: int, first: int = 0):
    """Coefficient n of half the sum of the squares of some series, without the terms in coefficients below `first`."""
    pairs = [a[j] * a[n - j] for j in reversed(range(first, (n + 1) // 2)) for a in series]
    middle = [0.5 * a[n // 2] * a[n // 2] for a in series if n % 2 == 0 and n // 2 >= first]
    return total(middle + pairs)


class _Pull:
    """Series of rho l0 / r, by which a leg of length r pulls, from the series of r²/2.

    It is computed from u = -r/r(0), because then neither u u = r²/r(0)² nor u (rho l0 / r) = -rho l0 / r(0)
    needs another multiplication at every order.
    """

    def __init__(self, strength, half_square):
        self._strength, self._half_square, self._u, self.series = strength, half_square, [], []

    def extend(self, n: int) -> None:
        """Adds coefficient n, once that of r²/2 is known."""
        half, u = self._half_square, self._u
        if n == 0:
            self._inverse = 0.5 / half[0]
            u.append(-1.0)
            self.series.append(self._strength * (np.sqrt(2.0 * half[0]) * self._inverse))
            return
        longer = half[n] * self._inverse
        u.append(_half_square([u], n, first=1) - longer if n > 1 else -longer)
        self.series.append(_product(u[1:], self.series, n - 1))

    def to_single(self) -> None:
        """Continues in single precision."""
        self._inverse = single(self._inverse)
        self._u[1:], self.series[:] = map(single, self._u[1:]), map(single, self.series)


def motion(x, y, span, rho_rear, l_rear, rho_front, l_front, gravity):
    """Series of the motion in time, from a state. Any unit of time will do. Here it is called s.

    Args:
        x, y: the first two coefficients of each: position [m] and velocity [m/s].
        span, rho_rear, l_rear, rho_front, l_front, gravity: as in `gait.simulation.model.acceleration`. A front
            leg in the air has rho 0.

    Returns:
        x, y: all coefficients, m/s^n.
        s: coefficients of r²/2 of the rear leg but for the last two, m²/s^n.
    """
    x, y = [*x], [*y]
    s: list = []
    f: list = []
    p: list = []
    rear, front = _Pull(rho_rear * l_rear, s), _Pull(rho_front * l_front, f)
    for n in range(ORDER - 1):
        if n == SINGLE_FROM:
            exact = [*x], [*y], [*s]
            for series in (x, y, s, f, p):
                series[:] = map(single, series)
            rear.to_single()
            front.to_single()
            span = single(span)
        s.append(_half_square([x, y], n))
        f.append(s[n] - span * x[n])
        if n == 0:
            f[0] = f[0] + 0.5 * span * span
        rear.extend(n)
        front.extend(n)
        pull, q = rear.series[n], front.series[n]
        if n == 0:
            pull, q = pull - rho_rear, q - rho_front
        p.append(pull + q)
        ax, ay = _product(p, x, n) - span * q, _product(p, y, n)
        if n == 0:
            ay = ay - gravity
        twice_integrated = 1.0 / ((n + 1) * (n + 2))
        x.append(ax * twice_integrated)
        y.append(ay * twice_integrated)
    return [[*known, *map(double, series[len(known) :])] for known, series in zip(exact, (x, y, s), strict=True)]


def step_of(x, y, remaining):
    """Length of the step, in the series' unit of time: the last term has shrunk to the tolerance, or no time remains.

    By chance the last coefficient may be small. So the one before is looked at too, as if its power
    were the last, because then one root does for both.
    """
    sizes = [abs(coefficient) for series in (x, y) for coefficient in series[ORDER - 1 :]]
    size = larger(1e-200, larger(larger(sizes[0], sizes[1]), larger(sizes[2], sizes[3])))
    # A motion that is too fast for floating point has no step. `lanes` ends such a walk.
    return smaller(remaining, choose(size < 1e200, quick_root(TOLERANCE, size, ORDER), 0.0))


def scaled(step, *series):
    """Rewrites series as polynomials in the fraction of the step."""
    powers = [1.0, step]
    for n in range(2, ORDER + 1):
        powers.append(powers[n // 2] * powers[n - n // 2])
    return [[c[0], *(c[n] * powers[n] for n in range(1, len(c)))] for c in series]


def value_and_slope(series, at):
    """A polynomial and its derivative, by Horner's rule."""
    value, slope = series[-1] * at + series[-2], series[-1]
    for coefficient in reversed(series[:-2]):
        slope = slope * at + value
        value = value * at + coefficient
    return value, slope


def _evaluate(lane) -> dict:
    px, vx = value_and_slope([getattr(lane, name) for name in X], lane.at)
    py, vy = value_and_slope([getattr(lane, name) for name in Y], lane.at)
    return {"px": px, "py": py, "vx": vx, "vy": vy}


evaluate = lane_loop((*X, *Y, "at"), _evaluate)
"""Position [m] and velocity [m a step] of the first lanes, each at its fraction `at` of its step."""

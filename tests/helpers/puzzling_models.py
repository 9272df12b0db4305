"""Small models with finite ambiguities, and models that look as if they had some and have none.

Each has its source, where somebody struggled with it, or the proof of its verdict in its comment. All are plain
functions of [batch, parameters] that also take complex numbers.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from tests.helpers.known_models import AMBIGUOUS, RECOVERABLE, KnownModel

_T = np.linspace(0.0, 6.0, 40)
_X = np.linspace(-4.0, 4.0, 50)


def _columns(theta):
    return [column[:, None] for column in theta.T]


def _exponentials(theta):
    a, b, c, d = _columns(theta)
    return a * np.exp(-b * _T) + c * np.exp(-d * _T)


def _absorption(theta):
    """One compartment with absorption, dose 100."""
    ka, ke, v = _columns(theta)
    return 100.0 * ka / (v * (ka - ke)) * (np.exp(-ke * _T) - np.exp(-ka * _T))


def _three_peaks(theta):
    """Peaks with one width in common."""
    a, b, c, u, v, w, s = _columns(theta)
    x = np.linspace(0.0, 10.0, 60)
    return sum(h * np.exp(-((x - m) ** 2) / (2.0 * s**2)) for h, m in ((a, u), (b, v), (c, w)))


def _mixture_moments(theta):
    """Mean and the next four moments of a mixture of two Gaussians of equal variance."""
    p, m, n, s = theta.T

    def raw(mu):
        return [mu, mu**2 + s**2, mu**3 + 3 * mu * s**2, mu**4 + 6 * mu**2 * s**2 + 3 * s**4,
                          mu**5 + 10 * mu**3 * s**2 + 15 * mu * s**4]  # fmt: skip

    return np.stack([p * one + (1.0 - p) * other for one, other in zip(raw(m), raw(n), strict=True)], axis=1)


def _sine(theta):
    a, phase = _columns(theta)
    return a * np.sin(1.3 * _T + phase)


def _throw(theta):
    """Range and its change with the speed, of a throw at an angle: 90° - angle lands at the same place."""
    v, angle = theta.T
    return np.stack([v**2 * np.sin(2.0 * angle), v], axis=1)


def _sampled_wave(theta):
    """A wave sampled at 1 Hz without knowing its phase: power at two lags, the same for f and 1 - f."""
    a, f = _columns(theta)
    return a**2 * np.cos(2.0 * np.pi * f * np.arange(6.0))


def _moving_average(theta):
    """Variance and covariance of the MA(1) process."""
    ma, variance = theta.T
    return np.stack([variance * (1.0 + ma**2), variance * ma], axis=1)


def _chain(theta):
    """The last state of a chain of first-order steps, from one at the beginning."""
    steps = theta.shape[1]
    rates = np.zeros((len(theta), steps + 1, steps + 1), theta.dtype)
    at = np.arange(steps)
    rates[:, at, at] -= theta
    rates[:, at + 1, at] += theta
    times = np.linspace(0.2, 3.0 * steps**0.8, 40)
    state, step = expm(rates * times[0])[:, :, 0], expm(rates * (times[1] - times[0]))
    seen = []
    for _ in times:
        seen.append(state[:, -1])
        state = np.einsum("bij,bj->bi", step, state)
    return np.stack(seen, axis=1)


def _model(function, ranges, verdict, rank=None, either=(), **single) -> KnownModel:
    verdicts = dict.fromkeys(ranges, verdict) | single
    return KnownModel(function, ranges, verdicts, len(ranges) if rank is None else rank, None, tuple(either))


def _rates(count):
    return {f"k{i}": (0.5, 2.0) for i in range(count)}


_PAIRS = {"A": (0.5, 2.0), "a": (0.2, 2.0), "B": (0.5, 2.0), "b": (0.2, 2.0)}
_PEAKS = {**dict.fromkeys("ABC", (0.5, 1.5)), **dict.fromkeys(("u", "v", "w"), (1.0, 9.0)), "s": (0.5, 0.8)}

AMBIGUOUS_MODELS: dict[str, KnownModel] = {
    # Both pairs together (SilverLabUCL/pyNeuroMatic #303).
    "two exponentials": _model(_exponentials, _PAIRS, AMBIGUOUS),
    # The width stays when peaks change places.
    "three peaks": _model(_three_peaks, _PEAKS, AMBIGUOUS, s=RECOVERABLE),
    # (p, m, n) -> (1 - p, n, m).
    "mixture moments": _model(
        _mixture_moments,
        {"p": (0.2, 0.8), "m": (-2.0, 2.0), "n": (-2.0, 2.0), "s": (0.3, 0.8)},
        AMBIGUOUS,
        s=RECOVERABLE,
    ),
    # (ka, ke, V) -> (ke, ka, V ke / ka) (kestrel99/pmxTools #27).
    "flip-flop": _model(_absorption, {"ka": (0.2, 2.0), "ke": (0.2, 2.0), "V": (5.0, 20.0)}, AMBIGUOUS),
    # (A, phase) -> (-A, phase + pi).
    "phase with sign": _model(_sine, {"A": (0.5, 2.0), "phase": (-3.1, 3.1)}, AMBIGUOUS, either=["A"]),
    # A whole turn.
    "phase over two turns": _model(_sine, {"A": (0.5, 2.0), "phase": (-6.2, 6.2)}, AMBIGUOUS, A=RECOVERABLE),
    "throw": _model(_throw, {"v": (5.0, 9.0), "angle": (0.2, 1.4)}, AMBIGUOUS, v=RECOVERABLE),
    # Three roots for |y| < 2 / 27^(1/2), which is within |x| < 2 / 3^(1/2).
    "cubic": _model(lambda t: t**3 - t, {"x": (-1.5, 1.5)}, AMBIGUOUS),
    # (theta, s2) -> (1 / theta, theta^2 s2) (statsmodels #1059).
    "moving average": _model(_moving_average, {"theta": (0.3, 3.0), "s2": (0.5, 6.0)}, AMBIGUOUS),
    "aliasing": _model(_sampled_wave, {"a": (0.5, 2.0), "f": (0.05, 0.95)}, AMBIGUOUS, a=RECOVERABLE),
    # The transfer function, a product of k / (s + k), is symmetric.
    "chain of 3": _model(_chain, _rates(3), AMBIGUOUS),
    "chain of 6": _model(_chain, _rates(6), AMBIGUOUS),
    "chain of 10": _model(_chain, _rates(10), AMBIGUOUS),
}

_FAST, _SLOW = (1.1, 2.0), (0.2, 0.8)


def _early_epidemic(theta):
    """Infected at the beginning of an epidemic among 10,000,000, by fixed steps: beta - gamma shows at once, but beta
    itself only as the susceptible become fewer."""
    beta, gamma, start = theta.T
    s, i, seen = 1e7 - start, start, []
    for _ in range(25):
        for _ in range(8):
            h, steps = 0.1, []
            ds = di = 0.0
            for part in (0.0, 0.5, 0.5, 1.0):
                infected = beta * (s + part * h * ds) * (i + part * h * di) / 1e7
                ds, di = -infected, infected - gamma * (i + part * h * di)
                steps.append((ds, di))
            weights = (1.0, 2.0, 2.0, 1.0)
            s = s + h / 6.0 * sum(w * ds for w, (ds, _) in zip(weights, steps, strict=True))
            i = i + h / 6.0 * sum(w * di for w, (_, di) in zip(weights, steps, strict=True))
        seen.append(i)
    return np.stack(seen, axis=1)


def _hill(theta):
    v, k, n = _columns(theta)
    x = np.linspace(0.1, 3.0, 25)
    return v * x**n / (k**n + x**n)


def _gauss(theta):
    a, m, s = _columns(theta)
    return a * np.exp(-((_X - m) ** 2) / (2.0 * s**2))


def _two_widths(theta):
    a, m, s, r = _columns(theta)
    return a * (np.exp(-((_X - m) ** 2) / (2.0 * s**2)) + np.exp(-((_X + 1.0) ** 2) / (2.0 * r**2)))


def _one(function, **ranges) -> KnownModel:
    return _model(function, ranges, RECOVERABLE)


IDENTIFIABLE_MODELS: dict[str, KnownModel] = {
    # The other solution of each lies outside of the prior.
    "ordered exponentials": _one(_exponentials, A=(0.5, 2.0), a=_FAST, B=(0.5, 2.0), b=_SLOW),
    "ordered flip-flop": _one(_absorption, ka=_FAST, ke=_SLOW, V=(5.0, 20.0)),
    "phase, positive amplitude": _one(_sine, A=(0.5, 2.0), phase=(-3.0, 3.0)),
    "phase within half a turn": _model(_sine, {"A": (0.5, 2.0), "phase": (0.1, 1.4)}, RECOVERABLE, either=["A"]),
    "low throw": _one(_throw, v=(5.0, 9.0), angle=(0.2, 0.75)),
    "outer branch of a cubic": _one(lambda t: t**3 - t, x=(1.2, 2.0)),
    "invertible moving average": _one(_moving_average, theta=(0.1, 0.9), s2=(0.5, 6.0)),
    "slow wave": _one(_sampled_wave, a=(0.5, 2.0), f=(0.05, 0.45)),
    "ordered chain": _one(_chain, k0=(0.5, 0.9), k1=(1.2, 2.0)),
    "ordered mixture": _one(_mixture_moments, p=(0.2, 0.8), m=(-2.0, -0.5), n=(0.5, 2.0), s=(0.3, 0.8)),
    # A linear model of full rank has one solution.
    "line": _one(lambda t: t[:, :1] + t[:, 1:] * _X, a=(-1.0, 1.0), b=(-1.0, 1.0)),
    "quadratic": _one(lambda t: t[:, :1] + t[:, 1:2] * _X + t[:, 2:] * _X**2, a=(-1, 1), b=(-1, 1), c=(-1, 1)),
    "nearly equal columns": _one(
        lambda t: t[:, :1] * _X + t[:, 1:] * (_X + 1e-3 * np.cos(_X)), a=(0.5, 2.0), b=(0.5, 2.0)
    ),
    # Monotonic in one parameter.
    "cube": _one(lambda t: t**3, x=(-1.0, 1.2)),
    "odd and even": _one(lambda t: np.stack([t[:, 0] ** 2, t[:, 0]], axis=1), x=(-1.0, 1.0)),
    "tangent": _one(lambda t: np.sinh(2.0 * t), x=(-1.5, 1.5)),
    # Sum and product, with an order that a third output shows.
    "sum, product and one": _one(
        lambda t: np.stack([t[:, 0] + t[:, 1], t[:, 0] * t[:, 1], t[:, 0]], axis=1), a=(0.5, 2.0), b=(0.5, 2.0)
    ),
    "weighted sum of squares": _one(
        lambda t: np.stack([t[:, 0] ** 2 + t[:, 1], t[:, 0] + t[:, 1] ** 2], axis=1), a=(1.0, 2.0), b=(1.0, 2.0)
    ),
    # Peaks: centre, width and height of a positive peak are unique.
    "peak": _one(_gauss, a=(0.5, 2.0), m=(-1.0, 1.0), s=(0.5, 1.5)),
    "peak beside a fixed one": _one(_two_widths, a=(0.5, 2.0), m=(0.5, 2.0), s=(0.4, 1.0), r=(0.4, 1.0)),
    # k^n and x^n span different functions of x for each n (hill-type curves rise strictly in each).
    "hill": _one(_hill, v=(0.5, 2.0), k=(0.5, 1.5), n=(1.0, 3.0)),
    "decay": _one(lambda t: t[:, :1] * np.exp(-t[:, 1:] * _T), a=(0.5, 2.0), b=(0.2, 1.0)),
    "decay to a level": _one(
        lambda t: t[:, :1] * np.exp(-t[:, 1:2] * _T) + t[:, 2:], a=(0.5, 2.0), b=(0.2, 1.0), c=(-1.0, 1.0)
    ),
    # beta and gamma separately: ill-conditioned, and exact.
    "early epidemic": _one(_early_epidemic, beta=(0.4, 0.6), gamma=(0.15, 0.25), start=(5.0, 20.0)),
}

"""Search for the walker that follows a stride best: candidates by timing, then Levenberg and Marquardt."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from gait.inference.stride import Stride
from gait.simulation.model import TouchdownRule

BOUNDS = {"stiffness_to_mass": (10.0, 3000.0), "rest_length": (0.5, 2.0)}
"""Bounds of k/m [1/s²], and of the rest length in heights of the body in the middle of its single support."""
SOFT, STIFF = 70.0, 250.0
"""k/m [1/s²] below and above which some candidates are always tried."""
_CANDIDATES, _STARTS = 12_000, 18
_SCREENED = 24  # samples of a stride that candidates are compared with
_STEP = 1e-6  # of an unknown's scale, for derivatives
_ITERATIONS = 60
_EXACT = 1e-12  # sum of squares of a walker that is the one recorded
_SMALLEST_GAIN = 1e-14  # of the sum of squares, in an iteration


@dataclasses.dataclass(frozen=True)
class Start:
    """Timing and height of a stride before anything is fitted.

    Attributes:
        height, speed: of the centre of mass at the begin of the window, m and m/s.
        step_length: m.
        place: forward position of the centre of mass there, m.
        velocity: forward and upward there with their errors, shape [2, 2], m/s, from the first positions; NaN without.
        mass: kg; NaN where no force tells it.
    """

    height: float
    speed: float
    step_length: float
    place: float
    velocity: np.ndarray
    mass: float


@dataclasses.dataclass(frozen=True)
class Optimum:
    """A walker that follows a stride as well as its neighbours allow.

    Attributes:
        theta: unknowns, shape [unknowns].
        rule: touchdown rule.
        cost: sum of the squared residuals.
        jacobian: derivatives of the residuals, shape [values, unknowns].
    """

    theta: np.ndarray
    rule: TouchdownRule
    cost: float
    jacobian: np.ndarray


def limits(stride: Stride, start: Start) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of each unknown, shape [unknowns] each."""
    h = start.height
    ends = {
        "stiffness_to_mass": BOUNDS["stiffness_to_mass"],
        "rest_length": (BOUNDS["rest_length"][0] * h, BOUNDS["rest_length"][1] * h),
        "x": (-0.5 * h, 0.5 * h), "y": (0.3 * h, 2.0 * h), "vx": (0.05, 4.0), "vy": (-1.5, 1.5),
    }  # fmt: skip
    wide = (-np.inf, np.inf)
    low, high = zip(*(ends.get(name, wide) for name in stride.unknowns), strict=True)
    return np.array(low), np.array(high)


def candidates(stride: Stride, start: Start, rule: TouchdownRule, generator: np.random.Generator) -> np.ndarray:
    """Walkers that may have walked the stride, shape [n, unknowns]."""
    n, h = _CANDIDATES, start.height
    columns = {
        "stiffness_to_mass": np.exp(generator.uniform(np.log(30.0), np.log(900.0), n)),
        "y": h * (generator.uniform(0.96, 1.04, n) if not stride.free_height else generator.uniform(0.7, 1.3, n)),
        "x": generator.normal(0.0, 0.05, n),
        "vx": start.speed * generator.uniform(0.75, 1.15, n),
        "vy": generator.normal(0.0, 0.1, n),
    }
    if np.isfinite(start.velocity).all():  # half of them as the positions say, half of them anywhere near
        told = np.arange(n) % 2 == 0
        for name, (velocity, error) in zip(("vx", "vy"), start.velocity, strict=True):
            columns[name][told] = generator.normal(velocity, 0.01 + 2.0 * min(error, 0.1), told.sum())
        columns["x"][told] *= 2.0
        if not stride.free_height:
            columns["y"][told] = h * generator.normal(1.0, 0.003, told.sum())
    # In single support the spring carries less than the weight, so it is shorter by less than g m / k, and by more than
    # 0.
    shortening = stride.gravity / columns["stiffness_to_mass"] * generator.uniform(0.3, 1.3, n)
    columns["rest_length"] = columns["y"] + shortening
    step = start.step_length * np.where(
        np.arange(n) % 4 < 2, generator.uniform(0.9, 1.1, n), generator.uniform(0.7, 1.3, n)
    )
    if rule == TouchdownRule.ANGLE_OF_ATTACK:
        step = np.arccos(np.clip(0.5 * step / columns["rest_length"], 0.0, 0.95))
    columns["target"] = step
    columns["foothold"] = start.place - columns["x"]
    if "height" in stride.unknowns:
        columns["height"] = start_offset(stride, columns["y"])
    columns["mass"] = np.full(n, start.mass)
    return np.stack([columns[name] for name in stride.unknowns], axis=1)


def start_offset(stride: Stride, y: np.ndarray) -> np.ndarray:
    """Constant to add to heights y [n] at the begin of a window whose heights are known but for one."""
    known = stride.measured["y"][np.isfinite(stride.measured["y"])]
    return known[0] - y


def best(stride: Stride, start: Start, rule: TouchdownRule, seed: int = 0) -> list[Optimum]:
    """Optima that descents from the best candidates come to, the best first; soft and stiff ones are among the starts.

    Args:
        stride: the window.
        start: what is known before.
        rule: touchdown rule.
        seed: key of the candidates.
    """
    generator = np.random.default_rng(seed)
    low, high = limits(stride, start)
    theta = np.clip(candidates(stride, start, rule, generator), low, high)
    found = _descend(stride, rule, _chosen(stride, rule, theta, _STARTS), low, high)
    if found and found[0].cost > _EXACT:
        # Steps next to a border of walking have optima of their own: once more from around the best.
        theta = np.clip(_around(stride, [each.theta for each in found[:3]], start, generator), low, high)
        found += _descend(stride, rule, _chosen(stride, rule, theta, _STARTS // 2), low, high)
    return sorted(found, key=lambda each: each.cost)


def _chosen(stride: Stride, rule: TouchdownRule, theta: np.ndarray, count: int) -> np.ndarray:
    """The candidates that fit best and are no neighbours, with some soft and some stiff ones, shape [starts,
    unknowns]."""
    cost = _cost(stride.thinned(max(1, len(stride.t) // _SCREENED)).residuals(theta, rule))
    order = np.argsort(cost)
    order = order[np.isfinite(cost[order])]
    ratio = theta[order, 0]
    chosen = [*_apart(theta[order], order, count - 6), *order[ratio < SOFT][:3], *order[ratio > STIFF][:3]]
    return theta[np.unique(np.array(chosen, int))]


def _around(stride: Stride, centres: list[np.ndarray], start: Start, generator: np.random.Generator) -> np.ndarray:
    """Candidates around some walkers, shape [n, unknowns]."""
    theta = np.repeat(centres, _CANDIDATES // (3 * len(centres)), axis=0)
    relative = {"stiffness_to_mass": 0.1, "rest_length": 0.01, "target": 0.05, "y": 0.003, "vx": 0.02}
    absolute = {"x": 0.05, "vy": 0.05}
    names = list(stride.unknowns)
    for name, part in relative.items():
        theta[:, names.index(name)] *= generator.normal(1.0, part, len(theta))
    for name, size in absolute.items():
        theta[:, names.index(name)] += generator.normal(0.0, size, len(theta))
    if "foothold" in names:
        theta[:, names.index("foothold")] = start.place - theta[:, names.index("x")]
    return theta


def _apart(theta: np.ndarray, order: np.ndarray, count: int) -> list[int]:
    """The first of ordered candidates [n, unknowns] that are no neighbours in k/m and rest length; their numbers."""
    found: list[int] = []
    places: list[np.ndarray] = []
    for row, number in zip(theta[:400], order[:400], strict=True):
        place = np.log(row[:2]) / (0.05, 0.01)
        if all(np.abs(place - other).max() > 1.0 for other in places):
            found.append(int(number))
            places.append(place)
        if len(found) == count:
            break
    return found


def _cost(residuals: np.ndarray) -> np.ndarray:
    found = np.sum(residuals**2, axis=1)
    return np.where(np.isnan(found), np.inf, found)


def scales_of(stride: Stride, theta: np.ndarray) -> np.ndarray:
    """Sizes of the unknowns [n, unknowns], which derivatives and steps are counted in."""
    size = np.abs(theta)
    least: Mapping[str, float] = {"x": 0.1, "vy": 0.1, "foothold": 0.1, "height": 0.1}
    return np.maximum(size, [least.get(name, 1e-3) for name in stride.unknowns])


def _jacobians(stride: Stride, rule: TouchdownRule, theta: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Derivatives of the residuals by central differences, shape [n, values, unknowns]; one-sided at a border."""
    n, p = theta.shape
    step = _STEP * scales_of(stride, theta)
    moved = np.repeat(theta[:, None], 2 * p, axis=1)
    index = np.arange(p)
    moved[:, index, index] = np.minimum(theta + step, high)
    moved[:, p + index, index] = np.maximum(theta - step, low)
    rows = stride.residuals(np.concatenate([moved.reshape(-1, p), theta]), rule)
    middle, rows = rows[n * 2 * p :], rows[: n * 2 * p].reshape(n, 2 * p, -1)
    up, down = rows[:, :p], rows[:, p:]
    wide = (moved[:, index, index] - moved[:, p + index, index])[..., None]
    central = (up - down) / wide
    onward = (up - middle[:, None]) / (moved[:, index, index] - theta + 1e-300)[..., None]
    backward = (middle[:, None] - down) / (theta - moved[:, p + index, index] + 1e-300)[..., None]
    found = np.where(np.isfinite(central), central, np.where(np.isfinite(onward), onward, backward))
    return np.where(np.isfinite(found), found, 0.0).transpose(0, 2, 1)


def _descend(
    stride: Stride, rule: TouchdownRule, theta: np.ndarray, low: np.ndarray, high: np.ndarray
) -> list[Optimum]:
    """Levenberg and Marquardt from several starts side by side."""
    theta = theta.copy()
    residuals = stride.residuals(theta, rule)
    cost = _cost(residuals)
    damping = np.full(len(theta), 1e-2)
    active = np.isfinite(cost)
    jacobians = np.zeros((len(theta), residuals.shape[1], theta.shape[1]))
    for _ in range(_ITERATIONS):
        rows = np.flatnonzero(active)
        if not len(rows):
            break
        jacobians[rows] = _jacobians(stride, rule, theta[rows], low, high)
        for _ in range(6):  # a smaller step where the last one has made it worse
            trial = theta[rows] - _steps(stride, jacobians[rows], residuals[rows], theta[rows], damping[rows])
            trial = np.clip(trial, low, high)
            found = stride.residuals(trial, rule)
            new = _cost(found)
            better = new < cost[rows]
            taken = rows[better]
            gain = (cost[taken] - new[better]) / np.maximum(cost[taken], 1e-300)
            theta[taken], residuals[taken], cost[taken] = trial[better], found[better], new[better]
            damping[taken] = np.maximum(damping[taken] / 10.0, 1e-12)
            active[taken[(gain < _SMALLEST_GAIN) | (cost[taken] < 1e-20)]] = False
            rows = rows[~better]
            if not len(rows):
                break
            damping[rows] *= 10.0
        active[rows] = False  # no step makes it better
    jacobians = _jacobians(stride, rule, theta, low, high)
    order = [int(i) for i in np.argsort(cost) if np.isfinite(cost[i])]
    return [Optimum(theta[i], rule, float(cost[i]), jacobians[i]) for i in order]


def _steps(
    stride: Stride, jacobians: np.ndarray, residuals: np.ndarray, theta: np.ndarray, damping: np.ndarray
) -> np.ndarray:
    """Damped steps in units of the unknowns' sizes, shape [n, unknowns]."""
    scale = scales_of(stride, theta)
    scaled = jacobians * scale[:, None]
    normal = np.einsum("nvi,nvj->nij", scaled, scaled)
    slope = np.einsum("nvi,nv->ni", scaled, residuals)
    size = np.einsum("nii->ni", normal)
    normal += (damping[:, None] * np.maximum(size, 1e-12 * size.max(axis=1, keepdims=True)))[:, None] * np.eye(
        theta.shape[1]
    )
    return scale * np.linalg.solve(normal, slope[..., None])[..., 0]

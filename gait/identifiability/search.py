"""Search for a second solution: other parameters within the prior that give the same outputs.

Derivatives tell of the neighbourhood only. Here the outputs of some points are fitted from many starts within the
prior's box. A fit that ends at the same outputs with clearly other parameters is a second solution that anyone can
run. A search that finds none is evidence with a count, not a proof.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

from gait.identifiability.fits import Box, fit
from gait.identifiability.inputs import Runs
from gait.identifiability.linearisation import Linearisation, whitened
from gait.identifiability.symmetries import Counterexample
from gait.identifiability.wording import listed, percent, rounded

FITS, _FEWEST, _LONG = 160, 10, 20.0
"""Fits of a search; the fewest of a slow model, and the seconds that are too long."""
_GIVEN, _DRAWN = 8, 8  # points whose outputs are fitted: of those given, and drawn within their range
_MOST_ROWS, _MOST_NUMBERS = 24_000, 1e8  # runs of the model, and outputs of all of them
_ROUNDS = 9  # of a typical fit
_OUTPUTS = 1_500  # so many of a model's outputs take part in the fits; the check takes all
_POOL = 32  # draws for each start, from which those with the nearest outputs are chosen
_APART, _HOME = 5e-3, 2e-3  # of a parameter's range: solutions farther apart are two, nearer than the second one
_CONFIDENT = 3.0  # errors of a solution
_POLISHED = 0.5  # of the model's inaccuracy, the misfit at which fits end
_FEW = 0.1  # a search says little if a smaller part of its fits reach the outputs at all
_MOST_CHANGES, _TRIED_FIRST = 1_000, 3


@dataclasses.dataclass(frozen=True)
class Search:
    """Result of the search for a second solution.

    Attributes:
        fits: number of fits.
        returned: number of fits that came back to the point whose outputs they were to reach.
        elsewhere: number of fits that reached the outputs with other parameters.
        points: number of points whose outputs were fitted.
        twins: the points with a second solution, each with it.
        differing: for each parameter, by its index, that differs in a second solution: numbers of the twins.
    """

    fits: int = 0
    returned: int = 0
    elsewhere: int = 0
    points: int = 0
    twins: tuple[Counterexample, ...] = ()
    differing: dict[int, tuple[int, ...]] = dataclasses.field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of the points that have a second solution within the prior."""
        return len(self.twins) / self.points if self.points else 0.0

    def evidence(self) -> str:
        """Result in one sentence; empty if there was no search."""
        if self.twins:
            return f"{len(self.twins)} of {self.points} points have a second solution within the prior."
        if not self.fits:
            return ""
        if self.returned < _FEW * self.fits:
            return (
                f"Whether there is a second solution is open: only {self.returned} of {self.fits} fits from other "
                "starts reached the outputs at all."
            )
        return (
            f"No second solution in {self.fits} fits: {self.returned} of them came back to the point itself, the "
            "others did not reach its outputs."
            if self.returned < self.fits
            else f"No second solution in {self.fits} fits: all of them came back to the point itself."
        )

    def reason(self, parameter: int, names: Sequence[str]) -> str:
        """Why a parameter is ambiguous: at how many points it has another value, and a pair for example."""
        twins = [self.twins[k] for k in self.differing[parameter]]
        share = percent(len(twins) / self.points)
        pair = min(twins, key=lambda twin: twin.difference)
        return (
            f"another value gives the same outputs at {len(twins)} of {self.points} points ({share}), for example "
            f"{_in_words(pair, names)}"
        )

    def to_dict(self, names: Sequence[str]) -> dict:
        """The result as numbers and text for JSON."""
        found = dataclasses.asdict(self) | {"share": self.share, "evidence": self.evidence()}
        found["twins"] = [twin.to_dict(names) for twin in self.twins]
        found["differing"] = {names[i]: len(twins) for i, twins in self.differing.items()}
        return found


def _in_words(pair: Counterexample, names: Sequence[str]) -> str:
    """The parameters that differ, in words: "(a = 1, b = 2) and (a = 2, b = 1)"."""
    columns = np.flatnonzero(~np.isclose(pair.theta, pair.other, rtol=1e-6, atol=0.0)).tolist()
    sides = [
        ", ".join(f"{names[i]} = {rounded(float(theta[i]), 4)}" for i in columns) for theta in (pair.theta, pair.other)
    ]
    return listed([f"({side})" for side in sides])


def box_of(ranges: np.ndarray | None, points: np.ndarray) -> Box:
    """The prior's box: the given one, or the range of the points, beyond which nothing is known of the prior.

    Args:
        ranges: low and high end of each parameter, shape [2, p], or None.
        points: shape [points, p].
    """
    if ranges is not None:
        return Box(*ranges)
    return Box(points.min(axis=0), points.max(axis=0))


def search(model: Runs, linear: Linearisation, candidates: np.ndarray, box: Box, seed: int, fits: int | None) -> Search:
    """Looks for other parameters within the prior that give the outputs of some points.

    Args:
        model: the model.
        linear: the model near u points. The first 8 are fitted, and 8 draws between them.
        candidates: marks the parameters that can be known but for an ambiguity, at each point, shape [u, p]. Only a
            solution in which one of them differs counts.
        box: the prior's box.
        seed: key of the draws.
        fits: number of fits; 0 for no search, None for 160 or fewer if they took long.
    """
    if fits == 0 or not candidates.any() or not len(box.free):
        return Search()
    rows = min(_MOST_ROWS, _MOST_NUMBERS / linear.scaled.shape[1])
    each = _ROUNDS * (len(box.free) + 1)
    if fits is None:
        # A slow model gets half as many fits, or a quarter, ...: so that a repetition most likely makes as many.
        seconds = FITS * each * model.seconds / model.rows
        fits = max(_FEWEST, FITS >> max(0, math.ceil(math.log2(seconds / _LONG))))
    fits = max(1, min(fits, int(rows / each)))
    generator = np.random.default_rng(seed)
    targets = _targets(model, linear, candidates, fits, generator)
    found = _Found(model, linear, targets, box)
    found.try_changes()
    if len(found.twins) == len(targets.theta) and set(found.differing) == set(np.flatnonzero(candidates.any(axis=0))):
        return _counted(found)
    return _fitted(found, fits, int(rows), generator)


@dataclasses.dataclass(frozen=True)
class _Targets:
    """Points whose outputs are to be reached: parameters, outputs, what has to differ and by how much."""

    theta: np.ndarray
    outputs: np.ndarray
    candidates: np.ndarray
    errors: np.ndarray


def _targets(model: Runs, linear: Linearisation, candidates, fits: int, generator) -> _Targets:
    near = linear.jacobians
    axes = np.eye(candidates.shape[1])
    unit = [linear.standard_deviation(np.tile(axis, (len(candidates), 1))) for axis in axes]
    errors = _CONFIDENT * linear.slack * np.stack(unit, axis=1)
    given = np.flatnonzero(candidates.any(axis=1))[: min(_GIVEN, fits)]
    found = [near.points[given], near.outputs[given], candidates[given], errors[given]]
    count = min(_DRAWN, fits - len(given))
    # Between points that know different things, one does not know what a draw knows.
    if count > 0 and (candidates == candidates[0]).all():
        drawn = Box(near.points.min(axis=0), near.points.max(axis=0)).draw(count, generator)
        outputs = model.tolerant(drawn)
        some = np.isfinite(outputs).all(axis=1)
        parts = (drawn, outputs, np.tile(candidates[0], (count, 1)), np.tile(errors.max(axis=0), (count, 1)))
        found = [np.concatenate([old, new[some]]) for old, new in zip(found, parts, strict=True)]
    return _Targets(*found)


class _Found:
    """Second solutions of the targets, as they are found."""

    def __init__(self, model: Runs, linear: Linearisation, targets: _Targets, box: Box):
        self.model, self.linear, self.targets, self.box = model, linear, targets, box
        self.apart = np.maximum(targets.errors, _APART * box.width)
        self.twins: dict[int, Counterexample] = {}
        self.differing: dict[int, set[int]] = {}

    def add(self, k: int, theta: np.ndarray, there: np.ndarray) -> bool | None:
        """Takes parameters as a second solution of target k if they are one; None if they are no solution at all."""
        targets = self.targets
        if not (self.linear.equal(there - targets.outputs[k]) and self.box.inside(theta)):
            return None
        differ = (np.abs(theta - targets.theta[k]) > self.apart[k]) & targets.candidates[k]
        if not differ.any():
            return False
        difference = float(np.abs(there - targets.outputs[k]).max())
        if k not in self.twins or difference < self.twins[k].difference:
            self.twins[k] = Counterexample(targets.theta[k], theta, difference)
        for i in np.flatnonzero(differ):
            self.differing.setdefault(int(i), set()).add(k)
        return True

    def try_changes(self) -> None:
        """Tries the targets themselves with two parameters exchanged, or with other signs.

        A fit hardly gets that far in a model with parameters of very little influence.
        """
        changes = _changes(np.asarray(self.targets.candidates.any(axis=0)), self.box)
        holding: set[int] = set()
        for k, theta in enumerate(self.targets.theta):
            tried = list(range(len(changes))) if k < _TRIED_FIRST else sorted(holding)
            others = np.array([changes[c][0] * theta[changes[c][1]] for c in tried]).reshape(-1, len(theta))
            inside = self.box.inside(others)
            if inside.any():
                there = self.model.tolerant(others[inside])
                pairs = zip(np.array(tried)[inside].tolist(), others[inside], there, strict=True)
                holding |= {c for c, *one in pairs if self.add(k, *one)}


def _changes(candidates: np.ndarray, box: Box) -> list[tuple[np.ndarray, np.ndarray]]:
    """Changes of sign and exchanges that the box allows: signs [p] and the order of the parameters [p] of each."""
    low, high = box.low, box.low + box.width
    some, count = np.flatnonzero(candidates), len(low)
    both = [i for i in some if low[i] < 0.0 < high[i]]
    subsets = (chosen for size in range(1, len(both) + 1) for chosen in itertools.combinations(both, size))
    found = []
    for chosen in itertools.islice(subsets, _MOST_CHANGES // 2):
        signs = np.ones(count)
        signs[list(chosen)] = -1.0
        found.append((signs, np.arange(count)))
    pairs = ((i, j) for i, j in itertools.combinations(some, 2) if low[i] < high[j] and low[j] < high[i])
    for i, j in itertools.islice(pairs, _MOST_CHANGES // 2):
        order = np.arange(count)
        order[[i, j]] = j, i
        found.append((np.ones(count), order))
    return found


def _fitted(found: _Found, fits: int, runs: int, generator: np.random.Generator) -> Search:
    """Fits the targets from other starts, and counts what came of it."""
    linear, targets, box = found.linear, found.targets, found.box
    count = linear.scaled.shape[1]
    chosen = np.sort(generator.permutation(count)[:_OUTPUTS]) if linear.white.ndim == 1 else np.arange(count)
    white = linear.white[chosen] if linear.white.ndim == 1 else linear.white

    def outputs(theta: np.ndarray) -> np.ndarray:
        return whitened(white, found.model.tolerant(theta)[:, chosen, None])[..., 0]

    wanted = whitened(white, targets.outputs[:, chosen, None])[..., 0]
    fitted = np.resize(np.arange(len(wanted)), fits)
    starts = _starts(outputs, wanted, fitted, box, generator)

    def arrived(theta: np.ndarray) -> np.ndarray:
        away = (np.abs(theta - targets.theta[fitted]) > _HOME * box.width) & targets.candidates[fitted]
        return ~away.any(axis=1)

    goal = _POLISHED * float(np.linalg.norm(linear.output_errors[chosen]))
    smooth = linear.jacobians.method == "complex step"
    ends, misfits = fit(
        outputs, wanted[fitted], starts, box, goal=goal, arrived=arrived, smooth=smooth, runs=runs
    )  # fmt: skip
    home = arrived(ends)
    close = np.flatnonzero(~home & (misfits <= linear.slack))
    there = found.model.tolerant(ends[close]) if len(close) else np.zeros((0, count))
    kinds = [found.add(int(fitted[f]), ends[f], output) for f, output in zip(close, there, strict=True)]
    return _counted(found, fits, int(home.sum()) + kinds.count(False), kinds.count(True))


def _counted(found: _Found, fits: int = 0, returned: int = 0, elsewhere: int = 0) -> Search:
    numbers = {k: number for number, k in enumerate(sorted(found.twins))}
    differing = {i: tuple(sorted(numbers[k] for k in ks)) for i, ks in sorted(found.differing.items())}
    twins = tuple(found.twins[k] for k in numbers)
    return Search(fits, returned, elsewhere, len(found.targets.theta), twins, differing)


def _starts(outputs, wanted: np.ndarray, fitted: np.ndarray, box: Box, generator) -> np.ndarray:
    """Starts of the fits, drawn from the box: for every second one, the draw of many with the nearest outputs."""
    each = len(fitted) // len(wanted) + 1
    pool = box.draw(each * _POOL, generator)
    there = outputs(pool)
    finite = np.isfinite(there).all(axis=1)
    if finite.any():
        pool, there = pool[finite], there[finite]
    starts = pool[generator.integers(0, len(pool), len(fitted))]
    for k, target in enumerate(wanted):
        own = np.flatnonzero(fitted == k)[::2]
        nearest = np.argsort(np.linalg.norm(there - target, axis=1), kind="stable")
        starts[own] = pool[np.resize(nearest, len(own))]
    return starts

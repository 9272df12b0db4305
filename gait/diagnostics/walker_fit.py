"""Whether a fitted walker's parameters are those of the person who was recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from gait.identifiability.wording import listed
from gait.inference.fit import StrideFit

STEP_TIME, DOUBLE_SUPPORT, MINIMUM, AGREEMENT = 0.02, 0.15, 0.1, 0.2
"""What a walker may be off: parts of step time and double support, body weights of the minimum between the force peaks,
and part of k/m between path and force."""
NAMES = {"stiffness_to_mass": ("k/m", "1/s²"), "rest_length": ("rest length", "m")}
"""Symbol and unit of the parameters that a walker may share with a person."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """A parameter over the strides that a walker was fitted to.

    Attributes:
        median, low, high: over the strides.
        within: median standard deviation within a stride: the posterior's, or where it failed that of the residuals.
        between: standard deviation between strides; NaN with one stride.
        n: number of strides.
    """

    median: float
    low: float
    high: float
    within: float
    between: float
    n: int


@dataclasses.dataclass(frozen=True)
class WalkerVerdict:
    """Verdict on the walkers fitted to path and force; made by `judge_fits`.

    Attributes:
        spreads: what was fitted ("path", "force", "both") → parameter → its spread over the strides.
        faults: sentences on what the walker gets wrong.
        unchecked: sentences on what could not be checked.
        rejected: number of fits with wrong steps, by what was fitted.
    """

    spreads: dict[str, dict[str, Spread]]
    faults: tuple[str, ...]
    unchecked: tuple[str, ...]
    rejected: dict[str, int]

    @property
    def is_persons(self) -> bool:
        """Whether the parameters may be called the person's: all checks were made, and none has failed."""
        return bool(self.spreads) and not self.faults and not self.unchecked

    def uncertainty(self, name: str) -> tuple[float, str]:
        """Tells the largest uncertainty, and which it is: within a stride, between strides, or between path and force.

        Args:
            name: "stiffness_to_mass" or "rest_length".
        """
        rows = [spread[name] for spread in self.spreads.values()]
        medians = [row.median for row in rows]
        sizes = {
            "within a stride": max((row.within for row in rows if np.isfinite(row.within)), default=0.0),
            "between strides": max((row.between for row in rows if np.isfinite(row.between)), default=0.0),
            "between path and force": 0.5 * (max(medians) - min(medians)) if len(rows) > 1 else 0.0,
        }
        source = max(sizes, key=lambda key: sizes[key])
        return float(sizes[source]), source

    def sentences(self) -> list[str]:
        """The verdict in plain words, the most important ones first."""
        if not self.spreads:
            return ["No walker was fitted that takes this person's steps: the model adds nothing here."]
        found = []
        if self.is_persons:
            found.append("The walker passes all checks: its parameters may be called this person's.")
        elif self.faults:
            found.append(
                "The walker is not this person: its parameters describe the curve that it was fitted to, and nothing "
                "in the body."
            )
        else:
            found.append("Whether the walker's parameters are this person's cannot be told from this recording.")
        found += [*self.faults, *self.unchecked]
        for using, parameters in self.spreads.items():
            words = [
                f"{NAMES[name][0]} {row.median:.4g} {NAMES[name][1]} ({row.low:.4g} to {row.high:.4g})"
                for name, row in parameters.items()
            ]
            n = next(iter(parameters.values())).n
            what = "path and force" if using == "both" else using
            found.append(f"Fitted to the {what} of {n} stride{'s' * (n != 1)}, median and range: {', '.join(words)}.")
        for name, (symbol, unit) in NAMES.items():
            size, source = self.uncertainty(name)
            found.append(
                f"The uncertainty of {symbol} is {size:.2g} {unit}: the standard deviation {source} is the largest."
            )
        if any(self.rejected.values()):
            words = [f"{count} of the {using}" for using, count in self.rejected.items() if count]
            found.append(f"Left out, because their steps are wrong: {listed(words)}.")
        return found


def judge_fits(fits: Mapping[str, Sequence[StrideFit]]) -> WalkerVerdict:
    """Compares fitted walkers with what was measured beside what they were fitted to.

    Args:
        fits: what was fitted ("path", "force" or "both") → a fit for each stride.
    """
    kept = {using: [each for each in rows if each.accepted] for using, rows in fits.items()}
    rejected = {using: len(rows) - len(kept[using]) for using, rows in fits.items()}
    spreads = {using: {name: _spread(rows, name) for name in NAMES} for using, rows in kept.items() if rows}
    faults: list[str] = []
    unchecked: list[str] = []
    for using, rows in kept.items():
        if rows:
            _check_features(using, rows, faults, unchecked)
    if "path" in spreads and "force" in spreads:
        path, force = (spreads[using]["stiffness_to_mass"].median for using in ("path", "force"))
        if abs(path - force) > AGREEMENT * min(path, force):
            faults.append(
                f"k/m is {path:.4g} 1/s² by the path and {force:.4g} 1/s² by the force: one walker does not do both."
            )
    elif spreads:
        unchecked.append("Path and force cannot be compared: one of them was not recorded or not fitted.")
    at_bound = sorted({name for rows in kept.values() for each in rows for name in each.bounds} & {*NAMES})
    if at_bound:
        words = [NAMES[name][0] for name in at_bound]
        faults.append(
            f"{listed(words)} ran into a bound of the fit in some strides: the data want a walker that no body is."
        )
    return WalkerVerdict(spreads, tuple(faults), tuple(dict.fromkeys(unchecked)), rejected)


def _spread(rows: Sequence[StrideFit], name: str) -> Spread:
    values = np.array([getattr(each, name) for each in rows])
    within = np.array(
        [each.posterior_sd[name] if np.isfinite(each.posterior_sd[name]) else each.sd[name] for each in rows]
    )
    within = within[np.isfinite(within)]
    return Spread(
        median=float(np.median(values)),
        low=float(values.min()),
        high=float(values.max()),
        within=float(np.median(within)) if len(within) else np.nan,
        between=float(values.std(ddof=1)) if len(values) > 1 else np.nan,
        n=len(values),
    )


def _check_features(using: str, rows: Sequence[StrideFit], faults: list[str], unchecked: list[str]) -> None:
    """Compares step time, double support and the minimum between force peaks, medians over strides."""
    what = "path and force" if using == "both" else using
    for name, label, unit, allowed, relative in (
        ("step_time", "step takes", "s", STEP_TIME, True),
        ("double_support_time", "double support lasts", "s", DOUBLE_SUPPORT, True),
        ("midstance_minimum", "force falls between its peaks to", "body weights", MINIMUM, False),
    ):
        pairs = np.array([[getattr(each.predicted, name), getattr(each.measured, name)] for each in rows], float)
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        if not len(pairs):
            unchecked.append(f"The {name.replace('_', ' ')} was not measured, so that it cannot be compared.")
            continue
        predicted, measured = np.median(pairs, axis=0)
        off = np.median(pairs[:, 0] / pairs[:, 1] - 1.0) if relative else np.median(pairs[:, 0] - pairs[:, 1])
        if abs(off) > allowed:
            size = f"{100.0 * abs(off):.0f} %" if relative else f"{abs(off):.2f} {unit}"
            way = ("too long" if off > 0 else "too short") if relative else ("too high" if off > 0 else "too low")
            faults.append(
                f"Fitted to the {what}, its {label} {predicted:.3g} {unit} instead of {measured:.3g} {unit}: {size} "
                f"{way}."
            )

"""What an analysis has found, as numbers and in plain words."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np

from gait.identifiability.linearisation import Linearisation
from gait.identifiability.symmetries import Counterexample


class Verdict(enum.StrEnum):
    """What can be known of a parameter."""

    RECOVERABLE = "recoverable"
    COMBINATION = "only in combination"
    DEAD = "dead"
    AMBIGUOUS = "ambiguous"
    LOST = "lost in noise"
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True)
class Report:
    """What an analysis has found; made by `gait.identifiability.analyse`.

    Attributes:
        names: of the p parameters.
        points: number of points used; `set_aside` more had no sound derivatives.
        spectrum: singular values of R^(-1/2) J D, medians over the points, shape [p]; `tolerance`: the
            largest that a value of zero may have been measured as, shape [p].
        gap: the last singular value that counts over the first that does not; at the worst point.
        rank: number of independent functions of the parameters that can be known; None if undecided.
        verdicts: of each parameter, see `Verdict`.
        uniqueness: of each parameter, the part of its effect that no other can imitate, 0..1.
        combinations: products of powers that can be known, in the given noise if there is one, and determine
            all others that can, as text; None if what cannot be known is no scaling, or is undecided.
        exponents: of these products, shape [combinations, p], or None.
        combinations_without_noise: the same if there were no noise.
        directions: orthonormal directions without influence, in logarithms of the parameters,
            shape [points, p - rank, p]; None if the rank is undecided.
        cramer_rao: smallest standard deviation of any unbiased estimate of each parameter and combination,
            median over the points, inf where there is none; for noise of one unit if none was given.
        linear_ceiling: share of each parameter's prior variance that any estimator can explain, as if the
            model were linear and the prior Gaussian.
        counterexample: two sets of parameters with the same outputs, or None.
        reasons: what is ambiguous about a parameter, in words, by its name.
        method: how derivatives were computed.
        seed: of random choices.
        linear: the model near the points, for further questions.
    """

    names: tuple[str, ...]
    points: int
    set_aside: int
    spectrum: np.ndarray
    tolerance: np.ndarray
    gap: float
    rank: int | None
    verdicts: dict[str, str]
    uniqueness: dict[str, float]
    combinations: list[str] | None
    exponents: np.ndarray | None
    combinations_without_noise: list[str] | None
    directions: np.ndarray | None
    cramer_rao: dict[str, float]
    linear_ceiling: dict[str, float]
    counterexample: Counterexample | None
    reasons: dict[str, str]
    method: str
    seed: int
    linear: Linearisation

    def combinations_with(self, name: str) -> list[str]:
        """Those of the combinations in which a parameter occurs."""
        if self.combinations is None:
            return []
        i = self.names.index(name)
        return [text for text, e in zip(self.combinations, self.exponents, strict=True) if e[i]]

    def to_dict(self) -> dict:
        """The findings as numbers and text for JSON, in which what is unbounded or undefined is None."""
        example = self.counterexample
        return {
            "names": list(self.names),
            "points": self.points,
            "set_aside": self.set_aside,
            "seed": self.seed,
            "derivatives": self.method,
            "spectrum": self.spectrum.tolist(),
            "tolerance": self.tolerance.tolist(),
            "gap": finite(self.gap),
            "rank": self.rank,
            "verdicts": {name: str(verdict) for name, verdict in self.verdicts.items()},
            "uniqueness": self.uniqueness,
            "combinations": self.combinations,
            "combinations_without_noise": self.combinations_without_noise,
            "directions": None if self.directions is None else self.directions.tolist(),
            "cramer_rao": {name: finite(sd) for name, sd in self.cramer_rao.items()},
            "linear_ceiling": self.linear_ceiling,
            "counterexample": None
            if example is None
            else {
                "theta": dict(zip(self.names, example.theta.tolist(), strict=True)),
                "other": dict(zip(self.names, example.other.tolist(), strict=True)),
                "difference": example.difference,
            },
            "sentences": self.sentences(),
        }

    def sentences(self) -> list[str]:
        """The verdicts in plain words, one sentence a parameter."""
        return [_sentence(self, name) for name in self.names]


def finite(value: float) -> float | None:
    """A number for JSON, which knows neither infinity nor NaN: None in their place."""
    return float(value) if math.isfinite(value) else None


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words as in a sentence: "a, b and c"."""
    if len(words) < 2:
        return "".join(words) or "nothing"
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def _sentence(report: Report, name: str) -> str:
    verdict = report.verdicts[name]
    if verdict == Verdict.RECOVERABLE:
        return (
            f"{name} can be recovered; {100.0 * report.uniqueness[name]:.2g} % of its effect is like that of no other "
            "parameter."
        )
    if verdict == Verdict.DEAD:
        return f"{name} has no influence on the outputs: nothing can be known of it."
    if verdict == Verdict.AMBIGUOUS:
        return f"{name} can be recovered up to {report.reasons[name]}."
    if verdict == Verdict.LOST:
        left = report.combinations_with(name)
        rest = f": there is only {listed(left)}" if left else ""
        return f"{name} could be recovered without noise, but is lost in this one{rest}."
    if verdict == Verdict.UNDECIDED:
        return f"{name}: undecided. The derivatives are not known well enough to tell a small influence from none."
    if report.combinations is None:
        return (
            f"{name} cannot be known by itself: other parameters can make up for any change of it, though not as a "
            "scaling."
        )
    left = report.combinations_with(name)
    if left:
        return f"{name} cannot be known by itself, however good the data: only {listed(left)} can."
    return f"{name} cannot be known, nor can any product of it with others."

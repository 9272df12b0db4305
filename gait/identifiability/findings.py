"""Findings of an analysis, as numbers and in plain words."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

import numpy as np

from gait.identifiability.functions import KnownFunction
from gait.identifiability.linearisation import Linearisation
from gait.identifiability.regions import Region
from gait.identifiability.search import Search
from gait.identifiability.symmetries import Counterexample
from gait.identifiability.wording import finite, listed, percent, rounded


class Identifiability(enum.StrEnum):
    """How well a parameter can be known from the outputs."""

    RECOVERABLE = "recoverable"
    COMBINATION = "only in combination"
    DEAD = "dead"
    AMBIGUOUS = "ambiguous"
    LOST = "lost in noise"
    UNDECIDED = "undecided"


Verdict = Identifiability
"""Other name of `Identifiability`."""


@dataclasses.dataclass(frozen=True)
class Report:
    """Findings of an analysis; made by `gait.identifiability.analyse`.

    Attributes:
        names: names of the p parameters.
        points: number of points used.
        set_aside: number of points without sound derivatives, which were left out.
        spectrum: singular values of R^(-1/2) J D, medians over the points, shape [p].
        tolerance: largest singular values that zero could show, given the errors of the derivatives, shape [p].
        gap: the last singular value that counts over the first that does not, at the worst point.
        rank: number of independent functions of the parameters that can be known; None if undecided.
        verdicts: `Identifiability` of each parameter.
        uniqueness: for each parameter, the share of its effect that no other can imitate, 0 to 1.
        combinations: products of powers that can be known and determine all others that can, as text; in the given
            noise, if there is one. None if what cannot be known is not a scaling, or is undecided.
        exponents: exponents of these products, shape [combinations, p], or None.
        combinations_without_noise: combinations that could be known if there were no noise.
        exponents_without_noise: exponents of these products, shape [combinations, p], or None.
        functions: functions of several parameters that can be known where `combinations` is None, such as "a + b" and
            "b*exp(c*t0)", as far as they have been found.
        directions: orthonormal directions without influence, in logarithms of the parameters,
            shape [points, p - rank, p]; None if the rank is undecided.
        cramer_rao: smallest standard deviation of any unbiased estimate of each parameter and combination, median
            over the points, infinite where no estimate is possible; for noise of one unit if none was given.
        linear_ceiling: share of each parameter's prior variance that any estimator can explain, as if the
            model were linear and the prior Gaussian.
        counterexample: two sets of parameters with the same outputs, or None.
        search: the search for a second solution.
        regions: for each undecided parameter that can be known at some points only, at how many and where.
        reasons: for each ambiguous parameter, what is ambiguous about it, in words.
        method: method of differentiation.
        accuracy: relative accuracy of the model's outputs, as measured or stated, the median over the outputs.
        calls: number of calls of the model.
        rows: number of sets of parameters for which it was run.
        seed: key of the random choices.
        linear: the model near the points, for further questions.
    """

    names: tuple[str, ...]
    points: int
    set_aside: int
    spectrum: np.ndarray
    tolerance: np.ndarray
    gap: float
    rank: int | None
    verdicts: dict[str, Identifiability]
    uniqueness: dict[str, float]
    combinations: list[str] | None
    exponents: np.ndarray | None
    combinations_without_noise: list[str] | None
    exponents_without_noise: np.ndarray | None
    functions: list[KnownFunction]
    directions: np.ndarray | None
    cramer_rao: dict[str, float]
    linear_ceiling: dict[str, float]
    counterexample: Counterexample | None
    search: Search
    regions: dict[str, Region]
    reasons: dict[str, str]
    method: str
    accuracy: float
    calls: int
    rows: int
    seed: int
    linear: Linearisation

    def combinations_with(self, *names: str) -> list[str]:
        """The combinations in which any of some parameters occurs."""
        return self._with(names, self.combinations, self.exponents)

    def combinations_without_noise_with(self, *names: str) -> list[str]:
        """The combinations, if there were no noise, in which any of some parameters occurs."""
        return self._with(names, self.combinations_without_noise, self.exponents_without_noise)

    def functions_with(self, name: str) -> list[str]:
        """The functions, beside products of powers, in which a parameter occurs."""
        column = self.names.index(name)
        return [function.text for function in self.functions if column in function.parameters]

    def _with(self, names: Sequence[str], combinations: list[str] | None, exponents: np.ndarray | None) -> list[str]:
        if combinations is None or exponents is None:
            return []
        columns = [self.names.index(name) for name in names]
        return [text for text, e in zip(combinations, exponents, strict=True) if np.any(e[columns])]

    def to_dict(self) -> dict:
        """The findings as numbers and text for JSON. Unbounded and undefined numbers are None."""
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
            "functions": [function.text for function in self.functions],
            "counterexample": None if example is None else example.to_dict(self.names),
            "search": self.search.to_dict(self.names),
            "regions": {name: dataclasses.asdict(part) for name, part in self.regions.items()},
            "accuracy": self.accuracy,
            "calls": self.calls,
            "rows": self.rows,
            "sentences": self.sentences(),
        }

    def to_markdown(self, title: str = "What can be known of the parameters") -> str:
        """The findings as Markdown: verdicts, combinations, second solutions, and what they rest on.

        Args:
            title: heading of the text.
        """
        return markdown(self, title)

    def sentences(self) -> list[str]:
        """The verdicts in plain words, one sentence a parameter."""
        return [_sentence(self, name) for name in self.names]


def _sentence(report: Report, name: str) -> str:
    verdict = report.verdicts[name]
    if verdict == Identifiability.RECOVERABLE:
        share = percent(report.uniqueness[name])
        return f"{name} can be recovered: {share} of its effect cannot be imitated by other parameters."
    if verdict == Identifiability.DEAD:
        return f"{name} has no influence on the outputs: nothing can be known of it."
    if verdict == Identifiability.AMBIGUOUS:
        return f"{name} is ambiguous: {report.reasons[name]}."
    if verdict == Identifiability.LOST:
        left = report.combinations_with(name)
        rest = f", and only {listed(left)} can be known" if left else ""
        return f"{name} could be recovered without noise. It is lost in this noise{rest}."
    if verdict == Identifiability.UNDECIDED and name in report.regions:
        return f"{name} is undecided as a whole: {report.regions[name].words()}."
    if verdict == Identifiability.UNDECIDED:
        return f"{name} is undecided: the derivatives are not accurate enough to tell a small influence from none."
    if known := report.functions_with(name):
        return f"{name} cannot be known by itself, however good the data: only {listed(known)} can."
    if report.combinations_without_noise is None:
        return (
            f"{name} cannot be known by itself: other parameters can compensate for any change of it, but not by a "
            "scaling."
        )
    if left := report.combinations_without_noise_with(name):
        return f"{name} cannot be known by itself, however good the data: only {listed(left)} can."
    return f"{name} cannot be known, and no product of it with other parameters can."


def markdown(report: Report, title: str) -> str:
    """Findings as Markdown, see `Report.to_markdown`."""
    rows = ["| parameter | verdict | part no other parameter can imitate | bound on the error |", "|---|---|---|---|"]
    for name, verdict in report.verdicts.items():
        bound = rounded(report.cramer_rao[name], 3) if np.isfinite(report.cramer_rao[name]) else "none"
        rows.append(f"| {name} | {verdict} | {percent(report.uniqueness[name])} | {bound} |")
    parts = [f"# {title}", "\n".join(rows), _bullets(report.sentences())]
    known = [*(report.combinations_without_noise or []), *(function.text for function in report.functions)]
    if known:
        parts.append(f"Known without noise: {listed(known)}.")
    if report.counterexample is not None:
        parts.append(_pair(report.counterexample, report.names, "Two sets of parameters with the same outputs"))
    if report.search.twins:
        twin = min(report.search.twins, key=lambda twin: twin.difference)
        parts.append(_pair(twin, report.names, "A second solution within the prior"))
    return "\n\n".join([*parts, "## Basis of these findings", _bullets(_basis(report))]) + "\n"


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _pair(pair: Counterexample, names: Sequence[str], title: str) -> str:
    rows = [f"| {name} | {a:.17g} | {b:.17g} |" for name, a, b in zip(names, pair.theta, pair.other, strict=True)]
    table = "\n".join(["| | one | the other |", "|---|---|---|", *rows])
    return f"## {title}\n\nTheir outputs differ by {pair.difference:.1e} at most.\n\n{table}"


def _basis(report: Report) -> list[str]:
    aside = f" {report.set_aside} more were set aside." if report.set_aside else ""
    unit = "" if report.linear.noisy else " The bounds are for noise of one unit in every output."
    lines = [
        f"Derivatives by {report.method} at {report.points} points (seed {report.seed}).{aside}",
        f"The model was run for {report.rows:,} sets of parameters in {report.calls:,} calls. Its outputs are taken as "
        f"accurate to {report.accuracy:.0e}.",
        f"Errors are Cramér-Rao bounds of unbiased estimates, medians over the points.{unit}",
    ]
    return lines + [report.search.evidence()] * bool(report.search.evidence())

"""How good the posteriors of a network are: log probability of the truth, coverage, ranks, and contraction.

The log probability of the truth is highest, on average, for the exact posterior (a proper score; T. Gneiting,
A. Raftery, J. Am. Stat. Assoc. 102 (2007) 359-378). Coverage and ranks tell whether intervals mean what they say.
Contraction 1 - E[Var(quantity | recording)] / Var(quantity) tells how narrow they are: that of the exact posterior is
the highest possible R².
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping

import numpy as np
from scipy import stats

from gait.diagnostics.calibration import ControlledCoverage, Coverage, count_coverage
from gait.parameters import QUANTITIES, Uniform

TOLERANCE = 0.015
"""Share of walkers by which a coverage may miss its level."""
BINS = 20
"""Bins of a histogram of ranks."""


@dataclasses.dataclass(frozen=True)
class Mean:
    """Mean over records.

    Attributes:
        value: the mean; NaN without records.
        error: its standard error.
        n: number of records.
    """

    value: float
    error: float
    n: int

    @classmethod
    def of(cls, values: np.ndarray, errors: np.ndarray | None = None) -> Mean:
        """Mean of values [n], which may have errors of their own [n]."""
        n = len(values)
        if n < 2:
            return cls(float(values[0]) if n else math.nan, math.nan, n)
        own = 0.0 if errors is None else float(np.sqrt(np.sum(errors**2))) / n
        return cls(float(values.mean()), math.hypot(float(values.std(ddof=1)) / math.sqrt(n), own), n)

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.error:.3f}"


@dataclasses.dataclass(frozen=True)
class RankedCoverage(ControlledCoverage):
    """Coverage that counts as right within `TOLERANCE` of its level, and the ranks.

    Attributes:
        counts: walkers in each of `BINS` bins of the rank of the truth among its draws, shape [BINS].
    """

    counts: tuple[int, ...]

    @property
    def worst(self) -> float:
        """Largest distance of a coverage from its level."""
        return max(abs(row.covered - row.level) for row in self.posterior)

    @property
    def holds(self) -> bool:
        """Whether the posterior passes at all levels, and both controls fail at one at least."""
        return all(map(is_near, self.posterior)) and not (
            all(map(is_near, self.halved)) or all(map(is_near, self.doubled))
        )

    def to_dict(self) -> dict:
        """All of it as numbers, for JSON."""
        rows = {
            kind: [dataclasses.asdict(row) | {"holds": is_near(row)} for row in rows]
            for kind, rows in self.kinds.items()
        }
        return {
            "n": self.n, "holds": self.holds, "tolerance": TOLERANCE, "ranks_p": self.ranks_p,
            "ranks": list(self.counts),
        } | rows  # fmt: skip


def is_near(row: Coverage) -> bool:
    """Tells whether a coverage is its level, up to the tolerance or, if that is more, the luck of so few walkers."""
    luck = 0.5 * (row.interval[1] - row.interval[0])
    return abs(row.covered - row.level) <= max(TOLERANCE, luck)


def ranked_coverage(
    truth: np.ndarray, draws: np.ndarray, prior: np.ndarray, generator: np.random.Generator
) -> RankedCoverage:
    """Counts coverage and ranks of one quantity.

    Args:
        truth: shape [n].
        draws: of the posterior, shape [n, draws].
        prior: draws of the prior, at least as many as those of a walker.
        generator: for ties, and for the prior's draws.
    """
    span = Uniform(float(prior.min()), float(prior.max()))
    rows = count_coverage(truth, draws, generator.choice(prior, draws.shape), span)
    below = np.sum(draws < truth[:, None], axis=1)
    same = np.sum(draws == truth[:, None], axis=1)
    ranks = (below + (same + 1) * generator.random(len(truth))) / (draws.shape[1] + 1)
    counts = np.histogram(ranks, BINS, (0.0, 1.0))[0]
    return RankedCoverage(
        len(truth), float(stats.kstest(ranks, "uniform").pvalue), **rows, counts=tuple(map(int, counts))
    )


@dataclasses.dataclass(frozen=True)
class Contraction:
    """Narrowness of the posterior of one quantity: 1 - E[Var(quantity | recording)] / Var(quantity).

    Attributes:
        reached: by the network.
        error: its standard error.
        possible: by the exact posterior, which is the highest possible R².
    """

    reached: float
    error: float
    possible: float

    @classmethod
    def of(cls, truth: np.ndarray, variance: np.ndarray, possible: float) -> Contraction:
        """Contraction from true values and variances of posteriors, shape [n] both."""
        share = Mean.of(variance / np.var(truth))
        return cls(1.0 - share.value, share.error, possible)

    @property
    def score(self) -> float:
        """Identifiability reached, as a part of what is possible; 1 at most. NaN if nothing is possible."""
        if not self.possible > 0.0:
            return math.nan
        return min(max(self.reached / self.possible, 0.0), 1.0)


@dataclasses.dataclass(frozen=True)
class Refinement:
    """Exact posteriors that began at a network's answers, and the same without it.

    Attributes:
        network, refined: mean log probability of the truth on the same records.
        exact: the same on the first of them, of posteriors that know nothing of the network, where both have passed
            their checks.
        difference: refined less exact, on these records.
        accepted: share of the refined posteriors that passed their own checks.
        guided: share for which the network's answer was enough; the others were searched for anew.
        effective: median of the effective draws; `draws`: number of draws.
        reasons: why the others did not pass, with their number.
        seconds: processor time of a refined posterior, s.
    """

    network: Mean
    refined: Mean
    exact: Mean
    difference: Mean
    accepted: float
    guided: float
    effective: float
    draws: int
    reasons: Mapping[str, int]
    seconds: float


@dataclasses.dataclass(frozen=True)
class Example:
    """One walker of the test split, for a figure.

    Attributes:
        truth: true values by name.
        network: draws of the network by name, shape [draws].
        refined: draws of the exact posterior by name, and their `weights`; None without one.
    """

    truth: Mapping[str, float]
    network: Mapping[str, np.ndarray]
    refined: Mapping[str, np.ndarray] | None


@dataclasses.dataclass(frozen=True)
class PosteriorScores:
    """Scores of a network's posteriors on the test split.

    Attributes:
        parameters: quantities whose joint density `log_p` is about.
        log_p: mean log probability of the truth, SI units.
        log_prior: that of the prior; None if it is not uniform.
        coverages: `RankedCoverage` of each quantity.
        contractions: `Contraction` of each quantity.
        refinement: exact posteriors of some of the records; None without noise, or if they were not asked for.
        examples: three walkers.
        prior: draws of the prior by name, shape [draws].
    """

    parameters: tuple[str, ...]
    log_p: Mean
    log_prior: float | None
    coverages: Mapping[str, RankedCoverage]
    contractions: Mapping[str, Contraction]
    refinement: Refinement | None
    examples: tuple[Example, ...]
    prior: Mapping[str, np.ndarray]

    def sentences(self) -> list[str]:
        """The scores in plain words."""
        prior = "" if self.log_prior is None else f"; the prior has {self.log_prior:.3f}"
        lines = [
            f"Log probability of {', '.join(self.parameters)} given a recording (SI units): {self.log_p} on "
            f"{self.log_p.n:,} test records{prior}."
        ]
        found = self.refinement
        if found is not None:
            lines.append(
                f"On {found.refined.n:,} of them refined posteriors have {found.refined} and the network "
                f"{found.network}. {100 * found.accepted:.1f} % passed their checks, with {found.effective:,.0f} of "
                f"{found.draws:,} draws effective (median), {found.seconds:.2f} s of one core each; "
                f"{100 * found.guided:.1f} % were found where the network said."
            )
            lines += _grouped(found.reasons)
            if found.exact.n:
                lines.append(
                    f"On {found.exact.n:,} of them exact posteriors found without the network have {found.exact}: "
                    f"refined less exact is {found.difference}."
                )
        lines += [self._coverage_in_words(name) for name in self.coverages]
        return lines

    def _coverage_in_words(self, name: str) -> str:
        found, contraction = self.coverages[name], self.contractions[name]
        shares = "/".join(f"{100 * row.covered:.1f}" for row in found.posterior)
        levels = "/".join(f"{100 * row.level:.0f}" for row in found.posterior)
        verdict = "as they should" if found.holds else "which is not what they should: do not rely on them"
        return (
            f"{QUANTITIES[name].heading} ({QUANTITIES[name].symbol}): {levels} % intervals hold {shares} % of "
            f"{found.n:,} walkers, {verdict}. Contraction {contraction.reached:.4f}, possible "
            f"{contraction.possible:.4f}."
        )

    def to_dict(self) -> dict:
        """All but examples as numbers, for JSON."""
        found = self.refinement
        return {
            "parameters": list(self.parameters),
            "log_p": _finite(dataclasses.asdict(self.log_p)),
            "log_prior": self.log_prior,
            "coverage": {name: entry.to_dict() for name, entry in self.coverages.items()},
            "contraction": {
                name: _finite(dataclasses.asdict(entry) | {"score": entry.score})
                for name, entry in self.contractions.items()
            },
            "refinement": None if found is None else _finite(dataclasses.asdict(found)),
        }


def _finite(table: Mapping) -> dict:
    """JSON has no NaN."""
    return {
        key: _finite(value) if isinstance(value, Mapping)
        else None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in table.items()
    }  # fmt: skip


def _grouped(reasons: Mapping[str, int]) -> list[str]:
    """Reasons that differ in their numbers only as one sentence each, with one of them."""
    kinds: dict[str, list[str]] = {}
    for reason, count in reasons.items():
        kinds.setdefault(re.sub(r"\d[\d.,]*", "0", reason), []).extend([reason] * count)
    return [f"{len(kind)} did not pass{'' if len(set(kind)) == 1 else ', for example'}: {kind[0]}"
            for kind in kinds.values()]  # fmt: skip

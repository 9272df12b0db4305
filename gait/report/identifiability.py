"""Figure and written report of the identifiability analysis of a scenario."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.identifiability.findings import Identifiability, Report
from gait.identifiability.wording import listed, rounded
from gait.limits.analysis import LOCAL, ScenarioAnalysis
from gait.limits.design import RecordingDesign
from gait.parameters import QUANTITIES
from gait.report.confusion import FIGURE as CONFUSION_FIGURE
from gait.report.style import BEST, NETWORK, STYLE, mathematical, symbol
from gait.simulation.conditions import Walks

FIGURE, DESIGN_FIGURE = "identifiability.png", "design.png"
"""Names of the figures' files, as the report refers to them."""
_MOST_TICKS = 12
_SHORT_LEGEND = 2  # parameters; with more, the entries of the two walkers stand one above the other


# Figure --------------------------------------------------------------------------------------


def plot_identifiability(analysis: ScenarioAnalysis) -> Figure:
    """Draws the highest possible R², the spectrum, and two walkers with the same recording if there are such.

    Args:
        analysis: see `gait.limits.analysis.analyse_scenario`.
    """
    twins = analysis.twins
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 3.8 if twins is None else 8.0), layout="constrained")
        figure.suptitle(_headline(analysis), fontsize=13, fontweight="bold")
        heights = [1.0] if twins is None else [1.0, 1.3]
        parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)
        left, right = parts[0, 0].subplots(1, 2)
        _ceiling_panel(left, analysis)
        symbols = ", ".join(mathematical(name) for name in analysis.report.names)
        _spectrum_panel(right, analysis.report, f"Unknowns {symbols}:")
        if twins is not None:
            path, force = parts[1, 0].subplots(2, 1)
            _twin_panels(path, force, analysis, twins)
    return figure


def plot_parameters(report: Report) -> Figure:
    """Draws what can be known of the parameters of any model: the verdict of each, and the spectrum.

    Args:
        report: see `gait.identifiability.analyse`.
    """
    names = report.names
    colours = [NETWORK if report.verdicts[name] == Identifiability.RECOVERABLE else BEST for name in names]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.5, max(3.8, 1.6 + 0.3 * len(names))), layout="constrained")
        left, right = figure.subplots(1, 2)
        places = np.arange(len(names))
        shares = [report.uniqueness[name] for name in names]
        left.barh(places, shares, color=colours, height=0.6)
        for place, share, name in zip(places, shares, names, strict=True):
            left.text(share + 0.02, place, str(report.verdicts[name]), va="center", fontsize=9)
        left.set_yticks(places, [_plain(name) for name in names])
        left.invert_yaxis()
        left.set_xlim(0, 1.75)
        left.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0])
        left.set_xlabel("Part that no other parameter can imitate [1]")
        left.set_ylabel("Parameter")
        left.set_title("Verdict on each parameter")
        _spectrum_panel(right, report, f"{report.points} points of {len(names)} parameters:")
        right.set_ylabel("Trace in the outputs\n(singular value) [1]")
        step = max(1, len(names) // _MOST_TICKS)
        right.set_xticks(np.arange(1, len(names) + 1, step))
    return figure


def _plain(name: str) -> str:
    """A user's name of a parameter, which is no formula, whatever signs are in it."""
    return name.replace("$", r"\$")


def _headline(analysis: ScenarioAnalysis) -> str:
    """The main finding: "From x and y: k/m and l0 can be known, m and k cannot"."""
    known = [mathematical(text) for text in analysis.known_combinations]
    lost = (Identifiability.COMBINATION, Identifiability.DEAD, Identifiability.LOST)
    unknown = [symbol(name) for name in analysis.model.unknowns if analysis.identifiability.get(name) in lost]
    noise = "" if analysis.scenario.noise is None else " in this noise"
    if not known:
        return f"From {_sources(analysis)}{noise}: nothing can be known well"
    return f"From {_sources(analysis)}{noise}: {listed(known)} can be known" + (
        f", {listed(unknown)} cannot" if unknown else ""
    )


def _sources(analysis: ScenarioAnalysis) -> str:
    return listed([mathematical(name) if len(name) == 1 else name for name in analysis.scenario.sources])


def _ceiling_panel(axis: Axes, analysis: ScenarioAnalysis) -> None:
    names, ceilings = list(analysis.ceilings), list(analysis.ceilings.values())
    places = np.arange(len(names))
    colours = [NETWORK if ceiling.recoverable else BEST for ceiling in ceilings]
    errors = [2.0 * (ceiling.error or 0.0) for ceiling in ceilings]
    axis.barh(
        places, [ceiling.r2 for ceiling in ceilings], color=colours, height=0.6, xerr=errors if any(errors) else None
    )
    for place, (ceiling, error) in enumerate(zip(ceilings, errors, strict=True)):
        digits = f"{ceiling.r2:.4g}" if ceiling.error is None else f"{ceiling.r2:.2f} ± {ceiling.error:.2f}"
        axis.text(ceiling.r2 + error + 0.02, place, digits, va="center")
    axis.set_yticks(places, [f"{QUANTITIES[name].label} {symbol(name)}" for name in names])
    axis.invert_yaxis()
    axis.set_xlim(0, 1.2 if not any(errors) else 1.4)
    axis.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0])
    axis.set_xlabel("R² of the best possible estimator [1]")
    axis.set_title("What any network can reach" + _in_this_noise(analysis))


def _in_this_noise(analysis: ScenarioAnalysis) -> str:
    if analysis.scenario.noise is None:
        return ""
    return ", at most, in this noise" if analysis.noise_study is None else " in this noise"


def _spectrum_panel(axis: Axes, report: Report, heading: str) -> None:
    numbers = np.arange(1, len(report.names) + 1)
    count = report.rank if report.rank is not None else 0
    colours = [NETWORK if number <= count else BEST for number in numbers]
    bottom = 0.3 * min(report.tolerance.min(), report.spectrum[report.spectrum > 0].min(initial=np.inf))
    axis.bar(numbers, np.maximum(report.spectrum, bottom) - bottom, bottom=bottom, color=colours, width=0.7)
    axis.step(
        np.append(numbers - 0.5, numbers[-1] + 0.5), np.append(report.tolerance, report.tolerance[-1]),
        where="post", color="black", lw=1.0, ls="--", label="below: no more than numerical error",
    )  # fmt: skip
    axis.set_yscale("log")
    axis.set_ylim(bottom, 30 * report.spectrum.max())
    axis.set_xticks(numbers)
    lost = len(numbers) - count
    title = "every direction leaves a trace"
    if report.rank is None:
        title = "undecided"
    elif lost:
        title = f"{lost} of {len(numbers)} directions {'leaves' if lost == 1 else 'leave'} no trace"
    axis.set_title(f"{heading}\n{title}")
    axis.set_xlabel("Direction in the space of unknowns")
    axis.set_ylabel("Trace in the recording\n(singular value) [1]")
    axis.legend(fontsize=8, loc="upper right")


def _twin_panels(path: Axes, force: Axes, analysis: ScenarioAnalysis, twins: Walks) -> None:
    pair, unknowns = analysis.report.counterexample, analysis.model.unknowns
    assert pair is not None
    changed = [column for column in range(len(unknowns)) if pair.theta[column] != pair.other[column]]
    styles: tuple[dict[str, Any], ...] = (
        {"color": NETWORK, "lw": 4.5, "alpha": 0.45},
        {"color": BEST, "lw": 1.2, "ls": (0, (4, 2))},
    )
    for row, (theta, style) in enumerate(zip((pair.theta, pair.other), styles, strict=True)):
        values = [f"{symbol(unknowns[i])} = {theta[i]:.4g} {QUANTITIES[unknowns[i]].unit}" for i in changed]
        path.plot(twins.x[row], twins.y[row], label=", ".join(values), **style)
        force.plot(twins.x[row], twins.fy[row], **style)
    steps = int(np.isfinite(twins.touchdown[0]).sum())
    path.set_title(f"Two walkers with the same {_sources(analysis)}, through {steps} steps")
    path.set_xlabel("Forward position $x$ [m]")
    path.set_ylabel("Height $y$ [m]")
    columns = 2 if len(changed) <= _SHORT_LEGEND else 1
    path.set_ylim(top=np.nanmax(twins.y) + (0.4 if columns == 2 else 0.65) * np.ptp(twins.y[np.isfinite(twins.y)]))
    path.legend(fontsize=9, loc="upper center", ncols=columns)
    differs = not np.allclose(twins.fy[0], twins.fy[1])
    force.set_title("A force plate tells them apart" if differs else "A force plate cannot tell them apart either")
    force.set_xlabel("Forward position $x$ [m]")
    force.set_ylabel("Vertical force $f_y$ [N]")
    force.set_ylim(bottom=0)


# Report --------------------------------------------------------------------------------------


def identifiability_table(analysis: ScenarioAnalysis) -> str:
    """Identifiability and ceiling of each quantity, as a Markdown table."""
    exact = analysis.noise_study is not None
    columns = ["quantity", "identifiability", "highest possible R²", "lowest possible RMSE"] + ["local bound"] * exact
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, ceiling in analysis.ceilings.items():
        quantity = QUANTITIES[name]
        r2 = f"{ceiling.r2:.4f}" if ceiling.error is None else f"{ceiling.r2:.4f} ± {ceiling.error:.4f}"
        cells = [f"{quantity.label} {quantity.symbol}", str(analysis.identifiability[name]), r2,
                 f"{rounded(ceiling.rmse, 3)} {quantity.unit}"]  # fmt: skip
        if ceiling.local_r2 is not None:
            cells.append(f"{ceiling.local_r2:.4f}")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def identifiability_report(analysis: ScenarioAnalysis, design: RecordingDesign | None = None) -> str:
    """The findings of an identifiability analysis as Markdown, with links to the figures.

    Args:
        analysis: see `gait.limits.analysis.analyse_scenario`.
        design: see `gait.limits.design.design_recording`; None without noise.
    """
    report, settings = analysis.report, analysis.model.settings
    return f"""# {analysis.scenario.name}: what can be known, before training

{analysis.scenario.question}

**{analysis.headline()}**

{identifiability_table(analysis)}

{_bullets([*_noise_findings(analysis), *analysis.measurements(), *analysis.details()])}

![What can be known]({FIGURE})
{_confusion_text(analysis)}\
{"" if design is None else _design_text(design)}{"" if report.counterexample is None else _pair_text(report)}
## Basis of these findings

- Recordings of {settings.duration:g} s with a sample every {settings.interval:g} s, through all touchdowns.
  The start of a walk (position, compression of the leg and speed) and the step length are unknowns too.
- Derivatives by {report.method} at {report.points} walkers drawn from the priors (seed {report.seed}).
  {_set_aside(report.set_aside)}
- {_rank_sentence(report)}
- Combinations were checked on the walkers themselves, with their parameters multiplied by 0.5 and 2.
{_search_line(report)}"""


def _noise_findings(analysis: ScenarioAnalysis) -> list[str]:
    if analysis.scenario.noise is None:
        return []
    return [LOCAL] if analysis.noise_study is None else analysis.noise_study.sentences()


def _confusion_text(analysis: ScenarioAnalysis) -> str:
    study = analysis.noise_study
    if study is None or study.pair is None:
        return ""
    return f"\n![Two walkers that the noise confuses]({CONFUSION_FIGURE})\n"


def _search_line(report: Report) -> str:
    evidence = report.search.evidence()
    return f"- Search for other walkers with the same recording, within the priors: {evidence}\n" if evidence else ""


def _bullets(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _set_aside(count: int) -> str:
    if not count:
        return "All of them have sound derivatives."
    return f"{count} more were set aside: a tiny change of their parameters ends their walk or moves it too much."


def _design_text(design: RecordingDesign) -> str:
    basis = (
        f"Thin lines are Cramér-Rao bounds, from {design.walkers} walkers, as if the model were linear and the prior "
        "Gaussian."
    )
    if design.recorded:
        basis = (
            f"Points are means over exact posteriors of {design.recorded} fresh walkers each (seed {design.seed}), "
            f"with bars of two standard errors. {design.undone} of all these posteriors failed their own checks; the "
            f"bars allow for them. {basis}"
        )
    else:
        basis = f"{basis} {LOCAL}"
    return f"""
## Design of the recording

{_bullets(design.sentences())}

![Design of the recording]({DESIGN_FIGURE})

{basis}
"""


def _pair_text(report: Report) -> str:
    pair = report.counterexample
    assert pair is not None
    rows = "\n".join(
        f"| {name} | {a:.17g} | {b:.17g} |" for name, a, b in zip(report.names, pair.theta, pair.other, strict=True)
    )
    equal = f"differ by {pair.difference:.1e} at most" if pair.difference else "are the same to the last digit"
    return f"""
## Two walkers, one recording

Their recordings {equal}.

| | one | the other |
|---|---|---|
{rows}
"""


def _rank_sentence(report: Report) -> str:
    if report.rank is None:
        return "The number of singular values that count is undecided: the derivatives are not accurate enough."
    if report.rank == len(report.names):
        return f"All {report.rank} singular values count. The last is {rounded(report.gap)} times its numerical error."
    return (
        f"Of {len(report.names)} singular values {report.rank} count. The last of these is {rounded(report.gap)} times "
        "the next one, or times the numerical error if that is more."
    )

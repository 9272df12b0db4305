"""Figures and the written report of what can be known before a network is trained."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gait.identifiability import Report
from gait.limits.analysis import Prospects
from gait.limits.design import LEVELS, Plan
from gait.parameters import NAMES, QUANTITIES
from gait.report.style import BEST, NETWORK, STYLE, TRUTH, axis_label, mathematical, save, symbol
from gait.simulation.forward_model import unit
from gait.storage import files
from gait.storage.files import AnyPath

PROSPECTS, DESIGN = "identifiability", "design"
"""Names of the files, without their endings."""


def write_prospects(folder: AnyPath, title: str, prospects: Prospects, plan: Plan | None) -> list[str]:
    """Writes identifiability.json, .md and .png, and design.png if there is a plan; returns their names.

    Args:
        folder: where to.
        title: of the report.
        prospects: see `gait.limits.analysis.foresee`.
        plan: see `gait.limits.design.plan`.
    """
    content = prospects.to_dict() | {"title": title, "design": plan and plan.to_dict()}
    files.write_json(folder / f"{PROSPECTS}.json", content)
    prospects_figure(folder / f"{PROSPECTS}.png", prospects)
    written = [f"{PROSPECTS}.{ending}" for ending in ("md", "json", "png")]
    if plan is not None:
        design_figure(folder / f"{DESIGN}.png", plan)
        written.append(f"{DESIGN}.png")
    files.write_text(folder / f"{PROSPECTS}.md", _text(title, prospects, plan))
    return written


# Words ---------------------------------------------------------------------------------------


def prospects_table(prospects: Prospects) -> str:
    """Verdict and ceiling of each quantity, as a Markdown table."""
    rows = ["| quantity | verdict | highest possible R² | lowest possible RMSE |", "|---|---|---|---|"]
    for name, ceiling in prospects.ceilings.items():
        quantity = QUANTITIES[name]
        rows.append(
            f"| {quantity.label} {quantity.symbol} | {prospects.verdicts[name]} | {ceiling.r2:.4f} "
            f"| {ceiling.rmse:.3g} {quantity.unit} |"
        )
    return "\n".join(rows)


def _text(title: str, prospects: Prospects, plan: Plan | None) -> str:
    report, population = prospects.report, prospects.observation.population
    head, *others = prospects.sentences()
    figures = f"![What can be known]({PROSPECTS}.png)"
    return f"""# {title}: what can be known, before training

{head}

{chr(10).join(f"- {sentence}" for sentence in others)}

{prospects_table(prospects)}

{figures}
{"" if plan is None else _plan_text(plan)}{"" if report.counterexample is None else _pair_text(report)}
## What this rests on

- Recordings of {population.duration:g} s with a sample every {population.interval:g} s, through all touchdowns.
  Position, compression and speed at the start and the step length are unknowns too.
- Derivatives by {report.method} at {report.points} walkers drawn from the priors (seed {report.seed});
  {report.set_aside} more were set aside, because a change of their parameters too small to matter ends their walk, or
  moves it too much.
- {_rank(prospects)}
- Combinations and verdicts were checked on the walkers themselves, with the parameters halved and doubled.
"""


def _plan_text(plan: Plan) -> str:
    lines = "\n".join(f"- {sentence}" for sentence in plan.sentences())
    return f"""
## Planning the recording

{lines}

![Planning the recording]({DESIGN}.png)

Cramér-Rao bounds of unbiased estimates, medians over {plan.people} walkers; R² as if the model were linear and the
prior Gaussian, which is good where R² is high and rough where it is not.
"""


def _pair_text(report: Report) -> str:
    pair = report.counterexample
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


def _rank(prospects: Prospects) -> str:
    report = prospects.report
    if report.rank is None:
        return "How many of the singular values count is undecided: their gap is too small for the derivatives' errors."
    if report.rank == len(report.names):
        return (
            f"All {report.rank} singular values count; the last is {report.gap:.1e} times what zero may be measured as."
        )
    return (
        f"Of {len(report.names)} singular values {report.rank} count. The last of these is {report.gap:.1e} times as "
        "large as the next one, or as what that may be measured as."
    )


# Figures -------------------------------------------------------------------------------------


def prospects_figure(path: AnyPath, prospects: Prospects) -> None:
    """Draws the spectrum, the ceilings, and two walkers with one and the same motion."""
    pair = prospects.report.counterexample
    layout = [["spectrum", "ceilings"], *([["path", "path"], ["force", "force"]] if pair is not None else [])]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 7.6 if pair is not None else 3.4), layout="constrained")
        axes = figure.subplot_mosaic(layout, height_ratios=[1.25, 1.0, 0.9][: len(layout)])
        _spectrum_panel(axes["spectrum"], prospects)
        _ceiling_panel(axes["ceilings"], prospects)
        if pair is not None:
            _pair_panels(axes["path"], axes["force"], prospects)
        save(figure, path)


def _spectrum_panel(axis: Axes, prospects: Prospects) -> None:
    report = prospects.report
    numbers = np.arange(1, len(report.names) + 1)
    count = report.rank if report.rank is not None else 0
    colours = [NETWORK if number <= count else BEST for number in numbers]
    bottom = 0.3 * min(report.tolerance.min(), report.spectrum[report.spectrum > 0].min(initial=np.inf))
    axis.bar(numbers, np.maximum(report.spectrum, bottom) - bottom, bottom=bottom, color=colours, width=0.7)
    axis.step(
        np.append(numbers - 0.5, numbers[-1] + 0.5), np.append(report.tolerance, report.tolerance[-1]),
        where="post", color="black", lw=1.0, ls="--", label="as large might zero be measured",
    )  # fmt: skip
    axis.set_yscale("log")
    axis.set_ylim(bottom, 8 * report.spectrum.max())
    axis.set_xticks(numbers)
    lost = len(numbers) - count
    words = {None: "undecided", 0: "every direction leaves a trace"}
    title = words.get(
        report.rank if report.rank is None else lost, f"{lost} of {len(numbers)} directions without a trace"
    )
    axis.set_title(f"Unknowns {', '.join(mathematical(name) for name in report.names)}:\n{title}")
    axis.set_xlabel("Direction in the space of unknowns")
    axis.set_ylabel("Trace in the recording\n(singular value) [1]")
    axis.legend(fontsize=8, loc="upper right")


def _ceiling_panel(axis: Axes, prospects: Prospects) -> None:
    names = list(prospects.ceilings)
    values = [prospects.ceilings[name].r2 for name in names]
    colours = [NETWORK if prospects.ceilings[name].recoverable else BEST for name in names]
    places = np.arange(len(names))
    axis.barh(places, values, color=colours, height=0.6)
    for place, value in zip(places, values, strict=True):
        axis.text(value + 0.02, place, f"{value:.4g}", va="center")
    axis.set_yticks(places, [f"{QUANTITIES[name].label} {symbol(name)}" for name in names])
    axis.invert_yaxis()
    axis.set_xlim(0, 1.15)
    axis.set_xlabel("R² of the best possible estimator [1]")
    axis.set_title("What any network can reach" + (" in this noise" if prospects.noise else ""))


def _pair_panels(path: Axes, force: Axes, prospects: Prospects) -> None:
    observation, pair = prospects.observation, prospects.report.counterexample
    both = np.stack([pair.theta, pair.other])
    walks = observation.simulate(both, interval=0.02)
    x, y, fy = (walks.samples[i] for i in (0, 1, 5))
    styles = ({"color": NETWORK, "lw": 4.5, "alpha": 0.45}, {"color": BEST, "lw": 1.2, "ls": (0, (4, 2))})
    changed = [i for i in range(len(NAMES)) if both[0, i] != both[1, i]]
    for i, style in enumerate(styles):
        label = ", ".join(f"{symbol(NAMES[j])} = {both[i, j]:.4g} {QUANTITIES[NAMES[j]].unit}" for j in changed)
        path.plot(x[i], y[i], label=label, **style)
        force.plot(x[i], fy[i], label=label, **style)
    steps = int(np.isfinite(walks.touchdown[0]).sum())
    path.set_title(f"Two walkers, one and the same motion through {steps} steps")
    path.set_xlabel(axis_label("x0").replace("Initial horizontal", "Forward").replace(symbol("x0"), "$x$"))
    path.set_ylabel("Height $y$ [m]")
    path.set_ylim(top=np.nanmax(y) + 0.45 * np.ptp(y[np.isfinite(y)]))
    path.legend(fontsize=9, loc="upper center", ncols=2)
    differs = not np.allclose(fy[0], fy[1])
    force.set_title("Their forces differ: that is what to measure" if differs else "Their forces are the same, too")
    force.set_xlabel("Forward position $x$ [m]")
    force.set_ylabel("Vertical force [N]")
    force.set_ylim(bottom=0)


def design_figure(path: AnyPath, plan: Plan) -> None:
    """Draws the experiment-design chart: how much noise is too much, for every duration and interval."""
    colours = dict(zip(plan.outlooks, (NETWORK, "#2a9d5c"), strict=True))
    channel, level = next(iter(plan.noise.items()))
    others = (
        " (others in proportion)" if len(set(plan.noise.values())) > 1 else f" and {', '.join(list(plan.noise)[1:])}"
    )
    noise = f"Noise of {channel}{others if len(plan.noise) > 1 else ''} [{unit(channel)}]"
    panels = (
        ("noise", noise, level, "How much is left (dotted: as given)"),
        ("duration", "Duration [s]", plan.duration, "Noise that a recording bears"),
        ("interval", "Sampling interval [s]", plan.interval, "Noise that a recording bears"),
    )
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11.0, 6.2), layout="constrained")
        grid = figure.subplots(2, 3, sharex="col")
        for column, (along, label, given, title) in enumerate(panels):
            top, bottom = grid[:, column]
            for name, outlook in plan.outlooks.items():
                curve, style = outlook.curves[along], {"color": colours[name], "label": symbol(name)}
                values = curve.values * (level if along == "noise" else 1.0)
                if along == "noise":
                    top.plot(values, curve.r2, **style)
                else:
                    top.plot(values, level * curve.tolerated[LEVELS[0]], **style)
                    top.plot(values, level * curve.tolerated[LEVELS[1]], color=colours[name], ls="--")
                bottom.plot(values, curve.sd / outlook.spread, **style)
            for axis in (top, bottom):
                axis.axvline(given, color=TRUTH, lw=1.0, ls=":")
                axis.set_xscale("linear" if along == "duration" else "log")
            bottom.set_yscale("log")
            bottom.set_xlabel(label)
            top.set_title(title)
            if along != "noise":
                top.axhline(level, color=TRUTH, lw=1.0, ls=":")
                top.set_yscale("log")
                top.set_ylabel(noise)
        levels = []
        for mark, style in zip(LEVELS, ("-", "--"), strict=True):
            grid[0, 0].axhline(mark, color=BEST, lw=0.8, ls=style)
            levels.append(grid[0, 1].plot([], [], color="black", ls=style, label=f"R² falls to {mark:g}")[0])
        grid[0, 0].set_ylabel("Highest possible R² [1]")
        grid[0, 0].legend(loc="lower left")
        grid[0, 1].legend(handles=levels, loc="lower right", fontsize=8)
        grid[1, 0].set_ylabel("Lowest possible error,\nas part of the spread among people [1]")
        grid[1, 0].set_title("Error")
        for column in (1, 2):
            grid[1, column].set_title("Error in the given noise")
        save(figure, path)

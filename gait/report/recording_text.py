"""Text of what one may say of a recorded walk."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gait.diagnostics.walker_fit import WalkerVerdict
from gait.inference.fit import StrideFit
from gait.recordings.reading import understood
from gait.recordings.recording import SIDES
from gait.recordings.steps import UNITS, Steps

FIGURE = "recording.png"
"""File of the figure, beside the report."""
LABELS = {
    "mass": "body mass", "step_time": "step time", "stride_time": "stride time", "cadence": "cadence",
    "double_support_time": "double support, a step", "single_support_time": "single support, a step",
    "stance_time": "stance", "swing_time": "swing", "stance_percent": "stance, of the stride", "speed": "speed",
    "step_length": "step length", "walk_ratio": "walk ratio", "first_peak": "first force peak",
    "second_peak": "second force peak", "midstance_minimum": "minimum between them",
    "vertical_travel": "vertical travel of the body",
}  # fmt: skip
"""Words for each quantity of a walk."""


def summary_lines(found: Steps) -> list[str]:
    """Table of means, standard deviations and numbers, with left and right where sides are known; for a terminal."""
    statistics, symmetry = found.statistics(), found.symmetry()
    sides = {side: found.statistics(side) for side in SIDES} if symmetry else {}
    header = (
        f"{'':28}{'mean':>10}{'sd':>9}{'n':>5}  {'':14}"
        + "".join(f"{side:>9}" for side in sides)
        + ("  asymmetry" if sides else "")
    )
    lines = [header.rstrip()]
    for name, label in LABELS.items():
        mean, sd, n = dataclasses.astuple(statistics[name])
        if not np.isfinite(mean):
            continue
        row = f"{label:28}{mean:>10.4g}{_number(sd, 2):>9}{n:>5}  {UNITS[name]:14}"
        if sides and name in symmetry:
            row += (
                "".join(f"{table[name].mean:>9.4g}" for table in sides.values()) + f"{100.0 * symmetry[name]:>9.1f} %"
            )
        lines.append(row.rstrip())
    return lines


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if np.isfinite(value) else ""


def recording_report(
    source: str,
    found: Steps,
    fits: Mapping[str, Sequence[StrideFit]],
    verdict: WalkerVerdict | None,
    others: Sequence[str],
    network: Sequence[str],
) -> str:
    """Writes the report on a recording.

    Args:
        source: name of the file.
        found: its steps.
        fits: walkers fitted to its strides, by what they were fitted to.
        verdict: what they say together; None where nothing could be fitted.
        others: sentences on what was not fitted and why.
        network: sentences on what a network makes of it; none without a run.

    Returns:
        Markdown.
    """
    recording = found.recording
    assert recording is not None
    parts = [
        f"# {source}",
        f"Read: {understood(recording)}",
        "## Certain without a model",
        _statistics(found),
        _listed(found.notes),
    ]
    parts.append("## What the model adds")
    if verdict is not None:
        parts += [_listed(verdict.sentences()), f"![Measured and model]({FIGURE})", _fits(fits)]
        rows = [each for own in fits.values() for each in own]
        if not any(each.mass is not None for each in rows):
            parts.append("Mass and stiffness are not identifiable from motion: only k/m and the rest length are.")
    parts.append(_listed(others))
    if network:
        parts += ["## What the network says", _listed(network)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _listed(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _statistics(found: Steps) -> str:
    statistics, symmetry = found.statistics(), found.symmetry()
    sides = {side: found.statistics(side) for side in SIDES} if symmetry else {}
    head = ["quantity", "mean", "SD", "n", "unit", *sides, *(["right less left"] if sides else [])]
    rows = [head, ["---"] * len(head)]
    for name, label in LABELS.items():
        mean, sd, n = dataclasses.astuple(statistics[name])
        if np.isfinite(mean):
            row = [label, f"{mean:.4g}", _number(sd, 2), f"{n}", UNITS[name]]
            if sides:
                row += [f"{table[name].mean:.4g}" if name in symmetry else "" for table in sides.values()]
                row.append(f"{100.0 * symmetry[name]:.1f} %" if name in symmetry else "")
            rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _fits(fits: Mapping[str, Sequence[StrideFit]]) -> str:
    head = [
        "fitted to",
        "from [s]",
        "k/m [1/s²]",
        "rest length [m]",
        "mass [kg]",
        "residual",
        "step [s]",
        "double support [s]",
        "minimum [BW]",
        "kept",
    ]
    rows = [head, ["---"] * len(head)]
    for using, own in fits.items():
        for each in own:
            residual = ", ".join(
                f"{name} {1000 * value:.1f} mm" if name in ("x", "y") else f"{name} {value:.0f} N"
                for name, value in each.residual.items()
            )
            rows.append([
                "path and force" if using == "both" else using, f"{each.begin:.2f}",
                f"{each.stiffness_to_mass:.4g} ± {_number(each.sd['stiffness_to_mass'], 2)}",
                f"{each.rest_length:.4g} ± {_number(each.sd['rest_length'], 2)}",
                f"{each.mass:.4g}" if each.mass is not None else "", residual,
                _pair(each.predicted.step_time, each.measured.step_time),
                _pair(each.predicted.double_support_time, each.measured.double_support_time),
                _pair(each.predicted.midstance_minimum, each.measured.midstance_minimum),
                "yes" if each.accepted else "no",
            ])  # fmt: skip
    note = "Step, double support and minimum: model / measured. ± is the standard error from the residuals alone."
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + f"\n\n{note}"


def _pair(predicted: float, measured: float) -> str:
    return f"{_number(predicted, 3) or '–'} / {_number(measured, 3) or '–'}"


def step_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The table of steps with units in the names of its columns, for a file."""
    short = {"s": "s", "m": "m", "m/s": "m_per_s", "%": "percent", "body weights": "bw", "kg": "kg"}
    names = {}
    for name in table.columns:
        unit = short.get(UNITS.get(str(name), ""), "")
        names[name] = f"{name}_{unit}" if unit and not str(name).endswith(unit) else str(name)
    return table.rename(columns=names)

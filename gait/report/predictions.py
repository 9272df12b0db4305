"""Text of what samples alone tell of a network's estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gait.diagnostics.sampled import SampledScore
from gait.diagnostics.verdicts import Interval
from gait.identifiability.wording import listed
from gait.scripting import listing


def predictions_table(scores: Mapping[str, SampledScore]) -> str:
    """R², highest possible R² and verdict of each target, for a terminal of 100 columns.

    Args:
        scores: score of each target, by its name.
    """
    rows = [("target", "R²", "95 % interval", "possible", "limited by")]
    for name, entry in scores.items():
        rows.append(
            (name, f"{entry.r2:.4f}", _ends(entry.r2_interval), _ends(entry.ceiling_interval), str(entry.limited_by))
        )
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}  {e}" for a, b, c, d, e in rows
    )


def predictions_notes(scores: Mapping[str, SampledScore], inputs: Sequence[str], seed: int) -> list[str]:
    """The verdict on each target and what it rests on, a few sentences each.

    Args:
        scores: score of each target, by its name.
        inputs: names of the inputs.
        seed: key of the random choices.
    """
    n = next(iter(scores.values())).n
    names = listed(inputs) if len(inputs) <= 6 else f"{len(inputs)} columns, {inputs[0]} to {inputs[-1]}"
    return [
        *(entry.sentence() for entry in scores.values()),
        f"From {n:,} samples (seed {seed}). Inputs: {names}.",
        "The lower end of what is possible is shown on samples that the regression has not seen. The upper end is "
        "extrapolated, and too low if the target follows from the inputs by a function too fine for these samples.",
        "All this supposes that the network has not seen these samples in training.",
    ]


def predictions_report(scores: Mapping[str, SampledScore], inputs: Sequence[str], seed: int) -> str:
    """Table and sentences as Markdown.

    Args:
        scores: score of each target, by its name.
        inputs: names of the inputs.
        seed: key of the random choices.
    """
    return (
        "# What limits these estimates\n\n"
        f"```\n{predictions_table(scores)}\n```\n\n" + listing(predictions_notes(scores, inputs, seed)) + "\n"
    )


def _ends(interval: Interval) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}"

"""Evaluation of a recorded walk: what was read, what is certain, what the model adds, and where it fails."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gait.diagnostics.walker_fit import WalkerVerdict, judge_fits
from gait.errors import InputError
from gait.inference.fit import USINGS, StrideFit, fit
from gait.recordings.reading import read_recording, understood
from gait.recordings.steps import Steps, steps
from gait.report.recording import plot_recording
from gait.report.recording_text import FIGURE, recording_report, step_columns, summary_lines
from gait.report.style import save
from gait.scripting import COLUMNS, listing
from gait.storage import files
from gait.storage.files import AnyPath
from gait.storage.folders import RUN, check_kind

REPORT, NUMBERS, TABLE = "recording.md", "recording.json", "steps.csv"
"""Files of the evaluation of a recording beside its figure."""


@dataclasses.dataclass(frozen=True, eq=False)
class RecordingEvaluation:
    """Result of `evaluate_recording`.

    Attributes:
        folder: folder with the files.
        steps: steps of the recording, which is their `recording`.
        fits: what was fitted ("path", "force", "both") → a walker for each stride.
        verdict: what they say together; None where nothing could be fitted.
        others: sentences on what was not fitted and why.
        network: sentences on what a network makes of it; none without a run.
        files: names of the files written.
    """

    folder: AnyPath
    steps: Steps
    fits: dict[str, list[StrideFit]]
    verdict: WalkerVerdict | None
    others: tuple[str, ...]
    network: tuple[str, ...]
    files: tuple[str, ...]

    def summary(self) -> str:
        """The main findings for a terminal of 100 columns."""
        assert self.steps.recording is not None
        model = [*(self.verdict.sentences() if self.verdict else []), *self.others]
        parts = [
            textwrap.fill(f"Read: {understood(self.steps.recording)}", COLUMNS), "\n".join(summary_lines(self.steps)),
            listing(self.steps.notes), "What the model adds:", listing(model),
        ]  # fmt: skip
        if self.network:
            parts += ["What the network says:", listing(self.network)]
        return "\n".join(part for part in parts if part)


def evaluate_recording(
    path: str | Path, out: AnyPath | str, *, run: str | AnyPath | None = None, formats: Sequence[str] = (), **hints: Any
) -> RecordingEvaluation:
    """Says what one may say of a person from a recorded walk, and writes recording.md, .json, .png and steps.csv.

    Args:
        path: of the recording, see `gait.read_recording`.
        out: folder to write to.
        run: folder of a finished run whose network is asked, too.
        formats: formats of `gait.report.style.FORMATS` in which the figure is written beside PNG.
        hints: arguments of `gait.read_recording`.

    Raises:
        InputError: if the file cannot be read, nobody walks in it, or the run does not fit it.
    """
    out = files.as_path(out)
    check_kind(out, RUN, flag="out")
    found = steps(read_recording(path, **hints))
    assert found.recording is not None
    fits, others = _fitted(found)
    verdict = judge_fits(fits) if fits else None
    network: list[str] = []
    if run is not None:
        from gait.evaluation.network_of_recording import network_sentences  # only now: it takes Keras

        network = network_sentences(run, found, fits, verdict)
    files.make_folder(out)
    with files.locked(out):
        files.write_text(out / REPORT, recording_report(Path(path).name, found, fits, verdict, others, network))
        files.write_json(out / NUMBERS, _numbers(Path(path).name, found, fits, verdict, network))
        files.write_text(out / TABLE, step_columns(found.table).to_csv(lineterminator="\n"))
        figures = _figure(found, fits, out, formats)
    return RecordingEvaluation(
        out, found, fits, verdict, tuple(others), tuple(network), (REPORT, NUMBERS, TABLE, *figures)
    )


def _fitted(found: Steps) -> tuple[dict[str, list[StrideFit]], list[str]]:
    """Fits to path, force and both, as far as they were recorded; and why not."""
    recording = found.recording
    assert recording is not None
    fits, others = {}, []
    for using in USINGS:
        try:
            rows = fit(recording, using, measured=found)
        except InputError as error:
            if using != "both":
                others.append(f"Not fitted to the {using}. {error}")
            continue
        if rows:
            fits[using] = rows
        elif using != "both":
            others.append(f"Not fitted to the {using}: no stride has enough samples of {' and '.join(USINGS[using])}.")
    return fits, others


def _figure(found: Steps, fits: dict[str, list[StrideFit]], out: AnyPath, formats: Sequence[str]) -> list[str]:
    shown = {using: rows for using, rows in fits.items() if using != "both" or len(fits) == 1}
    try:
        figure = plot_recording(found, shown)
    except InputError:  # nothing to draw is nothing wrong
        return []
    return save(figure, out / FIGURE, formats)


def _numbers(
    source: str, found: Steps, fits: dict[str, list[StrideFit]], verdict: WalkerVerdict | None, network: Sequence[str]
) -> dict[str, Any]:
    """Content of recording.json: SI units, None where a number is not known."""
    recording = found.recording
    assert recording is not None
    statistics = found.statistics()
    rows = [
        {
            "using": each.using,
            "begin": each.begin,
            "end": each.end,
            "rule": each.rule.name.lower(),
            "stiffness_to_mass": each.stiffness_to_mass,
            "rest_length": each.rest_length,
            "step_length": each.step_length,
            "mass": each.mass,
            "stiffness": each.stiffness,
            "sd": each.sd,
            "posterior_sd": each.posterior_sd,
            "residual": each.residual,
            "predicted": dataclasses.asdict(each.predicted),
            "measured": dataclasses.asdict(each.measured),
            "bounds": list(each.bounds),
            "accepted": each.accepted,
        }
        for own in fits.values()
        for each in own
    ]
    content = {
        "recording": source,
        "rate": recording.rate,
        "duration": recording.duration,
        "channels": list(recording.channels),
        "body": recording.body,
        "belt_speed": recording.belt_speed,
        "stated_mass": recording.stated_mass,
        "notes": [*recording.notes, *found.notes],
        "summary": found.summary(),
        "symmetry": found.symmetry(),
        "statistics": {name: dataclasses.asdict(row) for name, row in statistics.items()},
        "fits": rows,
        "verdict": None
        if verdict is None
        else {
            "is_persons": verdict.is_persons,
            "sentences": verdict.sentences(),
            "spreads": {
                using: {name: dataclasses.asdict(row) for name, row in own.items()}
                for using, own in verdict.spreads.items()
            },
        },
        "network": list(network),
    }
    return _plain(content)


def _plain(value: Any) -> Any:
    """Numbers as JSON knows them: NaN becomes None."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value

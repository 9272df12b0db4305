"""Estimates of a network for a recorded walk, and its distance from the walks of the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gait.data.dataset import open_dataset
from gait.diagnostics.walker_fit import WalkerVerdict
from gait.errors import InputError
from gait.inference.fit import StrideFit
from gait.parameters import QUANTITIES
from gait.recordings.steps import Steps
from gait.storage.files import AnyPath
from gait.training.distance import input_distance
from gait.training.run import FinishedRun, RunConfig, load_run

FAR = 2.0
"""Distance from the training recordings, in theirs, from which a network is not to be trusted."""


def network_sentences(
    run: str | AnyPath, found: Steps, fits: Mapping[str, Sequence[StrideFit]], verdict: WalkerVerdict | None
) -> list[str]:
    """Asks the network of a run about a recording.

    The recording begins in the middle of its first single support, where the walks of the training begin, with x
    counted from the stance foot, and is brought to the run's times.

    Args:
        run: folder of the run.
        found: steps of the recording.
        fits: walkers fitted to it, whose first one tells where the foot stands.
        verdict: what they say together; a network knows walkers only.

    Returns:
        What it says, how far the recording is from its training, and a warning where that is far.
    """
    trained = load_run(run)
    inputs = _inputs(trained, found, fits)
    if isinstance(inputs, str):
        return [inputs]
    distance = float(input_distance(trained, inputs[None])[0])
    estimates = trained.predict(inputs[None])[0]
    words = [
        f"{QUANTITIES[name].heading} {value:.4g} {QUANTITIES[name].unit}".strip()
        for name, value in zip(trained.targets, estimates, strict=True)
    ]
    residual = [each.residual["y"] for rows in fits.values() for each in rows if "y" in each.residual]
    sentences = [f"The network of {trained.folder} says: {', '.join(words)}."]
    if distance > FAR:
        sentences.insert(0, "Do not believe the network: this recording lies far outside of what it was trained on.")
    elif verdict is None or not verdict.is_persons:
        sentences.insert(
            0,
            "Do not take the network's answer for the person's: it knows walkers only, and by the checks above this "
            "person is not known to be one. A recording can lie near the walks of the training and be none of them.",
        )
    sentences.append(
        f"Distance of its inputs from the training recordings: {distance:.1f}, where they have 1 on average "
        "(Mahalanobis, in the standardised inputs)."
    )
    if residual:
        sentences.append(
            f"The model that the network knows follows one stride to {1000.0 * np.median(residual):.1f} mm in height."
        )
    return sentences


def _inputs(trained: FinishedRun, found: Steps, fits: Mapping[str, Sequence[StrideFit]]) -> np.ndarray | str:
    """The run's inputs from a recording, shape [inputs]; or a sentence on why there are none."""
    recording = found.recording
    assert recording is not None
    scenario, config = trained.scenario, trained.config
    missing = [name for name in scenario.inputs if not recording.has(name)]
    if missing:
        return f"The network takes {', '.join(scenario.inputs)}, and the recording has no {', '.join(missing)}."
    known: dict[str, float | None] = {
        "mass": float(found.masses.mean()) if len(found.masses) else recording.stated_mass
    }
    if scenario.measured:
        unknown = [name for name in scenario.measured if known.get(name) is None]
        if unknown:
            return f"The network takes {', '.join(unknown)} beside the channels, which the recording does not tell."
    rows = next((own for using, own in fits.items() if using != "force" and own), None)
    if rows is None:
        return "Where the first foot stands is not known without a fit to the path, and the network counts from it."
    begin = rows[0].begin
    # The network counts from the foot, and from the ground where the recording does not know how high it is.
    zero = {"x": float(rows[0].footholds[0]), "y": rows[0].walk.height}
    interval = scenario.interval or _stored_interval(config)
    if interval is None:
        return f"The time between the network's samples is not known without its dataset, {config.data}."
    times = begin + interval * np.arange(config.samples)
    if times[-1] > recording.t[-1]:
        return (
            f"The network takes {config.samples * interval:.3g} s of walking from a single support, and the recording "
            f"has {recording.t[-1] - begin:.3g} s of that. Train one with a shorter --duration."
        )
    columns = []
    for name in scenario.inputs:
        values = np.interp(times, recording.t, recording.channels[name]) - zero.get(name, 0.0)
        if not np.isfinite(values).all():
            return f"The recording has gaps in {name} that the network cannot read over."
        columns.append(values)
    once = [value for name in scenario.measured if (value := known.get(name)) is not None]
    return np.concatenate([*columns, once])


def _stored_interval(config: RunConfig) -> float | None:
    """Time between the samples of a run's dataset, s; None where it has gone."""
    try:
        return open_dataset(config.data).settings.interval
    except InputError:
        return None

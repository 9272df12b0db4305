"""What was recovered: a trained network on the test split, beside what any estimator could reach."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from gait import dataset, files, manifest, report, runs, training
from gait.ceilings import ceiling
from gait.errors import InputError
from gait.manifest import Manifest
from gait.metrics import score, sentence
from gait.parameters import QUANTITIES, derive
from gait.scenarios import Scenario

DERIVED = tuple(name for name, quantity in QUANTITIES.items() if quantity.derive)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Result of `evaluate`.

    Attributes:
        metrics: content of metrics.json, one entry a target.
        sentences: one a target.
    """

    metrics: dict[str, dict]
    sentences: list[str]


def evaluate(run_folder: Path, data: Path | None = None) -> Evaluation:
    """Evaluates a finished run on the test split; writes metrics, predictions, figures and report.

    Args:
        run_folder: folder of a finished training run.
        data: dataset folder, if it is not the one that the run was trained on.

    Raises:
        InputError: if the run has no finished model or the data do not fit it.
    """
    run, config = runs.read_run(run_folder)
    described = _dataset(run_folder, config, data)
    scenario = Scenario(config["settings"]["scenario"], tuple(config["inputs"]), tuple(config["targets"]), question="")
    split = dataset.load(described, "test", scenario.inputs)
    truth = split.parameters
    estimate = dict(zip(scenario.targets, training.predict(run, split.inputs).T.astype(np.float64), strict=True))
    scored, columns = {}, {"record": np.arange(len(split.inputs))}
    for name in (*scenario.targets, *DERIVED):
        values, estimated = derive(name, truth), derive(name, estimate)
        if estimated is None or name in scored:
            continue
        columns |= {name: values, f"{name}_estimate": estimated}
        scored[name] = score(name, values, estimated, ceiling(name, scenario.inputs, described.priors))
    predictions = pd.DataFrame(columns)
    sentences = [sentence(name, entry, scenario.inputs) for name, entry in scored.items()]
    with files.storage_errors(run_folder):
        predictions.to_csv(run_folder / "predictions.csv", index=False, float_format="%.7g")
        files.write_json(run_folder / "metrics.json", scored)
        report.learning_curves(run_folder, described)
        report.scatter(run_folder, predictions, scored, described.priors)
        report.write_report(run_folder, config, described, scored, sentences)
    return Evaluation(scored, sentences)


def _dataset(run_folder: Path, config: dict, data: Path | None) -> Manifest:
    described = manifest.read(data or Path(config["data"]))
    if data is None and described.identity != config["dataset"]:
        raise InputError(
            f"{run_folder} was trained on dataset {config['dataset']}, but {config['data']} now holds dataset "
            f"{described.identity}. Make the former again, or name a dataset to evaluate on with --data."
        )
    dataset.require_channels(described, tuple(config["inputs"]))
    if described.samples != config["samples"]:
        raise InputError(
            f"The network reads {config['samples']} samples a channel, but a recording of {described.folder} has "
            f"{described.samples}. Evaluate on recordings of the same duration and interval."
        )
    return described

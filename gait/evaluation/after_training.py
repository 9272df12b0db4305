"""What was recovered: a trained network on the test split, beside what any estimator could reach."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from gait import data as dataset
from gait import report, training
from gait.ceilings import best_estimate
from gait.completion import Completed
from gait.data import manifest
from gait.data.manifest import Manifest
from gait.diagnostics.scores import score, sentence
from gait.errors import InputError
from gait.limits.analysis import Prospects, foresee
from gait.parameters import QUANTITIES, derive
from gait.storage import files
from gait.storage.files import AnyPath
from gait.training import run as runs
from gait.training.run import Finished

HIDDEN_BY_RATIO = ("mass", "stiffness")
"""What cannot be known when k/m can; the best estimate of either follows from k/m."""
_PEOPLE = 10_000  # of the test split, for the coverage; and of the validation split, for the error
DERIVED = tuple(name for name, quantity in QUANTITIES.items() if quantity.derive)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Result of `evaluate` and `evaluate_finished`.

    Attributes:
        metrics: content of metrics.json, one entry a target.
        sentences: one a target, and one on the bodies that fit.
        files: names of the files written, beside those of the run.
    """

    metrics: dict[str, dict]
    sentences: list[str]
    files: list[str]


def evaluate(run_folder: AnyPath, data: AnyPath | None = None) -> Evaluation:
    """Evaluates a finished run on the test split; writes metrics, predictions, figures and report.

    Args:
        run_folder: folder of a finished training run.
        data: where the dataset that the run was trained on is now, if it has moved.

    Raises:
        InputError: if the run is not finished, its files are damaged, or the dataset is another one.
    """
    return evaluate_finished(runs.read_finished(run_folder), data)


def evaluate_finished(finished: Finished, data: AnyPath | None = None) -> Evaluation:
    """Like `evaluate`, of a run that has been read already: that takes no TensorFlow, so a script does it first."""
    (run, config, result), run_folder = finished, finished.run.folder
    runs.read_history(run)
    described = _dataset(run_folder, config, data)
    inputs, targets = tuple(config["inputs"]), tuple(config["targets"])
    # What needs no network is computed beside it.
    with ThreadPoolExecutor(1) as pool:
        analysis = pool.submit(foresee, inputs, (*targets, *DERIVED), described.population)
        split = dataset.load(described, "test", inputs)
        network = training.estimator(run)
        estimate = _named(targets, network(split.inputs))
        prospects = analysis.result()
        completion = pool.submit(_complete, described, inputs, targets, network, split, estimate, prospects)
        scored, predictions = _score(split, estimate, prospects, described.priors)
        sentences = [sentence(name, entry, inputs) for name, entry in scored.items()]
        with files.locked(run_folder):
            files.write_text(run_folder / "predictions.csv", _csv(predictions))
            files.write_json(run_folder / "metrics.json", scored)
            if not (run_folder / report.LEARNING_CURVES).exists():
                report.learning_curves(run_folder, prospects.ceilings)
            report.scatter(run_folder, predictions, scored, described.priors)
            written = ["report.md", "metrics.json", "predictions.csv", "scatter.png", report.LEARNING_CURVES]
            completed = completion.result()
            if completed:
                files.write_json(run_folder / "completion.json", completed.to_dict())
                report.completion_figure(run_folder / report.COMPLETION, completed, described.priors)
                written += ["completion.json", report.COMPLETION]
            report.write_report(run_folder, config, result, described, scored, sentences, completed)
    return Evaluation(scored, sentences + ([completed.sentence()] if completed else []), written)


def _score(split: dataset.Split, estimate: dict, prospects: Prospects, priors) -> tuple[dict, pd.DataFrame]:
    """Contents of metrics.json and of predictions.csv."""
    scored, columns = {}, {"record": np.arange(len(split.inputs))}
    for name in dict.fromkeys((*estimate, *DERIVED)):
        truth, estimated = derive(name, split.parameters), derive(name, estimate)
        if estimated is None:
            continue
        columns |= {name: truth, f"{name}_estimate": estimated}
        best = None
        if name in HIDDEN_BY_RATIO and prospects.only_the_ratio:
            ratio = derive("stiffness_to_mass", split.parameters)
            best, _ = best_estimate(name, ratio, priors["mass"], priors["stiffness"])
        scored[name] = score(
            name, truth, estimated, prospects.ceilings[name], prospects.verdicts[name], prospects.way_out, best
        )
    return scored, pd.DataFrame(columns)


def _named(targets: tuple[str, ...], columns: np.ndarray) -> dict[str, np.ndarray]:
    """What a network returns, shape [n, t], by the targets' names."""
    return dict(zip(targets, columns.T.astype(np.float64), strict=True))


def _complete(
    described: Manifest, inputs, targets, network, split: dataset.Split, estimate: dict, prospects: Prospects
) -> Completed | None:
    """Bodies that fit the network's ratios, and how often they hold the truth.

    None if more than the ratio can be known, or the network does not tell it. How far off the ratios are is
    taken from the validation split: the test split is for counting only.
    """
    ratio = derive("stiffness_to_mass", estimate)
    if ratio is None or not prospects.only_the_ratio:
        return None
    known = dataset.load(described, "validation", inputs, enough=_PEOPLE)
    guessed = _named(targets, network(known.inputs))
    misses = derive("stiffness_to_mass", guessed) - derive("stiffness_to_mass", known.parameters)
    people = slice(0, _PEOPLE)
    return Completed.of(
        {name: column[people] for name, column in split.parameters.items()},
        {name: estimate[name][people] for name in HIDDEN_BY_RATIO if name in estimate},
        ratio[people],
        misses,
        described.priors,
        np.random.default_rng((described.population.seed, 17)),
    )


def _csv(predictions: pd.DataFrame) -> str:
    """The first column as whole numbers, the others with seven digits; pandas takes four times as long over it."""
    form = ",".join(["%d", *["%.7g"] * (predictions.shape[1] - 1)])
    lines = [",".join(predictions.columns), *(form % tuple(row) for row in predictions.to_numpy().tolist())]
    return "\n".join(lines) + "\n"


def _dataset(run_folder: AnyPath, config: dict, data: AnyPath | None) -> Manifest:
    """The dataset that the run was trained on: on any other, test records may have been training records."""
    described = manifest.read(data or files.as_path(config["data"]))
    if described.identity != config["dataset"]:
        raise InputError(
            f"{run_folder} was trained on dataset {config['dataset']}, but {described.folder} holds dataset "
            f"{described.identity}. Only the test split of the former is sure to be new to the network: "
            "make it again, or say with --data where it is now."
        )
    return described

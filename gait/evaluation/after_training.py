"""Evaluation of a trained network: what it has recovered, beside what any estimator could reach."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from gait import scripting
from gait.data.dataset import Dataset, open_dataset
from gait.diagnostics.calibration import RatioCalibration, calibrate_ratio_posterior
from gait.diagnostics.posterior_scores import PosteriorScores
from gait.diagnostics.scores import Score, flat, score
from gait.errors import InputError
from gait.evaluation.levels import LEVELS, KeptLevels
from gait.evaluation.posterior_run import REFINED, column_of, evaluate_posterior, write_posterior
from gait.evaluation.remedies import remedy
from gait.inference.ratio import ratio_name
from gait.limits.analysis import LOCAL, ScenarioAnalysis, analyse_scenario
from gait.limits.noise import WALKERS
from gait.parameters import QUANTITIES, derive, determined, named
from gait.report.calibration import CALIBRATION, plot_ratio_calibration
from gait.report.learning_curves import plot_learning_curves
from gait.report.posterior import posterior_report
from gait.report.recovery import SCATTER, plot_recovery, recovery_report, recovery_table
from gait.report.style import save
from gait.scenarios import Scenario
from gait.storage import files
from gait.storage.files import AnyPath
from gait.training.run import FinishedRun, load_run

REPORT, METRICS_TABLE, PREDICTIONS = "report.md", "metrics.csv", "predictions.csv"
CALIBRATION_DATA = "completion.json"
"""Files of an evaluation in the folder of a run, beside the figures."""
_CALIBRATED = 10_000  # records of the test split, for the coverage; and of the validation split, for the error
_CALIBRATION_STREAM = 17

Table = Mapping[str, np.ndarray]
Best = Mapping[str, np.ndarray | None]


@dataclasses.dataclass(frozen=True)
class RunEvaluation:
    """Result of `evaluate_run`.

    Attributes:
        folder: folder of the run.
        scores: score of each target, and of what the targets determine, by name.
        predictions: one row a record of the test split: `record`, and of each target `NAME` and `NAME_estimate`.
        analysis: what any estimator could know.
        calibration: coverage of the posterior of mass and stiffness; None if k/m is not estimated, or more than
            k/m can be known, or for a posterior network.
        posterior: scores of the posteriors of a network that estimates them, else None.
        files: names of the files written.
    """

    folder: AnyPath
    scores: dict[str, Score]
    predictions: pd.DataFrame
    analysis: ScenarioAnalysis
    calibration: RatioCalibration | None
    posterior: PosteriorScores | None
    files: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """The verdict on each target and on the calibration, in plain words."""
        sources = self.analysis.scenario.sources
        return [entry.sentence(sources) for entry in self.scores.values()] + self._calibration_sentence

    @property
    def _calibration_sentence(self) -> list[str]:
        if self.posterior is not None:
            return self.posterior.sentences()
        return [] if self.calibration is None else [self.calibration.sentence()]

    def summary(self) -> str:
        """A narrow table with the advice and the basis of its ceilings below it, for a terminal of 100 columns."""
        study = self.analysis.noise_study
        noise = study.sentences() if study is not None else [LOCAL] if self.analysis.scenario.noise else []
        return recovery_table(self.scores, self._calibration_sentence + noise)


def evaluate_run(
    folder: AnyPath | str,
    data: AnyPath | str | None = None,
    *,
    formats: Sequence[str] = (),
    walkers: int = WALKERS,
    seed: int = 0,
    progress: bool = False,
) -> RunEvaluation:
    """Evaluates a finished run on the test split and writes scores, predictions, figures and report into its folder.

    The folders of run and dataset are read before TensorFlow is loaded, so that a wrong path is refused at once.

    Args:
        folder: folder of a finished run, see `gait.training.fitting.train`.
        data: folder of the dataset that the run was trained on, if it has moved since.
        formats: formats of `gait.report.style.FORMATS` in which figures are written beside PNG.
        walkers: with noise, number of fresh walkers whose posteriors tell what is possible, kept in levels.json; 0
            for local bounds, which are quick and can promise far too much.
        seed: key of these walkers.
        progress: whether a bar shows how far they are.

    Raises:
        InputError: if the run is not finished, its files are damaged, or the dataset is another one.
    """
    run = load_run(folder)
    dataset = _dataset_of(run, data)
    quantities = _scored_quantities(run.scenario)
    noisy = run.scenario.noise is not None
    found = _analyse_noise(run, dataset, quantities, walkers, seed, progress) if noisy else None
    with ThreadPoolExecutor(1) as pool:  # what needs no network is computed beside it
        analysing = pool.submit(
            lambda: found or analyse_scenario(run.scenario, dataset.priors, dataset.settings, quantities=quantities)
        )
        with scripting.quiet_stderr():
            importlib.import_module("gait.training.network")  # loads TensorFlow and Keras, without their notices
        truth, estimates = _predict(run, dataset, "test", quantities)
        analysis = analysing.result()
        calibrating = pool.submit(_calibrate, run, dataset, analysis, truth, estimates)
        best = {name: analysis.best_estimate(name, truth) for name in quantities}
        predictions = _predictions(quantities, truth, estimates)
        scores = {
            name: score(
                name,
                predictions[name].to_numpy(),
                predictions[f"{name}_estimate"].to_numpy(),
                analysis.ceilings[name],
                analysis.identifiability[name],
                analysis.advice,
                best[name],
                analysis.noise_study,
                remedy(run.history, name, run.config.settings),
            )
            for name in quantities
        }
        calibration = calibrating.result()
    posterior = None
    if run.config.head is not None:  # minutes, which Ctrl-C can end, so in no other thread
        split = dataset.load("test", run.scenario.inputs)
        posterior = evaluate_posterior(
            run, analysis, quantities, run.inputs(split, "test"), truth,
            refine=REFINED if walkers else 0, exact=walkers, seed=seed, progress=progress,
        )  # fmt: skip
    with files.locked(run.folder):
        names = _write_scores(run, analysis, scores, predictions, best, formats, posterior)
        names += _write_report(run, dataset, scores, calibration, analysis, formats, posterior)
    return RunEvaluation(run.folder, scores, predictions, analysis, calibration, posterior, names)


def _analyse_noise(
    run: FinishedRun, dataset: Dataset, quantities: Sequence[str], walkers: int, seed: int, progress: bool
) -> ScenarioAnalysis:
    """The analysis of a scenario with noise: minutes, which Ctrl-C can end, so in no other thread."""
    with files.locked(run.folder):
        analysis = analyse_scenario(
            run.scenario, dataset.priors, dataset.settings, quantities=quantities, walkers=walkers, seed=seed,
            progress="walkers in this noise" if progress else "",
            known=KeptLevels(run.folder) if walkers else None,
        )  # fmt: skip
    if analysis.noise_study is not None:
        return analysis
    local = {name: dataclasses.replace(ceiling, local_r2=ceiling.r2) for name, ceiling in analysis.ceilings.items()}
    return dataclasses.replace(analysis, ceilings=local)


def _scored_quantities(scenario: Scenario) -> tuple[str, ...]:
    """Targets, and the quantities that they determine, with what is measured once."""
    derived = (name for name in determined(scenario.measured + scenario.targets) if QUANTITIES[name].derive)
    return tuple(dict.fromkeys((*scenario.targets, *derived)))


def _dataset_of(run: FinishedRun, data: AnyPath | str | None) -> Dataset:
    """The dataset that the run was trained on: on any other, test records may have been training records."""
    if data is None:
        data = files.as_path(run.config.data)
        if not data.is_dir():
            raise InputError(
                f"There is no dataset at {data}, on which {run.folder} was trained. If it has moved, say where it is: "
                f"{scripting.command('python', 'evaluate.py', f'--run={run.folder}', '--data=FOLDER')}"
            )
    scenario = run.scenario
    dataset = open_dataset(data).viewed(scenario.duration, scenario.interval)
    if dataset.identity != run.config.dataset:
        raise InputError(
            f"{run.folder} was trained on dataset {run.config.dataset}, but {dataset.folder} holds dataset "
            f"{dataset.identity}. Only the test split of the former is sure to be new to the network: "
            "make it again, or say with --data where it is now."
        )
    return dataset


# Numbers -------------------------------------------------------------------------------------


def _predict(
    run: FinishedRun, dataset: Dataset, name: str, quantities: Sequence[str] = (), enough: int | None = None
) -> tuple[Table, Table]:
    """True parameters and the network's estimates of a split's records, or of enough of them, by name.

    Estimates of a posterior network are the means of all quantities.
    """
    scenario, split = run.scenario, dataset.load(name, run.scenario.inputs, enough=enough)
    inputs = run.inputs(split, name)
    truth = {parameter: split.parameters[parameter].to_numpy() for parameter in dataset.parameters}
    if run.config.head is not None:
        return truth, named(quantities, run.answers(inputs).moments(quantities)[0])
    measured = inputs[:, len(scenario.inputs) * dataset.samples :]
    columns = np.concatenate([measured, run.predict(inputs)], axis=1).astype(np.float64)
    return truth, named(scenario.measured + scenario.targets, columns)


def _predictions(quantities: Sequence[str], truth: Table, estimates: Table) -> pd.DataFrame:
    """Content of predictions.csv."""
    columns = {"record": np.arange(len(next(iter(truth.values()))))}
    for name in quantities:
        columns |= {name: column_of(name, truth), f"{name}_estimate": column_of(name, estimates)}
    return pd.DataFrame(columns)


def _calibrate(
    run: FinishedRun, dataset: Dataset, analysis: ScenarioAnalysis, truth: Table, estimates: Table
) -> RatioCalibration | None:
    """Coverage of the posterior of mass and stiffness given the network's k/m.

    The errors of k/m are taken from the validation split: the test split is for counting only.
    """
    posterior = analysis.ratio_posterior
    if posterior is None or run.config.head is not None:
        return None
    names = [ratio_name(stiffness) for stiffness in posterior.stiffnesses]
    if any(derive(name, estimates) is None for name in names):
        return None
    known, guessed = _predict(run, dataset, "validation", enough=_CALIBRATED)
    counted = slice(0, _CALIBRATED)
    return calibrate_ratio_posterior(
        posterior,
        {name: column[counted] for name, column in truth.items()},
        {name: estimates[name][counted] for name in posterior.targets if name in estimates},
        _columns(names, estimates)[counted],
        _columns(names, guessed) - _columns(names, known),
        np.random.default_rng((dataset.population.seed, _CALIBRATION_STREAM)),
    )


def _columns(names: Sequence[str], table: Table) -> np.ndarray:
    """Quantities of a table, shape [n, names]."""
    return np.stack([column_of(name, table) for name in names], axis=1)


# Files ---------------------------------------------------------------------------------------


def _write_scores(
    run: FinishedRun,
    analysis: ScenarioAnalysis,
    scores: Mapping[str, Score],
    predictions: pd.DataFrame,
    best: Best,
    formats: Sequence[str],
    posterior: PosteriorScores | None,
) -> tuple[str, ...]:
    """Writes scores, predictions and their figures; returns the names of the files."""
    entries = {name: entry.to_dict() for name, entry in scores.items()}
    files.write_json(run.run.metrics, entries)
    files.write_text(run.folder / METRICS_TABLE, _metrics_csv(entries))
    files.write_text(run.folder / PREDICTIONS, _predictions_csv(predictions))
    figures = save(plot_recovery(predictions, scores, best), run.folder / SCATTER, formats)
    curves = run.run.learning_curves
    local = run.scenario.noise is not None and analysis.noise_study is None
    # Training has drawn them, and they do not change, but for exact ceilings in noise.
    if posterior is not None:
        figures += write_posterior(run, posterior, formats)
    elif formats or not curves.exists() or analysis.noise_study is not None:
        ceilings = {name: analysis.ceilings[name] for name in run.targets}
        figures += save(plot_learning_curves(run.history, ceilings, local=local), curves, formats)
    else:
        figures.append(curves.name)
    kept = [] if analysis.noise_study is None else [LEVELS]
    return run.run.metrics.name, METRICS_TABLE, PREDICTIONS, *kept, *figures


def _write_report(
    run: FinishedRun,
    dataset: Dataset,
    scores: Mapping[str, Score],
    calibration: RatioCalibration | None,
    analysis: ScenarioAnalysis,
    formats: Sequence[str],
    posterior: PosteriorScores | None,
) -> tuple[str, ...]:
    """Writes the calibration, if there is one, and the report; returns the names of the files."""
    names: tuple[str, ...] = (REPORT,)
    if calibration is not None:
        files.write_json(run.folder / CALIBRATION_DATA, calibration.to_dict())
        figures = save(plot_ratio_calibration(calibration, dataset.priors), run.folder / CALIBRATION, formats)
        names += (CALIBRATION_DATA, *figures)
    basis = _basis(run, dataset)
    section = "" if posterior is None else posterior_report(posterior)
    text = recovery_report(run.scenario, dataset.samples, scores, calibration, basis, analysis.noise_study, section)
    files.write_text(run.folder / REPORT, text)
    return names


def _basis(run: FinishedRun, dataset: Dataset) -> list[str]:
    settings, result = run.config.settings, run.result
    return [
        f"Data: {dataset.folder} (dataset {dataset.identity}). {dataset.summary()}",
        f"Training: {result.epochs} epochs in batches of {settings.batch_size}, {settings.optimizer} with learning "
        f"rate {settings.learning_rate:g} ({settings.schedule}), {settings.layers} hidden layers of {settings.units} "
        f"units, {settings.activation}, seed {settings.seed}. It took {result.seconds:.0f} s. The kept weights have "
        f"the lowest validation loss, {result.best_val_loss:.6f} after epoch {result.best_epoch}.",
        "The test split was used for this report only.",
    ]


def _metrics_csv(entries: Mapping[str, dict]) -> str:
    """One row a target, with the two ends of an interval as columns of their own."""
    rows = [{"quantity": name} | flat(entry) for name, entry in entries.items()]
    return pd.DataFrame(rows).to_csv(index=False)


def _predictions_csv(predictions: pd.DataFrame) -> str:
    """The first column as whole numbers, the others with seven digits; pandas takes four times as long."""
    form = ",".join(["%d", *["%.7g"] * (predictions.shape[1] - 1)])
    lines = [",".join(predictions.columns), *(form % tuple(row) for row in predictions.to_numpy().tolist())]
    return "\n".join(lines) + "\n"

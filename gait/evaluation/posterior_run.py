"""Evaluation of a posterior network: log probability, coverage, contraction, and refinement by the engine."""

from __future__ import annotations

import collections
import time
from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from gait.diagnostics.calibration import DRAWS
from gait.diagnostics.posterior_scores import (
    Contraction,
    Example,
    Mean,
    PosteriorScores,
    Refinement,
    ranked_coverage,
)
from gait.inference.network_posterior import NetworkAnswers
from gait.inference.posterior import Posterior, posteriors
from gait.inference.walker import Walker
from gait.limits.analysis import ScenarioAnalysis
from gait.parameters import QUANTITIES, derive
from gait.report.log_probability import plot_log_probability
from gait.report.posterior import EXAMPLES, RANKS, plot_posterior_examples, plot_ranks
from gait.report.style import save
from gait.simulation.forward_model import ForwardModel
from gait.storage import files
from gait.streams import redraw_interval
from gait.training.run import FinishedRun

POSTERIOR_DATA = "posterior.json"
"""File of a posterior network's scores, in the folder of its run."""
REFINED = 300
"""Records of the test split whose posteriors are refined."""
_COUNTED = 10_000  # records of the test split, for coverage
_DRAWS = 2000  # of a refined posterior, and of an example
_EXAMPLES = 0.1, 0.5, 0.9  # shares of refined walkers with a lower first coordinate
_STREAM = 23

Table = Mapping[str, np.ndarray]


def evaluate_posterior(
    run: FinishedRun,
    analysis: ScenarioAnalysis,
    quantities: Sequence[str],
    inputs: np.ndarray,
    truth: Table,
    *,
    refine: int = REFINED,
    exact: int = 0,
    seed: int = 0,
    progress: bool = False,
) -> PosteriorScores:
    """Scores a network's posteriors on records of the test split.

    Args:
        run: of a posterior network.
        analysis: what any estimator could know.
        quantities: names of quantities that follow from its coordinates.
        inputs: of the network, shape [n, inputs].
        truth: true parameters by name, shape [n].
        refine: number of records whose posteriors are made exact, beginning at the network's; 0 for none.
        exact: number of these whose posteriors are found without the network, too.
        seed: key of all random numbers.
        progress: whether a bar shows how far the exact posteriors are.
    """
    generator = np.random.default_rng((seed, _STREAM))
    answers = run.answers(inputs)
    coordinates = answers.coordinates
    _, variances = answers.moments(quantities)
    counted = slice(0, _COUNTED)
    first = NetworkAnswers(coordinates, answers.mixtures[counted], {n: c[counted] for n, c in answers.given.items()})
    draws, prior = first.draw(DRAWS, generator), coordinates.draw_prior(_DRAWS * 10, generator)
    columns = {name: column_of(name, truth) for name in quantities}
    refined: list[Posterior] = []
    refinement = None
    if refine and run.scenario.noise is not None:
        refinement, refined = _refine(run, analysis.model, answers, inputs, truth, refine, exact, seed, progress)
    return PosteriorScores(
        parameters=coordinates.parameters,
        log_p=Mean.of(answers.log_prob(truth)),
        log_prior=coordinates.log_prior(),
        coverages={
            name: ranked_coverage(columns[name][counted], column_of(name, draws), column_of(name, prior), generator)
            for name in quantities
        },
        contractions={
            name: Contraction.of(columns[name], variances[:, i], analysis.ceilings[name].r2)
            for i, name in enumerate(quantities)
        },
        refinement=refinement,
        examples=_examples(answers, truth, quantities, refined, seed),
        prior={name: column_of(name, prior) for name in quantities},
    )


def column_of(name: str, table: Table) -> np.ndarray:
    """A quantity of a table that is known to determine it.

    Args:
        name: of the quantity.
        table: name → values, shape [n] each.
    """
    found = derive(name, table)
    if found is None:
        raise ValueError(f"{name} does not follow from {', '.join(table)}")
    return found


def _refine(
    run: FinishedRun, model: ForwardModel, answers: NetworkAnswers, inputs: np.ndarray, truth: Table, refine: int,
    exact: int, seed: int, progress: bool,
) -> tuple[Refinement, list[Posterior]]:  # fmt: skip
    """Refined posteriors of the first records, and how good they are."""
    count = min(refine, len(inputs))
    rows = inputs[:count]
    known = {name: np.asarray(column)[:count] for name, column in truth.items()}
    list(run.refined(rows[:1], answers, _DRAWS, seed))  # makes the bank
    began = time.process_time()
    refined = list(_with_bar(run.refined(rows, answers, _DRAWS, seed), count, "refined posteriors", progress))
    seconds = (time.process_time() - began) / count
    log_p, log_error = _log_p(run, refined, known, seed)
    able = np.isfinite(log_p)
    network = answers.log_prob(truth)[:count]
    others = posteriors(Walker(model, {}), rows[: min(exact, count)].astype(float), dict(run.scenario.noise or {}),
                        draws=_DRAWS, seed=seed + 1)  # fmt: skip
    found = list(_with_bar(others, min(exact, count), "exact posteriors", progress and exact > 0)) if exact else []
    exact_log_p, exact_error = _log_p(run, found, known, seed + 1)
    passed = np.array([one.accepted and other.accepted for one, other in zip(refined, found, strict=False)], bool)
    sound = np.isfinite(exact_log_p) & able[: len(found)] & passed
    both = log_p[: len(found)][sound] - exact_log_p[sound]
    reasons = collections.Counter(posterior.reason for posterior in refined if not posterior.accepted)
    return Refinement(
        network=Mean.of(network[able]),
        refined=Mean.of(log_p[able], log_error[able]),
        exact=Mean.of(exact_log_p[sound], exact_error[sound]),
        difference=Mean.of(both),
        accepted=float(np.mean([posterior.accepted for posterior in refined])),
        guided=float(np.mean(["guided" in posterior.method for posterior in refined])),
        effective=float(np.median([posterior.ess for posterior in refined])),
        draws=_DRAWS,
        reasons=dict(reasons),
        seconds=seconds,
    ), refined


def _with_bar(found, count: int, title: str, progress: bool):
    return tqdm(found, title, count, unit=" records", mininterval=redraw_interval(), leave=False) if progress else found


def _log_p(run: FinishedRun, found: Sequence[Posterior], truth: Table, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Log probability of the truth in each posterior, and its error, shape [n]; NaN where it is not defined.

    It is, if the network's density is about all subject parameters, or about the ratios and the others.
    """
    coordinates = run.config.posterior_coordinates
    assert coordinates is not None
    values, errors = np.full(len(found), np.nan), np.full(len(found), np.nan)
    for number, posterior in enumerate(found):
        whole = set(coordinates.parameters) == set(posterior.subject)
        by_ratio = not posterior.sized and not coordinates.completed
        rest = {name for name in posterior.subject if QUANTITIES[name].unit not in ("kg", "N/m")}
        if not len(posterior.draws) or not (whole or (by_ratio and rest <= set(coordinates.parameters))):
            continue
        own = {name: np.atleast_1d(column_of(name, truth)[number]) for name in coordinates.parameters}
        value, error = posterior.log_prob_with_error(own, seed=seed)
        values[number], errors[number] = float(value[0]), float(error[0])
    return values, errors


def _examples(
    answers: NetworkAnswers, truth: Table, quantities: Sequence[str], refined: Sequence[Posterior], seed: int
) -> tuple[Example, ...]:
    """Three walkers, with their exact posteriors if there are any."""
    usable = [number for number, posterior in enumerate(refined) if posterior.accepted] or list(
        range(min(len(answers), REFINED))
    )
    key = column_of(answers.coordinates.names[0], truth)
    order = sorted(usable, key=lambda number: key[number])
    found = []
    for number in (order[int(share * (len(order) - 1))] for share in _EXAMPLES):
        own = NetworkAnswers(answers.coordinates, answers.mixtures[number : number + 1],
                             {n: c[number : number + 1] for n, c in answers.given.items()})  # fmt: skip
        drawn = own.draw(_DRAWS, np.random.default_rng((seed, number)))
        exact = None
        if refined:
            exact = {name: refined[number].values(name) for name in quantities} | {"weights": refined[number].weights}
        found.append(Example(
            {name: float(column_of(name, truth)[number]) for name in quantities},
            {name: column_of(name, drawn)[0] for name in quantities},
            exact,
        ))  # fmt: skip
    return tuple(found)


def write_posterior(run: FinishedRun, posterior: PosteriorScores, formats: Sequence[str]) -> list[str]:
    """Writes scores and figures of a posterior network into the folder of its run.

    Args:
        run: of the network.
        posterior: its scores.
        formats: formats of `gait.report.style.FORMATS` in which figures are written beside PNG.

    Returns:
        Names of the files.
    """
    files.write_json(run.folder / POSTERIOR_DATA, posterior.to_dict())
    found, exact = posterior.refinement, None
    if found is not None and found.exact.n:
        exact = found.exact.value, found.exact.error
    curves = plot_log_probability(run.history, posterior.log_prior, exact)
    figures = save(curves, run.run.learning_curves, formats)
    figures += save(plot_posterior_examples(posterior), run.folder / EXAMPLES, formats)
    figures += save(plot_ranks(posterior), run.folder / RANKS, formats)
    return [POSTERIOR_DATA, *figures]

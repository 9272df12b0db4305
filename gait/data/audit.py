"""The audit: some records of a dataset, integrated again by the reference engine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from tqdm import tqdm

from gait.data.manifest import Audit, Plan, ShardEntry
from gait.data.reading import read_record
from gait.data.records import parse
from gait.errors import InputError
from gait.parameters import named
from gait.simulation import taylor
from gait.simulation.channels import observe
from gait.simulation.conditions import Conditions, Walks
from gait.simulation.walks import integrate
from gait.storage.files import AnyPath
from gait.streams import redraw_interval

AUDIT_LIMIT = 1e-6
"""Largest accepted distance [m] of an audited record from the reference engine."""
SLIP = 2500 * taylor.TOLERANCE
"""Change [m] of the initial height that does at least as much to a walk as all steps of the engine together.

Those of 5,000 walks that erred by more than 1e-10 m did so as after a change of up to a fifth of it.
"""


def audit_records(
    folder: AnyPath, plan: Plan, shards: Mapping[str, ShardEntry], count: int, progress: bool = False
) -> Audit:
    """Integrates some records again with the reference engine, in float64.

    The records are drawn from all splits. Each is read back from its shard; its values must be
    the engine's to the last bit of float32, and the engine's positions must agree with the
    reference to `AUDIT_LIMIT`. About one walk in 3,000 comes so close to a stumble that the rounding
    of its initial values alone moves it further than that. For such a walk the limit is what a
    change of its initial height by `SLIP` does, and the manifest says so.

    Args:
        folder: of the dataset.
        plan: of the dataset.
        shards: its files, in the order of their records.
        count: number of records to audit.
        progress: whether to show a progress bar on stderr.

    Returns:
        The result, for the manifest.

    Raises:
        InputError: if a record on disk is not the engine's, or the engine's not the reference's.
    """
    generator = np.random.default_rng((plan.population.seed, 16))
    chosen = np.sort(generator.choice(plan.total, min(count, plan.total), replace=False))
    names, samples = plan.population.names, plan.settings.times.size
    worst, worst_record, sensitive = 0.0, None, {}
    for record in tqdm(chosen.tolist(), "Audit", unit=" records", mininterval=redraw_interval(), disable=not progress):
        serialised = read_record(folder, plan, shards, record)
        inputs, parameters = parse([serialised], plan.channels, samples)
        conditions = Conditions.of(named(names, parameters.numpy()), plan.settings.gravity)
        walks = integrate(conditions, plan.settings, plan.engine)
        observed = observe(plan.channels, walks.samples, conditions)[:, 0].astype(np.float32)
        if not np.array_equal(inputs.numpy()[0], observed.reshape(-1)):
            raise InputError(
                f"Audit: record {record} on disk is not what the engine computes from its parameters. "
                "Delete the dataset with --overwrite and make it anew."
            )
        difference = _distance(walks, integrate(conditions, plan.settings, "scipy"))
        if difference > AUDIT_LIMIT:
            limit = max(AUDIT_LIMIT, rounding(plan, parameters.numpy()[0]))
            if difference > limit:
                walker = dict(zip(names, parameters.numpy()[0].tolist(), strict=True))
                raise InputError(
                    f"Audit: record {record} ({walker}) differs by {difference:.2e} m from the scipy reference. The "
                    f"limit is {limit:g} m. The dataset stays unfinished. Please report this record, or make the "
                    "dataset with --engine=scipy."
                )
            sensitive[str(record)] = {"difference_m": difference, "limit_m": limit}
        if worst_record is None or difference > worst:
            worst, worst_record = difference, record
    return Audit(len(chosen), AUDIT_LIMIT, worst, worst_record, sensitive)


def _distance(walks: Walks, others: Walks) -> float:
    """Largest distance [m] between positions; infinite where one walk ended before the other."""
    difference = np.abs(walks.samples[:2] - others.samples[:2])
    return float(np.where(np.isnan(difference), np.inf, difference).max())


def rounding(plan: Plan, parameters: np.ndarray) -> float:
    """How far [m] a change of the initial height by `SLIP` moves a walk of given parameters, shape [p]."""

    def walk(change: float) -> Walks:
        walker = named(plan.population.names, parameters[None])
        walker["y0"] = walker["y0"] + change
        return integrate(Conditions.of(walker, plan.settings.gravity), plan.settings, plan.engine)

    moved = _distance(walk(0.0), walk(SLIP))
    return moved if np.isfinite(moved) else 0.0

"""The audit: some records of a dataset, integrated again by the reference engine."""

from __future__ import annotations

import numpy as np

from gait.simulation.channels import observe
from gait.data.records import parse, serialised
from gait.errors import InputError
from gait.simulation import taylor
from gait.data.manifest import Manifest
from gait.parameters import NAMES
from gait.simulation.population import Population

AUDIT_LIMIT = 1e-6
"""Largest accepted distance [m] of an audited record from the reference engine."""
SLIP = 2500 * taylor.TOLERANCE
"""Change [m] of the initial height that does at least as much to a walk as all steps of the engine together.

Those of 5,000 walks that erred by more than 1e-10 m did so as after a change of up to a fifth of it.
"""


def audit_records(described: Manifest, population: Population, count: int) -> dict:
    """Integrates some records again with the reference engine, in float64.

    The records are drawn from all splits. Each is read back from its shard; its values must be
    the engine's to the last bit of float32, and the engine's positions must agree with the
    reference to `AUDIT_LIMIT`. About one walk in 3,000 comes so close to a stumble that the rounding
    of its initial values alone moves it further than that. For such a walk the limit is what a
    change of its initial height by `SLIP` does, and the manifest says so.

    Returns:
        For the manifest: number of records, limit [m], worst difference [m] and its record, and the
        records to which a wider limit was applied, with difference and limit [m].

    Raises:
        InputError: if a record on disk is not the engine's, or the engine's not the reference's.
    """
    total = sum(described.content["records"].values())
    chosen = np.sort(np.random.default_rng((population.seed, 16)).choice(total, min(count, total), replace=False))
    worst, worst_record, sensitive = 0.0, None, {}
    for record in chosen.tolist():
        inputs, parameters = parse([serialised(described, record)], described.channels, described.samples)
        parameters = parameters.numpy()
        engine = population.integrate(parameters)
        observed = observe(described.channels, engine.samples, population.conditions(parameters))
        observed = observed[:, 0].astype(np.float32)
        if not np.array_equal(inputs.numpy()[0], observed.reshape(-1)):
            raise InputError(
                f"Audit: record {record} on disk is not what the engine computes from its parameters. "
                "Delete the dataset with --overwrite and make it anew."
            )
        reference = population.integrate(parameters, engine="scipy")
        difference = _distance(engine.samples, reference.samples)
        if difference > AUDIT_LIMIT:
            limit = max(AUDIT_LIMIT, rounding(population, parameters[0]))
            if difference > limit:
                raise InputError(
                    f"Audit: record {record} ({dict(zip(NAMES, parameters[0].tolist(), strict=True))}) differs by "
                    f"{difference:.2e} m from the scipy reference; the limit is {limit:g} m. The dataset stays "
                    "unfinished. Please report this record, or make the dataset with --engine=scipy."
                )
            sensitive[record] = {"difference_m": difference, "limit_m": limit}
        if worst_record is None or difference > worst:
            worst, worst_record = difference, record
    return {
        "records": len(chosen),
        "limit_m": AUDIT_LIMIT,
        "worst_m": worst,
        "worst_record": worst_record,
        "sensitive": sensitive,
    }


def _distance(samples: np.ndarray, others: np.ndarray) -> float:
    """Largest distance [m] between positions; infinite where one walk ended before the other."""
    difference = np.abs(samples[:2] - others[:2])
    return float(np.where(np.isnan(difference), np.inf, difference).max())


def rounding(population: Population, parameters: np.ndarray) -> float:
    """How far [m] a change of the initial height by `SLIP` moves a walk."""
    nearby = np.stack([parameters, parameters])
    nearby[1, NAMES.index("y0")] += SLIP
    samples = population.integrate(nearby).samples
    moved = _distance(samples[:, :1], samples[:, 1:])
    return moved if np.isfinite(moved) else 0.0

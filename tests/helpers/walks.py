"""Draws of the paper's walkers, and small datasets."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from gait.data.manifest import Plan
from gait.parameters import NAMES, PAPER_PRIORS, Uniform, draw
from gait.simulation import taylor
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.model import Outcome, Phase, TouchdownRule, acceleration, rear_gap
from gait.simulation.population import Population
from gait.simulation.walks import _conditions

SMALL_NETWORK = {"layers": 2, "units": 8}
"""Settings of a training that is about something else: the paper's network takes three times as long to build."""


def paper_draws(count: int, seed: int) -> dict[str, np.ndarray]:
    """Arguments of `gait.simulate` for raw draws of the paper's priors, walking or not."""
    values = draw(NAMES, PAPER_PRIORS, count, np.random.default_rng(seed))
    return dict(zip(NAMES, values.T, strict=True))


def extreme_draws(count: int, rule: TouchdownRule, seed: int) -> Conditions:
    """Walkers far outside the paper's priors: children and giants with unequal legs, from the Moon to Jupiter.

    Stiffness and speed are drawn relative to weight and leg, so that a share of them walks and the others end in
    every way.
    """
    generator = np.random.default_rng((seed, rule))

    def uniform(low, high, *shape):
        return generator.uniform(low, high, (count, *shape))

    def log_uniform(low, high):
        return np.exp(uniform(np.log(low), np.log(high)))

    gravity, mass, rest_length = log_uniform(1.6, 25.0), log_uniform(30.0, 150.0), uniform(0.4, 1.3)
    stiffness = log_uniform(8.0, 50.0) * mass * gravity / rest_length
    step_length, angle = rest_length * uniform(0.4, 0.85), np.deg2rad(uniform(62.0, 78.0))
    return _conditions(
        mass, stiffness[:, None] * uniform(0.94, 1.06, 2), rest_length[:, None] * uniform(0.97, 1.03, 2),
        rest_length * uniform(-0.1, 0.1), uniform(0.0, 1.5) * mass * gravity / stiffness,
        np.sqrt(gravity * rest_length) * uniform(0.15, 0.7), 0.0,
        step_length if rule == TouchdownRule.STEP_LENGTH else None,
        angle if rule == TouchdownRule.ANGLE_OF_ATTACK else None, gravity,
    )  # fmt: skip


def some_of(given: Conditions, numbers) -> Conditions:
    """The walkers of some numbers."""
    names = [field.name for field in dataclasses.fields(given) if field.name != "rule"]
    return dataclasses.replace(given, **{name: getattr(given, name)[numbers] for name in names})


def short_flights(given: Conditions, duration: float, longest: float) -> np.ndarray:
    """Numbers of walkers that leave the ground for less than `longest` [s], as a parabola through the gap has it.

    The compiled engine tells their state up to 0.01 s before the flight.
    """
    walks = taylor.integrate(given, RecordingSettings(duration, 0.01).times, duration)
    (numbers,) = np.nonzero((walks.outcome == Outcome.FLIGHT) & (walks.events.sum(axis=1) % 2 == 0))
    last = np.isfinite(walks.x[numbers]).sum(axis=1) - 1
    x, y, vx, vy = (samples[numbers, last] for samples in (walks.x, walks.y, walks.vx, walks.vy))
    takeoffs = walks.events[numbers, 1]
    footholds = np.pad(walks.foothold, [(0, 0), (1, 0)])  # the first of all is at 0
    x = x - footholds[numbers, takeoffs]
    leg = takeoffs % 2
    rho, length = given.stiffness[numbers, leg] / given.mass[numbers], given.rest_length[numbers, leg]
    ax, ay = acceleration(Phase.SINGLE_SUPPORT, x, y, 0.0, rho, length, rho, length, given.gravity[numbers])
    gap, rate = rear_gap(x * x + y * y, length), 2.0 * (x * vx + y * vy)
    bend = 2.0 * (vx * vx + vy * vy + x * ax + y * ay)
    top = gap - rate**2 / (2.0 * bend)
    is_flight = (bend < 0.0) & (rate > 0.0) & (top > 0.0)
    return numbers[is_flight & (8.0 * top < -bend * longest**2)]


def small_plan(
    records: int = 200,
    seed: int = 3,
    channels: tuple[str, ...] = ("x", "y"),
    shards: int | None = None,
    duration: float = 3.0,
    priors: dict[str, Uniform] = PAPER_PRIORS,
    **others,
) -> Plan:
    """A dataset of short walks that takes a moment to write."""
    settings = RecordingSettings(duration=duration)
    return Plan.of(Population(priors, seed), settings, records=records, channels=channels, shards=shards, **others)


def files_of(folder) -> dict[str, str]:
    """Checksums of the shards in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("[!.]*.tfrecord")}

"""Additional measurements: what each would tell that is not known without it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from gait.identifiability.analysis import analyse
from gait.identifiability.findings import Identifiability
from gait.limits.ceilings import identifiability_of
from gait.simulation.channels import CHANNELS
from gait.simulation.forward_model import ForwardModel

ACCURACY = 1e-8
"""Relative accuracy of the compiled engine over 15 s, as tests against the reference have it. Its error changes
smoothly with the walker, so that it cannot be measured from recordings alone."""
POINTS_OF_ADDITIONS = 10
"""Walkers at which derivatives are taken for each additional measurement."""
_ADDITIONS = (
    ("the body mass", (), ("mass",)),
    ("the vertical ground reaction force in newtons", ("fy",), ()),
    ("the forward ground reaction force in newtons", ("fx",), ()),
    ("the acceleration of the centre of mass", ("ax", "ay"), ()),
    ("the ground reaction force in body weights", ("fx_bw", "fy_bw"), ()),
    ("the length of the stance leg", ("leg_length",), ()),
)
"""What could be measured in addition: in words, as channels, and as parameters that are measured once."""


@dataclasses.dataclass(frozen=True)
class AdditionalMeasurement:
    """Effect of one more measurement.

    Attributes:
        measurement: what would be measured, in words.
        recovers: names of the quantities that could be known with it and cannot be known without.
    """

    measurement: str
    recovers: tuple[str, ...]


def additional_measurements(
    model: ForwardModel, missing: Sequence[str], seed: int
) -> tuple[AdditionalMeasurement, ...]:
    """Finds the effect of each additional measurement on the missing quantities, without noise.

    Measurements that are made anyway are left out, and so is more of what helps already.
    """
    found: list[AdditionalMeasurement] = []
    known: dict = {}  # the same walkers, of whom more and more is measured
    helpful: list[tuple[str, ...]] = []
    for words, channels, measured in _ADDITIONS if missing else ():
        if any(CHANNELS[name].on_footholds for name in channels) and "step_length" not in model.unknowns:
            continue
        added = tuple(name for name in channels if name not in model.channels)
        once = tuple(name for name in measured if name not in model.measured)
        if not (added or once) or any(set(fewer) <= set(channels) for fewer in helpful):
            continue
        more = dataclasses.replace(model, channels=model.channels + added, measured=model.measured + once)
        points = more.draw(POINTS_OF_ADDITIONS, np.random.default_rng(seed))
        report = analyse(
            functools.partial(more.outputs, known=known), points, more.symbols,
            prior_sd=more.prior_sd, accuracy=ACCURACY, fits=0, seed=seed,
        )  # fmt: skip
        recovered = tuple(
            name for name in missing if identifiability_of(name, report, model.unknowns) == Identifiability.RECOVERABLE
        )
        found.append(AdditionalMeasurement(words, recovered))
        if recovered and channels:
            helpful.append(channels)
    return tuple(found)

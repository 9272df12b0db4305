"""The peer among the engines that needs no further package: a benchmark that fails would go unnoticed."""

import numpy as np

from gait.simulation.conditions import RecordingSettings
from gait.simulation.model import Outcome
from tests.benchmarks.engines import outcomes_and_positions, raw_draws
from tests.benchmarks.peers.dop853_walker import compiled


def test_compiled_runge_kutta_walks_as_the_package_does():
    settings, conditions = RecordingSettings(), raw_draws(50)
    walked = compiled(settings.times, settings.duration)(conditions)
    outcome, positions = outcomes_and_positions(conditions, settings)
    np.testing.assert_array_equal(walked.outcome, outcome)
    whole = outcome == Outcome.WALKED
    assert 30 < whole.sum() < 50
    # 1e-8 m on thousands of walks; a hundred times that for those here that magnify it.
    np.testing.assert_allclose(walked.samples[:2, whole], positions[:, whole], atol=1e-6)

"""The table of steps: a published gait, the touchdown rule, walks that end early."""

import numpy as np
import pytest

import gait
from gait.simulation.steps import step_table


def test_steps_of_geyers_gait():
    """Geyer's periodic example: step 0.44453270 s and 0.51423611 m, double support 0.16656299 s.

    m 80 kg, l0 1 m, k 14 kN/m, angle of attack 69°, begun at mid-stance at 816 J.
    """
    walks = gait.simulate(
        80.0, 14000.0, 1.0, y0=1.0 - 0.97083467, vx0=1.09698036, angle_of_attack=np.deg2rad(69.0), gravity=9.81,
        duration=5.0,
    )  # fmt: skip
    table = step_table(walks).iloc[1:-1]
    assert len(table) == 9
    np.testing.assert_allclose(table["step_time"], 0.44453270, atol=1e-5)
    np.testing.assert_allclose(table["step_length"], 0.51423611, atol=1e-5)
    np.testing.assert_allclose(table["double_support_time"], 0.16656299, atol=1e-5)
    np.testing.assert_allclose(table["speed"], 0.51423611 / 0.44453270, atol=1e-4)


def test_steps_follow_the_events_and_the_touchdown_rule():
    walks = gait.simulate([70.0, 72.0], 9000.0, 0.7, x0=0.02, y0=0.07, vx0=0.8, step_length=[0.5, 0.48])
    for i, length in enumerate((0.5, 0.48)):
        table, events = step_table(walks, i), walks.touchdown[i][np.isfinite(walks.touchdown[i])]
        np.testing.assert_array_equal(table["touchdown"], events)
        np.testing.assert_allclose(table["step_length"].iloc[1:], length, rtol=1e-12)
        np.testing.assert_allclose(table["foothold"], length * np.arange(1, len(table) + 1), rtol=1e-12)
        assert (table["takeoff"].dropna() > table["touchdown"][: table["takeoff"].count()]).all()
        assert table["leg"].tolist()[:3] == ["other", "first", "other"]
        assert table["step_time"].isna().sum() == 1  # the first touchdown ends no whole step


@pytest.mark.parametrize(("y0", "vx0", "steps"), [(0.02, 0.3, 5), (0.02, 0.01, 1), (-0.01, 0.8, 0)])
def test_a_walk_that_ends_early_has_the_steps_it_made(y0, vx0, steps):
    walks = gait.simulate(70.0, 9000.0, 0.7, x0=0.02, y0=y0, vx0=vx0, step_length=0.5)
    assert walks.outcome[0] != gait.Outcome.WALKED
    assert len(step_table(walks)) == steps

"""The table of steps: a published gait, the touchdown rule, walks that end early."""

import numpy as np
import pytest

import gait
from gait.simulation.steps import UNITS, step_table
from tests.helpers.walks import paper_draws


def test_steps_of_geyers_gait():
    """Geyer's periodic example: step 0.44453270 s and 0.51423611 m, double support 0.16656299 s.

    m 80 kg, l0 1 m, k 14 kN/m, angle of attack 69°, begun at mid-stance at 816 J (Geyer, Seyfarth and Blickhan, 2006).
    The printed start of eight digits makes the first steps periodic to 2e-8.
    """
    walks = gait.simulate(
        80.0, 14000.0, 1.0, y0=1.0 - 0.97083467, vx0=1.09698036, angle_of_attack=np.deg2rad(69.0), gravity=9.81,
        duration=2.5,
    )  # fmt: skip
    table = step_table(walks).loc[2:5]
    assert len(table) == 4
    np.testing.assert_allclose(table["step_time"], 0.44453270, rtol=0, atol=2e-8)
    np.testing.assert_allclose(table["step_length"], 0.51423611, rtol=0, atol=2e-8)
    np.testing.assert_allclose(table["double_support_time"], 0.16656299, rtol=0, atol=2e-8)
    np.testing.assert_allclose(table["speed"], 0.51423611 / 0.44453270, rtol=0, atol=1e-7)


def test_all_steps_of_the_fixed_step_length_have_that_length():
    draws = paper_draws(30, seed=5)
    walks = gait.simulate(**draws)
    assert (walks.outcome != gait.Outcome.WALKED).any()  # those that fall are to be counted, too
    for i, length in enumerate(draws["step_length"]):
        table = step_table(walks, i)
        np.testing.assert_allclose(table["step_length"], length, rtol=1e-12)
        np.testing.assert_allclose(table["foothold"], length * table.index, rtol=1e-12)
        np.testing.assert_allclose((table["speed"] * table["step_time"]).iloc[1:], length, rtol=1e-12)


def test_steps_are_the_events_in_turn():
    walks = gait.simulate([70.0, 72.0], 9000.0, 0.7, x0=0.02, y0=0.07, vx0=0.8, step_length=[0.5, 0.48])
    for i in range(2):
        table, seen = step_table(walks, i), np.isfinite(walks.touchdown[i])
        assert table.index.tolist() == list(range(1, seen.sum() + 1))
        assert table.index.name == "step"
        np.testing.assert_array_equal(table["touchdown"], walks.touchdown[i][seen])
        takeoffs = table["takeoff"].dropna()
        np.testing.assert_array_equal(takeoffs, walks.takeoff[i][np.isfinite(walks.takeoff[i])])
        assert len(table) - len(takeoffs) in (0, 1)
        assert (takeoffs > table["touchdown"][: len(takeoffs)]).all()
        assert (takeoffs[:-1].to_numpy() < table["touchdown"][1 : len(takeoffs)].to_numpy()).all()
        assert table["leg"].tolist()[:4] == ["right", "left", "right", "left"]
        assert table["step_time"].isna().tolist() == [True] + [False] * (len(table) - 1)
        assert table["step_time"].sum() == pytest.approx(table["touchdown"].iloc[-1] - table["touchdown"].iloc[0])


def test_every_column_of_numbers_has_a_unit():
    walks = gait.simulate(70.0, 9000.0, 0.7, y0=0.07, vx0=0.8, step_length=0.5)
    assert list(UNITS) == step_table(walks).select_dtypes("number").columns.tolist()


@pytest.mark.parametrize(("y0", "vx0", "steps"), [(0.02, 0.3, 5), (0.02, 0.01, 1), (-0.01, 0.8, 0)])
def test_a_walk_that_ends_early_has_the_steps_it_made(y0, vx0, steps):
    walks = gait.simulate(70.0, 9000.0, 0.7, x0=0.02, y0=y0, vx0=vx0, step_length=0.5)
    assert walks.outcome[0] != gait.Outcome.WALKED
    table = step_table(walks)
    assert len(table) == steps
    assert list(table.columns) == ["leg", *UNITS]

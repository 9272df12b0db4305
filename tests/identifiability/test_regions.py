"""Verdicts by region: parameters that leave a trace at some points only."""

import numpy as np
import pytest

from gait import identifiability

TIMES = np.linspace(0.0, 1.0, 60)


def late_kink(theta):
    """For c >= 1 the kink comes after the record: b and c leave no trace."""
    return theta[:, :1] + theta[:, 1:2] * np.maximum(TIMES - theta[:, 2:], 0)


def points(seed, count=8):
    return np.random.default_rng(seed).uniform((0.0, 0.5, 0.5), (1.0, 2.0, 1.5), (count, 3))


@pytest.mark.parametrize("seed", range(30))
def test_a_kink_beyond_the_record_is_never_simply_recoverable(seed):
    """Unless all eight points happen to lie on one side."""
    drawn = points(seed)
    report = identifiability.analyse(late_kink, drawn, ["a", "b", "c"], seed=seed, fits=8)
    inside = drawn[:, 2] < TIMES[-2]
    assert inside.any()
    assert not inside.all()
    assert report.verdicts["a"] == "recoverable"
    for name in "bc":
        assert report.verdicts[name] == "undecided"


def test_a_region_has_a_share_and_a_threshold():
    drawn = points(0, 30)
    drawn = drawn[(drawn[:, 2] < TIMES[-2]) | (drawn[:, 2] > TIMES[-1])]
    report = identifiability.analyse(late_kink, drawn, ["a", "b", "c"], fits=8)
    region = report.regions["b"]
    assert region.points == len(drawn) > 25
    assert region.known == (drawn[:, 2] < TIMES[-1]).sum() == region.points - region.traceless
    name, sign, value = region.condition.split()
    assert (name, sign) == ("c", ">")
    assert drawn[drawn[:, 2] < 1.0, 2].max() < float(value) < drawn[drawn[:, 2] > 1.0, 2].min()
    assert f"no trace for the rest (c > {value})" in report.sentences()[1]
    assert "a" not in report.regions
    assert report.to_dict()["regions"]["c"]["known"] == region.known


def test_a_region_may_leave_a_combination():
    """Saturated for a > 1.5: there, only b is known; below, both."""
    model = lambda t: np.stack([np.minimum(t[:, 0], 1.5) * t[:, 1], t[:, 1]], axis=1)  # noqa: E731
    drawn = np.random.default_rng(2).uniform(1.0, 2.0, (20, 2))
    report = identifiability.analyse(model, drawn, ["a", "b"], fits=8)
    assert report.verdicts == {"a": "undecided", "b": "recoverable"}
    assert report.regions["a"].known == (drawn[:, 0] < 1.5).sum()
    assert report.regions["a"].condition.startswith("a > 1.")


def test_one_region_is_none():
    """Control: the same model with all kinks within the record."""
    drawn = points(0) * (1.0, 1.0, 0.5)
    report = identifiability.analyse(late_kink, drawn, ["a", "b", "c"], fits=8)
    assert report.regions == {}
    assert set(report.verdicts.values()) == {"recoverable"}

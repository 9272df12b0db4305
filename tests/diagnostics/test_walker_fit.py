"""The verdict on a fitted walker: only who passes every check may lend his parameters to a person."""

import dataclasses

import numpy as np
import pytest

from gait.diagnostics.walker_fit import judge_fits
from gait.inference.fit import fit
from tests.helpers.walks_of_people import only, recorded


@pytest.fixture(scope="module")
def fits():
    recording = recorded(duration=3.0)
    return {using: fit(recording, using) for using in ("path", "force")}


def changed(rows, **changes):
    return [dataclasses.replace(each, predicted=dataclasses.replace(each.predicted, **changes)) for each in rows]


def test_a_walker_is_himself(fits):
    verdict = judge_fits(fits)
    assert verdict.is_persons
    assert verdict.faults == verdict.unchecked == ()
    assert "may be called this person's" in verdict.sentences()[0]
    assert verdict.spreads["path"]["stiffness_to_mass"].median == pytest.approx(175.0)


@pytest.mark.parametrize(
    ("feature", "value", "words"),
    [
        ("step_time", 0.455, "2 % too long"),
        ("double_support_time", 0.195, "20 % too long"),
        ("midstance_minimum", 0.65, "too high"),
    ],
)
def test_each_wrong_feature_is_named(fits, feature, value, words):
    verdict = judge_fits(fits | {"path": changed(fits["path"], **{feature: value})})
    assert not verdict.is_persons
    assert any(words in fault for fault in verdict.faults)
    assert verdict.sentences()[0].startswith("The walker is not this person")


def test_small_differences_are_no_faults(fits):
    near = changed(fits["path"], step_time=0.4445 * 1.01, double_support_time=0.1629 * 1.1, midstance_minimum=0.55)
    assert judge_fits(fits | {"path": near}).is_persons


def test_path_and_force_have_to_agree(fits):
    other = [dataclasses.replace(each, stiffness_to_mass=220.0) for each in fits["force"]]
    verdict = judge_fits(fits | {"force": other})
    assert any("one walker does not do both" in fault for fault in verdict.faults)
    size, source = verdict.uncertainty("stiffness_to_mass")
    assert source == "between path and force"
    assert size == pytest.approx(22.5)


def test_the_largest_uncertainty_is_the_headline(fits):
    first, second = fits["path"]
    rows = [dataclasses.replace(first, stiffness_to_mass=170.0), dataclasses.replace(second, stiffness_to_mass=180.0)]
    size, source = judge_fits({"path": rows}).uncertainty("stiffness_to_mass")
    assert source == "between strides"
    assert size == pytest.approx(10.0 / np.sqrt(2.0))


def test_a_bound_is_a_fault(fits):
    rows = [dataclasses.replace(each, bounds=("rest_length",)) for each in fits["path"]]
    assert any("ran into a bound" in fault for fault in judge_fits(fits | {"path": rows}).faults)


def test_motion_alone_cannot_be_checked():
    verdict = judge_fits({"path": fit(only(recorded(duration=3.0), ("x", "y")))})
    assert not verdict.is_persons
    assert not verdict.faults
    assert "cannot be told" in verdict.sentences()[0]
    assert not any("kg" in sentence or "N/m" in sentence for sentence in verdict.sentences())


def test_rejected_fits_are_counted_and_left_out(fits):
    rows = [dataclasses.replace(fits["path"][0], accepted=False, stiffness_to_mass=500.0), fits["path"][1]]
    verdict = judge_fits(fits | {"path": rows})
    assert verdict.spreads["path"]["stiffness_to_mass"].n == 1
    assert any("1 of the path" in sentence for sentence in verdict.sentences())
    assert judge_fits({"path": [rows[0]]}).sentences() == [
        "No walker was fitted that takes this person's steps: the model adds nothing here."
    ]

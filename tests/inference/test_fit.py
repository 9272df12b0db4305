"""Fits of the walker to single strides: exact without noise, honest with it, and wrong where the model is."""

import dataclasses

import numpy as np
import pytest

from gait.errors import InputError
from gait.inference.fit import fit
from gait.parameters import named
from gait.recordings.recording import recording_of
from gait.recordings.steps import steps
from gait.simulation.conditions import Conditions, RecordingSettings
from gait.simulation.population import Population, walk_records
from gait.simulation.populations import POPULATIONS
from gait.simulation.walks import integrate
from tests.helpers.walks_of_people import only, recorded, shared

RATIO = 175.0
"""k/m of the periodic walk [1/s²]."""


def walkers(population, touchdown, count, seed=7):
    """Recordings of fresh walkers of a population and their parameters by name."""
    chosen = POPULATIONS[population]
    settings = RecordingSettings(3.0, 0.01, chosen.gravity)
    people = Population(chosen.ranges(touchdown), seed=seed)
    parameters, _, _ = walk_records(people, settings, range(count), "taylor")
    walks = integrate(Conditions.of(named(people.names, parameters), chosen.gravity), settings)
    return [(recording_of(walks, i, chosen.gravity), named(people.names, parameters[i])) for i in range(count)]


@pytest.mark.parametrize("using", ["path", "force", "both"])
def test_a_periodic_walk_gives_its_parameters(using):
    found = fit(recorded(duration=3.0), using)
    assert len(found) == 2
    for each in found:
        assert each.accepted
        assert each.stiffness_to_mass == pytest.approx(RATIO, rel=1e-6)
        assert each.rest_length == pytest.approx(1.0, rel=1e-6)
        assert each.predicted.step_time == pytest.approx(0.4445327, abs=1e-6)
        assert each.predicted.double_support_time == pytest.approx(0.166563, abs=1e-6)
        if using == "path":
            assert each.mass is each.stiffness is None
            assert "cannot be known from motion" in " ".join(each.sentences())
        else:
            assert each.mass == pytest.approx(80.0, rel=1e-6)
            assert each.stiffness == pytest.approx(14_000.0, rel=1e-6)


def test_both_touchdown_rules_are_recovered():
    for touchdown in ("step_length", "angle_of_attack"):
        for recording, truth in walkers("paper", touchdown, 3):
            each = fit(recording)[0]
            assert each.stiffness_to_mass == pytest.approx(truth["stiffness"] / truth["mass"], rel=1e-6)
            assert each.rest_length == pytest.approx(truth["rest_length"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("touchdown", ["step_length", "angle_of_attack"])
@pytest.mark.parametrize("population", ["paper", "adult"])
def test_nearly_all_walkers_are_recovered_exactly(population, touchdown):
    right = 0
    for recording, truth in walkers(population, touchdown, 50):
        each = fit(recording)[0]
        ratio = truth["stiffness"] / truth["mass"]
        right += (
            abs(each.stiffness_to_mass / ratio - 1) < 1e-6 and abs(each.rest_length / truth["rest_length"] - 1) < 1e-6
        )
    assert right >= 49


def test_a_gap_carries_no_weight():
    recording = recorded(duration=2.5)
    for name in ("x", "y"):
        recording.channels[name][100:108] = np.nan
    spoiled = recorded(duration=2.5)
    spoiled.channels["y"][100:108] += 0.05
    assert fit(recording)[0].stiffness_to_mass == pytest.approx(RATIO, rel=1e-6)
    assert fit(spoiled)[0].stiffness_to_mass != pytest.approx(RATIO, rel=1e-3)


def test_a_height_known_but_for_a_constant_will_do():
    recording = recorded(duration=2.5)
    recording.channels["y"] = recording.channels["y"] - recording.channels["y"].mean()
    each = fit(recording)[0]
    assert each.stiffness_to_mass == pytest.approx(RATIO, rel=1e-5)
    assert each.rest_length == pytest.approx(1.0, rel=1e-5)


@pytest.mark.slow
def test_noise_moves_estimates_as_their_errors_say():
    """24 windows of a periodic walk in 5 mm of noise: a z-score has a standard deviation of 1 ± 0.15."""
    clean, generator = recorded(duration=12.0), np.random.default_rng(3)
    channels = {name: clean.channels[name] + 0.005 * generator.standard_normal(len(clean.t)) for name in ("x", "y")}
    found = fit(dataclasses.replace(clean, channels=channels | {name: clean.channels[name] for name in ("fx", "fy")}))
    z = [(each.stiffness_to_mass - RATIO) / each.sd["stiffness_to_mass"] for each in found]
    assert len(z) >= 10
    assert 0.5 < np.std(z) < 1.7
    for each in found:
        assert each.posterior_sd["stiffness_to_mass"] == pytest.approx(each.sd["stiffness_to_mass"], rel=0.5)
        assert each.residual["y"] == pytest.approx(0.005, rel=0.3)


def test_wrong_steps_are_rejected():
    """A control: of a path that is stretched in time, the walker's steps are not those of the force."""
    recording = recorded(duration=3.0)
    measured = steps(recording)
    table = measured.table.assign(step_time=1.3 * measured.table["step_time"])
    found = fit(recording_with_noise(recording), measured=dataclasses.replace(measured, table=table))
    assert not any(each.accepted for each in found)
    assert "rejected" in found[0].sentences()[-1]


def recording_with_noise(recording):
    generator = np.random.default_rng(0)
    noisy = {name: values + 0.002 * generator.standard_normal(len(values)) * (name in ("x", "y"))
             for name, values in recording.channels.items()}  # fmt: skip
    return dataclasses.replace(recording, channels=noisy)


@pytest.mark.parametrize(
    ("using", "channels", "words"),
    [
        ("path", ("fx", "fy"), "has no x, y"),
        ("force", ("x", "y"), "has no fx, fy"),
        ("force", ("fy",), "where the foot stands"),
        ("both", ("x", "y"), "has no fx, fy"),
    ],
)
def test_missing_channels_are_named(using, channels, words):
    with pytest.raises(InputError, match=words):
        fit(recorded(duration=2.5, channels=channels), using)


def test_an_unknown_belt_speed_is_asked_for():
    with pytest.raises(InputError, match="--belt_speed"):
        fit(only(recorded(duration=2.5), ("y", "fx", "fy"), belt_speed=None))


@pytest.mark.parametrize("arguments", [{"using": "speed"}, {"strides": 3}])
def test_arguments_that_are_none(arguments):
    with pytest.raises(InputError, match="Received"):
        fit(recorded(duration=2.5), **arguments)


def test_a_person_is_followed_and_yet_not_described():
    """The real walk: fitted freely, it is followed to millimetres by a walker whose double support is wrong."""
    from gait.recordings.reading import read_recording

    folder = shared() / "walks"
    recording = read_recording(folder / "subject01_walk_100hz.csv", window=(2.0, 6.0))
    each = fit(recording)[0]
    assert each.residual["y"] < 0.005
    assert 70.0 < each.stiffness_to_mass < 90.0
    assert each.predicted.double_support_time > 1.4 * each.measured.double_support_time

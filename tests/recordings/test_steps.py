"""Steps of recordings against exact events of the engine, for all that they can be found from."""

import dataclasses

import numpy as np
import pytest

from gait.errors import InputError
from gait.recordings.events import find_events
from gait.recordings.integration import integrated
from gait.recordings.recording import recording_of
from gait.recordings.steps import SUMMARY, steps
from gait.simulation.walks import simulate
from tests.helpers.walks_of_people import (
    DOUBLE_SUPPORT,
    GEYER,
    MINIMUM,
    PEAK,
    STEP_LENGTH,
    STEP_TIME,
    TRAVEL,
    geyer,
    only,
    recorded,
)  # fmt: skip

LATE = 0.0037
"""By so much a double support is shorter where a foot counts from 20 N on: 80 kg, 14 kN/m [s]."""


def feet_of(recording):
    """The recording with the force of each foot, as plates under the feet give it."""
    events = find_events(recording)
    assert events.source == "force and centre of mass"
    zero = np.zeros(len(recording.t))
    feet = {f"fy_{side}": np.nan_to_num(events.feet[name], nan=0.0) for side, name in
            (("left", "first"), ("right", "second"))}  # fmt: skip
    return dataclasses.replace(recording, channels={"fy": recording.channels["fy"] + zero, **feet})


# Exact events --------------------------------------------------------------------------------


def test_a_published_gait_has_its_published_steps():
    """Of simulated walks events are exact."""
    found = steps(geyer()).summary()
    assert list(found) == list(SUMMARY)
    expected = {
        "mass": 80.0, "step_time": STEP_TIME, "stride_time": 2 * STEP_TIME, "cadence": 60.0 / STEP_TIME,
        "double_support_time": DOUBLE_SUPPORT, "speed": STEP_LENGTH / STEP_TIME, "step_length": STEP_LENGTH,
    }  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name
    assert found["stance_percent"] == pytest.approx(100 * (STEP_TIME + DOUBLE_SUPPORT) / (2 * STEP_TIME), abs=0.01)
    for name, value in {"first_peak": PEAK, "second_peak": PEAK, "midstance_minimum": MINIMUM}.items():
        assert found[name] == pytest.approx(value, abs=0.002), name
    assert found["vertical_travel"] == pytest.approx(TRAVEL, abs=5e-4)


@pytest.mark.parametrize("gravity", [1.62, 9.81, 10.0])
@pytest.mark.parametrize("interval", [0.01, 0.1])
def test_mass_does_not_depend_on_gravity(gravity, interval):
    """Walks carry neither: energy tells both, exactly."""
    scale = gravity / 10.0
    walks = simulate(
        70, 9000 * scale, 0.7, x0=0.05, y0=0.06, vx0=0.75 * scale**0.5, step_length=0.5, gravity=gravity,
        duration=15.0, interval=interval,
    )  # fmt: skip
    assert steps(walks).summary()["mass"] == pytest.approx(70.0, rel=1e-6)


def test_several_walks_have_one_table():
    walks = simulate(
        [70, 75], [9000, 9500], 0.7, x0=0.05, y0=0.06, vx0=0.75, step_length=0.5, duration=5.0, interval=0.02
    )
    table = steps(walks).table
    for i in range(2):
        own = table[table["walk"] == i]
        exact = walks.touchdown[i][np.isfinite(walks.touchdown[i])]
        np.testing.assert_array_equal(own["touchdown"], exact)
        np.testing.assert_allclose(own["step_length"][1:], 0.5)


# Events from what is recorded ----------------------------------------------------------------


@pytest.mark.parametrize("interval", [0.001, 0.005, 0.01, 0.02])
@pytest.mark.parametrize("feet", [False, True])
def test_events_from_force_are_those_of_the_engine(interval, feet):
    walks = geyer(interval=interval)
    recording = recording_of(walks)
    events = find_events(feet_of(recording) if feet else recording)
    exact = walks.touchdown[0][np.isfinite(walks.touchdown[0])]
    count = min(len(events), len(exact))
    assert count >= len(exact) - 1
    error = events.touchdown[:count] - exact[:count]
    assert np.all(error > -1e-4)
    assert np.all(error < 0.5 * LATE + 1e-4)
    known = np.isfinite(events.takeoff)
    double = (events.takeoff - events.touchdown)[known]
    np.testing.assert_allclose(double, DOUBLE_SUPPORT - LATE, atol=2e-3)


@pytest.mark.parametrize("rule", ["step_length", "angle_of_attack"])
def test_events_of_irregular_walkers(rule):
    """The paper's walkers are not periodic. Single supports of a few milliseconds may be lost, and then all are."""
    target = {"step_length": [0.48, 0.5, 0.52]} if rule == "step_length" else {"angle_of_attack": [1.05, 1.08, 1.1]}
    walks = simulate(
        [62, 68, 74], [9900, 9000, 8500], [0.66, 0.7, 0.74], x0=0.03, y0=[0.01, 0.02, 0.01], vx0=[0.8, 0.85, 0.9],
        duration=4.0, interval=0.01, **target,
    )  # fmt: skip
    walked = np.flatnonzero(walks.outcome == 0)
    assert len(walked)
    for i in walked:
        events = find_events(recording_of(walks, i, gravity=10.0))
        exact = walks.touchdown[i][np.isfinite(walks.touchdown[i])]
        assert events.source == "force and centre of mass"
        assert np.abs(events.touchdown - exact[: len(events)]).max() < 0.01


@pytest.mark.parametrize(("channels", "source"), [(("fy",), "vertical force"), (("x", "y"), "vertical motion")])
def test_rhythm_tells_step_time_and_nothing_of_support(channels, source):
    found = steps(recorded(channels=channels))
    assert found.events.source == source
    summary = found.summary()
    assert summary["step_time"] == pytest.approx(STEP_TIME, abs=2e-4)
    for name in ("double_support_time", "stance_percent", "first_peak", "midstance_minimum"):
        assert np.isnan(summary[name]), name
    assert np.isnan(summary["mass"]) == (source == "vertical motion")
    assert np.isnan(summary["speed"]) == (source == "vertical force")


def test_noise_in_swing_makes_no_steps():
    clean = feet_of(recorded(duration=6.0))
    generator = np.random.default_rng(0)
    noisy = {name: values + 6.0 * generator.standard_normal(len(values)) for name, values in clean.channels.items()}
    one, other = find_events(clean), find_events(dataclasses.replace(clean, channels=noisy))
    assert len(one) == len(other)
    assert np.abs(one.touchdown - other.touchdown).max() < 0.01


def test_loud_plates_have_a_higher_threshold_and_it_is_told():
    """20 N of noise: with 20 N as the threshold a swing would have touchdowns."""
    clean = feet_of(recorded(duration=6.0))
    generator = np.random.default_rng(0)
    noisy = {name: values + 20.0 * generator.standard_normal(len(values)) for name, values in clean.channels.items()}
    found = steps(dataclasses.replace(clean, channels=noisy))
    assert found.summary()["step_time"] == pytest.approx(STEP_TIME, abs=2e-3)
    assert found.events.threshold == pytest.approx(60.0, rel=0.1)
    assert any("noise of the plates" in note for note in found.notes)


def test_a_child_has_a_lower_threshold():
    """24 kg: 20 N would make its double support 10 ms too short."""
    leg, mass = 0.62, 24.0
    slow = np.sqrt(leg)
    child = {"mass": mass, "stiffness": 14_000.0 * mass / 80.0 / leg, "rest_length": leg, "y0": leg * GEYER["y0"],
             "vx0": slow * GEYER["vx0"]}  # fmt: skip
    found = steps(feet_of(recorded(6.0, 0.002, **child)))
    assert found.events.threshold == pytest.approx(0.025 * mass * 9.81, rel=0.05)
    assert found.summary()["double_support_time"] == pytest.approx(slow * DOUBLE_SUPPORT, abs=0.004)
    assert "above 5.86 N" in found.notes[0]


def test_what_reaches_over_a_gap_is_no_step():
    """A gap in the force, in the heels or in the height hides touchdowns: the step over it is not twice as long."""
    walk = recorded(duration=8.0)
    feet = feet_of(walk)
    for recording, name in ((feet, "fy_left"), (walk, "x"), (only(walk, ("y",)), "y"), (only(walk, ("fy",)), "fy")):
        for begin in np.arange(3.0, 4.0, 0.1):
            channels = {key: values.copy() for key, values in recording.channels.items()}
            hidden = (recording.t > begin) & (recording.t < begin + 0.6)
            for key in (name, "fy_right", "fy") if name == "fy_left" else (name,):
                channels[key][hidden] = np.nan
            found = steps(dataclasses.replace(recording, channels=channels))
            for key, value in {"step_time": STEP_TIME, "stride_time": 2 * STEP_TIME}.items():
                assert found.summary()[key] == pytest.approx(value, abs=2e-3), (name, begin, key)
            double = found.table["double_support_time"].dropna()
            assert np.abs(double - DOUBLE_SUPPORT + LATE).max() < 3e-3 if len(double) else True


def test_a_foot_that_brushes_a_plate_makes_no_step():
    recording = feet_of(recorded(duration=6.0))
    clean = steps(recording).summary()
    left = recording.channels["fy_left"]
    swing = np.flatnonzero((left == 0) & (recording.t > 2.0))[8:18]
    left[swing] = 80.0
    found = steps(recording)
    assert found.summary()["step_time"] == pytest.approx(clean["step_time"], abs=1e-9)
    assert any("1 contact with less than 30 %" in note for note in found.notes)


def test_numbers_of_nobody_are_doubted():
    """Pounds taken for newtons, and a belt that is too fast."""
    pounds = recorded()
    for name in ("fx", "fy"):
        pounds.channels[name] = pounds.channels[name] / 4.448
    assert any("not those of one person" in note for note in steps(pounds).notes)
    long = recorded(channels=("x", "y"))
    long.channels["x"] = long.channels["x"] / 0.3048
    assert any("faster than people walk" in note for note in steps(long).notes)
    assert not any("Take care" in note for note in steps(recorded()).notes)


def test_a_contact_without_hold_would_make_steps_of_noise(monkeypatch):
    """A control: without the least time of a contact, the noise of the test above makes events."""
    monkeypatch.setattr("gait.recordings.events.HOLD", 0.0)
    monkeypatch.setattr("gait.recordings.events._NOISES", 0.0)
    clean = feet_of(recorded(duration=6.0))
    generator = np.random.default_rng(0)
    noisy = {name: values + 20.0 * generator.standard_normal(len(values)) for name, values in clean.channels.items()}
    assert len(find_events(dataclasses.replace(clean, channels=noisy))) > len(find_events(clean)) + 3


def test_a_gap_of_the_position_is_bridged_for_events_only():
    recording = recorded()
    for name in ("x", "y"):
        recording.channels[name][180:188] = np.nan
    found = steps(recording)
    assert found.events.source == "force and centre of mass"
    assert np.isnan(recording.channels["y"][180:188]).all()
    assert found.summary()["double_support_time"] == pytest.approx(DOUBLE_SUPPORT - LATE, abs=1e-3)


def test_unknown_belt_speed_leaves_speed_unknown():
    found = steps(only(recorded(), ("y", "fy"), belt_speed=None))
    summary = found.summary()
    assert np.isnan(summary["speed"])
    assert np.isnan(summary["step_length"])
    assert any("--belt_speed" in note for note in found.notes)


# Mass ----------------------------------------------------------------------------------------


def test_mass_is_that_of_whole_strides_on_plates():
    """Beside the plates the force is that of one foot only, and the mean of all of it is not the weight."""
    recording = recorded()
    recording.channels["fy"][:60] *= 0.3
    on_plates = recording.t > 0.6
    found = steps(dataclasses.replace(recording, on_plates=on_plates))
    assert found.masses.mean() == pytest.approx(80.0, rel=2e-3)
    assert recording.channels["fy"].mean() / 9.81 < 75.0


@pytest.mark.parametrize(("stated", "flagged"), [(78.0, False), (70.0, True)])
def test_a_stated_mass_is_compared(stated, flagged):
    (note,) = [note for note in steps(only(recorded(), (), stated_mass=stated)).notes if "stated" in note]
    assert f"{100 * (80 / stated - 1):.1f} % more" in note
    assert ("Check" in note) == flagged


def test_few_samples_in_a_double_support_are_told():
    assert any("samples long" in note for note in steps(recorded(interval=0.05, duration=6.0)).notes)
    assert not any("samples long" in note for note in steps(recorded()).notes)


# Motion from force ---------------------------------------------------------------------------


def test_height_is_integrated_from_the_force():
    recording = recorded(interval=0.005)
    events = find_events(recording)
    alone = only(recording, ("fx", "fy"), belt_speed=STEP_LENGTH / STEP_TIME)
    found, sentence = integrated(alone, events, 80.0)
    assert "twice" in sentence
    known = np.isfinite(found.channels["y"])
    assert known.mean() > 0.7
    y = recording.channels["y"][known]
    np.testing.assert_allclose(found.channels["y"][known], y - y.mean(), atol=1e-3)


# What is no walk -----------------------------------------------------------------------------


def refusal(recording):
    with pytest.raises(InputError) as error:
        steps(recording)
    return str(error.value)


def test_standing_is_no_walk():
    recording = recorded()
    channels = {"y": np.full(400, 0.95), "fy": np.full(400, 785.0) + np.random.default_rng(0).normal(0, 2, 400)}
    assert "stands" in refusal(dataclasses.replace(recording, channels=channels))


def test_running_is_no_walk():
    t = np.arange(400) * 0.01
    force = np.maximum(0.0, 2000.0 * np.sin(2 * np.pi * t / 0.7))
    assert "running" in refusal(dataclasses.replace(recorded(), channels={"fy": force}))


def test_a_jump_is_no_walk():
    recording = recorded(channels=("fy",))
    recording.channels["fy"][200:230] = 0.0
    assert "a jump" in refusal(recording)


def test_stairs_are_no_level_walk():
    recording = recorded()
    recording.channels["y"] = recording.channels["y"] + 0.2 * recording.t
    assert "rises" in refusal(recording)


def test_less_than_a_stride_is_too_little():
    assert "less than one whole stride" in refusal(recorded(duration=0.8))


def test_no_stride_on_plates_is_too_little():
    recording = dataclasses.replace(recorded(), on_plates=np.zeros(400, bool))
    assert "on a force plate" in refusal(only(recording, ("fx", "fy")))


@pytest.mark.parametrize("kind", ["no stride on plates", "nobody on a plate", "beside the plates once"])
def test_a_walk_beyond_its_plates_is_told_by_its_motion(kind):
    recording = recorded(duration=6.0)
    if kind == "no stride on plates":
        recording = dataclasses.replace(recording, on_plates=np.zeros(600, bool))
    else:
        hidden = (recording.t > 2.0) & (recording.t < (2.4 if kind == "beside the plates once" else 9.0))
        for name in ("fx", "fy"):
            recording.channels[name][hidden | (kind == "nobody on a plate")] = 0.0
    found = steps(recording)
    assert "Forces were not used" in found.notes[0]
    assert np.isnan(found.summary()["mass"])
    assert found.summary()["step_time"] == pytest.approx(STEP_TIME, abs=1e-3)


def test_running_is_no_walk_either_where_only_its_height_is_known():
    """A spring-mass runner: free fall for a third of the time."""
    t = np.arange(600) * 0.01
    phase = (t / 0.35) % 1.0
    flight = phase < 0.4
    fall = 0.95 + 9.81 / 2 * (0.07**2 - (0.35 * (phase - 0.2)) ** 2)
    stance = 0.95 - 0.07 * np.sin(np.pi * (phase - 0.4) / 0.6)
    recording = only(recorded(), ())
    height = np.where(flight, fall, stance)
    assert "running or hopping" in refusal(dataclasses.replace(recording, t=t, channels={"y": height}))

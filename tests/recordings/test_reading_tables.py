"""Reading CSV: each hazard of a file is repaired and named, or refused in a sentence."""

import numpy as np
import pytest

import gait
from gait.recordings.columns import meaning
from gait.recordings.reading import read_recording, understood
from tests.helpers.recordings import com_columns, csv_text, feet_columns, made, mean_mass

EXACT = {"x": 1e-6, "y": 1e-6, "fx": 1e-4, "fy": 1e-4}
"""Rounding of nine digits, m and N."""


@pytest.fixture(scope="module")
def walk():
    return made()


@pytest.fixture
def read(tmp_path):
    def reading(text, name="walk.csv", encoding="utf-8", **hints):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return read_recording(path, **hints)

    return reading


def worst(recording, walk, name, rows=slice(None)):
    """Largest difference of a channel from the walk, x from its first value; NaN counts as agreement."""
    got, true = recording.channels[name], getattr(walk, name)[rows]
    if name == "x":
        got, true = got - got[0], true - true[0]
    return np.nanmax(np.abs(got - true))


def assert_same(recording, walk, names=("x", "y", "fx", "fy"), factor=1.0):
    assert set(names) <= set(recording.channels)
    for name in names:
        assert worst(recording, walk, name) < factor * EXACT[name], name


def noted(recording, *words):
    """Whether one note has all these words."""
    return any(all(word in note for word in words) for note in recording.notes)


# Dialects ----------------------------------------------------------------------------------------


def test_a_plain_file_needs_no_notes(read, walk):
    recording = read(csv_text(com_columns(walk)))
    assert_same(recording, walk)
    assert recording.notes == ()
    assert (recording.rate, recording.t[0], recording.belt_speed, recording.body) == (100.0, 0.0, 0.0, "centre of mass")
    assert recording.on_plates.all()
    assert np.abs(recording.t - walk.t).max() < 1e-9
    assert understood(recording) == "3.99 s at 100 Hz over ground: centre of mass, force."


def named(columns, names):
    """A table with other names."""
    return csv_text(columns).replace(",".join(columns), names)


def quoted(text, separator):
    """A table separated by commas, with each cell in quotes."""
    return "\n".join(",".join(f'"{cell}"' for cell in line.split(separator)) for line in text.split())


DIALECTS = {
    "tabs": lambda c: csv_text(c, "\t"),
    "white space": lambda c: csv_text(c, " "),
    "semicolons and decimal commas": lambda c: csv_text(c, ";", ","),
    "a directive of Excel": lambda c: "sep=;\n" + csv_text(c, ";", ","),
    "quotes": lambda c: quoted(csv_text(c), ","),
    "quoted decimal commas": lambda c: quoted(csv_text(c, ";", ","), ";"),
    "byte order mark": lambda c: b"\xef\xbb\xbf" + csv_text(c).encode(),
    "UTF-16": lambda c: csv_text(c).encode("utf-16"),
    "Latin-1": lambda c: "# Prüfling: Müller\n".encode("latin-1") + csv_text(c).encode(),
    "CRLF": lambda c: csv_text(c).replace("\n", "\r\n"),
    "CR": lambda c: csv_text(c).replace("\n", "\r"),
    "comments": lambda c: "# made\n# mass_kg: 71\n" + csv_text(c) + "# end\n",
    "lines before the names": lambda c: "Subject: A\nMass: 71 kg\n\n" + csv_text(c),
    "a separator at the end of lines": lambda c: csv_text(c).replace("\n", ",\n"),
    "a line of units": lambda c: named(c, "time,COMx,COMy,Fx,Fy\ns,m,m,N,N"),
    "names in brackets": lambda c: named(c, "Time [s],CoM X (m),CoM Y (m),GRF X [N],GRF Y [N]"),
    "words": lambda c: named(c, "Time,COM forward,COM height,AP force (N),Vertical force (N)"),
    "names in a comment": lambda c: "# " + csv_text(c),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialects(read, walk, dialect):
    assert_same(read(DIALECTS[dialect](com_columns(walk))), walk)


def test_a_stated_mass_is_kept_and_an_argument_wins(read, walk):
    text = "# mass_kg: 70\n" + csv_text(com_columns(walk))
    assert read(text).stated_mass == 70.0
    assert read(text, mass=81.5).stated_mass == 81.5
    assert read("Subject,A\nBody mass [kg];70,5\n" + csv_text(com_columns(walk), ";", ",")).stated_mass == 70.5
    assert read(csv_text(com_columns(walk))).stated_mass is None
    recording = read("# weight: 784.8\n" + csv_text(com_columns(walk)))
    assert recording.stated_mass == pytest.approx(80.0)
    assert noted(recording, "weight of 784.8 N")


def test_an_index_without_a_name(read, walk):
    """As pandas writes it."""
    recording = read(csv_text({"": np.arange(len(walk.t))} | com_columns(walk)))
    assert_same(recording, walk)


# Times -------------------------------------------------------------------------------------------


def with_times(walk, name, values):
    return csv_text({name: values} | {key: value for key, value in com_columns(walk).items() if key != "t_s"})


@pytest.mark.parametrize(
    ("name", "scale", "said"),
    [("time_ms", 1e3, False), ("t_s", 1e3, True), ("time", 1e3, True), ("time", 1e6, True), ("timestamp", 1e9, True)],
)
def test_units_of_time(read, walk, name, scale, said):
    recording = read(with_times(walk, name, walk.t * scale))
    assert_same(recording, walk)
    assert recording.rate == 100.0
    assert noted(recording, "Times were taken as") == said


def test_clock_times(read, walk):
    assert_same(read(with_times(walk, "time", [f"12:{int(t // 60):02d}:{t % 60:06.3f}" for t in walk.t])), walk)
    assert_same(read(with_times(walk, "timestamp", [f"2024-05-01T12:00:{t:06.3f}" for t in walk.t])), walk)


def test_times_that_start_late(read, walk):
    recording = read(with_times(walk, "t_s", walk.t + 12.34))
    assert_same(recording, walk)
    assert recording.t[0] == 0


@pytest.mark.parametrize(("rate", "decimals"), [(60.0, 2), (60.0, 3), (600.0, 4), (200.0, 2), (59.94, 3), (30.0, 2)])
def test_rounded_times_are_uniform(read, rate, decimals):
    walk = made(rate=rate)
    recording = read(with_times(walk, "t_s", np.round(walk.t, decimals)))
    assert abs(recording.rate - rate) < 2e-4 * rate
    assert_same(recording, walk)
    assert noted(recording, "Times are rounded") or decimals > 2


def test_jittered_times_belong_to_their_values(read):
    """Control: taken as uniform, the same values would be wrong by millimetres."""
    times = np.arange(400) / 100 + np.random.default_rng(0).uniform(-0.003, 0.003, 400)
    times[0] = 0.0
    walk, uniform = made(duration=4.02, times=times), made(duration=4.02)
    recording = read(csv_text(com_columns(walk)))
    assert recording.rate == 100.0
    assert noted(recording, "not uniform")
    count = len(recording.t)
    assert np.nanmax(np.abs(recording.channels["x"] - uniform.x[:count])) < 1e-4
    assert np.abs(walk.x[:count] - uniform.x[:count]).max() > 2e-3


def test_lost_and_repeated_rows(read, walk):
    lines = csv_text(com_columns(walk)).split("\n")
    recording = read("\n".join(lines[:51] + lines[52:101] + lines[131:]))
    assert recording.rate == 100.0
    assert len(recording.t) == 400
    missing = np.flatnonzero(np.isnan(recording.channels["x"]))
    assert missing.tolist() == [50, *range(100, 130)]
    assert noted(recording, "no row at 0.5 s, from 1 to 1.29 s")
    assert_same(recording, walk)
    recording = read("\n".join(lines[:100] + lines[99:]))
    assert_same(recording, walk)
    assert noted(recording, "1 row with the time of the row before left out")


def test_one_lost_row_is_no_other_rate(read, walk):
    """Stamps of two digits at 100 Hz must not be taken for rounded ones at 99.7 Hz."""
    lines = csv_text(com_columns(walk)).split("\n")
    recording = read("\n".join(lines[:200] + lines[201:]))
    assert recording.rate == 100.0
    assert_same(recording, walk)


def test_rows_in_another_order(read, walk):
    head, *rows = csv_text(com_columns(walk)).strip().split("\n")
    assert_same(read("\n".join([head, *rows[::-1]])), walk)
    order = np.random.default_rng(0).permutation(len(rows))
    recording = read("\n".join([head, *(rows[k] for k in order)]))
    assert_same(recording, walk)
    assert noted(recording, "not in order of time")


# Values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stand_in", [np.nan, -9999.0, 999999.0, 0.0])
def test_missing_values_stay_missing_and_are_named(read, walk, stand_in):
    x, y = walk.x.copy(), walk.y.copy()
    x[180:188] = y[180:188] = stand_in
    recording = read(csv_text(com_columns(walk, x_m=x, y_m=y)))
    assert np.flatnonzero(np.isnan(recording.channels["x"])).tolist() == [*range(180, 188)]
    assert noted(recording, "no centre of mass from 1.8 to 1.87 s (8 of 400 samples)")
    assert_same(recording, walk)
    assert np.isfinite(recording.channels["fy"]).all()


def test_words_for_missing_values_and_texts(read, walk):
    lines = csv_text(com_columns(walk)).split("\n")
    for row, word in ((30, "NaN"), (31, "n/a"), (32, "inf"), (33, "#DIV/0!")):
        cells = lines[row].split(",")
        lines[row] = ",".join([cells[0], cells[1], word, *cells[3:]])
    recording = read("\n".join(lines))
    assert np.flatnonzero(np.isnan(recording.channels["y"])).tolist() == [29, 30, 31, 32]
    cells = lines[60].split(",")
    lines[60] = ",".join([*cells[:4], "o.k."])
    recording = read("\n".join(lines))
    assert noted(recording, "column fy_N", '"o.k."')
    assert_same(recording, walk)


def test_thousands_separators(read, walk):
    forces = [f'"{value:,.4f}"' for value in 10 * walk.fy]
    recording = read(csv_text(com_columns(walk, fy_N=forces)), units="N", mass=800)
    assert np.abs(recording.channels["fy"] - 10 * walk.fy).max() < 1e-3
    assert noted(recording, "thousands separators")


def test_a_spike_is_taken_out(read, walk):
    y = walk.y.copy()
    y[100] += 0.5
    recording = read(csv_text(com_columns(walk, y_m=y)))
    assert np.flatnonzero(np.isnan(recording.channels["y"])).tolist() == [100]
    assert noted(recording, "jumps by more than 8 cm")


def test_a_last_line_that_was_cut_off(read, walk):
    recording = read(csv_text(com_columns(walk))[:-25])
    assert len(recording.t) == 399
    assert noted(recording, "last line is incomplete")


@pytest.mark.parametrize("held", [False, True])
def test_slower_positions_among_faster_rows(read, held):
    """Empty cells between, or values that are repeated; own gaps stay gaps."""
    walk = made(rate=1000)
    x, y = (np.repeat(values[::10], 10) for values in (walk.x, walk.y))
    if not held:
        x[np.arange(len(x)) % 10 != 0] = y[np.arange(len(y)) % 10 != 0] = np.nan
        x[1000:1080] = y[1000:1080] = np.nan
    recording = read(csv_text(com_columns(walk, x_m=x, y_m=y)))
    assert recording.rate == 1000.0
    assert recording.rates == {"x": 100.0, "y": 100.0}
    assert worst(recording, walk, "y") < 1e-5
    assert np.isnan(recording.channels["x"][991:1080]).all() == (not held)
    assert worst(recording, walk, "fy") < 1e-4


# Columns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "quantity", "of", "axis", "unit", "side"),
    [
        ("t_s", "time", "", 0, "s", None),
        ("Time (ms)", "time", "", 0, "ms", None),
        ("Frame#", "frame", "", 0, None, None),
        ("x_mm", "point", "centre of mass", 0, "mm", None),
        ("CoM_Y", "point", "centre of mass", 1, None, None),
        ("com_x (mm)", "point", "centre of mass", 0, "mm", None),
        ("Centre of mass z [cm]", "point", "centre of mass", 2, "cm", None),
        ("pelvis_tx", "point", "pelvis", 0, None, None),
        ("Sacrum_y_m", "point", "sacral marker", 1, "m", None),
        ("heel_left_x_m", "point", "heel left", 0, "m", None),
        ("RHEE_y", "point", "heel right", 1, None, None),
        ("v_x_m_s", "velocity", "", 0, "m/s", None),
        ("com_vx_mps", "velocity", "", 0, "mps", None),
        ("Fx_total_N", "force", "", 0, "n", "total"),
        ("Fy_right_N", "force", "", 1, "n", "right"),
        ("fy_kN", "force", "", 1, "kn", None),
        ("vGRF", "force", "", 1, None, None),
        ("L_Fz", "force", "", 2, None, "left"),
        ("Fz2", "force", "2", 2, None, None),
        ("ground_force_vy", "force", "", 1, None, None),
        ("l_ground_force_px", "pressure", "", 0, None, "left"),
        ("1_ground_force_vz", "force", "1", 2, None, None),
        ("ground_force_calcn_r_vy", "force", "", 1, None, "right"),
        ("COPx_left", "pressure", "", 0, None, "left"),
        ("ground_torque_y", "moment", "", 1, None, None),
        ("knee_angle_r", "", "", 0, None, None),
        ("pelvis_tilt", "", "", 0, None, None),
        ("toe_left_x", "", "", 0, None, None),
        ("EMG_1", "", "", 0, None, None),
    ],
)
def test_names_of_columns(name, quantity, of, axis, unit, side):
    found = meaning(name)
    assert (found.quantity, found.of, found.unit, found.side) == (quantity, of, unit, side)
    if quantity not in ("", "time", "frame"):
        assert found.axis == axis


def test_unknown_columns_are_named(read, walk):
    recording = read(csv_text(com_columns(walk, knee_angle=walk.y, label=["a"] * len(walk.t))))
    assert_same(recording, walk)
    assert noted(recording, "Not used", "knee_angle, label")


def test_a_deviation_of_height_is_no_height(read, walk):
    recording = read(
        csv_text({"t_s": walk.t, "com_x_m": walk.x, "com_dy_m": walk.y - walk.y.mean(), "com_vx_mps": walk.vx})
    )
    assert abs(np.mean(recording.channels["y"])) < 1e-9
    assert np.ptp(recording.channels["y"]) == pytest.approx(np.ptp(walk.y), abs=1e-6)
    assert noted(recording, "deviation from its mean")
    assert worst(recording, walk, "vx") < 1e-6


# Units -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "scale", "word"),
    [
        (("x_mm", "y_mm"), 1e3, "converted from mm"),
        (("x_m", "y_m"), 1e3, "in mm, not in m"),
        (("x", "y"), 1e2, "in cm"),
    ],
)
def test_lengths_by_name_and_by_order_of_magnitude(read, walk, names, scale, word):
    recording = read(csv_text({"t_s": walk.t, names[0]: scale * walk.x, names[1]: scale * walk.y}))
    assert_same(recording, walk, ("x", "y"))
    assert noted(recording, word)


@pytest.mark.parametrize(("leg", "scale"), [(0.62, 1.0), (0.62, 1e3), (1.15, 1.0), (1.15, 1e2)])
def test_children_and_tall_people_have_plausible_sizes(read, leg, scale):
    walk = made(leg=leg, mass=24.0)
    recording = read(csv_text({"t_s": walk.t, "x": scale * walk.x, "y": scale * walk.y, "fx": walk.fx, "fy": walk.fy}))
    assert_same(recording, walk)


@pytest.mark.parametrize(
    ("name", "word"), [("fx_kN,fy_kN", "converted from"), ("fx,fy", "in kN"), ("fx_N,fy_N", "in kN, not in N")]
)
def test_kilonewtons(read, walk, name, word):
    fx, fy = name.split(",")
    recording = read(csv_text({"t": walk.t, fx: walk.fx / 1e3, fy: walk.fy / 1e3}))
    assert np.abs(recording.channels["fy"] - walk.fy).max() < 1e-3
    assert noted(recording, word)


def test_body_weights_need_a_mass(read, walk):
    text = csv_text({"t": walk.t, "x": walk.x, "y": walk.y, "fx_BW": walk.fx / 784.8, "fy_BW": walk.fy / 784.8})
    with pytest.raises(gait.InputError, match="state the body mass"):
        read(text)
    assert_same(read(text, mass=80.0), walk, factor=10)
    with pytest.raises(gait.InputError, match="unit of the forces cannot be told"):
        read(text.replace("_BW", ""))


def test_stairs_are_read_as_they_are(read, walk):
    """The checks of a walk refuse them; no unit explains them."""
    recording = read(csv_text(com_columns(walk, x_m=1e3 * walk.x, y_m=1e3 * (walk.y + 0.4 * walk.x))))
    assert np.ptp(recording.channels["y"]) == pytest.approx(np.ptp(walk.y + 0.4 * walk.x), abs=1e-6)
    assert noted(recording, "more than in level walking")
    assert noted(recording, "in mm, not in m")


def test_units_that_fit_nothing_are_refused(read, walk):
    with pytest.raises(gait.InputError, match="unit of the positions cannot be told"):
        read(csv_text({"t": walk.t, "x": 7 * walk.x, "y": 7 * walk.y}))
    with pytest.raises(gait.InputError, match="unit of the times cannot be told"):
        read(with_times(walk, "t", 40.0 * walk.t))
    assert_same(read(csv_text({"t": walk.t, "x": walk.x / 0.0254, "y": walk.y / 0.0254}), units="in"), walk, ("x", "y"))


# Axes and direction ------------------------------------------------------------------------------


def test_z_up_and_oblique(read, walk):
    angle = np.deg2rad(30)
    across = 0.02 * np.sin(np.pi * walk.t / walk.step_time)
    x = walk.x * np.cos(angle) - across * np.sin(angle)
    y = walk.x * np.sin(angle) + across * np.cos(angle)
    columns = {"t": walk.t, "com_x": x, "com_y": y, "com_z": walk.y}
    forces = {"fx": walk.fx * np.cos(angle), "fy": walk.fx * np.sin(angle), "fz": walk.fy}
    for given in (columns | forces, columns):
        recording = read(csv_text(given))
        assert noted(recording, "Up is +z")
        assert noted(recording, "Forward is (0.8")
        assert worst(recording, walk, "x") < 2e-3
        assert worst(recording, walk, "y") < 1e-6
    with pytest.raises(gait.InputError, match="this axis is vertical. Received: up=y"):
        read(csv_text(columns | forces), up="y")


def test_a_walk_towards_minus_x_is_turned(read, walk):
    recording = read(csv_text(com_columns(walk, x_m=-walk.x, fx_N=-walk.fx)))
    assert_same(recording, walk)
    assert noted(recording, "Forward is -x")


def test_signs_of_forces(read, walk):
    recording = read(csv_text(com_columns(walk, fx_N=-walk.fx, fy_N=-walk.fy)))
    assert_same(recording, walk)
    assert noted(recording, "those on the ground")
    recording = read(csv_text(com_columns(walk, fx_N=-walk.fx)))
    assert_same(recording, walk)
    assert noted(recording, "opposite sign")
    recording = read(csv_text({"t_s": walk.t, "fx": -walk.fx, "fy": walk.fy}))
    assert_same(recording, walk, ("fx", "fy"))
    recording = read(csv_text(feet_columns(walk, fx_left_N=-walk.fx_left, fy_left_N=-walk.fy_left)))
    assert_same(recording, walk)
    assert noted(recording, "left foot's force points down")


def test_a_turn_is_refused(read, walk):
    around = {"t": walk.t, "com_x": 2 * np.sin(walk.x / 2), "com_y": walk.y, "com_z": 2 * np.cos(walk.x / 2)}
    with pytest.raises(gait.InputError, match="The walk turns"):
        read(csv_text(around))
    there = {"t": walk.t, "x": 2 - np.abs(2 - walk.x), "y": walk.y}
    with pytest.raises(gait.InputError, match="The walk turns"):
        read(csv_text(there))
    assert read(csv_text(there), window=(0, 1.6)).has("x")


# Treadmill ---------------------------------------------------------------------------------------


def on_belt(walk, **others):
    return com_columns(walk, x_m=walk.x - walk.speed * walk.t, **others)


def test_a_treadmill_of_unknown_speed_has_no_way(read, walk):
    recording = read(csv_text(on_belt(walk)))
    assert recording.belt_speed is None
    assert not recording.has("x")
    assert noted(recording, "treadmill", "--belt_speed")
    assert_same(recording, walk, ("y", "fx", "fy"))


def test_a_stated_belt_speed_gives_the_way(read, walk):
    recording = read(csv_text(on_belt(walk)), belt_speed=walk.speed)
    assert_same(recording, walk)
    assert recording.belt_speed == walk.speed
    recording = read(csv_text(com_columns(walk)), belt_speed=1.2)
    assert recording.belt_speed == 0.0
    assert noted(recording, "was not added")
    assert_same(recording, walk)


def heels_on_belt(walk, ratio=1.0):
    columns = {"t": walk.t, "com_x": walk.x - walk.speed * walk.t, "com_y": walk.y}
    for side, share in (("left", 1.0), ("right", ratio)):
        columns |= {
            f"heel_{side}_x": walk.feet[f"heel_x_{side}"] - share * walk.speed * walk.t,
            f"heel_{side}_y": walk.feet[f"heel_y_{side}"],
        }
    return columns


def test_heels_tell_the_belt_speed(read, walk):
    recording = read(csv_text(heels_on_belt(walk)))
    assert recording.belt_speed == pytest.approx(walk.speed, abs=1e-4)
    assert worst(recording, walk, "x") < 1e-3
    stance = recording.channels["heel_y_left"] < 0.031
    speeds = np.diff(recording.channels["heel_x_left"])[stance[1:] & stance[:-1]]
    assert np.median(np.abs(speeds)) < 1e-4
    assert noted(recording, "1.157 ± 0.000 m/s")
    recording = read(csv_text(heels_on_belt(walk)), belt_speed=1.0)
    assert recording.belt_speed == 1.0
    assert noted(recording, "+16 %")
    recording = read(csv_text(heels_on_belt(walk, 0.8)))
    assert recording.belt_speed is None
    assert noted(recording, "different speeds")


# Forces ------------------------------------------------------------------------------------------


def test_unloaded_levels_are_removed_and_named(read, walk):
    recording = read(csv_text(feet_columns(walk, fy_right_N=walk.fy_right + 25, fy_left_N=walk.fy_left - 10)))
    assert_same(recording, walk)
    assert noted(recording, "right foot's force reads 25.0 N")
    assert noted(recording, "left foot's force reads -10.0 N")


def test_noise_in_swing_is_no_offset(read, walk):
    noise = np.random.default_rng(0).normal(0, 6, (2, len(walk.t)))
    recording = read(
        csv_text(feet_columns(walk, fy_right_N=walk.fy_right + noise[0], fy_left_N=walk.fy_left + noise[1]))
    )
    assert abs(mean_mass(recording.channels["fy"], 100, walk.step_time) - mean_mass(walk.fy, 100, walk.step_time)) < 0.2


def test_a_total_has_no_unloaded_level(read, walk):
    """Control: somebody always stands on the ground, and half a body weight is no offset."""
    assert_same(read(csv_text({"t_s": walk.t, "fy_N": walk.fy})), walk, ("fy",))


def test_drift_is_followed(read, walk):
    recording = read(csv_text(feet_columns(walk, fy_left_N=walk.fy_left + 10 * walk.t)))
    assert noted(recording, "drifts")
    assert mean_mass(recording.channels["fy"], 100, walk.step_time) == pytest.approx(80, abs=0.3)


@pytest.mark.parametrize(("value", "words"), [(0.0, "exactly zero while it is loaded"), (9e3, "far above all others")])
def test_single_faults_of_a_plate_are_missing(read, walk, value, words):
    fy = walk.fy.copy()
    fy[[50, 120]] = value
    recording = read(csv_text({"t_s": walk.t, "fy_N": fy}))
    assert np.flatnonzero(np.isnan(recording.channels["fy"])).tolist() == [50, 120]
    assert noted(recording, words)
    assert recording.on_plates.all()
    assert_same(recording, walk, ("fy",))


def test_numbers_beyond_all_size_are_missing(read, walk):
    x = walk.x.copy()
    x[7] = 1e300
    recording = read(csv_text(com_columns(walk, x_m=x)))
    assert np.isnan(recording.channels["x"][7])
    assert_same(recording, walk)


def test_an_overloaded_plate_hides_the_mass(read, walk):
    recording = read(csv_text(feet_columns(walk, fy_left_N=np.minimum(walk.fy_left, 700.0))))
    assert noted(recording, "overloaded")
    assert np.isnan(recording.channels["fy"]).sum() == (walk.fy_left >= 700).sum()
    rounded = read(csv_text(feet_columns(walk, fy_left_N=np.round(walk.fy_left), fy_right_N=np.round(walk.fy_right))))
    assert not noted(rounded, "overloaded")


def test_totals_and_single_feet(read, walk):
    recording = read(csv_text(feet_columns(walk, fy_total_N=1.1 * walk.fy)))
    assert noted(recording, "differs from the sum of the feet")
    assert_same(recording, walk, ("fy",))
    recording = read(csv_text({"t_s": walk.t, "fy_total_N": walk.fy, "fy_right_N": walk.fy_right}))
    assert np.abs(recording.channels["fy_left"] - walk.fy_left).max() < 1e-4
    recording = read(csv_text({"t_s": walk.t, "fy_right_N": walk.fy_right}))
    assert not recording.has("fy")
    assert noted(recording, "Only the right foot's force")


# Refusals ----------------------------------------------------------------------------------------


def test_what_is_no_recording_is_refused(read, walk, tmp_path):
    columns = com_columns(walk)
    with pytest.raises(gait.InputError, match="there is no such file"):
        read_recording(tmp_path / "none.csv")
    with pytest.raises(gait.InputError, match="Received a folder"):
        read_recording(tmp_path)
    texts = {
        "": "is empty",
        "t_s,x_m\n": "holds no numbers",
        csv_text(columns, names=False): "no line of column names",
        csv_text(columns, ",", ","): "decimals are commas",
        csv_text({"a": walk.t, "b": walk.x}): "No column of the recording is understood",
        csv_text({"t_s": walk.t, "x_m": walk.x, "x_mm": walk.x}): "both are the point along x",
        csv_text({"x_m": walk.x, "y_m": walk.y}): "no column of times",
        csv_text({"t_s": 0 * walk.t, "x_m": walk.x, "y_m": walk.y}): "All times are 0",
        csv_text(columns) + csv_text(columns, names=False): "as if a second recording began",
        csv_text({"t_s": walk.t[::20], "x_m": walk.x[::20], "y_m": walk.y[::20]}): "unit of the times cannot be told",
    }
    for text, words in texts.items():
        with pytest.raises(gait.InputError, match=words):
            read(text)
    with pytest.raises(gait.InputError, match="not a text file"):
        read(bytes(range(256)) * 8)


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        ({"mass": -3}, "mass must be a positive number"),
        ({"belt_speed": np.nan}, "belt_speed must be a speed"),
        ({"up": "w"}, "up is an axis"),
        ({"forward": "y"}, "forward axis is horizontal"),
        ({"window": (5, 9)}, "at least ten samples"),
        ({"window": 3}, "a first and a last time"),
        ({"units": "furlong"}, "units are such as"),
        ({"units": {"mass": "g"}}, "has the keys"),
        ({"body": "nose"}, "body must be a point"),
    ],
)
def test_hints_out_of_range_are_refused(read, walk, hints, words):
    with pytest.raises(gait.InputError, match=words):
        read(csv_text(com_columns(walk)), **hints)


def test_a_window_and_a_rate(read, walk):
    recording = read(csv_text(com_columns(walk)), window=(1, 3))
    assert len(recording.t) == 201
    assert worst(recording, walk, "y", slice(100, 301)) < 1e-6
    assert recording.t[0] == 0
    columns = {name: values for name, values in com_columns(walk).items() if name != "t_s"}
    assert_same(read(csv_text(columns), rate=100), walk)
    assert_same(read("# rate_hz: 100\n" + csv_text(columns)), walk)


@pytest.mark.slow
def test_ten_minutes_at_1_khz(tmp_path):
    """A file of 600,000 rows is read whole."""
    t = np.arange(600_000) / 1000
    phase = 2 * np.pi * t / 0.5
    columns = np.stack([t, 1.2 * t, 0.95 + 0.02 * np.cos(phase), 60 * np.sin(phase), 800 - 300 * np.cos(phase)], axis=1)
    block = "\n".join(",".join(f"{value:.6g}" for value in row) for row in columns[:1000, 1:])
    lines = [f"{t[k]:.3f},{row}" for k, row in zip(range(len(t)), block.split("\n") * 600, strict=True)]
    lines = [line if k % 1000 else f"{t[k]:.3f},{1.2 * t[k]:.6g},0.97,0,500" for k, line in enumerate(lines)]
    (tmp_path / "long.csv").write_text("t_s,junk,y_m,fx_N,fy_N\n" + "\n".join(lines) + "\n", encoding="utf-8")
    recording = read_recording(tmp_path / "long.csv")
    assert len(recording.t) == 600_000

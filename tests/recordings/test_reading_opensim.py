"""Reading .mot, .sto and .trc: each hazard of a file is repaired and named, or refused in a sentence."""

import numpy as np
import pytest

import gait
from gait.recordings.reading import read_recording, understood
from tests.helpers.recordings import made, marker_text, markers_of, mean_mass, storage_columns, storage_text


@pytest.fixture(scope="module")
def walk():
    return made()


@pytest.fixture
def read(tmp_path):
    def reading(text, name, **hints):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return read_recording(path, **hints)

    return reading


def noted(recording, *words):
    """Whether one note has all these words."""
    return any(all(word in note for word in words) for note in recording.notes)


def assert_forces(recording, walk):
    for side in ("left", "right"):
        for name in ("fx", "fy"):
            assert np.abs(recording.channels[f"{name}_{side}"] - walk.feet[f"{name}_{side}"]).max() < 1e-4
    assert np.abs(recording.channels["fy"] - walk.fy).max() < 1e-4


def footholds(recording, side):
    """Means of the centre of pressure of each contact of a foot, m."""
    values = recording.channels[f"px_{side}"]
    at = np.flatnonzero(np.isfinite(values))
    return np.array([values[part].mean() for part in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)])


# Forces ------------------------------------------------------------------------------------------

NAMINGS = {
    "plain and l_": ("", "l_"),
    "r_ and l_": ("r_", "l_"),
    "numbered": ("1_", "2_"),
    "bodies": ("calcn_r_", "calcn_l_"),
    "Right and Left": ("Right_", "Left_"),
}  # fmt: skip


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("ending", ["mot", "sto"])
def test_forces_of_both_feet(read, walk, naming, ending):
    recording = read(storage_text(storage_columns(walk, *NAMINGS[naming])), f"walk.{ending}")
    assert_forces(recording, walk)
    assert recording.sides_known
    assert footholds(recording, "right") == pytest.approx(walk.footholds[::2], abs=1e-6)
    assert footholds(recording, "left") == pytest.approx(walk.footholds[1::2], abs=1e-6)
    assert recording.belt_speed == 0.0
    assert recording.on_plates.all()


def test_plates_without_sides_give_a_first_and_a_second_foot(read, walk):
    columns = {name: values for name, values in storage_columns(walk, "1_", "2_").items() if not name.endswith("z")}
    recording = read(storage_text(columns), "walk.mot")
    assert not recording.sides_known
    assert noted(recording, "which is the left one is not known")
    assert np.abs(recording.channels["fy_left"] - walk.fy_right).max() < 1e-4  # the first foot


@pytest.mark.parametrize(
    "header",
    [
        "name x\ndatacolumns 13\ndatarows 400\nrange 0 3.99\nendheader\n",
        "nRows = 400\nnColumns = 13\ninDegrees=yes\nendheader \n",
        "grf\nversion=1\nEndHeader\n\n",
        "endheader\n",
    ],
)
def test_headers(read, walk, header):
    recording = read(storage_text(storage_columns(walk), header), "walk.mot")
    assert_forces(recording, walk)
    assert len(recording.notes) == 1  # on the side of forces without a name


def test_line_ends_and_white_space(read, walk):
    text = storage_text(storage_columns(walk))
    for other in (
        text.replace("\n", "\r\n"),
        text.replace("\t", "   "),
        text.replace("\n", "\t\t\n"),
        text.replace("\t", "\t   "),
    ):
        assert_forces(read(other, "walk.mot"), walk)


@pytest.mark.parametrize(("rows", "word"), [(9999, "cut off"), (300, "all of them were read")])
def test_other_numbers_of_rows_than_said(read, walk, rows, word):
    recording = read(storage_text(storage_columns(walk), f"grf\nnRows={rows}\nendheader\n"), "walk.mot")
    assert noted(recording, f"The header says {rows} rows and there are 400", word)
    assert_forces(recording, walk)


def test_a_treadmill_is_seen_by_the_centre_of_pressure(read, walk):
    """The centre of pressure of a real foot moves forward under it, so that it must not give the speed."""
    columns = storage_columns(walk)
    for name in ("ground_force_px", "l_ground_force_px"):
        columns[name] = np.where(columns[name] != 0, columns[name] - walk.speed * walk.t, 0.0)
    recording = read(storage_text(columns), "walk.mot")
    assert recording.belt_speed is None
    assert not recording.has("px_left")
    assert noted(recording, "treadmill", "--belt_speed")
    assert_forces(recording, walk)
    recording = read(storage_text(columns), "walk.mot", belt_speed=walk.speed)
    assert np.diff(footholds(recording, "right"))[1:-1] == pytest.approx(2 * walk.speed * walk.step_time, abs=1e-3)


def test_centres_of_pressure_in_mm(read, walk):
    columns = {name: values * (1000 if name[-2] == "p" else 1) for name, values in storage_columns(walk).items()}
    recording = read(storage_text(columns), "walk.mot")
    assert noted(recording, "Centres of pressure are in mm")
    assert footholds(recording, "right") == pytest.approx(walk.footholds[::2], abs=1e-6)


def test_z_up_and_backwards(read, walk):
    swapped = {}
    for name, values in storage_columns(walk).items():
        other = {"y": "z", "z": "y"}.get(name[-1], name[-1]) if name != "time" else "e"
        swapped[name[:-1] + other] = -values if name.endswith("z") else values
    recording = read(storage_text(swapped), "walk.mot")
    assert_forces(recording, walk)
    assert noted(recording, "Up is +z")
    back = {name: -values if name.endswith(("x", "z")) else values for name, values in storage_columns(walk).items()}
    recording = read(storage_text(back), "walk.mot")
    assert_forces(recording, walk)
    assert noted(recording, "Forward is -x")


def plates_of(walk, groups):
    columns = {"time": walk.t}
    for n, contacts in enumerate(groups, 1):
        columns[f"{n}_ground_force_vx"], columns[f"{n}_ground_force_vy"] = walk.per_contact[list(contacts)].sum(axis=0)
        on = walk.per_contact[contacts[0], 1] > 0
        columns[f"{n}_ground_force_px"] = np.where(on, walk.footholds[contacts[0]], 0.0)
    return storage_text(columns)


def test_plates_with_one_step_each_are_summed_where_they_are_complete(read, walk):
    """Control: over the whole recording the mass would be half as much."""
    recording = read(plates_of(walk, [(1,), (2,), (3,), (4,), (5,)]), "walk.mot")
    begin, end = walk.contacts[2, 0], walk.contacts[4, 1]
    complete = recording.t[recording.on_plates]
    assert begin <= complete[0] < begin + 0.03
    assert end - 0.03 < complete[-1] <= end
    force = recording.channels["fy"][recording.on_plates]
    assert mean_mass(force, 100, walk.step_time) == pytest.approx(80, abs=0.4)
    assert recording.channels["fy"].mean() / 9.81 < 50
    assert np.abs(recording.channels["fy"] - walk.fy)[recording.on_plates].max() < 1e-4
    assert np.concatenate([footholds(recording, "left"), footholds(recording, "right")]) == pytest.approx(
        walk.footholds[[1, 3, 5, 2, 4]], abs=1e-6
    )
    assert noted(recording, "Every foot on the ground is on a plate from")


def test_a_step_beside_the_plates_is_not_counted(read, walk):
    recording = read(plates_of(walk, [(1,), (2,), (3,), (5,), (6,), (7,)]), "walk.mot")
    assert np.abs(recording.channels["fy"] - walk.fy)[recording.on_plates].max() < 1e-4
    assert not recording.on_plates[(recording.t > walk.contacts[4, 0]) & (recording.t < walk.contacts[4, 1])].any()
    assert not recording.has("fy_left")


def test_two_feet_on_one_plate_are_not_one_foot(read, walk):
    recording = read(plates_of(walk, [(1, 2), (3,), (4,), (5,)]), "walk.mot")
    assert not recording.has("fy_left")
    assert noted(recording, "not those of single feet")
    assert np.abs(recording.channels["fy"] - walk.fy)[recording.on_plates].max() < 1e-4


def test_positions_of_a_model(read, walk):
    zero = 0 * walk.t
    model = {"time": walk.t, "pelvis_tilt": zero, "pelvis_tx": walk.x, "pelvis_ty": walk.y, "pelvis_tz": zero}
    recording = read(storage_text(model | {"hip_flexion_r": zero}), "ik.mot")
    assert recording.body == "pelvis"
    assert noted(recording, "no centre of mass in the file: the pelvis stands for it")
    assert np.abs(recording.channels["x"] - walk.x).max() < 1e-6
    recording = read(
        storage_text({"time": walk.t, "center_of_mass_X": walk.x, "center_of_mass_Y": walk.y, "pelvis_X": walk.y}),
        "bk.sto",
    )
    assert recording.body == "centre of mass"
    assert np.abs(recording.channels["y"] - walk.y).max() < 1e-6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name x\ntime\tground_force_vy\n0\t800\n", "no line endheader"),
        ("name x\nendheader\n", "ends with its header"),
        ("name x\nendheader\ntime\tground_force_vy\n", "no rows"),
        ("name x\nendheader\n0\t800\n0.01\t800\n0.02\t810\n", "no line of column names"),
        ("name x\nendheader\ntime\tground_force_vy\n" + "0\t800\t3\n" * 5, "more cells than its 2 column names"),
        ("name x\nendheader\ntime\tground_force_vy\n" + "0\t800\t3\t4\n" * 5, "do not fit its 2 column names"),
        ("name x\nendheader\ntime\tknee_angle_r\n0\t1\n0.1\t2\n0.2\t3\n", "No column of the recording is understood"),
    ],
)
def test_files_that_are_refused(read, text, words):
    with pytest.raises(gait.InputError, match=words):
        read(text, "walk.mot")


# Markers -----------------------------------------------------------------------------------------


def assert_markers(recording, walk, x=2e-6, y=2e-6):
    assert np.nanmax(np.abs(recording.channels["x"] - recording.channels["x"][0] - walk.x + walk.x[0])) < x
    assert np.nanmax(np.abs(recording.channels["y"] - walk.y)) < y
    for side in ("left", "right"):
        assert np.nanmax(np.abs(recording.channels[f"heel_y_{side}"] - walk.feet[f"heel_y_{side}"])) < y


@pytest.mark.parametrize(
    ("unit", "scale", "word"),
    [
        ("mm", 1e3, "converted from mm"),
        ("m", 1.0, None),
        ("cm", 1e2, "converted from cm"),
        ("m", 1e3, "in mm, not in m"),
        ("mm", 1.0, "in m, not in mm"),
        ("inches", 1.0 / 0.0254, "converted from inches"),
    ],
)
def test_units_of_markers(read, walk, unit, scale, word):
    recording = read(marker_text(markers_of(walk), walk.t, unit=unit, scale=scale), "walk.trc")
    assert_markers(recording, walk)
    assert noted(recording, word) if word else recording.notes == ()


def test_a_storage_file_with_commas(read, walk):
    text = storage_text(storage_columns(walk))
    head, rows = text.split("endheader\n")
    recording = read(head + "endheader\n" + rows.replace("\t", ","), "walk.mot")
    assert mean_mass(recording.channels["fy"], 100, walk.step_time) == pytest.approx(80, abs=0.1)


def test_an_unknown_unit_is_refused_unless_it_is_stated(read, walk):
    text = marker_text(markers_of(walk), walk.t, unit="furlong")
    with pytest.raises(gait.InputError, match="furlong of the positions is not known.*units="):
        read(text, "walk.trc")
    assert_markers(read(text, "walk.trc", units="mm"), walk)


def test_heads_and_frames(read, walk):
    markers = markers_of(walk)
    assert_markers(read(marker_text(markers, walk.t, end="\r\n"), "walk.trc"), walk)
    recording = read(marker_text(markers, walk.t + 1.23, first=124), "walk.trc")
    assert_markers(recording, walk)
    assert recording.t[0] == 0
    recording = read(marker_text(markers, walk.t, rate=60.0, frames=500), "walk.trc")
    assert recording.rate == 100.0
    assert noted(recording, "states 60 Hz", "the times say 100 Hz")
    assert noted(recording, "says 500 frames and there are 400")
    assert_markers(recording, walk)


@pytest.mark.parametrize("stand_in", [np.nan, 0.0])
def test_missing_markers_do_not_slide(read, walk, stand_in):
    markers = markers_of(walk)
    markers["CoM"][60:68] = markers["V.Sacral"][60:68] = markers["L.Heel"][390:] = stand_in
    recording = read(marker_text(markers, walk.t), "walk.trc")
    assert np.flatnonzero(np.isnan(recording.channels["x"])).tolist() == [*range(60, 68)]
    assert noted(recording, "no centre of mass from 0.6 to 0.67 s")
    assert noted(recording, "no left heel marker from 3.9 to 3.99 s")
    assert_markers(recording, walk)


@pytest.mark.parametrize(
    "turn",
    [
        [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
        [[0, 0, 1], [0, -1, 0], [1, 0, 0]],
        [[-1, 0, 0], [0, 1, 0], [0, 0, -1]],
        [[-0.6, 0, 0.8], [0, 1, 0], [-0.8, 0, -0.6]],
    ],
    ids=["z up", "y down", "backwards", "oblique"],
)
def test_axes_of_markers(read, walk, turn):
    turned = {name: values @ np.array(turn, float).T for name, values in markers_of(walk).items()}
    recording = read(marker_text(turned, walk.t), "walk.trc")
    assert_markers(recording, walk)
    assert recording.notes


def test_heights_count_from_the_heels(read, walk):
    recording = read(
        marker_text({name: values + np.array([5, -3, 2]) for name, values in markers_of(walk).items()}, walk.t),
        "walk.trc",
    )
    assert noted(recording, "lowest heel marker")
    assert np.mean(recording.channels["y"]) == pytest.approx(walk.y.mean() - 0.03, abs=1e-3)


def test_a_treadmill_with_and_without_heels(read, walk):
    for sign in (1, -1):
        belt = {
            name: (values - np.outer(walk.speed * walk.t, [1, 0, 0])) * [sign, 1, sign]
            for name, values in markers_of(walk).items()
        }
        recording = read(marker_text(belt, walk.t), "walk.trc")
        assert recording.belt_speed == pytest.approx(walk.speed, abs=1e-3)
        assert_markers(recording, walk, x=5e-3)
    recording = read(marker_text({"CoM": belt["CoM"]}, walk.t), "walk.trc")
    assert recording.belt_speed is None
    assert not recording.has("x")
    assert "treadmill of unknown speed" in understood(recording)


def test_markers_that_stand_for_the_body(read, walk):
    markers = markers_of(walk)
    recording = read(
        marker_text({name: values for name, values in markers.items() if name != "CoM"}, walk.t), "walk.trc"
    )
    assert recording.body == "sacral marker"
    corners = {"LASI": [0.1, 0, -0.1], "RASI": [0.1, 0, 0.1], "LPSI": [-0.1, 0, -0.1], "RPSI": [-0.1, 0, 0.1]}
    pelvis = {f"S1:{name}": markers["CoM"] + shift for name, shift in corners.items()}
    pelvis |= {"S1:C7": markers["CoM"] + [0, 0.5, 0], "S1:LHEE": markers["L.Heel"], "S1:RHEE": markers["R.Heel"]}
    recording = read(marker_text(pelvis, walk.t), "walk.trc")
    assert recording.body == "mean of the pelvis markers"
    assert_markers(recording, walk)
    recording = read(marker_text(pelvis, walk.t), "walk.trc", body="S1:C7")
    assert recording.body == "S1:C7"
    assert np.mean(recording.channels["y"]) == pytest.approx(walk.y.mean() + 0.5, abs=1e-6)
    with pytest.raises(gait.InputError, match="body must be a point of the recording"):
        read(marker_text(pelvis, walk.t), "walk.trc", body="C8")


def test_heels_alone(read, walk):
    heels = {name: values for name, values in markers_of(walk).items() if "Heel" in name}
    for unit in ("mm", "m"):
        recording = read(marker_text(heels, walk.t, unit=unit), "walk.trc")
        assert not recording.has("x")
        assert np.abs(recording.channels["heel_y_left"] - walk.heel_y_left).max() < 1e-6
        assert recording.belt_speed == 0.0


def test_columns_that_do_not_fit_the_markers_are_refused(read, walk):
    text = marker_text(markers_of(walk), walk.t)
    for other in (text.replace("L.Heel\t\t", "L.Heel\t\t\tExtra\t\t"), text.replace("\tL.Heel\t\t", "")):
        with pytest.raises(gait.InputError, match="markers, which need"):
            read(other, "walk.trc")
    with pytest.raises(gait.InputError, match="begins with Frame#"):
        read(text.replace("Frame#", "Bild"), "walk.trc")
    with pytest.raises(gait.InputError, match="neither a centre of mass"):
        read(marker_text({"nose": markers_of(walk)["CoM"]}, walk.t), "walk.trc")

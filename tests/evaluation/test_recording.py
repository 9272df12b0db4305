"""evaluate.py --recording: report, numbers, table and figure of a recorded walk."""

import json

import numpy as np
import pandas as pd
import pytest

from gait.errors import InputError
from gait.evaluation.recording import evaluate_recording
from gait.report.recording import plot_recording
from gait.report.style import FORMATS
from tests.helpers.walks_of_people import recorded, shared


def table_of(recording, path, names=("x", "y", "fx", "fy")):
    """Writes a recording as a table."""
    units = {"x": "m", "y": "m", "fx": "N", "fy": "N"}
    columns = {"t_s": recording.t} | {f"{name}_{units[name]}": recording.channels[name] for name in names}
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording")
    return evaluate_recording(table_of(recorded(duration=2.5), folder / "walk.csv"), folder / "out")


@pytest.fixture(scope="module")
def finished_run(small_dataset, tmp_path_factory):
    """A network that has hardly learned, of walks of 3 s."""
    from gait.scenarios import SCENARIOS
    from gait.training.fitting import train
    from gait.training.settings import TrainingSettings

    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = TrainingSettings(SCENARIOS["two_parameter"], epochs=2, batch_size=100, layers=2, units=8)
    train(small_dataset, folder, settings, verbose=0)
    return folder


def test_all_files_are_written(evaluated):
    assert set(evaluated.files) == {"recording.md", "recording.json", "steps.csv", "recording.png"}
    for name in evaluated.files:
        assert (evaluated.folder / name).stat().st_size > 100


def test_numbers_are_those_of_the_walk(evaluated):
    content = json.loads((evaluated.folder / "recording.json").read_text(encoding="utf-8"))
    assert content["summary"]["mass"] == pytest.approx(80.0, rel=1e-3)
    assert content["summary"]["step_time"] == pytest.approx(0.44453, abs=1e-3)
    assert {fit["using"] for fit in content["fits"]} == {"path", "force", "both"}
    for fit in content["fits"]:
        assert fit["stiffness_to_mass"] == pytest.approx(175.0, rel=1e-4)
    assert content["verdict"]["is_persons"]


def test_the_report_says_what_is_certain_and_what_the_model_adds(evaluated):
    text = (evaluated.folder / "recording.md").read_text(encoding="utf-8")
    for words in ("## Certain without a model", "## What the model adds", "| step time | 0.444", "k/m 175 1/s²"):
        assert words in text, words
    assert max(map(len, evaluated.summary().splitlines())) <= 100


def test_names_of_columns_have_units(evaluated):
    columns = pd.read_csv(evaluated.folder / "steps.csv").columns
    assert {"step_time_s", "step_length_m", "first_peak_bw", "speed_m_per_s", "stance_percent"} <= {*columns}


def test_motion_alone_gives_neither_mass_nor_stiffness(tmp_path):
    path = table_of(recorded(duration=2.5), tmp_path / "walk.csv", ("x", "y"))
    found = evaluate_recording(path, tmp_path / "out")
    text = (tmp_path / "out" / "recording.md").read_text(encoding="utf-8")
    assert "Mass and stiffness are not identifiable from motion" in text
    assert all(each.mass is None for rows in found.fits.values() for each in rows)
    assert np.isnan(found.steps.summary()["mass"])


def test_force_alone_is_no_error(tmp_path):
    path = table_of(recorded(duration=2.5), tmp_path / "walk.csv", ("fy",))
    found = evaluate_recording(path, tmp_path / "out")
    assert found.verdict is None
    assert any("Not fitted to the path" in sentence for sentence in found.others)
    assert found.steps.summary()["mass"] == pytest.approx(80.0, rel=1e-3)


def test_a_run_that_does_not_fit_is_explained(tmp_path, finished_run):
    """It takes 3 s of walking, the recording has less from its first single support on."""
    path = table_of(recorded(duration=2.5), tmp_path / "walk.csv")
    found = evaluate_recording(path, tmp_path / "out", run=finished_run)
    assert "Train one with a shorter --duration" in found.network[0]


def test_a_walk_unlike_those_of_the_training_is_far(tmp_path, finished_run):
    path = table_of(recorded(duration=5.0), tmp_path / "walk.csv")
    found = evaluate_recording(path, tmp_path / "out", run=finished_run)
    assert found.network[0].startswith("Do not believe the network")
    assert "Distance of its inputs" in " ".join(found.network)
    assert "## What the network says" in (tmp_path / "out" / "recording.md").read_text(encoding="utf-8")


def test_recordings_of_the_training_are_at_a_distance_of_1(small_dataset, finished_run):
    """Their mean square is 1, that of other walkers is not."""
    from gait.data.dataset import open_dataset
    from gait.training.distance import input_distance
    from gait.training.run import load_run

    run = load_run(finished_run)
    split = open_dataset(small_dataset).load("train", run.scenario.inputs)
    own = input_distance(run, run.inputs(split, "train"))
    assert np.mean(own**2) == pytest.approx(1.0, rel=0.05)
    assert np.median(input_distance(run, 1.5 * run.inputs(split, "train"))) > 2.0


def test_the_command_prints_all_of_it(scripts, tmp_path):
    path = table_of(recorded(duration=2.5), tmp_path / "walk.csv")
    done = scripts.run("evaluate.py", f"--recording={path}", f"--out={tmp_path / 'out'}", "--mass=70")
    assert done.returncode == 0, done.output
    assert "14.3 % more than the stated 70 kg" in " ".join(done.output.split())
    assert "recording.md" in done.output


@pytest.mark.parametrize(
    "flags",
    [
        ["--mass=70"],
        ["--recording=a.csv", "--scenario=weighed"],
        ["--recording=missing.csv"],
        ["--recording=a.csv", "--window=5"],
    ],
)
def test_wrong_commands_end_with_a_sentence(scripts, flags):
    done = scripts.run("evaluate.py", *flags)
    assert done.returncode == 1
    assert "Error: " in done.output
    assert "Traceback" not in done.output


def test_the_figure_has_a_panel_for_all_that_was_recorded(evaluated):
    figure = plot_recording(evaluated.steps, evaluated.fits)
    assert len(figure.axes) == 3
    assert "png" in FORMATS


def test_simulated_walks_have_no_such_figure():
    from gait.recordings.steps import steps
    from tests.helpers.walks_of_people import geyer

    with pytest.raises(InputError, match="simulated"):
        plot_recording(steps(geyer()), {})


def test_the_real_walk_is_not_called_a_persons(tmp_path):
    path = shared() / "walks" / "subject01_walk_100hz.csv"
    found = evaluate_recording(path, tmp_path, window=(2.0, 6.0), mass=72.6)
    summary = found.steps.summary()
    assert summary["mass"] == pytest.approx(72.74, abs=0.3)
    assert summary["step_time"] == pytest.approx(0.613, abs=0.005)
    assert summary["double_support_time"] == pytest.approx(0.164, abs=0.005)
    assert (summary["first_peak"], summary["second_peak"]) == pytest.approx((1.09, 1.10), abs=0.02)
    assert summary["midstance_minimum"] == pytest.approx(0.81, abs=0.02)
    assert found.verdict is not None
    assert not found.verdict.is_persons
    assert any("double support" in fault and "too long" in fault for fault in found.verdict.faults)

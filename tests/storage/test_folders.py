"""Folders of one kind are not taken for those of another, and no message advises to write into them."""

import io
import json
import time
import zipfile

import numpy as np
import pytest

from gait.data.dataset import open_dataset
from gait.data.manifest import FILE
from gait.data.writing import PROGRESS_LOG
from gait.errors import InputError
from gait.evaluation.before_training import evaluate_scenario
from gait.scenarios import SCENARIOS
from gait.storage import files
from gait.storage.folders import DATASET, RUN, check_kind, kind_of
from gait.training.run import Run, load_run
from gait.training.settings import RunConfig, TrainingSettings
from tests.helpers.walks import small_plan

OF_RUN = ("history", "checkpoint", "model", "result")


def folder_with(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).write_text("{}", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", [FILE, PROGRESS_LOG, "train-00000-of-00001.tfrecord"])
def test_a_dataset_is_known_by_any_of_its_files(tmp_path, name):
    assert kind_of(folder_with(tmp_path / "walks", name, "notes.txt")) == DATASET


@pytest.mark.parametrize("name", OF_RUN)
def test_a_run_is_known_by_any_of_its_files(tmp_path, name):
    folder = tmp_path / "run"
    assert kind_of(folder_with(folder, getattr(Run(folder), name).name, "notes.txt")) == RUN


def test_other_files_are_none_of_our_business(tmp_path):
    folder = folder_with(tmp_path / "own", "notes.txt", "config.json", "identifiability.json")
    assert kind_of(folder) is None
    assert kind_of(tmp_path / "nothing") is None
    check_kind(folder, RUN, flag="out")
    check_kind(folder, DATASET, flag="out")


@pytest.fixture
def dataset(tmp_path):
    return folder_with(tmp_path / "walks", FILE)


@pytest.fixture
def run(tmp_path):
    return folder_with(tmp_path / "run", "model.keras", "config.json")


def test_nothing_is_written_into_a_dataset(dataset):
    config = RunConfig(TrainingSettings(SCENARIOS["two_parameter"]), 30, "data", "0", {}, None)
    refusal = f"{dataset} holds a dataset, not a training run. Each has a folder of its own: choose another --out."
    for write in (
        lambda: Run(dataset).check_same(config),
        lambda: evaluate_scenario(SCENARIOS["two_parameter"], dataset),
    ):
        with pytest.raises(InputError) as error:
            write()
        assert str(error.value) == refusal
    assert [path.name for path in dataset.iterdir()] == [FILE]


@pytest.mark.parametrize("overwrite", [True, False])
def test_no_dataset_is_written_into_a_run(run, overwrite):
    from gait.data.writing import write_dataset

    with pytest.raises(InputError) as error:
        write_dataset(run, small_plan(), overwrite=overwrite)
    assert str(error.value) == f"{run} holds a training run, not a dataset. Each has a folder of its own: choose another --out."  # fmt: skip  # noqa: E501
    assert {path.name for path in run.iterdir()} == {"model.keras", "config.json"}


def test_no_message_advises_to_write_there(dataset, run):
    (run / "config.json").unlink()
    for read, folder, wanted, flag in ((load_run, dataset, RUN, "run"), (open_dataset, run, DATASET, "data")):
        with pytest.raises(InputError) as error:
            read(folder)
        assert str(error.value).endswith(f"Each has a folder of its own: give that of a {wanted} as --{flag}.")
        assert "--out" not in str(error.value)


def test_an_empty_folder_gets_advice(tmp_path):
    """Negative control of the test above."""
    for read, script in ((load_run, "train.py"), (open_dataset, "simulate.py")):
        with pytest.raises(InputError, match=rf"python {script} --out={tmp_path}"):
            read(tmp_path)


# Content of files ----------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_json_that_is_nested_deeply_is_a_damaged_file(tmp_path, depth):
    text = '{"a":' + "[" * depth + "]" * depth + ', "checksum": "0"}'
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    for read in (files.read_json, files.read_sealed):
        with pytest.raises(InputError, match=r"a\.json is (not a readable|damaged)"):
            read(tmp_path / "a.json", "manifest", ["a"])
    assert files.unsealed(text.encode()) is None


def test_json_that_is_not_nested_deeply_is_read(tmp_path):
    """Negative control."""
    files.write_sealed(tmp_path / "a.json", {"a": json.loads("[" * 50 + "]" * 50)})
    assert "a" in files.read_sealed(tmp_path / "a.json", "manifest", ["a"])


def test_text_with_the_name_of_a_folder_that_is_no_text(tmp_path):
    files.write_text(tmp_path / "report.md", "Data: walks\udcff, R² 0.5\n")
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == "Data: walks?, R² 0.5\n"


@pytest.mark.parametrize("path", ["", " "])
def test_an_empty_path_is_no_folder(path):
    with pytest.raises(InputError, match="path of a file or folder is empty"):
        files.as_path(path)


# The clock -----------------------------------------------------------------------------------


def archives(folder):
    np.savez(folder / "a.npz", a=np.arange(3))
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("b", "b")
        with archive.open("c", "w") as file:
            file.write(b"c")
    return zipfile.ZipFile(folder / "b.zip").infolist()[0].date_time[0]


@pytest.mark.parametrize(("year", "dated"), [(1960, 1980), (1970, 1980), (2010, 2010), (2110, 1980)])
def test_an_archive_is_written_at_any_time(tmp_path, monkeypatch, year, dated):
    monkeypatch.setattr(time, "localtime", lambda at=None: time.struct_time((year, 6, 1, 0, 0, 0, 0, 152, 0)))
    with files.dated_archives():
        assert archives(tmp_path) == dated
    assert np.load(tmp_path / "a.npz")["a"].tolist() == [0, 1, 2]
    if year != dated:  # control
        with pytest.raises((ValueError, OverflowError, zipfile.struct.error)):
            archives(tmp_path)


def test_numbers_in_a_table_are_read_to_the_last_digit():
    """The default of pandas 2 misses it in four of ten."""
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=2000) * 10.0 ** generator.integers(-5, 5, 2000)
    text = "number\n" + "\n".join(map(repr, numbers.tolist()))
    np.testing.assert_array_equal(files.read_csv(io.StringIO(text))["number"], numbers)

"""Datasets in a storage with a scheme: TensorFlow's file system in memory, byte for byte as on a disk."""

import json
import pickle
import secrets

import pytest
import tensorflow as tf

from gait.data import shards
from gait.data.dataset import open_dataset
from gait.data.manifest import FILE
from gait.data.writing import write_dataset
from gait.errors import InputError, storage_reason
from gait.evaluation.comparison import compare_runs
from gait.storage import files
from gait.storage.remote import RemotePath
from tests.helpers.runs import HIDDEN, XY, make_run
from tests.helpers.walks import files_of, small_plan


@pytest.fixture
def bucket():
    """An empty folder in memory."""
    return RemotePath(f"ram://bucket/{secrets.token_hex(4)}")


def checksums(folder):
    return {path.name: files.sha256(path) for path in folder.iterdir() if path.name.endswith(".tfrecord")}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def same_manifests(one, other):
    contents = [json.loads((folder / FILE).read_text()) for folder in (one, other)]
    for content in contents:
        del content["code_revision"]  # someone may be editing
    return contents[0] == contents[1]


# Paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["data/walks", "/data/walks", "C:/walks", "file:///data/walks"])
def test_local_paths_stay_local(text):
    assert str(files.as_path(text)) == text.removeprefix("file://")
    assert not isinstance(files.as_path(text), RemotePath)


def test_remote_paths_have_the_manners_of_pathlib(bucket):
    path = files.as_path(f"{bucket}/walks/")
    assert path == bucket / "walks" == pickle.loads(pickle.dumps(path))
    assert (path.name, path.parent, str(path.with_name("runs"))) == ("walks", bucket, f"{bucket}/runs")
    assert RemotePath("gs://bucket").parent == RemotePath("gs://bucket")
    assert not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    assert path.is_dir()
    assert not path.is_file()
    files.write_text(path / "a.txt", "first, and long")
    files.write_text(path / "a.txt", "second")
    files.append(path / "a.txt", " line")
    assert (path / "a.txt").is_file()
    assert ((path / "a.txt").read_text(), (path / "a.txt").stat().st_size) == ("second line", 11)
    assert names(path) == ["a.txt"]
    assert files.part(path / "a.txt", 7, 3) == b"lin"
    assert files.part(path / "a.txt", 7, 30) == b"line"
    with files.local_copy(path / "a.txt") as copy:
        assert copy.read_text() == "second line"
    assert not copy.exists()
    (path / "a.txt").unlink()
    (path / "a.txt").unlink(missing_ok=True)
    for attempt in (path / "a.txt").unlink, (path / "a.txt").read_text:
        with pytest.raises(FileNotFoundError):
            attempt()


def test_an_error_in_between_leaves_nothing_behind(bucket):
    bucket.mkdir()

    def fail():
        with files.replacing(bucket / "figure.png") as temporary:
            temporary.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(bucket) == []


@pytest.mark.parametrize("write", [write_dataset, lambda folder, plan: open_dataset(folder)])
def test_a_scheme_that_is_not_there(write):
    with pytest.raises(InputError, match="TensorFlow cannot use walk://w.*It has: file://, .*mount the storage"):
        write(RemotePath("walk://w"), small_plan())


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (tf.errors.PermissionDeniedError, r"Cannot write to ram://.*: permission is denied \(no entry\)"),
        (tf.errors.NotFoundError, "there is no such file, folder or bucket"),
        (tf.errors.ResourceExhaustedError, "its space or quota is used up"),
        (tf.errors.UnavailableError, "the storage does not answer"),
        (tf.errors.InternalError, r"the storage reports an error \(no entry\)"),
    ],
)
def test_errors_of_a_storage_in_plain_words(bucket, monkeypatch, error, message):
    def refuse(*arguments, **options):
        raise error(None, None, "no\nentry")

    monkeypatch.setattr(tf.io.gfile, "copy", refuse)
    with pytest.raises(InputError, match=message):
        write_dataset(bucket, small_plan(), audit=0)


def test_a_bucket_that_is_not_there_is_not_asked_for_twice(monkeypatch):
    """TensorFlow's `makedirs` would go on for ever."""

    def absent(path):
        assert path == "gs://absent"
        raise tf.errors.NotFoundError(None, None, "no bucket")

    monkeypatch.setattr(tf.io.gfile, "stat", absent)
    monkeypatch.setattr(tf.io.gfile, "makedirs", lambda path: pytest.fail("asked"))
    with pytest.raises(InputError, match="Cannot write to gs://absent/walks: there is no such file, folder or bucket"):
        files.make_folder(RemotePath("gs://absent/walks"))


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    """An error, and not "there is no dataset"."""

    def refuse(path):
        raise tf.errors.PermissionDeniedError(None, None, "no entry")

    monkeypatch.setattr(tf.io.gfile, "stat", refuse)
    with pytest.raises(OSError, match="permission is denied") as error:
        open_dataset(RemotePath("ram://walks"))
    assert storage_reason(error.value) == "permission is denied (no entry)"


# Datasets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["ram", "file"])
def test_a_remote_dataset_is_that_of_a_disk(bucket, tmp_path, monkeypatch, scheme):
    """Written, interrupted and resumed, damaged and repaired, and read."""
    folder = bucket if scheme == "ram" else RemotePath(f"file://{tmp_path}/remote")
    plan = small_plan(1000, shards=10)
    local = write_dataset(tmp_path / "local", plan, audit=1)
    honest = files.append

    def interrupted(path, text):
        honest(path, text)
        if len(path.read_text().splitlines()) > 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_dataset(folder, plan, audit=1, workers=1)
    with pytest.raises(InputError, match="is not a finished dataset"):
        open_dataset(folder)
    written = []
    with monkeypatch.context() as patch:
        make = shards.write_shard
        patch.setattr(shards, "write_shard", lambda *a: (written.append(a[2].name), make(*a))[1])
        remote = write_dataset(folder, plan, audit=1)
    assert 0 < len(written) < 10
    assert checksums(folder) == files_of(tmp_path / "local")
    assert same_manifests(folder, tmp_path / "local")
    assert names(folder) == names(tmp_path / "local")
    shard = list(remote.shards("train"))[2]
    (folder / shard).unlink()
    with pytest.raises(InputError, match=f"The shard {folder}/{shard} is missing.*simulate.py --out={folder}"):
        remote.load("train", ("x", "y"))
    write_dataset(folder, plan, audit=1)
    one, other = (found.load("train", ("x", "y")) for found in (remote, local))
    assert (one.inputs == other.inputs).all()
    with pytest.raises(InputError, match="holds another dataset: it differs in seed"):
        write_dataset(folder, small_plan(1000, shards=10, seed=4), audit=0)
    write_dataset(folder, small_plan(100, seed=4), audit=0, overwrite=True)
    assert len(checksums(folder)) == 3


# Runs ----------------------------------------------------------------------------------------


def test_remote_runs_are_compared(bucket, tmp_path):
    """Wildcards fit any part of a remote path but the bucket's name."""
    for name in ("a1", "a2", "b"):
        files.make_folder(bucket / "runs" / name)
        for path in make_run(tmp_path / name, XY, HIDDEN).iterdir():
            if path.stat().st_size:
                files.write_text(bucket / "runs" / name / path.name, path.read_text(encoding="utf-8"))
    table = compare_runs([f"{bucket}/r*/a*"], bucket / "out").table
    assert [run.name for run in table.runs] == ["a1", "a2"]
    assert names(bucket / "out") == ["comparison.csv", "comparison.md", "comparison.png"]
    with pytest.raises(InputError, match="No run fits 'ram://buck"):
        compare_runs(["ram://buck*"], tmp_path / "out")

"""Shards written by a real Dask scheduler and worker processes on this machine, and everything that can go wrong."""

import dataclasses
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import distributed
import numpy as np
import pytest
from tqdm import tqdm

from gait import provenance
from gait.data import cluster, shards, writing
from gait.data.writing import PROGRESS_LOG, write_dataset
from gait.errors import InputError
from gait.parameters import Uniform
from gait.simulation.population import walk_records
from gait.storage import files
from gait.storage.remote import RemotePath
from tests.helpers.scripts import ROOT
from tests.helpers.walks import files_of, small_plan


class Machines:
    """A scheduler and its workers, each a process of one thread, standing in another folder than the tests."""

    def __init__(self, folder, path=ROOT):
        self._folder, self._path, self.workers = folder, path, []
        file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port=0", f"--scheduler-file={file}", "--host=127.0.0.1")
        until = time.monotonic() + 60
        while not (file.exists() and file.read_text().endswith("}")) and time.monotonic() < until:
            time.sleep(0.02)
        self.address = json.loads(file.read_text())["address"]

    def _start(self, role, *flags):
        command = [sys.executable, "-m", f"distributed.cli.dask_{role}", "--no-dashboard", *flags]
        path = os.pathsep.join(filter(None, [str(self._path), os.environ.get("PYTHONPATH")]))
        with (self._folder / f"{role}.log").open("a") as log:
            return subprocess.Popen(
                command, cwd=self._folder, env=os.environ | {"PYTHONPATH": path}, stdout=log, stderr=log
            )

    def have_workers(self, count):
        """Replaces the workers that a test has killed."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < count:
            self.workers.append(self._start("worker", self.address, "--no-nanny", "--nthreads=1", "--death-timeout=30"))
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def end(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    found = Machines(tmp_path_factory.mktemp("machines"))
    yield found
    found.end()


@pytest.fixture
def steps(monkeypatch):
    """What progress bars are told."""
    told = []

    class Bar(tqdm):
        def update(self, n=1):
            told.append(n)
            return super().update(n)

    monkeypatch.setattr(writing, "tqdm", Bar)
    return told


def content_of(folder):
    content = json.loads((folder / "manifest.json").read_text())
    del content["code_revision"], content["checksum"]  # someone may be editing
    return content


def temporary_files(folder):
    return sorted(folder.glob(".tmp.*.tfrecord")) if folder.exists() else []


# The same bytes ------------------------------------------------------------------------------


def test_a_cluster_writes_what_this_machine_writes(machines, tmp_path, steps):
    machines.have_workers(2)
    plan = small_plan(2300, shards=7)
    write_dataset(tmp_path / "here", plan, audit=1)
    steps.clear()
    write_dataset(tmp_path / "there", plan, audit=1, cluster=machines.address)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
    assert content_of(tmp_path / "there") == content_of(tmp_path / "here")
    assert sum(steps) == 2300
    assert len([step for step in steps if step]) >= 8  # a shard at a time, or in smaller steps


def test_a_worker_killed_in_mid_shard_loses_nothing(machines, tmp_path, steps):
    """kill -9 while it writes its first shard, alone; the other worker, until then frozen, writes all of them."""
    machines.have_workers(2)
    plan = small_plan(12_000, shards=4)
    here = write_dataset(tmp_path / "here", plan, audit=0)
    steps.clear()
    folder = tmp_path / "there"
    victim, other = machines.workers
    other.send_signal(signal.SIGSTOP)
    thread = threading.Thread(
        target=write_dataset, args=(folder, plan), kwargs={"audit": 0, "cluster": machines.address}
    )
    thread.start()
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if temporary_files(folder):
                victim.send_signal(signal.SIGSTOP)
                if temporary_files(folder):  # still: the victim is in the midst of it
                    break
                victim.send_signal(signal.SIGCONT)
            time.sleep(0.001)
        victim.kill()
        victim.wait()
        half_written = temporary_files(folder)
        finished = files_of(folder)
    finally:
        other.send_signal(signal.SIGCONT)
        thread.join(120)
    assert len(half_written) == 1
    assert half_written[0].name.split(".", 3)[-1] not in finished
    assert len(finished) < len(here.manifest.shards)
    assert files_of(folder) == files_of(tmp_path / "here")
    assert content_of(folder) == content_of(tmp_path / "here")
    assert sum(steps) == 12_000
    assert sorted(path.name for path in folder.iterdir()) == sorted(["manifest.json", *here.manifest.shards])


def test_what_an_interrupted_run_has_left_undone(machines, tmp_path, monkeypatch):
    """Ctrl-C here cancels the shards there; the same command ends with the same bytes, on a cluster or without."""
    machines.have_workers(1)
    plan = small_plan(2000, shards=20)
    write_dataset(tmp_path / "here", plan, audit=0)
    folder, honest = tmp_path / "there", files.append

    def interrupted(path, text):
        honest(path, text)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_dataset(folder, plan, audit=0, cluster=machines.address)
    before = {name: (folder / name).stat().st_mtime_ns for name in writing._read_log(folder).shards}
    assert 1 <= len(before) < 20
    write_dataset(folder, plan, audit=0, cluster=machines.address)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert files_of(folder) == files_of(tmp_path / "here")
    (folder / "train-00001-of-00016.tfrecord").unlink()
    write_dataset(folder, plan, audit=0, cluster=machines.address)
    assert files_of(folder) == files_of(tmp_path / "here")
    assert not temporary_files(folder)


def test_two_attempts_at_one_shard_at_once(tmp_path):
    """A worker that was believed dead writes on, beside its successor."""
    plan = small_plan(100)
    shard = plan.layout()[0]
    both = threading.Barrier(2, timeout=60)
    entries = []

    def attempt():
        entries.append(shards.write_shard(tmp_path, plan, shard, lambda records: both.wait()))

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entries[0] == entries[1]
    path = tmp_path / shard.name
    assert entries[0].fault(path, files.sha256(path)) is None
    assert [path.name for path in tmp_path.iterdir()] == [shard.name]


def test_progress_of_a_shard_that_is_begun_again():
    """No record counts twice: not what a second attempt repeats, nor what a lost one reports late."""
    steps = []
    hear = cluster.each_once(steps.append)
    hear("a", 0)
    hear("a", 80)
    hear("b", 50)
    assert sum(steps) == 130
    hear("a", 0)  # the second attempt
    hear("a", 70)  # the first one, from before
    hear("a", 30)
    assert sum(steps) == 130
    hear("a", 90)
    assert sum(steps) == 140
    hear("a", 100)
    hear("a", 60)
    assert sum(steps) == 150
    assert min(steps) > 0


def test_a_worker_gives_up_a_shard_that_nobody_waits_for(tmp_path, monkeypatch):
    """Dask cannot stop a thread; the mark's end tells it. The shard is in parts, after each of which it looks."""
    told = []
    worker = SimpleNamespace(address="here", log_event=lambda topic, event: (told.append(event), mark.unlink()))
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    monkeypatch.setattr(cluster, "_REPORT_EVERY", -1.0)
    monkeypatch.setattr(shards, "_AT_A_TIME", {"taylor": 100})
    mark, plan = tmp_path / "mark", small_plan(1000, shards=1)
    mark.touch()
    order = pickle.dumps((tmp_path, mark, plan, plan.layout()[0]))
    with pytest.raises(InputError, match=f"{plan.layout()[0].name} was given up"):
        cluster.write_ordered_shard(order, provenance.numerical_environment("simulation"))
    assert len(told) == 1
    assert not list(tmp_path.iterdir())  # not even half a shard


# Errors --------------------------------------------------------------------------------------


def test_a_users_mistake_found_by_a_worker_is_told_as_here(machines, tmp_path):
    machines.have_workers(1)
    hopeless = small_plan().population.priors | {"y0": Uniform(0.35, 0.4)}
    plan, here = small_plan(10, shards=1, priors=hopeless), set()
    for rows in (range(8), range(8, 9), range(9, 10)):  # the three shards, any of which may be the first to fail
        with pytest.raises(InputError, match="did not walk in 4000 attempts") as mistake:
            walk_records(plan.population, plan.settings, rows)
        here.add(str(mistake.value))
    with pytest.raises(InputError) as there:
        write_dataset(tmp_path, plan, cluster=machines.address)
    assert str(there.value) in here


def test_a_worker_of_another_version_is_refused(machines, tmp_path, monkeypatch):
    machines.have_workers(1)
    versions = provenance.numerical_environment("simulation") | {"gait": "0123456789ab"}
    monkeypatch.setattr(provenance, "numerical_environment", lambda task: versions)
    with pytest.raises(InputError, match="The worker tcp://.* has gait [0-9a-f]{12} instead of 0123456789ab, so"):
        write_dataset(tmp_path, small_plan(), cluster=machines.address)
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_LOG]


def test_a_worker_is_known_by_the_source_that_it_has_loaded(tmp_path, monkeypatch):
    """A source that is changed while it runs would pass for the one it computes with."""
    loaded = cluster._worker_versions()
    shutil.copytree(ROOT / "gait", tmp_path, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (tmp_path / "simulation" / "model.py").write_text("edited = True")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.numerical_environment("simulation")["gait"] != loaded["gait"]
    assert cluster._worker_versions() == loaded


def test_a_worker_without_this_package_says_so(tmp_path, request):
    """It joins when the run waits already; another package of this name, which cannot be imported, is what it has.

    So has the scheduler, which needs none.
    """
    (tmp_path / "gait.py").write_text("raise ImportError('not installed here')")
    bare = Machines(tmp_path, path=tmp_path)
    request.addfinalizer(bare.end)
    message = r"A worker on .* cannot use the package gait \(not installed here\). Install the same version there"
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(write_dataset, tmp_path / "walks", small_plan(), cluster=bare.address)
        bare.have_workers(1)
        with pytest.raises(InputError, match=message):
            done.result(timeout=60)
    assert [path.name for path in (tmp_path / "walks").iterdir()] == [PROGRESS_LOG]


def test_a_folder_that_the_workers_do_not_share(machines):
    """Memory, which every process has for itself, under the same name."""
    machines.have_workers(1)
    with pytest.raises(InputError, match="does not see ram://walks as it is here. All workers must reach the same"):
        write_dataset(RemotePath("ram://walks"), small_plan(), cluster=machines.address)


def test_a_disk_that_does_not_take_the_shard_of_a_worker(tmp_path, monkeypatch):
    """The error names the worker; here the worker is ourselves."""

    class Worker:
        address = "tcp://far:1"
        log_event = staticmethod(lambda topic, message: None)

    monkeypatch.setattr(distributed, "get_worker", Worker)
    mark, plan = tmp_path / "mark", small_plan(10)
    mark.touch()
    shard = dataclasses.replace(plan.layout()[0], name="no/such/folder.tfrecord")
    order = pickle.dumps((tmp_path, mark, plan, shard))
    with pytest.raises(InputError, match=f"^On the worker tcp://far:1: Cannot write to {tmp_path}"):
        cluster.write_ordered_shard(order, provenance.numerical_environment("simulation"))


@pytest.mark.parametrize("defect", [ZeroDivisionError("ours"), TimeoutError("ours"), KeyError("ours")])
def test_a_defect_on_a_worker_is_no_mistake_of_the_user(tmp_path, monkeypatch, defect):
    """It ends the run as it is. A `TimeoutError` of the task is not taken for an answer that is late."""

    def defective(*arguments):
        raise defect

    monkeypatch.setattr(cluster, "write_shard", defective)
    with (
        distributed.LocalCluster(1, processes=False, dashboard_address=":0", protocol="tcp") as local,
        pytest.raises(type(defect), match="ours"),
    ):
        write_dataset(tmp_path, small_plan(), audit=0, cluster=local.scheduler_address)
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_LOG]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", ""])
def test_no_scheduler_at_the_address(tmp_path, monkeypatch, address):
    monkeypatch.setattr(cluster, "CONNECTION_LIMIT", 0.5)
    before = threading.enumerate()
    with pytest.raises(InputError, match=f"No Dask scheduler answers at {address}.*for example tcp://host:8786"):
        write_dataset(tmp_path / "walks", small_plan(), cluster=address)
    assert not (tmp_path / "walks").exists()
    if "://" not in address:  # no address at all: nothing of Dask's has begun
        assert set(threading.enumerate()) <= {*before}


def test_missing_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match='Install it: pip install "distributed>=') as error:
        write_dataset(tmp_path / "walks", small_plan(), cluster="tcp://127.0.0.1:8786")
    assert f'pip install "{cluster.REQUIREMENT}"' in str(error.value)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["cluster"] == [cluster.REQUIREMENT]
    assert 'pip install -e ".[cluster]"' in (ROOT / "docs" / "cluster.md").read_text()
    assert cluster.REQUIREMENT in (ROOT / "tests" / "requirements.txt").read_text().split()
    assert not (tmp_path / "walks").exists()


def test_workers_are_the_clusters_matter(tmp_path):
    with pytest.raises(InputError, match="Leave out one of the two. Received: --cluster=tcp://host:8786 --workers=2"):
        write_dataset(tmp_path / "walks", small_plan(), cluster="tcp://host:8786", workers=2)


def test_a_cluster_without_workers_and_then_without_a_scheduler(tmp_path, monkeypatch, request):
    lone = Machines(tmp_path)
    request.addfinalizer(lone.end)
    folder, plan = tmp_path / "walks", small_plan(2300, shards=7)
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "NO_WORKER_LIMIT", 0.5)
        with pytest.raises(InputError, match="has had no worker for 0 s, with 8 shards to write.*dask worker tcp://"):
            write_dataset(folder, plan, cluster=lone.address)

    def end_once_it_waits(path, text, honest=files.write_text):
        honest(path, text)
        threading.Timer(0.3, lone.end).start()

    monkeypatch.setattr(files, "write_text", end_once_it_waits)
    with pytest.raises(InputError, match="The Dask scheduler has gone away.*run the same command again"):
        write_dataset(folder, plan, cluster=lone.address)


@pytest.fixture(scope="module")
def many_shards(machines, tmp_path_factory):
    """A plan, its dataset as written here, and the seconds that two workers need who have loaded everything."""
    plan, folder = small_plan(60_000, shards=30), tmp_path_factory.mktemp("many")
    write_dataset(folder / "here", plan, audit=0)
    machines.have_workers(2)
    for name in ("loading", "there"):
        began = time.monotonic()
        write_dataset(folder / name, plan, audit=0, cluster=machines.address)
    return plan, folder / "here", time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_workers_killed_at_a_random_moment(machines, many_shards, tmp_path, steps, number):
    """kill -9 of one of two workers or of both, wherever they are; new ones are started, and nobody is told."""
    plan, here, seconds = many_shards
    generator, folder = np.random.default_rng(number), tmp_path / "there"
    with ThreadPoolExecutor(1) as pool:
        while True:
            machines.have_workers(2)
            steps.clear()
            done = pool.submit(write_dataset, folder, plan, audit=0, cluster=machines.address)
            wait([done], timeout=generator.uniform(0, seconds))
            victims = generator.permutation(machines.workers)[: 1 + number % 2]
            for victim in victims:
                victim.kill()
            if not done.done():
                break
            shutil.rmtree(folder)  # it was quicker this time
        for victim in victims:
            victim.wait()
        machines.have_workers(2)
        done.result(timeout=120)
    assert files_of(folder) == files_of(here)
    assert content_of(folder) == content_of(here)
    assert sum(steps) == plan.total
    assert {path.name for path in folder.iterdir()} == {path.name for path in here.iterdir()}


@pytest.mark.slow
def test_the_script_on_a_cluster(machines, tmp_path):
    """Ctrl-C in the midst of it; then the same command to the end."""
    machines.have_workers(2)
    write_dataset(tmp_path / "here", small_plan(60_000, duration=15.0, shards=20), audit=1)
    command = [sys.executable, "simulate.py", f"--out={tmp_path / 'there'}", "--records=60000", "--seed=3",
               "--channels=x,y", "--shards=20", "--audit=1", f"--cluster={machines.address}"]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 100
    while len(list((tmp_path / "there").glob("*.tfrecord"))) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the same command goes on from there" in errors
    assert not temporary_files(tmp_path / "there")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")

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
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import distributed
import numpy as np
import pytest
from gait.progress import ProgressBar

from gait import data as dataset
from gait import provenance
from gait.data import cluster, manifest, shards
from gait.data.cluster import Tally
from gait.errors import InputError
from gait.simulation.population import walk_records
from gait.storage import files
from gait.storage.remote import RemotePath
from tests.helpers.scripts import ROOT
from tests.helpers.walks import files_of, small_plan


class Machines:
    """A scheduler and its workers, each a process of one thread, standing in another folder than the tests."""

    def __init__(self, folder):
        self._folder, self.workers = folder, []
        described = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port=0", f"--scheduler-file={described}", "--host=127.0.0.1")
        until = time.monotonic() + 60
        while not (described.exists() and described.read_text().endswith("}")) and time.monotonic() < until:
            time.sleep(0.02)
        self.address = json.loads(described.read_text())["address"]

    def _start(self, role, *flags):
        command = [sys.executable, "-m", f"distributed.cli.dask_{role}", "--no-dashboard", *flags]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
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


class Count(ProgressBar):
    """Keeps what a progress bar is told."""

    def __init__(self):
        super().__init__("records")
        self.steps = []

    def advance(self, count):
        super().advance(count)
        self.steps.append(count)


def content_of(folder):
    content = json.loads((folder / "manifest.json").read_text())
    del content["code_revision"], content["checksum"]  # someone may be editing
    return content


def temporary_files(folder):
    return sorted(folder.glob(".tmp.*.tfrecord")) if folder.exists() else []


# The same bytes ------------------------------------------------------------------------------


def test_a_cluster_writes_what_this_machine_writes(machines, tmp_path):
    machines.have_workers(2)
    plan = small_plan(2300, shards=7)
    dataset.write(tmp_path / "here", plan, audit=1)
    progress = Count()
    dataset.write(tmp_path / "there", plan, audit=1, cluster=machines.address, progress=progress)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
    assert content_of(tmp_path / "there") == content_of(tmp_path / "here")
    assert sum(progress.steps) == 2300
    assert len([step for step in progress.steps if step]) >= 8  # a shard at a time, or in smaller steps


def test_a_worker_killed_in_mid_shard_loses_nothing(machines, tmp_path):
    """kill -9 while it writes its first shard, alone; the other worker, until then frozen, writes all of them."""
    machines.have_workers(2)
    plan = small_plan(12_000, shards=4)
    here = dataset.write(tmp_path / "here", plan, audit=0)
    folder, progress = tmp_path / "there", Count()
    victim, other = machines.workers
    other.send_signal(signal.SIGSTOP)
    thread = threading.Thread(
        target=dataset.write,
        args=(folder, plan),
        kwargs={"audit": 0, "cluster": machines.address, "progress": progress},
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
    assert len(finished) < len(here.content["shards"])
    assert files_of(folder) == files_of(tmp_path / "here")
    assert content_of(folder) == content_of(tmp_path / "here")
    assert sum(progress.steps) == 12_000
    assert sorted(path.name for path in folder.iterdir()) == sorted(["manifest.json", *here.content["shards"]])


def test_what_an_interrupted_run_has_left_undone(machines, tmp_path, monkeypatch):
    """Ctrl-C here cancels the shards there; the same command ends with the same bytes, on a cluster or without."""
    machines.have_workers(1)
    plan = small_plan(2000, shards=20)
    dataset.write(tmp_path / "here", plan, audit=0)
    folder, honest = tmp_path / "there", files.append

    def interrupted(path, text):
        honest(path, text)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dataset.write(folder, plan, audit=0, cluster=machines.address)
    journal = dataset.writing._read_journal(folder)[1]
    before = {name: (folder / name).stat().st_mtime_ns for name in journal}
    assert 1 <= len(before) < 20
    dataset.write(folder, plan, audit=0, cluster=machines.address)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert files_of(folder) == files_of(tmp_path / "here")
    (folder / "train-00001-of-00016.tfrecord").unlink()
    dataset.write(folder, plan, audit=0, cluster=machines.address)
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
    assert manifest.shard_fault(tmp_path / shard.name, entries[0]) is None
    assert [path.name for path in tmp_path.iterdir()] == [shard.name]


def test_progress_of_a_shard_that_is_begun_again():
    """Records of a lost attempt are taken back; what it reports late does not count."""
    progress = Count()
    progress.start(300)
    tally = Tally(progress)
    tally.hear("a", "first", 0)
    tally.hear("a", "first", 80)
    tally.hear("b", "only", 50)
    tally.hear("a", "second", 0)
    tally.hear("a", "first", 90)
    assert sum(progress.steps) == 50
    tally.hear("a", "second", 30)
    tally.finish("a", 100)
    tally.hear("a", "second", 60)
    assert sum(progress.steps) == 150


def test_a_worker_gives_up_a_shard_that_nobody_waits_for(tmp_path, monkeypatch):
    """Dask cannot stop a thread; the mark's end tells it. The shard is in parts, after each of which it looks."""
    told = []
    worker = SimpleNamespace(address="here", log_event=lambda topic, event: (told.append(event), mark.unlink()))
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    monkeypatch.setattr(cluster, "_REPORT_EVERY", -1.0)
    mark, plan = tmp_path / "mark", small_plan(1000, shards=1)
    mark.touch()
    order = pickle.dumps((tmp_path, mark, plan, plan.layout()[0], "topic"))
    assert cluster.carry_out(order, provenance.numerical_environment()) == {
        "refusal": f"{plan.layout()[0].name} was given up."
    }
    assert len(told) == 1
    assert not list(tmp_path.iterdir())  # not even half a shard


# Errors --------------------------------------------------------------------------------------


def test_a_users_mistake_found_by_a_worker_is_told_as_here(machines, tmp_path):
    machines.have_workers(1)
    hopeless = small_plan().population.priors | {"y0": manifest.Uniform(0.35, 0.4)}
    plan, here = small_plan(10, shards=1, priors=hopeless), set()
    for rows in (range(8), range(8, 9), range(9, 10)):  # the three shards, any of which may be the first to fail
        with pytest.raises(InputError, match="did not walk in 1000 attempts") as mistake:
            walk_records(plan.population, rows)
        here.add(str(mistake.value))
    with pytest.raises(InputError) as there:
        dataset.write(tmp_path, plan, cluster=machines.address)
    assert str(there.value) in here


def test_a_worker_of_another_version_is_refused(machines, tmp_path, monkeypatch):
    machines.have_workers(1)
    versions = provenance.numerical_environment() | {"gait": "0123456789ab"}
    monkeypatch.setattr(provenance, "numerical_environment", lambda: versions)
    with pytest.raises(InputError, match="The worker tcp://.* has gait [0-9a-f]{12} instead of 0123456789ab, so"):
        dataset.write(tmp_path, small_plan(), cluster=machines.address)
    assert [path.name for path in tmp_path.iterdir()] == [dataset.JOURNAL]


def test_a_worker_without_this_package_says_so(tmp_path):
    """The errand is unpacked and run where only Dask is installed."""
    (tmp_path / "errand").write_bytes(distributed.protocol.pickle.dumps(cluster._errand()))
    code = "import pickle; print(pickle.load(open('errand', 'rb'))(b'', {})['refusal'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "cannot use the package gait (No module named 'gait')" in done.stdout, done.stderr


def test_a_folder_that_the_workers_do_not_share(machines):
    """Memory, which every process has for itself, under the same name."""
    machines.have_workers(1)
    with pytest.raises(InputError, match="does not see ram://walks as it is here. All workers must reach the same"):
        dataset.write(RemotePath("ram://walks"), small_plan(), cluster=machines.address)


def test_a_disk_that_does_not_take_the_shard_of_a_worker(tmp_path, monkeypatch):
    """The error names the worker; here the worker is ourselves."""

    class Worker:
        address = "tcp://far:1"
        log_event = staticmethod(lambda topic, message: None)

    monkeypatch.setattr(distributed, "get_worker", Worker)
    mark, plan = tmp_path / "mark", small_plan(10)
    mark.touch()
    shard = dataclasses.replace(plan.layout()[0], name="no/such/folder.tfrecord")
    order = pickle.dumps((tmp_path, mark, plan, shard, "topic"))
    answer = cluster.carry_out(order, provenance.numerical_environment())
    assert answer["refusal"].startswith(f"On the worker tcp://far:1: Cannot write to {tmp_path}")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", ""])
def test_no_scheduler_at_the_address(tmp_path, monkeypatch, address):
    monkeypatch.setattr(cluster, "CONNECTION_LIMIT", 0.5)
    before = threading.enumerate()
    with pytest.raises(InputError, match=f"No Dask scheduler answers at {address}.*for example tcp://host:8786"):
        dataset.write(tmp_path / "walks", small_plan(), cluster=address)
    assert not (tmp_path / "walks").exists()
    if "://" not in address:  # no address at all: nothing of Dask's has begun
        assert set(threading.enumerate()) <= {*before}


def test_missing_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match='Install it: pip install "distributed>=') as error:
        dataset.write(tmp_path / "walks", small_plan(), cluster="tcp://127.0.0.1:8786")
    command = f'pip install "{cluster.REQUIREMENT}"'
    assert command in str(error.value)
    assert command in (ROOT / "README.md").read_text()
    assert cluster.REQUIREMENT in (ROOT / "tests" / "requirements.txt").read_text().split()
    assert not (tmp_path / "walks").exists()


def test_workers_are_the_clusters_matter(tmp_path):
    with pytest.raises(InputError, match="Leave out one of the two. Received: --cluster=tcp://host:8786 --workers=2"):
        dataset.write(tmp_path / "walks", small_plan(), cluster="tcp://host:8786", workers=2)


def test_a_cluster_without_workers_and_then_without_a_scheduler(tmp_path, monkeypatch, request):
    lone = Machines(tmp_path)
    request.addfinalizer(lone.end)
    folder, plan = tmp_path / "walks", small_plan(2300, shards=7)
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "LONELY_LIMIT", 0.5)
        with pytest.raises(InputError, match="has had no worker for 0 s, with 8 shards to write.*dask worker tcp://"):
            dataset.write(folder, plan, cluster=lone.address)

    def end_once_it_waits(path, text, honest=files.write_text):
        honest(path, text)
        threading.Timer(0.3, lone.end).start()

    monkeypatch.setattr(files, "write_text", end_once_it_waits)
    with pytest.raises(InputError, match="The Dask scheduler has gone away.*run the same command again"):
        dataset.write(folder, plan, cluster=lone.address)


@pytest.fixture(scope="module")
def many_shards(machines, tmp_path_factory):
    """A plan, its dataset as written here, and the seconds that two workers need who have loaded everything."""
    plan, folder = small_plan(60_000, shards=30), tmp_path_factory.mktemp("many")
    dataset.write(folder / "here", plan, audit=0)
    machines.have_workers(2)
    for name in ("loading", "there"):
        began = time.monotonic()
        dataset.write(folder / name, plan, audit=0, cluster=machines.address)
    return plan, folder / "here", time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_workers_killed_at_a_random_moment(machines, many_shards, tmp_path, number):
    """kill -9 of one of two workers or of both, wherever they are; new ones are started, and nobody is told."""
    plan, here, seconds = many_shards
    generator, folder = np.random.default_rng(number), tmp_path / "there"
    with ThreadPoolExecutor(1) as pool:
        while True:
            machines.have_workers(2)
            progress = Count()
            writing = pool.submit(dataset.write, folder, plan, audit=0, cluster=machines.address, progress=progress)
            wait([writing], timeout=generator.uniform(0, seconds))
            victims = generator.permutation(machines.workers)[: 1 + number % 2]
            for victim in victims:
                victim.kill()
            if not writing.done():
                break
            shutil.rmtree(folder)  # it was quicker this time
        for victim in victims:
            victim.wait()
        machines.have_workers(2)
        writing.result(timeout=120)
    assert files_of(folder) == files_of(here)
    assert content_of(folder) == content_of(here)
    assert sum(progress.steps) == plan.records
    assert {path.name for path in folder.iterdir()} == {path.name for path in here.iterdir()}


@pytest.mark.slow
def test_the_script_on_a_cluster(machines, tmp_path):
    """Ctrl-C in the midst of it; then the same command to the end."""
    machines.have_workers(2)
    dataset.write(tmp_path / "here", small_plan(60_000, duration=15.0, shards=20), audit=1)
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

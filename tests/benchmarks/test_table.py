"""The tables of the benchmarks, which need no peer to be laid out."""

import itertools
import math

import pytest

from tests.benchmarks import measure
from tests.benchmarks.growth import exponent
from tests.benchmarks.measure import Job, Worker, restless
from tests.benchmarks.table import MISSING, megabytes, number, table


def test_short_rows_are_filled_up():
    lines = table(["engine", "records/s"], [["ours", "5,800"], ["peer"]]).splitlines()
    assert lines[0] == "| engine | records/s |"
    assert lines[1] == "|--------|-----------|"
    assert lines[3] == "| peer   |           |"


def test_numbers_are_written_for_people():
    assert [number(value) for value in (5812.3, 12.34, 0.5, 4e-9, math.nan)] == [
        "5,812",
        "12.3",
        "0.50",
        "4.0e-09",
        "–",
    ]
    assert megabytes(2_500_000_000) == "2,500"


def test_a_missing_peer_is_a_row_and_no_failure(tmp_path):
    worker = Worker(Job("peer", "nowhere:nothing", package="a-package-that-nobody-has-made"), tmp_path)
    worker.turn()
    worker.end()
    assert worker.trouble == MISSING
    assert math.isnan(worker.median)


def test_a_linear_growth_has_exponent_one():
    assert math.isclose(exponent([10, 100, 1000], [0.2, 2.0, 20.0]), 1.0)
    assert math.isnan(exponent([10], [1.0]))


def a_worker(tmp_path, seconds: list[float]) -> Worker:
    worker = Worker(Job("row", "nowhere:nothing", package="a-package-that-nobody-has-made"), tmp_path)
    worker.seconds = seconds
    return worker


def test_the_spread_is_that_of_the_middle_half(tmp_path):
    calm, wild = (a_worker(tmp_path, seconds) for seconds in ([1.0, 1.0, 1.02, 1.04, 9.0], [1.0, 1.0, 1.2, 1.3, 1.4]))
    assert math.isclose(calm.spread, 0.04 / 1.02)
    assert math.isclose(wild.spread, 0.3 / 1.2)
    assert restless([calm, wild, a_worker(tmp_path, [])]) == [wild]


@pytest.mark.parametrize(("lengths", "turns", "name"), [((1.0,), 4, "row"), ((1.0, 2.0), 12, "row (spread 67 %)")])
def test_rounds_are_repeated_while_a_row_spreads(monkeypatch, lengths, turns, name):
    """Turns of one length are taken once; those of changing length three times, by all rows, and the row says so."""
    given = {"row": itertools.cycle(lengths), "calm": itertools.repeat(1.0)}

    class Timed(Worker):
        def __init__(self, job, caches):
            self.job, self.seconds, self.ended = job, [], False

        def turn(self, measured=True):
            if measured:
                self.seconds.append(next(given[self.job.name]))

        def end(self):
            self.ended = True

    monkeypatch.setattr(measure, "Worker", Timed)
    row, calm = measure.taking_turns([Job("row", ""), Job("calm", "")], repeats=4)
    assert row.ended
    assert len(row.seconds) == len(calm.seconds) == turns
    assert (row.job.name, calm.job.name) == (name, "calm")


def test_a_job_in_a_process_of_its_own():
    (worker,) = measure.taking_turns([Job("row", "tests.benchmarks.test_table:nothing_to_do")], repeats=1)
    assert worker.trouble is None
    assert len(worker.seconds) >= 1
    assert worker.note == "done"


def nothing_to_do():
    """A job without work."""
    return lambda first=False: "done"

"""The drills' own arithmetic, and its client against a server that refuses."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from benchmarks.operations.drills import Killed, Terminated, classify
from benchmarks.operations.flood import REFUSED, Flooded, flood
from benchmarks.operations.overload import Overload, Run, recovery
from benchmarks.operations.plot import draw
from benchmarks.operations.report import Measured, render
from benchmarks.operations.sockets import BROKEN, CLOSED
from benchmarks.operations.subject import SubjectError
from loadtest.arrivals import Arrivals, constant
from loadtest.limit import Limit
from loadtest.load import Load
from loadtest.results import OK, TIMEOUT, Results
from loadtest.summary import Window, summarise
from tests.loadtest.conftest import slow_url  # noqa: F401  (a fixture)
from tests.loadtest.samples import Entry, record
from tests.loadtest.slow import BURST, CAPACITY


def answered(start_s: float, end_s: float, latency_s: float = 0.01) -> list[Entry]:
    """A hundred requests a second, all answered 200."""
    times = [start_s + n / 100 for n in range(round(100 * (end_s - start_s)))]
    return [("digits", OK, t, t, t + latency_s) for t in times]


def run(*entries: Entry) -> Run:
    flooded = Flooded(record(*entries), (), 0.5)
    return Run(flooded, ((0.0, 2**30), (5.0, 2**30)), 1.5)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (answered(10, 15), 0),
        ([*answered(10, 11, 0.5), *answered(11, 15)], 1),
        ([*answered(10, 15), ("digits", "503 queue_full", 11.6, 11.6, 11.7)], 1.75),
        ([*answered(10, 14), *answered(14, 15, 0.5)], None),
    ],
    ids=["at once", "slow for a second", "a refusal", "never"],
)
def test_recovery_ends_with_the_last_window_that_is_not_normal(
    after: list[Entry], expected: float | None
) -> None:
    overloaded = answered(5, 10, 0.8)

    found = recovery(run(*overloaded, *after), Window(10, 15), 0.1)

    assert found == (None if expected is None else pytest.approx(expected))


def test_what_the_service_has_read_and_not_answered_is_lost() -> None:
    kinds = [OK, OK, "503 shutting_down", REFUSED, CLOSED, CLOSED, CLOSED]
    results = record(*(("digits", kind, 0, 0, 1) for kind in kinds))
    flooded = Flooded(results, ("flood-4-0.1", "flood-5-0.2", "flood-6-0.3"), 0.1)
    names = ["flood-0-0.0", "flood-1-0.0", "flood-2-0.0", "flood-5-0.2"]
    log = "".join(f'{{"request_id":"{name}","status":200}}\n' for name in names)

    seen = classify(flooded, log, 7, 0.5, 0)

    assert (seen.answered, seen.good, seen.refused) == (3, 2, 1)
    assert (seen.unread, seen.lost) == (2, 1)


def test_without_an_access_log_nothing_is_said_of_what_was_lost() -> None:
    flooded = Flooded(record(("digits", OK, 0, 0, 1)), (), 0.1)

    with pytest.raises(SubjectError, match="access log with 1 requests, received 0"):
        classify(flooded, "", 7, 0.5, 0)


@pytest.mark.parametrize("kind", [BROKEN, TIMEOUT])
def test_half_an_answer_and_no_end_are_lost_whatever_the_log_says(kind: str) -> None:
    flooded = Flooded(record(("digits", kind, 0, 0, 1)), ("flood-1-0.0",), 0.1)

    assert classify(flooded, "", 7, 0.5, 0).lost == 1


def send(url: str, rate: float, seconds: float) -> Results:
    load = Load(
        *(url, {"digits": 1.0}, ["digits"], seconds),
        rates=constant(rate, seconds),
        arrivals=Arrivals.CONSTANT,
        connections=1000,
    )
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as client:
        return client.submit(flood, load, time.monotonic() + 1).result().results


def test_the_client_counts_every_answer_of_a_server_that_refuses_some(
    slow_url: str,  # noqa: F811
) -> None:
    rate, seconds = 500, 2.0

    results = send(slow_url, rate, seconds)

    counts = results.counts()
    assert set(counts) == {OK, "503 full, no Retry-After"}
    assert len(results) == rate * seconds
    assert counts[OK] >= BURST + CAPACITY


def test_the_client_tells_that_nobody_is_there() -> None:
    assert send("http://127.0.0.1:1", 20, 0.5).counts() == {REFUSED: 10}


@pytest.fixture
def overload() -> Iterator[Overload]:
    entries = [*answered(0, 5), *answered(5, 10, 0.4), *answered(10, 15)]
    entries += [
        ("digits", "503 queue_full", t / 100, t / 100, 9) for t in range(600, 650)
    ]
    done = run(*entries)
    window = Window(5, 10)
    during = summarise(done.flooded.results, window, 1.0)
    yield Overload(2, done, window, during, 0.5)


def test_a_promise_that_is_missed_is_called_missed(
    overload: Overload, tmp_path: Path
) -> None:
    peak = summarise(record(*answered(0, 10)), Window(0, 10), 1.0)
    terminated = Terminated(80, 500, 20, 3, 1, 1.5, 0, 499)
    measured = Measured(
        facts={"Machine": "ours"},
        objective="p99<100ms",
        deadline_s=1.0,
        limit=Limit(100, 105, ()),
        peak=peak,
        overloads=[overload],
        terminated=terminated,
        killed=[Killed("engine", 4.5, {OK: 9}, 30)],
        restart_s=6.5,
    )

    page = render(measured, picture=True)

    assert "| goodput to that at the limit (promised: 90%) | 92%, kept |" in page
    assert "503 queue_full: 9.09 %" in page
    assert "0.50 s, kept" in page
    assert (
        "| read by the service and not answered (promised: 0) | 1, **missed** |" in page
    )
    assert "| engine, at 30 requests/s | 4.50 s |" in page
    draw([overload], 1.0, 100, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")

"""The drills' own arithmetic, and its client against a server that refuses."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.operations.drills import Killed, Terminated, answered, classify
from benchmarks.operations.overload import (
    Overload,
    goodput,
    load_at,
    recovery,
)
from benchmarks.operations.page import Measured, draw, render
from benchmarks.operations.sockets import (
    BROKEN,
    CLOSED,
    REFUSED,
    BareConnections,
    name_of,
    read,
)
from benchmarks.servers import ServerError
from loadtest.arrivals import constant, stretches
from loadtest.limit import Limit
from loadtest.load import Share
from loadtest.results import OK, TIMEOUT, Results
from loadtest.summary import Window, summarise
from loadtest.workers import Workers
from tests.loadtest.conftest import slow_url  # noqa: F401  (a fixture)
from tests.loadtest.samples import record
from tests.loadtest.slow import BURST, CAPACITY

Entry = tuple[float, float, str]
"""When a request was meant to be sent, how long it took, and what became of it."""


def quick(start_s: float, end_s: float, latency_s: float = 0.01) -> list[Entry]:
    """A hundred requests a second, all answered 200."""
    count = round(100 * (end_s - start_s))
    return [(start_s + n / 100, latency_s, OK) for n in range(count)]


def ended(*entries: Entry) -> Results:
    whole = [("digits", kind, at, at, at + taken_s) for at, taken_s, kind in entries]
    return record(*whole)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (quick(10, 15), 0),
        ([*quick(10, 11, 0.5), *quick(11, 15)], 1),
        ([*quick(10, 15), (11.6, 0.1, "503 queue_full")], 1.75),
        ([*quick(10, 14), *quick(14, 15, 0.5)], None),
    ],
    ids=["at once", "slow for a second", "a refusal", "never"],
)
def test_recovery_ends_with_the_last_window_that_is_not_normal(
    after: list[Entry], expected: float | None
) -> None:
    overloaded = quick(5, 10, 0.8)

    found = recovery(ended(*overloaded, *after), 10, 15)

    assert found == (None if expected is None else pytest.approx(expected))


def test_what_the_service_has_read_and_not_answered_is_lost() -> None:
    kinds = [OK, OK, "503 shutting_down", REFUSED, CLOSED, CLOSED, CLOSED]
    results = ended(*((number / 10, 1, kind) for number, kind in enumerate(kinds)))
    logged = [name_of(number / 10) for number in (0, 1, 2, 5)]
    log = "".join(f'{{"request_id":"{name}","status":200}}\n' for name in logged)

    seen = classify(results, log, 7)

    assert (seen.answered, seen.good, seen.refused) == (3, 2, 1)
    assert (seen.unread, seen.lost) == (2, 1)


def test_without_an_access_log_nothing_is_said_of_what_was_lost() -> None:
    with pytest.raises(ServerError, match="access log with 1 requests, received 0"):
        classify(ended((0, 1, OK)), "", 7)


@pytest.mark.parametrize("kind", [BROKEN, TIMEOUT])
def test_half_an_answer_and_no_end_are_lost_whatever_the_log_says(kind: str) -> None:
    assert classify(ended((0, 1, kind)), "", 7).lost == 1


def send(url: str, rate: float, seconds: float) -> Results:
    with Workers(1, BareConnections) as workers:
        load = load_at(url, constant(rate, seconds))
        return workers.run(load, lambda *_: None).results


def test_the_client_counts_every_answer_of_a_server_that_refuses_some(
    slow_url: str,  # noqa: F811
) -> None:
    results = send(slow_url, 500, 2.0)

    counts = results.counts()
    assert set(counts) == {OK, "503 full, no Retry-After"}
    assert len(results) == pytest.approx(1000, rel=0.15)
    assert counts[OK] >= BURST + CAPACITY
    assert answered(results).all()


def test_the_client_tells_that_nobody_is_there() -> None:
    assert set(send("http://127.0.0.1:1", 20, 0.5).counts()) == {REFUSED}


def test_a_refusal_is_quick_and_flatters_no_latency() -> None:
    results = ended((0, 0.4, OK), (0, 0.001, "503 queue_full"), (0, 3, TIMEOUT))
    summary = summarise(results, Window(0, 10), 1.0)

    assert summary.percentile(50) == pytest.approx(0.4)
    assert summary.percentile(100) == pytest.approx(3)
    assert goodput(results, Window(0, 10)) == pytest.approx(0.1)


def test_requests_come_as_independent_users_do() -> None:
    times = Share(load_at("", stretches((10, 100), (5, 1000)))).schedule()

    assert np.all(np.diff(times) >= 0)
    assert np.sum(times < 10) == pytest.approx(1000, rel=0.1)
    assert np.sum(times >= 10) == pytest.approx(5000, rel=0.1)
    gaps = np.diff(times[times >= 10])
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)  # exponential


def test_a_refusal_that_owes_a_time_to_come_back_is_told_from_one_that_gives_it() -> (
    None
):
    head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 21"
    body = b'{"code":"queue_full"}'

    assert read(head, body) == "503 queue_full, no Retry-After"
    assert read(head + b"\r\nRetry-After: 1", body) == "503 queue_full"
    assert read(b"HTTP/1.1 200 OK", b"") == OK


@pytest.fixture
def overload() -> Overload:
    entries = [*quick(0, 5), *quick(5, 10, 0.4), *quick(10, 15)]
    entries += [(t / 100, 3, "503 queue_full") for t in range(600, 650)]
    memory = [(0.0, 2**30), (5.0, 2**30)]
    return Overload(2, ended(*entries), Window(5, 10), memory, (1.5, 0.5), 0.5)


def test_a_promise_that_is_missed_is_called_missed(
    overload: Overload, tmp_path: Path
) -> None:
    measured = Measured(
        facts={"Machine": "ours"},
        limit=Limit(100, 105, ()),
        peak=summarise(ended(*quick(0, 10)), Window(0, 10), 1.0),
        overloads=[overload],
        terminated=Terminated(80, 500, 499, 20, 3, 1, 1.5, 0),
        killed=[Killed("engine", 30, 4.5, {OK: 9})],
        restart_s=6.5,
    )

    page = render(measured, picture=True)

    assert "| goodput to that at the limit (promised: 90%) | 100%, kept |" in page
    assert "503 queue_full: 9.09%" in page
    assert "0.50 s, kept" in page
    assert (
        "| read by the service and not answered (promised: 0) | 1, **missed** |" in page
    )
    assert "| engine, at 30 requests/s | 4.50 s |" in page
    draw(measured, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")

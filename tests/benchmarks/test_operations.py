"""The drills' own arithmetic, and its client against a server that refuses."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.operations.drills import Killed, Terminated, classify
from benchmarks.operations.flood import (
    BROKEN,
    CLOSED,
    OK,
    REFUSED,
    TIMEOUT,
    Flooded,
    Order,
    flood,
    name_of,
    tell,
)
from benchmarks.operations.overload import Overload, recovery
from benchmarks.operations.page import Measured, draw, render
from benchmarks.servers import ServerError
from loadtest.limit import Limit
from tests.loadtest.conftest import slow_url  # noqa: F401  (a fixture)
from tests.loadtest.slow import BURST, CAPACITY

Entry = tuple[float, float, str]
"""When a request was meant to be sent, how long it took, and what became of it."""


def answered(start_s: float, end_s: float, latency_s: float = 0.01) -> list[Entry]:
    """A hundred requests a second, all answered 200."""
    count = round(100 * (end_s - start_s))
    return [(start_s + n / 100, latency_s, OK) for n in range(count)]


def ended(*entries: Entry) -> Flooded:
    meant, latency, outcomes = zip(*entries, strict=True)
    columns = np.array(meant), np.array(latency), np.array(outcomes, object)
    return Flooded(10.0, *columns, 0.5)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (answered(10, 15), 0),
        ([*answered(10, 11, 0.5), *answered(11, 15)], 1),
        ([*answered(10, 15), (11.6, 0.1, "503 queue_full")], 1.75),
        ([*answered(10, 14), *answered(14, 15, 0.5)], None),
    ],
    ids=["at once", "slow for a second", "a refusal", "never"],
)
def test_recovery_ends_with_the_last_window_that_is_not_normal(
    after: list[Entry], expected: float | None
) -> None:
    overloaded = answered(5, 10, 0.8)

    found = recovery(ended(*overloaded, *after), 10, 15)

    assert found == (None if expected is None else pytest.approx(expected))


def test_what_the_service_has_read_and_not_answered_is_lost() -> None:
    kinds = [OK, OK, "503 shutting_down", REFUSED, CLOSED, CLOSED, CLOSED]
    flooded = ended(*((number / 10, 1, kind) for number, kind in enumerate(kinds)))
    logged = [name_of(number / 10) for number in (0, 1, 2, 5)]
    log = "".join(f'{{"request_id":"{name}","status":200}}\n' for name in logged)

    seen = classify(flooded, log, 7)

    assert (seen.answered, seen.good, seen.refused) == (3, 2, 1)
    assert (seen.unread, seen.lost) == (2, 1)


def test_without_an_access_log_nothing_is_said_of_what_was_lost() -> None:
    with pytest.raises(ServerError, match="access log with 1 requests, received 0"):
        classify(ended((0, 1, OK)), "", 7)


@pytest.mark.parametrize("kind", [BROKEN, TIMEOUT])
def test_half_an_answer_and_no_end_are_lost_whatever_the_log_says(kind: str) -> None:
    assert classify(ended((0, 1, kind)), "", 7).lost == 1


def send(url: str, rate: float, seconds: float) -> Flooded:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as client:
        rates = ((seconds, rate),)
        order = client.submit(Order, url, (b"1", b"22"), rates).result()  # it is there
        return client.submit(flood, order, time.monotonic() + 1).result()


def test_the_client_counts_every_answer_of_a_server_that_refuses_some(
    slow_url: str,  # noqa: F811
) -> None:
    flooded = send(f"{slow_url}/", 500, 2.0)

    counts = flooded.counts()
    assert set(counts) == {OK, "503 full, no Retry-After"}
    assert len(flooded.meant_s) == pytest.approx(1000, rel=0.15)
    assert counts[OK] >= BURST + CAPACITY
    assert not flooded.unanswered()


def test_the_client_tells_that_nobody_is_there() -> None:
    assert set(send("http://127.0.0.1:1/", 20, 0.5).counts()) == {REFUSED}


def test_a_refusal_is_quick_and_flatters_no_latency() -> None:
    flooded = ended((0, 0.4, OK), (0, 0.001, "503 queue_full"), (0, 3, TIMEOUT))

    assert flooded.p_ms(50) == pytest.approx(400)
    assert flooded.p_ms(100) == pytest.approx(3000)
    assert flooded.goodput(1.0) == pytest.approx(0.1)


def test_requests_come_as_independent_users_do() -> None:
    times = Order("", (), rates=((10, 100), (5, 1000))).times()

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

    assert tell(head, body) == "503 queue_full, no Retry-After"
    assert tell(head + b"\r\nRetry-After: 1", body) == "503 queue_full"
    assert tell(b"HTTP/1.1 200 OK", b"") == OK


@pytest.fixture
def overload() -> Overload:
    entries = [*answered(0, 5), *answered(5, 10, 0.4), *answered(10, 15)]
    entries += [(t / 100, 3, "503 queue_full") for t in range(600, 650)]
    done, memory = ended(*entries), [(0.0, 2**30), (5.0, 2**30)]
    return Overload(2, done, done.between(5, 10), memory, 1.5, 0.5)


def test_a_promise_that_is_missed_is_called_missed(
    overload: Overload, tmp_path: Path
) -> None:
    measured = Measured(
        facts={"Machine": "ours"},
        deadline_s=1.0,
        limit=Limit(100, 105, ()),
        peak=ended(*answered(0, 10)),
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

"""The drills' own arithmetic, and its client against a server that refuses."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.operations.__main__ import TITLES, missed_in
from benchmarks.operations.figures import Data, Figure, Found, Kept, none_of
from benchmarks.operations.limits import draw, reduce
from benchmarks.operations.members import Member
from benchmarks.operations.mixed import judge_members
from benchmarks.operations.overload import (
    Overload,
    goodput,
    load_at,
    recovery,
)
from benchmarks.operations.page import render
from benchmarks.operations.preload import Preload
from benchmarks.operations.signals import Terminated, answered, classify, describe
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
from loadtest.load import Share
from loadtest.results import OK, TIMEOUT, Results
from loadtest.summary import MIB, Window, summarise
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


def run_of(*figures: Figure, **more: object) -> Data:
    """What a drill found, with when and where."""
    when = {"date": "today", "commit": "abc", "seconds": 7, "others": 0.02}
    return {**when, **Found(figures).to_json(), **more}


def test_a_promise_that_is_missed_is_called_missed(
    overload: Overload, tmp_path: Path
) -> None:
    limit = run_of(Figure("probes", 3), limit=100.0, overloads=[reduce(overload, 100)])
    seen = Terminated(80, 500, 499, 20, 3, lost=1, exit_s=1.5)
    drills = {"limit": limit, "sigterm": run_of(*describe(seen))}

    page = render(drills, TITLES, {"Machine": "ours"})

    assert "| goodput to that at the limit, % (promised: 90) | 100, kept |" in page
    assert "503 queue_full: 9.09%" in page
    assert "| back to normal after, s (promised: at most 2) | 0.50, kept |" in page
    lost = "read by the service and not answered (promised: 0)"
    assert f"| {lost} | 1, **missed** |" in page
    assert missed_in(drills["sigterm"]) == [f"{lost}: 1, **missed**"]
    assert missed_in(limit) == []
    assert "--only kill" in page  # which was not measured
    draw(limit, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_recovery_that_was_not_seen_is_missed(overload: Overload) -> None:
    data = reduce(replace(overload, recovery_s=None), 100)
    assert "back to normal" in " ".join(missed_in(data))


def test_the_figures_of_other_drills_are_kept_when_one_is_repeated(
    tmp_path: Path,
) -> None:
    path, first = tmp_path / "figures.json", run_of(none_of("failed", 0))
    Kept(path).put("clock", first, write=True)
    Kept(path).put("kill", run_of(none_of("failed", 1)), write=True)
    Kept(path).put("kill", run_of(none_of("failed", 0)), write=False)  # only tried

    kept = Kept(path).drills

    assert kept["clock"] == first
    assert missed_in(kept["kill"]) == ["failed (promised: 0): 1, **missed**"]


def test_a_process_that_grows_or_goes_is_named() -> None:
    before = {"engine": Member(100 * MIB, 9, 4), "http-0": Member(50 * MIB, 40, 3)}
    after = {"engine": Member(103 * MIB, 10, 4), "http-1": Member(50 * MIB, 40, 3)}

    figures = judge_members([before, before, after])

    assert [each.what.split(":")[0] for each in figures if not each.kept] == [
        "processes that came or went",
        "engine",
        "descriptors more by the end, of any process",
    ]
    assert all(each.kept for each in judge_members([before, after, before]))


LATE_AND_WRONG = """
import os, sys, threading, time
from pathlib import Path
wall, began = time.time(), time.monotonic()
Path(sys.argv[1]).read_bytes()
late_s = time.monotonic() - began
began = time.monotonic()
threading.Event().wait(0.01)
print(time.time(), late_s, time.monotonic() - began)
"""


def test_a_preloaded_process_has_its_own_clock_and_disk(tmp_path: Path) -> None:
    (tmp_path / "slow").mkdir()
    for name in ("slow/file", "quick"):
        (tmp_path / name).write_bytes(bytes(1000))
    preload = Preload(tmp_path, tmp_path / "slow")

    def run(path: str) -> list[float]:
        words = [sys.executable, "-c", LATE_AND_WRONG, str(tmp_path / path)]
        done = subprocess.run(
            words, env=os.environ | preload.environment, capture_output=True, check=True
        )
        return [float(each) for each in done.stdout.split()]

    now, late_s, waited_s = run("slow/file")
    assert abs(now - time.time()) < 60
    assert late_s < 0.1
    preload.set_clock(-86_400)
    preload.set_disk(call_s=0.05, bytes_per_s=10_000)
    now, late_s, waited_s = run("slow/file")
    assert abs(now + 86_400 - time.time()) < 60
    assert late_s > 0.2  # to open it, 0.1 s for its bytes, and to find its end
    assert waited_s < 5  # and not a day
    assert run("quick")[1] < 0.2

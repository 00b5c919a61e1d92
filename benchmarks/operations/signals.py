"""Signals under load: SIGTERM loses nothing, kill -9 is survived, and how fast."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import psutil

from benchmarks.operations.figures import Figure, Found, none_of
from benchmarks.operations.overload import load_at
from benchmarks.operations.sockets import (
    BROKEN,
    CLOSED,
    REFUSED,
    UNCONNECTED,
    name_of,
)
from benchmarks.operations.stage import LONG_S, Stage
from benchmarks.processes import family
from benchmarks.servers import Running, ServerError, wait_for
from benchmarks.subjects import ARTIFACTS
from loadtest.arrivals import constant
from loadtest.results import OK, TIMEOUT, Mask, Results

KILLED = {"engine": "service.engine", "HTTP process": "service.web"}
TERMINATED, KILLED_AT = 0.8, 0.3  # of the limit: what is asked in the drills
BEFORE_S = 4.0  # of load before a signal
KILLED_S = 25.0  # of load around a kill, so that the service is back before its end
_NAME = re.compile(r'"request_id":\s*"(flood-[\d.]+)"')

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Terminated:
    """What SIGTERM under load did."""

    rate: float  # requests a second that were sent, before the signal and after it
    answered: int  # requests that got a whole answer, of any status
    good: int  # of those, with status 200
    refused: int  # whose connection was refused: never sent
    # sent, and the connection closed without an answer; the service never logged
    # them, so it had not read them and nothing was done for them
    unread: int
    lost: int  # sent and read by the service, as its log says, but not wholly answered
    exit_s: float = 0.0  # from the signal to the end of the last process
    exit_code: int = 0  # of the supervisor


def sigterm(stage: Stage) -> Found:
    """SIGTERM in the middle of a load."""
    rate, seconds = TERMINATED * stage.limit, max(1.0, stage.scale * BEFORE_S)
    with stage.serving(ARTIFACTS) as service:

        def end() -> tuple[float, int]:
            began = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            code = service.process.wait()
            return time.monotonic() - began, code

        results, (exit_s, code) = _meanwhile(
            stage, service.url(), rate, (seconds, seconds), end
        )
        seen = classify(results, service.logged(), rate)
    seen = replace(seen, exit_s=exit_s, exit_code=code)
    return Found([*describe(seen)])


def describe(seen: Terminated) -> Iterator[Figure]:
    """What SIGTERM did, line by line."""
    yield Figure("requests/s, before the signal and after it", seen.rate)
    yield Figure("answered wholly", f"{seen.answered:,}, {seen.good:,} of them 200")
    yield Figure("connection refused: never sent", seen.refused)
    yield Figure("closed without an answer, and never read", seen.unread)
    yield none_of("read by the service and not answered", seen.lost)
    yield Figure("time to exit, s", seen.exit_s)
    yield none_of("exit code", seen.exit_code)


def kill_9(stage: Stage) -> Found:
    """Kill -9 of one process after the other, under load; then of all of them."""
    figures = []
    for what, module in KILLED.items():
        rate = KILLED_AT * stage.limit
        ready_s, outcomes = _kill(stage, module, rate)
        became = "; ".join(f"{count:,} × {kind}" for kind, count in outcomes.items())
        figures += [
            Figure(f"{what}, at {rate:,.0f} requests/s: ready again after, s", ready_s),
            Figure("what became of the requests", became),
        ]
    with stage.serving(ARTIFACTS) as service:
        service.end(patience_s=0)
    began = time.monotonic()
    with stage.serving(ARTIFACTS):
        again_s = time.monotonic() - began
    figures.append(Figure("everything, started again: ready after, s", again_s))
    return Found(figures)


def _kill(stage: Stage, module: str, rate: float) -> tuple[float, dict[str, int]]:
    """Seconds until `/readyz` is green again, of a new process; what became of all."""
    with stage.serving(ARTIFACTS) as service:

        def kill() -> float:
            victim = children(service, module)[0]
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)

            def is_replaced() -> bool:
                found = children(service, module)
                return victim not in found and bool(found)

            wait_for(is_replaced, "a new process")
            wait_for(service.is_ready, "readiness")
            return time.monotonic() - began

        times = max(1.0, stage.scale * BEFORE_S), KILLED_S
        results, ready_s = _meanwhile(stage, service.url(), rate, times, kill)
        return ready_s, results.counts()


def _meanwhile(
    stage: Stage,
    url: str,
    rate: float,
    times: tuple[float, float],
    act: Callable[[], T],
) -> tuple[Results, T]:
    """Send a load, and do something between so many seconds of it and so many."""
    before_s, after_s = times

    def wait_and_act() -> T:
        time.sleep(before_s)
        began = time.monotonic()
        done = act()
        time.sleep(max(0.0, after_s - (time.monotonic() - began)))
        return done

    return stage.meanwhile(load_at(url, constant(rate, LONG_S)), wait_and_act)


def answered(results: Results) -> Mask:
    """Which requests were answered, with any status; bool (requests,)."""
    return results.had(*(kind for kind in results.outcomes if kind[0].isdigit()))


def classify(results: Results, log: str, rate: float) -> Terminated:
    """What became of every request, by the client's count and the service's log.

    Args:
        results: What the client saw.
        log: All that the service printed, its access log too.
        rate: Requests a second.

    Raises:
        ServerError: The log does not name those that were answered.
    """
    counts, done = results.counts(), answered(results)
    logged, count = set(_NAME.findall(log)), int(np.count_nonzero(done))
    unanswered = map(name_of, results.intended_s[~done].tolist())
    read = sum(name in logged for name in unanswered)
    if count > len(logged):  # else nothing could ever be found to be lost
        raise ServerError(
            f"expected an access log with {count} requests, received {len(logged)}"
        )
    halves = counts.get(BROKEN, 0) + counts.get(TIMEOUT, 0)
    lost = max(read, halves)
    return Terminated(
        rate=rate,
        answered=count,
        good=counts.get(OK, 0),
        refused=counts.get(REFUSED, 0) + counts.get(UNCONNECTED, 0),
        unread=counts.get(CLOSED, 0) + halves - lost,
        lost=lost,
    )


def children(service: Running, module: str) -> list[int]:
    """The service's processes of a kind that live; of an empty one, all."""
    found = []
    for each in family(service.process.pid):
        with suppress(psutil.NoSuchProcess):  # a zombie is one
            if not module or module in each.cmdline():
                found.append(each.pid)
    return found

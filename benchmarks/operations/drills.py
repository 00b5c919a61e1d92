"""Signals under load: SIGTERM loses nothing, kill -9 is survived, and how fast."""

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil

from benchmarks.operations.overload import load_at
from benchmarks.operations.sockets import (
    BROKEN,
    CLOSED,
    REFUSED,
    UNCONNECTED,
    name_of,
)
from benchmarks.processes import family
from benchmarks.servers import Running, ServerError, running, wait_for
from benchmarks.subjects import Server
from loadtest.arrivals import constant
from loadtest.results import OK, TIMEOUT, Mask, Results
from loadtest.workers import Workers

KILLED = {"engine": "service.engine", "HTTP process": "service.web"}
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


@dataclass(frozen=True, slots=True)
class Killed:
    """What kill -9 did to one process, under load."""

    what: str  # which process
    rate: float  # requests a second
    ready_s: float  # from the signal until `/readyz` is green again, of a new process
    outcomes: dict[str, int]  # of all requests of the drill


class Drill:
    """Drills under load; each starts a service of its own."""

    def __init__(self, server: Server, folder: Path, workers: Workers):
        self._server, self._folder, self._workers = server, folder, workers

    def terminate(self, rate: float, seconds: float) -> Terminated:
        """SIGTERM in the middle of a load."""
        with running(self._server, self._folder) as service:

            def end() -> tuple[float, int]:
                began = time.monotonic()
                service.process.send_signal(signal.SIGTERM)
                code = service.process.wait()
                return time.monotonic() - began, code

            url = service.url()
            results, (exit_s, code) = self._meanwhile(url, rate, seconds, seconds, end)
            seen = classify(results, service.logged(), rate)
        return replace(seen, exit_s=exit_s, exit_code=code)

    def kill(self, what: str, rate: float, seconds: float) -> Killed:
        """Kill -9 of one process, in the middle of a load."""
        with running(self._server, self._folder) as service:

            def kill() -> float:
                victim = _children(service, KILLED[what])[0]
                began = time.monotonic()
                os.kill(victim, signal.SIGKILL)

                def is_replaced() -> bool:
                    found = _children(service, KILLED[what])
                    return victim not in found and bool(found)

                wait_for(is_replaced, "a new process")
                wait_for(service.is_ready, "readiness")
                return time.monotonic() - began

            url = service.url()
            results, ready_s = self._meanwhile(url, rate, seconds, KILLED_S, kill)
            return Killed(what, rate, ready_s, results.counts())

    def restart(self) -> float:
        """Kill -9 of everything, start again: seconds from the start to ready."""
        with running(self._server, self._folder) as service:
            service.end(patience_s=0)
        began = time.monotonic()
        with running(self._server, self._folder):
            return time.monotonic() - began

    def _meanwhile(
        self,
        url: str,
        rate: float,
        before: float,
        after: float,
        act: Callable[[], T],
    ) -> tuple[Results, T]:
        """Send a load, and do something after a part of it."""

        def wait_and_act() -> T:
            time.sleep(before)
            return act()

        load = load_at(url, constant(rate, before + after))
        with ThreadPoolExecutor(1) as pool:
            acting = pool.submit(wait_and_act)
            outcome = self._workers.run(load, lambda *_: None)
            return outcome.results, acting.result()


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


def _children(service: Running, module: str) -> list[int]:
    """The service's processes of a kind that live."""
    found = []
    for each in family(service.process.pid):
        with suppress(psutil.NoSuchProcess):  # a zombie is one
            if module in each.cmdline():
                found.append(each.pid)
    return found

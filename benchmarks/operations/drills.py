"""Signals under load: SIGTERM loses nothing, kill -9 is survived, and how fast."""

import os
import re
import signal
import time
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.operations.flood import (
    BROKEN,
    CLOSED,
    OK,
    REFUSED,
    TIMEOUT,
    UNCONNECTED,
    Flooded,
    Order,
    flood,
)
from benchmarks.processes import family
from benchmarks.servers import Running, ServerError, running, wait_for
from benchmarks.subjects import Server

PATH = "/v1/predict/digits"
KILLED = {"engine": "service.engine", "HTTP process": "service.web"}
HEAD_START_S = 1.0  # for the client to get ready
KILLED_S = 25.0  # of load around a kill, so that the service is back before its end
_NAME = re.compile(r'"request_id":\s*"(flood-[\d.]+)"')


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

    def __init__(self, server: Server, folder: Path, client: Executor, order: Order):
        self._server, self._folder = server, folder
        self._client, self._order = client, order

    def terminate(self, rate: float, seconds: float) -> Terminated:
        """SIGTERM in the middle of a load."""
        with running(self._server, self._folder) as service:
            future = self._start(service, rate, seconds, seconds)
            began = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            code = service.process.wait()
            exit_s = time.monotonic() - began
            seen = classify(future.result(), service.logged(), rate)
        return replace(seen, exit_s=exit_s, exit_code=code)

    def kill(self, what: str, rate: float, seconds: float) -> Killed:
        """Kill -9 of one process, in the middle of a load."""
        with running(self._server, self._folder) as service:
            future = self._start(service, rate, seconds, KILLED_S)
            victim = _children(service, KILLED[what])[0]
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)

            def is_replaced() -> bool:
                found = _children(service, KILLED[what])
                return victim not in found and bool(found)

            wait_for(is_replaced, "a new process")
            wait_for(service.is_ready, "readiness")
            ready_s = time.monotonic() - began
            return Killed(what, rate, ready_s, future.result().counts())

    def restart(self) -> float:
        """Kill -9 of everything, start again: seconds from the start to ready."""
        with running(self._server, self._folder) as service:
            service.end(patience_s=0)
        began = time.monotonic()
        with running(self._server, self._folder):
            return time.monotonic() - began

    def _start(
        self, service: Running, rate: float, before: float, after: float
    ) -> Future[Flooded]:
        """Begin a load, and wait until it is time for the signal."""
        rates = ((before + after, rate),)
        order = replace(self._order, url=service.url(PATH), rates=rates)
        future = self._client.submit(flood, order, time.monotonic() + HEAD_START_S)
        time.sleep(HEAD_START_S + before)
        return future


def classify(flooded: Flooded, log: str, rate: float) -> Terminated:
    """What became of every request, by the client's count and the service's log.

    Args:
        flooded: What the client saw.
        log: All that the service printed, its access log too.
        rate: Requests a second.

    Raises:
        ServerError: The log does not name those that were answered.
    """
    counts = flooded.counts()
    logged = set(_NAME.findall(log))
    read = sum(name in logged for name in flooded.unanswered())
    answered = flooded.answered()
    if answered > len(logged):  # else nothing could ever be found to be lost
        raise ServerError(
            f"expected an access log with {answered} requests, received {len(logged)}"
        )
    halves = counts.get(BROKEN, 0) + counts.get(TIMEOUT, 0)
    lost = max(read, halves)
    return Terminated(
        rate=rate,
        answered=answered,
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

"""Signals under load: SIGTERM loses nothing, kill -9 is survived, and how fast."""

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.operations.flood import REFUSED, UNCONNECTED, Flooded, flood
from benchmarks.operations.overload import HEAD_START_S, Plan
from benchmarks.operations.sockets import BROKEN, CLOSED
from benchmarks.operations.subject import Subject, SubjectError, running, wait_for
from loadtest.arrivals import constant
from loadtest.load import Load
from loadtest.results import OK, TIMEOUT

KILLED = {"engine": "service.engine", "HTTP process": "service.web"}
KILLED_S = 25.0  # of load around a kill, so that the service is back before its end
_NAME = re.compile(r'"request_id":\s*"(flood-[\d.-]+)"')


@dataclass(frozen=True, slots=True)
class Terminated:
    """What SIGTERM under load did.

    Attributes:
        rate: Requests a second that were sent, before the signal and after it.
        answered: Requests that got a whole answer, of any status.
        refused: Whose connection was refused: never sent.
        unread: Sent, and the connection closed without an answer; the service never
            logged them, so it had not read them and nothing was done for them.
        lost: Sent and read by the service, as its log says, but not wholly answered.
        exit_s: From the signal to the end of the last process.
        exit_code: Of the supervisor.
        good: Of the answers, those that were 200.
    """

    rate: float
    answered: int
    refused: int
    unread: int
    lost: int
    exit_s: float
    exit_code: int
    good: int


@dataclass(frozen=True, slots=True)
class Killed:
    """What kill -9 did to one process, under load.

    Attributes:
        what: Which process.
        ready_s: From the signal until `/readyz` is green again, of a new process.
        outcomes: Of all requests of the drill.
        rate: Requests a second.
    """

    what: str
    ready_s: float
    outcomes: dict[str, int]
    rate: float


class Drill:
    """Drills under load; each starts a service of its own.

    Args:
        folder: For logs.
        artifacts: What is served.
        client: Where the client runs.
        base: The load, but for its address, rate and time.
    """

    def __init__(self, folder: Path, artifacts: Path, client: Executor, base: Load):
        self._folder, self._artifacts = folder, artifacts
        self._client, self._base = client, base

    def terminate(self, rate: float, plan: Plan) -> Terminated:
        """SIGTERM in the middle of a load."""
        with running(self._folder, self._artifacts) as subject:
            future = self._start(subject, rate, 2 * plan.drill)
            time.sleep(plan.drill)
            began = time.monotonic()
            subject.process.send_signal(signal.SIGTERM)
            code = subject.process.wait()
            exit_s = time.monotonic() - began
            flooded = future.result()
        return classify(flooded, subject.logged(), rate, exit_s, code)

    def kill(self, what: str, rate: float, plan: Plan) -> Killed:
        """Kill -9 of one process, in the middle of a load."""
        with running(self._folder, self._artifacts) as subject:
            future = self._start(subject, rate, plan.drill + KILLED_S)
            time.sleep(plan.drill)
            victim = subject.children(KILLED[what])[0]
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: not _lives(victim), "the end of the victim")
            wait_for(_is_replaced(subject, KILLED[what], victim), "a new process")
            ready_s = subject.wait_ready() - began
            flooded = future.result()
        return Killed(what, ready_s, flooded.results.counts(), rate)

    def restart(self) -> float:
        """Kill -9 of everything, start again: seconds from the start to ready."""
        with running(self._folder, self._artifacts) as subject:
            subject.kill()
        with running(self._folder, self._artifacts) as subject:
            return time.monotonic() - subject.started

    def _start(self, subject: Subject, rate: float, seconds: float) -> Future[Flooded]:
        rates = constant(rate, seconds)
        load = replace(self._base, url=subject.url, rates=rates, duration_s=seconds)
        start = time.monotonic() + HEAD_START_S
        future = self._client.submit(flood, load, start)
        time.sleep(HEAD_START_S)
        return future


def classify(
    flooded: Flooded, log: str, rate: float, exit_s: float, exit_code: int
) -> Terminated:
    """What became of every request, by the client's count and the service's log.

    Args:
        flooded: What the client saw.
        log: All that the service printed, its access log too.
        rate: Requests a second.
        exit_s: That the service took to end.
        exit_code: Of the service.

    Raises:
        SubjectError: The log does not name those that were answered.
    """
    counts = flooded.results.counts()
    logged = set(_NAME.findall(log))
    read = sum(name in logged for name in flooded.unanswered)
    broken = counts.get(BROKEN, 0)
    answered = sum(n for kind, n in counts.items() if kind[0].isdigit())
    if answered > len(logged):  # else nothing could ever be found to be lost
        raise SubjectError(
            f"expected an access log with {answered} requests, received {len(logged)}"
        )
    silent = counts.get(CLOSED, 0) + broken + counts.get(TIMEOUT, 0)
    lost = max(read, broken + counts.get(TIMEOUT, 0))
    return Terminated(
        rate=rate,
        answered=answered,
        refused=counts.get(REFUSED, 0) + counts.get(UNCONNECTED, 0),
        unread=silent - lost,
        lost=lost,
        exit_s=exit_s,
        exit_code=exit_code,
        good=counts.get(OK, 0),
    )


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _is_replaced(subject: Subject, module: str, victim: int) -> Callable[[], bool]:
    return lambda: any(pid != victim for pid in subject.children(module))

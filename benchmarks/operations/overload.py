"""The limit of the service, and what it does at twice and five times that."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, wait
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.operations.flood import Flooded, flood
from benchmarks.operations.subject import Subject
from benchmarks.processes import cpu_seconds
from loadtest.arrivals import EDGE_S, Rates, constant, with_warmup
from loadtest.limit import Limit, Step, find_limit
from loadtest.load import Load
from loadtest.objective import Objective, judge
from loadtest.results import OK
from loadtest.summary import ALL, Summary, Window, summarise

HEAD_START_S = 1.0  # for the client to make its bodies
MEMORY_EVERY_S = 1.0
BASE = 0.5  # of the limit: what is asked before an overload and after it
FINE_S = 0.25  # the windows in which a recovery is looked for


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything takes, in seconds.

    Attributes:
        probe: Of the search for the limit; three times as long to confirm.
        peak: Asking for the limit itself.
        before: Of the calm before an overload.
        overload: Of each overload.
        after: Of the calm after it.
        drill: Of the load before a signal and after it.
        tolerance: Of the search, as a share.
    """

    probe: float = 4.0
    peak: float = 20.0
    before: float = 5.0
    overload: float = 20.0
    after: float = 10.0
    drill: float = 4.0
    tolerance: float = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """One load that was sent, and what the machine did meanwhile.

    Attributes:
        flooded: What became of the requests.
        memory: Seconds from the start, and bytes resident in the service.
        service_cores: That the service kept busy on average.
    """

    flooded: Flooded
    memory: tuple[tuple[float, int], ...]
    service_cores: float


@dataclass(frozen=True, slots=True)
class Overload:
    """What the service did at several times its limit.

    Attributes:
        factor: Of the limit.
        run: All of it.
        window: The overload.
        during: Its figures.
        recovery_s: From its end until every window is within the objective again;
            None = it never was.
    """

    factor: float
    run: Run
    window: Window
    during: Summary
    recovery_s: float | None


Say = Callable[[str], None]


class Bench:
    """Sends loads at one service, from a process beside it.

    Args:
        subject: The service.
        client: Where the client runs, a process that is ready.
        base: The load, but for its rate and duration.
        objective: What holds below the limit.
        plan: How long.
    """

    def __init__(
        self,
        subject: Subject,
        client: Executor,
        base: Load,
        objective: Objective,
        plan: Plan,
    ):
        self._subject, self._client = subject, client
        self._base, self._objective, self._plan = base, objective, plan

    def send(self, rates: Rates) -> Run:
        """Send at these rates, and watch the service."""
        load = replace(self._base, rates=rates, duration_s=rates.duration_s)
        start = time.monotonic() + HEAD_START_S
        future = self._client.submit(flood, load, start)
        time.sleep(HEAD_START_S)
        pid, memory = self._subject.process.pid, []
        cpu_s, began = cpu_seconds(pid), time.monotonic()
        while not future.done():
            memory.append((time.monotonic() - start, self._subject.rss_bytes()))
            wait([future], timeout=MEMORY_EVERY_S)
        cores = (cpu_seconds(pid) - cpu_s) / (time.monotonic() - began)
        return Run(future.result(), tuple(memory), cores)

    def find_limit(self, start: float, say: Say) -> Limit:
        """The highest rate that holds the objective."""

        def attempt(step: Step, rate: float) -> bool:
            seconds = self._plan.probe * (3 if step is Step.CONFIRM else 1)
            summary = self._at(rate, seconds)
            holds = all(v.is_kept for v in judge(self._objective, {ALL: summary}))
            p99_ms = 1000 * summary.percentile(99)
            word = "holds" if holds else "fails"
            say(f"{step:8} {rate:7.0f}/s  p99 {p99_ms:6.1f} ms  {word}")
            return holds

        return find_limit(attempt, start, 100_000, self._plan.tolerance)

    def peak(self, limit: float) -> Summary:
        """What is answered when the limit itself is asked for."""
        return self._at(limit, self._plan.peak)

    def overload(self, limit: float, factor: float) -> Overload:
        """Calm, overload, calm again."""
        plan, calm, high = self._plan, BASE * limit, factor * limit
        rise = plan.before
        fall = rise + plan.overload
        end = fall + plan.after
        times = (0, rise - EDGE_S, rise, fall - EDGE_S, fall, end)
        run = self.send(Rates(times, (calm, calm, high, high, calm, calm)))
        window = Window(rise, fall)
        within_s = next(c.bound for c in self._objective if c.figure == "p99")
        return Overload(
            factor=factor,
            run=run,
            window=window,
            during=summarise(run.flooded.results, window, self._base.deadline_s),
            recovery_s=recovery(run, Window(fall, end), within_s),
        )

    def _at(self, rate: float, seconds: float) -> Summary:
        warmup_s = seconds / 4
        run = self.send(with_warmup(constant(rate, seconds), warmup_s))
        window = Window(warmup_s, warmup_s + seconds)
        return summarise(run.flooded.results, window, self._base.deadline_s)


def recovery(run: Run, after: Window, within_s: float) -> float | None:
    """How long after an overload the last window is that is not back to normal.

    Normal is a window in which all requests are answered 200, and 99 % within
    `within_s`.

    Returns:
        Seconds from the end of the overload to the end of that window, 0 if there is
        none; None where the last window of all is not normal.
    """
    results, worst = run.flooded.results, after.start_s
    pieces = after.cut(max(1, int(np.ceil(after.seconds / FINE_S))))
    for piece in pieces:
        summary = summarise(results, piece, None)
        failed = summary.requests - summary.outcomes.get(OK, 0)
        if summary.requests and (failed or summary.percentile(99) > within_s):
            worst = piece.end_s
    return None if worst == pieces[-1].end_s else worst - after.start_s

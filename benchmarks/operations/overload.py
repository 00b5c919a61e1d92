"""The limit of the service, and what it does at twice and five times that."""

import math
import time
from concurrent.futures import Executor, wait
from dataclasses import dataclass, replace

import click
import numpy as np

from benchmarks.operations.drills import HEAD_START_S, PATH
from benchmarks.operations.flood import Flooded, Order, flood
from benchmarks.processes import cpu_seconds, memory
from benchmarks.servers import Running
from loadtest.limit import Limit, Step, find_limit

MEMORY_EVERY_S = 1.0
CALM = 0.5  # of the limit: what is asked before an overload and after it
FINE_S = 0.25  # the windows in which a recovery is looked for
P99_S, ERRORS = 0.1, 0.001  # what holds below the limit
START, MOST = 100, 100_000  # requests a second, of the search


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything takes, in seconds."""

    probe: float = 4.0  # of the search for the limit; three times as long to confirm
    peak: float = 20.0  # asking for the limit itself
    before: float = 5.0  # of the calm before an overload
    overload: float = 20.0  # of each overload
    after: float = 10.0  # of the calm after it
    drill: float = 4.0  # of the load before a signal and after it
    tolerance: float = 0.05  # of the search, as a share


@dataclass(frozen=True, slots=True)
class Overload:
    """What the service did at several times its limit."""

    factor: float  # of the limit
    flooded: Flooded  # all of it
    during: Flooded  # the overload alone
    memory: list[tuple[float, int]]  # seconds from the start, bytes resident
    service_cores: float  # that the service kept busy on average
    recovery_s: float | None  # see `recovery`


class Bench:
    """Sends loads at one service, from a process beside it."""

    def __init__(self, service: Running, client: Executor, order: Order, plan: Plan):
        self._service, self._client, self._plan = service, client, plan
        self._order = replace(order, url=service.url(PATH))

    def find_limit(self) -> Limit:
        """The highest rate that holds the objective."""
        return find_limit(self._try, START, MOST, self._plan.tolerance)

    def peak(self, limit: float) -> Flooded:
        """What is answered when the limit itself is asked for."""
        return self._at(limit, self._plan.peak)

    def overload(self, limit: float, factor: float) -> Overload:
        """Calm, overload, calm again."""
        plan, calm = self._plan, CALM * limit
        rise, fall = plan.before, plan.before + plan.overload
        flooded, sizes, cores = self._send(
            (plan.before, calm), (plan.overload, factor * limit), (plan.after, calm)
        )
        back_s = recovery(flooded, fall, fall + plan.after)
        return Overload(
            factor, flooded, flooded.between(rise, fall), sizes, cores, back_s
        )

    def _try(self, step: Step, rate: float) -> bool:
        found = self._at(rate, self._plan.probe * (3 if step is Step.CONFIRM else 1))
        errors = 1 - len(found.good().meant_s) / max(1, len(found.meant_s))
        holds = found.p_ms(99) < 1000 * P99_S and errors < ERRORS
        click.echo(
            f"{step:8} {rate:7.0f}/s  p99 {found.p_ms(99):6.1f} ms  errors "
            f"{errors:.2%}  {'holds' if holds else 'fails'}",
            err=True,
        )
        return holds

    def _at(self, rate: float, seconds: float) -> Flooded:
        """A constant rate; its first part lets the service run in."""
        begin = seconds / 4
        flooded, _, _ = self._send((begin + seconds, rate))
        return flooded.between(begin, begin + seconds)

    def _send(
        self, *rates: tuple[float, float]
    ) -> tuple[Flooded, list[tuple[float, int]], float]:
        """Send at these rates; watch the service's memory and the cores it takes."""
        start, sizes = time.monotonic() + HEAD_START_S, []
        future = self._client.submit(flood, replace(self._order, rates=rates), start)
        time.sleep(HEAD_START_S)
        pid = self._service.process.pid
        cpu_s, began = cpu_seconds(pid), time.monotonic()
        while not future.done():
            sizes.append((time.monotonic() - start, memory(pid).rss))
            wait([future], timeout=MEMORY_EVERY_S)
        cores = (cpu_seconds(pid) - cpu_s) / (time.monotonic() - began)
        return future.result(), sizes, cores


def cut(start_s: float, end_s: float) -> list[tuple[float, float]]:
    """Windows of about `FINE_S`."""
    pieces = max(1, math.ceil((end_s - start_s) / FINE_S))
    edges = np.linspace(start_s, end_s, 1 + pieces)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def recovery(flooded: Flooded, start_s: float, end_s: float) -> float | None:
    """How long after an overload the last window is that is not back to normal.

    Normal is a window in which all requests are answered 200, and 99 % within `P99_S`.

    Args:
        flooded: That held the overload.
        start_s: When it ended.
        end_s: Until when the calm after it was watched.

    Returns:
        Seconds from the end of the overload to the end of that window, 0 if there is
        none; None where the last window of all is not normal.
    """
    worst = start_s
    for piece in cut(start_s, end_s):
        found = flooded.between(*piece)
        bad = len(found.meant_s) > len(found.good().meant_s)
        if bad or found.p_ms(99) > 1000 * P99_S:
            worst = piece[1]
    return None if worst == end_s else worst - start_s

"""The limit of the service, and what it does at twice and five times that."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click
import numpy as np

from benchmarks.processes import cpu_seconds, memory
from benchmarks.servers import Running
from loadtest.arrivals import Rates, constant, stretches, with_warmup
from loadtest.limit import Limit, Step, find_limit
from loadtest.load import Load, Mix
from loadtest.objective import parse_objective
from loadtest.report import run_test
from loadtest.results import OK, Results
from loadtest.summary import Summary, Window, percent, summarise
from loadtest.workers import Tick, Workers

CALM = 0.5  # of the limit: what is asked before an overload and after it
FINE_S = 0.25  # the windows in which a recovery is looked for
OBJECTIVE = "p99<100ms,errors<0.1%"  # what holds below the limit
P99_S = 0.1
START, MOST = 100, 100_000  # requests a second, of the search
DEADLINE_S = 1.0  # that every request carries
CONNECTIONS = 8000  # the most that are opened
DIGITS = {"digits": 1.0}


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

    def scaled(self, scale: float) -> "Plan":
        """All of it shorter, and the search less exact; none below a second."""
        if scale == 1:
            return self
        times = {name: max(1.0, scale * each) for name, each in asdict(self).items()}
        return Plan(**{**times, "tolerance": 0.3})


@dataclass(frozen=True, slots=True)
class Overload:
    """What the service did at several times its limit."""

    factor: float  # of the limit
    results: Results  # all of it
    during: Window  # the overload alone
    memory: list[tuple[float, int]]  # seconds from the start, bytes resident
    cores: tuple[float, float]  # that service and client kept busy on average
    recovery_s: float | None  # see `recovery`


def load_at(url: str, rates: Rates, warmup_s: float = 0.0, mix: Mix = DIGITS) -> Load:
    """Digits, or a mix, at these rates, whether they are answered or not."""
    load = Load(
        *(url, mix, tuple(mix), 0.0, warmup_s),
        connections=CONNECTIONS,
        timeout_s=3.0,
        deadline_s=DEADLINE_S,
    )
    return load.at(rates)


def search(workers: Workers, url: str, plan: Plan) -> Limit:
    """The highest rate that holds the objective."""

    def holds(step: Step, rate: float) -> bool:
        seconds = plan.probe * (3 if step is Step.CONFIRM else 1)
        found, kept = ask(workers, url, rate, seconds)
        click.echo(
            f"{step:8} {rate:7.0f}/s  p99 {1000 * found.percentile(99):6.1f} ms  "
            f"errors {percent(found.errors)}  {'holds' if kept else 'fails'}",
            err=True,
        )
        return kept

    return find_limit(holds, START, MOST, plan.tolerance)


def ask(
    workers: Workers, url: str, rate: float, seconds: float
) -> tuple[Summary, bool]:
    """A constant rate, after a time to run in; and whether it holds the objective."""
    warmup_s = seconds / 4
    load = load_at(url, with_warmup(constant(rate, seconds), warmup_s), warmup_s)
    report = run_test(load, workers, parse_objective(OBJECTIVE), quiet=True)
    return report.total, report.is_kept


def overload(
    workers: Workers, service: Running, plan: Plan, limit: float, factor: float
) -> Overload:
    """Calm, overload, calm again; watches the service's memory and its cores."""
    calm, pid = CALM * limit, service.process.pid
    rates = stretches(
        (plan.before, calm), (plan.overload, factor * limit), (plan.after, calm)
    )
    sizes = [(0.0, memory(pid).rss)]

    def look(now_s: float, ticks: Sequence[Tick]) -> None:
        sizes.append((now_s, memory(pid).rss))

    cpu_s = cpu_seconds(pid)
    outcome = workers.run(load_at(service.url(), rates), look)
    cores = (cpu_seconds(pid) - cpu_s) / outcome.seconds, sum(outcome.cpu_shares)
    during = Window(plan.before, plan.before + plan.overload)
    back_s = recovery(outcome.results, during.end_s, rates.duration_s)
    return Overload(factor, outcome.results, during, sizes, cores, back_s)


def goodput(results: Results, window: Window) -> float:
    """Requests a second that were meant to be sent then and were 200 in time."""
    sent = results.between(window.start_s, window.end_s)
    good = sent.had(OK) & (sent.latency_s <= DEADLINE_S)
    return int(np.count_nonzero(good)) / window.seconds


def cut(window: Window) -> list[Window]:
    """Windows of about `FINE_S`."""
    return window.cut(max(1, math.ceil(window.seconds / FINE_S)))


def recovery(results: Results, start_s: float, end_s: float) -> float | None:
    """How long after an overload the last window is that is not back to normal.

    Normal is a window in which all requests are answered 200, and 99 % within `P99_S`.

    Args:
        results: That held the overload.
        start_s: When it ended.
        end_s: Until when the calm after it was watched.

    Returns:
        Seconds from the end of the overload to the end of that window, 0 if there is
        none; None where the last window of all is not normal.
    """
    worst = start_s
    for piece in cut(Window(start_s, end_s)):
        found = summarise(results, piece, DEADLINE_S)
        if found.errors > 0 or found.percentile(99) > P99_S:
            worst = piece.end_s
    return None if worst == end_s else worst - start_s

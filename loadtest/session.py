"""A load test from the first request to the report, with its progress on stderr."""

import math
import os
import sys
from collections.abc import Sequence

import numpy as np
from rich.console import Console

from loadtest.load import Load
from loadtest.objective import Objective
from loadtest.report import Report
from loadtest.results import OK, TIMEOUT, merge
from loadtest.target import Watch
from loadtest.units import milliseconds, percent
from loadtest.workers import Tick, Workers

RATE_OF_A_PROCESS = 600  # requests/s that one client process sends with ease
MAX_LINES = 30  # of progress that does not go to a terminal


def run_test(
    load: Load, workers: Workers, objective: Objective = (), *, quiet: bool = False
) -> Report:
    """Send a load and report; Ctrl-C ends it early and reports what there is."""
    watch = Watch(load.url, load.warmup_s)
    console = Console(file=sys.stderr, quiet=quiet, highlight=False)
    shown_s = printed_s = 0.0
    with console.status("starting", refresh_per_second=1) as status:

        def on_progress(now_s: float, ticks: Sequence[Tick]) -> None:
            nonlocal shown_s, printed_s
            line = f"{now_s:.0f}/{load.duration_s:g} s {tell(ticks, now_s - shown_s)}"
            shown_s = now_s
            status.update(line)
            is_due = now_s - printed_s >= load.duration_s / MAX_LINES
            if is_due and not console.is_terminal:
                printed_s = now_s
                console.print(line)
            watch.look(now_s)

        outcome = workers.run(load, on_progress)
    return Report(load, outcome, watch.finish(outcome.seconds), objective)


def choose_processes(load: Load) -> int:
    """One, or more where an open loop asks for it and there are cores."""
    highest = max(load.rates.rates) if load.rates else 0.0
    cores = len(os.sched_getaffinity(0))
    return min(cores, max(1, math.ceil(highest / RATE_OF_A_PROCESS)))


def tell(ticks: Sequence[Tick], seconds: float) -> str:
    """What was done in so many seconds, in a line."""
    results = merge([tick.results for tick in ticks])
    failed = 1 - results.had(OK).mean() if len(results) else 0.0
    latest = results.latency_s[results.had(OK, TIMEOUT)]
    p50, p99 = np.quantile(latest, (0.5, 0.99)) if len(latest) else (np.nan, np.nan)
    in_flight = sum({tick.process: tick.in_flight for tick in ticks}.values())
    return (
        f"{len(results) / seconds:7,.0f}/s  p50 {milliseconds(p50):>5} ms  "
        f"p99 {milliseconds(p99):>5} ms  errors {percent(failed):>6}  "
        f"in flight {in_flight:,}"
    )

"""A load test from the first request to the report, with its progress on stderr."""

import math
import os
import sys
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

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
    """Send a load and report; Ctrl-C ends it early and reports what there is.

    Raises:
        WorkerError: A client process has died.
    """
    watch = Watch(load.url, load.warmup_s)
    with _ProgressLine(load.duration_s, quiet=quiet) as line:

        def on_progress(now_s: float, ticks: Sequence[Tick]) -> None:
            line.show(now_s, ticks)
            watch.look(now_s)

        outcome = workers.run(load, on_progress)
    return Report(load, outcome, watch.finish(outcome.seconds), objective)


def choose_processes(load: Load) -> int:
    """One process, or more where an open loop sends more than one can.

    At most as many as there are cores to use.
    """
    highest = max(load.rates.rates) if load.rates else 0.0
    cores = len(os.sched_getaffinity(0))
    return min(cores, max(1, math.ceil(highest / RATE_OF_A_PROCESS)))


class _ProgressLine(Progress):
    """The last second: in place on a terminal, else line by line."""

    def __init__(self, seconds: float, *, quiet: bool):
        console = Console(file=sys.stderr, quiet=quiet, highlight=False)
        columns = BarColumn(20), TextColumn("{task.description}")
        super().__init__(*columns, console=console, transient=True, auto_refresh=False)
        self._seconds, self._task = seconds, self.add_task("", total=seconds)
        self._last_s = self._printed_s = 0.0

    def show(self, now_s: float, ticks: Sequence[Tick]) -> None:
        """Show what all processes did since the last time."""
        line = f"{now_s:6.1f} s {tell(ticks, now_s - self._last_s)}"
        self._last_s = now_s
        self.update(self._task, completed=now_s, description=line, refresh=True)
        is_due = now_s - self._printed_s >= self._seconds / MAX_LINES
        if is_due and not self.console.is_terminal:
            self._printed_s = now_s
            self.console.print(line)


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

"""A load test from the first request to the report."""

import math
import os
from collections.abc import Sequence

from loadtest.crew import Crew
from loadtest.load import Load
from loadtest.objective import Objective
from loadtest.progress import Progress
from loadtest.report import Report, build_report
from loadtest.service_figures import Watch
from loadtest.target import Target
from loadtest.worker import Tick

RATE_OF_A_PROCESS = 600  # requests a second that one client process sends with ease


def run_test(
    load: Load, crew: Crew, objective: Objective = (), *, quiet: bool = False
) -> Report:
    """Send a load and report; Ctrl-C ends it early and reports what there is.

    Args:
        load: What to send.
        crew: The client processes.
        objective: What it must show.
        quiet: Show no progress.

    Raises:
        CrewError: A client process has died.
    """
    watch = Watch(Target(load.url), load.warmup_s)
    with Progress(load.duration_s, quiet=quiet) as progress:

        def tick(now_s: float, ticks: Sequence[Tick]) -> None:
            progress.tick(now_s, ticks)
            watch.look(now_s)

        outcome = crew.run(load, tick)
    return build_report(load, outcome, watch.finish(outcome.seconds), objective)


def run_alone(load: Load, processes: int, objective: Objective) -> Report:
    """`run_test` with client processes for this test alone.

    Args:
        load: What to send.
        processes: How many; 0 = as many as it takes.
        objective: What it must show.
    """
    with Crew(processes or choose_processes(load)) as crew:
        return run_test(load, crew, objective)


def choose_processes(load: Load) -> int:
    """One process, or more where an open loop sends more than one can.

    At most as many as there are cores to use.
    """
    highest = max(load.rates.rates) if load.rates else 0.0
    most = len(os.sched_getaffinity(0))
    return min(most, max(1, math.ceil(highest / RATE_OF_A_PROCESS)))

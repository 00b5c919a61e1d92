"""`find-limit` against a real service: each probe is a load test of its own."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Self

import click

from loadtest.crew import Crew
from loadtest.limit import Limit, Step, find_limit
from loadtest.load import Load
from loadtest.mix import show_mix
from loadtest.objective import Objective
from loadtest.rates import constant, with_warmup
from loadtest.report import Report
from loadtest.session import run_test
from loadtest.wording import milliseconds, percent, plain

CONFIRM = 3  # times as long as another probe
MOST_IN_FLIGHT = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        limit: The rates.
        objective: The conditions, as they were given.
        mix: In words.
        tolerance: Asked for, as a share.
        client_limits: Why the client may have been what failed; of the last probe that
            did.
        seconds: That the search took.
    """

    limit: Limit
    objective: str
    mix: str
    tolerance: float
    client_limits: tuple[str, ...]
    seconds: float

    def to_json(self) -> str:
        """For programs."""
        return json.dumps(asdict(self), indent=2) + "\n"


class Hunt:
    """Searches the limit of one service; ends its client processes at the end.

    Args:
        base: The load, but for its rate and duration.
        objective: What must hold.
        probe_s: How long a rate is tried, without the warm-up.
        processes: Client processes; 0 = begin with one, add more when it is the limit.
        say: Where each probe is told.
    """

    def __init__(
        self,
        base: Load,
        objective: Objective,
        probe_s: float,
        processes: int = 0,
        say: Callable[[str], None] = click.echo,
    ):
        self._base = replace(base, connections=MOST_IN_FLIGHT)
        self._objective, self._probe_s, self._say = objective, probe_s, say
        self._can_grow = processes == 0
        self._processes = processes or 1
        self._crew = Crew(self._processes)
        self._client_limits: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.__exit__()

    def run(self, start: float, most: float, tolerance: float) -> Found:
        """Search between these rates.

        Raises:
            CrewError: A client process has died.
            KeyboardInterrupt: Somebody stopped it.
        """
        began = time.monotonic()
        limit = find_limit(self._try, start, most, tolerance)
        return Found(
            limit=limit,
            objective=",".join(each.text for each in self._objective),
            mix=show_mix(self._base.mix),
            tolerance=tolerance,
            client_limits=self._client_limits,
            seconds=time.monotonic() - began,
        )

    def _try(self, step: Step, rate: float) -> bool:
        report = self._measure(step, rate)
        while not report.is_kept and report.client.limits() and self._grow(rate):
            report = self._measure(step, rate)
        if not report.is_kept:
            self._client_limits = tuple(report.client.limits())
        return report.is_kept

    def _measure(self, step: Step, rate: float) -> Report:
        seconds = self._probe_s * (CONFIRM if step is Step.CONFIRM else 1)
        rates = with_warmup(constant(rate, seconds), self._base.warmup_s)
        load = replace(self._base, rates=rates, duration_s=rates.duration_s)
        report = run_test(load, self._crew, self._objective, quiet=True)
        if report.broken_off:
            raise KeyboardInterrupt
        self._say(tell(step, rate, report))
        return report

    def _grow(self, rate: float) -> bool:
        """More client processes, if that is allowed and there are cores for them."""
        if not self._can_grow or self._processes >= len(os.sched_getaffinity(0)):
            return False
        self._processes += 1
        self._say(f"the client was the limit: {self._processes} processes from now on")
        self._crew.__exit__()
        self._crew = Crew(self._processes)
        return True


def tell(step: Step, rate: float, report: Report) -> str:
    """One probe in a line."""
    total = report.total
    failed = [v.condition.text for v in report.verdicts if not v.is_kept]
    said = f"fails {', '.join(failed)}" if failed else "holds"
    doubt = "; client at its limit" if failed and report.client.limits() else ""
    return (
        f"{step:8}{plain(rate):>7}/s  "
        f"p50 {milliseconds(total.percentile(50)):>5}  "
        f"p99 {milliseconds(total.percentile(99)):>5} ms  "
        f"errors {percent(total.errors):>6}  {said}{doubt}"
    )


def show_found(found: Found) -> str:
    """The answer in a few lines."""
    limit = found.limit
    if limit.rate is None:
        lowest = plain(min(probe.rate for probe in limit.probes))
        return f"No rate holds {found.objective}; the lowest tried was {lowest}/s."
    lines = [
        f"Limit: {plain(limit.rate)} requests/s hold {found.objective} "
        f"({found.mix}), confirmed by a longer test."
    ]
    if limit.failed is None:
        lines.append("Nothing failed: the limit is beyond what was searched (--most).")
    else:
        above = limit.failed / limit.rate - 1
        lines.append(
            f"{plain(limit.failed)}/s, {percent(above)} above it, failed; asked for "
            f"was a tolerance of {percent(found.tolerance)}."
        )
    if found.client_limits:
        lines.append(
            f"The client was the limit: {'; '.join(found.client_limits)}. The service "
            "may hold more."
        )
    lines.append(f"{len(limit.probes)} probes, {found.seconds:.0f} s.")
    return "\n".join(lines)

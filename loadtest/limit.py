"""The highest rate that meets an objective: doubled until it fails, then bisected."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum

import click

from loadtest.arrivals import constant, with_warmup
from loadtest.load import Load, show_mix
from loadtest.objective import Objective
from loadtest.report import Report, run_test
from loadtest.summary import milliseconds, percent, plain
from loadtest.workers import Workers

CONFIRMATIONS = 4  # tries to confirm, each a tolerance lower than the last
CONFIRM_LENGTH = 3  # of a test to confirm, in probes
MAX_IN_FLIGHT = 4096


class Step(StrEnum):
    """Why a rate is tried."""

    GROW = "grow"
    NARROW = "narrow"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Probe:
    """One rate that was tried."""

    step: Step
    rate: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """The highest rate that held and was confirmed, and the lowest that failed."""

    rate: float | None
    failed: float | None
    probes: tuple[Probe, ...]


def find_limit(
    probe: Callable[[Step, float], bool], start: float, most: float, tolerance: float
) -> Limit:
    """Search the highest rate that holds. No clock, no network: `probe` has them.

    Args:
        probe: Says whether a rate holds. A rate that fails is tried once more, as one
            hiccup is no limit.
        start: Requests/s to begin with, above 0.
        most: Beyond which is not searched.
        tolerance: How far above the answer a rate that fails may be, as a share of it.

    Returns:
        The limit, within the tolerance if the service behaves alike each time.
    """
    probes: list[Probe] = []

    def holds(step: Step, rate: float) -> bool:
        for _ in range(1 if step is Step.CONFIRM else 2):
            probes.append(Probe(step, rate, probe(step, rate)))
            if probes[-1].holds:
                return True
        return False

    low, high = _bracket(lambda rate: holds(Step.GROW, rate), start, most)
    while low and high and high > low * (1 + tolerance):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if holds(Step.NARROW, middle) else (low, middle)
    for _ in range(CONFIRMATIONS if low else 0):
        if holds(Step.CONFIRM, low):
            return Limit(low, high, tuple(probes))
        low, high = low / (1 + tolerance), low
    return Limit(None, high, tuple(probes))


def _bracket(
    holds: Callable[[float], bool], start: float, most: float
) -> tuple[float, float | None]:
    """A rate that holds, 0 if there is none, and one that fails, if there is."""
    low, high, rate = 0.0, None, start
    while high is None and low < most:
        if holds(rate):
            low, rate = rate, min(2 * rate, most)
        else:
            high = rate
    while not low and high and high > 1:
        rate = max(high / 2, 1.0)
        low, high = (rate, high) if holds(rate) else (low, rate)
    return low, high


@dataclass
class LimitSearch:
    """Searches the limit of a real service, once: each probe is a load test.

    Attributes:
        base: The load, but for its rate and duration.
        probe_s: How long a rate is tried, without the warm-up.
        processes: Of the client; 0 = begin with one, add more when it is the limit.
        say: Where each probe is told.
    """

    base: Load
    objective: Objective
    probe_s: float
    processes: int = 0
    say: Callable[[str], None] = click.echo

    def run(self, start: float, most: float, tolerance: float) -> "Found":
        """Search between these rates; KeyboardInterrupt if somebody stops it."""
        began = time.monotonic()
        self._client_limits: list[str] = []
        self._count = self.processes or 1
        with ExitStack() as self._stack:
            self._workers = self._stack.enter_context(Workers(self._count))
            limit = find_limit(self._probe, start, most, tolerance)
        objective = ",".join(each.text for each in self.objective)
        mix, seconds = show_mix(self.base.mix), time.monotonic() - began
        return Found(limit, objective, mix, tolerance, self._client_limits, seconds)

    def _probe(self, step: Step, rate: float) -> bool:
        report = self._measure(step, rate)
        limits = [] if report.is_kept else report.client.limits()
        if limits and not self.processes and self._count < len(os.sched_getaffinity(0)):
            self._count += 1
            self.say(f"the client was the limit: {self._count} processes now")
            self._stack.close()
            self._workers = self._stack.enter_context(Workers(self._count))
            return self._probe(step, rate)
        if not report.is_kept:
            self._client_limits = limits
        return report.is_kept

    def _measure(self, step: Step, rate: float) -> Report:
        seconds = self.probe_s * (CONFIRM_LENGTH if step is Step.CONFIRM else 1)
        rates = with_warmup(constant(rate, seconds), self.base.warmup_s)
        load = replace(self.base.at(rates), connections=MAX_IN_FLIGHT)
        report = run_test(load, self._workers, self.objective, quiet=True)
        if report.interrupted:
            raise KeyboardInterrupt
        p50, p99 = (milliseconds(report.total.percentile(each)) for each in (50, 99))
        failed = ", ".join(v.condition.text for v in report.verdicts if not v.is_kept)
        doubt = "; client at its limit" if failed and report.client.limits() else ""
        self.say(
            f"{step:8}{plain(rate):>7}/s  p50 {p50:>5}  p99 {p99:>5} ms  "
            f"errors {percent(report.total.errors):>6}  "
            f"{f'fails {failed}' if failed else 'holds'}{doubt}"
        )
        return report


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; `client_limits` says why the client may be what failed."""

    limit: Limit
    objective: str
    mix: str
    tolerance: float
    client_limits: list[str]
    seconds: float

    def __str__(self) -> str:
        rate, failed, probes = self.limit.rate, self.limit.failed, self.limit.probes
        if rate is None:
            lowest = plain(min(probe.rate for probe in probes))
            return f"No rate meets {self.objective}; the lowest tried was {lowest}/s."
        above = "Nothing failed: the limit is beyond what was searched (--most)."
        if failed is not None:
            above = f"{plain(failed)}/s, {percent(failed / rate - 1)} above it, failed."
        reasons = "; ".join(self.client_limits)
        doubt = f"The client was the limit: {reasons}. The service may do more.\n"
        return (
            f"Limit: {plain(rate)} requests/s meet {self.objective} ({self.mix}), "
            f"confirmed by a longer test.\n{above}\n{doubt if reasons else ''}"
            f"{len(probes)} probes, {self.seconds:.0f} s."
        )

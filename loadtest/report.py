"""One load test from the first request to the report, which has all that it found."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.console import Console

from loadtest.load import Load
from loadtest.objective import Objective, judge
from loadtest.results import UNSENT, merge
from loadtest.summary import (
    ALL,
    SHOWN,
    Summary,
    Window,
    milliseconds,
    percent,
    summarise,
)
from loadtest.target import ServiceFigures, Watch
from loadtest.workers import Outcome, Tick, Workers

BUSY = 0.9  # of a core: above it a client process may be what is slow
MAX_LAG_S = 0.010  # p99: above it the client did not send when it was meant to
MAX_LINES = 30  # of progress that does not go to a terminal
MIN_S = 0.001  # length of a test that was interrupted at once
TOLD = "url", "mix", "seed", "deadline_s", "timeout_s"  # of the load
FORMAT = 1  # of the JSON; changes when a field changes its meaning or its place


@dataclass(frozen=True, slots=True)
class ClientFigures:
    """How the client fared: its shares of a core, lateness, omissions."""

    cpu_shares: tuple[float, ...]
    lag_p99_s: float
    unsent: int

    def limits(self) -> list[str]:
        """Why the client was the limit, so that the figures say less of the service."""
        found = []
        if max(self.cpu_shares) >= BUSY:
            found.append(f"a client process took {max(self.cpu_shares):.0%} of a core")
        if self.lag_p99_s > MAX_LAG_S:
            late = milliseconds(self.lag_p99_s)
            found.append(f"1 % of requests were sent {late} ms late or more")
        if self.unsent:
            found.append(f"{self.unsent} requests were not sent: too many in flight")
        return found


class Report:
    """What a load test found.

    Attributes:
        started: When the report was made.
        window: What counts: without the warm-up.
        interrupted: Whether it was ended early.
        windows: The test second by second, warm-up included.
        thirds: The first third of what counts and the last.
        service: What the service counted; None where it does not tell.
    """

    def __init__(
        self,
        load: Load,
        outcome: Outcome,
        service: ServiceFigures | None = None,
        objective: Objective = (),
    ):
        results, self.window = outcome.results, _window(load, outcome)

        def figures(window: Window, name: str = ALL) -> Summary:
            chosen = results if name == ALL else results.of(name)
            return summarise(chosen, window, load.deadline_s, name)

        self.load, self.service = load, service
        self.started, self.interrupted = datetime.now(UTC), outcome.interrupted
        self.total = figures(self.window)
        self.workloads = [figures(self.window, name) for name in load.mix]
        pieces = Window(0, self.window.end_s).cut_seconds()
        self.windows = [(piece, figures(piece)) for piece in pieces]
        first, _, last = self.window.cut(3)
        self.thirds = figures(first), figures(last)
        self.client = _client(outcome, self.window)
        summaries = {each.name: each for each in (self.total, *self.workloads)}
        self.verdicts = judge(objective, summaries)

    @property
    def is_kept(self) -> bool:
        """Whether every condition holds."""
        return all(verdict.is_kept for verdict in self.verdicts)

    @property
    def rows(self) -> list[Summary]:
        """Each endpoint, and all together if they are several."""
        return self.workloads + [self.total] * (len(self.workloads) > 1)


def run_test(
    load: Load, workers: Workers, objective: Objective = (), *, quiet: bool = False
) -> Report:
    """Send a load and report; Ctrl-C ends it early and reports what there is."""
    watch = Watch(load.url, load.warmup_s, load.trust)
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


def tell(ticks: Sequence[Tick], seconds: float) -> str:
    """What was done in so many seconds, in a line."""
    results = merge([tick.results for tick in ticks])
    summary = summarise(results, Window(0, float("inf")), None)
    p50, p99 = (milliseconds(summary.percentile(each)) for each in (50, 99))
    in_flight = sum({tick.process: tick.in_flight for tick in ticks}.values())
    return (
        f"{len(results) / seconds:7,.0f}/s  p50 {p50:>5} ms  p99 {p99:>5} ms  "
        f"errors {percent(summary.errors):>6}  in flight {in_flight:,}"
    )


def to_json(report: Report) -> str:
    """Every figure: seconds, shares of 1, requests/s; what was not measured is null."""
    load, service = report.load, report.service
    record = {
        "format": FORMAT,
        "started": report.started.isoformat(timespec="seconds"),
        "load": str(load),
        **{name: getattr(load, name) for name in TOLD},
        "broken_off": report.interrupted,
        "window": asdict(report.window),
        "total": _summary(report.total),
        "workloads": {each.name: _summary(each) for each in report.workloads},
        "windows": [
            asdict(window) | {"intended_rate": each.intended_rate} | _summary(each)
            for window, each in report.windows
        ],
        "p99_of_thirds_s": [third.percentile(99) for third in report.thirds],
        "client": asdict(report.client) | {"limits": report.client.limits()},
        "service": None if service is None else asdict(service),
        "objective": [
            {"condition": v.condition.text, "measured": v.measured, "kept": v.is_kept}
            for v in report.verdicts
        ],
    }
    text = json.dumps(record)  # with NaN, which JSON does not have
    return json.dumps(json.loads(text, parse_constant=lambda _: None), indent=2) + "\n"


def _window(load: Load, outcome: Outcome) -> Window:
    end_s = load.duration_s
    if outcome.interrupted:
        last_s = outcome.results.intended_s[-1:].sum()  # 0 where nothing was sent
        end_s = min(end_s, max(float(last_s), MIN_S))
    return Window(min(load.warmup_s, end_s / 2), end_s)


def _client(outcome: Outcome, window: Window) -> ClientFigures:
    counted = outcome.results.between(window.start_s, window.end_s)
    unsent = counted.had(UNSENT)
    lags_s = counted.lag_s[~unsent]
    lag_s = float(np.quantile(lags_s, 0.99)) if len(lags_s) else 0.0
    return ClientFigures(outcome.cpu_shares, lag_s, int(np.count_nonzero(unsent)))


def _summary(summary: Summary) -> dict[str, Any]:
    names = ("requests", "rate", "goodput", "errors", "outcomes")
    return {
        **{name: getattr(summary, name) for name in names},
        "mean_s": summary.mean(),
        **{f"p{each:g}_s": summary.percentile(each) for each in SHOWN},
        "max_s": summary.percentile(100),
    }

"""Everything that a load test found: what tables, files and pages are made from."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from loadtest.crew import Outcome
from loadtest.load import Load
from loadtest.mix import show_mix
from loadtest.objective import Objective, Verdict, judge
from loadtest.results import UNSENT, Results
from loadtest.service_figures import ServiceFigures
from loadtest.summary import Summary, Window, summarise
from loadtest.wording import milliseconds

BUSY = 0.9  # of a core: beyond it a client process may be what is slow
LEAST_S = 0.001  # of a test that was broken off at once
MOST_LAG_S = 0.010  # p99: beyond it the client did not send when it was meant to


@dataclass(frozen=True, slots=True)
class ClientFigures:
    """How the clients themselves fared.

    Attributes:
        cpu_shares: Of one core, each process's, 0 to 1.
        lag_p99_s: How late requests were sent in an open loop; 0 in a closed one.
        unsent: Requests that were not sent because too many were under way.
    """

    cpu_shares: tuple[float, ...]
    lag_p99_s: float
    unsent: int

    def limits(self) -> list[str]:
        """Why the client was the limit, so that the figures say less of the service."""
        found = []
        if max(self.cpu_shares) >= BUSY:
            found.append(f"a client process took {max(self.cpu_shares):.0%} of a core")
        if self.lag_p99_s > MOST_LAG_S:
            found.append(
                "1 % of requests were sent "
                f"{milliseconds(self.lag_p99_s)} ms late or more"
            )
        if self.unsent:
            found.append(f"{self.unsent} requests were not sent: too many under way")
        return found


@dataclass(frozen=True, slots=True)
class Report:
    """What a load test found.

    Attributes:
        load: What was asked of the clients.
        started: When.
        window: What counts: without the warm-up.
        broken_off: Whether it was ended early.
        total: All endpoints together.
        workloads: Each endpoint.
        windows: The test in stretches of time, warm-up and all.
        thirds: The first third of what counts and the last.
        client: How the clients fared.
        service: What the service counted; None where it did not tell.
        verdicts: On every condition of the objective.
        results: Of every request.
    """

    load: Load
    started: datetime
    window: Window
    broken_off: bool
    total: Summary
    workloads: tuple[Summary, ...]
    windows: tuple[tuple[Window, Summary], ...]
    thirds: tuple[Summary, Summary]
    client: ClientFigures
    service: ServiceFigures | None
    verdicts: tuple[Verdict, ...]
    results: Results

    @property
    def is_kept(self) -> bool:
        """Whether every condition holds."""
        return all(verdict.is_kept for verdict in self.verdicts)


def build_report(
    load: Load,
    outcome: Outcome,
    service: ServiceFigures | None,
    objective: Objective = (),
) -> Report:
    """Work out every figure of a test that has just ended."""
    results, deadline_s = outcome.results, load.deadline_s
    window = _window(load, outcome)
    counted = results.between(window.start_s, window.end_s)
    total = summarise(results, window, deadline_s)
    each = tuple(
        summarise(results.of(name), window, deadline_s, name) for name in load.mix
    )
    first, _, last = window.cut(3)
    return Report(
        load=load,
        started=datetime.now(UTC),
        window=window,
        broken_off=outcome.broken_off,
        total=total,
        workloads=each,
        windows=tuple(
            (piece, summarise(results, piece, deadline_s))
            for piece in Window(0, window.end_s).cut_seconds()
        ),
        thirds=(
            summarise(results, first, deadline_s),
            summarise(results, last, deadline_s),
        ),
        client=_client(counted, outcome),
        service=service,
        verdicts=tuple(judge(objective, {s.name: s for s in (total, *each)})),
        results=counted,
    )


def describe(load: Load) -> str:
    """What was asked of the clients, in a line."""
    if load.rates is None:
        kind = f"closed loop, {load.connections} connections"
    else:
        heights = list(dict.fromkeys(round(rate, 1) for rate in load.rates.rates))
        shown = " → ".join(f"{rate:g}" for rate in heights)
        kind = f"open loop, {load.arrivals} arrivals, {shown} requests/s"
    return f"{kind}, {load.duration_s:g} s; {show_mix(load.mix)}"


def _window(load: Load, outcome: Outcome) -> Window:
    end_s = load.duration_s
    if outcome.broken_off:
        last_s = outcome.results.intended_s[-1:].sum()  # 0 where nothing was sent
        end_s = min(end_s, max(float(last_s), LEAST_S))
    return Window(min(load.warmup_s, end_s / 2), end_s)


def _client(counted: Results, outcome: Outcome) -> ClientFigures:
    sent = counted.where(~counted.had(UNSENT))
    lag_s = float(np.quantile(sent.lag_s, 0.99)) if len(sent) else 0.0
    unsent = int(np.count_nonzero(counted.had(UNSENT)))
    return ClientFigures(outcome.cpu_shares, lag_s, unsent)

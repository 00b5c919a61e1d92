"""What was measured, as a page in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.operations.drills import Killed, Terminated
from benchmarks.operations.overload import Overload
from benchmarks.table import figure, table
from loadtest.limit import Limit
from loadtest.results import OK
from loadtest.summary import MIB, Summary, percent

GOODPUT_WITHIN, RECOVERY_S = 0.9, 2.0  # what is promised
PICTURE = "operations-measured.png"


@dataclass(frozen=True, slots=True)
class Measured:
    """All of it.

    Attributes:
        facts: What a figure is worth nothing without.
        objective: What holds below the limit.
        deadline_s: Of every request.
        limit: What the search found.
        peak: What was answered when the limit was asked for.
        overloads: At several times it.
        terminated: SIGTERM under load.
        killed: Processes killed under load.
        restart_s: From starting again after everything was killed, until ready.
    """

    facts: dict[str, str]
    objective: str
    deadline_s: float
    limit: Limit
    peak: Summary
    overloads: Sequence[Overload]
    terminated: Terminated
    killed: Sequence[Killed]
    restart_s: float


def render(measured: Measured, *, picture: bool) -> str:
    """The whole page."""
    parts = [
        "# Operations, measured\n",
        "Overload, SIGTERM and kill -9 on one machine. Written by `python -m "
        "benchmarks.operations`, which repeats it on yours.\n",
        table(["", ""], measured.facts.items()),
        "## The limit\n",
        _limit(measured),
        "## Overload\n",
        _overload(measured),
        f"![Goodput, latency and memory over time]({PICTURE})\n" if picture else "",
        "## SIGTERM under load\n",
        _terminated(measured.terminated),
        "## Kill -9\n",
        _killed(measured),
    ]
    return "\n".join(part for part in parts if part)


def _limit(measured: Measured) -> str:
    limit, peak = measured.limit, measured.peak
    failed = f"; {limit.failed:,.0f} fails it" if limit.failed else ""
    return (
        f"{limit.rate:,.0f} requests/s are the most that hold {measured.objective}"
        f"{failed} ({len(limit.probes)} probes, open loop, Poisson). Asked for that "
        f"rate, the service gave a goodput of {figure(peak.goodput)}/s, p50 "
        f"{figure(1000 * peak.percentile(50))} ms, p99 "
        f"{figure(1000 * peak.percentile(99))} ms.\n"
    )


def _overload(measured: Measured) -> str:
    head = ["", *(f"{each.factor:g} × the limit" for each in measured.overloads)]
    columns = [_overload_figures(each, measured) for each in measured.overloads]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return (
        f"Each request carried a deadline of {1000 * measured.deadline_s:,.0f} ms "
        "(X-Request-Timeout-Ms). Latency counts from the time at which a request was "
        "meant to be sent; goodput is 200 within the deadline.\n\n" + table(head, rows)
    )


def _overload_figures(overload: Overload, measured: Measured) -> dict[str, str]:
    during, run = overload.during, overload.run
    share = during.goodput / measured.peak.goodput
    outcomes = during.outcomes
    return {
        "asked for, requests/s": figure(during.intended_rate),
        "answered, any status, /s": figure(during.rate),
        "goodput, /s": figure(during.goodput),
        f"goodput to that at the limit (promised: {GOODPUT_WITHIN:.0%})": f"{share:.0%}"
        + _verdict(kept=share >= GOODPUT_WITHIN),
        "answered 200": percent(outcomes.get(OK, 0) / during.requests),
        "200 after their deadline": percent(_late(overload, measured.deadline_s)),
        "p50, p99, most of the answers 200, ms": _latencies(overload),
        "the rest": _rest(during),
        "back to normal after (promised: 2 s)": _recovery(overload.recovery_s),
        "memory before, at most during, after, MiB": _memory(overload),
        "cores: service, client": f"{run.service_cores:.2f}, "
        f"{run.flooded.cpu_share:.2f}",
    }


def _good_latencies(overload: Overload) -> np.ndarray:
    """Latencies of the requests of the overload that were answered 200, seconds."""
    results = overload.run.flooded.results
    part = results.between(overload.window.start_s, overload.window.end_s)
    return part.latency_s[part.had(OK)]


def _late(overload: Overload, deadline_s: float) -> float:
    latencies = _good_latencies(overload)
    return float((latencies > deadline_s).mean()) if len(latencies) else float("nan")


def _latencies(overload: Overload) -> str:
    latencies = _good_latencies(overload)
    if not len(latencies):
        return "–"
    shown = np.quantile(latencies, (0.5, 0.99, 1), method="inverted_cdf")
    return ", ".join(figure(1000 * float(each)) for each in shown)


def _rest(summary: Summary) -> str:
    kinds = [
        f"{kind}: {percent(count / summary.requests)}"
        for kind, count in summary.outcomes.items()
        if kind != OK
    ]
    return "; ".join(kinds) or "–"


def _recovery(seconds: float | None) -> str:
    if seconds is None:
        return "not while it was watched" + _verdict(kept=False)
    return f"{seconds:.2f} s" + _verdict(kept=seconds <= RECOVERY_S)


def _memory(overload: Overload) -> str:
    sizes = np.array([size for _, size in overload.run.memory]) / MIB
    return f"{sizes[0]:,.0f}, {sizes.max():,.0f}, {sizes[-1]:,.0f}"


def _verdict(*, kept: bool) -> str:
    return ", kept" if kept else ", **missed**"


def _terminated(seen: Terminated) -> str:
    rows = [
        ["answered wholly", f"{seen.answered:,}, {seen.good:,} of them 200"],
        ["connection refused: never sent", f"{seen.refused:,}"],
        ["closed without an answer, and never read", f"{seen.unread:,}"],
        [
            "read by the service and not answered (promised: 0)",
            f"{seen.lost:,}" + _verdict(kept=seen.lost == 0),
        ],
        ["time to exit", f"{seen.exit_s:.2f} s, code {seen.exit_code}"],
    ]
    return (
        f"At {seen.rate:,.0f} requests/s, which went on after the signal. Read is what "
        "the access log names; the client gives each request a name of its own. A "
        "request on a kept connection that closes just then cannot be told by its "
        "client from one that was lost: that is HTTP, and why the name is looked up."
        "\n\n" + table(["requests", ""], rows)
    )


def _killed(measured: Measured) -> str:
    rows = [
        [
            f"{each.what}, at {each.rate:,.0f} requests/s",
            f"{each.ready_s:.2f} s",
            "; ".join(f"{count:,} × {kind}" for kind, count in each.outcomes.items()),
        ]
        for each in measured.killed
    ]
    rows.append(["everything, started again", f"{measured.restart_s:.2f} s", "–"])
    return table(["killed", "ready again after", "requests meanwhile"], rows)

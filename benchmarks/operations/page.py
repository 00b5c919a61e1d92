"""docs/operations-measured.md and its picture, made of what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.operations.drills import Killed, Terminated, answered
from benchmarks.operations.overload import (
    DEADLINE_S,
    OBJECTIVE,
    Overload,
    cut,
    goodput,
)
from benchmarks.tables import figure, fill, table
from loadtest.limit import Limit
from loadtest.results import OK
from loadtest.summary import MIB, Summary, Window, milliseconds, plain, summarise

GOODPUT_WITHIN, RECOVERY_S = 0.9, 2.0  # what is promised
PICTURE = "operations-measured.png"
DOTS_PER_INCH = 110


@dataclass(frozen=True, slots=True)
class Measured:
    """All of it."""

    facts: dict[str, str]  # what a figure is worth nothing without
    limit: Limit  # what the search found
    peak: Summary  # what was answered when the limit was asked for
    overloads: Sequence[Overload]  # at several times it
    terminated: Terminated  # SIGTERM under load
    killed: Sequence[Killed]  # processes killed under load
    restart_s: float  # from starting again after everything was killed, until ready


def render(measured: Measured, *, picture: bool) -> str:
    """The whole page; `picture` says whether `PICTURE` lies beside it."""
    peak, seen, limit = measured.peak, measured.terminated, measured.limit
    columns = [_overload(each, measured.peak.goodput) for each in measured.overloads]
    head = ["", *(f"{each.factor:g} × the limit" for each in measured.overloads)]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    requests = {
        "answered wholly": f"{seen.answered:,}, {seen.good:,} of them 200",
        "connection refused: never sent": f"{seen.refused:,}",
        "closed without an answer, and never read": f"{seen.unread:,}",
        "read by the service and not answered (promised: 0)": f"{seen.lost:,}"
        + _verdict(kept=seen.lost == 0),
        "time to exit": f"{seen.exit_s:.2f} s, code {seen.exit_code}",
    }
    killed = [
        [
            f"{each.what}, at {each.rate:,.0f} requests/s",
            f"{each.ready_s:.2f} s",
            "; ".join(f"{count:,} × {kind}" for kind, count in each.outcomes.items()),
        ]
        for each in measured.killed
    ]
    killed.append(["everything, started again", f"{measured.restart_s:.2f} s", "–"])
    link = f"![Goodput, latency and memory over time]({PICTURE})\n\n"
    return fill(
        "operations-measured.md",
        facts=table(["", ""], measured.facts.items()),
        limit=limit,
        failed=plain(limit.failed or float("inf")),
        probes=len(limit.probes),
        objective=OBJECTIVE,
        goodput=figure(peak.goodput),
        p50=milliseconds(peak.percentile(50)),
        p99=milliseconds(peak.percentile(99)),
        deadline_ms=milliseconds(DEADLINE_S),
        overload=table(head, rows),
        picture=link if picture else "",
        terminated=seen,
        requests=table(["requests", ""], requests.items()),
        killed=table(["killed", "ready again after", "requests meanwhile"], killed),
    )


def _overload(overload: Overload, most: float) -> dict[str, str]:
    window, results = overload.during, overload.results
    sent = results.between(window.start_s, window.end_s)
    share = goodput(results, window) / most
    good_s, counts = sent.latency_s[sent.had(OK)], sent.counts()
    tail = np.percentile(good_s if len(good_s) else np.nan, (50, 99, 100))
    sizes = [size / MIB for _, size in overload.memory]
    back = overload.recovery_s
    return {
        "asked for, requests/s": figure(len(sent) / window.seconds),
        "answered, any status, /s": figure(answered(sent).sum() / window.seconds),
        "goodput, /s": figure(goodput(results, window)),
        f"goodput to that at the limit (promised: {GOODPUT_WITHIN:.0%})": f"{share:.0%}"
        + _verdict(kept=share >= GOODPUT_WITHIN),
        "answered 200": f"{len(good_s) / len(sent):.1%}",
        "200 after their deadline": f"{np.mean(good_s > DEADLINE_S):.1%}",
        "p50, p99, most of the answers 200, ms": ", ".join(map(milliseconds, tail)),
        "the rest": "; ".join(
            f"{kind}: {n / len(sent):.2%}" for kind, n in counts.items() if kind != OK
        ),
        "back to normal after (promised: 2 s)": "not while it was watched"
        if back is None
        else f"{back:.2f} s" + _verdict(kept=back <= RECOVERY_S),
        "memory before, at most during, after, MiB": ", ".join(
            f"{each:,.0f}" for each in (sizes[0], max(sizes), sizes[-1])
        ),
        "cores: service, client": ", ".join(f"{each:.2f}" for each in overload.cores),
    }


def _verdict(*, kept: bool) -> str:
    return ", kept" if kept else ", **missed**"


def draw(measured: Measured, path: Path) -> None:
    """Goodput, latency and memory over time as a PNG file, a column an overload."""
    from matplotlib.figure import Figure

    chart = Figure(figsize=(12, 7), layout="constrained")
    number = len(measured.overloads)
    columns = chart.subplots(3, number, sharex="col", squeeze=False)
    for overload, (above, middle, below) in zip(
        measured.overloads, columns.T, strict=True
    ):
        pieces = cut(Window(0, float(overload.results.intended_s.max())))
        found = [summarise(overload.results, each, DEADLINE_S) for each in pieces]
        times = [piece.start_s for piece in pieces]
        asked = [each.intended_rate for each in found]
        above.plot(times, asked, color="grey", lw=1, label="asked for")
        above.plot(times, [each.goodput for each in found], label="goodput")
        above.axhline(measured.limit.rate, color="grey", lw=1, ls=":")
        title = f"{overload.factor:g} × the limit"
        above.set(ylabel="requests a second", ylim=(0, None), title=title)
        for percent in (50, 99):
            latencies = [1000 * each.percentile(percent) for each in found]
            middle.plot(times, latencies, label=f"p{percent}")
        middle.axhline(1000 * DEADLINE_S, color="grey", lw=1, ls=":")
        middle.set(ylabel="latency, timeouts too, ms", yscale="log")
        memory = [(at, size / MIB) for at, size in overload.memory]
        below.plot(*zip(*memory, strict=True))
        below.set(ylabel="memory, MiB", xlabel="seconds", ylim=(0, None))
        above.legend(fontsize=7)
        middle.legend(fontsize=7)
        for panel in (above, middle, below):
            panel.grid(alpha=0.3)
    chart.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})

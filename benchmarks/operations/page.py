"""docs/operations-measured.md and its picture, made of what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.operations.drills import Killed, Terminated
from benchmarks.operations.flood import OK, Flooded
from benchmarks.operations.overload import ERRORS, P99_S, Overload, cut
from benchmarks.tables import figure, table
from loadtest.limit import Limit

GOODPUT_WITHIN, RECOVERY_S = 0.9, 2.0  # what is promised
PICTURE = "operations-measured.png"
DOTS_PER_INCH = 110
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Measured:
    """All of it."""

    facts: dict[str, str]  # what a figure is worth nothing without
    deadline_s: float  # of every request
    limit: Limit  # what the search found
    peak: Flooded  # what was answered when the limit was asked for
    overloads: Sequence[Overload]  # at several times it
    terminated: Terminated  # SIGTERM under load
    killed: Sequence[Killed]  # processes killed under load
    restart_s: float  # from starting again after everything was killed, until ready


PAGE = """# Operations, measured

Overload, SIGTERM and kill -9 on one machine. Written by `python -m \
benchmarks.operations`, which repeats it on yours.

{facts}
## The limit

{limit.rate:,.0f} requests/s are the most that hold p99 < {p99_ms:.0f} ms, errors < \
{errors:.1%} (lowest that failed: {limit.failed:,.0f}; {probes} probes, open loop, \
Poisson). Asked for that rate, the service gave a goodput of {goodput}/s, p50 \
{p50} ms, p99 {p99} ms.

## Overload

Each request carried a deadline of {deadline_ms:,.0f} ms (X-Request-Timeout-Ms). \
Latency counts from the time at which a request was meant to be sent; goodput is 200 \
within the deadline.

{overload}
{picture}## SIGTERM under load

At {terminated.rate:,.0f} requests/s, which went on after the signal. Read is what the \
access log names; the client gives each request a name of its own. A request on a kept \
connection that closes just then cannot be told by its client from one that was lost: \
that is HTTP, and why the name is looked up.

{requests}
## Kill -9

{killed}"""


def render(measured: Measured, *, picture: bool) -> str:
    """The whole page; `picture` says whether `PICTURE` lies beside it."""
    peak, seen, limit = measured.peak, measured.terminated, measured.limit
    columns = [_overload(each, measured) for each in measured.overloads]
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
    return PAGE.format(
        facts=table(["", ""], measured.facts.items()),
        limit=limit if limit.failed else Limit(limit.rate, float("inf"), limit.probes),
        probes=len(limit.probes),
        p99_ms=1000 * P99_S,
        errors=ERRORS,
        goodput=figure(peak.goodput(measured.deadline_s)),
        p50=figure(peak.p_ms(50)),
        p99=figure(peak.p_ms(99)),
        deadline_ms=1000 * measured.deadline_s,
        overload=table(head, rows),
        picture=link if picture else "",
        terminated=seen,
        requests=table(["requests", ""], requests.items()),
        killed=table(["killed", "ready again after", "requests meanwhile"], killed),
    )


def _overload(overload: Overload, measured: Measured) -> dict[str, str]:
    during, deadline_s = overload.during, measured.deadline_s
    goodput, good, sent = during.goodput(deadline_s), during.good(), len(during.meant_s)
    share = goodput / measured.peak.goodput(deadline_s)
    late = (good.latency_s > deadline_s).sum() / max(1, len(good.latency_s))
    tail = ", ".join(figure(good.p_ms(each)) for each in (50, 99, 100))
    rest = [
        f"{kind}: {count / sent:.2%}"
        for kind, count in during.counts().items()
        if kind != OK
    ]
    back, sizes = overload.recovery_s, [size / MIB for _, size in overload.memory]
    memory = ", ".join(f"{each:,.0f}" for each in (sizes[0], max(sizes), sizes[-1]))
    return {
        "asked for, requests/s": figure(sent / during.seconds),
        "answered, any status, /s": figure(during.answered() / during.seconds),
        "goodput, /s": figure(goodput),
        f"goodput to that at the limit (promised: {GOODPUT_WITHIN:.0%})": f"{share:.0%}"
        + _verdict(kept=share >= GOODPUT_WITHIN),
        "answered 200": f"{len(good.meant_s) / sent:.1%}",
        "200 after their deadline": f"{late:.1%}",
        "p50, p99, most of the answers 200, ms": tail,
        "the rest": "; ".join(rest) or "–",
        "back to normal after (promised: 2 s)": "not while it was watched"
        if back is None
        else f"{back:.2f} s" + _verdict(kept=back <= RECOVERY_S),
        "memory before, at most during, after, MiB": memory,
        "cores: service, client": f"{overload.service_cores:.2f}, "
        f"{overload.flooded.cpu_share:.2f}",
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
        flooded = overload.flooded
        pieces = cut(0, float(flooded.meant_s.max()))
        found = [flooded.between(*piece) for piece in pieces]
        times = [start for start, _ in pieces]
        asked = [len(each.meant_s) / each.seconds for each in found]
        above.plot(times, asked, color="grey", lw=1, label="asked for")
        good = [each.goodput(measured.deadline_s) for each in found]
        above.plot(times, good, label="goodput")
        above.axhline(measured.limit.rate, color="grey", lw=1, ls=":")
        title = f"{overload.factor:g} × the limit"
        above.set(ylabel="requests a second", ylim=(0, None), title=title)
        for percent in (50, 99):
            latencies = [each.p_ms(percent) for each in found]
            middle.plot(times, latencies, label=f"p{percent}")
        middle.axhline(1000 * measured.deadline_s, color="grey", lw=1, ls=":")
        middle.set(ylabel="latency, timeouts too, ms", yscale="log")
        memory = [(at, size / MIB) for at, size in overload.memory]
        below.plot(*zip(*memory, strict=True))
        below.set(ylabel="memory, MiB", xlabel="seconds", ylim=(0, None))
        above.legend(fontsize=7)
        middle.legend(fontsize=7)
        for panel in (above, middle, below):
            panel.grid(alpha=0.3)
    chart.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})

"""Figures to a page of Markdown. Pure: figures in, text out."""

from collections.abc import Iterable, Sequence

from benchmarks.bare import SIZES
from benchmarks.results import Results, Upkeep
from benchmarks.subjects import CONNECTIONS, RAW, SERVERY, Target
from benchmarks.summary import (
    Summaries,
    Summary,
    best,
    summarise_all,
    summarise_bare,
)
from benchmarks.table import figure, spread, table

MIB = 2**20
NOISY = 0.05  # share of the machine that others may take before we warn
LOAD_COLUMNS = (
    "Server", "requests/s", "p50 ms", "p95 ms", "p99 ms", "p99 / p50", "errors",
    "CPU s per 1,000", "rows a batch",
)  # fmt: skip
PROMISES = (
    ("requests/s at 32 connections, to plain FastAPI", 2.6, "at least"),
    ("p99 to p50 at 32 connections", 3.0, "at most"),
    ("p50 at 1 connection, to plain FastAPI", 1.0, "at most"),
)

HEAD = """# Benchmarks

What Servery does on one machine, beside the same model behind plain FastAPI and without
any server. Written by `make bench`, which repeats it on yours.
"""

READING = """## How to read this

Every figure is the median over the rounds, with the lowest and the highest behind it;
the servers take turns within each round, so compare them with each other rather than
with figures from another day or machine. “Plain FastAPI” is the best of its four
configurations at that load: `benchmarks/plain.py`, an endpoint as a good newcomer
writes it, with `def` (FastAPI's thread pool) or `async def`, on one worker whose
TensorFlow may use all cores, or on one worker a core.

Two limits. The load generator runs on the same cores as the servers and takes its share
of them, more at more requests a second. And it is a closed loop: a connection sends its
next request when the last is answered, so a slow server is asked less often, and
latency at many connections is mostly waiting in line (wrk makes up for stalls by
counting the requests that a stalled connection would have sent). RSS counts what
processes share, TensorFlow's code above all, in each of them; PSS splits it among all
that were up, the other servers too.
"""


def render(
    facts: dict[str, str], targets: Sequence[Target], results: Results, *, plot: bool
) -> str:
    """The whole page.

    Args:
        facts: See `facts.gather_facts`.
        targets: That were loaded.
        results: Of the run.
        plot: Whether `benchmarks.png` lies beside the page.
    """
    summaries = summarise_all(results)
    names = plain_names(targets)
    parts = [
        HEAD,
        table(("", ""), facts.items()),
        noise(results, summaries),
        "## Servery beside plain FastAPI\n",
        beside(summaries, names),
        "![Requests a second and latency by connections](benchmarks.png)\n"
        if plot
        else "",
        "Servery as a multiple of plain FastAPI at its best:\n",
        ratios(summaries, names),
        "What was promised of two cores, and what this run gave:\n",
        promises(summaries, names),
        "## Every configuration\n",
        everything(summaries, [target.name for target in targets]),
        "## The model without a server\n",
        bare(results),
        "## Idle, and memory\n",
        upkeep(results),
        READING,
    ]
    return "\n".join(part for part in parts if part)


def plain_names(targets: Iterable[Target]) -> list[str]:
    """The targets that Servery is held against."""
    return [target.name for target in targets if target.name not in (SERVERY, RAW)]


def noise(results: Results, summaries: Summaries) -> str:
    """Who else computed meanwhile."""
    most = max(summary.client_share for summary in summaries.values())
    kept = len(results.all_samples)
    text = (
        f"While it was measured, other programs and the hypervisor took "
        f"{results.others:.1%} of the machine; {results.measured - kept} of "
        f"{results.measured} measurements were left out because they took more. The "
        f"load generator took at most {most:.0%} of a core."
    )
    if results.others > NOISY:
        text += " **That is enough to spoil the figures: measure again.**"
    return text + "\n"


def beside(summaries: Summaries, names: Sequence[str]) -> str:
    """Servery and the best of the others, load by load."""
    rows = [
        [str(connections), *_load(name, summaries[name, connections])]
        for connections in CONNECTIONS
        for name in (SERVERY, best(summaries, names, connections))
    ]
    return table(("Connections", *LOAD_COLUMNS), rows)


def everything(summaries: Summaries, names: Sequence[str]) -> str:
    """All targets, load by load."""
    rows = [
        [str(connections), *_load(name, summaries[name, connections])]
        for connections in CONNECTIONS
        for name in names
        if (name, connections) in summaries
    ]
    return table(("Connections", *LOAD_COLUMNS), rows)


def ratios(summaries: Summaries, names: Sequence[str]) -> str:
    """Servery to the best of the others."""
    rows = []
    for connections in CONNECTIONS:
        ours = summaries[SERVERY, connections]
        theirs = summaries[best(summaries, names, connections), connections]
        pairs = (
            (ours.rate.value, theirs.rate.value),
            (ours.p50_ms.value, theirs.p50_ms.value),
            (ours.p99_ms.value, theirs.p99_ms.value),
            (ours.cpu_ms, theirs.cpu_ms),
        )
        rows.append([str(connections), *(f"{one / other:.2f}" for one, other in pairs)])
    return table(("Connections", "requests/s", "p50", "p99", "CPU for a request"), rows)


def promises(summaries: Summaries, names: Sequence[str]) -> str:
    """Each promise, and whether it was kept."""
    at_1, at_32 = summaries[SERVERY, 1], summaries[SERVERY, 32]
    measured = (
        at_32.rate.value / summaries[best(summaries, names, 32), 32].rate.value,
        at_32.p99_ms.value / at_32.p50_ms.value,
        at_1.p50_ms.value / summaries[best(summaries, names, 1), 1].p50_ms.value,
    )
    rows = []
    for (what, bound, side), value in zip(PROMISES, measured, strict=True):
        kept = value >= bound if side == "at least" else value <= bound
        rows.append(
            [what, f"{side} {bound}", f"{value:.2f}", "kept" if kept else "missed"]
        )
    return table(("", "promised", "measured", ""), rows)


def bare(results: Results) -> str:
    """The model alone, one call after the other."""
    rows = []
    for size in SIZES:
        rate, ms = summarise_bare(results.bare[size])
        rows.append([str(size), spread(rate), spread(ms)])
    return table(("Images in a call", "images/s", "ms a call"), rows)


def upkeep(results: Results) -> str:
    """What servers cost while nobody asks, and what they hold."""
    rows = []
    for name, before in results.before.items():
        after = results.after[name]
        rows.append(
            [
                name,
                str(after.memory.processes),
                *_upkeep(before),
                f"{results.answered[name]:,}",
                *_upkeep(after),
            ]
        )
    each = ("CPU idle", "RSS MiB", "PSS MiB")
    head = ("Server", "processes", *each, "requests later", *each)
    return table(head, rows)


def _load(name: str, summary: Summary) -> list[str]:
    batch = summary.mean_batch
    return [
        name,
        spread(summary.rate),
        spread(summary.p50_ms),
        figure(summary.p95_ms.value),
        spread(summary.p99_ms),
        figure(summary.p99_ms.value / summary.p50_ms.value),
        _errors(summary.errors),
        figure(summary.cpu_ms),
        "1" if batch is None else figure(batch),
    ]


def _errors(errors: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in errors.items()) or "0"


def _upkeep(each: Upkeep) -> list[str]:
    memory = each.memory
    return [
        f"{each.idle:.1%} of a core",
        f"{memory.rss_bytes / MIB:,.0f}",
        f"{memory.pss_bytes / MIB:,.0f}",
    ]

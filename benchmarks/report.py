"""Results to a page of Markdown. Pure: figures in, text out."""

import statistics
from collections.abc import Iterable

from benchmarks import promises
from benchmarks.ceiling import find_ceiling
from benchmarks.neighbours import Comparison, best_by_peer, compare
from benchmarks.results import Results, Sample, Turn
from benchmarks.subjects import LOADS, SERVERY
from benchmarks.summary import Median, Summary, summarise_all
from benchmarks.table import figure, spread, table

MIB = 2**20
NOISY = 0.05  # share of the machine that others may take before we warn
TITLES = {"digits": "Digits", "photo": "Photo", "sentiment": "Sentiment"}
COLUMNS = (
    "Connections", "Server", "requests/s", "p50 ms", "p99 ms", "errors",
    "CPU s per 1,000", "Servery's requests/s to this",
)  # fmt: skip

HEAD = """# Benchmarks

What Servery does on one machine, beside the same SavedModels behind other servers and
without any. Written by `make bench-peers`, which repeats it on yours.
"""

READING = """## How to read this

The servers have the machine one after the other: Servery, another, Servery, the next.
The last column, and every ratio above, holds a server against Servery's turns just
before and just after its own, because a shared machine is faster in one minute than in
the next; Servery's own rows are over all its turns. Figures are medians over the
rounds, with the lowest and the highest behind them. **Bold** is the best configuration
of a server at that load, by that last column. Requests that were refused are errors and
not counted in requests/s.

Every server holds the same SavedModels, answers the same requests, decodes the same
files, and was checked to answer rightly before it was measured. “Plain FastAPI” is
`benchmarks/plain.py`, an endpoint as a good newcomer writes it; how the others are set
up is in `benchmarks/peers/`: batches of at most 32 rows, one worker with as many
threads of TensorFlow as cores, and one worker a core.

Two limits. The load generator, wrk, runs on the same cores as the servers and takes its
share of them, more at more requests a second. And it is a closed loop: a connection
sends its next request when the last is answered, so a slow server is asked less often,
and latency at many connections is mostly waiting in line. Memory is after the load; RSS
counts what processes share, TensorFlow's code above all, in each of them; PSS splits it
among them. Servery is up, and idle, while another is measured.
"""


def render(results: Results, *, cores: int, plot: bool) -> str:
    """The whole page.

    Args:
        results: Of the run.
        cores: Of the machine.
        plot: Whether `benchmarks.png` lies beside the page.
    """
    comparisons = compare(results.turns)
    ceiling = find_ceiling(results.turns, cores)
    picture = "![Requests a second, and latency](benchmarks.png)\n"
    parts = [
        HEAD,
        table(("", ""), results.facts.items()),
        noise(results),
        failures(results.failed),
        "## What was promised of two cores, and what this run gave\n",
        promises.render(promises.promises(results, cores)),
        picture if plot else "",
        *loads(results, comparisons),
        "## The ceiling, and the model without a server\n",
        ceiling.describe() if ceiling else "",
        bare(results),
        "## Idle, and memory\n",
        upkeep(results.turns),
        READING,
    ]
    return "\n".join(part for part in parts if part)


def noise(results: Results) -> str:
    """Who else computed meanwhile."""
    shares = [each.others for each in results.samples]
    shares += [each.others for each in results.bare]
    measured = sum(turn.measured for turn in results.turns)
    others = statistics.fmean(shares or [0.0])
    most = max((_client_share(each) for each in results.samples), default=0.0)
    text = (
        f"While it was measured, other programs and the hypervisor took {others:.1%} "
        f"of the machine; {measured - len(shares)} of {measured} measurements were "
        "left out because they took more. The load generator took at most "
        f"{most:.0%} of a core."
    )
    if others > NOISY:
        text += " **That is enough to spoil the figures: measure again.**"
    return text + "\n"


def failures(failed: dict[str, str]) -> str:
    """Who is not in the tables, and why."""
    if not failed:
        return ""
    return "Not measured:\n\n" + "".join(
        f"- {name}: {reason}\n" for name, reason in failed.items()
    )


def loads(results: Results, comparisons: list[Comparison]) -> Iterable[str]:
    """A heading and a table for each model that was asked."""
    own = [each for each in results.samples if each.target.startswith(SERVERY)]
    for model, connections in LOADS.items():
        rows = [
            row
            for number in connections
            for row in _rows(own, comparisons, model, number)
        ]
        if rows:
            yield f"## {TITLES[model]}\n"
            yield table(COLUMNS, rows)


def bare(results: Results) -> str:
    """The models alone, one call after the other."""
    groups: dict[tuple[str, int, int], list[tuple[float, float, float]]] = {}
    for each in results.bare:
        key = each.model, each.threads, each.size
        groups.setdefault(key, []).append((each.rows_s, each.ms, each.cpu_ms))
    rows = []
    for (model, threads, size), found in groups.items():
        rates, ms, cpu_ms = zip(*found, strict=True)
        last = figure(statistics.median(cpu_ms))
        name = f"{model}, {threads} thread{'s' if threads > 1 else ''}"
        figures = spread(Median.of(rates)), spread(Median.of(ms)), last
        rows.append([name, str(size), *figures])
    head = ("Model", "rows in a call", "rows/s", "ms a call", "CPU s per 1,000 rows")
    return table(head, rows) if rows else ""


def upkeep(turns: Iterable[Turn]) -> str:
    """What servers cost while nobody asks, and what they hold; after the load."""
    last = {turn.server: turn.upkeep for turn in turns if turn.upkeep}
    rows = [
        [
            name,
            str(each.memory.processes),
            f"{each.idle:.1%} of a core",
            f"{each.memory.rss_bytes / MIB:,.0f}",
            f"{each.memory.pss_bytes / MIB:,.0f}",
        ]
        for name, each in last.items()
    ]
    return table(("Server", "processes", "CPU idle", "RSS MiB", "PSS MiB"), rows)


def _rows(
    own: list[Sample], comparisons: list[Comparison], model: str, connections: int
) -> Iterable[list[str]]:
    for (target, *load), summary in summarise_all(own).items():
        if load == [model, connections]:
            yield [str(connections), *_row(f"**{target}**", summary), ""]
    best = best_by_peer(comparisons, model, connections)
    for each in comparisons:
        if (each.model, each.connections) == (model, connections):
            name = f"**{each.target}**" if each in best else each.target
            ratio = f"{each.rate:.2f}"
            yield [str(connections), *_row(name, each.theirs), ratio]


def _row(name: str, summary: Summary) -> list[str]:
    errors = ", ".join(f"{count} {kind}" for kind, count in summary.errors.items())
    return [
        name,
        spread(summary.rate),
        figure(summary.p50_ms.value),
        figure(summary.p99_ms.value),
        errors or "0",
        figure(summary.cpu_ms),
    ]


def _client_share(sample: Sample) -> float:
    return sample.load.client_cpu_s / sample.load.seconds

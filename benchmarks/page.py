"""docs/benchmarks.md and its picture, made of a run's results. Figures in, text out."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, median

from benchmarks.promises import Promise, Ratio, find_ceiling, promises
from benchmarks.results import Comparison, Results, Sample, compare, group
from benchmarks.subjects import BARE, LOADS, SERVERY
from benchmarks.tables import LOAD_COLUMNS, figure, load_cells, spread, table

MIB = 2**20
NOISY = 0.05  # share of the machine that others may take before we warn
DOTS_PER_INCH = 110
OURS = "#d1495b"
COLOURS = ("#30638e", "#edae49", "#00798c", "#8d96a3", "#66a182", "#2e4057", "#a39fe1")

HEAD = """# Benchmarks

What Servery does on one machine, beside the same SavedModels behind other servers and
without any. Written by `make bench-peers`, which repeats it on yours.
"""

CEILING = """\
For digits, the ceiling is what the cores could do if they were shared perfectly and
nothing else cost:

    cores / (CPU s of the bare model for an image, 32 in a call, one thread
             + CPU s of the HTTP layer for a request, decoding and no model)
    = {0.cores} / ({0.model_ms:.3f} ms + {0.http_ms:.3f} ms)
    = {0.rates[0]:,.0f} requests/s

The HTTP layer is one process of Servery's, asked on 32 connections, whose engine
answers at once. wrk itself takes {0.client_ms:.3f} ms of CPU for a request, on the same
cores; with that, the ceiling would be {0.rates[1]:,.0f}.
"""

READING = """## How to read this

One server is loaded at a time, for a few seconds, and Servery for as long just before
or just after, in turns: every ratio is one of two such neighbours, because a shared
machine is faster in one minute than in the next. Everyone has one round at every load;
whoever may be the nearest to Servery, where something is promised, has all the others.
Figures are medians over the rounds. Behind them stands the interval that holds the true
median, by 94 % at five rounds (their lowest and highest), whatever their distribution.
A promise is kept if the whole interval keeps it, and is not judged on fewer than five
rounds. **Bold** is the configuration of a server that comes nearest to Servery at that
load, by the last column. Requests that were refused are errors, not requests/s.

Every server holds the same SavedModels, answers the same requests, and was checked to
answer rightly before it was measured. “Plain FastAPI” is `benchmarks/plain.py`, as a
good newcomer writes it; the others are in `benchmarks/peers/`: batches of at most 32
rows, one worker with as many threads of TensorFlow as cores, and one worker a core.

Two limits. wrk runs on the same cores as the servers and takes its share. And it is a
closed loop: a slow server is asked less often, and latency at many connections is
mostly waiting in line. Memory is after the load; RSS counts what processes share, above
all TensorFlow's code, in each of them; PSS splits it among them.
"""


def render(results: Results, *, cores: int, plot: bool) -> str:
    """The whole page."""
    comparisons = compare(results.pairs)
    ceiling = find_ceiling(comparisons, cores)
    parts = [
        HEAD,
        table(("", ""), results.facts.items()),
        noise(results),
        failures(results.failed),
        "## What was promised of two cores, and what this run gave\n",
        judge(promises(results, cores)),
        "![Requests a second, and latency](benchmarks.png)\n" if plot else "",
        *loads(comparisons),
        weights(results),
        "## The ceiling, and the model without a server\n",
        CEILING.format(ceiling) if ceiling else "",
        bare(comparisons),
        "## Idle, and memory\n",
        upkeep(results),
        READING,
    ]
    return "\n".join(part for part in parts if part)


def judge(found: Iterable[Promise]) -> str:
    """A table of promises."""
    words = {True: "kept", False: "**missed**"}
    head = ("", "promised", "measured", "", "rounds", "against")
    rows = [
        [
            each.what,
            f"{'at least' if each.is_least else 'at most'} {each.bound:g}{each.unit}",
            f"{spread(each.values)}{each.unit}" if each.values else "–",
            words[each.kept] if each.kept is not None else "not judged",
            str(len(each.values)),
            each.note,
        ]
        for each in found
    ]
    return table(head, rows)


def noise(results: Results) -> str:
    """Who else computed meanwhile."""
    samples = [each for pair in results.pairs for each in (pair.theirs, pair.ours)]
    others = fmean([each.others for each in samples] or [0.0])
    shares = [each.load.client_cpu_s / each.load.seconds for each in samples]
    text = (
        f"While it was measured, other programs and the hypervisor took {others:.1%} "
        "of the machine; of two neighbours of which they took more than 10 %, the one "
        "with less of two tries is kept. The load generator took at most "
        f"{max(shares, default=0.0):.0%} of a core."
    )
    if others > NOISY:
        text += " **That is enough to spoil the figures: measure again.**"
    return text + "\n"


def failures(failed: dict[str, str]) -> str:
    """Who is not in the tables, and why."""
    lines = "".join(f"- {name}: {reason}\n" for name, reason in failed.items())
    return f"Not measured:\n\n{lines}" if lines else ""


def loads(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """A heading and a table for each model that was asked."""
    columns = ("Connections", "Server", *LOAD_COLUMNS, "CPU s per 1,000")
    served = [each for each in comparisons if each.peer != BARE]
    for model, every in LOADS.items():
        rows = [row for number in every for row in _rows(served, model, number)]
        if rows:
            yield f"## {model.title()}\n"
            yield table((*columns, "Servery's requests/s to this"), rows)


def bare(comparisons: Sequence[Comparison]) -> str:
    """The models alone, one call after the other."""
    head = ("Model", "rows in a call", "rows/s", "ms a call", "CPU s per 1,000 rows")
    rows = [
        [
            each.target,
            str(each.connections),
            spread([one.load.rate for one in each.theirs]),
            spread([one.load.p50_ms for one in each.theirs]),
            figure(median(one.cpu_ms for one in each.theirs)),
        ]
        for each in comparisons
        if each.peer == BARE
    ]
    return table(head, rows) if rows else ""


def weights(results: Results) -> str:
    """A light model beside a heavy one."""
    if not results.weights:
        return ""
    alone = load_cells([pair.ours.load for pair in results.weights])
    beside = load_cells([pair.theirs.load for pair in results.weights])
    rows = [["alone", *alone], ["beside photo at 8", *beside]]
    head = ("digits at 1 connection", *LOAD_COLUMNS)
    return f"## A light model beside a heavy one\n\n{table(head, rows)}"


def upkeep(results: Results) -> str:
    """What servers cost while nobody asks, and what they hold; after the load."""
    rows = [
        [
            name,
            str(each.processes),
            f"{median(results.idle[name]):.2%} of a core",
            f"{each.rss / MIB:,.0f}",
            f"{each.pss / MIB:,.0f}",
        ]
        for name, each in results.memory.items()
        if results.idle.get(name)
    ]
    return table(("Server", "processes", "CPU idle", "RSS MiB", "PSS MiB"), rows)


def best_by_peer(
    comparisons: Sequence[Comparison], model: str, connections: int
) -> list[Comparison]:
    """Each peer in the configuration that comes nearest to Servery, that one first."""
    found: dict[str, Comparison] = {}
    for each in Ratio(model, connections, None, 1).candidates(comparisons):
        found.setdefault(each.peer, each)
    return list(found.values())


def draw(results: Results, path: Path) -> None:
    """Draw digits as bars: everyone at its best, by connections."""
    from matplotlib.figure import Figure

    comparisons, connections = compare(results.pairs), LOADS["digits"]
    best: dict[str, dict[int, list[Sample]]] = {}
    for place, number in enumerate(connections):
        ours = group(pair.ours for pair in results.pairs)
        best.setdefault(SERVERY, {})[place] = ours.get((SERVERY, "digits", number), [])
        for each in best_by_peer(comparisons, "digits", number):
            best.setdefault(each.peer, {})[place] = each.theirs
    chart = Figure(figsize=(13, 4.6), layout="constrained")
    titles = {
        "rate": "requests a second",
        "p50_ms": "median latency, ms",
        "p99_ms": "99th percentile, ms",
    }
    panels = chart.subplots(1, len(titles))
    for panel, (key, title) in zip(panels, titles.items(), strict=True):
        for number, (name, places) in enumerate(best.items()):
            shift = 0.84 * ((number + 0.5) / len(best) - 0.5)
            values = {
                place + shift: median(getattr(one.load, key) for one in samples)
                for place, samples in places.items()
                if samples
            }
            colour = OURS if name == SERVERY else COLOURS[(number - 1) % len(COLOURS)]
            style = {"width": 0.84 / len(best), "color": colour, "label": name}
            panel.bar(list(values), list(values.values()), **style)
        panel.set(title=title, xlabel="connections")
        panel.set_xticks(range(len(connections)), [str(each) for each in connections])
        panel.grid(axis="y", alpha=0.3)
    for panel in panels[1:]:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panels[0].legend(fontsize=8)
    chart.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _rows(
    comparisons: Sequence[Comparison], model: str, connections: int
) -> Iterator[list[str]]:
    """Servery's own figures over all pairs, then everyone else's."""
    ours = group(pair.ours for each in comparisons for pair in each.pairs)
    for (target, *load), samples in ours.items():
        if load == [model, connections]:
            yield [str(connections), f"**{target}**", *_cells(samples), ""]
    best = best_by_peer(comparisons, model, connections)
    for each in comparisons:
        if (each.model, each.connections) == (model, connections):
            name = f"**{each.target}**" if each in best else each.target
            ratio = spread(each.rates)
            yield [str(connections), name, *_cells(each.theirs), ratio]


def _cells(samples: Sequence[Sample]) -> list[str]:
    cpu_ms = median(sample.cpu_ms for sample in samples)
    return [*load_cells([sample.load for sample in samples]), figure(cpu_ms)]

"""docs/benchmarks.md and its picture, made of a run's results. Figures in, text out."""

from collections.abc import Iterable, Iterator, Sequence
from math import nan
from pathlib import Path
from statistics import fmean, median

from benchmarks.promises import Promise, Ratio, find_ceiling, promises
from benchmarks.results import Comparison, Results, Sample, compare, group
from benchmarks.subjects import BARE, LOADS, SERVERY
from benchmarks.tables import LOAD_COLUMNS, figure, fill, load_cells, spread, table

MIB = 2**20
PICTURE = "![Requests a second, and latency](benchmarks.png)\n"
NOISY = 0.05  # share of the machine that others may take before we warn
DOTS_PER_INCH = 110
COLOURS = (
    *("#d1495b", "#30638e", "#edae49", "#00798c"),  # Servery's first
    *("#8d96a3", "#66a182", "#2e4057", "#a39fe1"),
)
PANELS = {
    "rate": "requests a second",
    "p50_ms": "median latency, ms",
    "p99_ms": "99th percentile, ms",
}


def render(results: Results, *, cores: int, plot: bool) -> str:
    """The whole page."""
    comparisons = compare(results.pairs)
    ceiling = find_ceiling(comparisons, cores)
    return fill(
        "benchmarks.md",
        facts=table(("", ""), results.facts.items()),
        noise=noise(results),
        failures=failures(results.failed),
        promises=judge(promises(results, cores)),
        picture=PICTURE if plot else "",
        loads="\n".join(loads(comparisons)),
        weights=weights(results),
        ceiling=fill("ceiling.md", ceiling=ceiling) if ceiling else "",
        bare=bare(comparisons),
        upkeep=upkeep(results),
    )


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
            figure(median(one.load.cpu_ms for one in each.theirs)),
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
    ours = group(pair.ours for pair in results.pairs)
    best = [
        {SERVERY: ours.get((SERVERY, "digits", n), [])}
        | {each.peer: each.theirs for each in best_by_peer(comparisons, "digits", n)}
        for n in connections
    ]
    names = dict.fromkeys(name for each in best for name in each)
    chart = Figure(figsize=(13, 4.6), layout="constrained")
    panels = chart.subplots(1, len(PANELS))
    for panel, (key, title) in zip(panels, PANELS.items(), strict=True):
        bars = {
            name: [
                median([getattr(one.load, key) for one in each.get(name, ())] or [nan])
                for each in best
            ]
            for name in names
        }
        panel.grouped_bar(bars, tick_labels=connections, colors=COLOURS)
        panel.set(title=title, xlabel="connections")
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
    loads = [sample.load for sample in samples]
    return [*load_cells(loads), figure(median(each.cpu_ms for each in loads))]

"""The figures that matter as a picture: every server at its best, load by load."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.neighbours import best_by_peer, compare, select
from benchmarks.results import Results
from benchmarks.subjects import CONNECTIONS, SERVERY
from benchmarks.summary import Summary, summarise

DOTS_PER_INCH = 110
OURS = "#d1495b"
COLOURS = ("#30638e", "#edae49", "#00798c", "#8d96a3", "#66a182", "#2e4057", "#a39fe1")

Best = dict[str, dict[int, Summary]]
"""By server, what it did at its best, by connections."""


def has_matplotlib() -> bool:
    """Whether a picture can be drawn here."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def gather(results: Results) -> Best:
    """Digits: Servery, and every other in its best configuration at each load."""
    comparisons = compare(results.turns)
    found: Best = {}
    for connections in CONNECTIONS:
        ours = select(results.samples, "digits", connections)
        if ours:
            found.setdefault(SERVERY, {})[connections] = summarise(ours)
        for each in best_by_peer(comparisons, "digits", connections):
            found.setdefault(each.peer, {})[connections] = each.theirs
    return found


def draw(best: Best, path: Path) -> None:
    """Draw requests a second, median latency and p99 as bars, by connections.

    Args:
        best: See `gather`.
        path: The PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.6), layout="constrained")
    panels = figure.subplots(1, 3)
    for number, (name, by_load) in enumerate(best.items()):
        colour = OURS if name == SERVERY else COLOURS[(number - 1) % len(COLOURS)]
        style = {"color": colour, "label": name}
        place = (number + 0.5) / len(best) - 0.5
        rates = {n: each.rate.value for n, each in by_load.items()}
        _bars(panels[0], rates, place, 0.84 / len(best), style)
        p50 = {n: each.p50_ms.value for n, each in by_load.items()}
        _bars(panels[1], p50, place, 0.84 / len(best), style)
        p99 = {n: each.p99_ms.value for n, each in by_load.items()}
        _bars(panels[2], p99, place, 0.84 / len(best), style)
    titles = ("requests a second", "median latency, ms", "99th percentile, ms")
    for panel, title in zip(panels, titles, strict=True):
        panel.set(title=title, xlabel="connections")
        panel.set_xticks(
            range(len(CONNECTIONS)), [str(number) for number in CONNECTIONS]
        )
        panel.grid(axis="y", alpha=0.3)
    for panel in panels[1:]:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panels[0].legend(fontsize=8)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _bars(
    panel: Any,
    values: Mapping[int, float],
    place: float,
    width: float,
    style: dict[str, Any],
) -> None:
    """One server's bars: in the group of each load, at its own place."""
    places = [CONNECTIONS.index(number) + 0.84 * place for number in values]
    panel.bar(places, list(values.values()), width, **style)

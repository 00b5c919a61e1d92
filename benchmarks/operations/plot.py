"""The overloads as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.operations.overload import FINE_S, Overload
from loadtest.summary import MIB, Window, summarise

DOTS_PER_INCH = 110


def draw(
    overloads: Sequence[Overload], deadline_s: float, limit: float, path: Path
) -> None:
    """Goodput, latency and memory over time, a column for each overload.

    Args:
        overloads: At several times the limit.
        deadline_s: Of every request.
        limit: Requests a second.
        path: The PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    columns = figure.subplots(3, len(overloads), sharex="col", squeeze=False)
    for number, overload in enumerate(overloads):
        _draw_one(columns[:, number], overload, deadline_s)
        columns[0, number].axhline(limit, color="grey", lw=1, ls=":")
        columns[0, number].set_title(f"{overload.factor:g} × the limit")
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _draw_one(panels: Any, overload: Overload, deadline_s: float) -> None:
    results = overload.run.flooded.results
    end_s = float(results.intended_s.max())
    pieces = Window(0, end_s).cut(max(1, round(end_s / FINE_S)))
    times = [piece.start_s for piece in pieces]
    each = [summarise(results, piece, deadline_s) for piece in pieces]
    above, middle, below = panels
    asked = [summary.intended_rate for summary in each]
    above.plot(times, asked, color="grey", lw=1, label="asked for")
    above.plot(times, [summary.goodput for summary in each], label="goodput")
    above.set(ylabel="requests a second", ylim=(0, None))
    above.legend(fontsize=7)
    for percent in (50, 99):
        latencies = [1000 * summary.percentile(percent) for summary in each]
        middle.plot(times, latencies, label=f"p{percent}")
    middle.axhline(1000 * deadline_s, color="grey", lw=1, ls=":")
    middle.set(ylabel="latency, timeouts too, ms", yscale="log")
    middle.legend(fontsize=7)
    memory = overload.run.memory
    below.plot([t for t, _ in memory], [size / MIB for _, size in memory])
    most = max(size for _, size in memory) / MIB
    below.set(ylabel="memory, MiB", xlabel="seconds", ylim=(0, 1.1 * most))
    for panel in panels:
        panel.grid(alpha=0.3)

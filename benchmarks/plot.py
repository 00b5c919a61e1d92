"""The figures that matter as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.subjects import CONNECTIONS, SERVERY
from benchmarks.summary import Median, Summaries

DOTS_PER_INCH = 110


def has_matplotlib() -> bool:
    """Whether a picture can be drawn here."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def draw(summaries: Summaries, names: Sequence[str], path: Path) -> None:
    """Draw requests a second, median latency and p99 by connections.

    Args:
        summaries: Of all targets.
        names: Of those that Servery is held against.
        path: The PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.9), layout="constrained")
    panels = figure.subplots(1, 3)
    for name in (SERVERY, *names):
        each = [summaries[name, connections] for connections in CONNECTIONS]
        _line(panels[0], name, [summary.rate for summary in each])
        _line(panels[1], name, [summary.p50_ms for summary in each])
        _line(panels[2], name, [summary.p99_ms for summary in each])
    titles = ("requests a second", "median latency, ms", "99th percentile, ms")
    for panel, title in zip(panels, titles, strict=True):
        panel.set(title=title, xlabel="connections", xscale="log")
        panel.set_xticks(CONNECTIONS, [str(each) for each in CONNECTIONS])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylim(bottom=0)
    for panel in panels[1:]:
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panels[0].legend(fontsize=7)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _line(panel: Any, name: str, medians: Sequence[Median]) -> None:
    """A line through the medians; whiskers from the lowest round to the highest."""
    values = [median.value for median in medians]
    below = [median.value - median.low for median in medians]
    above = [median.high - median.value for median in medians]
    ours = name == SERVERY
    panel.errorbar(
        CONNECTIONS,
        values,
        yerr=[below, above],
        label=name.replace("`", ""),
        marker="o",
        markersize=6 if ours else 4,
        linewidth=2.4 if ours else 1.2,
        alpha=1 if ours else 0.75,
        zorder=3 if ours else 2,
        capsize=2,
    )

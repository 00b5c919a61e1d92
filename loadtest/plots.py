"""The plots of a report, as SVG that takes its colour from the page around it."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from loadtest.report import Report
from loadtest.summary import Summary

WIDTH, HEIGHT = 4.6, 3.0  # inches: 10 pt is still legible on a telephone
INK = "#010203"  # replaced by the text colour of the page
LINES = ("#2a7de1", "#e07b00", "#c2185b")  # told apart in light and dark, by most eyes
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#888888",
    "grid.alpha": 0.35,
    "legend.frameon": False,
}
NINES = (0.0, 90.0, 99.0, 99.9, 99.99, 99.999)


def draw_over_time(report: Report) -> str:
    """Latency, and what was sent and answered, over the time of the test."""

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        times = [(window.start_s + window.end_s) / 2 for window, _ in report.windows]
        each = [summary for _, summary in report.windows]
        for percent, colour in zip((50, 99, 100), LINES, strict=True):
            latencies = [1000 * summary.percentile(percent) for summary in each]
            label = "max" if percent == 100 else f"p{percent}"
            above.plot(times, latencies, color=colour, label=label, marker=".", ms=3)
        _logarithmic(above)
        above.set(ylabel="latency, ms")
        above.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0)
        below.plot(times, [s.intended_rate for s in each], color="#888888", ls="--")
        below.plot(times, [s.goodput for s in each], color=LINES[0])
        below.set(ylabel="per second", xlabel="seconds", ylim=(0, None))
        for axes in (above, below):
            if report.window.start_s:
                axes.axvspan(0, report.window.start_s, color="#888888", alpha=0.2, lw=0)

    return _to_svg("time", draw, height=1.3 * HEIGHT)


def draw_distribution(report: Report) -> str:
    """Which share of requests stayed within which latency, the tail drawn out."""

    def draw(figure: Figure) -> None:
        axes, shown = figure.subplots(), _shown(report)
        for summary, colour in zip(shown, mpl.color_sequences["tab10"], strict=False):
            # Beyond a request in n, only the 1 - 1/n quantile has been seen.
            most = min(1e5, max(2.0, float(len(summary.waited_s))))
            odds = np.geomspace(1, most, 200)
            values = [1000 * summary.percentile(100 * (1 - 1 / odd)) for odd in odds]
            axes.plot(odds, values, color=colour, label=summary.name)
        axes.set(xscale="log", xlabel="percentile", ylabel="latency, ms")
        _logarithmic(axes)
        axes.set_xticks([1 / (1 - n / 100) for n in NINES], [f"{n:g}" for n in NINES])
        axes.minorticks_off()
        axes.set_xlim(1, max(2.0, min(1e5, float(len(report.total.waited_s)))))
        if shown:
            axes.legend(fontsize=8)

    return _to_svg("distribution", draw)


def draw_capacity(report: Report) -> str:
    """Latency against what was asked: where it bends is what the service can do."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        inside = [
            summary
            for window, summary in report.windows
            if window.start_s >= report.window.start_s
        ]
        for percent, colour in ((50, LINES[0]), (99, LINES[1])):
            latencies = [1000 * summary.percentile(percent) for summary in inside]
            rates = [summary.goodput for summary in inside]
            axes.scatter(rates, latencies, s=12, color=colour, label=f"p{percent}")
        axes.set(xlabel="good answers per second", ylabel="latency, ms")
        _logarithmic(axes)
        axes.set_xlim(left=0)
        axes.legend()

    return _to_svg("capacity", draw)


def _shown(report: Report) -> list[Summary]:
    several = len(report.workloads) > 1
    found = [*report.workloads, *([report.total] if several else [])]
    return [summary for summary in found if len(summary.waited_s)]


def _logarithmic(axes: Any) -> None:
    if np.isfinite(axes.dataLim.bounds).all():  # else there is nothing to scale
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(visible=True)


def _to_svg(name: str, draw: Callable[[Figure], None], height: float = HEIGHT) -> str:
    """Draw on a figure and give its SVG, to be put into a page as it is."""
    file = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Several drawings in one page must not share ids.
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)

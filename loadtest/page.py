"""A report as one HTML file that needs nothing else: its text, and plots as SVG."""

import io
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from loadtest.report import Report
from loadtest.text import show

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: auto; }}
pre {{ font-size: .85rem; overflow-x: auto; }}
svg {{ width: 100%; height: auto; max-width: 40rem; }}
</style>
<h1>{title}</h1>
<p>{started:%Y-%m-%d %H:%M} UTC</p>
<pre>{text}</pre>
{plots}
</html>
"""
TEXT_WIDTH = 110  # characters

SIZE = (5, 12)  # inches: 10 pt is still legible on a phone
INK, GREY = "#010203", "#888888"  # INK is replaced by the text colour of the page
COLOURS = {50: "#2a7de1", 99: "#e07b00", 100: "#c2185b"}  # distinct in light and dark
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "loadtest",
    "font.family": "sans-serif",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.alpha": 0.35,
    "legend.fontsize": 8,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
}
NINES = (0.0, 90.0, 99.0, 99.9, 99.99, 99.999)


def to_html(report: Report) -> str:
    """The whole page."""
    console = Console(file=io.StringIO(), record=True, width=TEXT_WIDTH)
    show(report, console)
    text = console.export_html(inline_styles=True, code_format="{code}")
    title, started = escape(f"Load test of {report.load.url}"), report.started
    return PAGE.format(title=title, started=started, text=text, plots=draw(report))


def draw(report: Report) -> str:
    """All plots as SVG that takes its text colour from the page around it."""
    file = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        over_time, rates, distribution, capacity = figure.subplots(
            4, height_ratios=(3, 2, 3, 3)
        )
        _draw_over_time(report, over_time, rates)
        _draw_distribution(report, distribution)
        _draw_capacity(report, capacity)
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=metadata)
    svg = file.getvalue()
    return svg[svg.index("<svg") :].replace(INK, "currentColor")


def _draw_over_time(report: Report, above: Axes, below: Axes) -> None:
    times = [(window.start_s + window.end_s) / 2 for window, _ in report.windows]
    each = [summary for _, summary in report.windows]
    for percent, colour in COLOURS.items():
        latencies = [1000 * summary.percentile(percent) for summary in each]
        label = "max" if percent == 100 else f"p{percent}"
        above.plot(times, latencies, color=colour, label=label, marker=".", ms=3)
    above.set(title="Latency from the intended start (grey: warm-up)")
    _scale_latency(above)
    below.plot(times, [s.intended_rate for s in each], c=GREY, ls="--", label="meant")
    below.plot(times, [s.goodput for s in each], c=COLOURS[50], label="good")
    below.set(title="Requests meant to be sent, and answered 200 in time")
    below.set(xlabel="seconds", ylabel="per second", ylim=(0, None))
    below.legend()
    for axes in (above, below):
        axes.axvspan(0, report.window.start_s, color=GREY, alpha=0.2, lw=0)
        axes.set_xlim(0, report.window.end_s)


def _draw_distribution(report: Report, axes: Axes) -> None:
    widest = 2.0
    shown = [summary for summary in report.rows if len(summary.waited_s)]
    for summary, colour in zip(shown, mpl.color_sequences["tab10"], strict=False):
        # Of n requests no more than the 1 - 1/n quantile has been seen.
        end = float(np.clip(len(summary.waited_s), 2, 1e5))
        odds, widest = np.geomspace(1, end, 200), max(widest, end)
        values = [1000 * summary.percentile(100 * (1 - 1 / odd)) for odd in odds]
        axes.plot(odds, values, color=colour, label=summary.name)
    axes.set(title="Latency that so many per cent stay within", xscale="log")
    axes.set_xticks([1 / (1 - n / 100) for n in NINES], [f"{n:g}" for n in NINES])
    axes.minorticks_off()
    axes.set(xlabel="percentile", xlim=(1, widest))
    _scale_latency(axes)


def _draw_capacity(report: Report, axes: Axes) -> None:
    start_s = report.window.start_s
    inside = [each for window, each in report.windows if window.start_s >= start_s]
    for percent in (50, 99):
        latencies = [1000 * summary.percentile(percent) for summary in inside]
        rates, colour = [summary.goodput for summary in inside], COLOURS[percent]
        axes.scatter(rates, latencies, s=12, color=colour, label=f"p{percent}")
    axes.set(title="Each second: how much was answered, and how fast")
    axes.set(xlabel="good answers per second", xlim=(0, None))
    _scale_latency(axes)


def _scale_latency(axes: Axes) -> None:
    axes.set_ylabel("latency, ms")
    if np.isfinite(axes.dataLim.bounds).all():  # else there is nothing to show
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}")
        axes.legend()

"""The limit, and twice and five times that: figures of the page, and its picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.operations.figures import Data, Figure, Found, at_most, show
from benchmarks.operations.overload import (
    DEADLINE_S,
    OBJECTIVE,
    Overload,
    Plan,
    ask,
    cut,
    goodput,
    overload,
    search,
)
from benchmarks.operations.signals import answered
from benchmarks.operations.stage import Stage
from benchmarks.servers import ServerError
from benchmarks.subjects import ARTIFACTS
from loadtest.results import OK
from loadtest.summary import MIB, Window, milliseconds, plain, summarise

FACTORS = (2.0, 5.0)  # of the limit
GOODPUT_WITHIN, RECOVERY_S = 0.9, 2.0  # what is promised
DOTS_PER_INCH = 110


def find_and_exceed(stage: Stage) -> Found:
    """Search the limit of digits, ask for it, and for more."""
    plan, workers = Plan().scaled(stage.scale), stage.workers
    with stage.serving(ARTIFACTS) as service:
        limit = search(workers, service.url(), plan)
        if limit.rate is None:
            raise ServerError("no rate holds the objective")
        peak, _ = ask(workers, service.url(), limit.rate, plan.peak)
        overloads = [
            overload(workers, service, plan, limit.rate, factor) for factor in FACTORS
        ]
    tail = ", ".join(milliseconds(peak.percentile(each)) for each in (50, 99))
    return Found(
        [
            Figure(f"the limit: most requests/s that hold {OBJECTIVE}", limit.rate),
            Figure("lowest rate that failed it", plain(limit.failed or float("inf"))),
            Figure("probes", len(limit.probes)),
            Figure("goodput where the limit is asked for, /s", peak.goodput),
            Figure("p50, p99 there, ms", tail),
        ],
        {
            "limit": limit.rate,
            "overloads": [reduce(each, peak.goodput) for each in overloads],
        },
    )


def reduce(overload: Overload, most: float) -> Data:
    """An overload as JSON: its figures, and what the picture shows of it.

    Args:
        overload: All of it.
        most: Goodput at the limit, per second.
    """
    pieces = cut(Window(0, float(overload.results.intended_s.max())))
    found = [summarise(overload.results, each, DEADLINE_S) for each in pieces]
    lines: dict[str, Sequence[float]] = {
        "times": [piece.start_s for piece in pieces],
        "asked": [each.intended_rate for each in found],
        "goodput": [each.goodput for each in found],
        **{
            f"p{percent}": [1000 * each.percentile(percent) for each in found]
            for percent in (50, 99)
        },
        "memory_times": [at for at, _ in overload.memory],
        "memory": [size / MIB for _, size in overload.memory],
    }
    rounded = {name: np.round(line, 3).tolist() for name, line in lines.items()}
    figures = Found(_describe(overload, most)).to_json()
    return {"factor": overload.factor, **figures, "lines": rounded}


def _describe(overload: Overload, most: float) -> list[Figure]:
    window, results = overload.during, overload.results
    sent = results.between(window.start_s, window.end_s)
    good_s, counts = sent.latency_s[sent.had(OK)], sent.counts()
    share = 100 * goodput(results, window) / most
    tail = np.percentile(good_s if len(good_s) else np.nan, (50, 99, 100))
    sizes = [size / MIB for _, size in overload.memory]
    back, least = overload.recovery_s, 100 * GOODPUT_WITHIN
    rest = (f"{kind}: {n / len(sent):.2%}" for kind, n in counts.items() if kind != OK)
    recovery = "back to normal after, s"
    return [
        Figure("asked for, requests/s", len(sent) / window.seconds),
        Figure(
            "answered, any status, /s", float(answered(sent).sum()) / window.seconds
        ),
        Figure("goodput, /s", goodput(results, window)),
        Figure(
            *("goodput to that at the limit, %", round(share), f"{least:.0f}"),
            kept=share >= least,
        ),
        Figure("answered 200, %", 100 * len(good_s) / len(sent)),
        Figure(
            "200 after their deadline, %", 100 * float(np.mean(good_s > DEADLINE_S))
        ),
        Figure(
            "p50, p99, most of the answers 200, ms", ", ".join(map(milliseconds, tail))
        ),
        Figure("the rest", "; ".join(rest)),
        Figure(recovery, "not while it was watched", f"{RECOVERY_S:g}", kept=False)
        if back is None
        else at_most(recovery, back, RECOVERY_S),
        Figure(
            "memory before, at most during, after, MiB",
            ", ".join(f"{each:,.0f}" for each in (sizes[0], max(sizes), sizes[-1])),
        ),
        Figure(
            "cores: service, client",
            ", ".join(f"{each:.2f}" for each in overload.cores),
        ),
    ]


def show_overloads(data: Data) -> str:
    """A table with a column for each."""
    overloads = data["overloads"]
    head = ["", *(f"{each['factor']:g} × the limit" for each in overloads)]
    return show(*overloads, head=head)


def draw(data: Data, path: Path) -> None:
    """Goodput, latency and memory over time as a PNG file, a column an overload."""
    from matplotlib.figure import Figure as Chart

    chart = Chart(figsize=(12, 7), layout="constrained")
    overloads: list[dict[str, Any]] = data["overloads"]
    columns = chart.subplots(3, len(overloads), sharex="col", squeeze=False)
    for each, (above, middle, below) in zip(overloads, columns.T, strict=True):
        lines = each["lines"]
        times = lines["times"]
        above.plot(times, lines["asked"], color="grey", lw=1, label="asked for")
        above.plot(times, lines["goodput"], label="goodput")
        above.axhline(data["limit"], color="grey", lw=1, ls=":")
        title = f"{each['factor']:g} × the limit"
        above.set(ylabel="requests a second", ylim=(0, None), title=title)
        for percent in ("p50", "p99"):
            middle.plot(times, lines[percent], label=percent)
        middle.axhline(1000 * DEADLINE_S, color="grey", lw=1, ls=":")
        middle.set(ylabel="latency, timeouts too, ms", yscale="log")
        below.plot(lines["memory_times"], lines["memory"])
        below.set(ylabel="memory, MiB", xlabel="seconds", ylim=(0, None))
        above.legend(fontsize=7)
        middle.legend(fontsize=7)
        for panel in (above, middle, below):
            panel.grid(alpha=0.3)
    chart.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})

"""A report as text: tables, remarks and verdicts."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from loadtest.report import Report
from loadtest.results import OK
from loadtest.summary import MIB, SHOWN, Summary, milliseconds, percent, plain
from loadtest.target import ServiceFigures


def show(report: Report, console: Console) -> None:
    """Print everything."""
    for part in _parts(report):
        console.print(part, highlight=False, markup=False)
    for verdict in report.verdicts:
        style = None if verdict.is_kept else "bold red"
        console.print(str(verdict), highlight=False, markup=False, style=style)


def _parts(report: Report) -> Iterator[str | Table]:
    yield f"\n{report.load}"
    heads = ["", "requests", "answers/s", "goodput/s", "errors"]
    heads += [f"p{each:g} ms" for each in SHOWN] + ["max ms"]
    yield _table(heads, [_figures(each) for each in report.rows])
    if report.service and report.service.models:
        yield "From the service's own metrics:"
        yield _service(report.service)
    yield from remarks(report)


def _figures(summary: Summary) -> list[str]:
    latencies = [milliseconds(summary.percentile(each)) for each in (*SHOWN, 100)]
    rates = plain(summary.rate), plain(summary.goodput), percent(summary.errors)
    return [summary.name, f"{summary.requests:,}", *rates, *latencies]


def _service(service: ServiceFigures) -> Table:
    heads = ["model", "answered", "batches", "rows a batch"]
    heads += ["queue p50 ms", "queue p99 ms", "compute p50 ms"]
    rows = []
    for each in service.models:
        times = each.queue_p50_s, each.queue_p99_s, each.compute_p50_s
        counts = f"{each.answered:,}", f"{each.batches:,}", plain(each.rows_a_batch)
        rows.append([each.model, *counts, *map(milliseconds, times)])
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def remarks(report: Report) -> Iterator[str]:
    """What else there is to say, a sentence each; doubts come first."""
    limits = report.client.limits()
    if limits:
        yield (
            f"The client was the limit: {'; '.join(limits)}. The service may be "
            "faster than this says; try more --processes, or another machine."
        )
    if report.interrupted:
        yield f"Interrupted after {report.window.end_s:.1f} s."
    failed = {kind: n for kind, n in report.total.outcomes.items() if kind != OK}
    yield f"Errors: {_counts(failed) or 'none'}."
    service = report.service
    if service is None:
        yield "The service gave no metrics."
    else:
        if service.rejections:
            yield f"Rejected, by the service's count: {_counts(service.rejections)}."
        if service.restarts:
            yield f"{service.restarts} processes of the service died in this test."
        if len(service.memory) > 1:
            first, *_, last = sizes = [size / MIB for _, size in service.memory]
            span = f"{first:,.0f} → {last:,.0f} MiB, at most {max(sizes):,.0f}"
            yield f"Memory of the service: {span}."
    early, late = (milliseconds(third.percentile(99)) for third in report.thirds)
    yield f"p99 in the first third {early} ms, in the last {late} ms."
    yield f"Client: {', '.join(map(percent, report.client.cpu_shares))} of a core."
    if report.load.rates is not None:
        lag = milliseconds(report.client.lag_p99_s)
        yield f"99 % of requests were sent within {lag} ms of their time."


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} × {kind}" for kind, count in counts.items())

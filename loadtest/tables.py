"""A report as text, for a terminal or a log."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from loadtest.report import Report, describe
from loadtest.summary import SHOWN, Summary
from loadtest.wording import failures, memory, milliseconds, percent, plain

WIDTH = 100  # where there is no terminal to ask

Rows = list[list[str]]


def summary_rows(summaries: Sequence[Summary]) -> tuple[list[str], Rows]:
    """A line for each endpoint, the heads first."""
    heads = ["", "requests", "answers/s", "goodput/s", "errors"]
    heads += [f"p{percent_:g} ms" for percent_ in SHOWN] + ["max ms"]
    return heads, [_summary_row(summary) for summary in summaries]


def service_rows(report: Report) -> tuple[list[str], Rows]:
    """A line for each model, from the service's own metrics, the heads first."""
    heads = ["model", "answered", "batches", "rows a batch"]
    heads += ["queue p50 ms", "queue p99 ms", "compute p50 ms"]
    models = report.service.models if report.service else ()
    return heads, [
        [
            each.model,
            f"{each.answered:,}",
            f"{each.batches:,}",
            plain(each.rows_a_batch),
            milliseconds(each.queue_p50_s),
            milliseconds(each.queue_p99_s),
            milliseconds(each.compute_p50_s),
        ]
        for each in models
    ]


def remarks(report: Report) -> Iterator[str]:
    """What else is to be said, a sentence each; the doubts come first."""
    limits = report.client.limits()
    if limits:
        yield (
            f"The client was the limit: {'; '.join(limits)}. The service may be "
            "faster than this says; try more --processes, or another machine."
        )
    if report.broken_off:
        yield f"Broken off after {report.window.end_s:.1f} s."
    yield f"Errors: {failures(report.total.outcomes)}."
    service = report.service
    if service is None:
        yield "The service told no metrics."
    else:
        if service.rejections:
            kinds = [f"{count:,} × {why}" for why, count in service.rejections.items()]
            yield f"Rejected, by the service's count: {', '.join(kinds)}."
        if service.restarts:
            yield f"{service.restarts} processes of the service died in this test."
        if len(service.memory) > 1:
            yield f"Memory of the service: {memory(service.memory)}."
    first, last = report.thirds
    yield (
        f"p99 in the first third {milliseconds(first.percentile(99))} ms, in the last "
        f"{milliseconds(last.percentile(99))} ms."
    )
    shares = ", ".join(percent(share) for share in report.client.cpu_shares)
    yield f"Client: {shares} of a core; {_lag(report)}."


def show(report: Report, console: Console) -> None:
    """Print everything."""
    console.print(f"\n{describe(report.load)}", markup=False, highlight=False)
    summaries = [*report.workloads, report.total]
    if len(report.workloads) == 1:
        summaries = [*report.workloads]
    _print(console, *summary_rows(summaries))
    heads, rows = service_rows(report)
    if rows:
        console.print("From the service's own metrics:")
        _print(console, heads, rows)
    for remark in remarks(report):
        console.print(remark, markup=False, highlight=False)
    for verdict in report.verdicts:
        style = None if verdict.is_kept else "bold red"
        console.print(str(verdict), markup=False, highlight=False, style=style)


def make_console() -> Console:
    """Standard output; wide enough for the tables where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _print(console: Console, heads: list[str], rows: Rows) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _summary_row(summary: Summary) -> list[str]:
    latencies = [*(summary.percentile(each) for each in SHOWN), summary.percentile(100)]
    return [
        summary.name,
        f"{summary.requests:,}",
        plain(summary.rate),
        plain(summary.goodput),
        percent(summary.errors),
        *(milliseconds(each) for each in latencies),
    ]


def _lag(report: Report) -> str:
    if report.load.rates is None:
        return "a closed loop has no times to be late for"
    return f"99 % sent within {milliseconds(report.client.lag_p99_s)} ms of their time"

"""A report as one HTML file that needs nothing else: tables, and plots as SVG."""

from collections.abc import Sequence
from html import escape

from loadtest.plots import draw_capacity, draw_distribution, draw_over_time
from loadtest.report import Report, describe
from loadtest.tables import remarks, service_rows, summary_rows

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto;
  padding: 1rem; }
h1 { font-size: 1.4rem; margin: .5rem 0; } h2 { font-size: 1.1rem; margin: 1.5rem 0 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .5rem 0; }
td, th { padding: .2rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #8886; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; padding-left: 0; }
figure { margin: 1rem 0; } figcaption { font-size: .9rem; opacity: .8; }
svg { width: 100%; height: auto; max-width: 40rem; }
.plots { display: grid; gap: 0 2rem; }
@media (max-width: 30rem) { table { font-size: .8rem; } td, th { padding: .2rem; } }
@media (min-width: 56rem) { .plots { grid-template-columns: 1fr 1fr; }
  .plots figure:first-child { grid-row: span 2; } }
.failed { color: #d32f2f; font-weight: bold; } .quiet { opacity: .8; }
"""

CAPTIONS = (
    "Above: latency over time, from the time a request was meant to be sent. Below: "
    "requests meant to be sent (dashed) and answered 200 in time. Grey: warm-up.",
    "How many per cent of the requests stayed within which latency; the tail is drawn "
    "out.",
    "Each dot is a second or so: what was answered in it, and how fast.",
)


def to_html(report: Report) -> str:
    """The whole page."""
    plots = (draw_over_time(report), draw_distribution(report), draw_capacity(report))
    figures = "\n".join(
        f"<figure>{plot}<figcaption>{escape(caption)}</figcaption></figure>"
        for plot, caption in zip(plots, CAPTIONS, strict=True)
    )
    several = len(report.workloads) > 1
    summaries = [*report.workloads, *([report.total] if several else [])]
    notes = "\n".join(f"<li>{escape(remark)}</li>" for remark in remarks(report))
    title, what = f"Load test of {report.load.url}", describe(report.load)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
<h1>{escape(title)}</h1>
<p class="quiet">{report.started:%Y-%m-%d %H:%M} UTC · {escape(what)}</p>
{_verdicts(report)}
{_table(*summary_rows(summaries))}
<div class="plots">
{figures}
</div>
{_service(report)}
<h2>Notes</h2>
<ul>
{notes}
</ul>
</html>
"""


def _verdicts(report: Report) -> str:
    if not report.verdicts:
        return ""
    lines = [
        f'<li class="{"kept" if verdict.is_kept else "failed"}">'
        f"{escape(str(verdict))}</li>"
        for verdict in report.verdicts
    ]
    return f"<ul>{''.join(lines)}</ul>"


def _service(report: Report) -> str:
    heads, rows = service_rows(report)
    if not rows:
        return ""
    return f"<h2>From the service's own metrics</h2>\n{_table(heads, rows)}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'

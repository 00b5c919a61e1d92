"""Pages of `templates/`, tables in Markdown, and figures as they stand in them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import click

from benchmarks.load import Load
from benchmarks.results import interval
from benchmarks.subjects import DOCS

TEMPLATES = Path(__file__).with_name("templates")


def fill(page: str, **parts: object) -> str:
    """A page with what was measured; a part that is empty leaves no gap."""
    text = (TEMPLATES / page).read_text(encoding="utf-8").format(**parts)
    return re.sub(r"\n{3,}", "\n\n", text)


def write_page(page: str, **parts: object) -> None:
    """Print a page, and write it to docs/."""
    text = fill(page, **parts)
    (DOCS / page).write_text(text, encoding="utf-8")
    click.echo(text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    if not any(head):
        lines[1] = ["---"] * len(head)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def spread(values: Sequence[float]) -> str:
    """The median and its interval: `1,040 (980–1,100)`."""
    found = interval(values)
    return f"{figure(found.median)} ({figure(found.low)}–{figure(found.high)})"


def figure(value: float) -> str:
    """Three digits where there are fewer, thousands separated: 0.62, 11.3, 2,871."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


LOAD_COLUMNS = ("requests/s", "p50 ms", "p99 ms", "errors")


def load_cells(loads: Sequence[Load], per_request: int = 1) -> list[str]:
    """The rounds of one load, in `LOAD_COLUMNS`.

    Args:
        loads: At least one.
        per_request: How many things a good request gives, if not requests are counted.
    """
    errors: Counter[str] = Counter()
    for load in loads:
        errors.update(load.errors)
    kinds = ", ".join(f"{count} {kind}" for kind, count in errors.items())
    return [
        spread([per_request * load.rate for load in loads]),
        figure(median(load.p50_ms for load in loads)),
        figure(median(load.p99_ms for load in loads)),
        kinds or "0",
    ]

"""Tables in Markdown, and figures as they stand in them."""

from collections.abc import Iterable, Sequence

from benchmarks.summary import Median


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    if not any(head):
        lines[1] = ["---"] * len(head)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def spread(median: Median) -> str:
    """`1,040 (980–1,100)`."""
    return f"{figure(median.value)} ({figure(median.low)}–{figure(median.high)})"


def figure(value: float) -> str:
    """Three digits where there are fewer, thousands separated: 0.62, 11.3, 2,871."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"

"""What was measured, as tables for `docs/models/digits.md`, between its markers."""

from collections.abc import Iterable
from pathlib import Path

from training.models.digits.evaluation.kinds import GROUPS
from training.models.digits.evaluation.measurement import Row

BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
TITLES = {
    "photos": "Photos, made with MNIST's test digits",
    "drawn": "As people write in Europe; drawn, not collected",
    "files": "Files",
    "no-digit": "What is no digit: right is who doubts it",
    "numbers": "Numbers of four digits",
    "mnist-c": "MNIST's test images, corrupted",
}


def write_page(page: Path, rows: Iterable[Row]) -> None:
    """Put tables into a page, in place of those that are there."""
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(before + BEGIN + tables(rows) + END + rest.partition(END)[2])


def tables(rows: Iterable[Row]) -> str:
    """A table for each group of kinds that was measured, in Markdown."""
    by_kind = {row.kind: row for row in rows}
    parts = [
        _table(TITLES[group], [by_kind[kind] for kind in kinds if kind in by_kind])
        for group, kinds in GROUPS.items()
    ]
    return "\n" + "\n".join(filter(None, parts)) + "\n"


def _table(title: str, rows: list[Row]) -> str:
    if not rows:
        return ""
    head = f"| {title} | Pictures | Right (95 %) | Found | Right, if found | Warned |\n"
    lines = "".join(
        f"| {row.kind} | {row.rows} | {row.right:.1%} ({row.low:.0%} to {row.high:.0%})"
        f" | {_share(row.found)} | {_share(row.right_if_found)} | {row.warned:.1%} |\n"
        for row in rows
    )
    return head + "|---|--:|--:|--:|--:|--:|\n" + lines


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"

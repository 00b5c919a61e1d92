"""What happens during a test, told as it happens: in place, or line by line."""

import sys
from collections.abc import Sequence
from typing import Self

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from loadtest.wording import milliseconds, percent
from loadtest.worker import Tick

MOST_LINES = 30  # of a test that does not go to a terminal


class Progress:
    """Shows how a test goes, on standard error.

    Args:
        seconds: How long it takes.
        quiet: Say nothing.
    """

    def __init__(self, seconds: float, *, quiet: bool = False):
        self._seconds = seconds
        self._console = Console(file=sys.stderr, quiet=quiet)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._said_s = self._last_s = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def tick(self, now_s: float, ticks: Sequence[Tick]) -> None:
        """Show what all processes did since the last time."""
        line = tell(ticks, now_s - self._last_s)
        self._last_s = now_s
        if self._console.is_terminal:
            self._live.update(self._draw(now_s, line), refresh=True)
        elif now_s - self._said_s >= self._seconds / MOST_LINES:
            self._said_s = now_s
            self._console.print(f"{now_s:6.1f} s  {line}", highlight=False)

    def _draw(self, now_s: float, line: str) -> Table:
        row = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self._seconds, completed=now_s, width=20)
        row.add_row(bar, f"{min(now_s, self._seconds):.0f}/{self._seconds:g} s", line)
        return row


def tell(ticks: Sequence[Tick], seconds: float) -> str:
    """The last second in a line."""
    answered = sum(tick.answered for tick in ticks)
    failed = sum(tick.failed for tick in ticks)
    latest = np.concatenate([tick.latency_s for tick in ticks])
    p50, p99 = np.quantile(latest, (0.5, 0.99)) if len(latest) else (np.nan, np.nan)
    return (
        f"{answered / seconds:7,.0f}/s  p50 {milliseconds(p50):>5} ms  "
        f"p99 {milliseconds(p99):>5} ms  "
        f"errors {percent(failed / answered if answered else 0.0):>6}  "
        f"under way {sum(tick.under_way for tick in ticks):,}"
    )

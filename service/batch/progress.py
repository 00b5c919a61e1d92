"""How far a run is, for who waits for it."""

import time
from collections.abc import Callable
from typing import TextIO

EVERY_S = 10.0  # a line, where no terminal shows one that changes
TERMINAL_S = 0.5


class Progress:
    """Counts rows as they are written, and says so now and then.

    Args:
        total: Rows in all.
        done: Those that an earlier run has done.
        errors: Of those, rows in error.
        stream: Where it is said.
        clock: Seconds.
    """

    def __init__(
        self,
        total: int,
        done: int,
        errors: int,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.total, self.done, self.errors = total, done, errors
        self._stream, self._clock = stream, clock
        self._before = done
        self._began: float | None = None
        self._said = clock()
        self._on_terminal = stream.isatty()

    def add(self, rows: int, errors: int) -> None:
        """Count a part that is written."""
        self.done += rows
        self.errors += errors
        if self._began is None:  # what came before was loading
            self._before, self._began = self.done, self._clock()
        pause_s = TERMINAL_S if self._on_terminal else EVERY_S
        if self._clock() - self._said >= pause_s:
            self._said = self._clock()
            end = "" if self._on_terminal else "\n"
            start = "\r\x1b[K" if self._on_terminal else ""
            self._stream.write(f"{start}{self.describe()}{end}")
            self._stream.flush()

    def close(self) -> None:
        """End the line that changes, if there is one."""
        if self._on_terminal:
            self._stream.write("\r\x1b[K")

    def describe(self) -> str:
        """How far it is, in words."""
        share = 100 * self.done / self.total if self.total else 100
        words = [f"{self.done:,} of {self.total:,} rows ({share:.0f} %)"]
        seconds = self._clock() - self._began if self._began is not None else 0.0
        rate = (self.done - self._before) / seconds if seconds > 0 else 0.0
        if rate:
            words.append(f"{rate:,.0f} rows/s")
            words.append(f"{_show((self.total - self.done) / rate)} left")
        if self.errors:
            words.append(f"{self.errors:,} in error")
        return ", ".join(words)


def _show(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"

"""How fast a model has been of late, to tell who would only wait to be late."""

import time
from collections import deque
from collections.abc import Callable
from statistics import median

REMEMBERED = 9  # batches: four slow ones change nothing, five are believed
EXPIRES_S = 10.0  # without a batch, what was learnt says nothing of now


class Throughput:
    """Seconds that a version takes for a row in full batches: the median of late.

    Every batch is learnt from, or else one that was slow would shut out all that could
    prove it wrong. A batch that is not full tells two bounds: a full one takes no less
    time, and no more for each of its rows, since a batch has costs that they share.

    Args:
        most_rows: Of a full batch.
        clock: Seconds, like `time.monotonic`.
    """

    def __init__(self, most_rows: int, clock: Callable[[], float] = time.monotonic):
        self._most_rows = most_rows
        self._clock = clock
        self._row_seconds: deque[float] = deque(maxlen=REMEMBERED)
        self._row_s = 0.0
        self._expires_at = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        """Batches of so many `rows`, that ran side by side, took `seconds`."""
        now = self._clock()
        if now - seconds >= self._expires_at:  # nothing ran before it for so long
            self._row_seconds.clear()
            self._row_s = 0.0
        at_least, at_most = seconds / max(rows, self._most_rows), seconds / rows
        self._row_seconds.append(min(max(self._row_s, at_least), at_most))
        self._row_s = median(self._row_seconds)
        # A batch may take longer than we remember: then wait for the next one.
        self._expires_at = now + max(EXPIRES_S, 3 * seconds)

    def seconds(self, rows: int) -> float:
        """How long so many rows will take; 0 where nothing is known any more."""
        if not rows or self._clock() >= self._expires_at:
            return 0.0
        return rows * self._row_s

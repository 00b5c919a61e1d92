"""Who waits for a batch, in turn: callers share it out, however much each has asked.

A batch goes round: all whose rows fit together get equally many of its rows, and what
one does not want the others have. Who got some is last in the next round.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from service.engine.batching.queue import QueuedRequest


class Turn(NamedTuple):
    """For whom rows are computed.

    Attributes:
        caller: Whose rows they are, by any name: rows of one wait for each other.
        bulk: Whether they can wait, so that interactive ones come first.
    """

    caller: str = ""
    bulk: bool = False


ANYBODY = Turn()

Shapes = tuple[tuple[np.dtype[np.generic], tuple[int, ...]], ...] | None
"""Of each input: its dtype, and its shape without the rows. None: kept whole."""


class Line:
    """Requests of one caller whose rows can be put together, in order of arrival.

    Attributes:
        callers: Where it stands.
        caller: Whose they are.
        rows: That wait.
        places: Of each request in the order of all.
    """

    __slots__ = ("caller", "callers", "places", "rows", "shapes")

    def __init__(self, callers: "Callers", caller: str, shapes: Shapes):
        self.callers, self.caller, self.shapes = callers, caller, shapes
        self.rows = 0
        self.places: dict[QueuedRequest, int] = {}

    def first(self) -> "QueuedRequest":
        """The one that has waited longest."""
        return next(iter(self.places))

    def first_place(self) -> int:
        """Its place in the order of all."""
        return next(iter(self.places.values()))


class Callers:
    """Those who wait with one priority, in the order of their turns.

    Attributes:
        rows: That wait, of all.
        lines: In which they do.
    """

    def __init__(self) -> None:
        self.rows = self.lines = 0
        self._lines: dict[str, dict[Shapes, Line]] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def line(self, caller: str, shapes: Shapes) -> Line:
        """Where a caller's requests of these shapes wait; if need be, a new one."""
        lines = self._lines.get(caller)
        if lines is None:
            lines = self._lines[caller] = {}
        line = lines.get(shapes)
        if line is None:
            line = lines[shapes] = Line(self, caller, shapes)
            self.lines += 1
        return line

    def remove(self, line: Line) -> None:
        """Nobody waits in it any more."""
        self.lines -= 1
        lines = self._lines[line.caller]
        del lines[line.shapes]
        if not lines:
            del self._lines[line.caller]

    def rows_of(self, caller: str) -> int:
        """Rows that one of them has waiting."""
        return sum([line.rows for line in self._lines.get(caller, {}).values()])

    def rows_before(self, caller: str, count: int) -> int:
        """Rows that may be computed before the last of `count` more of one of them."""
        callers = len(self._lines) + (caller not in self._lines)
        return min(self.rows, callers * (self.rows_of(caller) + count))

    def next_line(self) -> Line:
        """That of the request that has waited longest, of the caller whose turn it is.

        There has to be one.
        """
        lines = next(iter(self._lines.values()))
        if len(lines) == 1:
            return next(iter(lines.values()))
        return min(lines.values(), key=Line.first_place)

    def ready_rows(self, shapes: Shapes) -> int:
        """Rows of these shapes."""
        return sum([line.rows for line in self._of(shapes)])

    def take_turns(self, shapes: Shapes, rows: int) -> Iterator[tuple[Line, int]]:
        """Share out so many rows of a batch, and let who gets some be last.

        Yields:
            A line, and how many rows of it are to be taken before the next one.
        """
        lines = list(islice(self._of(shapes), rows))
        shares = share_out(rows, [line.rows for line in lines])
        for line, share in zip(lines, shares, strict=True):
            yield line, share
            if line.caller in self._lines:
                self._lines[line.caller] = self._lines.pop(line.caller)

    def most_rows(self) -> int:
        """Of whoever has most waiting."""
        return max(map(self.rows_of, self._lines), default=0)

    def longest_line(self) -> Line:
        """The longest line of whoever has most waiting; there has to be one."""
        caller = max(self._lines, key=self.rows_of)
        return max(self._lines[caller].values(), key=lambda line: line.rows)

    def _of(self, shapes: Shapes) -> Iterator[Line]:
        return (lines[shapes] for lines in self._lines.values() if shapes in lines)


def share_out(rows: int, wanted: Sequence[int]) -> list[int]:
    """Share rows out evenly among those who want some.

    Args:
        rows: How many there are, at least one for each.
        wanted: By each, at least one.

    Returns:
        What each gets: as many as all others who want so many; where that does not
        come out even, the first get one more.
    """
    shares, left = [0] * len(wanted), len(wanted)
    for index in sorted(range(left), key=wanted.__getitem__):
        shares[index] = min(wanted[index], -(-rows // left))
        rows -= shares[index]
        left -= 1
    return shares

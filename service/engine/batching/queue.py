"""Requests that wait for a batch: in rows, by priority, and each caller in its turn."""

import time
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Protocol

from service.engine.batching.callers import ANYBODY, Callers, Line, Shapes, Turn
from service.engine.batching.tensors import Tensors, count_rows, merge_rows, slice_rows
from service.errors import DeadlineExceeded, ServeryError

BULK_EVERY = 8  # of so many batches one begins with bulk, where both wait


class Recipient(Protocol):
    """Whoever sent requests, and is told what became of them."""

    def answer(
        self, requests: Sequence["QueuedRequest"], version: int, batch_rows: int
    ) -> None:
        """These have their outputs, the last of which come from one batch."""

    def fail(self, request: "QueuedRequest", error: ServeryError) -> None:
        """This one never will."""


class Holder(Protocol):
    """Where requests wait."""

    def forget(self, request: "QueuedRequest") -> None:
        """Let it wait no longer, if it does."""


class QueuedRequest:
    """Rows on their way through one batch or several.

    Args:
        rows: What was sent, at least one row.
        deadline: `time.monotonic()` at which the answer is worth nothing.
        recipient: Who wants it.
        number: What the recipient knows it by.
        request_id: What logs know it by; behind a blank, if it is traced, the span that
            waits for it, as in the header `traceparent`.
        turn: For whom it is.

    Attributes:
        traceparent: That span, or nothing.
        count: How many rows that is.
        submitted: `time.monotonic()` when it came.
        holder: Where it waits.
        taken: Rows that batches have taken.
        whole: Whether it shares no batch, and is not cut: all of it counts as one row.
        settled: Whether it has had its answer, or nobody wants one any more.
        queue_s: Seconds that it waited, while none of its rows was running.
        compute_s: Seconds that any of its rows was.
    """

    __slots__ = (
        "_computed",
        "_parts",
        "_until",
        "compute_s",
        "count",
        "deadline",
        "holder",
        "number",
        "queue_s",
        "recipient",
        "request_id",
        "rows",
        "settled",
        "submitted",
        "taken",
        "traceparent",
        "turn",
        "whole",
    )  # fmt: skip

    def __init__(
        self,
        rows: Tensors,
        deadline: float,
        recipient: Recipient,
        number: int = 0,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ):
        self.rows, self.deadline = rows, deadline
        self.recipient, self.number = recipient, number
        self.request_id, _, self.traceparent = request_id.partition(" ")
        self.turn = turn
        self.count, self.whole = count_rows(rows), False
        self.submitted = self._until = time.monotonic()
        self.holder: Holder | None = None
        self.taken = self._computed = 0
        self.settled = False
        self.queue_s = self.compute_s = 0.0
        self._parts: list[tuple[int, Tensors]] = []

    def keep_whole(self) -> None:
        """Let it share no batch; to be said before it is queued."""
        self.count, self.whole = 1, True

    @property
    def outputs(self) -> Tensors:
        """What its batches gave, in the order of its rows."""
        if len(self._parts) == 1:
            return self._parts[0][1]
        return merge_rows([rows for _, rows in sorted(self._parts, key=itemgetter(0))])

    def computed(
        self, part: "Slice", outputs: Tensors, began: float, seconds: float
    ) -> bool:
        """Note a part of its outputs, and say whether it is to be answered now.

        Args:
            part: The rows that were computed.
            outputs: What came of them: a row for each, unless it is kept whole.
            began: `time.monotonic()` when their batch did.
            seconds: That it took.
        """
        self._parts.append((part.start, outputs))
        self._computed += part.count
        ended = began + seconds  # of batches that overlap the time counts once
        self.compute_s += max(0.0, ended - max(began, self._until))
        self._until = max(self._until, ended)
        self.queue_s = self._until - self.submitted - self.compute_s
        if self.settled or self._computed < self.count:
            return False
        self.settled = True
        return True

    def cancel(self) -> None:
        """Nobody wants its answer any more."""
        if not self.settled:
            self.settled = True
            if self.holder is not None:
                self.holder.forget(self)

    def expire(self) -> None:
        """Fail it, since its deadline has passed."""
        waited_ms = (time.monotonic() - self.submitted) * 1000
        message = f"No answer within the deadline; waited {waited_ms:.0f} ms."
        self.fail(DeadlineExceeded(message))

    def fail(self, error: ServeryError) -> None:
        """Fail it, unless it has its answer or nobody waits for one."""
        if not self.settled:
            self.settled = True
            if self.holder is not None:
                self.holder.forget(self)
            self.recipient.fail(self, error)


class Slice:
    """The rows of a request that a batch takes.

    Attributes:
        start: The first of them.
        count: How many they are.
    """

    __slots__ = ("count", "request", "start")

    def __init__(self, request: QueuedRequest, start: int, count: int):
        self.request, self.start, self.count = request, start, count

    @property
    def rows(self) -> Tensors:
        """The rows themselves."""
        if self.count == self.request.count:
            return self.request.rows
        return slice_rows(self.request.rows, self.start, self.start + self.count)


class RowQueue:
    """A queue that counts rows, and forgets from its middle at no cost.

    Rows of different shapes cannot be put together: what is taken is of one shape, that
    of the request which has waited longest, of the caller whose turn it is.

    Attributes:
        rows: That wait.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._next_place = 0
        self._interactive, self._bulk = Callers(), Callers()
        self._batches = 0  # taken since bulk last began one
        self._line_of: dict[QueuedRequest, Line] = {}

    def __bool__(self) -> bool:
        return bool(self._line_of)

    def __iter__(self) -> Iterator[QueuedRequest]:
        return iter(list(self._line_of))

    @property
    def ready_rows(self) -> int:
        """Rows that could be put together with those that are next."""
        if not self._line_of:
            return 0
        first, second = self._order()
        line = first.next_line()
        if line.shapes is None:
            return 1
        if first.lines + second.lines == 1:
            return line.rows
        return first.ready_rows(line.shapes) + second.ready_rows(line.shapes)

    def add(self, request: QueuedRequest) -> None:
        """Put it at the back of its caller's."""
        shapes: Shapes = None
        if not request.whole:
            shapes = tuple([(each.dtype, each.shape[1:]) for each in request.rows])
        turn = request.turn
        callers = self._bulk if turn.bulk else self._interactive
        line = self._line_of[request] = callers.line(turn.caller, shapes)
        line.places[request] = self._next_place
        self._next_place += 1
        waiting = request.count - request.taken
        line.rows += waiting
        callers.rows += waiting
        self.rows += waiting

    def forget(self, request: QueuedRequest) -> bool:
        """Take it out, and say whether it was there."""
        line = self._line_of.pop(request, None)
        if line is None:
            return False
        del line.places[request]
        callers, waiting = line.callers, request.count - request.taken
        line.rows -= waiting
        callers.rows -= waiting
        self.rows -= waiting
        if not line.places:
            callers.remove(line)
        return True

    def take(self, most: int) -> list[Slice]:
        """Take at most so many rows of one shape; what did not fit goes to the back.

        So a request for one row waits behind at most one batch of a request for many.
        Of what is kept whole one request is taken.
        """
        batch: list[Slice] = []
        while not batch and self._line_of:  # again, if all that was next had expired
            first, second = self._order()
            self._batches = (self._batches + 1) % BULK_EVERY if second else 0
            line = first.next_line()
            free = most if line.shapes is not None else 1
            if first.lines + second.lines == 1:
                self._take_from(line, free, batch)
                continue
            shapes = line.shapes
            for callers in (first, second):
                for line, rows in callers.take_turns(shapes, free):
                    free -= self._take_from(line, rows, batch)
        return batch

    def rows_before(self, turn: Turn, count: int) -> int:
        """Rows that may be computed before the last of `count` more, for `turn`."""
        before = self._callers(turn).rows_before(turn.caller, count)
        return before + (self._interactive.rows if turn.bulk else 0)

    def find_surplus(self, rows: int, turn: Turn, count: int) -> list[QueuedRequest]:
        """Whose requests are to go, so that `count` more rows have room.

        Args:
            rows: How many too many there would be.
            turn: Whose the new rows are.
            count: How many they are.

        Returns:
            The newest of whoever has most waiting, if that is more than `turn` would
            have, even afterwards; else nothing.
        """
        fullest = max(self._interactive, self._bulk, key=Callers.most_rows)
        most, own = fullest.most_rows(), self._callers(turn).rows_of(turn.caller)
        if most - rows < own + count:
            return []
        surplus: list[QueuedRequest] = []
        for request in reversed(fullest.longest_line().places):
            if rows > 0 and not request.taken:
                surplus.append(request)
                rows -= request.count
        return surplus if rows <= 0 else []

    def _take_from(self, line: Line, most: int, batch: list[Slice]) -> int:
        free, now = most, time.monotonic()
        while free and line.places:
            request = line.first()
            if request.deadline <= now:
                request.expire()  # which takes it out
                continue
            self.forget(request)
            part = Slice(
                request, request.taken, min(free, request.count - request.taken)
            )
            batch.append(part)
            request.taken += part.count
            free -= part.count
            if request.taken < request.count:
                self.add(request)
        return most - free

    def _callers(self, turn: Turn) -> Callers:
        return self._bulk if turn.bulk else self._interactive

    def _order(self) -> tuple[Callers, Callers]:
        """Who chooses first: interactive; now and then bulk, so that it gets its share.

        Somebody has to wait.
        """
        is_bulks = not self._interactive or self._batches == BULK_EVERY - 1
        if is_bulks and self._bulk:
            return self._bulk, self._interactive
        return self._interactive, self._bulk

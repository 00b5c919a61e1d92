"""Requests that wait for a batch, in rows and in order of arrival."""

import time
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Protocol

from service.engine.batching.tensors import Tensors, merge_rows, slice_rows
from service.errors import DeadlineExceeded, ServeryError


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

    Attributes:
        count: How many rows that is.
        submitted: `time.monotonic()` when it came.
        holder: Where it waits.
        taken: Rows that batches have taken.
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
        "rows",
        "settled",
        "submitted",
        "taken",
    )  # fmt: skip

    def __init__(
        self, rows: Tensors, deadline: float, recipient: Recipient, number: int = 0
    ):
        self.rows, self.deadline = rows, deadline
        self.recipient, self.number = recipient, number
        self.count = len(rows[0])
        self.submitted = self._until = time.monotonic()
        self.holder: Holder | None = None
        self.taken = self._computed = 0
        self.settled = False
        self.queue_s = self.compute_s = 0.0
        self._parts: list[tuple[int, Tensors]] = []

    @property
    def outputs(self) -> Tensors:
        """What its batches gave, in the order of its rows."""
        if len(self._parts) == 1:
            return self._parts[0][1]
        return merge_rows([rows for _, rows in sorted(self._parts, key=itemgetter(0))])

    def computed(
        self, start: int, outputs: Tensors, began: float, seconds: float
    ) -> bool:
        """Note a part of its outputs, and say whether it is to be answered now.

        Args:
            start: The first of the rows that were computed.
            outputs: One row for each.
            began: `time.monotonic()` when their batch did.
            seconds: That it took.
        """
        self._parts.append((start, outputs))
        self._computed += len(outputs[0])
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

    Attributes:
        rows: That wait.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._requests: dict[QueuedRequest, None] = {}

    def __bool__(self) -> bool:
        return bool(self._requests)

    def __iter__(self) -> Iterator[QueuedRequest]:
        return iter(list(self._requests))

    def add(self, request: QueuedRequest) -> None:
        """Put it at the back."""
        self._requests[request] = None
        self.rows += request.count

    def forget(self, request: QueuedRequest) -> bool:
        """Take it out, and say whether it was there."""
        if request not in self._requests:
            return False
        del self._requests[request]
        self.rows -= request.count - request.taken
        return True

    def take(self, most: int) -> list[Slice]:
        """Take at most so many rows; a request that did not fit goes to the back.

        So a request for one row waits behind at most one batch of a request for many.
        """
        batch: list[Slice] = []
        free, now = most, time.monotonic()
        while free and self._requests:
            request = next(iter(self._requests))
            if request.deadline <= now:
                request.expire()  # which takes it out
                continue
            del self._requests[request]
            count = min(free, request.count - request.taken)
            batch.append(Slice(request, request.taken, count))
            request.taken += count
            free -= count
            if request.taken < request.count:
                self._requests[request] = None
        self.rows -= most - free
        return batch

"""Requests that wait for a batch, in rows and in order of arrival."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from service.engine.rows import Rows
from service.errors import DeadlineExceeded


@dataclass(eq=False, slots=True)
class Request:
    """Rows on their way through one batch or several.

    Attributes:
        rows: What was sent.
        count: How many rows that is.
        future: Its answer.
        submitted: `time.monotonic()` when it came.
        deadline: `time.monotonic()` at which the answer is worth nothing.
        taken: Rows that batches have taken.
        parts: Outputs, in order, of the rows that are computed.
        compute_s: Seconds that its batches ran.
    """

    rows: Rows
    count: int
    future: asyncio.Future[Any]
    submitted: float
    deadline: float
    taken: int = 0
    parts: list[Rows] = field(default_factory=list)
    compute_s: float = 0.0

    def expire(self) -> None:
        """Fail it, since its deadline has passed."""
        if not self.future.done():
            waited_ms = (time.monotonic() - self.submitted) * 1000
            message = f"No answer within the deadline; waited {waited_ms:.0f} ms."
            self.future.set_exception(DeadlineExceeded(message))

    def fail(self, error: Exception) -> None:
        """Fail it, unless it has its answer or nobody waits for one."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows of a request that a batch takes."""

    request: Request
    start: int
    stop: int


class Line:
    """A queue that counts rows, and forgets from its middle at no cost.

    Attributes:
        rows: That wait.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._requests: dict[Request, None] = {}

    def __bool__(self) -> bool:
        return bool(self._requests)

    def __iter__(self) -> Iterator[Request]:
        return iter(list(self._requests))

    def add(self, request: Request) -> None:
        """Put it at the back."""
        self._requests[request] = None
        self.rows += request.count

    def forget(self, request: Request) -> bool:
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
        room, now = most, time.monotonic()
        while room and self._requests:
            request = next(iter(self._requests))
            if request.future.done() or request.deadline <= now:
                request.expire()
                self.forget(request)
                continue
            del self._requests[request]
            take = min(room, request.count - request.taken)
            start, request.taken = request.taken, request.taken + take
            batch.append(Slice(request, start, request.taken))
            room -= take
            if request.taken < request.count:
                self._requests[request] = None
        self.rows -= most - room
        return batch

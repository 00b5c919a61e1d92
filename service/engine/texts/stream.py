"""What is written of a request's texts, at the end where it is read."""

import asyncio
import math
from collections.abc import Callable, Sequence

from service.engine.texts.request import TextSummary, Written
from service.errors import ServeryError


def _nothing() -> None:
    """Nobody writes for it yet."""


class TextStream:
    """Keeps what comes until it is read; a `Listener`.

    It keeps no more than the texts' symbols, or than `limit` says.

    Attributes:
        on_cancel: Called when nobody reads any more, unless all has come.
        summary: What the texts took, once all have ended.
    """

    def __init__(self) -> None:
        self.on_cancel: Callable[[], None] = _nothing
        self.summary: TextSummary | None = None
        self._unread: list[Written] = []
        self._most = math.inf
        self._on_overflow: Callable[[], object] = _nothing
        self._error: ServeryError | None = None
        self._is_cancelled = False
        self._waiter: asyncio.Future[None] | None = None

    def limit(self, most: int, on_overflow: Callable[[], object]) -> None:
        """Write no further when so many symbols wait to be read, and tell of it."""
        self._most, self._on_overflow = most, on_overflow

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        over = self.summary is not None or self._error is not None
        return over or self._is_cancelled

    def wrote(self, number: int, written: Sequence[Written]) -> None:
        """See `Listener`."""
        self._unread += written
        self._wake()
        if len(self._unread) > self._most and not self.is_over:
            self.cancel()
            self._on_overflow()

    def finished(self, number: int, summary: TextSummary) -> None:
        """See `Listener`."""
        self.summary = summary
        self._wake()

    def failed(self, number: int, error: ServeryError) -> None:
        """See `Listener`."""
        if not self.is_over:
            self._error = error
            self._wake()

    def cancel(self) -> None:
        """Nobody reads any more."""
        if not self.is_over:
            self._is_cancelled = True
            self.on_cancel()

    def take(self) -> list[Written]:
        """What has come and was not read yet, now."""
        unread, self._unread = self._unread, []
        return unread

    def more(self) -> "asyncio.Future[None]":
        """Done when there is something to take, or all has been taken.

        Raises:
            ServeryError: By the future, where what was begun has failed; what came
                before is to be taken first.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiter = future
        self._wake()
        return future

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._unread or self.summary is not None:
            waiter.set_result(None)
        elif self._error is not None:
            waiter.set_exception(self._error)

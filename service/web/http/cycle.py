"""One whole request and its answer, as ASGI sees them."""

import asyncio
from collections.abc import MutableMapping
from typing import Any, Protocol

from service.web.http.head import RequestHead
from service.web.http.record import RequestRecord
from service.web.http.response import (
    LAST_CHUNK,
    WITHOUT_BODY,
    Header,
    frame,
    write_head,
)

Message = MutableMapping[str, Any]


class Channel(Protocol):
    """What an answer needs of its connection."""

    def begin_answer(self) -> list[Header]:
        """An answer begins; what the server says in each."""

    @property
    def is_last(self) -> bool:
        """Whether no other answer follows."""

    def write(self, data: bytes) -> None:
        """Send bytes, or keep them until they can be sent."""

    async def drain(self) -> None:
        """Wait until what was written is on its way."""


class Cycle:
    """Gives the application a request and takes its answer.

    Args:
        channel: The connection.
        head: Of the request.
        body: All of it.
        record: Of the request.

    Attributes:
        is_begun: Whether a part of the answer is sent.
        is_answered: Whether all of it is.
    """

    __slots__ = (
        "_body", "_channel", "_gone", "_headers", "_is_chunking", "_is_given",
        "_is_over", "_status", "head", "is_answered", "is_begun", "record",
    )  # fmt: skip

    def __init__(
        self, channel: Channel, head: RequestHead, body: bytes, record: RequestRecord
    ):
        self._channel, self.head, self._body, self.record = channel, head, body, record
        self._status, self._headers = 500, list[Header]()
        self._is_chunking = self._is_given = self._is_over = False
        self.is_begun = self.is_answered = False
        self._gone: asyncio.Future[None] | None = None

    async def receive(self) -> Message:
        """ASGI's: the body, and then that nobody listens any more."""
        if not self._is_given:
            self._is_given = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        if not (self._is_over or self.is_answered):
            if self._gone is None:
                self._gone = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._gone)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI's: the next part of the answer."""
        if self._is_over or self.is_answered:
            return
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            more = message.get("more_body", False)
            self._write(message.get("body", b""), more=more)
            if more:
                await self._channel.drain()

    def end(self) -> None:
        """The caller is gone, or has its answer."""
        self._is_over = True
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _write(self, body: bytes, *, more: bool) -> None:
        parts = [] if self.is_begun else [self._write_head(body, more=more)]
        if self.head.method != "HEAD" and self._status not in WITHOUT_BODY:
            if not self._is_chunking:
                parts.append(body)
            elif body:
                parts += (b"%x\r\n" % len(body), body, b"\r\n")
            if self._is_chunking and not more:
                parts.append(LAST_CHUNK)
        self.is_begun, self.is_answered = True, not more
        self._channel.write(b"".join(parts))

    def _write_head(self, body: bytes, *, more: bool) -> bytes:
        headers = [*self._channel.begin_answer(), *self._headers]
        self._is_chunking = frame(
            self._status, headers, body, more=more, may_chunk=self.head.version != "1.0"
        )
        close = self._channel.is_last
        return write_head(self._status, headers, self.record, close=close)

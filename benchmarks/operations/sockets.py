"""Bare sockets for the client of load tests, which then costs a tenth of httpx.

So five times what a service can do still comes from the machine it runs on. Every
request has a name, by which the service's log tells which of them it read.
"""

import asyncio
import re
from functools import cache
from typing import cast

import httpx

from loadtest.client import Connections, tell
from loadtest.results import TIMEOUT
from servery.trust import Trust

REFUSED = "connection refused"
UNCONNECTED = "no connection"
CLOSED = "closed without an answer"
BROKEN = "closed within an answer"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


class BareConnections(Connections):
    """HTTP connections to one service, each a bare socket."""

    def __init__(self, timeout_s: float, _trust: Trust):
        self._timeout_s, self._kept = timeout_s, list[Connection]()

    async def exchange(self, request: httpx.Request, intended_s: float) -> str:
        """Send one request, wait for the whole answer, and say what became of it."""
        while self._kept and not self._kept[-1].is_open:
            self._kept.pop()
        try:
            connection = self._kept.pop() if self._kept else await self._dial(request)
        except ConnectionRefusedError:
            return REFUSED
        except (OSError, TimeoutError):
            return UNCONNECTED
        head, rest = encode(request)
        answer = connection.ask(head + name_of(intended_s).encode() + rest)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._timeout_s, connection.end, TIMEOUT)
        outcome = await answer
        timer.cancel()
        if connection.is_open:
            self._kept.append(connection)
        return outcome

    async def close(self) -> None:
        """Close all that are kept."""
        for connection in self._kept:
            connection.end()

    async def _dial(self, request: httpx.Request) -> "Connection":
        place = request.url.host, request.url.port or 80
        async with asyncio.timeout(self._timeout_s):
            loop = asyncio.get_running_loop()
            return (await loop.create_connection(Connection, *place))[1]


class Connection(asyncio.Protocol):
    """One HTTP connection, with one request on it at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport, self.is_open = cast(asyncio.Transport, transport), True
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._received = b""

    def ask(self, data: bytes) -> asyncio.Future[str]:
        """Send a request; what becomes of it."""
        if self.is_open:
            self._answer = asyncio.get_running_loop().create_future()
            self._received = b""
            self._transport.write(data)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Part of an answer, whose length Servery always gives."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head) if found else None
        if length and len(body) >= int(length[1]):
            self._tell(read(head, body))
            if b"connection: close" in head.lower():
                self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side closed, or we did."""
        self.end(BROKEN if self._received else CLOSED)

    def end(self, outcome: str = CLOSED) -> None:
        """Close at once, whatever is under way."""
        self.is_open = False
        self._tell(outcome)
        self._transport.abort()

    def _tell(self, outcome: str) -> None:
        if not self._answer.done():
            self._answer.set_result(outcome)


def name_of(intended_s: float) -> str:
    """The name of the request that is meant to be sent at that time."""
    return f"flood-{intended_s:.9f}"


@cache
def encode(request: httpx.Request) -> tuple[bytes, bytes]:
    """What stands before the name of a request, and after it."""
    fields = [b"%s: %s" % field for field in request.headers.raw]
    lines = b"POST %s HTTP/1.1" % request.url.raw_path, *fields, b"x-request-id: "
    return b"\r\n".join(lines), b"\r\n\r\n" + request.content


def read(head: bytes, body: bytes) -> str:
    """An answer as an outcome: `200`, `503 queue_full, no Retry-After`."""
    first, *fields = head.decode("latin-1").lower().split("\r\n")
    names = {field.partition(":")[0] for field in fields}
    return tell(int(first.split()[1]), names, body)

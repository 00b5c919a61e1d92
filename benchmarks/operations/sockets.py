"""One HTTP connection on a bare socket: as little Python for a request as there can be.

A client in httpx takes about a millisecond of a core for a request; this takes some
50 µs, so that five times what a service can do still comes from the machine it runs on.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from loadtest.client import SHEDDING
from loadtest.results import OK, TIMEOUT

CLOSED = "closed without an answer"
BROKEN = "closed within an answer"


@dataclass(slots=True)
class Sent:
    """A request under way.

    Attributes:
        name: That the service logs.
        workload: Its number.
        data: Head and body.
        intended_s: When it was meant to be sent.
        sent_s: When it was.
    """

    name: str
    workload: int
    data: bytes
    intended_s: float
    sent_s: float = 0.0


class Owner(Protocol):
    """Who hears of what becomes of requests."""

    def ended(self, socket: "Socket", sent: Sent, outcome: str) -> None:
        """A request has ended, in one way or another."""


class Socket(asyncio.Protocol):
    """One connection, with one request on it at a time.

    Args:
        owner: Told of every end.
        clock: Seconds since the start.
    """

    def __init__(self, owner: Owner, clock: Callable[[], float]):
        self._owner, self._clock = owner, clock
        self._parser = httptools.HttpResponseParser(self)
        self._sent: Sent | None = None
        self._body = b""
        self._has_begun = self._has_retry_after = False
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport, self.is_open = cast(asyncio.Transport, transport), True

    def send(self, sent: Sent) -> None:
        """Send a request; nothing else may be under way."""
        sent.sent_s = self._clock()
        self._sent, self._body = sent, b""
        self._has_begun = self._has_retry_after = False
        self._transport.write(sent.data)

    def give_up(self, sent: Sent) -> None:
        """Close, if this request is still under way."""
        if self._sent is sent:
            self._end(TIMEOUT)
            self.close()

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self.is_open = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Part of an answer."""
        self._has_begun = True
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side closed, or we did."""
        self.is_open = False
        if self._sent is not None:
            self._end(BROKEN if self._has_begun else CLOSED)

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has read a header."""
        if name.lower() == b"retry-after":
            self._has_retry_after = True

    def on_body(self, body: bytes) -> None:
        """The parser has read part of a body."""
        self._body += body

    def on_message_complete(self) -> None:
        """The parser has read the whole answer."""
        status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.is_open = False
        self._end(OK if status == 200 else self._tell(status))
        if not self.is_open:
            self._transport.close()

    def _end(self, outcome: str) -> None:
        sent, self._sent = self._sent, None
        if sent is not None:
            self._owner.ended(self, sent, outcome)

    def _tell(self, status: int) -> str:
        try:
            code = json.loads(self._body)["code"]
        except (ValueError, TypeError, KeyError):
            code = ""
        is_owed = status in SHEDDING and not self._has_retry_after
        return f"{status} {code}".strip() + (", no Retry-After" if is_owed else "")

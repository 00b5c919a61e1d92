"""One connection on the Unix socket, as both of its ends see it.

Frames leave a few at a time, in one system call, so a wake-up of the other side is paid
once for several; the first of many leaves alone, so the other side has work at once.
"""

import asyncio
import struct
from typing import cast

from service.engine import wire
from service.engine.wire import Kind

ID = struct.Struct("=I")  # of a request; opens errors and cancellations
REQUEST = struct.Struct("=II")  # version, count
ASKED = struct.Struct("=IId")  # of each: id, rows, deadline
ANSWER = struct.Struct("=III")  # version, count, batch rows
ANSWERED = struct.Struct("=IIdd")  # of each: id, rows, queue, compute

AT_ONCE = 8  # more would let the other side idle while we gather them


class Link(asyncio.Protocol):
    """Cuts what comes into frames, gathers what goes."""

    def __init__(self) -> None:
        self._frames = wire.Frames()
        self._outgoing: list[wire.Bytes] = []
        self._gathered = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop: hands on every frame that is complete."""
        for kind, body in self._frames.feed(data):
            self.receive(kind, body)

    def receive(self, kind: Kind, body: memoryview) -> None:
        """What an end does with a frame."""
        raise NotImplementedError

    def send(self, kind: Kind, *parts: wire.Bytes) -> None:
        """Send one frame, soon."""
        self._outgoing += wire.frame(kind, *parts)
        self.gather()

    def gather(self) -> None:
        """One more waits to be sent: now if they are a few, else soon."""
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self.flush)
        self._gathered += 1
        if self._gathered == AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Send what has been gathered, now."""
        self._gathered = 0
        if not self._outgoing:
            return
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def close(self) -> None:
        """End the connection, once what was sent is written."""
        if self._transport is not None:
            self._transport.close()

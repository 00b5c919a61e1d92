"""One connection on the Unix socket, as both of its ends see it.

Frames leave a few at a time, in one system call, so a wake-up of the other side is paid
once for several; the first of many leaves alone, so the other side has work at once.
"""

import asyncio
from collections.abc import Iterable
from typing import cast

from service.engine.ipc.frames import Bytes, FrameReader, Kind

AT_ONCE = 8  # more would let the other side idle while we gather them
MOST_UNSENT_BYTES = 16 * 1024 * 1024  # from here on the other side does not keep up


class Connection(asyncio.Protocol):
    """Cuts what comes into frames, gathers what goes.

    Attributes:
        congested: Whether so much waits to be sent that no more should be.
    """

    def __init__(self) -> None:
        self.congested = False
        self._reader = FrameReader()
        self._outgoing: list[Bytes] = []
        self._gathered = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MOST_UNSENT_BYTES)

    def pause_writing(self) -> None:
        """Called by the event loop: the other side reads too slowly, or not at all."""
        self.congested = True

    def resume_writing(self) -> None:
        """Called by the event loop: the other side has caught up."""
        self.congested = False

    def data_received(self, data: bytes) -> None:
        """Called by the event loop: hands on every frame that is complete."""
        for kind, body in self._reader.feed(data):
            self.receive(kind, body)

    def receive(self, kind: Kind, body: memoryview) -> None:
        """What an end does with a frame."""
        raise NotImplementedError

    def send(self, pieces: Iterable[Bytes]) -> None:
        """Send one frame, soon."""
        self._outgoing += pieces
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

    def abort(self) -> None:
        """End the connection now; what was not written is lost."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End the connection, once what was sent is written."""
        if self._transport is not None:
            self._transport.close()

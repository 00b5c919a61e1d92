"""TLS below a connection, which knows nothing of it.

    TCP ─▶ Handshake ─▶ TlsTransport ─▶ Connection

A caller that shakes hands counts among the connections, and has as long for it as for a
head. Each connection takes the certificate that is in force when it is made.
"""

import asyncio
import logging
import ssl
from collections import deque
from typing import Any, cast

from uvicorn import Config
from uvicorn.server import ServerState

from service.web.http.connection import Connection, address_of
from service.web.http.connections import Connections

logger = logging.getLogger(__name__)

PIECE_BYTES = 65_536  # of an answer that the layers below get at a time


class Handshake(asyncio.Protocol):
    """What a connection is until TLS stands.

    Args:
        config: See `Connection`, like the others.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        connections: Connections,
    ):
        self._loop = asyncio.get_running_loop()
        self._all, self._others = connections, server_state.connections
        self._connection = Connection(
            config, server_state, app_state, connections=connections
        )
        self._early = b""  # came before TLS could take it
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._tcp = cast(asyncio.Transport, transport)
        client = address_of(self._tcp)
        self._address = client[0] if client else ""
        self._others.add(cast(Any, self))
        if self._all.add(self, self._address):
            self._task = self._loop.create_task(self._shake_hands())
            self._loop.call_soon(self._pass_on)  # after the task's first turn
        else:
            self.drop("too_many")

    def data_received(self, data: bytes) -> None:
        """Bytes have come while the loop was about to begin with TLS."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, and no handshake has begun."""
        self._leave()

    def shutdown(self) -> None:
        """The server ends."""
        self._tcp.abort()

    @property
    def is_idle(self) -> bool:
        """Whether it may make room for another: it has asked nothing."""
        return not self._tcp.is_closing()

    def drop(self, reason: str) -> None:
        """Close it, without a word."""
        self._all.count_dropped(reason)
        self._tcp.abort()

    def check_time(self, now: float) -> None:
        """Nothing: the handshake has a clock of its own."""

    def _pass_on(self) -> None:
        """Give TLS, which is the transport's protocol by now, what came too early."""
        tls = cast(asyncio.BufferedProtocol, self._tcp.get_protocol())
        while self._early and not self._tcp.is_closing():
            buffer = memoryview(tls.get_buffer(len(self._early)))
            size = min(len(buffer), len(self._early))
            buffer[:size], self._early = self._early[:size], self._early[size:]
            tls.buffer_updated(size)

    async def _shake_hands(self) -> None:
        if self._tcp.is_closing():  # who has hung up already
            return
        certificates = self._all.state.certificates
        assert certificates is not None  # or there is no TLS  # noqa: S101
        transport = TlsTransport(self._tcp, self._connection)
        try:
            tls = await self._loop.start_tls(
                self._tcp,
                transport,
                certificates.identity.context,
                server_side=True,
                ssl_handshake_timeout=self._all.limits.head_s,
            )
        except ssl.SSLError as error:
            self._all.count_dropped("handshake")
            logger.info("no TLS with %s: %s", self._address, error.reason or error)
        except ConnectionAbortedError:
            self._all.count_dropped("slow_handshake")
        except OSError:  # who has hung up
            pass
        else:
            self._leave()  # its place is free
            if not self._tcp.is_closing():  # as it is after `drop`: no error tells it
                transport.begin(cast(asyncio.Transport, tls))
        finally:
            self._leave()

    def _leave(self) -> None:
        if self in self._others:
            self._others.discard(cast(Any, self))
            self._all.remove(self, self._address)


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """A transport as TCP's is: it knows how much of what was written is under way.

    That of the standard library hands all of an answer down at once, and says that
    nothing is left. Here the layers below get a piece at a time.

    Args:
        tcp: Below TLS.
        connection: Above.
    """

    def __init__(self, tcp: asyncio.Transport, connection: Connection):
        self._tcp, self._connection = tcp, connection
        self._tls: asyncio.Transport | None = None  # while it stands
        self._early = b""  # came before we knew that TLS stands
        self._outbox = deque[memoryview]()
        self._is_full = self._is_told = self._is_ending = self._is_over = False

    def begin(self, tls: asyncio.Transport) -> None:
        """TLS stands."""
        self._tls = tls
        tls.set_write_buffer_limits(high=1)
        self._connection.connection_made(self)
        if self._early:
            self._connection.data_received(self._early)

    # Called by the connection.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of it; see `asyncio`."""
        return self._tls.get_extra_info(name, default) if self._tls else default

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._is_ending or self._tcp.is_closing()

    def pause_reading(self) -> None:
        """Keep what comes."""
        if self._tls is not None:
            self._tls.pause_reading()

    def resume_reading(self) -> None:
        """Give what has come, and what comes."""
        if self._tls is not None:
            self._tls.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that were written and are not on their way."""
        below = self._tcp.get_write_buffer_size()
        if self._tls is not None:
            below += self._tls.get_write_buffer_size()
        return sum(map(len, self._outbox)) + below

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, or keep them until they can be sent."""
        if not self._is_over:
            self._outbox.append(memoryview(data))
            self._send()

    def write_eof(self) -> None:
        """Nothing: TLS 1.2 closes both sides at once. Our answer says that it ends."""

    def close(self) -> None:
        """Close it when all is sent."""
        self._is_ending = True
        self._send()

    def abort(self) -> None:
        """Close it now."""
        self._end()
        self._tcp.abort()

    def _send(self) -> None:
        if self._tls is None:
            return
        while self._outbox and not self._is_full:
            data = self._outbox.popleft()
            if len(data) > PIECE_BYTES:
                self._outbox.appendleft(data[PIECE_BYTES:])
            self._tls.write(data[:PIECE_BYTES])  # calls `pause_writing` if it is stuck
        if self._is_full:
            if not self._is_told:
                self._is_told = True
                self._connection.pause_writing()
            return
        if self._is_ending:
            self._tls.close()  # says so, and would wait for the same from the caller
            self._tcp.close()
        if self._is_told:
            self._is_told = False
            self._connection.resume_writing()

    def _end(self) -> None:
        """Nothing can be sent any more."""
        self._is_ending = self._is_over = True
        self._outbox.clear()

    # Called by TLS.

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._tls is None:
            self._early += data
        else:
            self._connection.data_received(data)

    def eof_received(self) -> None:
        """The caller ends it: what is not answered yet nobody will read."""
        if self._tls is not None:
            self._connection.eof_received()
        self._end()  # TLS has no connection that is open on one side only

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._end()
        if self._tls is not None:
            self._tls = None  # with its buffers, which no cycle is to keep
            self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """What was written last is stuck."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It is on its way."""
        self._is_full = False
        self._send()

"""One connection: bytes to whole requests, one at a time, and answers to bytes.

    IDLE ─▶ HEAD ─▶ BODY ─▶ ANSWER ─▶ IDLE      in order; what comes early waits
      │       └───────┴────────┴────▶ CLOSING   after an error, or where it is asked for
      └▶ closed

The application is called when a request is whole, and only then is there a place taken
for it. Each phase but ANSWER, which is the application's, has a clock.
"""

import asyncio
import socket
from enum import Enum, auto
from typing import Any, cast

from uvicorn import Config
from uvicorn.server import ServerState

from service.errors import (
    BodyTooLarge,
    RequestTimeout,
    ServeryError,
    ShuttingDown,
    TooManyConnections,
    Unavailable,
)
from service.web.http.accounting import FULL
from service.web.http.connections import NO_ROOM, Connections
from service.web.http.cycle import Cycle
from service.web.http.forwarded import network_of, strip_prefix
from service.web.http.head import RequestHead
from service.web.http.incoming import IncomingBody
from service.web.http.limits import LINGER_S, PIPELINED_BYTES, SMALL_BODY_BYTES
from service.web.http.record import RequestRecord
from service.web.http.response import CONTINUE, Header, write_error

ASGI = {"version": "3.0", "spec_version": "2.4"}
NEVER = float("inf")
STREAM_BYTES = 16_384  # of a stream that wait here to be read; in the system twice that
IN_USE_S = 1.0  # since its last answer, in which a connection makes no room for others
HANG_UP_S = 0.5  # a caller that has ended its side is asked whether it is still there


class Phase(Enum):
    """What a connection is at."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    CLOSING = auto()


READING = frozenset({Phase.IDLE, Phase.HEAD, Phase.BODY})


class Connection(asyncio.Protocol):
    """What uvicorn's server makes of each connection that it accepts.

    Args:
        config: Not used: `connections` knows all.
        server_state: Of the server, which waits for what is in it when it ends.
        app_state: What the application's start has left for its requests.
        connections: All connections of the process.

    Attributes:
        is_last: Whether the answer that is given next, or now, is the last one.
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
        self._server_state, self._app_state = server_state, app_state
        self._all, self._limits = connections, connections.limits
        self._phase = Phase.IDLE
        self._deadline = self._unread_deadline = NEVER
        self._answered_at = -NEVER
        self._pending = b""  # received, and nobody's yet
        self._swallowed = self._unsent = 0
        self._is_paused = self._is_resting = self._is_lost = self.is_last = False
        self._has_ended = self._was_asked = False  # the caller's side
        self._ended_at = 0.0
        self._drained: asyncio.Future[None] | None = None
        self._head: RequestHead | None = None
        self._record: RequestRecord | None = None
        self._prefix = self._path = ""  # the request's path is both together
        self._body: IncomingBody | None = None
        self._cycle: Cycle | None = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._server = address_of(self._transport, "sockname")
        self._client = address_of(self._transport)
        is_secure = self._transport.get_extra_info("sslcontext") is not None
        self._scheme = "https" if is_secure else "http"
        self._address = self._client[0] if self._client else ""
        self._is_forwarded = self._address in self._all.proxies
        self._server_state.connections.add(cast(Any, self))
        self._deadline = self._loop.time() + self._limits.head_s
        if not self._all.add(self, self._address):
            self._all.count_dropped("too_many")
            self._refuse(TooManyConnections(NO_ROOM))

    def data_received(self, data: bytes) -> None:
        """More bytes have come."""
        if self._phase is Phase.CLOSING:
            self._swallowed += len(data)
            if self._swallowed > 2 * self._limits.body_bytes:
                self._transport.abort()
            return
        self._pending = self._pending + data if self._pending else data
        self._read()
        if len(self._pending) > PIPELINED_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The caller says no more; it may still listen.

        Returns:
            Whether the connection is to stay open for an answer.
        """
        self._has_ended, self._ended_at = True, self._loop.time()
        if self._phase is Phase.ANSWER or self._is_resting:
            return True
        if self._pending and self._unsent:
            return True
        self._give_up_request()
        self._close(linger=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._is_lost = True
        self._all.remove(self, self._address)
        self._server_state.connections.discard(cast(Any, self))
        self._pending = b""
        self.resume_writing()
        if self._cycle is None:
            self._give_up_request()
        else:
            self._cycle.record.abandon()
            self._cycle.end()

    def pause_writing(self) -> None:
        """An answer is not read as fast as it is sent."""
        if self._all.unsent_bytes > self._limits.unsent_bytes:
            self._drop_at_once("unread")
            return
        self._unsent = self._transport.get_write_buffer_size()
        self._all.unsent_bytes += self._unsent
        self._unread_deadline = self._loop.time() + self._limits.unread_s

    def resume_writing(self) -> None:
        """What was to be read has been, or never will be."""
        self._all.unsent_bytes -= self._unsent
        self._unsent = 0
        self._unread_deadline = NEVER
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if not self._is_lost:
            self._go_on()

    # Called by the server, and by `Connections`.

    def shutdown(self) -> None:
        """The server ends: what has come is answered, nothing is waited for."""
        self.is_last = True
        if self._phase in {Phase.IDLE, Phase.HEAD}:
            self._deadline = self._loop.time()  # the clock's next tick

    @property
    def is_idle(self) -> bool:
        """Whether no part of a request is here, nor was a moment ago.

        Who is overloaded and closes what is in use has its callers connect anew, which
        costs more than what they ask for.
        """
        if self._phase is not Phase.IDLE or self._unsent:
            return False
        return self._loop.time() - self._answered_at > IN_USE_S

    def drop(self, reason: str) -> None:
        """Close it, without a word."""
        self._all.count_dropped(reason)
        self._close(linger=False)

    def check_time(self, now: float) -> None:
        """See whether the time for something is up."""
        if now >= self._unread_deadline:
            self._drop_at_once("unread")
        elif self._phase is Phase.ANSWER:
            if self._has_ended and now - self._ended_at > HANG_UP_S:
                self._ask_whether_there()
        elif self._body is not None and self._body.is_too_slow(now):
            self._time_out("slow_body", "The body came too slowly.")
        elif now >= self._deadline:
            self._end_phase()

    def _end_phase(self) -> None:
        if self._phase is Phase.IDLE:
            self.drop("idle")
        elif self._phase is Phase.CLOSING:
            self._transport.abort()
        elif self._phase is Phase.HEAD:
            self._time_out("slow_head", "The head did not come in time.")
        else:
            self._time_out("slow_body", "The body did not come in time.")

    # Bytes to requests.

    def _read(self) -> None:
        """Read what has come, up to the end of one request, or of a turn."""
        while self._may_read() and self._pending:
            data, self._pending = self._pending, b""
            try:
                if self._body is None:
                    self._read_head(data)
                else:
                    self._read_body(self._body, data)
            except ServeryError as error:
                self._refuse(error)

    def _may_read(self) -> bool:
        return self._phase in READING and not (self._unsent or self._is_resting)

    def _rest(self) -> None:
        """Read on when others have had their turn."""
        self._is_resting = True
        if not self._is_paused:  # or uvloop reads 8 MB at a time
            self._is_paused = True
            self._transport.pause_reading()
        self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._is_resting = False
        if not self._transport.is_closing():
            self._go_on()

    def _read_head(self, data: bytes) -> None:
        if self._head is None:
            data = data.lstrip(b"\r\n")  # between requests: RFC 9112, section 2.2
            if not data:
                return
            self._phase = Phase.HEAD
            self._deadline = self._loop.time() + self._limits.head_s
            self._head = RequestHead(self._limits)
        rest = self._head.feed(data)
        if rest is not None:
            self._pending = rest
            self._begin(self._head)

    def _begin(self, head: RequestHead) -> None:
        """A head is whole: see what is to come."""
        record = self._record = RequestRecord(head.method, "", "unmatched", head.fields)
        record.cors = self._all.origins.answer(head.fields)
        record.peer = self._find_peer(head)
        try:
            head.check()
        finally:
            record.path = head.path
        self._read_path(head)
        found = self._all.app.direct.find(self._path)
        if found is not None:
            record.route = found.route
        length, most = head.length, self._limits.body_bytes
        if length > most:
            raise BodyTooLarge(
                f"The body is too large: expected at most {most:,} bytes, "
                f"received an announcement of {length:,}."
            )
        if head.is_chunked or len(self._pending) < length:
            self._begin_body(head, record)
        else:
            body, self._pending = self._pending[:length], self._pending[length:]
            self._start(head, record, body)

    def _read_path(self, head: RequestHead) -> None:
        """Find the prefix below which we stand, on the path or taken off by a proxy."""
        self._prefix = self._all.root_path
        if self._is_forwarded:
            self._prefix = self._all.proxies.prefix(head.fields) or self._prefix
        self._path = strip_prefix(head.path, self._prefix)

    def _find_peer(self, head: RequestHead) -> str:
        """The network of the caller, a trusted proxy's if there is one in between."""
        address = self._address
        if self._is_forwarded:
            address = self._all.proxies.caller(head.fields) or address
        return network_of(address)

    def _begin_body(self, head: RequestHead, record: RequestRecord) -> None:
        if head.is_chunked or head.length > SMALL_BODY_BYTES or head.expects_continue:
            self._all.app.check_upload(record, self._path)
            if self.is_last:
                raise ShuttingDown("The service is shutting down.")
            if self._all.state.is_full_for("POST", self._path, record.asker):
                raise Unavailable(FULL)
        self._body = IncomingBody(head, self._all, self._loop.time(), record.peer)
        self._phase, self._deadline = Phase.BODY, self._body.deadline
        if head.expects_continue and not self._pending:
            self._transport.write(CONTINUE)

    def _read_body(self, body: IncomingBody, data: bytes) -> None:
        is_whole, self._pending = body.feed(data)
        if is_whole:
            assert self._head is not None  # noqa: S101
            assert self._record is not None  # noqa: S101
            self._start(self._head, self._record, body.whole())
        elif self._pending:
            self._rest()

    # Requests to answers.

    def _start(self, head: RequestHead, record: RequestRecord, body: bytes) -> None:
        """The request is whole: have it answered."""
        if self._all.state.is_full_for(head.method, self._path, record.asker):
            self._refuse(Unavailable(FULL), is_whole=True)
            return
        self._phase = Phase.ANSWER
        self._cycle = cycle = Cycle(self, head, body, record)
        record.link = self
        work = self._all.app(self._scope(head, record, body), cycle.receive, cycle.send)
        task = self._loop.create_task(work)
        self._server_state.tasks.add(task)
        task.add_done_callback(self._finish)

    def _scope(
        self, head: RequestHead, record: RequestRecord, body: bytes
    ) -> dict[str, Any]:
        all_ = self._all
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": ASGI,
            "http_version": head.version,
            "server": self._server,
            "client": self._client,
            "scheme": self._scheme,
            "method": head.method,
            "root_path": self._prefix,
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "headers": head.headers,
            "state": self._app_state.copy(),
            "record": record,
            "body": body,
        }
        if self._is_forwarded:
            all_.proxies.apply(scope, head.fields)
        if self._prefix and self._path == head.path != "*":  # it was taken off
            scope["path"] = self._prefix + head.path
            scope["raw_path"] = self._prefix.encode() + head.raw_path
        return scope

    def begin_answer(self) -> list[Header]:
        """An answer begins; what the server says in each."""
        assert self._head is not None  # noqa: S101
        self.is_last |= not self._head.keep_alive or self._all.state.draining
        return self._server_state.default_headers

    def write(self, data: bytes) -> None:
        """Send bytes, or keep them until they can be sent."""
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until what was written is on its way."""
        if self._unsent:
            self._drained = self._loop.create_future()
            await self._drained

    def narrow(self) -> None:
        """Let little of what the caller does not read wait here and in the system."""
        self._transport.set_write_buffer_limits(high=STREAM_BYTES)
        found = self._transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BYTES)

    def drop_unread(self) -> None:
        """End it now: the caller does not read what it is sent."""
        if not self._is_lost:
            self._drop_at_once("unread")

    def _finish(self, task: asyncio.Task[None]) -> None:
        """The application is done with the request, in whichever way."""
        assert self._cycle is not None  # noqa: S101
        self._server_state.tasks.discard(task)
        self._server_state.total_requests += 1
        is_answered = self._cycle.is_answered
        if not task.cancelled():
            task.exception()  # is logged: it need not be said that nobody asked for it
        self._cycle.end()
        self._forget_request()
        if self._is_lost:
            return
        if not is_answered:
            self._drop_at_once("failed")
        elif self.is_last:
            self._close(linger=bool(self._pending) or self._is_paused)
        else:
            self._await_next()
            if self._pending or self._has_ended or self._is_paused:
                self._go_on()

    def _go_on(self) -> None:
        """Read what has come meanwhile."""
        self._read()
        if self._is_resting:
            return
        if self._is_paused and len(self._pending) <= PIPELINED_BYTES:
            self._is_paused = False
            self._transport.resume_reading()
        if self._has_ended and self._may_read():
            self._give_up_request()
            self._close(linger=False)

    def _refuse(self, error: ServeryError, *, is_whole: bool = False) -> None:
        """Answer without asking the application.

        Args:
            error: Why.
            is_whole: Whether the request has come to its end, so that another may
                follow.
        """
        record = self._record or RequestRecord("", "", "malformed", {})
        record.status, record.code = error.status, error.code
        if not (is_whole and self._head is not None and self._head.keep_alive):
            self.is_last = True
        self.is_last |= self._all.state.draining
        headers = self._server_state.default_headers
        self.write(write_error(error, headers, record, close=self.is_last))
        if is_whole or isinstance(error, TooManyConnections):
            self._all.accounting.refuse(record)
        else:
            self._all.accounting.note(record)
        self._forget_request()
        if self.is_last:
            self._close(linger=True)
        else:
            self._await_next()
            if self._pending:
                self._rest()

    # Ends.

    def _forget_request(self) -> None:
        """Nothing is left of the request, and of what it cost."""
        if self._body is not None:
            self._body.release()
        self._head = self._record = self._body = self._cycle = None

    def _await_next(self) -> None:
        self._phase, self._answered_at = Phase.IDLE, self._loop.time()
        self._deadline = self._answered_at + self._limits.keep_alive_s

    def _give_up_request(self) -> None:
        """The rest of a request will not come."""
        if self._record is not None:
            self._record.close_early()
            self._all.accounting.note(self._record)
        self._forget_request()

    def _time_out(self, reason: str, message: str) -> None:
        self._all.count_dropped(reason)
        self._refuse(RequestTimeout(message))

    def _ask_whether_there(self) -> None:
        """Find out whether a caller that has ended its side has hung up.

        A half-closed connection and one whose caller is gone look alike until something
        is sent: the latter then answers that it knows of no connection.
        """
        assert self._cycle is not None  # noqa: S101
        if self._was_asked:
            found = self._transport.get_extra_info("socket")
            if found.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._transport.abort()
        elif self._cycle.head.version == "1.1" and not self._cycle.is_begun:
            self._was_asked = True
            self.write(CONTINUE)

    def _close(self, *, linger: bool) -> None:
        """End it when all is sent.

        Args:
            linger: Whether more may come, to be thrown away: if a connection is closed
                while something is unread, the caller may never see the answer.
        """
        self._phase, self._pending = Phase.CLOSING, b""
        self._deadline = self._loop.time() + LINGER_S
        if self._unsent:
            self._deadline += self._limits.unread_s
        if linger and not self._has_ended:
            if self._is_paused:
                self._is_paused = False
                self._transport.resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()

    def _drop_at_once(self, reason: str) -> None:
        self._unread_deadline = NEVER
        self._all.count_dropped(reason)
        self._transport.abort()


def address_of(
    transport: asyncio.BaseTransport, which: str = "peername"
) -> tuple[str, int] | None:
    """One end of a connection: the caller's, or ours, which is `sockname`."""
    found = transport.get_extra_info(which)
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None

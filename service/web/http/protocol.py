"""uvicorn's protocol with a short way to predictions, and a shorter one to refusals.

head ─ POST to an endpoint of a model, its length announced and allowed?
        ├─ no:  uvicorn's way: ASGI, FastAPI
        └─ yes: body ─┬─ endpoint ─ answer
                      └─ too many under way: 503

Most of what is too many is not even parsed: `refusal`.

The framework's way costs as much as a prediction, and most of it again for a refusal:
a service that pays that for what it cannot serve has less left for what it can.
"""

import asyncio
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.errors import Unavailable
from service.web.http.middleware import FULL, RequestMiddleware
from service.web.http.overload import refuse
from service.web.http.record import Endpoint, RequestRecord, error_response, respond


class _Direct(RequestResponseCycle):
    """A request on the short way, with as much of a cycle as the protocol looks at."""

    scope: dict[str, Any]  # type: ignore[assignment]
    task: asyncio.Task[None]
    is_whole = False
    disconnected = False
    response_complete = False
    message_event = asyncio.Event()  # uvicorn sets it; nobody waits for it here

    def __init__(
        self,
        scope: dict[str, Any],
        record: RequestRecord,
        endpoint: Endpoint | None,
        *,
        keep_alive: bool,
    ):
        self.scope, self.record, self.endpoint = scope, record, endpoint
        self.keep_alive = keep_alive
        self.chunks: list[bytes] = []


class HttpProtocol(HttpToolsProtocol):
    """One connection; its application is `RequestMiddleware`."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        app = cast(RequestMiddleware, self.app)
        self._state, self._direct = app.state, app.direct
        self._is_between = True  # what comes next is the beginning of a request
        self._idle_since = 0.0  # on the clock of the loop: nothing came or was answered

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._idle_since = self.loop.time()
        if not (self._state.full and self._refuse(data)):
            super().data_received(data)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._is_between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        path, headers = self.url.decode("latin-1"), dict(self.headers)
        endpoint = self._direct.get(path)
        if endpoint is None or not self._is_plain(headers):
            super().on_headers_complete()
            return
        record = RequestRecord("POST", path, path, headers)
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["method"], scope["path"], scope["raw_path"] = "POST", path, self.url
        scope["query_string"] = b""
        scope["record"], scope["servery"] = record, self._state
        self.cycle = _Direct(
            scope,
            record,
            None if self._state.full else endpoint,
            keep_alive=self.parser.should_keep_alive()
            and self.parser.get_http_version() != "1.0",
        )
        self._state.accounting.enter(record)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if not isinstance(self.cycle, _Direct):
            super().on_body(body)
        elif self.cycle.endpoint is not None:
            self.cycle.chunks.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._is_between = True
        cycle = self.cycle
        if not isinstance(cycle, _Direct):
            super().on_message_complete()
            return
        cycle.is_whole = True
        if cycle.endpoint is None:
            self._finish(cycle, error_response(Unavailable(FULL), cycle.record))
        else:
            cycle.scope["body"] = b"".join(cycle.chunks)
            cycle.task = self.loop.create_task(self._answer(cycle, cycle.endpoint))
            self.tasks.add(cycle.task)

    def on_response_complete(self) -> None:
        """Called when an answer is given, by uvicorn's way too."""
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None or self.pipeline:
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Called by the event loop: close the connection if it was idle for so long.

        uvicorn plans this anew with each answer, which takes a twentieth of its time.
        Here it is planned once; where it comes too early, for when it may be due.
        """
        idle_s = self.loop.time() - self._idle_since if self._is_free else 0.0
        if idle_s < self.timeout_keep_alive:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive - idle_s, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """Leave planned what uvicorn takes back: see `timeout_keep_alive_handler`."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop: who waits for an answer no longer does."""
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            record = cast(dict[str, Any], cycle.scope).get("record")
            if record is not None:
                record.abandon()
        super().connection_lost(exc)
        if isinstance(cycle, _Direct) and not cycle.is_whole:
            cycle.record.close_early()
            self._finish(cycle, None)

    @property
    def _is_free(self) -> bool:
        """Whether nobody works on an answer."""
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self, data: bytes) -> bool:
        """Refuse a request unparsed, if it is one that can be."""
        if not (self._is_free and self._is_between) or self._state.draining:
            return False
        dates = [b"%b: %b\r\n" % each for each in self.server_state.default_headers]
        refusal = refuse(data, self._direct, b"".join(dates))
        if refusal is None:
            return False
        if self.flow.write_paused:  # it sends and sends, and never reads
            self.transport.abort()
            return True
        self.transport.write(refusal.answer)
        self._state.accounting.refuse(refusal.path)
        self.on_response_complete()
        return True

    def _is_plain(self, headers: dict[bytes, bytes]) -> bool:
        """Whether nothing of HTTP's finer points is asked for, and no refusal due."""
        length = headers.get(b"content-length", b"")
        return (
            self.parser.get_method() == b"POST"
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and self._is_free
            and length.isdigit()
            and int(length) <= self._state.settings.max_body_bytes
        )

    async def _answer(self, cycle: "_Direct", endpoint: Endpoint) -> None:
        try:
            response = await respond(endpoint(Request(cycle.scope)), cycle.record)
            if self.flow.write_paused and not cycle.disconnected:
                await self.flow.drain()
            self._finish(cycle, response)
        finally:
            self.tasks.discard(cycle.task)

    def _finish(self, cycle: "_Direct", response: Response | None) -> None:
        """Send the answer, if there is one and somebody to read it."""
        if response is not None:
            cycle.record.status = response.status_code
            if not cycle.disconnected:
                self._send(cycle, response)
        self._state.accounting.leave(cycle.record)
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _send(self, cycle: "_Direct", response: Response) -> None:
        if self._state.draining:
            cycle.keep_alive = False
        headers = [
            *self.server_state.default_headers,
            *response.raw_headers,
            *cycle.record.answer_headers(),
        ]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        status = STATUS_LINE[response.status_code]
        head = b"\r\n".join(map(b": ".join, headers))
        self.transport.write(b"".join((status, head, b"\r\n\r\n", response.body)))

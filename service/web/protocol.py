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
from service.web.exchange import Endpoint, Exchange, error_response, respond
from service.web.observed import FULL, Observed
from service.web.refusal import refuse


class _Direct(RequestResponseCycle):
    """A request on the short way, with as much of a cycle as the protocol looks at."""

    def __init__(
        self, scope: dict[str, Any], exchange: Exchange, endpoint: Endpoint | None
    ):
        self.scope = scope  # type: ignore[assignment]
        self.exchange = exchange
        self.endpoint = endpoint
        self.chunks: list[bytes] = []
        self.is_whole = False
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False
        self.message_event = asyncio.Event()


class HttpProtocol(HttpToolsProtocol):
    """One connection; its application is `Observed`."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        app = cast(Observed, self.app)
        self._room, self._direct = app.room, app.direct
        self._is_between = True  # what comes next is the beginning of a request

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if not (self._room.full and self._refuse(data)):
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
        exchange = Exchange("POST", path, path, headers)
        scope = cast(dict[str, Any], self.scope)
        scope["method"], scope["path"], scope["raw_path"] = "POST", path, self.url
        scope["query_string"] = b""
        scope["exchange"], scope["room"] = exchange, self._room
        full = self._room.full
        self._room.ledger.enter(exchange)
        self.cycle = _Direct(scope, exchange, None if full else endpoint)
        if (
            self.parser.get_http_version() == "1.0"
            or not self.parser.should_keep_alive()
        ):
            self.cycle.keep_alive = False

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
            self._finish(cycle, error_response(Unavailable(FULL), cycle.exchange))
        else:
            cast(dict[str, Any], cycle.scope)["body"] = b"".join(cycle.chunks)
            task = self.loop.create_task(self._answer(cycle, cycle.endpoint))
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop: who waits for an answer no longer does."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            exchange = cast(dict[str, Any], cycle.scope).get("exchange")
            if exchange is not None:
                exchange.abandon()
        super().connection_lost(exc)
        if isinstance(cycle, _Direct) and not cycle.is_whole:
            cycle.exchange.close_early()
            self._finish(cycle, None)

    def _refuse(self, data: bytes) -> bool:
        """Refuse a request unparsed, if it is one that can be."""
        is_free = self.cycle is None or self.cycle.response_complete
        if not (is_free and self._is_between) or self._room.draining:
            return False
        dates = [b"%b: %b\r\n" % each for each in self.server_state.default_headers]
        refusal = refuse(data, self._direct, b"".join(dates))
        if refusal is None:
            return False
        if self.flow.write_paused:  # it sends and sends, and never reads
            self.transport.abort()
            return True
        self.transport.write(refusal.answer)
        self._room.ledger.refuse(refusal.path)
        self.on_response_complete()
        return True

    def _is_plain(self, headers: dict[bytes, bytes]) -> bool:
        """Whether nothing of HTTP's finer points is asked for, and no refusal due."""
        length = headers.get(b"content-length", b"")
        return (
            self.parser.get_method() == b"POST"
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and (self.cycle is None or self.cycle.response_complete)
            and length.isdigit()
            and int(length) <= self._room.settings.max_body_bytes
        )

    async def _answer(self, cycle: "_Direct", endpoint: Endpoint) -> None:
        request = Request(cast(dict[str, Any], cycle.scope))
        response = await respond(endpoint(request), cycle.exchange)
        if self.flow.write_paused and not cycle.disconnected:
            await self.flow.drain()
        self._finish(cycle, response)

    def _finish(self, cycle: "_Direct", response: Response | None) -> None:
        """Send the answer, if there is one and somebody to read it."""
        if response is not None:
            cycle.exchange.status = response.status_code
            if not cycle.disconnected:
                self._send(cycle, response)
        self._room.ledger.leave(cycle.exchange)
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _send(self, cycle: "_Direct", response: Response) -> None:
        if self._room.draining:
            cycle.keep_alive = False
        head = [STATUS_LINE[response.status_code]]
        for name, value in (
            *self.server_state.default_headers,
            *response.raw_headers,
            *cycle.exchange.answer_headers(),
        ):
            head += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            head.append(b"connection: close\r\n")
        self.transport.write(b"".join([*head, b"\r\n", response.body]))

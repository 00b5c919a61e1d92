"""One request from its first byte to its last: identity, time, outcome.

`Observed` wraps the whole application, so whatever happens inside, a request has an id,
an answer in our one error shape, a line in the log, and its place in the metrics.
"""

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ServeryError, Unavailable
from service.web.room import Room

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
CLIENT_CLOSED_REQUEST = 499  # nginx's number, for the log: nobody is there to read it


class ClientDisconnectedError(Exception):
    """The caller hung up before the answer."""


@dataclass(slots=True)
class Exchange:
    """The facts of one request. The endpoint fills in what it learns."""

    request_id: str
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    code: str | None = None
    model: str = ""
    version: int | None = None
    rows: int | None = None
    batch_rows: int | None = None
    stages: dict[str, float] = field(default_factory=dict)

    def server_timing(self) -> str:
        """The stages, in milliseconds, as the header of that name wants them."""
        return ", ".join(
            f"{name};dur={seconds * 1000:.2f}" for name, seconds in self.stages.items()
        )


class Observed:
    """ASGI middleware around everything.

    Args:
        app: The application.
        room: What its requests share.
        direct: By path, the endpoints that a POST without a query reaches straight
            from here: the framework's own way to them costs as much as a prediction.
    """

    def __init__(self, app: ASGIApp, room: Room, direct: Mapping[str, Endpoint]):
        self.app = app
        self._room = room
        self._direct = direct
        self._in_flight = room.metrics.in_flight
        room.metrics.in_flight_limit.set(room.settings.max_in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(_request_id(scope))
        scope["exchange"], scope["room"] = exchange, self._room

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *self._headers(exchange),
                ]
            await send(message)

        self._enter(1)
        try:
            await self._serve(scope, receive, send_observed, exchange)
        finally:
            self._enter(-1)
            self._record(scope, exchange)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, exchange: Exchange
    ) -> None:
        endpoint = self._direct.get(scope["path"])
        if endpoint is not None:  # so that one that is turned away has its route too
            scope["template"] = scope["path"]
        try:
            if self._room.in_flight > self._room.settings.max_in_flight:
                raise Unavailable("Too many requests are under way; try again soon.")
            await self._dispatch(scope, receive, send, endpoint)
        except ClientDisconnectedError:
            exchange.status = CLIENT_CLOSED_REQUEST
            exchange.code = "client_disconnected"
        except ServeryError as error:
            await error_response(error, exchange)(scope, receive, send)
        except Exception:
            logger.exception("request %s failed", exchange.request_id)
            if exchange.status:
                raise  # the answer has begun: all that is left is to break it off
            internal = ServeryError("Internal error; the log knows more by this id.")
            await error_response(internal, exchange)(scope, receive, send)

    async def _dispatch(
        self, scope: Scope, receive: Receive, send: Send, endpoint: Endpoint | None
    ) -> None:
        if endpoint is None or scope["method"] != "POST" or scope["query_string"]:
            await self.app(scope, receive, send)
            return
        response = await endpoint(Request(scope, receive))
        await response(scope, receive, send)

    def _enter(self, change: int) -> None:
        self._room.in_flight += change
        self._in_flight.inc(change)

    def _headers(self, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        headers = [(b"x-request-id", exchange.request_id.encode())]
        if exchange.stages:
            headers.append((b"server-timing", exchange.server_timing().encode()))
        if self._room.draining:
            headers.append((b"connection", b"close"))
        return headers

    def _record(self, scope: Scope, exchange: Exchange) -> None:
        seconds = time.perf_counter() - exchange.started
        metrics = self._room.metrics
        route = scope.get("template") or getattr(
            scope.get("route"), "path", "unmatched"
        )
        metrics.request_seconds.labels(
            route, str(exchange.status), exchange.model
        ).observe(seconds)
        if exchange.code is not None:
            metrics.rejections.labels(exchange.code).inc()
        if self._room.access_log is not None:
            self._room.access_log.write(
                request_id=exchange.request_id,
                method=scope["method"],
                path=scope["path"],
                status=exchange.status,
                code=exchange.code,
                ms=round(seconds * 1000, 2),
                model=exchange.model or None,
                version=exchange.version,
                rows=exchange.rows,
                batch_rows=exchange.batch_rows,
                **{
                    f"{name}_ms": round(seconds * 1000, 2)
                    for name, seconds in exchange.stages.items()
                },
            )


def error_response(error: ServeryError, exchange: Exchange) -> Response:
    """`error` in the one shape that all errors have."""
    exchange.code = error.code
    content: dict[str, Any] = {
        "error": error.message,
        "code": error.code,
        "request_id": exchange.request_id,
    }
    if error.details:
        content["details"] = error.details
    return Response(
        to_json(content), error.status, error.headers, media_type="application/json"
    )


def _request_id(scope: Scope) -> str:
    """The caller's `X-Request-ID`, if it is one that is safe to log, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return secrets.token_hex(8)

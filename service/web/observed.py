"""Wraps the whole application, so that every request is known, logged and counted.

Whatever happens inside, it has an id and an answer in our one error shape.
"""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Unavailable
from service.web.exchange import Endpoint, Exchange, respond
from service.web.room import Room

FULL = "Too many requests are under way; try again soon."


class Observed:
    """ASGI middleware around everything.

    Args:
        app: The application.
        room: What its requests share.
        direct: By path, the endpoints that `HttpProtocol` calls without the framework
            in between where it can; here their paths name their routes.
    """

    def __init__(self, app: ASGIApp, room: Room, direct: Mapping[str, Endpoint]):
        self.app, self.room, self.direct = app, room, direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, headers = scope["path"], dict(scope["headers"])
        route = path if path in self.direct else ""
        exchange = Exchange(scope["method"], path, route, headers)
        scope["exchange"], scope["room"] = exchange, self.room

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message["headers"], *exchange.answer_headers()]
                if self.room.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        full = self.room.full
        self.room.ledger.enter(exchange)
        try:
            work = self._serve(scope, receive, send_observed, full=full)
            response = await respond(work, exchange)
            if response is not None:
                await response(scope, receive, send_observed)
        finally:
            found = getattr(scope.get("route"), "path", "unmatched")
            exchange.route = exchange.route or found
            self.room.ledger.leave(exchange)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, *, full: bool
    ) -> Response | None:
        if full and scope["method"] == "POST":
            raise Unavailable(FULL)
        await self.app(scope, receive, send)
        return None

"""Wraps the whole application, so that every request is known, logged and counted.

Whatever happens inside, it has an id and an answer in our one error shape.
"""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Unavailable
from service.web.http.record import Endpoint, RequestRecord, respond
from service.web.state import AppState

FULL = "Too many requests are under way; try again soon."


class RequestMiddleware:
    """ASGI middleware around everything.

    Args:
        app: The application.
        state: What its requests share.
        direct: By path, the endpoints that `HttpProtocol` calls without the framework
            in between where it can; here their paths name their routes.
    """

    def __init__(self, app: ASGIApp, state: AppState, direct: Mapping[str, Endpoint]):
        self.app, self.state, self.direct = app, state, direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, headers = scope["path"], dict(scope["headers"])
        route = path if path in self.direct else ""
        record = RequestRecord(scope["method"], path, route, headers)
        scope["record"], scope["servery"] = record, self.state

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [*message["headers"], *record.answer_headers()]
                if self.state.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        full = self.state.full
        self.state.accounting.enter(record)
        try:
            work = self._serve(scope, receive, send_recorded, full=full)
            response = await respond(work, record)
            if response is not None:
                await response(scope, receive, send_recorded)
        finally:
            found = getattr(scope.get("route"), "path", "unmatched")
            record.route = record.route or found
            self.state.accounting.leave(record)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, *, full: bool
    ) -> Response | None:
        if full and scope["method"] == "POST":
            raise Unavailable(FULL)
        await self.app(scope, receive, send)
        return None

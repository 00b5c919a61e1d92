"""Wraps the whole application, so that every request is known, logged and counted.

Whatever happens inside, it has an id and an answer in our one error shape.
"""

from collections.abc import Awaitable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from service.errors import MethodNotAllowed, ServeryError, Unavailable
from service.web.http.accounting import FULL
from service.web.http.cors import ALLOWED
from service.web.http.direct import DirectEndpoints
from service.web.http.forwarded import network_of, strip_prefix
from service.web.http.head import METHODS
from service.web.http.record import RequestRecord, respond
from service.web.state import AppState
from service.wording import show

SAFE = (  # what browsers heed, on all that is read, unless a page says otherwise
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class RequestMiddleware:
    """ASGI middleware around everything.

    Args:
        app: The application.
        state: What its requests share.
        direct: Endpoints that are called without the framework in between, where there
            is no query.
    """

    def __init__(self, app: Starlette, state: AppState, direct: DirectEndpoints):
        self.app, self.state, self.direct = app, state, direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record: RequestRecord | None = scope.get("record")
        if record is None:  # from another server than ours
            headers = dict(scope["headers"])
            record = RequestRecord(scope["method"], scope["path"], "", headers)
            record.peer = network_of((scope.get("client") or ("",))[0])
        scope["record"], scope["servery"] = record, self.state
        path = strip_prefix(scope["path"], scope.get("root_path", ""))
        found = self.direct.find(path)
        if found is not None:
            record.route = found.route
        is_asked = found is not None and scope["method"] == "POST"
        refusal = self._find_refusal(record, path, is_asked=is_asked)
        if found is None and self.state.is_hidden(path, scope.get("server")):
            refusal = self.state.nothing_at(show(path))
        work: Awaitable[Response | None]
        self.state.accounting.enter(record)
        try:
            if refusal is not None:
                work = _refuse(refusal)
            elif self.state.origins.is_preflight(record.method, record.headers):
                work = _answer_preflight()
            elif path == "*":  # OPTIONS: the server as a whole
                work = _answer_options()
            elif found and is_asked and not scope["query_string"]:
                scope["path_params"] = found.params
                work = found.endpoint(Request(scope, receive))
            else:
                work = self._serve(scope, receive, send, record)
            response = await respond(work, record, self.state.accounting.pause)
            if response is not None:
                record.status = response.status_code
                await response(scope, receive, send)
        finally:
            if found is None:
                record.route = getattr(scope.get("route"), "path", "unmatched")
            self.state.accounting.leave(record)

    def _find_refusal(
        self, record: RequestRecord, path: str, *, is_asked: bool
    ) -> ServeryError | None:
        """Why not, as far as it can be said before it is read what is asked."""
        if self.state.is_full_for(record.method, path):
            return Unavailable(FULL)
        try:
            if is_asked:
                self.state.access.identify(record)
                self.state.accounting.admit(record)
        except ServeryError as error:
            return error
        return None

    def check_upload(self, record: RequestRecord, path: str) -> None:
        """See by its head whether a request with a large body can come to anything.

        Args:
            record: Of the request.
            path: Its path, without a prefix.

        Raises:
            NotFound, MethodNotAllowed: It cannot.
            ServeryError: See `Access.identify`.
        """
        if path in self.direct:
            if record.method != "POST":
                raise MethodNotAllowed(
                    f"{path}: expected POST, received {record.method}.", allowed="POST"
                )
            self.state.access.identify(record)
            return
        scope = {"type": "http", "method": record.method, "path": path, "headers": []}
        if all(route.matches(scope)[0] is Match.NONE for route in self.app.routes):
            raise self.state.nothing_at(path)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, record: RequestRecord
    ) -> None:
        """The framework's way; a HEAD is answered as the GET that it is the head of."""
        is_read, is_head = scope["method"] in {"GET", "HEAD"}, scope["method"] == "HEAD"

        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                if is_read:
                    named = {name for name, _ in message["headers"]}
                    safe = [each for each in SAFE if each[0] not in named]
                    message["headers"] = [*message["headers"], *safe]
            elif is_head:
                message["body"] = b""
            await send(message)

        if is_head:
            scope["method"] = "GET"
        await self.app(scope, receive, send_recorded)


async def _refuse(error: ServeryError) -> Response:
    raise error


async def _answer_preflight() -> Response:
    response = Response(status_code=204)
    response.raw_headers += ALLOWED
    return response


async def _answer_options() -> Response:
    return Response(status_code=204, headers={"allow": METHODS})

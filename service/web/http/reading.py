"""What holds for all that is only read: HEAD as GET, and headers that browsers heed."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class ReadingMiddleware:
    """ASGI middleware around the routes.

    FastAPI answers HEAD with 405 where there is a GET, and adds a HEAD of its own to
    the description where it is told to.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        method = scope["method"]

        async def send_safely(message: Message) -> None:
            scope["method"] = method  # the server looks at it to leave out the body
            if message["type"] == "http.response.start":
                named = {name for name, _ in message["headers"]}
                safe = [each for each in SAFE if each[0] not in named]
                message["headers"] = [*message["headers"], *safe]
            elif method == "HEAD":
                message["body"] = b""
            await send(message)

        scope["method"] = "GET"
        await self.app(scope, receive, send_safely)

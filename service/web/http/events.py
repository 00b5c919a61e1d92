"""Server-sent events: an answer that is sent while it comes to be.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import AsyncIterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.web.http.record import ClientDisconnectedError, RequestRecord

EVENTS = "text/event-stream"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def event(data: bytes, name: str = "") -> bytes:
    """One event, whose data is one line."""
    kind = b"event: %b\n" % name.encode() if name else b""
    return b"%bdata: %b\n\n" % (kind, data)


class EventStream(Response):
    """Sends events as they come.

    Args:
        events: One or several together, as bytes; closed when the caller is gone.
        record: Of the request.
    """

    media_type = EVENTS

    def __init__(self, events: AsyncIterator[bytes], record: RequestRecord):
        super().__init__(None, headers=HEADERS)
        del self.headers["content-length"]
        self._events, self._record = events, record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's."""
        head = {"type": "http.response.start", "status": self.status_code}
        await send({**head, "headers": self.raw_headers})
        body = "http.response.body"
        try:
            async for data in self._events:
                if self._record.abandoned:
                    raise ClientDisconnectedError
                await send({"type": body, "body": data, "more_body": True})
        except ClientDisconnectedError:
            self._record.close_early()
            return
        finally:
            await self._events.aclose()  # type: ignore[attr-defined]
        await send({"type": body, "body": b"", "more_body": False})

"""Writes answers: the one place where a status line and headers become bytes."""

from collections.abc import Iterable
from http import HTTPStatus

from service.errors import ServeryError
from service.web.http.record import RequestRecord, error_content

Header = tuple[bytes, bytes]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CLOSE = (b"connection", b"close")
CHUNKED = (b"transfer-encoding", b"chunked")
WITHOUT_BODY = (204, 304)

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode())
    for status in HTTPStatus
}


def write_head(
    status: int, headers: Iterable[Header], record: RequestRecord, *, close: bool
) -> bytes:
    """The head of an answer, to its empty line.

    Args:
        status: The answer's.
        headers: What is said of the content, and by the server.
        record: Of the request; knows its id and what took how long.
        close: Whether this is the last answer on the connection.
    """
    lines = [*headers, *record.answer_headers()]
    if close:
        lines.append(CLOSE)
    text = b"\r\n".join(map(b": ".join, lines))
    return b"".join((_STATUS_LINES[status], text, b"\r\n\r\n"))


def frame(
    status: int, headers: list[Header], body: bytes, *, more: bool, may_chunk: bool
) -> bool:
    """Say in `headers` how the end of the body is found, unless they do.

    Args:
        status: The answer's.
        headers: What is added to.
        body: All of it, or its first piece.
        more: Whether there are more.
        may_chunk: Whether the caller knows chunks; else the end is that of the
            connection.

    Returns:
        Whether the body goes in chunks.
    """
    if status in WITHOUT_BODY or any(name == b"content-length" for name, _ in headers):
        return False
    if not more:
        headers.append((b"content-length", b"%d" % len(body)))
    elif may_chunk:
        headers.append(CHUNKED)
    return more and may_chunk


def write_error(
    error: ServeryError,
    headers: Iterable[Header],
    record: RequestRecord,
    *,
    close: bool,
) -> bytes:
    """A whole answer that says `error`."""
    body = error_content(error, record.request_id)
    said = [
        *headers,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *((name.encode(), value.encode()) for name, value in error.headers.items()),
    ]
    head = write_head(error.status, said, record, close=close)
    return head if record.method == "HEAD" else head + body

"""A refusal made of the raw bytes of a request, for when there are too many of them.

A service that spends as much on what it cannot serve as on what it can has nothing left
for the latter: five times what it can serve would leave it with a fifth.
"""

import re
from collections.abc import Container
from dataclasses import dataclass

from service.errors import Unavailable
from service.web.http.middleware import FULL
from service.web.http.record import request_id

REQUEST_LINE = re.compile(rb"POST ([^ ?]+) HTTP/1\.1\r\n")
HEADERS = re.compile(
    rb"\r\n(connection|content-length|expect|transfer-encoding|upgrade|x-request-id)"
    rb":[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
UNUSUAL = (b"expect", b"transfer-encoding", b"upgrade")

ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"content-type: application/json\r\nretry-after: 1\r\n"
    b"content-length: %d\r\nx-request-id: %b\r\n%b\r\n%b"
)
BODY = b'{"error":"%b","code":"%b","request_id":"%%b"}' % (
    FULL.encode(),
    Unavailable.code.encode(),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What to answer, and whom it was for.

    Attributes:
        path: Of the request.
        answer: All bytes of the answer.
    """

    path: str
    answer: bytes


def refuse(data: bytes, paths: Container[str], headers: bytes) -> Refusal | None:
    """Refuse what has just come on a connection that owes nothing.

    Args:
        data: What came.
        paths: Those that may be refused.
        headers: More lines for the answer, each with its end.

    Returns:
        None if `data` is not one whole, plain POST to one of `paths`.
    """
    line = REQUEST_LINE.match(data)
    end = data.find(b"\r\n\r\n")
    if line is None or end < 0:
        return None
    path = line[1].decode("latin-1")
    lines = HEADERS.findall(data, 0, end + 2)
    found = {name.lower(): value for name, value in lines}
    length = found.get(b"content-length", b"")
    if (
        path not in paths
        or len(found) != len(lines)
        or not length.isdigit()
        or end + 4 + int(length) != len(data)
        or found.get(b"connection", b"keep-alive").lower() != b"keep-alive"
        or any(name in found for name in UNUSUAL)
    ):
        return None
    name = request_id(found).encode()
    body = BODY % name
    return Refusal(path, ANSWER % (len(body), name, headers, body))

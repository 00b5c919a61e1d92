"""From whose pages browsers may ask: cross-origin resource sharing.

No answer allows credentials, the cookies and passwords that browsers send by
themselves: the service knows none. A key that a page's script sends is another thing.
"""

from collections.abc import Mapping

from service.web.http.response import Header

PREFLIGHT = b"access-control-request-method"
ALLOWED: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", b"authorization, *"),  # which * does not cover
    (b"access-control-max-age", b"7200"),  # the longest that Chromium remembers
)
READABLE = (b"access-control-expose-headers", b"*")
VARY = (b"vary", b"origin")


class AllowedOrigins:
    """The origins of pages whose scripts may read answers.

    Args:
        allowed: With commas between; `*` is any; empty is none.
    """

    def __init__(self, allowed: str):
        names = [name.strip() for name in allowed.split(",") if name.strip()]
        self._any = "*" in names
        self._names = frozenset(name.encode() for name in names)

    def answer(self, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        """What is said in the answer to a request with these headers."""
        if not self._names:
            return ()
        if self._any:
            return ((b"access-control-allow-origin", b"*"), READABLE)
        origin = headers.get(b"origin", b"")
        if origin not in self._names:
            return (VARY,)
        return ((b"access-control-allow-origin", origin), READABLE, VARY)

    def is_preflight(self, method: str, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a browser asks if it may ask, and it may."""
        return (
            method == "OPTIONS"
            and PREFLIGHT in headers
            and len(self.answer(headers)) > 1
        )

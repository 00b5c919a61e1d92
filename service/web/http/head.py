"""A request's head: read by llhttp, bounded, and checked against RFC 9110 and 9112.

The parser is given the head and nothing else, so that nothing is read ahead, and no
`Upgrade` or `CONNECT` makes it forget the body.
"""

import re
from urllib.parse import unquote

import httptools

from service.errors import (
    ExpectationFailed,
    HeadTooLarge,
    HttpVersionUnknown,
    MethodNotAllowed,
    MethodUnknown,
    ProtocolError,
    ServeryError,
    TransferCodingUnknown,
    UrlTooLong,
)
from service.web.http.limits import HttpLimits

END = b"\r\n\r\n"
METHODS = "GET, HEAD, POST, OPTIONS"
ABSOLUTE = re.compile(rb"https?://[^/?#@]+([^#]*)", re.IGNORECASE)
HOST = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?"
)
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FRAMING = re.compile(
    rb"\r\n(?:content-length|transfer-encoding)[ \t]*:[ \t]*([0-9]{0,9})", re.IGNORECASE
)
START_BYTES = 64  # of a head that comes in pieces: longer than any method
ONLY_ONCE = (b"host", b"content-length", b"transfer-encoding")


class RequestHead:
    """Reads one head; then says what is in it.

    Args:
        limits: What it may cost.

    Attributes:
        headers: Names in lower case, values as they came.
        fields: The same by name; the last of equal names.
        path: Without its query, percent-encoding undone.
        raw_path: As it came.
        length: Bytes of the body, where it is not chunked.
        is_chunked: Whether the body comes in chunks.
        expects_continue: Whether the body is sent when we ask for it.
        keep_alive: Whether another request may follow.
    """

    __slots__ = (
        "_is_complete", "_limits", "_parser", "_remaining", "_start", "_tail", "_url",
        "expects_continue", "fields", "headers", "is_chunked", "keep_alive", "length",
        "method", "path", "query", "raw_path", "version",
    )  # fmt: skip

    def __init__(self, limits: HttpLimits):
        self._limits = limits
        self._parser: httptools.HttpRequestParser | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._is_complete = False
        self._remaining = limits.head_bytes
        self._start = self._tail = b""
        self._url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.fields: dict[bytes, bytes] = {}
        self.method = self.path = ""
        self.version = "1.1"
        self.raw_path = self.query = b""
        self.length = 0
        self.is_chunked = self.expects_continue = self.keep_alive = False

    def feed(self, data: bytes) -> bytes | None:
        """Read on.

        Returns:
            What comes after the head, or None while it is not at its end.

        Raises:
            ProtocolError: This is no head, or one that costs too much.
        """
        tail = self._tail
        found = (tail + data).find(END) if tail else data.find(END)
        if found < 0:
            self._tail = (tail + data)[-3:]
            self._parse(data)
            self._start = (self._start + data)[:START_BYTES]
            return None
        end = found + len(END) - len(tail)
        self._parse(data[:end])
        self._parser = None  # it holds us: garbage for the collector otherwise
        if not self._is_complete:
            raise ProtocolError("Expected a request, received empty lines.")
        return data[end:]

    def check(self) -> None:
        """See whether it is one that we can serve.

        Raises:
            ServeryError: Why not.
        """
        fields = self.fields
        if len(self.headers) > self._limits.headers:
            raise HeadTooLarge(
                f"Expected at most {self._limits.headers} headers, "
                f"received {len(self.headers)}."
            )
        if len(fields) != len(self.headers):
            self._check_only_once()
        if self.version not in {"1.0", "1.1"}:
            raise HttpVersionUnknown(
                f"Expected HTTP/1.0 or HTTP/1.1, received HTTP/{self.version}."
            )
        host = fields.get(b"host")
        if host is None:
            if self.version == "1.1":
                raise ProtocolError("Expected a Host header, received none.")
        elif not HOST.fullmatch(host):
            raise ProtocolError("Expected one host in the Host header.")
        self._read_target()
        self._read_framing()

    # Called by the parser.

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, whole."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The end of the head."""
        parser = self._parser
        assert parser is not None  # it calls us  # noqa: S101
        self._is_complete = True
        self.fields = dict(self.headers)
        self.method = parser.get_method().decode("ascii")
        self.version = parser.get_http_version()
        self.keep_alive = self.version == "1.1" and parser.should_keep_alive()

    def _parse(self, data: bytes) -> None:
        is_too_long = len(data) > self._remaining
        assert self._parser is not None  # the head is not complete  # noqa: S101
        try:
            self._parser.feed_data(data[: self._remaining] if is_too_long else data)
        except httptools.HttpParserUpgrade:
            pass  # we ignore it, as RFC 9110, section 7.8, allows
        except httptools.HttpParserError as error:
            self._check_url()
            self._check_method(self._start + data)
            raise ProtocolError(f"The request is not HTTP/1.1: {error}.") from error
        self._remaining -= len(data)
        self._check_url()
        if is_too_long:
            raise HeadTooLarge(
                f"Expected at most {self._limits.head_bytes:,} bytes before the body."
            )

    def _check_url(self) -> None:
        if len(self._url) > self._limits.url_bytes:
            raise UrlTooLong(
                f"Expected at most {self._limits.url_bytes:,} bytes of URL."
            )

    def _check_method(self, start: bytes) -> None:
        """See whether what the parser refused begins with a method it has never met."""
        method = start.partition(b" ")[0]
        if TOKEN.fullmatch(method) and not _is_known(method):
            raise MethodUnknown(
                "Expected a method of HTTP, received "
                f"{method[:START_BYTES].decode('ascii')!r}."
            )

    def _check_only_once(self) -> None:
        names = [name for name, _ in self.headers]
        for name in ONLY_ONCE:
            if names.count(name) > 1:
                raise ProtocolError(
                    f"Expected one {name.decode().title()} header, "
                    f"received {names.count(name)}."
                )

    def _read_target(self) -> None:
        target = self._url
        if target[:1] != b"/":
            target = self._read_unusual_target(target)
        self.raw_path, _, self.query = target.partition(b"#")[0].partition(b"?")
        path = self.raw_path.decode("ascii")  # the parser lets nothing else through
        if "%" in path:
            path = unquote(path)
            if "\0" in path:
                raise ProtocolError("Expected a path without the byte 0.")
        self.path = path

    def _read_unusual_target(self, target: bytes) -> bytes:
        if self.method == "CONNECT":
            raise MethodNotAllowed("This is no proxy.", allowed=METHODS)
        if target == b"*" and self.method == "OPTIONS":
            return target
        absolute = ABSOLUTE.match(target)
        if absolute is None:
            raise ProtocolError("Expected a path or a URL of this service.")
        return absolute[1] if absolute[1][:1] == b"/" else b"/" + absolute[1]

    def _read_framing(self) -> None:
        fields = self.fields
        coding = fields.get(b"transfer-encoding")
        if coding is not None:
            self._check_coding(coding)
            self.is_chunked = True
        elif b"content-length" in fields:
            self.length = int(fields[b"content-length"])  # 64 bits: the parser's law
        expectation = fields.get(b"expect")
        if expectation is not None and self.version == "1.1":
            if expectation.lower() != b"100-continue":
                raise ExpectationFailed("Expect: only 100-continue can be met.")
            self.expects_continue = True

    def _check_coding(self, coding: bytes) -> None:
        error: type[ServeryError] = ProtocolError
        if self.version != "1.1":
            raise error("Transfer-Encoding: HTTP/1.0 knows none.")
        if b"content-length" in self.fields:
            raise error("Expected Content-Length or Transfer-Encoding, received both.")
        if coding.lower() != b"chunked":
            raise TransferCodingUnknown(
                "Transfer-Encoding: expected `chunked` alone, received "
                f"{str(coding[:64], 'latin-1')!r}."
            )


def is_whole(data: bytes) -> bool:
    """Whether a request has come to its end, as far as a glance at its head tells."""
    head, end, body = data.partition(END)
    framing = FRAMING.findall(head)
    if not end or len(framing) > 1:
        return False
    return not framing or (framing[0] != b"" and len(body) >= int(framing[0]))


def _is_known(method: bytes) -> bool:
    """Whether the parser would have taken a line with this method."""
    try:
        httptools.HttpRequestParser(object()).feed_data(method + b" / HTTP/1.1\r\n")
    except httptools.HttpParserError:
        return False
    return True

"""What one connection, one request and all of them together may cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.access.keys import BULK, INTERACTIVE
from service.errors import InvalidInput
from service.settings import Settings

TIMEOUT_HEADER = b"x-request-timeout-ms"
PRIORITY_HEADER = b"x-priority"

RESERVED_DESCRIPTORS = 128  # for files, the engine's socket, and threads at work
PIPELINED_BYTES = 65_536  # of later requests that are read while one is answered
SMALL_BODY_BYTES = 65_536  # what is refused is read to its end, the connection kept
LINGER_S = 5.0  # that a refused sender, perhaps a busy one, has to stop and read why


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The limits of HTTP; `docs/limits.md` says what happens beyond each.

    Attributes:
        descriptors: Connections that the operating system allows.
    """

    head_bytes: int
    url_bytes: int
    headers: int
    body_bytes: int
    buffered_body_bytes: int
    unsent_bytes: int
    connections: int
    connections_per_address: int
    head_s: float
    keep_alive_s: float
    unread_s: float
    body_grace_s: float
    body_bytes_per_s: int
    timeout_ms: int
    max_timeout_ms: int

    @classmethod
    def of(cls, settings: Settings, descriptors: int = 1 << 20) -> "HttpLimits":
        """The limits that `settings` ask for.

        Args:
            settings: What the operator decided.
            descriptors: How many files and sockets this process may have open.
        """
        connections = min(settings.max_connections, descriptors - RESERVED_DESCRIPTORS)
        return cls(
            head_bytes=settings.max_head_bytes,
            url_bytes=settings.max_url_bytes,
            headers=settings.max_headers,
            body_bytes=settings.max_body_bytes,
            buffered_body_bytes=settings.max_buffered_body_bytes,
            unsent_bytes=settings.max_unsent_bytes,
            connections=max(1, connections),
            connections_per_address=settings.max_connections_per_address,
            head_s=settings.head_timeout_s,
            keep_alive_s=settings.keep_alive_s,
            unread_s=settings.unread_timeout_s,
            body_grace_s=settings.body_grace_s,
            body_bytes_per_s=settings.min_body_bytes_per_s,
            timeout_ms=settings.timeout_ms,
            max_timeout_ms=settings.max_timeout_ms,
        )

    def body_seconds(self, headers: Mapping[bytes, bytes]) -> float:
        """How long the body may take: the request's own time, where it says one."""
        try:
            asked = read_timeout_ms(headers, self.max_timeout_ms)
        except InvalidInput:  # the endpoint will say so, when the request is whole
            asked = None
        return (asked or self.timeout_ms) / 1000


def read_timeout_ms(headers: Mapping[bytes, bytes], most: int) -> int | None:
    """What `X-Request-Timeout-Ms` asks for; None where it is absent.

    Raises:
        InvalidInput: It is no whole number from 1 to `most`.
    """
    value = headers.get(TIMEOUT_HEADER)
    if value is None:
        return None
    if value.isdigit() and len(value) <= len(str(most)) and 1 <= int(value) <= most:
        return int(value)
    raise InvalidInput(
        f"X-Request-Timeout-Ms: expected milliseconds from 1 to {most}, "
        f"received {str(value[:32], 'latin-1')!r}."
    )


def read_bulk(headers: Mapping[bytes, bytes]) -> bool:
    """Whether `X-Priority` says that a request can wait; it need not be there.

    Raises:
        InvalidInput: It is neither `interactive` nor `bulk`.
    """
    value = headers.get(PRIORITY_HEADER)
    if value is None:
        return False
    if value not in {INTERACTIVE.encode(), BULK.encode()}:
        raise InvalidInput(
            f"X-Priority: expected {INTERACTIVE} or {BULK}, received "
            f"{str(value[:32], 'latin-1')!r}."
        )
    return value == BULK.encode()

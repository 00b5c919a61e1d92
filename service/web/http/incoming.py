"""A body on its way in: its bytes, its size, its speed."""

from service.errors import BodyTooLarge, Unavailable
from service.web.http.chunked import ChunkedDecoder
from service.web.http.connections import Connections
from service.web.http.head import RequestHead

CROWDED = "Too many bodies are under way; try again soon."


class IncomingBody:
    """The body of one request, of which something is still to come.

    Args:
        head: What the request has said of it.
        connections: Where its bytes are counted until `release`.
        now: On the event loop's clock, in seconds.
        peer: The network from which it comes.

    Attributes:
        deadline: When all of it must have come, on the same clock.

    Raises:
        Unavailable: Too many bytes of other bodies are held, or of its sender's.
    """

    __slots__ = (
        "_all",
        "_began",
        "_bytes",
        "_counted",
        "_decoder",
        "_head",
        "_peer",
        "deadline",
    )

    def __init__(
        self, head: RequestHead, connections: Connections, now: float, peer: str
    ):
        self._all, self._head, self._peer = connections, head, peer
        self._bytes, self._counted = bytearray(), 0
        self._began = now
        self.deadline = now + connections.limits.body_seconds(head.fields)
        if not connections.bodies.has_room(peer):
            raise Unavailable(CROWDED)
        self._decoder: ChunkedDecoder | None = None
        if head.is_chunked:
            self._decoder = ChunkedDecoder(self._bytes, connections.limits.head_bytes)

    def feed(self, data: bytes) -> tuple[bool, bytes]:
        """Take what belongs to it.

        Returns:
            Whether it is at its end; and what comes after it, or is left for the next
            turn.

        Raises:
            BodyTooLarge, ProtocolError, Unavailable: It is to be refused.
        """
        limits = self._all.limits
        if self._decoder is not None:
            is_whole, rest = self._decoder.feed(data, limits.body_bytes)
        else:
            missing = self._head.length - len(self._bytes)
            self._bytes += data[:missing]
            is_whole, rest = len(data) >= missing, data[missing:]
        came = len(self._bytes) - self._counted
        self._counted += came
        if came:
            self._all.bodies.hold(self._peer, came)
        if len(self._bytes) > limits.body_bytes:
            raise BodyTooLarge(
                f"The body is too large: expected at most {limits.body_bytes:,} bytes, "
                f"received {len(self._bytes):,} so far."
            )
        if self._all.bodies.held > limits.buffered_body_bytes + self._counted:
            self.release()
            raise Unavailable(CROWDED)
        return is_whole, rest

    def whole(self) -> bytes:
        """All of it, once."""
        whole = bytes(self._bytes)
        self._bytes.clear()
        return whole

    def is_too_slow(self, now: float) -> bool:
        """Whether less has come than the least speed makes since the head."""
        took, limits = now - self._began, self._all.limits
        least = limits.body_bytes_per_s * took
        return took > limits.body_grace_s and len(self._bytes) < least

    def release(self) -> None:
        """Its bytes are nobody's any more."""
        if self._counted:
            self._all.bodies.release(self._peer, self._counted)
        self._counted = 0

"""The chunked transfer coding, decoded strictly and in linear time (RFC 9112, 7.1)."""

import re

from service.errors import BodyTooLarge, HeadTooLarge, ProtocolError

SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
MOST_CHUNKS = 262_144  # of a body: each costs 3 µs, be it of one byte
TURN_CHUNKS = 1024  # that are decoded before others get their turn
TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")


class ChunkedDecoder:
    """Decodes one body, however it is cut into pieces.

    Args:
        body: What is decoded is added here.
        extra_bytes: How much may be said beside the body and its framing: extensions
            of chunks and trailers, all together.
    """

    __slots__ = ("_body", "_chunks", "_expects", "_extra_bytes", "_line", "_missing")

    def __init__(self, body: bytearray, extra_bytes: int):
        self._body = body
        self._extra_bytes = extra_bytes
        self._chunks = 0
        self._line = b""  # the beginning of a line whose end has not come
        self._missing = 0  # bytes of the chunk
        self._expects = "size"  # or "data", "end" of a chunk's data, "trailer"

    def feed(self, data: bytes, limit: int) -> tuple[bool, bytes]:
        """Decode what has come, or as much of it as a turn has time for.

        Args:
            data: The next bytes.
            limit: Of the body, in bytes.

        Returns:
            Whether the body is at its end; and what comes after it, or is left for the
            next turn.

        Raises:
            ProtocolError: This is no chunked coding.
            HeadTooLarge: Extensions and trailers are too long.
            BodyTooLarge: It is longer than `limit`, or comes in too many chunks.
        """
        place, last = 0, self._chunks + TURN_CHUNKS
        while place < len(data) and self._chunks < last:
            if self._expects == "data":
                piece = data[place : place + self._missing]
                self._body += piece
                self._missing -= len(piece)
                place += len(piece)
                if not self._missing:
                    self._expects = "end"
                continue
            newline = data.find(b"\n", place)
            if newline < 0:
                self._keep(data[place:])
                return False, b""
            line, self._line = self._line + data[place:newline], b""
            place = newline + 1
            if line[-1:] != b"\r":
                raise ProtocolError("A chunk: expected a line that ends with CR LF.")
            if self._take(line[:-1]):
                return True, data[place:]
            if len(self._body) + self._missing > limit:
                raise BodyTooLarge(
                    f"The body is too large: expected at most {limit:,} bytes, "
                    f"received {len(self._body):,} so far and a chunk of "
                    f"{self._missing:,}."
                )
        return False, data[place:]

    def _keep(self, part: bytes) -> None:
        self._line += part
        if len(self._line) > self._extra_bytes + 18:  # the longest size, CR
            raise HeadTooLarge("A chunk's extensions or trailers are too long.")

    def _take(self, line: bytes) -> bool:
        """Read a line; whether it was the last."""
        if self._expects == "end":
            if line:
                raise ProtocolError("A chunk: expected its end, received more data.")
            self._expects = "size"
        elif self._expects == "size":
            self._read_size(line)
        elif not line:
            return True
        elif TRAILER.fullmatch(line):
            self._spend(len(line))
        else:
            raise ProtocolError("A trailer: expected `name: value`.")
        return False

    def _read_size(self, line: bytes) -> None:
        match = SIZE.fullmatch(line)
        if match is None:
            raise ProtocolError("A chunk: expected its size as a hexadecimal number.")
        self._spend(max(0, len(line) - 16))
        self._chunks += 1
        if self._chunks > MOST_CHUNKS:
            raise BodyTooLarge(
                f"Expected a body in at most {MOST_CHUNKS:,} chunks, received more."
            )
        self._missing = int(match[1], 16)
        self._expects = "data" if self._missing else "trailer"

    def _spend(self, extra: int) -> None:
        self._extra_bytes -= extra
        if self._extra_bytes < 0:
            raise HeadTooLarge("A chunk's extensions or trailers are too long.")

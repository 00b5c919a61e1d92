"""W3C Trace Context: the header by which a caller says to which trace it belongs.

See https://www.w3.org/TR/trace-context/#traceparent-header.
"""

import re
from typing import NamedTuple

SAMPLED = 1  # the bit of the flags
_LENGTH = 55  # of version 00; later ones may be longer
_PATTERN = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
    r"(?:-.*)?"
)


class TraceParent(NamedTuple):
    """The span of a caller.

    Attributes:
        trace_id: 128 bits.
        span_id: 64 bits.
        flags: 8 bits, of which one says whether the caller's span is sampled.
    """

    trace_id: int
    span_id: int
    flags: int

    @property
    def is_sampled(self) -> bool:
        """Whether the caller's span is."""
        return bool(self.flags & SAMPLED)

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.flags:02x}"


def read_traceparent(text: str) -> TraceParent | None:
    """What a header says; None if it is none that the standard knows."""
    found = _PATTERN.fullmatch(text)
    if found is None or (found[1] == "00" and len(text) != _LENGTH):
        return None
    return TraceParent(int(found[2], 16), int(found[3], 16), int(found[4], 16))

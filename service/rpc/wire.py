"""How much work the parser of protocol buffers would have with a message.

Bytes and packed floats are copied; every other value costs time and memory of its own,
of which 16 MB of nothing but empty messages take a second and 800 MB, with the
interpreter lock held. So a long message is first walked over here, in Python, which
lets the lock go, and stops at the limit.
"""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from service.errors import InvalidInput, MalformedBody

MOST_WORK = 1 << 20
PER_FIELD = 16  # as many packed integers take about as long

_MESSAGE, _BYTES = FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_BYTES
_COPIED = (
    FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT,
    FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_FIXED64,
    FieldDescriptor.TYPE_SFIXED32, FieldDescriptor.TYPE_SFIXED64,
    FieldDescriptor.TYPE_STRING, _BYTES,
)  # fmt: skip
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5


def check_work(data: bytes, descriptor: Descriptor) -> None:
    """Hold a message against the limit, before it is parsed.

    Args:
        data: The message.
        descriptor: What it is said to be.

    Raises:
        InvalidInput: To parse it is more work than any tensor sent as bytes needs.
        MalformedBody: It is no message.
    """
    work, pending = 0, [(0, len(data), descriptor)]
    try:
        while pending:
            position, end, kind = pending.pop()
            while position < end:
                if (work := work + PER_FIELD) > MOST_WORK:
                    raise InvalidInput(_TOO_MUCH)
                tag, position = _varint(data, position)
                start, position = _skip(data, position, tag & 7)
                if tag & 7 != _DELIMITED:
                    continue
                field: Any = kind.fields_by_number.get(tag >> 3)
                if field is None or field.type in _COPIED:
                    continue
                if field.type == _MESSAGE:
                    pending.append((start, min(position, end), field.message_type))
                else:
                    work += position - start
        if work > MOST_WORK:
            raise InvalidInput(_TOO_MUCH)
    except (IndexError, ValueError) as error:
        raise MalformedBody(
            f"expected a message {descriptor.full_name}, received {len(data):,} bytes "
            "that are none"
        ) from error


_TOO_MUCH = (
    f"expected at most {MOST_WORK // PER_FIELD:,} fields, strings or messages, or "
    f"{MOST_WORK:,} bytes of integers value by value in a message, received more: send "
    "large tensors as raw bytes"
)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number, and where the next thing begins."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("no number of protocol buffers has so many bytes")


def _skip(data: bytes, position: int, kind: int) -> tuple[int, int]:
    """Where a field's content begins, and where it ends."""
    if kind == _DELIMITED:
        length, position = _varint(data, position)
        return position, position + length
    if kind == _VARINT:
        return position, _varint(data, position)[1]
    if kind in (_FIXED32, _FIXED64):
        return position, position + (4 if kind == _FIXED32 else 8)
    raise ValueError("groups belong to another age")

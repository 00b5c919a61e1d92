"""Frames on the Unix socket between HTTP processes and the engine.

    frame   = length (u32, of what follows)  kind (u8)  body
    REQUEST = version (u32, 0 = newest)  count (u32)  name  signature
              and for each: id (u32)  rows (u32)  deadline (f64), then the rows of all
    ANSWER  = version (u32)  count (u32)  batch rows (u32)
              and for each: id (u32)  rows (u32)  queue, compute (f64), then the rows
    ERROR   = id (u32)  JSON {code, message, retry_after_s}
    CANCEL  = id (u32)
    CATALOG = JSON, sent on connection and after every change
    rows    = count (u8), then for each array: dtype (u8)  dimensions (u8)  shape (u32…)
              and the data: raw bytes, or for strings the lengths (u32…) and the bytes

What several callers ask of one signature travels in one frame, and so do their answers:
to pack rows costs as much for many as for one.

Both ends are this code on one machine: native byte order, no version field, and a
deadline is `time.monotonic()`, one clock for all processes.
"""

import math
import struct
from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from service.engine.rows import Array, Rows

_HEAD = struct.Struct("=IB")
_TENSORS = [struct.Struct(f"=BB{dimensions}I") for dimensions in range(256)]
_DTYPES: tuple[np.dtype[np.generic], ...] = tuple(
    np.dtype(name)
    for name in (
        "object", "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32",
        "uint64", "int64", "float16", "float32", "float64",
    )
)  # fmt: skip
_STRINGS = 0
_CODES = {dtype: code for code, dtype in enumerate(_DTYPES)}

Bytes = bytes | bytearray | memoryview


class Kind(IntEnum):
    """The first byte of every frame."""

    REQUEST = 1
    ANSWER = 2
    ERROR = 3
    CANCEL = 4
    CATALOG = 5


_LENGTH_SIZE = 4  # of a head: what a frame's length does not count
_KINDS = {kind.value: kind for kind in Kind}


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()  # of a frame that has come in part
        self._wanted = 0  # bytes of `rest` at which it is worth another look

    def feed(self, data: bytes) -> Iterator[tuple[Kind, memoryview]]:
        """Yield the kind and body of every frame that `data` completes."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            data, self._rest = bytes(self._rest), bytearray()
        view, start, end = memoryview(data), 0, 0
        while len(data) - start >= _HEAD.size:
            length, kind = _HEAD.unpack_from(data, start)
            end = start + _LENGTH_SIZE + length
            if end > len(data):
                break
            yield _KINDS[kind], view[start + _HEAD.size : end]
            start = end
        self._rest += view[start:]
        self._wanted = max(end - start, _HEAD.size)


def frame(kind: Kind, *parts: Bytes) -> list[Bytes]:
    """The pieces of one frame, to be written in this order."""
    return [_HEAD.pack(1 + sum(map(len, parts)), kind), *parts]


def pack_text(text: str) -> bytes:
    """A name of at most 255 bytes, behind its length."""
    data = text.encode()
    return bytes([len(data)]) + data


def unpack_text(body: memoryview, offset: int) -> tuple[str, int]:
    """The name at `offset`, and the offset behind it."""
    end = offset + 1 + body[offset]
    return str(body[offset + 1 : end], "utf-8"), end


def pack_rows(rows: Rows) -> list[Bytes]:
    """The pieces of `rows`, in their order."""
    pieces: list[Bytes] = [bytes([len(rows)])]
    for array in rows:
        head = _TENSORS[array.ndim]
        pieces.append(head.pack(_CODES[array.dtype], array.ndim, *array.shape))
        if array.dtype == object:
            strings = array.ravel().tolist()
            pieces.append(struct.pack(f"={len(strings)}I", *map(len, strings)))
            pieces.extend(strings)
        else:
            pieces.append(array.tobytes())
    return pieces


def unpack_rows(body: memoryview, offset: int) -> Rows:
    """The rows at `offset`, as read-only views where they are not strings."""
    count = body[offset]
    offset += 1
    arrays: list[Array] = []
    for _ in range(count):
        head = _TENSORS[body[offset + 1]]
        code, _, *shape = head.unpack_from(body, offset)
        offset += head.size
        dtype, size = _DTYPES[code], math.prod(shape)
        if code == _STRINGS:
            array, offset = _unpack_strings(body, offset, size)
        else:
            array = np.frombuffer(body, dtype, size, offset)
            offset += size * dtype.itemsize
        arrays.append(array.reshape(shape))
    return tuple(arrays)


def _unpack_strings(body: memoryview, offset: int, size: int) -> tuple[Array, int]:
    lengths = struct.unpack_from(f"={size}I", body, offset)
    offset += 4 * size
    array = np.empty(size, dtype=object)
    for index, length in enumerate(lengths):
        array[index] = bytes(body[offset : offset + length])
        offset += length
    return array, offset

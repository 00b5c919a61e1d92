"""Frames on the Unix socket between HTTP processes and the engine: layout and packing.

    frame     = length (u32, of what follows)  kind (u8)  body
    REQUEST   = version (u32, 0 = newest)  count (u32)  name  signature
                and for each: id (u32)  rows (u32)  deadline (f64)
                then request ids, turns and tensors, of all in turn
    ANSWER    = version (u32)  count (u32)  batch rows (u32)
                and for each: id (u32)  rows (u32)  queue, compute (f64), then tensors
    ERROR     = id (u32)  JSON {code, message, retry_after_s}
    CANCEL    = id (u32)
    CATALOG   = JSON, sent on connection and after every change
    HEARTBEAT = nothing, sent every half second
    COMMAND   = id (u32)  deadline (f64)  JSON, see `service.engine.commands`
    RESULT    = id (u32)  JSON, what a command led to; if it failed, an ERROR
    WRITE     = id (u32), what texts are to be written: see `text_frames`, as
    WRITTEN   , symbols of them, and
    FINISHED  , that all have ended; CANCEL and ERROR go by the same ids
    name      = length (u8)  UTF-8
    request ids = length (u32)  UTF-8, one a line: what logs call the requests
    turns     = likewise: b for bulk or i, and the caller
    tensors   = count (u8), then for each: dtype (u8)  dimensions (u8)  shape (u32…)
                and the data: raw bytes, or for strings the lengths (u32…) and the bytes

What several callers ask of one signature travels in one frame, and so do their answers:
to pack tensors costs as much for many as for one. Their rows are written one after the
other, straight from each caller's arrays, and cut into views at the other end.

Both ends are this code on one machine: native byte order, no version field, and a
deadline is `time.monotonic()`, one clock for all processes.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from pydantic_core import from_json, to_json

from service.contract.dtypes import NAMES, numpy_dtype
from service.engine.batching.callers import ANYBODY, Turn
from service.engine.batching.tensors import Array, Tensors
from service.engine.commands import Command, Outcome
from service.errors import ServeryError, Unavailable, by_code

LARGE_BYTES = 65_536  # from here on a copy costs more than a view
MOST_TURNS = 4096  # that are remembered as they are written

_HEAD = struct.Struct("=IB")
_ID = struct.Struct("=I")
_COMMAND = struct.Struct("=Id")
_REQUEST = struct.Struct("=II")
_REQUESTED = struct.Struct("=IId")
_ANSWER = struct.Struct("=III")
_ANSWERED = struct.Struct("=IIdd")
_TENSORS = [struct.Struct(f"=BB{dimensions}I") for dimensions in range(256)]
_DTYPES = tuple(numpy_dtype(name) for name in ("string", *NAMES[:-1]))
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
    HEARTBEAT = 6
    COMMAND = 7
    RESULT = 8
    WRITE = 9
    WRITTEN = 10
    FINISHED = 11


class Requested(NamedTuple):
    """What a REQUEST says of each caller beside its tensors."""

    number: int
    rows: int
    deadline: float
    request_id: str = ""
    turn: Turn = ANYBODY


class Answered(NamedTuple):
    """What an ANSWER says to each caller beside its tensors."""

    number: int
    rows: int
    queue_s: float
    compute_s: float


class RequestFrame(NamedTuple):
    """The body of a REQUEST; the tensors hold the rows of all callers in turn."""

    version: int
    name: str
    signature: str
    callers: list[Requested]
    tensors: Tensors


class AnswerFrame(NamedTuple):
    """The body of an ANSWER; the tensors hold the rows of all callers in turn."""

    version: int
    batch_rows: int
    callers: list[Answered]
    tensors: Tensors


_LENGTH_SIZE = 4  # of a head: what a frame's length does not count
_KINDS = {kind.value: kind for kind in Kind}


class FrameReader:
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


def pack_request(
    name: str,
    version: int,
    signature: str,
    callers: Sequence[Requested],
    parts: Sequence[Tensors],
) -> list[Bytes]:
    """The pieces of a REQUEST; `parts` are the tensors of each caller."""
    return frame(
        Kind.REQUEST,
        _REQUEST.pack(version, len(callers)),
        pack_text(name),
        pack_text(signature),
        *[_REQUESTED.pack(*each[:3]) for each in callers],
        *_pack_lines([each.request_id for each in callers]),
        *_pack_lines([write_turn(each.turn) for each in callers]),
        *pack_tensors(parts),
    )


def unpack_request(body: memoryview) -> RequestFrame:
    """What `pack_request` was given."""
    version, count = _REQUEST.unpack_from(body)
    name, offset = unpack_text(body, _REQUEST.size)
    signature, offset = unpack_text(body, offset)
    end = offset + count * _REQUESTED.size
    numbers = _REQUESTED.iter_unpack(body[offset:end])
    ids, offset = _unpack_lines(body, end)
    turns, offset = _unpack_lines(body, offset)
    callers = [
        Requested(number, rows, deadline, request_id, read_turn(turn))
        for (number, rows, deadline), request_id, turn in zip(
            numbers, ids, turns, strict=True
        )
    ]
    return RequestFrame(version, name, signature, callers, unpack_tensors(body, offset))


def pack_answer(
    version: int,
    batch_rows: int,
    callers: Sequence[Answered],
    parts: Sequence[Tensors],
) -> list[Bytes]:
    """The pieces of an ANSWER; `parts` are the outputs of each caller."""
    return frame(
        Kind.ANSWER,
        _ANSWER.pack(version, len(callers), batch_rows),
        *[_ANSWERED.pack(*each) for each in callers],
        *pack_tensors(parts),
    )


def unpack_answer(body: memoryview) -> AnswerFrame:
    """What `pack_answer` was given."""
    version, count, batch_rows = _ANSWER.unpack_from(body)
    end = _ANSWER.size + count * _ANSWERED.size
    answered = _ANSWERED.iter_unpack(body[_ANSWER.size : end])
    callers = list(map(Answered._make, answered))
    return AnswerFrame(version, batch_rows, callers, unpack_tensors(body, end))


def pack_error(number: int, error: ServeryError) -> list[Bytes]:
    """The pieces of an ERROR."""
    content = {
        "code": error.code,
        "message": error.message,
        "retry_after_s": getattr(error, "retry_after_s", None),
    }
    return frame(Kind.ERROR, _ID.pack(number), to_json(content))


def unpack_error(body: memoryview) -> tuple[int, ServeryError]:
    """What `pack_error` was given."""
    (number,) = _ID.unpack_from(body)
    error = from_json(bytes(body[_ID.size :]))
    kind = by_code(error["code"])
    if issubclass(kind, Unavailable):
        return number, kind(error["message"], retry_after_s=error["retry_after_s"])
    return number, kind(error["message"])


def pack_cancel(number: int) -> list[Bytes]:
    """The pieces of a CANCEL."""
    return frame(Kind.CANCEL, _ID.pack(number))


def unpack_cancel(body: memoryview) -> int:
    """What `pack_cancel` was given."""
    number: int = _ID.unpack_from(body)[0]
    return number


def pack_command(number: int, deadline: float, command: Command) -> list[Bytes]:
    """The pieces of a COMMAND."""
    content = command.model_dump_json().encode()
    return frame(Kind.COMMAND, _COMMAND.pack(number, deadline), content)


def unpack_command(body: memoryview) -> tuple[int, float, Command]:
    """What `pack_command` was given."""
    number, deadline = _COMMAND.unpack_from(body)
    content = bytes(body[_COMMAND.size :])
    return number, deadline, Command.model_validate_json(content)


def pack_result(number: int, outcome: Outcome) -> list[Bytes]:
    """The pieces of a RESULT."""
    content = outcome.model_dump_json().encode()
    return frame(Kind.RESULT, _ID.pack(number), content)


def unpack_result(body: memoryview) -> tuple[int, Outcome]:
    """What `pack_result` was given."""
    (number,) = _ID.unpack_from(body)
    return number, Outcome.model_validate_json(bytes(body[_ID.size :]))


def pack_tensors(parts: Sequence[Tensors]) -> list[Bytes]:
    """The pieces of `parts`, put together along their first dimension.

    Args:
        parts: At least one; equal in dtypes, and in shapes but for the rows. Of one
            alone the tensors may have any rank.
    """
    pieces: list[Bytes] = [bytes([len(parts[0])])]
    for arrays in zip(*parts, strict=True):
        first = arrays[0]
        shape = first.shape
        if len(arrays) > 1:
            shape = (sum([len(array) for array in arrays]), *shape[1:])
        pieces.append(
            _TENSORS[first.ndim].pack(_CODES[first.dtype], len(shape), *shape)
        )
        if first.dtype == object:
            strings = [each for array in arrays for each in array.ravel().tolist()]
            pieces.append(struct.pack(f"={len(strings)}I", *map(len, strings)))
            pieces.extend(strings)
        else:
            pieces.extend([_raw(array) for array in arrays])
    return pieces


def unpack_tensors(body: memoryview, offset: int) -> Tensors:
    """The tensors at `offset`, as read-only views where they are not strings."""
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


def _raw(array: Array) -> Bytes:
    """The bytes of an array: of a large one, where they lie, and not a copy."""
    if array.nbytes < LARGE_BYTES or not array.flags.c_contiguous:
        return array.tobytes()
    return array.reshape(-1).view(np.uint8).data


def _unpack_strings(body: memoryview, offset: int, size: int) -> tuple[Array, int]:
    lengths = struct.unpack_from(f"={size}I", body, offset)
    offset += 4 * size
    array = np.empty(size, dtype=object)
    for index, length in enumerate(lengths):
        array[index] = bytes(body[offset : offset + length])
        offset += length
    return array, offset


@lru_cache(MOST_TURNS)
def write_turn(turn: Turn) -> str:
    """A turn as a line."""
    return f"{'b' if turn.bulk else 'i'}{turn.caller}"


@lru_cache(MOST_TURNS)
def read_turn(line: str) -> Turn:
    """What `write_turn` was given."""
    return Turn(line[1:], bulk=line[0] == "b")


def _pack_lines(lines: Sequence[str]) -> tuple[bytes, bytes]:
    data = "\n".join(lines).encode()
    return _ID.pack(len(data)), data


def _unpack_lines(body: memoryview, offset: int) -> tuple[list[str], int]:
    """The lines at `offset`, and the offset behind them."""
    start = offset + _ID.size
    end = start + _ID.unpack_from(body, offset)[0]
    return str(body[start:end], "utf-8").split("\n"), end


def pack_text(text: str) -> bytes:
    """A name of at most 255 bytes, behind its length."""
    data = text.encode()
    return bytes([len(data)]) + data


def unpack_text(body: memoryview, offset: int) -> tuple[str, int]:
    """The name at `offset`, and the offset behind it."""
    end = offset + 1 + body[offset]
    return str(body[offset + 1 : end], "utf-8"), end

"""Frames of texts, beside those of `frames`: what is to be written, and what is.

    WRITE    = id (u32)  version (u32, 0 = newest)  deadline (f64)  name
               JSON [request id, turn, request]
    WRITTEN  = for each symbol, of all requests: id (u32)  text (u16)  symbol (u16)
               reason (u8)  logprob (f32)
    FINISHED = id (u32)  version, rows, batch rows (u32)  queue, compute (f64)

What a batch gave to many callers of one process travels in one frame.
"""

import struct
from collections.abc import Iterable, Iterator

from pydantic_core import from_json, to_json

from service.engine.batching.callers import Turn
from service.engine.ipc.frames import (
    Bytes,
    Kind,
    frame,
    pack_text,
    read_turn,
    unpack_text,
    write_turn,
)
from service.engine.texts.request import Reason, TextRequest, TextSummary, Written

_WRITE = struct.Struct("=IId")
_FINISHED = struct.Struct("=IIIIdd")
_WRITTEN = struct.Struct("=IHHBf")
_GOES_ON = 255  # in place of a reason
_REASONS = {reason.value: reason for reason in Reason} | {_GOES_ON: None}


def pack_write(
    number: int,
    name: str,
    version: int,
    request: TextRequest,
    deadline: float,
    request_id: str,
    turn: Turn,
) -> list[Bytes]:
    """The pieces of a WRITE."""
    said = to_json([request_id, write_turn(turn), request])
    head = _WRITE.pack(number, version, deadline)
    return frame(Kind.WRITE, head, pack_text(name), said)


def unpack_write(
    body: memoryview,
) -> tuple[int, str, int, TextRequest, float, str, Turn]:
    """What `pack_write` was given."""
    number, version, deadline = _WRITE.unpack_from(body)
    name, offset = unpack_text(body, _WRITE.size)
    request_id, turn, content = from_json(bytes(body[offset:]))
    request = TextRequest.model_validate(content)
    return number, name, version, request, deadline, request_id, read_turn(turn)


def pack_written(written: Iterable[tuple[int, Written]]) -> list[Bytes]:
    """The pieces of a WRITTEN: symbols, each with the id of its request."""
    pack = _WRITTEN.pack
    packed = [
        pack(
            number,
            each.text,
            each.symbol,
            _GOES_ON if each.reason is None else each.reason,
            each.logprob,
        )
        for number, each in written
    ]
    return frame(Kind.WRITTEN, b"".join(packed))


def unpack_written(body: memoryview) -> Iterator[tuple[int, Written]]:
    """What `pack_written` was given."""
    for number, text, symbol, reason, logprob in _WRITTEN.iter_unpack(body):
        yield number, Written(text, symbol, logprob, _REASONS[reason])


def pack_finished(number: int, summary: TextSummary) -> list[Bytes]:
    """The pieces of a FINISHED."""
    return frame(Kind.FINISHED, _FINISHED.pack(number, *summary))


def unpack_finished(body: memoryview) -> tuple[int, TextSummary]:
    """What `pack_finished` was given."""
    number, *summary = _FINISHED.unpack_from(body)
    return number, TextSummary(*summary)

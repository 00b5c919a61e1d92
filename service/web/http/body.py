"""A request's body to what its content type says it is, within limits.

bytes ─ limit ─ content type ─┬─ JSON ─ schema ─ base64 ─┐
          │          │        ├─ multipart ─ files ──────┼─▶ bytes of images
    BodyTooLarge     │        └─ image/* ────────────────┘
          UnsupportedMediaType      MalformedBody, InvalidInput
"""

import zlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.errors import (
    BodyTooLarge,
    InvalidInput,
    MalformedBody,
    TooManyRows,
    UnsupportedMediaType,
)
from service.web.http.record import ClientDisconnectedError
from service.web.state import AppState

Schema = TypeVar("Schema", bound=BaseModel)

JSON = "application/json"
MULTIPART = "multipart/form-data"
FIELD = "file"  # of a multipart form
WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # as zlib numbers its formats
MOST_PARTS = 1000  # of a multipart form, whatever they are


def media_type(headers: Mapping[bytes, bytes]) -> str:
    """The content type without its parameters, in lower case; empty where absent."""
    value = headers.get(b"content-type", b"").partition(b";")[0]
    return str(value.strip().lower(), "latin-1")


async def read_body(request: Request, limit: int) -> bytes:
    """All of the body, without its content coding.

    Raises:
        BodyTooLarge: It is announced to be over `limit` bytes, or has come to be.
        UnsupportedMediaType, MalformedBody: Its content coding; see `decompress`.
        ClientDisconnectedError: The rest will not come.
    """
    whole: bytes | None = request.scope.get("body")
    if whole is None:
        whole = await _receive_body(request, limit)
    codings = request.headers.get("content-encoding", "")
    if codings and whole:
        state: AppState = request.scope["servery"]
        return await state.in_thread(partial(decompress, whole, codings, limit))
    return whole


def decompress(body: bytes, codings: str, limit: int) -> bytes:
    """Undo the content coding of a body, of which one is enough.

    Raises:
        UnsupportedMediaType: It is neither gzip nor deflate.
        MalformedBody: The body is not in it.
        BodyTooLarge: What comes out is over `limit` bytes.
    """
    coding = codings.strip().lower()
    if coding == "identity":
        return body
    if coding not in WINDOW_BITS:
        raise UnsupportedMediaType(
            "Content-Encoding: expected gzip, deflate or nothing, "
            f"received {codings[:64]!r}."
        )
    bits = WINDOW_BITS[coding]
    if coding == "deflate" and (body[0] & 15 != 8 or int.from_bytes(body[:2]) % 31):
        bits = -bits  # without zlib's header, as some send it
    unpacker = zlib.decompressobj(bits)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedBody(f"The body is not in {coding}: {error}.") from error
    if len(unpacked) > limit:
        raise BodyTooLarge(
            f"The body is too large: expected at most {limit:,} bytes, "
            f"received more, in {len(body):,} of {coding}."
        )
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedBody(f"The body in {coding} does not end where it should.")
    return unpacked


async def _receive_body(request: Request, limit: int) -> bytes:
    """The body from a server that is not ours, which knows nothing of limits."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit):
        raise BodyTooLarge(
            f"The body is too large: expected at most {limit:,} bytes, "
            f"received an announcement of {announced[:18]}."
        )
    chunks, size = [], 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(
                f"The body is too large: expected at most {limit:,} bytes, "
                f"received {size:,} so far."
            )
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def parse_json(body: bytes, schema: type[Schema]) -> Schema:
    """The body as an instance of `schema`.

    Raises:
        MalformedBody: No JSON.
        InvalidInput: JSON of another form; `details` names every field.
    """
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise describe(error.errors(include_url=False)) from error


def describe(errors: Sequence[Mapping[str, Any]]) -> InvalidInput:
    """Pydantic's errors as ours."""
    details = [
        {
            "field": ".".join(str(part) for part in each["loc"]) or "body",
            "error": each["msg"].removeprefix("Value error, "),
        }
        for each in errors
    ]
    if errors[0]["type"] == "json_invalid":
        reason = details[0]["error"].removeprefix("Invalid JSON: ")
        return MalformedBody(f"The body is not JSON: {reason}.")
    first = f"{details[0]['field']}: {details[0]['error']}"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return InvalidInput(f"The request is not valid: {first}{more}.", details=details)


async def parse_files(request: Request, body: bytes, most: int) -> list[bytes]:
    """The files in the fields named `file` of a multipart form, in order.

    Raises:
        MalformedBody: The form does not parse.
        InvalidInput: It has no such file, or text in place of one.
        TooManyRows: More than `most`.
    """

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        request.headers, stream(), max_files=MOST_PARTS, max_fields=MOST_PARTS
    )
    parser.spool_max_size = len(body)  # it is in memory already: no need for a disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise MalformedBody(
            f"The multipart form does not parse: {error.message}"
        ) from error
    try:
        return await _read_files(form, most)
    finally:
        await form.close()


async def _read_files(form: FormData, most: int) -> list[bytes]:
    values = form.getlist(FIELD)
    files = [value for value in values if isinstance(value, UploadFile)]
    if len(files) != len(values) or not files:
        names = "text" if values else ", ".join(form) or "no fields"
        raise InvalidInput(
            f"Expected one or more files in the field {FIELD!r}, received {names}."
        )
    if len(files) > most:
        raise TooManyRows(f"Expected at most {most} files, received {len(files)}.")
    return [await file.read() for file in files]


def refuse(received: str, *expected: str) -> UnsupportedMediaType:
    """The error for a content type that is none of those expected."""
    return UnsupportedMediaType(
        f"Expected a content type of {' or '.join(expected)}, "
        f"received {received or 'none'}."
    )

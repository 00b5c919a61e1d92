"""A request's body to what its content type says it is, within limits.

bytes ─ limit ─ content type ─┬─ JSON ─ cost ─ rows ─ schema ─ base64 ─┐
          │          │        ├─ multipart ─ files ────────────────────┼─▶ image files
    BodyTooLarge     │        └─ image/* ──────────────────────────────┘
          UnsupportedMediaType      MalformedBody, TooManyRows, InvalidInput
"""

import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import from_json
from starlette.requests import Request

from service.errors import (
    BodyTooLarge,
    MalformedBody,
    TooManyRows,
    UnsupportedMediaType,
)
from service.web.http.json_cost import check_cost
from service.web.http.record import ClientDisconnectedError
from service.web.http.wording import check_names, describe
from service.wording import ECHO_CHARACTERS, cut

if TYPE_CHECKING:
    from service.web.state import AppState

JSON = "application/json"
QUICK_BYTES = 65_536  # of a body, which are parsed in less than 5 ms
WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # as zlib numbers its formats


class RequestModel(BaseModel):
    """What a body in JSON must be: every name in it is known.

    Attributes:
        rows_field: The field whose list is counted before it is looked at, if any.
        names: All that are known, in order.
    """

    model_config = ConfigDict(extra="forbid")
    rows_field: ClassVar[str | None] = None
    names: ClassVar[dict[str, None]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Keep the names: to look them up costs more than the rest of a small body."""
        fields = cls.model_fields.items()
        cls.names = dict.fromkeys(field.alias or name for name, field in fields)

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, content: Any) -> Any:
        """One error for all unknown names: Pydantic gives as many as there are."""
        if isinstance(content, dict):
            check_names(content, cls.names)
        return content


Schema = TypeVar("Schema", bound=RequestModel)


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


def parse_json(
    body: bytes, schema: type[Schema], *, max_rows: int, max_values: int
) -> Schema:
    """The body as an instance of `schema`; what it would cost is looked at first.

    Args:
        body: JSON in UTF-8.
        schema: What it must be.
        max_rows: In the list that is the schema's `rows_field`.
        max_values: See `service.web.http.json_cost`.

    Raises:
        MalformedBody: No JSON.
        TooManyRows: More than `max_rows`.
        InvalidInput: JSON of another form; `details` names the fields.
    """
    if is_large(body):
        check_cost(body, max_values)
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise MalformedBody("The body is not JSON: expected UTF-8, received UTF-16.")
    try:
        content = from_json(body.removeprefix(BOM_UTF8))
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from error
    rows = content.get(schema.rows_field) if isinstance(content, dict) else None
    if isinstance(rows, list):
        check_count(len(rows), max_rows)
    return validate(content, schema)


def validate(content: Any, schema: type[Schema]) -> Schema:
    """What was parsed as an instance of `schema`.

    Raises:
        InvalidInput: It is of another form; `details` names the fields.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise describe(error.errors(include_url=False)) from error


def is_large(body: bytes) -> bool:
    """Whether to parse it takes so long that others should not wait for it."""
    return len(body) > QUICK_BYTES


def check_count(count: int, most: int) -> None:
    """Refuse more rows than a request may have.

    Raises:
        TooManyRows: More than `most`.
    """
    if count > most:
        raise TooManyRows(f"Expected at most {most} rows, received {count:,}.")


def refuse(received: str, *expected: str) -> UnsupportedMediaType:
    """The error for a content type that is none of those expected."""
    return UnsupportedMediaType(
        f"Expected a content type of {' or '.join(expected)}, "
        f"received {cut(received, ECHO_CHARACTERS) or 'none'}."
    )

"""A request's body to what its content type says it is, within limits.

bytes ─ limit ─ content type ─┬─ JSON ─ cost ─ rows ─ schema ─ base64 ─┐
          │          │        ├─ multipart ─ files ────────────────────┼─▶ image files
    BodyTooLarge     │        └─ image/* ──────────────────────────────┘
          UnsupportedMediaType      MalformedBody, TooManyRows, InvalidInput
"""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

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
from service.web.http.wording import ECHO_CHARACTERS, check_names, cut, describe

JSON = "application/json"
QUICK_BYTES = 65_536  # of a body, which are parsed in less than 5 ms


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
    """All of the body; where the scope has it already, its size was looked at.

    Raises:
        BodyTooLarge: It is announced to be over `limit` bytes, or has come to be.
        ClientDisconnectedError: The rest will not come.
    """
    whole: bytes | None = request.scope.get("body")
    if whole is not None:
        return whole
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise BodyTooLarge(
            f"The body is too large: expected at most {limit:,} bytes, "
            f"received an announcement of {int(announced):,}."
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

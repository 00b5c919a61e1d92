"""Types that several endpoints share, and their place in the OpenAPI document."""

import binascii
import contextlib
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Self

from fastapi import Query
from fastapi.routing import APIRoute
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from service.web.http.body import JSON, RequestModel
from service.web.http.multipart import FIELD, MULTIPART

Schema = dict[str, Any]  # JSON Schema

ROWS = Field(
    min_length=1, fail_fast=True, json_schema_extra={"maxItems": "max_request_rows"}
)
"""Of a list of rows. A word in place of a number is a setting, here and elsewhere:
`service.web.api.description` says how much that is."""

Version = Annotated[
    int | None,
    Query(
        ge=1, description="Version of the model; the newest that is ready if absent."
    ),
    WithJsonSchema({"type": "integer", "minimum": 1}),  # a query has no null
]


def _read_whole(value: Any) -> Any:
    """JSON knows no integers: 8.0 is 8 (JSON Schema 2020-12, 4.2.3)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_read_whole)  # behind the bounds, or the description loses them

URL_SAFE = bytes.maketrans(b"-_", b"+/")
SPACES = b" \t\r\n\f\v"
FILLING = "= \t\r\n\f\v"
PIECE = 256 * 1024  # characters
MOST_URL_HEAD = 256  # characters before the comma of a data: URL


def _decode_base64(value: Any) -> bytes:
    """Base64 of either alphabet, padded or not, in lines or not, in a data: URL or not.

    What a canvas gives is data:image/png;base64,… (RFC 2397); RFC 4648, section 5, is
    the alphabet that is safe in URLs.
    """
    if not isinstance(value, str):
        raise ValueError(f"expected base64 text, received {_json_type(value)}")
    if len(value) <= PIECE:
        with contextlib.suppress(ValueError):  # the usual way to write it is quicker
            return binascii.a2b_base64(value, strict_mode=True)
    start = 0
    if value[:5].lower() == "data:":
        start = value.find(",", 0, MOST_URL_HEAD) + 1
        if not value[5:start].lower().endswith(";base64,"):
            raise ValueError(f"expected a data: URL in base64, received {value[:48]!r}")
    try:
        return _decode_in_pieces(value, start)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"expected base64, received {error.object[error.start]!r} in it"
        ) from error
    except binascii.Error as error:
        reason = str(error)
        raise ValueError(
            f"expected base64, received {len(value) - start:,} characters that begin "
            f"with {value[start : start + 24]!r}: {reason[:1].lower()}{reason[1:]}"
        ) from error


def _decode_in_pieces(value: str, start: int) -> bytes:
    """In pieces, because the decoder holds the interpreter lock: 75 ms for 16 MB."""
    pieces, rest, end = [], b"", len(value.rstrip(FILLING))
    for at in range(start, end, PIECE):
        piece = value[at : min(end, at + PIECE)].encode("ascii")
        text = rest + piece.translate(URL_SAFE, SPACES)
        if b"=" in text:
            raise binascii.Error("Padding within the data")
        whole = len(text) & ~3
        pieces.append(binascii.a2b_base64(text[:whole], strict_mode=True))
        rest = text[whole:]
    pieces.append(binascii.a2b_base64(rest + b"=" * (-len(rest) % 4), strict_mode=True))
    return b"".join(pieces) if len(pieces) > 1 else pieces[0]


def _json_type(value: Any) -> str:
    """The name in JSON of what is no string."""
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", type(None): "null"}
    return names.get(type(value), "a number")


def either(first: Sequence[str], second: Sequence[str]) -> Callable[[Schema], None]:
    """For `json_schema_extra`: of two groups of fields exactly one is given.

    Those of the other group are left out or null, as the schema takes them.

    Args:
        first: Fields of which at least one is given.
        second: Those in place of them, likewise.
    """

    def extra(schema: Schema) -> None:
        properties = schema.pop("properties")
        schema.pop("required", None)
        rest = {n: properties[n] for n in properties if n not in {*first, *second}}
        schema["oneOf"] = [
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    **{name: _given(properties[name]) for name in given},
                    **rest,
                    **{name: {"type": "null"} for name in absent},
                },
                "required": [*given],
            }
            for given, absent in ((first, second), (second, first))
        ]
        del schema["additionalProperties"], schema["type"]

    return extra


def _given(schema: Schema) -> Schema:
    """The schema of a field that may be null, where it is not."""
    described = {
        name: schema[name] for name in ("title", "description") if name in schema
    }
    kinds = [each for each in schema["anyOf"] if each != {"type": "null"}]
    return {**kinds[0], **described}


def _base64(what: str) -> WithJsonSchema:
    """The description of a file in base64; `what` also names its format."""
    return WithJsonSchema(
        {
            "type": "string",
            "contentEncoding": "base64",
            "format": f"base64-{what}",
            "description": f"An {what} file in base64; a data: URL will do.",
        }
    )


Base64Image = Annotated[bytes, BeforeValidator(_decode_base64), _base64("image")]
Base64Audio = Annotated[bytes, BeforeValidator(_decode_base64), _base64("audio")]


def _file(what: str) -> Schema:
    return {"type": "string", "format": "binary", "description": f"An {what} file."}


class OneOrSeveral(RequestModel):
    """Something alone, or several in a list.

    Attributes:
        one: The field of one; `rows_field` is that of several.
    """

    one: ClassVar[str]
    rows_field: ClassVar[str]

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        alone, several = getattr(self, self.one), getattr(self, self.rows_field)
        if (alone is None) == (several is None):
            given = "neither" if alone is None else "both"
            raise ValueError(
                f"expected either {self.one} or {self.rows_field}, received {given}"
            )
        return self

    def rows(self) -> list[Any]:
        """All of them, in order."""
        alone = getattr(self, self.one)
        return [alone] if alone is not None else list(getattr(self, self.rows_field))


class FilesRequest(OneOrSeveral):
    """The same of files in base64, which may come as they are or in a form, too.

    Attributes:
        media: Their media type.
        file: Their schema in the OpenAPI document.
    """

    media: ClassVar[str]
    file: ClassVar[Schema]


class ImagesRequest(FilesRequest):
    """One image or several, in base64."""

    model_config = ConfigDict(json_schema_extra=either(["image"], ["images"]))
    one, rows_field, media = "image", "images", "image/*"
    file: ClassVar[Schema] = _file("image")

    image: Base64Image | None = None
    images: Annotated[list[Base64Image], ROWS] | None = None


class AudiosRequest(FilesRequest):
    """One audio file or several, in base64."""

    model_config = ConfigDict(json_schema_extra=either(["audio"], ["audios"]))
    one, rows_field, media = "audio", "audios", "audio/*"
    file: ClassVar[Schema] = _file("audio")

    audio: Base64Audio | None = None
    audios: Annotated[list[Base64Audio], ROWS] | None = None


TIMEOUT_PARAMETER = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 1, "maximum": "max_timeout_ms"},
    "description": "Milliseconds after which the answer is worth nothing.",
}
CALL_PARAMETERS: list[dict[str, Any]] = [
    TIMEOUT_PARAMETER,
    {
        "name": "X-Priority",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "enum": ["interactive", "bulk"]},
        "description": "Bulk waits for what is interactive.",
    },
]


def path_parameters(path: str) -> list[dict[str, Any]]:
    """The parameters in a path, for endpoints that read it themselves.

    Args:
        path: Of a route: `/v2/models/{name}/versions/{version}`.
    """
    number = {"type": "integer", "minimum": 1}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": number if name == "version" else {"type": "string"},
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


class DirectRoute(APIRoute):
    """A POST whose endpoint reads the request itself: the middleware calls it directly.

    Its endpoint takes the request, and nothing else that has no default.
    """


class ErrorResponse(BaseModel):
    """What every failed request is answered with."""

    error: str = Field(description="What was wrong, expected, received.")
    code: str = Field(description="The kind of error, for programs.")
    request_id: str = Field(description="Also in the header X-Request-ID and the log.")
    details: list[dict[str, Any]] | None = Field(
        None, description="Which fields were wrong, if any."
    )


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The entries of these statuses in the OpenAPI document."""
    return {status: {"model": ErrorResponse} for status in statuses}


def describe_error(status: int) -> Schema:
    """The entry of one, as FastAPI writes it."""
    schema = {"$ref": "#/components/schemas/ErrorResponse"}
    content = {JSON: {"schema": schema}}
    return {"description": HTTPStatus(status).phrase, "content": content}


BINARY = {"schema": {"type": "string", "format": "binary"}}

PREDICT_ERRORS = error_responses(400, 404, 413, 415, 422, 500, 503, 504)


def how_to_get(model: str) -> str:
    """The command that puts a model into the artifacts folder."""
    return f"python -m training {model}"


def json_body(schema: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """The request body of an endpoint that takes JSON, for the OpenAPI document.

    Args:
        schema: What the body must be.
        example: A body with which the call works.
    """
    content = {JSON: {"schema": schema.model_json_schema(), "example": example}}
    return {
        "requestBody": {"required": True, "content": content},
        "parameters": CALL_PARAMETERS,
    }


def files_body(schema: type[FilesRequest], example: str) -> dict[str, Any]:
    """The request body of an endpoint that takes files, for the OpenAPI document.

    Args:
        schema: Of what it takes in JSON.
        example: A file in base64, with which the call works.
    """
    files = {
        "type": "array",
        "minItems": 1,
        "maxItems": "max_request_rows",
        "items": schema.file,
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": schema.model_json_schema(),
                    "example": {schema.one: example},
                },
                MULTIPART: {
                    "schema": {
                        "type": "object",
                        "required": [FIELD],
                        "properties": {FIELD: files},
                    },
                    "encoding": {FIELD: {"contentType": schema.media}},
                },
                schema.media: {"schema": schema.file},
            },
        },
        "parameters": CALL_PARAMETERS,
    }

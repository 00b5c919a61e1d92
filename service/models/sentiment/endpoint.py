"""Sentiment: texts about films → whether each one likes its film."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from service.engine.batching.tensors import Tensors
from service.errors import InvalidInput, MalformedBody
from service.web.api.model_call import ModelCall
from service.web.api.schemas import (
    PREDICT_ERRORS,
    ROWS,
    TIMEOUT_PARAMETER,
    DirectRoute,
    Version,
    either,
)
from service.web.http.body import JSON, RequestModel, validate

MODEL = "sentiment"
MODELS = (MODEL,)
TEXT = "text/plain"
MOST_CHARACTERS = 100_000  # in one text: some seven times the longest review
MOST_BYTES = 4 * MOST_CHARACTERS + 3  # of them in UTF-8, behind a byte order mark
GROUP_CHARACTERS = 16_000  # computed at a time: 30 to 50 ms of one core
UNKNOWN_SHARE = 0.3  # of the tokens, which hardly a text in English comes to
EXAMPLE = "Not perfect, but I loved every minute of it."

router = APIRouter(tags=["predict"], route_class=DirectRoute)


WORD = re.compile(r"[^\s\ufeff]")


def _check_text(text: str) -> str:
    if not WORD.search(text):
        raise ValueError("expected words, received a text that is empty or blank")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"expected at most {MOST_CHARACTERS:,} characters, received {len(text):,}"
        )
    return text


TEXT_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": MOST_CHARACTERS,
    "pattern": r"[^\s\u001c-\u001f\u0085\ufeff]",  # ECMA's \s and Python's differ
    "description": "A text in English.",
}
Text = Annotated[str, AfterValidator(_check_text), WithJsonSchema(TEXT_SCHEMA)]


class SentimentRequest(RequestModel):
    """One text or several."""

    model_config = ConfigDict(
        strict=True, json_schema_extra=either(["text"], ["texts"])
    )
    rows_field = "texts"

    text: Text | None = None
    texts: Annotated[list[Text], ROWS] | None = Field(None, description="Several.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "SentimentRequest":
        if (self.text is None) == (self.texts is None):
            given = "neither" if self.text is None else "both"
            raise ValueError(f"expected either text or texts, received {given}")
        return self

    def all_texts(self) -> list[str]:
        """The texts, in order."""
        return [self.text] if self.text is not None else list(self.texts or [])


class SentimentPrediction(BaseModel):
    """What one text thinks of its film."""

    label: str = Field(description="positive or negative, the more probable one.")
    probability: float = Field(ge=0, le=1, description="That it is positive.")
    tokens: int = Field(ge=0, description="Words and signs in the text.")
    unknown_tokens: int = Field(
        ge=0, description="Those of which the model knows none."
    )
    warning: str | None = Field(
        None, description="Why the answer means little, where it does."
    )


class SentimentResponse(BaseModel):
    """One prediction for each text, in the order they came."""

    model: str
    version: int
    predictions: list[SentimentPrediction]


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": SentimentRequest.model_json_schema(),
                "example": {"text": EXAMPLE},
            },
            TEXT: {"schema": TEXT_SCHEMA, "example": EXAMPLE},
        },
    },
    "parameters": [TIMEOUT_PARAMETER],
}


@router.post(
    "/v1/predict/sentiment",
    response_model=SentimentResponse,
    response_model_exclude_none=True,
    responses=PREDICT_ERRORS,
    openapi_extra=_BODY,
)
async def predict_sentiment(request: Request, version: Version = None) -> Response:
    """Did they like the film?

    Takes reviews and remarks in English, as JSON or as plain text in UTF-8. HTML is
    read over; of a text in words that the model does not know, a warning says so.
    """
    call = ModelCall(request, MODEL, version)
    kind, body = await call.body(JSON, TEXT)
    wanted = (
        await call.parse(body, SentimentRequest)
        if kind == JSON
        else validate({"text": _read_plain(body)}, SentimentRequest)
    )
    texts = wanted.all_texts()
    _check_total(texts, call.state.settings.max_request_characters)
    groups = await call.decode(
        lambda: [_decode(group) for group in _group(texts)], in_thread=False
    )
    answer = await call.infer_in_turn(groups)
    predictions = [_prediction(*row) for row in zip(*answer.outputs, strict=True)]
    return call.respond(answer, predictions, (p["label"] for p in predictions))


def _read_plain(body: bytes) -> str:
    if len(body) > MOST_BYTES:
        raise InvalidInput(
            f"text: expected at most {MOST_CHARACTERS:,} characters, received "
            f"{len(body):,} bytes."
        )
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"The body is not UTF-8: expected {TEXT} in UTF-8, received the byte "
            f"0x{body[error.start]:02x} at {error.start}."
        ) from error


def _check_total(texts: Sequence[str], most: int) -> None:
    total = sum(map(len, texts))
    if total > most:
        raise InvalidInput(
            f"texts: expected at most {most:,} characters in all, received {total:,}."
        )


def _group(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in their order, so many at a time as others can wait for."""
    first = characters = 0
    for index, text in enumerate(texts):
        if index > first and characters + len(text) > GROUP_CHARACTERS:
            yield texts[first:index]
            first, characters = index, 0
        characters += len(text)
    yield texts[first:]


def _decode(texts: Sequence[str]) -> Tensors:
    """Texts to (rows,) object, each `bytes` in UTF-8."""
    rows = np.empty(len(texts), dtype=object)
    rows[:] = [text.encode() for text in texts]
    return (rows,)


def _prediction(
    probability: np.float32, tokens: np.int32, unknown: np.int32
) -> dict[str, Any]:
    """One row of each output to the fields of `SentimentPrediction`."""
    rounded = round(float(probability), 6)
    found: dict[str, Any] = {
        "label": "positive" if rounded > 0.5 else "negative",
        "probability": rounded,
        "tokens": int(tokens),
        "unknown_tokens": int(unknown),
    }
    warning = _warn(int(tokens), int(unknown))
    return found | {"warning": warning} if warning else found


def _warn(tokens: int, unknown: int) -> str | None:
    if tokens == 0:
        return "There are no words in this text; the answer means nothing."
    if unknown >= UNKNOWN_SHARE * tokens:
        return (
            f"{unknown} of {tokens} tokens are unknown: the model reads English only; "
            f"the answer means little."
        )
    return None

"""Sentiment: texts about films → whether each one likes its film."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.engine.batching.tensors import Tensors
from service.errors import InvalidInput, MalformedBody
from service.web.api.model_call import ModelCall
from service.web.api.schemas import PREDICT_ERRORS, DirectRoute, Version
from service.web.http.body import JSON, parse_json

MODEL = "sentiment"
MODELS = (MODEL,)
TEXT = "text/plain"
MOST_CHARACTERS = 100_000  # in one text: some seven times the longest review
QUICK_CHARACTERS = 20_000  # of all texts, which are checked without a thread
UNKNOWN_SHARE = 0.3  # of the tokens, which hardly a text in English comes to
EXAMPLE = "Not perfect, but I loved every minute of it."

router = APIRouter(tags=["predict"], route_class=DirectRoute)


class SentimentRequest(BaseModel):
    """One text or several."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str | None = Field(None, description="A text in English.")
    texts: list[str] | None = Field(None, min_length=1, description="Several.")

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
            TEXT: {"schema": {"type": "string"}, "example": EXAMPLE},
        },
    }
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
    texts = (
        parse_json(body, SentimentRequest).all_texts()
        if kind == JSON
        else [_read_plain(body)]
    )
    call.check_count(len(texts))
    rows = await call.decode(
        partial(_decode, texts),
        in_thread=sum(map(len, texts)) > QUICK_CHARACTERS,
    )
    answer = await call.infer(rows)
    predictions = [_prediction(*row) for row in zip(*answer.outputs, strict=True)]
    return call.respond(answer, predictions, (p["label"] for p in predictions))


def _read_plain(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"The body is not UTF-8: expected {TEXT} in UTF-8, received the byte "
            f"0x{body[error.start]:02x} at {error.start}."
        ) from error


def _decode(texts: Sequence[str]) -> Tensors:
    """Texts to (rows,) object, each `bytes` in UTF-8."""
    rows = np.empty(len(texts), dtype=object)
    for index, text in enumerate(texts):
        rows[index] = _encode(text, index, alone=len(texts) == 1)
    return (rows,)


def _encode(text: str, index: int, *, alone: bool) -> bytes:
    problem = None
    if not text or text.isspace():
        problem = "expected words, received a text that is empty or blank"
    elif len(text) > MOST_CHARACTERS:
        problem = (
            f"expected at most {MOST_CHARACTERS:,} characters, received {len(text):,}"
        )
    if problem is None:
        return text.encode()
    field = "text" if alone else f"texts.{index}"
    raise InvalidInput(
        f"{field}: {problem}.", details=[{"field": field, "error": problem}]
    )


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

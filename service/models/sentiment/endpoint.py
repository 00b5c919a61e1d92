"""Sentiment: texts about films → whether each one likes its film."""

from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.contract.task import TextClassification
from service.engine.batching.tensors import Tensors
from service.tasks.endpoint import Given, Wanted
from service.tasks.texts import TextEndpoint

MOST_CHARACTERS = 100_000  # in one text: some seven times the longest review
UNKNOWN_SHARE = 0.3  # of the tokens, which hardly a text in English comes to
EXAMPLE = "Not perfect, but I loved every minute of it."


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


class Sentiment(TextEndpoint):
    """Did they like the film?

    Takes reviews and remarks in English, as JSON or as plain text in UTF-8. HTML is
    read over; of a text in words that the model does not know, a warning says so.
    """

    model = "sentiment"
    task = TextClassification(max_characters=MOST_CHARACTERS)
    prediction = SentimentPrediction

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `SentimentPrediction`."""
        return [_prediction(*row) for row in zip(*outputs, strict=True)]


SENTIMENT = Sentiment(MOST_CHARACTERS, EXAMPLE, "A text in English.")
ENDPOINTS = {SENTIMENT.model: SENTIMENT}
router = SENTIMENT.router()


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

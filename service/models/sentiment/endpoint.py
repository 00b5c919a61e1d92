"""Sentiment: texts about films → whether each one likes its film."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.contract.task import SERVING, TextClassification
from service.engine.batching.tensors import Tensors
from service.tasks.endpoint import Given, Wanted
from service.tasks.texts import TextEndpoint

MOST_CHARACTERS = 100_000  # in one text: some seven times the longest review
UNKNOWN_SHARE = 0.3  # of the tokens, which hardly a text in English comes to
UNSURE_WITHIN = "unsure_within"  # of 0.5, a constant of the manifest from version 2 on
LEAST_FAMILIARITY = "least_familiarity"  # likewise: by how many words there are
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
    read over. Where the model does not know, a warning says why: another language, no
    word that it knows, or a probability near 0.5.
    """

    model = "sentiment"
    task = TextClassification(max_characters=MOST_CHARACTERS)
    prediction = SentimentPrediction

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `SentimentPrediction`."""
        names = [each.name for each in contract.signatures[SERVING].outputs]
        rows = zip(*(column.tolist() for column in outputs), strict=True)
        found = [Reading(**dict(zip(names, row, strict=True))) for row in rows]
        return [_prediction(each, contract.constants) for each in found]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a version says of one text; version 1 says the first three only.

    Attributes:
        probability: that it is positive.
        tokens: words and signs.
        unknown_tokens: those that are not in the vocabulary.
        known_words: those that are, and more than a full stop or the like.
        familiarity: how usual its words are in the training reviews, the mean
            logarithm to base 10 of their shares of all words there.
    """

    probability: float
    tokens: int
    unknown_tokens: int
    known_words: int | None = None
    familiarity: float | None = None


SENTIMENT = Sentiment(MOST_CHARACTERS, EXAMPLE, "A text in English.")
ENDPOINTS = {SENTIMENT.model: SENTIMENT}
router = SENTIMENT.router()


def _prediction(reading: Reading, constants: Mapping[str, Any]) -> dict[str, Any]:
    """One text's outputs to the fields of `SentimentPrediction`."""
    rounded = round(reading.probability, 6)
    found: dict[str, Any] = {
        "label": "positive" if rounded > 0.5 else "negative",
        "probability": rounded,
        "tokens": reading.tokens,
        "unknown_tokens": reading.unknown_tokens,
    }
    warning = _warn(reading, constants)
    return found | {"warning": warning} if warning else found


def _warn(reading: Reading, constants: Mapping[str, Any]) -> str | None:
    tokens, unknown = reading.tokens, reading.unknown_tokens
    if tokens == 0:
        return "There are no words in this text; the answer means nothing."
    if reading.known_words == 0 and unknown == 0:
        return "There is only punctuation in this text; the answer means nothing."
    if unknown >= UNKNOWN_SHARE * tokens:
        return (
            f"{unknown} of {tokens} tokens are unknown: the model reads English only; "
            f"the answer means little."
        )
    if _is_strange(reading, constants.get(LEAST_FAMILIARITY, ())):
        return (
            "The words are unusual in English: the model reads English only; the "
            "answer means little."
        )
    if abs(reading.probability - 0.5) < constants.get(UNSURE_WITHIN, 0):
        return "The probability is near 0.5: the model does not know."
    return None


def _is_strange(reading: Reading, least: Sequence[Mapping[str, float]]) -> bool:
    """Whether a text of so many words has hardly an English one.

    Args:
        reading: of the text.
        least: `familiarity`, and `from_words` on which it holds, rising.
    """
    if reading.known_words is None or reading.familiarity is None:
        return False
    words = max(reading.known_words + reading.unknown_tokens, 1)
    bounds = [each["familiarity"] for each in least if each["from_words"] <= words]
    return bool(bounds) and reading.familiarity < bounds[-1]

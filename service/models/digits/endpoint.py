"""Handwritten digits: pictures → which digit each one shows, or which ones."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.contract.task import ImageClassification
from service.engine.batching.tensors import Tensors
from service.models.digits.finding import DOUBTFUL_FROM
from service.models.digits.finding import Box as Corners
from service.models.digits.form import SIDE, is_prepared, upright
from service.models.digits.looking import (
    BLANK,
    NO_DIGIT,
    Chosen,
    Seen,
    choose,
    group,
    look,
)
from service.models.digits.numbers import in_reading_order
from service.tasks.endpoint import Given, Wanted, answer_model
from service.tasks.images import ImageEndpoint
from service.tasks.pictures import to_base64
from service.web.api.model_call import ModelCall
from service.web.api.schemas import Version
from service.web.imaging.decode import read_plain

MOST_AT_ONCE = 16  # images that are read in less time than another process is asked
MOST_THINGS = 4  # that are looked at in a picture of one digit, the largest
MOST_DIGITS = 64  # in a picture of many
UNSURE = 0.5  # confidence below which the answer is little more than a guess

# A seven from the MNIST test set (its first image), 28×28, as PNG.
EXAMPLE = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAAwUlEQVR42mNgGDaAEUKFpD77sfTF"
    "HeyS9xQYGBg+X4UKPuk6w8DAwMDAAuGm6l/TMnSweCzLwPDntSTDozPIOhkYGBgYBA3PmDIw/Lh1"
    "XShnGi5nBP+9KIRLTuzl/2AokwlDMlv0/U1cGq1//rPD6fHWf7tZcclxnv1hhVNj3b9tOOW8f3+w"
    "xCUnfPffMlxyzKf/3VbGJan2758vLjn5B/+KGXF78Z8JLjnbT+iSSGFrw8Nw9wuKJAsy56LzO+IT"
    "GABpETyQcCy90wAAAABJRU5ErkJggg=="
)

Prepared = Annotated[
    bool,
    Query(description="Whether the answer shows what the model saw, and where."),
]
Many = Annotated[
    bool,
    Query(description="Whether to read every digit, and not the one that stands out."),
]


class Box(BaseModel):
    """A part of a picture, in its pixels, counted from the left and from the top."""

    left: int
    top: int
    width: int
    height: int


class DigitPrediction(BaseModel):
    """What one picture shows."""

    digit: int = Field(ge=0, le=9, description="The most probable digit.")
    confidence: float = Field(ge=0, le=1, description="Its probability.")
    probabilities: list[float] = Field(
        min_length=10, max_length=10, description="Of the digits 0 to 9, in order."
    )
    no_digit: float | None = Field(
        None,
        ge=0,
        le=1,
        description="The probability that it is no digit; all eleven add up to 1.",
    )
    warning: str | None = Field(
        None, description="Why the answer means little, where it does."
    )
    prepared: str | None = Field(
        None, description="What the model saw, 28×28, if asked for: PNG in base64."
    )
    box: Box | None = Field(None, description="Where that is, if asked for.")


class NumberPrediction(BaseModel):
    """All that one picture shows, if many digits are asked for."""

    number: str = Field(
        description="The digits in reading order; lines are separated by a blank."
    )
    digits: list[DigitPrediction] = Field(description="Each one, in the same order.")
    warning: str | None = Field(None, description="Why it means little, if it does.")


class Digits(ImageEndpoint):
    """Which digit is it? Or, with `many`: which number?

    Takes photos, screenshots and drawings: any size, dark on light or light on dark, on
    any paper, JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP or TIFF. What is no digit, or not
    one alone, is answered with a warning.
    """

    model = "digits"
    task = ImageClassification(size=(SIDE, SIDE), colour="grey", top_k=10)
    label, example = "digit", EXAMPLE

    def __init__(self, *, shows: bool = False):
        self._shows = shows  # what the model saw, and where

    def response(self, model: str) -> type[BaseModel]:
        """See `Endpoint`."""
        either = list[DigitPrediction | NumberPrediction]
        return answer_model(model, "", predictions=(either, ...))

    async def ask(
        self,
        request: Request,
        version: Version = None,
        prepared: Prepared = False,  # noqa: FBT002  # FastAPI's way
        many: Many = False,  # noqa: FBT002
    ) -> Response:
        """See `Endpoint`."""
        endpoint = NUMBERS if many else SHOWN if prepared else self
        return await endpoint.answer(ModelCall(request, self.model, version))

    async def read_all(self, call: ModelCall, rows: Sequence[bytes]) -> Given:
        """See `TaskEndpoint`."""
        if not self._shows:
            at_once = await call.decode(lambda: _read_at_once(rows), in_thread=False)
            if at_once:
                return Given([at_once])
        chosen = await choose(call, await look(call, rows, MOST_THINGS))
        return Given([(np.stack([each.digit for each in chosen]),)], chosen)

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `DigitPrediction`."""
        doubtful = contract.constants.get(DOUBTFUL_FROM, 1.0)
        found = [_prediction(row, doubtful) for row in outputs[0].tolist()]
        if given.sources:
            for each, chosen in zip(found, given.sources, strict=True):
                _add_warning(each, chosen)
                if self._shows:
                    each["prepared"] = to_base64(chosen.digit)
                    each["box"] = _box(chosen.box)
        return found


class Numbers(Digits):
    """Every digit of a picture."""

    label = ""

    async def read_all(self, call: ModelCall, rows: Sequence[bytes]) -> Given:
        """See `TaskEndpoint`."""
        seen = await look(call, rows, MOST_DIGITS, beside=True)
        digits = [digit for each in seen for digit in each.digits]
        # Nothing was written anywhere: one blank has to be read all the same.
        return Given(group(digits or [BLANK]), seen)

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `NumberPrediction`."""
        doubtful = contract.constants.get(DOUBTFUL_FROM, 1.0)
        rows = iter(outputs[0].tolist())
        return [
            _number(seen, [_prediction(next(rows), doubtful) for _ in seen.digits])
            for seen in given.sources
        ]


DIGITS, SHOWN, NUMBERS = Digits(), Digits(shows=True), Numbers()
ENDPOINTS = {DIGITS.model: DIGITS}
router = DIGITS.router()


def _read_at_once(images: Sequence[bytes]) -> Tensors | None:
    """Images that have MNIST's form already, 20 µs each; None if any has not."""
    if len(images) > MOST_AT_ONCE:
        return None
    rows = []
    for data in images:
        pixels = read_plain(data, max_pixels=SIDE * SIDE, longest=SIDE)
        if pixels is None or pixels.shape != (SIDE, SIDE):
            return None
        digit = upright(pixels)
        if not is_prepared(digit):
            return None
        rows.append(digit)
    return (np.stack(rows) if len(rows) > 1 else rows[0][np.newaxis],)


def _prediction(exact: list[float], doubtful: float) -> dict[str, Any]:
    """Eleven numbers that are float32, or ten, to the fields of `DigitPrediction`."""
    # What `round(each, 6)` gives, in a third of its time: of float32 the product is
    # exact, since it has 24 bits and a million, without its six zeros, has 14.
    rounded = [round(each * 1e6) / 1e6 for each in exact]
    digit = exact.index(max(exact[:NO_DIGIT]))
    confidence = rounded[digit]
    found: dict[str, Any] = {
        "digit": digit,
        "confidence": confidence,
        "probabilities": rounded[:NO_DIGIT],
    }
    if len(rounded) > NO_DIGIT:
        found["no_digit"] = none = rounded[NO_DIGIT]
        if none >= doubtful:
            found["warning"] = (
                f"This may be no digit: with a probability of {none:.2f} it is a "
                "letter, a sign, several digits at once, or nothing."
            )
        elif confidence < UNSURE:
            found["warning"] = (
                "None of the ten digits is likely; the answer is a guess."
            )
    return found


def _add_warning(found: dict[str, Any], chosen: Chosen) -> None:
    if not chosen.digit.any():
        found["warning"] = (
            "No handwriting was found in this picture: expected one digit; the answer "
            "means nothing."
        )
    elif chosen.others and "warning" not in found:
        found["warning"] = (
            f"{chosen.others + 1} digits were found, and one of them was read: "
            "expected one digit, or ?many=true, which reads them all."
        )


def _box(corners: Corners | None) -> dict[str, int] | None:
    if corners is None:
        return None
    left, top, right, bottom = corners
    return {"left": left, "top": top, "width": right - left, "height": bottom - top}


def _number(seen: Seen, found: list[dict[str, Any]]) -> dict[str, Any]:
    """What was read of one picture to the fields of `NumberPrediction`."""
    digits = [
        (found[at] | {"box": _box(seen.boxes[at])}, seen.boxes[at])
        for at in seen.settle([each.get("no_digit", 0.0) for each in found])
        if found[at].get("no_digit", 0.0) <= found[at]["confidence"]
    ]
    lines = in_reading_order(digits)
    content: dict[str, Any] = {
        "number": " ".join(
            "".join(str(each["digit"]) for each in line) for line in lines
        ),
        "digits": [each for line in lines for each in line],
    }
    if not digits:
        content["warning"] = "No digit was found in this picture."
    return content

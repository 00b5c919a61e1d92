"""Handwritten digits: pictures → which digit each one shows."""

import base64
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.contract.task import ImageClassification
from service.engine.batching.tensors import Tensors
from service.models.digits.handwriting import (
    SIDE,
    is_prepared,
    read_digit,
    read_located_digit,
)
from service.tasks.endpoint import Given, Wanted
from service.tasks.images import ImageEndpoint
from service.web.api.model_call import ModelCall
from service.web.api.schemas import DirectRoute, Version
from service.web.imaging.decode import read_plain
from service.web.imaging.encode import to_png

MODEL = "digits"
MOST_AT_ONCE = 16  # images that are read in less time than another process is asked

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

router = APIRouter(tags=["predict"], route_class=DirectRoute)


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
    prepared: str | None = Field(
        None, description="What the model saw, 28×28, if asked for: PNG in base64."
    )
    box: Box | None = Field(None, description="Where that is, if asked for.")


class Digits(ImageEndpoint):
    """Digits, which are found in the picture first."""

    task = ImageClassification(size=(SIDE, SIDE), colour="grey", top_k=10)
    prediction, label = DigitPrediction, "digit"
    read_image, example = staticmethod(read_digit), EXAMPLE

    async def read_all(self, call: ModelCall, rows: Sequence[bytes]) -> Given:
        """See `TaskEndpoint`."""
        at_once = await call.decode(lambda: _read_at_once(rows), in_thread=False)
        return Given([at_once or await call.read_images(rows, self.read_image)])

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `DigitPrediction`."""
        return [_prediction(row) for row in outputs[0].tolist()]


class LocatedDigits(Digits):
    """The same, with what the model saw, and where."""

    async def read_all(self, call: ModelCall, rows: Sequence[bytes]) -> Given:
        """See `TaskEndpoint`."""
        (located,) = await call.read_images(rows, read_located_digit)
        pixels = located[:, 4:].reshape(-1, SIDE, SIDE).astype(np.uint8)
        boxes = located[:, :4].tolist()
        return Given([(pixels,)], [*zip(pixels, boxes, strict=True)])

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `DigitPrediction`."""
        found = super().predict(given, outputs, contract, wanted)
        return [
            each | _location(pixels, box)
            for each, (pixels, box) in zip(found, given.sources, strict=True)
        ]


def _location(pixels: np.ndarray, box: list[int]) -> dict[str, Any]:
    """uint8 (28, 28), and where it was, to the fields of `DigitPrediction`."""
    named = dict(zip(Box.model_fields, box, strict=True)) if any(box) else None
    prepared = base64.b64encode(to_png(pixels)).decode()
    return {"prepared": prepared, "box": named}


DIGITS, LOCATED = Digits(), LocatedDigits()
ENDPOINTS = {MODEL: DIGITS}


@router.post("/v1/predict/digits", **DIGITS.route(MODEL))
async def predict_digits(
    request: Request,
    version: Version = None,
    prepared: Prepared = False,  # noqa: FBT002  # FastAPI's way
) -> Response:
    """Which digit is it?

    Takes photos, screenshots and drawings of one digit each: any size, dark on light or
    light on dark, JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP or TIFF.
    """
    endpoint = LOCATED if prepared else DIGITS
    return await endpoint.answer(ModelCall(request, MODEL, version))


def _read_at_once(images: Sequence[bytes]) -> Tensors | None:
    """Images that have MNIST's form already, 20 µs each; None if any has not."""
    if len(images) > MOST_AT_ONCE:
        return None
    rows = []
    for data in images:
        pixels = read_plain(data, max_pixels=SIDE * SIDE, longest=SIDE)
        if pixels is None or pixels.shape != (SIDE, SIDE):
            return None
        upright = ~pixels if pixels[0, 0] > 127 else pixels
        if not is_prepared(upright):
            return None
        rows.append(upright)
    return (np.stack(rows) if len(rows) > 1 else rows[0][np.newaxis],)


def _prediction(exact: list[float]) -> dict[str, Any]:
    """Ten numbers that are float32 to the fields of `DigitPrediction`."""
    digit = exact.index(max(exact))
    # What `round(each, 6)` gives, in a third of its time: of float32 the product is
    # exact, since it has 24 bits and a million, without its six zeros, has 14.
    rounded = [round(each * 1e6) / 1e6 for each in exact]
    return {"digit": digit, "confidence": rounded[digit], "probabilities": rounded}

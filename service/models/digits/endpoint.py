"""Handwritten digits: pictures → which digit each one shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from service.engine.batching.tensors import Tensors
from service.models.digits.handwriting import SIDE, is_prepared, read_digit
from service.web.api.model_call import ModelCall
from service.web.api.schemas import PREDICT_ERRORS, DirectRoute, Version, images_body
from service.web.imaging.decode import read_plain

MODEL = "digits"
MODELS = (MODEL,)

MOST_AT_ONCE = 16  # images that are read in less time than another process is asked

# A seven from the MNIST test set (its first image), 28×28, as PNG.
EXAMPLE = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAAwUlEQVR42mNgGDaAEUKFpD77sfTF"
    "HeyS9xQYGBg+X4UKPuk6w8DAwMDAAuGm6l/TMnSweCzLwPDntSTDozPIOhkYGBgYBA3PmDIw/Lh1"
    "XShnGi5nBP+9KIRLTuzl/2AokwlDMlv0/U1cGq1//rPD6fHWf7tZcclxnv1hhVNj3b9tOOW8f3+w"
    "xCUnfPffMlxyzKf/3VbGJan2758vLjn5B/+KGXF78Z8JLjnbT+iSSGFrw8Nw9wuKJAsy56LzO+IT"
    "GABpETyQcCy90wAAAABJRU5ErkJggg=="
)

router = APIRouter(tags=["predict"], route_class=DirectRoute)


class DigitPrediction(BaseModel):
    """What one picture shows."""

    digit: int = Field(ge=0, le=9, description="The most probable digit.")
    confidence: float = Field(ge=0, le=1, description="Its probability.")
    probabilities: list[float] = Field(
        min_length=10, max_length=10, description="Of the digits 0 to 9, in order."
    )


class DigitsResponse(BaseModel):
    """One prediction for each picture, in the order they came."""

    model: str
    version: int
    predictions: list[DigitPrediction]


@router.post(
    "/v1/predict/digits",
    response_model=DigitsResponse,
    responses=PREDICT_ERRORS,
    openapi_extra=images_body(EXAMPLE),
)
async def predict_digits(request: Request, version: Version = None) -> Response:
    """Which digit is it?

    Takes photos, screenshots and drawings of one digit each: any size, dark on light or
    light on dark, JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP or TIFF.
    """
    call = ModelCall(request, MODEL, version)
    images = await call.images()
    call.check_count(len(images))
    rows = await call.decode(lambda: _read_at_once(images), in_thread=False)
    if rows is None:
        rows = await call.read_images(images, read_digit)
    answer = await call.infer(rows)
    (probabilities,) = answer.outputs
    predictions = [_prediction(row) for row in probabilities.tolist()]
    return call.respond(answer, predictions, [str(p["digit"]) for p in predictions])


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

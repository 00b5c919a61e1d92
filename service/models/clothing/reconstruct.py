"""A picture of a garment → its latent vector, and what the decoder makes of that."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from service.models.clothing.garments import read_garment
from service.models.clothing.latents import settle
from service.models.clothing.vocabulary import (
    CATEGORIES,
    CATEGORY_SCHEMA,
    DECODER,
    ENCODER,
    EXAMPLE_IMAGE,
    VAE,
    Category,
    output,
)
from service.tasks.generation import LARGEST_SCALE, SCALE, is_much, weigh
from service.tasks.pictures import to_base64
from service.web.api.model_call import ModelCall
from service.web.api.schemas import (
    PREDICT_ERRORS,
    DirectRoute,
    ImagesRequest,
    Version,
    files_body,
)

ChosenCategory = Annotated[
    Category | None,
    Query(description="Of every image; the most probable one of each if absent."),
    CATEGORY_SCHEMA,  # a query has no null
]
ChosenScale = Annotated[int, Query(ge=1, le=LARGEST_SCALE, description=SCALE)]

router = APIRouter(tags=["generate"], route_class=DirectRoute)


class Reconstruction(BaseModel):
    """What became of one picture."""

    category: str = Field(description="That it was drawn as.")
    probability: float = Field(ge=0, le=1, description="Of that category.")
    probabilities: dict[str, float] = Field(description="Of all ten, by the encoder.")
    latent: list[float] = Field(
        description="The encoding, as drawn from: within ±4, multiples of 1/32."
    )
    prepared: str = Field(description="What the encoder saw: PNG in base64.")
    reconstruction: str = Field(description="What the decoder drew: PNG in base64.")


class ReconstructResponse(BaseModel):
    """One reconstruction for each picture, in the order they came."""

    model: str
    version: int
    reconstructions: list[Reconstruction]


@router.post(
    "/v1/reconstruct/clothing",
    response_model=ReconstructResponse,
    responses=PREDICT_ERRORS,
    openapi_extra=files_body(ImagesRequest, EXAMPLE_IMAGE),
)
async def reconstruct_clothing(
    request: Request,
    version: Version = None,
    category: ChosenCategory = None,
    scale: ChosenScale = 1,
) -> Response:
    """A garment, through the bottleneck and back.

    Takes photos of one garment each on a plain background, light or dark: any size,
    JPEG, PNG, WebP, GIF, HEIC, AVIF, BMP or TIFF; or images of Fashion-MNIST as they
    are.
    """
    call = ModelCall(request, VAE, version)
    images = await call.files(ImagesRequest)
    contract = call.pin()
    rows = await call.read_images(images, read_garment)
    encoded = await call.infer(rows, ENCODER)
    latents = settle(output(contract, ENCODER, encoded, "latent"))
    beliefs = output(contract, ENCODER, encoded, "category")
    categories = [category or CATEGORIES[i] for i in beliefs.argmax(axis=1)]
    drawn = await call.infer((latents, weigh(categories, CATEGORIES)), DECODER)

    def describe() -> Response:
        parts = (categories, beliefs, latents, rows[0], drawn.outputs[0])
        found = [_describe(*part, scale) for part in zip(*parts, strict=True)]
        return call.respond(drawn, found, "reconstructions")

    much = is_much(2 * rows[0].size, scale)
    response = await call.encode(describe, in_thread=much)
    call.count(categories)
    return response


def _describe(
    category: str,
    beliefs: np.ndarray,
    latent: np.ndarray,
    prepared: np.ndarray,
    drawn: np.ndarray,
    scale: int,
) -> dict[str, Any]:
    """Arrays of one row to the fields of `Reconstruction`."""
    rounded = beliefs.astype(np.float64).round(6).tolist()
    probabilities = dict(zip(CATEGORIES, rounded, strict=True))
    return {
        "category": category,
        "probability": probabilities[category],
        "probabilities": probabilities,
        "latent": latent.tolist(),
        "prepared": to_base64(prepared, scale),
        "reconstruction": to_base64(drawn, scale),
    }

"""Clothing that never was: a seed, a category → pictures, by either generator."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.contract.contract import Contract
from service.contract.task import ImageGeneration
from service.models.clothing.latents import settle
from service.models.clothing.vocabulary import DECODER, GENERATORS, Category
from service.tasks.generation import (
    FORMS,
    Count,
    Generator,
    Scale,
    Seed,
    Temperature,
)
from service.tasks.pictures import PNG, ZIP
from service.web.api.model_call import ModelCall
from service.web.api.schemas import (
    BINARY,
    PREDICT_ERRORS,
    DirectRoute,
    Version,
    error_responses,
    json_body,
)
from service.web.http.body import RequestModel

EXAMPLE = {"category": "sandal", "count": 4, "seed": 7}

router = APIRouter(tags=["generate"], route_class=DirectRoute)


class GenerateRequest(RequestModel):
    """What to draw; an empty body draws one of each category."""

    model_config = ConfigDict(strict=True)

    generator: Literal["vae", "gan"] = Field(
        "vae", description="The latents of `vae` can be sent on to interpolate."
    )
    category: Category | None = Field(
        None, description="Omitted: all ten in turn; image i is of category i mod 10."
    )
    count: Count = 10
    seed: Seed = None
    temperature: Temperature = None
    scale: Scale = 1


class ClothingImage(BaseModel):
    """One garment that never was."""

    category: str = Field(description="That was asked for.")
    image: str = Field(description="PNG, grey on black, in base64.")
    latent: list[float] = Field(description="What it was drawn from, besides.")


class GenerateResponse(BaseModel):
    """The images, and all that it takes to draw them again."""

    model: str
    version: int
    generator: Literal["vae", "gan"]
    seed: int
    temperature: float
    images: list[ClothingImage]


class Clothing(Generator):
    """Garments, by either of two models; with the latents that they were drawn from."""

    task, name, field = ImageGeneration(signature=DECODER), "clothing", "category"
    request = GenerateRequest

    def __init__(self) -> None:
        """Its request is known before its models are."""

    def path(self, model: str) -> str:
        """See `Endpoint`; that of both models."""
        return super().path(self.name)

    def use_model(self, call: ModelCall, asked: Any) -> None:
        """See `Generator`."""
        call.use_model(GENERATORS[asked.generator])

    def decide(self, asked: Any, contract: Contract) -> dict[str, Any]:
        """See `Generator`."""
        model, version, *rest = super().decide(asked, contract).items()
        return dict([model, version, ("generator", asked.generator), *rest])

    def settle(self, latents: np.ndarray) -> np.ndarray:
        """See `Generator`."""
        return settle(latents)

    def tell(self, latents: np.ndarray) -> Sequence[dict[str, Any]]:
        """See `Generator`."""
        return [{"latent": latent.tolist()} for latent in latents]


CLOTHING = Clothing()


@router.post(
    "/v1/generate/clothing",
    response_model=GenerateResponse,
    responses={
        200: {
            "description": FORMS.format(name="clothing"),
            "content": {PNG: BINARY, ZIP: BINARY},
        },
        **PREDICT_ERRORS,
        **error_responses(406),
    },
    openapi_extra=json_body(GenerateRequest, EXAMPLE, required=False),
)
async def generate_clothing(request: Request, version: Version = None) -> Response:
    """Clothing that never was.

    Draws images of garments, 28×28 and grey, of one category or of all ten. The same
    seed gives the same bytes, whatever else the service is doing.
    """
    return await CLOTHING.answer(ModelCall(request, "", version))

"""Clothing that never was: a seed, a category → pictures, by either generator."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.contract.contract import Contract
from service.contract.task import ImageGeneration
from service.models.clothing.latents import settle
from service.models.clothing.vocabulary import DECODER, GENERATORS, Category
from service.tasks.generation import Count, Generator, Scale, Seed, Temperature
from service.web.api.model_call import ModelCall
from service.web.api.schemas import Version, error_responses
from service.web.http.body import RequestModel

EXAMPLE = {"category": "sandal", "count": 4, "seed": 7}
FORMS = (
    "By the `Accept` header: JSON; one contact sheet; or a ZIP of a PNG an image with "
    "`clothing.json`. The latter two carry X-Seed, X-Temperature, X-Model and "
    "X-Version."
)


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
    """Clothing that never was.

    Draws images of garments, 28×28 and grey, of one category or of all ten. The same
    seed gives the same bytes, whatever else the service is doing.
    """

    model = name = "clothing"
    task, field = ImageGeneration(signature=DECODER), "category"
    request, example = GenerateRequest, EXAMPLE
    responses: ClassVar = {
        200: {"description": FORMS, "content": Generator.other_answers},
        **error_responses(406),
    }

    def __init__(self) -> None:
        """Its request is known before its models are."""

    def path(self, model: str) -> str:
        """See `Endpoint`; that of both models."""
        return super().path(self.model)

    def response(self, model: str) -> type[BaseModel]:
        """See `Endpoint`."""
        return GenerateResponse

    async def ask(self, request: Request, version: Version = None) -> Response:
        """See `Endpoint`; only the body tells which model is asked."""
        return await self.answer(ModelCall(request, "", version))

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
router = CLOTHING.router()

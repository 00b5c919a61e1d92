"""Clothing that never was: a seed, a category → pictures, by either generator."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.contract.contract import Contract
from service.engine.batching.tensors import Tensors
from service.models.clothing.generation_answer import PNG, ZIP, GeneratedClothing
from service.models.clothing.latents import LARGEST_SEED, draw_latents
from service.models.clothing.vocabulary import (
    CATEGORIES,
    DECODER,
    GENERATORS,
    Category,
    Scale,
    is_much,
    latent_dims,
    weigh,
)
from service.web.api.model_call import ModelCall
from service.web.api.schemas import (
    BINARY,
    PREDICT_ERRORS,
    WHOLE,
    DirectRoute,
    Version,
    error_responses,
    json_body,
)
from service.web.http.body import JSON, RequestModel
from service.web.http.negotiation import choose

MOST_IMAGES = 256
HOTTEST = 1.5
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
    count: Annotated[int, Field(ge=1, le=MOST_IMAGES), WHOLE] = Field(
        10, description="How many images."
    )
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED), WHOLE] | None = Field(
        None,
        description="The same seed gives the same images, and of fewer the first ones. "
        "Omitted: one is drawn, and said in the answer.",
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=HOTTEST,
        allow_inf_nan=False,
        description="Multiplies the latents: less is more usual, more is more varied. "
        "Omitted: as the model was measured.",
    )
    scale: Scale = 1

    def categories(self) -> list[str]:
        """The category of every image."""
        if self.category is not None:
            return [self.category] * self.count
        return [CATEGORIES[i % len(CATEGORIES)] for i in range(self.count)]


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


@router.post(
    "/v1/generate/clothing",
    response_model=GenerateResponse,
    responses={
        200: {
            "description": "By the `Accept` header: JSON; one contact sheet; or a ZIP "
            "of a PNG an image with `clothing.json`. The latter two carry X-Seed, "
            "X-Temperature, X-Model and X-Version.",
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
    call = ModelCall(request, "", version)
    kind = choose(request.headers.get("accept"), (JSON, PNG, ZIP))
    wanted = await call.json_or_nothing(GenerateRequest)
    call.use_model(GENERATORS[wanted.generator])
    call.check_count(wanted.count)
    contract = call.pin()
    facts = _decide(wanted, contract)
    categories = wanted.categories()
    rows = await call.decode(
        lambda: _draw(facts, categories, latent_dims(contract)), in_thread=False
    )
    answer = await call.infer(rows, DECODER)
    generated = GeneratedClothing(
        facts=facts,
        categories=categories,
        latents=rows[0],
        images=answer.outputs[0],
        by_category=wanted.category is None and wanted.count >= len(CATEGORIES),
        scale=wanted.scale,
    )
    response = await call.encode(
        lambda: generated.respond(kind), in_thread=is_much(wanted.count, wanted.scale)
    )
    call.count(categories)
    return response


def _decide(wanted: GenerateRequest, contract: Contract) -> dict[str, Any]:
    """What the caller left open, and all else that it takes to draw the same again."""
    seed, temperature = wanted.seed, wanted.temperature
    if temperature is None:
        temperature = float(contract.constants.get("temperature", 1.0))
    return {
        "model": contract.name,
        "version": contract.version,
        "generator": wanted.generator,
        "seed": secrets.randbits(32) if seed is None else seed,
        "temperature": temperature,
    }


def _draw(facts: dict[str, Any], categories: Sequence[str], dims: int) -> Tensors:
    """Latents float32 (rows, dims), and float32 (rows, 10), 1 for the category."""
    latents = draw_latents(facts["seed"], len(categories), dims, facts["temperature"])
    return latents, weigh(categories)

"""Two garments → the steps between them, as pictures or as an animation."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from service.contract.contract import Contract
from service.engine.batching.tensors import Tensors
from service.errors import InvalidInput
from service.models.clothing.garments import read_garment
from service.models.clothing.interpolation_answer import GIF, End, Interpolation
from service.models.clothing.latents import LIMIT, blend, settle
from service.models.clothing.vocabulary import (
    CATEGORIES,
    DECODER,
    ENCODER,
    EXAMPLE_IMAGE,
    VAE,
    Category,
    latent_dims,
    output,
)
from service.tasks.generation import Scale, is_much, weigh
from service.tasks.pictures import PNG
from service.web.api.model_call import ModelCall
from service.web.api.schemas import (
    BINARY,
    PREDICT_ERRORS,
    WHOLE,
    Base64Image,
    DirectRoute,
    Schema,
    Version,
    either,
    error_responses,
    json_body,
)
from service.web.http.body import JSON, RequestModel

MOST_STEPS = 64
MOST_DIMS = 1024  # of any version's latent vectors; how many of this one's it says

Coordinate = Annotated[float, Field(ge=-LIMIT, le=LIMIT, allow_inf_nan=False)]

router = APIRouter(tags=["generate"], route_class=DirectRoute)


def _image_or_latent(schema: Schema) -> None:
    """A latent needs a category, an image does not."""
    category = schema["properties"]["category"]
    either(["image"], ["latent"])(schema)
    latent = schema["oneOf"][1]
    latent["properties"]["category"] = category["anyOf"][0]
    latent["required"].append("category")


class Garment(RequestModel):
    """A picture, or a latent vector with its category."""

    model_config = ConfigDict(json_schema_extra=_image_or_latent)

    image: Base64Image | None = None
    latent: (
        Annotated[
            list[Coordinate],
            Field(
                max_length=MOST_DIMS,
                fail_fast=True,
                description="As generate and reconstruct give it.",
                json_schema_extra={
                    "minItems": "latent_dims",
                    "maxItems": "latent_dims",
                },
            ),
        ]
        | None
    ) = None
    category: Category | None = Field(
        None, description="Of an image the most probable one if omitted."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> "Garment":
        if (self.image is None) == (self.latent is None):
            given = "neither" if self.image is None else "both"
            raise ValueError(f"expected either image or latent, received {given}")
        if self.latent is not None and self.category is None:
            raise ValueError("expected a category with the latent, received none")
        return self


# Whole: a reference would point out of the OpenAPI document.
GARMENT = WithJsonSchema(Garment.model_json_schema())


class InterpolateRequest(RequestModel):
    """Between which garments, and in how many steps."""

    first: Annotated[Garment, GARMENT] = Field(alias="from")
    last: Annotated[Garment, GARMENT] = Field(alias="to")
    steps: Annotated[int, Field(ge=2, le=MOST_STEPS), WHOLE] = Field(
        8, strict=True, description="Both ends counted."
    )
    scale: Annotated[Scale, Field(strict=True)] = 1


class EndResponse(BaseModel):
    """One of the two garments, as it was understood."""

    category: str
    latent: list[float]
    prepared: str | None = Field(
        None, description="Of an image, what the encoder saw: PNG in base64."
    )


class Frame(BaseModel):
    """One step."""

    position: float = Field(ge=0, le=1, description="0 = from, 1 = to.")
    latent: list[float]
    categories: dict[str, float] = Field(description="Their weights; the rest are 0.")
    image: str = Field(description="PNG in base64.")


class InterpolateResponse(BaseModel):
    """The steps, both ends among them."""

    model: str
    version: int
    first: EndResponse = Field(alias="from")
    last: EndResponse = Field(alias="to")
    frames: list[Frame]


EXAMPLE = {
    "from": {"image": EXAMPLE_IMAGE},
    "to": {"image": EXAMPLE_IMAGE, "category": "sandal"},
    "steps": 5,
}


@router.post(
    "/v1/interpolate/clothing",
    response_model=InterpolateResponse,
    responses={
        200: {
            "description": "By the `Accept` header: JSON; a GIF that goes there and "
            "back without end; or a PNG of all steps side by side.",
            "content": {GIF: BINARY, PNG: BINARY},
        },
        **PREDICT_ERRORS,
        **error_responses(406),
    },
    openapi_extra=json_body(InterpolateRequest, EXAMPLE),
)
async def interpolate_clothing(request: Request, version: Version = None) -> Response:
    """From one garment to another.

    Each is an image, prepared and encoded as by reconstruct, or a latent vector with
    its category. Latents and weights of categories change in a straight line.
    """
    call = ModelCall(request, VAE, version)
    kind = call.choose(JSON, GIF, PNG)
    wanted = await call.json(InterpolateRequest)
    contract = call.pin()
    garments = {"from": wanted.first, "to": wanted.last}
    _check_lengths(garments, latent_dims(contract))
    encoded = await _encode(call, contract, garments)
    ends = {name: encoded.get(name) or _sent(each) for name, each in garments.items()}
    latents, weights = _walk(ends, wanted.steps)
    answer = await call.infer((latents, weights), DECODER)
    facts = {"model": VAE, "version": answer.version}
    images = answer.outputs[0]
    interpolation = Interpolation(facts, ends, latents, weights, images, wanted.scale)
    much = is_much(2 * images.size, wanted.scale)
    response = await call.encode(lambda: interpolation.respond(kind), in_thread=much)
    call.count(end.category for end in ends.values())
    return response


def _check_lengths(garments: Mapping[str, Garment], dims: int) -> None:
    for name, each in garments.items():
        if each.latent is not None and len(each.latent) != dims:
            field = f"{name}.latent"
            problem = f"expected {dims} numbers, received {len(each.latent)}"
            details = [{"field": field, "error": problem}]
            raise InvalidInput(f"{field}: {problem}", details=details)


async def _encode(
    call: ModelCall, contract: Contract, garments: Mapping[str, Garment]
) -> dict[str, End]:
    """What the encoder says of those garments that are images, by their field."""
    files = {
        name: each.image for name, each in garments.items() if each.image is not None
    }
    if not files:
        return {}
    fields = [f"{name}.image" for name in files]
    images = await call.read_images([*files.values()], read_garment, fields)
    answer = await call.infer(images, ENCODER)
    latents = settle(output(contract, ENCODER, answer, "latent"))
    best = output(contract, ENCODER, answer, "category").argmax(axis=1)
    return {
        name: End(garments[name].category or CATEGORIES[index], latent, image)
        for name, index, latent, image in zip(
            files, best, latents, *images, strict=True
        )
    }


def _sent(garment: Garment) -> End:
    """Of a latent, which has a category."""
    return End(garment.category or "", settle(np.array(garment.latent)))


def _walk(ends: Mapping[str, End], steps: int) -> Tensors:
    """Latents float32 (steps, dims) and weights of categories float32 (steps, 10)."""
    first, last = ends["from"], ends["to"]
    start, stop = weigh([first.category, last.category], CATEGORIES)
    weights = blend(start, stop, steps).astype(np.float32)
    return settle(blend(first.latent, last.latent, steps)), weights

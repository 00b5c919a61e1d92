"""The endpoints of clothing, and the models that they need."""

from fastapi import APIRouter

from service.models.clothing import generate, interpolate, reconstruct
from service.models.clothing.vocabulary import GENERATORS, newest_latent_dims

ENDPOINTS = dict.fromkeys(GENERATORS.values(), generate.CLOTHING)
FACTS = {"latent_dims": newest_latent_dims}  # for the description of the API

router = APIRouter()
router.include_router(generate.router)
router.include_router(interpolate.router)
router.include_router(reconstruct.router)

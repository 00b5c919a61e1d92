"""Probes for orchestrators, and metrics for Prometheus."""

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from service.errors import Unavailable
from service.web.api.schemas import error_responses
from service.web.state import AppState

router = APIRouter()


class Health(BaseModel):
    """A plain yes."""

    status: str


@router.get("/livez", tags=["operations"])
async def livez() -> Health:
    """Whether this process answers at all. If not: restart it."""
    return Health(status="alive")


@router.get("/readyz", tags=["operations"], responses=error_responses(503))
async def readyz(request: Request) -> Health:
    """Whether models answer, all that can. If not: send requests elsewhere."""
    state = _state(request)
    problems = state.engine.catalog.problems()
    if state.draining:
        problems = ["the service is shutting down", *problems]
    if problems:
        raise Unavailable(f"Not ready: {'; '.join(problems)}.")
    return Health(status="ready")


@router.get(
    "/metrics",
    tags=["operations"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Metrics of all processes, for Prometheus."""
    state = _state(request)
    state.accounting.flush()
    text = await asyncio.to_thread(state.metrics.exposition)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


def _state(request: Request) -> AppState:
    state: AppState = request.scope["servery"]
    return state

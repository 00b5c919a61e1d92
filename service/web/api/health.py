"""Probes for orchestrators, and metrics for Prometheus."""

import asyncio
from functools import partial

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import (
    CONTENT_TYPE_LATEST as OPENMETRICS,
)
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
    accepted = request.headers.get("accept", "")
    has_exemplars = state.settings.tracing and OPENMETRICS.split(";")[0] in accepted
    work = partial(state.metrics.exposition, with_exemplars=has_exemplars)
    kind = OPENMETRICS if has_exemplars else CONTENT_TYPE_LATEST
    return Response(await asyncio.to_thread(work), headers={"content-type": kind})


def _state(request: Request) -> AppState:
    state: AppState = request.scope["servery"]
    return state

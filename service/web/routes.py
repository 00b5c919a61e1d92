"""What operators ask: which models, how well, how much. And the typed endpoints."""

import importlib
import pkgutil
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.responses import FileResponse, RedirectResponse

from service.engine.catalog import ModelStatus, VersionStatus
from service.errors import NotFound, Unavailable
from service.web import endpoints
from service.web.exchange import Endpoint
from service.web.room import Room
from service.web.schemas import DirectRoute, error_responses, how_to_get

REPORTS = "report"  # the folder of a version's pictures

router = APIRouter()


class VersionSummary(BaseModel):
    """One version, in brief."""

    version: int
    state: str = Field(description="loading, ready, draining or failed")
    reason: str | None = Field(description="why, where it failed")


class ModelSummary(BaseModel):
    """One model, in brief."""

    name: str
    task: str | None
    default_version: int | None = Field(
        description="the one that answers; null if none"
    )
    versions: list[VersionSummary]
    how_to_get: str | None = Field(
        None, description="a command, where there is an endpoint and no version of it"
    )


class ModelsResponse(BaseModel):
    """All models."""

    models: list[ModelSummary]


class VersionDetail(VersionStatus):
    """One version with everything that is known of it."""

    reports: list[str] = Field(description="where its pictures are, as paths here")


class ModelResponse(BaseModel):
    """One model with everything that is known of its versions."""

    name: str
    default_version: int | None = Field(
        description="the one that answers; null if none"
    )
    versions: list[VersionDetail]


class Health(BaseModel):
    """A plain yes."""

    status: str


@router.get("/v1/models", tags=["models"])
async def list_models(request: Request) -> ModelsResponse:
    """Every model, its versions and their states."""
    models = _room(request).engine.catalog.models
    missing = sorted(request.app.state.endpoint_models - models.keys())
    return ModelsResponse(
        models=[
            *(_summary(each) for each in models.values()),
            *(_missing(name) for name in missing),
        ]
    )


@router.get("/v1/models/{name}", tags=["models"], responses=error_responses(404))
async def show_model(request: Request, name: str) -> ModelResponse:
    """One model: the manifest of each version, with data, metrics and limits."""
    model = _room(request).engine.catalog.model(name)
    default = model.default.version if model.default else None
    versions = [
        VersionDetail(
            version=each.version,
            state=each.state,
            reason=each.reason,
            manifest=each.manifest,
            reports=_reports(name, each),
        )
        for each in model.versions
    ]
    return ModelResponse(name=name, default_version=default, versions=versions)


@router.get(
    "/v1/models/{name}/versions/{version}/report/{file}",
    tags=["models"],
    response_class=FileResponse,
    responses=error_responses(404),
)
async def show_report(
    request: Request, name: str, version: int, file: str
) -> FileResponse:
    """A picture of how a version was trained and measured."""
    room = _room(request)
    path = request.url.path
    for each in room.engine.catalog.model(name).versions:
        if each.version == version and path in _reports(name, each):
            folder = room.settings.artifacts / name / str(version)
            return FileResponse(folder / REPORTS / file)
    raise NotFound(f"There is no report at {path}; /v1/models/{name} lists them.")


@router.get("/livez", tags=["operations"])
async def livez() -> Health:
    """Whether this process answers at all. If not: restart it."""
    return Health(status="alive")


@router.get("/readyz", tags=["operations"], responses=error_responses(503))
async def readyz(request: Request) -> Health:
    """Whether every model answers. If not: send requests elsewhere."""
    room = _room(request)
    problems = room.engine.catalog.problems()
    if room.draining:
        problems = ["the service is shutting down", *problems]
    if problems:
        raise Unavailable(f"Not ready: {'; '.join(problems)}.")
    return Health(status="ready")


@router.get("/metrics", tags=["operations"], response_class=Response)
async def metrics(request: Request) -> Response:
    """Metrics of all processes, for Prometheus."""
    room = _room(request)
    room.ledger.flush()
    text = await room.in_thread(room.metrics.exposition)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


@router.get("/", include_in_schema=False)
async def root() -> Response:
    """Where a browser ends up."""
    return RedirectResponse("/docs")


def mount(app: FastAPI) -> dict[str, Endpoint]:
    """Add these routes, and the `router` of every module in `endpoints`.

    Each such module names its `MODELS`, so that one that is missing can be told.

    Returns:
        By path, the endpoints of `DirectRoute`s.
    """
    direct: dict[str, Endpoint] = {}
    app.state.endpoint_models = set()
    for module in pkgutil.iter_modules(endpoints.__path__):
        name = f"{endpoints.__name__}.{module.name}"
        endpoint = importlib.import_module(name)
        app.include_router(endpoint.router)
        app.state.endpoint_models.update(endpoint.MODELS)
        for route in endpoint.router.routes:
            if isinstance(route, DirectRoute):
                direct[route.path] = route.endpoint
    app.include_router(router)
    return direct


def _room(request: Request) -> Room:
    room: Room = request.scope["room"]
    return room


def _reports(name: str, status: VersionStatus) -> list[str]:
    files = status.manifest.files if status.manifest else {}
    return [
        f"/v1/models/{name}/versions/{status.version}/{file}"
        for file in files
        if file.startswith(f"{REPORTS}/")
    ]


def _missing(name: str) -> ModelSummary:
    return ModelSummary(
        name=name,
        task=None,
        default_version=None,
        versions=[],
        how_to_get=how_to_get(name),
    )


def _summary(model: ModelStatus) -> ModelSummary:
    default = model.default
    known = [each.manifest for each in model.versions if each.manifest]
    versions: list[Any] = [
        VersionSummary(version=each.version, state=each.state, reason=each.reason)
        for each in model.versions
    ]
    return ModelSummary(
        name=model.name,
        task=known[-1].task if known else None,
        default_version=default.version if default else None,
        versions=versions,
    )

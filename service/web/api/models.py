"""What operators ask about models: which there are, in what state, how good."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import FileResponse

from service.contract.policy import ModelPolicy
from service.contract.task import Task, kind_of
from service.engine.catalog import ModelStatus, VersionStatus
from service.engine.disk import find_folder
from service.errors import NotFound
from service.tasks.endpoint import Endpoint
from service.tasks.registry import declared
from service.web.api.schemas import BINARY, error_responses, how_to_get
from service.web.api.tensorflow_serving.status import describe_model
from service.web.state import AppState

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
    task: str | None = Field(
        description="the kind of it; or what its author calls it, where it is no more "
        "than named"
    )
    default_version: int | None = Field(
        description="the one that answers; null if none"
    )
    versions: list[VersionSummary]
    labels: dict[str, int] = Field({}, description="the version of each")
    notes: list[str] = Field(description="what is odd about its folder, or unfinished")
    how_to_get: str | None = Field(
        None, description="a command, where there is an endpoint and no version of it"
    )


class ModelsResponse(BaseModel):
    """All models."""

    models: list[ModelSummary]
    problem: str | None = Field(description="what is wrong with models.toml")


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
    task: Task | None = Field(
        description="what the one that answers is for; null = only tensors are known"
    )
    ready: bool = Field(
        description="whether one does; by this name for KServe's client"
    )
    model_version_status: list[dict[str, Any]] = Field(
        description="the same as TensorFlow Serving says it, the newest first"
    )
    labels: dict[str, int] = Field(description="the version of each")
    policy: ModelPolicy = Field(description="what is wanted; null = see the settings")
    notes: list[str] = Field(description="what is odd about its folder, or unfinished")


@router.get("/v1/models", tags=["models"])
async def list_models(request: Request) -> ModelsResponse:
    """Every model, its versions and their states."""
    catalog, shipped = _state(request).engine.catalog, _state(request).tasks.shipped
    models = catalog.models
    missing = sorted(shipped.keys() - models.keys())
    return ModelsResponse(
        models=[
            *(_summary(each, shipped) for each in models.values()),
            *(_missing(name, shipped[name].task) for name in missing),
        ],
        problem=catalog.policy_problem,
    )


@router.get("/v1/models/{name}", tags=["models"], responses=error_responses(404))
async def show_model(request: Request, name: str) -> ModelResponse:
    """One model: the manifest of each version, with data, metrics and limits."""
    model = _state(request).engine.catalog.model(name)
    default = model.default.version if model.default else None
    versions = [
        VersionDetail(
            version=each.version,
            state=each.state,
            reason=each.reason,
            manifest=each.manifest,
            contract=each.contract,
            runtime=each.runtime,
            reference=each.reference,
            reports=_reports(name, each),
        )
        for each in model.versions
    ]
    return ModelResponse(
        name=name,
        default_version=default,
        task=_find_task(model, _state(request).tasks.shipped),
        ready=default is not None,
        versions=versions,
        model_version_status=describe_model(model),
        labels=model.labels,
        policy=model.policy,
        notes=list(model.notes),
    )


@router.get(
    "/v1/models/{name}/versions/{version}/report/{file}",
    tags=["models"],
    response_class=FileResponse,
    responses={
        200: {"content": dict.fromkeys(("image/png", "image/gif"), BINARY)},
        **error_responses(404),
    },
)
async def show_report(
    request: Request, name: str, version: int, file: str
) -> FileResponse:
    """A picture of how a version was trained and measured."""
    state = _state(request)
    path = request.url.path
    for each in state.engine.catalog.model(name).versions:
        if each.version == version and path in _reports(name, each):
            folder = find_folder(state.settings.artifacts, name, version)
            return FileResponse(folder / REPORTS / file)
    raise NotFound(f"There is no report at {path}; /v1/models/{name} lists them.")


def _state(request: Request) -> AppState:
    state: AppState = request.scope["servery"]
    return state


def _find_task(model: ModelStatus, shipped: Mapping[str, Endpoint]) -> Task | None:
    """What a model declares, or else what is known of it as one of ours."""
    contract = model.default.contract if model.default else None
    known = shipped.get(model.name)
    return declared(contract) or (known.task if known else None)


def _reports(name: str, status: VersionStatus) -> list[str]:
    files = status.manifest.files if status.manifest else {}
    return [
        f"/v1/models/{name}/versions/{status.version}/{file}"
        for file in files
        if file.startswith(f"{REPORTS}/")
    ]


def _missing(name: str, task: Task) -> ModelSummary:
    return ModelSummary(
        name=name,
        task=task.kind,
        default_version=None,
        versions=[],
        notes=[],
        how_to_get=how_to_get(name),
    )


def _summary(model: ModelStatus, shipped: Mapping[str, Endpoint]) -> ModelSummary:
    default = model.default
    named = [each.manifest.task for each in model.versions if each.manifest]
    versions: list[Any] = [
        VersionSummary(version=each.version, state=each.state, reason=each.reason)
        for each in model.versions
    ]
    return ModelSummary(
        name=model.name,
        task=kind_of(_find_task(model, shipped) or (named[-1] if named else None)),
        default_version=default.version if default else None,
        versions=versions,
        labels=model.labels,
        notes=list(model.notes),
    )

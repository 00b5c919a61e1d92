"""The typed endpoint of every model that declares its task."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from service.contract.contract import Contract
from service.contract.task import kind_of
from service.engine.catalog import Catalog
from service.errors import NotFound
from service.tasks.endpoint import Endpoint, Wanted
from service.tasks.records import inlined
from service.tasks.registry import TaskEndpoints, find_writer
from service.web.api.model_call import ModelCall
from service.web.api.schemas import (
    CALL_PARAMETERS,
    DirectRoute,
    Schema,
    Version,
    describe_error,
)
from service.web.http.body import JSON
from service.web.state import AppState

TopK = Annotated[
    int | None, Query(ge=1, le=1000, description="How many classes, best first.")
]

Threshold = Annotated[
    float | None,
    Query(
        allow_inf_nan=False,
        description="Of a mask of two classes: where the second begins.",
    ),
]
Overlay = Annotated[
    bool,
    Query(description="The picture, too, with outlines; alone as a PNG."),
]

ERRORS = (404, 415, 504)  # beside those of every path

router = APIRouter(route_class=DirectRoute)


@router.post("/v1/predict/{name}", include_in_schema=False)
async def predict(
    request: Request,
    *,
    version: Version = None,
    top_k: TopK = None,
    threshold: Threshold = None,
    overlay: Overlay = False,
) -> Response:
    """The answer that the model's task gives to what its task takes."""
    wanted = Wanted(top_k, threshold=threshold, overlay=overlay)
    return await _answer(request, "predict", version, wanted)


@router.post("/v1/generate/{name}", include_in_schema=False)
async def generate(request: Request, version: Version = None) -> Response:
    """What a model draws, or writes: then the name is that of what it writes."""
    return await _answer(request, "generate", version, Wanted())


async def _answer(
    request: Request, verb: str, version: int | None, wanted: Wanted
) -> Response:
    state: AppState = request.scope["servery"]
    name, catalog = request.path_params["name"], state.engine.catalog
    if verb == "generate" and name not in catalog.models:
        name = find_writer(catalog, name)
    call = ModelCall(request, name, version, shipped=False)
    contract = call.pin()
    endpoint = state.tasks.find(contract)
    if endpoint is None or endpoint.verb != verb:
        known = endpoint or state.tasks.shipped.get(contract.name)
        raise NotFound(_describe_missing(contract, verb, known))
    return await endpoint.answer(call, wanted)


def _describe_missing(contract: Contract, verb: str, known: Endpoint | None) -> str:
    """Where else a model answers that has nothing at this address."""
    name, task = contract.name, kind_of(contract.task)
    if known is not None:
        return (
            f"Nothing is at /v1/{verb}/{name}: expected POST {known.path(name)}, which "
            f"{name} answers."
        )
    named = f"only names its task ({task})" if task else "declares no task"
    return (
        f"{name} {contract.version} {named}, so it has no typed endpoint: POST tensors "
        f"to /v1/models/{name}:predict or /v2/models/{name}/infer."
    )


def describe_endpoints(
    catalog: Catalog, tasks: TaskEndpoints
) -> Iterator[tuple[str, Schema]]:
    """Paths and their operations, for the OpenAPI document.

    Args:
        catalog: Of the models that are there now.
        tasks: Their endpoints; those of our own are described already.
    """
    for model in catalog.models.values():
        contract = model.default.contract if model.default else None
        if contract is None or model.name in tasks.shipped:
            continue
        endpoint = tasks.find(contract)
        if endpoint is not None:
            operation = _describe(contract, endpoint, catalog)
            yield endpoint.path(model.name), {"post": operation}


def _describe(contract: Contract, endpoint: Endpoint, catalog: Catalog) -> Schema:
    manifest = catalog.manifest(contract.name, contract.version)
    parameters: list[dict[str, Any]] = [
        {"name": "version", "in": "query", "schema": {"type": "integer", "minimum": 1}},
        *CALL_PARAMETERS,
    ]
    if endpoint.takes_top_k:
        schema = {"type": "integer", "minimum": 1, "maximum": 1000}
        parameters.append({"name": "top_k", "in": "query", "schema": schema})
    if endpoint.takes_threshold:
        number, flag = {"type": "number"}, {"type": "boolean"}
        parameters += [
            {"name": "threshold", "in": "query", "schema": number},
            {"name": "overlay", "in": "query", "schema": flag},
        ]
    statuses = (*ERRORS, 406) if endpoint.other_answers else ERRORS
    answer = inlined(endpoint.response(contract.name).model_json_schema())
    return {
        "tags": [endpoint.verb],
        "summary": f"{contract.name}: {kind_of(contract.task)}",
        "description": manifest.description if manifest else "",
        "operationId": f"{endpoint.verb}_{contract.name}",
        "parameters": parameters,
        "requestBody": endpoint.body(),
        "responses": {
            "200": {
                "description": "Successful Response",
                "content": {JSON: {"schema": answer}, **endpoint.other_answers},
            },
            **{str(status): describe_error(status) for status in statuses},
        },
    }

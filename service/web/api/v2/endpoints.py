"""The calls of the Open Inference Protocol over REST, with Triton's extensions."""

from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from pydantic_core import to_json

from service.contract.contract import Contract
from service.engine.catalog import ModelStatus
from service.engine.commands import Command
from service.errors import InvalidInput, ModelNotReady
from service.web.api.admin import administrate
from service.web.api.schemas import (
    CALL_PARAMETERS,
    TIMEOUT_PARAMETER,
    DirectRoute,
    error_responses,
    path_parameters,
)
from service.web.api.tensor_call import (
    HEAVY_BYTES,
    TensorCall,
    contract_of,
    find_status,
    later,
    read_json,
    read_version_number,
)
from service.web.api.v2.infer import (
    HEADER,
    InferRequest,
    ParsedRequest,
    WantedOutput,
    parse_infer,
    parse_raw,
    render_infer,
    split_body,
)
from service.web.api.v2.metadata import (
    describe_config,
    describe_index,
    describe_model,
    describe_server,
)
from service.web.api.v2.statistics import describe_statistics
from service.web.http.body import JSON
from service.web.http.limits import read_timeout_ms
from service.web.http.record import RequestRecord
from service.web.http.wording import describe

BINARY = "application/octet-stream"
SHORT_HEAD, HEADS_KEPT = 1024, 256  # a client's heads in front of raw bytes are alike
ERRORS = error_responses(400, 404, 413, 500, 503, 504)
INFER_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {"type": "object", "required": ["inputs"]},
                "example": {
                    "inputs": [
                        {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}
                    ]
                },
            }
        },
    }
}

ADMINISTRATED = {"parameters": [*path_parameters("{name}"), TIMEOUT_PARAMETER]}

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])


async def infer(request: Request) -> Response:
    """Tensors to tensors, as JSON or as raw bytes."""
    call = TensorCall(request)
    body = await call.body()
    header = request.headers.get(HEADER)
    text, raw = split_body(body, header)
    if header is not None and not text:
        parsed = parse_raw(raw, call.contract)
    else:
        # Strings are taken apart one by one; all other raw tensors are only looked at.
        # A name may be written with escapes.
        strings = b"BYTES" in text or b"\\" in text
        size = len(body) if strings else len(text)
        kept = raw if size <= HEAVY_BYTES else bytes(raw)  # a view cannot go elsewhere
        parsed = await call.parse(size, later(_parse, text, kept, call.contract))
    call.shorten_deadline(parsed.timeout_ms)
    if parsed.bulk:
        call.put_back()
    answer = await call.infer(parsed.signature, parsed.inputs)
    work = later(render_infer, parsed, call.contract, answer.version, answer.outputs)
    if all(_is_copied(each, answer.outputs[each.index]) for each in parsed.outputs):
        content, length = work()
    else:
        content, length = await call.write(answer.outputs, work)
    if length is None:
        return Response(content, media_type=JSON)
    return Response(content, media_type=BINARY, headers={HEADER: str(length)})


@router.get("", response_class=Response)
async def server_metadata(request: Request) -> Response:
    """The server's name, version and extensions."""
    return _answer(describe_server())


@router.get("/health/live", response_class=Response)
async def live(request: Request) -> Response:
    """Whether this process answers at all."""
    return _answer({"live": True})


@router.get("/health/ready", response_class=Response, responses=error_responses(503))
async def ready(request: Request) -> Response:
    """Whether models answer."""
    state = request.scope["servery"]
    if state.draining or state.engine.catalog.problems():
        raise ModelNotReady("The server is not ready; /readyz says why.")
    return _answer({"ready": True})


async def model_ready(request: Request) -> Response:
    """Whether a version answers."""
    contract = _contract(request)
    return _answer({"name": contract.name, "ready": True})


async def model_metadata(request: Request) -> Response:
    """The inputs and outputs of a version, by its default signature."""
    contract = _contract(request)
    catalog = request.scope["servery"].engine.catalog
    return _answer(describe_model(contract, catalog.model(contract.name)))


async def model_config(request: Request) -> Response:
    """The same as Triton's configuration says it."""
    most_rows = request.scope["servery"].settings.max_request_rows
    return _answer(describe_config(_contract(request), most_rows))


async def model_statistics(request: Request) -> Response:
    """What was asked of versions so far: of one, or of all that are ready."""
    request.scope["record"].invalid_status = 400
    state, path = request.scope["servery"], request.path_params
    catalog = state.engine.catalog
    number = read_version_number(path.get("version"))
    models: list[ModelStatus] = list(catalog.models.values())
    if "name" in path:
        find_status(catalog, path, number)
        models = [catalog.model(path["name"])]
    state.accounting.flush()
    work = later(describe_statistics, state.metrics, models, number)
    found = await state.in_thread(work)
    return _answer({"model_stats": found})


@router.post(
    "/repository/index",
    response_class=Response,
    responses=error_responses(400, 504),
    openapi_extra={"parameters": [TIMEOUT_PARAMETER]},
)
async def repository_index(request: Request) -> Response:
    """All models and versions, and their states."""
    record: RequestRecord = request.scope["record"]
    record.invalid_status = 400
    read_timeout_ms(record.headers, request.scope["servery"].settings.max_timeout_ms)
    body = await request.body()
    only_ready = False
    if body:
        content = read_json(body)
        if not isinstance(content, dict):
            raise InvalidInput("expected an object, received another value")
        only_ready = bool(content.get("ready", False))
    models = request.scope["servery"].engine.catalog.models.values()
    return _answer(describe_index(models, only_ready=only_ready))


@router.post(
    "/repository/models/{name}/load",
    response_class=Response,
    openapi_extra=ADMINISTRATED,
    responses=error_responses(401, 403, 404, 503, 504),
)
async def load_model(request: Request) -> Response:
    """Load a model's versions again; closed unless an administration token is set."""
    return await _administrate(request, "load")


@router.post(
    "/repository/models/{name}/unload",
    response_class=Response,
    openapi_extra=ADMINISTRATED,
    responses=error_responses(401, 403, 404, 503, 504),
)
async def unload_model(request: Request) -> Response:
    """Unload a model; closed unless an administration token is set."""
    return await _administrate(request, "unload")


async def _administrate(
    request: Request, action: Literal["load", "unload"]
) -> Response:
    request.scope["record"].invalid_status = 400
    name = request.path_params["name"]
    await administrate(request, Command(action=action, model=name))
    return _answer({})


def _is_copied(wanted: WantedOutput, array: np.ndarray) -> bool:
    """Whether an output goes out as the bytes that it is, which holds nobody up."""
    return wanted.binary and not wanted.top and array.dtype.kind != "O"


def _parse(text: bytes, raw: bytes | memoryview, contract: Contract) -> ParsedRequest:
    read = _read_again if len(raw) and len(text) <= SHORT_HEAD else _read
    return parse_infer(read(text), memoryview(raw), contract)


def _read(text: bytes) -> InferRequest:
    content = read_json(text)
    try:
        return InferRequest.model_validate(content)
    except ValidationError as error:
        raise describe(error.errors(include_url=False)[:10]) from error


_read_again = lru_cache(HEADS_KEPT)(_read)  # nobody changes what was read


def _contract(request: Request) -> Contract:
    request.scope["record"].invalid_status = 400
    path = request.path_params
    number = read_version_number(path.get("version"))
    status = find_status(request.scope["servery"].engine.catalog, path, number)
    return contract_of(path["name"], status)


def _answer(content: Any) -> Response:
    return Response(to_json(content), media_type=JSON)


def _place() -> None:
    """Add the calls that name a model, with and without a version."""
    calls: tuple[tuple[str, Endpoint], ...] = (
        ("/ready", model_ready),
        ("", model_metadata),
        ("/config", model_config),
        ("/stats", model_statistics),
    )
    router.add_api_route(
        "/models/stats", model_statistics, methods=["GET"], response_class=Response
    )
    for where in ("/models/{name}", "/models/{name}/versions/{version}"):
        parameters = path_parameters(where)
        router.add_api_route(
            f"{where}/infer",
            infer,
            methods=["POST"],
            response_class=Response,
            responses=ERRORS,
            openapi_extra=INFER_BODY | {"parameters": [*parameters, *CALL_PARAMETERS]},
            route_class_override=DirectRoute,
        )
        for path, endpoint in calls:
            router.add_api_route(
                where + path,
                endpoint,
                methods=["GET"],
                response_class=Response,
                responses=error_responses(400, 404, 503),
                openapi_extra={"parameters": parameters},
            )


_place()

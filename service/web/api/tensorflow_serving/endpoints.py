"""The calls of TensorFlow Serving's REST. Its status is part of `GET /v1/models/…`."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from service.contract.contract import Contract
from service.engine.catalog import VersionStatus
from service.errors import VersionNotFound
from service.web.api.schemas import (
    CALL_PARAMETERS,
    DirectRoute,
    error_responses,
    path_parameters,
)
from service.web.api.tensor_call import (
    TensorCall,
    contract_of,
    find_status,
    later,
    read_json,
    read_version_number,
)
from service.web.api.tensorflow_serving.examples import parse_examples, render_examples
from service.web.api.tensorflow_serving.predict import (
    PredictRequest,
    parse_predict,
    render_predict,
)
from service.web.api.tensorflow_serving.signature_map import describe_signatures
from service.web.api.tensorflow_serving.status import describe_status
from service.web.http.body import JSON

ERRORS = error_responses(400, 404, 413, 500, 503, 504)


def _describe_body(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """What the description of the API says of a body."""
    content = {"schema": {"type": "object", **schema}, "example": example}
    return {"requestBody": {"required": True, "content": {JSON: content}}}


PREDICT_BODY = _describe_body(
    {
        "properties": {
            "signature_name": {"type": "string"},
            "instances": {"type": "array", "minItems": 1, "items": {}},
            "inputs": {},
        },
    },
    {"instances": [1.0, 2.0, 5.0]},
)
EXAMPLES_BODY = _describe_body(
    {
        "properties": {
            "signature_name": {"type": "string"},
            "context": {"type": "object"},
            "examples": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        },
        "required": ["examples"],
    },
    {"examples": [{"x": 1.0}]},
)

router = APIRouter(tags=["TensorFlow Serving"])


async def predict(request: Request) -> Response:
    """Rows (`instances`) or columns (`inputs`) of tensors to predictions."""
    call = TensorCall(request)
    body = await call.body()
    work = later(_parse_predict, body, call.contract)
    wanted = await call.parse(len(body), work)
    answer = await call.infer(wanted.signature, wanted.inputs)
    signature = call.contract.signatures[wanted.signature]
    render = later(render_predict, answer.outputs, signature, by_row=wanted.by_row)
    return Response(await call.write(answer.outputs, render), media_type=JSON)


async def classify(request: Request) -> Response:
    """Examples to classes with scores."""
    return await _by_example(request, "classify")


async def regress(request: Request) -> Response:
    """Examples to values."""
    return await _by_example(request, "regress")


async def _by_example(request: Request, method: str) -> Response:
    call = TensorCall(request)
    body = await call.body()
    work = later(_parse_examples, body, call.contract, method)
    name, inputs = await call.parse(len(body), work)
    answer = await call.infer(name, inputs)
    signature = call.contract.signatures[name]
    rendered = render_examples(method, answer.outputs, signature)
    return Response(rendered, media_type=JSON)


async def metadata(request: Request) -> Response:
    """The signatures of a version, as TensorFlow's protocol buffers have them."""
    status = _find(request)
    contract = contract_of(request.path_params["name"], status)
    content = {
        "model_spec": {
            "name": contract.name,
            "signature_name": "",
            "version": str(contract.version),
        },
        "metadata": {"signature_def": describe_signatures(contract)},
    }
    return Response(to_json(content), media_type=JSON)


async def version_status(request: Request) -> Response:
    """The state of one version."""
    request.scope["record"].invalid_status = 400
    catalog, path = request.scope["servery"].engine.catalog, request.path_params
    model = catalog.model(path["name"])
    number = read_version_number(path.get("version"))
    if path.get("label") is not None:
        number = find_status(catalog, path, None).version
    found = [each for each in model.versions if each.version == number]
    if not found:
        raise VersionNotFound(f"{path['name']} has no version {number} in memory.")
    content = {"model_version_status": [describe_status(each) for each in found]}
    return Response(to_json(content), media_type=JSON)


def _find(request: Request) -> VersionStatus:
    request.scope["record"].invalid_status = 400
    path = request.path_params
    number = read_version_number(path.get("version"))
    return find_status(request.scope["servery"].engine.catalog, path, number)


def _parse_predict(body: bytes, contract: Contract) -> PredictRequest:
    return parse_predict(read_json(body), contract)


def _parse_examples(body: bytes, contract: Contract, method: str) -> Any:
    return parse_examples(read_json(body), contract, method)


def _place(where: str) -> None:
    """Add all calls at one kind of path."""
    parameters = path_parameters(where)
    for name, endpoint in (
        ("predict", predict),
        ("classify", classify),
        ("regress", regress),
    ):
        router.add_api_route(
            f"{where}:{name}",
            endpoint,
            methods=["POST"],
            response_class=Response,
            responses=ERRORS,
            openapi_extra={
                **(PREDICT_BODY if name == "predict" else EXAMPLES_BODY),
                "parameters": [*parameters, *CALL_PARAMETERS],
            },
            include_in_schema="label" not in where,
            route_class_override=DirectRoute,
        )
    router.add_api_route(
        f"{where}/metadata",
        metadata,
        methods=["GET"],
        response_class=Response,
        responses=error_responses(400, 404, 503),
        openapi_extra={"parameters": parameters},
        include_in_schema="label" not in where,
    )


MODEL = "/v1/models/{name}"
for _where in (MODEL, f"{MODEL}/versions/{{version}}", f"{MODEL}/labels/{{label}}"):
    _place(_where)
    if _where != MODEL:
        router.add_api_route(
            _where,
            version_status,
            methods=["GET"],
            response_class=Response,
            responses=error_responses(404),
            openapi_extra={"parameters": path_parameters(_where)},
            include_in_schema="label" not in _where,
        )

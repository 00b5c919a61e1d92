"""The typed endpoints in the words of Hugging Face's Inference API.

`{"inputs": …, "parameters": {…}}`, or a file as it is; the answer is a list for one
input, and a list of lists for many. So a client that is theirs can ask, by the URL:

    body ─ inputs ─┬─▶ rows ─ read_all ─ engine ─ outputs ─▶ label, score | mask
           table ──┘   └─ as the task's own endpoint checks them
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field, model_validator
from pydantic_core import to_json

from service.contract.contract import Contract
from service.contract.task import Apply, kind_of
from service.engine.batching.tensors import Tensors
from service.errors import InvalidInput, NotFound
from service.tasks.classes import classify
from service.tasks.endpoint import (
    QUICK_NUMBERS,
    FileEndpoint,
    Given,
    TaskEndpoint,
    Wanted,
)
from service.tasks.masks import find_segments
from service.tasks.records import inlined
from service.tasks.segmentation import ImageSegmenter
from service.tasks.tables import TableEndpoint, TableRegressor
from service.tasks.writing import TextGenerator
from service.web.api.huggingface_texts import TextInput, generate
from service.web.api.model_call import ModelCall
from service.web.api.schemas import (
    CALL_PARAMETERS,
    PREDICT_ERRORS,
    WHOLE,
    AudiosRequest,
    DirectRoute,
    ImagesRequest,
    Version,
    path_parameters,
)
from service.web.http.body import JSON, RequestModel, validate
from service.web.http.events import EVENTS
from service.web.state import AppState

PATH = "/hf/{name}"
BYTES = "application/octet-stream"
TEXTS = "text-classification"  # of which one, too, is answered as a list of lists

router = APIRouter(tags=["huggingface"], route_class=DirectRoute)


class Parameters(RequestModel):
    """What is asked for besides; each task knows its own."""

    model_config = ConfigDict(strict=True)

    top_k: Annotated[int, Field(ge=1, le=1000), WHOLE] | None = Field(
        None, description="How many classes, best first."
    )
    function_to_apply: Apply | None = Field(
        None, description="To the model's outputs, in place of what is declared."
    )
    mask_threshold: float | None = Field(
        None, allow_inf_nan=False, description="Of a mask of two classes."
    )
    subtask: Literal["semantic"] | None = Field(None, description="Of a segmentation.")


class HuggingFaceRequest(RequestModel):
    """One input or several; or a table."""

    rows_field = "inputs"

    inputs: Any = Field(
        None,
        description="Files in base64, texts, or records: one, or a list of several.",
    )
    table: dict[str, Any] | None = Field(
        None, description="A column of values for each field, in place of `inputs`."
    )
    parameters: Parameters | None = None
    options: dict[str, Any] | None = Field(None, description="Without effect.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.inputs is None) == (self.table is None):
            given = "neither" if self.inputs is None else "both"
            raise ValueError(f"expected either inputs or table, received {given}")
        return self

    def wanted(self) -> Wanted:
        """What is asked for besides."""
        given = self.parameters or Parameters()
        return Wanted(given.top_k, given.function_to_apply, given.mask_threshold)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read.

    Attributes:
        rows: As the endpoint's own request gives them.
        wanted: Besides.
        alone: Whether that is one input and no list.
        plain: Whether labels without scores are wanted, as of a table.
    """

    rows: Sequence[Any]
    wanted: Wanted
    alone: bool = False
    plain: bool = False


@router.post(
    PATH,
    responses={
        200: {
            "description": "Classes: `label`, `score`. Masks: `label`, `score`, "
            "`mask`. Of a `table` without `parameters`: its labels; of a regression: "
            "its numbers. Of what writes texts: `generated_text`, `details`; with "
            "`stream` an event for each character.",
            "content": {
                JSON: {"schema": {"type": "array"}},
                EVENTS: {"schema": {"type": "string"}},
            },
        },
        **PREDICT_ERRORS,
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": {
                        "anyOf": [
                            inlined(each.model_json_schema())
                            for each in (HuggingFaceRequest, TextInput)
                        ]
                    },
                    "example": {"inputs": "I loved every minute of it."},
                },
                ImagesRequest.media: {"schema": ImagesRequest.file},
                AudiosRequest.media: {"schema": AudiosRequest.file},
            },
        },
        "parameters": [*path_parameters(PATH), *CALL_PARAMETERS],
    },
)
async def ask_model(request: Request, version: Version = None) -> Response:
    """What a model's task answers, as Hugging Face's Inference API has it.

    `huggingface_hub.InferenceClient` takes this address as its `model`.
    """
    state: AppState = request.scope["servery"]
    name = request.path_params["name"]
    call = ModelCall(request, name, version, shipped=name in state.tasks.shipped)
    contract = call.pin()
    writer = state.tasks.find(contract)
    if isinstance(writer, TextGenerator):
        return await generate(call, writer)
    endpoint = _find(state, contract)
    asked = await _read(call, endpoint)
    given = await endpoint.read_all(call, asked.rows)
    answer = await call.infer_in_turn(given.groups)
    work = partial(_answer, endpoint, asked, given, answer.outputs, contract)
    much = answer.outputs[0].size > QUICK_NUMBERS
    labels, content = await call.encode(work, in_thread=True) if much else work()
    call.count(labels)
    return Response(to_json(content), media_type=JSON)


def _find(state: AppState, contract: Contract) -> TaskEndpoint:
    endpoint = state.tasks.find(contract) or state.tasks.shipped.get(contract.name)
    if not isinstance(endpoint, TaskEndpoint):
        task = kind_of(contract.task) or "none"
        raise NotFound(
            f"{contract.name} has no endpoint here: expected a model that declares a "
            f"task with inputs, received one whose task is {task}."
        )
    return endpoint


async def _read(call: ModelCall, endpoint: TaskEndpoint) -> Asked:
    takes_files = isinstance(endpoint, FileEndpoint)
    raw = (endpoint.request.media, BYTES, "") if takes_files else ()
    kind, body = await call.body(JSON, *raw)
    if kind != JSON:
        return Asked([body], Wanted(), alone=True)
    request = await call.parse(body, HuggingFaceRequest)
    rows = await call.parse_by(body, partial(_find_rows, request, endpoint, call))
    alone = request.table is None and not isinstance(request.inputs, list)
    wanted = request.wanted()
    plain = request.table is not None and wanted == Wanted()
    return Asked(rows, wanted, alone, plain)


def _find_rows(
    request: HuggingFaceRequest, endpoint: TaskEndpoint, call: ModelCall
) -> Sequence[Any]:
    """Checked by the endpoint's own request.

    Raises:
        InvalidInput: They are not what it takes.
    """
    several = request.inputs
    if request.table is not None:
        if not isinstance(endpoint, TableEndpoint):
            raise InvalidInput(
                "table: expected inputs for this task, received a table."
            )
        several = endpoint.read_cells(_transpose(request.table))
        call.check_count(len(several))
    elif not isinstance(several, list):
        several = [several]
    many = endpoint.request.rows_field
    try:
        rows: Sequence[Any] = validate({many: several}, endpoint.request).rows()
    except InvalidInput as error:
        raise _renamed(error, many) from None
    return rows


def _transpose(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table that is given by its columns."""
    columns = [each if isinstance(each, list) else [each] for each in table.values()]
    lengths = sorted({len(column) for column in columns})
    if len(lengths) != 1:
        received = " and ".join(map(str, lengths[:10])) or "none"
        raise InvalidInput(
            f"table: expected columns of one length, received {received}."
        )
    return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)]


def _renamed(error: InvalidInput, many: str) -> InvalidInput:
    """The same error, in which the field is called `inputs`."""
    details = [
        told | {"field": "inputs" + told["field"].removeprefix(many)}
        for told in error.details or []
    ]
    return type(error)(error.message.replace(many, "inputs", 1), details=details)


def _answer(
    endpoint: TaskEndpoint,
    asked: Asked,
    given: Given,
    outputs: Tensors,
    contract: Contract,
) -> tuple[Sequence[str], Any]:
    """The labels that are counted, and what is answered."""
    labels, rows = contract.labels, list[Any]()
    if isinstance(endpoint, ImageSegmenter):
        masks = endpoint.find_masks(given, outputs, asked.wanted)
        rows = [find_segments(mask, labels) for mask in masks]
        return (), rows[0] if asked.alone else rows
    if asked.plain or isinstance(endpoint, TableRegressor):
        predictions = endpoint.predict(given, outputs, contract, asked.wanted)
        named = endpoint.labels(predictions)
        return named, named or [each["value"] for each in predictions]
    found = classify(endpoint.task, outputs[0], labels, asked.wanted)
    rows = [each["classes"] for each in found]
    is_flat = asked.alone and endpoint.task.kind != TEXTS
    return [each["label"] for each in found], rows[0] if is_flat else rows

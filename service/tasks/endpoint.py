"""What the typed endpoints of all tasks have in common: read, compute, answer.

    body ─ read ─▶ Given ─ engine ─ outputs ─ predict ─▶ a prediction for each row
             └─ InvalidInput

A task's endpoint is a class that knows how to read and how to predict; a model of ours
that does either otherwise is a subclass of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import cleandoc
from typing import Any, ClassVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, create_model

from service.contract.contract import Contract
from service.engine.batching.batcher import Answer
from service.engine.batching.tensors import Tensors
from service.web.api.model_call import ModelCall
from service.web.api.schemas import (
    CALL_PARAMETERS,
    PREDICT_ERRORS,
    DirectRoute,
    FilesRequest,
    Schema,
    Version,
    files_body,
)

QUICK_NUMBERS = 4096  # of an output, of which predictions are made in less than 10 ms
QUICK_ITEMS = 2**20  # of an input, which get another dtype in about a millisecond


@dataclass(frozen=True, slots=True)
class Given:
    """What a request asks to be computed.

    Attributes:
        groups: The rows, so many together as others can wait for.
        sources: What each row was made of, where an answer depends on it.
    """

    groups: Sequence[Tensors]
    sources: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller wants to know, besides.

    Attributes:
        top_k: Classes in an answer; None = as many as the model's author found right.
        function_to_apply: To the outputs, in place of what the declaration says.
        threshold: Of a mask, likewise.
        overlay: Whether the picture is wanted, too, with the outlines of its mask.
    """

    top_k: int | None = None
    function_to_apply: str | None = None
    threshold: float | None = None
    overlay: bool = False


class Endpoint(ABC):
    """What is asked by its path, the name of a model in it.

    Attributes:
        model: The only one that is asked here, if it is one of ours.
        task: That it does.
        verb: In the path before the name.
        takes_top_k: Whether it answers classes, of which a caller may want more.
        takes_threshold: Whether it answers masks, of which a caller may want others.
        other_answers: Beside JSON: their media types, in the OpenAPI document.
        responses: There, of `model`, besides those that every endpoint has.
    """

    model: ClassVar[str]
    task: Any
    verb: ClassVar[str] = "predict"
    takes_top_k: ClassVar[bool] = False
    takes_threshold: ClassVar[bool] = False
    other_answers: ClassVar[Mapping[str, Schema]] = {}
    responses: ClassVar[dict[int | str, Schema]] = {}

    def path(self, model: str) -> str:
        """Where this model is asked."""
        return f"/v1/{self.verb}/{model}"

    @abstractmethod
    def body(self) -> Schema:
        """The request body, for the OpenAPI document, with an example that works."""

    @abstractmethod
    async def answer(self, call: ModelCall, wanted: Wanted | None = None) -> Response:
        """Answer a request.

        Raises:
            ServeryError: It is not what this task takes; see `ModelCall.infer`.
        """

    @abstractmethod
    def response(self, model: str) -> type[BaseModel]:
        """The answer's model, named after the served one's."""

    async def ask(self, request: Request, version: Version = None) -> Response:
        """Answer a request to `model`; the signature is what its query may hold."""
        return await self.answer(ModelCall(request, self.model, version))

    def router(self) -> APIRouter:
        """The route of `model`; what the class says of itself is its description."""
        router = APIRouter(tags=[self.verb], route_class=DirectRoute)
        router.add_api_route(
            self.path(self.model),
            self.ask,
            methods=["POST"],
            name=f"{self.verb}_{self.model}",
            description=cleandoc(self.__doc__ or ""),
            response_model=self.response(self.model),
            responses=PREDICT_ERRORS | self.responses,
            openapi_extra={"requestBody": self.body(), "parameters": CALL_PARAMETERS},
        )
        return router


class TaskEndpoint(Endpoint):
    """The typed endpoint of one model that predicts something of each row.

    Attributes:
        prediction: Of one row.
        request: What a body in JSON is, one row or several.
        label: The field of a prediction that is counted, by its values; empty = none.
    """

    prediction: type[BaseModel]
    request: Any
    label: ClassVar[str] = "label"

    @abstractmethod
    async def read(self, call: ModelCall) -> Given:
        """What the body of this call asks for.

        Raises:
            ServeryError: It is not what this task takes.
        """

    @abstractmethod
    async def read_all(self, call: ModelCall, rows: Sequence[Any]) -> Given:
        """The same, for rows as `request` gives them."""

    @abstractmethod
    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """A prediction for each row.

        Args:
            given: What was asked.
            outputs: The signature's outputs, in its order, of all rows.
            contract: Of the version that answered.
            wanted: What the caller wants to know.
        """

    async def answer(self, call: ModelCall, wanted: Wanted | None = None) -> Response:
        """See `Endpoint`."""
        given = await self.read(call)
        return call.respond(*await self.compute(call, given, wanted or Wanted()))

    async def compute(
        self, call: ModelCall, given: Given, wanted: Wanted
    ) -> tuple[Answer, list[dict[str, Any]]]:
        """The engine's answer and a prediction for each row, which are counted.

        Raises:
            ServeryError: See `ModelCall.infer`.
        """
        answer = await call.infer_in_turn(given.groups)
        contract = call.contract(answer)
        work = partial(self.predict, given, answer.outputs, contract, wanted)
        much = answer.outputs[0].size > QUICK_NUMBERS
        predictions = await call.encode(work, in_thread=True) if much else work()
        call.count(self.labels(predictions))
        return answer, predictions

    def labels(self, predictions: list[dict[str, Any]]) -> list[str]:
        """What is counted of predictions, if anything is."""
        return [str(each[self.label]) for each in predictions] if self.label else []

    def response(self, model: str) -> type[BaseModel]:
        """See `Endpoint`."""
        about = "One prediction for each input, in the order they came."
        predictions: Any = list[self.prediction]  # type: ignore[name-defined]
        return answer_model(model, about, predictions=(predictions, ...))


class FileEndpoint(TaskEndpoint):
    """The half of an endpoint that takes files.

    Attributes:
        example: A file in base64.
    """

    request: type[FilesRequest]
    example: str

    def body(self) -> Schema:
        """One file or several: in a form, as they are or in JSON."""
        body: Schema = files_body(self.request, self.example)["requestBody"]
        return body

    async def read(self, call: ModelCall) -> Given:
        """See `TaskEndpoint`."""
        return await self.read_all(call, await call.files(self.request))


def answer_model(model: str, about: str, **fields: Any) -> type[BaseModel]:
    """The schema of an answer of a model: who gave it, and these fields."""
    name = "".join(part.capitalize() for part in model.split("_")) + "Response"
    fields = {"model": (str, ...), "version": (int, ...), **fields}
    return create_model(name, __doc__=about, **fields)


def declared_example(task: Any, field: str) -> Any:
    """What the first example of a task has in this field of its request, if any."""
    return task.examples[0].request.get(field) if task.examples else None

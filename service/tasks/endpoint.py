"""What the typed endpoints of all tasks have in common: read, compute, answer.

body ─ read ─▶ Given ─ engine ─ outputs ─ predict ─▶ JSON
└─ the task's own errors of input       (one prediction for each row)
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import Response
from pydantic import BaseModel, create_model

from service.contract.contract import Contract
from service.engine.batching.tensors import Tensors
from service.web.api.model_call import ModelCall
from service.web.api.schemas import PREDICT_ERRORS, TIMEOUT_PARAMETER, Schema


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
    """

    top_k: int | None = None
    function_to_apply: str | None = None


class TaskEndpoint(ABC):
    """The typed endpoint of one model.

    Attributes:
        prediction: Of one row.
        label: The field of a prediction that is counted, by its values; empty = none.
        takes_top_k: Whether it answers classes, of which a caller may want more.
    """

    prediction: type[BaseModel]
    label: ClassVar[str] = "label"
    takes_top_k: ClassVar[bool] = False

    @abstractmethod
    def body(self) -> Schema:
        """The request body, for the OpenAPI document, with an example that works."""

    @abstractmethod
    async def read(self, call: ModelCall) -> Given:
        """What the body of this call asks for.

        Raises:
            ServeryError: It is not what this task takes.
        """

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
        """Answer a request.

        Raises:
            ServeryError: See `read`, `ModelCall.infer`.
        """
        given = await self.read(call)
        answer = await call.infer_in_turn(given.groups)
        predictions = self.predict(
            given, answer.outputs, call.contract(answer), wanted or Wanted()
        )
        return call.respond(answer, predictions, self.labels(predictions))

    def labels(self, predictions: list[dict[str, Any]]) -> list[str]:
        """What is counted of predictions, if anything is."""
        return [str(each[self.label]) for each in predictions] if self.label else []

    def response(self, model: str) -> type[BaseModel]:
        """The answer's model, named after the served one's."""
        name = "".join(part.capitalize() for part in model.split("_"))
        fields: dict[str, Any] = {
            "model": (str, ...),
            "version": (int, ...),
            "predictions": (list[self.prediction], ...),  # type: ignore[name-defined]
        }
        return create_model(
            f"{name}Response",
            __doc__="One prediction for each input, in the order they came.",
            **fields,
        )

    def route(self, model: str) -> dict[str, Any]:
        """What FastAPI is told of the endpoint of a model that is known beforehand."""
        return {
            "response_model": self.response(model),
            "responses": PREDICT_ERRORS,
            "openapi_extra": {
                "requestBody": self.body(),
                "parameters": [TIMEOUT_PARAMETER],
            },
        }

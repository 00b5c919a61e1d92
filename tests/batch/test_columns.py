"""An answer's declared fields become columns of their types."""

from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel

from service.batch.columns import prediction_schema, to_table
from service.errors import InvalidInput
from service.tasks.endpoint import answer_model


class Part(BaseModel):
    label: str
    score: float | None


class Answer(BaseModel):
    label: Literal["a", "b"]
    value: float | None = None
    count: int
    sure: bool
    parts: list[Part] = []
    other: int | str = 0
    facts: dict[str, float] = {}


class Other(BaseModel):
    number: str


class Fake:
    """All of an endpoint that matters here."""

    def __init__(self, *kinds: Any):
        self._kinds = kinds

    def response(self, model: str) -> type[BaseModel]:
        kind = self._kinds[0]
        for each in self._kinds[1:]:
            kind = kind | each
        predictions: Any = list[kind]  # type: ignore[valid-type]
        return answer_model(model, "", predictions=(predictions, ...))


def schema(*taken: str) -> pa.Schema:
    endpoint: Any = Fake(Answer, Other)  # of several kinds the first
    return prediction_schema("m", endpoint, taken)


def test_fields_have_the_types_that_they_declare() -> None:
    part = pa.struct([("label", pa.string()), ("score", pa.float64())])
    assert {field.name: field.type for field in schema()} == {
        "label": pa.string(),
        "value": pa.float64(),
        "count": pa.int64(),
        "sure": pa.bool_(),
        "parts": pa.list_(part),
        "other": pa.string(),
        "facts": pa.string(),
        "error": pa.string(),
    }


def test_names_that_are_taken_are_prefixed_until_they_are_not() -> None:
    found = schema("label", "error", "predicted_error").names
    assert found[0] == "predicted_label"
    assert found[-1] == "predicted_predicted_error"
    assert len({*found}) == len(found)


def test_rows_become_columns_and_errors_stand_alone() -> None:
    said = {"label": "a", "count": 1, "sure": True, "other": 7, "facts": {"x": 0.5}}
    parts = {"parts": [{"label": "b", "score": None}]}
    table = to_table(schema(), [said | parts, InvalidInput("wrong")])
    first, second = table.to_pylist()
    assert first["parts"] == parts["parts"]
    assert (first["other"], first["facts"]) == ("7", '{"x": 0.5}')
    assert first["error"] is None
    assert {name for name, value in second.items() if value is not None} == {"error"}

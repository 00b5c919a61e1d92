"""Predictions as columns, of the types that the model's answer declares."""

import json
import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

from service.errors import ServeryError
from service.tasks.endpoint import Endpoint

ERROR = "error"
SIMPLE = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}


def prediction_schema(name: str, endpoint: Endpoint, taken: Sequence[str]) -> pa.Schema:
    """The columns that a prediction becomes, with that of errors behind them.

    Args:
        name: The model's.
        endpoint: What answers.
        taken: Names of columns that are there; those of a prediction that are among
            them are prefixed.

    Returns:
        Its metadata has the name of each in a prediction.
    """
    answer = endpoint.response(name).model_fields["predictions"].annotation
    fields = [
        (each, _to_type(field.annotation))
        for each, field in _first_model(answer).model_fields.items()
    ]
    fields.append((ERROR, pa.string()))
    names = {*taken}
    return pa.schema(
        [pa.field(_free_name(each, names), kind) for each, kind in fields],
        metadata={"names": json.dumps([each for each, _ in fields])},
    )


def to_table(
    schema: pa.Schema, outcomes: Sequence[dict[str, Any] | ServeryError]
) -> pa.Table:
    """The outcomes of rows, as columns.

    Args:
        schema: See `prediction_schema`.
        outcomes: A prediction for each row; or why there is none.
    """
    names = json.loads(schema.metadata[b"names"])
    rows = [
        {ERROR: each.message} if isinstance(each, ServeryError) else each
        for each in outcomes
    ]
    columns = []
    for name, field in zip(names, schema, strict=True):
        values = [row.get(name) for row in rows]
        if pa.types.is_string(field.type):
            values = [_to_text(each) for each in values]
        columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema.remove_metadata())


def _free_name(name: str, taken: set[str]) -> str:
    """The name, prefixed until nobody has it; from now on it is taken."""
    while name in taken:
        name = f"predicted_{name}"
    taken.add(name)
    return name


def _to_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _first_model(annotation: Any) -> type[BaseModel]:
    """The model in an annotation, or the first of several that it may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(map(_first_model, get_args(annotation)))


def _to_type(annotation: Any) -> pa.DataType:
    """The type of a column; what has no type of its own there is JSON in a text."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _to_type(inner[0])
    if origin in (Union, types.UnionType):
        known = [each for each in inner if each is not types.NoneType]
        return _to_type(known[0]) if len(known) == 1 else pa.string()
    if origin is list:
        return pa.list_(_to_type(inner[0]))
    if origin is Literal:
        return SIMPLE.get(type(inner[0]), pa.string())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return pa.struct([(name, _to_type(each.annotation)) for name, each in fields])
    return SIMPLE.get(annotation, pa.string())

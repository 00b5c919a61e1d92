"""Records of a table to what a model takes: an input a column, or all in one."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.contract.dtypes import STRING, number_range, numpy_dtype
from service.contract.signature import TensorSpec
from service.contract.table import TableField
from service.contract.task import SERVING
from service.engine.batching.tensors import Tensors
from service.errors import InvalidInput, MalformedBody
from service.tasks.classes import Classifier, finite
from service.tasks.endpoint import Given, TaskEndpoint, Wanted
from service.tasks.fields import Record, read_text
from service.tasks.records import inlined, records_request
from service.web.api.model_call import ModelCall
from service.web.api.schemas import Schema
from service.web.http.body import JSON, check_count, validate
from service.web.http.json_cost import SHARE
from service.wording import show

CSV = "text/csv"

Column = Sequence[Any] | npt.NDArray[Any]


class TableEndpoint(TaskEndpoint):
    """The half of an endpoint that reads records.

    Args:
        fields: Of a record.
        inputs: Of the model.
        example: A body with which the call works.
        names: See `records_request`.

    Attributes:
        fields: Of a record.
    """

    def __init__(
        self,
        fields: Sequence[TableField],
        inputs: Sequence[TensorSpec],
        example: dict[str, Any],
        names: tuple[str | None, str] = ("record", "records"),
    ):
        self.fields, self._inputs, self._example = fields, inputs, example
        self.request = records_request(fields, self._dtypes(), *names)
        self._many = names[1]

    def _dtypes(self) -> list[str]:
        """Of what the model takes each field as."""
        by_name = {spec.name: spec.dtype for spec in self._inputs}
        only = self._inputs[0].dtype
        return [by_name.get(field.name, only) for field in self.fields]

    def body(self) -> Schema:
        """One record or several, in JSON; what is right CSV no schema could say."""
        heading = ",".join(field.name for field in self.fields)
        schema = self.request.model_json_schema()
        return {
            "description": f"In JSON; or as text/csv, whose first row is {heading}.",
            "required": True,
            "content": {JSON: {"schema": inlined(schema), "example": self._example}},
        }

    async def read(self, call: ModelCall) -> Given:
        """See `TaskEndpoint`."""
        kind, body = await call.body(JSON, CSV)
        if kind == JSON:
            request = await call.parse(body, self.request)
        else:
            settings = call.state.settings
            _check_cost(body, settings.max_json_values)
            most = settings.max_request_rows
            request = await call.parse_by(body, partial(self._read_csv, body, most))
        return await self.read_all(call, request.rows())

    async def read_all(self, call: ModelCall, rows: Sequence[Record]) -> Given:
        """See `TaskEndpoint`."""
        encoded = await call.decode(lambda: self._encode(rows), in_thread=False)
        return Given([encoded], rows)

    def read_cells(self, lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Records whose values may be texts, as JSON would carry them."""
        by_name = {field.name: field for field in self.fields}

        def read(name: str, cell: Any) -> Any:
            is_text = name in by_name and isinstance(cell, str)
            return read_text(by_name[name], cell) if is_text else cell

        return [{n: read(n, cell) for n, cell in line.items()} for line in lines]

    def _read_csv(self, body: bytes, most: int) -> Any:
        """A table with the fields' names in its first row.

        Raises:
            MalformedBody: No such table.
            TooManyRows, InvalidInput: As of JSON.
        """
        try:
            text = io.StringIO(body.decode("utf-8-sig"), newline="")
            reader = csv.DictReader(text, strict=True)
            _check_heading(reader.fieldnames or ())
            lines = []
            for line in reader:
                lines.append(line)
                check_count(len(lines), most)
        except (UnicodeDecodeError, csv.Error) as error:
            raise MalformedBody(f"The body is not CSV in UTF-8: {error}.") from error
        for number, line in enumerate(lines, 2):
            if None in line or None in line.values():
                raise MalformedBody(
                    f"The body is not CSV: expected {len(reader.fieldnames or ())} "
                    f"cells in row {number}, received more or fewer."
                )
        return validate({self._many: self.read_cells(lines)}, self.request)

    def _encode(self, records: Sequence[Record]) -> Tensors:
        columns = zip(*(record.values() for record in records), strict=True)
        names = [field.name for field in self.fields]
        return self.encode(dict(zip(names, columns, strict=True)))

    def encode(self, columns: Mapping[str, Column]) -> Tensors:
        """What the model takes of records.

        Args:
            columns: The values of each field, as `Record.values` has them.

        Raises:
            InvalidInput: A number is none that the model's dtype holds.
        """
        named = {
            field.name: _coded(field, columns[field.name]) for field in self.fields
        }
        if len(self._inputs) == 1 and len(self._inputs[0].shape) == 2:
            (only,) = self._inputs
            if only.shape[1] != 1 or only.name not in named:
                matrix = [_as_numbers(n, each, only.dtype) for n, each in named.items()]
                return (np.stack(matrix, axis=1),)
        return tuple(_as_input(named[spec.name], spec) for spec in self._inputs)


class DeclaredTable(TableEndpoint):
    """The same, for a model that declares what it takes."""

    def __init__(self, contract: Contract):
        task: Any = contract.task
        self.task = task
        body = {"record": {field.name: _sample(field) for field in task.fields}}
        example = task.examples[0].request if task.examples else body
        super().__init__(task.fields, contract.signatures[SERVING].inputs, example)


class TableClassifier(DeclaredTable, Classifier):
    """Records to classes."""


class Value(BaseModel):
    """What one record comes to."""

    value: float | None = Field(description="null where it is no finite number.")
    unit: str | None = Field(None, description="Of the value, where it has one.")


class TableRegressor(DeclaredTable):
    """Records to numbers."""

    prediction = Value
    label = ""  # numbers are not counted

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `Value`."""
        unit = {"unit": self.task.unit} if self.task.unit else {}
        numbers = np.asarray(outputs[0], np.float64).reshape(len(outputs[0]), -1)
        return [{"value": finite(float(f"{row[0]:.7g}")), **unit} for row in numbers]


def _check_cost(body: bytes, max_cells: int) -> None:
    """Refuse CSV that would cost too much to parse, as `check_cost` does of JSON.

    Raises:
        InvalidInput: More cells, or more than 16 bytes for each that there may be.
    """
    if len(body) <= SHARE * max_cells:
        cells = 1 + sum(map(body.count, (b",", b"\n", b"\r")))
        if cells <= max_cells:
            return
    raise InvalidInput(
        f"The body is too intricate: expected CSV of at most {max_cells:,} cells and "
        f"ends of lines and {SHARE * max_cells:,} bytes, received more, in "
        f"{len(body):,} bytes."
    )


def _check_heading(names: Sequence[str]) -> None:
    """Refuse a column that is there twice, of which only the last would be read."""
    if len({*names}) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise MalformedBody(
            f"The body is not CSV: expected each name once in row 1, received "
            f"{show(twice)} twice."
        )


def _sample(field: TableField) -> Any:
    """A value that the field takes."""
    if field.kind == "category":
        return field.words[0]
    if field.kind == "boolean":
        return True
    low, high = field.minimum, field.maximum
    bounds = [bound for bound in (low, high) if bound is not None]
    middle = sum(bounds) / len(bounds) if bounds else 0
    return round(middle) if field.kind == "integer" else middle


def _coded(field: TableField, column: Column) -> Column:
    """Words as the numbers that stand for them, where the model takes numbers."""
    if not field.codes:
        return column
    codes = dict(zip(field.words, field.codes, strict=True))
    return [codes.get(value, value) for value in column]


def _as_numbers(name: str, column: Column, dtype: str) -> npt.NDArray[Any]:
    """(rows,) of a dtype; a number that it cannot hold is refused, and never changed.

    Raises:
        InvalidInput: There is one.
    """
    kind: Any = numpy_dtype(dtype)
    if kind.kind in "iu":
        least, most = number_range(dtype)
        held = [least <= each <= most for each in column]
    else:
        with np.errstate(over="ignore"):
            values = np.array(column, np.float64).astype(kind)
        held = (~np.isinf(values.astype(np.float64))).tolist()
    if not all(held):
        received = show(column[held.index(False)])
        raise InvalidInput(
            f"{name}: expected a number that {dtype} can hold, received {received}."
        )
    return np.array([*map(int, column)], kind) if kind.kind in "iu" else values


def _as_input(column: Column, spec: TensorSpec) -> npt.NDArray[Any]:
    if spec.dtype == STRING:
        values = np.empty(len(column), dtype=object)
        values[:] = [str(value).encode() for value in column]
    else:
        values = _as_numbers(spec.name, column, spec.dtype)
    return values.reshape(-1, 1) if len(spec.shape) == 2 else values

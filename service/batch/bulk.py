"""Records of a table to what a model takes, column by column.

    table ─ each column as its field declares it? ─┬─ yes ─▶ what the model takes
                                                   └─ no ──▶ None: row by row, which
                                                             says what is wrong where

A value costs a tenth of what it costs row by row, and comes to the same.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from service.contract.table import TableField
from service.engine.batching.tensors import Tensors
from service.errors import InvalidInput
from service.tasks.fields import bounds, missing
from service.tasks.tables import Column, DeclaredTable


class Records(Sequence[dict[str, Any]]):
    """Rows of a table, as JSON would carry them: what is not a number is missing.

    Args:
        table: Of the columns that are scored.

    Attributes:
        table: The same.
    """

    def __init__(self, table: pa.Table):
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.table.to_pylist():
            yield {name: _plain(value) for name, value in row.items()}

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            start, stop, _ = which.indices(len(self))
            return Records(self.table.slice(start, stop - start))
        (row,) = Records(self.table.slice(range(len(self))[which], 1))
        return row


def encode_records(endpoint: DeclaredTable, records: Records) -> Tensors | None:
    """What the model takes of these records; None if a value needs a closer look."""
    table = records.table.combine_chunks()
    columns: dict[str, Column] = {}
    for field in endpoint.fields:
        found = (
            _read(field, table.column(field.name))
            if field.name in table.column_names
            else _absent(field, len(records))
        )
        if found is None:
            return None
        columns[field.name] = found
    try:
        return endpoint.encode(columns)
    except InvalidInput:  # it does not know the row
        return None


def _absent(field: TableField, rows: int) -> Column | None:
    return [missing(field)] * rows if field.optional else None


def _read(field: TableField, column: pa.ChunkedArray) -> Column | None:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if field.kind in ("number", "integer"):
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        return _read_numbers(field, column) if is_number else None
    if column.null_count:
        return None
    if field.kind == "boolean":
        return column.to_pylist() if pa.types.is_boolean(kind) else None
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    words = {*column.unique().to_pylist()} if is_text else {None}
    known = {*field.words} - ({field.missing_word} if field.optional else set())
    return column.to_pylist() if words <= known else None


def _read_numbers(field: TableField, column: pa.ChunkedArray) -> Column | None:
    low, high = bounds(field)
    if pa.types.is_integer(column.type) and not column.null_count:
        values = column.to_numpy()
        # whole numbers are compared with whole ones: as floats the large ones are round
        within = (values >= math.ceil(low)) & (values <= math.floor(high))
        return values if within.all() else None
    try:
        values = column.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:  # a whole number that is none of float64's
        return None
    absent = np.isnan(values)
    if absent.any() and not field.optional:
        return None
    within = absent | ((values >= low) & (values <= high))
    if field.kind == "integer":
        within &= absent | (values == np.trunc(values))
    if not within.all():
        return None
    filled: Column = np.where(absent, missing(field), values)
    return filled


def _plain(value: Any) -> Any:
    """A value as JSON would carry it: what is not a number is missing."""
    return None if isinstance(value, float) and value != value else value

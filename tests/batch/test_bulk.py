"""Records read by columns are what they are row by row, or are left to that."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from service.batch.bulk import Records, encode_records
from service.contract.signature import TensorSpec
from service.contract.table import TableField
from service.contract.task import SERVING
from service.engine.batching.tensors import Tensors
from service.errors import InvalidInput
from service.tasks.tables import TableRegressor

WORDS = ("gas", "wood")
FIELDS = [
    TableField(name="area", kind="number", minimum=0, maximum=1000),
    TableField(name="rooms", kind="integer", minimum=-1e12),
    TableField(name="heating", kind="category", words=WORDS),
    TableField(name="garden", kind="boolean"),
    TableField(name="age", kind="number", optional=True, missing_word="unknown"),
    TableField(name="floor", kind="integer", optional=True, missing=-1),
    TableField(
        name="oven",
        kind="category",
        words=WORDS,
        optional=True,
        missing="wood",
        missing_word="gas",
    ),
]
DTYPES = ("float32", "int32", "string", "bool", "float64", "int8", "string")
GOOD: dict[str, Any] = {
    "area": [1, 2.5, 1000],
    "rooms": [1, 2, -3],
    "heating": ["gas", "wood", "gas"],
    "garden": [True, False, True],
    "age": [None, float("nan"), 3],
    "floor": [1, None, 127],
    "oven": ["wood", "wood", "wood"],
}


def endpoint(*, matrix: bool = False) -> TableRegressor:
    """Of inputs of many dtypes; or of one, of which each field is a column."""
    fields = FIELDS
    inputs = [
        TensorSpec(name=field.name, dtype=dtype, shape=(None,))
        for field, dtype in zip(FIELDS, DTYPES, strict=True)
    ]
    if matrix:
        fields = [
            field.model_copy(update={"codes": (3.0, 4.0), "missing": 3.0})
            if field.words
            else field
            for field in FIELDS
        ]
        inputs = [TensorSpec(name="rows", dtype="float32", shape=(None, len(FIELDS)))]
    task = SimpleNamespace(fields=fields, examples=[], unit=None)
    signatures = {SERVING: SimpleNamespace(inputs=inputs)}
    contract: Any = SimpleNamespace(task=task, signatures=signatures)
    return TableRegressor(contract)


def by_rows(table: TableRegressor, records: Records) -> Tensors | None:
    """What the model takes, as of a request; None where one is refused."""
    try:
        body = {table.request.rows_field: [*records]}
        return table._encode(table.request.model_validate(body).rows())
    except (ValidationError, InvalidInput):
        return None


def same(ours: Tensors, theirs: Tensors) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("matrix", [False, True])
def test_what_is_as_it_is_declared_is_read_by_columns(*, matrix: bool) -> None:
    records, table = Records(pa.table(GOOD)), endpoint(matrix=matrix)
    ours, theirs = encode_records(table, records), by_rows(table, records)
    assert ours is not None
    assert theirs is not None
    same(ours, theirs)


def test_a_column_that_may_be_missing_may_be_absent() -> None:
    given = {name: GOOD[name] for name in ("area", "rooms", "heating", "garden")}
    records = Records(pa.table(given))
    ours, theirs = encode_records(endpoint(), records), by_rows(endpoint(), records)
    assert ours is not None
    assert theirs is not None
    same(ours, theirs)
    assert ours[5].tolist() == [-1, -1, -1]


def test_words_may_stand_in_a_dictionary() -> None:
    words = pa.array(GOOD["heating"]).dictionary_encode()
    records = Records(pa.table(GOOD | {"heating": words}))
    ours, theirs = encode_records(endpoint(), records), by_rows(endpoint(), records)
    assert ours is not None
    assert theirs is not None
    same(ours, theirs)


def test_records_are_a_sequence() -> None:
    records = Records(pa.table(GOOD))
    assert len(records) == len([*records]) == 3
    assert records[1] == [*records][1] == next(iter(records[1:]))
    assert records[-1]["age"] == 3
    assert records[1]["age"] is None  # not a number
    with pytest.raises(IndexError):
        records[3]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("area", [1, 2, 1000.5]),
        ("area", [1, None, 2]),
        ("area", [1, float("nan"), 2]),
        ("area", [1, float("inf"), 2]),
        ("area", [True, False, True]),
        ("area", ["1", "2", "3"]),
        ("rooms", [1, 2, 2.5]),
        ("rooms", [1, 2, 1 << 40]),  # within its bounds, and not int32's
        ("heating", ["gas", "wood", "coal"]),
        ("heating", ["gas", None, "wood"]),
        ("heating", [1, 2, 3]),
        ("garden", [1, 0, 1]),
        ("garden", [True, None, False]),
        ("floor", [1, 2, 128]),
        ("oven", ["gas", "wood", "wood"]),  # which says here that it is missing
    ],
)
def test_what_needs_a_closer_look_is_left_to_it(name: str, values: list[Any]) -> None:
    assert encode_records(endpoint(), Records(pa.table(GOOD | {name: values}))) is None


NUMBERS = (
    st.none()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.integers(-200, 1100)
    | st.floats()
    | st.floats(0, 1000, width=32)
)
TYPES = st.sampled_from(
    [pa.float64(), pa.float32(), pa.float16(), pa.int64(), pa.int8(), pa.uint64()]
)
TEXTS = st.none() | st.sampled_from([*WORDS, "coal", "unknown", ""])


@st.composite
def columns(draw: st.DrawFn, rows: int) -> pa.Array:
    kind = draw(st.sampled_from(["numbers", "whole", "texts", "truths", "many"]))
    one = {
        "numbers": NUMBERS,
        "whole": st.integers(0, 100),
        "texts": TEXTS,
        "truths": st.booleans() | st.none(),
        "many": st.just([1.0]),
    }[kind]
    values = draw(st.lists(one, min_size=rows, max_size=rows))
    if kind in ("numbers", "whole"):
        try:
            return pa.array(values, draw(TYPES))
        except (pa.ArrowException, OverflowError, TypeError):
            return pa.array([0] * rows, pa.int64())
    return pa.array(values)


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_whatever_a_table_holds_both_ways_come_to_the_same(data: st.DataObject) -> None:
    table = endpoint(matrix=data.draw(st.booleans()))
    given = pa.table(GOOD)
    for name in data.draw(st.lists(st.sampled_from([*GOOD]), max_size=2)):
        column = data.draw(columns(3))
        given = given.set_column(given.column_names.index(name), name, column)
    records = Records(given)[: data.draw(st.integers(1, 3))]
    ours, theirs = encode_records(table, records), by_rows(table, records)
    if ours is not None:
        assert theirs is not None
        same(ours, theirs)

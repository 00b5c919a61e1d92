"""CSV files as records: marks, quotes, delimiters, what is missing or wrong."""

import io
from typing import Any

import pytest

from servery.errors import InvalidInput
from servery.files.records import read_header

FIELDS: list[dict[str, Any]] = [
    {"name": "age", "kind": "integer"},
    {"name": "country", "kind": "category"},
    {"name": "member", "kind": "boolean"},
    {"name": "balance", "kind": "number", "optional": True},
]


def read(text: str | bytes, fields: list[dict[str, Any]] = FIELDS) -> list[Any]:
    content = text.encode() if isinstance(text, str) else text
    return [*read_header("people.csv", io.BytesIO(content), fields)]


def test_cells_become_what_the_fields_declare() -> None:
    ((line, columns, record),) = read(
        "id,age,country,member,balance\n007,41,1,yes,1.5\n"
    )
    assert line == 2
    assert columns["id"] == "007"
    assert record == {"age": 41, "country": "1", "member": True, "balance": 1.5}


def test_a_byte_order_mark_semicolons_and_quoted_newlines() -> None:
    text = '\ufeffage;country;member\r\n41;"Fra\r\nnce; north";no\r\n\r\n7;Spain;1\r\n'

    rows = read(text)

    assert [record["country"] for _, _, record in rows] == [
        "Fra\r\nnce; north",
        "Spain",
    ]
    assert [line for line, _, _ in rows] == [3, 5]


def test_an_empty_cell_is_a_missing_value() -> None:
    ((_, _, record),) = read("age,country,member,balance\n41,Spain,0, \n")
    assert "balance" not in record


@pytest.mark.parametrize("cell", ["many", "nan", "1e999"])
def test_what_is_no_number_is_left_to_the_server_to_refuse(cell: str) -> None:
    ((_, _, record),) = read(f"age,country,member\n{cell},Spain,perhaps\n")
    assert (record["age"], record["member"]) == (cell, "perhaps")


def test_columns_are_sent_as_they_look_where_no_task_declares_them() -> None:
    ((_, _, record),) = read("a,b,c\n1,2.5,x\n", [])
    assert record == {"a": 1, "b": 2.5, "c": "x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age\n41\n", "people.csv: expected the columns age, country, member; missing "
         "country, member"),
        ("a,b,a\n", "expected each column once; twice: 'a'"),
        ("", "expected a line of column names, received none"),
        ("\n1,2\n", "expected a line of column names, received none"),
    ],
    ids=["missing", "twice", "empty", "blank"],
)  # fmt: skip
def test_a_header_that_will_not_do_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(text)


def test_a_line_of_another_length_is_an_error_of_its_own() -> None:
    rows = read("age,country,member\n1\n2,Spain,no\n1,2,3,4\n")
    assert [type(record) for _, _, record in rows] == [InvalidInput, dict, InvalidInput]
    assert str(rows[0][2]) == "expected 3 cells, received 1"

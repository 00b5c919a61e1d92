"""CSV in parts: every record is read once, whole, whatever is in it."""

import csv
import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.batch.csv_source import CsvSource
from service.batch.errors import BatchError
from service.batch.takes import Takes
from service.errors import InvalidInput

TAKES = Takes("record", needed=("a",), known=("a", "b"))
LARGEST = 2000


def open_csv(path: Path, content: bytes | str, rows: int = 2, **more: Any) -> CsvSource:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CsvSource([path], more.get("takes", TAKES), rows, LARGEST)


def read_all(source: CsvSource) -> list[Any]:
    found = [source.read(part) for part in source.parts]
    for part, chunk in zip(source.parts, found, strict=True):
        assert part.rows == len(chunk.given) == chunk.columns.num_rows
    return [each for chunk in found for each in chunk.given]


CELLS = st.text(st.sampled_from('ab",;\n é'), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(CELLS, CELLS), max_size=12),
    st.integers(1, 5),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_was_written_is_read_in_whatever_parts(
    tmp_path: Path, rows: list[tuple[str, str]], most: int, end: str
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows([("a", "b"), *rows])
    source = open_csv(tmp_path / "rows.csv", text.getvalue(), most)
    assert all(part.rows <= most for part in source.parts)
    assert [part.number for part in source.parts] == [*range(len(source.parts))]
    assert read_all(source) == [{"a": a, "b": b} for a, b in rows]


def test_parts_can_be_read_in_any_order_and_more_than_once(tmp_path: Path) -> None:
    source = open_csv(tmp_path / "rows.csv", "a,b\n1,2\n3,4\n5,6\n")
    last, first = source.parts[1], source.parts[0]
    assert source.read(last).given == [{"a": "5", "b": "6"}]
    assert source.read(first).columns.to_pylist()[1] == {"a": "3", "b": "4"}
    assert source.read(last).given == [{"a": "5", "b": "6"}]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\xef\xbb\xbfa,b\n1,2\n", "byte order mark"),
        (b"a;b\n1;2\n", "semicolons"),
        (b"a\tb\n1\t2", "tabs, and no end of line"),
        (b"\na,b\n1,2\n"[1:] + b"\n \n"[:1], "blank lines"),
        (b"b,c,a\n2,9,1\n", "other columns, in another order"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tables_are_written_in_many_ways(
    tmp_path: Path, content: bytes, name: str
) -> None:
    source = open_csv(tmp_path / "rows.csv", content)
    assert read_all(source) == [{"a": "1", "b": "2"}]


def test_a_quote_that_nothing_closes_spoils_its_own_row_only(tmp_path: Path) -> None:
    source = open_csv(tmp_path / "rows.csv", 'a,b\n1,2\n"3,4\n5,6\n7,8\n')
    first, second, *others = read_all(source)
    assert first == {"a": "1", "b": "2"}
    assert isinstance(second, InvalidInput)
    assert others == [{"a": "5", "b": "6"}, {"a": "7", "b": "8"}]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b"1", "expected 2 cells, received 1"),
        (b"1,2,3", "expected 2 cells, received 3"),
        (b"\xff,2", "expected UTF-8"),
        (b"1," + b"x" * LARGEST, "a row of at most 2,000 bytes, received 2,003"),
        (b'1,"' + b"x\n" * LARGEST + b'"', "expected"),
    ],
    ids=["few", "many", "latin", "long", "long in quotes"],
)
def test_a_bad_row_is_an_error_in_its_place(
    tmp_path: Path, row: bytes, expected: str
) -> None:
    content = b"a,b\n1,2\n" + row + b"\n3,4\n"
    source = open_csv(tmp_path / "rows.csv", content)
    first, bad, *_, last = read_all(source)
    assert (first, last) == ({"a": "1", "b": "2"}, {"a": "3", "b": "4"})
    assert isinstance(bad, InvalidInput)
    assert expected in bad.message
    assert len(bad.message) < 300


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "a line of column names, received none"),
        ("b,c\n1,2\n", "expected the columns a; missing a"),
        ("a,b,a\n1,2,3\n", "each column once; twice: 'a'"),
    ],
    ids=["empty", "missing", "twice"],
)
def test_a_table_that_is_none_is_refused_at_once(
    tmp_path: Path, content: str, expected: str
) -> None:
    with pytest.raises(BatchError, match=expected):
        open_csv(tmp_path / "rows.csv", content)


def test_files_of_a_folder_have_the_same_columns(tmp_path: Path) -> None:
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text("a,b\n1,2\n3,4\n5,6\n")
    second.write_text("a,b\n7,8\n")
    source = CsvSource([first, second], TAKES, 2, LARGEST)
    assert [each["a"] for each in read_all(source)] == ["1", "3", "5", "7"]
    second.write_text("b,a\n7,8\n")
    with pytest.raises(BatchError, match=r"2\.csv: expected the columns of 1\.csv"):
        CsvSource([first, second], TAKES, 2, LARGEST)


def test_a_file_that_changes_while_it_is_read_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    source = open_csv(path, "a,b\n1,2\n")
    path.write_text("a,b\n1,3\n")
    os.utime(path, ns=(1, 1))
    with pytest.raises(BatchError, match="has changed while it was read"):
        source.read(source.parts[0])


def test_another_content_is_another_input(tmp_path: Path) -> None:
    prints = {
        open_csv(tmp_path / "rows.csv", content).fingerprint
        for content in ("a,b\n1,2\n", "a,b\n1,3\n", "a,b\n1,2\n")
    }
    assert len(prints) == 2


def test_texts_are_a_column_of_their_name_or_the_only_one(tmp_path: Path) -> None:
    texts = Takes("text", names=("text", "review"))
    path = tmp_path / "rows.csv"
    for content in ("id,review\n1,good\n", "remark\ngood\n"):
        source = open_csv(path, content, takes=texts)
        assert read_all(source) == ["good"]
    with pytest.raises(BatchError, match="--column names it"):
        open_csv(path, "id,remark\n1,good\n", takes=texts)

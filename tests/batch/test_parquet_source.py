"""Parquet in parts: none goes over a row group, each can be read by itself."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.batch.errors import BatchError
from service.batch.parquet_source import ParquetSource
from service.batch.takes import Takes
from service.errors import InvalidInput

RECORD = Takes("record", needed=("a",), known=("a",))
PICTURE = Takes("file", names=("image",), suffixes=(".png",))
TEXT = Takes("text", names=("text",))


def write(path: Path, table: pa.Table, group: int = 1000) -> Path:
    pq.write_table(table, path, row_group_size=group)
    return path


def given(source: ParquetSource, *parts: int) -> list[Any]:
    return [each for part in parts for each in source.read(source.parts[part]).given]


def test_every_row_is_in_one_part_in_order(tmp_path: Path) -> None:
    table = pa.table({"a": range(5000), "id": [str(n) for n in range(5000)]})
    source = ParquetSource([write(tmp_path / "t.parquet", table, 2500)], RECORD, 999)
    assert [part.rows for part in source.parts] == [999, 999, 502] * 2
    everything = given(source, *range(6))
    assert everything == [{"a": n} for n in range(5000)]
    assert given(source, 4, 1) == everything[3499:4498] + everything[999:1998]
    assert source.read(source.parts[5]).columns["id"][0].as_py() == "4498"


def test_what_is_no_number_is_missing(tmp_path: Path) -> None:
    table = pa.table({"a": [1.5, float("nan"), None]})
    source = ParquetSource([write(tmp_path / "t.parquet", table)], RECORD, 10)
    assert given(source, 0) == [{"a": 1.5}, {"a": None}, {"a": None}]


def test_pictures_are_bytes_alone_or_with_a_path(tmp_path: Path) -> None:
    kinds = [pa.array([b"x", None]), pa.array([{"bytes": b"x", "path": "p"}, None])]
    for column in kinds:
        table = pa.table({"image": column, "id": [1, 2]})
        source = ParquetSource([write(tmp_path / "t.parquet", table)], PICTURE, 10)
        found, missing = given(source, 0)
        assert found == b"x"
        assert isinstance(missing, InvalidInput)
        assert source.schema.names == ["id"]  # pictures are not copied


@pytest.mark.parametrize(
    ("table", "takes", "expected"),
    [
        (pa.table({"b": [1]}), RECORD, "expected the columns a; missing a"),
        (pa.table({"b": ["x"], "c": ["y"]}), TEXT, "--column names it"),
        (pa.table({"b": [1]}), PICTURE, "received none"),
    ],
    ids=["record", "texts", "pictures"],
)
def test_columns_that_are_missing_are_said_at_once(
    tmp_path: Path, table: pa.Table, takes: Takes, expected: str
) -> None:
    with pytest.raises(BatchError, match=expected):
        ParquetSource([write(tmp_path / "t.parquet", table)], takes, 10)


def test_a_file_that_is_none_is_said_plainly(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("no")
    with pytest.raises(BatchError, match="expected a file that can be read"):
        ParquetSource([path], RECORD, 10)


def test_parts_of_wide_rows_are_small(tmp_path: Path) -> None:
    table = pa.table({"image": [bytes([n]) * 10_000_000 for n in range(20)]})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, use_dictionary=False, compression="none")
    source = ParquetSource([path], PICTURE, 8192)
    assert [part.rows for part in source.parts] == [6, 6, 6, 2]
    assert given(source, 3)[1][0] == 19

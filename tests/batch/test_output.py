"""A part is whole or not there; a run is known by what it left."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from service.batch.errors import BatchError
from service.batch.journal import Journal, locked, read_journal, write_journal
from service.batch.output import Output
from service.batch.sources import Part

PART = Part(0, 0, 0, 3)
TABLE = pa.table({"a": [1, 2, 3], "classes": [[{"score": 0.5}], None, []]})
JOURNAL = Journal("house", 1, "files", "csv", "input", 3, 1, 8192, None, None)


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file can be larger, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_part_is_done_when_all_of_it_is_there(tmp_path: Path) -> None:
    output = Output.at(tmp_path / "out")
    output.prepare()
    assert output.count_errors(PART) is None
    output.write(PART, TABLE, errors=2)
    assert output.count_errors(PART) == 2
    assert output.count_errors(replace(PART, rows=4)) is None
    (path,) = output.folder.glob("part-*")
    path.write_bytes(path.read_bytes()[:-1])
    assert output.count_errors(PART) is None


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    output = Output.at(tmp_path / "out")
    output.prepare()
    with disk_of(100), pytest.raises(BatchError, match="goes on from there"):
        output.write(PART, TABLE, errors=0)
    assert [*output.folder.iterdir()] == []
    output.write(PART, TABLE, errors=0)
    assert pq.read_table(output.folder).num_rows == 3


def test_a_full_disk_leaves_no_half_csv_and_all_parts(tmp_path: Path) -> None:
    output = Output.at(tmp_path / "out.csv")
    output.prepare()
    output.write(PART, TABLE, errors=0)
    with disk_of(10), pytest.raises(BatchError, match="cannot be written"):
        output.finish([PART], TABLE.schema)
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv.parts"]
    output.finish([PART], TABLE.schema)
    output.remove_parts()
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]
    found = pyarrow.csv.read_csv(output.csv)
    assert found["a"].to_pylist() == [1, 2, 3]
    assert json.loads(found["classes"][0].as_py()) == [{"score": 0.5}]


@pytest.mark.parametrize("name", ["out", "out.csv"])
def test_no_rows_are_a_table_without_rows(tmp_path: Path, name: str) -> None:
    output = Output.at(tmp_path / name)
    output.prepare()
    output.finish([], TABLE.schema)
    if output.csv is None:
        assert pq.read_table(output.folder).schema.names == TABLE.schema.names
    else:
        assert output.csv.read_text() == '"a","classes"\n'


def test_what_is_there_already_is_left_alone(tmp_path: Path) -> None:
    stranger = tmp_path / "out" / "thesis.txt"
    stranger.parent.mkdir()
    stranger.write_text("years")
    with pytest.raises(BatchError, match=r"it holds thesis\.txt"):
        Output.at(stranger.parent).prepare()
    with pytest.raises(BatchError, match="received a file"):
        Output.at(stranger)
    (tmp_path / "out.csv").write_text("years")
    with pytest.raises(BatchError, match="it is there"):
        Output.at(tmp_path / "out.csv")


def test_only_one_run_at_a_time_has_an_output(tmp_path: Path) -> None:
    other = locked(tmp_path)
    with locked(tmp_path), pytest.raises(BatchError, match="expected no other run"):
        other.__enter__()
    with locked(tmp_path):
        pass


def test_a_journal_says_what_the_run_was_about(tmp_path: Path) -> None:
    assert read_journal(tmp_path) is None
    write_journal(tmp_path, JOURNAL, complete={"rows": 3})
    assert read_journal(tmp_path) == JOURNAL
    (tmp_path / "_servery.json").write_text("{")
    with pytest.raises(BatchError, match="expected a file that can be read"):
        read_journal(tmp_path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model": "guest"}, "model"),
        ({"version": 2}, "version"),
        ({"files": "other"}, "files of the version"),
        ({"input": "other"}, "input"),
        ({"rows_a_part": 10}, "--rows"),
        ({"top_k": 3}, "--top-k"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_is_gone_on_with_only_as_it_was_begun(
    change: dict[str, Any], word: str
) -> None:
    with pytest.raises(BatchError, match=f"begun with another {word}: expected"):
        JOURNAL.check(replace(JOURNAL, **change))
    JOURNAL.check(replace(JOURNAL))

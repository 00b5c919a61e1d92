"""Parquet files in parts, none of which goes over the end of a row group."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from service.batch.bulk import Records
from service.batch.sources import (
    PART_BYTES,
    Chunk,
    Part,
    Stamp,
    fingerprint,
    hash_file,
    same_columns,
    unreadable,
)
from service.batch.takes import Takes
from service.errors import InvalidInput

BATCH_ROWS = 1024  # that are decoded at a time, to get to a part inside a row group


class ParquetSource:
    """Parquet files of the same columns.

    Args:
        files: At least one.
        takes: What the model takes.
        rows: Of a part, at most.
    """

    kind = "parquet"

    def __init__(self, files: Sequence[Path], takes: Takes, rows: int):
        self._stamps = [Stamp.of(path) for path in files]
        heads = [_read_head(path) for path in files]
        schema = heads[0].schema.to_arrow_schema()
        same_columns(files, [each.schema.to_arrow_schema().names for each in heads])
        takes.check(files[0], schema.names)
        self._takes = takes
        self._column = ""
        if takes.kind != "record":
            fit = [each.name for each in schema if _holds(each.type, takes)]
            self._column = takes.choose(files[0], fit)
        copied = [each for each in schema if not _is_file(each.type)]
        self.schema = pa.schema([each.remove_metadata() for each in copied])
        self.fingerprint = fingerprint(map(hash_file, files))
        self.parts = list(_cut(heads, rows))
        self._reader: _Reader | None = None

    def read(self, part: Part) -> Chunk:
        """See `Source`; parts that follow each other are quickest."""
        stamp = self._stamps[part.file]
        stamp.check()
        reader = self._reader
        if reader is None or not reader.is_at(stamp.path, part.start):
            reader = self._reader = _Reader(stamp.path, part.start)
        try:
            table = reader.take(part.rows)
            copied = table.select(self.schema.names).cast(self.schema)
        except (OSError, pa.ArrowException) as error:
            self._reader = None
            raise unreadable(stamp.path, error) from error
        return Chunk(copied, self._choose(table))

    def _choose(self, table: pa.Table) -> Sequence[Any]:
        """What of each row is scored."""
        if self._takes.kind == "record":
            known = [each for each in self._takes.known if each in table.column_names]
            return Records(table.select(known))
        values = table.column(self._column).to_pylist()
        if self._takes.kind == "file":
            values = [
                each["bytes"] if isinstance(each, dict) else each for each in values
            ]
        kind = "a text" if self._takes.kind == "text" else "the bytes of a file"
        return [
            InvalidInput(f"{self._column}: expected {kind}, received null")
            if each is None
            else each
            for each in values
        ]


class _Reader:
    """Reads rows of a file one after the other.

    Args:
        path: The file.
        start: The row with which it begins.
    """

    def __init__(self, path: Path, start: int):
        self._path, self._at = path, start
        file = pq.ParquetFile(path)
        group, before = 0, 0
        while before + file.metadata.row_group(group).num_rows <= start:
            before += file.metadata.row_group(group).num_rows
            group += 1
        groups = range(group, file.metadata.num_row_groups)
        self._batches = file.iter_batches(BATCH_ROWS, row_groups=[*groups])
        self._left: pa.RecordBatch | None = None
        self._skip(start - before)

    def is_at(self, path: Path, start: int) -> bool:
        """Whether these are the rows that come next."""
        return (path, start) == (self._path, self._at)

    def take(self, rows: int) -> pa.Table:
        """So many more."""
        taken, count = [], 0
        while count < rows:
            batch = self._next()
            some = batch.slice(0, rows - count)
            self._left = (
                batch.slice(some.num_rows) if some.num_rows < len(batch) else None
            )
            taken.append(some)
            count += some.num_rows
        self._at += rows
        return pa.Table.from_batches(taken)

    def _skip(self, rows: int) -> None:
        while rows:
            batch = self._next()
            count = min(rows, len(batch))
            rows -= count
            self._left = batch.slice(count) if count < len(batch) else None

    def _next(self) -> pa.RecordBatch:
        batch, self._left = self._left, None
        return batch if batch is not None else next(self._batches)


def _read_head(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error


def _cut(heads: Sequence[pq.FileMetaData], rows: int) -> Iterator[Part]:
    number = 0
    for file, head in enumerate(heads):
        begin = 0
        for index in range(head.num_row_groups):
            group = head.row_group(index)
            row_bytes = group.total_byte_size / max(1, group.num_rows)
            most = max(1, min(rows, int(PART_BYTES / max(1.0, row_bytes))))
            left = group.num_rows
            while left:
                count = min(most, left)
                yield Part(number, file, begin, count)
                number, begin, left = number + 1, begin + count, left - count


def _holds(kind: pa.DataType, takes: Takes) -> bool:
    if takes.kind == "file":
        return _is_file(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_file(kind: pa.DataType) -> bool:
    """Whether it is files' bytes, alone or as Hugging Face's data sets have them."""
    if pa.types.is_struct(kind):
        names = [kind.field(each).name for each in range(kind.num_fields)]
        return "bytes" in names and _is_file(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

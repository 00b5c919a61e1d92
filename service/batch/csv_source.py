"""CSV files in parts: bytes from one record's beginning to another's.

A record is a line, or several that quotes hold together. Lines without a quote are
counted without being parsed, so that ten million are cut in seconds.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from service.batch.errors import BatchError
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
from service.wording import show

DELIMITERS = ",;\t"
BOM = b"\xef\xbb\xbf"
BLANK = (b"\n", b"\r\n", b"\r", b"")


class CsvSource:
    """CSV files of the same columns.

    Args:
        files: At least one.
        takes: What the model takes.
        rows: Of a part, at most.
        largest: Bytes of one record, at most.
    """

    kind = "csv"

    def __init__(self, files: Sequence[Path], takes: Takes, rows: int, largest: int):
        if takes.kind == "file":
            raise BatchError(
                f"{files[0]}: expected a folder of files, or Parquet with their bytes; "
                "received CSV"
            )
        csv.field_size_limit(largest)
        self._stamps = [Stamp.of(path) for path in files]
        self._tables = [_read_heading(path) for path in files]
        columns = self._tables[0].columns
        same_columns(files, [each.columns for each in self._tables])
        takes.check(files[0], columns)
        self._takes, self._largest = takes, largest
        self._text = "" if takes.kind == "record" else takes.choose(files[0], columns)
        self.schema = pa.schema([(name, pa.string()) for name in columns])
        self.fingerprint = fingerprint(map(hash_file, files))
        self.parts = list(self._cut(rows))

    def read(self, part: Part) -> Chunk:
        """See `Source`."""
        stamp, table = self._stamps[part.file], self._tables[part.file]
        stamp.check()
        columns: list[list[str | None]] = [[] for _ in table.columns]
        given: list[Any] = []
        for cells in self._parse(table, part):
            given.append(self._choose(table, cells))
            known = cells if isinstance(cells, list) else []
            padded = [*known, *[None] * len(columns)]
            for column, cell in zip(columns, padded, strict=False):
                column.append(_clean(cell))
        arrays = [pa.array(each, pa.string()) for each in columns]
        return Chunk(pa.Table.from_arrays(arrays, schema=self.schema), given)

    def _cut(self, rows: int) -> Iterator[Part]:
        number = 0
        for file, table in enumerate(self._tables):
            begin, count, end = table.start, 0, table.start
            for end, size in self._scan(table):
                count += 1
                if count == rows or end + size - begin >= PART_BYTES:
                    yield Part(number, file, begin, count)
                    number, begin, count = number + 1, end + size, 0
            if count:
                yield Part(number, file, begin, count)
                number += 1

    def _scan(self, table: "_Table") -> Iterator[tuple[int, int]]:
        """Where each record begins, and its bytes."""
        with _open(table.path) as file:
            file.seek(table.start)
            at = table.start
            for record in _records(file, table.delimiter, self._largest):
                size = sum(map(len, record))
                if record[0] not in BLANK:
                    yield at, size
                at += size

    def _parse(self, table: "_Table", part: Part) -> Iterator[list[str] | InvalidInput]:
        """The cells of each record of a part; why there are none in their place."""
        left = part.rows
        with _open(table.path) as file:
            file.seek(part.start)
            for record in _records(file, table.delimiter, self._largest):
                if record[0] in BLANK:
                    continue
                yield _split(record, table.delimiter, self._largest)
                left -= 1
                if not left:
                    return
        raise BatchError(
            f"{table.path}: expected {part.rows} rows from byte {part.start}, received "
            f"{left} fewer"
        )

    def _choose(self, table: "_Table", cells: list[str] | InvalidInput) -> Any:
        """What of a record is scored."""
        if isinstance(cells, InvalidInput):
            return cells
        if len(cells) != len(table.columns):
            return InvalidInput(
                f"expected {len(table.columns)} cells, received {len(cells)}"
            )
        named = dict(zip(table.columns, cells, strict=True))
        if self._text:
            return named[self._text]
        return {name: named[name] for name in self._takes.known if name in named}


@dataclass(frozen=True, slots=True)
class _Table:
    """A CSV file whose first record was read.

    Attributes:
        path: The file.
        columns: As that names them.
        delimiter: Between cells.
        start: The byte after it.
    """

    path: Path
    columns: tuple[str, ...]
    delimiter: str
    start: int


def _read_heading(path: Path) -> _Table:
    with _open(path) as file:
        first = file.readline(csv.field_size_limit())
    text = first.removeprefix(BOM)
    counts = {each: text.count(each.encode()) for each in DELIMITERS}
    delimiter = max(DELIMITERS, key=counts.__getitem__)
    try:
        cells = next(csv.reader([text.decode()], delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, error) from error
    columns = tuple(each.strip() for each in cells)
    if not any(columns):
        raise BatchError(f"{path}: expected a line of column names, received none")
    return _Table(path, columns, delimiter, len(first))


def _records(file: BinaryIO, delimiter: str, largest: int) -> Iterator[list[bytes]]:
    """The lines of each record, from where the file stands."""
    while line := _read_line(file, largest):
        if b'"' not in line:
            yield [line]
            continue
        after = file.tell()
        record = _close_quotes(line, file, delimiter, largest)
        if record is None:  # a quote that nothing closes spoils its own line only
            file.seek(after)
            record = [line]
        yield record


def _read_line(file: BinaryIO, largest: int) -> bytes:
    """A line; of one that is too long, a byte too many is kept, and all is counted."""
    line = file.readline(largest + 1)
    if len(line) <= largest or line.endswith(b"\n"):
        return line
    pieces = [line]
    while not pieces[-1].endswith(b"\n") and (more := file.readline(largest)):
        pieces.append(more)
    return b"".join(pieces)


def _close_quotes(
    first: bytes, file: BinaryIO, delimiter: str, largest: int
) -> list[bytes] | None:
    """The lines up to the one in which every quote is closed; None if there is none."""
    taken = [first]

    def feed() -> Iterator[str]:
        yield _decode(first)
        size = len(first)
        while line := file.readline(largest):
            taken.append(line)
            size += len(line)
            if size > largest:
                return
            yield _decode(line)

    try:
        next(csv.reader(feed(), delimiter=delimiter, strict=True), None)
    except csv.Error as error:
        if "end of data" in str(error):
            return None
    return taken


def _split(
    record: list[bytes], delimiter: str, largest: int
) -> list[str] | InvalidInput:
    size = sum(map(len, record))
    if size > largest:
        return InvalidInput(
            f"expected a row of at most {largest:,} bytes, received {size:,}"
        )
    lines = list(map(_decode, record))
    try:
        cells = next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return InvalidInput(f"expected CSV: {error}")
    for cell in cells:
        if not cell.isascii() and _clean(cell) != cell:
            return InvalidInput(f"expected UTF-8, received {show(_clean(cell))}")
    return cells


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _clean(cell: str | None) -> str | None:
    """A cell as text that can be written, whatever its bytes were."""
    if cell is None or cell.isascii():
        return cell
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error

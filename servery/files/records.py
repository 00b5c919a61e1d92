"""A CSV file as records, one after the other, in the kinds that a task declares."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from servery.errors import InvalidInput

DELIMITERS = ",;\t"
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")

Fields = Sequence[Mapping[str, Any]]
Record = tuple[int, Mapping[str, str], Any]


@dataclass(frozen=True, slots=True)
class Records:
    """The rows of a CSV file.

    Attributes:
        name: The file's.
        columns: As its first line names them.
        rows: What is left of it.
        fields: Those that the task declares; empty: all columns are sent.
    """

    name: str
    columns: tuple[str, ...]
    rows: Any
    fields: Fields

    def __iter__(self) -> Iterator[Record]:
        """Line number, cells by column, and the record; or its error in its place."""
        while True:
            try:
                cells = next(self.rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield self.rows.line_num, {}, InvalidInput(f"expected CSV: {error}")
                continue
            if cells:
                yield self._read(cells)

    def _read(self, cells: list[str]) -> Record:
        number = self.rows.line_num
        columns = dict(zip(self.columns, cells, strict=False))
        if len(cells) != len(self.columns):
            problem = InvalidInput(
                f"expected {len(self.columns)} cells, received {len(cells)}"
            )
            return number, columns, problem
        return number, columns, self._to_record(columns)

    def _to_record(self, columns: Mapping[str, str]) -> dict[str, Any]:
        """The cells that the model takes; an empty one is a missing value."""
        kinds = {each["name"]: each["kind"] for each in self.fields}
        return {
            name: read_cell(cell.strip(), kinds.get(name))
            for name, cell in columns.items()
            if cell.strip() and (name in kinds or not kinds)
        }


def read_header(name: str, stream: BinaryIO, fields: Fields) -> Records:
    """The first line of a CSV file; commas, semicolons or tabs are between cells.

    Args:
        name: The file's, for errors.
        stream: UTF-8, with or without a byte order mark.
        fields: Those that the task declares.

    Raises:
        InvalidInput: It is empty, names a column twice, or lacks one that is needed.
    """
    lines = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    first = lines.readline()
    delimiter = max(DELIMITERS, key=first.count)
    rows = csv.reader(_again(first, lines), delimiter=delimiter)
    columns = tuple(each.strip() for each in next(rows, []))
    if not any(columns):
        raise InvalidInput(f"{name}: expected a line of column names, received none")
    twice = sorted({each for each in columns if columns.count(each) > 1})
    if twice:
        raise InvalidInput(f"{name}: expected each column once; twice: {twice[0]!r}")
    needed = [each["name"] for each in fields if not each.get("optional")]
    missing = [each for each in needed if each not in columns]
    if missing:
        raise InvalidInput(
            f"{name}: expected the columns {', '.join(needed)}; missing "
            f"{', '.join(missing)}"
        )
    return Records(name, columns, rows, fields)


def read_cell(cell: str, kind: str | None) -> Any:
    """The value that a cell stands for; one of another kind stays text.

    So the server says what is wrong with it.

    Args:
        cell: Its text.
        kind: `number`, `integer`, `boolean` or `category`; None: what it looks like.
    """
    if kind == "category":
        return cell
    if kind == "boolean":
        word = cell.lower()
        return word in TRUE if word in TRUE + FALSE else cell
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        number = float(cell)
    except ValueError:
        return cell
    return number if math.isfinite(number) else cell


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    """A line that was looked at, and those behind it."""
    yield first
    yield from rest

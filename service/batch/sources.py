"""What is scored, in numbered parts that can be read one without the other.

    a Parquet file, or a folder of them ─┐
    a CSV file, or a folder of them     ─┼─▶ Source ─▶ parts ─▶ a chunk of each
    a folder of pictures or sounds      ─┘

Every part says where it begins, so whoever computes it, here or on another machine,
reads nothing else.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from service.batch.errors import BatchError
from service.batch.takes import Takes

PART_BYTES = 64 * 1024 * 1024  # of rows in memory, however many were asked for
PIECE = 1 << 20  # bytes hashed at a time


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are computed and written together.

    Attributes:
        number: From 0, in the order of the rows.
        file: Which of the source's files they are in.
        start: Where they begin there: a row, a byte, or a place in a list.
        rows: How many there are.
    """

    number: int
    file: int
    start: int
    rows: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows of a part.

    Attributes:
        columns: What of them is copied to the output.
        given: What is scored of each: a record's fields, a text, the bytes of a file or
            where they are; or why there is nothing, as a `ValueError`.
    """

    columns: pa.Table
    given: Sequence[Any]


class Source(Protocol):
    """What is scored.

    Attributes:
        kind: csv, parquet or files.
        fingerprint: Of all of it; another one means that it is another input.
        schema: Of what is copied to the output.
        parts: All of them, in order.
    """

    kind: str
    fingerprint: str
    schema: pa.Schema
    parts: list[Part]

    def read(self, part: Part) -> Chunk:
        """The rows of a part.

        Raises:
            BatchError: The file is not what it was.
        """


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as it was when it was first looked at."""

    path: Path
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        """The file as it is now.

        Raises:
            BatchError: It cannot be read.
        """
        try:
            found = path.stat()
        except OSError as error:
            raise unreadable(path, error) from error
        return cls(path, found.st_size, found.st_mtime_ns)

    def check(self) -> None:
        """See that it is still so.

        Raises:
            BatchError: It is not.
        """
        if Stamp.of(self.path) != self:
            raise BatchError(
                f"{self.path} has changed while it was read: expected a file that "
                "stays as it is, received another size or time. The output is to be "
                "begun anew, in another folder."
            )


def open_source(path: Path, takes: Takes, rows: int, largest: int) -> Source:
    """What lies at a path, for a model that takes this.

    Args:
        path: A file or a folder.
        takes: What the model takes.
        rows: Of a part, at most.
        largest: Bytes of one row, at most.

    Raises:
        BatchError: There is nothing to be scored, or nothing for this model.
    """
    from service.batch.csv_source import CsvSource
    from service.batch.files_source import FilesSource
    from service.batch.parquet_source import ParquetSource

    if not path.exists():
        raise BatchError(f"{path}: expected a file or a folder, received none")
    tables = {
        suffix: list_files(path, (suffix,)) for suffix in (".parquet", ".csv", ".tsv")
    }
    found = {suffix: files for suffix, files in tables.items() if files}
    if len(found) > 1:
        raise BatchError(
            f"{path}: expected files of one kind, received {' and '.join(found)}"
        )
    if ".parquet" in found:
        return ParquetSource(found[".parquet"], takes, rows)
    for files in found.values():
        return CsvSource(files, takes, rows, largest)
    if path.is_dir() and takes.suffixes:
        return FilesSource(path, takes, rows)
    folder = f", or a folder of {', '.join(takes.suffixes)}" if takes.suffixes else ""
    raise BatchError(
        f"{path}: expected Parquet (.parquet), CSV (.csv, .tsv){folder}; received "
        f"{'a folder with none of them' if path.is_dir() else path.name}"
    )


def list_files(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files with these suffixes: this one, or those of this folder, sorted.

    Hidden ones, and those that begin with `_`, are left out, as elsewhere.
    """
    if path.is_file():
        return [path] if path.suffix.lower() in suffixes else []
    return sorted(
        each
        for each in path.rglob("*")
        if each.suffix.lower() in suffixes
        and not any(part[0] in "._" for part in each.relative_to(path).parts)
        and each.is_file()
    )


def fingerprint(facts: Iterable[object]) -> str:
    """SHA-256 of facts, in order."""
    found = hashlib.sha256()
    for each in facts:
        found.update(f"{each}\n".encode())
    return found.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of what is in a file.

    Raises:
        BatchError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> BatchError:
    """The error for a file that is not there, or not what it should be."""
    reason = getattr(error, "strerror", None) or str(error)
    return BatchError(f"{path}: expected a file that can be read: {reason}")


def same_columns(files: Sequence[Path], found: Sequence[Sequence[str]]) -> None:
    """See that all files have the columns of the first.

    Raises:
        BatchError: One has others.
    """
    for path, columns in zip(files, found, strict=True):
        if list(columns) != list(found[0]):
            raise BatchError(
                f"{path}: expected the columns of {files[0].name} "
                f"({', '.join(found[0])}), received {', '.join(columns)}"
            )

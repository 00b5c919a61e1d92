"""Where the outcomes go: a folder with a Parquet file for each part, or one CSV.

    part ─ a draft, fsync, rename ─▶ part-000017.parquet ─ all there ─▶ one CSV

So a file with a part's name is the whole part, whatever ended the run that wrote it.
"""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from service.batch.errors import BatchError
from service.batch.journal import FILENAME, LOCK, sync_folder
from service.batch.sources import Part

ERRORS = b"servery.errors"
OURS = (FILENAME, LOCK)


@dataclass(frozen=True, slots=True)
class Output:
    """Where the outcomes go.

    Attributes:
        folder: Of the parts.
        csv: The one file that they become; None: they stay as they are.
    """

    folder: Path
    csv: Path | None = None

    @classmethod
    def at(cls, path: Path) -> "Output":
        """The output that a person names: a folder, or a file that ends with .csv.

        Raises:
            BatchError: Something else is there.
        """
        if path.suffix.lower() != ".csv":
            output = cls(path)
            if path.exists() and not path.is_dir():
                raise BatchError(f"{path}: expected a folder or none, received a file")
        else:
            output = cls(path.with_name(f"{path.name}.parts"), path)
            if path.exists() and not output.folder.is_dir():
                raise BatchError(f"{path}: expected no such file yet; it is there")
        return output

    def prepare(self) -> None:
        """Make the folder; what an earlier run left half-written goes.

        Raises:
            BatchError: It holds something that is none of ours, or cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            names = [each.name for each in self.folder.iterdir()]
        except OSError as error:
            raise self.unwritable(error) from error
        if FILENAME not in names:
            others = [each for each in names if each not in OURS and each[0] != "."]
            if others:
                raise BatchError(
                    f"{self.folder}: expected a folder that is new, empty, or of an "
                    f"earlier run; it holds {others[0]}"
                )

    def clear_drafts(self) -> None:
        """Remove what an earlier run left half-written."""
        for draft in self.folder.glob(".part-*"):
            draft.unlink(missing_ok=True)

    def count_errors(self, part: Part) -> int | None:
        """Rows in error of a part that is done; None: it is not."""
        try:
            found = pq.read_metadata(self._path(part))
        except (OSError, pa.ArrowException):
            return None
        if found.num_rows != part.rows:
            return None
        return int((found.metadata or {}).get(ERRORS, 0))

    def write(self, part: Part, table: pa.Table, errors: int) -> None:
        """Write a part, whole or not at all.

        Raises:
            BatchError: There is no room for it, or another reason not to.
        """
        path = self._path(part)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        table = table.replace_schema_metadata({ERRORS: str(errors)})
        try:
            try:
                with draft.open("wb") as file:
                    pq.write_table(table, file)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
                sync_folder(self.folder)
            except OSError:
                with suppress(OSError):
                    draft.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self.unwritable(error) from error

    def finish(self, parts: Sequence[Part], schema: pa.Schema) -> None:
        """Make of all parts what was asked for.

        Raises:
            BatchError: There is no room for it, or another reason not to.
        """
        if not parts:
            parts = [Part(0, 0, 0, 0)]
            self.write(parts[0], schema.empty_table(), 0)
        if self.csv is None:
            return
        draft = self.csv.with_name(f".{self.csv.name}")
        try:
            with draft.open("wb") as file:
                flat = _flat(schema.empty_table()).schema
                with pyarrow.csv.CSVWriter(file, flat) as writer:
                    for part in parts:
                        writer.write_table(_flat(pq.read_table(self._path(part))))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.csv)
            sync_folder(self.csv.parent)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise self.unwritable(error) from error

    def remove_parts(self) -> None:
        """Remove what the CSV was made of."""
        if self.csv is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def unwritable(self, error: OSError) -> BatchError:
        """The error for what cannot be written."""
        return BatchError(
            f"{self.folder} cannot be written: {error.strerror}. What is done stays; "
            "the same command goes on from there."
        )

    def _path(self, part: Part) -> Path:
        return self.folder / f"part-{part.number:06}.parquet"


def _flat(table: pa.Table) -> pa.Table:
    """The same with JSON in a text where a cell holds more than one value."""
    for place, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            values = [
                None if each is None else json.dumps(each, ensure_ascii=False)
                for each in table.column(place).to_pylist()
            ]
            flat = pa.field(field.name, pa.string())
            table = table.set_column(place, flat, pa.array(values, pa.string()))
    return table.replace_schema_metadata(None)

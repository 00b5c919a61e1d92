"""A folder of pictures or sounds in parts: some of its files, by name."""

from pathlib import Path

import pyarrow as pa

from service.batch.errors import BatchError
from service.batch.sources import Chunk, Part, Stamp, fingerprint, list_files
from service.batch.takes import Takes

COLUMN = "file"


class FilesSource:
    """A folder of files, those of its folders too.

    Args:
        folder: The folder.
        takes: What the model takes.
        rows: Files of a part, at most.
    """

    kind = "files"

    def __init__(self, folder: Path, takes: Takes, rows: int):
        paths = list_files(folder, takes.suffixes)
        if not paths:
            raise BatchError(
                f"{folder}: expected files of {', '.join(takes.suffixes)}; it has none"
            )
        self._stamps = [Stamp.of(path) for path in paths]
        self._names = [str(path.relative_to(folder)) for path in paths]
        self.schema = pa.schema([(COLUMN, pa.string())])
        self.fingerprint = fingerprint(
            (name, each.size, each.changed)
            for name, each in zip(self._names, self._stamps, strict=True)
        )
        self.parts = [
            Part(number, 0, start, min(rows, len(paths) - start))
            for number, start in enumerate(range(0, len(paths), rows))
        ]

    def read(self, part: Part) -> Chunk:
        """See `Source`; the files themselves are read by who scores them."""
        end = part.start + part.rows
        names = pa.array(self._names[part.start : end], pa.string())
        table = pa.Table.from_arrays([names], schema=self.schema)
        return Chunk(table, self._stamps[part.start : end])

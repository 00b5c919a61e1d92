"""What a model's endpoint takes of a row: a record, a text, or a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from service.batch.errors import BatchError
from service.tasks.endpoint import Endpoint, FileEndpoint, TaskEndpoint
from service.tasks.images import ImageEndpoint
from service.tasks.tables import TableEndpoint
from service.tasks.texts import TextEndpoint

IMAGES = (
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".heic", ".heif", ".avif", ".bmp", ".tif",
    ".tiff",
)  # fmt: skip
SOUNDS = (".wav", ".flac", ".ogg")


@dataclass(frozen=True, slots=True)
class Takes:
    """What a model takes.

    Attributes:
        kind: A record of fields, a text, or the bytes of a file.
        needed: Columns that a table must have.
        known: Those that it may have, beside others that nobody looks at.
        names: By which a text's or a file's column is found, the first that is there.
        suffixes: Of files, in a folder of them.
    """

    kind: Literal["record", "text", "file"]
    needed: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()

    def check(self, path: Any, columns: Sequence[str]) -> None:
        """See that a table has what is needed of it.

        Raises:
            BatchError: It lacks a column, or has one twice.
        """
        twice = sorted({each for each in columns if list(columns).count(each) > 1})
        if twice:
            raise BatchError(f"{path}: expected each column once; twice: {twice[0]!r}")
        missing = [each for each in self.needed if each not in columns]
        if missing:
            raise BatchError(
                f"{path}: expected the columns {', '.join(self.needed)}; missing "
                f"{', '.join(missing)}"
            )
        if self.kind == "record" and not {*columns} & {*self.known}:
            raise BatchError(
                f"{path}: expected some of the columns {', '.join(self.known)}; "
                f"received {', '.join(columns)}"
            )

    def choose(self, path: Any, columns: Sequence[str]) -> str:
        """The column of the texts or files, of those that could be it.

        Raises:
            BatchError: None, or more than one.
        """
        named = [each for each in self.names if each in columns]
        if named:
            return named[0]
        if len(columns) == 1:
            return columns[0]
        raise BatchError(
            f"{path}: expected a column that is called {' or '.join(self.names)}, or "
            f"one of that kind alone; received {', '.join(columns) or 'none'}. "
            "--column names it."
        )


def takes_of(name: str, endpoint: Endpoint | None, column: str | None) -> Takes:
    """What the endpoint of a model takes.

    Args:
        name: The model's.
        endpoint: None: it has none.
        column: Where the text or the file is, if somebody has said so.

    Raises:
        BatchError: Nothing of what a table or a folder could hold.
    """
    given = (column,) if column else ()
    if isinstance(endpoint, TableEndpoint):
        fields = endpoint.fields
        needed = tuple(each.name for each in fields if not each.optional)
        return Takes("record", needed, tuple(each.name for each in fields))
    if isinstance(endpoint, TextEndpoint):
        return Takes("text", given, names=given or ("text", "review", "sentence"))
    if isinstance(endpoint, FileEndpoint):
        is_image = isinstance(endpoint, ImageEndpoint)
        word, suffixes = ("image", IMAGES) if is_image else ("audio", SOUNDS)
        names = given or (word, "file", "bytes")
        return Takes("file", given, names=names, suffixes=suffixes)
    known = endpoint.task.kind if isinstance(endpoint, TaskEndpoint) else "none"
    raise BatchError(
        f"{name}: expected a model whose task takes records, texts, pictures or "
        f"sounds, received one whose task is {known}"
    )

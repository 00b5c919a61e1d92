"""Files, folders, lines and texts of the command line, as rows to be answered."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from servery.client.answers import Model
from servery.client.inputs import Kind, kind_of
from servery.errors import InvalidInput
from servery.files.records import Fields, Records, read_header

STDIN = "-"
IMAGES = (
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".heic", ".heif", ".avif", ".bmp", ".tif",
    ".tiff",
)  # fmt: skip
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "image": IMAGES,
    "audio": (".wav", ".flac", ".ogg"),
    "text": (".txt",),
    "record": (".csv",),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One input.

    Attributes:
        name: What stands for it in the output: a file's name, with a line's number.
        given: What a client takes; or the error for which there is nothing to send.
        columns: The cells of a table that it comes from.
    """

    name: str
    given: Any
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """All inputs, read as they are wanted.

    Attributes:
        each: The rows.
        total: How many, if that is known.
        columns: Of the table that they come from.
    """

    each: Iterator[Row]
    total: int | None = None
    columns: tuple[str, ...] = ()


def read_rows(inputs: Sequence[str], model: Model) -> Rows:
    """What the words of a command line stand for.

    Args:
        inputs: Files, folders, `-`; a text, or a record in JSON.
        model: What they are for.

    Raises:
        InvalidInput: There is nothing in them, or nothing for this model.
    """
    kind = kind_of(model)
    if kind is None:
        raise InvalidInput(
            f"{model.name}: expected a model that declares a task of images, texts, "
            f"records or sounds, this one declares {model.task or 'none'}; call it by "
            "its tensors: servery.Client().infer"
        )
    if kind == "record":
        return _read_records(inputs, model)
    if kind == "text":
        return Rows(_read_texts([*_expand(inputs, kind)]))
    paths = [*_expand(inputs, kind)]
    return Rows((Row(path, Path(path)) for path in paths), len(paths))


def _expand(inputs: Sequence[str], kind: Kind) -> Iterator[str]:
    """Inputs, with the files of folders in their place; hidden ones are left out."""
    for each in inputs:
        folder = Path(each)
        if not is_folder(each):
            yield each
            continue
        found = [
            path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in SUFFIXES[kind]
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            and path.is_file()
        ]
        if not found:
            raise InvalidInput(
                f"{each}: expected a folder with files of {', '.join(SUFFIXES[kind])}; "
                "it has none"
            )
        yield from map(str, found)


def _read_texts(inputs: Sequence[str]) -> Iterator[Row]:
    """Every line of a file that is not blank; what is no file is a text itself."""
    for each in inputs:
        if each != STDIN and not looks_like_file(each):
            yield Row(each, each)
            continue
        try:
            with open_binary(each) as stream:
                for number, line in enumerate(stream, 1):
                    if text := line.decode("utf-8-sig").strip():
                        yield Row(f"{each}:{number}", text)
        except (OSError, UnicodeDecodeError) as error:
            yield Row(each, _unreadable(each, error))


def _read_records(inputs: Sequence[str], model: Model) -> Rows:
    """Rows of CSV files of the same columns, or records in JSON."""
    tables = [each for each in _expand(inputs, "record") if not each.startswith("{")]
    if not tables:
        return Rows(iter([Row(each, _read_json(each)) for each in inputs]), len(inputs))
    if any(each.startswith("{") for each in inputs):
        raise InvalidInput("expected CSV files, or records in JSON; received both")
    fields = model.declaration.get("fields", ())
    piped = read_header(STDIN, sys.stdin.buffer, fields) if STDIN in tables else None
    first, *others = (_read_columns(each, fields, piped) for each in tables)
    for name, columns in zip(tables[1:], others, strict=True):
        if columns != first:
            raise InvalidInput(
                f"{name}: expected the columns of {tables[0]}: {', '.join(first)}; "
                f"received {', '.join(columns)}"
            )
    return Rows(_read_tables(tables, fields, piped), columns=first)


def _read_columns(path: str, fields: Fields, piped: Records | None) -> tuple[str, ...]:
    if path == STDIN and piped:
        return piped.columns
    try:
        with open_binary(path) as stream:
            return read_header(path, stream, fields).columns
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _read_tables(
    tables: Sequence[str], fields: Fields, piped: Records | None
) -> Iterator[Row]:
    for each in tables:
        try:
            if each == STDIN and piped:
                yield from _read_table(piped)
                continue
            with open_binary(each) as stream:
                yield from _read_table(read_header(each, stream, fields))
        except (OSError, UnicodeDecodeError) as error:
            yield Row(each, _unreadable(each, error))


def _read_table(records: Records) -> Iterator[Row]:
    for number, columns, given in records:
        yield Row(f"{records.name}:{number}", given, columns)


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        return InvalidInput(f"record: expected an object of JSON: {error}")


def open_binary(path: str) -> BinaryIO:
    """A file, or what is piped in, to be read once."""
    if path == STDIN:
        return sys.stdin.buffer
    return Path(path).open("rb")


def is_folder(text: str) -> bool:
    """Whether it names a folder; a text may be too long to name anything."""
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):
        return False


def looks_like_file(text: str) -> bool:
    """Whether a word means a file, be it there or not: it is no text to be judged."""
    try:
        if Path(text).is_file():
            return True
    except (OSError, ValueError):
        return False
    return Path(text).suffix in SUFFIXES["text"] and not any(map(str.isspace, text))


def _unreadable(name: str, error: Exception) -> InvalidInput:
    if isinstance(error, UnicodeDecodeError):
        byte = error.object[error.start]
        return InvalidInput(f"{name}: expected UTF-8, received the byte 0x{byte:02x}")
    reason = getattr(error, "strerror", None) or str(error)
    return InvalidInput(f"{name}: expected a file that can be read: {reason}")

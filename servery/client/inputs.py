"""What people have at hand, as the one input that a model's task takes.

path, bytes, PIL image, array ─▶ image, audio
text, or a path of one        ─▶ text
dict, pandas row, array       ─▶ record
"""

import mimetypes
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from servery.client.answers import Model
from servery.client.pictures import CHANNELS, array_to_png, array_to_wav, image_to_png
from servery.errors import InvalidInput

Kind = Literal["image", "audio", "text", "record"]

One = str | bytes | os.PathLike[str] | Mapping[str, Any] | Image.Image
Several = list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any] | Iterator[Any]

ROWS_PER_REQUEST = 32  # of texts and records, which are small
KINDS: dict[str, Kind] = {
    "image-classification": "image",
    "image-segmentation": "image",
    "text-classification": "text",
    "tabular-classification": "record",
    "tabular-regression": "record",
    "audio-classification": "audio",
}
BUILT_IN: dict[str, Kind] = {
    "digits": "image",
    "photo": "image",
    "sentiment": "text",
    "party": "record",
    "mammogram": "record",
}
"""What the models that come with Servery take: their first versions declare nothing."""
EXPECTED = (
    "a path, bytes, a PIL image, an array, a text, a dict, a pandas row, or a list of "
    "those"
)


@dataclass(frozen=True, slots=True)
class Item:
    """One input, ready to be sent.

    Attributes:
        kind: What it is.
        value: A file's bytes, a text, or a record by name.
        media_type: Of a file.
    """

    kind: Kind
    value: Any
    media_type: str = ""


def kind_of(model: Model) -> Kind | None:
    """What a model takes; None where its task does not say."""
    return KINDS.get(model.task or "") or BUILT_IN.get(model.name)


def rows_per_request(model: Model) -> int:
    """How many inputs share a request; images and sounds are decoded one by one."""
    return ROWS_PER_REQUEST if kind_of(model) in ("text", "record") else 1


def spread(given: Any, model: Model) -> Iterable[Any] | None:
    """The inputs where several are given, else None.

    Args:
        given: A list, a tuple, whatever gives one after the other, a DataFrame, an
            array with one dimension more than the model's input has.
        model: What they are for.
    """
    if isinstance(given, list | tuple | set | frozenset | Iterator):
        return given
    if _is_pandas(given, "DataFrame"):
        return list(given.to_dict("records"))
    if _is_pandas(given, "Series") and kind_of(model) == "text":
        return list(given)
    if isinstance(given, np.ndarray) and _is_stack(given, kind_of(model)):
        return list(given)
    return None


def group(given: Iterable[Any], count: int) -> Iterator[list[Any]]:
    """Inputs in their order, so many at a time."""
    rest = iter(given)
    while several := list(islice(rest, count)):
        yield several


def read_input(given: Any, model: Model) -> Item:
    """One input, as what the model takes.

    Raises:
        InvalidInput: It is nothing that this model takes, or cannot be read; or it is
            such an error itself, of whoever should have read it.
    """
    kind = kind_of(model)
    if isinstance(given, InvalidInput):
        raise given
    if isinstance(given, Mapping) or _is_pandas(given, "Series"):
        return Item("record", dict(given))
    if isinstance(given, np.ndarray):
        return _read_array(given, model, kind)
    if isinstance(given, Image.Image):
        return Item("image", image_to_png(given), "image/png")
    if isinstance(given, bytes | bytearray | memoryview):
        return _read_bytes(bytes(given), kind)
    if isinstance(given, os.PathLike):
        return _read_file(Path(given), kind)
    if isinstance(given, str):
        return _read_text(given, kind)
    raise InvalidInput(
        f"input: expected {EXPECTED}; received {type(given).__module__}."
        f"{type(given).__name__}"
    )


def _read_text(text: str, kind: Kind | None) -> Item:
    """A text, or the name of a file: of one that exists, where the task leaves it open.

    A model of texts never has a file opened by what a text says.
    """
    if kind == "text" or (kind is None and not _is_file(text)):
        return Item("text", text)
    return _read_file(Path(text), kind)


def _read_file(path: Path, kind: Kind | None) -> Item:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(
            f"{str(path)[:200]!r}: expected a file that can be read: {reason}"
        ) from error
    return _read_bytes(content, kind, mimetypes.guess_type(path.name)[0] or "")


def _read_bytes(content: bytes, kind: Kind | None, media_type: str = "") -> Item:
    if kind == "text":
        try:
            return Item("text", content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise InvalidInput(f"text: expected UTF-8, received {error}") from error
    if kind == "record":
        raise InvalidInput(
            "record: expected a dict of fields by name, received a file; for a CSV "
            "file: servery predict"
        )
    if kind == "audio" or (kind is None and media_type.startswith("audio/")):
        return Item("audio", content, _as(media_type, "audio"))
    return Item("image", content, _as(media_type, "image"))


def _as(media_type: str, kind: str) -> str:
    """A file's own media type if it is of this kind; the server looks at the bytes."""
    return media_type if media_type.startswith(f"{kind}/") else f"{kind}/unknown"


def _read_array(array: np.ndarray, model: Model, kind: Kind | None) -> Item:
    if kind == "audio":
        wav = array_to_wav(array, int(model.declaration.get("rate", 16_000)))
        return Item("audio", wav, "audio/wav")
    if kind == "record":
        return Item("record", _name_columns(array, model))
    return Item("image", array_to_png(array), "image/png")


def _name_columns(array: np.ndarray, model: Model) -> dict[str, Any]:
    """The numbers of a row by the fields that the task declares, in their order."""
    names = [each["name"] for each in model.declaration.get("fields", ())]
    if array.ndim != 1 or len(array) != len(names) or not names:
        raise InvalidInput(
            f"record: expected an array ({len(names)},), a number for each of "
            f"{', '.join(names) or 'the fields that no task declares'}; received "
            f"{array.shape}"
        )
    return dict(zip(names, array.tolist(), strict=True))


def _is_stack(array: np.ndarray, kind: Kind | None) -> bool:
    """Whether an array holds several inputs."""
    if kind in ("text", "record", "audio"):
        return array.ndim == (1 if kind == "text" else 2)
    return array.ndim == 4 or (array.ndim == 3 and array.shape[-1] not in CHANNELS)


def _is_pandas(given: Any, name: str) -> bool:
    """Whether it is a Series or a DataFrame, without importing pandas."""
    kind = type(given)
    return kind.__name__ == name and kind.__module__.partition(".")[0] == "pandas"


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a zero in it
        return False

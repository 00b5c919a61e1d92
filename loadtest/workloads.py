"""What each endpoint is asked: one workload for each, bodies made beforehand."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

from loadtest.samples import (
    make_texts,
    read_digits,
    read_masses,
    read_members,
    read_photos,
)

JSON = "application/json"
BOUNDARY = "servery-loadtest-8b1f6c"  # in none of the files that we send
GENERATORS = ("gan", "vae")
CATEGORIES = (
    *("t-shirt", "trousers", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle-boot"),
)
COUNTS = (1, 4, 16)  # pictures asked for at once


class ImageForm(StrEnum):
    """In which of the three ways that the service reads a picture is sent."""

    RAW = "raw"
    """The file is the body, as image/png or image/jpeg."""

    MULTIPART = "multipart"
    """As a browser's form or `curl -F file=@…` sends it."""

    JSON = "json"
    """In base64."""


@dataclass(frozen=True, slots=True)
class Body:
    """What one request carries."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What one endpoint is asked.

    Attributes:
        name: In a mix.
        path: Of the endpoint.
        about: What is sent, in a few words.
        models: Any of these must be ready; the names of those that are go to `make`.
        weight: Its share in the default mix, to those of the others.
        make: The names and the form of images to the bodies, which are sent at random.
    """

    name: str
    path: str
    about: str
    models: tuple[str, ...]
    weight: float
    make: Callable[[Sequence[str], ImageForm], list[Body]]


def _json(values: Iterable[Any]) -> list[Body]:
    return [Body(json.dumps(value).encode(), JSON) for value in values]


def _images(files: list[bytes], media_type: str, form: ImageForm) -> list[Body]:
    if form is ImageForm.JSON:
        return _json({"image": base64.b64encode(file).decode()} for file in files)
    if form is ImageForm.RAW:
        return [Body(file, media_type) for file in files]
    head = (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
        f'name="file"; filename="image"\r\nContent-Type: {media_type}\r\n\r\n'
    )
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return [Body(head.encode() + file + tail, kind) for file in files]


def _digits(_: Sequence[str], form: ImageForm) -> list[Body]:
    return _images(read_digits(), "image/png", form)


def _sentiment(*_: object) -> list[Body]:
    return _json({"text": text} for text in make_texts())


def _party(*_: object) -> list[Body]:
    return _json({"votes": votes} for votes in read_members())


def _mammogram(*_: object) -> list[Body]:
    return _json(read_masses())


def _photo(_: Sequence[str], form: ImageForm) -> list[Body]:
    return _images(read_photos(), "image/jpeg", form)


def _clothing(models: Sequence[str], _: ImageForm) -> list[Body]:
    names = [name for name in GENERATORS if f"clothing_{name}" in models]
    return _json(
        {"generator": name, "category": category, "count": count}
        for name, category, count in product(names, CATEGORIES, COUNTS)
    )


def _predict(
    name: str, about: str, weight: float, make: Callable[..., list[Body]]
) -> Workload:
    return Workload(name, f"/v1/predict/{name}", about, (name,), weight, make)


_ALL = (
    _predict("digits", "257 handwritten digits of MNIST", 60, _digits),
    _predict("sentiment", "96 texts about films, as long as reviews", 20, _sentiment),
    _predict("party", "the votes of 48 members of the US House", 10, _party),
    _predict("mammogram", "the findings on 42 masses", 10, _mammogram),
    _predict("photo", "3 photographs", 5, _photo),
    Workload(
        name="clothing",
        path="/v1/generate/clothing",
        about="1, 4 or 16 pictures of clothes",
        models=tuple(f"clothing_{name}" for name in GENERATORS),
        weight=5,
        make=_clothing,
    ),
)
WORKLOADS = {each.name: each for each in _ALL}

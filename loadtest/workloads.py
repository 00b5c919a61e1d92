"""The endpoints that a test can load, one line of a table for each, and what they get.

Samples are real pictures, votes and findings, and written reviews;
`data/LICENCES.md` says where each comes from.
"""

import base64
import csv
import io
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from itertools import product
from typing import Any

import httpx
import numpy as np
from PIL import Image

Sample = bytes | dict[str, Any]
"""A picture's file, or an object for JSON."""

DATA = files("loadtest") / "data"
PHOTOS = ("cat.jpg", "coffee.jpg", "rocket.jpg")
MAX_JOINED = 9  # reviews in one text: ours are shorter than those on IMDB
TEXTS = 96
VOTES = {"y": "yea", "n": "nay", "?": "unknown"}
GENERATORS = ("gan", "vae")
CATEGORIES = (
    *("t-shirt", "trousers", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle-boot"),
)
COUNTS = (1, 4, 16)  # pictures asked for at once
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=servery-loadtest-8b1f6c"  # in no file


class ImageForm(StrEnum):
    """How a picture is sent."""

    RAW = "raw"  # the file is the body
    MULTIPART = "multipart"  # as a browser's form or `curl -F file=@…` sends it
    JSON = "json"  # in base64


@dataclass(frozen=True, slots=True)
class Body:
    """What one request carries."""

    content: bytes
    media_type: str
    headers: tuple[tuple[str, str], ...] = ()  # beside that of its media type


@dataclass(frozen=True, slots=True)
class Declared:
    """What is sent to a model that declares its task.

    Attributes:
        path: Of its endpoint.
        bodies: The declared examples; or that of the service's description.
    """

    path: str
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """What is sent to one endpoint.

    Attributes:
        name: In a mix, and in the path.
        weight: Its share in the default mix, relative to the others.
        about: What is sent, in a few words.
        samples: Given the models that are ready, what is sent.
        task: The part of the path before the name.
        models: One of which must be ready; () = the one of this name.
    """

    name: str
    weight: float
    about: str
    samples: Callable[[Collection[str]], list[Sample]]
    task: str = "predict"
    models: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Of the endpoint."""
        return f"/v1/{self.task}/{self.name}"

    @property
    def needs(self) -> tuple[str, ...]:
        """Models one of which must be ready."""
        return self.models or (self.name,)

    def make(self, ready: Collection[str], form: ImageForm) -> list[Body]:
        """The bodies to choose from, for these ready models and this form of images."""
        return [encode(sample, form) for sample in self.samples(ready)]


def encode(sample: Sample, form: ImageForm) -> Body:
    """A sample as the body of a request."""
    if isinstance(sample, dict):
        return Body(json.dumps(sample).encode(), JSON)
    if form is ImageForm.JSON:
        return encode({"image": base64.b64encode(sample).decode()}, form)
    kind = "image/png" if sample.startswith(b"\x89PNG") else "image/jpeg"
    if form is ImageForm.RAW:
        return Body(sample, kind)
    file, headers = {"file": ("image", sample, kind)}, {"content-type": MULTIPART}
    request = httpx.Request("POST", "http://localhost", files=file, headers=headers)
    return Body(request.read(), MULTIPART)


def digits(ready: Collection[str]) -> list[Sample]:
    """257 handwritten digits of MNIST's test images, as PNG."""
    with np.load(io.BytesIO((DATA / "digits.npz").read_bytes())) as data:
        return [to_png(image) for image in data["images"]]


def photos(ready: Collection[str]) -> list[Sample]:
    """Three photographs, as JPEG."""
    return [(DATA / name).read_bytes() for name in PHOTOS]


def texts(ready: Collection[str]) -> list[Sample]:
    """Texts as long as reviews are: always the same 96, of 1 to 9 written ones.

    They have 7 to 710 words, 240 on average, as reviews on IMDB have 234 (Maas et al.,
    "Learning Word Vectors for Sentiment Analysis", ACL 2011).
    """
    rng = np.random.default_rng(0)
    written = (DATA / "reviews.txt").read_text("utf-8").strip().split("\n\n")
    reviews = np.array(written, dtype=object)
    return [
        {"text": "\n\n".join(rng.choice(reviews, int(count), replace=False))}
        for count in rng.integers(1, MAX_JOINED + 1, TEXTS)
    ]


def votes(ready: Collection[str]) -> list[Sample]:
    """48 members of the US House of 1984, their votes by name."""
    members = _rows("votes.csv")
    return [{"votes": {k: VOTES[v] for k, v in row.items()}} for row in members]


def masses(ready: Collection[str]) -> list[Sample]:
    """42 mammographic masses; what is not known is left out."""
    known = [{k: v for k, v in row.items() if v} for row in _rows("masses.csv")]
    return [m | ({"age": int(m["age"])} if "age" in m else {}) for m in known]


def clothing(ready: Collection[str]) -> list[Sample]:
    """Every category, in each count, from each generator that is ready."""
    generators = [name for name in GENERATORS if f"clothing_{name}" in ready]
    names = "generator", "category", "count"
    chosen = product(generators, CATEGORIES, COUNTS)
    return [dict(zip(names, each, strict=True)) for each in chosen]


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((DATA / name).read_text("utf-8").splitlines()))


def to_png(image: np.ndarray) -> bytes:
    """uint8 (28, 28), 0 = background, to PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


_TABLE = (
    Workload("digits", 60, "257 handwritten digits of MNIST", digits),
    Workload("sentiment", 20, "96 texts on films, as long as reviews", texts),
    Workload("party", 10, "the votes of 48 members of the US House", votes),
    Workload("mammogram", 10, "the findings on 42 masses", masses),
    Workload("photo", 5, "3 photographs", photos),
    Workload(
        *("clothing", 5, "1, 4 or 16 pictures of clothes", clothing),
        *("generate", ("clothing_gan", "clothing_vae")),
    ),
)
WORKLOADS = {each.name: each for each in _TABLE}

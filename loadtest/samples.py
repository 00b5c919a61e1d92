"""What requests carry: real pictures, votes and findings, and written reviews.

`data/LICENCES.md` says where each comes from. Every function takes the names of the
models that are ready, and gives samples: a picture's file, or an object for JSON.
"""

import csv
import io
from collections.abc import Collection
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

Sample = bytes | dict[str, Any]

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


def digits(ready: Collection[str]) -> list[Sample]:
    """257 handwritten digits of MNIST's test images, as PNG."""
    with np.load(io.BytesIO((DATA / "digits.npz").read_bytes())) as data:
        return [_to_png(image) for image in data["images"]]


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


def _to_png(image: np.ndarray) -> bytes:
    """uint8 (28, 28), 0 = background, to PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()

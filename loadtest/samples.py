"""What the requests carry: real pictures, votes and findings, and written reviews.

`data/LICENCES.md` says where each comes from.
"""

import csv
import io
from importlib.resources import files
from typing import Any

import numpy as np
from PIL import Image

DATA = files("loadtest") / "data"
PHOTOS = ("cat.jpg", "coffee.jpg", "rocket.jpg")
MOST_JOINED = 9  # reviews in one text: ours are shorter than those on IMDB
TEXTS = 96
VOTES = {"y": "yea", "n": "nay", "?": "unknown"}


def read_digits() -> list[bytes]:
    """257 handwritten digits of MNIST's test images, as PNG."""
    with np.load(io.BytesIO((DATA / "digits.npz").read_bytes())) as data:
        return [_to_png(image) for image in data["images"]]


def read_photos() -> list[bytes]:
    """Three photographs, as JPEG."""
    return [(DATA / name).read_bytes() for name in PHOTOS]


def read_reviews() -> list[str]:
    """The reviews as they were written: 5 to 144 words."""
    return (DATA / "reviews.txt").read_text("utf-8").strip().split("\n\n")


def make_texts() -> list[str]:
    """Texts as long as reviews are: always the same 96, of 1 to 9 written ones.

    They have 7 to 710 words, 240 on average, as reviews on IMDB have 234 (Maas et al.,
    "Learning Word Vectors for Sentiment Analysis", ACL 2011).
    """
    rng = np.random.default_rng(0)
    reviews = np.array(read_reviews(), dtype=object)
    return [
        "\n\n".join(rng.choice(reviews, int(count), replace=False))
        for count in rng.integers(1, MOST_JOINED + 1, TEXTS)
    ]


def read_members() -> list[dict[str, str]]:
    """48 members of the US House of 1984, their votes by name."""
    return [
        {name: VOTES[cast] for name, cast in row.items()} for row in _rows("votes.csv")
    ]


def read_masses() -> list[dict[str, Any]]:
    """42 mammographic masses; what is not known is left out."""
    return [
        {
            name: int(word) if name == "age" else word
            for name, word in row.items()
            if word
        }
        for row in _rows("masses.csv")
    ]


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((DATA / name).read_text("utf-8").splitlines()))


def _to_png(image: np.ndarray) -> bytes:
    """uint8 (28, 28), 0 = background, to PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()

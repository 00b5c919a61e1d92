"""What each model is asked when it is measured."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pictures import load_pictures
from service.engine.batching.tensors import Tensors
from service.models.party.endpoint import VOTES
from service.models.photo.middle import prepare_photo
from service.web.imaging.decode import read_photo
from training.sentiment_short import SENTENCES

PHOTOS = Path(__file__).parent.parent / "tests" / "data" / "photos"


@dataclass(frozen=True, slots=True)
class Work:
    """What one model is asked.

    Attributes:
        fields: Of the requests that are sent in turn.
        rows: So many rows as the model takes them, without a server.
    """

    fields: list[dict[str, Any]]
    rows: Callable[[int], Tensors]

    @property
    def bodies(self) -> list[bytes]:
        """The requests as JSON."""
        return [to_json(**fields) for fields in self.fields]


def digits() -> Work:
    """Real test digits as PNG; for the bare model, noise."""
    pictures = load_pictures()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (32, 28, 28), np.uint8)
    return Work([each.fields for each in pictures], lambda n: (pixels[:n],))


def photo() -> Work:
    """The photographs of the tests."""
    files = [path.read_bytes() for path in sorted(PHOTOS.glob("*.jpg"))]
    pictures = [read_photo(f, max_pixels=10**8, short_side=256) for f in files]
    pixels = np.stack([prepare_photo(picture) for picture in pictures] * 8)
    encoded = [base64.b64encode(file).decode() for file in files]
    return Work([{"image": image} for image in encoded], lambda n: (pixels[:n],))


def sentiment() -> Work:
    """Texts of 1 to 40 of the short sentences: 3 to 300 words, a review's lengths."""
    sentences = [sentence for sentence, _ in SENTENCES]
    texts = [" ".join(sentences[: 1 + 13 * n % 40]) for n in range(16)]
    rows = np.array([text.encode() for text in texts] * 2, object)
    return Work([{"text": text} for text in texts], lambda n: (rows[:n],))


def party() -> Work:
    """Members who vote at random."""
    rng = np.random.default_rng(0)
    votes = rng.choice([-1, 0, 1], (32, len(VOTES))).astype(np.int8)
    words = {-1: "nay", 0: "unknown", 1: "yea"}
    fields = [
        {"votes": {name: words[int(v)] for name, v in zip(VOTES, row, strict=True)}}
        for row in votes[:16]
    ]
    return Work(fields, lambda n: (votes[:n],))


def mammogram() -> Work:
    """Masses that differ in the age."""
    mass = {"age": 60, "shape": "irregular", "margin": "spiculated", "density": "low"}
    ages = np.arange(40, 72, dtype=np.int32)

    def rows(n: int) -> Tensors:
        words = [np.array([str(mass[key]).encode()] * n, object) for key in mass][1:]
        return (ages[:n], *words)

    return Work([mass | {"age": int(age)} for age in ages[:16]], rows)


WORK: dict[str, Callable[[], Work]] = {
    "digits": digits,
    "party": party,
    "mammogram": mammogram,
    "sentiment": sentiment,
    "photo": photo,
}


def to_json(**fields: Any) -> bytes:
    """A JSON body."""
    return json.dumps(fields).encode()

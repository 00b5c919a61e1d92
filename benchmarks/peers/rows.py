"""What every peer is told, and does before and after its model: rows and answers.

No TensorFlow here, so that a process that only decodes need not load it.
"""

import base64
import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

SHORT_SIDE, SIDE = 256, 224  # of a photo, and of the middle that is cut out of it
TOP = 5

Row = Any  # uint8 (28, 28) or (224, 224, 3), or bytes
Prediction = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """What is done for one model."""

    field: str  # of the JSON object that a request is
    read: Callable[[bytes], Row]  # the bytes in it, base64 undone, to a row
    # one row of the first output of the model to a prediction
    answer: Callable[[np.ndarray], Prediction]
    # 32, and 4 photos: a batch of photos is no faster a row than four
    largest_batch: int = 32

    def parse(self, body: Mapping[str, str]) -> Row:
        """A JSON object to a row."""
        text = body[self.field]
        if self.field == "text":
            return text.encode()
        return self.read(base64.b64decode(text))


def read_digit(data: bytes) -> np.ndarray:
    """A picture of 28×28 pixels to uint8 (28, 28)."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def read_photo(data: bytes) -> np.ndarray:
    """A photo of any size to uint8 (224, 224, 3), prepared as Servery does.

    A large JPEG is decoded at reduced size, which is many times faster.
    """
    image = Image.open(io.BytesIO(data))
    image.draft(None, (SHORT_SIDE, SHORT_SIDE))
    upright = ImageOps.exif_transpose(image).convert("RGB")
    width, height = upright.size
    side = min(width, height) * SIDE / SHORT_SIDE
    left, top = (width - side) / 2, (height - side) / 2
    middle = upright.resize(
        (SIDE, SIDE),
        Image.Resampling.BICUBIC,
        box=(left, top, left + side, top + side),
        reducing_gap=3.0,
    )
    return np.asarray(middle)


def answer_digit(probabilities: np.ndarray) -> Prediction:
    """float32 (10,) to what Servery answers."""
    digit = int(probabilities.argmax())
    every = probabilities.tolist()
    return {"digit": digit, "confidence": every[digit], "probabilities": every}


def answer_photo(probabilities: np.ndarray) -> Prediction:
    """float32 (1000,) to the indices of the five best classes, best first."""
    best = np.argsort(-probabilities)[:TOP]
    return {"classes": best.tolist(), "probabilities": probabilities[best].tolist()}


def answer_sentiment(probability: np.ndarray) -> Prediction:
    """A float32 to the probability that a text is positive."""
    return {"probability": float(probability)}


WORK = {
    "digits": Work("image", read_digit, answer_digit),
    "photo": Work("image", read_photo, answer_photo, largest_batch=4),
    "sentiment": Work("text", bytes, answer_sentiment),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One configuration of one peer."""

    models: dict[str, Path]  # the folder `<model>/<version>` of each, by name
    workers: int  # processes that compute, for each model
    threads: int  # tensorFlow's, in each of them


def read_setting() -> Setting:
    """`PEER_MODELS`, `PEER_WORKERS` and `PEER_THREADS`, which processes inherit."""
    models = json.loads(os.environ["PEER_MODELS"])
    return Setting(
        models={name: Path(folder) for name, folder in models.items()},
        workers=int(os.environ["PEER_WORKERS"]),
        threads=int(os.environ["PEER_THREADS"]),
    )


def read_port() -> int:
    """`--port` of the command line."""
    return int(sys.argv[sys.argv.index("--port") + 1])

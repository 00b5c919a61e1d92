"""The digits that every server is asked about."""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "mnist_sample.npz"
COUNT = 16  # the sample's first; all ten digits are among them


@dataclass(frozen=True, slots=True)
class Picture:
    """A digit from MNIST's test set.

    Attributes:
        digit: What it shows.
        png: The file, 28×28 pixels.
    """

    digit: int
    png: bytes

    @property
    def fields(self) -> dict[str, str]:
        """Of a request in JSON."""
        return {"image": base64.b64encode(self.png).decode()}

    def body(self) -> bytes:
        """A request in JSON."""
        return json.dumps(self.fields).encode()


def load_pictures() -> list[Picture]:
    """Read the first `COUNT` of the tests' sample."""
    with np.load(SAMPLE) as sample:
        images, labels = sample["images"][:COUNT], sample["labels"][:COUNT]
    return [
        Picture(int(digit), _encode(image))
        for image, digit in zip(images, labels, strict=True)
    ]


def _encode(image: np.ndarray) -> bytes:
    """uint8 (28, 28), 0 = background, to PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="png")
    return file.getvalue()

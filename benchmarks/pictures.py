"""The pictures that every server is asked about, as bodies of requests."""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from benchmarks.servers import Running, ServerError
from benchmarks.subjects import Target

SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "mnist_sample.npz"
COUNT = 16  # the sample's first; all ten digits are among them
LEAST_RIGHT = 15  # the best of models may miss one
JSON, PNG = "application/json", "image/png"


@dataclass(frozen=True, slots=True)
class Picture:
    """A digit from MNIST's test set.

    Attributes:
        digit: What it shows.
        png: The file, 28×28 pixels.
    """

    digit: int
    png: bytes

    def body(self, media_type: str) -> bytes:
        """Of a request: the file itself, or JSON with base64."""
        if media_type == PNG:
            return self.png
        return json.dumps({"image": base64.b64encode(self.png).decode()}).encode()


def load_pictures() -> list[Picture]:
    """Read the first `COUNT` of the tests' sample."""
    with np.load(SAMPLE) as sample:
        images, labels = sample["images"][:COUNT], sample["labels"][:COUNT]
    return [
        Picture(int(digit), _encode(image))
        for image, digit in zip(images, labels, strict=True)
    ]


def write_bodies(pictures: Sequence[Picture], folder: Path) -> dict[str, Path]:
    """Write all bodies for the load generator, which is no Python.

    Returns:
        By media type, the folder with the files 0, 1, 2 …
    """
    folders = {JSON: folder / "json", PNG: folder / "png"}
    for media_type, each in folders.items():
        each.mkdir()
        for number, picture in enumerate(pictures):
            (each / str(number)).write_bytes(picture.body(media_type))
    return folders


def check_answers(target: Target, server: Running, pictures: Sequence[Picture]) -> None:
    """Ask about every picture once: speed is worth nothing if the answer is wrong.

    Raises:
        ServerError: Not answered, or more than one answered wrongly.
    """
    received = [_ask(target, server, picture) for picture in pictures]
    expected = [picture.digit for picture in pictures]
    right = sum(one == other for one, other in zip(received, expected, strict=True))
    if right < LEAST_RIGHT:
        raise ServerError(
            f"{target.name} reads digits wrongly: expected at least {LEAST_RIGHT} of "
            f"{expected}, received {received}"
        )


def _ask(target: Target, server: Running, picture: Picture) -> int:
    response = httpx.post(
        server.url(target.path),
        content=picture.body(target.media_type),
        headers={"content-type": target.media_type},
        timeout=30,
    )
    if not response.is_success:
        raise ServerError(
            f"{target.name} refuses a picture: expected 200, received "
            f"{response.status_code} {response.text[:500]}"
        )
    digit: int = response.json()["predictions"][0]["digit"]
    return digit


def _encode(image: np.ndarray) -> bytes:
    """uint8 (28, 28), 0 = background, to PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="png")
    return file.getvalue()

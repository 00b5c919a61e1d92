"""Pictures that are no photos of writing: data sets' own images, and natural photos."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from training.models.digits.evaluation.corruptions import Corruption
from training.models.digits.evaluation.scenes import Picture

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """MNIST's test half.

    Attributes:
        images: (rows, 28, 28) uint8, 0 = background.
        labels: (rows,) uint8, 0 to 9.
    """

    images: Pixels
    labels: Pixels


def unchanged(held_out: HeldOut, row: int, rng: Generator) -> Picture:
    """An image as it is: PNG, 28×28."""
    return _png(held_out.images[row], str(held_out.labels[row]))


def enlarged(held_out: HeldOut, row: int, rng: Generator) -> Picture:
    """Black on white, 280 to 560 pixels a side."""
    side = int(rng.integers(280, 561))
    large = Image.fromarray(255 - held_out.images[row]).resize((side, side))
    return _png(np.asarray(large), str(held_out.labels[row]))


def optdigits(held_out: HeldOut, row: int, rng: Generator) -> Picture:
    """A digit of other writers, 8×8, enlarged and off-centre, on white or on black.

    Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI, 1998: the
    1,797 of its test half, which scikit-learn carries.
    """
    images, labels = _optdigits()
    row %= len(images)
    side = int(rng.integers(80, 240))
    large = Image.fromarray(images[row]).resize((side, side), Image.Resampling.BICUBIC)
    sheet = Image.new("L", (400, 400))
    left, top = rng.integers(10, 390 - side, 2)
    sheet.paste(large, (int(left), int(top)))
    pixels = np.asarray(sheet)
    return _png(255 - pixels if rng.random() < 0.5 else pixels, str(labels[row]))


def natural(held_out: HeldOut, row: int, rng: Generator) -> Picture:
    """A part of a photo of a temple or of a flower."""
    photo = _photos()[rng.integers(2)]
    side = int(rng.integers(160, 420))
    top, left = (int(rng.integers(0, length - side)) for length in photo.shape[:2])
    part = Image.fromarray(photo[top : top + side, left : left + side])
    file = io.BytesIO()
    part.resize((600, 600)).save(file, "JPEG", quality=int(rng.integers(80, 96)))
    return Picture(file.getvalue(), "image/jpeg", "")


def corrupted(corrupt: Corruption) -> Callable[[HeldOut, int, Generator], Picture]:
    """Images under one of MNIST-C's corruptions: PNG, 28×28."""

    def take(held_out: HeldOut, row: int, rng: Generator) -> Picture:
        return _png(corrupt(held_out.images[row], rng), str(held_out.labels[row]))

    return take


def _png(pixels: Pixels, answer: str) -> Picture:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return Picture(file.getvalue(), "image/png", answer)


@cache
def _optdigits() -> tuple[Pixels, Pixels]:
    """(1797, 8, 8) and (1797,) uint8."""
    images, labels = load_digits(return_X_y=True)
    grey = np.clip(images.reshape(-1, 8, 8) * 16, 0, 255)
    return grey.astype(np.uint8), labels.astype(np.uint8)


@cache
def _photos() -> list[Pixels]:
    """Each (height, width, 3) uint8."""
    return [np.asarray(image) for image in load_sample_images().images]

"""An image file to what the model's finder looks at: 224×224, in colour.

Runs in a decoder's process, whose replies are arrays of one shape; so a picture and
what is to be known of it are packed into one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.errors import InvalidImage
from service.models.digits.finding import FINE
from service.models.digits.form import SIDE, is_prepared, upright
from service.web.imaging.decode import LONGEST, read_drawing, upright_size

Pixels = npt.NDArray[np.uint8]

GREY = 127  # around what is not square
FAINTEST = 12  # grey levels of 255 between paper and ink: less is nothing at all
HEAD = 2 * 4  # bytes before the pixels: width and height, int32
ROW_BYTES = HEAD + SIDE * SIDE + FINE * FINE * 3


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, ready to be looked at.

    Attributes:
        size: Width and height of the file's picture; 0 × 0 of a strip so long that only
            a part of it was looked at.
        small: uint8 (28, 28), ink light, if the file has this size; else all 0.
        square: uint8 (224, 224, 3).
    """

    size: tuple[int, int]
    small: Pixels
    square: Pixels

    @property
    def is_prepared(self) -> bool:
        """Whether it has MNIST's form already."""
        return is_prepared(self.small)


def pack_picture(data: bytes, *, max_pixels: int) -> Pixels:
    """An image file to a row of bytes; see `unpack_picture`.

    Raises:
        InvalidImage, ImageTooLarge: See `service.web.imaging.decode`; or it is blank.
    """
    pixels = read_drawing(data, max_pixels=max_pixels, long_side=FINE)
    if int(pixels.max()) - int(pixels.min()) < FAINTEST:
        raise InvalidImage(
            "The image is blank: expected a digit that stands out from its background, "
            "received no ink."
        )
    width, height = upright_size(data, max_pixels=max_pixels)
    if max(width, height) > LONGEST * min(width, height):
        width = height = 0
    is_small = pixels.shape == (SIDE, SIDE)
    small = upright(pixels) if is_small else np.zeros((SIDE, SIDE), np.uint8)
    size = np.array([width, height], np.int32).view(np.uint8)
    return np.concatenate([size, small.ravel(), _square(pixels).ravel()])


def unpack_picture(row: Pixels) -> Picture:
    """What `pack_picture` packed."""
    width, height = row[:HEAD].view(np.int32).tolist()
    small, square = np.split(row[HEAD:], [SIDE * SIDE])
    return Picture(
        (width, height), small.reshape(SIDE, SIDE), square.reshape(FINE, FINE, 3)
    )


def fit_square(width: int, height: int) -> tuple[int, int, int, int]:
    """Where a picture lies in its square: left, top, width, height, pixels."""
    scale = FINE / max(width, height)
    wide, tall = max(1, round(width * scale)), max(1, round(height * scale))
    return (FINE - wide) // 2, (FINE - tall) // 2, wide, tall


def _square(pixels: Pixels) -> Pixels:
    """Fit a picture into the square, its longer side filling it."""
    left, top, width, height = fit_square(pixels.shape[1], pixels.shape[0])
    larger = width >= pixels.shape[1]
    how = Image.Resampling.BICUBIC if larger else Image.Resampling.BOX
    image = Image.fromarray(pixels).convert("RGB").resize((width, height), how)
    square = np.full((FINE, FINE, 3), GREY, np.uint8)
    square[top : top + height, left : left + width] = np.asarray(image)
    return square

"""A photo to the square of its middle that ResNet50 looks at."""

import numpy as np
from PIL import Image

from service.web.imaging.decode import read_photo

SHORT_SIDE, SIDE = 256, 224  # of the photo, and of the middle that is cut out of it
RESAMPLING = Image.Resampling.BICUBIC  # docs/models/photo.md has what else was measured


def read_middle(data: bytes, *, max_pixels: int) -> np.ndarray:
    """An image file to uint8 (224, 224, 3), RGB.

    Raises:
        InvalidImage, ImageTooLarge: See `service.web.imaging.decode`.
    """
    photo = read_photo(data, max_pixels=max_pixels, short_side=SHORT_SIDE)
    return prepare_photo(photo)


def prepare_photo(image: Image.Image) -> np.ndarray:
    """Bring a photo's short side to 256 and cut 224×224 out of its middle.

    Both in one step, so that a long thin picture never becomes a huge one.

    Args:
        image: RGB, of any size.

    Returns:
        uint8 (224, 224, 3), RGB; antialiased, bicubic.
    """
    width, height = image.size
    side = min(width, height) * SIDE / SHORT_SIDE
    left, top = (width - side) / 2, (height - side) / 2
    middle = image.resize(
        (SIDE, SIDE),
        RESAMPLING,
        box=(left, top, left + side, top + side),
        reducing_gap=3.0,  # of which Pillow says that it cannot be told from none
    )
    return np.asarray(middle)

"""Pictures in a size and in colours that a model declares."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from service.errors import ImageTooLarge
from service.web.imaging.decode import read_photo, upright_size
from service.web.imaging.tiles import Tiling

Resize = Literal["crop", "fit", "stretch"]
Pixels = npt.NDArray[np.uint8]


def read_sized(
    data: bytes,
    *,
    max_pixels: int,
    size: tuple[int, int],
    colour: str,
    resize: Resize,
) -> Pixels:
    """An image file to uint8 (height, width), or (height, width, 3) in colour.

    Args:
        data: The file.
        max_pixels: Width times height above which nothing is decoded.
        size: Height, width wanted.
        colour: grey or rgb.
        resize: See `service.contract.task.ImageClassification`.

    Raises:
        InvalidImage, ImageTooLarge: See `service.web.imaging.decode`.
    """
    photo = read_photo(data, max_pixels=max_pixels, short_side=max(size))
    image = photo.convert("L") if colour == "grey" else photo
    return np.asarray(resized(image, size, resize))


def read_whole(
    data: bytes, *, max_pixels: int, colour: str, tiling: Tiling, most: int
) -> Pixels:
    """An image file as it is, to be cut into tiles.

    Args:
        data: The file.
        max_pixels: Width times height above which nothing is decoded.
        colour: grey or rgb.
        tiling: How it will be cut.
        most: Tiles above which nothing is decoded.

    Raises:
        InvalidImage, ImageTooLarge: See `service.web.imaging.decode`; or it would be
            more tiles.
    """
    width, height = upright_size(data, max_pixels=max_pixels)
    count = tiling.count(height, width)
    if count > most:
        raise ImageTooLarge(
            f"The image is too large: expected at most {most} tiles of "
            f"{tiling.size[1]} × {tiling.size[0]} pixels that overlap by "
            f"{tiling.overlap}, received {width:,} × {height:,} pixels, which are "
            f"{count:,}."
        )
    photo = read_photo(data, max_pixels=max_pixels, short_side=min(width, height))
    return np.asarray(photo.convert("L") if colour == "grey" else photo)


def resized(image: Image.Image, size: tuple[int, int], how: Resize) -> Image.Image:
    """Bring an image to a size: height, width; antialiased, bilinear."""
    (height, width), bilinear = size, Image.Resampling.BILINEAR
    if how == "crop":
        return ImageOps.fit(image, (width, height), bilinear)
    if how == "fit":
        return ImageOps.pad(image, (width, height), bilinear, color=0)
    return image.resize((width, height), bilinear)

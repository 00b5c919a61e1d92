"""Arrays to files: PNG, a sheet of many, an animated GIF, a ZIP. Equal in, equal out.

No file holds a time, and every encoder's settings are fixed, so the same arrays give
the same bytes (of PNG and GIF: by the same version of Pillow).
"""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from PIL import Image

COMPRESSION = 1  # of zlib, 0 to 9: 9 saves 4 % of bytes here and takes longer
GAP, GAP_SHADE = 1, 64  # between the tiles of a sheet: pixels before scaling, grey
FRAME_MS, END_MS = 100, 500  # of an animation: each frame, and both ends
EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a ZIP can say


def to_png(pixels: np.ndarray, scale: int = 1) -> bytes:
    """A PNG.

    Args:
        pixels: uint8 (height, width), 0 = black; or (height, width, 3) in colour.
        scale: Every pixel is drawn so many times as wide and as high.
    """
    file = io.BytesIO()
    _scaled(pixels, scale).save(file, "PNG", compress_level=COMPRESSION)
    return file.getvalue()


def to_gif(frames: np.ndarray, scale: int = 1) -> bytes:
    """A GIF that goes through the frames and back, without end.

    Args:
        frames: uint8 (frames, height, width), 0 = black; at least 2.
        scale: As of `to_png`.
    """
    there = [_scaled(frame, scale) for frame in frames]
    back = there[-2:0:-1]
    pauses = [END_MS, *[FRAME_MS] * (len(there) - 2), END_MS, *[FRAME_MS] * len(back)]
    file = io.BytesIO()
    there[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=[*there[1:], *back],
        duration=pauses,
        loop=0,
    )
    return file.getvalue()


def to_zip(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of files by name, in this order; not compressed, since pictures are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.create_system = 3  # Unix, wherever we run
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return file.getvalue()


def lay_out(images: np.ndarray, columns: int) -> np.ndarray:
    """Pictures side by side, row after row, with a thin grey line between them.

    Args:
        images: uint8 (images, height, width), or (images, height, width, 3).
        columns: In a row; the last row may be shorter, the rest of it is black.

    Returns:
        uint8 (height, width), or (height, width, 3), of the sheet.
    """
    count, height, width, *channels = images.shape
    rows = -(-count // columns)
    tiles = np.zeros((rows * columns, height + GAP, width + GAP, *channels), np.uint8)
    tiles[:, height:], tiles[:, :, width:] = GAP_SHADE, GAP_SHADE
    tiles[:count, :height, :width] = images
    grid = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2)
    size = rows * (height + GAP), columns * (width + GAP)
    return grid.reshape(*size, *channels)[:-GAP, :-GAP]


def lay_out_by_kind(images: np.ndarray, kinds: int) -> np.ndarray:
    """Pictures of several kinds in turn as a sheet with a row for each kind.

    Args:
        images: As of `lay_out`; image i is of kind i mod `kinds`.
        kinds: How many there are; at most as many as images.

    Returns:
        See `lay_out`.
    """
    columns = -(-len(images) // kinds)
    places = np.arange(columns * kinds).reshape(columns, kinds).T.ravel()
    full = np.zeros((columns * kinds, *images.shape[1:]), np.uint8)
    full[: len(images)] = images
    return lay_out(full[places], columns)


def squarest(count: int) -> int:
    """The number of columns with which so many tiles come nearest to a square."""
    return int(np.ceil(np.sqrt(count)))


def _scaled(pixels: np.ndarray, scale: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    height, width = pixels.shape[:2]
    size = width * scale, height * scale
    return image if scale == 1 else image.resize(size, Image.Resampling.NEAREST)

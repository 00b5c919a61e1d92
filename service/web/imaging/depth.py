"""Pictures of more than 8 bits a colour, and of any mode, to 8 bits."""

import numpy as np
import pyspng
from PIL import Image

DEEP_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
DEEP_MODES = ("LA", "RGB", "RGBA")  # that Pillow makes of 16 bits a colour
DIM = 31  # grey level: a picture of 16 bits that stays below it is stretched
MOST_DEEP_PIXELS = 16_000_000  # that are decoded a second time for that
FEWEST_LEVELS = 8192  # of 65,536: 32 of 256; less is stretched to be seen
FAINTEST_LEVELS = 128  # of 65,536: what differs less is noise, and stays faint
STRIP = 256  # rows


def to_eight_bits(image: Image.Image, data: bytes) -> Image.Image:
    """Bring a decoded picture to L, LA, RGB or RGBA.

    Args:
        image: Of any mode.
        data: The file that it came from.
    """
    if data.startswith(DEEP_PNG) and data[24] == 16 and image.mode in DEEP_MODES:
        return _deep_colours(image, data)
    return _eight_bits(image)


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # Pillow's own conversion may clip
        return Image.fromarray(_stretched(np.asarray(image)))
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return image.convert("LA" if grey else "RGBA")
    return image.convert("L" if grey else "RGB")


def _stretched(deep: np.ndarray) -> np.ndarray:
    """More than 8 bits to 8, as bright as they need to be seen.

    Sensors of 10 to 14 bits leave the upper ones of 16 empty, and a dim picture can be
    all below the first of 256 levels.

    Args:
        deep: (height, width) or (height, width, channels), whole numbers or fractions.

    Returns:
        uint8, the same shape.
    """
    if deep.dtype.kind == "f":
        deep = np.nan_to_num(deep, posinf=0.0, neginf=0.0)
    some = deep[:: max(1, deep.shape[0] // 512), :: max(1, deep.shape[1] // 512)]
    low, high = (float(each) for each in np.percentile(some, (0.1, 99.9)))
    if deep.dtype.kind != "f" and not FAINTEST_LEVELS <= high - low < FEWEST_LEVELS:
        bits = int(high).bit_length() if high > low else 16
        low, high = 0.0, 2.0**bits - 1
    scale = 255 / (high - low) if high > low else 0.0
    out = np.empty(deep.shape, np.uint8)
    for row in range(0, len(deep), STRIP):  # in strips: a copy in floats is large
        strip = (deep[row : row + STRIP].astype(np.float64) - low) * scale
        out[row : row + STRIP] = strip.clip(0, 255)
    return out


def _deep_colours(image: Image.Image, data: bytes) -> Image.Image:
    """A dim PNG of 16 bits a colour, of which Pillow keeps the upper 8 of each."""
    small = image.width * image.height <= MOST_DEEP_PIXELS
    if not small or _brightest(image) > DIM:
        return _eight_bits(image)
    try:
        deep = pyspng.load(data)
    except RuntimeError:
        return _eight_bits(image)
    colours = len(image.mode.removesuffix("A"))
    seen = _stretched(deep[..., :colours])
    if image.mode.endswith("A"):
        alpha = (deep[..., colours:] >> 8).astype(np.uint8)
        seen = np.concatenate([seen, alpha], axis=2)
    return Image.fromarray(seen)


def _brightest(image: Image.Image) -> int:
    bands = image.getextrema()[: len(image.mode.removesuffix("A"))]
    return max(int(band[1]) for band in bands)  # type: ignore[index]

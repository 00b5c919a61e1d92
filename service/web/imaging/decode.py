"""Bytes of an image to pixels, with every limit: kind, size, damage.

    bytes ─ kind ─ header ─ size ─ decode ─ upright ─ 8 bits ─ backdrop → pixels
            └──┬─────┘       │        └─ InvalidImage
               │             └─ ImageTooLarge
               └─ InvalidImage

Nothing is decoded before its size is known and allowed.
"""

import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pyspng
from PIL import Image, ImageFile

from service.errors import InvalidImage, InvalidInput
from service.web.imaging.files import open_image

QUICK_BYTES, QUICK_PIXELS = 8192, 128 * 128

# A PNG up to its width; its bit depth and so on, where it is 8 bits of grey and not
# interlaced; its end (PNG specification, third edition, sections 5.2 and 11.2).
PNG_START, PLAIN_GREY = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\x08\0\0\0\0"
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
PNG_HEAD = struct.Struct(">16sII5sII4s")  # these, a checksum, the next length and type

EXIF_ORIENTATION = 0x0112  # EXIF 2.32, table 4: the tag's number and its eight values
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_drawing(data: bytes, *, max_pixels: int, long_side: int) -> np.ndarray:
    """Read a picture of ink, on a backdrop that shows it.

    Args:
        data: The image file: JPEG, PNG, WebP or GIF (its first frame).
        max_pixels: Width times height above which nothing is decoded.
        long_side: How many pixels of the longer side are enough. A larger picture comes
            at reduced size, still at least so long.

    Returns:
        uint8 (height, width) if it is grey, else (height, width, 3); 0 = black. May be
        read-only.

    Raises:
        InvalidImage: No image of a kind that we read, or damaged, or cut short.
        ImageTooLarge: More than `max_pixels`.
    """
    pixels = _read_plain(data, max_pixels, long_side)
    if pixels is not None:
        return pixels
    image = open_image(data, max_pixels=max_pixels)
    width, height = image.size
    longer = max(width, height)
    least = (-(-width * long_side // longer), -(-height * long_side // longer))
    decoded = _decode(image, data, least)
    factor = max(decoded.size) // long_side
    if factor > 1:
        decoded = decoded.reduce(factor)
    return np.asarray(_on_backdrop(decoded, _contrast))


def read_photo(data: bytes, *, max_pixels: int, short_side: int) -> Image.Image:
    """Read a picture in colour; what is transparent is white.

    Args:
        data: The image file: JPEG, PNG, WebP or GIF (its first frame).
        max_pixels: Width times height above which nothing is decoded.
        short_side: How many pixels of the shorter side are enough. A larger JPEG is
            decoded at reduced size, still at least so long, which is many times faster.

    Returns:
        An RGB image, upright.

    Raises:
        InvalidImage: No image of a kind that we read, or damaged, or cut short.
        ImageTooLarge: More than `max_pixels`.
    """
    image = open_image(data, max_pixels=max_pixels)
    decoded = _decode(image, data, (short_side, short_side))
    return _on_backdrop(decoded, lambda _: 255).convert("RGB")


def read_images(
    images: Sequence[bytes], read: Callable[[bytes], np.ndarray]
) -> tuple[np.ndarray]:
    """Read several image files into the rows of one array.

    Args:
        images: At least one.
        read: An image file to its pixels, the same shape for all.

    Returns:
        The pixels, (rows, ...), in the order of `images`.

    Raises:
        InvalidInput: What `read` raised, naming the image if there are several.
    """
    rows = []
    for index, data in enumerate(images):
        try:
            rows.append(read(data))
        except InvalidInput as error:
            if len(images) == 1:
                raise
            raise type(error)(
                f"Image {index}: {error.message}",
                details=[{"field": f"images.{index}", "error": error.message}],
            ) from error
    return (np.stack(rows) if len(rows) > 1 else rows[0][np.newaxis],)


def is_quick(data: bytes) -> bool:
    """Whether an image is read in less time than a thread is called: a small PNG."""
    if len(data) > QUICK_BYTES or not data.startswith(b"\x89PNG"):
        return False
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    return width * height <= QUICK_PIXELS


def _read_plain(data: bytes, max_pixels: int, long_side: int) -> np.ndarray | None:
    """A grey PNG of one piece, undamaged and small, in a quarter of Pillow's time.

    Its checksums are compared here: the faster decoder does not. None if any other.
    """
    if len(data) < PNG_HEAD.size:
        return None
    start, width, height, kind, checksum, length, name = PNG_HEAD.unpack_from(data)
    end = PNG_HEAD.size + length
    if (
        start == PNG_START
        and kind == PLAIN_GREY
        and name == b"IDAT"
        and data[end + 4 :] == PNG_END
        and zlib.crc32(data[12:29]) == checksum
        and zlib.crc32(data[37:end]) == int.from_bytes(data[end : end + 4])
        and max(width, height) <= long_side
        and width * height <= max_pixels
    ):
        try:
            pixels: np.ndarray = pyspng.load(data)
            return pixels
        except RuntimeError:  # Pillow's decoder finds the words for it
            return None
    return None


def _load(image: ImageFile.ImageFile, data: bytes) -> ImageFile.ImageFile:
    width, height = image.size
    try:
        image.load()
    except Exception as error:  # damaged bytes make a decoder raise just about anything
        raise InvalidImage(
            f"The {image.format} image is damaged or cut short: expected "
            f"{width:,} × {height:,} pixels, received {len(data):,} bytes that do not "
            "hold them."
        ) from error
    return image


def _decode(
    image: ImageFile.ImageFile, data: bytes, least: tuple[int, int]
) -> Image.Image:
    """Decode, at reduced size where the format can: upright, L, LA, RGB or RGBA."""
    image.draft(None, least)
    loaded = _eight_bits(_load(image, data))
    turn = UPRIGHT.get(_orientation(image.info.get("exif", b"")))
    return loaded if turn is None else loaded.transpose(turn)


def _orientation(exif: bytes) -> int:
    """The orientation in an EXIF block, 1 to 8; 1 where there is none to be read."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = ">" if tiff.startswith(b"MM") else "<"
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, start)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(
                order + "HHIH", tiff, start + 2 + 12 * entry
            )
            if tag == EXIF_ORIENTATION:
                return int(value)
    except struct.error:
        pass
    return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey; Pillow's own conversion may clip
        deep = np.asarray(image)
        return Image.fromarray((np.clip(deep, 0, 65535) // 257).astype(np.uint8))
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return image.convert("LA" if grey else "RGBA")
    return image.convert("L" if grey else "RGB")


def _on_backdrop(
    image: Image.Image, backdrop: Callable[[Image.Image], int]
) -> Image.Image:
    """Lay a picture with an alpha channel on a grey that `backdrop` picks for it."""
    if image.mode in ("L", "RGB"):
        return image
    opaque = image.mode.removesuffix("A")
    if image.getchannel("A").getextrema() == (255, 255):
        return image.convert(opaque)
    grey = backdrop(image)
    paper = Image.new(opaque, image.size, (grey,) * len(opaque))
    paper.paste(image.convert(opaque), mask=image.getchannel("A"))
    return paper


def _contrast(image: Image.Image) -> int:
    """The grey that shows what is drawn: far from lone ink, near to visible paper."""
    weight = np.asarray(image.getchannel("A"), np.float32)
    luma = np.asarray(image.convert("RGB").convert("L"), np.float32)
    total = max(float(weight.sum()), 1.0)
    mean = float((luma * weight).sum()) / total
    spread = float((np.square(luma - mean) * weight).sum()) / total
    if total > 0.5 * 255 * weight.size and spread > 16**2:
        return round(mean)  # more than ink: a picture with holes or round corners
    return 255 if mean < 128 else 0

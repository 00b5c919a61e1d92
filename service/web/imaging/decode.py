"""Bytes of an image to pixels, with every limit: kind, size, damage.

    bytes ─ kind ─ header ─ size ─ decode ─ upright ─ 8 bits ─ backdrop → pixels
            └──┬─────┘       │        └─ InvalidImage
               │             └─ ImageTooLarge
               └─ InvalidImage

Nothing is decoded before its size is known and allowed.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pyspng
from PIL import Image, ImageFile

from service.errors import ImageTooLarge, InvalidImage
from service.web.imaging.depth import to_eight_bits
from service.web.imaging.files import Opened, open_image

LONGEST = 32  # times its shorter side: a strip longer than that loses its margins
FAINT = 32  # grey levels by which something differs from a strip's margin
MOST_WHOLE_PIXELS = 16_000_000  # of a photo; a larger one is reduced first

JPEG_END = b"\xff\xd9"
ANYTHING = b"\x5a\xa5\x33\xcc\x0f\x69\x96\xf1" * 4096  # that a scan may hold
MOST_MISSING = 0.01  # of a JPEG's pixels

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
        data: The image file, of any kind that we read; the first frame of several.
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
    pixels = read_plain(data, max_pixels=max_pixels, longest=long_side)
    if pixels is not None:
        return pixels
    opened = open_image(data, max_pixels=max_pixels)
    width, height = opened.image.size
    longer = max(width, height)
    least = (-(-width * long_side // longer), -(-height * long_side // longer))
    if longer > LONGEST * min(width, height):
        least = (width, height)  # what is in it may be as small as it is narrow
    decoded = _decode(data, opened, least)
    if longer > LONGEST * min(width, height):
        decoded = _without_margins(decoded)
    factor = max(decoded.size) // long_side
    if factor > 1:
        decoded = decoded.reduce(factor)
    return np.asarray(_on_backdrop(decoded, _contrast))


def read_photo(data: bytes, *, max_pixels: int, short_side: int) -> Image.Image:
    """Read a picture in colour; what is transparent is white.

    Args:
        data: The image file, of any kind that we read; the first frame of several.
        max_pixels: Width times height above which nothing is decoded.
        short_side: How many pixels of the shorter side are enough. A larger JPEG is
            decoded at reduced size, still at least so long, which is many times faster.

    Returns:
        An RGB image, upright.

    Raises:
        InvalidImage: No image of a kind that we read, or damaged, or cut short.
        ImageTooLarge: More than `max_pixels`.
    """
    opened = open_image(data, max_pixels=max_pixels)
    decoded = _decode(data, opened, (short_side, short_side))
    factor = min(decoded.size) // (4 * short_side)
    if factor > 1 and decoded.width * decoded.height > MOST_WHOLE_PIXELS:
        decoded = decoded.reduce(factor)
    return _on_backdrop(decoded, lambda _: 255).convert("RGB")


def read_plain(data: bytes, *, max_pixels: int, longest: int) -> np.ndarray | None:
    """A grey PNG of one piece, undamaged and small, in a quarter of Pillow's time.

    Its checksums are compared here: the faster decoder does not.

    Args:
        data: The image file.
        max_pixels: Width times height above which nothing is decoded.
        longest: Pixels of the longer side above which nothing is decoded.

    Returns:
        uint8 (height, width), 0 = black; None if it is any other file.
    """
    if plain_size(data) is None:
        return None
    _, width, height, _, checksum, length, _ = PNG_HEAD.unpack_from(data)
    end = PNG_HEAD.size + length
    if (
        max(width, height) <= longest
        and width * height <= max_pixels
        and zlib.crc32(data[12:29]) == checksum
        and zlib.crc32(data[37:end]) == int.from_bytes(data[end : end + 4])
    ):
        try:
            pixels: np.ndarray = pyspng.load(data)
            return pixels
        except RuntimeError:  # Pillow's decoder finds the words for it
            return None
    return None


def upright_size(data: bytes, *, max_pixels: int) -> tuple[int, int]:
    """Width and height of an image that can be read, as it is looked at.

    Raises:
        InvalidImage, ImageTooLarge: See `read_photo`.
    """
    image = open_image(data, max_pixels=max_pixels).image
    width, height = image.size
    turned = _orientation(image.info.get("exif") or b"") >= 5
    return (height, width) if turned else (width, height)


def plain_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG that is nothing but a header, grey pixels and an end.

    All of its bytes are accounted for, so no decoder can see another size. None if any
    other file.
    """
    if len(data) < PNG_HEAD.size:
        return None
    start, width, height, kind, _, length, name = PNG_HEAD.unpack_from(data)
    end = PNG_HEAD.size + length
    plain = start == PNG_START and kind == PLAIN_GREY and name == b"IDAT"
    return (width, height) if plain and data[end + 4 :] == PNG_END else None


def _decode(data: bytes, opened: Opened, least: tuple[int, int]) -> Image.Image:
    """Decode, at reduced size where the format can: upright, L, LA, RGB or RGBA."""
    try:
        image = _load(opened.image, least)
    except InvalidImage as error:
        if opened.kind != "JPEG":
            raise _damaged(data, opened) from error
        image = _without_end(data, opened, least)
    try:
        with _may_be_damaged():  # a palette that is not there, or too short
            loaded = to_eight_bits(image, data)
    except InvalidImage as error:
        raise _damaged(data, opened) from error
    turn = UPRIGHT.get(_orientation(image.info.get("exif") or b""))
    return loaded if turn is None else loaded.transpose(turn)


def _load(image: ImageFile.ImageFile, least: tuple[int, int]) -> Image.Image:
    image.draft(None, least)
    with _may_be_damaged():
        image.load()
    return image


@contextmanager
def _may_be_damaged() -> Iterator[None]:
    """Damaged bytes make Pillow raise just about anything."""
    try:
        yield
    except (MemoryError, InvalidImage):
        raise
    except Exception as error:
        raise InvalidImage("damaged") from error


def _damaged(data: bytes, opened: Opened) -> InvalidImage:
    width, height = opened.image.size
    return InvalidImage(
        f"The {opened.kind} image is damaged or cut short: expected "
        f"{width:,} × {height:,} pixels, received {len(data):,} bytes that do not "
        "hold them."
    )


def _without_end(data: bytes, opened: Opened, least: tuple[int, int]) -> Image.Image:
    """A JPEG whose end marker is missing: all of it is there, or nearly.

    The decoder fills up what is missing, and does not say how much. So it is told twice
    to go on, with nothing and with anything: what differs then is what is missing.
    """
    width, height = opened.image.size
    try:
        with_nothing, with_anything = (
            _load(open_image(data + end, max_pixels=width * height).image, least)
            for end in (JPEG_END, ANYTHING + JPEG_END)
        )
    except (InvalidImage, ImageTooLarge) as error:
        raise _damaged(data, opened) from error
    differs = np.asarray(with_nothing) != np.asarray(with_anything)
    missing = differs.any(axis=2) if differs.ndim == 3 else differs
    if missing.mean() > MOST_MISSING:
        raise _damaged(data, opened)
    return with_nothing


def _orientation(exif: bytes) -> int:
    """The orientation in an EXIF block, 1 to 8; 1 where there is none to be read.

    Pillow's own reader takes ten times as long (30 µs) and warns of, or raises at, what
    is damaged.
    """
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


def _without_margins(strip: Image.Image) -> Image.Image:
    """The part of a long strip in which something is.

    Raises:
        InvalidImage: That is a long strip, too: what is in it would be too small.
    """
    grey = strip.convert("RGB").convert("L")
    count = grey.histogram()
    margin = count.index(max(count))
    marked = grey.point([255 * (abs(n - margin) > FAINT) for n in range(256)])
    box = marked.getbbox()
    if box is None:
        return strip
    left, top, right, bottom = box
    border = max(right - left, bottom - top) // 4
    width, height = strip.size
    part = strip.crop((
        max(0, left - border), max(0, top - border),
        min(width, right + border), min(height, bottom + border),
    ))  # fmt: skip
    if max(part.size) > LONGEST * min(part.size):
        raise InvalidImage(
            f"The image is too long and thin: expected sides of at most {LONGEST} to "
            f"1, received {width:,} × {height:,} pixels, filled over "
            f"{right - left:,} × {bottom - top:,}."
        )
    return part


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

"""Opens an image file by its header, within limits on its kind, its size and its cost.

The decoders are called by class and not through `Image.open`: that looks up the same
class more slowly, and warns of large images by a global limit where we refuse them by
the caller's own.
"""

import io
import re
import struct

from PIL import Image, ImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from service.errors import ImageTooLarge, InvalidImage

EXPECTED = "a JPEG, PNG, WebP or GIF image"

# A progressive JPEG is decoded once a scan, and a scan can be a few bytes that say "no
# change": 200 kB cost 11 s. Encoders write about ten scans.
MOST_SCANS = 64
JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # ITU T.81, table B.1

# Kinds that people do send and that we do not read, so that the answer can name them.
UNREAD = (
    (0, b"%PDF", "a PDF document"),
    (0, b"BM", "a BMP image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an XML document"),
    (0, b"<!", "an HTML document"),
    (4, b"ftyphei", "a HEIC image"),
    (4, b"ftypmif1", "a HEIC image"),
    (4, b"ftypavif", "an AVIF image"),
)


class _Jpeg(JpegImageFile):
    """A JPEG whose EXIF Pillow leaves alone: it would warn about a damaged one."""

    def _read_dpi_from_exif(self) -> None:
        pass


def open_image(data: bytes, *, max_pixels: int) -> ImageFile.ImageFile:
    """Read the header only, and hold it against the limits.

    Args:
        data: The image file.
        max_pixels: Width times height that is still allowed.

    Returns:
        An image whose size and mode are known and whose pixels are not yet decoded.

    Raises:
        InvalidImage: No image of a kind that we read, or its header is damaged.
        ImageTooLarge: More than `max_pixels`.
    """
    kind = _kind(data)
    if kind is WebPImageFile:  # its decoder makes room for the pixels when it is opened
        _check_size(_webp_size(data), max_pixels)
    try:
        image = kind(io.BytesIO(data))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(
            f"The image is too large: expected at most {max_pixels:,} pixels, "
            "received many more."
        ) from error
    except Exception as error:  # damaged bytes make a decoder raise just about anything
        raise InvalidImage(
            f"The {kind.format} image is damaged: expected a complete header, "
            f"received {len(data):,} bytes without one."
        ) from error
    _check_size(image.size, max_pixels)
    if "progressive" in image.info and image.fp is not None:
        _check_scans(data, image.fp.tell())
    return image


def _kind(data: bytes) -> type[ImageFile.ImageFile]:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith(b"\xff\xd8\xff"):
        return _Jpeg
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    received = f"{len(data):,} bytes of something else"
    for offset, signature, name in UNREAD:
        if data.startswith(signature, offset):
            received = name
    raise InvalidImage(
        f"The image cannot be read: expected {EXPECTED}, received {received}."
    )


def _webp_size(data: bytes) -> tuple[int, int]:
    """The size in a WebP's header; (0, 0) where it has none (RFC 9649, 2.5 to 2.7)."""
    head = data[:30].ljust(30, b"\0")
    match head[12:16]:
        case b"VP8X":
            less_one = int.from_bytes(head[24:30], "little")
            return (less_one & 0xFFFFFF) + 1, (less_one >> 24) + 1
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", head, 26)
            return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"The image is too large: expected at most {max_pixels:,} pixels, "
            f"received {width:,} × {height:,} = {width * height:,}."
        )


def _check_scans(data: bytes, start: int) -> None:
    """Count the scans of a JPEG whose first one begins before `start`."""
    scans = 1
    while (marker := JPEG_MARKER.search(data, start)) and marker[0] != b"\xff\xd9":
        scans += marker[0] == b"\xff\xda"
        if scans > MOST_SCANS:
            raise InvalidImage(
                f"The JPEG image cannot be read: expected at most {MOST_SCANS} scans, "
                "received more."
            )
        start = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])

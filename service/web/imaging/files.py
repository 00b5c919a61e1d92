"""Opens an image file by its header, within limits on its kind, its size and its cost.

The decoders are called by class and not through `Image.open`: that looks up the same
class more slowly, and warns of large images by a global limit where we refuse them by
the caller's own. Sizes come from the decoders themselves.
"""

import io
from dataclasses import dataclass

from PIL import AvifImagePlugin, Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from service.errors import ImageTooLarge, InvalidImage
from service.web.imaging.kinds import kind_of
from service.web.imaging.structure import (
    MOST_SCANS,
    check_gif,
    check_tiff,
    count_run_bytes,
    slim_jpeg,
    slim_png,
    webp_size,
)

# A progressive JPEG is decoded once a scan, and a scan can be a few bytes that say "no
# change": 200 kB cost 11 s. Encoders write about ten scans. A large picture may have
# fewer of them: width × height × scans is at most so many times the limit on pixels.
SCANS_AT_FULL_SIZE = 10
RUN_BYTE_WORK = 16  # pixels that a decoder goes over in the time of a BMP's run


class _Jpeg(JpegImageFile):
    """A JPEG whose EXIF Pillow leaves alone: it would warn about a damaged one."""

    def _read_dpi_from_exif(self) -> None:
        pass


CLASSES: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": _Jpeg,
    "WebP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
CHECKS = {"GIF": check_gif, "TIFF": check_tiff}


@dataclass(frozen=True, slots=True)
class Opened:
    """An image whose size and mode are known and whose pixels are not yet decoded.

    Attributes:
        image: Of Pillow.
        kind: The name of the format.
        work: Pixels that the decoder goes over, each pass counted.
    """

    image: ImageFile.ImageFile
    kind: str
    work: int


def open_image(data: bytes, *, max_pixels: int) -> Opened:
    """Read the header only, and hold it against the limits.

    Args:
        data: The image file.
        max_pixels: Width times height that is still allowed.

    Raises:
        InvalidImage: No image of a kind that we read, or its header is damaged.
        ImageTooLarge: More than `max_pixels`.
    """
    kind = kind_of(data)
    scans, more_work, received = 1, 0, len(data)
    if kind == "PNG":
        data = slim_png(data)
    elif kind == "JPEG":
        data, scans = slim_jpeg(data)
    elif kind == "WebP":  # its decoder makes room for the pixels when it is opened
        _check_size(webp_size(data), max_pixels)
    elif kind == "BMP":
        more_work = RUN_BYTE_WORK * count_run_bytes(data)
    elif kind in CHECKS:
        CHECKS[kind](data)
    try:
        image = _class_of(kind)(io.BytesIO(data))
    except InvalidImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(
            f"The image is too large: expected at most {max_pixels:,} pixels, "
            "received many more."
        ) from error
    except Exception as error:  # damaged bytes make a decoder raise just about anything
        raise InvalidImage(
            f"The {kind} image is damaged: expected a complete header, "
            f"received {received:,} bytes without one."
        ) from error
    _check_size(image.size, max_pixels)
    width, height = image.size
    _check_scans(width * height, scans, max_pixels)
    return Opened(image, kind, width * height * scans + more_work)


def _class_of(kind: str) -> type[ImageFile.ImageFile]:
    if kind != "HEIC":
        return CLASSES[kind]
    try:
        import pi_heif  # not everybody sends them
    except ImportError as error:
        raise InvalidImage(
            "The image cannot be read: expected another format, for example JPEG, "
            "received a HEIC image, for which the decoder pi-heif is not installed."
        ) from error
    pi_heif.options.DECODE_THREADS = 1
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = False
    pi_heif.options.AUX_IMAGES = False
    heif: type[ImageFile.ImageFile] = pi_heif.HeifImageFile
    return heif


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"The image is too large: expected at most {max_pixels:,} pixels, "
            f"received {width:,} × {height:,} = {width * height:,}."
        )


def _check_scans(pixels: int, scans: int, max_pixels: int) -> None:
    most = min(MOST_SCANS, SCANS_AT_FULL_SIZE * max_pixels // max(pixels, 1))
    if scans > most:
        raise InvalidImage(
            f"The JPEG image cannot be read: expected at most {most} scans of "
            f"{pixels:,} pixels, received more."
        )

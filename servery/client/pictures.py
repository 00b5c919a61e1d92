"""Images and sounds that lie in memory, as the files that a service reads."""

import io
import wave
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from servery.errors import InvalidInput

PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
CHANNELS = (1, 3, 4)
LOUDEST = 32_767  # of int16

Array = npt.NDArray[Any]


def image_to_png(image: Image.Image) -> bytes:
    """A PIL image as a PNG file, turned upright as its EXIF data say."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode not in PNG_MODES:
        upright = upright.convert("RGB")
    file = io.BytesIO()
    upright.save(file, "PNG", compress_level=1)
    return file.getvalue()


def array_to_png(pixels: Array) -> bytes:
    """Pixels as a PNG file.

    Args:
        pixels: (height, width), or with 1, 3 or 4 channels behind; uint8, or bool.

    Raises:
        InvalidInput: Another shape or dtype.
    """
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in CHANNELS)
    if pixels.dtype.kind == "b":
        pixels = pixels * np.uint8(255)
    if not fits or pixels.dtype != np.uint8 or not pixels.size:
        raise InvalidInput(
            "image: expected an array (height, width), or with 1, 3 or 4 channels "
            "behind, of uint8 from 0 to 255; received "
            f"{pixels.shape} of {pixels.dtype.name}"
        )
    return image_to_png(Image.fromarray(np.ascontiguousarray(pixels)))


def array_to_wav(samples: Array, rate: int) -> bytes:
    """A sound as a WAV file of 16 bits.

    Args:
        samples: (samples,), floats from -1 to 1, or int16.
        rate: Samples a second.

    Raises:
        InvalidInput: Another shape or dtype.
    """
    if samples.ndim != 1 or not samples.size:
        raise InvalidInput(
            f"audio: expected an array (samples,), received {samples.shape}"
        )
    if samples.dtype.kind == "f":
        samples = np.round(np.clip(samples, -1, 1) * LOUDEST).astype(np.int16)
    if samples.dtype != np.int16:
        raise InvalidInput(
            "audio: expected floats from -1 to 1 or int16, received "
            f"{samples.dtype.name}"
        )
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()

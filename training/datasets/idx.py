"""IDX, the format of MNIST and of the data sets made after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.datasets.fetch import Source, obtain


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A labelled set of images in its original order and split.

    Attributes:
        train_images: (60000, 28, 28) uint8, 0 = background.
        train_labels: (60000,) uint8, 0 to 9.
        test_images: (10000, 28, 28) uint8.
        test_labels: (10000,) uint8, 0 to 9.
    """

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]


def load_images(
    files: Mapping[str, str], sources: Sequence[Source], folder: Path
) -> ImageSet:
    """Load training images and labels, then test images and labels.

    Args:
        files: name → SHA-256 of the uncompressed content, in the order above.
        sources: where to look for what is not in `folder`; see `obtain`.
        folder: where the files lie or will lie.
    """
    contents = obtain(files, sources, folder)
    return ImageSet(*(decode_idx(content) for content in contents.values()))


def decode_idx(content: bytes) -> npt.NDArray[np.uint8]:
    """Decode the IDX format: 0, 0, type (8 = uint8), number of axes, lengths, values.

    Returns:
        uint8 array of the stated shape, read-only.

    Raises:
        ValueError: Not IDX with uint8 values, or cut short.
    """
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(
            f"not an IDX file of uint8: expected to begin with 00 00 08, "
            f"received {content[:3].hex(' ')}"
        )
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)

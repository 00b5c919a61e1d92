"""Pictures to what a model takes: in its size, its colours and its range of numbers."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract.contract import Contract
from service.contract.dtypes import numpy_dtype
from service.contract.signature import TensorSpec
from service.contract.task import SERVING
from service.tasks.classes import Classifier
from service.tasks.endpoint import (
    QUICK_ITEMS,
    FileEndpoint,
    Given,
    declared_example,
)
from service.tasks.pictures import to_base64
from service.web.api.model_call import ModelCall
from service.web.api.schemas import ImagesRequest
from service.web.imaging.sized import read_sized


class ImageEndpoint(FileEndpoint):
    """The half of an endpoint that reads pictures.

    Attributes:
        read_image: From a file and `max_pixels` to one row, in a decoder's process.
        row_bytes: Of what the model takes and gives for one.
    """

    request = ImagesRequest
    read_image: Callable[..., np.ndarray]
    row_bytes: int

    async def read_all(self, call: ModelCall, rows: Sequence[bytes]) -> Given:
        """See `TaskEndpoint`."""
        call.hold(len(rows), self.row_bytes)
        return Given([await call.read_images(rows, self.read_image)])


class SizedImages(ImageEndpoint):
    """The same, for a model that declares its size, its colours and so on."""

    def __init__(self, contract: Contract):
        task: Any = contract.task
        self.task = task
        signature = contract.signatures[SERVING]
        self._input = signature.inputs[0]
        channels = 1 if task.colour == "grey" else 3
        self.row_bytes = signature.count_bytes((*task.size, channels))
        self._range = task.value_range
        self.read_image = partial(
            read_sized, size=task.size, colour=task.colour, resize=task.resize
        )
        self.example = declared_example(task, "image") or _example(task.size)

    async def read_all(self, call: ModelCall, rows: Sequence[bytes]) -> Given:
        """See `TaskEndpoint`."""
        ((pixels,),) = (await super().read_all(call, rows)).groups
        work = partial(as_input, pixels, self._input, self._range)
        much = pixels.size > QUICK_ITEMS
        return Given([(await call.decode(work, in_thread=much),)], [*pixels])


class ImageClassifier(SizedImages, Classifier):
    """Pictures to classes."""


def as_input(
    pixels: npt.NDArray[Any], spec: TensorSpec, value_range: tuple[float, float]
) -> npt.NDArray[Any]:
    """Pixels to the dtype, the range and the dimensions of an input.

    Args:
        pixels: uint8 (rows, height, width), or (rows, height, width, 3).
        spec: The input.
        value_range: Of black and white, where it takes floats.
    """
    dtype = numpy_dtype(spec.dtype)
    rows = pixels
    if dtype.kind not in "iu":
        low, high = value_range
        rows = pixels * np.float32((high - low) / 255)
        rows += np.float32(low)
    if len(spec.shape) == rows.ndim + 1:
        rows = rows[..., np.newaxis]
    return rows.astype(dtype, copy=False)


def _example(size: tuple[int, int]) -> str:
    """A grey wedge of this size as PNG, in base64: nothing that a model knows."""
    wedge = np.linspace(0, 255, size[1]).astype(np.uint8)
    return to_base64(np.tile(wedge, (size[0], 1)))

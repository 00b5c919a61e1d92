"""The dtypes of tensors, by the names that contracts and protocols give them."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import ml_dtypes  # which also makes `np.dtype("bfloat16")` known
import numpy as np

STRING = "string"
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

MOST_DIMENSIONS = 32
MOST_BYTES = 2**31 - 1  # of a protocol buffer, and so of what it may stand for

NAMES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128", STRING,
)  # fmt: skip
"""What a signature's tensors may be; `string` stands for bytes of any length."""


def numpy_dtype(name: str) -> np.dtype[np.generic]:
    """The dtype of the arrays that hold tensors of this one: strings are objects."""
    return np.dtype(object if name == STRING else name)


@cache  # NumPy spells it anew each time
def dtype_name(dtype: np.dtype[np.generic]) -> str:
    """The name of an array's dtype; undoes `numpy_dtype`."""
    return STRING if dtype.kind == "O" else dtype.name


def number_range(name: str) -> tuple[float, float]:
    """The least and the largest finite number of a dtype: of strings and bool none.

    Integers are exact, whatever their width.
    """
    kind: Any = numpy_dtype(name)
    if kind.kind in "iu":
        bounds = np.iinfo(kind)
        return bounds.min, bounds.max
    if kind.kind in "fcV":  # V: bfloat16
        finfo: Any = ml_dtypes.finfo
        largest = float(finfo(kind).max)
        return -largest, largest
    return -math.inf, math.inf


def check_shape(shape: Sequence[int], dtype: np.dtype[np.generic], most: int) -> None:
    """Hold a shape that somebody sent against what can be made of it.

    Args:
        shape: Sizes.
        dtype: Of the values.
        most: Bytes that the array may have, where a string counts as 8.

    Raises:
        ValueError: Too many dimensions, a size below 0, or too many bytes. Sizes of 0
            do not hide that the others are absurd.
    """
    if len(shape) > MOST_DIMENSIONS:
        raise ValueError(
            f"expected at most {MOST_DIMENSIONS} dimensions, received {len(shape)}"
        )
    if any(size < 0 for size in shape):
        raise ValueError(f"expected sizes from 0 on, received the shape {[*shape]}")
    if math.prod(size or 1 for size in shape) * dtype.itemsize > most:
        raise ValueError(
            f"expected at most {most:,} bytes, received the shape {[*shape]}, which "
            "has more"
        )

"""The datatypes of the Open Inference Protocol, and strings as it writes them."""

import math
import struct
from collections.abc import Iterable

import numpy as np

from service.contract.dtypes import STRING, check_shape, numpy_dtype
from service.errors import InvalidInput

Array = np.ndarray

NAMES = {
    "BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32",
    "UINT64": "uint64", "INT8": "int8", "INT16": "int16", "INT32": "int32",
    "INT64": "int64", "FP16": "float16", "BF16": "bfloat16", "FP32": "float32",
    "FP64": "float64", "BYTES": STRING,
}  # fmt: skip
"""Names of dtypes by those of the protocol. There is none for complex numbers."""

DATATYPES = {name: datatype for datatype, name in NAMES.items()}
MOST_STRINGS = 65_536  # as raw bytes, in one tensor: each is an object of its own
_LENGTH = struct.Struct("<I")


def from_raw(data: memoryview, datatype: str, shape: list[int], what: str) -> Array:
    """Raw bytes to an array: little-endian, row-major, not copied but for strings.

    Args:
        data: As many bytes as the tensor has.
        datatype: Of the protocol.
        shape: Sizes.
        what: The name of the input, for errors.

    Raises:
        InvalidInput: Too few or too many bytes, or a shape that cannot be.
    """
    dtype = numpy_dtype(NAMES[datatype])
    count = count_elements(shape, dtype, what)
    if datatype == "BYTES":
        return _strings_from_raw(data, count, what).reshape(shape)
    if len(data) != count * dtype.itemsize:
        raise InvalidInput(
            f"{what}: expected {count * dtype.itemsize:,} bytes for {datatype} "
            f"{shape}, received {len(data):,}"
        )
    return (
        np.frombuffer(data, dtype.newbyteorder("<"))
        .astype(dtype, copy=False)
        .reshape(shape)
    )


def to_raw(array: Array) -> bytes:
    """An array as raw bytes; undoes `from_raw`."""
    if array.dtype.kind != "O":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    pieces: list[bytes] = []
    for value in array.ravel():
        pieces += (_LENGTH.pack(len(value)), value)
    return b"".join(pieces)


def count_elements(
    shape: Iterable[int], dtype: np.dtype[np.generic], what: str, most: int = 2**31 - 1
) -> int:
    """The number of elements of a shape that somebody sent.

    Raises:
        InvalidInput: It cannot be: see `check_shape`.
    """
    sizes = list(shape)
    try:
        check_shape(sizes, dtype, most)
    except ValueError as error:
        raise InvalidInput(f"{what}: {error}") from error
    return math.prod(sizes)


def _strings_from_raw(data: memoryview, count: int, what: str) -> Array:
    if count > MOST_STRINGS:
        raise InvalidInput(
            f"{what}: expected at most {MOST_STRINGS:,} elements of BYTES, received "
            f"{count:,}"
        )
    if count * _LENGTH.size > len(data):
        raise InvalidInput(
            f"{what}: expected {count:,} elements of BYTES, each behind its length in "
            f"4 bytes; received {len(data):,} bytes"
        )
    array = np.empty(count, dtype=object)
    offset = 0
    for index in range(count):
        end = offset + _LENGTH.size
        if end > len(data):
            break
        (length,) = _LENGTH.unpack_from(data, offset)
        offset = end + length
        array[index] = bytes(data[end:offset])
        if offset > len(data):
            break
    else:
        if offset == len(data):
            return array
    raise InvalidInput(
        f"{what}: expected {count:,} elements of BYTES that fill {len(data):,} bytes, "
        "each behind its length; received lengths that do not"
    )

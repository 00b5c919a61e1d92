"""Arrays to JSON: as short as each number's dtype allows, NaN and Infinity included."""

import base64
from typing import Any

import numpy as np
import orjson
from pydantic_core import to_json

Array = np.ndarray


def dump(array: Array, *, as_bytes: bool = False) -> bytes:
    """An array as nested lists in JSON.

    float32 is written with the digits that it has, and not with those of the float64 of
    the same value. NaN and Infinity are written by these names, which JSON does not
    know and TensorFlow Serving writes.

    Args:
        array: Of any shape; strings as an object array of bytes.
        as_bytes: Strings as `{"b64": …}` instead of as text in UTF-8, in which bytes
            that are none become U+FFFD.
    """
    if array.dtype.kind == "O":
        return orjson.dumps(_texts(array, as_bytes=as_bytes))
    if array.dtype.kind == "c":
        return orjson.dumps(np.stack([array.real, array.imag], axis=-1).tolist())
    if array.dtype.kind == "V" or array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return to_json(array.tolist(), inf_nan_mode="constants")
    if array.ndim == 0:
        return orjson.dumps(array[()], option=orjson.OPT_SERIALIZE_NUMPY)
    contiguous = np.ascontiguousarray(array)
    return orjson.dumps(contiguous, option=orjson.OPT_SERIALIZE_NUMPY)


def _texts(array: Array, *, as_bytes: bool) -> Any:
    encode = _in_base64 if as_bytes else _as_text
    encoded = np.empty(array.size, dtype=object)
    for index, value in enumerate(array.ravel()):
        encoded[index] = encode(value)
    return encoded.reshape(array.shape).tolist()


def _in_base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _as_text(value: bytes) -> str:
    return value.decode(errors="replace")

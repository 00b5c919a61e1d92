"""TensorFlow's `TensorProto` to an array and back, without TensorFlow.

The layout is that of tensorflow/core/framework/tensor.proto: all values in
`tensor_content`, in the machine's little-endian order, or in the typed list of their
dtype, whose last value stands for all that are missing.
"""

import math
from typing import Any

import numpy as np

from service.contract.dtypes import MOST_BYTES, check_shape, numpy_dtype
from service.contract.packed import extend
from service.contract.tensorflow_protos import load_module

DTYPES = {
    "DT_BFLOAT16": "bfloat16", "DT_BOOL": "bool", "DT_COMPLEX64": "complex64",
    "DT_COMPLEX128": "complex128", "DT_DOUBLE": "float64", "DT_FLOAT": "float32",
    "DT_HALF": "float16", "DT_INT8": "int8", "DT_INT16": "int16", "DT_INT32": "int32",
    "DT_INT64": "int64", "DT_STRING": "string", "DT_UINT8": "uint8",
    "DT_UINT16": "uint16", "DT_UINT32": "uint32", "DT_UINT64": "uint64",
}  # fmt: skip
"""Names of dtypes by TensorFlow's; the others no protocol can carry."""

ENUMS = {name: enum for enum, name in DTYPES.items()}
_LISTS = {
    "bool": "bool_val", "float32": "float_val", "float64": "double_val",
    "int64": "int64_val", "uint32": "uint32_val", "uint64": "uint64_val",
    "complex64": "scomplex_val", "complex128": "dcomplex_val", "string": "string_val",
    "float16": "half_val", "bfloat16": "half_val",
}  # fmt: skip
_BITS = ("float16", "bfloat16")  # whose list holds bit patterns


class TensorProtoError(ValueError):
    """A `TensorProto` that does not hold what it says."""


def to_array(proto: Any, most_bytes: int = MOST_BYTES) -> np.ndarray:
    """The values of a `TensorProto`; strings as an object array of bytes.

    Args:
        proto: The message.
        most_bytes: That its values may have, since one may stand for all.

    Returns:
        An array of its dtype and shape; read-only if it is a view of the message.

    Raises:
        TensorProtoError: A dtype that no protocol carries, a shape that cannot be, or
            too many or too few values.
    """
    types = load_module("tensorflow.core.framework.types_pb2")
    known = types.DataType.values()
    enum = types.DataType.Name(proto.dtype) if proto.dtype in known else proto.dtype
    if enum not in DTYPES:
        raise TensorProtoError(
            f"expected a dtype of {', '.join(sorted(ENUMS))}, received {enum}"
        )
    name, shape = DTYPES[enum], [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank:
        raise TensorProtoError("expected a shape, received an unknown rank")
    try:
        check_shape(shape, numpy_dtype(name), most_bytes)
    except ValueError as error:
        raise TensorProtoError(str(error)) from error
    if proto.tensor_content and name != "string":
        return _from_content(proto.tensor_content, numpy_dtype(name), shape)
    return _from_list(proto, name, shape)


def to_proto(array: np.ndarray, name: str) -> Any:
    """A `TensorProto` of an array, its values in the list of their dtype.

    TensorFlow Serving answers so too, and its clients read `float_val` as it stands.

    Args:
        array: Of any shape; strings as an object array of bytes.
        name: Its dtype's name.
    """
    tensors = load_module("tensorflow.core.framework.tensor_pb2")
    types = load_module("tensorflow.core.framework.types_pb2")
    proto = tensors.TensorProto(dtype=types.DataType.Value(ENUMS[name]))
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    values = np.ascontiguousarray(array).ravel()
    if name in _BITS:
        values = values.view(np.uint16)
    elif name.startswith("complex"):
        values = values.view(np.float32 if name == "complex64" else np.float64)
    extend(proto, proto.DESCRIPTOR.fields_by_name[_LISTS.get(name, "int_val")], values)
    return proto


def _from_content(
    content: bytes, dtype: np.dtype[np.generic], shape: list[int]
) -> np.ndarray:
    expected = math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise TensorProtoError(
            f"expected {expected:,} bytes for {dtype.name} {shape}, received "
            f"{len(content):,}"
        )
    return np.frombuffer(content, dtype).reshape(shape)


def _from_list(proto: Any, name: str, shape: list[int]) -> np.ndarray:
    values = getattr(proto, _LISTS.get(name, "int_val"))
    size = math.prod(shape)
    parts = 2 if name.startswith("complex") else 1
    count = len(values) // parts
    if count > size or (count == 0 and size > 0) or (1 < count < size):
        raise TensorProtoError(
            f"expected {size:,} values for {name} {shape}, or one for all; received "
            f"{count:,}"
        )
    if name == "string":
        array = np.empty(size, dtype=object)
        array[:] = list(values) * (size if count == 1 else 1)
        return array.reshape(shape)
    flat = np.array(values)
    if name in _BITS:
        array = _narrowed(flat, np.dtype(np.uint16)).view(numpy_dtype(name))
    elif parts == 2:
        array = flat.view(name)
    else:
        array = _narrowed(flat, numpy_dtype(name))
    return np.resize(array, shape) if size else np.empty(shape, numpy_dtype(name))


def _narrowed(values: np.ndarray, dtype: np.dtype[np.generic]) -> np.ndarray:
    """Values of a list that is wider than their dtype."""
    narrow = values.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(narrow, values):
        raise TensorProtoError(
            f"expected values of {dtype.name}, received one from {values.min()} to "
            f"{values.max()}"
        )
    return narrow

"""Tensors of the Open Inference Protocol's messages to arrays and back.

All of a message's tensors are raw bytes (`raw_input_contents`, in the order of the
inputs), or every one has its values in the list of its datatype (`contents`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor

from service.contract.dtypes import STRING, dtype_name, numpy_dtype
from service.contract.packed import extend
from service.errors import InvalidInput
from service.rpc.generated import open_inference_pb2 as protocol
from service.rpc.wire import MOST_WORK, PER_FIELD
from service.web.api.v2.datatypes import (
    DATATYPES,
    NAMES,
    count_elements,
    from_raw,
    to_raw,
)
from service.web.api.v2.infer import MOST_TENSORS, WantedOutput, classify

Array = np.ndarray

LISTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents",
    "INT32": "int_contents", "INT64": "int64_contents", "UINT8": "uint_contents",
    "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Where the values of a datatype are; those of FP16 and BF16 are raw bytes only."""

MOST_STRINGS = MOST_WORK // PER_FIELD  # as raw bytes no more than in a list

_FIELDS: Mapping[str, FieldDescriptor] = (
    protocol.InferTensorContents.DESCRIPTOR.fields_by_name
)


def parse_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as plain values; those without a value are left out."""
    found = {}
    for name, parameter in parameters.items():
        kind = parameter.WhichOneof("parameter_choice")
        if kind is not None:
            found[name] = getattr(parameter, kind)
    return found


def parse_inputs(request: protocol.ModelInferRequest) -> dict[str, Array]:
    """An array for each input, by name; raw ones are not copied again.

    Raises:
        InvalidInput: Tensors that do not hold what they say, or that are said twice.
    """
    tensors, raw = request.inputs, request.raw_input_contents
    if len(tensors) > MOST_TENSORS:
        raise InvalidInput(
            f"expected at most {MOST_TENSORS:,} inputs, received {len(tensors):,}"
        )
    if raw and len(raw) != len(tensors):
        raise InvalidInput(
            f"raw_input_contents: expected one for each of {len(tensors)} inputs, "
            f"received {len(raw)}"
        )
    inputs: dict[str, Array] = {}
    for index, tensor in enumerate(tensors):
        what = f"input {tensor.name[:256]}"
        if tensor.name in inputs:
            raise InvalidInput(f"{what}: expected once, received twice")
        if tensor.datatype not in NAMES:
            raise InvalidInput(
                f"{what}: expected a datatype of {', '.join(NAMES)}; received "
                f"{tensor.datatype[:64]!r}"
            )
        filled = [field.name for field, _ in tensor.contents.ListFields()]
        if not raw:
            inputs[tensor.name] = _from_list(tensor, filled, what)
        elif filled:
            raise InvalidInput(
                f"{what}: expected contents or raw_input_contents, received both"
            )
        else:
            inputs[tensor.name] = _from_raw(tensor, memoryview(raw[index]), what)
    return inputs


def render_outputs(
    wanted: Sequence[WantedOutput],
    outputs: Sequence[Array],
    labels: Sequence[str],
    response: protocol.ModelInferResponse,
    *,
    typed: bool,
) -> None:
    """Put outputs into an answer.

    Args:
        wanted: Which, and how.
        outputs: In the order of the signature.
        labels: The name of each class by its index, if there are any.
        response: What they are put into.
        typed: Whether as lists of values; not where one of them has no such list.

    Raises:
        InvalidInput: One has a dtype that the protocol cannot carry.
    """
    arrays = [_classified(each, outputs[each.index], labels) for each in wanted]
    names = [DATATYPES.get(dtype_name(array.dtype), "") for array in arrays]
    typed = typed and all(name in LISTS for name in names)
    for each, array, datatype in zip(wanted, arrays, names, strict=True):
        if not datatype:
            raise InvalidInput(
                f"output {each.name}: expected a datatype of the protocol, the model "
                f"gives {array.dtype.name}; ask for other outputs"
            )
        tensor = response.outputs.add(
            name=each.name, datatype=datatype, shape=array.shape
        )
        if typed:
            extend(tensor.contents, _FIELDS[LISTS[datatype]], array)
        else:
            response.raw_output_contents.append(to_raw(array))


def _classified(wanted: WantedOutput, array: Array, labels: Sequence[str]) -> Array:
    return classify(array, wanted.top, labels) if wanted.top else array


def _from_raw(tensor: Any, data: memoryview, what: str) -> Array:
    shape = list(tensor.shape)
    if tensor.datatype == "BYTES":
        count = count_elements(shape, numpy_dtype(STRING), what)
        if count > MOST_STRINGS:
            raise InvalidInput(
                f"{what}: expected at most {MOST_STRINGS:,} elements of BYTES, "
                f"received {count:,}"
            )
    return from_raw(data, tensor.datatype, shape, what)


def _from_list(tensor: Any, filled: list[str], what: str) -> Array:
    datatype, shape = tensor.datatype, list(tensor.shape)
    if datatype not in LISTS:
        raise InvalidInput(f"{what}: expected {datatype} in raw_input_contents")
    wanted, dtype = LISTS[datatype], numpy_dtype(NAMES[datatype])
    if any(name != wanted for name in filled):
        raise InvalidInput(
            f"{what}: expected the values of {datatype} in {wanted}, received "
            f"{', '.join(filled)}"
        )
    values = getattr(tensor.contents, wanted)
    expected = count_elements(shape, dtype, what)
    if len(values) != expected:
        raise InvalidInput(
            f"{what}: expected {expected:,} elements for the shape {shape}, received "
            f"{len(values):,}"
        )
    if NAMES[datatype] == STRING:
        array = np.empty(expected, dtype=object)
        array[:] = list(values)
    else:
        array = _narrowed(np.array(values), dtype, what)
    return array.reshape(shape)


def _narrowed(array: Array, dtype: np.dtype[np.generic], what: str) -> Array:
    """Values of a wider list as what they are said to be."""
    narrow = array.astype(dtype)
    if dtype.kind in "iu" and array.size and not np.array_equal(narrow, array):
        raise InvalidInput(
            f"{what}: expected values of {dtype.name}, received one from "
            f"{array.min()} to {array.max()}"
        )
    return narrow

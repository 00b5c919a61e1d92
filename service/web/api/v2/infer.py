"""The body of an infer call, JSON with or without raw tensors behind it; its answer.

    body   = JSON  raw bytes of the inputs that say `binary_data_size`, in their order
    answer = JSON  raw bytes of the outputs that were asked for as binary

How long the JSON is says the header `Inference-Header-Content-Length`, both ways. See
the Open Inference Protocol's inference_rest.md and Triton's extension_binary_data.md,
extension_classification.md and extension_schedule_policy.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from service.contract.contract import Contract
from service.contract.dtypes import STRING, numpy_dtype
from service.contract.inputs import find_signature
from service.contract.signature import Signature, TensorSpec
from service.contract.values import decode_base64, to_array
from service.errors import InvalidInput
from service.web.api.arrays import dump
from service.web.api.v2.datatypes import (
    DATATYPES,
    MOST_STRINGS,
    NAMES,
    count_elements,
    from_raw,
    to_raw,
)

Array = np.ndarray

HEADER = "inference-header-content-length"
DEFAULT_SIGNATURE = "serving_default"
MOST_TENSORS = 1024
MOST_PARAMETERS = 64  # of a request, and of each tensor
NO_JSON = ("FP16", "BF16")  # which travel as raw bytes only

Parameters = dict[str, Any]  # looked at below, which stops at the first that is wrong
Name = Annotated[str, Field(max_length=1024)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")

    parameters: Parameters = {}


class InputTensor(_Part):
    """One input."""

    name: Name
    shape: list[StrictInt] = Field(max_length=32)
    datatype: str = Field(max_length=16)
    data: Any = None


class OutputRequest(_Part):
    """One output that is wanted."""

    name: Name


class InferRequest(_Part):
    """The JSON of an infer call."""

    id: str | None = Field(None, max_length=1024)
    inputs: list[InputTensor] = Field(max_length=MOST_TENSORS)
    outputs: list[OutputRequest] | None = Field(None, max_length=MOST_TENSORS)


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """How one output is to be answered.

    Attributes:
        name: Its name.
        index: Where it stands in the signature.
        binary: Whether as raw bytes.
        top: How many classes, where its classification is asked for; else 0.
    """

    name: str
    index: int
    binary: bool
    top: int = 0


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """What a body asks.

    Attributes:
        id: To be said in the answer, if the caller gave one.
        signature: The name of the signature.
        inputs: An array for each input, by name.
        outputs: Those that are wanted.
        timeout_ms: The caller's deadline, if there is one.
        bulk: Whether it can wait for what is more urgent.
    """

    id: str | None
    signature: str
    inputs: dict[str, Array]
    outputs: list[WantedOutput] = field(default_factory=list)
    timeout_ms: float | None = None
    bulk: bool = False


def split_body(body: bytes, header: str | None) -> tuple[bytes, memoryview]:
    """The JSON of a body, and the raw bytes behind it.

    Args:
        body: All of it.
        header: The value of `Inference-Header-Content-Length`, if it came.

    Raises:
        InvalidInput: The header is no length within the body.
    """
    if header is None:
        return body, memoryview(b"")
    if not (header.isascii() and header.isdecimal() and len(header) <= 12) or int(
        header
    ) > len(body):
        raise InvalidInput(
            f"Inference-Header-Content-Length: expected a number from 0 to the body's "
            f"{len(body):,} bytes, received {header[:32]!r}"
        )
    length = int(header)
    return body[:length], memoryview(body)[length:]


def parse_infer(
    request: InferRequest, raw: memoryview, contract: Contract
) -> ParsedRequest:
    """Make arrays of an infer call.

    Raises:
        InvalidInput: Tensors that do not hold what they say, or that are said twice.
        SignatureNotFound: No such signature.
    """
    for part in (request, *request.inputs, *(request.outputs or ())):
        _check_parameters(part.parameters)
    name = _signature_name(request.parameters, contract)
    signature = find_signature(contract, name)
    inputs: dict[str, Array] = {}
    for each in request.inputs:
        if each.name in inputs:
            raise InvalidInput(f"input {each.name}: expected once, received twice")
        inputs[each.name], raw = _read_input(each, raw)
    if len(raw):
        raise InvalidInput(
            f"expected every byte behind the JSON to belong to an input, received "
            f"{len(raw):,} more"
        )
    return ParsedRequest(
        id=request.id,
        signature=name,
        inputs=inputs,
        outputs=_wanted_outputs(request, signature, name),
        timeout_ms=_timeout_ms(request.parameters),
        bulk=_is_bulk(request.parameters),
    )


def parse_raw(body: memoryview, contract: Contract) -> ParsedRequest:
    """Make an array of a body that is all of it one tensor, without JSON.

    The model must have one input, of which at most one dimension besides the rows is
    free, and gets one row; strings are the whole body. All outputs come as raw bytes.
    """
    name = _signature_name({}, contract)
    signature = find_signature(contract, name)
    if len(signature.inputs) != 1:
        raise InvalidInput(
            "expected a model with one input for a body without JSON, received one "
            f"with {len(signature.inputs)}"
        )
    (spec,) = signature.inputs
    if spec.dtype == STRING:
        array = np.array([bytes(body), None], dtype=object)[:1]
        inputs = {spec.name: array.reshape([1] * max(1, len(spec.shape)))}
    else:
        shape = _shape_of_raw(body, spec)
        datatype = DATATYPES[spec.dtype]
        inputs = {spec.name: from_raw(body, datatype, shape, f"input {spec.name}")}
    outputs = [
        WantedOutput(each.name, index, binary=True)
        for index, each in enumerate(signature.outputs)
    ]
    return ParsedRequest(id=None, signature=name, inputs=inputs, outputs=outputs)


def render_infer(
    parsed: ParsedRequest,
    contract: Contract,
    version: int,
    outputs: Sequence[Array],
) -> tuple[bytes, int | None]:
    """The answer to an infer call.

    Args:
        parsed: What was asked.
        contract: Of the version that answered.
        version: Its number.
        outputs: In the order of the signature.

    Returns:
        The body, and the length of its JSON if raw bytes follow it.
    """
    raw: list[bytes] = []
    parts = [
        _render_output(each, outputs[each.index], contract.labels, raw)
        for each in parsed.outputs
    ]
    head: dict[str, Any] = {"model_name": contract.name, "model_version": str(version)}
    if parsed.id is not None:
        head["id"] = parsed.id
    text = orjson.dumps(head)[:-1] + b',"outputs":[' + b",".join(parts) + b"]}"
    if not any(each.binary for each in parsed.outputs):
        return text, None
    return b"".join((text, *raw)), len(text)


def _check_parameters(parameters: Parameters) -> None:
    if len(parameters) > MOST_PARAMETERS:
        raise InvalidInput(
            f"parameters: expected at most {MOST_PARAMETERS}, received "
            f"{len(parameters):,}"
        )
    for name, value in parameters.items():
        if not isinstance(value, str | int | float):
            raise InvalidInput(
                f"parameters: expected text, a number, true or false for "
                f"{name[:64]!r}, received another value"
            )


def _signature_name(parameters: Parameters, contract: Contract) -> str:
    name = parameters.get("signature_name")
    if name is not None:
        return str(name)
    if DEFAULT_SIGNATURE not in contract.signatures and len(contract.signatures) == 1:
        return next(iter(contract.signatures))
    return DEFAULT_SIGNATURE


def _read_input(tensor: InputTensor, raw: memoryview) -> tuple[Array, memoryview]:
    """The array of an input, and the raw bytes that others have behind it."""
    what = f"input {tensor.name}"
    if tensor.datatype not in NAMES:
        raise InvalidInput(
            f"{what}: expected a datatype of {', '.join(NAMES)}; received "
            f"{tensor.datatype!r}"
        )
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        return _from_json(tensor, what), raw
    if tensor.data is not None:
        raise InvalidInput(f"{what}: expected data or binary_data_size, received both")
    if type(size) is not int or not 0 <= size <= len(raw):
        raise InvalidInput(
            f"{what}: expected a binary_data_size from 0 to the {len(raw):,} bytes "
            f"that are left, received {size!r:.64}"
        )
    array = from_raw(raw[:size], tensor.datatype, tensor.shape, what)
    if tensor.parameters.get("content_type") == "base64":
        array = _decoded(array, what)
    return array, raw[size:]


def _from_json(tensor: InputTensor, what: str) -> Array:
    if tensor.data is None:
        raise InvalidInput(f"{what}: expected data or binary_data_size, received none")
    if tensor.datatype in NO_JSON:
        raise InvalidInput(
            f"{what}: expected {tensor.datatype} as raw bytes (binary_data_size), "
            "received JSON, which has no form for it"
        )
    name = NAMES[tensor.datatype]
    array = to_array(tensor.data, name, what)
    expected = count_elements(tensor.shape, array.dtype, what)
    if array.size != expected:
        raise InvalidInput(
            f"{what}: expected {expected:,} elements for the shape {tensor.shape}, "
            f"received {array.size:,}"
        )
    array = array.reshape(tensor.shape)
    if tensor.parameters.get("content_type") == "base64":
        array = _decoded(array, what)
    return array


def _decoded(array: Array, what: str) -> Array:
    """Strings in base64, MLServer's codec of this name, to what they say."""
    if array.dtype.kind != "O":
        return array
    decoded = np.empty(array.size, dtype=object)
    for index, value in enumerate(array.ravel()):
        decoded[index] = decode_base64(value, what)
    return decoded.reshape(array.shape)


def _wanted_outputs(
    request: InferRequest, signature: Signature, name: str
) -> list[WantedOutput]:
    default = bool(request.parameters.get("binary_data_output", False))
    places = {spec.name: index for index, spec in enumerate(signature.outputs)}
    if not request.outputs:
        return [WantedOutput(each, index, default) for each, index in places.items()]
    wanted: dict[str, WantedOutput] = {}
    for each in request.outputs:
        if each.name not in places or each.name in wanted:
            received = "twice" if each.name in wanted else repr(each.name[:64])
            raise InvalidInput(
                f"outputs: expected each of {', '.join(places)} at most once from the "
                f"signature {name}; received {received}"
            )
        top = each.parameters.get("classification", 0)
        if type(top) is not int or top < 0:
            raise InvalidInput(
                f"output {each.name}: expected a classification from 1 on, received "
                f"{top!r:.64}"
            )
        binary = bool(each.parameters.get("binary_data", default))
        wanted[each.name] = WantedOutput(each.name, places[each.name], binary, top)
    return list(wanted.values())


def _timeout_ms(parameters: Parameters) -> float | None:
    """Triton's `timeout`, which is in microseconds; 0 is none."""
    timeout = parameters.get("timeout")
    if timeout is None or timeout == 0:
        return None
    if type(timeout) is not int or timeout < 0:
        raise InvalidInput(
            f"timeout: expected microseconds, a whole number, received {timeout!r:.64}"
        )
    return timeout / 1000


def _is_bulk(parameters: Parameters) -> bool:
    """Triton's `priority`: 1 is the highest, and what 0 or none stands for."""
    priority = parameters.get("priority", 0)
    if type(priority) is not int or priority < 0:
        raise InvalidInput(
            f"priority: expected a whole number from 0 on, received {priority!r:.64}"
        )
    return priority > 1


def _render_output(
    wanted: WantedOutput, array: Array, labels: Sequence[str], raw: list[bytes]
) -> bytes:
    if wanted.top:
        array = classify(array, wanted.top, labels)
    datatype = DATATYPES.get("string" if array.dtype.kind == "O" else array.dtype.name)
    if datatype is None:
        raise InvalidInput(
            f"output {wanted.name}: expected a datatype of the protocol, the model "
            f"gives {array.dtype.name}; ask for other outputs"
        )
    head: dict[str, Any] = {
        "name": wanted.name,
        "datatype": datatype,
        "shape": list(array.shape),
    }
    if wanted.binary:
        raw.append(to_raw(array))
        return orjson.dumps(head | {"parameters": {"binary_data_size": len(raw[-1])}})
    if datatype in NO_JSON:
        raise InvalidInput(
            f"output {wanted.name}: expected binary_data for {datatype}, for which "
            "JSON has no form"
        )
    return orjson.dumps(head)[:-1] + b',"data":' + dump(array.ravel()) + b"}"


def classify(array: Array, top: int, labels: Sequence[str]) -> Array:
    """The highest values of each row, as `value:index` or `value:index:label`.

    Args:
        array: (rows, classes), or (classes,).
        top: How many.
        labels: The name of each class by its index, if there are any.

    Returns:
        (rows, top) or (top,), strings.
    """
    if array.dtype.kind not in "fiu" or array.ndim == 0:
        raise InvalidInput("classification: expected an output of numbers in rows")
    count = math.prod(array.shape[:-1]) * min(top, array.shape[-1])
    if count > MOST_STRINGS:
        raise InvalidInput(
            f"classification: expected at most {MOST_STRINGS:,} classes of all rows "
            f"together, received a wish for {count:,}"
        )
    best = np.argsort(-array.astype(np.float64), axis=-1, kind="stable")[..., :top]
    values = np.take_along_axis(array, best, axis=-1)
    named = len(labels) == array.shape[-1]
    texts = [
        f"{value:f}:{index}" + (f":{labels[index]}" if named else "")
        for value, index in zip(
            values.ravel().tolist(), best.ravel().tolist(), strict=True
        )
    ]
    found = np.empty(len(texts), dtype=object)
    found[:] = [text.encode() for text in texts]
    return found.reshape(best.shape)


def _shape_of_raw(body: memoryview, spec: TensorSpec) -> list[int]:
    """The shape of one row that fills the body."""
    if spec.any_rank:
        raise InvalidInput(
            f"input {spec.name}: expected a shape, which a body without JSON has not"
        )
    shape = [
        1 if index == 0 and size is None else size
        for index, size in enumerate(spec.shape)
    ]
    free = [index for index, size in enumerate(shape) if size is None]
    if len(free) > 1:
        raise InvalidInput(
            f"input {spec.name}: expected at most one free dimension for a body "
            f"without JSON, this input has {len(free)}"
        )
    known = math.prod(size for size in shape if size is not None)
    itemsize = numpy_dtype(spec.dtype).itemsize
    return [
        len(body) // max(1, known * itemsize) if size is None else size
        for size in shape
    ]

"""Tensors as the Open Inference Protocol carries them in binary.

See `service.web.api.v2.infer`, which is the other end.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from servery.errors import InvalidInput, ServerFailed
from service.contract.dtypes import STRING, dtype_name, numpy_dtype
from service.errors import ServeryError as WrongTensor
from service.web.api.v2.datatypes import DATATYPES, from_raw, to_raw

HEADER = "inference-header-content-length"

Array = npt.NDArray[Any]
Specs = Mapping[str, str]


def write_inputs(
    inputs: Mapping[str, Any], specs: Specs
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Arrays as the heads of their tensors, and the bytes behind the JSON.

    Args:
        inputs: An array for each input, or what NumPy makes one of; texts are str or
            bytes.
        specs: The dtypes that are wanted, by name; others are sent as they are.

    Raises:
        InvalidInput: A dtype that the protocol does not have.
    """
    heads, raw = [], []
    for name, values in inputs.items():
        array = _as_array(values, specs.get(name), name)
        raw.append(to_raw(array))
        heads.append(
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": DATATYPES[dtype_name(array.dtype)],
                "parameters": {"binary_data_size": len(raw[-1])},
            }
        )
    return heads, raw


def read_outputs(body: bytes, header: str | None) -> dict[str, Array]:
    """The arrays of an answer; texts as arrays of bytes.

    Args:
        body: JSON, and the bytes behind it.
        header: How long the JSON is; None: all of it.

    Raises:
        ServerFailed: It does not hold what it says.
    """
    try:
        length = len(body) if header is None else int(header)
        rest, outputs = memoryview(body)[length:], {}
        for each in orjson.loads(body[:length])["outputs"]:
            size = each["parameters"]["binary_data_size"]
            outputs[each["name"]] = from_raw(
                rest[:size], each["datatype"], each["shape"], each["name"]
            )
            rest = rest[size:]
    except (ValueError, KeyError, TypeError, WrongTensor) as error:
        raise ServerFailed(
            f"expected an answer of the Open Inference Protocol: {error!r:.200}"
        ) from error
    return outputs


def _as_array(values: Any, wanted: str | None, name: str) -> Array:
    """An array in the wanted dtype, where that makes no other kind of thing of it."""
    array = np.asarray(values)
    if array.dtype.kind in "SUO":
        array = _as_texts(array, name)
    elif wanted not in (None, STRING) and _widens(array.dtype, numpy_dtype(wanted)):
        array = array.astype(numpy_dtype(wanted))
    if dtype_name(array.dtype) not in DATATYPES:
        raise InvalidInput(
            f"{name}: expected a dtype of {', '.join(DATATYPES)}; received "
            f"{array.dtype.name}"
        )
    return array


def _widens(given: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Whether numbers stay what they are: whole ones may become floats, never back.

    ml_dtypes' bfloat16 says that it is of the kind V.
    """
    kinds = {"b": "b", "i": "iufV", "u": "iufV", "f": "fV", "V": "V"}
    return wanted.kind in kinds.get(given.kind, "")


def _as_texts(array: Array, name: str) -> Array:
    texts = np.empty(array.size, dtype=object)
    for index, each in enumerate(array.ravel().tolist()):
        if not isinstance(each, str | bytes):
            raise InvalidInput(
                f"{name}: expected numbers of one kind, or texts; received "
                f"{type(each).__name__}"
            )
        texts[index] = each.encode() if isinstance(each, str) else each
    return texts.reshape(array.shape)

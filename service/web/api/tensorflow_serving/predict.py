"""The bodies of TensorFlow Serving's predict call, rows or columns, and its answers.

    {"signature_name": …, "instances": [row, …]}  →  {"predictions": [row, …]}
    {"signature_name": …, "inputs": columns}      →  {"outputs": columns}

A row is a value where the signature has one input, or an object of values by name; a
column is a tensor, or an object of tensors by name. So are the answers. The rules are
those of tensorflow_serving/g3doc/api_rest.md and its json_tensor.cc.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.contract.contract import Contract
from service.contract.inputs import find_signature
from service.contract.signature import Signature, TensorSpec
from service.contract.values import to_array
from service.errors import InvalidInput
from service.web.api.arrays import dump

Array = np.ndarray

DEFAULT_SIGNATURE = "serving_default"
BYTES_SUFFIX = "_bytes"  # outputs whose strings are answered in base64


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """What a body asks.

    Attributes:
        signature: The name of the signature.
        inputs: An array for each input that was given, by name.
        by_row: Whether it came, and is to be answered, in rows.
    """

    signature: str
    inputs: dict[str, Array]
    by_row: bool


def parse_predict(body: Any, contract: Contract) -> PredictRequest:
    """Read the body of a predict call.

    Args:
        body: Its JSON.
        contract: Of the version that is asked.

    Raises:
        InvalidInput: Not of this form, or values that do not fit the signature.
        SignatureNotFound: No such signature.
    """
    if not isinstance(body, dict):
        raise InvalidInput(
            "expected an object with instances or inputs, received "
            f"{type(body).__name__}"
        )
    name = body.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise InvalidInput(f"signature_name: expected a string, received {name!r:.64}")
    signature = find_signature(contract, name)
    given = [key for key in ("instances", "inputs") if key in body]
    if len(given) != 1:
        raise InvalidInput(
            "expected either instances (rows) or inputs (columns), received "
            f"{' and '.join(given) or 'neither'}"
        )
    by_row = given == ["instances"]
    read = _read_rows if by_row else _read_columns
    return PredictRequest(name, read(body[given[0]], signature), by_row)


def render_predict(
    outputs: Sequence[Array], signature: Signature, *, by_row: bool
) -> bytes:
    """The answer to a predict call, as JSON.

    Args:
        outputs: In the order of the signature.
        signature: That was called.
        by_row: Whether to answer in rows.

    Raises:
        InvalidInput: Rows are asked for, and the outputs have not the same number.
    """
    names = [spec.name for spec in signature.outputs]
    columns = dict(zip(names, outputs, strict=True))
    if not by_row:
        return b'{"outputs":' + _join(columns) + b"}"
    counts = {array.shape[:1] for array in outputs}
    if len(counts) != 1 or () in counts:
        raise InvalidInput(
            "instances: expected a signature whose outputs all have one row for each "
            "instance; this one has others: send inputs (columns) instead"
        )
    if len(names) == 1:
        rows = _dump(names[0], outputs[0])
        return b'{"predictions":' + rows + b"}"
    (count,) = counts.pop()
    answers = [
        _join({name: array[row] for name, array in columns.items()})
        for row in range(count)
    ]
    return b'{"predictions":[' + b",".join(answers) + b"]}"


def _read_rows(rows: Any, signature: Signature) -> dict[str, Array]:
    if not isinstance(rows, list) or not rows:
        received = "an empty list" if rows == [] else type(rows).__name__
        raise InvalidInput(
            f"instances: expected a list of at least one row, received {received}"
        )
    specs = signature.inputs
    if not _are_named(rows[0], specs):
        if len(specs) != 1:
            names = ", ".join(spec.name for spec in specs)
            raise InvalidInput(
                f"instances.0: expected an object with the inputs {names}, received "
                f"{type(rows[0]).__name__}"
            )
        return {specs[0].name: to_array(rows, specs[0].dtype, "instances")}
    required = {spec.name for spec in specs if spec.default is None}
    present = rows[0].keys()
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != present:
            raise InvalidInput(
                f"instances.{index}: expected the same inputs in every row: "
                f"{', '.join(present)}; received others"
            )
    known = {spec.name for spec in specs}
    if not required <= present <= known:
        raise InvalidInput(
            f"instances.0: expected the inputs {', '.join(sorted(known))}; received "
            f"{', '.join(present)[:256] or 'none'}"
        )
    return {
        spec.name: to_array(
            [row[spec.name] for row in rows], spec.dtype, f"instances, {spec.name}"
        )
        for spec in specs
        if spec.name in present
    }


def _read_columns(columns: Any, signature: Signature) -> dict[str, Array]:
    specs = signature.inputs
    if _are_named(columns, specs):
        known = {spec.name: spec for spec in specs}
        unknown = [name for name in columns if name not in known]
        if unknown:
            raise InvalidInput(
                f"inputs: expected {', '.join(known)}; received {unknown[0][:64]!r}"
            )
        return {
            name: to_array(values, known[name].dtype, f"inputs, {name}")
            for name, values in columns.items()
        }
    if len(specs) != 1:
        names = ", ".join(spec.name for spec in specs)
        raise InvalidInput(
            f"inputs: expected an object with {names}, received "
            f"{type(columns).__name__}"
        )
    return {specs[0].name: to_array(columns, specs[0].dtype, "inputs")}


def _are_named(value: Any, specs: Sequence[TensorSpec]) -> bool:
    """Whether this is an object of inputs, and not the base64 of a string."""
    if not isinstance(value, dict):
        return False
    names = {spec.name for spec in specs}
    return value.keys() != {"b64"} or "b64" in names


def _join(columns: Mapping[str, Array]) -> bytes:
    """Values by name, or the value alone where there is one."""
    if len(columns) == 1:
        ((name, array),) = columns.items()
        return _dump(name, array)
    pairs = [
        dump(np.array(name.encode(), dtype=object)) + b":" + _dump(name, array)
        for name, array in columns.items()
    ]
    return b"{" + b",".join(pairs) + b"}"


def _dump(name: str, array: Any) -> bytes:
    value = array if isinstance(array, np.ndarray) else _scalar(array)
    return dump(value, as_bytes=name.endswith(BYTES_SUFFIX))


def _scalar(value: Any) -> Array:
    return np.array(value, dtype=object if isinstance(value, bytes) else None)

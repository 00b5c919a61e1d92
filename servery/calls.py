"""The curl lines that call a model, with a body that works."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from servery.samples import first_rows
from service.contract.samples import Rows
from service.contract.saved_model import SavedModel
from service.contract.signature import Signature
from service.web.api.v2.datatypes import DATATYPES

MOST_CHARACTERS = 1000  # of a body that is written out
DEFAULT_SIGNATURE = "serving_default"


def write_calls(
    name: str, saved: SavedModel, rows: dict[str, Rows], address: str
) -> Iterator[str]:
    """Write, for every signature, a call in TensorFlow Serving's REST and one in V2.

    Args:
        name: The model's.
        saved: What is in it.
        rows: Signature → rows that it takes.
        address: Of the service, `localhost:8000`.
    """
    for signature, each in saved.signatures.items():
        part = first_rows(each, rows[signature], 1)
        yield _write(
            f"{address}/v1/models/{name}:predict", _predict_body(signature, each, part)
        )
        if all(spec.dtype in DATATYPES for spec in each.inputs) and not any(
            spec.dtype in ("float16", "bfloat16") for spec in each.inputs
        ):
            yield _write(
                f"{address}/v2/models/{name}/infer", _infer_body(signature, each, part)
            )


def _write(url: str, body: dict[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=False)
    if len(text) <= MOST_CHARACTERS:
        return f"curl {url} -d {shlex.quote(text)}"
    small = {key: _shorten(value) for key, value in body.items()}
    code = f"import json; print(json.dumps({_python(small)}))"
    return f"python3 -c {shlex.quote(code)} | curl {url} -d @-"


def _predict_body(name: str, signature: Signature, rows: Rows) -> dict[str, Any]:
    """A row where the signature has rows, else columns."""
    body = {} if name == DEFAULT_SIGNATURE else {"signature_name": name}
    values = {key: _json(array) for key, array in rows.items()}
    if not signature.can_batch:
        (only,) = values.values() if len(values) == 1 else (values,)
        return {**body, "inputs": only}
    row = {key: value[0] for key, value in values.items()}
    (only,) = row.values() if len(row) == 1 else (row,)
    return {**body, "instances": [only]}


def _infer_body(name: str, signature: Signature, rows: Rows) -> dict[str, Any]:
    tensors = [
        {
            "name": spec.name,
            "shape": list(rows[spec.name].shape),
            "datatype": DATATYPES[spec.dtype],
            "data": _json(rows[spec.name].ravel()),
        }
        for spec in signature.inputs
    ]
    body: dict[str, Any] = {"inputs": tensors}
    if name != DEFAULT_SIGNATURE:
        body["parameters"] = {"signature_name": name}
    return body


def _json(array: np.ndarray) -> Any:
    """An array as JSON has it: texts as texts, numbers in four digits."""
    if array.dtype.kind == "O":
        texts = [each.decode(errors="replace") for each in array.ravel()]
        return np.array(texts, dtype=object).reshape(array.shape).tolist()
    if array.dtype.kind in "biu":
        return array.tolist()
    return np.round(array.astype(np.float64), 4).tolist()


def _shorten(value: Any) -> Any:
    """A long list to zeros of its form, which Python writes as a product."""
    if isinstance(value, dict):
        return {key: _shorten(each) for key, each in value.items()}
    if isinstance(value, list) and len(str(value)) > MOST_CHARACTERS // 10:
        first = value[0]
        if isinstance(first, dict):
            return [_shorten(each) for each in value]
        return _Repeated(_shorten(first) if isinstance(first, list) else 0, len(value))
    return value


@dataclass(frozen=True, slots=True)
class _Repeated:
    """A list of one value, again and again."""

    value: Any
    times: int


def _python(value: Any) -> str:
    """A value as Python writes it, with double quotes: shells mind the others."""
    if isinstance(value, _Repeated):
        return f"[{_python(value.value)}] * {value.times}"
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)}: {_python(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_python, value))}]"
    return json.dumps(value) if isinstance(value, str) else repr(value)

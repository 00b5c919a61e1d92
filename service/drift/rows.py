"""One call of a model to lines of JSON, a row each: what it was asked and answered.

What is said of an answer, and of what a table's record had, are its numbers and words,
where there are a few; of a picture, a sound or anything else their mean, spread and
bounds; of a text its length. Only where that is asked for, all of it.
"""

import base64
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json

from service.contract.dtypes import STRING, dtype_name
from service.contract.signature import TensorSpec
from service.contract.task import kind_of
from service.drift.monitor import Outcome
from service.engine.batching.tensors import Tensors, count_rows

FEW = 64  # numbers of a row that are written as they are
MOST_WORD = 64  # bytes of a word in a table


def to_lines(
    seconds: float, request_id: str, outcome: Outcome, *, raw: bool
) -> Iterator[bytes]:
    """The lines of one call, each with its end.

    Args:
        seconds: When it was, in Unix time.
        request_id: As the access log names it.
        outcome: With `inputs` and a contract.
        raw: Whether pictures, sounds and texts are written whole.
    """
    contract, inputs = outcome.contract, outcome.inputs
    if contract is None or inputs is None:
        return
    signature = contract.signatures[outcome.signature]
    rows = count_rows(inputs) if contract.batches(outcome.signature) else 1
    found = _read(outcome, rows)
    is_table = (kind_of(contract.task) or "").startswith("tabular")
    for row in range(rows):
        batched = contract.batches(outcome.signature)
        line: dict[str, Any] = {
            "time": _timestamp(seconds),
            "model": contract.name,
            "version": contract.version,
            "signature": outcome.signature,
            "request_id": request_id,
            "row": row,
            **(found[row] if found else {}),
            "inputs": _describe(
                signature.inputs,
                inputs,
                row if batched else None,
                plain=is_table,
                raw=raw,
            ),
            "outputs": _describe(
                signature.outputs,
                outcome.outputs,
                row if batched else None,
                plain=True,
                raw=raw,
            ),
        }
        yield to_json(line, inf_nan_mode="null") + b"\n"


def summarise(values: npt.NDArray[Any]) -> dict[str, Any]:
    """Size and spread of many numbers."""
    numbers = np.asarray(values, np.float64).ravel()
    if not numbers.size:
        return {"size": 0}
    with np.errstate(all="ignore"):
        found = {
            "mean": numbers.mean(),
            "deviation": numbers.std(),
            "least": numbers.min(),
            "most": numbers.max(),
        }
    return {"size": numbers.size} | {key: _number(each) for key, each in found.items()}


def _read(outcome: Outcome, rows: int) -> list[dict[str, Any]]:
    """The label of each row, and its score, where they are counted."""
    counted = outcome.counted
    read = counted.read(outcome.outputs[0]) if counted is not None else None
    if counted is None or read is None or len(read[0]) != rows:
        return []
    groups, scores = read
    names = [counted.reference.groups[each] for each in groups.tolist()]
    if scores is None:
        return [{"label": each} for each in names]
    return [
        {"label": name, "confidence": _number(score)}
        for name, score in zip(names, scores.tolist(), strict=True)
    ]


def _describe(
    specs: Sequence[TensorSpec],
    tensors: Tensors,
    row: int | None,
    *,
    plain: bool,
    raw: bool,
) -> dict[str, Any]:
    """What is said of each tensor, or of one row of it: as it is, where it is plain."""
    named = zip(specs, tensors, strict=False)
    return {
        spec.name: _say(
            array if row is None else array[row : row + 1].reshape(array.shape[1:]),
            plain=plain,
            raw=raw,
        )
        for spec, array in named
    }


def _say(values: npt.NDArray[Any], *, plain: bool, raw: bool) -> Any:
    if dtype_name(values.dtype) == STRING:
        return _say_texts(values, plain=plain, raw=raw)
    if values.dtype.kind == "c":
        return summarise(np.abs(values))
    if plain and values.size <= FEW and values.ndim <= 1:
        listed: Any = np.asarray(
            values, bool if values.dtype.kind == "b" else np.float64
        ).tolist()
        return listed
    if not raw:
        return summarise(values)
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return {
        "dtype": dtype_name(values.dtype),
        "shape": list(values.shape),
        "base64": base64.b64encode(np.ascontiguousarray(little).tobytes()).decode(),
    }


def _say_texts(values: npt.NDArray[Any], *, plain: bool, raw: bool) -> Any:
    texts = values.ravel().tolist()
    said = [_say_text(each, plain=plain, raw=raw) for each in texts[:FEW]]
    return said[0] if values.ndim == 0 or values.size == 1 else said


def _say_text(text: bytes | str, *, plain: bool, raw: bool) -> Any:
    content = text.encode() if isinstance(text, str) else bytes(text)
    if raw or (plain and len(content) <= MOST_WORD):
        return content.decode(errors="replace")
    return {"bytes": len(content)}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _timestamp(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):  # of a clock that is far off
        return ""

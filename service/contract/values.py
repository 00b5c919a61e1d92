"""Values of JSON to arrays, by the dtype that a signature wants, and nothing guessed.

Whole numbers are taken where floats are wanted; the other way round, and for true and
false among numbers, the value is refused, as TensorFlow Serving does.
"""

import binascii
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from service.contract.dtypes import STRING, numpy_dtype
from service.errors import InvalidInput

Array = np.ndarray

SHOWN_CHARACTERS = 64  # of a value that is said to be wrong
MOST_DEPTH = 32
KINDS = {
    dict: "an object", list: "a list", str: "a string", bool: "true or false",
    int: "a whole number", float: "a number with a fraction", type(None): "null",
}  # fmt: skip


def to_array(values: Any, dtype: str, what: str) -> Array:
    """Nested lists, or one value, to an array.

    Args:
        values: As `pydantic_core.from_json` gives them. Where `dtype` is string: text,
            which becomes its UTF-8, or `{"b64": "…"}`.
        dtype: The name of the wanted one.
        what: The name of the input, for errors.

    Raises:
        InvalidInput: Lists of unequal lengths, values of another kind, or out of range.
    """
    if dtype == STRING:
        return _to_strings(values, what)
    try:
        array = np.array(values)
    except ValueError as error:
        raise InvalidInput(
            f"{what}: expected lists of equal lengths at every depth, received others"
        ) from error
    wanted = numpy_dtype(dtype)
    if array.size == 0 and array.dtype.kind == "f":
        return array.astype(wanted)
    if array.dtype.kind not in _kinds_for(wanted):
        raise _wrong(values, dtype, what)
    if wanted.kind != "b" and _mixes_booleans(values):
        raise InvalidInput(
            f"{what}: expected numbers of {dtype}, received true or false"
        )
    return _cast(array, wanted, what)


def _kinds_for(wanted: np.dtype[Any]) -> str:
    """The kinds of arrays that NumPy makes of values which will do."""
    if wanted.kind == "b":
        return "b"
    return "iu" if wanted.kind in "iu" else "iuf"


def _cast(array: Array, wanted: np.dtype[Any], what: str) -> Array:
    if wanted.kind in "iu" and array.size:
        limits = np.iinfo(wanted)
        least, most = array.min(), array.max()
        if least < limits.min or most > limits.max:
            out = least if least < limits.min else most
            raise InvalidInput(
                f"{what}: expected {wanted.name} from {limits.min} to {limits.max}, "
                f"received {out}"
            )
    with np.errstate(over="ignore"):  # too large for a float is infinity
        return array.astype(wanted)


def _mixes_booleans(values: Any) -> bool:
    """Whether true or false stands among numbers, which NumPy takes for 1 and 0."""
    if not isinstance(values, list):
        return isinstance(values, bool)
    if values and isinstance(values[0], list):
        return any(map(_mixes_booleans, values))
    return bool in set(map(type, values))


def _to_strings(values: Any, what: str) -> Array:
    shape = _shape(values)
    flat = list(_leaves(values, len(shape), shape, what))
    array = np.empty(len(flat), dtype=object)
    for index, value in enumerate(flat):
        array[index] = _to_bytes(value, what)
    return array.reshape(shape)


def _shape(values: Any) -> list[int]:
    shape: list[int] = []
    while isinstance(values, list) and len(shape) < MOST_DEPTH:
        shape.append(len(values))
        if not values:
            break
        values = values[0]
    return shape


def _leaves(values: Any, depth: int, shape: Sequence[int], what: str) -> Iterator[Any]:
    if depth == 0:
        yield values
        return
    if not isinstance(values, list) or len(values) != shape[-depth]:
        raise InvalidInput(
            f"{what}: expected lists of equal lengths at every depth, received others"
        )
    for value in values:
        yield from _leaves(value, depth - 1, shape, what)


def decode_base64(encoded: str | bytes, what: str) -> bytes:
    """What base64 says.

    Raises:
        InvalidInput: It is none.
    """
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(
            f"{what}: expected base64, received {_show(encoded)}"
        ) from error


def _to_bytes(value: Any, what: str) -> bytes:
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    if isinstance(value, dict) and value.keys() == {"b64"}:
        encoded = value["b64"]
        if isinstance(encoded, str):
            return decode_base64(encoded, f"{what}, b64")
    raise _wrong(value, STRING, what)


def _wrong(values: Any, dtype: str, what: str) -> InvalidInput:
    value = _first_unfit(values, dtype)
    kind = KINDS.get(type(value), type(value).__name__)
    return InvalidInput(
        f"{what}: expected values of {dtype}, received {kind}: {_show(value)}"
    )


def _first_unfit(values: Any, dtype: str) -> Any:
    """The first value that is not of the wanted kind; lists are walked."""
    fits: tuple[type, ...] = (int, float)
    if dtype == "bool":
        fits = (bool,)
    elif np.dtype(numpy_dtype(dtype)).kind in "iu":
        fits = (int,)
    pending = [values]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += reversed(value)
        elif type(value) not in fits:
            return value
    return values


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"

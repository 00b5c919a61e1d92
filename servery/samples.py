"""Rows that fit a signature, drawn where nobody gives real ones."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from servery.versions import ExportRefused
from service.contract.dtypes import STRING, dtype_name, numpy_dtype
from service.contract.inputs import describe_shape
from service.contract.signature import Signature, TensorSpec

Rows = dict[str, npt.NDArray[Any]]

COUNTS = (1, 2, 3)  # one row, an even and an odd number of them
SIDES = (1, 8, 32, 224)  # tried in turn for what an input leaves free
WORDS = (b"a", b"one", b"two words", "naïve".encode())


def draw(signature: Signature) -> Iterator[Rows]:
    """Draw rows of every count, again and again with other sizes and gentler values.

    Yields:
        An array for each input by name, of `max(COUNTS)` rows where rows are free: what
        the model refuses is not for it, and the next may be.
    """
    for side in SIDES:
        for gentle in (False, True):
            rng = np.random.default_rng(0)
            yield {
                spec.name: _draw(rng, spec, side, gentle=gentle)
                for spec in signature.inputs
            }
        if not any(None in spec.shape[1:] for spec in signature.inputs):
            return


def first_rows(signature: Signature, rows: Rows, count: int) -> Rows:
    """The first `count` rows of those inputs that have rows."""
    return {
        spec.name: rows[spec.name][:count] if spec.has_rows else rows[spec.name]
        for spec in signature.inputs
        if spec.name in rows
    }


def counts(signature: Signature, rows: Rows) -> list[int]:
    """How many rows to compare by: 1, 2, an odd number, and all that are given."""
    lengths = [len(rows[spec.name]) for spec in signature.inputs if spec.has_rows]
    if not lengths:
        return [1]
    most = min(lengths)
    return sorted({count for count in (*COUNTS, most) if count <= most})


def as_samples(given: Any, signature: Signature) -> Rows:
    """The rows that a user gives, in the dtypes of the signature.

    Args:
        given: An array for each input by name; or an array, where there is one input.
        signature: What they are for.

    Raises:
        ExportRefused: Others than the signature's inputs, or of another form.
    """
    if not isinstance(given, Mapping):
        given = {signature.inputs[0].name: given} if len(signature.inputs) == 1 else {}
    names = [spec.name for spec in signature.inputs]
    if sorted(given) != sorted(names):
        raise ExportRefused(
            f"samples: expected an array for each of {', '.join(names)}; received "
            f"{', '.join(map(str, given)) or 'one for none of them'}"
        )
    return {spec.name: _as_sample(given[spec.name], spec) for spec in signature.inputs}


def read_samples(path: Path) -> Rows:
    """Read an .npz file: an array for each input, by name.

    Raises:
        ExportRefused: It cannot be read, or holds Python objects.
    """
    try:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError) as error:
        raise ExportRefused(
            f"samples: expected an .npz file of arrays by name (np.savez), text as "
            f"NumPy's str; {path.name}: {error}"
        ) from error


def _as_sample(values: Any, spec: TensorSpec) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if spec.dtype == STRING:
        texts = [
            each.encode() if isinstance(each, str) else each for each in array.ravel()
        ]
        array = np.array([*texts, None], dtype=object)[:-1].reshape(array.shape)
    elif array.dtype.kind not in "OSU":
        array = array.astype(numpy_dtype(spec.dtype))
    sizes = zip(array.shape, spec.shape, strict=False)
    fits = spec.any_rank or (
        array.ndim == len(spec.shape)
        and all(need in (None, size) for size, need in sizes)
    )
    if not fits or dtype_name(array.dtype) != spec.dtype or not array.size:
        raise ExportRefused(
            f"samples, {spec.name}: expected {spec.dtype} {describe_shape(spec)}, "
            f"received {dtype_name(array.dtype)} {[*array.shape]}"
        )
    return array


def _draw(
    rng: np.random.Generator, spec: TensorSpec, side: int, *, gentle: bool
) -> npt.NDArray[Any]:
    shape = [side if dim is None else dim for dim in spec.shape]
    if spec.has_rows or spec.any_rank:
        shape[:1] = [max(COUNTS)]
    dtype = numpy_dtype(spec.dtype)
    if spec.dtype == STRING:
        chosen = rng.integers(0, 1 if gentle else len(WORDS), math.prod(shape))
        texts = np.array([*(WORDS[index] for index in chosen), None], dtype=object)
        return texts[:-1].reshape(shape)
    if gentle:
        return np.zeros(shape, dtype)
    if dtype.kind in "iu" and dtype != np.uint8:
        return np.asarray(rng.integers(0, 10, shape)).astype(dtype)
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape)).astype(dtype)
    scale = 255 if dtype == np.uint8 else 1
    return np.asarray(rng.random(shape) * scale).astype(dtype)

"""Rows that a user gives, to compare a model with what was written of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from servery.versions import ExportRefused
from service.contract.dtypes import STRING, dtype_name, numpy_dtype
from service.contract.inputs import describe_shape
from service.contract.samples import Rows
from service.contract.signature import Signature, TensorSpec

COUNTS = (1, 2, 3)  # one row, an even and an odd number of them


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
